//! The user agent: registrations as a client, INVITE sessions in both roles, and the remaining requests handed to the
//! application. The desktop uses it with one registrar, the embedded centre uses the same code as a server with many.
//!
//! A message comes in through [`UserAgent::handle_received`], finds its transaction, and through that its session or
//! registration. Everything that is sent goes through `stack::Stack`. Whatever changed is then either removed or put
//! into an agenda with the time of its next wish; nothing is ever searched for what is due.
//!
//! What a registrar teaches is kept beside the registration: nonces in its `Authentication`, routes in its `Binding`, and
//! in `stack.reach` what the Contact of dialogs along its flow is to say. A request too large for a datagram takes TCP by
//! `detour`, and comes back to UDP in the same transaction where there is none; an ACK to a 2xx does not, since nobody
//! would tell that it was lost.
//!
//! Transfers, subscriptions, publications and messages are `usages`: one table and one agenda beside the sessions. Those
//! in the dialog of a session share its numbers; a transfer's reports outlive it, as RFC 5057 has it.
//!
//! Deliberately absent, and answered accordingly (405 with Allow, 420 with Unsupported): Info Packages, preconditions.
//! Names are not resolved and no flow is opened here: the engine does both.

mod authentication;
mod correspondence;
mod detour;
mod exchange;
mod following;
mod incoming;
mod informing;
mod interface;
mod leaving;
mod messaging;
mod notifying;
mod outgoing;
mod path;
mod publishing;
mod random;
mod reach;
mod receiving;
mod redacted;
mod redirecting;
mod referring;
mod refreshing;
mod refusing;
mod registering;
mod reliable;
mod replacing;
mod restoring;
mod session;
mod stack;
mod subscribing;
mod transactions;
mod usages;
mod within;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use interface::{
    CallRules, Config, Credentials, DtmfForm, EndReason, Error, Event, ForkId, Identity, Invite, MessageId, Outbound,
    Output, PublicationId, Redirects, ReferralId, RegistrationId, Reliable, RequestId, SessionId, Silence,
    SubscriptionId,
};
pub use messaging::{Content, MAX_MESSAGE};
pub use publishing::Publish;
pub use referring::{Refer, ReferralState};
pub use restoring::{DialogState, SessionTimer};
pub use subscribing::{Subscribe, SubscriptionPhase};

pub use super::registration::Binding;

use super::message::grammar::{is_token, quote};
use super::message::{Header, HeaderAccess, HeaderName, Headers, Response};
use super::transaction::agenda::Agenda;
use super::uri::Uri;
use crate::flow::{Flow, FlowId, Transport};
use crate::pii::Pii;
use informing::Matter;
use registering::Registration;
use session::Session;
use stack::Stack;
use transactions::TransactionId;
use usages::Usages;

/// What the user agent holds at most. Beyond, INVITEs are answered 503 and [`UserAgent::invite`] fails.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub sessions: usize,
    pub transactions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 20_000, transactions: 100_000 }
    }
}

/// Feed it with [`Self::handle_received`], [`Self::handle_timeout`] and commands; after each, drain
/// [`Self::poll_output`] and ask [`Self::poll_timeout`] when to come again.
///
/// Every command on a session yields [`Error::Unknown`] once [`Event::Ended`] has been said, and
/// [`Error::WrongState`] where the protocol does not allow it now; nothing has been sent then.
pub struct UserAgent {
    stack: Stack,
    sessions: BTreeMap<SessionId, Session>,
    /// Our tag is in every request of a dialog, and is ours alone.
    by_tag: HashMap<Box<str>, SessionId>,
    registrations: BTreeMap<RegistrationId, Registration>,
    session_agenda: Agenda<SessionId>,
    registration_agenda: Agenda<RegistrationId>,
    usages: Usages,
    /// New sessions, not answered yet, and the ones whose place they are to take.
    replacing: BTreeMap<SessionId, SessionId>,
    last_id: u64,
}

impl UserAgent {
    /// `seed` feeds the generator of tags, branches, Call-IDs and cnonces: 32 bytes of the system's randomness.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            stack: Stack::new(config, seed),
            sessions: BTreeMap::new(),
            by_tag: HashMap::new(),
            registrations: BTreeMap::new(),
            session_agenda: Agenda::new(),
            registration_agenda: Agenda::new(),
            usages: Usages::new(),
            replacing: BTreeMap::new(),
            last_id: 0,
        }
    }

    /// Other bounds than the default ones.
    pub fn set_limits(&mut self, limits: Limits) {
        self.stack.limits = limits;
    }

    /// Another session interval for the calls that begin from now on (RFC 4028); `None`: no session timers.
    pub fn set_session_expires(&mut self, interval: Option<Duration>) {
        self.stack.config.calls.session_expires = interval;
    }

    /// One datagram, or one message framed from a stream (see [`super::wire::StreamFramer`]), or one WebSocket message.
    pub fn handle_received(&mut self, now: Instant, flow: &Flow, bytes: &[u8]) {
        self.receive(now, flow, bytes);
    }

    /// The flow is gone: transactions on it fail as by a transport error (RFC 3261 §8.1.3.1, §17.1.4), registrations on
    /// it are reported failed, confirmed sessions stay (the application gives them a new flow or ends them).
    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        self.lose_flow(now, flow);
    }

    /// No connection to that address could be had, or the one there is gone, so what was sent to
    /// [`Destination::Address`](crate::flow::Destination::Address) may be lost. Requests that went there for their size
    /// only are sent by UDP; the others fail as by [`Self::handle_flow_closed`].
    pub fn handle_unsent(&mut self, now: Instant, transport: Transport, address: SocketAddr) {
        for id in self.stack.end_detours(now, transport, address) {
            self.lose_request(now, id);
        }
    }

    /// Fires every timer that is due at `now`. Coming late is allowed: what a sleeping machine missed happens once.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.stack.transactions.due(now) {
            self.handle_transaction_timeout(now, id);
        }
        while let Some(id) = self.session_agenda.due(now) {
            match self.sessions.get_mut(&id) {
                Some(session) => session.handle_timeout(now, &mut self.stack),
                None => self.session_agenda.strike_first(),
            }
            self.settle_session(id);
        }
        while let Some(id) = self.registration_agenda.due(now) {
            match self.registrations.get_mut(&id) {
                Some(registration) => registration.handle_timeout(now, &mut self.stack),
                None => self.registration_agenda.strike_first(),
            }
            self.settle_registration(id);
        }
        self.wake_usages(now);
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let agendas = [
            self.stack.transactions.next_timeout(),
            self.session_agenda.next(),
            self.registration_agenda.next(),
            self.usages.next_timeout(),
        ];
        agendas.into_iter().flatten().min()
    }

    /// What is to be sent, and what has happened, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.stack.poll_output()
    }

    /// Registers and keeps registered (refresh before expiry, digest, 423, retry with back-off). `expires` is what we ask for.
    pub fn register(&mut self, now: Instant, identity: Identity, registrar: Uri, expires: Duration) -> RegistrationId {
        let id = RegistrationId(self.next_id());
        let flow = identity.flow;
        let registration = Registration::start(now, &mut self.stack, id, identity, registrar, expires);
        self.registrations.insert(id, registration);
        self.settle_registration(id);
        // What could not be said on an earlier flow to the same server.
        self.release_farewells(now, flow, |session| session.path.peer().ip() == flow.remote.ip());
        id
    }

    /// Registers anew at once, along the same flow: after the machine woke, or when the network has changed and the flow
    /// stands. While a REGISTER or an unregistration is under way, nothing happens.
    pub fn refresh_registration(&mut self, now: Instant, id: RegistrationId) -> Result<(), Error> {
        let registration = self.registrations.get_mut(&id).ok_or(Error::Unknown)?;
        registration.refresh(now, &mut self.stack);
        self.settle_registration(id);
        Ok(())
    }

    /// Who we are along a registration's present flow, with the route that the registrar prescribes (RFC 3608): for
    /// calls and other requests outside dialogs.
    pub fn identity_of(&self, id: RegistrationId) -> Result<Identity, Error> {
        self.registrations.get(&id).map(Registration::identity).ok_or(Error::Unknown)
    }

    /// What the registrar told with its last 200; `None` before the first.
    pub fn binding(&self, id: RegistrationId) -> Option<&Binding> {
        self.registrations.get(&id)?.binding()
    }

    /// How long to wait before the next attempt after so many failures in a row (from 1), drawn by RFC 5626 §4.5: also
    /// for attempts to connect, so that a thousand clients of a server that restarts do not come at once.
    pub fn back_off(&mut self, failures: u32) -> Duration {
        self.stack.random.back_off(failures)
    }

    /// A new flow for a registration (after [`Event::RegistrationFailed`] or a changed address): registers at once.
    pub fn move_registration(&mut self, now: Instant, id: RegistrationId, flow: Flow) -> Result<(), Error> {
        let registration = self.registrations.get_mut(&id).ok_or(Error::Unknown)?;
        let old = registration.path.flow.id;
        registration.move_to(now, &mut self.stack, flow);
        self.settle_registration(id);
        self.move_usages(now, old, flow);
        self.release_farewells(now, flow, |session| session.path.uses(old));
        Ok(())
    }

    /// Removes the binding (Expires 0); ends with [`Event::Unregistered`] whether the server answers or not.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) -> Result<(), Error> {
        let registration = self.registrations.get_mut(&id).ok_or(Error::Unknown)?;
        registration.unregister(now, &mut self.stack, false);
        self.settle_registration(id);
        Ok(())
    }

    /// As [`Self::unregister`], and takes every other device of the same user along (`Contact: *`, RFC 3261 §10.2.2).
    pub fn unregister_all(&mut self, now: Instant, id: RegistrationId) -> Result<(), Error> {
        let registration = self.registrations.get_mut(&id).ok_or(Error::Unknown)?;
        registration.unregister(now, &mut self.stack, true);
        self.settle_registration(id);
        Ok(())
    }

    /// Calls. How it goes on is told by [`Event::Progress`], [`Event::Answered`] and [`Event::Ended`].
    ///
    /// # Errors
    /// [`Error::Header`] for a header that is not the application's to set, [`Error::Full`] beyond [`Limits`].
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<SessionId, Error> {
        // Replaces is required by who sends it (RFC 3891 §4).
        check_headers(&invite.headers, &[HeaderName::Require])?;
        if self.sessions.len() >= self.stack.limits.sessions || self.stack.is_full() {
            return Err(Error::Full);
        }
        let id = SessionId(self.next_id());
        let session = Session::call(now, &mut self.stack, id, invite);
        self.insert_session(session);
        Ok(id)
    }

    /// 180, 181, 182 or 183 on an incoming session; a body makes it early media.
    pub fn progress(&mut self, now: Instant, session: SessionId, status: u16, body: Vec<u8>) -> Result<(), Error> {
        self.with_session(session, |session, stack| session.progress(now, stack, status, body))
    }

    /// 200 with our SDP on an incoming session; retransmitted until ACK (RFC 3261 §13.3.1.4).
    pub fn answer(&mut self, now: Instant, session: SessionId, body: Vec<u8>, headers: Headers) -> Result<(), Error> {
        check_headers(&headers, &[])?;
        self.with_session(session, |session, stack| session.answer(now, stack, body, headers))?;
        self.replace(now, session);
        Ok(())
    }

    /// A final refusal of an incoming session (300..=699). A redirection may name its targets in Contact headers.
    pub fn reject(&mut self, now: Instant, session: SessionId, status: u16, headers: Headers) -> Result<(), Error> {
        check_headers(&headers, &[HeaderName::Contact])?;
        self.with_session(session, |session, stack| session.reject(now, stack, status, headers))
    }

    /// Ends a session whatever its state: CANCEL (once a provisional answer is there), BYE, or 603 to an INVITE that rings.
    pub fn hang_up(&mut self, now: Instant, session: SessionId) -> Result<(), Error> {
        self.with_session(session, |session, stack| {
            session.leave(now, stack, EndReason::Local, Headers::default());
            Ok(())
        })
    }

    /// As [`Self::hang_up`], with headers of the application in the BYE, or in the 603 that refuses; of them a CANCEL takes
    /// Reason only.
    ///
    /// # Errors
    /// [`Error::Header`] for a header that is not the application's to set; the session goes on then.
    pub fn hang_up_with(&mut self, now: Instant, session: SessionId, headers: Headers) -> Result<(), Error> {
        check_headers(&headers, &[])?;
        self.with_session(session, |session, stack| {
            session.farewell = headers;
            session.leave(now, stack, EndReason::Local, Headers::default());
            Ok(())
        })
    }

    /// As [`Self::hang_up`], and tells the peer why by a Reason header (RFC 3326): `cause` is a SIP status, as 200 with
    /// "Call completed elsewhere" for the agents of a group whose colleague was faster.
    pub fn hang_up_because(&mut self, now: Instant, session: SessionId, cause: u16, text: &str) -> Result<(), Error> {
        let reason = format!("SIP;cause={cause};text={}", quote(text));
        self.with_session(session, |session, stack| {
            session.farewell.set(HeaderName::Reason, reason);
            session.leave(now, stack, EndReason::Local, Headers::default());
            Ok(())
        })
    }

    /// A re-INVITE with a new offer; 491 is retried after its random delay (RFC 3261 §14.1). While the ACK to our 2xx is
    /// still on its way the offer waits for it.
    pub fn reoffer(&mut self, now: Instant, session: SessionId, offer: Vec<u8>) -> Result<(), Error> {
        self.with_session(session, |session, stack| session.reoffer(now, stack, offer))
    }

    /// 200 to the peer's re-INVITE or UPDATE: the answer to [`Event::Reoffered`], or our offer if that was empty (the
    /// answer then comes with [`Event::Confirmed`]).
    pub fn accept_reoffer(&mut self, now: Instant, session: SessionId, body: Vec<u8>) -> Result<(), Error> {
        self.with_session(session, |session, stack| session.accept_reoffer(now, stack, body))
    }

    /// A refusal (300..=699, usually 488) of the peer's re-INVITE or UPDATE: the session stands as it was.
    pub fn refuse_reoffer(&mut self, now: Instant, session: SessionId, status: u16) -> Result<(), Error> {
        self.with_session(session, |session, stack| session.refuse_reoffer(now, stack, status))
    }

    /// Gives a session a new flow (after a changed address or a broken connection): all later requests go along it with
    /// its Contact. Re-INVITE with the unchanged offer by [`Self::reoffer`] to tell the peer.
    pub fn move_session(&mut self, now: Instant, session: SessionId, flow: Flow) -> Result<(), Error> {
        self.with_session(session, |session, stack| {
            session.move_to(now, stack, flow);
            Ok(())
        })
    }

    /// Moves all sessions of one flow to another, as [`Self::move_session`] does with one, and sends what sessions that
    /// have ended for the application still had to say: a BYE that found no flow is kept for five minutes. The sessions
    /// that live are returned, to be told the peer by [`Self::reoffer`].
    pub fn move_flow(&mut self, now: Instant, old: FlowId, flow: Flow) -> Vec<SessionId> {
        let moved = self.sessions.iter().filter(|(_, session)| session.path.uses(old)).map(|(&id, _)| id);
        let mut live = Vec::new();
        for id in moved.collect::<Vec<_>>() {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            session.move_to(now, &mut self.stack, flow);
            if !session.has_ended() {
                live.push(id);
            }
            self.settle_session(id);
        }
        live
    }

    /// Gives sessions that have ended, and lost their flow before they could say so, this one.
    fn release_farewells(&mut self, now: Instant, flow: Flow, are_meant: impl Fn(&Session) -> bool) {
        let waiting = self.sessions.iter().filter(|(_, session)| session.is_stranded() && are_meant(session));
        for id in waiting.map(|(&id, _)| id).collect::<Vec<_>>() {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.move_to(now, &mut self.stack, flow);
            }
            self.settle_session(id);
        }
    }

    /// An INFO inside the session (RFC 6086 legacy usage: `application/dtmf-relay` and the like).
    pub fn info(&mut self, now: Instant, session: SessionId, content_type: &str, body: Vec<u8>) -> Result<(), Error> {
        self.info_with(now, session, content_type, body, Headers::default())
    }

    /// As [`Self::info`], with headers of the application. At most 128 wait for the answers to those before them.
    ///
    /// # Errors
    /// [`Error::Header`] for a header that is not the application's to set, [`Error::Full`] beyond what may wait.
    pub fn info_with(
        &mut self,
        now: Instant,
        session: SessionId,
        content_type: &str,
        body: Vec<u8>,
        headers: Headers,
    ) -> Result<(), Error> {
        if content_type.contains(|c: char| c.is_control()) {
            return Err(Error::Header("Content-Type".into()));
        }
        check_headers(&headers, &[])?;
        let matter = Matter::Other { content_type: content_type.into(), body, headers };
        self.with_session(session, |session, stack| session.inform(now, stack, std::iter::once(matter)))
    }

    /// Digits by INFO, one after another. A peer that refuses the first one leads to [`Event::DigitsRefused`].
    ///
    /// # Errors
    /// [`Error::WrongState`] for anything but `0`–`9`, `*`, `#` and `A`–`D`, [`Error::Full`] beyond 128 that wait.
    pub fn send_digits(&mut self, now: Instant, session: SessionId, digits: &str, form: DtmfForm) -> Result<(), Error> {
        let digits: Vec<char> = digits.chars().map(|digit| digit.to_ascii_uppercase()).collect();
        if !digits.iter().all(|digit| "0123456789*#ABCD".contains(*digit)) {
            return Err(Error::WrongState("asked for what is no digit"));
        }
        let matters = digits.into_iter().map(|digit| Matter::Digit(Pii::new(digit), form));
        self.with_session(session, |session, stack| session.inform(now, stack, matters))
    }

    /// Answers an [`Event::Request`], at most 64·T1 after it came; Via, From, To, Call-ID and CSeq are filled in by the user agent.
    pub fn respond(&mut self, now: Instant, id: RequestId, response: Response) -> Result<(), Error> {
        for header in response.headers.iter() {
            check_line_breaks(header)?;
        }
        if self.stack.respond(now, TransactionId(id.0), response).is_none() {
            return Err(Error::Unknown);
        }
        Ok(())
    }

    /// The peer address learned for a session, for diagnostics.
    pub fn session_peer(&self, session: SessionId) -> Option<SocketAddr> {
        self.sessions.get(&session).map(|session| session.path.peer())
    }

    /// Live sessions, transactions and registrations: (sessions, transactions, registrations).
    pub fn load(&self) -> (usize, usize, usize) {
        (self.sessions.len(), self.stack.transactions.len(), self.registrations.len())
    }

    /// Whether no table, index or agenda holds anything: nothing leaks.
    #[cfg(test)]
    pub(crate) fn holds_nothing(&self) -> bool {
        self.load() == (0, 0, 0)
            && self.by_tag.is_empty()
            && self.session_agenda.is_empty()
            && self.registration_agenda.is_empty()
            && self.stack.reach.is_empty()
            && self.stack.transactions.holds_nothing()
            && self.stack.watched.is_empty()
            && self.stack.news.is_empty()
            && self.usages.holds_nothing()
            && self.replacing.is_empty()
    }

    /// Whether every table, index and agenda agrees with the others.
    #[cfg(test)]
    pub(crate) fn assert_sound(&self) {
        self.stack.transactions.assert_sound();
        let mut waiting = 0;
        for (id, session) in &self.sessions {
            assert_eq!(self.by_tag.get(&session.local_tag), Some(id));
            let next = session.next_timeout();
            assert!(self.session_agenda.holds(*id, session.appointment, next), "{id:?} {next:?}");
            waiting += usize::from(next.is_some());
        }
        assert_eq!(self.session_agenda.len(), waiting);
        assert_eq!(self.by_tag.len(), self.sessions.len());
        let mut waiting = 0;
        for (id, registration) in &self.registrations {
            let next = registration.next_timeout();
            assert!(self.registration_agenda.holds(*id, registration.appointment, next), "{id:?} {next:?}");
            waiting += usize::from(next.is_some());
        }
        assert_eq!(self.registration_agenda.len(), waiting);
    }

    fn with_session<T>(
        &mut self,
        id: SessionId,
        change: impl FnOnce(&mut Session, &mut Stack) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let session = self.sessions.get_mut(&id).filter(|session| !session.has_ended()).ok_or(Error::Unknown)?;
        let result = change(session, &mut self.stack);
        self.settle_session(id);
        result
    }

    fn insert_session(&mut self, session: Session) {
        let id = session.id;
        self.by_tag.insert(session.local_tag.clone(), id);
        self.sessions.insert(id, session);
        self.settle_session(id);
    }

    /// After every change of a session: removes it, or notes when it wants to be woken.
    fn settle_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.is_gone() {
            self.session_agenda.strike(id, session.appointment);
            self.by_tag.remove(&session.local_tag);
            self.sessions.remove(&id);
            self.replacing.remove(&id);
        } else {
            let next = session.next_timeout();
            self.session_agenda.set(id, &mut session.appointment, next);
        }
        self.spread_news();
    }

    /// The registration that a request along a flow is for: of several on one flow the one of that user.
    fn account_of(&self, flow: FlowId, user: &str) -> Option<&Registration> {
        let on_flow = || self.registrations.values().filter(|registration| registration.path.uses(flow));
        on_flow().find(|registration| registration.is_for(user)).or_else(|| on_flow().next())
    }

    fn settle_registration(&mut self, id: RegistrationId) {
        let Some(registration) = self.registrations.get_mut(&id) else { return };
        if registration.is_gone() {
            self.registration_agenda.strike(id, registration.appointment);
            self.stack.reach.forget(id);
            self.registrations.remove(&id);
        } else {
            let next = registration.next_timeout();
            self.registration_agenda.set(id, &mut registration.appointment, next);
        }
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

/// What the application may add to a message: beyond, no peer would take it.
const MAX_OWN_HEADERS: usize = 64;
const MAX_OWN_BYTES: usize = 8 * 1024;

/// The application may set no header that the protocol owns, nor smuggle one in behind a line break.
pub(crate) fn check_headers(headers: &Headers, allowed: &[HeaderName]) -> Result<(), Error> {
    let mut bytes = 0;
    for (index, header) in headers.iter().enumerate() {
        bytes += header.name.len() + header.value.len();
        if index >= MAX_OWN_HEADERS || bytes > MAX_OWN_BYTES {
            return Err(Error::Header(header.name.to_owned()));
        }
        if header.known.is_some_and(|name| name.is_protocol() && !allowed.contains(&name)) {
            return Err(Error::Header(header.name.to_owned()));
        }
        check_line_breaks(header)?;
    }
    Ok(())
}

fn check_line_breaks(header: Header<'_>) -> Result<(), Error> {
    if !is_token(header.name) || header.value.contains(['\r', '\n', '\0']) {
        return Err(Error::Header(header.name.to_owned()));
    }
    Ok(())
}
