//! The recent past of one vendor, read by time and not as a whole: for what is looked at again and again.

use rusqlite::params;

use super::read::{uuid, word};
use super::{Reader, StoreError};
use crate::model::{Impact, Status, Timestamp, Uuid, VendorId};

/// An incident that concerns us, without what was said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecentIncident {
    pub id: Uuid,
    pub title: String,
    pub impact: Option<Impact>,
    pub starts_at: Timestamp,
    pub ends_at: Option<Timestamp>,
    pub open: bool,
}

impl Reader {
    /// What a vendor declared from `since` on: (since when, status), oldest first; the first may have begun before.
    pub fn declared_since(&self, vendor: &VendorId, since: Timestamp) -> Result<Vec<(Timestamp, Status)>, StoreError> {
        // Rows of one instant: the later one holds.
        let mut rows = self.db.prepare_cached(
            "SELECT at, status FROM declared_statuses WHERE vendor = ?1
             AND at >= coalesce((SELECT max(at) FROM declared_statuses WHERE vendor = ?1 AND at <= ?2), ?2) ORDER BY at, id",
        )?;
        let rows = rows.query_map(params![vendor.as_str(), since.as_millis()], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (at, status) = row?;
            Ok((Timestamp::from_millis(at), word(Status::parse(&status), &status)?))
        })
        .collect()
    }

    /// The incidents of a vendor that concern us and lasted at `since` or later, oldest first.
    pub fn incidents_since(&self, vendor: &VendorId, since: Timestamp) -> Result<Vec<RecentIncident>, StoreError> {
        let mut rows = self.db.prepare_cached(
            "SELECT id, json_extract(facts, '$.title'), impact, starts_at, ends_at, open FROM incidents
             WHERE vendor = ?1 AND kind = 'incident' AND concerns = 1 AND removed = 0 AND starts_at IS NOT NULL
               AND (open = 1 OR coalesce(ends_at, starts_at) >= ?2) ORDER BY starts_at, id",
        )?;
        let rows = rows.query_map(params![vendor.as_str(), since.as_millis()], |r| {
            Ok((uuid(r, 0)?, r.get(1)?, r.get::<_, Option<String>>(2)?, r.get::<_, i64>(3)?, r.get::<_, Option<i64>>(4)?, r.get(5)?))
        })?;
        rows.map(|row| {
            let (id, title, impact, starts_at, ends_at, open) = row?;
            let impact = impact.map(|text| word(Impact::parse(&text), &text)).transpose()?;
            let (starts_at, ends_at) = (Timestamp::from_millis(starts_at), ends_at.map(Timestamp::from_millis));
            Ok(RecentIncident { id, title, impact, starts_at, ends_at, open })
        })
        .collect()
    }
}
