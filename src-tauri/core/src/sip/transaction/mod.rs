//! The four transaction machines (RFC 3261 §17, RFC 6026).
//!
//! A machine knows states and deadlines only. What is sent, and to whom, stands beside it in the user agent's table;
//! so a machine is a few words of memory, and its timing can be read off and tested alone.

use std::time::Duration;

pub mod agenda;
pub mod client_invite;
pub mod client_non_invite;
pub mod server_invite;
pub mod server_non_invite;

pub use client_invite::ClientInvite;
pub use client_non_invite::ClientNonInvite;
pub use server_invite::ServerInvite;
pub use server_non_invite::ServerNonInvite;

/// RFC 3261 §17.1.1.1, table 4.
#[derive(Debug, Clone, Copy)]
pub struct Timers {
    /// Estimate of the round trip.
    pub t1: Duration,
    /// The longest interval between retransmissions of anything but an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Timers {
    /// Timer D's length over unreliable transports: "at least 32 seconds" (RFC 3261 §17.1.1.2).
    fn d(&self) -> Duration {
        (64 * self.t1).max(Duration::from_secs(32))
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

/// What a machine wants when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send the request or the answer again.
    Retransmit,
    /// Timer B, F or H: the other side never answered. The transaction is over.
    TimedOut,
    /// The transaction has lingered long enough and is over.
    Terminated,
    /// The wake-up came too early.
    Nothing,
}
