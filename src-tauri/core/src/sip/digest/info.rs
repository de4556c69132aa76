//! What a server adds to its success: the next nonce, and the proof that it knows the password too.

use std::fmt;

use super::hash::same_in_constant_time;
use super::{Credentials, Login};
use crate::sip::message::grammar::{quote, split_commas, unquote};

/// The value of Authentication-Info or Proxy-Authentication-Info (RFC 7616 §3.5, RFC 7615). `Display` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthenticationInfo {
    /// To be used from the next request on, counted from 1.
    pub next_nonce: Option<String>,
    /// The server's proof.
    pub response_auth: Option<String>,
    /// Repeated from the credentials that it answers.
    pub cnonce: Option<String>,
}

impl AuthenticationInfo {
    /// Unknown and malformed parameters are passed over.
    pub fn parse(value: &str) -> Self {
        let mut info = Self::default();
        for (name, value) in split_commas(value).filter_map(|item| item.split_once('=')) {
            let value = Some(unquote(value.trim())).filter(|value| !value.is_empty());
            match name.trim().to_ascii_lowercase().as_str() {
                "nextnonce" => info.next_nonce = value,
                "rspauth" => info.response_auth = value.map(|value| value.to_ascii_lowercase()),
                "cnonce" => info.cnonce = value,
                _ => {}
            }
        }
        info
    }

    /// Whether it is meant for these credentials, as far as it tells.
    pub fn answers(&self, sent: &Credentials) -> bool {
        self.cnonce.as_ref().is_none_or(|cnonce| cnonce == sent.cnonce())
    }

    /// Whether the server's proof is right, or there is none. `body` is that of the response.
    pub fn is_credible(&self, sent: &Credentials, login: Login<'_>, body: &[u8]) -> bool {
        self.response_auth
            .as_ref()
            .is_none_or(|proof| same_in_constant_time(sent.response_auth(login, body).as_bytes(), proof.as_bytes()))
    }
}

impl fmt::Display for AuthenticationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("nextnonce", &self.next_nonce), ("rspauth", &self.response_auth), ("cnonce", &self.cnonce)];
        let mut separator = "";
        for (name, value) in parts {
            if let Some(value) = value {
                write!(f, "{separator}{name}={}", quote(value))?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
