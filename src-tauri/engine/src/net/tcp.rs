//! SIP over TCP and TLS (RFC 3261 §18), and the acceptance of connections for WebSocket too.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deskline_core::flow::{Flow, Transport};
use deskline_core::sip::wire::{Frame, StreamFramer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::ConnectError;
use super::connection::{self, Incoming, Receive, Side, Transmit};
use super::flows::{Flows, Opening};
use super::wire::Wire;

/// Serves a connection that we have opened to its end.
pub(super) async fn serve(
    flows: &Arc<Flows>,
    opening: Opening,
    transport: Transport,
    wire: Wire,
) -> Result<(), ConnectError> {
    let (local, remote) = ends(wire.socket()).map_err(|error| ConnectError::Other(error.kind().to_string()))?;
    let (connect, id, mailbox) = opening.settle(flows, transport, (local, remote));
    let flow = Flow { id, transport, local, remote };
    let (receive, transmit) = halves(wire, flows.limits.partial_message);
    connection::serve(flows, flow, connect, Side::Client, mailbox, receive, transmit).await;
    Ok(())
}

/// Both ends of a connection.
pub(super) fn ends(stream: &TcpStream) -> io::Result<(SocketAddr, SocketAddr)> {
    Ok((stream.local_addr()?, stream.peer_addr()?))
}

/// Low latency, and an end for connections whose peer has vanished without a word.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keep_alive =
        socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive);
}

pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows the option means something else: that another program may take the port over.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until dropped; with TLS where there is an `acceptor`.
pub(super) async fn accept(
    flows: Arc<Flows>,
    listener: TcpListener,
    transport: Transport,
    acceptor: Option<TlsAcceptor>,
) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while connections.try_join_next().is_some() {}
                if connections.len() >= flows.limits.connections {
                    tracing::debug!(%transport, "a connection was turned away: the listener is full");
                    continue;
                }
                prepare(&stream);
                let (flows, acceptor) = (Arc::clone(&flows), acceptor.clone());
                connections.spawn(async move {
                    let served = match secured(&flows, stream, acceptor).await {
                        Ok(wire) if matches!(transport, Transport::Ws | Transport::Wss) => {
                            super::ws::accepted(&flows, transport, wire).await
                        }
                        Ok(wire) => accepted(&flows, transport, wire).await,
                        Err(reason) => Err(reason),
                    };
                    if let Err(reason) = served {
                        tracing::debug!(%transport, reason, "a connection came to nothing");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: without a pause this would be a busy loop.
                tracing::warn!(%transport, %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn secured(flows: &Flows, stream: TcpStream, acceptor: Option<TlsAcceptor>) -> Result<Wire, String> {
    let Some(acceptor) = acceptor else { return Ok(Wire::Plain(stream)) };
    let shaken = tokio::time::timeout(flows.limits.connect, acceptor.accept(stream)).await;
    let stream = shaken.map_err(|_| "TLS was not agreed in time".to_owned())?.map_err(|error| error.to_string())?;
    Ok(Wire::Tls(Box::new(stream.into())))
}

async fn accepted(flows: &Arc<Flows>, transport: Transport, wire: Wire) -> Result<(), String> {
    let (local, remote) = ends(wire.socket()).map_err(|error| error.kind().to_string())?;
    let id = flows.next_id();
    let mailbox = flows.insert_stream(id, transport, remote);
    let flow = Flow { id, transport, local, remote };
    let (receive, transmit) = halves(wire, flows.limits.partial_message);
    connection::serve(flows, flow, None, Side::Server, mailbox, receive, transmit).await;
    Ok(())
}

fn halves<S: AsyncRead + AsyncWrite + Send>(stream: S, patience: Duration) -> (Reader<S>, Writer<S>) {
    let (input, output) = tokio::io::split(stream);
    (Reader { input, framer: StreamFramer::new(), patience, deadline: None }, Writer { output })
}

struct Reader<S> {
    input: ReadHalf<S>,
    framer: StreamFramer,
    patience: Duration,
    /// When the message whose beginning is there must be whole.
    deadline: Option<Instant>,
}

impl<S: AsyncRead + Send> Receive for Reader<S> {
    async fn next(&mut self) -> Result<Option<Incoming>, String> {
        let mut buffer = [0; 4096];
        loop {
            match self.framer.next() {
                Some(Ok(frame)) => {
                    self.deadline = None;
                    return Ok(Some(match frame {
                        Frame::Message(bytes) => Incoming::Message(bytes),
                        Frame::Ping => Incoming::Ping,
                        Frame::Pong => Incoming::Pong,
                    }));
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => {}
            }
            if self.framer.is_inside_message() {
                self.deadline.get_or_insert_with(|| Instant::now() + self.patience);
            }
            let read = match self.deadline {
                Some(deadline) => timeout_at(deadline, self.input.read(&mut buffer))
                    .await
                    .map_err(|_| "a message did not arrive whole in time".to_owned())?,
                None => self.input.read(&mut buffer).await,
            };
            match read {
                Ok(0) => return Ok(None),
                Ok(length) => self.framer.push(&buffer[..length]),
                Err(error) => return Err(error.kind().to_string()),
            }
        }
    }
}

struct Writer<S> {
    output: WriteHalf<S>,
}

impl<S: AsyncWrite + Send> Writer<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.output.write_all(bytes).await.map_err(|error| error.kind().to_string())?;
        self.output.flush().await.map_err(|error| error.kind().to_string())
    }
}

impl<S: AsyncWrite + Send> Transmit for Writer<S> {
    const PINGS_ARE_ANSWERED: bool = false;

    async fn message(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        self.write(&bytes).await
    }

    async fn ping(&mut self) -> Result<(), String> {
        self.write(b"\r\n\r\n").await
    }

    async fn pong(&mut self) -> Result<(), String> {
        self.write(b"\r\n").await
    }

    async fn close(&mut self) {
        let _ = self.output.shutdown().await;
    }
}
