//! One call as the agent sees it.

use crate::account::DtmfMode;
use crate::clock::Now;
use crate::media::{Codec, MediaId, SendSource};
use crate::pii::Pii;
use crate::sdp::Negotiated;
use crate::sip::SessionId;
use crate::sip::user_agent::EndReason;

/// Unique over the program's life and its restarts: made from the calendar time of the call's begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

impl std::fmt::Display for CallId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for CallId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// One account with its registration. The agent's own is [`LineId::OWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LineId(pub u32);

impl LineId {
    /// The line of the agent: its registration is that of the agent's state.
    pub const OWN: Self = Self(1);
}

impl std::fmt::Display for LineId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::str::FromStr for LineId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
    /// With another agent of the same centre.
    Internal,
}

/// Our own hold. (The peer's is in the negotiated direction.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    Active,
    Held,
}

#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// Outgoing: waiting for the media's socket.
    Preparing,
    /// Outgoing: INVITE sent.
    Dialing,
    /// Outgoing: the far phone rings, or sends early media.
    Alerting,
    /// Incoming: waiting for the agent. Holds the peer's offer (empty: the peer wants ours).
    Ringing {
        offer: Pii<Vec<u8>>,
    },
    /// Incoming: the agent has answered before the media's socket was there.
    Answering {
        offer: Pii<Vec<u8>>,
    },
    /// The call stands.
    Established {
        hold: Hold,
        change: Change,
    },
    Ended(End),
}

/// A re-INVITE of ours that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    None,
    Holding,
    Retrieving,
}

/// How the call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    pub cause: EndCause,
    /// The SIP status, where there is one.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndCause {
    HungUp,
    PeerHungUp,
    Cancelled,
    Missed,
    AnsweredElsewhere,
    Declined,
    NotReady,
    Busy,
    NoAnswer,
    NotFound,
    Rejected,
    Forbidden,
    Unavailable,
    NotAcceptable,
    ServerError,
    TimedOut,
    Unreachable,
    MediaFailed,
    /// We transferred it.
    Transferred,
    /// Another call has taken its place (RFC 3891).
    Replaced,
    /// The way to the server was gone for too long.
    ConnectionLost,
    Failed,
}

impl EndCause {
    /// The word under which records and events know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hung_up",
            Self::PeerHungUp => "peer_hung_up",
            Self::Cancelled => "cancelled",
            Self::Missed => "missed",
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::Declined => "declined",
            Self::NotReady => "not_ready",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::NotFound => "not_found",
            Self::Rejected => "rejected",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::NotAcceptable => "not_acceptable",
            Self::ServerError => "server_error",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::MediaFailed => "media_failed",
            Self::Transferred => "transferred",
            Self::Replaced => "replaced",
            Self::ConnectionLost => "connection_lost",
            Self::Failed => "failed",
        }
    }
}

/// A call leg with its media.
#[derive(Debug, Clone)]
pub struct Call {
    pub id: CallId,
    pub line: LineId,
    /// The SIP session; none before INVITE is sent.
    pub session: Option<SessionId>,
    pub direction: Direction,
    /// The far side as it is shown and called back.
    pub number: Pii<String>,
    pub name: Option<Pii<String>>,
    pub state: State,
    /// Since when the state holds.
    pub since: Now,
    pub started: Now,
    pub answered: Option<Now>,
    pub ended: Option<Now>,
    /// DTMF digits sent.
    pub dtmf: Pii<String>,
    pub media: Option<Media>,
    /// The way of digits that the far side takes, where it is not the account's.
    pub dtmf_way: Option<DtmfMode>,
    /// Whom we call, on an outgoing call.
    pub target: Option<Pii<crate::sip::Uri>>,
    /// The application's headers for our INVITE.
    pub invite_headers: crate::sip::Headers,
    /// The microphone is closed to this call.
    pub muted: bool,
    /// It came while another call was in progress.
    pub waiting: bool,
    /// What hold is to be, as soon as the re-INVITE that is under way is over.
    pub hold_next: Option<Hold>,
    /// Since when the way to the server is lost; the call goes on without signalling meanwhile.
    pub reconnecting: Option<Now>,
    /// The socket to which its media move, while it is being opened.
    pub next_media: Option<MediaId>,
    /// `o=` of the description before it has a socket: of an earlier run of the program.
    pub description: (u64, u64),
    /// What is kept of it for the time after a crash.
    pub kept: Option<Box<crate::workbench::recovery::Kept>>,
    /// It was found again after the program had ended unexpectedly.
    pub recovered: bool,
    /// What an INVITE told about its caller beside From.
    pub caller: Caller,
    /// Headers of the INVITE that are not SIP's own.
    pub headers: Vec<Field>,
    /// Who sent the caller to us (RFC 3892).
    pub referred_by: Option<Pii<String>>,
    pub transfer: Option<Transfer>,
    /// The call for whose transfer this one consults.
    pub consults: Option<CallId>,
    /// The far side of another call has sent us here.
    pub follows: Option<Follows>,
    /// Whether the far side takes REFER, as far as it has told.
    pub takes_refer: Option<bool>,
}

/// Why a call is made that the agent has not dialled: the far side of another one has asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follows {
    pub referral: crate::sip::user_agent::ReferralId,
    /// The call whose far side asked; it ends as soon as this one stands.
    pub call: CallId,
}

/// A header as the application sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub value: Pii<String>,
}

/// What an INVITE tells about its caller beside From. Numbers are as they are shown and called back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// P-Asserted-Identity (RFC 3325), of our own server only.
    pub asserted: Option<Pii<String>>,
    pub remote_party: Option<Pii<String>>,
    /// The caller wishes not to be shown.
    pub anonymous: bool,
    /// The last diversion first (RFC 5806).
    pub diversions: Vec<Diversion>,
    /// In order (RFC 7044).
    pub history: Vec<Diversion>,
    pub call_info: Vec<Pii<String>>,
    pub alert_info: Vec<Pii<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    pub number: Pii<String>,
    pub reason: Option<String>,
}

/// Our transfer of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub state: TransferState,
    /// To whom, as it is shown.
    pub to: Pii<String>,
    /// The SIP status that the far side told last.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransferState {
    /// REFER is on its way.
    Requested,
    /// The far side calls the target.
    Accepted,
    /// The target's phone rings.
    Ringing,
    /// The target has answered.
    Succeeded,
    /// The call is still ours.
    Failed,
}

/// The media of a call: where we receive, and what is agreed.
#[derive(Debug, Clone)]
pub struct Media {
    pub id: MediaId,
    pub address: std::net::SocketAddr,
    /// `o=` session id and the version last sent.
    pub session_id: u64,
    pub version: u64,
    pub negotiated: Option<Negotiated>,
}

impl Call {
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established { .. })
    }

    /// It can go on only when the media's socket is there.
    pub fn waits_for_socket(&self) -> bool {
        self.media.is_none() && matches!(self.state, State::Preparing | State::Answering { .. })
    }

    /// We dialled it, be it internal or not.
    pub fn is_outgoing(&self) -> bool {
        self.target.is_some()
    }

    pub fn hold(&self) -> Hold {
        match self.state {
            State::Established { hold, .. } => hold,
            _ => Hold::Active,
        }
    }

    pub fn codec(&self) -> Option<Codec> {
        self.media.as_ref()?.negotiated.as_ref().map(|negotiated| negotiated.codec)
    }

    /// The peer hears nothing of us by its own wish.
    pub fn held_by_peer(&self) -> bool {
        self.is_established()
            && self
                .media
                .as_ref()
                .and_then(|media| media.negotiated.as_ref())
                .is_some_and(|negotiated| !negotiated.direction.sends())
    }

    /// It stands, and microphone and ear are its own. At most one call at a time.
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Established { hold: Hold::Active, change: Change::None | Change::Retrieving })
            && self.hold_next != Some(Hold::Held)
    }

    /// What goes out in the microphone's place: music while we hold, silence until the call stands.
    pub fn send_source(&self) -> SendSource {
        match self.state {
            State::Established { .. } if self.is_active() => SendSource::Microphone,
            State::Established { .. } => SendSource::HoldMusic,
            _ => SendSource::Silence,
        }
    }

    /// How much of the agent's attention the call has; of several, the greatest decides the agent's state and which one a
    /// command without a name means.
    pub fn rank(&self) -> u8 {
        match self.state {
            State::Established { .. } if self.is_active() => 4,
            State::Preparing | State::Dialing | State::Alerting | State::Answering { .. } => 3,
            State::Established { .. } => 2,
            State::Ringing { .. } => 1,
            State::Ended(_) => 0,
        }
    }

    /// Digits have been sent. Only the newest are kept: a call may last all day.
    pub fn note_digits(&mut self, digits: &str) {
        let mut sent = std::mem::take(&mut self.dtmf).into_inner();
        sent.push_str(digits);
        // They are of one byte each.
        let surplus = sent.len().saturating_sub(Self::DIGITS_KEPT);
        self.dtmf = Pii::new(sent.split_off(surplus));
    }

    const DIGITS_KEPT: usize = 256;

    pub fn enter(&mut self, now: Now, state: State) {
        self.state = state;
        self.since = now;
    }

    /// The cause of an end, from the SIP reason and how far the call had come.
    pub fn end_for(&self, reason: &EndReason) -> End {
        let outgoing = matches!(self.state, State::Preparing | State::Dialing | State::Alerting);
        let cause = match reason {
            EndReason::Local if self.is_established() => EndCause::HungUp,
            EndReason::Local if outgoing => EndCause::Cancelled,
            EndReason::Local => EndCause::Declined,
            EndReason::Remote { .. } if self.is_established() => EndCause::PeerHungUp,
            // RFC 3326 §2: Reason of a CANCEL: SIP;cause=200 "Call completed elsewhere"
            EndReason::Remote { cause: Some(200) } => EndCause::AnsweredElsewhere,
            EndReason::Remote { .. } => EndCause::Missed,
            EndReason::TimedOut => EndCause::TimedOut,
            EndReason::Replaced { .. } => EndCause::Replaced,
            // The caller was lost with the connection: to be called back like any call that was missed.
            EndReason::Unreachable if !outgoing && !self.is_established() => EndCause::Missed,
            EndReason::Unreachable => EndCause::Unreachable,
            // The far side does not know the call any more: its BYE was lost.
            EndReason::Rejected { status: 481, .. } if self.is_established() => EndCause::PeerHungUp,
            EndReason::Rejected { status, .. } => self.cause_of_refusal(*status),
        };
        let status = match reason {
            EndReason::Rejected { status, .. } => Some(*status),
            EndReason::Remote { cause } => *cause,
            EndReason::Local | EndReason::TimedOut | EndReason::Unreachable | EndReason::Replaced { .. } => None,
        };
        End { cause, status }
    }

    fn cause_of_refusal(&self, status: u16) -> EndCause {
        use rsip::StatusCode as Status;
        let rung = self.state == State::Alerting;
        match Status::from(status) {
            Status::BusyHere | Status::BusyEverywhere => EndCause::Busy,
            // The far phone has rung: nobody came. It never rang: it cannot be reached.
            Status::RequestTimeout | Status::TemporarilyUnavailable if rung => EndCause::NoAnswer,
            Status::RequestTimeout | Status::ServerTimeOut => EndCause::TimedOut,
            // 430 is Flow Failed (RFC 5626 §11.5).
            Status::TemporarilyUnavailable | Status::Gone | Status::Other(430, _) => EndCause::Unavailable,
            Status::NotFound | Status::AddressIncomplete | Status::Ambiguous | Status::DoesNotExistAnywhere => {
                EndCause::NotFound
            }
            // 608 is Rejected (RFC 8688), by somebody on the way.
            Status::Decline | Status::Unwanted | Status::Other(608, _) => EndCause::Rejected,
            Status::Unauthorized | Status::Forbidden | Status::ProxyAuthenticationRequired => EndCause::Forbidden,
            Status::NotAcceptable
            | Status::UnsupportedMediaType
            | Status::NotAcceptableHere
            | Status::NotAcceptableGlobal => EndCause::NotAcceptable,
            Status::RequestTerminated => EndCause::Cancelled,
            _ if (500..=599).contains(&status) => EndCause::ServerError,
            _ => EndCause::Failed,
        }
    }
}
