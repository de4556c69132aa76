//! Requests and responses as values. Headers and status codes are rsip's; the method and the URI are ours, since rsip's
//! are too narrow (no extension methods, no `tel:`).

pub use rsip::{Header, Headers, StatusCode};

use super::uri::Uri;

/// A SIP method: the known ones, and any other token (answered 405 with Allow).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    Invite,
    Ack,
    Cancel,
    Bye,
    Register,
    Options,
    Info,
    Prack,
    Update,
    Refer,
    Notify,
    Subscribe,
    Message,
    Publish,
    Extension(Box<str>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    pub status: StatusCode,
    /// The reason phrase as it stood on the wire (may be empty).
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Request(Request),
    Response(Response),
}
