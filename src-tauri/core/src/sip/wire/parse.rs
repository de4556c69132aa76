//! Reading a message.

use memchr::memchr;

use super::lines::{HeaderLine, Lines, has_control, unfold};
use super::{MAX_FOREIGN, MAX_HEADERS, MAX_MESSAGE};
use crate::sip::message::grammar::{ParamScan, find_byte, is_token, split_at_byte, split_commas, trim, trim_end};
use crate::sip::message::{
    Field, HeaderAccess, HeaderName, Headers, Malformed, Message, Request, Response, Span, ViaScan, reason_phrase,
    scan_cseq,
};
use crate::sip::uri::{MAX_URI, NameAddrScan, UriScan};
use crate::sip::validate::MAX_ELEMENTS;

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
    let mut collected = Collected::new(&mut lines);
    let (head, body) = match lines.body() {
        Some((end, body)) => (&bytes[..end], body),
        None => {
            // Such a head is read as far as it goes, to answer 400 if it is a request.
            collected.complain("the headers are not ended by an empty line");
            (bytes, &[][..])
        }
    };
    let (text, collected) = match std::str::from_utf8(head) {
        Ok(text) => (text.to_owned(), collected),
        Err(_) => {
            let text = lossy(head).ok_or(ParseError::Unanswerable("too many bytes are not UTF-8"))?;
            let mut again = Collected::new(&mut Lines::new(text.as_bytes()));
            // What has no end now has had one before, or has been complained of.
            again.fault = again.fault.or(collected.fault);
            (text, again)
        }
    };
    let mut collected = collected;
    let body = collected.cut(body);
    let read = collected.read(text);
    let is_response = read.start_line().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("SIP/"));
    if is_response { response(read, body) } else { request(read, body) }
}

/// The text of a head, each stretch that is not UTF-8 replaced by U+FFFD; `None` when there are more than [`MAX_FOREIGN`].
fn lossy(head: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(head.len() + 64);
    let mut foreign = 0;
    for chunk in head.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            foreign += 1;
            if foreign > MAX_FOREIGN {
                return None;
            }
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Some(text)
}

fn request(read: Read, body: &[u8]) -> Result<Message, ParseError> {
    let line = RequestLine::read(read.start_line())
        .ok_or(ParseError::Unanswerable("the first line is neither a request line nor a status line"))?;
    let (mut status, mut fault) = (400, read.fault);
    if line.has_stray_spaces {
        fault = fault.or(Some("the request line has spaces where none may stand"));
    }
    if !line.version.eq_ignore_ascii_case("SIP/2.0") {
        (status, fault) = (505, Some("the version is not SIP/2.0"));
    }
    if line.uri.len() > MAX_URI && fault.is_none() {
        (status, fault) = (414, Some("the Request-URI is too long"));
    }
    fault = fault.or_else(|| read.mandatory_fault(Some(line.method)));
    let parts = UriScan::new(line.uri).and_then(UriScan::to_owned).and_then(|uri| Ok((uri, line.method.parse()?)));
    match (fault, parts) {
        (None, Ok((uri, method))) => {
            Ok(Message::Request(Request { method, uri, headers: read.headers, body: body.to_vec() }))
        }
        (Some(why), _) | (None, Err(Malformed(why))) => Err(answer(line.method, status, why, &read.headers)),
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
        let space = |byte| byte == b' ';
        let (method, rest) = split_at_byte(line, space)?;
        let (uri, rest) = split_at_byte(rest, space)?;
        let has_stray_spaces = uri.is_empty() || find_byte(rest, space).is_some();
        let version = trim_end(rest).rsplit(' ').next().unwrap_or_default();
        let is_sip = version.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/"));
        (is_sip && is_token(method)).then_some(Self { method, uri, version, has_stray_spaces })
    }
}

/// The response to a malformed request, made from what of it can be read.
fn answer(method: &str, status: u16, why: &'static str, headers: &Headers) -> ParseError {
    // Up to the first comma is enough to tell where an answer would go, and is found quickly in any line.
    let top = headers.value(HeaderName::Via).and_then(|line| line.split(',').next());
    let routable = top.is_some_and(|via| ViaScan::new(trim(via)).is_ok());
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

fn response(read: Read, body: &[u8]) -> Result<Message, ParseError> {
    let line = read.start_line();
    let (version, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = match code.as_bytes() {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => code.parse::<u16>().ok(),
        _ => None,
    };
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(ParseError::Unanswerable("the version is not SIP/2.0"));
    }
    match (read.fault.or_else(|| read.mandatory_fault(None)), status) {
        (None, Some(status)) => {
            let reason = if has_control(reason.as_bytes()) { unfold(reason) } else { trim(reason).to_owned() };
            Ok(Message::Response(Response { status, reason, headers: read.headers, body: body.to_vec() }))
        }
        (why, _) => Err(ParseError::Unanswerable(why.unwrap_or("the status code is not one"))),
    }
}

/// Where in a head the headers stand, and the first thing found wrong with it.
struct Collected {
    start_line: Span,
    fields: Vec<Field>,
    /// A value holds control characters, as those of folding.
    is_rough: bool,
    content_length: Option<usize>,
    fault: Option<&'static str>,
    /// A bit for every name that has been met.
    seen: u128,
}

impl Collected {
    fn new(lines: &mut Lines<'_>) -> Self {
        let start_line = lines.start_line();
        let mut collected = Self {
            start_line: Span::new(start_line.0, start_line.1),
            fields: Vec::with_capacity(20),
            is_rough: false,
            content_length: None,
            fault: None,
            seen: 0,
        };
        let mut count = 0;
        while let Some(line) = lines.header() {
            count += 1;
            if count > MAX_HEADERS {
                collected.complain("more than 256 headers");
                break;
            }
            collected.take(&line, lines.bytes(line.value));
        }
        if lines.are_too_many() {
            collected.complain("more than 1024 lines");
        }
        collected
    }

    fn complain(&mut self, why: &'static str) {
        self.fault.get_or_insert(why);
    }

    fn take(&mut self, line: &HeaderLine, value: &[u8]) {
        let mut name = Span::new(line.name.0, line.name.1);
        if let Some(known) = line.known {
            let bit = 1 << (known as u8);
            let again = self.seen & bit != 0;
            self.seen |= bit;
            if again && known.is_single() {
                return self.complain(known.twice());
            }
            if known == HeaderName::ContentLength {
                return match content_length(value) {
                    Some(length) => self.content_length = Some(length),
                    None => self.complain("Content-Length is not a number"),
                };
            }
            name = Span::default();
        }
        self.is_rough |= has_control(value);
        self.fields.push(Field { known: line.known, name, value: Span::new(line.value.0, line.value.1) });
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

    /// `text` is what the places are places in.
    fn read(mut self, mut text: String) -> Read {
        if self.is_rough {
            for field in &mut self.fields {
                let value = field.value.of(&text);
                if has_control(value.as_bytes()) {
                    let unfolded = unfold(value);
                    field.value = Span::new(text.len(), text.len() + unfolded.len());
                    text.push_str(&unfolded);
                }
            }
        }
        Read { start_line: self.start_line, headers: Headers::from_text(text, self.fields), fault: self.fault }
    }
}

/// A head that has been read.
struct Read {
    start_line: Span,
    headers: Headers,
    fault: Option<&'static str>,
}

impl Read {
    fn start_line(&self) -> &str {
        self.start_line.of(self.headers.text())
    }

    /// Whether Via, From, To, Call-ID and CSeq are there (RFC 3261 §8.1.1), can be read, and CSeq names the method.
    fn mandatory_fault(&self, method: Option<&str>) -> Option<&'static str> {
        self.check_mandatory(method).err().map(|Malformed(why)| why)
    }

    fn check_mandatory(&self, method: Option<&str>) -> Result<(), Malformed> {
        // The whole topmost line; what is malformed further below is not ours to judge.
        let check_via = |via| {
            let read = ViaScan::new(via).and_then(|via| check_params(via.params));
            read.map_err(|_| Malformed("Via is malformed"))
        };
        match self.headers.value(HeaderName::Via) {
            None | Some("") => return Err(Malformed("Via is missing")),
            Some(one) if memchr(b',', one.as_bytes()).is_none() => check_via(one)?,
            Some(list) => {
                let mut vias = split_commas(list).peekable();
                vias.peek().ok_or(Malformed("Via is missing"))?;
                vias.by_ref().take(MAX_ELEMENTS).try_for_each(check_via)?;
                if vias.next().is_some() {
                    return Err(Malformed("Via has too many elements"));
                }
            }
        }
        for (name, missing, malformed) in [
            (HeaderName::From, "From is missing", "From is malformed"),
            (HeaderName::To, "To is missing", "To is malformed"),
        ] {
            let value = self.headers.value(name).ok_or(Malformed(missing))?;
            let check = |address: NameAddrScan<'_>| {
                check_params(address.params).and_then(|()| check_params(address.uri.params))
            };
            NameAddrScan::new(value).and_then(check).map_err(|_| Malformed(malformed))?;
        }
        match self.headers.value(HeaderName::CallId) {
            None | Some("") => return Err(Malformed("Call-ID is missing")),
            Some(call_id) if find_byte(call_id, |byte| byte <= b' ').is_some() => {
                return Err(Malformed("Call-ID is not one word"));
            }
            Some(_) => {}
        }
        let (_, named) = scan_cseq(self.headers.value(HeaderName::CSeq).ok_or(Malformed("CSeq is missing"))?)?;
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
