//! The head of a message, cut into header lines.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

use crate::sip::message::grammar::{is_token_byte, is_ws};

/// The length of the head (start line and headers) up to the empty line, searched from `from`; the body starts 4 bytes
/// behind it.
pub(super) fn head_len(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let mut stray = 0;
    for at in memchr_iter(b'\n', rest) {
        let at = from + at;
        if let Some(end) = at.checked_sub(3)
            && bytes[end..=at] == *b"\r\n\r\n"
        {
            return Some(end);
        }
        stray += usize::from(at.checked_sub(1).is_none_or(|before| bytes[before] != b'\r'));
        if stray > STRAY {
            // `at` ends no head, but the three bytes before it may begin the end of one.
            let from = at.saturating_sub(2);
            return HEAD_END.find(&bytes[from..]).map(|end| from + end);
        }
    }
    None
}

/// So many line feeds that end no line are borne; then the slower search that does not stop at them takes over.
const STRAY: usize = 16;

static HEAD_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));
static LINE_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n"));

/// Walks over the lines of a head, which ends in front of its empty line. The head is handed in at every step, so that
/// it may stand in a text that grows.
#[derive(Debug, Default)]
pub(super) struct Lines {
    at: usize,
    /// Line feeds met that end no line.
    stray: usize,
}

/// One header: where its name and its value stand in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeaderLine {
    pub start: usize,
    /// The name is a token, so ASCII.
    pub name_end: usize,
    /// Trimmed. May hold line breaks: those of folding (RFC 3261 §7.3.1), or lone CR and LF.
    pub value: (usize, usize),
}

impl Lines {
    /// The request or status line, which is never folded.
    pub(super) fn start_line(&mut self, head: &[u8]) -> (usize, usize) {
        self.line(head, false).unwrap_or_default()
    }

    /// The next header. Lines that do not begin with a token and a colon are passed over: a malformed header that is not
    /// needed is no reason to lose a message (RFC 3261 §8.2); one that is needed will be missed.
    pub(super) fn header(&mut self, head: &[u8]) -> Option<HeaderLine> {
        loop {
            let (start, end) = self.line(head, true)?;
            let line = &head[start..end];
            let name_len = line.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(line.len());
            let colon = name_len + line[name_len..].iter().take_while(|byte| is_ws(**byte)).count();
            if name_len > 0 && line.get(colon) == Some(&b':') {
                let value = trim_bytes(&line[colon + 1..]);
                let from = start + colon + 1 + (line[colon + 1..].len() - trim_start(&line[colon + 1..]).len());
                return Some(HeaderLine { start, name_end: start + name_len, value: (from, from + value.len()) });
            }
        }
    }

    /// The next line without its CRLF, continuation lines included.
    fn line(&mut self, head: &[u8], foldable: bool) -> Option<(usize, usize)> {
        let (start, mut from) = (self.at, self.at);
        if start >= head.len() {
            return None;
        }
        while let Some(at) = self.line_end(head, from) {
            if foldable && matches!(head.get(at + 2), Some(b' ' | b'\t')) {
                from = at + 2;
            } else {
                self.at = at + 2;
                return Some((start, at));
            }
        }
        self.at = head.len();
        Some((start, self.at))
    }

    /// Where the next CRLF stands.
    fn line_end(&mut self, head: &[u8], mut from: usize) -> Option<usize> {
        while self.stray <= STRAY {
            let at = from + memchr(b'\n', &head[from..])?;
            // A carriage return in front of `from` has been part of another line end.
            if at > from && head[at - 1] == b'\r' {
                return Some(at - 1);
            }
            (from, self.stray) = (at + 1, self.stray + 1);
        }
        LINE_END.find(&head[from..]).map(|at| from + at)
    }
}

pub(super) fn trim_bytes(bytes: &[u8]) -> &[u8] {
    let bytes = trim_start(bytes);
    let end = bytes.iter().rposition(|byte| !is_ws(*byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_ws(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

/// Whether a byte below 0x20 or the byte 0x7f is in it: eight bytes at a time, since every value is looked at.
pub(super) fn has_control(bytes: &[u8]) -> bool {
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
pub(super) fn unfold(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut plain = String::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| byte.is_ascii_control() && *byte != b'\t') {
        // Control characters are ASCII, so these are boundaries of characters.
        plain.push_str(&value[at..at + found]);
        at += found;
        if bytes[at] == b'\r' && bytes.get(at + 1) == Some(&b'\n') {
            at += bytes[at..].iter().take_while(|byte| is_ws(**byte)).count();
            plain.truncate(trim_bytes_end(plain.as_bytes()));
        } else {
            at += 1;
        }
        plain.push(' ');
    }
    plain.push_str(&value[at..]);
    let start = plain.len() - trim_start(plain.as_bytes()).len();
    plain.truncate(trim_bytes_end(plain.as_bytes()).max(start));
    plain.drain(..start);
    plain
}

fn trim_bytes_end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| !is_ws(*byte)).map_or(0, |last| last + 1)
}
