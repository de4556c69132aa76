//! Answering challenges (RFC 3261 §22, RFC 8760): which credentials go where, and when a refusal is final.

use std::time::Instant;

use super::path::Path;
use super::random::Random;
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{Credentials, UserAgent};
use crate::sip::digest::{self, AuthenticationInfo, Challenge, Digested, Login};
use crate::sip::message::{HeaderAccess, HeaderName, Request, Response};

/// Realms of one session or registration: a proxy or two, and the far end.
const MAX_REALMS: usize = 4;

/// Refusals of one request add up to no more than this: see [`REFUSED`] and [`STALE`].
const MAX_REFUSALS: u8 = 8;
/// What a refusal of credentials weighs. Some registrars answer an outdated nonce without `stale`, so one proves nothing;
/// the second is final.
const REFUSED: u8 = 4;
/// What an outdated nonce weighs: no refusal at all, but a server that knows nothing else must not keep us for ever.
const STALE: u8 = 1;

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
    /// The cnonce that entered the session key of a `-sess` algorithm, which lives as long as the nonce (RFC 7616
    /// §3.4.2).
    session_cnonce: Option<Box<str>>,
}

impl Authentication {
    pub(super) const fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, realms: Vec::new() }
    }

    /// The same credentials without what was learned: nonces and their counts belong to one sequence of requests.
    pub(super) fn afresh(&self) -> Self {
        Self::new(self.credentials.clone())
    }

    /// Takes the challenges of a 401 or 407 to `request`, of which `refusals` went before in the same attempt. The weight
    /// of refusals to go on with, or `None` if the answer is final.
    pub(super) fn handle_challenge(&mut self, request: &Request, response: &Response, refusals: u8) -> Option<u8> {
        self.credentials.as_ref()?;
        let mut refusals = refusals;
        let mut understood = false;
        for (proxy, header) in [(false, HeaderName::WwwAuthenticate), (true, HeaderName::ProxyAuthenticate)] {
            for challenge in Challenge::strongest_by_realm(&response.headers, header).into_iter().take(MAX_REALMS) {
                understood = true;
                let tried = digest::Credentials::for_realm(&request.headers, answer_header(proxy), &challenge.realm);
                if let Some(tried) = tried {
                    refusals = refusals.saturating_add(if challenge.stale { STALE } else { REFUSED });
                    // The same nonce again would lead to the same refusal.
                    if tried.nonce == challenge.nonce && !challenge.stale {
                        return None;
                    }
                }
                self.learn(proxy, challenge);
            }
        }
        (understood && refusals < MAX_REFUSALS).then_some(refusals)
    }

    /// Takes what a 2xx to `request` says of the nonce to use next. False if the server claims to know the password and
    /// does not (RFC 7616 §3.5): nothing of what it said is taken then.
    pub(super) fn handle_success(&mut self, request: &Request, response: &Response) -> bool {
        let Some(credentials) = &self.credentials else { return true };
        let login = Login { user: &credentials.user, password: &credentials.password };
        let mut credible = true;
        for (proxy, name) in [(false, "Authentication-Info"), (true, "Proxy-Authentication-Info")] {
            let Some(info) = response.headers.named(name).map(AuthenticationInfo::parse) else { continue };
            let answered = self.realms.iter_mut().filter(|realm| realm.proxy == proxy).find_map(|realm| {
                let sent =
                    digest::Credentials::for_realm(&request.headers, answer_header(proxy), &realm.challenge.realm)?;
                info.answers(&sent).then_some((realm, sent))
            });
            let Some((realm, sent)) = answered else { continue };
            if !info.is_credible(&sent, login, &response.body) {
                credible = false;
                continue;
            }
            // A repeated answer to an older request tells nothing new.
            if let Some(next) = info.next_nonce.filter(|_| sent.nonce == realm.challenge.nonce) {
                realm.challenge.nonce = next;
                realm.nonce_count = 0;
                realm.session_cnonce = None;
            }
        }
        credible
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
            let cnonce = match &realm.session_cnonce {
                Some(cnonce) => cnonce.to_string(),
                None => random.hexadecimal(16),
            };
            let value = realm.challenge.answer(login, digested, &cnonce, realm.nonce_count);
            if realm.challenge.algorithm.is_session() {
                realm.session_cnonce = Some(cnonce.into());
            }
            request.headers.add(answer_header(realm.proxy), value);
        }
    }

    fn learn(&mut self, proxy: bool, challenge: Challenge) {
        let known =
            self.realms.iter_mut().find(|realm| realm.proxy == proxy && realm.challenge.realm == challenge.realm);
        match known {
            Some(realm) if realm.challenge.nonce == challenge.nonce => realm.challenge = challenge,
            Some(realm) => *realm = Realm::new(proxy, challenge),
            None => {
                if self.realms.len() >= MAX_REALMS {
                    self.realms.remove(0);
                }
                self.realms.push(Realm::new(proxy, challenge));
            }
        }
    }
}

impl Realm {
    const fn new(proxy: bool, challenge: Challenge) -> Self {
        Self { proxy, challenge, nonce_count: 0, session_cnonce: None }
    }
}

impl UserAgent {
    /// A 2xx may tell which nonce to use next (RFC 7616 §3.5).
    pub(super) fn learn_nonces(&mut self, id: TransactionId, purpose: Purpose, response: &Response) {
        let authentication = match purpose {
            Purpose::Register(id) => {
                self.registrations.get_mut(&id).map(|registration| &mut registration.authentication)
            }
            Purpose::Invite(id)
            | Purpose::Reinvite(id)
            | Purpose::Prack(id)
            | Purpose::Update(id)
            | Purpose::Info(id)
            | Purpose::Bye(id) => self.sessions.get_mut(&id).map(|session| &mut session.authentication),
            Purpose::Usage(id) => self.usages.authentication(id, &mut self.sessions),
            Purpose::Nothing => None,
        };
        let (Some(authentication), Some(client)) = (authentication, self.stack.transactions.client(id)) else { return };
        if !authentication.handle_success(&client.request, response) {
            self.stack.dropped("the server does not prove that it knows the password");
        }
    }
}

impl Stack {
    /// Sends a request again with credentials after 401 or 407 (RFC 3261 §22.2), whatever its method and owner: the same
    /// request with the CSeq that `number` makes of the refused one, for the same purpose. `None` if the answer is final.
    pub(super) fn retry_authorised(
        &mut self,
        now: Instant,
        authentication: &mut Authentication,
        path: &Path,
        refused: TransactionId,
        response: &Response,
        number: impl FnOnce(u32) -> u32,
    ) -> Option<TransactionId> {
        if !matches!(response.code(), 401 | 407) {
            return None;
        }
        let client = self.transactions.client(refused)?;
        let refusals = authentication.handle_challenge(&client.request, response, client.refusals)?;
        let (mut request, purpose) = (client.request.clone(), client.purpose);
        let (destination, mut dialog) = (client.intended, client.dialog.clone());
        let mut cseq = request.headers.cseq().ok()?;
        cseq.seq = number(cseq.seq);
        if let Some(dialog) = &mut dialog {
            dialog.local_cseq = cseq.seq;
        }
        request.headers.set(HeaderName::CSeq, cseq.to_string());
        request.headers.remove(HeaderName::Via);
        request.headers.remove(HeaderName::MaxForwards);
        authentication.authorise(&mut request, &mut self.random);
        let next = self.send(now, path, destination, request, purpose);
        if let Some(client) = self.transactions.client(next) {
            client.refusals = refusals;
            client.dialog = dialog;
        }
        Some(next)
    }
}

const fn answer_header(proxy: bool) -> HeaderName {
    if proxy { HeaderName::ProxyAuthorization } else { HeaderName::Authorization }
}
