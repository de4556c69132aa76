//! From a server to a connection: where it is, which of its addresses answers, the proxy on the way, TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deskline_core::account::{Proxy, Server};
use deskline_core::flow::Transport;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::flows::{Flows, Opening};
use super::resolve::Hop;
use super::wire::Wire;
use super::{ConnectError, proxy, tcp, udp, ws};

/// The next address of the same host is tried after that time without an answer (RFC 8305 §5).
const NEXT_ADDRESS: Duration = Duration::from_millis(250);
/// The next host is. The preferred one gets more time to answer.
const NEXT_HOST: Duration = Duration::from_millis(1_000);

/// Opens a flow to `server` and serves it to its end. An error: it never stood.
pub(super) async fn open(flows: &Arc<Flows>, opening: Opening, server: &Server) -> Result<(), ConnectError> {
    let deadline = Deadline::after(match &opening {
        Opening::Asked(_) => flows.limits.connect,
        Opening::Queued(..) => flows.limits.connect_for_waiting,
    });
    if let Some(proxy) = &server.proxy {
        // The proxy resolves the name: inside, there may be no name server that knows it.
        let transport = server.transport.unwrap_or(Transport::Tls);
        if transport == Transport::Udp {
            return Err(ConnectError::Unsupported(transport));
        }
        let stream = through(flows, proxy, server, transport, deadline).await?;
        return serve(flows, opening, upgrade(flows, stream, server, transport, deadline).await?).await;
    }
    let hops = flows.directory.hops(server, deadline).await?;
    let mut opening = opening;
    let mut failure = ConnectError::Unreachable;
    for alike in hops.chunk_by(|one, other| one.transport == other.transport) {
        let reached = match alike.first().map_or(Transport::Udp, |hop| hop.transport) {
            Transport::Udp => match udp::open(flows, opening, alike, server.keep_alive, deadline).await {
                Ok(()) => return Ok(()),
                Err((error, returned)) => {
                    opening = returned;
                    Err(error)
                }
            },
            transport => reach(flows, alike, server, transport, deadline).await,
        };
        match reached {
            Ok(ready) => return serve(flows, opening, ready).await,
            Err(error) if error.is_final() => return Err(error),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// A stream on which SIP can be spoken.
enum Ready {
    Stream { transport: Transport, wire: Wire, remote: SocketAddr },
    WebSocket { transport: Transport, socket: Box<ws::Socket>, ends: (SocketAddr, SocketAddr) },
}

async fn serve(flows: &Arc<Flows>, opening: Opening, ready: Ready) -> Result<(), ConnectError> {
    match ready {
        Ready::Stream { transport, wire, remote } => {
            flows.directory.failed.clear(transport, remote);
            tcp::serve(flows, opening, transport, wire).await
        }
        Ready::WebSocket { transport, socket, ends } => {
            flows.directory.failed.clear(transport, ends.1);
            ws::serve(flows, opening, transport, *socket, ends).await;
            Ok(())
        }
    }
}

/// The first address that takes the connection and speaks what it should.
async fn reach(
    flows: &Arc<Flows>,
    hops: &[Hop],
    server: &Server,
    transport: Transport,
    deadline: Deadline,
) -> Result<Ready, ConnectError> {
    let mut left: Vec<(usize, SocketAddr)> = hops
        .iter()
        .enumerate()
        .flat_map(|(index, hop)| hop.addresses.iter().map(move |address| (index, *address)))
        .collect();
    let mut failure = ConnectError::Unreachable;
    while !left.is_empty() {
        let failed = |address| flows.directory.failed.note(transport, address);
        let (address, stream) = match race(&mut left, failed, deadline).await {
            Ok(connected) => connected,
            Err(error) if matches!(failure, ConnectError::Unreachable) => return Err(error),
            Err(_) => break,
        };
        match upgrade(flows, stream, server, transport, deadline).await {
            Ok(ready) => return Ok(ready),
            Err(error) if error.is_final() => return Err(error),
            Err(error) => {
                failed(address);
                failure = error;
            }
        }
    }
    Err(failure)
}

/// Connects to the first address that answers, each being given a start over the next. Takes those that it has tried
/// out of the list.
async fn race(
    left: &mut Vec<(usize, SocketAddr)>,
    failed: impl Fn(SocketAddr),
    deadline: Deadline,
) -> Result<(SocketAddr, TcpStream), ConnectError> {
    let mut failure = ConnectError::Unreachable;
    let mut under_way = FuturesUnordered::new();
    let mut tried: Vec<SocketAddr> = Vec::new();
    loop {
        let mut start = None;
        if !left.is_empty() {
            let (host, address) = left.remove(0);
            tried.push(address);
            under_way.push(async move { (address, TcpStream::connect(address).await) });
            start = left.first().map(|(next, _)| if *next == host { NEXT_ADDRESS } else { NEXT_HOST });
        } else if under_way.is_empty() {
            return Err(failure);
        }
        // Whatever comes first: an answer, the turn of the next address, the end of the time.
        let answered =
            async { if let Some(answer) = under_way.next().await { answer } else { std::future::pending().await } };
        tokio::select! {
            (address, answer) = answered => match answer {
                Ok(stream) => {
                    // Those that were tried before and have not answered yet had their chance.
                    tried.iter().filter(|tried| **tried != address).for_each(|tried| failed(*tried));
                    tcp::prepare(&stream);
                    return Ok((address, stream));
                }
                Err(error) => failure = ConnectError::from_io(&error, deadline),
            },
            () = sleep(start.unwrap_or_default()), if start.is_some() => {}
            () = tokio::time::sleep_until(deadline.at) => {
                tried.iter().for_each(|tried| failed(*tried));
                return Err(deadline.timed_out());
            }
        }
    }
}

/// A connection that the proxy makes for us.
async fn through(
    flows: &Arc<Flows>,
    proxy: &Proxy,
    server: &Server,
    transport: Transport,
    deadline: Deadline,
) -> Result<TcpStream, ConnectError> {
    let port = server.port.unwrap_or(transport.default_port());
    let mut place = Server::at(Transport::Tcp, SocketAddr::from(([0, 0, 0, 0], proxy.port)));
    place.host.clone_from(&proxy.host);
    let unreachable = |error: ConnectError| ConnectError::ProxyUnreachable(error.to_string());
    let hops = flows.directory.hops(&place, deadline).await.map_err(unreachable)?;
    let mut addresses: Vec<_> = hops.iter().flat_map(|hop| hop.addresses.iter()).map(|address| (0, *address)).collect();
    let (_, stream) = race(&mut addresses, |_| {}, deadline).await.map_err(unreachable)?;
    proxy::tunnel(stream, proxy, (&server.host, port), deadline).await
}

/// TLS and WebSocket, where they belong to the transport.
async fn upgrade(
    flows: &Arc<Flows>,
    stream: TcpStream,
    server: &Server,
    transport: Transport,
    deadline: Deadline,
) -> Result<Ready, ConnectError> {
    let ends = tcp::ends(&stream).map_err(|error| ConnectError::from_io(&error, deadline))?;
    let wire = match transport {
        Transport::Tls | Transport::Wss => {
            let protocol = (transport == Transport::Wss).then_some(&b"http/1.1"[..]);
            let secured = flows.tls.connect(stream, &server.host, &server.tls, protocol, deadline).await?;
            Wire::Tls(Box::new(secured.into()))
        }
        _ => Wire::Plain(stream),
    };
    match transport {
        Transport::Ws | Transport::Wss => {
            let socket = Box::new(ws::shake(wire, server, transport, deadline).await?);
            Ok(Ready::WebSocket { transport, socket, ends })
        }
        _ => Ok(Ready::Stream { transport, wire, remote: ends.1 }),
    }
}

/// The end of the time given to one attempt to connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    whole: Duration,
}

impl Deadline {
    pub(super) fn after(whole: Duration) -> Self {
        Self { at: Instant::now() + whole, whole }
    }

    pub(super) async fn limit<F: Future>(self, future: F) -> Result<F::Output, ConnectError> {
        timeout_at(self.at, future).await.map_err(|_| self.timed_out())
    }

    fn timed_out(self) -> ConnectError {
        ConnectError::TimedOut(self.whole.as_secs())
    }
}

impl ConnectError {
    pub(super) fn from_io(error: &io::Error, deadline: Deadline) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => deadline.timed_out(),
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable => Self::Unreachable,
            kind => Self::Other(kind.to_string()),
        }
    }

    /// Another address, or a less protected transport, is no remedy: somebody has to decide something.
    fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Certificate { .. }
                | Self::ClientCertificate
                | Self::TlsFile { .. }
                | Self::ProxyUnreachable(_)
                | Self::ProxyCredentials
                | Self::ProxyRefused(_)
        )
    }
}
