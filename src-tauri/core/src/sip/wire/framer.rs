//! Cutting a byte stream into messages by Content-Length (RFC 3261 §18.3).

use std::mem;

use super::MAX_MESSAGE;
use super::lines::{Lines, head_len};
use super::parse::content_length;
use crate::sip::message::HeaderName;

/// What a stream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message, for [`parse`](super::parse()).
    Message(Vec<u8>),
    /// A double CRLF between messages: answer it with a single CRLF (RFC 5626 §3.5.1).
    Ping,
    /// A single CRLF between messages: the answer to our ping.
    Pong,
}

/// The stream cannot be cut any further: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a message on the stream is longer than 64 KiB")]
    TooLong,
    #[error("a message on the stream has no Content-Length that can be believed")]
    ContentLength,
}

/// Takes bytes as they come and gives out whole messages. Holds at most one message and what was pushed with it.
///
/// Drain it as an iterator after every [`push`](Self::push); `None` means that more bytes are needed. After an error it
/// stays silent.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// Up to here the buffer has been given out.
    start: usize,
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    /// Between messages. `half_ping`: a single CRLF has just been reported; another one makes it a ping.
    #[default]
    Between,
    HalfPing,
    /// In the head; the end has not been found in front of `searched` (from `start`).
    Head {
        searched: usize,
    },
    /// The message is `length` bytes long in all.
    Body {
        length: usize,
    },
    Broken,
}

impl StreamFramer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Broken) {
            return;
        }
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..mem::take(&mut self.start));
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and is not yet whole: a connection that stays so for long is stuck.
    pub fn is_inside_message(&self) -> bool {
        matches!(self.state, State::Head { .. } | State::Body { .. })
    }

    /// How many bytes are held that have not been given out.
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn pending(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn consume(&mut self, length: usize, next: State) {
        self.start += length;
        self.state = next;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        }
    }

    fn fail(&mut self, error: FrameError) -> Option<Result<Frame, FrameError>> {
        *self = Self { state: State::Broken, ..Self::default() };
        Some(Err(error))
    }
}

impl Iterator for StreamFramer {
    type Item = Result<Frame, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.state {
                State::Broken => return None,
                State::Between | State::HalfPing => match self.pending() {
                    [] | [b'\r'] => return None,
                    [b'\r', b'\n', rest @ ..] => {
                        if matches!(self.state, State::HalfPing) {
                            self.consume(2, State::Between);
                            return Some(Ok(Frame::Ping));
                        }
                        match rest {
                            [b'\r', b'\n', ..] => {
                                self.consume(4, State::Between);
                                return Some(Ok(Frame::Ping));
                            }
                            // A ping cut by the network in its middle is completed later.
                            [] | [b'\r'] => self.consume(2, State::HalfPing),
                            _ => self.consume(2, State::Between),
                        }
                        return Some(Ok(Frame::Pong));
                    }
                    [b'\n', ..] => self.consume(1, State::Between),
                    _ => self.state = State::Head { searched: 0 },
                },
                State::Head { searched } => {
                    let pending = self.pending();
                    let Some(head) = head_len(pending, searched) else {
                        if pending.len() > MAX_MESSAGE {
                            return self.fail(FrameError::TooLong);
                        }
                        // `head_len` looks back three bytes by itself.
                        self.state = State::Head { searched: pending.len() };
                        return None;
                    };
                    match stream_content_length(&pending[..head])
                        .map(|body| head.saturating_add(4).saturating_add(body))
                    {
                        None => return self.fail(FrameError::ContentLength),
                        Some(length) if length > MAX_MESSAGE => return self.fail(FrameError::TooLong),
                        Some(length) => self.state = State::Body { length },
                    }
                }
                State::Body { length } => {
                    let message = self.pending().get(..length)?.to_vec();
                    self.consume(length, State::Between);
                    return Some(Ok(Frame::Message(message)));
                }
            }
        }
    }
}

/// Content-Length of a head; absent counts as 0 (a peer that leaves it out while it sends a body breaks the stream, and
/// is found out by what follows). `None` when it is malformed, or stands twice with different values.
fn stream_content_length(head: &[u8]) -> Option<usize> {
    let mut lines = Lines::new(head);
    lines.start_line();
    let mut found = None;
    while let Some(line) = lines.header() {
        if line.known == Some(HeaderName::ContentLength) {
            let length = content_length(&head[line.value.0..line.value.1])?;
            if found.is_some_and(|earlier| earlier != length) {
                return None;
            }
            found = Some(length);
        }
    }
    Some(found.unwrap_or(0))
}
