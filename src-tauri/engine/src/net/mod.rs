//! Sockets for SIP: UDP, TCP, TLS and WebSocket over either, IPv4 and IPv6, as clients and as servers.
//!
//! [`Net`] owns its tasks. What happens on the network arrives on the channel given by [`Net::new`]; what is to be sent
//! is handed to [`Net::send`], which never blocks. Everything that a peer can make grow is bounded by [`Limits`].
//!
//! Deliberately absent: a way to accept just any certificate, and any knowledge of what a message says beyond its framing
//! (but for one thing: that a REGISTER over UDP wants an answer).

mod connection;
mod dial;
mod flows;
mod limits;
mod proxy;
mod resolve;
mod stun;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod udp;
mod watch;
mod wire;
mod ws;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use deskline_core::account::{CertificateFault, Fingerprint, Server};
use deskline_core::flow::{Destination, Flow, FlowId, Transport};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use self::flows::{Flows, Opening, Outcome};
pub use self::limits::Limits;
pub use self::resolve::NameServers;
pub use self::tls::ServerIdentity;

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
    #[error("the certificate is refused: {fault} (SHA-256 {fingerprint})")]
    Certificate { fault: CertificateFault, fingerprint: Fingerprint },
    #[error("the server wants a client certificate, or another one than ours")]
    ClientCertificate,
    #[error("no TLS came about: {0}")]
    Tls(String),
    #[error("{}: {why}", file.display())]
    TlsFile { file: PathBuf, why: String },
    #[error("the proxy cannot be used: {0}")]
    ProxyUnreachable(String),
    #[error("the proxy wants credentials, or others than ours")]
    ProxyCredentials,
    #[error("the proxy does not connect us with this server: HTTP {0}")]
    ProxyRefused(u16),
    #[error("transport {0} is not possible here")]
    Unsupported(Transport),
    #[error("{0}")]
    Other(String),
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
        Self::with_name_servers(limits, NameServers::System)
    }

    /// Must be called inside a tokio runtime.
    pub fn with_name_servers(limits: Limits, name_servers: NameServers) -> (Self, NetEvents) {
        let (events, receiver) = tokio::sync::mpsc::channel(limits::EVENTS);
        (Self { flows: Arc::new(Flows::new(limits, name_servers, events)), tasks: JoinSet::new() }, receiver)
    }

    /// Opens a flow; ends in [`NetEvent::Up`] or [`NetEvent::ConnectFailed`]. The server is found as RFC 3263 has it. UDP:
    /// makes a socket bound to the local address of the route to it; a server that does not answer is told from others
    /// by the next call, which goes to the next one.
    pub fn connect(&mut self, connect: ConnectId, server: Server) {
        let flows = Arc::clone(&self.flows);
        flows.note_silence();
        self.spawn(async move {
            if let Err(error) = dial::open(&flows, Opening::Asked(connect), &server).await {
                flows.report(NetEvent::ConnectFailed { connect, error }).await;
            }
        });
    }

    /// Reports from now on when the machine's addresses or routes change: [`NetEvent::AddressChanged`].
    pub fn watch_addresses(&mut self) {
        self.spawn(watch::run(Arc::clone(&self.flows)));
    }

    /// Listens; returns the bound address (port 0 chooses). UDP answers to all peers from this one socket. An IPv6
    /// wildcard listens to IPv6 only; IPv4 wants a listener of its own.
    ///
    /// # Errors
    /// Those of the system's `bind`; `Unsupported` for TLS and WSS, which want [`Net::listen_securely`].
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
                self.spawn(tcp::accept(Arc::clone(&self.flows), listener, transport, None));
                Ok(local)
            }
            Transport::Tls | Transport::Wss => {
                Err(io::Error::new(io::ErrorKind::Unsupported, ConnectError::Unsupported(transport)))
            }
        }
    }

    /// Listens for TLS or WSS, as `identity`; returns the bound address.
    ///
    /// # Errors
    /// Those of the system's `bind`; `InvalidInput` for files that cannot be used; `Unsupported` for other transports.
    pub async fn listen_securely(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        identity: &ServerIdentity,
    ) -> io::Result<SocketAddr> {
        if !matches!(transport, Transport::Tls | Transport::Wss) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, ConnectError::Unsupported(transport)));
        }
        let acceptor = TlsAcceptor::from(tls::server(identity)?);
        let listener = tcp::bind(address)?;
        let local = listener.local_addr()?;
        self.spawn(tcp::accept(Arc::clone(&self.flows), listener, transport, Some(acceptor)));
        Ok(local)
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
            let opening = Opening::Queued(flow, mailbox);
            if let Err(error) = dial::open(&flows, opening, &Server::at(transport, remote)).await {
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
