//! The words in which the application and the user agent speak to each other.

use std::time::Duration;

use super::referring::ReferralState;
use super::subscribing::SubscriptionPhase;
use crate::flow::{Destination, Flow};
use crate::pii::Pii;
use crate::sip::message::{Headers, Method, Request};
use crate::sip::refer::ReferTo;
use crate::sip::subscription::EventPackage;
use crate::sip::transaction::Timers;
use crate::sip::uri::{NameAddr, Uri};

/// One INVITE session (a call leg), from the first INVITE until it has ended and been forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// One binding at one registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationId(pub u64);

/// One early dialog of a call of ours: a callee that rings, or one of several behind a forking proxy (RFC 3261 §12.1).
/// Its number means something within its session only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ForkId(pub u32);

/// A request outside our INVITE sessions that waits for [`UserAgent::respond`](super::UserAgent::respond).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// One REFER, ours or a peer's, until its outcome is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferralId(pub u64);

/// One subscription of ours, through all its dialogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub u64);

/// Event state that a server keeps for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicationId(pub u64);

/// One MESSAGE of ours, until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub u64);

#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `User-Agent` and `Server`.
    pub product: String,
    /// RFC 3261 T1, T2, T4; tests may shorten nothing: virtual time is free.
    pub timers: Timers,
    /// Extension methods handed to the application as [`Event::Request`]; everything else unknown is answered 405.
    /// OPTIONS is answered by the user agent itself unless it stands here.
    pub application_methods: Vec<Method>,
    pub calls: CallRules,
}

/// How sessions behave where the RFCs leave it to us.
#[derive(Debug, Clone)]
pub struct CallRules {
    /// Session-Expires that we ask for (RFC 4028); `None`: no session timers. At least `min_session_expires`.
    pub session_expires: Option<Duration>,
    /// Our Min-SE: a shorter interval is refused with 422. At least 90 s (RFC 4028 §5).
    pub min_session_expires: Duration,
    /// When provisional answers of ours are sent reliably (RFC 3262).
    pub reliable: Reliable,
    /// What a 3xx to our INVITE leads to.
    pub redirects: Redirects,
    /// What follows when a request inside a dialog is not answered at all.
    pub silence: Silence,
}

impl Default for CallRules {
    fn default() -> Self {
        Self {
            session_expires: Some(Duration::from_secs(1800)),
            min_session_expires: Duration::from_secs(90),
            reliable: Reliable::Descriptions,
            redirects: Redirects::Reported,
            silence: Silence::Ends,
        }
    }
}

/// When provisional answers are sent reliably. Where the caller requires it they always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reliable {
    /// Only where it is required.
    Required,
    /// Those that carry a session description, where the caller supports it.
    Descriptions,
    /// All but 100, where the caller supports it.
    Supported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Up to five targets are tried, by their `q` (RFC 3261 §8.1.3.4); each is told by [`Event::Redirected`].
    Followed,
    /// The call ends with its status; the targets stand in Contact of [`Event::Ended`]'s headers.
    Reported,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// BYE, and the session ends (RFC 3261 §12.2.1.2, §14.1).
    Ends,
    /// The session stands: [`Event::ReofferFailed`] or [`Event::InfoFailed`] say 408, and the application decides. For
    /// those who let a call outlive a network that is gone for minutes.
    Reported,
}

/// How digits are written into an INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtmfForm {
    /// `application/dtmf-relay`: `Signal=5` and `Duration=160`.
    Relay,
    /// `application/dtmf`: the bare digit.
    Plain,
}

#[derive(Clone)]
pub struct Credentials {
    /// The digest username.
    pub user: String,
    pub password: Pii<String>,
}

/// Who we are towards a registrar or peer.
#[derive(Clone)]
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
    /// What names this program beyond its address, for registrations.
    pub outbound: Option<Outbound>,
}

/// Client-initiated connections (RFC 5626) and what stands on them (RFC 5627).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// `+sip.instance` without its brackets: `urn:uuid:…`, the same for as long as the program is installed.
    pub instance: Box<str>,
    /// Which of the flows of this instance: 1 for the only one. 1..=2³¹−1.
    pub reg_id: u32,
    /// Ask for a globally routable URI and use it in the Contact of dialogs. Only where the server is known to route
    /// requests to it: one that hands such URIs out and does not is deaf to the far side's BYE.
    pub gruu: bool,
}

#[derive(Clone)]
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
    Remote { cause: Option<u16> },
    /// A final answer ≥ 300 to our INVITE.
    Rejected { status: u16, reason: String },
    /// No answer at all to our INVITE or re-INVITE (Timer B), no ACK to our 2xx or no PRACK within 64·T1, or no refresh
    /// within the session's interval (RFC 4028).
    TimedOut,
    /// The flow broke before the dialog stood.
    Unreachable,
    /// Another session has taken its place (RFC 3891).
    Replaced { by: SessionId },
}

impl EndReason {
    /// As the status of an INVITE, for one who is told how the call went.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Local | Self::Remote { .. } | Self::Replaced { .. } => 487,
            Self::Rejected { status, .. } => *status,
            Self::TimedOut => 408,
            Self::Unreachable => 503,
        }
    }
}

#[derive(Clone)]
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
    /// The bindings of other devices under our address of record, whenever they have changed; empty once the last is gone.
    OtherBindings {
        id: RegistrationId,
        contacts: Vec<NameAddr>,
    },

    /// A new INVITE with its flow. 100 has been sent. `offer` is empty for an offerless INVITE. If it `replaces` another
    /// session (RFC 3891), that ends as soon as this one is answered, and not before.
    Incoming {
        session: SessionId,
        request: Box<Request>,
        flow: Flow,
        offer: Vec<u8>,
        replaces: Option<SessionId>,
    },
    /// 1xx above 100 to our INVITE, of one of its forks; a non-empty body is an early answer, and early media are that
    /// of the fork heard last. 199 says that this fork is over (RFC 6228).
    ///
    /// To an INVITE without an offer the body is the peer's offer: answer it by [`UserAgent::accept_reoffer`].
    Progress {
        session: SessionId,
        fork: ForkId,
        status: u16,
        body: Vec<u8>,
        headers: Headers,
    },
    /// 2xx to our INVITE, of the fork that won; the others are over. ACK has been sent. `body` is empty when the peer
    /// said all it had to say in an early answer.
    ///
    /// To an INVITE without an offer the body is the peer's offer: the ACK waits for [`UserAgent::accept_reoffer`].
    Answered {
        session: SessionId,
        fork: ForkId,
        body: Vec<u8>,
        headers: Headers,
    },
    /// A redirection that is being followed ([`Redirects::Followed`]): `target` is called now.
    Redirected {
        session: SessionId,
        status: u16,
        target: Uri,
    },
    /// The answer to the offer in a reliable provisional answer of ours: it came with PRACK.
    EarlyAnswer {
        session: SessionId,
        body: Vec<u8>,
    },
    /// The ACK to our 2xx; its body answers the offer in our 2xx when the INVITE had none. After a re-INVITE it comes
    /// only if that had no offer.
    Confirmed {
        session: SessionId,
        body: Vec<u8>,
    },
    /// A re-INVITE (or UPDATE with SDP); answer it by [`UserAgent::accept_reoffer`] or [`UserAgent::refuse_reoffer`].
    /// `offer` is empty when the peer asks for our offer. A peer that takes it back by CANCEL turns that answer into
    /// [`Error::WrongState`], and nothing else.
    Reoffered {
        session: SessionId,
        offer: Vec<u8>,
        headers: Headers,
    },
    /// An UPDATE without a description: it has been answered. Its headers may name the peer anew, as after a transfer.
    Updated {
        session: SessionId,
        headers: Headers,
    },
    /// 2xx to our re-INVITE or UPDATE, also to one that only refreshed the session. If we offered nothing the body is the
    /// peer's offer, and the ACK waits for [`UserAgent::accept_reoffer`].
    ReofferAnswered {
        session: SessionId,
        body: Vec<u8>,
        headers: Headers,
    },
    /// Our re-INVITE failed and the session stands unchanged (488, 491 after its retries …). Warning, Retry-After and the
    /// like are in the headers.
    ReofferFailed {
        session: SessionId,
        status: u16,
        headers: Headers,
    },
    /// An INFO inside the session, whatever its content; it has been answered 200.
    Info {
        session: SessionId,
        content_type: String,
        body: Vec<u8>,
        headers: Headers,
    },
    /// Our INFO was refused. The session stands.
    InfoFailed {
        session: SessionId,
        status: u16,
        headers: Headers,
    },
    /// The peer takes no digits by INFO, or not in this form (405, 415, …): `unsent` have to go another way. The session
    /// stands.
    DigitsRefused {
        session: SessionId,
        status: u16,
        unsent: Pii<String>,
    },
    /// Exactly once for every session, as soon as its end is certain for the application: [`UserAgent::hang_up`] yields
    /// it at once, while CANCEL or BYE still go their way.
    ///
    /// `headers` are those of the BYE, CANCEL or refusal that ended it: Reason (also Q.850, RFC 6432), Retry-After,
    /// Warning, Contact, Accept and whatever the peer added. Empty where no message did.
    Ended {
        session: SessionId,
        reason: EndReason,
        headers: Headers,
    },

    /// How a REFER of ours goes on; `session` is the one whose peer we asked, even if it has ended meanwhile.
    Referral {
        referral: ReferralId,
        session: Option<SessionId>,
        state: ReferralState,
    },
    /// The peer of an established session asks us to call somebody else. Answer by [`UserAgent::accept_referral`] or
    /// [`UserAgent::refuse_referral`], at once.
    Referred {
        referral: ReferralId,
        session: SessionId,
        refer_to: Box<ReferTo>,
        /// Who asks, as far as it says so itself (RFC 3892).
        referred_by: Option<NameAddr>,
        request: Box<Request>,
    },

    /// A MESSAGE, outside calls or inside one; it has been answered 200.
    Message {
        session: Option<SessionId>,
        request: Box<Request>,
        flow: Flow,
    },
    /// The final answer to a MESSAGE of ours: 2xx once it is delivered (202: taken on); 408 for no answer, 503 for a
    /// broken flow.
    MessageAnswered {
        message: MessageId,
        status: u16,
    },
    /// How a subscription stands, whenever that has changed.
    Subscription {
        subscription: SubscriptionId,
        phase: SubscriptionPhase,
    },
    /// What a notifier says. `subscription` is absent for a message-summary that our registrar sends unasked, as many do.
    Notified {
        subscription: Option<SubscriptionId>,
        package: EventPackage,
        /// Without parameters; empty where there is no body.
        content_type: String,
        body: Vec<u8>,
    },
    Published {
        publication: PublicationId,
        expires: Duration,
    },
    /// The user agent tries again by itself where that can help.
    PublicationFailed {
        publication: PublicationId,
        status: u16,
        retry_in: Option<Duration>,
    },
    Unpublished {
        publication: PublicationId,
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

#[derive(Clone)]
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
    #[error("header {0:?} may not be set by the application, holds a line break, or is one too many")]
    Header(String),
    #[error("the message is too large")]
    TooLarge,
    #[error("too many sessions or transactions")]
    Full,
}
