//! What one document may come to while it is read: the lists inside its lists, and what stands in it once and is copied to
//! everything that refers to it.

use super::{UPDATES_MAX, Unreadable};

/// More names of touched components in one document are refused.
const TOUCHED_MAX: usize = 200_000;
/// More bytes of copies are refused, since what they take is not bounded by what was sent.
const COPIED_BYTES_MAX: usize = 8 << 20;

#[derive(Default)]
pub struct Budget {
    updates: usize,
    touched: usize,
    copied_bytes: usize,
}

impl Budget {
    pub fn updates(&mut self, more: usize) -> Result<(), Unreadable> {
        spend(&mut self.updates, more, "updates", UPDATES_MAX)
    }

    pub fn touched(&mut self, more: usize) -> Result<(), Unreadable> {
        spend(&mut self.touched, more, "affected components", TOUCHED_MAX)
    }

    pub fn copy(&mut self, text: &str) -> Result<String, Unreadable> {
        self.copied(text.to_owned())
    }

    /// Of one that was made already.
    pub fn copied(&mut self, text: String) -> Result<String, Unreadable> {
        spend(&mut self.copied_bytes, text.len(), "bytes of repeated names", COPIED_BYTES_MAX)?;
        Ok(text)
    }
}

fn spend(spent: &mut usize, more: usize, what: &'static str, max: usize) -> Result<(), Unreadable> {
    *spent = spent.saturating_add(more);
    if *spent > max { Err(Unreadable::TooMany { what, max }) } else { Ok(()) }
}
