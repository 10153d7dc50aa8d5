//! One exchange with the world, for verbs that have one: Ctrl-C ends it.

use super::Failure;

/// What `future` comes to, unless the person does not want to wait for it.
pub fn until_interrupted<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::missing(format!("cannot start: {error}")))?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = future => Ok(outcome),
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
        }
    });
    // A resolver that was asked may still be waiting.
    runtime.shutdown_background();
    outcome
}
