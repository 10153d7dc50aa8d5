//! What takes how much of the database.

use std::collections::BTreeMap;

use super::{Reader, StoreError};
use crate::model::Timestamp;

/// What a table is for, as `vendord store size` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    Journal,
    Chunks,
    Sketches,
    Segments,
    Evidence,
    Declared,
    Deliveries,
    Other,
    Free,
}

impl Tier {
    pub const ALL: [Tier; 9] = [
        Tier::Journal,
        Tier::Chunks,
        Tier::Sketches,
        Tier::Segments,
        Tier::Evidence,
        Tier::Declared,
        Tier::Deliveries,
        Tier::Other,
        Tier::Free,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Tier::Journal => "journal",
            Tier::Chunks => "chunks",
            Tier::Sketches => "sketches",
            Tier::Segments => "segments",
            Tier::Evidence => "evidence",
            Tier::Declared => "declared",
            Tier::Deliveries => "deliveries",
            Tier::Other => "other",
            Tier::Free => "free",
        }
    }

    fn of_table(name: &str) -> Tier {
        match name {
            "journal" => Tier::Journal,
            "chunks" => Tier::Chunks,
            "sketches" => Tier::Sketches,
            "segments" | "outages" | "check_states" | "layers" => Tier::Segments,
            "evidence" | "page_versions" => Tier::Evidence,
            "sources" | "source_reads" | "source_states" | "component_versions" | "incidents" | "incident_versions"
            | "declared_statuses" => Tier::Declared,
            "alerts" | "deliveries" | "delivery_alerts" | "attempts" | "suspensions" => Tier::Deliveries,
            _ => Tier::Other,
        }
    }
}

/// Bytes and results of a database.
#[derive(Clone, Debug, PartialEq)]
pub struct Size {
    pub tiers: BTreeMap<Tier, u64>,
    /// Single results that are kept: in the journal, and packed.
    pub journal_results: u64,
    pub packed_results: u64,
}

/// What a shorter time to keep results would free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Older {
    pub bytes: u64,
    pub results: u64,
}

impl Reader {
    /// Reads the whole file.
    pub fn size(&self) -> Result<Size, StoreError> {
        self.at_one_instant(|| {
            let tiers = self.tiers()?;
            let number = |sql: &str| Ok::<_, StoreError>(self.db.query_row(sql, [], |r| r.get::<_, i64>(0))? as u64);
            let journal = format!("SELECT count(*) FROM journal WHERE seq > {}", self.packed_through()?);
            Ok(Size {
                tiers,
                journal_results: number(&journal)?,
                packed_results: number("SELECT coalesce(sum(results), 0) FROM spans WHERE state = 'whole'")?,
            })
        })
    }

    /// The packed days that ended before `instant`.
    pub fn packed_before(&self, instant: Timestamp) -> Result<Older, StoreError> {
        let sql = "SELECT coalesce(sum((SELECT sum(length(data)) FROM chunks WHERE id >= s.id << 32 AND id < (s.id + 1) << 32)), 0), coalesce(sum(results), 0)
                   FROM spans s WHERE kind = 'day' AND state = 'whole' AND to_ms < ?1";
        let older = |r: &rusqlite::Row| Ok(Older { bytes: r.get::<_, i64>(0)? as u64, results: r.get::<_, i64>(1)? as u64 });
        Ok(self.db.query_row(sql, [instant.as_millis()], older)?)
    }

    fn tiers(&self) -> Result<BTreeMap<Tier, u64>, StoreError> {
        let mut tiers: BTreeMap<Tier, u64> = Tier::ALL.into_iter().map(|tier| (tier, 0)).collect();
        let tables = self.list(
            "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_schema s ON s.name = d.name WHERE d.aggregate = TRUE GROUP BY s.tbl_name",
            |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)? as u64)),
        )?;
        for (table, bytes) in tables {
            *tiers.entry(Tier::of_table(&table)).or_default() += bytes;
        }
        let pragma = |name: &str| self.db.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0)).map(|n| n as u64);
        let (page, free, all) = (pragma("page_size")?, pragma("freelist_count")?, pragma("page_count")?);
        tiers.insert(Tier::Free, free * page);
        // The schema and the map of the file itself.
        let named: u64 = tiers.values().sum();
        *tiers.entry(Tier::Other).or_default() += (all * page).saturating_sub(named);
        Ok(tiers)
    }
}
