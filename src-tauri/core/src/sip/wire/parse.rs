//! Reading a message.

use memchr::memchr;

use super::lines::{HeaderLine, Lines, has_control, head_len, unfold};
use super::{MAX_HEADERS, MAX_MESSAGE};
use crate::sip::message::grammar::{ParamScan, is_token, split_commas};
use crate::sip::message::{
    HeaderAccess, HeaderName, Headers, Malformed, Message, Request, Response, Span, ViaScan, reason_phrase, scan_cseq,
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
    // Such a head without end is read as far as it goes, to answer 400 if it is a request.
    let head_end = head_len(bytes, 0);
    let (head, body) = match head_end {
        Some(end) => (&bytes[..end], &bytes[end + 4..]),
        None => (bytes, &[][..]),
    };
    // Checking first is several times faster than `from_utf8_lossy` alone, and nearly every head is sound.
    let head = match std::str::from_utf8(head) {
        Ok(head) => head.to_owned(),
        Err(_) => String::from_utf8_lossy(head).into_owned(),
    };
    let (start_line, mut collected) = Collected::new(head);
    if head_end.is_none() {
        collected.complain("the headers are not ended by an empty line");
    }
    let body = collected.cut(body);
    let is_response = collected.headers.value_of(start_line).get(..4).is_some_and(|it| it.eq_ignore_ascii_case("SIP/"));
    if is_response { response(start_line, collected, body) } else { request(start_line, collected, body) }
}

fn request(start_line: Span, collected: Collected, body: &[u8]) -> Result<Message, ParseError> {
    let line = RequestLine::read(collected.headers.value_of(start_line))
        .ok_or(ParseError::Unanswerable("the first line is neither a request line nor a status line"))?;
    let (mut status, mut fault) = (400, collected.fault);
    if line.has_stray_spaces {
        fault = fault.or(Some("the request line has spaces where none may stand"));
    }
    if !line.version.eq_ignore_ascii_case("SIP/2.0") {
        (status, fault) = (505, Some("the version is not SIP/2.0"));
    }
    fault = fault.or_else(|| collected.mandatory_fault(Some(line.method)));
    let read = UriScan::new(line.uri).and_then(UriScan::to_owned).and_then(|uri| Ok((uri, line.method.parse()?)));
    match (fault, read) {
        (None, Ok((uri, method))) => {
            Ok(Message::Request(Request { method, uri, headers: collected.headers, body: body.to_vec() }))
        }
        (Some(why), _) | (None, Err(Malformed(why))) => Err(answer(line.method, status, why, &collected.headers)),
    }
}

struct RequestLine<'a> {
    method: &'a str,
    uri: &'a str,
    version: &'a str,
    has_stray_spaces: bool,
}

impl<'a> RequestLine<'a> {
    /// `None` for a line that does not speak of SIP at all, which is not answered; one with stray spaces is (RFC 4475
    /// §3.1.2.8, §3.1.2.9).
    fn read(line: &'a str) -> Option<Self> {
        let (method, rest) = line.split_once(' ')?;
        let (uri, rest) = rest.split_once(' ')?;
        let has_stray_spaces = rest.contains(' ') || uri.is_empty();
        let version = rest.trim_end().rsplit(' ').next().unwrap_or_default();
        let is_sip = version.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/"));
        (is_sip && is_token(method)).then_some(Self { method, uri, version, has_stray_spaces })
    }
}

/// The response to a malformed request, made from what of it can be read.
fn answer(method: &str, status: u16, why: &'static str, headers: &Headers) -> ParseError {
    let routable = headers.items(HeaderName::Via).next().is_some_and(|via| ViaScan::new(via).is_ok());
    if method == "ACK" || !routable {
        return ParseError::Unanswerable(why);
    }
    let mut response = Response::new(status);
    if status == 400 {
        // The reason phrase should name the problem (RFC 3261 §21.4.1); it is ours, not the peer's text.
        response.reason = format!("{}: {why}", reason_phrase(400));
    }
    response.copy_from(headers, false, None);
    ParseError::Answerable { why, response: Box::new(response) }
}

fn response(start_line: Span, collected: Collected, body: &[u8]) -> Result<Message, ParseError> {
    let line = collected.headers.value_of(start_line);
    let (version, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = match code.as_bytes() {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => code.parse::<u16>().ok(),
        _ => None,
    };
    let fault = collected.fault.or_else(|| collected.mandatory_fault(None));
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(ParseError::Unanswerable("the version is not SIP/2.0"));
    }
    match (fault, status) {
        (None, Some(status)) => {
            let reason = if has_control(reason.as_bytes()) { unfold(reason) } else { reason.trim().to_owned() };
            Ok(Message::Response(Response { status, reason, headers: collected.headers, body: body.to_vec() }))
        }
        (why, _) => Err(ParseError::Unanswerable(why.unwrap_or("the status code is not one"))),
    }
}

/// The headers of a message, and the first thing found wrong with it.
struct Collected {
    headers: Headers,
    content_length: Option<usize>,
    fault: Option<&'static str>,
    /// A bit for every name that has been met.
    seen: u128,
    /// Where the headers stand that must be there.
    via: Option<Span>,
    from: Option<Span>,
    to: Option<Span>,
    call_id: Option<Span>,
    cseq: Option<Span>,
}

impl Collected {
    /// Reads a head; also where its start line stands.
    fn new(head: String) -> (Span, Self) {
        let mut collected = Self {
            headers: Headers::from_text(head),
            content_length: None,
            fault: None,
            seen: 0,
            via: None,
            from: None,
            to: None,
            call_id: None,
            cseq: None,
        };
        // What is unfolded goes behind the head, so that the head is looked at piece by piece.
        let mut position = Lines::default();
        let start_line = position.start_line(collected.headers.text().as_bytes());
        let end = collected.headers.text().len();
        let mut count = 0;
        while let Some(line) = position.header(&collected.headers.text().as_bytes()[..end]) {
            count += 1;
            if count > MAX_HEADERS {
                collected.complain("more than 256 headers");
                break;
            }
            collected.take(line);
        }
        (Span::new(start_line.0, start_line.1), collected)
    }

    fn complain(&mut self, why: &'static str) {
        self.fault.get_or_insert(why);
    }

    fn take(&mut self, line: HeaderLine) {
        let text = self.headers.text();
        let name = HeaderName::from_bytes(&text.as_bytes()[line.start..line.name_end]);
        let value = &text[line.value.0..line.value.1];
        if let Some(known) = name {
            let bit = 1 << (known as u8);
            let again = self.seen & bit != 0;
            self.seen |= bit;
            if again && known.is_single() {
                return self.complain(known.twice());
            }
            if known == HeaderName::ContentLength {
                return match content_length(value.as_bytes()) {
                    Some(length) => self.content_length = Some(length),
                    None => self.complain("Content-Length is not a number"),
                };
            }
        }
        let value = if has_control(value.as_bytes()) {
            let unfolded = unfold(value);
            self.headers.append(&unfolded)
        } else {
            Span::new(line.value.0, line.value.1)
        };
        match name {
            Some(HeaderName::Via) => drop(self.via.get_or_insert(value)),
            Some(HeaderName::From) => self.from = Some(value),
            Some(HeaderName::To) => self.to = Some(value),
            Some(HeaderName::CallId) => self.call_id = Some(value),
            Some(HeaderName::CSeq) => self.cseq = Some(value),
            _ => {}
        }
        let other = if name.is_some() { Span::default() } else { Span::new(line.start, line.name_end) };
        self.headers.push_span(name, other, value);
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

    fn value(&self, span: Option<Span>) -> Option<&str> {
        span.map(|span| self.headers.value_of(span))
    }

    /// Whether Via, From, To, Call-ID and CSeq are there (RFC 3261 §8.1.1), can be read, and CSeq names the method.
    fn mandatory_fault(&self, method: Option<&str>) -> Option<&'static str> {
        self.check_mandatory(method).err().map(|Malformed(why)| why)
    }

    fn check_mandatory(&self, method: Option<&str>) -> Result<(), Malformed> {
        // The whole topmost line; what is malformed further below is not ours to judge.
        let check_via = |via| check_params(ViaScan::new(via)?.params);
        match self.value(self.via) {
            None | Some("") => return Err(Malformed("Via is missing")),
            Some(one) if memchr(b',', one.as_bytes()).is_none() => check_via(one)?,
            Some(list) => {
                let mut vias = split_commas(list).peekable();
                vias.peek().ok_or(Malformed("Via is missing"))?;
                vias.try_for_each(check_via)?;
            }
        }
        for (span, missing) in [(self.from, "From is missing"), (self.to, "To is missing")] {
            let address = NameAddrScan::new(self.value(span).ok_or(Malformed(missing))?)?;
            check_params(address.params)?;
            check_params(address.uri.params)?;
        }
        match self.value(self.call_id) {
            None | Some("") => return Err(Malformed("Call-ID is missing")),
            Some(call_id) if call_id.contains([' ', '\t']) => return Err(Malformed("Call-ID is not one word")),
            Some(_) => {}
        }
        let (_, named) = scan_cseq(self.value(self.cseq).ok_or(Malformed("CSeq is missing"))?)?;
        match method {
            Some(method) if method != named => Err(Malformed("the method of CSeq is not that of the request line")),
            None if !is_token(named) => Err(Malformed("CSeq names no method")),
            _ => Ok(()),
        }
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
