//! The pure heart of Deskline: the agent, the calls, the SIP user agent and the arithmetic of sound.
//!
//! Nothing in this crate reads a clock, draws a random number, opens a socket or starts a thread. Time, randomness and
//! bytes come in with the call (`handle_*`), what is to be done comes out (`poll_*`); every behaviour is therefore
//! testable in virtual time.

pub mod account;
pub mod agent;
pub mod call;
pub mod clock;
pub mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod media;
pub mod pii;
pub mod platform;
pub mod sdp;
pub mod sip;
pub mod telemetry;
pub mod workbench;
