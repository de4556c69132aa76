//! Requests too large for a datagram go by TCP, and come back to UDP where there is none (RFC 3261 §18.1.1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::path::Path;
use super::stack::Stack;
use super::transactions::TransactionId;
use crate::flow::{Destination, Transport};
use crate::sip::message::{HeaderAccess, Request};
use crate::sip::wire;

/// The largest request in octets that goes by UDP: the path's MTU is unknown (RFC 3261 §18.1.1).
const LARGEST_DATAGRAM: usize = 1300;
/// How long a server that took no TCP connection is spared another attempt.
const SPARED: Duration = Duration::from_secs(600);
/// Servers remembered so.
const MAX_SPARED: usize = 32;

/// Which servers take no TCP.
#[derive(Default)]
pub(super) struct Detours {
    without_tcp: VecDeque<(SocketAddr, Instant)>,
}

impl Detours {
    fn is_spared(&mut self, now: Instant, server: SocketAddr) -> bool {
        self.without_tcp.retain(|&(_, until)| until > now);
        self.without_tcp.iter().any(|&(spared, _)| spared == server)
    }

    fn spare(&mut self, now: Instant, server: SocketAddr) {
        self.without_tcp.retain(|&(spared, _)| spared != server);
        if self.without_tcp.len() >= MAX_SPARED {
            self.without_tcp.pop_front();
        }
        self.without_tcp.push_back((server, now + SPARED));
    }
}

impl Stack {
    /// Where a completed request really goes, and as what: along TCP to the same place, with a Via that says so, if it is
    /// too large for UDP. Our Contact stays what it is: where we listen.
    pub(super) fn by_size(
        &mut self,
        now: Instant,
        path: &Path,
        destination: Destination,
        request: &mut Request,
        bytes: Vec<u8>,
    ) -> (Destination, Vec<u8>) {
        let server = path.datagram_to(destination).filter(|_| bytes.len() > LARGEST_DATAGRAM);
        match server {
            Some(server) if !self.detours.is_spared(now, server) => {
                set_via_transport(request, Transport::Tcp);
                (Destination::Address(Transport::Tcp, server), wire::write_request(request))
            }
            _ => (destination, bytes),
        }
    }

    /// The connection to an address could not be had, or is gone: what had taken it only for its size goes by UDP after
    /// all. The branch stays, so that a server which had it already sees a repetition. Yields the transactions that have
    /// no other way.
    pub(super) fn end_detours(&mut self, now: Instant, transport: Transport, server: SocketAddr) -> Vec<TransactionId> {
        let mut lost = Vec::new();
        for id in self.transactions.sent_to(Destination::Address(transport, server)) {
            let Some(client) = self.transactions.client(id) else { continue };
            if client.intended == client.destination {
                lost.push(id);
            } else if client.awaits_answer() {
                self.detours.spare(now, server);
                self.take_intended_way(now, id);
            } else {
                // Answered: whatever repeats itself may come by UDP.
                client.destination = client.intended;
            }
        }
        lost
    }

    fn take_intended_way(&mut self, now: Instant, id: TransactionId) {
        let timers = self.config.timers;
        self.transactions.take_intended_way(now, timers, id);
        let Some(client) = self.transactions.client(id) else { return };
        let transport = client.path.transport_of(client.destination);
        set_via_transport(&mut client.request, transport);
        let (destination, bytes) = (client.destination, wire::write_request(&client.request));
        self.transmit(destination, bytes);
    }
}

fn set_via_transport(request: &mut Request, transport: Transport) {
    if let Ok(mut via) = request.headers.via() {
        via.transport = transport.via_token().into();
        request.headers.replace_top_via(&via);
    }
}
