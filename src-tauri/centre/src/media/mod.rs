//! The centre's media, pure: packets and time in, packets out. The sockets belong to whoever drives it; they are known
//! here by [`PortId`].
//!
//! A call has either an `Endpoint` (the far end is simulated here) or a `Relay` (between two phones).

mod endpoint;
mod heard;
mod relay;
mod rewrite;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use deskline_core::sdp::Negotiated;

pub(crate) use endpoint::Endpoint;
pub use endpoint::Performance;
pub use heard::{CallProbe, HEARD_RATE, HEARD_SECONDS};
pub(crate) use relay::Relay;
pub(crate) use rewrite::rewrite;

use crate::call::CallId;
use crate::random::Random;

/// One UDP socket of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId(pub u64);

/// What is to be done about sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bind a socket at this address, any port; answered by [`Exchange::handle_bound`](crate::exchange::Exchange::handle_bound).
    Bind {
        port: PortId,
        address: IpAddr,
    },
    Release {
        port: PortId,
    },
    Send {
        port: PortId,
        to: SocketAddr,
        packet: Vec<u8>,
    },
}

/// What the call needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// All sockets of the call stand: the one of an endpoint, or the two of a relay, caller's side first.
    Opened {
        call: CallId,
        addresses: Vec<SocketAddr>,
    },
    OpenFailed {
        call: CallId,
    },
}

/// Which side of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    Caller,
    Callee,
}

impl Leg {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Caller => 0,
            Self::Callee => 1,
        }
    }
}

pub(crate) struct Media {
    random: Random,
    next_port: u64,
    ports: HashMap<PortId, (CallId, usize)>,
    calls: BTreeMap<CallId, CallMedia>,
    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
}

struct CallMedia {
    ports: Vec<Port>,
    kind: Kind,
}

struct Port {
    id: PortId,
    address: Option<SocketAddr>,
    /// When a packet came last, or was first expected.
    awake: Instant,
}

enum Kind {
    Endpoint(Box<Endpoint>),
    Relay(Relay),
}

impl Media {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random,
            next_port: 0,
            ports: HashMap::new(),
            calls: BTreeMap::new(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// A simulated person for the call, on a socket at `address`.
    pub(crate) fn open_endpoint(&mut self, now: Instant, call: CallId, address: IpAddr, performance: Performance) {
        let endpoint = Endpoint::new(performance, self.random.number());
        self.open(now, call, &[address], Kind::Endpoint(Box::new(endpoint)));
    }

    /// A relay between a caller and a callee, each on a socket at the address that its side can reach.
    pub(crate) fn open_relay(&mut self, now: Instant, call: CallId, caller: IpAddr, callee: IpAddr) {
        self.open(now, call, &[caller, callee], Kind::Relay(Relay::default()));
    }

    fn open(&mut self, now: Instant, call: CallId, addresses: &[IpAddr], kind: Kind) {
        let mut ports = Vec::new();
        for (index, &address) in addresses.iter().enumerate() {
            let id = PortId(self.next_port);
            self.next_port += 1;
            self.ports.insert(id, (call, index));
            self.outputs.push_back(Output::Bind { port: id, address });
            ports.push(Port { id, address: None, awake: now });
        }
        self.calls.insert(call, CallMedia { ports, kind });
    }

    pub(crate) fn handle_bound(&mut self, port: PortId, bound: Option<SocketAddr>) {
        let Some(&(call, index)) = self.ports.get(&port) else {
            // Closed before it stood.
            self.outputs.push_back(Output::Release { port });
            return;
        };
        let Some(media) = self.calls.get_mut(&call) else { return };
        let Some(address) = bound else {
            self.close(call);
            self.events.push_back(Event::OpenFailed { call });
            return;
        };
        media.ports[index].address = Some(address);
        if let Some(addresses) = media.ports.iter().map(|port| port.address).collect() {
            self.events.push_back(Event::Opened { call, addresses });
        }
    }

    /// Starts or changes what an endpoint does, as agreed with its peer.
    pub(crate) fn run(&mut self, now: Instant, call: CallId, negotiated: Negotiated) {
        if let Some(CallMedia { kind: Kind::Endpoint(endpoint), ports }) = self.calls.get_mut(&call) {
            endpoint.run(now, negotiated);
            ports.iter_mut().for_each(|port| port.awake = now);
        }
    }

    /// Where a relay sends what is for this leg; `None`: nowhere for now.
    pub(crate) fn relay_to(&mut self, call: CallId, leg: Leg, remote: Option<SocketAddr>) {
        if let Some(CallMedia { kind: Kind::Relay(relay), .. }) = self.calls.get_mut(&call) {
            relay.set_remote(leg, remote);
        }
    }

    /// A digit that came by signalling rather than as RTP.
    pub(crate) fn note_digit(&mut self, call: CallId, digit: char) {
        if let Some(CallMedia { kind: Kind::Endpoint(endpoint), .. }) = self.calls.get_mut(&call) {
            endpoint.note_digit(digit);
        }
    }

    /// Lets the sockets of a call go; what its endpoint heard is handed over.
    pub(crate) fn close(&mut self, call: CallId) -> Option<Box<Endpoint>> {
        let media = self.calls.remove(&call)?;
        for port in &media.ports {
            self.ports.remove(&port.id);
            if port.address.is_some() {
                self.outputs.push_back(Output::Release { port: port.id });
            }
        }
        match media.kind {
            Kind::Endpoint(endpoint) => Some(endpoint),
            Kind::Relay(_) => None,
        }
    }

    pub(crate) fn endpoint(&self, call: CallId) -> Option<&Endpoint> {
        match &self.calls.get(&call)?.kind {
            Kind::Endpoint(endpoint) => Some(endpoint),
            Kind::Relay(_) => None,
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, port: PortId, from: SocketAddr, packet: &[u8]) {
        let Some(&(call, index)) = self.ports.get(&port) else { return };
        let Some(media) = self.calls.get_mut(&call) else { return };
        media.ports[index].awake = now;
        match &mut media.kind {
            Kind::Endpoint(endpoint) => {
                endpoint.handle_packet(now, from, packet, |to, packet| {
                    self.outputs.push_back(Output::Send { port, to, packet });
                });
            }
            Kind::Relay(relay) => {
                let leg = if index == 0 { Leg::Caller } else { Leg::Callee };
                if let Some(to) = relay.forward(leg, from) {
                    let port = media.ports[leg.other().index()].id;
                    self.outputs.push_back(Output::Send { port, to, packet: packet.to_vec() });
                }
            }
        }
    }

    /// Since when a phone of the call has been silent, the one that has been so longest.
    pub(crate) fn silent_since(&self, call: CallId) -> Option<Instant> {
        self.calls.get(&call)?.ports.iter().map(|port| port.awake).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        for media in self.calls.values_mut() {
            let Kind::Endpoint(endpoint) = &mut media.kind else { continue };
            let port = media.ports[0].id;
            endpoint.handle_timeout(now, |to, packet| self.outputs.push_back(Output::Send { port, to, packet }));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.calls
            .values()
            .filter_map(|media| match &media.kind {
                Kind::Endpoint(endpoint) => endpoint.poll_timeout(),
                Kind::Relay(_) => None,
            })
            .min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Sockets in use.
    pub(crate) fn len(&self) -> usize {
        self.ports.len()
    }
}
