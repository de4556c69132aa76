//! Which server is taken: failover and back, dead addresses, STUN, moved addresses.
#![allow(clippy::unwrap_used)]

use deskline_core::account::KeepAlive;

use super::*;
use crate::net::stun;

const REGISTER: &[u8] = b"REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n";

/// A peer that hears what we say and answers nothing.
async fn mute() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[tokio::test]
async fn a_datagram_server_that_does_not_answer_is_passed_over_next_time() {
    // Two loopback addresses of one name.
    let second = UdpSocket::bind("127.0.0.3:0").await.unwrap();
    let port = second.local_addr().unwrap().port();
    let first = UdpSocket::bind(("127.0.0.2", port)).await.unwrap();
    let names = name_server(&[[127, 0, 0, 2], [127, 0, 0, 3]]).await;
    let limits = Limits {
        failed_server: Duration::from_millis(2_500),
        silent_server: Duration::from_secs(60),
        ..Limits::default()
    };
    let (net, events) = Net::with_name_servers(limits, NameServers::These(vec![names]));
    let mut client = Node { net, events };
    let server = Server::parse(&format!("pbx.test:{port}"), Transport::Udp).unwrap();

    // The first does not answer: passed over. The second does: it stays, until the failure of the first is forgotten.
    for (silence, expected, answers) in
        [(0, &first, false), (2_100, &second, true), (0, &second, true), (2_600, &first, true)]
    {
        tokio::time::sleep(Duration::from_millis(silence)).await;
        client.net.connect(ConnectId(1), server.clone());
        let flow = client.up().await;
        assert_eq!(flow.remote, expected.local_addr().unwrap());
        client.net.send(Destination::Flow(flow.id), REGISTER.to_vec());
        limit(expected.recv(&mut [0; 1024])).await.unwrap();
        if answers {
            expected.send_to(OPTIONS, flow.local).await.unwrap();
            client.message().await;
        }
    }
}

#[tokio::test]
async fn a_silent_datagram_server_is_given_up_where_there_is_another() {
    let silent = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let other = UdpSocket::bind(("127.0.0.3", port)).await.unwrap();
    let names = name_server(&[[127, 0, 0, 2], [127, 0, 0, 3]]).await;
    let limits = Limits { silent_server: Duration::from_millis(100), ..Limits::default() };
    let (net, events) = Net::with_name_servers(limits, NameServers::These(vec![names]));
    let mut client = Node { net, events };
    let server = Server::parse(&format!("pbx.test:{port}"), Transport::Udp).unwrap();
    client.net.connect(ConnectId(1), server.clone());
    let flow = client.up().await;
    assert_eq!(flow.remote, silent.local_addr().unwrap());
    // What the server does not answer itself is no reason.
    client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
    client.net.send(Destination::Flow(flow.id), b"SIP/2.0 200 OK\r\n\r\n".to_vec());
    assert!(tokio::time::timeout(Duration::from_millis(300), client.events.recv()).await.is_err());
    client.net.send(Destination::Flow(flow.id), REGISTER.to_vec());
    let (down, reason) = client.down().await;
    assert_eq!(down, flow.id);
    assert!(reason.contains("does not answer"), "{reason}");
    client.net.connect(ConnectId(2), server);
    assert_eq!(client.up().await.remote, other.local_addr().unwrap());
}

#[tokio::test]
async fn a_dead_address_delays_a_stream_by_a_moment_only() {
    // One that takes no connection: its queue is full, so the system does not even answer.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let dead = full.local_addr().unwrap().as_socket().unwrap();
    let mut stuffing = Vec::new();
    for _ in 0..4 {
        stuffing.push(tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(dead)).await);
    }
    let mut server = node();
    let live = SocketAddr::from(([127, 0, 0, 3], dead.port()));
    server.net.listen(Transport::Tcp, live).await.unwrap();
    let names = name_server(&[[127, 0, 0, 2], [127, 0, 0, 3]]).await;
    let (net, events) = Net::with_name_servers(Limits::default(), NameServers::These(vec![names]));
    let mut client = Node { net, events };
    for patience in [600, 200] {
        let asked = std::time::Instant::now();
        let target = Server::parse(&format!("pbx.test:{}", live.port()), Transport::Tcp).unwrap();
        client.net.connect(ConnectId(1), target);
        assert_eq!(client.up().await.remote, live);
        // The second time it is known to be dead.
        assert!(asked.elapsed() < Duration::from_millis(patience), "{:?}", asked.elapsed());
    }
}

/// A name server that knows one name, `pbx.test`, and its addresses in order.
async fn name_server(addresses: &[[u8; 4]]) -> SocketAddr {
    let (socket, address) = mute().await;
    let addresses = addresses.to_vec();
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let question = &buffer[..length];
            let end = 12 + question[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
            let is_a = question[end - 3] == 1;
            let count = if is_a { addresses.len() as u8 } else { 0 };
            let mut answer = [&question[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0], &question[12..end]].concat();
            for ip in addresses.iter().take(count.into()) {
                answer.extend([&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], ip].concat());
            }
            let _ = socket.send_to(&answer, from).await;
        }
    });
    address
}

fn by_stun(address: SocketAddr) -> Server {
    Server { keep_alive: KeepAlive::Stun, ..Server::at(Transport::Udp, address) }
}

#[tokio::test]
async fn stun_keeps_a_flow_alive_and_tells_another_mapped_address() {
    let (peer, address) = mute().await;
    let mut client = Node::new(Limits { datagram_keep_alive: Duration::from_millis(20), ..Limits::default() });
    client.net.connect(ConnectId(1), by_stun(address));
    let flow = client.up().await;
    let mut buffer = [0; 64];
    for (sent, mapped) in ["192.0.2.1:1000", "192.0.2.1:1000", "192.0.2.1:1001"].into_iter().enumerate() {
        let (length, from) = limit(peer.recv_from(&mut buffer)).await.unwrap();
        assert_eq!((length, from), (20, flow.local), "request {sent}");
        let Some(stun::Message::Request(id)) = stun::Message::parse(&buffer[..length]) else { panic!("no STUN") };
        // Somebody else's answer counts for nothing.
        peer.send_to(&stun::answer([9; 12], "192.0.2.9:9".parse().unwrap()), flow.local).await.unwrap();
        peer.send_to(&stun::answer(id, mapped.parse().unwrap()), flow.local).await.unwrap();
    }
    match client.event().await {
        NetEvent::MappedAddressChanged { flow: its, mapped } => {
            assert_eq!((its, mapped.to_string().as_str()), (flow.id, "192.0.2.1:1001"));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_without_stun_gets_line_ends() {
    let (peer, address) = mute().await;
    let mut client = Node::new(Limits { datagram_keep_alive: Duration::from_millis(20), ..Limits::default() });
    client.net.connect(ConnectId(1), by_stun(address));
    client.up().await;
    let mut buffer = [0; 64];
    let mut requests = 0;
    loop {
        let length = limit(peer.recv(&mut buffer)).await.unwrap();
        if buffer[..length] == *b"\r\n\r\n" {
            break;
        }
        requests += 1;
    }
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn a_listener_answers_stun() {
    let (mut server, address) = listening(Transport::Udp).await;
    let mut client = Node::new(Limits { datagram_keep_alive: Duration::from_millis(20), ..Limits::default() });
    client.net.connect(ConnectId(1), by_stun(address));
    let flow = client.up().await;
    let (asker, asked_from) = mute().await;
    asker.send_to(&stun::request([5; 12]), address).await.unwrap();
    let mut buffer = [0; 64];
    let length = limit(asker.recv(&mut buffer)).await.unwrap();
    let expected = stun::Message::Success { id: [5; 12], mapped: Some(asked_from) };
    assert_eq!(stun::Message::parse(&buffer[..length]), Some(expected));
    client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
    server.up().await;
    assert_eq!(server.message().await.1, OPTIONS);
}

/// In a network of its own, where addresses can be changed.
#[cfg(target_os = "linux")]
#[test]
fn a_moved_address_is_told_with_the_flows_that_it_leaves_behind() {
    let unshared = |program: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", program]);
        command
    };
    if !unshared("true").status().is_ok_and(|status| status.success()) {
        return; // Not permitted here.
    }
    let own = std::env::current_exe().unwrap();
    let inside = "net::tests::finding::inside_a_network_of_its_own";
    let output = unshared(own.to_str().unwrap()).args(["--exact", inside, "--ignored"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by the test above"]
async fn inside_a_network_of_its_own() {
    let ip = |line: &str| {
        let done = std::process::Command::new("ip").args(line.split(' ')).status().unwrap();
        assert!(done.success(), "ip {line}");
    };
    for line in ["link set lo up", "addr add 10.9.0.1/24 dev lo"] {
        ip(line);
    }
    let mut client = node();
    client.net.watch_addresses();
    let near = client.connected(Transport::Udp, "127.0.0.1:5060".parse().unwrap()).await;
    let flow = client.connected(Transport::Udp, "10.9.0.200:5060".parse().unwrap()).await;
    assert_eq!(flow.local.ip().to_string(), "10.9.0.1");
    // Another network beside ours: told, and no flow moves.
    ip("addr add 10.8.0.1/24 dev lo");
    assert_eq!(client.moved().await, []);
    ip("addr add 10.9.0.2/24 dev lo");
    assert_eq!(client.moved().await, []);
    ip("addr del 10.9.0.1/24 dev lo");
    ip("addr add 10.9.0.3/24 dev lo");
    assert_eq!(client.moved().await, [flow.id]);
    client.net.close(near.id);
}

#[cfg(target_os = "linux")]
impl Node {
    async fn moved(&mut self) -> Vec<FlowId> {
        match self.event().await {
            NetEvent::AddressChanged { moved } => moved,
            other => panic!("{other:?}"),
        }
    }
}
