//! What a client shows, and the server's judgement.

use super::hash::{Terms, same_in_constant_time};
use super::{Algorithm, Challenge, Digested, Login, read_digests};
use crate::pii::Pii;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Malformed, Method};
use crate::sip::uri::Uri;

/// The value of an Authorization or Proxy-Authorization header, as a server sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    pub user: Pii<String>,
    pub realm: String,
    pub nonce: String,
    /// The URI that the client digested.
    pub uri: Pii<String>,
    /// How often the client has used the nonce, this time included; `None` without `qop`.
    pub nonce_count: Option<u32>,
    algorithm: Option<String>,
    qop: Option<String>,
    nonce_count_text: String,
    cnonce: String,
    response: String,
    userhash: bool,
}

impl Credentials {
    pub fn parse(value: &str) -> Result<Self, Malformed> {
        let found = read_digests(value, Self::default, Self::take);
        let credentials = found.into_iter().next().ok_or(Malformed("the credentials are not of scheme Digest"))?;
        if credentials.nonce.is_empty() || credentials.response.is_empty() {
            return Err(Malformed("the credentials lack nonce or response"));
        }
        Ok(credentials)
    }

    /// The credentials for `realm` among the headers of that name (Authorization, Proxy-Authorization).
    pub fn for_realm(headers: &Headers, name: HeaderName, realm: &str) -> Option<Self> {
        headers.values(name).filter_map(|value| Self::parse(value).ok()).find(|credentials| credentials.realm == realm)
    }

    /// Whether they answer `challenge` and prove that the client knows the password of `login`. The response is compared in
    /// constant time. Whether the nonce is still young and the count is new, the caller decides.
    ///
    /// An answer without `qop` (RFC 2069) is taken even though `qop` was offered: old telephones do so. The digested URI
    /// must be equivalent to the Request-URI.
    pub fn verify(&self, challenge: &Challenge, login: Login<'_>, request: Digested<'_>) -> bool {
        let algorithm = self.algorithm.as_deref().map_or(Some(Algorithm::Md5), Algorithm::from_token);
        let qop_fits = match self.qop.as_deref() {
            None => true,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => challenge.auth,
            Some(qop) if qop.eq_ignore_ascii_case("auth-int") => challenge.auth_int,
            Some(_) => false,
        };
        let fits = self.realm == challenge.realm
            && self.nonce == challenge.nonce
            && algorithm == Some(challenge.algorithm)
            && qop_fits
            && (self.qop.is_none() || self.nonce_count.is_some())
            && same_resource(self.uri.expose(), request.uri);
        let terms = Terms {
            algorithm: challenge.algorithm,
            realm: &challenge.realm,
            nonce: &challenge.nonce,
            cnonce: &self.cnonce,
            nonce_count: &self.nonce_count_text,
            qop: self.qop.as_deref(),
        };
        let expected = terms.response(login, Digested { uri: self.uri.expose(), ..request });
        let proven = same_in_constant_time(expected.as_bytes(), self.response.as_bytes());
        fits & proven & self.is_of(login.user)
    }

    /// Whether they name that user, in the open or as a hash (RFC 7616 §3.4.4).
    pub fn is_of(&self, user: &str) -> bool {
        let shown = self.user.expose().as_bytes();
        let algorithm = self.algorithm.as_deref().map_or(Some(Algorithm::Md5), Algorithm::from_token);
        match algorithm {
            Some(algorithm) if self.userhash => {
                same_in_constant_time(algorithm.hash(&[user.as_bytes(), self.realm.as_bytes()]).as_bytes(), shown)
            }
            _ => same_in_constant_time(user.as_bytes(), shown),
        }
    }

    /// The `rspauth` by which the server proves to whoever sent these credentials that it knows the password too
    /// (RFC 7616 §3.5); `body` is that of the response.
    pub fn response_auth(&self, login: Login<'_>, body: &[u8]) -> String {
        let terms = Terms {
            algorithm: self.algorithm.as_deref().and_then(Algorithm::from_token).unwrap_or(Algorithm::Md5),
            realm: &self.realm,
            nonce: &self.nonce,
            cnonce: &self.cnonce,
            nonce_count: &self.nonce_count_text,
            qop: self.qop.as_deref(),
        };
        // A2 has no method.
        let method = Method::Extension("".into());
        terms.response(login, Digested { method: &method, uri: self.uri.expose(), body })
    }

    pub(super) fn cnonce(&self) -> &str {
        &self.cnonce
    }

    fn take(&mut self, name: &str, value: String) {
        match name {
            "username" => self.user = Pii::new(value),
            "realm" => self.realm = value,
            "nonce" => self.nonce = value,
            "uri" => self.uri = Pii::new(value),
            "response" => self.response = value.to_ascii_lowercase(),
            "algorithm" => self.algorithm = Some(value),
            "cnonce" => self.cnonce = value,
            "userhash" => self.userhash = value.eq_ignore_ascii_case("true"),
            "qop" => self.qop = Some(value).filter(|qop| !qop.is_empty()),
            "nc" => {
                self.nonce_count = if value.len() == 8 { u32::from_str_radix(&value, 16).ok() } else { None };
                self.nonce_count_text = value;
            }
            _ => {}
        }
    }
}

fn same_resource(digested: &str, requested: &str) -> bool {
    digested == requested
        || match (digested.parse::<Uri>(), requested.parse::<Uri>()) {
            (Ok(digested), Ok(requested)) => digested.is_equivalent(&requested),
            _ => false,
        }
}
