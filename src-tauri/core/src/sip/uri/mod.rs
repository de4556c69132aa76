//! URIs (RFC 3261 §19, RFC 3966) and the name-addr form of From, To and Contact.

mod compare;
mod name_addr;
mod scan;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::message::Malformed;
use super::message::grammar::{Params, param, set_param};

pub(crate) use name_addr::NameAddrScan;
pub(crate) use name_addr::write_params;
pub use name_addr::{NameAddr, split_name_addrs};
pub use scan::MAX_URI;
pub(crate) use scan::{UriScan, is_host, parse_port, split_host};

/// A SIP, SIPS or tel URI; any other scheme is kept as it stands.
///
/// Parts are held as on the wire, percent escapes included. `Display` never emits a line break, a space, a quotation
/// mark or an angle bracket, whatever the parts hold: such characters are escaped.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    /// In lower case.
    pub scheme: Box<str>,
    /// The user part, as escaped on the wire; for `tel:` the number; for unknown schemes all behind the colon.
    pub user: Option<Box<str>>,
    /// Deprecated password part (kept so that a URI passes through unchanged).
    pub password: Option<Box<str>>,
    /// Host name, IPv4 address, or IPv6 reference in brackets; empty for `tel:`.
    pub host: Box<str>,
    pub port: Option<u16>,
    /// `name` or `name=value`, in order.
    pub params: Params,
    /// The part behind `?`, without the mark.
    pub headers: Option<Box<str>>,
}

impl Uri {
    /// `sip:user@host` from plain text: the user part is escaped.
    pub fn sip(user: &str, host: &str) -> Self {
        Self { user: (!user.is_empty()).then(|| escape_user(user).into()), ..Self::from_host("sip", host) }
    }

    /// `sip:host`, as a registrar is addressed.
    pub fn sip_host(host: &str) -> Self {
        Self::from_host("sip", host)
    }

    /// `sip:user@address:port`, as a Contact is written.
    pub fn sip_address(user: &str, address: SocketAddr) -> Self {
        Self { port: Some(address.port()), ..Self::sip(user, &host_text(address.ip())) }
    }

    /// `tel:number`.
    pub fn tel(number: &str) -> Self {
        Self { user: Some(number.into()), ..Self::from_host("tel", "") }
    }

    fn from_host(scheme: &str, host: &str) -> Self {
        Self {
            scheme: scheme.into(),
            user: None,
            password: None,
            host: host.into(),
            port: None,
            params: Vec::new(),
            headers: None,
        }
    }

    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Self {
        set_param(&mut self.params, name, value);
        self
    }

    pub fn is_sip(&self) -> bool {
        matches!(&*self.scheme, "sip" | "sips")
    }

    pub fn is_secure(&self) -> bool {
        &*self.scheme == "sips"
    }

    /// A parameter by name; `Some("")` when it stands without a value.
    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    pub fn remove_param(&mut self, name: &str) {
        self.params.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// `lr`: the next hop is a loose router (RFC 3261 §16.12).
    pub fn is_loose_route(&self) -> bool {
        self.param("lr").is_some()
    }

    /// The host when it is an address rather than a name.
    pub fn host_addr(&self) -> Option<IpAddr> {
        host_addr(&self.host)
    }

    /// The user part with its escapes resolved: what a person dialled.
    pub fn user_plain(&self) -> Option<String> {
        self.user.as_deref().map(unescape)
    }

    /// The URI as a Request-URI or in a Route: without headers (RFC 3261 §19.1.1, table 1), and without `method`.
    pub fn without_headers(mut self) -> Self {
        self.headers = None;
        self.remove_param("method");
        self
    }

    /// The address of record that a URI names: scheme, user and host alone, as a registrar compares them (RFC 3261
    /// §10.3, step 5).
    pub fn address_of_record(&self) -> Self {
        Self {
            scheme: self.scheme.clone(),
            user: self.user_plain().map(|user| if self.is_sip() { escape_user(&user).into() } else { user.into() }),
            password: None,
            host: self.host.to_ascii_lowercase().into(),
            port: self.port,
            params: Vec::new(),
            headers: None,
        }
    }
}

impl FromStr for Uri {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        UriScan::new(text)?.to_owned()
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_safe(f, &self.scheme, Part::Host)?;
        f.write_char(':')?;
        if let Some(user) = &self.user {
            if self.is_sip() {
                write_safe(f, user, Part::User)?;
                if let Some(password) = &self.password {
                    f.write_char(':')?;
                    write_safe(f, password, Part::Password)?;
                }
                f.write_char('@')?;
            } else {
                write_safe(f, user, Part::Other)?;
            }
        }
        write_safe(f, &self.host, Part::Host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let part = if self.is_sip() { Part::Param } else { Part::ForeignParam };
        for (name, value) in &self.params {
            f.write_char(';')?;
            write_safe(f, name, part)?;
            if let Some(value) = value {
                f.write_char('=')?;
                write_safe(f, value, part)?;
            }
        }
        if let Some(headers) = &self.headers {
            f.write_char('?')?;
            write_safe(f, headers, Part::Other)?;
        }
        Ok(())
    }
}

/// The address in a host part: IPv4, or IPv6 with or without its brackets.
pub fn host_addr(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(inner) => ipv6(inner.strip_suffix(']')?),
        None => host.parse::<Ipv4Addr>().map(IpAddr::V4).ok().or_else(|| ipv6(host)),
    }
}

/// The grammar of RFC 3261 allows a third colon in front of an IPv4 address, which is to be borne (RFC 5118 §4.10).
fn ipv6(text: &str) -> Option<IpAddr> {
    // No address is longer than the mapped one with all its digits.
    let address = match text.split_once(":::") {
        Some((front, v4)) if text.len() <= 48 && v4.contains('.') => format!("{front}::{v4}").parse::<Ipv6Addr>(),
        _ => text.parse::<Ipv6Addr>(),
    };
    address.ok().map(IpAddr::V6)
}

/// An address as a host part: IPv6 in brackets.
pub fn host_text(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Escapes what may not stand in a user part (RFC 3261 §25.1 `user`): `#` becomes `%23`, `*` and `+` stay.
pub fn escape_user(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            push_escape(&mut escaped, byte);
        }
    }
    escaped
}

/// Escapes what may not stand in a header of a URI, name or value (RFC 3261 §25.1 `hname`, `hvalue`).
pub fn escape_header(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for byte in plain.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            push_escape(&mut escaped, byte);
        }
    }
    escaped
}

/// Resolves `%XX`; what is no escape stays as it is. Bytes that are not UTF-8 become U+FFFD.
pub fn unescape(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escape_at(bytes, at) {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let &[b'%', high, low] = bytes.get(at..at + 3)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

fn push_escape(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    text.extend(['%', char::from(HEX[usize::from(byte >> 4)]), char::from(HEX[usize::from(byte & 15)])]);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Password,
    Host,
    Param,
    /// Of a URI that has no headers behind `?`.
    ForeignParam,
    Other,
}

/// Writes a part of a URI; what would end the part or the header is escaped.
fn write_safe(f: &mut fmt::Formatter<'_>, text: &str, part: Part) -> fmt::Result {
    let harmful = |byte: u8| {
        byte <= b' '
            || matches!(byte, 0x7f | b'"' | b'<' | b'>')
            || match part {
                Part::User => matches!(byte, b'@' | b':'),
                Part::Password => byte == b'@',
                Part::Host => matches!(byte, b'@' | b';' | b'?'),
                Part::Param => matches!(byte, b';' | b'?'),
                Part::ForeignParam => byte == b';',
                Part::Other => false,
            }
    };
    if !text.bytes().any(harmful) {
        return f.write_str(text);
    }
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) if c.is_ascii() && harmful(byte) => write!(f, "%{byte:02X}")?,
            _ => f.write_char(c)?,
        }
    }
    Ok(())
}
