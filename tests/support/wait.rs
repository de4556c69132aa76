//! Waiting for a state, with a limit.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often a state that cannot tell us of its change is looked at.
const STEP: Duration = Duration::from_millis(10);

/// Waits until `look` returns something.
///
/// # Errors
/// When `limit` passes first; `what` says what was awaited. An error of `look` itself ends the wait.
pub fn until_some<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if Instant::now() >= end {
            bail!("not within {:.1} s: {what}", limit.as_secs_f64());
        }
        std::thread::sleep(STEP);
    }
}

/// Waits until `holds` is true.
///
/// # Errors
/// When `limit` passes first.
pub fn until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    until_some(limit, what, || Ok(holds().then_some(())))
}
