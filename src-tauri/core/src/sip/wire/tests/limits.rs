//! Limits, damage, and what is written.

use super::*;
use crate::sip::message::{Header, HeaderAccess, HeaderName, Headers, Method};
use crate::sip::uri::Uri;

#[test]
fn parsed_message_survives_writing() {
    let message = parse(&crlf(INVITE)).unwrap();
    assert_eq!(parse(&write(&message)).unwrap(), message);
    let Message::Request(request) = message else { panic!("a request") };
    assert_eq!(request.body, b"v=0\r\n");
    assert_eq!(request.headers.named("x-call-data"), Some("a=1;b=2"));
    assert_eq!(request.headers.from_tag(), Some("9fxced76sl"));
    assert_eq!(request.headers.via().unwrap().branch(), Some("z9hG4bK74bf9"));
    assert_eq!(request.headers.value(HeaderName::ContentLength), None);
}

#[test]
fn writing_looks_as_it_should() {
    let compact = crlf(INVITE).to_vec();
    let compact = String::from_utf8(compact).unwrap().replace("Call-ID:", "i:").replace("Content-Type", "c");
    assert_eq!(write(&parse(compact.as_bytes()).unwrap()), crlf(INVITE));
}

#[test]
fn invalid_utf_8_in_one_header_costs_no_other() {
    let mut bytes = crlf(INVITE);
    let at = bytes.windows(4).position(|window| window == b"a=1;").unwrap();
    bytes[at..at + 3].copy_from_slice(b"\xff\xc3\x28");
    let request = request(&bytes);
    assert_eq!(request.headers.named("X-Call-Data"), Some("\u{fffd}\u{fffd}(;b=2"));
    assert_eq!(request.headers.content_type(), Some("application/sdp"));
    assert_eq!(request.body, b"v=0\r\n");
}

#[test]
fn a_body_may_begin_with_white_space() {
    for body in [" five", "\tfive", "    \t"] {
        let text = INVITE.replace("v=0\n", body);
        let bytes = crlf(&text);
        assert_eq!(request(&bytes).body, body.as_bytes()[..5]);
    }
}

#[test]
fn leading_line_breaks_are_skipped() {
    let bytes = [b"\r\n\r\n".to_vec(), crlf(INVITE)].concat();
    assert_eq!(parse(&bytes), parse(&crlf(INVITE)));
}

#[test]
fn a_head_without_end_is_answered_as_far_as_it_was_read() {
    let bytes = crlf(INVITE);
    let cut = bytes.windows(14).position(|window| window == b"Content-Length").unwrap();
    assert_eq!(refusal(&bytes[..cut]).code(), 400);
}

#[test]
fn a_line_without_a_colon_or_with_a_broken_name_is_passed_over() {
    let text = INVITE.replace("X-Call-Data", "this line has no colon\nX Call<: y\n: z\nX-Call-Data");
    assert_eq!(parse(&crlf(&text)), parse(&crlf(INVITE)));
}

#[test]
fn too_long_and_too_many_are_errors() {
    let long = crlf(&INVITE.replace("a=1", &"a".repeat(MAX_MESSAGE)));
    assert_eq!(parse(&long), Err(ParseError::Unanswerable("longer than 64 KiB")));
    let many = crlf(&INVITE.replace("X-Call-Data: a=1;b=2\n", &"X-A: b\n".repeat(300)));
    assert_eq!(refusal(&many).code(), 400);
    let enough = crlf(&INVITE.replace("X-Call-Data: a=1;b=2\n", &"X-A: b\n".repeat(240)));
    assert_eq!(request(&enough).headers.iter().count(), 248);
}

#[test]
fn no_header_can_be_injected() {
    let evil = "x\r\nInjected: yes\r\n\r\nbody\0";
    let mut uri = Uri::sip(evil, "example.com");
    uri.params.push((evil.into(), Some(evil.into())));
    uri.headers = Some(evil.into());
    let mut request = Request::new(Method::Extension(evil.into()), uri.clone());
    let long = [
        format!("{};tag=1", crate::sip::NameAddr::new(uri.clone()).with_display(evil)),
        crate::sip::NameAddr::new(uri).with_param("x", Some(evil)).to_string(),
    ];
    request.headers = Headers::from_iter([
        HeaderName::Via.with("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
        HeaderName::From.with(&long[0]),
        HeaderName::To.with(&long[1]),
        HeaderName::CallId.with("1"),
        HeaderName::CSeq.with("1 INVALID"),
        HeaderName::Subject.with(evil),
        Header::new("X-Data", evil),
        Header::new(evil, "x"),
        HeaderName::ContentLength.with("99"),
        Header::new("content-length", "98"),
    ]);
    let bytes = write(&Message::Request(request));
    let read = super::request(&bytes);
    assert_eq!(read.headers.named("Injected"), None);
    assert_eq!(read.headers.iter().count(), 7);
    assert!(read.body.is_empty());
    assert_eq!(read.headers.named("X-Data").unwrap().trim_end(), "x  Injected: yes    body");

    let mut response = crate::sip::Response::new(200);
    response.reason = evil.into();
    response.copy_from(&read.headers, true, Some("t"));
    let read = super::response(&write(&Message::Response(response)));
    assert_eq!(read.headers.iter().count(), 5);
    assert!(read.body.is_empty());
}

#[test]
fn twenty_thousand_mutations_never_panic_and_what_parses_survives_writing() {
    let valid = [
        crlf(INVITE),
        crlf(
            "SIP/2.0 200 OK\nVia: SIP/2.0/WS [2001:db8::1]:80;branch=z9hG4bK1;rport=5;received=192.0.2.9 , SIP/2.0/UDP b\nFrom: \"A \\\" B\" <sip:a@b;x=y?h=v>;tag=1\nTo: <tel:+1-2;ext=3>;tag=\"q;,\"\nCall-ID: x\nCSeq: 1\n INVITE\nContact: *\nRecord-Route: <sip:p;lr>, \"x\" <sip:q;lr>;a\nReason: Q.850;cause=16;text=\"a,b\"\nContent-Length: 0\n\n",
        ),
        crlf(
            "REGISTER sips:[::1]:5061;transport=tls SIP/2.0\nv: SIP/2.0/TLS h\nf: a<sip:%31@b>;tag=1\nt: sip:a@b\ni: 1\nCSeq: 2147483647 REGISTER\nAuthorization: Digest username=\"a\", realm=\"b,c\", nonce=\"d\", uri=\"sip:x\", response=\"e\"\nm: <sip:a@b>;+sip.instance=\"<urn:uuid:0>\";expires=60\nl: 0\n\n",
        ),
    ];
    let mut mutation = Mutation::new(3261);
    let mut parsed = 0;
    for round in 0..20_000 {
        let mutated = mutation.apply(&valid[round % valid.len()]);
        match parse(&mutated) {
            Ok(message) => {
                parsed += 1;
                let written = write(&message);
                assert_eq!(parse(&written).as_ref(), Ok(&message), "{}", String::from_utf8_lossy(&mutated));
                read_everything(message.headers());
            }
            Err(ParseError::Answerable { response, .. }) => {
                read_everything(&response.headers);
                let _ = write(&Message::Response(*response));
            }
            Err(_) => {}
        }
        let mut framer = StreamFramer::new();
        framer.push(&mutated);
        let _ = framer.by_ref().count();
    }
    assert!((2_000..19_000).contains(&parsed), "the mutations are too harsh or too mild: {parsed}");
}

/// Every typed reader; what `parse` promises to be sound is held to it by the test above.
fn read_everything(headers: &Headers) {
    let _ = (headers.vias(), headers.contacts(), headers.contact(), headers.routes(), headers.record_routes());
    let _ = (headers.expires(), headers.min_expires(), headers.retry_after(), headers.max_forwards());
    let _ = (headers.content_type(), headers.reason_cause("SIP"), headers.to_tag(), headers.from_tag());
    let _ = crate::sip::digest::Credentials::for_realm(headers, HeaderName::Authorization, "b,c");
    let _ = crate::sip::digest::Challenge::strongest(headers, HeaderName::Authorization);
    for header in headers.iter() {
        let value = header.value;
        if let Ok(uri) = value.parse::<Uri>() {
            assert_eq!(uri.to_string().parse::<Uri>().as_ref(), Ok(&uri));
            assert!(uri.is_equivalent(&uri), "{uri}");
        }
        if let Ok(address) = value.parse::<crate::sip::NameAddr>() {
            let again: crate::sip::NameAddr = address.to_string().parse().unwrap();
            assert_eq!(again.uri, address.uri);
        }
    }
}

#[test]
fn what_must_be_there_can_be_read() {
    let mut mutation = Mutation::new(8);
    for _ in 0..20_000 {
        if let Ok(message) = parse(&mutation.apply(&crlf(INVITE))) {
            let headers = message.headers();
            headers.via().unwrap();
            headers.from_header().unwrap();
            headers.to_header().unwrap();
            headers.cseq().unwrap();
            headers.call_id().unwrap();
        }
    }
}
