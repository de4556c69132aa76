//! SIP over WebSocket (RFC 7118): one message a frame, subprotocol `sip`.

use std::net::SocketAddr;
use std::sync::Arc;

use deskline_core::account::Server;
use deskline_core::flow::{Flow, Transport};
use deskline_core::sip::wire::MAX_MESSAGE;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, Uri};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, error};

use super::connection::{self, Incoming, Receive, Side, Transmit};
use super::dial::Deadline;
use super::flows::{Flows, Opening};
use super::wire::Wire;
use super::{ConnectError, tcp, tls};

const SUBPROTOCOL: &str = "sip";

/// A connection on which both sides have agreed to speak SIP.
pub(super) type Socket = WebSocketStream<Wire>;

/// Shakes hands with a server.
pub(super) async fn shake(
    wire: Wire,
    server: &Server,
    transport: Transport,
    deadline: Deadline,
) -> Result<Socket, ConnectError> {
    let request = ClientRequestBuilder::new(uri(server, transport)?).with_sub_protocol(SUBPROTOCOL);
    let shaken = tokio_tungstenite::client_async_with_config(request, wire, Some(config()));
    let (socket, _) = deadline.limit(shaken).await?.map_err(|error| refusal(error, deadline))?;
    Ok(socket)
}

/// Serves a connection that we have opened to its end.
pub(super) async fn serve(
    flows: &Arc<Flows>,
    opening: Opening,
    transport: Transport,
    socket: Socket,
    (local, remote): (SocketAddr, SocketAddr),
) {
    let (connect, id, mailbox) = opening.settle(flows, transport, (local, remote));
    let flow = Flow { id, transport, local, remote };
    let (receive, transmit) = halves(socket);
    connection::serve(flows, flow, connect, Side::Client, mailbox, receive, transmit).await;
}

/// Shakes hands with a client and serves it to its end.
pub(super) async fn accepted(flows: &Arc<Flows>, transport: Transport, wire: Wire) -> Result<(), String> {
    let (local, remote) = tcp::ends(wire.socket()).map_err(|error| error.kind().to_string())?;
    let shaken = tokio_tungstenite::accept_hdr_async_with_config(wire, choose_subprotocol, Some(config()));
    let socket = tokio::time::timeout(flows.limits.connect, shaken)
        .await
        .map_err(|_| "the handshake was not finished in time".to_owned())?
        .map_err(|error| describe(&error))?;
    let id = flows.next_id();
    let mailbox = flows.insert_stream(id, transport, remote);
    let flow = Flow { id, transport, local, remote };
    let (receive, transmit) = halves(socket);
    connection::serve(flows, flow, None, Side::Server, mailbox, receive, transmit).await;
    Ok(())
}

fn uri(server: &Server, transport: Transport) -> Result<Uri, ConnectError> {
    let scheme = if transport == Transport::Wss { "wss" } else { "ws" };
    let port = server.port.unwrap_or(transport.default_port());
    let slash = if server.path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{}:{port}{slash}{}", server.uri_host(), server.path)
        .parse()
        .map_err(|_| ConnectError::WebSocket("its address is not valid".to_owned()))
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Refuses clients that do not offer `sip` (RFC 7118 §4.1).
#[allow(clippy::result_large_err, reason = "the type is the WebSocket library's")]
pub(super) fn choose_subprotocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let offered = request
        .headers()
        .get_all("Sec-WebSocket-Protocol")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .find(|token| token.eq_ignore_ascii_case(SUBPROTOCOL));
    let Some(token) = offered.and_then(|token| HeaderValue::from_str(token).ok()) else {
        let mut refusal = ErrorResponse::new(Some("This server speaks the WebSocket subprotocol sip.\n".to_owned()));
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        return Err(refusal);
    };
    response.headers_mut().insert("Sec-WebSocket-Protocol", token);
    Ok(response)
}

fn refusal(error: Error, deadline: Deadline) -> ConnectError {
    match error {
        Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
            tls::failure(&error, true, deadline)
        }
        Error::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            ConnectError::from_io(&error, deadline)
        }
        error => ConnectError::WebSocket(describe(&error)),
    }
}

/// What went wrong, without anything that the peer sent.
fn describe(error: &Error) -> String {
    match error {
        Error::Io(error) => error.kind().to_string(),
        Error::Http(response) => format!("the server answered HTTP {}", response.status().as_u16()),
        Error::HttpFormat(_) => "the answer is not HTTP".to_owned(),
        Error::Protocol(error::ProtocolError::SecWebSocketSubProtocolError(error)) => error.to_string(),
        Error::Protocol(error) => error.to_string(),
        Error::Capacity(_) => "a message is too large".to_owned(),
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection was closed".to_owned(),
        _ => "the WebSocket protocol was broken".to_owned(),
    }
}

fn halves<S: AsyncRead + AsyncWrite + Unpin + Send>(socket: WebSocketStream<S>) -> (Reader<S>, Writer<S>) {
    let (output, input) = socket.split();
    (Reader { input }, Writer { output })
}

struct Reader<S> {
    input: SplitStream<WebSocketStream<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Receive for Reader<S> {
    async fn next(&mut self) -> Result<Option<Incoming>, String> {
        loop {
            let bytes = match self.input.next().await {
                Some(Ok(Message::Text(text))) => text.as_bytes().to_vec(),
                Some(Ok(Message::Binary(bytes))) => bytes.into(),
                Some(Ok(Message::Pong(_))) => return Ok(Some(Incoming::Pong)),
                // The library answers pings and the closing handshake itself.
                Some(Ok(Message::Ping(_) | Message::Frame(_) | Message::Close(_))) => continue,
                Some(Err(error)) => return Err(describe(&error)),
                None => return Ok(None),
            };
            if bytes.iter().any(|octet| !matches!(octet, b'\r' | b'\n' | 0)) {
                return Ok(Some(Incoming::Message(bytes)));
            }
            // Some clients send the keep-alives of TCP inside WebSocket messages.
            return Ok(Some(if bytes.len() >= 4 { Incoming::Ping } else { Incoming::Pong }));
        }
    }
}

struct Writer<S> {
    output: SplitSink<WebSocketStream<S>, Message>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Writer<S> {
    async fn write(&mut self, message: Message) -> Result<(), String> {
        self.output.send(message).await.map_err(|error| describe(&error))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transmit for Writer<S> {
    const PINGS_ARE_ANSWERED: bool = true;

    async fn message(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        let message = match String::from_utf8(bytes) {
            Ok(text) => Message::text(text),
            Err(error) => Message::binary(error.into_bytes()),
        };
        self.write(message).await
    }

    async fn ping(&mut self) -> Result<(), String> {
        self.write(Message::Ping(Vec::new().into())).await
    }

    async fn pong(&mut self) -> Result<(), String> {
        self.write(Message::text("\r\n")).await
    }

    async fn close(&mut self) {
        let _ = self.output.close().await;
    }
}
