//! User agents in virtual time, with a network between them that loses, delays, doubles and reorders.
#![allow(clippy::unwrap_used)]

mod answers;
mod authentication;
mod calls;
mod chaos;
mod forks;
mod informing;
mod large;
mod lone;
mod loss;
mod messages;
mod moving;
mod outbound;
mod peer;
mod redirecting;
mod refreshing;
mod registrar;
mod reliable;
mod replies;
mod requests;
mod restoring;
mod soundness;
mod storm;
mod subscriptions;
mod timers;
mod transfer;
mod trio;
mod updating;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::message::{Headers, Message, Method};
use super::uri::{NameAddr, Uri};
use super::user_agent::{
    CallRules, Config, Credentials, EndReason, Event, Identity, Invite, Output, RegistrationId, SessionId, UserAgent,
};
use super::wire;
use crate::flow::{Destination, Flow, FlowId, Transport};
use crate::pii::Pii;

pub(super) const OFFER: &[u8] = b"v=0\r\ns=offer\r\n";
pub(super) const ANSWER: &[u8] = b"v=0\r\ns=answer\r\n";

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// How the network treats datagrams. Chances in per mille.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    pub loss: u64,
    pub doubled: u64,
    /// The shortest and longest time on the way; a spread reorders.
    pub delay: (Duration, Duration),
}

impl Weather {
    pub(super) const FAIR: Self = Self { loss: 0, doubled: 0, delay: (Duration::ZERO, Duration::ZERO) };
}

/// What the application of one end does by itself when an event comes.
pub(super) type Application = fn(&mut UserAgent, Instant, &Event);

/// Whether a message of an end, given by its first words, is lost.
pub(super) type Lose = Box<dyn FnMut(usize, &str) -> bool>;

pub(super) struct End {
    pub ua: UserAgent,
    pub address: SocketAddr,
    pub events: Vec<(Duration, Event)>,
    application: Application,
}

pub(super) struct World {
    pub ends: Vec<End>,
    pub now: Instant,
    pub weather: Weather,
    /// `seconds end message`, in order of sending.
    pub trace: Vec<String>,
    /// Decides on each message, by sender and first words, whether it is lost; beside the weather.
    pub lose: Lose,
    pub transport: Transport,
    start: Instant,
    on_the_way: BTreeMap<(Instant, u64), (usize, usize, Vec<u8>)>,
    sent: u64,
    random: ChaCha8Rng,
    /// What was sent to nobody, for tests that play the peer themselves.
    captured: Vec<Vec<u8>>,
    rules: CallRules,
}

fn user_agent(seed: u64, index: usize, calls: CallRules) -> UserAgent {
    let mut key = [index as u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let application_methods = vec![Method::Register];
    UserAgent::new(Config { product: "Test".into(), application_methods, calls, ..Config::default() }, key)
}

impl World {
    pub(super) fn new(seed: u64, transport: Transport, applications: &[Application]) -> Self {
        // A timer that refreshes for ever would keep every run from ending: tests of it switch it on.
        Self::with_rules(seed, transport, applications, CallRules { session_expires: None, ..CallRules::default() })
    }

    pub(super) fn with_rules(seed: u64, transport: Transport, applications: &[Application], rules: CallRules) -> Self {
        let start = Instant::now();
        let end = |(index, application): (usize, &Application)| End {
            ua: user_agent(seed, index, rules.clone()),
            address: SocketAddr::from(([10, 0, 0, index as u8 + 1], 5060)),
            events: Vec::new(),
            application: *application,
        };
        Self {
            ends: applications.iter().enumerate().map(end).collect(),
            now: start,
            weather: Weather::FAIR,
            trace: Vec::new(),
            lose: Box::new(|_, _| false),
            transport,
            start,
            on_the_way: BTreeMap::new(),
            sent: 0,
            captured: Vec::new(),
            rules,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// The process of an end dies and begins anew, with nothing left of what it knew.
    pub(super) fn crash(&mut self, end: usize) {
        self.ends[end].ua = user_agent(0xc7a5, end, self.rules.clone());
    }

    /// The flow of `from` towards `to`; an end beyond the last is nobody.
    pub(super) fn flow(&self, from: usize, to: usize) -> Flow {
        let address = |index: usize| SocketAddr::from(([10, 0, 0, index as u8 + 1], 5060));
        Flow {
            id: FlowId((from * 100 + to) as u64),
            transport: self.transport,
            local: address(from),
            remote: address(to),
        }
    }

    pub(super) fn identity(&self, from: usize, to: usize) -> Identity {
        let flow = self.flow(from, to);
        Identity {
            aor: NameAddr::new(Uri::sip(&format!("u{from}"), "example.org")),
            credentials: Some(Credentials { user: format!("u{from}"), password: Pii::new("secret".into()) }),
            destination: Destination::Flow(flow.id),
            flow,
            route: Vec::new(),
            outbound: None,
        }
    }

    pub(super) fn call(&mut self, from: usize, to: usize) -> SessionId {
        let identity = self.identity(from, to);
        let target = Uri::sip(&format!("u{to}"), "example.org");
        let invite = Invite { identity, target, offer: OFFER.to_vec(), headers: Headers::default() };
        self.ends[from].ua.invite(self.now, invite).unwrap()
    }

    pub(super) fn register(&mut self, from: usize, to: usize, expires: u64) -> RegistrationId {
        let identity = self.identity(from, to);
        let registrar = Uri::sip_host("example.org");
        self.ends[from].ua.register(self.now, identity, registrar, Duration::from_secs(expires))
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets the world run for so long.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
        self.now = end;
    }

    /// Lets the world run until nothing is left to do, at most two hours.
    pub(super) fn run_out(&mut self) {
        let end = self.now + Duration::from_secs(7200);
        while self.step(end) {}
        for end in &self.ends {
            assert_eq!(
                end.ua.poll_timeout(),
                None,
                "somebody still waits: {:#?}",
                &self.trace[..self.trace.len().min(60)]
            );
        }
    }

    /// Lets the world run until an event fits, and yields it. Panics after ten minutes.
    pub(super) fn await_event<T>(&mut self, end: usize, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let limit = self.now + Duration::from_secs(600);
        let mut seen = 0;
        loop {
            self.flush();
            while seen < self.ends[end].events.len() {
                if let Some(found) = pick(&self.ends[end].events[seen].1) {
                    return found;
                }
                seen += 1;
            }
            assert!(self.step(limit), "the event never came: {:#?}\n{:#?}", self.ends[end].events, self.trace);
        }
    }

    /// The session that an end was called for.
    pub(super) fn incoming(&mut self, end: usize) -> SessionId {
        self.await_event(end, |event| match event {
            Event::Incoming { session, .. } => Some(*session),
            _ => None,
        })
    }

    pub(super) fn ended(&self, end: usize) -> Vec<EndReason> {
        let reasons = self.ends[end].events.iter().filter_map(|(_, event)| match event {
            Event::Ended { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        reasons.collect()
    }

    pub(super) fn count(&self, end: usize, mut pick: impl FnMut(&Event) -> bool) -> usize {
        self.ends[end].events.iter().filter(|(_, event)| pick(event)).count()
    }

    pub(super) fn assert_empty(&self) {
        for (index, end) in self.ends.iter().enumerate() {
            assert!(end.ua.holds_nothing(), "end {index} keeps {:?}: {:#?}", end.ua.load(), self.trace);
        }
    }

    /// The messages of one end, or of all, without their times.
    pub(super) fn sent_by(&self, end: usize) -> Vec<&str> {
        let prefix = format!(" {end} ");
        self.trace.iter().filter_map(|line| line.split_once(&prefix)).map(|(_, message)| message).collect()
    }

    /// One thing happens: a message arrives or a timer fires, not after `end`. False if nothing does.
    fn step(&mut self, end: Instant) -> bool {
        self.flush();
        let arrival = self.on_the_way.keys().next().map(|&(at, _)| at);
        let timer = self.ends.iter().filter_map(|end| end.ua.poll_timeout()).min();
        let Some(next) = [arrival, timer].into_iter().flatten().min().filter(|&at| at <= end) else { return false };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let (_, (from, to, bytes)) = self.on_the_way.pop_first().unwrap();
            let flow = self.flow(to, from);
            self.ends[to].ua.handle_received(self.now, &flow, &bytes);
        } else {
            let now = self.now;
            for end in &mut self.ends {
                end.ua.handle_timeout(now);
            }
        }
        self.flush();
        true
    }

    /// Takes what the ends want to send and say.
    fn flush(&mut self) {
        for index in 0..self.ends.len() {
            self.ends[index].ua.assert_sound();
            while let Some(output) = self.ends[index].ua.poll_output() {
                match output {
                    Output::Transmit { destination, bytes } => self.post(index, destination, bytes),
                    Output::Event(event) => {
                        let (now, application) = (self.now, self.ends[index].application);
                        application(&mut self.ends[index].ua, now, &event);
                        let elapsed = self.elapsed();
                        self.ends[index].events.push((elapsed, event));
                    }
                }
            }
        }
    }

    fn post(&mut self, from: usize, destination: Destination, bytes: Vec<u8>) {
        let words = first_words(&bytes);
        self.trace.push(format!("{:.3} {from} {words}", self.elapsed().as_secs_f64()));
        let to = match destination {
            Destination::Flow(FlowId(id)) => {
                assert_eq!(id as usize / 100, from, "a flow of somebody else");
                id as usize % 100
            }
            Destination::Address(_, address) => {
                self.ends.iter().position(|end| end.address == address).unwrap_or(usize::MAX)
            }
        };
        let lost = (self.lose)(from, &words) || self.chance(self.weather.loss);
        if to >= self.ends.len() {
            self.captured.push(bytes);
            return;
        }
        if lost {
            return;
        }
        let copies = if self.chance(self.weather.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            let (shortest, longest) = self.weather.delay;
            let spread = (longest - shortest).as_millis() as u64;
            let delay = shortest + ms(self.random.next_u64() % (spread + 1));
            self.sent += 1;
            self.on_the_way.insert((self.now + delay, self.sent), (from, to, bytes.clone()));
        }
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.random.next_u64() % 1000 < per_mille
    }
}

/// `INVITE`, `ACK`, … or `200 INVITE`.
pub(super) fn first_words(bytes: &[u8]) -> String {
    use super::message::HeaderAccess;
    match wire::parse(bytes) {
        Ok(Message::Request(request)) => request.method.to_string(),
        Ok(Message::Response(response)) => {
            format!("{} {}", response.code(), response.headers.cseq().unwrap().method)
        }
        // A refusal repeats the From or To that made it necessary.
        Err(_) => {
            assert!(bytes.starts_with(b"SIP/2.0 4") || bytes.starts_with(b"SIP/2.0 5"), "we send what cannot be read");
            "refusal of what cannot be read".to_owned()
        }
    }
}

pub(super) fn passive(_: &mut UserAgent, _: Instant, _: &Event) {}

/// Rings, answers at once, takes every offer.
pub(super) fn answering(ua: &mut UserAgent, now: Instant, event: &Event) {
    match event {
        Event::Incoming { session, .. } => {
            ua.progress(now, *session, 180, Vec::new()).unwrap();
            ua.answer(now, *session, ANSWER.to_vec(), Headers::default()).unwrap();
        }
        Event::Reoffered { session, .. } => ua.accept_reoffer(now, *session, ANSWER.to_vec()).unwrap(),
        _ => {}
    }
}

/// Rings and waits.
pub(super) fn ringing(ua: &mut UserAgent, now: Instant, event: &Event) {
    if let Event::Incoming { session, .. } = event {
        ua.progress(now, *session, 180, Vec::new()).unwrap();
    }
}
