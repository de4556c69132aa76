//! Calls as a front end shows them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Call {
    pub id: String,
    /// The line that it came by or goes by.
    pub line: String,
    pub direction: CallDirection,
    /// The far side's number or address, as it is shown and called back.
    pub number: String,
    pub name: Option<String>,
    pub state: CallState,
    pub since_ms: i64,
    pub started_ms: i64,
    pub answered_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    /// The peer has put us on hold.
    pub held_by_peer: bool,
    pub muted: bool,
    /// `opus`, `PCMA`, `PCMU`.
    pub codec: Option<String>,
    /// The DTMF digits sent so far.
    pub dtmf: String,
    pub end: Option<CallEnd>,
    /// It came while another call was in progress.
    pub waiting: bool,
    /// The connection to the server is lost; the call goes on meanwhile.
    pub reconnecting: bool,
    /// It was found again after the program had ended unexpectedly.
    pub recovered: bool,
    /// What the server tells about the caller beyond From.
    pub caller: Caller,
    /// Headers of the INVITE that belong to the application: `X-…` and whatever SIP does not know.
    pub headers: Vec<Header>,
    /// Who sent the caller to us (Referred-By).
    pub referred_by: Option<String>,
    /// The transfer of this call, while it is under way and after.
    pub transfer: Option<CallTransfer>,
    /// The held call for whose transfer this one consults.
    pub consults: Option<String>,
    /// The call commands that are legal now.
    pub allowed: Vec<CallAction>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("state", &self.state)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    Inbound,
    Outbound,
    /// With another agent of the same centre.
    Internal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Incoming, not answered.
    Ringing,
    /// Outgoing, the far phone does not ring yet.
    Dialing,
    /// Outgoing, the far phone rings or plays early media.
    Alerting,
    /// Answered here, the connection is being made.
    Answering,
    Talking,
    /// On hold by us.
    Held,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum CallAction {
    Answer,
    Hangup,
    Hold,
    Retrieve,
    Mute,
    Dtmf,
    /// Blind transfer.
    Transfer,
    Consult,
    /// Connect the two: on the consulting call and on the one held for it.
    CompleteTransfer,
    CancelConsult,
    /// Exchange the held and the active call.
    Swap,
    Info,
}

/// A header that is not the protocol's own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// Headers carry customers' data: only the name is shown.
impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an INVITE tells about its caller beside From. Numbers are as they are shown and called back.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Caller {
    /// P-Asserted-Identity (RFC 3325), believed from our own server only.
    pub asserted: Option<String>,
    /// Remote-Party-ID.
    pub remote_party: Option<String>,
    /// The caller wishes not to be shown (Privacy, or an anonymous From).
    pub anonymous: bool,
    /// Diversion (RFC 5806), the last diversion first.
    pub diversions: Vec<Diversion>,
    /// History-Info (RFC 7044), in order.
    pub history: Vec<Diversion>,
    /// Values of Call-Info.
    pub call_info: Vec<String>,
    /// Values of Alert-Info.
    pub alert_info: Vec<String>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("anonymous", &self.anonymous).finish_non_exhaustive()
    }
}

/// Where a call was before it came here, and why it went on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Diversion {
    pub number: String,
    /// `user-busy`, `no-answer`, `unconditional`, … of Diversion; of History-Info the cause, a SIP status.
    pub reason: Option<String>,
}

impl std::fmt::Debug for Diversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Diversion").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// The transfer of a call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallTransfer {
    pub state: TransferState,
    /// To whom, as it is shown.
    pub to: String,
    /// The SIP status that the far side told last.
    pub status: Option<u16>,
}

impl std::fmt::Debug for CallTransfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallTransfer").field("state", &self.state).field("status", &self.status).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TransferState {
    /// Asked for; the far side has not answered yet.
    Requested,
    /// The far side has taken it on and calls the target.
    Accepted,
    /// The target's phone rings.
    Ringing,
    /// The target has answered: the transfer is done.
    Succeeded,
    /// Refused, or the target was not reached: the call is still ours.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct CallEnd {
    pub cause: EndCause,
    /// The SIP status, where there is one.
    pub status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// We hung up a call that stood.
    HungUp,
    /// The far side hung up a call that stood.
    PeerHungUp,
    /// We gave up before an answer.
    Cancelled,
    /// The caller gave up before we answered: a missed call.
    Missed,
    /// Another device answered it.
    AnsweredElsewhere,
    /// We declined it.
    Declined,
    /// It came while the agent was not ready.
    NotReady,
    Busy,
    NoAnswer,
    NotFound,
    /// The far side declined.
    Rejected,
    Forbidden,
    Unavailable,
    /// No codec in common.
    NotAcceptable,
    ServerError,
    /// No answer from the network at all.
    TimedOut,
    Unreachable,
    /// The media could not be set up here.
    MediaFailed,
    /// We transferred it.
    Transferred,
    /// Another call has taken its place (Replaces).
    Replaced,
    /// The connection to the server was lost for too long.
    ConnectionLost,
    /// Any other refusal.
    Failed,
}
