//! Uptime Kuma's `kuma.db`. <https://github.com/louislam/uptime-kuma>
//!
//! Since 2.0 only the looks of the last day are kept one by one, and those at which something changed; the rest is sums of an
//! hour (30 days) and of a day. Before, every look was kept.

use std::time::Duration;

use rusqlite::{Connection, Row};

use super::{has_table, instant, look, open, reason};
use crate::cli::import::past::Series;
use crate::cli::import::past::sketched::{Kept, Looked, Sum, told};
use crate::model::{Outcome, Reason, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

struct Monitor {
    id: i64,
    name: String,
    kind: String,
    parent: Option<i64>,
}

pub fn read(path: &str, now: Timestamp) -> Result<Vec<Series>, String> {
    read_all(path, now).map_err(|error| format!("it is no database of Uptime Kuma: {error}"))
}

fn read_all(path: &str, now: Timestamp) -> rusqlite::Result<Vec<Series>> {
    let db = open(path)?;
    let monitors = monitors(&db)?;
    let sums = has_table(&db, "stat_hourly")? && has_table(&db, "stat_daily")?;
    let mut all = Vec::new();
    for monitor in monitors.iter().filter(|monitor| monitor.kind != "group") {
        let mut series = Series {
            group: group(monitor, &monitors),
            name: monitor.name.clone(),
            aliases: vec![monitor.id.to_string()],
            ..Series::default()
        };
        series.title = if series.group.is_empty() { monitor.name.clone() } else { format!("{}/{}", series.group, monitor.name) };
        let mut kept = heartbeats(&db, monitor.id, now, &mut series)?;
        if sums {
            kept.sums = sums_of(&db, monitor.id)?;
        }
        series.read += kept.sums.len();
        (series.looks, series.unclear) = told(kept);
        all.push(series);
    }
    Ok(all)
}

fn monitors(db: &Connection) -> rusqlite::Result<Vec<Monitor>> {
    // Groups came with 1.22.
    let parents: bool =
        db.query_row("SELECT EXISTS (SELECT 1 FROM pragma_table_info('monitor') WHERE name = 'parent')", [], |r| r.get(0))?;
    let parent = if parents { "parent" } else { "NULL" };
    let mut query = db.prepare(&format!("SELECT id, coalesce(name, ''), coalesce(type, ''), {parent} FROM monitor ORDER BY id"))?;
    let monitor = |r: &Row| Ok(Monitor { id: r.get(0)?, name: r.get(1)?, kind: r.get(2)?, parent: r.get(3)? });
    query.query_map([], monitor)?.collect()
}

fn group(monitor: &Monitor, all: &[Monitor]) -> String {
    const DEPTH_MAX: usize = 10;
    let mut names = Vec::new();
    let mut parent = monitor.parent;
    while let Some(above) = parent.and_then(|id| all.iter().find(|one| one.id == id)).filter(|_| names.len() < DEPTH_MAX) {
        names.push(above.name.as_str());
        parent = above.parent;
    }
    names.reverse();
    names.join("-")
}

fn heartbeats(db: &Connection, monitor: i64, now: Timestamp, series: &mut Series) -> rusqlite::Result<Kept> {
    let mut kept = Kept::default();
    let mut query = db
        .prepare_cached("SELECT time, status, ping, coalesce(msg, ''), important FROM heartbeat WHERE monitor_id = ?1 ORDER BY time, id")?;
    let mut rows = query.query([monitor])?;
    while let Some(row) = rows.next()? {
        series.read += 1;
        let Some((look, is_change)) = heartbeat(row)?.filter(|(look, _)| look.at <= now) else {
            series.unreadable += 1;
            continue;
        };
        if is_change {
            kept.changes.push((look.at, look.outcome == Outcome::Up));
        }
        kept.looks.push(look);
    }
    Ok(kept)
}

/// A look, and whether it confirmed something.
fn heartbeat(row: &Row) -> rusqlite::Result<Option<(Looked, bool)>> {
    let Some(at) = row.get_ref(0)?.as_str().ok().and_then(instant) else { return Ok(None) };
    let status: i64 = row.get(1)?;
    let ping = row.get::<_, Option<f64>>(2)?.unwrap_or(0.0);
    let said: String = row.get(3)?;
    let (outcome, why) = match status {
        1 => (Outcome::Up, Reason::Ok),
        // It failed, and was not believed yet.
        0 | 2 => (Outcome::Down, reason(&said)),
        3 => (Outcome::Unknown, Reason::VendorMaintenance),
        _ => return Ok(None),
    };
    let latency = Duration::try_from_secs_f64(ping.max(0.0) / 1000.0).unwrap_or_default();
    let important: bool = row.get(4)?;
    Ok(Some((look(at, latency, outcome, why), important && status < 2)))
}

/// Hours, and the days that have none.
fn sums_of(db: &Connection, monitor: i64) -> rusqlite::Result<Vec<Sum>> {
    let hours = table(db, "stat_hourly", monitor, HOUR)?;
    let mut sums = table(db, "stat_daily", monitor, DAY)?;
    sums.retain(|day| !hours.iter().any(|hour| hour.from >= day.from && hour.from < day.from + DAY));
    sums.extend(hours);
    sums.sort_by_key(|sum| sum.from);
    Ok(sums)
}

fn table(db: &Connection, table: &str, monitor: i64, lasting: Duration) -> rusqlite::Result<Vec<Sum>> {
    let mut query =
        db.prepare(&format!("SELECT timestamp, up, down, ping FROM {table} WHERE monitor_id = ?1 AND up + down > 0 ORDER BY timestamp"))?;
    let sum = |r: &Row| {
        let number = |at: usize| r.get::<_, i64>(at).map(|number| number.max(0) as u64);
        let latency = Duration::try_from_secs_f64(r.get::<_, Option<f64>>(3)?.unwrap_or(0.0).max(0.0) / 1000.0).unwrap_or_default();
        let from = Timestamp::from_millis(r.get::<_, i64>(0)?.saturating_mul(1000));
        Ok(Sum { from, lasting, good: number(1)?, bad: number(2)?, latency })
    };
    query.query_map([monitor], sum)?.collect()
}
