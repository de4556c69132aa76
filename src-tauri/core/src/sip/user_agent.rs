//! The user agent: registrations as a client, INVITE sessions in both roles, and the remaining requests handed to the
//! application. The desktop uses it with one registrar, the embedded centre uses the same code as a server with many.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::{Headers, Request, Response};
use super::uri::{NameAddr, Uri};
use crate::flow::{Destination, Flow, FlowId};
use crate::pii::Pii;

/// One INVITE session (a call leg), from the first INVITE until it has ended and been forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// One binding at one registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationId(pub u64);

/// A request outside our INVITE sessions that waits for [`UserAgent::respond`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

#[derive(Debug, Clone)]
pub struct Config {
    /// `User-Agent` and `Server`.
    pub product: String,
    /// RFC 3261 T1, T2, T4; tests may shorten nothing: virtual time is free.
    pub timers: super::transaction::Timers,
    /// Extension methods handed to the application as [`Event::Request`]; everything else unknown is answered 405.
    /// OPTIONS is answered by the user agent itself unless it stands here.
    pub application_methods: Vec<super::message::Method>,
}

#[derive(Debug, Clone)]
pub struct Credentials {
    /// The digest username.
    pub user: String,
    pub password: Pii<String>,
}

/// Who we are towards a registrar or peer.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Address of record with display name: From of what we send.
    pub aor: NameAddr,
    pub credentials: Option<Credentials>,
    /// Where requests go: the registrar's flow, which serves as the outbound proxy; or an address.
    pub destination: Destination,
    /// What we put into Via and Contact: transport and local address of that flow.
    pub flow: Flow,
    /// Preloaded Route set (may be empty).
    pub route: Vec<NameAddr>,
}

#[derive(Debug, Clone)]
pub struct Invite {
    pub identity: Identity,
    pub target: Uri,
    /// An SDP offer.
    pub offer: Vec<u8>,
    /// Further headers of the application (checked: no CR/LF, none of the protocol's own).
    pub headers: Headers,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// We sent BYE, CANCEL or a final refusal.
    Local,
    /// The peer sent BYE, or CANCEL before we answered; `cause` is the status of its Reason header (RFC 3326), as with
    /// 200 "Call completed elsewhere".
    Remote {
        cause: Option<u16>,
    },
    /// A final answer ≥ 300 to our INVITE.
    Rejected {
        status: u16,
        reason: String,
    },
    /// No answer at all (timer B), no ACK (timer H), or the flow broke before the dialog stood.
    TimedOut,
    Unreachable,
}

#[derive(Debug, Clone)]
pub enum Event {
    Registered {
        id: RegistrationId,
        expires: Duration,
    },
    /// `status` is `None` for a time-out or a broken flow. The user agent tries again by itself where that can help
    /// (`retry_in`); a refusal of the credentials is final (`retry_in: None`).
    RegistrationFailed {
        id: RegistrationId,
        status: Option<u16>,
        reason: String,
        retry_in: Option<Duration>,
    },
    Unregistered {
        id: RegistrationId,
    },

    /// A new INVITE with its flow. 100 has been sent. `offer` is empty for an offerless INVITE.
    Incoming {
        session: SessionId,
        request: Box<Request>,
        flow: Flow,
        offer: Vec<u8>,
    },
    /// 1xx above 100 to our INVITE; a non-empty body is an early answer.
    Progress {
        session: SessionId,
        status: u16,
        body: Vec<u8>,
    },
    /// 2xx to our INVITE; ACK has been sent. `headers` of the 2xx for the application.
    Answered {
        session: SessionId,
        body: Vec<u8>,
        headers: Headers,
    },
    /// The ACK to our 2xx; its body answers the offer in our 2xx when the INVITE had none.
    Confirmed {
        session: SessionId,
        body: Vec<u8>,
    },
    /// A re-INVITE (or UPDATE with SDP); answer it by [`UserAgent::accept_reoffer`] or [`UserAgent::refuse_reoffer`].
    /// `offer` is empty when the peer asks for our offer.
    Reoffered {
        session: SessionId,
        offer: Vec<u8>,
    },
    /// 2xx to our re-INVITE.
    ReofferAnswered {
        session: SessionId,
        body: Vec<u8>,
    },
    /// Our re-INVITE failed and the session stands unchanged (488, 491 after its retries …).
    ReofferFailed {
        session: SessionId,
        status: u16,
    },
    /// An INFO inside the session; it has been answered 200.
    Info {
        session: SessionId,
        content_type: String,
        body: Vec<u8>,
    },
    /// Our INFO was refused (405, 415, …; 408 for no answer): send digits another way. The session stands.
    InfoFailed {
        session: SessionId,
        status: u16,
    },
    /// Exactly once for every session, as soon as its end is certain for the application: [`UserAgent::hang_up`] yields
    /// it at once, while CANCEL or BYE still go their way.
    Ended {
        session: SessionId,
        reason: EndReason,
    },

    /// Any other request: REGISTER at a server, MESSAGE, … Answer it by [`UserAgent::respond`].
    Request {
        id: RequestId,
        request: Box<Request>,
        flow: Flow,
    },
    /// Something that counts but needs no reaction: for metrics.
    Dropped {
        why: &'static str,
    },
}

#[derive(Debug, Clone)]
pub enum Output {
    Transmit { destination: Destination, bytes: Vec<u8> },
    Event(Event),
}

/// What the application asked for cannot be done now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("there is no such session or registration any more")]
    Unknown,
    #[error("the session is {0}: that is not possible now")]
    WrongState(&'static str),
    #[error("header {0:?} may not be set by the application, or holds a line break")]
    Header(String),
    #[error("too many sessions or transactions")]
    Full,
}

pub struct UserAgent {}

#[allow(unused_variables, clippy::todo)]
impl UserAgent {
    /// `seed` feeds the generator of tags, branches, Call-IDs and cnonces: 32 bytes of the system's randomness.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        todo!()
    }

    /// One datagram, or one message framed from a stream (see [`super::wire::StreamFramer`]), or one WebSocket message.
    pub fn handle_received(&mut self, now: Instant, flow: &Flow, bytes: &[u8]) {
        todo!()
    }

    /// The flow is gone: transactions on it fail as by a transport error (RFC 3261 §8.1.3.1, §17.1.4), registrations on
    /// it are reported failed, confirmed sessions stay (the application gives them a new flow or ends them).
    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        todo!()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        todo!()
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }

    /// Registers and keeps registered (refresh before expiry, digest, 423, retry with back-off). `expires` is what we ask for.
    pub fn register(&mut self, now: Instant, identity: Identity, registrar: Uri, expires: Duration) -> RegistrationId {
        todo!()
    }

    /// A new flow for a registration (after [`Event::RegistrationFailed`] or a changed address): registers at once.
    pub fn move_registration(&mut self, now: Instant, id: RegistrationId, flow: Flow) -> Result<(), Error> {
        todo!()
    }

    /// Removes the binding (Expires 0); ends with [`Event::Unregistered`] whether the server answers or not.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) -> Result<(), Error> {
        todo!()
    }

    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<SessionId, Error> {
        todo!()
    }

    /// 180, 181, 182 or 183 on an incoming session; a body makes it early media.
    pub fn progress(&mut self, now: Instant, session: SessionId, status: u16, body: Vec<u8>) -> Result<(), Error> {
        todo!()
    }

    /// 200 with our SDP on an incoming session; retransmitted until ACK (RFC 3261 §13.3.1.4).
    pub fn answer(&mut self, now: Instant, session: SessionId, body: Vec<u8>, headers: Headers) -> Result<(), Error> {
        todo!()
    }

    /// A final refusal of an incoming session (300..=699).
    pub fn reject(&mut self, now: Instant, session: SessionId, status: u16, headers: Headers) -> Result<(), Error> {
        todo!()
    }

    /// Ends a session whatever its state: CANCEL (once a provisional answer is there), BYE, or 603 to an INVITE that rings.
    pub fn hang_up(&mut self, now: Instant, session: SessionId) -> Result<(), Error> {
        todo!()
    }

    /// A re-INVITE with a new offer; 491 is retried after its random delay (RFC 3261 §14.1).
    pub fn reoffer(&mut self, now: Instant, session: SessionId, offer: Vec<u8>) -> Result<(), Error> {
        todo!()
    }

    pub fn accept_reoffer(&mut self, now: Instant, session: SessionId, body: Vec<u8>) -> Result<(), Error> {
        todo!()
    }

    pub fn refuse_reoffer(&mut self, now: Instant, session: SessionId, status: u16) -> Result<(), Error> {
        todo!()
    }

    /// Gives a session a new flow (after a changed address or a broken connection): all later requests go along it with
    /// its Contact. Re-INVITE with the unchanged offer by [`Self::reoffer`] to tell the peer.
    pub fn move_session(&mut self, now: Instant, session: SessionId, flow: Flow) -> Result<(), Error> {
        todo!()
    }

    /// An INFO inside the session (RFC 6086 legacy usage: `application/dtmf-relay` and the like).
    pub fn info(&mut self, now: Instant, session: SessionId, content_type: &str, body: Vec<u8>) -> Result<(), Error> {
        todo!()
    }

    /// Answers an [`Event::Request`]; Via, From, To, Call-ID and CSeq are filled in by the user agent.
    pub fn respond(&mut self, now: Instant, id: RequestId, response: Response) -> Result<(), Error> {
        todo!()
    }

    /// The peer address learned for a session, for diagnostics.
    pub fn session_peer(&self, session: SessionId) -> Option<SocketAddr> {
        todo!()
    }

    /// Live sessions, transactions and registrations: (sessions, transactions, registrations).
    pub fn load(&self) -> (usize, usize, usize) {
        todo!()
    }
}
