//! Offer and answer (RFC 3264).

use std::net::SocketAddr;

use crate::media::{Codec, Direction};

/// What we can do in one call, and where we receive. The version in `o=` grows with every new description of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalMedia {
    /// The session id of `o=` (unique per call, from the caller's entropy).
    pub session_id: u64,
    /// The version of `o=`; the caller increments it whenever the description changes.
    pub version: u64,
    /// Where we receive RTP.
    pub address: SocketAddr,
    /// In order of preference, never empty.
    pub codecs: Vec<Codec>,
    /// Offer telephone-event (RFC 4733).
    pub dtmf: bool,
    /// What we want: `SendRecv`, or `SendOnly` to hold the peer.
    pub direction: Direction,
    /// Packet time in milliseconds that we send and ask for (20).
    pub ptime: u8,
}

/// What both sides agreed upon, seen from our side.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiated {
    pub codec: Codec,
    /// The payload type we put into packets that we send (the peer's number).
    pub send_payload_type: u8,
    /// The payload type the peer uses towards us (our number).
    pub receive_payload_type: u8,
    /// telephone-event, with the clock rate of the codec: what we send, what we receive.
    pub dtmf_send: Option<u8>,
    pub dtmf_receive: Option<u8>,
    /// Where we send RTP.
    pub remote: SocketAddr,
    /// Our direction after negotiation: `RecvOnly` or `Inactive` when the peer holds us.
    pub direction: Direction,
    /// Packet time in milliseconds.
    pub ptime: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the session description is malformed: {0}")]
    Malformed(&'static str),
    #[error("the peer offers no audio stream that we can take")]
    NoCommonMedia,
    #[error("no codec in common")]
    NoCommonCodec,
}

#[allow(unused_variables, clippy::todo)]
/// Writes an offer.
pub fn offer(local: &LocalMedia) -> Vec<u8> {
    todo!()
}

#[allow(unused_variables, clippy::todo)]
/// Answers an offer: the answer to send and what is agreed. The direction of the answer is the intersection of what the
/// peer offers and what `local.direction` wants (RFC 3264 §6.1). `c=0.0.0.0` is a hold by an old peer.
pub fn answer(local: &LocalMedia, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), Error> {
    todo!()
}

#[allow(unused_variables, clippy::todo)]
/// Takes the peer's answer to our offer.
pub fn accept(local: &LocalMedia, answer: &[u8]) -> Result<Negotiated, Error> {
    todo!()
}
