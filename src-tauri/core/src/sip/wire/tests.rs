//! Whole messages, good and bad.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::message::{HeaderAccess, HeaderName, Message};

const INVITE: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
    Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9\r\n\
    Max-Forwards: 70\r\n\
    From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n\
    To: Bob <sip:bob@biloxi.example.com>\r\n\
    Call-ID: 3848276298220188511@atlanta.example.com\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:alice@client.atlanta.example.com;transport=tcp>\r\n\
    X-Call-Data: a=1;b=2\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 4\r\n\r\nv=0\n";

#[test]
fn parsed_message_survives_writing() {
    let message = parse(INVITE.as_bytes()).unwrap();
    assert_eq!(parse(&write(&message)).unwrap(), message);
    let Message::Request(request) = message else { panic!("a request") };
    assert_eq!(request.body, b"v=0\n");
    assert_eq!(request.headers.named("x-call-data"), Some("a=1;b=2"));
    assert_eq!(request.headers.from_tag(), Some("9fxced76sl"));
    assert_eq!(request.headers.via().unwrap().branch(), Some("z9hG4bK74bf9"));
    assert_eq!(request.headers.value(HeaderName::ContentLength), None);
}
