//! Telephones, a network without delay, and a clock that jumps from one timeout to the next.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use deskline_core::flow::{Destination, Flow, FlowId, Transport};
use deskline_core::media::{Codec, Direction};
use deskline_core::pii::Pii;
use deskline_core::sdp::LocalMedia;
use deskline_core::sdp::offer_answer;
use deskline_core::sip::user_agent::{
    self, Config, Credentials, EndReason, Event as SipEvent, Identity, Invite, Outbound,
};
use deskline_core::sip::{Headers, NameAddr, SessionId, Uri, UserAgent};

use crate::call::{CallInfo, CallState};
use crate::config::{Authentication, CentreConfig, User};
use crate::exchange::{CentreEvent, Exchange, Output};
use crate::media;

pub(super) const PASSWORD: &str = "open sesame";

pub(super) fn config() -> CentreConfig {
    let user = |extension: &str, simulated| User {
        extension: extension.to_owned(),
        name: format!("Name of {extension}"),
        password: Some(Pii::new(PASSWORD.to_owned())),
        simulated,
    };
    CentreConfig {
        realm: "centre.test".to_owned(),
        users: vec![user("1001", false), user("1002", true), user("1003", true)],
        authentication: Authentication::Required,
        ..CentreConfig::empty()
    }
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) exchange: Exchange,
    pub(super) phones: Vec<Phone>,
    pub(super) events: Vec<CentreEvent>,
    /// Our sockets by their addresses.
    ports: HashMap<SocketAddr, media::PortId>,
    pub(super) no_sockets: bool,
}

/// A telephone: its number in the world is its place in [`World::phones`].
pub(super) struct Phone {
    pub(super) agent: UserAgent,
    pub(super) events: Vec<SipEvent>,
    pub(super) packets: Vec<Vec<u8>>,
    pub(super) local: LocalMedia,
    /// What was agreed in the call that was answered here.
    answered: Option<offer_answer::Negotiated>,
    /// The name in the credentials.
    pub(super) user: String,
    password: String,
    extension: String,
    flow: Flow,
    /// The centre's name for it; a new one after each loss.
    pub(super) centre_flow: FlowId,
}

fn centre_address() -> SocketAddr {
    "127.0.0.1:5060".parse().unwrap()
}

fn phone_address(index: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 40_000 + index as u16))
}

impl World {
    pub(super) fn new(config: CentreConfig) -> Self {
        Self {
            now: Instant::now(),
            exchange: Exchange::new(config, [42; 32]),
            phones: Vec::new(),
            events: Vec::new(),
            ports: HashMap::new(),
            no_sockets: false,
        }
    }

    /// A centre with one registered telephone, number 0, of extension 1001.
    pub(super) fn with_agent() -> Self {
        let mut world = Self::new(config());
        world.add_registered("1001");
        world
    }

    pub(super) fn add_phone(&mut self, extension: &str, password: &str) -> usize {
        let index = self.phones.len();
        let config = Config { product: "Phone".to_owned(), ..Config::default() };
        let flow =
            Flow { id: FlowId(0), transport: Transport::Udp, local: phone_address(index), remote: centre_address() };
        self.phones.push(Phone {
            agent: UserAgent::new(config, [index as u8; 32]),
            events: Vec::new(),
            packets: Vec::new(),
            local: LocalMedia {
                session_id: 7,
                version: 1,
                address: SocketAddr::from(([127, 0, 0, 1], 50_000 + index as u16)),
                codecs: vec![Codec::Pcmu, Codec::Opus],
                dtmf: true,
                direction: Direction::SendRecv,
                ptime: 20,
            },
            answered: None,
            user: extension.to_owned(),
            password: password.to_owned(),
            extension: extension.to_owned(),
            flow,
            centre_flow: FlowId(index as u64 + 1),
        });
        index
    }

    pub(super) fn add_registered(&mut self, extension: &str) -> usize {
        let phone = self.add_phone(extension, PASSWORD);
        self.register(phone);
        assert!(self.exchange.is_registered(extension));
        phone
    }

    pub(super) fn register(&mut self, phone: usize) {
        let identity = self.phones[phone].identity();
        let registrar = Uri::sip_host("centre.test");
        self.phones[phone].agent.register(self.now, identity, registrar, Duration::from_secs(300));
        self.settle();
    }

    /// The phone's connection breaks; from now on it uses another one.
    pub(super) fn break_flow(&mut self, phone: usize) {
        let lost = self.phones[phone].centre_flow;
        self.phones[phone].centre_flow = FlowId(lost.0 + 100);
        self.exchange.handle_flow_closed(self.now, lost);
        self.settle();
    }

    /// INVITE to a number, with an offer.
    pub(super) fn dial(&mut self, phone: usize, number: &str) -> SessionId {
        let caller = &mut self.phones[phone];
        let invite = Invite {
            identity: caller.identity(),
            target: Uri::sip(number, "centre.test"),
            offer: offer_answer::offer(&caller.local),
            headers: Headers::default(),
        };
        let session = caller.agent.invite(self.now, invite).unwrap();
        self.settle();
        session
    }

    /// The phone answers the call that rings there.
    pub(super) fn answer(&mut self, phone: usize) -> SessionId {
        let (session, offer) = self.phones[phone].incoming().expect("a call rings");
        let callee = &mut self.phones[phone];
        callee.agent.progress(self.now, session, 180, Vec::new()).unwrap();
        let (body, agreed) = offer_answer::answer(&callee.local, &offer).unwrap();
        callee.answered = Some(agreed);
        callee.agent.answer(self.now, session, body, Headers::default()).unwrap();
        self.settle();
        session
    }

    pub(super) fn hang_up(&mut self, phone: usize, session: SessionId) {
        self.phones[phone].agent.hang_up(self.now, session).unwrap();
        self.settle();
    }

    /// A re-INVITE in which the phone wants that direction.
    pub(super) fn reoffer(&mut self, phone: usize, session: SessionId, direction: Direction) {
        let caller = &mut self.phones[phone];
        caller.local.direction = direction;
        caller.local.version += 1;
        let agreed = caller.agreed().or(caller.answered.clone()).expect("a call stands");
        let offer = offer_answer::reoffer(&caller.local, &agreed);
        caller.agent.reoffer(self.now, session, offer).unwrap();
        self.settle();
    }

    /// One RTP packet from the phone to one of the centre's sockets.
    pub(super) fn send_rtp(&mut self, phone: usize, to: SocketAddr, packet: &[u8]) {
        let port = self.ports[&to];
        let from = self.phones[phone].local.address;
        self.exchange.handle_packet(self.now, port, from, packet);
        self.settle();
    }

    /// Everything that is due at this moment, and what follows from it.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut busy = false;
            while let Some(output) = self.exchange.poll_output() {
                busy = true;
                self.deliver(output);
            }
            for index in 0..self.phones.len() {
                while let Some(output) = self.phones[index].agent.poll_output() {
                    busy = true;
                    match output {
                        user_agent::Output::Transmit { bytes, .. } => {
                            let flow = Flow {
                                id: self.phones[index].centre_flow,
                                transport: Transport::Udp,
                                local: centre_address(),
                                remote: phone_address(index),
                            };
                            self.exchange.handle_received(self.now, &flow, &bytes);
                        }
                        user_agent::Output::Event(event) => self.phones[index].events.push(event),
                    }
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    fn deliver(&mut self, output: Output) {
        match output {
            Output::Transmit { destination, bytes } => {
                let index = match destination {
                    Destination::Flow(id) => {
                        // What goes along a lost flow is lost.
                        let Some(index) = self.phones.iter().position(|phone| phone.centre_flow == id) else { return };
                        index
                    }
                    Destination::Address(_, address) => usize::from(address.port()).wrapping_sub(40_000),
                };
                // Nobody is there.
                let Some(phone) = self.phones.get_mut(index) else { return };
                phone.agent.handle_received(self.now, &phone.flow, &bytes);
            }
            Output::Media(media::Output::Bind { port, address }) => {
                let bound = SocketAddr::new(address, 20_000 + port.0 as u16);
                let bound = (!self.no_sockets).then_some(bound);
                self.ports.extend(bound.map(|bound| (bound, port)));
                self.exchange.handle_bound(self.now, port, bound);
            }
            Output::Media(media::Output::Release { port }) => self.ports.retain(|_, known| *known != port),
            Output::Media(media::Output::Send { to, packet, .. }) => {
                if let Some(phone) = self.phones.iter_mut().find(|phone| phone.local.address == to) {
                    phone.packets.push(packet);
                }
            }
            Output::Event(event) => self.events.push(event),
        }
    }

    /// Lets time pass, from timeout to timeout.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let phones = self.phones.iter().filter_map(|phone| phone.agent.poll_timeout());
            let Some(next) = phones.chain(self.exchange.poll_timeout()).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            self.exchange.handle_timeout(self.now);
            for phone in &mut self.phones {
                phone.agent.handle_timeout(self.now);
            }
            self.settle();
        }
        self.now = end;
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The states of the only call, in order.
    pub(super) fn states(&self) -> Vec<CallState> {
        let state = |event: &CentreEvent| match event {
            CentreEvent::Call(CallInfo { state, .. }) => Some(*state),
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }

    /// Nothing is left but the bindings, once every transaction has run out.
    pub(super) fn assert_at_rest(&mut self) {
        self.seconds(60);
        let load = self.exchange.load();
        assert_eq!((load.calls, load.sessions, load.sockets), (0, 0, 0), "{load:?}");
        assert!(self.ports.is_empty());
        assert!(self.exchange.desk.sessions.is_empty());
    }
}

impl Phone {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            aor: NameAddr::new(Uri::sip(&self.extension, "centre.test")),
            credentials: Some(Credentials { user: self.user.clone(), password: Pii::new(self.password.clone()) }),
            destination: Destination::Flow(self.flow.id),
            flow: self.flow,
            route: Vec::new(),
            // As a Deskline does; there is no GRUU here, which must not matter.
            outbound: Some(Outbound {
                instance: format!("urn:uuid:{}", self.flow.local).into(),
                reg_id: 1,
                gruu: true,
            }),
        }
    }

    /// The call that came in last, with its offer.
    pub(super) fn incoming(&self) -> Option<(SessionId, Vec<u8>)> {
        self.events.iter().rev().find_map(|event| match event {
            SipEvent::Incoming { session, offer, .. } => Some((*session, offer.clone())),
            _ => None,
        })
    }

    /// From and X- headers of that call.
    pub(super) fn incoming_request(&self) -> Option<&deskline_core::sip::Request> {
        self.events.iter().rev().find_map(|event| match event {
            SipEvent::Incoming { request, .. } => Some(&**request),
            _ => None,
        })
    }

    /// What came of the call: the last answer, with what is agreed by it.
    pub(super) fn agreed(&self) -> Option<offer_answer::Negotiated> {
        self.events.iter().rev().find_map(|event| match event {
            SipEvent::Answered { body, .. } | SipEvent::ReofferAnswered { body, .. } => {
                Some(offer_answer::accept(&self.local, body).unwrap())
            }
            _ => None,
        })
    }

    pub(super) fn progress(&self) -> Vec<u16> {
        let status = |event: &SipEvent| match event {
            SipEvent::Progress { status, .. } => Some(*status),
            _ => None,
        };
        self.events.iter().filter_map(status).collect()
    }

    /// Why a session ended, if it has.
    pub(super) fn end_of(&self, wanted: SessionId) -> Option<EndReason> {
        self.events.iter().find_map(|event| match event {
            SipEvent::Ended { session, reason, .. } if *session == wanted => Some(reason.clone()),
            _ => None,
        })
    }

    /// The final status that refused a call.
    pub(super) fn refusal(&self, session: SessionId) -> Option<u16> {
        match self.end_of(session)? {
            EndReason::Rejected { status, .. } => Some(status),
            _ => None,
        }
    }
}
