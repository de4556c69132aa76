//! The head of a message, cut into header lines.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

use super::MAX_LINES;
use crate::sip::message::HeaderName;
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

/// Walks over the lines of a head, from a message or from a head alone; stops at the empty line.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Line feeds met that end no line.
    stray: usize,
    /// Line ends met.
    count: usize,
    ended: bool,
}

/// One header: where its name and its value stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeaderLine {
    /// `None` for a name that we do not know; it is a token all the same, so ASCII.
    pub known: Option<HeaderName>,
    pub name: (usize, usize),
    /// Trimmed. May hold line breaks: those of folding (RFC 3261 §7.3.1), or lone CR and LF.
    pub value: (usize, usize),
}

impl<'a> Lines<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, stray: 0, count: 0, ended: false }
    }

    /// The request or status line, which is never folded.
    pub(super) fn start_line(&mut self) -> (usize, usize) {
        self.line(false).unwrap_or_default()
    }

    /// The next header. Lines that do not begin with a token and a colon are passed over: a malformed header that is not
    /// needed is no reason to lose a message (RFC 3261 §8.2); one that is needed will be missed.
    pub(super) fn header(&mut self) -> Option<HeaderLine> {
        loop {
            let (start, end) = self.line(true)?;
            let line = &self.bytes[start..end];
            let Some(colon) = find_colon(line) else { continue };
            let name = trim_end(&line[..colon]);
            let known = HeaderName::at_start_of(&self.bytes[start..], name.len());
            if known.is_none() && (name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte))) {
                continue;
            }
            let value = trim_start(&line[colon + 1..]);
            let value_start = end - value.len();
            let value = (value_start, value_start + trim_end(value).len());
            return Some(HeaderLine { known, name: (start, start + name.len()), value });
        }
    }

    pub(super) fn bytes(&self, (start, end): (usize, usize)) -> &'a [u8] {
        &self.bytes[start..end]
    }

    /// Where the head ends and what is behind the empty line; `None` when there has been none.
    pub(super) fn body(&self) -> Option<(usize, &'a [u8])> {
        self.ended.then(|| (self.at, &self.bytes[self.at + 2..]))
    }

    /// There are more lines than [`MAX_LINES`]: the rest was not looked at.
    pub(super) const fn are_too_many(&self) -> bool {
        self.count > MAX_LINES
    }

    /// The next line without its CRLF, continuation lines included.
    fn line(&mut self, foldable: bool) -> Option<(usize, usize)> {
        let (start, mut from) = (self.at, self.at);
        if self.ended || start >= self.bytes.len() {
            return None;
        }
        while let Some(at) = self.line_end(from) {
            self.count += 1;
            if self.count > MAX_LINES {
                return None;
            }
            if at == start {
                // The empty line, whatever the body begins with.
                self.ended = true;
                return None;
            }
            if foldable && matches!(self.bytes.get(at + 2), Some(b' ' | b'\t')) {
                from = at + 2;
            } else {
                self.at = at + 2;
                return Some((start, at));
            }
        }
        self.at = self.bytes.len();
        Some((start, self.at))
    }

    /// Where the next CRLF stands.
    fn line_end(&mut self, mut from: usize) -> Option<usize> {
        while self.stray <= STRAY {
            let at = from + memchr(b'\n', self.bytes.get(from..)?)?;
            // A carriage return in front of `from` has been part of another line end.
            if at > from && self.bytes[at - 1] == b'\r' {
                return Some(at - 1);
            }
            (from, self.stray) = (at + 1, self.stray + 1);
        }
        LINE_END.find(self.bytes.get(from..)?).map(|at| from + at)
    }
}

/// Names are short: eight bytes at a time need one step or two.
fn find_colon(line: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let (words, rest) = line.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differs = u64::from_le_bytes(*word) ^ (ONES * b':' as u64);
        let equal = differs.wrapping_sub(ONES) & !differs & (ONES * 0x80);
        if equal != 0 {
            return Some(index * 8 + equal.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| *byte == b':').map(|at| words.len() * 8 + at)
}

pub(super) fn trim_end(bytes: &[u8]) -> &[u8] {
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
    let marks = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let delete = word ^ (ONES * 0x7f);
        word.wrapping_sub(ONES * 0x20) & !word | delete.wrapping_sub(ONES) & !delete
    };
    let Some(last) = bytes.last_chunk::<8>() else { return bytes.iter().any(u8::is_ascii_control) };
    // The last word overlaps the one in front of it.
    bytes.as_chunks::<8>().0.iter().fold(marks(last), |found, word| found | marks(word)) & HIGH != 0
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
            plain.truncate(trim_end(plain.as_bytes()).len());
        } else {
            at += 1;
        }
        plain.push(' ');
    }
    plain.push_str(&value[at..]);
    plain.truncate(trim_end(plain.as_bytes()).len());
    let start = plain.len() - trim_start(plain.as_bytes()).len();
    plain.drain(..start);
    plain
}
