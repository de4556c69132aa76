//! Time as it comes in with every input.

use std::time::{Duration, Instant};

/// One moment on both clocks: the monotonic one drives every timer, the calendar one is for people and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    pub instant: Instant,
    /// Milliseconds since the Unix epoch.
    pub unix_ms: i64,
}

impl Now {
    /// The moment `later` than this one.
    pub fn plus(self, later: Duration) -> Self {
        let ms = i64::try_from(later.as_millis()).unwrap_or(i64::MAX);
        Self { instant: self.instant + later, unix_ms: self.unix_ms.saturating_add(ms) }
    }
}
