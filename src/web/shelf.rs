//! The store, for pages and answers that need more than the board: read-only, a few at a time, and never on a thread that
//! serves others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::api::Refusal;
use super::server::Site;
use crate::store::Past;

/// Readers at a time: each holds a connection and a core.
const AT_ONCE: usize = 4;
/// Whoever waited this long for a place is asked to come again.
const WAIT_MAX: Duration = Duration::from_secs(5);

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// What `work` makes of the past as it is now.
pub async fn with_past<T: Send + 'static>(
    site: &Arc<Site>,
    work: impl FnOnce(&Past) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let Ok(Ok(place)) = tokio::time::timeout(WAIT_MAX, PLACES.acquire()).await else {
        return Err(Refusal::busy("too many read the store at this moment").hint("ask again in a few seconds"));
    };
    let path = site.config.load().store.path.clone();
    let worked = tokio::task::spawn_blocking(move || {
        let _place = place;
        work(&Past::open(&path)?)
    });
    worked.await.unwrap_or_else(|error| {
        tracing::error!(%error, "reading the store for a page failed");
        Err(Refusal::busy("reading the store failed").hint("the log of vendord says why"))
    })
}
