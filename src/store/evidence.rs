//! What was seen in failing runs: written with the batch of the run, read for outages and explanations.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{CheckKey, Reader, StoreError};
use crate::model::{Observation, Reason, Timestamp, VendorId};

/// One change of what is kept.
#[derive(Clone, Debug)]
pub enum EvidenceWrite {
    Keep { key: CheckKey, seq: i64, nth: u32, at: Timestamp, reason: Reason, seen: Box<SeenThen> },
    Drop { key: CheckKey, seq: i64 },
}

/// What a failing run saw, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeenThen {
    pub message: String,
    pub hops: Vec<HopThen>,
    /// Those that did not hold, with what was seen.
    pub failed: Vec<(String, String)>,
    pub request: String,
    pub response: String,
    pub body: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HopThen {
    pub target: String,
    pub address: Option<String>,
    pub http_status: Option<u16>,
    /// `resolve connect tls processing transfer`, in microseconds.
    pub phases: [Option<u32>; 5],
}

impl SeenThen {
    pub fn of(observation: &Observation) -> Self {
        let detail = &observation.detail;
        let said = detail.evidence.as_deref().cloned().unwrap_or_default();
        SeenThen {
            message: detail.message.clone(),
            hops: detail
                .hops
                .iter()
                .map(|hop| HopThen {
                    target: hop.target.to_string(),
                    address: hop.address.map(|address| address.to_string()),
                    http_status: hop.http_status,
                    phases: hop.phases.values(),
                })
                .collect(),
            failed: detail.expectations.iter().filter(|e| !e.passed).map(|e| (e.expression.clone(), e.seen.clone())).collect(),
            request: said.request,
            response: said.response,
            body: said.body,
        }
    }
}

/// A row as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvidence {
    pub check: String,
    pub nth: u32,
    pub at: Timestamp,
    pub reason: Reason,
    pub seen: SeenThen,
}

pub(super) fn write(tx: &Transaction, writes: &[EvidenceWrite]) -> rusqlite::Result<()> {
    for write in writes {
        match write {
            EvidenceWrite::Keep { key, seq, nth, at, reason, seen } => tx
                .prepare_cached("INSERT INTO evidence (timeline, seq, nth, at, reason, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![key.0, seq, nth, at.as_millis(), reason.code(), super::write::to_json(seen)])?,
            EvidenceWrite::Drop { key, seq } => {
                tx.prepare_cached("DELETE FROM evidence WHERE timeline = ?1 AND seq = ?2")?.execute(params![key.0, seq])?
            }
        };
    }
    Ok(())
}

impl Reader {
    /// What was seen of a vendor's checks in that time, oldest first.
    pub fn evidence(&self, vendor: &VendorId, from: Timestamp, to: Timestamp) -> Result<Vec<StoredEvidence>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT c.name, e.nth, e.at, e.reason, e.document FROM evidence e
             JOIN timelines t ON t.id = e.timeline JOIN checks c ON c.id = t.check_id
             WHERE c.vendor = ?1 AND e.at BETWEEN ?2 AND ?3 ORDER BY e.at, e.seq",
        )?;
        let rows = query.query_map(params![vendor.as_str(), from.as_millis(), to.as_millis()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, u8>(3)?, row.get::<_, String>(4)?))
        })?;
        let mut found = Vec::new();
        for row in rows {
            let (check, nth, at, reason, document) = row?;
            // A reason or shape of a newer version is not understood here; the rest of the past is.
            if let (Some(reason), Ok(seen)) = (Reason::from_code(reason), serde_json::from_str(&document)) {
                found.push(StoredEvidence { check, nth, at: Timestamp::from_millis(at), reason, seen });
            }
        }
        Ok(found)
    }

    /// The rows of the latest episode of a check: number in the episode and in the journal, oldest first.
    pub fn latest_evidence(&self, key: CheckKey) -> Result<Vec<(u32, i64)>, StoreError> {
        let first = "SELECT max(seq) FROM evidence WHERE timeline = ?1 AND nth = 1";
        let first: Option<i64> = self.db.prepare_cached(first)?.query_row([key.0], |row| row.get(0)).optional()?.flatten();
        let mut query = self.db.prepare_cached("SELECT nth, seq FROM evidence WHERE timeline = ?1 AND seq >= ?2 ORDER BY seq")?;
        let rows = query.query_map(params![key.0, first.unwrap_or(i64::MAX)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
