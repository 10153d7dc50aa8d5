//! Gatus' SQLite database. <https://github.com/TwiN/gatus>
//!
//! It keeps the last 100 results or so of an endpoint, its last 50 changes, and sums of an hour, the older ones of a day, for 30 days.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::{has_table, instant, look, open, reason};
use crate::cli::import::past::Series;
use crate::cli::import::past::sketched::{Kept, Sum, told};
use crate::model::{Outcome, Reason, Timestamp};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

pub fn read(path: &str, now: Timestamp) -> Result<Vec<Series>, String> {
    read_all(path, now).map_err(|error| format!("it is no database of Gatus: {error}"))
}

fn read_all(path: &str, now: Timestamp) -> rusqlite::Result<Vec<Series>> {
    let db = open(path)?;
    let mut query =
        db.prepare("SELECT endpoint_id, endpoint_key, coalesce(endpoint_group, ''), endpoint_name FROM endpoints ORDER BY endpoint_id")?;
    let endpoint = |r: &Row| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, String>(2)?, r.get::<_, String>(3)?));
    let endpoints: Vec<_> = query.query_map([], endpoint)?.collect::<rusqlite::Result<_>>()?;
    let mut all = Vec::new();
    for (id, key, group, name) in endpoints {
        let title = if group.is_empty() { name.clone() } else { format!("{group}/{name}") };
        let mut series = Series { title, aliases: vec![key], group, name, ..Series::default() };
        let mut kept = Kept { changes: changes(&db, id)?, ..Kept::default() };
        results(&db, id, now, &mut kept, &mut series)?;
        if has_table(&db, "endpoint_uptimes")? {
            kept.sums = sums(&db, id)?;
        }
        series.read += kept.sums.len();
        (series.looks, series.unclear) = told(kept);
        all.push(series);
    }
    Ok(all)
}

fn results(db: &Connection, endpoint: i64, now: Timestamp, kept: &mut Kept, series: &mut Series) -> rusqlite::Result<()> {
    let mut query = db.prepare_cached(
        "SELECT timestamp, success, coalesce(errors, ''), coalesce(duration, 0), coalesce(connected, 1), coalesce(status, 0)
         FROM endpoint_results WHERE endpoint_id = ?1 ORDER BY endpoint_result_id",
    )?;
    let mut rows = query.query([endpoint])?;
    while let Some(row) = rows.next()? {
        series.read += 1;
        let Some(at) = row.get_ref(0)?.as_str().ok().and_then(instant).filter(|at| *at <= now) else {
            series.unreadable += 1;
            continue;
        };
        let latency = Duration::from_nanos(row.get::<_, i64>(3)?.max(0) as u64);
        let (errors, status): (String, i64) = (row.get(2)?, row.get(5)?);
        let (outcome, why) = match row.get::<_, bool>(1)? {
            true => (Outcome::Up, Reason::Ok),
            // What was expected of an answer did not hold.
            false if errors.is_empty() && status >= 400 => (Outcome::Down, Reason::HttpStatus),
            false => (Outcome::Down, reason(&errors)),
        };
        kept.looks.push(look(at, latency, outcome, why));
    }
    kept.looks.sort_by_key(|look| look.at);
    Ok(())
}

fn changes(db: &Connection, endpoint: i64) -> rusqlite::Result<Vec<(Timestamp, bool)>> {
    let mut query =
        db.prepare_cached("SELECT event_timestamp, event_type FROM endpoint_events WHERE endpoint_id = ?1 ORDER BY endpoint_event_id")?;
    let mut rows = query.query([endpoint])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(at) = row.get_ref(0)?.as_str().ok().and_then(instant) else { continue };
        // START says that it began to look, and nothing of what it saw.
        match row.get::<_, String>(1)?.as_str() {
            "HEALTHY" => changes.push((at, true)),
            "UNHEALTHY" => changes.push((at, false)),
            _ => {}
        }
    }
    changes.sort_by_key(|(at, _)| *at);
    Ok(changes)
}

fn sums(db: &Connection, endpoint: i64) -> rusqlite::Result<Vec<Sum>> {
    let mut query = db.prepare_cached(
        "SELECT hour_unix_timestamp, total_executions, successful_executions, total_response_time FROM endpoint_uptimes
         WHERE endpoint_id = ?1 AND total_executions > 0 ORDER BY hour_unix_timestamp",
    )?;
    let sum = |r: &Row| {
        let number = |at: usize| r.get::<_, Option<i64>>(at).map(|number| number.unwrap_or(0).max(0) as u64);
        let (total, good) = (number(1)?, number(2)?);
        let latency = Duration::from_millis(number(3)? / total.max(1));
        let from = Timestamp::from_millis(r.get::<_, i64>(0)?.saturating_mul(1000));
        Ok(Sum { from, lasting: HOUR, good: good.min(total), bad: total.saturating_sub(good), latency })
    };
    let mut sums: Vec<Sum> = query.query_map([endpoint], sum)?.collect::<rusqlite::Result<_>>()?;
    join_days(&mut sums);
    Ok(sums)
}

/// Hours of old days were put together into the first one, which then has far more than an hour can have.
fn join_days(sums: &mut [Sum]) {
    const HOURS_MIN: u64 = 3;
    let day = |sum: &Sum| sum.from.as_millis().div_euclid(DAY.as_millis() as i64);
    let mut number: BTreeMap<i64, usize> = BTreeMap::new();
    sums.iter().for_each(|sum| *number.entry(day(sum)).or_default() += 1);
    let mut of_hours: Vec<u64> =
        sums.iter().filter(|sum| number.get(&day(sum)).is_some_and(|n| *n > 1)).map(|sum| sum.good + sum.bad).collect();
    of_hours.sort_unstable();
    let Some(usual) = of_hours.get(of_hours.len() / 2).copied() else { return };
    for sum in sums {
        let alone = number.get(&day(sum)) == Some(&1) && sum.from.as_millis() % DAY.as_millis() as i64 == 0;
        if alone && sum.good + sum.bad >= usual * HOURS_MIN {
            sum.lasting = DAY;
        }
    }
}
