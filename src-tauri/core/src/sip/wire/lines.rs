//! The head of a message, cut into header lines.

use std::borrow::Cow;

use memchr::memchr_iter;

use crate::sip::message::grammar::{find_byte, is_ws, trim, trim_end};

/// The length of the head (start line and headers) up to the empty line, searched from `from`; the body starts 4 bytes
/// behind it.
pub(super) fn head_len(bytes: &[u8], from: usize) -> Option<usize> {
    memchr_iter(b'\n', bytes.get(from..)?).map(|at| at + from).find_map(|at| {
        let end = at.checked_sub(3)?;
        (bytes[end..=at] == *b"\r\n\r\n").then_some(end)
    })
}

/// The head as text. Only bytes above 0x7f are ever replaced, so the structure stays.
pub(super) fn text(head: &[u8]) -> Cow<'_, str> {
    // Checking first is several times faster than `from_utf8_lossy` alone, and nearly every head is sound.
    std::str::from_utf8(head).map_or_else(|_| String::from_utf8_lossy(head), Cow::Borrowed)
}

/// One header, folded lines still inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeaderLine<'a> {
    /// Without the white space in front of the colon. May be no token.
    pub name: &'a str,
    /// Trimmed. May hold line breaks: those of folding (RFC 3261 §7.3.1), or lone CR and LF.
    pub value: &'a str,
}

/// The first line, and what is behind it.
pub(super) fn split_start_line(head: &str) -> (&str, &str) {
    head.split_once("\r\n").unwrap_or((head, ""))
}

/// The header lines of a head without its start line. Lines without a colon are passed over: a malformed header that is
/// not needed is no reason to lose a message (RFC 3261 §8.2); one that is needed will be missed.
pub(super) fn header_lines(text: &str) -> impl Iterator<Item = HeaderLine<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let (line, behind) = rest.split_at(line_len(rest.as_bytes()));
            rest = behind.get(2..).unwrap_or("");
            let Some(colon) = find_byte(line, |byte| byte == b':') else { continue };
            return Some(HeaderLine { name: trim_end(&line[..colon]), value: trim(&line[colon + 1..]) });
        }
        None
    })
}

/// The length of the first line, continuation lines included, without its CRLF.
fn line_len(bytes: &[u8]) -> usize {
    for at in memchr_iter(b'\n', bytes) {
        let ends = at > 0 && bytes[at - 1] == b'\r';
        let folded = matches!(bytes.get(at + 1), Some(b' ' | b'\t'));
        if ends && !folded {
            return at - 1;
        }
    }
    bytes.len()
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

fn is_ws_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_ws)
}

/// The value on one line, trimmed: folding becomes one space, other control characters too.
pub(super) fn unfold(value: &str) -> String {
    if !has_control(value.as_bytes()) {
        return value.to_owned();
    }
    let mut plain = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {
                while chars.next_if(|c| is_ws_char(*c)).is_some() {}
                while plain.ends_with(is_ws_char) {
                    plain.pop();
                }
                plain.push(' ');
            }
            c if c.is_ascii_control() && c != '\t' => plain.push(' '),
            c => plain.push(c),
        }
    }
    trim(&plain).to_owned()
}
