//! The embedded contact centre: registrar with digest, back-to-back user agent, simulated customers and demo numbers, in
//! one process on loopback. It serves the demo, developers without a vendor's account, and tests.
//!
//! [`exchange::Exchange`] is the centre as a pure machine; [`Centre`] drives it with sockets and the clock.

pub mod call;
mod centre;
pub mod config;
pub mod demo;
pub mod exchange;
mod gate;
pub mod media;
pub mod numbers;
mod random;
mod registrar;
pub mod sound;

pub use call::{CallEnd, CallId, CallInfo, CallKind, CallState, CustomerScript, Opening};
pub use centre::{Centre, StartError};
pub use config::{Authentication, Caller, CentreConfig, Expiry, FIRST_AGENT, User};
pub use exchange::{CentreEvent, Load, RingError};
pub use media::CallProbe;
pub use numbers::{DemoNumber, NumberKind};
