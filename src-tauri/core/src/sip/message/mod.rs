//! Requests and responses as values. Headers are held as text and read through [`HeaderAccess`].

mod access;
pub mod grammar;
mod header_name;
mod headers;
mod reason_phrase;
#[cfg(test)]
mod tests;
mod via;

use std::fmt;
use std::str::FromStr;

pub(crate) use access::scan_cseq;
pub use access::{CSeq, Contacts, HeaderAccess};
pub use header_name::HeaderName;
pub(crate) use headers::{Field, Span};
pub use headers::{Header, Headers};
pub use reason_phrase::reason_phrase;
pub use via::Via;
pub(crate) use via::ViaScan;

use super::uri::Uri;

/// Why a text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

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

impl Method {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Cancel => "CANCEL",
            Self::Bye => "BYE",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Prack => "PRACK",
            Self::Update => "UPDATE",
            Self::Refer => "REFER",
            Self::Notify => "NOTIFY",
            Self::Subscribe => "SUBSCRIBE",
            Self::Message => "MESSAGE",
            Self::Publish => "PUBLISH",
            Self::Extension(name) => name,
        }
    }

    /// A request of this method may create a dialog (RFC 3261 §12, RFC 6665, RFC 3515).
    pub const fn creates_dialog(&self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer | Self::Notify)
    }
}

impl FromStr for Method {
    type Err = Malformed;

    /// Methods are case-sensitive (RFC 3261 §7.1): `invite` is an extension method.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        Ok(match text {
            "INVITE" => Self::Invite,
            "ACK" => Self::Ack,
            "CANCEL" => Self::Cancel,
            "BYE" => Self::Bye,
            "REGISTER" => Self::Register,
            "OPTIONS" => Self::Options,
            "INFO" => Self::Info,
            "PRACK" => Self::Prack,
            "UPDATE" => Self::Update,
            "REFER" => Self::Refer,
            "NOTIFY" => Self::Notify,
            "SUBSCRIBE" => Self::Subscribe,
            "MESSAGE" => Self::Message,
            "PUBLISH" => Self::Publish,
            name if grammar::is_token(name) => Self::Extension(name.into()),
            _ => return Err(Malformed("a method is not a token")),
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: Headers::default(), body: Vec::new() }
    }

    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// 100..=699.
    pub status: u16,
    /// The reason phrase as it stood on the wire (may be empty).
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Response {
    /// A bare response with the usual reason phrase, as [`UserAgent::respond`](crate::sip::UserAgent::respond) takes it.
    pub fn new(status: u16) -> Self {
        Self { status, reason: reason_phrase(status).to_owned(), headers: Headers::default(), body: Vec::new() }
    }

    /// A response to `request` (RFC 3261 §8.2.6): Via list, From, To, Call-ID and CSeq are copied; `to_tag` is added where
    /// To has no tag yet and the status is not 100; Record-Route is copied into the responses that make a dialog
    /// (§12.1.1), Timestamp into 100.
    pub fn to_request(request: &Request, status: u16, to_tag: Option<&str>) -> Self {
        let mut response = Self::new(status);
        response.copy_from(&request.headers, request.method.creates_dialog(), to_tag);
        response
    }

    /// Copies what a response takes from its request; what the response already has of it is replaced.
    pub fn copy_from(&mut self, request: &Headers, creates_dialog: bool, to_tag: Option<&str>) {
        let status = self.code();
        let mut own = std::mem::take(&mut self.headers);
        let mut headers = Headers::with_capacity(8 + own.len(), 512);
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            own.remove(name);
            headers.extend(request.values(name).map(|value| name.with(value)));
        }
        if creates_dialog && (101..300).contains(&status) {
            own.remove(HeaderName::RecordRoute);
            headers.extend(request.values(HeaderName::RecordRoute).map(|value| HeaderName::RecordRoute.with(value)));
        }
        if status == 100 {
            headers.extend(request.values(HeaderName::Timestamp).map(|value| HeaderName::Timestamp.with(value)));
        } else if let Some(tag) = to_tag
            && request.to_tag().is_none()
            && let Some(to) = request.value(HeaderName::To)
        {
            headers.set(HeaderName::To, format!("{to};tag={tag}"));
        }
        headers.extend(own.iter());
        self.headers = headers;
    }

    pub fn code(&self) -> u16 {
        self.status
    }

    /// 100..=199.
    pub fn is_provisional(&self) -> bool {
        (100..200).contains(&self.code())
    }

    /// 200..=299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code())
    }

    /// 200 and above.
    pub fn is_final(&self) -> bool {
        self.code() >= 200
    }

    /// Sets the body and its Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: Vec<u8>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body;
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Request(Request),
    Response(Response),
}

impl Message {
    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::Request(request)
    }
}

impl From<Response> for Message {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}
