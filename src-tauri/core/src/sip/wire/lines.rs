//! The head of a message, cut into header lines.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::sip::message::grammar::{is_token_byte, is_ws};

/// The length of the head (start line and headers) up to the empty line, searched from `from`; the body starts 4 bytes
/// behind it.
pub(super) fn head_len(bytes: &[u8], from: usize) -> Option<usize> {
    memchr_iter(b'\n', bytes.get(from..)?).map(|at| at + from).find_map(|at| {
        let end = at.checked_sub(3)?;
        (bytes[end..=at] == *b"\r\n\r\n").then_some(end)
    })
}

/// Walks over the lines of a head, from a message or from a head alone; stops at the empty line.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    ended: bool,
}

/// One header, folded lines still inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeaderLine<'a> {
    /// A token, so ASCII.
    pub name: &'a [u8],
    /// Trimmed. May hold line breaks: those of folding (RFC 3261 §7.3.1), or lone CR and LF.
    pub value: &'a [u8],
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, ended: false }
    }

    /// The request or status line, which is never folded.
    pub(super) fn start_line(&mut self) -> &'a [u8] {
        self.line(false).unwrap_or_default()
    }

    /// The next header. Lines that do not begin with a token and a colon are passed over: a malformed header that is not
    /// needed is no reason to lose a message (RFC 3261 §8.2); one that is needed will be missed.
    pub(super) fn header(&mut self) -> Option<HeaderLine<'a>> {
        loop {
            let line = self.line(true)?;
            let name_len = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
            let (name, behind) = line.split_at(name_len);
            let behind = trim_bytes(behind);
            if let ([b':', value @ ..], true) = (behind, name_len > 0) {
                return Some(HeaderLine { name, value: trim_bytes(value) });
            }
        }
    }

    /// What is behind the empty line; `None` when there has been none.
    pub(super) fn body(&self) -> Option<&'a [u8]> {
        self.ended.then_some(self.rest)
    }

    /// The next line without its CRLF, continuation lines included.
    fn line(&mut self, foldable: bool) -> Option<&'a [u8]> {
        if self.ended || self.rest.is_empty() {
            return None;
        }
        if let [b'\r', b'\n', body @ ..] = self.rest {
            (self.rest, self.ended) = (body, true);
            return None;
        }
        let mut from = 0;
        while let Some(at) = memchr(b'\n', &self.rest[from..]).map(|at| at + from) {
            let ends = at > 0 && self.rest[at - 1] == b'\r';
            let folded = foldable && matches!(self.rest.get(at + 1), Some(b' ' | b'\t'));
            if ends && !folded {
                let line = &self.rest[..at - 1];
                self.rest = &self.rest[at + 1..];
                return Some(line);
            }
            from = at + 1;
        }
        Some(std::mem::take(&mut self.rest))
    }
}

fn trim_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_ws(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_ws(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Bytes as text; those that are not UTF-8 become U+FFFD.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Checking first is several times faster than `from_utf8_lossy` alone, and nearly every value is sound.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Whether a byte below 0x20 or the byte 0x7f is in it: eight bytes at a time, since every value is looked at.
fn has_control(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES * 0x80;
    let (words, rest) = bytes.as_chunks::<8>();
    let found = words.iter().fold(0, |found, word| {
        let word = u64::from_le_bytes(*word);
        let delete = word ^ (ONES * 0x7f);
        found | word.wrapping_sub(ONES * 0x20) & !word | delete.wrapping_sub(ONES) & !delete
    });
    found & HIGH != 0 || rest.iter().any(u8::is_ascii_control)
}

/// The value on one line, trimmed: folding becomes one space, other control characters too.
pub(super) fn unfold(value: &[u8]) -> String {
    if !has_control(value) {
        return text(value).into_owned();
    }
    let mut plain = Vec::with_capacity(value.len());
    let mut at = 0;
    while at < value.len() {
        match value[at] {
            b'\r' if value.get(at + 1) == Some(&b'\n') => {
                while value.get(at).is_some_and(|byte| is_ws(*byte)) {
                    at += 1;
                }
                while plain.last().is_some_and(|byte| is_ws(*byte)) {
                    plain.pop();
                }
                plain.push(b' ');
                continue;
            }
            byte if byte.is_ascii_control() && byte != b'\t' => plain.push(b' '),
            byte => plain.push(byte),
        }
        at += 1;
    }
    text(trim_bytes(&plain)).into_owned()
}
