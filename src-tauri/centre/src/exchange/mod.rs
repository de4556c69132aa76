//! The exchange: the whole centre as one pure machine. Messages, packets and time come in, what is to be sent comes out.
//!
//! Every request first meets the gate. A REGISTER then goes to the registrar, an INVITE
//! is routed: to phones (`bridge`: two legs and a media relay) or to a simulated far end (`simulated`: one leg).

mod bridge;
mod desk;
mod first_call;
mod routing;
mod simulated;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use deskline_core::flow::{Destination, Flow, FlowId, Transport};
use deskline_core::sip::user_agent::{self, Event as SipEvent};
use deskline_core::sip::{Headers, Method, NameAddr, Request, SessionId, UserAgent};

use crate::call::{CallEnd, CallId, CallInfo, CallState, CustomerScript};
use crate::config::CentreConfig;
use crate::media::{self, CallProbe, PortId};
use crate::random::Random;
use crate::registrar::{Change, Registrar};
use bridge::Bridge;
use desk::Desk;
use first_call::FirstCall;
use simulated::Simulated;
use transfer::Transfer;

/// Calls at a time; beyond, 503.
const MAX_CALLS: usize = 256;

/// How often it is looked whether the phones in calls are still alive.
const WATCH: Duration = Duration::from_secs(10);

/// How much longer a silence may last that can be meant.
const PATIENT: u32 = 10;

/// Calls that are over and whose probe is kept.
const MAX_FINISHED: usize = 16;

/// What the driver of the machine is to do.
pub enum Output {
    Transmit { destination: Destination, bytes: Vec<u8> },
    Media(media::Output),
    Event(CentreEvent),
}

/// What the embedding program may want to know. Its debug output shows no number.
#[derive(Clone, PartialEq, Eq)]
pub enum CentreEvent {
    /// An extension has its first phone.
    Registered {
        extension: String,
    },
    /// Its last phone is gone.
    Unregistered {
        extension: String,
    },
    Call(CallInfo),
}

impl fmt::Debug for CentreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered { .. } => f.write_str("Registered"),
            Self::Unregistered { .. } => f.write_str("Unregistered"),
            Self::Call(call) => call.fmt(f),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    #[error("no phone is registered for this extension: sign in first")]
    NotRegistered,
    #[error("the centre carries {MAX_CALLS} calls and takes no more")]
    Full,
    #[error("the centre has stopped")]
    Stopped,
}

/// How much is going on. All zero once every call has ended and every transaction has run out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub calls: usize,
    pub sessions: usize,
    pub transactions: usize,
    pub sockets: usize,
    pub bindings: usize,
}

pub struct Exchange {
    desk: Desk,
    registrar: Registrar,
    calls: BTreeMap<CallId, Call>,
    /// The calls that are being transferred.
    transfers: BTreeMap<CallId, Transfer>,
    /// Legs whose phones are to hang up after their transfer, until then.
    leaving: VecDeque<(Instant, SessionId)>,
    finished: VecDeque<(CallId, CallProbe)>,
    next_call: u64,
    next_customer: usize,
    first_call: FirstCall,
    /// When the phones in calls are looked after next, while there are calls.
    watch_at: Option<Instant>,
}

struct Call {
    kind: Kind,
    extension: String,
    /// What was told last.
    state: CallState,
}

enum Kind {
    Simulated(Box<Simulated>),
    Bridge(Box<Bridge>),
}

/// What a call came to by one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Goes(CallState),
    Over(CallEnd),
}

impl Exchange {
    /// `seed`: 32 bytes of the system's randomness.
    pub fn new(config: CentreConfig, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let agent = user_agent::Config {
            product: concat!("Deskline-Centre/", env!("CARGO_PKG_VERSION")).to_owned(),
            application_methods: vec![Method::Register, Method::Message],
            ..user_agent::Config::default()
        };
        let agent = UserAgent::new(agent, random.seed());
        let registrar = Registrar::new(config.expiry);
        let first_call = FirstCall::new(config.first_call_after);
        Self {
            registrar,
            calls: BTreeMap::new(),
            transfers: BTreeMap::new(),
            leaving: VecDeque::new(),
            finished: VecDeque::new(),
            next_call: 1,
            next_customer: 0,
            first_call,
            watch_at: None,
            desk: Desk::new(config, agent, random),
        }
    }

    pub fn handle_received(&mut self, now: Instant, flow: &Flow, bytes: &[u8]) {
        self.desk.agent.handle_received(now, flow, bytes);
        self.settle(now);
    }

    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        let vanished = self.registrar.handle_flow_closed(flow);
        self.tell_vanished(vanished);
        self.desk.lose_flow(flow);
        self.desk.agent.handle_flow_closed(now, flow);
        self.settle(now);
    }

    /// What was sent to the address, rather than along a flow, is lost.
    pub fn handle_unsent(&mut self, now: Instant, transport: Transport, address: SocketAddr) {
        self.desk.agent.handle_unsent(now, transport, address);
        self.settle(now);
    }

    /// A socket asked for by [`media::Output::Bind`] stands at this address, or could not be bound.
    pub fn handle_bound(&mut self, now: Instant, port: PortId, bound: Option<SocketAddr>) {
        self.desk.media.handle_bound(port, bound);
        self.settle(now);
    }

    pub fn handle_packet(&mut self, now: Instant, port: PortId, from: SocketAddr, packet: &[u8]) {
        self.desk.media.handle_packet(now, port, from, packet);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.desk.media.handle_timeout(now);
        self.desk.agent.handle_timeout(now);
        let vanished = self.registrar.handle_timeout(now);
        self.tell_vanished(vanished);
        if let Some(extension) = self.first_call.due(now) {
            let placed = match self.desk.is_busy(&extension) {
                true => None,
                false => self.place_customer_call(now, &extension, CustomerScript::default()).ok(),
            };
            self.first_call.handle_tried(now, extension, placed);
        }
        self.handle_transfer_timeouts(now);
        if self.watch_at.is_some_and(|at| at <= now) {
            self.watch(now);
        }
        let due: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| call.poll_timeout().is_some_and(|at| at <= now))
            .map(|(&id, _)| id)
            .collect();
        for id in due {
            self.with_call(now, id, |call, desk| match &mut call.kind {
                Kind::Simulated(simulated) => simulated.handle_timeout(now, desk),
                Kind::Bridge(bridge) => bridge.handle_timeout(now, desk),
            });
        }
        self.settle(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let calls = self.calls.values().filter_map(Call::poll_timeout).min();
        let others = [self.desk.agent.poll_timeout(), self.desk.media.poll_timeout(), self.registrar.poll_timeout()];
        others
            .into_iter()
            .chain([self.first_call.poll_timeout(), calls, self.watch_at, self.poll_transfer_timeout()])
            .flatten()
            .min()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.desk.outputs.pop_front() {
            return Some(output);
        }
        self.desk.media.poll_output().map(Output::Media)
    }

    /// A simulated customer calls the phones of an extension.
    pub fn ring_customer(
        &mut self,
        now: Instant,
        extension: &str,
        script: CustomerScript,
    ) -> Result<CallId, RingError> {
        let call = self.place_customer_call(now, extension, script);
        if call.is_ok() {
            self.first_call.cancel();
        }
        self.settle(now);
        call
    }

    /// Ends a call from here, in whatever state it is.
    pub fn hang_up(&mut self, now: Instant, call: CallId) {
        self.with_call(now, call, |_, _| Step::Over(CallEnd::HungUpHere));
        self.settle(now);
    }

    /// What the simulated side of a call has heard; of a call that is over too, for a while. `None` for other calls.
    pub fn probe(&self, now: Instant, call: CallId) -> Option<CallProbe> {
        if let Some((_, probe)) = self.finished.iter().find(|(id, _)| *id == call) {
            return Some(probe.clone());
        }
        let state = self.calls.get(&call)?.state;
        Some(self.desk.media.endpoint(call)?.probe(now, state))
    }

    /// The calls that are not over, the oldest first.
    pub fn calls(&self) -> Vec<CallInfo> {
        self.calls.iter().map(|(&id, call)| call.info(id)).collect()
    }

    pub fn is_registered(&self, extension: &str) -> bool {
        self.registrar.is_registered(extension)
    }

    pub fn load(&self) -> Load {
        let (sessions, transactions, _) = self.desk.agent.load();
        let bindings = self.registrar.len();
        Load { calls: self.calls.len(), sessions, transactions, sockets: self.desk.media.len(), bindings }
    }

    pub fn config(&self) -> &CentreConfig {
        &self.desk.config
    }

    /// Works off what the user agent and the media have to say, until nothing is left.
    fn settle(&mut self, now: Instant) {
        loop {
            while let Some(output) = self.desk.agent.poll_output() {
                match output {
                    user_agent::Output::Transmit { destination, bytes } => {
                        self.desk.outputs.push_back(Output::Transmit { destination, bytes });
                    }
                    user_agent::Output::Event(event) => self.handle_sip(now, event),
                }
            }
            let Some(event) = self.desk.media.poll_event() else { return };
            let (media::Event::Opened { call, .. } | media::Event::OpenFailed { call }) = &event;
            self.with_call(now, *call, |call, desk| match &mut call.kind {
                Kind::Simulated(simulated) => simulated.handle_media(now, desk, &event),
                Kind::Bridge(bridge) => bridge.handle_media(now, desk, &event),
            });
        }
    }

    fn handle_sip(&mut self, now: Instant, event: SipEvent) {
        match event {
            SipEvent::Incoming { session, request, flow, offer, .. } => {
                self.handle_invite(now, session, &request, flow, offer);
            }
            SipEvent::Request { id, request, flow } => {
                let response = self.handle_request(now, &request, flow);
                // A transaction that has run out meanwhile needs no answer.
                let _ = self.desk.agent.respond(now, id, response);
            }
            SipEvent::Referred { referral, session, refer_to, request, .. } => {
                self.handle_referred(now, referral, session, &refer_to, &request);
            }
            SipEvent::Dropped { why } => tracing::debug!(why, "a message was dropped"),
            event => {
                let Some(session) = session_of(&event) else { return };
                let Some(call) = self.desk.sessions.get(&session).map(|leg| leg.call) else { return };
                let ended = matches!(event, SipEvent::Ended { .. });
                if self.handle_transfer_sip(now, call, session, &event) {
                    if ended {
                        self.desk.sessions.remove(&session);
                    }
                    return;
                }
                self.with_call(now, call, |call, desk| match &mut call.kind {
                    Kind::Simulated(simulated) => simulated.handle_sip(now, desk, session, event),
                    Kind::Bridge(bridge) => bridge.handle_sip(now, desk, session, event),
                });
                if ended {
                    self.desk.sessions.remove(&session);
                }
            }
        }
    }

    /// Lets a call take a step, tells what came of it, and clears up when it is over.
    fn with_call(&mut self, now: Instant, id: CallId, step: impl FnOnce(&mut Call, &mut Desk) -> Step) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let state = match step(call, &mut self.desk) {
            Step::Goes(state) => state,
            Step::Over(end) => CallState::Ended(end),
        };
        if state != call.state {
            call.state = state;
            self.desk.tell(CentreEvent::Call(call.info(id)));
        }
        if let CallState::Ended(end) = state {
            self.give_up_transfer(now, id);
            self.first_call.handle_ended(now, id, end);
            self.calls.remove(&id);
            self.desk.end_sessions(now, id);
            if let Some(endpoint) = self.desk.media.close(id) {
                self.finished.push_back((id, endpoint.probe(now, state)));
                while self.finished.len() > MAX_FINISHED {
                    self.finished.pop_front();
                }
            }
        }
    }

    /// Ends the calls whose phone has died without a word.
    fn watch(&mut self, now: Instant) {
        let limit = self.desk.config.silence_limit;
        let dead: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(id, call)| {
                let limit = match (call.state, &call.kind) {
                    (CallState::Talking, Kind::Simulated(_)) => limit,
                    (CallState::Talking | CallState::Held, _) => limit * PATIENT,
                    (CallState::Ringing | CallState::Ended(_), _) => return false,
                };
                self.desk.media.silent_since(**id).is_some_and(|since| now.saturating_duration_since(since) >= limit)
            })
            .map(|(&id, _)| id)
            .collect();
        for id in dead {
            tracing::info!(call = %id, "a phone has fallen silent: the call ends");
            self.with_call(now, id, |_, _| Step::Over(CallEnd::Lost));
        }
        self.watch_at = (!self.calls.is_empty()).then_some(now + WATCH);
    }

    fn add_call(&mut self, now: Instant, extension: String, make: impl FnOnce(CallId, &mut Desk) -> Kind) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let kind = make(id, &mut self.desk);
        let call = Call { kind, extension, state: CallState::Ringing };
        self.desk.tell(CentreEvent::Call(call.info(id)));
        self.calls.insert(id, call);
        self.watch_at.get_or_insert(now + WATCH);
        id
    }

    fn place_customer_call(
        &mut self,
        now: Instant,
        extension: &str,
        script: CustomerScript,
    ) -> Result<CallId, RingError> {
        let phones = self.registrar.contacts(extension);
        if phones.is_empty() {
            return Err(RingError::NotRegistered);
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(RingError::Full);
        }
        let caller = script.caller.clone().or_else(|| {
            let customers = &self.desk.config.customers;
            let caller = customers.get(self.next_customer % customers.len().max(1)).cloned();
            self.next_customer += 1;
            caller
        });
        let id = self.add_call(now, extension.to_owned(), |id, desk| {
            Kind::Simulated(Box::new(Simulated::customer(now, id, desk, extension, phones, caller, script)))
        });
        tracing::info!(call = %id, "a simulated customer calls");
        Ok(id)
    }

    /// REGISTER; anything else outside a call is not for us.
    fn handle_request(&mut self, now: Instant, request: &Request, flow: Flow) -> deskline_core::sip::Response {
        let (response, change) = self.desk.register(now, &mut self.registrar, request, flow);
        match change {
            Some((extension, Change::Appeared)) => {
                tracing::info!(transport = %flow.transport, "an extension has registered");
                self.first_call.handle_registered(now, &extension);
                self.desk.tell(CentreEvent::Registered { extension });
            }
            Some((extension, Change::Vanished)) => self.tell_vanished(vec![extension]),
            Some((_, Change::None)) | None => {}
        }
        response
    }

    fn tell_vanished(&mut self, extensions: Vec<String>) {
        for extension in extensions {
            self.desk.tell(CentreEvent::Unregistered { extension });
        }
    }
}

impl Call {
    fn poll_timeout(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.poll_timeout(),
            Kind::Bridge(bridge) => bridge.poll_timeout(),
        }
    }

    fn is_talking(&self) -> bool {
        matches!(self.state, CallState::Talking | CallState::Held)
    }

    /// How the far end of `leg` stands in From when it is connected to somebody else, and what it offers.
    fn far_end(&mut self, leg: SessionId, desk: &Desk) -> Option<(NameAddr, Vec<u8>)> {
        match &mut self.kind {
            Kind::Simulated(simulated) => Some(simulated.far_end()),
            Kind::Bridge(bridge) => bridge.far_end(leg, desk),
        }
    }

    /// The platform's headers that the call came with.
    fn far_headers(&self) -> Headers {
        match &self.kind {
            Kind::Simulated(simulated) => simulated.headers().clone(),
            Kind::Bridge(bridge) => bridge.headers().clone(),
        }
    }

    fn info(&self, id: CallId) -> CallInfo {
        let kind = match &self.kind {
            Kind::Simulated(simulated) => simulated.call_kind(),
            Kind::Bridge(_) => crate::call::CallKind::Internal,
        };
        CallInfo { id, extension: self.extension.clone(), kind, state: self.state }
    }
}

/// The session that an event is about.
fn session_of(event: &SipEvent) -> Option<SessionId> {
    match event {
        SipEvent::Progress { session, .. }
        | SipEvent::Answered { session, .. }
        | SipEvent::Confirmed { session, .. }
        | SipEvent::Reoffered { session, .. }
        | SipEvent::ReofferAnswered { session, .. }
        | SipEvent::ReofferFailed { session, .. }
        | SipEvent::Info { session, .. }
        | SipEvent::InfoFailed { session, .. }
        | SipEvent::DigitsRefused { session, .. }
        | SipEvent::Redirected { session, .. }
        | SipEvent::EarlyAnswer { session, .. }
        | SipEvent::Updated { session, .. }
        | SipEvent::Ended { session, .. } => Some(*session),
        _ => None,
    }
}
