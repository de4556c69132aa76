//! The aggregate: the agent, the calls and the user agent, behind one `handle` and one `poll_output`.
//!
//! Everything that happens comes in by [`Workbench::handle`]; afterwards the caller drains [`Workbench::poll_output`] and
//! asks [`Workbench::poll_timeout`] when to come back. Nothing else has a say.

mod calls;
mod dtmf;
mod events;
mod holding;
mod incoming;
mod line;
mod media;
mod outside;
pub mod recovery;
mod sign_in;
mod sounds;
pub mod target;
#[cfg(test)]
mod tests;
mod tracking;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::account::{Account, Server};
use crate::agent::{self, Agent, BreakReason};
use crate::call::{Call, CallId, End, Field, LineId, Transfer};
use crate::clock::Now;
use crate::flow::{Destination, Flow, FlowId, Transport};
use crate::media::{Codec, DeviceRole, DeviceTrouble};
use crate::pii::Pii;
use crate::sip::user_agent::{self, UserAgent};
use crate::{media as core_media, telemetry};

use calls::line_headers;
pub use line::Line;
pub use sign_in::{Failure, FailureCode, Registration};

/// What does not change while the program runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// The product token of `User-Agent`.
    pub product: String,
    /// Audio codecs in order of preference; never empty.
    pub codecs: Vec<Codec>,
    /// Answer incoming calls by ourselves after that time.
    pub auto_answer: Option<Duration>,
    /// What names this installation for as long as it lives: `urn:uuid:…` (RFC 5626 §4.1).
    pub instance: Option<String>,
    /// 32 bytes of the system's randomness.
    pub seed: [u8; 32],
}

/// The names that the caller gives to connections that are being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectId(pub u64);

/// The caller's name for a command whose outcome it awaits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What happens. Not `Debug`: no log is to show a message.
pub enum Input<'a> {
    Command {
        ticket: Ticket,
        command: Command,
    },
    FlowUp {
        connect: ConnectId,
        flow: Flow,
    },
    ConnectFailed {
        connect: ConnectId,
        code: FailureCode,
    },
    FlowDown {
        flow: FlowId,
    },
    /// The machine's addresses have changed; those flows lead nowhere any more.
    AddressChanged {
        moved: &'a [FlowId],
    },
    /// The server's side of a NAT sees us elsewhere than before.
    MappedAddressChanged {
        flow: FlowId,
    },
    /// No connection to the address could be had, or the one there has ended.
    Unsent {
        transport: Transport,
        address: SocketAddr,
    },
    Received {
        flow: &'a Flow,
        bytes: &'a [u8],
    },
    Media(core_media::Event),
    /// The moment that [`Workbench::poll_timeout`] named has come.
    Timeout,
}

/// What a person or a program asks for.
#[derive(Debug, Clone)]
pub enum Command {
    SignIn(Box<Account>),
    SignOut,
    /// Registers a further account.
    AddLine(Box<Account>),
    RemoveLine(LineId),
    Ready,
    Break(Option<BreakReason>),
    AfterCallWork(Duration),
    Call {
        to: Pii<String>,
        /// `None`: the agent's own line.
        line: Option<LineId>,
        headers: Vec<Field>,
    },
    Answer(Option<CallId>),
    HangUp {
        call: Option<CallId>,
        headers: Vec<Field>,
    },
    Hold(Option<CallId>),
    Retrieve(Option<CallId>),
    /// Exchanges the active call and the one held last.
    Swap,
    Mute {
        call: Option<CallId>,
        muted: bool,
    },
    Dtmf {
        call: Option<CallId>,
        digits: Pii<String>,
    },
    /// An INFO of the application.
    Info {
        call: Option<CallId>,
        content_type: String,
        body: Pii<String>,
        headers: Vec<Field>,
    },
    /// Blind transfer.
    Transfer {
        call: Option<CallId>,
        to: Pii<String>,
        headers: Vec<Field>,
    },
    /// Holds a call and calls somebody about it.
    Consult {
        call: Option<CallId>,
        to: Pii<String>,
    },
    /// Connects the two calls of a consultation.
    CompleteTransfer(Option<CallId>),
    /// Ends the consultation and retrieves the call.
    CancelConsult(Option<CallId>),
    SendMessage {
        to: Pii<String>,
        content_type: String,
        body: Pii<String>,
        line: Option<LineId>,
    },
    Subscribe {
        event: String,
        target: Pii<String>,
        line: Option<LineId>,
    },
    Unsubscribe(u64),
    SetPresence {
        open: bool,
        note: Option<Pii<String>>,
        line: Option<LineId>,
    },
    DismissCall,
    DismissNotice(u32),
    /// How long after-call work lasts from now on; zero: none.
    SetAfterCallWork(Duration),
}

/// What is to be done. Not `Debug`: no log is to show a message.
pub enum Output {
    Transmit {
        destination: Destination,
        bytes: Vec<u8>,
    },
    Connect {
        id: ConnectId,
        server: Server,
    },
    CloseFlow(FlowId),
    Media(core_media::Command),
    /// A call has ended: write it down.
    Record(Box<Call>),
    /// A call that stands has changed: keep this, in place of what was kept of it before, for the time after a crash.
    Keep(Box<recovery::Kept>),
    /// The call has ended in good order.
    Forget(CallId),
    Telemetry(telemetry::Event),
    Edge(Edge),
    Outcome {
        ticket: Ticket,
        outcome: Result<Done, Refusal>,
    },
}

/// What a command has brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Nothing,
    Call(CallId),
    Line(LineId),
    /// A message on its way; [`Edge::MessageSent`] or [`Edge::MessageFailed`] follows.
    Message(u64),
    Subscription(u64),
}

impl From<()> for Done {
    fn from((): ()) -> Self {
        Self::Nothing
    }
}

/// The few moments that front ends want to know beyond the snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum Edge {
    Registered(LineId),
    RegistrationFailed(LineId, Failure),
    Unregistered(LineId),
    /// The same account is registered from other places too: their contacts.
    LoggedInElsewhere(LineId, Vec<Pii<String>>),
    Ringing(CallId),
    Alerting(CallId),
    Established(CallId),
    Ended(CallId, End),
    Dtmf(CallId, char),
    /// A transfer of ours goes on.
    Transfer(CallId, Transfer),
    /// An INFO of the far side that is not DTMF.
    Info {
        call: CallId,
        content_type: String,
        body: Pii<String>,
    },
    Message {
        line: LineId,
        from: Pii<String>,
        content_type: String,
        body: Pii<String>,
    },
    MessageSent(u64),
    MessageFailed(u64, Option<u16>),
    /// News of a subscription; `state` is `active`, `pending` or `terminated`.
    Notified {
        subscription: u64,
        state: &'static str,
        content_type: String,
        body: Pii<String>,
    },
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("sign in first")]
    NotSignedIn,
    #[error("sign out first")]
    AlreadySignedIn,
    #[error("{0}")]
    Account(#[from] crate::account::Malformed),
    #[error("{0}")]
    Target(#[from] target::Malformed),
    #[error("not possible while the agent is {}", .0.state)]
    Agent(Agent),
    #[error("the call does not allow this in its present state")]
    CallState,
    #[error("there is no such call")]
    NoCall,
    #[error("a call is in progress: end it first")]
    CallInProgress,
    #[error("this line takes no further call: end one first")]
    CallLimit,
    #[error("DTMF digits are 0-9 * # A-D, at most 64")]
    Digits,
    #[error("there is no such line")]
    NoLine,
    #[error("the agent's own line is signed out, not removed")]
    OwnLine,
    #[error("at most 8 accounts at once")]
    TooManyLines,
    #[error("header {0:?} may not be set, or its value holds a line break")]
    Header(String),
    #[error("there is no such subscription")]
    NoSubscription,
    #[error("a body is at most 16 KiB, and its type is TYPE/SUBTYPE")]
    Body,
    #[error("this is not possible here")]
    Unsupported,
    #[error("too many calls or messages at once")]
    Full,
}

impl Refusal {
    /// What the user agent does not do.
    fn of_session(error: &user_agent::Error) -> Self {
        match error {
            user_agent::Error::Unknown => Self::NoCall,
            user_agent::Error::WrongState(_) => Self::CallState,
            user_agent::Error::Header(name) => Self::Header(name.clone()),
            user_agent::Error::TooLarge => Self::Body,
            user_agent::Error::Full => Self::Full,
        }
    }
}

/// Something that stays visible until it is healed or dismissed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    pub id: u32,
    pub code: NoticeCode,
    pub at: Now,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeCode {
    Device(DeviceRole, DeviceTrouble),
    HoldRefused,
    DtmfRefused,
    /// The far side refused digits in the account's way: they go the other way now.
    DtmfOtherWay,
    TransferRefused,
    LoggedInElsewhere,
    /// Signed in, and now the server shows a certificate that we do not trust.
    CertificateRefused,
}

impl NoticeCode {
    /// Tells of a call, and goes with the last one.
    const fn is_of_calls(self) -> bool {
        matches!(self, Self::HoldRefused | Self::DtmfRefused | Self::DtmfOtherWay | Self::TransferRefused)
    }
}

/// Every timer of the workbench itself (those of SIP are the user agent's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The end of after-call work.
    AfterCallWork,
    /// The sign-in takes too long: give the agent the form back.
    SignInGuard(LineId),
    /// The next attempt to connect after the flow was lost.
    Reconnect(LineId),
    /// Answer this call by ourselves.
    AutoAnswer(CallId),
    /// Nobody has answered this call, and its caller (or the CANCEL) is lost: stop ringing.
    RingLimit(CallId),
    /// The busy tone has been heard long enough.
    ToneOff,
    /// This call has been without signalling for too long.
    Survival(CallId),
    /// Tell the far side of this call once more where we are.
    TellAgain(CallId),
    /// Note that the calls are alive.
    Heartbeat,
}

/// One agent needs a handful of sessions; whoever floods us fills no more than this.
const LIMITS: user_agent::Limits = user_agent::Limits { sessions: 64, transactions: 2_000 };

pub struct Workbench {
    config: Config,
    user_agent: UserAgent,
    agent: Agent,
    /// The agent's own line first. Empty before the first sign-in.
    lines: Vec<Line>,
    /// Flows of accounts that are gone, along which sessions still say goodbye.
    lingering: Vec<Flow>,
    /// Live calls, oldest first.
    calls: Vec<Call>,
    last_call: Option<Call>,
    /// One of the calls since the agent was last without any was answered: after-call work follows.
    worked: bool,
    sounds: sounds::Sounds,
    after_call_work: Duration,
    notices: Vec<Notice>,
    media: media::Sockets,
    outside: outside::Outside,
    timers: BTreeMap<Timer, Instant>,
    outputs: VecDeque<Output>,
    /// What an earlier run has left of its calls.
    kept: Vec<recovery::Kept>,
    /// The moment of the last input.
    last_seen: Now,
    ids: Ids,
    rev: u64,
}

/// Counters from which ids are made.
#[derive(Debug, Default)]
struct Ids {
    connect: u64,
    notice: u32,
    last_call: u64,
    description: u64,
    line: u32,
}

impl Workbench {
    pub fn new(now: Now, config: Config) -> Self {
        let mut user_agent = UserAgent::new(
            user_agent::Config {
                product: config.product.clone(),
                // Whether a call outlives a far side that says nothing is decided here: see `recovery`.
                calls: user_agent::CallRules {
                    silence: user_agent::Silence::Reported,
                    redirects: user_agent::Redirects::Followed,
                    ..Default::default()
                },
                ..user_agent::Config::default()
            },
            config.seed,
        );
        user_agent.set_limits(LIMITS);
        Self {
            user_agent,
            agent: Agent::new(now),
            lines: Vec::new(),
            lingering: Vec::new(),
            calls: Vec::new(),
            last_call: None,
            worked: false,
            sounds: sounds::Sounds::default(),
            after_call_work: Duration::from_secs(15),
            notices: Vec::new(),
            media: media::Sockets::default(),
            outside: outside::Outside::default(),
            timers: BTreeMap::new(),
            outputs: VecDeque::new(),
            kept: Vec::new(),
            last_seen: now,
            ids: Ids::default(),
            rev: 0,
            config,
        }
    }

    /// Takes one input. Drain [`Self::poll_output`] before the next.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.watch_clocks(now);
        match input {
            Input::Command { ticket, command } => {
                let outcome = self.command(now, command);
                self.outputs.push_back(Output::Outcome { ticket, outcome });
                self.touch();
            }
            Input::FlowUp { connect, flow } => self.flow_up(now, connect, flow),
            Input::ConnectFailed { connect, code } => self.connect_failed(now, connect, code),
            Input::FlowDown { flow } => self.flow_down(now, flow),
            Input::AddressChanged { moved } => self.address_changed(now, moved),
            Input::MappedAddressChanged { flow } => self.mapped_address_changed(now, flow),
            Input::Unsent { transport, address } => {
                self.user_agent.handle_unsent(now.instant, transport, address);
            }
            Input::Received { flow, bytes } => self.user_agent.handle_received(now.instant, flow, bytes),
            Input::Media(event) => self.media_event(now, event),
            Input::Timeout => {}
        }
        self.fire_timers(now);
        self.user_agent.handle_timeout(now.instant);
        self.drain_user_agent(now);
        self.keep_calls(now);
        self.close_lingering();
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`] at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.values().copied().chain(self.user_agent.poll_timeout()).min()
    }

    /// Grows with every change that a front end can see.
    pub const fn rev(&self) -> u64 {
        self.rev
    }

    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The registration of the agent's own line.
    pub fn registration(&self) -> &Registration {
        self.lines.first().map_or(&Registration::Offline { failure: None }, |line| &line.registration)
    }

    /// The account of the agent's own line.
    pub fn account(&self) -> Option<&Account> {
        self.lines.first().map(|line| &line.account)
    }

    /// Every account that is signed in or being signed in; the agent's own first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The call that ended last, until the next one begins or it is dismissed.
    pub const fn last_call(&self) -> Option<&Call> {
        self.last_call.as_ref()
    }

    pub const fn after_call_work(&self) -> Duration {
        self.after_call_work
    }

    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Live SIP sessions, transactions and registrations.
    pub fn load(&self) -> (usize, usize, usize) {
        self.user_agent.load()
    }

    fn command(&mut self, now: Now, command: Command) -> Result<Done, Refusal> {
        match command {
            Command::SignIn(account) => self.sign_in(now, *account)?,
            Command::SignOut => self.sign_out(now)?,
            Command::AddLine(account) => return self.add_line(now, *account).map(Done::Line),
            Command::RemoveLine(line) => self.remove_line(now, line)?,
            Command::Ready => self.presence(now, agent::Input::Ready)?,
            Command::Break(reason) => self.presence(now, agent::Input::Break(reason))?,
            Command::AfterCallWork(rest) => self.presence(now, agent::Input::AfterCallWork(rest))?,
            Command::Call { to, line, headers } => {
                let line = line.unwrap_or(LineId::OWN);
                return self.dial(now, line, to.expose(), &headers, None).map(Done::Call);
            }
            Command::Answer(call) => self.answer(now, call)?,
            Command::HangUp { call, headers } => self.hang_up(now, call, &headers)?,
            Command::Hold(call) => self.hold(now, call)?,
            Command::Retrieve(call) => self.retrieve(now, call)?,
            Command::Swap => self.swap(now)?,
            Command::Mute { call, muted } => self.mute(call, muted)?,
            Command::Dtmf { call, digits } => self.dtmf(now, call, digits.expose())?,
            Command::Info { call, content_type, body, headers } => {
                self.send_info(now, call, &content_type, body.expose(), &headers)?;
            }
            Command::Transfer { call, to, headers } => self.transfer(now, call, to.expose(), &headers)?,
            Command::Consult { call, to } => return self.consult(now, call, to.expose()).map(Done::Call),
            Command::CompleteTransfer(call) => self.complete_transfer(now, call)?,
            Command::CancelConsult(call) => self.cancel_consult(now, call)?,
            Command::SendMessage { to, content_type, body, line } => {
                return self.send_message(now, line, to.expose(), &content_type, body.expose()).map(Done::Message);
            }
            Command::Subscribe { event, target, line } => {
                return self.subscribe(now, line, &event, target.expose()).map(Done::Subscription);
            }
            Command::Unsubscribe(id) => self.unsubscribe(now, id)?,
            Command::SetPresence { open, note, line } => {
                self.set_presence(now, line, open, note.as_ref().map(|note| note.expose().as_str()))?;
            }
            Command::DismissCall => self.last_call = None,
            Command::DismissNotice(id) => self.notices.retain(|notice| notice.id != id),
            Command::SetAfterCallWork(time) => self.after_call_work = time,
        }
        Ok(Done::Nothing)
    }

    fn presence(&mut self, now: Now, input: agent::Input) -> Result<(), Refusal> {
        if self.lines.is_empty() {
            return Err(Refusal::NotSignedIn);
        }
        self.agent.handle(now, input).map_err(|_| Refusal::Agent(self.agent))?;
        if self.agent.state == agent::State::Ready && !self.registration().is_registered() {
            // Nobody could call: ready as soon as the registration is restored.
            self.move_agent(now, agent::Input::RegistrationLost);
        }
        match input {
            agent::Input::Ready => self.track(self.tracked("sip_call_set_idle")),
            agent::Input::Break(_) => self.track(self.tracked("sip_call_set_resting")),
            agent::Input::AfterCallWork(rest) => {
                let seconds = i64::try_from(rest.as_secs()).unwrap_or(i64::MAX);
                self.track(self.tracked("sip_call_wrap_up").with("seconds", telemetry::Value::Number(seconds)));
            }
            _ => {}
        }
        self.agent_moved();
        Ok(())
    }

    /// Moves the agent by something that is not a command; an illegal move is an error of ours and changes nothing.
    fn move_agent(&mut self, now: Now, input: agent::Input) {
        if let Err(illegal) = self.agent.handle(now, input) {
            debug_assert!(false, "{input:?}: {illegal}");
        }
        self.agent_moved();
    }

    fn agent_moved(&mut self) {
        match self.agent.state {
            agent::State::AfterCallWork { until, .. } => self.timers.insert(Timer::AfterCallWork, until.instant),
            _ => self.timers.remove(&Timer::AfterCallWork),
        };
        self.touch();
    }

    fn fire_timers(&mut self, now: Now) {
        while let Some(timer) =
            self.timers.iter().filter(|(_, at)| **at <= now.instant).min_by_key(|(_, at)| **at).map(|(timer, _)| *timer)
        {
            self.timers.remove(&timer);
            match timer {
                Timer::AfterCallWork => {
                    let registered = self.registration().is_registered();
                    self.move_agent(now, agent::Input::AfterCallWorkOver { registered });
                }
                Timer::SignInGuard(line) => self.sign_in_took_too_long(now, line),
                Timer::Reconnect(line) => self.connect(line),
                Timer::AutoAnswer(call) => {
                    // The caller may have gone in the meantime: then there is nothing to answer.
                    let _ = self.answer(now, Some(call));
                }
                Timer::RingLimit(call) => self.rung_out(now, call),
                Timer::ToneOff => self.tone(None),
                Timer::Survival(call) => self.lost_for_good(now, call),
                Timer::TellAgain(call) => self.refresh_call(now, call),
                // What every input brings about: see `keep_calls`.
                Timer::Heartbeat => {}
            }
        }
    }

    fn touch(&mut self) {
        self.rev += 1;
    }

    fn edge(&mut self, edge: Edge) {
        self.outputs.push_back(Output::Edge(edge));
        self.touch();
    }

    fn heal(&mut self, healed: impl Fn(NoticeCode) -> bool) {
        let before = self.notices.len();
        self.notices.retain(|notice| !healed(notice.code));
        if self.notices.len() != before {
            self.touch();
        }
    }

    fn notify(&mut self, now: Now, code: NoticeCode) {
        if self.notices.iter().any(|notice| notice.code == code) {
            return;
        }
        self.ids.notice += 1;
        self.notices.push(Notice { id: self.ids.notice, code, at: now });
        self.touch();
    }
}
