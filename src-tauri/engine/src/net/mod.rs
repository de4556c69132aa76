//! Sockets for SIP: UDP, TCP and WebSocket, as clients and as servers.
//!
//! [`Net`] owns its tasks. What happens on the network arrives on the channel given by [`Net::new`]; what is to be sent
//! is handed to [`Net::send`], which never blocks. Everything that a peer can make grow is bounded by [`Limits`].
//!
//! Deliberately absent: TLS and WSS (they slot in between [`dial`] and the generic [`tcp`] and [`ws`] streams), SRV and
//! NAPTR look-ups, and any knowledge of what a message says beyond its framing.

mod connection;
mod dial;
mod flows;
mod limits;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod ws;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use deskline_core::flow::{Destination, Flow, FlowId, Transport};
use tokio::task::JoinSet;

use self::flows::{Flows, Outcome};
pub use self::limits::Limits;

/// Something happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// A flow asked for by [`Net::connect`] stands, or a peer has connected to a listener, or a first datagram has come from a new peer.
    Up { flow: Flow, connect: Option<ConnectId> },
    /// One whole SIP message (datagram, framed stream message, or WebSocket message).
    Message { flow: Flow, bytes: Vec<u8> },
    /// The flow is gone. Reported once for a connection or a UDP flow that we opened, and for each [`Net::send`] along a
    /// flow that does not exist; not for UDP peers of a listener, and not for what [`Net::close`] ended.
    /// `peer` is where a stream led, or was to lead: what was sent to that address rather than along a flow is lost with it.
    Down { flow: FlowId, peer: Option<(Transport, SocketAddr)>, reason: String },
    /// The machine's addresses or routes have changed, and are quiet again. `moved` are the flows opened by
    /// [`Net::connect`] whose local address is gone or no longer the one from which the system reaches their peer: they
    /// lead nowhere, although nothing may tell so for minutes. Whoever waits for a network may try again at once.
    AddressChanged { moved: Vec<FlowId> },
    /// The far side of a NAT has changed: STUN tells another address of ours than before (RFC 5626 §4.4.2). What we have
    /// registered may lead nowhere.
    MappedAddressChanged { flow: FlowId, mapped: SocketAddr },
    /// [`Net::connect`] failed.
    ConnectFailed { connect: ConnectId, error: ConnectError },
}

/// The caller's name for one attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("the host name {0:?} cannot be resolved")]
    Resolve(String),
    #[error("nothing listens there: the connection was refused")]
    Refused,
    #[error("no answer within {0} s")]
    TimedOut(u64),
    #[error("the network is unreachable")]
    Unreachable,
    #[error("the server did not accept the WebSocket with the subprotocol sip: {0}")]
    WebSocket(String),
    #[error("transport {0} is not supported yet")]
    Unsupported(Transport),
    #[error("{0}")]
    Other(String),
}

/// A server to connect to. `host` is a name or an address (IPv6 without brackets).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub transport: Transport,
    pub host: String,
    pub port: u16,
    /// For WebSocket: the path, `/` by default.
    pub path: String,
}

impl Target {
    fn address(transport: Transport, address: SocketAddr) -> Self {
        Self { transport, host: address.ip().to_string(), port: address.port(), path: "/".to_owned() }
    }
}

/// Bounded: while the receiver lags by a thousand events, sockets are not read.
pub type NetEvents = tokio::sync::mpsc::Receiver<NetEvent>;

/// All SIP sockets of one program. Dropping it closes them.
pub struct Net {
    flows: Arc<Flows>,
    tasks: JoinSet<()>,
}

impl Net {
    /// Must be called inside a tokio runtime.
    pub fn new() -> (Self, NetEvents) {
        Self::with_limits(Limits::default())
    }

    /// Must be called inside a tokio runtime.
    pub fn with_limits(limits: Limits) -> (Self, NetEvents) {
        let (events, receiver) = tokio::sync::mpsc::channel(limits::EVENTS);
        (Self { flows: Arc::new(Flows::new(limits, events)), tasks: JoinSet::new() }, receiver)
    }

    /// Opens a flow; ends in [`NetEvent::Up`] or [`NetEvent::ConnectFailed`]. UDP: resolves the name and makes a socket
    /// bound to the local address of the route to it.
    pub fn connect(&mut self, connect: ConnectId, target: Target) {
        let flows = Arc::clone(&self.flows);
        self.spawn(async move {
            let failed = match target.transport {
                Transport::Udp => udp::open(&flows, connect, &target).await,
                Transport::Tcp => tcp::open(&flows, flows::Opening::Asked(connect), &target).await,
                Transport::Ws => ws::open(&flows, flows::Opening::Asked(connect), &target).await,
                Transport::Tls | Transport::Wss => Err(ConnectError::Unsupported(target.transport)),
            };
            if let Err(error) = failed {
                flows.report(NetEvent::ConnectFailed { connect, error }).await;
            }
        });
    }

    /// Listens; returns the bound address (port 0 chooses). UDP answers to all peers from this one socket. An IPv6
    /// wildcard listens to IPv6 only; IPv4 wants a listener of its own.
    ///
    /// # Errors
    /// Those of the system's `bind`, and `Unsupported` for TLS and WSS.
    pub async fn listen(&mut self, transport: Transport, address: SocketAddr) -> io::Result<SocketAddr> {
        match transport {
            Transport::Udp => {
                let (local, serve) = udp::listen(&self.flows, address).await?;
                self.spawn(serve);
                Ok(local)
            }
            Transport::Tcp | Transport::Ws => {
                let listener = tcp::bind(address)?;
                let local = listener.local_addr()?;
                self.spawn(tcp::accept(Arc::clone(&self.flows), listener, transport));
                Ok(local)
            }
            Transport::Tls | Transport::Wss => {
                Err(io::Error::new(io::ErrorKind::Unsupported, ConnectError::Unsupported(transport)))
            }
        }
    }

    /// Sends one SIP message. A flow that is gone is reported by [`NetEvent::Down`] (again, if need be). Messages along one
    /// flow keep their order.
    pub fn send(&mut self, destination: Destination, bytes: Vec<u8>) {
        let outcome = match destination {
            Destination::Flow(flow) => self.flows.send(flow, bytes),
            Destination::Address(Transport::Udp, address) => return self.send_datagram(address, bytes),
            Destination::Address(transport, address) => match self.flows.stream_to(transport, address) {
                Some(flow) => self.flows.send(flow, bytes),
                None => return self.send_on_new_stream(transport, address, bytes),
            },
        };
        if let Outcome::Gone { flow, peer, reason } = outcome {
            self.report(NetEvent::Down { flow, peer, reason: reason.to_owned() });
        }
    }

    /// Ends a flow after what was sent along it. No [`NetEvent::Down`] follows, though one may be under way.
    pub fn close(&mut self, flow: FlowId) {
        self.flows.close(flow);
    }

    fn send_datagram(&mut self, remote: SocketAddr, bytes: Vec<u8>) {
        let socket = match self.flows.socket_towards(remote) {
            Some(socket) => socket,
            None => match udp::open_wildcard(&self.flows, remote) {
                Ok((socket, serve)) => {
                    self.spawn(serve);
                    socket
                }
                Err(error) => return tracing::debug!(%error, "no UDP socket for this destination"),
            },
        };
        socket.send(bytes, remote);
    }

    fn send_on_new_stream(&mut self, transport: Transport, remote: SocketAddr, bytes: Vec<u8>) {
        let flow = self.flows.next_id();
        let Some(permit) = self.flows.opening() else {
            let reason = "too many connections are open".to_owned();
            return self.report(NetEvent::Down { flow, peer: Some((transport, remote)), reason });
        };
        let mailbox = self.flows.insert_stream(flow, transport, remote);
        let flows = Arc::clone(&self.flows);
        // A fresh queue takes one message of any size that we build.
        let _ = flows.send(flow, bytes);
        self.spawn(async move {
            let target = Target::address(transport, remote);
            let opening = flows::Opening::Queued(flow, mailbox);
            let failed = match transport {
                Transport::Tcp => tcp::open(&flows, opening, &target).await,
                Transport::Ws => ws::open(&flows, opening, &target).await,
                Transport::Udp | Transport::Tls | Transport::Wss => Err(ConnectError::Unsupported(transport)),
            };
            if let Err(error) = failed {
                flows.down(flow, error.to_string()).await;
            }
            drop(permit);
        });
    }

    /// Reports without waiting; only when the event loop lags far behind does the report queue up in a task.
    fn report(&mut self, event: NetEvent) {
        if let Err(event) = self.flows.try_report(event) {
            let flows = Arc::clone(&self.flows);
            self.spawn(async move { flows.report(event).await });
        }
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }
}
