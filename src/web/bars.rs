//! Day bars: 90 days of a vendor, what it declared above the axis and what we measured below it, as SVG paths and as words.

use std::fmt::Write;
use std::time::Duration;

use jiff::civil::Date;

use super::history::{DAYS, Happened, History, Stretch, clip};
use super::look::{Lane, Look, height, word};
use super::zone::{Zone, lasting, short_date};
use crate::model::{Status, Timestamp};

/// Width of a day and of its bar, height of a lane, in units of the drawing.
const DAY: u32 = 4;
const BAR: u32 = 3;
const LANE: f32 = 12.0;
/// Where the lanes meet.
pub const AXIS: f32 = LANE + 1.0;
pub const WIDTH: u32 = DAYS * DAY;
pub const HEIGHT: u32 = 2 * LANE as u32 + 2;

/// Milliseconds by status.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums([i64; 6]);

impl Sums {
    fn of(stretches: impl Iterator<Item = Stretch>) -> Sums {
        let mut sums = Sums::default();
        for stretch in stretches {
            sums.0[stretch.status as usize] += stretch.to.millis_since(stretch.from);
        }
        sums
    }

    pub const fn of_status(&self, status: Status) -> i64 {
        self.0[status as usize]
    }

    fn known(&self) -> i64 {
        self.0.iter().sum::<i64>() - self.of_status(Status::Unknown)
    }

    /// The worst of a time of `whole` milliseconds; unknown if less than half of it is known.
    fn worst(&self, whole: i64) -> Status {
        const ALL: [Status; 5] = [Status::Operational, Status::Maintenance, Status::Degraded, Status::PartialOutage, Status::MajorOutage];
        let present = ALL.into_iter().filter(|status| self.of_status(*status) > 0);
        match Status::worst(present) {
            Some(status) if self.known() * 2 >= whole => status,
            _ => Status::Unknown,
        }
    }
}

/// One day of one vendor.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    pub date: Date,
    /// `None` without a lane of that kind.
    pub declared: Option<Sums>,
    pub measured: Option<Sums>,
    /// Up to now, of today.
    pub whole: i64,
    pub incidents: Vec<Happened>,
}

impl Day {
    fn sums(&self, lane: Lane) -> Option<Sums> {
        match lane {
            Lane::Declared => self.declared,
            Lane::Measured => self.measured,
        }
    }

    pub fn status(&self, lane: Lane) -> Option<Status> {
        Some(self.sums(lane)?.worst(self.whole))
    }

    /// `operational`, or `degraded 42 min, partial outage 5 min`.
    fn said(&self, lane: Lane) -> Option<String> {
        const WORST_FIRST: [Status; 4] = [Status::MajorOutage, Status::PartialOutage, Status::Degraded, Status::Maintenance];
        let sums = self.sums(lane)?;
        let time = |status: &Status| Duration::from_millis(sums.of_status(*status).max(0) as u64);
        let bad = WORST_FIRST.iter().filter(|status| sums.of_status(**status) > 0);
        let bad: Vec<String> = bad.map(|status| format!("{} {}", word(*status, lane), lasting(time(status)))).collect();
        Some(match (bad.is_empty(), self.status(lane)) {
            (false, _) => bad.join(", "),
            (true, Some(Status::Unknown)) | (true, None) => "no data".to_owned(),
            (true, Some(_)) => word(Status::Operational, lane).to_owned(),
        })
    }

    /// Percent of the day that we saw something of.
    pub fn observed(&self) -> Option<u32> {
        let sums = self.measured.or(self.declared)?;
        (self.whole > 0).then(|| (sums.known() * 100 / self.whole).clamp(0, 100) as u32)
    }

    /// `declared operational; measured down 12 min; observed 99 %`
    pub fn words(&self) -> String {
        let lanes = [Lane::Declared, Lane::Measured];
        let mut parts: Vec<String> = lanes.iter().filter_map(|lane| Some(format!("{} {}", lane.as_str(), self.said(*lane)?))).collect();
        if let Some(observed) = self.observed().filter(|observed| (1..100).contains(observed)) {
            parts.push(format!("observed {observed} %"));
        }
        if parts.is_empty() { "no data".to_owned() } else { parts.join("; ") }
    }

    pub fn is_calm(&self) -> bool {
        let calm = |status: Option<Status>| matches!(status, None | Some(Status::Operational | Status::Unknown));
        calm(self.status(Lane::Declared)) && calm(self.status(Lane::Measured)) && self.incidents.is_empty()
    }
}

/// The days of a vendor up to `now`, oldest first.
pub fn days(history: &History, zone: &Zone, now: Timestamp) -> Vec<Day> {
    let lane = |lane: &[Stretch], from, to| (!lane.is_empty()).then(|| Sums::of(clip(lane, from, to)));
    let day = |(date, from, to): (Date, Timestamp, Timestamp)| {
        // What the last look at the past has not seen yet is not unknown.
        let end = to.min(history.to.max(from));
        Day {
            date,
            declared: lane(&history.declared, from, end),
            measured: lane(&history.measured, from, end),
            whole: end.millis_since(from),
            incidents: history.incidents.iter().filter(|incident| incident.touches(from, end)).cloned().collect(),
        }
    };
    zone.days(now, DAYS).into_iter().map(day).collect()
}

/// A path of one colour.
pub struct Path {
    pub class: &'static str,
    pub d: String,
}

/// A run of days that say the same, in words.
pub struct Run {
    pub days: usize,
    pub when: String,
    pub said: String,
}

pub struct Bars {
    pub paths: Vec<Path>,
    pub runs: Vec<Run>,
    /// One sentence over all of it.
    pub summary: String,
}

impl Bars {
    pub fn of(days: &[Day]) -> Bars {
        let mut paths = Vec::new();
        for lane in [Lane::Declared, Lane::Measured] {
            const DRAWN: [Status; 6] =
                [Status::Operational, Status::Unknown, Status::Maintenance, Status::Degraded, Status::PartialOutage, Status::MajorOutage];
            let statuses: Vec<Option<Status>> = days.iter().map(|day| day.status(lane)).collect();
            let path = |status: Status| Path { class: class(status), d: path(&statuses, status, lane) };
            paths.extend(DRAWN.into_iter().map(path).filter(|path| !path.d.is_empty()));
        }
        Bars { paths, runs: runs(days), summary: summary(days) }
    }
}

/// Of lines, which are dashed into days; what stands out is drawn bar by bar, with an outline.
const fn class(status: Status) -> &'static str {
    match status {
        Status::Operational => "b op",
        Status::Unknown => "b un",
        Status::Maintenance => "r mt",
        Status::Degraded => "r dg",
        Status::PartialOutage => "r po",
        Status::MajorOutage => "r mo",
    }
}

fn path(statuses: &[Option<Status>], status: Status, lane: Lane) -> String {
    let mut path = String::new();
    let high = height(status) * LANE;
    let is_line = matches!(status, Status::Operational | Status::Unknown);
    let mut day = 0;
    while day < statuses.len() {
        if statuses[day] != Some(status) {
            day += 1;
            continue;
        }
        let x = day as u32 * DAY;
        let run = statuses[day..].iter().take_while(|s| **s == Some(status)).count();
        let _ = match (is_line, lane) {
            (true, Lane::Declared) => write!(path, "M{x} {:.1}h{}", AXIS - 1.0 - high / 2.0, run as u32 * DAY - (DAY - BAR)),
            (true, Lane::Measured) => write!(path, "M{x} {:.1}h{}", AXIS + 1.0 + high / 2.0, run as u32 * DAY - (DAY - BAR)),
            (false, Lane::Declared) => write!(path, "M{x} {:.1}h{BAR}v{high:.1}h-{BAR}z", AXIS - 1.0 - high),
            (false, Lane::Measured) => write!(path, "M{x} {:.1}h{BAR}v{high:.1}h-{BAR}z", AXIS + 1.0),
        };
        day += if is_line { run } else { 1 };
    }
    path
}

fn runs(days: &[Day]) -> Vec<Run> {
    let mut runs: Vec<(usize, Date, Date, String)> = Vec::new();
    for day in days {
        let said = day.words();
        match runs.last_mut() {
            Some((count, _, to, last)) if *last == said => (*count, *to) = (*count + 1, day.date),
            _ => runs.push((1, day.date, day.date, said)),
        }
    }
    let when = |from: Date, to: Date| match from == to {
        true => short_date(from),
        false => format!("{} to {}", short_date(from), short_date(to)),
    };
    runs.into_iter().map(|(days, from, to, said)| Run { days, when: when(from, to), said }).collect()
}

fn summary(days: &[Day]) -> String {
    let odd = days.iter().filter(|day| !day.is_calm()).count();
    match odd {
        0 => format!("{} days: nothing out of the ordinary", days.len()),
        1 => format!("{} days: one with problems", days.len()),
        _ => format!("{} days: {odd} with problems", days.len()),
    }
}

/// `degraded`: what the colour of a day stands for, in a legend.
pub const LEGEND: [Look; 6] = [
    Look::of(Status::Operational),
    Look::of(Status::Maintenance),
    Look::of(Status::Degraded),
    Look::of(Status::PartialOutage),
    Look::of(Status::MajorOutage),
    Look::of(Status::Unknown),
];
