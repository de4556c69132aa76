//! Who may come in: digest authentication as a server (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! Every nonce is a random one-time value that we remember. Its count must grow from request to request, so that nothing
//! that was overheard can be sent again. An unknown user is challenged like a known one.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use deskline_core::pii::Pii;
use deskline_core::sip::Request;
use deskline_core::sip::digest::{Algorithm, Challenge, Credentials, Digested, Login};
use deskline_core::sip::message::{HeaderAccess, HeaderName, Headers};

use crate::random::Random;

/// A nonce is good for that long; after it, right credentials are answered by `stale=true`.
const NONCE_LIFE: Duration = Duration::from_secs(300);

/// Nonces that are remembered. The oldest gives way: its owner is challenged once more, that is all.
const MAX_NONCES: usize = 4_096;

/// Where the credentials stand, and where the challenge goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// As the server of the request: 401.
    Registrar,
    /// As one on its way: 407.
    Proxy,
}

impl Side {
    const fn answer(self) -> HeaderName {
        match self {
            Self::Registrar => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }

    const fn challenge(self) -> HeaderName {
        match self {
            Self::Registrar => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Registrar => 401,
            Self::Proxy => 407,
        }
    }
}

/// What came of a check.
pub(crate) enum Verdict {
    /// The password of this user was proven.
    Proven(String),
    /// Refuse with [`Side::status`] and these.
    Challenged(Headers),
}

pub(crate) struct Gate {
    realm: String,
    algorithms: Vec<Algorithm>,
    nonces: HashMap<String, Nonce>,
    /// In order of issue.
    issued: VecDeque<String>,
    random: Random,
    /// Stands in for the password of a user who does not exist.
    nobody: Pii<String>,
}

struct Nonce {
    issued: Instant,
    /// The highest `nc` seen.
    count: u32,
}

impl Gate {
    pub(crate) fn new(realm: String, algorithms: Vec<Algorithm>, mut random: Random) -> Self {
        let nobody = Pii::new(random.token());
        Self { realm, algorithms, nonces: HashMap::new(), issued: VecDeque::new(), random, nobody }
    }

    /// Checks the credentials of a request against the password that `password_of` knows for a user.
    pub(crate) fn check<'a>(
        &mut self,
        now: Instant,
        side: Side,
        request: &Request,
        password_of: impl FnOnce(&str) -> Option<&'a Pii<String>>,
    ) -> Verdict {
        let Some(credentials) = Credentials::for_realm(&request.headers, side.answer(), &self.realm) else {
            return self.challenge(now, side, false);
        };
        let user = credentials.user.expose();
        let password = password_of(user);
        let uri = request.uri.to_string();
        let digested = Digested { method: &request.method, uri: &uri, body: &request.body };
        let login = Login { user, password: password.unwrap_or(&self.nobody) };
        let proven = self.algorithms.iter().any(|&algorithm| {
            credentials.verify(&Challenge::new(&self.realm, &credentials.nonce, algorithm), login, digested)
        });
        if !proven || password.is_none() {
            return self.challenge(now, side, false);
        }
        if !self.is_fresh(now, &credentials) {
            return self.challenge(now, side, true);
        }
        Verdict::Proven(user.clone())
    }

    /// Whether the nonce is one of ours, young, and its count new.
    fn is_fresh(&mut self, now: Instant, credentials: &Credentials) -> bool {
        let Some(nonce) = self.nonces.get_mut(&credentials.nonce) else { return false };
        if now.saturating_duration_since(nonce.issued) > NONCE_LIFE {
            return false;
        }
        match credentials.nonce_count {
            Some(count) if count > nonce.count => {
                nonce.count = count;
                true
            }
            Some(_) => false,
            // Without a count (RFC 2617 §3.2.2.1 in its oldest form) a nonce serves once.
            None => {
                let unused = nonce.count == 0;
                nonce.count = u32::MAX;
                unused
            }
        }
    }

    fn challenge(&mut self, now: Instant, side: Side, stale: bool) -> Verdict {
        while self.issued.len() >= MAX_NONCES
            && let Some(oldest) = self.issued.pop_front()
        {
            self.nonces.remove(&oldest);
        }
        let nonce = self.random.token();
        let mut headers = Headers::new();
        for &algorithm in &self.algorithms {
            let mut challenge = Challenge::new(&self.realm, &nonce, algorithm);
            challenge.stale = stale;
            headers.add(side.challenge(), challenge.to_string());
        }
        self.nonces.insert(nonce.clone(), Nonce { issued: now, count: 0 });
        self.issued.push_back(nonce);
        Verdict::Challenged(headers)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use deskline_core::sip::{Method, Uri};

    use super::*;

    const URI: &str = "sip:centre.test";

    struct Visitor {
        gate: Gate,
        now: Instant,
        password: Pii<String>,
    }

    impl Visitor {
        fn new() -> Self {
            let gate = Gate::new("r".into(), vec![Algorithm::Sha256, Algorithm::Md5], Random::new([7; 32]));
            Self { gate, now: Instant::now(), password: Pii::new("right".into()) }
        }

        fn check(&mut self, authorization: Option<String>) -> Verdict {
            let mut request = Request::new(Method::Register, Uri::sip_host("centre.test"));
            request.headers.extend(authorization.iter().map(|value| HeaderName::Authorization.with(value)));
            let password = &self.password;
            let known = |user: &str| (user == "1001").then_some(password);
            self.gate.check(self.now, Side::Registrar, &request, known)
        }

        fn challenge(&mut self) -> Challenge {
            let Verdict::Challenged(headers) = self.check(None) else { panic!("nobody was challenged") };
            assert_eq!(headers.len(), 2, "one for each algorithm");
            Challenge::strongest(&headers, HeaderName::WwwAuthenticate).unwrap()
        }
    }

    fn answer(challenge: &Challenge, user: &str, password: &str, count: u32) -> Option<String> {
        let login = Login { user, password: &Pii::new(password.into()) };
        Some(challenge.answer(login, Digested { method: &Method::Register, uri: URI, body: b"" }, "c0ffee", count))
    }

    fn is_proven(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Proven(user) if user == "1001")
    }

    fn is_stale(verdict: Verdict) -> bool {
        match verdict {
            Verdict::Challenged(headers) => Challenge::strongest(&headers, HeaderName::WwwAuthenticate).unwrap().stale,
            Verdict::Proven(_) => panic!("let in"),
        }
    }

    #[test]
    fn the_right_password_comes_in_and_may_use_its_nonce_again_with_a_higher_count() {
        let mut visitor = Visitor::new();
        let challenge = visitor.challenge();
        assert!(is_proven(visitor.check(answer(&challenge, "1001", "right", 1))));
        assert!(is_proven(visitor.check(answer(&challenge, "1001", "right", 2))));
    }

    #[test]
    fn what_was_overheard_cannot_be_sent_again() {
        let mut visitor = Visitor::new();
        let challenge = visitor.challenge();
        assert!(is_proven(visitor.check(answer(&challenge, "1001", "right", 1))));
        assert!(is_stale(visitor.check(answer(&challenge, "1001", "right", 1))));
    }

    #[test]
    fn an_old_nonce_is_stale_and_an_invented_one_too() {
        let mut visitor = Visitor::new();
        let mut challenge = visitor.challenge();
        visitor.now += NONCE_LIFE + Duration::from_secs(1);
        assert!(is_stale(visitor.check(answer(&challenge, "1001", "right", 1))));
        challenge.nonce = "invented".into();
        assert!(is_stale(visitor.check(answer(&challenge, "1001", "right", 1))));
    }

    #[test]
    fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
        let mut visitor = Visitor::new();
        let challenge = visitor.challenge();
        assert!(!is_stale(visitor.check(answer(&challenge, "1001", "wrong", 1))));
        assert!(!is_stale(visitor.check(answer(&challenge, "4711", "right", 1))));
        assert!(!is_stale(visitor.check(Some("Digest nonsense,,=\"".into()))));
    }

    #[test]
    fn the_memory_of_nonces_is_bounded() {
        let mut visitor = Visitor::new();
        for _ in 0..MAX_NONCES + 100 {
            visitor.challenge();
        }
        assert_eq!(visitor.gate.nonces.len(), MAX_NONCES);
        assert_eq!(visitor.gate.issued.len(), MAX_NONCES);
    }
}
