//! The workbench in virtual time, with a far side made of a bare user agent: registrar, caller and callee in one.
#![allow(clippy::unwrap_used)]

mod hold;
mod identity;
mod inbound;
mod outbound;
mod outside;
mod overload;
mod random;
mod recovery;
mod registration;
mod several;
mod tracking;
mod transfer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::call::{EndCause, State};
use crate::flow::Transport;
use crate::media::{Direction, SendSource, Tone};
use crate::pii::Pii;
use crate::sdp::{LocalMedia, offer_answer};
use crate::sip::message::Method;
use crate::sip::user_agent::{self as ua, Event, Identity, Invite};
use crate::sip::{HeaderAccess, HeaderName, Headers, NameAddr, Response, SessionId, Uri};

/// Whether the far side answers REGISTER, and how.
#[derive(Clone, Copy, PartialEq)]
enum Registrar {
    Accepts,
    Refuses(u16),
    Silent,
}

/// What the media plane does when a socket is asked for.
#[derive(Clone, Copy, PartialEq)]
enum Sockets {
    Open,
    Withheld,
    Fail,
}

struct Bench {
    desk: Workbench,
    far: UserAgent,
    registrar: Registrar,
    now: Now,
    start: Instant,
    /// What the desk asked for, beside transport.
    media: Vec<core_media::Command>,
    edges: Vec<Edge>,
    records: Vec<Call>,
    /// What would be left of calls after a crash.
    kept: BTreeMap<CallId, crate::workbench::recovery::Kept>,
    telemetry: Vec<telemetry::Event>,
    outcome: Option<Result<Done, Refusal>>,
    connects: Vec<ConnectId>,
    /// What the far side's application was told.
    far_events: Vec<Event>,
    /// Messages on the way, by the desk's port: to the desk?
    wire: VecDeque<(bool, u16, Vec<u8>)>,
    /// The desk's port of the connection made last; each gets its own.
    port: u16,
    /// The desk's address of that connection.
    local: [u8; 4],
    /// The desk's ports that are closed.
    closed: BTreeSet<u16>,
    /// What becomes of a request for an RTP socket.
    sockets: Sockets,
    /// The sockets asked for while they are withheld.
    withheld: Vec<core_media::MediaId>,
    /// The wire is cut: everything is lost.
    cut: bool,
    sent: Vec<String>,
    /// The REFERs that the desk has sent.
    refers: Vec<crate::sip::Request>,
}

fn dial(number: &str) -> Command {
    Command::Call { to: Pii::new(number.to_owned()), line: None, headers: Vec::new() }
}

/// Ends the foremost call.
fn hang_up() -> Command {
    Command::HangUp { call: None, headers: Vec::new() }
}

fn mute(muted: bool) -> Command {
    Command::Mute { call: None, muted }
}

/// The port of the far side.
const FAR: u16 = 5060;

fn flow(from: u16, to: u16) -> Flow {
    Flow {
        id: FlowId(u64::from(from) << 16 | u64::from(to)),
        transport: Transport::Udp,
        local: SocketAddr::from(([127, 0, 0, 1], from)),
        remote: SocketAddr::from(([127, 0, 0, 1], to)),
    }
}

fn far_media() -> LocalMedia {
    LocalMedia {
        session_id: 7,
        version: 1,
        address: SocketAddr::from(([127, 0, 0, 1], 30_000)),
        codecs: vec![Codec::Pcmu],
        dtmf: true,
        direction: Direction::SendRecv,
        ptime: 20,
    }
}

impl Bench {
    fn new() -> Self {
        let start = Instant::now();
        let now = Now { instant: start, unix_ms: 1_700_000_000_000 };
        let config = Config {
            product: "Test".into(),
            codecs: vec![Codec::Opus, Codec::Pcmu],
            auto_answer: None,
            instance: None,
            seed: [1; 32],
        };
        let far = UserAgent::new(
            ua::Config { product: "Far".into(), application_methods: vec![Method::Register], ..ua::Config::default() },
            [2; 32],
        );
        Self {
            desk: Workbench::new(now, config),
            far,
            registrar: Registrar::Accepts,
            now,
            start,
            media: Vec::new(),
            edges: Vec::new(),
            records: Vec::new(),
            kept: BTreeMap::new(),
            telemetry: Vec::new(),
            outcome: None,
            connects: Vec::new(),
            far_events: Vec::new(),
            wire: VecDeque::new(),
            port: 5069,
            local: [127, 0, 0, 1],
            closed: BTreeSet::new(),
            sockets: Sockets::Open,
            withheld: Vec::new(),
            cut: false,
            sent: Vec::new(),
            refers: Vec::new(),
        }
    }

    /// A bench whose agent is signed in and ready.
    fn ready() -> Self {
        let mut bench = Self::new();
        bench.sign_in().unwrap();
        assert_eq!(bench.code(), 3, "{:?}", bench.desk.registration());
        bench
    }

    fn account() -> Account {
        Account {
            server: Server::parse("127.0.0.1:5060", Transport::Udp).unwrap(),
            user: Pii::new("1001".into()),
            password: None,
            display_name: None,
            domain: None,
            auth_user: None,
            colleagues: vec![Pii::new("1003".into())],
            options: crate::account::Options::default(),
        }
    }

    fn sign_in(&mut self) -> Result<Done, Refusal> {
        let outcome = self.command(Command::SignIn(Box::new(Self::account())));
        let connect = self.connects.pop();
        if let Some(connect) = connect {
            self.connected(connect);
        }
        outcome
    }

    /// A further account of the desk, whose connection stands at once.
    fn add_line(&mut self, user: &str) -> Result<Done, Refusal> {
        let account = Account { user: Pii::new(user.to_owned()), ..Self::account() };
        let outcome = self.command(Command::AddLine(Box::new(account)));
        if outcome.is_ok()
            && let Some(connect) = self.connects.pop()
        {
            self.connected(connect);
        }
        outcome
    }

    /// A connection that the desk asked for stands, along a new flow.
    fn connected(&mut self, connect: ConnectId) {
        self.port += 1;
        self.input(Input::FlowUp { connect, flow: self.flow() });
    }

    /// The desk's newest flow.
    fn flow(&self) -> Flow {
        Flow { local: SocketAddr::from((self.local, self.port)), ..flow(self.port, FAR) }
    }

    /// The desk's newest flow breaks.
    fn flow_breaks(&mut self) {
        self.closed.insert(self.port);
        self.input(Input::FlowDown { flow: self.flow().id });
    }

    fn command(&mut self, command: Command) -> Result<Done, Refusal> {
        self.input(Input::Command { ticket: Ticket(1), command });
        self.outcome.take().unwrap()
    }

    fn input(&mut self, input: Input<'_>) {
        self.desk.handle(self.now, input);
        self.settle();
    }

    /// Lets time pass, timer by timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now.instant + time;
        loop {
            let next = [self.desk.poll_timeout(), self.far.poll_timeout()].into_iter().flatten().min();
            let at = next.filter(|at| *at <= end).unwrap_or(end).max(self.now.instant);
            self.now = self.now.plus(at - self.now.instant);
            self.far.handle_timeout(at);
            self.desk.handle(self.now, Input::Timeout);
            self.settle();
            if next.is_none_or(|at| at > end) {
                return;
            }
        }
    }

    fn settle(&mut self) {
        loop {
            while let Some(output) = self.desk.poll_output() {
                self.output(output);
            }
            while let Some(output) = self.far.poll_output() {
                match output {
                    ua::Output::Transmit { destination, bytes } => {
                        let port = match destination {
                            Destination::Flow(FlowId(id)) => u16::try_from(id & 0xffff).unwrap(),
                            Destination::Address(_, address) => address.port(),
                        };
                        self.wire.push_back((true, port, bytes));
                    }
                    ua::Output::Event(event) => self.far_event(event),
                }
            }
            let Some((to_desk, port, bytes)) = self.wire.pop_front() else { return };
            if self.cut || self.closed.contains(&port) {
                continue;
            }
            if to_desk {
                self.desk.handle(self.now, Input::Received { flow: &flow(port, FAR), bytes: &bytes });
            } else {
                self.far.handle_received(self.now.instant, &flow(FAR, port), &bytes);
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Transmit { destination, bytes } => {
                if let Ok(crate::sip::Message::Request(request)) = crate::sip::wire::parse(&bytes)
                    && request.method == Method::Refer
                {
                    self.refers.push(request);
                }
                self.sent.push(String::from_utf8_lossy(&bytes).lines().next().unwrap().to_owned());
                let port = match destination {
                    Destination::Flow(FlowId(id)) => u16::try_from(id >> 16).unwrap(),
                    Destination::Address(..) => self.port,
                };
                if self.closed.contains(&port) {
                    self.desk.handle(self.now, Input::FlowDown { flow: flow(port, FAR).id });
                } else {
                    self.wire.push_back((false, port, bytes));
                }
            }
            Output::Connect { id, .. } => self.connects.push(id),
            Output::CloseFlow(FlowId(id)) => {
                self.closed.insert(u16::try_from(id >> 16).unwrap());
            }
            Output::Media(command) => {
                if let core_media::Command::Open { id, local } = command {
                    match self.sockets {
                        Sockets::Open => self.opened_at(id, local),
                        Sockets::Withheld => self.withheld.push(id),
                        Sockets::Fail => {
                            let failed = core_media::Event::OpenFailed { id, reason: String::new() };
                            self.desk.handle(self.now, Input::Media(failed));
                            // It never was.
                            return;
                        }
                    }
                }
                self.media.push(command);
            }
            Output::Record(call) => self.records.push(*call),
            Output::Keep(kept) => drop(self.kept.insert(kept.id, *kept)),
            Output::Forget(id) => drop(self.kept.remove(&id)),
            Output::Telemetry(event) => self.telemetry.push(event),
            Output::Edge(edge) => self.edges.push(edge),
            Output::Outcome { outcome, .. } => self.outcome = Some(outcome),
        }
    }

    fn opened(&mut self, id: core_media::MediaId) {
        self.opened_at(id, self.local.into());
    }

    fn opened_at(&mut self, id: core_media::MediaId, local: std::net::IpAddr) {
        let address = SocketAddr::from((local, 20_000 + u16::try_from(id.0 % 10_000).unwrap() * 2));
        self.desk.handle(self.now, Input::Media(core_media::Event::Opened { id, address }));
    }

    /// The far side's application: a registrar, and a phone that does nothing by itself.
    fn far_event(&mut self, event: Event) {
        if let Event::Request { id, request, .. } = &event {
            match self.registrar {
                Registrar::Accepts => {
                    let mut response = Response::new(200);
                    if let Some(contact) = request.headers.value(HeaderName::Contact) {
                        response.headers.add(HeaderName::Contact, format!("{contact};expires=600"));
                    }
                    self.far.respond(self.now.instant, *id, response).unwrap();
                }
                Registrar::Refuses(status) => {
                    self.far.respond(self.now.instant, *id, Response::new(status)).unwrap();
                }
                Registrar::Silent => {}
            }
        }
        self.far_events.push(event);
    }

    fn far_calls(&mut self) -> SessionId {
        self.far_calls_with(offer_answer::offer(&far_media()))
    }

    fn far_calls_with(&mut self, offer: Vec<u8>) -> SessionId {
        self.far_calls_to("1001", offer, Headers::default())
    }

    /// A call to that user, along the flow of the user's line.
    fn far_calls_to(&mut self, user: &str, offer: Vec<u8>, headers: Headers) -> SessionId {
        let line = self.desk.lines().iter().find(|line| line.account.user.expose() == user);
        let flow_of_line = line.and_then(|line| line.registration.flow());
        let port = flow_of_line.map_or(self.port, |flow| flow.local.port());
        let identity = Identity {
            aor: "\"王女士\" <sip:13800138000@127.0.0.1>".parse::<NameAddr>().unwrap(),
            credentials: None,
            destination: Destination::Flow(flow(FAR, port).id),
            flow: flow(FAR, port),
            route: Vec::new(),
            outbound: None,
        };
        let target = format!("sip:{user}@127.0.0.1:{port}").parse::<Uri>().unwrap();
        let invite = Invite { identity, target, offer, headers };
        let session = self.far.invite(self.now.instant, invite).unwrap();
        self.settle();
        session
    }

    /// The session of the last INVITE that the far side received.
    fn far_session(&self) -> (SessionId, Vec<u8>) {
        let incoming = self.far_events.iter().rev().find_map(|event| match event {
            Event::Incoming { session, offer, .. } => Some((*session, offer.clone())),
            _ => None,
        });
        incoming.expect("the far side received an INVITE")
    }

    fn far_answers(&mut self) {
        let (session, offer) = self.far_session();
        let (answer, _) = offer_answer::answer(&far_media(), &offer).unwrap();
        self.far.answer(self.now.instant, session, answer, Headers::default()).unwrap();
        self.settle();
    }

    /// The far side accepts the desk's last re-INVITE.
    fn far_accepts_reoffer(&mut self) {
        let reoffered = self.far_events.iter().rev().find_map(|event| match event {
            Event::Reoffered { session, offer, .. } => Some((*session, offer.clone())),
            _ => None,
        });
        let (session, offer) = reoffered.expect("the far side received a re-INVITE");
        let (answer, _) = offer_answer::answer(&far_media(), &offer).unwrap();
        self.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
    }

    /// The session of the far side's call that was answered last.
    fn far_calls_session(&self) -> SessionId {
        let answered = self.far_events.iter().rev().find_map(|event| match event {
            Event::Answered { session, .. } => Some(*session),
            _ => None,
        });
        answered.expect("a call of the far side was answered")
    }

    /// The session whose end the far side was told last.
    fn far_calls_ended(&self) -> Option<SessionId> {
        self.far_events.iter().rev().find_map(|event| match event {
            Event::Ended { session, .. } => Some(*session),
            _ => None,
        })
    }

    fn far(&mut self, act: impl FnOnce(&mut UserAgent, Instant)) {
        act(&mut self.far, self.now.instant);
        self.settle();
    }

    fn code(&self) -> i8 {
        self.desk.agent().state.code()
    }

    fn last_run(&self) -> (Direction, SendSource) {
        let run = self.media.iter().rev().find_map(|command| match command {
            core_media::Command::Run { negotiated, send, .. } => Some((negotiated.direction, *send)),
            _ => None,
        });
        run.expect("media was started")
    }

    /// Whether the microphone is closed.
    fn muted(&self) -> bool {
        let mute = |command: &core_media::Command| match command {
            core_media::Command::Mute(muted) => Some(*muted),
            _ => None,
        };
        self.media.iter().rev().find_map(mute).unwrap_or(false)
    }

    fn last_ring(&self) -> bool {
        let ring = |command: &core_media::Command| match command {
            core_media::Command::Ring(on) => Some(*on),
            _ => None,
        };
        self.media.iter().rev().find_map(ring).unwrap_or(false)
    }

    fn last_tone(&self) -> Option<Tone> {
        let tone = |command: &core_media::Command| match command {
            core_media::Command::Tone(tone) => Some(*tone),
            _ => None,
        };
        self.media.iter().rev().find_map(tone).flatten()
    }

    fn end(&self) -> EndCause {
        match self.desk.last_call().unwrap().state {
            State::Ended(end) => end.cause,
            ref state => panic!("the call is {state:?}"),
        }
    }
}
