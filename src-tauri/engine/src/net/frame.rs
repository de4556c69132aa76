//! Messages out of a byte stream (RFC 3261 §7.5, §18.3), and the keep-alives between them (RFC 5626 §3.5.1).

use super::limits;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Message(Vec<u8>),
    /// Double CRLF.
    Ping,
    /// Single CRLF.
    Pong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a message is larger than 65535 octets")]
    TooLarge,
    #[error("a message has no valid Content-Length")]
    ContentLength,
}

#[derive(Debug, Default)]
pub(super) struct Framer {
    buffer: Vec<u8>,
    /// Up to here there is no end of the headers.
    searched: usize,
}

impl Framer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The beginning of a message is there, but not its end.
    pub(super) fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// After an error the stream cannot be understood any more.
    pub(super) fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Some(Ok(Frame::Ping));
        }
        if self.buffer.starts_with(b"\r\n") && self.buffer != b"\r\n\r" {
            self.buffer.drain(..2);
            return Some(Ok(Frame::Pong));
        }
        let from = self.searched.saturating_sub(3);
        let Some(end) = self.buffer[from..].windows(4).position(|window| window == b"\r\n\r\n") else {
            self.searched = self.buffer.len();
            return (self.buffer.len() > limits::MESSAGE).then_some(Err(FrameError::TooLarge));
        };
        let head = from + end + 4;
        let Some(body) = content_length(&self.buffer[..head]) else {
            return Some(Err(FrameError::ContentLength));
        };
        let whole = head.saturating_add(body);
        if whole > limits::MESSAGE {
            return Some(Err(FrameError::TooLarge));
        }
        if self.buffer.len() < whole {
            self.searched = head - 4;
            return None;
        }
        self.searched = 0;
        let rest = self.buffer.split_off(whole);
        Some(Ok(Frame::Message(std::mem::replace(&mut self.buffer, rest))))
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    head.split(|octet| *octet == b'\n').skip(1).find_map(|line| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let name = line[..colon].trim_ascii();
        (name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l"))
            .then(|| std::str::from_utf8(line[colon + 1..].trim_ascii()).ok()?.parse().ok())
    })?
}
