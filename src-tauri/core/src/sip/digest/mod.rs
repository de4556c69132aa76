//! Digest authentication (RFC 7616, RFC 2617 as used by RFC 3261 §22, RFC 8760), both sides.

mod challenge;
mod credentials;
mod hash;
mod info;
#[cfg(test)]
mod tests;

pub use challenge::Challenge;
pub use credentials::Credentials;
pub use hash::Algorithm;
pub use info::AuthenticationInfo;

use crate::pii::Pii;

use super::message::Method;
use super::message::grammar::{split_commas, unquote};

/// Who asks.
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

/// Walks over the `name=value` pairs of every `Digest` scheme in the value of an authentication header; `begin` is
/// called at each one. Other schemes (`Basic`, `Negotiate` with its token) are passed over.
fn read_digests<T>(value: &str, begin: impl Fn() -> T, mut take: impl FnMut(&mut T, &str, String)) -> Vec<T> {
    let mut found = Vec::new();
    let mut inside = false;
    for item in split_commas(value) {
        let (mut name, value) = match item.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (item, None),
        };
        // A white space in front of `=` separates the scheme from its first parameter.
        if let Some((scheme, first)) = name.split_once([' ', '\t']).or(value.is_none().then_some((name, ""))) {
            inside = scheme.eq_ignore_ascii_case("Digest");
            if inside {
                found.push(begin());
            }
            name = first.trim_start();
        }
        if let (true, Some(digest), Some(value)) = (inside, found.last_mut(), value) {
            take(digest, &name.to_ascii_lowercase(), unquote(value));
        }
    }
    found
}
