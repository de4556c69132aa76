//! What a server asks, and the client's answer.

use std::borrow::Cow;
use std::fmt;

use super::hash::Terms;
use super::{Algorithm, Digested, Login, read_digests};
use crate::sip::message::grammar::quote;
use crate::sip::message::{HeaderAccess, HeaderName, Headers};

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
    /// The server takes the hash of user and realm instead of the user (RFC 7616 §3.4.4).
    pub userhash: bool,
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
            userhash: false,
        }
    }

    /// Every challenge in one header value that we can answer: of scheme Digest, of a known algorithm, without `qop` or
    /// with one that we know. Unknown parameters are passed over.
    pub fn parse_all(value: &str) -> Vec<Self> {
        read_digests(value, Draft::default, Draft::take).into_iter().filter_map(Draft::finish).collect()
    }

    /// The strongest challenge in the headers of that name (WWW-Authenticate, Proxy-Authenticate) that we can answer;
    /// among equals the first. (RFC 8760 §2.4 lets the server's order decide; taking the strongest keeps somebody in the
    /// middle from choosing the weakest.)
    pub fn strongest(headers: &Headers, name: HeaderName) -> Option<Self> {
        let mut best: Option<Self> = None;
        for challenge in headers.values(name).flat_map(Self::parse_all) {
            if best.as_ref().is_none_or(|best| challenge.algorithm > best.algorithm) {
                best = Some(challenge);
            }
        }
        best
    }

    /// As [`Self::strongest`], for each realm that asks (RFC 3261 §22.3: proxies that forked collect the challenges of all
    /// branches), in the order of their first appearance.
    pub fn strongest_by_realm(headers: &Headers, name: HeaderName) -> Vec<Self> {
        let mut best: Vec<Self> = Vec::new();
        for challenge in headers.values(name).flat_map(Self::parse_all) {
            match best.iter_mut().find(|known| known.realm == challenge.realm) {
                Some(known) if challenge.algorithm > known.algorithm => *known = challenge,
                Some(_) => {}
                None => best.push(challenge),
            }
        }
        best
    }

    /// The value of Authorization or Proxy-Authorization. `nonce_count` starts at 1 and grows with every request that
    /// uses this nonce; `cnonce` is fresh randomness in hexadecimal.
    pub fn answer(&self, login: Login<'_>, request: Digested<'_>, cnonce: &str, nonce_count: u32) -> String {
        let nonce_count = format!("{nonce_count:08x}");
        let terms = Terms {
            algorithm: self.algorithm,
            realm: &self.realm,
            nonce: &self.nonce,
            cnonce,
            nonce_count: &nonce_count,
            qop: self.qop(),
        };
        let response = terms.response(login, request);
        let user = if self.userhash {
            Cow::Owned(self.algorithm.hash(&[login.user.as_bytes(), self.realm.as_bytes()]))
        } else {
            Cow::Borrowed(login.user)
        };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
            quote(&user),
            quote(&self.realm),
            quote(&self.nonce),
            quote(request.uri),
        );
        if self.names_algorithm {
            value += &format!(", algorithm={}", self.algorithm);
        }
        if self.userhash {
            value += ", userhash=true";
        }
        if let Some(opaque) = &self.opaque {
            value += &format!(", opaque={}", quote(opaque));
        }
        match self.qop() {
            // `qop` and `nc` stand without quotation marks (RFC 7616 §3.4).
            Some(qop) => value += &format!(", qop={qop}, nc={nonce_count}, cnonce={}", quote(cnonce)),
            None if self.algorithm.is_session() => value += &format!(", cnonce={}", quote(cnonce)),
            None => {}
        }
        value
    }

    /// What we choose of what is offered: `auth` before `auth-int`, since proxies and servers may touch bodies.
    fn qop(&self) -> Option<&'static str> {
        match (self.auth, self.auth_int) {
            (true, _) => Some("auth"),
            (false, true) => Some("auth-int"),
            (false, false) => None,
        }
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={}, nonce={}", quote(&self.realm), quote(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ", opaque={}", quote(opaque))?;
        }
        if self.names_algorithm {
            write!(f, ", algorithm={}", self.algorithm)?;
        }
        match (self.auth, self.auth_int) {
            (true, true) => write!(f, ", qop=\"auth,auth-int\"")?,
            (true, false) => write!(f, ", qop=\"auth\"")?,
            (false, true) => write!(f, ", qop=\"auth-int\"")?,
            (false, false) => {}
        }
        if self.stale {
            write!(f, ", stale=true")?;
        }
        if self.userhash {
            write!(f, ", userhash=true")?;
        }
        Ok(())
    }
}

/// A challenge while it is read.
#[derive(Default)]
struct Draft {
    realm: Option<String>,
    nonce: Option<String>,
    opaque: Option<String>,
    algorithm: Option<String>,
    qop: Option<String>,
    stale: bool,
    userhash: bool,
}

impl Draft {
    fn take(&mut self, name: &str, value: String) {
        match name {
            "realm" => self.realm = Some(value),
            "nonce" => self.nonce = Some(value),
            "opaque" => self.opaque = Some(value),
            "algorithm" => self.algorithm = Some(value),
            "qop" => self.qop = Some(value),
            "stale" => self.stale = value.eq_ignore_ascii_case("true"),
            "userhash" => self.userhash = value.eq_ignore_ascii_case("true"),
            _ => {}
        }
    }

    fn finish(self) -> Option<Challenge> {
        let offers = |wanted: &str| {
            self.qop.as_deref().is_some_and(|qop| qop.split(',').any(|one| one.trim().eq_ignore_ascii_case(wanted)))
        };
        let (auth, auth_int) = (offers("auth"), offers("auth-int"));
        let offers_only_unknown = self.qop.as_deref().is_some_and(|qop| !qop.trim().is_empty()) && !auth && !auth_int;
        if offers_only_unknown {
            return None;
        }
        Some(Challenge {
            algorithm: match &self.algorithm {
                None => Algorithm::Md5,
                Some(token) => Algorithm::from_token(token)?,
            },
            names_algorithm: self.algorithm.is_some(),
            realm: self.realm?,
            nonce: self.nonce?,
            opaque: self.opaque,
            auth,
            auth_int,
            stale: self.stale,
            userhash: self.userhash,
        })
    }
}
