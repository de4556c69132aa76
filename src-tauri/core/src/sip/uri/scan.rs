//! Reading a URI without copying it.

use super::{Uri, host_addr};
use crate::sip::message::Malformed;
use crate::sip::message::grammar::{ParamScan, breaks_uri, find_byte, host_name_len, split_at_byte};

/// The longest URI that is read, in bytes; a longer Request-URI is answered 414.
pub const MAX_URI: usize = 8 * 1024;

/// The parts of a URI, borrowed from the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UriScan<'a> {
    pub scheme: &'a str,
    pub user: Option<&'a str>,
    pub password: Option<&'a str>,
    pub host: &'a str,
    pub port: Option<u16>,
    /// Empty, or from the first `;`.
    pub params: &'a str,
    pub headers: Option<&'a str>,
}

impl<'a> UriScan<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > MAX_URI {
            return Err(Malformed("a URI is too long"));
        }
        if breaks_uri(text) {
            return Err(Malformed("a URI holds white space, a control character or a bracket"));
        }
        let bare = Self { scheme: "", user: None, password: None, host: "", port: None, params: "", headers: None };
        if let Some(rest) = text.strip_prefix("sip:") {
            return Self { scheme: "sip", ..bare }.sip(rest);
        }
        let (scheme, rest) = split_at_byte(text, |byte| byte == b':').ok_or(Malformed("a URI has no scheme"))?;
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        {
            return Err(Malformed("the scheme of a URI is malformed"));
        }
        let bare = Self { scheme, ..bare };
        if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
            bare.sip(rest)
        } else if rest.is_empty() {
            Err(Malformed("a URI is empty"))
        } else if scheme.eq_ignore_ascii_case("tel") {
            let (number, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
            if number.is_empty() {
                return Err(Malformed("a tel URI has no number"));
            }
            Ok(Self { user: Some(number), params, ..bare })
        } else {
            Ok(Self { user: Some(rest), ..bare })
        }
    }

    fn sip(self, rest: &'a str) -> Result<Self, Malformed> {
        // `;`, `?`, `/` may stand in a user part, so the first `@` decides (RFC 3261 §19.1.2).
        let (user, password, rest) = match split_at_byte(rest, |byte| byte == b'@') {
            None => (None, None, rest),
            Some((info, rest)) => match split_at_byte(info, |byte| byte == b':') {
                None => (Some(info), None, rest),
                Some((user, password)) => (Some(user), Some(password), rest),
            },
        };
        if user == Some("") {
            return Err(Malformed("the user part of a URI is empty"));
        }
        let (host, mut rest) = split_host(rest)?;
        let mut port = None;
        if let Some(behind) = rest.strip_prefix(':') {
            let end = find_byte(behind, |byte| matches!(byte, b';' | b'?')).unwrap_or(behind.len());
            port = Some(parse_port(&behind[..end])?);
            rest = &behind[end..];
        }
        let (params, headers) = match split_at_byte(rest, |byte| byte == b'?') {
            None => (rest, None),
            Some((params, headers)) => (params, Some(headers)),
        };
        if !params.is_empty() && !params.starts_with(';') {
            return Err(Malformed("something other than a port or parameter follows the host"));
        }
        Ok(Self { user, password, host, port, params, headers, ..self })
    }

    pub(crate) fn to_owned(self) -> Result<Uri, Malformed> {
        Ok(Uri {
            scheme: match self.scheme {
                "sip" => "sip".into(),
                scheme => scheme.to_ascii_lowercase().into(),
            },
            user: self.user.map(Into::into),
            password: self.password.map(Into::into),
            host: self.host.into(),
            port: self.port,
            params: ParamScan::new(self.params).collect_owned()?,
            headers: self.headers.map(Into::into),
        })
    }
}

/// The host name, IPv4 address or bracketed IPv6 address at the start of `text`, and what is behind it.
pub(crate) fn split_host(text: &str) -> Result<(&str, &str), Malformed> {
    let end = if text.starts_with('[') {
        let end = text.find(']').ok_or(Malformed("an IPv6 reference is not closed"))? + 1;
        host_addr(&text[..end]).map_or(0, |_| end)
    } else {
        host_name_len(text)
    };
    if end == 0 {
        return Err(Malformed("a host is neither a name nor an address"));
    }
    Ok(text.split_at(end))
}

pub(crate) fn is_host(text: &str) -> bool {
    split_host(text).is_ok_and(|(_, behind)| behind.is_empty())
}

pub(crate) fn parse_port(text: &str) -> Result<u16, Malformed> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Malformed("a port is not a number"));
    }
    text.parse().map_err(|_| Malformed("a port is beyond 65535"))
}
