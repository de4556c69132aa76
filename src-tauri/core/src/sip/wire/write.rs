//! Writing a message.

use std::io::Write as _;

use memchr::memchr3;

use crate::sip::message::grammar::is_token;
use crate::sip::message::{HeaderName, Headers, Message, Request, Response};

/// Writes a message. Content-Length is always computed; a Content-Length among the headers is ignored. No header can be
/// injected: line breaks and NUL in a value become spaces, a header whose name is not a token is left out.
pub fn write(message: &Message) -> Vec<u8> {
    match message {
        Message::Request(request) => write_request(request),
        Message::Response(response) => write_response(response),
    }
}

pub fn write_request(request: &Request) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96 + size(&request.headers) + request.body.len());
    let method = request.method.as_str();
    bytes.extend_from_slice(if is_token(method) { method.as_bytes() } else { b"INVALID" });
    // Writing to a vector does not fail, and a URI writes nothing that ends the line.
    let _ = write!(bytes, " {} SIP/2.0\r\n", request.uri);
    finish(bytes, &request.headers, &request.body)
}

pub fn write_response(response: &Response) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(48 + response.reason.len() + size(&response.headers) + response.body.len());
    let _ = write!(bytes, "SIP/2.0 {:03} ", response.status.min(999));
    push_value(&mut bytes, &response.reason);
    bytes.extend_from_slice(b"\r\n");
    finish(bytes, &response.headers, &response.body)
}

fn finish(mut bytes: Vec<u8>, headers: &Headers, body: &[u8]) -> Vec<u8> {
    for header in headers.iter() {
        let written = header.known.map_or_else(|| is_token(header.name), |name| name != HeaderName::ContentLength);
        if !written {
            continue;
        }
        bytes.extend_from_slice(header.name.as_bytes());
        bytes.extend_from_slice(b": ");
        push_value(&mut bytes, header.value);
        bytes.extend_from_slice(b"\r\n");
    }
    let _ = write!(bytes, "Content-Length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(body);
    bytes
}

fn push_value(bytes: &mut Vec<u8>, value: &str) {
    let start = bytes.len();
    bytes.extend_from_slice(value.as_bytes());
    if memchr3(b'\r', b'\n', 0, value.as_bytes()).is_some() {
        for byte in &mut bytes[start..] {
            if matches!(byte, b'\r' | b'\n' | 0) {
                *byte = b' ';
            }
        }
    }
}

/// About how much room the headers take.
fn size(headers: &Headers) -> usize {
    headers.iter().map(|header| header.value.len() + 24).sum::<usize>() + 24
}
