//! `"display" <uri>;params`, and the bare form without brackets.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::{Uri, UriScan};
use crate::sip::message::Malformed;
use crate::sip::message::grammar::{
    ParamScan, Params, find_byte, is_token, param, quote, quoted_len, set_param, split_at_byte, split_commas, trim,
    unquote,
};

/// `"display" <uri>;params`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// Unquoted and unescaped.
    pub display: Option<String>,
    pub uri: Uri,
    /// Values as on the wire, quotation marks included.
    pub params: Params,
}

impl NameAddr {
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Vec::new() }
    }

    pub fn with_display(mut self, display: impl Into<String>) -> Self {
        self.display = Some(display.into()).filter(|text| !text.is_empty());
        self
    }

    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        set_param(&mut self.params, name, value);
        self
    }

    pub fn with_tag(self, tag: &str) -> Self {
        self.with_param("tag", Some(tag))
    }

    pub fn tag(&self) -> Option<&str> {
        self.param("tag").filter(|tag| !tag.is_empty())
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    pub fn remove_param(&mut self, name: &str) {
        self.params.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// The `expires` parameter of a Contact, in seconds. Malformed counts as 3600 (RFC 3261 §10.3, step 6).
    pub fn expires(&self) -> Option<u32> {
        let text = self.param("expires")?;
        Some(if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
            text.parse().unwrap_or(u32::MAX)
        } else {
            3600
        })
    }
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl FromStr for NameAddr {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        NameAddrScan::new(text)?.to_owned()
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            f.write_str(&quote(display))?;
            f.write_char(' ')?;
        }
        write!(f, "<{}>", self.uri)?;
        write_params(f, &self.params)
    }
}

/// Writes `;name=value…`; a value that is neither a token, a host nor quoted is quoted, so that none can break out.
pub(crate) fn write_params(f: &mut fmt::Formatter<'_>, params: &[(Box<str>, Option<Box<str>>)]) -> fmt::Result {
    for (name, value) in params {
        f.write_char(';')?;
        f.write_str(if is_token(name) { name } else { "invalid" })?;
        if let Some(value) = value {
            f.write_char('=')?;
            let whole_quotation = value.starts_with('"') && quoted_len(value) == Some(value.len());
            if value.is_empty()
                || (whole_quotation && !value.contains(char::is_control))
                || value.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'<' | b'>'))
            {
                f.write_str(value)?;
            } else {
                f.write_str(&quote(&unquote(value)))?;
            }
        }
    }
    Ok(())
}

/// A comma list of addresses: Contact, Route, Record-Route, Path.
pub fn split_name_addrs(text: &str) -> Result<Vec<NameAddr>, Malformed> {
    split_commas(text).map(str::parse).collect()
}

/// The parts of a name-addr, borrowed from the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NameAddrScan<'a> {
    /// As on the wire.
    pub display: &'a str,
    pub uri: UriScan<'a>,
    /// Empty, or from the first `;` behind the address.
    pub params: &'a str,
}

impl<'a> NameAddrScan<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, Malformed> {
        let text = trim(text);
        let display_end = match text.as_bytes().first() {
            Some(b'"') => quoted_len(text).ok_or(Malformed("a quotation mark is not closed"))?,
            _ => find_byte(text, |byte| byte == b'<').unwrap_or(0),
        };
        let (display, rest) = text.split_at(display_end);
        let rest = trim(rest);
        if let Some(inside) = rest.strip_prefix('<') {
            let (uri, params) =
                split_at_byte(inside, |byte| byte == b'>').ok_or(Malformed("an angle bracket is not closed"))?;
            return Ok(Self { display: trim(display), uri: UriScan::new(uri)?, params: trim(params) });
        }
        if !display.is_empty() {
            return Err(Malformed("no address follows the display name"));
        }
        // Without brackets the parameters belong to the header (RFC 3261 §20.10).
        let (uri, params) = rest.split_at(find_byte(rest, |byte| byte == b';').unwrap_or(rest.len()));
        if uri.contains(['?', ',']) {
            return Err(Malformed("an address with a comma or question mark needs angle brackets"));
        }
        Ok(Self { display: "", uri: UriScan::new(trim(uri))?, params })
    }

    pub(crate) fn to_owned(self) -> Result<NameAddr, Malformed> {
        Ok(NameAddr {
            display: (!self.display.is_empty()).then(|| unquote(self.display)).filter(|text| !text.is_empty()),
            uri: self.uri.to_owned()?,
            params: ParamScan::new(self.params).collect_owned()?,
        })
    }
}
