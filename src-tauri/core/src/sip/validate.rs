//! What stands before the dialogs: whether a message that could be read may be acted upon.
//!
//! [`wire::parse`](super::wire::parse) has judged the message as such (RFC 3261 §7, §8.1.1, §18.3): the mandatory headers
//! are there once and can be read, CSeq fits the method, the lengths are right, the version is 2.0. What is judged here
//! needs to know what a user agent is about (§8.2, §12.1.1): a request is refused by the status that the RFC names, with a
//! reason phrase that names the header; a response or an ACK is dropped. Either is counted by its reason.

use super::message::{Contacts, HeaderAccess, HeaderName, Headers, Malformed, Method, Request, Response};
use super::uri::NameAddr;

/// The most elements of Via, Route, Record-Route, Path or Contact that a message may have: what a dialog keeps stays bounded.
pub const MAX_ELEMENTS: usize = 128;

/// The longest Call-ID, tag or branch, in bytes: what is kept of each transaction stays bounded.
pub const MAX_IDENTIFIER: usize = 512;

/// Why a request is not acted upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 400, 406, 416 …
    pub status: u16,
    /// Names the header; ours, nothing of it is the peer's text.
    pub why: &'static str,
}

const fn bad(why: &'static str) -> Refusal {
    Refusal { status: 400, why }
}

/// Judges a request to a user agent.
///
/// # Errors
/// With what it is to be answered; an ACK is dropped instead.
pub fn request(request: &Request) -> Result<(), Refusal> {
    let headers = &request.headers;
    if !matches!(&*request.uri.scheme, "sip" | "sips" | "tel") {
        return Err(Refusal { status: 416, why: "the scheme of the Request-URI is unknown" });
    }
    if request.uri.headers.is_some() {
        // RFC 3261 §19.1.1, table 1; RFC 4475 §3.1.2.11.
        return Err(bad("the Request-URI holds headers"));
    }
    identifiers(headers)?;
    numbers(headers)?;
    for (name, why) in [
        (HeaderName::Via, "Via has too many elements"),
        (HeaderName::Route, "Route has too many elements"),
        (HeaderName::RecordRoute, "Record-Route has too many elements"),
        (HeaderName::Path, "Path has too many elements"),
        (HeaderName::Contact, "Contact has too many elements"),
    ] {
        if headers.items(name).nth(MAX_ELEMENTS).is_some() {
            return Err(bad(why));
        }
    }
    contacts(request)?;
    if request.method.creates_dialog() && headers.record_routes().is_err() {
        return Err(bad("Record-Route is malformed"));
    }
    if request.method == Method::Invite && !accepts_sdp(headers) {
        // RFC 4475 §3.3.15: an answer in no format of ours would do.
        return Err(Refusal { status: 406, why: "Accept leaves no session description" });
    }
    Ok(())
}

/// Judges a response to one of our requests.
///
/// # Errors
/// Why it is dropped.
pub fn response(response: &Response) -> Result<(), &'static str> {
    // RFC 3261 §8.1.3.3: we send requests with one Via, so others have been added on a way that was not ours.
    if response.headers.items(HeaderName::Via).nth(1).is_some() {
        return Err("response with more than one Via");
    }
    identifiers(&response.headers).map_err(|refusal| refusal.why)
}

fn identifiers(headers: &Headers) -> Result<(), Refusal> {
    let too_long = |text: Option<&str>| text.is_some_and(|text| text.len() > MAX_IDENTIFIER);
    if too_long(headers.call_id()) {
        return Err(bad("Call-ID is too long"));
    }
    if too_long(headers.from_tag()) || too_long(headers.to_tag()) {
        return Err(bad("a tag of From or To is too long"));
    }
    match headers.via() {
        Ok(via) if too_long(via.branch()) => Err(bad("the branch of Via is too long")),
        Ok(via) if too_long(Some(&via.host)) => Err(bad("the host of Via is too long")),
        Ok(_) => Ok(()),
        Err(_) => Err(bad("Via is malformed")),
    }
}

/// Headers whose value is one number (RFC 3261 §25.1). CSeq and Content-Length have been judged by the parser.
fn numbers(headers: &Headers) -> Result<(), Refusal> {
    if let Some(value) = headers.value(HeaderName::MaxForwards)
        && headers.max_forwards().is_none_or(|hops| hops > 255)
        && !value.is_empty()
    {
        return Err(bad("Max-Forwards is not a number up to 255"));
    }
    for (name, why) in [
        (HeaderName::Expires, "Expires is not a number"),
        (HeaderName::MinExpires, "Min-Expires is not a number"),
        (HeaderName::RSeq, "RSeq is not a number"),
    ] {
        let is_number = |value: &str| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if headers.value(name).is_some_and(|value| !is_number(value)) {
            return Err(bad(why));
        }
    }
    Ok(())
}

/// Contact can be read; a request that makes a dialog has just one, of a scheme that we could send to (RFC 3261 §12.1.1).
fn contacts(request: &Request) -> Result<(), Refusal> {
    let list = match request.headers.contacts() {
        Err(Malformed(_)) => return Err(bad("Contact is malformed")),
        Ok(Contacts::Any) if request.method != Method::Register => {
            return Err(bad("Contact is * outside of a REGISTER"));
        }
        Ok(Contacts::Any) => return Ok(()),
        Ok(Contacts::List(list)) => list,
    };
    if !request.method.creates_dialog() {
        return Ok(());
    }
    let is_new_invite = request.method == Method::Invite && request.headers.to_tag().is_none();
    match &list[..] {
        // Peers of RFC 2543 send none (RFC 4475 §3.4.1); they have no tag either.
        [] if is_new_invite && request.headers.from_tag().is_some() => Err(bad("Contact is missing")),
        [] => Ok(()),
        [NameAddr { uri, .. }] if uri.is_sip() => Ok(()),
        [_] => Err(bad("Contact is not a SIP URI")),
        _ => Err(bad("Contact stands twice")),
    }
}

/// Whether a session description is among what an INVITE accepts (RFC 3261 §20.1: without Accept it is).
fn accepts_sdp(headers: &Headers) -> bool {
    let mut none = true;
    for item in headers.items(HeaderName::Accept) {
        let kind = item.split(';').next().unwrap_or_default().trim();
        if ["application/sdp", "application/*", "*/*"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            return true;
        }
        none = false;
    }
    none
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sip::message::Message;
    use crate::sip::wire;

    fn read(start: &str, method: &str, more: &str) -> Message {
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 {method}\r\n{more}\r\n"
        );
        wire::parse(text.as_bytes()).unwrap()
    }

    fn verdict(method: &str, more: &str) -> Option<(u16, &'static str)> {
        let Message::Request(read) = read(&format!("{method} sip:c@d SIP/2.0"), method, more) else {
            panic!("a request")
        };
        request(&read).err().map(|refusal| (refusal.status, refusal.why))
    }

    #[test]
    fn what_is_invalid_is_refused_and_named() {
        let contact = "Contact: <sip:a@b>\r\n";
        let long = "x".repeat(600);
        let many = "Record-Route: <sip:p;lr>\r\n".repeat(129);
        for (method, more, expected) in [
            ("INVITE", contact.to_owned(), None),
            ("INVITE", String::new(), Some((400, "Contact is missing"))),
            ("INVITE", contact.repeat(2), Some((400, "Contact stands twice"))),
            ("INVITE", "Contact: *\r\n".into(), Some((400, "Contact is * outside of a REGISTER"))),
            ("INVITE", "Contact: <tel:1>\r\n".into(), Some((400, "Contact is not a SIP URI"))),
            ("INVITE", "Contact: <sip:a@b\r\n".into(), Some((400, "Contact is malformed"))),
            ("INVITE", format!("{contact}Accept: text/plain\r\n"), Some((406, "Accept leaves no session description"))),
            ("INVITE", format!("{contact}Accept: text/plain, Application/SDP;level=1\r\n"), None),
            ("INVITE", format!("{contact}Accept: */*\r\n"), None),
            ("INVITE", format!("{contact}Record-Route: <sip:p\r\n"), Some((400, "Record-Route is malformed"))),
            ("INVITE", format!("{contact}{many}"), Some((400, "Record-Route has too many elements"))),
            ("REGISTER", "Contact: *\r\nExpires: 0\r\n".into(), None),
            ("REGISTER", contact.repeat(3), None),
            ("OPTIONS", "Max-Forwards: 0\r\n".into(), None),
            ("OPTIONS", "Max-Forwards: 256\r\n".into(), Some((400, "Max-Forwards is not a number up to 255"))),
            ("OPTIONS", "Max-Forwards: -1\r\n".into(), Some((400, "Max-Forwards is not a number up to 255"))),
            ("OPTIONS", "Expires: soon\r\n".into(), Some((400, "Expires is not a number"))),
            ("OPTIONS", "Expires: 99999999999999\r\n".into(), None),
            ("OPTIONS", format!("Contact: <sip:{long}@b>\r\n"), None),
        ] {
            assert_eq!(verdict(method, &more), expected, "{method} {more}");
        }
    }

    #[test]
    fn identifiers_have_a_limit() {
        for (from, to) in [("Call-ID: x", "Call-ID: "), ("tag=1", "tag="), ("z9hG4bK1", "z9hG4bK"), ("UDP h", "UDP ")] {
            let text = "OPTIONS sip:c@d SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n";
            for (length, sound) in [(500, true), (520, false)] {
                let text = text.replace(from, &format!("{to}{}", "x".repeat(length)));
                let Ok(Message::Request(read)) = wire::parse(text.as_bytes()) else { panic!("a request") };
                assert_eq!(request(&read).is_ok(), sound, "{from} {length}");
            }
        }
    }

    #[test]
    fn a_response_along_another_way_is_dropped() {
        let Message::Response(ours) = read("SIP/2.0 200 OK", "INVITE", "") else { panic!("a response") };
        assert_eq!(response(&ours), Ok(()));
        let Message::Response(foreign) = read("SIP/2.0 200 OK", "INVITE", "Via: SIP/2.0/UDP x\r\n") else {
            panic!("a response")
        };
        assert_eq!(response(&foreign), Err("response with more than one Via"));
    }
}
