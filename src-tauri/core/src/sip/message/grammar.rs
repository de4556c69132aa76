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
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Linear white space as it is left after unfolding.
pub(crate) const WS: [char; 4] = [' ', '\t', '\r', '\n'];

pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(WS)
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

/// Walks over `;name=value;name…`. Every step is either a parameter or the reason why the text is not one.
#[derive(Debug, Clone)]
pub struct ParamScan<'a> {
    rest: &'a str,
}

impl<'a> ParamScan<'a> {
    /// `text` is empty or starts with `;` (white space aside).
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
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
            let text = self.rest.trim_start_matches(WS);
            self.rest = "";
            if text.is_empty() {
                return None;
            }
            let Some(text) = text.strip_prefix(';') else {
                return Some(Err(Malformed("something other than a parameter stands behind the address")));
            };
            let name_end = text.find([';', '=']).unwrap_or(text.len());
            let name = trim(&text[..name_end]);
            let mut value = None;
            let mut rest = &text[name_end..];
            if let Some(behind) = rest.strip_prefix('=') {
                let behind = behind.trim_start_matches(WS);
                let end = if behind.starts_with('"') {
                    match quoted_len(behind) {
                        Some(end) => end,
                        None => return Some(Err(Malformed("a quotation mark is not closed"))),
                    }
                } else {
                    behind.find(';').unwrap_or(behind.len())
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
            if name.bytes().any(|b| matches!(b, b'"' | b'<' | b'>' | b',' | b' ' | b'\t')) {
                return Some(Err(Malformed("a parameter name is not a token")));
            }
            return Some(Ok((name, value)));
        }
    }
}
