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
    pub fn said(&self, lane: Lane) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Impact, Uuid};

    const HOUR: i64 = 3_600_000;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-27T12:00:00Z").unwrap()
    }

    /// `hours` before now.
    fn ago(hours: i64) -> Timestamp {
        Timestamp::from_millis(now().as_millis() - hours * HOUR)
    }

    fn stretch(from: i64, to: i64, status: Status) -> Stretch {
        Stretch { from: ago(from), to: ago(to), status }
    }

    fn seen(measured: Vec<Stretch>) -> Vec<Day> {
        let incident =
            Happened { id: Uuid::nil(), title: "x".into(), impact: Some(Impact::Minor), from: ago(40), to: Some(ago(39)), open: false };
        days(&History { to: now(), measured, declared: Vec::new(), incidents: vec![incident], latest: None }, &Zone::utc(), now())
    }

    #[test]
    fn a_day_has_the_worst_state_of_it_and_half_of_it_must_be_seen() {
        use Status::{Degraded, MajorOutage, Operational, Unknown};
        // Today has 12 hours so far, yesterday ended 12 hours ago.
        let days = seen(vec![
            stretch(60, 49, Operational),
            stretch(36, 25, Operational),
            stretch(25, 24, MajorOutage),
            stretch(24, 13, Unknown),
            stretch(13, 12, Degraded),
            stretch(12, 0, Operational),
        ]);
        let status = |back: usize| days[days.len() - 1 - back].status(Lane::Measured);
        assert_eq!(days.len(), DAYS as usize);
        assert_eq!(status(0), Some(Operational));
        assert_eq!(status(1), Some(MajorOutage), "13 of 24 hours were seen");
        assert_eq!(status(2), Some(Unknown), "11 of 24 hours were seen");
        assert_eq!(status(3), Some(Unknown));
        assert_eq!(days[DAYS as usize - 2].words(), "measured down 1 h, degraded 1 h; observed 54 %");
        assert_eq!(days[DAYS as usize - 1].words(), "measured up");
        assert_eq!(days[0].words(), "measured no data");
        assert_eq!(days[0].status(Lane::Declared), None, "there is no page");
        assert!(!days[DAYS as usize - 3].is_calm(), "an incident was declared");
    }

    #[test]
    fn runs_of_days_are_one_line_and_what_stands_out_is_drawn_by_itself() {
        let bars = Bars::of(&seen(vec![
            stretch(24 * 95, 30, Status::Operational),
            stretch(30, 29, Status::MajorOutage),
            stretch(29, 0, Status::Operational),
        ]));
        let path = |class: &str| bars.paths.iter().find(|path| path.class == class).map(|path| path.d.clone()).unwrap_or_default();
        assert_eq!(path("b op").matches('M').count(), 2);
        assert_eq!(path("r mo"), "M352 14.0h3v12.0h-3z", "yesterday, below the axis");
        assert_eq!(bars.runs.iter().map(|run| run.days).sum::<usize>(), DAYS as usize);
        let said: Vec<&str> = bars.runs.iter().map(|run| run.said.as_str()).collect();
        assert_eq!(said, ["measured up", "measured down 1 h", "measured up"]);
        assert_eq!(bars.runs[2].when, "27 Nov");
    }

    #[test]
    fn without_a_look_at_the_past_nothing_is_claimed() {
        let days = days(&History::default(), &Zone::utc(), now());
        assert!(Bars::of(&days).paths.is_empty());
    }
}
