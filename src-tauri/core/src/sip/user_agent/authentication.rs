//! Answering challenges (RFC 3261 §22, RFC 8760): which credentials go where, and when a refusal is final.

use super::Credentials;
use super::random::Random;
use crate::sip::digest::{self, Challenge, Digested, Login};
use crate::sip::message::{HeaderAccess, HeaderName, Request, Response};

/// Realms of one session or registration: a proxy or two, and the far end.
const MAX_REALMS: usize = 4;

/// Refusals of credentials that were really tried, before they count as wrong. Some registrars answer an outdated nonce
/// without `stale`, so one refusal proves nothing.
const MAX_REFUSALS: u8 = 2;

/// The credentials of a session or registration, and the nonces learned so far.
#[derive(Debug, Clone)]
pub(super) struct Authentication {
    credentials: Option<Credentials>,
    realms: Vec<Realm>,
}

#[derive(Debug, Clone)]
struct Realm {
    /// Proxy-Authenticate rather than WWW-Authenticate.
    proxy: bool,
    challenge: Challenge,
    /// `nc` of the last request that used this nonce.
    nonce_count: u32,
}

impl Authentication {
    pub(super) const fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, realms: Vec::new() }
    }

    /// The same credentials without what was learned: nonces and their counts belong to one sequence of requests.
    pub(super) fn afresh(&self) -> Self {
        Self::new(self.credentials.clone())
    }

    /// Takes the challenges of a 401 or 407 to `request`, of which `refusals` went before in the same attempt. The count
    /// of refusals to go on with, or `None` if the answer is final.
    pub(super) fn handle_challenge(&mut self, request: &Request, response: &Response, refusals: u8) -> Option<u8> {
        self.credentials.as_ref()?;
        let mut refusals = refusals;
        let mut understood = false;
        for (proxy, header) in [(false, HeaderName::WwwAuthenticate), (true, HeaderName::ProxyAuthenticate)] {
            let Some(challenge) = Challenge::strongest(&response.headers, header) else { continue };
            understood = true;
            let tried = digest::Credentials::for_realm(&request.headers, answer_header(proxy), &challenge.realm);
            if let Some(tried) = tried {
                refusals += 1;
                // The same nonce again would lead to the same refusal.
                if tried.nonce == challenge.nonce && !challenge.stale {
                    return None;
                }
            }
            self.learn(proxy, challenge);
        }
        (understood && refusals < MAX_REFUSALS).then_some(refusals)
    }

    /// Adds credentials for every realm known so far, so that later requests need no challenge of their own.
    pub(super) fn authorise(&mut self, request: &mut Request, random: &mut Random) {
        request.headers.remove(HeaderName::Authorization);
        request.headers.remove(HeaderName::ProxyAuthorization);
        let Some(credentials) = &self.credentials else { return };
        if self.realms.is_empty() {
            return;
        }
        let uri = request.uri.to_string();
        for realm in &mut self.realms {
            realm.nonce_count = realm.nonce_count.saturating_add(1);
            let login = Login { user: &credentials.user, password: &credentials.password };
            let digested = Digested { method: &request.method, uri: &uri, body: &request.body };
            let cnonce = random.hexadecimal(16);
            let value = realm.challenge.answer(login, digested, &cnonce, realm.nonce_count);
            request.headers.add(answer_header(realm.proxy), value);
        }
    }

    fn learn(&mut self, proxy: bool, challenge: Challenge) {
        let known =
            self.realms.iter_mut().find(|realm| realm.proxy == proxy && realm.challenge.realm == challenge.realm);
        match known {
            Some(realm) if realm.challenge.nonce == challenge.nonce => realm.challenge = challenge,
            Some(realm) => *realm = Realm { proxy, challenge, nonce_count: 0 },
            None => {
                if self.realms.len() >= MAX_REALMS {
                    self.realms.remove(0);
                }
                self.realms.push(Realm { proxy, challenge, nonce_count: 0 });
            }
        }
    }
}

const fn answer_header(proxy: bool) -> HeaderName {
    if proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization }
}
