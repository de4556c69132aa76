//! What the fuzzer runs (`fuzz/`), and the replay of its corpora in the ordinary tests. Each function takes any bytes; a
//! panic is a finding.

mod bodies;
#[cfg(test)]
mod corpus_tests;
mod workbench;

pub use bodies::{bodies, challenge, headers, sdp};
pub use workbench::workbench;

use crate::sip::message::Message;
use crate::sip::validate;
use crate::sip::wire::{Frame, MAX_MESSAGE, ParseError, StreamFramer, parse, write};

/// Reading a message, judging it, writing it: what reads must survive writing unchanged.
pub fn wire(bytes: &[u8]) {
    match parse(bytes) {
        Ok(message) => {
            assert_eq!(parse(&write(&message)).as_ref(), Ok(&message), "what was read is written differently");
            match &message {
                Message::Request(request) => drop(validate::request(request)),
                Message::Response(response) => drop(validate::response(response)),
            }
        }
        Err(ParseError::Answerable { response, .. }) => {
            let written = write(&Message::Response(*response));
            assert!(written.starts_with(b"SIP/2.0 4") || written.starts_with(b"SIP/2.0 5"));
        }
        Err(ParseError::Unanswerable(_) | ParseError::KeepAlive) => {}
    }
}

/// A stream cut into messages: the same ones however its bytes arrive, and no more is held than one message. The first
/// byte says in which portions they come.
pub fn framing(bytes: &[u8]) {
    let Some((step, bytes)) = bytes.split_first() else { return };
    let whole = frames(bytes, bytes.len().max(1));
    let cut = frames(bytes, usize::from(*step).max(1));
    // A ping that is cut in two is taken for an answer first: only messages and errors must agree.
    assert_eq!(whole, cut, "cut in steps of {step}");
}

fn frames(bytes: &[u8], step: usize) -> Vec<Option<Vec<u8>>> {
    let mut framer = StreamFramer::new();
    let mut found = Vec::new();
    for portion in bytes.chunks(step) {
        framer.push(portion);
        for frame in framer.by_ref() {
            match frame {
                Ok(Frame::Message(message)) => {
                    assert!(message.len() <= MAX_MESSAGE);
                    found.push(Some(message));
                }
                Ok(Frame::Ping | Frame::Pong) => {}
                Err(_) => found.push(None),
            }
        }
        assert!(framer.held() <= MAX_MESSAGE + step, "{} bytes are held", framer.held());
    }
    found
}
