//! The Via header (RFC 3261 §20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::Malformed;
use super::grammar::{
    ParamScan, Params, find_byte, is_token, is_ws, param, set_param, split_at_byte, trim, trim_start,
};
use crate::sip::uri::{host_addr, host_text, is_host, parse_port, split_host, write_params};

/// The prefix of every branch made by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One hop of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS` or another token.
    pub transport: Box<str>,
    /// sent-by: where responses go if nothing else is known.
    pub host: Box<str>,
    pub port: Option<u16>,
    pub params: Params,
}

impl Via {
    /// The magic cookie that a branch begins with.
    pub const MAGIC_COOKIE: &'static str = MAGIC_COOKIE;

    /// Our own Via: `rport` asks for RFC 3581.
    pub fn new(transport: crate::flow::Transport, sent_by: SocketAddr, branch: &str) -> Self {
        Self {
            transport: transport.via_token().into(),
            host: host_text(sent_by.ip()).into(),
            port: Some(sent_by.port()),
            params: vec![("branch".into(), Some(branch.into())), ("rport".into(), None)],
        }
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        param(&self.params, name)
    }

    pub fn set_param(&mut self, name: &str, value: Option<&str>) {
        set_param(&mut self.params, name, value);
    }

    pub fn branch(&self) -> Option<&str> {
        self.param("branch").filter(|branch| !branch.is_empty())
    }

    /// Whether the branch is unique by RFC 3261, so that it alone names the transaction (§17.2.3). The cookie with nothing
    /// behind it is not (RFC 4475 §3.1.2.19).
    pub fn has_magic_cookie(&self) -> bool {
        self.branch()
            .and_then(|branch| branch.split_at_checked(MAGIC_COOKIE.len()))
            .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(MAGIC_COOKIE) && !rest.is_empty())
    }

    pub fn received(&self) -> Option<IpAddr> {
        self.param("received").and_then(host_addr)
    }

    /// `None`: not there; `Some(None)`: asked for; `Some(Some(port))`: filled in by the server.
    pub fn rport(&self) -> Option<Option<u16>> {
        self.param("rport").map(|port| port.parse().ok())
    }

    /// What a server writes into the topmost Via of a request (RFC 3261 §18.2.1, RFC 3581 §4).
    pub fn set_source(&mut self, source: SocketAddr) {
        if self.rport().is_some() {
            self.set_param("rport", Some(&source.port().to_string()));
            self.set_param("received", Some(&source.ip().to_string()));
        } else if host_addr(&self.host) != Some(source.ip()) {
            self.set_param("received", Some(&source.ip().to_string()));
        }
    }

    /// sent-by as text, in lower case, for matching transactions.
    pub fn sent_by(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host.to_ascii_lowercase()),
            None => self.host.to_ascii_lowercase(),
        }
    }
}

impl FromStr for Via {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        ViaScan::new(text)?.to_owned()
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sound = |text: &str| is_token(text) || is_host(text);
        let transport = if is_token(&self.transport) { &self.transport } else { "UDP" };
        let host = if sound(&self.host) { &self.host } else { "invalid" };
        write!(f, "SIP/2.0/{transport} {host}")?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write_params(f, &self.params)
    }
}

/// The parts of a Via, borrowed from the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViaScan<'a> {
    pub transport: &'a str,
    pub host: &'a str,
    pub port: Option<u16>,
    pub params: &'a str,
}

impl<'a> ViaScan<'a> {
    pub(crate) fn new(text: &'a str) -> Result<Self, Malformed> {
        let (protocol, rest) = split_at_byte(text, |byte| byte == b'/').ok_or(Malformed("a Via has no protocol"))?;
        let (version, rest) = split_at_byte(rest, |byte| byte == b'/').ok_or(Malformed("a Via has no version"))?;
        let rest = trim_start(rest);
        let (transport, rest) = split_at_byte(rest, is_ws).ok_or(Malformed("a Via has no sent-by"))?;
        if !is_token(trim(protocol)) || !is_token(trim(version)) || !is_token(transport) {
            return Err(Malformed("the protocol of a Via is malformed"));
        }
        let (host, rest) = split_host(trim_start(rest))?;
        let (port, params) = rest.split_at(find_byte(rest, |byte| byte == b';').unwrap_or(rest.len()));
        let port = match trim(port) {
            "" => None,
            port => Some(parse_port(trim(port.strip_prefix(':').ok_or(Malformed("a sent-by is malformed"))?))?),
        };
        Ok(Self { transport, host, port, params })
    }

    pub(crate) fn to_owned(self) -> Result<Via, Malformed> {
        Ok(Via {
            transport: self.transport.into(),
            host: self.host.into(),
            port: self.port,
            params: ParamScan::new(self.params).collect_owned()?,
        })
    }
}
