//! The account with which the agent signs in.

use crate::flow::Transport;
use crate::pii::Pii;
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::user_agent::Credentials;

/// Who signs in, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub server: Server,
    /// The user part of the address of record, as a rule the extension.
    pub user: Pii<String>,
    pub password: Option<Pii<String>>,
    pub display_name: Option<Pii<String>>,
    /// The SIP domain, where it is not the server's host.
    pub domain: Option<String>,
    /// The digest username, where it is not `user`.
    pub auth_user: Option<Pii<String>>,
    /// Extensions of the same centre, where the platform tells them: calls with them are internal.
    pub colleagues: Vec<Pii<String>>,
}

/// A SIP server to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address (IPv6 without brackets).
    pub host: String,
    pub port: u16,
    pub transport: Transport,
}

/// What is wrong with a sign-in form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("enter the server: a host name or address, with an optional port such as pbx.example.com:5060")]
    Server,
    #[error("enter the user: letters, digits and -_.!~*'()&=+$,;?/ only")]
    User,
    #[error("the SIP domain is not a host name")]
    Domain,
    #[error("a line break or control character is not allowed")]
    ControlCharacter,
}

impl Server {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`.
    pub fn parse(text: &str, transport: Transport) -> Result<Self, Malformed> {
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(Malformed::Server)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| Malformed::Server)?;
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
            }
            None if text.parse::<std::net::Ipv6Addr>().is_ok() => (text, Some("")),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, Some("")),
            },
        };
        let port = match port.ok_or(Malformed::Server)? {
            "" => transport.default_port(),
            port => port.parse().ok().filter(|port| *port != 0).ok_or(Malformed::Server)?,
        };
        if host.is_empty() || host.len() > 253 || !host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
        {
            return Err(Malformed::Server);
        }
        Ok(Self { host: host.to_owned(), port, transport })
    }

    /// The host as it stands in a URI.
    pub fn uri_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl Account {
    /// Refuses what could never make a correct SIP message.
    pub fn check(&self) -> Result<(), Malformed> {
        let user = self.user.expose();
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/%".contains(c);
        if user.is_empty() || user.len() > 128 || !user.chars().all(legal) {
            return Err(Malformed::User);
        }
        if let Some(domain) = &self.domain
            && (domain.is_empty() || !domain.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(c)))
        {
            return Err(Malformed::Domain);
        }
        let texts = [self.display_name.as_ref(), self.auth_user.as_ref(), self.password.as_ref()];
        if texts.into_iter().flatten().any(|text| text.expose().chars().any(char::is_control)) {
            return Err(Malformed::ControlCharacter);
        }
        Ok(())
    }

    /// The host part of the address of record.
    pub fn domain(&self) -> String {
        self.domain.clone().unwrap_or_else(|| self.server.uri_host())
    }

    /// The URI of the registrar (RFC 3261 §10.2: without a user part).
    pub fn registrar(&self) -> Uri {
        let mut uri = Uri::sip_host(&self.domain());
        if self.domain.is_none() && self.server.port != Transport::Udp.default_port() {
            uri.port = Some(self.server.port);
        }
        uri
    }

    /// The address of record with the display name.
    pub fn address_of_record(&self) -> NameAddr {
        NameAddr {
            display: self.display_name.as_ref().map(|name| name.expose().clone()).filter(|name| !name.is_empty()),
            uri: Uri::sip(self.user.expose(), &self.domain()),
            params: Vec::new(),
        }
    }

    pub fn credentials(&self) -> Option<Credentials> {
        let password = self.password.clone()?;
        let user = self.auth_user.as_ref().unwrap_or(&self.user).expose().clone();
        Some(Credentials { user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_field_takes_hosts_addresses_and_ports() {
        let check = |text: &str, expected: Option<(&str, u16)>| {
            let server = Server::parse(text, Transport::Udp).ok();
            assert_eq!(server.as_ref().map(|server| (server.host.as_str(), server.port)), expected, "{text}");
        };
        check("pbx.example.com", Some(("pbx.example.com", 5060)));
        check(" 10.0.0.2:5070 ", Some(("10.0.0.2", 5070)));
        check("[::1]:5062", Some(("::1", 5062)));
        check("::1", Some(("::1", 5060)));
        check("", None);
        check("host:0", None);
        check("host:70000", None);
        check("two words", None);
        check("[::1", None);
        check("evil\r\nhost", None);
    }
}
