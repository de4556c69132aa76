//! Sockets for SIP: UDP, TCP and WebSocket, as clients and as servers.
//!
//! [`Net`] owns its tasks. What happens on the network arrives on the channel given to [`Net::new`]; what is to be sent
//! is handed to [`Net::send`], which never blocks.

use std::net::SocketAddr;

use deskline_core::flow::{Destination, Flow, FlowId, Transport};

/// Something happened on the network.
#[derive(Debug)]
pub enum NetEvent {
    /// A flow asked for by [`Net::connect`] stands, or a peer has connected to a listener, or a first datagram has come from a new peer.
    Up { flow: Flow, connect: Option<ConnectId> },
    /// One whole SIP message (datagram, framed stream message, or WebSocket message).
    Message { flow: Flow, bytes: Vec<u8> },
    /// The flow is gone. Not reported for UDP peers.
    Down { flow: FlowId, reason: String },
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
    #[error("the server did not accept the WebSocket with the subprotocol sip")]
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

pub type NetEvents = tokio::sync::mpsc::UnboundedReceiver<NetEvent>;

pub struct Net {}

#[allow(unused_variables, clippy::todo)]
impl Net {
    /// Must be called inside a tokio runtime.
    pub fn new() -> (Self, NetEvents) {
        todo!()
    }

    /// Opens a flow. UDP: resolves the name and makes a socket bound to the local address of the route to it.
    pub fn connect(&mut self, connect: ConnectId, target: Target) {
        todo!()
    }

    /// Listens; returns the bound address (port 0 chooses). UDP answers to all peers from this one socket.
    pub async fn listen(&mut self, transport: Transport, address: SocketAddr) -> std::io::Result<SocketAddr> {
        todo!()
    }

    /// Sends one SIP message. A flow that is gone is reported by [`NetEvent::Down`] (again, if need be).
    pub fn send(&mut self, destination: Destination, bytes: Vec<u8>) {
        todo!()
    }

    pub fn close(&mut self, flow: FlowId) {
        todo!()
    }
}
