//! The workbench in virtual time, with a far side made of a bare user agent: registrar, caller and callee in one.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
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
    telemetry: Vec<telemetry::Event>,
    outcome: Option<Result<Option<CallId>, Refusal>>,
    connects: Vec<ConnectId>,
    /// What the far side's application was told.
    far_events: Vec<Event>,
    /// Messages on the way: to the desk?
    wire: VecDeque<(bool, Vec<u8>)>,
    /// The wire is cut: everything is lost.
    cut: bool,
    sent: Vec<String>,
}

fn flow(from: u16, to: u16) -> Flow {
    Flow {
        id: FlowId(u64::from(from)),
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
        let config =
            Config { product: "Test".into(), codecs: vec![Codec::Opus, Codec::Pcmu], auto_answer: None, seed: [1; 32] };
        let far = UserAgent::new(
            ua::Config {
                product: "Far".into(),
                timers: Default::default(),
                application_methods: vec![Method::Register],
            },
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
            telemetry: Vec::new(),
            outcome: None,
            connects: Vec::new(),
            far_events: Vec::new(),
            wire: VecDeque::new(),
            cut: false,
            sent: Vec::new(),
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
            colleagues: vec!["1003".into()],
        }
    }

    fn sign_in(&mut self) -> Result<Option<CallId>, Refusal> {
        let outcome = self.command(Command::SignIn(Self::account()));
        let connect = self.connects.pop();
        if let Some(connect) = connect {
            self.input(Input::FlowUp { connect, flow: flow(5070, 5060) });
        }
        outcome
    }

    fn command(&mut self, command: Command) -> Result<Option<CallId>, Refusal> {
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
                    ua::Output::Transmit { bytes, .. } => self.wire.push_back((true, bytes)),
                    ua::Output::Event(event) => self.far_event(event),
                }
            }
            let Some((to_desk, bytes)) = self.wire.pop_front() else { return };
            if self.cut {
                continue;
            }
            if to_desk {
                self.desk.handle(self.now, Input::Received { flow: &flow(5070, 5060), bytes: &bytes });
            } else {
                self.far.handle_received(self.now.instant, &flow(5060, 5070), &bytes);
            }
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Transmit { bytes, .. } => {
                self.sent.push(String::from_utf8_lossy(&bytes).lines().next().unwrap().to_owned());
                self.wire.push_back((false, bytes));
            }
            Output::Connect { id, .. } => self.connects.push(id),
            Output::CloseFlow(_) => {}
            Output::Media(command) => {
                if let core_media::Command::Open { id, local } = command {
                    let address = SocketAddr::new(local, 20_000 + u16::try_from(id.0).unwrap() * 2);
                    self.desk.handle(self.now, Input::Media(core_media::Event::Opened { id, address }));
                }
                self.media.push(command);
            }
            Output::Record(call) => self.records.push(*call),
            Output::Telemetry(event) => self.telemetry.push(event),
            Output::Edge(edge) => self.edges.push(edge),
            Output::Outcome { outcome, .. } => self.outcome = Some(outcome),
        }
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
        let identity = Identity {
            aor: "\"王女士\" <sip:13800138000@127.0.0.1>".parse::<NameAddr>().unwrap(),
            credentials: None,
            destination: Destination::Flow(FlowId(5060)),
            flow: flow(5060, 5070),
            route: Vec::new(),
        };
        let invite = Invite {
            identity,
            target: "sip:1001@127.0.0.1:5070".parse::<Uri>().unwrap(),
            offer: offer_answer::offer(&far_media()),
            headers: Headers::default(),
        };
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

    fn last_ring(&self) -> bool {
        let ring = |command: &core_media::Command| match command {
            core_media::Command::Ring(on) => Some(*on),
            _ => None,
        };
        self.media.iter().rev().find_map(ring).unwrap_or(false)
    }

    fn end(&self) -> EndCause {
        match self.desk.last_call().unwrap().state {
            State::Ended(end) => end.cause,
            ref state => panic!("the call is {state:?}"),
        }
    }
}

#[test]
fn inbound_call_from_ring_to_ready_again() {
    let mut bench = Bench::ready();
    bench.far_calls();
    assert_eq!((bench.code(), bench.last_ring()), (6, true));
    let call = &bench.desk.calls()[0];
    assert_eq!(call.number.expose(), "13800138000");
    assert_eq!(call.name.as_ref().unwrap().expose(), "王女士");

    bench.command(Command::Answer(None)).unwrap();
    assert_eq!((bench.code(), bench.last_ring()), (9, false));
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));

    bench.pass(Duration::from_secs(30));
    bench.command(Command::HangUp(None)).unwrap();
    assert_eq!((bench.code(), bench.end()), (5, EndCause::HungUp));
    assert_eq!(bench.records.len(), 1);

    bench.pass(Duration::from_secs(14));
    assert_eq!(bench.code(), 5);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.code(), 3, "ready again after 15 s");
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.desk.load(), (0, 0, 1), "nothing but the registration is left");
}

#[test]
fn caller_gives_up_while_it_rings() {
    let mut bench = Bench::ready();
    let session = bench.far_calls();
    bench.pass(Duration::from_secs(5));
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert_eq!((bench.code(), bench.end(), bench.last_ring()), (3, EndCause::Missed, false));
}

#[test]
fn outbound_call_held_and_retrieved() {
    let mut bench = Bench::ready();
    let id = bench.command(Command::Call(Pii::new("1002".into()))).unwrap().unwrap();
    assert_eq!(bench.code(), 8);
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
    assert!(bench.edges.contains(&Edge::Alerting(id)));
    assert!(bench.media.contains(&core_media::Command::Tone(Some(Tone::RingBack))));
    bench.far_answers();
    assert_eq!(bench.code(), 10);

    bench.command(Command::Hold(None)).unwrap();
    assert_eq!(bench.last_run().1, SendSource::HoldMusic, "the microphone closes at once");
    assert_eq!(bench.command(Command::Retrieve(None)), Err(Refusal::CallState), "one re-INVITE at a time");
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::Reoffered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    let (answer, agreed) = offer_answer::answer(&far_media(), &offer.unwrap()).unwrap();
    assert_eq!(agreed.direction, Direction::RecvOnly, "the peer is to hear music");
    bench.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
    assert_eq!(bench.code(), 12);
    assert_eq!(bench.last_run(), (Direction::SendOnly, SendSource::HoldMusic));

    bench.command(Command::Retrieve(Some(id))).unwrap();
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::Reoffered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    let (answer, _) = offer_answer::answer(&far_media(), &offer.unwrap()).unwrap();
    bench.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
    assert_eq!(bench.code(), 10);
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert_eq!((bench.code(), bench.end()), (5, EndCause::PeerHungUp));
}

#[test]
fn calls_with_colleagues_are_internal() {
    let mut bench = Bench::ready();
    bench.command(Command::Call(Pii::new("1003".into()))).unwrap();
    bench.far_answers();
    assert_eq!(bench.code(), 11);
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert!(bench.media.contains(&core_media::Command::Tone(Some(Tone::HungUp))));
}

#[test]
fn refused_hold_leaves_the_call_as_it_was() {
    let mut bench = Bench::ready();
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    bench.far_answers();
    let (session, _) = bench.far_session();
    bench.command(Command::Hold(None)).unwrap();
    bench.far(|far, now| far.refuse_reoffer(now, session, 488).unwrap());
    assert_eq!(bench.code(), 10);
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    assert_eq!(bench.desk.notices().len(), 1);
}

#[test]
fn peer_that_holds_is_shown_and_heard_again() {
    let mut bench = Bench::ready();
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    bench.far_answers();
    let (session, _) = bench.far_session();
    let hold = LocalMedia { direction: Direction::SendOnly, version: 2, ..far_media() };
    bench.far(|far, now| far.reoffer(now, session, offer_answer::offer(&hold)).unwrap());
    assert!(bench.desk.calls()[0].held_by_peer());
    assert_eq!(bench.code(), 10, "held by the peer is not held by us");
    let retrieve = LocalMedia { version: 3, ..far_media() };
    bench.far(|far, now| far.reoffer(now, session, offer_answer::offer(&retrieve)).unwrap());
    assert!(!bench.desk.calls()[0].held_by_peer());
}

#[test]
fn failed_outbound_calls_end_with_their_cause() {
    let check = |status: u16, rings: bool, expected: EndCause| {
        let mut bench = Bench::ready();
        bench.command(Command::Call(Pii::new("9".into()))).unwrap();
        let (session, _) = bench.far_session();
        if rings {
            bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
        }
        bench.far(|far, now| far.reject(now, session, status, Headers::default()).unwrap());
        assert_eq!((bench.end(), bench.code()), (expected, 3), "{status}");
        assert_eq!(bench.records.len(), 1);
    };
    check(486, false, EndCause::Busy);
    check(600, true, EndCause::Busy);
    check(480, true, EndCause::NoAnswer);
    check(480, false, EndCause::Unavailable);
    check(404, false, EndCause::NotFound);
    check(603, true, EndCause::Rejected);
    check(488, false, EndCause::NotAcceptable);
    check(403, false, EndCause::Forbidden);
    check(503, false, EndCause::ServerError);
}

#[test]
fn call_to_nobody_times_out() {
    let mut bench = Bench::ready();
    bench.cut = true;
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    bench.pass(Duration::from_secs(33));
    assert_eq!((bench.end(), bench.code()), (EndCause::TimedOut, 3));
}

#[test]
fn cancelled_call_never_stands() {
    let mut bench = Bench::ready();
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
    bench.command(Command::HangUp(None)).unwrap();
    assert_eq!((bench.end(), bench.code()), (EndCause::Cancelled, 3));
    assert!(bench.sent.iter().any(|line| line.starts_with("CANCEL ")));
}

#[test]
fn calls_do_not_ring_in_a_break_or_beside_another_call() {
    let mut bench = Bench::ready();
    bench.command(Command::Break(BreakReason::new(1))).unwrap();
    bench.far_calls();
    assert_eq!(bench.code(), 4);
    assert!(bench.desk.calls().is_empty());
    assert!(matches!(bench.records[0].state, State::Ended(end) if end.cause == EndCause::NotReady));

    bench.command(Command::Ready).unwrap();
    bench.command(Command::Call(Pii::new("1002".into()))).unwrap();
    bench.far_answers();
    bench.far_calls();
    assert_eq!(bench.desk.calls().len(), 1);
    assert!(matches!(bench.records[1].state, State::Ended(end) if end.cause == EndCause::Busy));
}

#[test]
fn wrong_password_gives_the_form_back() {
    let mut bench = Bench::new();
    bench.registrar = Registrar::Refuses(403);
    bench.sign_in().unwrap();
    assert_eq!(bench.code(), -1);
    let Registration::Offline { failure: Some(failure) } = bench.desk.registration() else { panic!() };
    assert_eq!((failure.code, failure.status), (FailureCode::WrongCredentials, Some(403)));
    bench.registrar = Registrar::Accepts;
    bench.sign_in().unwrap();
    assert_eq!(bench.code(), 3, "the second try succeeds");
}

#[test]
fn silent_server_gives_the_form_back_after_twelve_seconds() {
    let mut bench = Bench::new();
    bench.registrar = Registrar::Silent;
    bench.sign_in().unwrap();
    bench.pass(Duration::from_millis(11_900));
    assert_eq!(bench.code(), 0);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.code(), -1);
}

#[test]
fn unreachable_server_is_told() {
    let mut bench = Bench::new();
    bench.command(Command::SignIn(Bench::account())).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
    assert_eq!(bench.code(), -1);
    assert!(
        matches!(bench.edges.last(), Some(Edge::RegistrationFailed(failure)) if failure.code == FailureCode::ConnectionRefused)
    );
}

#[test]
fn lost_flow_is_restored_and_the_call_lives_on() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.input(Input::FlowDown { flow: FlowId(5070) });
    assert_eq!(bench.code(), 9, "the call goes on");
    assert!(matches!(bench.desk.registration(), Registration::Restoring { .. }));
    bench.pass(Duration::from_secs(1));
    let connect = bench.connects.pop().expect("it tries again");
    bench.input(Input::FlowUp { connect, flow: flow(5070, 5060) });
    assert!(bench.desk.registration().is_registered());
    bench.command(Command::HangUp(None)).unwrap();
    assert_eq!(bench.code(), 5);
}

#[test]
fn attempts_to_reconnect_slow_down() {
    let mut bench = Bench::ready();
    bench.input(Input::FlowDown { flow: FlowId(5070) });
    assert_eq!(bench.code(), 0);
    let mut times = Vec::new();
    for _ in 0..9 {
        let at = bench.desk.reconnect_at().unwrap();
        let begin = bench.now.instant;
        bench.pass(at - begin);
        times.push((at - begin).as_millis());
        let connect = bench.connects.pop().unwrap();
        bench.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
    }
    assert_eq!(times, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    assert!(bench.start < bench.now.instant);
}

#[test]
fn signing_out_removes_the_binding() {
    let mut bench = Bench::ready();
    bench.command(Command::SignOut).unwrap();
    assert_eq!(bench.code(), 1);
    assert!(matches!(bench.desk.registration(), Registration::Offline { failure: None }));
    assert_eq!(bench.edges.last(), Some(&Edge::Unregistered));
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.desk.load(), (0, 0, 0));
}

#[test]
fn auto_answer_answers_after_its_time() {
    let mut bench = Bench::ready();
    bench.desk.config.auto_answer = Some(Duration::from_secs(3));
    bench.far_calls();
    bench.pass(Duration::from_millis(2_900));
    assert_eq!(bench.code(), 6);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.code(), 9);
}

#[test]
fn tracking_events_of_a_call_carry_their_parameters() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.command(Command::Mute(true)).unwrap();
    bench.command(Command::Mute(false)).unwrap();
    bench.command(Command::Dtmf { call: None, digits: Pii::new("5#".into()) }).unwrap();
    bench.command(Command::HangUp(None)).unwrap();
    let names: Vec<_> = bench.telemetry.iter().map(|event| event.name).collect();
    assert_eq!(
        names,
        [
            "sip_call_init",
            "sip_call_register",
            "sip_call_set_idle",
            "sip_call_play_audio",
            "sip_call_answer",
            "sip_call_stop_audio",
            "sip_call_mute",
            "sip_call_unmute",
            "sip_call_send_dtmf",
            "sip_call_send_dtmf",
            "sip_call_hangup",
        ]
    );
    let params = |name: &str| {
        let event = bench.telemetry.iter().find(|event| event.name == name).unwrap();
        event.params.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(params("sip_call_init"), ["extNo", "extPwd", "content"]);
    assert_eq!(params("sip_call_answer"), ["extNo", "otherLegNumber", "direction", "callId"]);
    assert_eq!(params("sip_call_send_dtmf"), ["extNo", "otherLegNumber", "direction", "callId", "tone"]);
    let masked = bench.telemetry.iter().flat_map(|event| &event.params).map(|(_, value)| value.masked());
    assert!(masked.into_iter().all(|text| !text.contains("13800138000")));
}
