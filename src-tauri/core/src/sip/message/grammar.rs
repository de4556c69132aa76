//! The small pieces of RFC 3261 §25 that every header is made of: tokens, quoted strings, parameters, comma lists.
//! Everything here borrows from the text and takes time linear in its length.

use super::Malformed;

/// Parameters in order: `name` or `name=value`; the value as on the wire, quotation marks included.
pub type Params = Vec<(Box<str>, Option<Box<str>>)>;

/// The value of a parameter, by name whatever its case. A parameter without a value is `Some("")`.
pub fn param<'a>(params: &'a [(Box<str>, Option<Box<str>>)], name: &str) -> Option<&'a str> {
    params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_deref().unwrap_or(""))
}

/// Sets a parameter in its place, or appends it.
pub fn set_param(params: &mut Params, name: &str, value: Option<&str>) {
    let value = value.map(Into::into);
    match params.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        Some(slot) => slot.1 = value,
        None => params.push((name.into(), value)),
    }
}

pub const fn is_token_byte(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// What a byte may be part of: one look into this table decides.
static CLASSES: [u8; 256] = classes();
const TOKEN: u8 = 1;
const HOST: u8 = 2;
const NOT_IN_URI: u8 = 4;
const NOT_IN_NAME: u8 = 8;

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        let mut class = 0;
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            class |= TOKEN;
        }
        // Underscores are met in the field.
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        if byte <= b' ' || matches!(byte, 0x7f | b'<' | b'>' | b'"') {
            class |= NOT_IN_URI;
        }
        if matches!(byte, b'"' | b'<' | b'>' | b',' | b' ' | b'\t') {
            class |= NOT_IN_NAME;
        }
        classes[index] = class;
        index += 1;
    }
    classes
}

/// How long the host name at the start of `text` is.
pub(crate) fn host_name_len(text: &str) -> usize {
    text.bytes().position(|byte| CLASSES[usize::from(byte)] & HOST == 0).unwrap_or(text.len())
}

/// Whether white space, a control character, a bracket or a quotation mark is in it.
pub(crate) fn breaks_uri(text: &str) -> bool {
    // Sound URIs are the rule, so looking at all of one is cheaper than asking after every byte.
    text.bytes().fold(0, |found, byte| found | CLASSES[usize::from(byte)]) & NOT_IN_URI != 0
}

pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space, line breaks of folding included.
pub(crate) const fn is_ws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

pub(crate) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => trim_start(trim_end(text)),
    }
}

pub(crate) fn trim_start(text: &str) -> &str {
    let start = text.bytes().position(|byte| !is_ws(byte)).unwrap_or(text.len());
    &text[start..]
}

pub(crate) fn trim_end(text: &str) -> &str {
    let end = text.bytes().rposition(|byte| !is_ws(byte)).map_or(0, |last| last + 1);
    &text[..end]
}

/// Where the first of these bytes (ASCII) stands.
pub(crate) fn find_byte(text: &str, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    text.bytes().position(wanted)
}

/// The length of the quoted string at the start of `text` (which begins with `"`), marks included.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    debug_assert!(text.starts_with('"'));
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// Removes quotation marks and escapes, if there are any.
pub fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"') else { return text.to_owned() };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            _ => plain.push(c),
        }
    }
    plain
}

/// Quotes a string; line breaks and other control characters become spaces.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Splits at commas outside quotation marks and angle brackets; empty elements are skipped.
pub fn split_commas(text: &str) -> CommaList<'_> {
    CommaList { rest: text }
}

#[derive(Debug, Clone)]
pub struct CommaList<'a> {
    rest: &'a str,
}

impl<'a> Iterator for CommaList<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        while !self.rest.is_empty() {
            let end = top_level(self.rest, b',').unwrap_or(self.rest.len());
            let item = trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or("");
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// The first `wanted` outside quotation marks and angle brackets. An unclosed quotation reaches to the end.
pub(crate) fn top_level(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quoted, mut angled) = (0, false, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            // A mark inside <…> is part of the URI, which is judged elsewhere.
            b'"' if !angled => quoted = !quoted,
            b'<' if !quoted => angled = true,
            b'>' if !quoted => angled = false,
            byte if byte == wanted && !quoted && !angled => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// What is in front of and behind the first of these bytes (ASCII).
pub(crate) fn split_at_byte(text: &str, wanted: impl Fn(u8) -> bool) -> Option<(&str, &str)> {
    let at = find_byte(text, wanted)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Walks over `;name=value;name…`. Every step is either a parameter or the reason why the text is not one.
#[derive(Debug, Clone)]
pub struct ParamScan<'a> {
    rest: &'a str,
    /// How many semicolons may still come.
    left: usize,
}

/// The most parameters of one header element or URI.
pub const MAX_PARAMS: usize = 128;

impl<'a> ParamScan<'a> {
    /// `text` is empty or starts with `;` (white space aside).
    pub fn new(text: &'a str) -> Self {
        Self { rest: text, left: MAX_PARAMS }
    }

    pub fn collect_owned(self) -> Result<Params, Malformed> {
        self.map(|param| param.map(|(name, value)| (name.into(), value.map(Into::into)))).collect()
    }

    /// The first parameter of that name; a malformed neighbour in front of it ends the search.
    pub fn find(self, wanted: &str) -> Option<&'a str> {
        self.map_while(Result::ok)
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.unwrap_or(""))
    }
}

impl<'a> Iterator for ParamScan<'a> {
    type Item = Result<(&'a str, Option<&'a str>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = trim_start(self.rest);
            self.rest = "";
            if text.is_empty() {
                return None;
            }
            let Some(text) = text.strip_prefix(';') else {
                return Some(Err(Malformed("something other than a parameter stands behind the address")));
            };
            let Some(left) = self.left.checked_sub(1) else { return Some(Err(Malformed("too many parameters"))) };
            self.left = left;
            let name_end = find_byte(text, |byte| matches!(byte, b';' | b'=')).unwrap_or(text.len());
            let name = trim(&text[..name_end]);
            let mut value = None;
            let mut rest = &text[name_end..];
            if let Some(behind) = rest.strip_prefix('=') {
                let behind = trim_start(behind);
                let end = if behind.starts_with('"') {
                    match quoted_len(behind) {
                        Some(end) => end,
                        None => return Some(Err(Malformed("a quotation mark is not closed"))),
                    }
                } else {
                    find_byte(behind, |byte| byte == b';').unwrap_or(behind.len())
                };
                value = Some(trim(&behind[..end]));
                rest = &behind[end..];
            }
            self.rest = rest;
            if name.is_empty() {
                if value.is_some() {
                    return Some(Err(Malformed("a parameter has no name")));
                }
                continue; // `;;` is common and harmless
            }
            if name.bytes().any(|byte| CLASSES[usize::from(byte)] & NOT_IN_NAME != 0) {
                return Some(Err(Malformed("a parameter name is not a token")));
            }
            return Some(Ok((name, value)));
        }
    }
}
