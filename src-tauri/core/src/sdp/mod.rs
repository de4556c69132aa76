//! Session descriptions (RFC 8866) and offer/answer (RFC 3264) for one audio stream, written so that further streams
//! and profiles (SRTP, ICE) fit in.

pub mod offer_answer;
pub mod parse;
pub mod write;

#[cfg(test)]
mod tests;

pub use offer_answer::{Error, LocalMedia, Negotiated, accept, accept_reoffer, answer, offer, reoffer};
pub use parse::Description;
