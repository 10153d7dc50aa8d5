//! What is touched by the entries of a document that lists each under everything that it touches: of each, all of that.

use std::collections::{BTreeMap, BTreeSet};

use super::Unreadable;
use super::budget::Budget;
use crate::model::page::Touched;

/// By the id of the entry.
#[derive(Default)]
pub struct Touches(BTreeMap<String, BTreeSet<Touched>>);

impl Touches {
    pub fn add(&mut self, id: &str, touched: Touched, budget: &mut Budget) -> Result<(), Unreadable> {
        let is_new = match self.0.get_mut(id) {
            Some(known) => known.insert(touched),
            None => self.0.insert(id.to_owned(), BTreeSet::from([touched])).is_none(),
        };
        budget.touched(usize::from(is_new))
    }

    pub fn of(&self, id: &str, budget: &mut Budget) -> Result<Vec<Touched>, Unreadable> {
        let all = self.0.get(id);
        budget.touched(all.map_or(0, BTreeSet::len))?;
        let copy = |touched: &Touched| {
            let id = touched.id.as_deref().map(|id| budget.copy(id)).transpose()?;
            Ok(Touched { id, name: budget.copy(&touched.name)? })
        };
        all.into_iter().flatten().map(copy).collect()
    }
}
