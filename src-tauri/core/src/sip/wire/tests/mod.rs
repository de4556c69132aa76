//! Whole messages, good and bad.
#![allow(clippy::unwrap_used)]

mod framing;
mod limits;
mod linear;
mod torture;
mod verdicts;

use super::*;
use crate::sip::message::{Message, Request, Response};

/// A message from lines that end in LF.
fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

fn request(bytes: &[u8]) -> Request {
    match parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("not a request: {other:?}\n{}", String::from_utf8_lossy(bytes)),
    }
}

fn response(bytes: &[u8]) -> Response {
    match parse(bytes) {
        Ok(Message::Response(response)) => response,
        other => panic!("not a response: {other:?}\n{}", String::from_utf8_lossy(bytes)),
    }
}

/// The 4xx or 5xx with which a malformed request is answered.
fn refusal(bytes: &[u8]) -> Response {
    match parse(bytes) {
        Err(ParseError::Answerable { response, .. }) => *response,
        other => panic!("not answerable: {other:?}\n{}", String::from_utf8_lossy(bytes)),
    }
}

const INVITE: &str = "INVITE sip:bob@biloxi.example.com SIP/2.0
Via: SIP/2.0/UDP client.atlanta.example.com:5060;branch=z9hG4bK74bf9
Max-Forwards: 70
From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl
To: Bob <sip:bob@biloxi.example.com>
Call-ID: 3848276298220188511@atlanta.example.com
CSeq: 1 INVITE
Contact: <sip:alice@client.atlanta.example.com>
X-Call-Data: a=1;b=2
Content-Type: application/sdp
Content-Length: 5

v=0
";
