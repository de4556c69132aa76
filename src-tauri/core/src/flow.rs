//! What the core knows of the network: transports, flows and destinations. The sockets are the engine's.

use std::fmt;
use std::net::SocketAddr;

/// A SIP transport (RFC 3261 §18, RFC 7118).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// A reliable transport needs no retransmission of requests (RFC 3261 §17.1.1.2).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// The token of the Via header: `UDP`, `TCP`, `TLS`, `WS`, `WSS`.
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The value of the URI parameter `transport`. A flow over WSS says `ws` (RFC 7118 §5.3), one over TLS says `tcp`
    /// beside a `sips` scheme, or `tls`, which every peer understands.
    pub const fn uri_token(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }

    /// The port used where none is named (RFC 3261 §19.1.2, RFC 7118 §10).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via_token())
    }
}

impl std::str::FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss]
            .into_iter()
            .find(|transport| transport.via_token().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownTransport(text.to_owned()))
    }
}

/// A transport name that is none of `udp`, `tcp`, `tls`, `ws`, `wss`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport {0:?}: choose udp, tcp, tls, ws or wss")]
pub struct UnknownTransport(pub String);

/// The engine's name for one flow: a connection, or a UDP socket together with one peer address (RFC 5626 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u64);

/// A flow that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    pub id: FlowId,
    pub transport: Transport,
    /// Our address as the flow sees it (never the wildcard address).
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// Where a message is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Along a flow that is up. Requests to a registrar and responses over streams always name their flow.
    Flow(FlowId),
    /// To an address; the engine uses the flow that it has, or opens one. Over UDP this never fails.
    Address(Transport, SocketAddr),
}
