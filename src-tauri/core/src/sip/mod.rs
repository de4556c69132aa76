//! The SIP user agent (RFC 3261 and its extensions), pure: bytes and time in, bytes and events out.

#[cfg(test)]
mod conformance_tests;
pub mod dialog;
pub mod digest;
pub mod message;
pub mod package;
pub mod refer;
pub mod registration;
pub mod replaces;
#[cfg(test)]
mod simulation;
pub mod sipfrag;
pub mod subscription;
pub mod transaction;
pub mod uri;
pub mod user_agent;
pub mod validate;
pub mod wire;

pub use message::{HeaderAccess, HeaderName, Headers, Message, Method, Request, Response};
pub use uri::{NameAddr, Uri};
pub use user_agent::{Event, SessionId, UserAgent};
