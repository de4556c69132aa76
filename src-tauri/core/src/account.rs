//! The account with which the agent signs in.

mod options;
mod proxy;
mod tls;

use crate::flow::Transport;
use crate::pii::Pii;
use crate::sip::uri::{NameAddr, Uri};
use crate::sip::user_agent::Credentials;

pub use options::{DtmfMode, Options};
pub use proxy::Proxy;
pub use tls::{CertificateFault, ClientCertificate, Fingerprint, KeepAlive, TlsOptions};

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
    pub options: Options,
}

/// A SIP server, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A name or an address (IPv6 without brackets).
    pub host: String,
    /// `None`: not named. Then SRV records tell it (RFC 3263 §4.2), or it is the transport's default.
    pub port: Option<u16>,
    /// `None`: left to the server's domain, whose NAPTR and SRV records tell it (RFC 3263 §4.1).
    pub transport: Option<Transport>,
    /// For WebSocket: the path of the resource, `/` by default.
    pub path: String,
    pub tls: TlsOptions,
    pub proxy: Option<Proxy>,
    pub keep_alive: KeepAlive,
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
    #[error("the path of a certificate file is not valid")]
    Path,
    #[error("a client certificate needs both files: the certificate and its key")]
    ClientCertificate,
    #[error("a fingerprint is SHA-256 over the certificate: 64 hexadecimal digits, at most 32 such fingerprints")]
    Fingerprint,
    #[error("enter the proxy as http://host:port or http://user:password@host:port")]
    Proxy,
    #[error("the keep-alive is crlf or stun")]
    KeepAlive,
    #[error("an HTTP proxy carries TCP, TLS, WS and WSS, not UDP: choose another transport")]
    ProxyForUdp,
    #[error("an account takes 1 to 8 calls at once")]
    CallLimit,
    #[error("the session timer is 0, or 90 to 7200 seconds")]
    SessionTimer,
}

impl Server {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`, for WebSocket with an optional `/path`. Everything else is as
    /// without options.
    pub fn parse(text: &str, transport: impl Into<Option<Transport>>) -> Result<Self, Malformed> {
        let text = text.trim();
        let transport = transport.into();
        let (place, path) = match text.find('/') {
            Some(slash) if matches!(transport, Some(Transport::Ws | Transport::Wss)) => text.split_at(slash),
            _ => (text, "/"),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%?".contains(c);
        if path.len() > 1_024 || !path.chars().all(legal) {
            return Err(Malformed::Server);
        }
        let (host, port) = host_and_port(place).ok_or(Malformed::Server)?;
        if !host_is_legal(host) {
            return Err(Malformed::Server);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            transport,
            path: path.to_owned(),
            tls: TlsOptions::default(),
            proxy: None,
            keep_alive: KeepAlive::default(),
        })
    }

    /// A server of which nothing but the address is known.
    pub fn at(transport: Transport, address: std::net::SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: Some(address.port()),
            transport: Some(transport),
            path: "/".to_owned(),
            tls: TlsOptions::default(),
            proxy: None,
            keep_alive: KeepAlive::default(),
        }
    }

    /// The server as [`Server::parse`] reads it; a port that goes without saying is left out.
    pub fn place(&self) -> String {
        let port = self.port.filter(|port| Some(*port) != self.transport.map(Transport::default_port));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = if self.path == "/" { "" } else { &self.path };
        format!("{}{port}{path}", self.uri_host())
    }

    /// The host as it stands in a URI.
    pub fn uri_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// Reads `host`, `host:port`, `v6`, `[v6]` or `[v6]:port`.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None if text.parse::<std::net::Ipv6Addr>().is_ok() => (text, None),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    match port {
        None | Some("") => Some((host, None)),
        Some(port) => Some((host, Some(port.parse().ok().filter(|port| *port != 0)?))),
    }
}

fn host_is_legal(host: &str) -> bool {
    !host.is_empty() && host.len() <= 253 && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c))
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
        if self.server.proxy.is_some() && self.server.transport == Some(Transport::Udp) {
            return Err(Malformed::ProxyForUdp);
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
        if self.domain.is_none() {
            uri.port = self.server.port.filter(|port| *port != Transport::Udp.default_port());
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
        let check = |text: &str, expected: Option<(&str, Option<u16>)>| {
            let server = Server::parse(text, Transport::Udp).ok();
            assert_eq!(server.as_ref().map(|server| (server.host.as_str(), server.port)), expected, "{text}");
        };
        check("pbx.example.com", Some(("pbx.example.com", None)));
        check(" 10.0.0.2:5070 ", Some(("10.0.0.2", Some(5070))));
        check("[::1]:5062", Some(("::1", Some(5062))));
        check("::1", Some(("::1", None)));
        check("", None);
        check("host:0", None);
        check("host:70000", None);
        check("two words", None);
        check("[::1", None);
        check("[::1]x", None);
        check("evil\r\nhost", None);
        check("host/path", None);
    }

    #[test]
    fn websocket_servers_have_a_path() {
        let path = |text: &str| Server::parse(text, Transport::Wss).map(|server| (server.port, server.path));
        assert_eq!(path("pbx.example.com"), Ok((None, "/".to_owned())));
        assert_eq!(path("pbx.example.com:8089/ws?x=1"), Ok((Some(8089), "/ws?x=1".to_owned())));
        assert_eq!(path("[::1]/ws"), Ok((None, "/ws".to_owned())));
        assert_eq!(path("pbx/w s"), Err(Malformed::Server));
        assert_eq!(path("/ws"), Err(Malformed::Server));
    }
}
