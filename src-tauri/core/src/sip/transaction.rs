//! The four transaction machines (RFC 3261 §17, RFC 6026).

use std::time::Duration;

/// RFC 3261 §17.1.1.1, table 4.
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}
