//! What a vendor declares, made usable: what of it concerns us, what it amounts to, what was edited, and when to look again.
//!
//! * [`Selection`]: which components are ours.
//! * [`archive`]: every version of every incident and maintenance, and how it differs from the one before.
//! * [`Known`]: whether an entry of another collection is one of those.
//! * [`Standing`]: how far a source is to be believed now, and the status it gives its vendor. Blind is never operational.
//! * [`pace`]: how long until the next read.
//!
//! Not here: reading formats (`feeds`), fetching, storing.

pub mod archive;
mod known;
pub mod pace;
mod page_state;
mod selection;
mod standing;

pub use archive::{Change, Kind, Record};
pub use known::Known;
pub use page_state::{Moved, PageState, Vanished};
pub use selection::Selection;
pub use standing::{Reads, SourceCondition, Standing, vendor_declared};
