#![allow(clippy::unwrap_used)]

mod finding;
mod secure;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use deskline_core::account::Server;
use deskline_core::flow::{Destination, Flow, FlowId, Transport};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_tungstenite::tungstenite;

use super::{ConnectError, ConnectId, Limits, NameServers, Net, NetEvent, NetEvents, ServerIdentity};

const OPTIONS: &[u8] =
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nContent-Length: 4\r\n\r\nbody";
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A network and what it tells.
struct Node {
    net: Net,
    events: NetEvents,
}

impl Node {
    fn new(limits: Limits) -> Self {
        let (net, events) = Net::with_limits(limits);
        Self { net, events }
    }

    async fn event(&mut self) -> NetEvent {
        limit(self.events.recv()).await.unwrap()
    }

    async fn up(&mut self) -> Flow {
        match self.event().await {
            NetEvent::Up { flow, .. } => flow,
            other => panic!("{other:?} instead of Up"),
        }
    }

    async fn message(&mut self) -> (Flow, Vec<u8>) {
        match self.event().await {
            NetEvent::Message { flow, bytes } => (flow, bytes),
            other => panic!("{other:?} instead of Message"),
        }
    }

    async fn down(&mut self) -> (FlowId, String) {
        match self.event().await {
            NetEvent::Down { flow, reason, .. } => (flow, reason),
            other => panic!("{other:?} instead of Down"),
        }
    }

    async fn failure(&mut self) -> ConnectError {
        match self.event().await {
            NetEvent::ConnectFailed { error, .. } => error,
            other => panic!("{other:?} instead of ConnectFailed"),
        }
    }

    async fn connected(&mut self, transport: Transport, remote: SocketAddr) -> Flow {
        self.net.connect(ConnectId(7), Server::at(transport, remote));
        match self.event().await {
            NetEvent::Up { flow, connect: Some(ConnectId(7)) } => flow,
            other => panic!("{other:?} instead of Up"),
        }
    }
}

async fn limit<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("it came within the limit")
}

fn node() -> Node {
    Node::new(Limits::default())
}

async fn listening(transport: Transport) -> (Node, SocketAddr) {
    let mut node = node();
    let address = node.net.listen(transport, LOOPBACK).await.unwrap();
    (node, address)
}

async fn carries_messages_both_ways(transport: Transport, listen: SocketAddr) {
    let mut server = node();
    let address = server.net.listen(transport, listen).await.unwrap();
    let mut client = node();
    let flow = client.connected(transport, address).await;
    assert_eq!((flow.transport, flow.remote), (transport, address));
    assert!(!flow.local.ip().is_unspecified());

    let numbered = |n: u8| [OPTIONS, &[b'0' + n]].concat();
    let framed = |n: u8| if transport == Transport::Tcp { OPTIONS.to_vec() } else { numbered(n) };
    for n in 0..3 {
        client.net.send(Destination::Flow(flow.id), framed(n));
    }
    let accepted = server.up().await;
    assert_eq!((accepted.remote, accepted.local), (flow.local, address));
    for n in 0..3 {
        assert_eq!(server.message().await, (accepted, framed(n)));
    }
    server.net.send(Destination::Flow(accepted.id), OPTIONS.to_vec());
    assert_eq!(client.message().await, (flow, OPTIONS.to_vec()));
    server.net.send(Destination::Address(transport, flow.local), OPTIONS.to_vec());
    assert_eq!(client.message().await, (flow, OPTIONS.to_vec()));
}

#[tokio::test]
async fn udp_carries_messages_both_ways() {
    carries_messages_both_ways(Transport::Udp, LOOPBACK).await;
}

#[tokio::test]
async fn tcp_carries_messages_both_ways() {
    carries_messages_both_ways(Transport::Tcp, LOOPBACK).await;
}

#[tokio::test]
async fn websocket_carries_messages_both_ways() {
    carries_messages_both_ways(Transport::Ws, LOOPBACK).await;
}

#[tokio::test]
async fn ipv6_carries_messages_both_ways() {
    let address = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
    if std::net::UdpSocket::bind(address).is_err() {
        return; // No IPv6 on this host.
    }
    for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
        carries_messages_both_ways(transport, address).await;
    }
}

#[tokio::test]
async fn a_wildcard_udp_listener_names_the_address_that_the_peer_reaches() {
    let mut server = node();
    let bound = server.net.listen(Transport::Udp, SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)).await.unwrap();
    let address = SocketAddr::new(LOOPBACK.ip(), bound.port());
    let mut client = node();
    let flow = client.connected(Transport::Udp, address).await;
    client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
    assert_eq!(server.up().await.local, address);
}

#[tokio::test]
async fn sending_to_an_address_opens_what_is_missing() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
        let (mut server, address) = listening(transport).await;
        let mut client = node();
        for _ in 0..2 {
            client.net.send(Destination::Address(transport, address), OPTIONS.to_vec());
        }
        let flow = server.up().await;
        assert_eq!(server.message().await, (flow, OPTIONS.to_vec()));
        assert_eq!(server.message().await, (flow, OPTIONS.to_vec()));
    }
}

#[tokio::test]
async fn sending_to_an_address_where_nothing_listens_ends_in_down() {
    let address = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let mut client = node();
    client.net.send(Destination::Address(Transport::Tcp, address), OPTIONS.to_vec());
    match client.event().await {
        NetEvent::Down { peer, reason, .. } => {
            assert_eq!(peer, Some((Transport::Tcp, address)), "whoever sent there learns of it");
            assert!(reason.contains("refused"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn address_that_does_not_answer_is_given_up_in_time_for_another_way() {
    // A listener whose queue is full: further connections are neither taken nor refused.
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&LOOPBACK.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue never fills");
    }
    let waiting = Duration::from_millis(300);
    let mut client = Node::new(Limits { connect_for_waiting: waiting, ..Limits::default() });
    let begun = std::time::Instant::now();
    client.net.send(Destination::Address(Transport::Tcp, address), OPTIONS.to_vec());
    match client.event().await {
        NetEvent::Down { peer, .. } => assert_eq!(peer, Some((Transport::Tcp, address))),
        other => panic!("{other:?}"),
    }
    assert!(begun.elapsed() < Limits::default().connect, "the limit of a sign-in does not apply");
}

#[tokio::test]
async fn messages_to_addresses_open_only_so_many_connections() {
    let mut client = Node::new(Limits { opened: 1, ..Limits::default() });
    let (mut server, address) = listening(Transport::Tcp).await;
    let (_other, other) = listening(Transport::Tcp).await;
    client.net.send(Destination::Address(Transport::Tcp, address), OPTIONS.to_vec());
    let flow = client.up().await;
    client.net.send(Destination::Address(Transport::Tcp, other), OPTIONS.to_vec());
    assert!(client.down().await.1.contains("too many"));
    server.up().await;
    drop(server);
    assert_eq!(client.down().await.0, flow.id);
    limit(async {
        loop {
            client.net.send(Destination::Address(Transport::Tcp, other), OPTIONS.to_vec());
            if let NetEvent::Up { .. } = client.event().await {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn sending_along_a_lost_flow_reports_it_each_time() {
    let mut client = node();
    for _ in 0..2 {
        client.net.send(Destination::Flow(FlowId(99)), OPTIONS.to_vec());
        assert_eq!(client.down().await.0, FlowId(99));
    }
}

#[tokio::test]
async fn every_way_to_fail_a_connection_has_its_own_error() {
    let mut client = Node::new(Limits { connect: Duration::from_millis(200), ..Limits::default() });
    let refusing = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let silent = TcpListener::bind(LOOPBACK).await.unwrap();
    let target = |transport, address| Server::at(transport, address);
    client.net.connect(ConnectId(1), target(Transport::Tcp, refusing));
    assert_eq!(client.failure().await, ConnectError::Refused);
    client.net.connect(ConnectId(1), target(Transport::Ws, refusing));
    assert_eq!(client.failure().await, ConnectError::Refused);
    // The system accepts the connection, and nobody shakes hands.
    client.net.connect(ConnectId(1), target(Transport::Ws, silent.local_addr().unwrap()));
    assert_eq!(client.failure().await, ConnectError::TimedOut(0));
    client.net.connect(ConnectId(1), target(Transport::Wss, refusing));
    assert_eq!(client.failure().await, ConnectError::Refused);
    client.net.connect(ConnectId(1), target(Transport::Tls, silent.local_addr().unwrap()));
    assert_eq!(client.failure().await, ConnectError::TimedOut(0));
    for host in ["", "no such host", "deskline.invalid"] {
        let target = Server { host: host.to_owned(), ..target(Transport::Udp, refusing) };
        client.net.connect(ConnectId(1), target);
        let error = client.failure().await;
        assert!(matches!(error, ConnectError::Resolve(_) | ConnectError::TimedOut(_)), "{error:?}");
    }
}

#[tokio::test]
async fn names_are_resolved() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
        let (mut server, address) = listening(transport).await;
        let mut client = node();
        let target = Server { host: "localhost".to_owned(), ..Server::at(transport, address) };
        client.net.connect(ConnectId(1), target);
        let flow = client.up().await;
        client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
        server.up().await;
        server.message().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_refused_datagram_ends_the_flow() {
    let address = UdpSocket::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let mut client = node();
    let flow = client.connected(Transport::Udp, address).await;
    client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
    let (down, reason) = client.down().await;
    assert_eq!(down, flow.id);
    assert!(reason.contains("refused"), "{reason}");
    client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
    assert_eq!(client.down().await.0, flow.id);
}

#[tokio::test]
async fn a_refusal_by_a_third_party_leaves_the_flow() {
    let (mut server, address) = listening(Transport::Udp).await;
    let nobody = UdpSocket::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    let mut client = node();
    let flow = client.connected(Transport::Udp, address).await;
    for _ in 0..5 {
        client.net.send(Destination::Address(Transport::Udp, nobody), OPTIONS.to_vec());
    }
    client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
    let accepted = server.up().await;
    server.message().await;
    server.net.send(Destination::Flow(accepted.id), OPTIONS.to_vec());
    assert_eq!(client.message().await.0, flow);
}

#[tokio::test]
async fn a_third_party_reaches_a_client_socket() {
    let (_server, address) = listening(Transport::Udp).await;
    let mut client = node();
    let flow = client.connected(Transport::Udp, address).await;
    let stranger = UdpSocket::bind(LOOPBACK).await.unwrap();
    stranger.send_to(OPTIONS, flow.local).await.unwrap();
    let other = client.up().await;
    assert_eq!((other.local, other.remote), (flow.local, stranger.local_addr().unwrap()));
    assert_ne!(other.id, flow.id);
    client.message().await;
}

#[tokio::test]
async fn udp_peers_are_forgotten_when_there_are_too_many() {
    let mut server = Node::new(Limits { peers: 4, ..Limits::default() });
    let address = server.net.listen(Transport::Udp, LOOPBACK).await.unwrap();
    let mut flows = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
        socket.send_to(OPTIONS, address).await.unwrap();
        flows.push(server.up().await);
        server.message().await;
        sockets.push(socket);
    }
    server.net.send(Destination::Flow(flows[0].id), OPTIONS.to_vec());
    assert_eq!(server.down().await.0, flows[0].id);
    server.net.send(Destination::Flow(flows[1].id), OPTIONS.to_vec());
    let mut buffer = [0; 1024];
    assert_eq!(limit(sockets[1].recv(&mut buffer)).await.unwrap(), OPTIONS.len());
}

#[tokio::test]
async fn udp_keep_alives_are_sent_and_not_reported() {
    let peer = UdpSocket::bind(LOOPBACK).await.unwrap();
    let mut client = Node::new(Limits { datagram_keep_alive: Duration::from_millis(20), ..Limits::default() });
    let flow = client.connected(Transport::Udp, peer.local_addr().unwrap()).await;
    let mut buffer = [0; 64];
    for _ in 0..2 {
        let (length, from) = limit(peer.recv_from(&mut buffer)).await.unwrap();
        assert_eq!((&buffer[..length], from), (&b"\r\n\r\n"[..], flow.local));
    }
    for noise in [&b"\r\n\r\n"[..], b"", b"\0\x01\0\0", OPTIONS] {
        peer.send_to(noise, flow.local).await.unwrap();
    }
    assert_eq!(client.message().await.1, OPTIONS);
}

#[tokio::test]
async fn a_peer_that_vanishes_is_reported_once() {
    for transport in [Transport::Tcp, Transport::Ws] {
        let (mut server, address) = listening(transport).await;
        let mut client = node();
        client.connected(transport, address).await;
        let accepted = server.up().await;
        drop(client);
        assert_eq!(server.down().await.0, accepted.id);
        assert!(server.events.try_recv().is_err());
    }
}

#[tokio::test]
async fn closing_sends_what_is_queued_and_reports_nothing_here() {
    for transport in [Transport::Tcp, Transport::Ws] {
        let (mut server, address) = listening(transport).await;
        let mut client = node();
        let flow = client.connected(transport, address).await;
        server.up().await;
        for _ in 0..50 {
            client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
        }
        client.net.close(flow.id);
        for _ in 0..50 {
            server.message().await;
        }
        server.down().await;
        assert!(client.events.try_recv().is_err());
    }
}

#[tokio::test]
async fn closing_a_udp_flow_frees_its_port() {
    let (_server, address) = listening(Transport::Udp).await;
    let mut client = node();
    let flow = client.connected(Transport::Udp, address).await;
    assert!(std::net::UdpSocket::bind(flow.local).is_err());
    client.net.close(flow.id);
    limit(async {
        while std::net::UdpSocket::bind(flow.local).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn tcp_messages_are_framed_however_they_are_cut() {
    let (mut server, address) = listening(Transport::Tcp).await;
    let mut peer = TcpStream::connect(address).await.unwrap();
    peer.set_nodelay(true).unwrap();
    for octet in [b"\r\n", OPTIONS].concat() {
        peer.write_all(&[octet]).await.unwrap();
    }
    peer.write_all(&[OPTIONS, b"\r\n\r\n", OPTIONS].concat()).await.unwrap();
    server.up().await;
    for _ in 0..3 {
        assert_eq!(server.message().await.1, OPTIONS);
    }
    let mut answer = [0; 2];
    limit(peer.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"\r\n");
}

#[tokio::test]
async fn what_cannot_be_framed_ends_the_connection() {
    let endless = [b'a'; 70_000];
    let huge = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n";
    let negative = b"OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n";
    let (mut server, address) = listening(Transport::Tcp).await;
    for garbage in [&endless[..], huge, negative] {
        let mut peer = TcpStream::connect(address).await.unwrap();
        let _ = peer.write_all(garbage).await;
        let accepted = server.up().await;
        assert_eq!(server.down().await.0, accepted.id);
        let mut rest = Vec::new();
        let _ = limit(peer.read_to_end(&mut rest)).await;
    }
}

#[tokio::test]
async fn a_peer_that_drips_or_says_nothing_is_cut_off() {
    let short = Duration::from_millis(30);
    let mut server = Node::new(Limits { partial_message: short, first_message: 2 * short, ..Limits::default() });
    let address = server.net.listen(Transport::Tcp, LOOPBACK).await.unwrap();
    let mut drip = TcpStream::connect(address).await.unwrap();
    drip.write_all(b"OPTIONS").await.unwrap();
    server.up().await;
    assert!(server.down().await.1.contains("whole"));
    let _silent = TcpStream::connect(address).await.unwrap();
    server.up().await;
    assert!(server.down().await.1.contains("no message"));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut client = Node::new(Limits { queue_messages: 4096, ..Limits::default() });
    let flow = client.connected(Transport::Tcp, listener.local_addr().unwrap()).await;
    let (_deaf, _) = listener.accept().await.unwrap();
    let mut sent = 0;
    let (down, _) = loop {
        client.net.send(Destination::Flow(flow.id), vec![b'a'; 60_000]);
        sent += 1;
        assert!(sent < 1000, "the queue grows for ever");
        match client.events.try_recv() {
            Ok(NetEvent::Down { flow, reason, .. }) => break (flow, reason),
            Ok(other) => panic!("{other:?}"),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(down, flow.id);
}

#[tokio::test]
async fn a_full_listener_turns_connections_away() {
    let mut server = Node::new(Limits { connections: 1, ..Limits::default() });
    let address = server.net.listen(Transport::Tcp, LOOPBACK).await.unwrap();
    let _first = TcpStream::connect(address).await.unwrap();
    server.up().await;
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut rest = Vec::new();
    assert_eq!(limit(second.read_to_end(&mut rest)).await.unwrap_or(0), 0);
    assert!(server.events.try_recv().is_err());
}

#[tokio::test]
async fn a_stream_that_stops_answering_keep_alives_is_given_up() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut client = Node::new(Limits {
        stream_keep_alive: Duration::from_millis(40),
        keep_alive_answer: Duration::from_millis(20),
        ..Limits::default()
    });
    let flow = client.connected(Transport::Tcp, listener.local_addr().unwrap()).await;
    let (mut peer, _) = listener.accept().await.unwrap();
    let mut ping = [0; 4];
    // Two unanswered ones mean nothing: not every server answers.
    for _ in 0..3 {
        limit(peer.read_exact(&mut ping)).await.unwrap();
        assert_eq!(&ping, b"\r\n\r\n");
    }
    assert!(client.events.try_recv().is_err());
    peer.write_all(b"\r\n").await.unwrap();
    assert_eq!(client.down().await.0, flow.id);
}

#[tokio::test]
async fn websocket_pings_are_sent_and_their_answers_awaited() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = Node::new(Limits {
        stream_keep_alive: Duration::from_millis(40),
        keep_alive_answer: Duration::from_millis(20),
        ..Limits::default()
    });
    client.net.connect(ConnectId(1), Server::at(Transport::Ws, address));
    let (stream, _) = listener.accept().await.unwrap();
    let mut peer = limit(tokio_tungstenite::accept_hdr_async(stream, super::ws::choose_subprotocol)).await.unwrap();
    let flow = client.up().await;
    for _ in 0..2 {
        let message = limit(peer.next()).await.unwrap().unwrap();
        assert!(message.is_ping(), "{message:?}");
    }
    // The peer's library answers only while it is polled.
    assert_eq!(client.down().await.0, flow.id);
}

fn subprotocol(address: SocketAddr, name: &str) -> tungstenite::client::ClientRequestBuilder {
    let builder = tungstenite::client::ClientRequestBuilder::new(format!("ws://{address}/").parse().unwrap());
    if name.is_empty() { builder } else { builder.with_sub_protocol(name) }
}

#[tokio::test]
async fn websockets_without_the_subprotocol_are_refused() {
    let (mut server, address) = listening(Transport::Ws).await;
    for name in ["", "xmpp"] {
        let stream = TcpStream::connect(address).await.unwrap();
        let refused = limit(tokio_tungstenite::client_async(subprotocol(address, name), stream)).await;
        assert!(matches!(refused, Err(tungstenite::Error::Http(response)) if response.status() == 400));
    }
    assert!(server.events.try_recv().is_err());

    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut client = node();
    client.net.connect(ConnectId(1), Server::at(Transport::Ws, listener.local_addr().unwrap()));
    let (stream, _) = listener.accept().await.unwrap();
    let _peer = limit(tokio_tungstenite::accept_async(stream)).await.unwrap();
    assert!(matches!(client.failure().await, ConnectError::WebSocket(_)));
}

#[tokio::test]
async fn a_server_that_is_not_a_websocket_is_a_clear_failure() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let mut client = node();
    for answer in [&b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"[..], b"SIP/2.0 400 Bad Request\r\n\r\n", b""]
    {
        client.net.connect(ConnectId(1), Server::at(Transport::Ws, listener.local_addr().unwrap()));
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        limit(stream.read(&mut request)).await.unwrap();
        stream.write_all(answer).await.unwrap();
        drop(stream);
        let error = client.failure().await;
        assert!(matches!(error, ConnectError::WebSocket(_)), "{error:?}");
    }
}

#[tokio::test]
async fn websocket_frames_may_be_text_or_binary_but_not_huge() {
    let (mut server, address) = listening(Transport::Ws).await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut peer, _) = limit(tokio_tungstenite::client_async(subprotocol(address, "sip"), stream)).await.unwrap();
    let accepted = server.up().await;
    peer.send(tungstenite::Message::binary(OPTIONS)).await.unwrap();
    peer.send(tungstenite::Message::text(std::str::from_utf8(OPTIONS).unwrap())).await.unwrap();
    for _ in 0..2 {
        assert_eq!(server.message().await.1, OPTIONS);
    }
    peer.send(tungstenite::Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(limit(peer.next()).await.unwrap().unwrap(), tungstenite::Message::text("\r\n"));
    server.net.send(Destination::Flow(accepted.id), OPTIONS.to_vec());
    assert!(limit(peer.next()).await.unwrap().unwrap().is_text());
    let not_utf8 = [OPTIONS, b"\xff"].concat();
    server.net.send(Destination::Flow(accepted.id), not_utf8.clone());
    assert_eq!(limit(peer.next()).await.unwrap().unwrap(), tungstenite::Message::binary(not_utf8));
    let _ = peer.send(tungstenite::Message::binary(vec![b'a'; 70_000])).await;
    assert_eq!(server.down().await.0, accepted.id);
}

#[test]
fn the_websocket_library_cannot_log_messages() {
    assert!(log::STATIC_MAX_LEVEL < log::LevelFilter::Trace);
}
