//! Reading a message.

use super::lines::{HeaderLine, Lines, text, unfold};
use super::{MAX_HEADERS, MAX_MESSAGE};
use crate::sip::message::grammar::{ParamScan, is_token, split_commas};
use crate::sip::message::{
    Header, HeaderAccess, HeaderName, Headers, Malformed, Message, Method, Request, Response, StatusCode, ViaScan,
    header_value, reason_phrase, scan_cseq,
};
use crate::sip::uri::{NameAddrScan, UriScan};

/// Why bytes are not a message, and what can be done about it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but line breaks: a keep-alive (RFC 3261 §7.5, RFC 5626 §3.5.1).
    #[error("a keep-alive, not a message")]
    KeepAlive,
    /// Not a request that could be answered: drop it.
    #[error("not a SIP message that can be answered: {0}")]
    Unanswerable(&'static str),
    /// A request that is malformed, but has a Via that an answer can follow: send `response` (400, 505 …) back to where
    /// the request came from.
    #[error("a malformed request: {why}")]
    Answerable { why: &'static str, response: Box<Response> },
}

/// Reads one datagram, one WebSocket message or one message framed by [`StreamFramer`](super::StreamFramer), in time
/// linear in its length.
///
/// What is sure afterwards: the topmost Via, From, To, Call-ID and CSeq are there and sound; a request's CSeq names its
/// method; no header that may stand only once stands twice; no value holds a line break. Content-Length is checked, the
/// body cut to it (RFC 3261 §18.3), and the header then dropped: [`write`](super::write()) computes it anew.
/// Compact names are spelled out by their variant, folded lines are joined, bytes that are not UTF-8 become U+FFFD.
pub fn parse(bytes: &[u8]) -> Result<Message, ParseError> {
    if bytes.len() > MAX_MESSAGE {
        return Err(ParseError::Unanswerable("longer than 64 KiB"));
    }
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).ok_or(ParseError::KeepAlive)?;
    let bytes = &bytes[start..];
    let mut lines = Lines::new(bytes);
    let start_line = text(lines.start_line());
    let is_response = start_line.as_bytes().get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"SIP/"));

    let mut collected = Collected::new(&mut lines);
    let body = lines.body().unwrap_or_else(|| {
        // Such a head is read as far as it goes, to answer 400 if it is a request.
        collected.complain("the headers are not ended by an empty line");
        &[]
    });
    let body = collected.cut(body);
    let start_line = &*start_line;
    if is_response { response(start_line, collected, body) } else { request(start_line, collected, body) }
}

fn request(start_line: &str, mut collected: Collected, body: &[u8]) -> Result<Message, ParseError> {
    let mut words = start_line.split(' ');
    let (method, uri, version) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next());
    let (last, extra) = match version {
        Some(version) => words.next().map_or((version, false), |_| (start_line.rsplit(' ').next().unwrap_or(""), true)),
        None => ("", false),
    };
    // A line that does not speak of SIP at all is not answered; one with stray spaces is (RFC 4475 §3.1.2.8, §3.1.2.9).
    let version = if extra && last.is_empty() { start_line.trim_end().rsplit(' ').next().unwrap_or("") } else { last };
    if version.get(..4).is_none_or(|prefix| !prefix.eq_ignore_ascii_case("SIP/")) || !is_token(method) {
        return Err(ParseError::Unanswerable("the first line is neither a request line nor a status line"));
    }
    if extra {
        collected.complain("the request line has spaces where none may stand");
    }
    let mut status = 400;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        (status, collected.fault) = (505, Some("the version is not SIP/2.0"));
    }
    collected.check_mandatory();
    if collected.fault.is_none() && collected.cseq_method() != Some(method) {
        collected.complain("the method of CSeq is not that of the request line");
    }
    let uri = UriScan::new(uri).and_then(UriScan::to_owned).map_err(|Malformed(why)| collected.complain(why));
    match (collected.fault, uri, method.parse::<Method>()) {
        (None, Ok(uri), Ok(method)) => {
            Ok(Message::Request(Request { method, uri, headers: collected.list.into(), body: body.to_vec() }))
        }
        (why, ..) => Err(answer(method, status, why.unwrap_or("malformed"), collected.list)),
    }
}

/// The response to a malformed request, made from what of it can be read.
fn answer(method: &str, status: u16, why: &'static str, list: Vec<Header>) -> ParseError {
    let headers = Headers::from(list);
    let routable = headers.items(HeaderName::Via).next().is_some_and(|via| ViaScan::new(via).is_ok());
    if method == "ACK" || !routable {
        return ParseError::Unanswerable(why);
    }
    let mut response = Response::new(status);
    if status == 400 {
        // The reason phrase should name the problem (RFC 3261 §21.4.1); it is ours, not the peer's text.
        response.reason = format!("{}: {why}", reason_phrase(400));
    }
    response.copy_from(&headers, false, None);
    ParseError::Answerable { why, response: Box::new(response) }
}

fn response(start_line: &str, mut collected: Collected, body: &[u8]) -> Result<Message, ParseError> {
    let (version, rest) = start_line.split_once(' ').unwrap_or((start_line, ""));
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = match code.as_bytes() {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => code.parse::<u16>().ok(),
        _ => None,
    };
    collected.check_mandatory();
    if collected.fault.is_none() && collected.cseq_method().is_none_or(|method| !is_token(method)) {
        collected.complain("CSeq names no method");
    }
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        collected.complain("the version is not SIP/2.0");
    }
    match (collected.fault, status) {
        (None, Some(status)) => Ok(Message::Response(Response {
            status: StatusCode::from(status),
            reason: unfold(reason.as_bytes()),
            headers: collected.list.into(),
            body: body.to_vec(),
        })),
        (why, _) => Err(ParseError::Unanswerable(why.unwrap_or("the status code is not one"))),
    }
}

/// The headers of a message, and the first thing found wrong with it.
struct Collected {
    list: Vec<Header>,
    content_length: Option<usize>,
    fault: Option<&'static str>,
    /// Where in `list` the headers stand that must be there.
    via: Option<usize>,
    from: Option<usize>,
    to: Option<usize>,
    call_id: Option<usize>,
    cseq: Option<usize>,
}

impl Collected {
    fn new(lines: &mut Lines<'_>) -> Self {
        let mut collected = Self {
            list: Vec::with_capacity(16),
            content_length: None,
            fault: None,
            via: None,
            from: None,
            to: None,
            call_id: None,
            cseq: None,
        };
        let mut seen = 0_u128;
        let mut count = 0;
        while let Some(line) = lines.header() {
            count += 1;
            match count {
                ..=MAX_HEADERS => collected.take(line, &mut seen),
                _ => collected.complain("more than 256 headers"),
            }
        }
        collected
    }

    fn complain(&mut self, why: &'static str) {
        self.fault.get_or_insert(why);
    }

    fn take(&mut self, line: HeaderLine<'_>, seen: &mut u128) {
        let Some(name) = HeaderName::from_bytes(line.name) else {
            self.list.push(Header::Other(text(line.name).into_owned(), unfold(line.value)));
            return;
        };
        let bit = 1 << (name as u8);
        let again = *seen & bit != 0;
        *seen |= bit;
        if again && name.is_single() {
            self.complain("a header that may stand only once stands twice");
            return;
        }
        let index = self.list.len();
        match name {
            HeaderName::ContentLength => return self.take_content_length(line.value),
            HeaderName::Via if !again => self.via = Some(index),
            HeaderName::From => self.from = Some(index),
            HeaderName::To => self.to = Some(index),
            HeaderName::CallId => self.call_id = Some(index),
            HeaderName::CSeq => self.cseq = Some(index),
            _ => {}
        }
        self.list.push(name.with(unfold(line.value)));
    }

    fn take_content_length(&mut self, value: &[u8]) {
        match content_length(value) {
            Some(length) => self.content_length = Some(length),
            None => self.complain("Content-Length is not a number"),
        }
    }

    /// The body as long as Content-Length says.
    fn cut<'a>(&mut self, body: &'a [u8]) -> &'a [u8] {
        match self.content_length {
            None => body,
            Some(length) => body.get(..length).unwrap_or_else(|| {
                self.complain("the body is shorter than Content-Length");
                body
            }),
        }
    }

    fn value(&self, index: Option<usize>) -> Option<&str> {
        index.and_then(|index| self.list.get(index)).map(header_value)
    }

    /// Via, From, To, Call-ID and CSeq are there (RFC 3261 §8.1.1) and can be read.
    fn check_mandatory(&mut self) {
        if self.fault.is_none() {
            self.fault = self.find_mandatory_fault().err().map(|Malformed(why)| why);
        }
    }

    fn find_mandatory_fault(&self) -> Result<(), Malformed> {
        // The whole topmost line; what is malformed further below is not ours to judge.
        let check_via = |via| check_params(ViaScan::new(via)?.params);
        match self.value(self.via) {
            None | Some("") => return Err(Malformed("Via is missing")),
            Some(one) if !one.as_bytes().contains(&b',') => check_via(one)?,
            Some(list) => {
                let mut vias = split_commas(list).peekable();
                vias.peek().ok_or(Malformed("Via is missing"))?;
                vias.try_for_each(check_via)?;
            }
        }
        for (index, missing) in [(self.from, "From is missing"), (self.to, "To is missing")] {
            let address = NameAddrScan::new(self.value(index).ok_or(Malformed(missing))?)?;
            check_params(address.params)?;
            check_params(address.uri.params)?;
        }
        match self.value(self.call_id) {
            None | Some("") => return Err(Malformed("Call-ID is missing")),
            Some(call_id) if call_id.contains([' ', '\t']) => return Err(Malformed("Call-ID is not one word")),
            Some(_) => {}
        }
        scan_cseq(self.value(self.cseq).ok_or(Malformed("CSeq is missing"))?).map(|_| ())
    }

    fn cseq_method(&self) -> Option<&str> {
        self.value(self.cseq).and_then(|value| scan_cseq(value).ok()).map(|(_, method)| method)
    }
}

fn check_params(params: &str) -> Result<(), Malformed> {
    ParamScan::new(params).try_for_each(|param| param.map(|_| ()))
}

/// Digits only, and no more than `usize` holds. (`+5`, `-1` and `0x5` are refused.)
pub(super) fn content_length(value: &[u8]) -> Option<usize> {
    let sound = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if sound { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}
