//! One time axis: what a vendor declared, what we measured, announced work, who said it first, and how long our checks took.
//! Coordinates are made here; templates only place them.

use std::fmt::Write;
use std::time::Duration;

use super::history::{Stretch, clip};
use super::look::{Lane, Look, height, word};
use super::zone::{Zone, lasting, short_date};
use crate::model::{Status, Timestamp};
use crate::store::{Judged, Latency, Layer};

pub const WIDTH: f64 = 1112.0;
/// Names of lanes and values of the scale stand before this.
const LEFT: f64 = 86.0;
const RIGHT: f64 = WIDTH - 6.0;
const LANE: f64 = 26.0;
const TOP: f64 = 8.0;
/// Between the lanes, where it is drawn who was first.
const BETWEEN: f64 = 12.0;
const PANEL: f64 = 104.0;
const PANEL_GAP: f64 = 34.0;
/// More pieces than that cannot be told apart.
const PIECES_MAX: usize = 700;
/// What is shorter is drawn as wide as this, so that it is seen.
const WIDTH_MIN: f64 = 1.6;

/// How far back a chart reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub name: &'static str,
    pub words: &'static str,
    pub length: Duration,
    /// Of a point of the latency.
    pub step: Duration,
    tick: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    Hours(i64),
    Days(usize),
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

pub const RANGES: [Range; 4] = [
    Range::new("24h", "24 hours", DAY, HOUR / 4, Tick::Hours(3)),
    Range::new("7d", "7 days", 7 * DAY, 2 * HOUR, Tick::Days(1)),
    Range::new("30d", "30 days", 30 * DAY, 8 * HOUR, Tick::Days(3)),
    Range::new("90d", "90 days", 90 * DAY, DAY, Tick::Days(10)),
];

impl Range {
    const fn new(name: &'static str, words: &'static str, seconds: u64, step: u64, tick: Tick) -> Range {
        Range { name, words, length: Duration::from_secs(seconds), step: Duration::from_secs(step), tick }
    }

    pub fn parse(text: &str) -> Option<Range> {
        RANGES.into_iter().find(|range| range.name == text)
    }
}

/// What is drawn.
pub struct Facts<'f> {
    pub range: Range,
    pub now: Timestamp,
    pub zone: &'f Zone,
    pub declared: &'f [Stretch],
    pub measured: &'f [Stretch],
    pub work: &'f [Layer],
    pub outages: &'f [Judged],
    /// (check, its latency); one panel each.
    pub latency: &'f [(String, Vec<Latency>)],
    pub name: &'f str,
}

pub struct Chart {
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub right: f64,
    pub bottom: f64,
    pub ticks: Vec<Mark>,
    pub lanes: Vec<Drawn>,
    pub lags: Vec<Piece>,
    pub panels: Vec<Panel>,
    /// Everything, in one sentence.
    pub summary: String,
}

pub struct Mark {
    pub at: String,
    pub label: String,
}

pub struct Drawn {
    pub name: &'static str,
    pub label_y: String,
    pub axis_y: String,
    pub pieces: Vec<Piece>,
}

pub struct Piece {
    pub class: &'static str,
    pub x: String,
    pub y: String,
    pub w: String,
    pub h: String,
    pub title: String,
}

pub struct Panel {
    pub check: String,
    pub title_y: String,
    pub bottom: String,
    pub p50: String,
    pub p95: String,
    pub scale: Vec<Mark>,
    pub rows: Vec<Row>,
}

/// One point of the latency, as the table has it.
pub struct Row {
    pub when: String,
    pub count: u64,
    pub p50: String,
    pub p95: String,
    pub p99: String,
}

struct Axis {
    from: Timestamp,
    to: Timestamp,
}

impl Axis {
    fn x(&self, at: Timestamp) -> f64 {
        let whole = self.to.millis_since(self.from).max(1) as f64;
        let part = at.max(self.from).min(self.to).millis_since(self.from) as f64;
        LEFT + (RIGHT - LEFT) * part / whole
    }
}

impl Chart {
    pub fn of(facts: &Facts) -> Chart {
        let axis = Axis { from: facts.now - facts.range.length, to: facts.now };
        let mut y = TOP;
        let mut lanes = Vec::new();
        for (lane, stretches) in [(Lane::Declared, facts.declared), (Lane::Measured, facts.measured)] {
            if !stretches.is_empty() {
                lanes.push(drawn(lane, stretches, y, &axis, facts.zone));
                y += LANE + BETWEEN;
            }
        }
        let lags_y = (lanes.len() == 2).then_some(TOP + LANE + 2.0);
        if let Some(work) = work(facts.work, y, &axis, facts.zone) {
            lanes.push(work);
            y += LANE * 0.5 + BETWEEN;
        }
        let mut panels = Vec::new();
        for (check, points) in facts.latency.iter().filter(|(_, points)| !points.is_empty()) {
            y += PANEL_GAP;
            panels.push(panel(check, points, y, &axis, facts.zone, facts.range));
            y += PANEL;
        }
        Chart {
            width: WIDTH,
            height: y + 26.0,
            left: LEFT,
            right: RIGHT,
            bottom: y + 4.0,
            ticks: ticks(facts.range, &axis, facts.zone),
            lags: lags_y.map(|y| lags(facts, y, &axis)).unwrap_or_default(),
            lanes,
            panels,
            summary: format!("The last {} of {}: declared and measured states, and how long checks took", facts.range.words, facts.name),
        }
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn drawn(lane: Lane, stretches: &[Stretch], y: f64, axis: &Axis, zone: &Zone) -> Drawn {
    let inside = coarse(clip(stretches, axis.from, axis.to).collect(), axis);
    let grows_up = lane == Lane::Declared;
    let piece = |stretch: &Stretch| {
        let high = f64::from(height(stretch.status)) * LANE;
        let (x, end) = (axis.x(stretch.from), axis.x(stretch.to));
        let calm = matches!(stretch.status, Status::Operational | Status::Unknown);
        let wide = (end - x).max(if calm { 0.1 } else { WIDTH_MIN });
        Piece {
            class: Look::of(stretch.status).class,
            x: number(x.min(RIGHT - wide)),
            y: number(if grows_up { y + LANE - high } else { y }),
            w: number(wide),
            h: number(high),
            title: title(lane, stretch, zone),
        }
    };
    // What is worse is drawn last, on top.
    let mut pieces: Vec<(Status, Piece)> = inside.iter().map(|stretch| (stretch.status, piece(stretch))).collect();
    pieces.sort_by_key(|(status, _)| if status.is_known() { 1 + *status as u8 } else { 0 });
    Drawn {
        name: lane.as_str(),
        label_y: number(y + LANE / 2.0 + 4.0),
        axis_y: number(if grows_up { y + LANE + 0.5 } else { y - 0.5 }),
        pieces: pieces.into_iter().map(|(_, piece)| piece).collect(),
    }
}

fn title(lane: Lane, stretch: &Stretch, zone: &Zone) -> String {
    let state = if stretch.status.is_known() { word(stretch.status, lane) } else { "no data" };
    format!(
        "{} {state} for {}: {} to {}",
        lane.as_str(),
        lasting(stretch.to.since(stretch.from)),
        zone.minute(stretch.from),
        zone.minute(stretch.to)
    )
}

/// Where there are more pieces than can be told apart, the worst of each part of the time.
fn coarse(stretches: Vec<Stretch>, axis: &Axis) -> Vec<Stretch> {
    if stretches.len() <= PIECES_MAX {
        return stretches;
    }
    let step = Duration::from_millis((axis.to.millis_since(axis.from) / PIECES_MAX as i64).max(1) as u64);
    let mut out: Vec<Stretch> = Vec::new();
    let mut from = axis.from;
    while from < axis.to {
        let to = (from + step).min(axis.to);
        let worst = Status::worst(clip(&stretches, from, to).map(|stretch| stretch.status)).unwrap_or(Status::Unknown);
        match out.last_mut() {
            Some(last) if last.status == worst => last.to = to,
            _ => out.push(Stretch { from, to, status: worst }),
        }
        from = to;
    }
    out
}

fn work(layers: &[Layer], y: f64, axis: &Axis, zone: &Zone) -> Option<Drawn> {
    let high = LANE * 0.5;
    let piece = |layer: &Layer| {
        let (x, end) = (axis.x(layer.from), axis.x(layer.to));
        Piece {
            class: "mt",
            x: number(x),
            y: number(y),
            w: number((end - x).max(WIDTH_MIN)),
            h: number(high),
            title: format!("{}: {} to {}", layer.reason, zone.minute(layer.from), zone.minute(layer.to)),
        }
    };
    let pieces: Vec<Piece> = layers.iter().filter(|l| l.from < axis.to && l.to > axis.from).map(piece).collect();
    let drawn = || Drawn { name: "work", label_y: number(y + high / 2.0 + 4.0), axis_y: number(y + high + 0.5), pieces };
    (!layers.is_empty()).then(drawn)
}

/// From our first failing run to the vendor's first post, between the lanes.
fn lags(facts: &Facts, y: f64, axis: &Axis) -> Vec<Piece> {
    let piece = |judged: &Judged| {
        let (ours, theirs) = (judged.outage.started_at, judged.post?.posted_at);
        let (from, to) = (ours.min(theirs), ours.max(theirs));
        if to < axis.from || from > axis.to {
            return None;
        }
        let (x, end) = (axis.x(from), axis.x(to));
        Some(Piece {
            class: if theirs < ours { "theirs" } else { "ours" },
            x: number(x),
            y: number(y),
            w: number((end - x).max(2.4)),
            h: number(BETWEEN - 4.0),
            title: first(judged, facts.name)?,
        })
    };
    facts.outages.iter().filter_map(piece).collect()
}

/// `our checks failed 6 min before GitHub posted`
pub fn first(judged: &Judged, name: &str) -> Option<String> {
    let lag = judged.lag_ms()?;
    let apart = lasting(Duration::from_millis(lag.unsigned_abs()));
    Some(match lag {
        0.. => format!("our checks failed {apart} before {name} posted"),
        _ => format!("{name} posted {apart} before our checks failed"),
    })
}

fn panel(check: &str, points: &[Latency], y: f64, axis: &Axis, zone: &Zone, range: Range) -> Panel {
    let highest = points.iter().map(|point| point.p95).max().unwrap_or_default();
    let (top, values) = scale(highest);
    let at = |duration: Duration| y + PANEL - PANEL * (duration.as_secs_f64() / top).min(1.0);
    let mark =
        |seconds: &f64| Mark { at: number(y + PANEL - PANEL * seconds / top), label: milliseconds(Duration::from_secs_f64(*seconds)) };
    let row = |point: &Latency| Row {
        when: if range.step >= Duration::from_secs(DAY) { short_date(zone.date(point.from)) } else { zone.minute(point.from) },
        count: point.count,
        p50: milliseconds(point.p50),
        p95: milliseconds(point.p95),
        p99: milliseconds(point.p99),
    };
    Panel {
        check: check.to_owned(),
        title_y: number(y - 9.0),
        bottom: number(y + PANEL),
        p50: line(points, axis, range, |point| at(point.p50)),
        p95: line(points, axis, range, |point| at(point.p95)),
        scale: values.iter().map(mark).collect(),
        rows: points.iter().rev().map(row).collect(),
    }
}

/// A line through the middle of each point; where nothing was measured it is broken.
fn line(points: &[Latency], axis: &Axis, range: Range, y: impl Fn(&Latency) -> f64) -> String {
    let mut path = String::new();
    let mut before: Option<&Latency> = None;
    for (nth, point) in points.iter().enumerate() {
        let middle = point.from + range.step / 2;
        let follows = before.is_some_and(|before| point.from.since(before.from) <= range.step + range.step / 2);
        let alone = !follows && points.get(nth + 1).is_none_or(|next| next.from.since(point.from) > range.step + range.step / 2);
        let (x, y) = (number(axis.x(middle)), number(y(point)));
        let _ = write!(path, "{}{x} {y}", if follows { "L" } else { "M" });
        if alone {
            path.push_str("h.1");
        }
        before = Some(point);
    }
    path
}

/// The top of a scale in seconds, and the values that are written beside it.
fn scale(highest: Duration) -> (f64, Vec<f64>) {
    let highest = highest.as_secs_f64().max(0.001);
    let magnitude = 10f64.powf(highest.log10().floor());
    let nice = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    let top = nice.into_iter().map(|factor| factor * magnitude).find(|top| *top >= highest).unwrap_or(10.0 * magnitude);
    (top, vec![top, top / 2.0])
}

/// `42 ms`, `1.25 s`
pub fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

fn ticks(range: Range, axis: &Axis, zone: &Zone) -> Vec<Mark> {
    let mark = |at: Timestamp, label: String| Mark { at: number(axis.x(at)), label };
    // Near the ends a label would be cut off.
    let fits = |at: &Timestamp| axis.x(*at) > LEFT + 14.0 && axis.x(*at) < RIGHT - 18.0;
    match range.tick {
        Tick::Hours(every) => {
            let days = zone.days(axis.to, 2);
            let hours = days
                .iter()
                .flat_map(|(_, from, _)| (0..24 / every).map(move |n| *from + Duration::from_secs(n as u64 * every as u64 * HOUR)));
            hours.filter(fits).map(|at| mark(at, zone.clock(at))).collect()
        }
        Tick::Days(every) => {
            let count = (range.length.as_secs() / DAY) as u32 + 1;
            let days = zone.days(axis.to, count).into_iter().rev().step_by(every);
            days.filter(|(_, from, _)| fits(from)).map(|(date, from, _)| mark(from, short_date(date))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Timestamp {
        Timestamp::from_millis(1_795_700_000_000) + Duration::from_secs(minute * 60)
    }

    fn latency(minute: u64, p50: u64, p95: u64) -> Latency {
        let ms = Duration::from_millis;
        Latency { from: at(minute), to: at(minute + 15), count: 3, p50: ms(p50), p95: ms(p95), p99: ms(p95) }
    }

    fn chart(measured: &[Stretch], latency: &[(String, Vec<Latency>)]) -> Chart {
        let zone = Zone::utc();
        Chart::of(&Facts {
            range: RANGES[0],
            now: at(24 * 60),
            zone: &zone,
            declared: &[],
            measured,
            work: &[],
            outages: &[],
            latency,
            name: "Acme",
        })
    }

    #[test]
    fn a_line_is_broken_where_nothing_was_measured() {
        let points = vec![latency(60, 40, 90), latency(75, 42, 95), latency(300, 41, 91)];
        let drawn = chart(&[], &[("api".to_owned(), points)]);
        let path = &drawn.panels[0].p50;
        assert_eq!((path.matches('M').count(), path.matches('L').count(), path.matches("h.1").count()), (2, 1, 1), "{path}");
        assert_eq!(drawn.panels[0].rows.len(), 3);
        assert_eq!(drawn.panels[0].scale[0].label, "100 ms");
    }

    #[test]
    fn what_is_short_is_seen_and_what_is_worse_is_on_top() {
        let stretch = |from, to, status| Stretch { from: at(from), to: at(to), status };
        let lane = [stretch(0, 700, Status::Operational), stretch(700, 701, Status::MajorOutage), stretch(701, 1440, Status::Operational)];
        let pieces = &chart(&lane, &[]).lanes[0].pieces;
        assert_eq!(pieces.last().map(|piece| (piece.class, piece.w.as_str())), Some(("mo", "1.6")));
    }

    #[test]
    fn many_pieces_become_few_and_none_of_the_bad_is_lost() {
        let status = |n: u64| {
            if n == 5000 {
                Status::MajorOutage
            } else if n.is_multiple_of(2) {
                Status::Operational
            } else {
                Status::Degraded
            }
        };
        let lane: Vec<Stretch> = (0..8640)
            .map(|n| Stretch { from: at(0) + Duration::from_secs(n * 10), to: at(0) + Duration::from_secs(n * 10 + 10), status: status(n) })
            .collect();
        let pieces = &chart(&lane, &[]).lanes[0].pieces;
        assert!(pieces.len() <= PIECES_MAX + 1, "{}", pieces.len());
        assert_eq!(pieces.last().map(|piece| piece.class), Some("mo"));
    }

    #[test]
    fn scales_end_at_round_values() {
        for (ms, want) in [(3, "3.0 ms"), (87, "100 ms"), (140, "150 ms"), (1234, "1.50 s"), (0, "1.0 ms")] {
            let (top, _) = scale(Duration::from_millis(ms));
            assert_eq!(milliseconds(Duration::from_secs_f64(top)), want, "{ms}");
        }
    }
}
