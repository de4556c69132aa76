//! Digest authentication (RFC 7616, RFC 2617 as used by RFC 3261 §22, RFC 8760), both sides.

use super::message::{HeaderName, Headers, Malformed, Method};
use crate::pii::Pii;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512Trunc256,
    Sha512Trunc256Sess,
}

/// One challenge of a WWW-Authenticate or Proxy-Authenticate header. `Display` writes the header value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub opaque: Option<String>,
    pub algorithm: Algorithm,
    /// Whether the header named the algorithm (absent means MD5, and must then stay absent in the answer).
    pub names_algorithm: bool,
    /// The server offers `qop=auth`.
    pub auth: bool,
    /// The server offers `qop=auth-int`.
    pub auth_int: bool,
    /// The nonce was too old, the credentials were right.
    pub stale: bool,
}

/// What a request is authorised with.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    pub user: &'a str,
    pub password: &'a Pii<String>,
}

/// The parts of a request that enter the digest.
#[derive(Debug, Clone, Copy)]
pub struct Digested<'a> {
    pub method: &'a Method,
    /// The Request-URI as it stands on the wire.
    pub uri: &'a str,
    pub body: &'a [u8],
}

impl Challenge {
    /// A server's challenge with `qop="auth"`.
    pub fn new(realm: &str, nonce: &str, algorithm: Algorithm) -> Self {
        Self {
            realm: realm.into(),
            nonce: nonce.into(),
            opaque: None,
            algorithm,
            names_algorithm: true,
            auth: true,
            auth_int: false,
            stale: false,
        }
    }

    /// The strongest challenge in the headers of that name that we can answer.
    #[allow(unused_variables, clippy::todo)]
    pub fn strongest(headers: &Headers, name: HeaderName) -> Option<Self> {
        todo!()
    }

    /// The value of Authorization or Proxy-Authorization. `nonce_count` starts at 1 and grows with every request that
    /// uses this nonce; `cnonce` is fresh randomness in hexadecimal.
    #[allow(unused_variables, clippy::todo)]
    pub fn answer(&self, login: Login<'_>, request: Digested<'_>, cnonce: &str, nonce_count: u32) -> String {
        todo!()
    }
}

/// The value of an Authorization or Proxy-Authorization header, as a server sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: Pii<String>,
    pub realm: String,
    pub nonce: String,
    /// The URI that the client digested.
    pub uri: String,
    pub nonce_count: Option<u32>,
}

impl Credentials {
    #[allow(unused_variables, clippy::todo)]
    pub fn parse(value: &str) -> Result<Self, Malformed> {
        todo!()
    }

    /// The credentials for `realm` among the headers of that name.
    #[allow(unused_variables, clippy::todo)]
    pub fn for_realm(headers: &Headers, name: HeaderName, realm: &str) -> Option<Self> {
        todo!()
    }

    /// Whether they prove the password, compared in constant time. Whether the nonce is one of ours and the count is new
    /// is the caller's to check.
    #[allow(unused_variables, clippy::todo)]
    pub fn verify(&self, password: &Pii<String>, method: &Method, body: &[u8]) -> bool {
        todo!()
    }
}
