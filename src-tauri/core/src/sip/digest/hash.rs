//! The arithmetic: A1, A2 and the response (RFC 7616 §3.4).

use std::fmt;
use std::hint::black_box;

use md5::Md5;
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};

use super::{Digested, Login};

/// In order of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Md5,
    Md5Sess,
    Sha256,
    Sha256Sess,
    Sha512Trunc256,
    Sha512Trunc256Sess,
}

impl Algorithm {
    const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess, Self::Sha512Trunc256, Self::Sha512Trunc256Sess];

    /// The token of the registry of hash algorithms: `SHA-256`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512Trunc256 => "SHA-512-256",
            Self::Sha512Trunc256Sess => "SHA-512-256-sess",
        }
    }

    /// `None` for an algorithm that we do not know.
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(token))
    }

    /// The session key takes nonce and cnonce in.
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512Trunc256Sess)
    }

    /// The hash of the parts joined by colons, in lower-case hexadecimal.
    pub(super) fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hash_with::<Md5>(parts),
            Self::Sha256 | Self::Sha256Sess => hash_with::<Sha256>(parts),
            Self::Sha512Trunc256 | Self::Sha512Trunc256Sess => hash_with::<Sha512_256>(parts),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn hash_with<D: Digest>(parts: &[&[u8]]) -> String {
    let mut hasher = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hasher.update(b":");
        }
        hasher.update(part);
    }
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// What enters the response beside login and request.
pub(super) struct Terms<'a> {
    pub algorithm: Algorithm,
    pub realm: &'a str,
    pub nonce: &'a str,
    pub cnonce: &'a str,
    /// The nonce count as written: eight hexadecimal digits.
    pub nonce_count: &'a str,
    /// `auth`, `auth-int`, or `None` for the form of RFC 2069.
    pub qop: Option<&'a str>,
}

impl Terms<'_> {
    pub(super) fn response(&self, login: Login<'_>, request: Digested<'_>) -> String {
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let (nonce, cnonce) = (self.nonce.as_bytes(), self.cnonce.as_bytes());
        let mut a1 = hash(&[login.user.as_bytes(), self.realm.as_bytes(), login.password.expose().as_bytes()]);
        if self.algorithm.is_session() {
            a1 = hash(&[a1.as_bytes(), nonce, cnonce]);
        }
        let (method, uri) = (request.method.as_str().as_bytes(), request.uri.as_bytes());
        let a2 = match self.qop {
            Some(qop) if qop.eq_ignore_ascii_case("auth-int") => hash(&[method, uri, hash(&[request.body]).as_bytes()]),
            _ => hash(&[method, uri]),
        };
        match self.qop {
            Some(qop) => {
                hash(&[a1.as_bytes(), nonce, self.nonce_count.as_bytes(), cnonce, qop.as_bytes(), a2.as_bytes()])
            }
            None => hash(&[a1.as_bytes(), nonce, a2.as_bytes()]),
        }
    }
}

/// Compares without telling by its duration where the difference is.
pub(super) fn same_in_constant_time(ours: &[u8], theirs: &[u8]) -> bool {
    if ours.len() != theirs.len() {
        return false;
    }
    let difference = ours.iter().zip(theirs).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)));
    black_box(difference) == 0
}
