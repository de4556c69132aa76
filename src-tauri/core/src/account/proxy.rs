//! The HTTP proxy through which an intranet lets connections out.

use super::{Malformed, host_is_legal};
use crate::pii::Pii;

/// An HTTP proxy for TCP, TLS, WS and WSS (the method CONNECT, RFC 9110 §9.3.6). It resolves the server's name itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// A name or an address (IPv6 without brackets).
    pub host: String,
    pub port: u16,
    /// Basic authentication (RFC 7617): user and password.
    pub credentials: Option<(Pii<String>, Pii<String>)>,
}

impl Proxy {
    /// Reads `http://[user:password@]host[:port]`; the port is 80 where none stands. User and password may be
    /// percent-encoded.
    ///
    /// # Errors
    /// Another scheme (`https`, `socks5`), a malformed host or port, control characters.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(Malformed::Proxy),
            None => text,
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((who, place)) => (Some(credentials(who)?), place),
            None => (None, rest),
        };
        let (host, port) = super::host_and_port(place).ok_or(Malformed::Proxy)?;
        if !host_is_legal(host) {
            return Err(Malformed::Proxy);
        }
        Ok(Self { host: host.to_owned(), port: port.unwrap_or(80), credentials })
    }
}

fn credentials(who: &str) -> Result<(Pii<String>, Pii<String>), Malformed> {
    let (user, password) = who.split_once(':').unwrap_or((who, ""));
    let decode = |text: &str| decoded(text).filter(|text| !text.chars().any(char::is_control));
    let (user, password) = decode(user).zip(decode(password)).ok_or(Malformed::Proxy)?;
    // The colon ends the user (RFC 7617 §2).
    if user.is_empty() || user.contains(':') { Err(Malformed::Proxy) } else { Ok((Pii::new(user), Pii::new(password))) }
}

/// Takes the percent-encoding away.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        octets.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::type_complexity)]
    fn proxies_are_read_with_and_without_credentials() {
        let check = |text: &str, expected: Option<(&str, u16, Option<(&str, &str)>)>| {
            let proxy = Proxy::parse(text).ok();
            let read = proxy.as_ref().map(|proxy| {
                let who = proxy.credentials.as_ref();
                (
                    proxy.host.as_str(),
                    proxy.port,
                    who.map(|(user, password)| (user.expose().as_str(), password.expose().as_str())),
                )
            });
            assert_eq!(read, expected, "{text}");
        };
        check("http://proxy.example.com:3128", Some(("proxy.example.com", 3128, None)));
        check("HTTP://10.0.0.1:8080/", Some(("10.0.0.1", 8080, None)));
        check("proxy", Some(("proxy", 80, None)));
        check("http://[fd00::1]:3128", Some(("fd00::1", 3128, None)));
        check("http://me:se%40cr%3Aet@proxy:1", Some(("proxy", 1, Some(("me", "se@cr:et")))));
        check("http://me@proxy:1", Some(("proxy", 1, Some(("me", "")))));
        for wrong in ["", "https://proxy:1", "socks5://proxy:1", "http://:1", "http://proxy:0", "http://a b:1"] {
            check(wrong, None);
        }
        for wrong in ["http://:secret@proxy:1", "http://a%3Ab:c@proxy:1", "http://a%0d:c@proxy:1", "http://a%:c@p:1"] {
            check(wrong, None);
        }
        check("http://proxy:1/path", None);
    }
}
