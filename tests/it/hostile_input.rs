//! Ten thousand mutated messages and as much noise to every port that listens: nothing panics, and whoever behaves is
//! still served.

use std::net::{Ipv4Addr, SocketAddr};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deskline_core::flow::{Destination, Transport};
use deskline_core::sip::message::{Headers, Response};
use deskline_core::sip::user_agent::{Config, Event, Output, SessionId, UserAgent};
use deskline_engine::net::{Net, NetEvent, NetEvents};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep_until, timeout};

const MESSAGES: usize = 10_000;

/// After so many, somebody who behaves asks whether the server is well.
const BETWEEN_PROBES: usize = 250;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn mutated_datagrams_change_nothing() {
    let panics = count_panics();
    let (address, server) = serve(Transport::Udp).await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut noise = Noise::new(1);
    let mut buffer = vec![0; 65_536];
    for n in 0..MESSAGES {
        let bytes = noise.message("UDP", n);
        // What is too long for a datagram is not sent, which harms nobody.
        let _ = socket.send_to(&bytes, address).await;
        while let Ok((length, _)) = socket.try_recv_from(&mut buffer) {
            noise.dialog.learn(&buffer[..length]);
        }
        if n.is_multiple_of(BETWEEN_PROBES) {
            probe_by_datagram(address, n).await;
        }
    }
    finish(server, &panics).await;
}

#[tokio::test]
async fn mutated_streams_change_nothing() {
    let panics = count_panics();
    let (address, server) = serve(Transport::Tcp).await;
    let mut noise = Noise::new(2);
    let mut stream = Peer::connect(address, &noise.dialog).await;
    for n in 0..MESSAGES {
        let bytes = noise.message("TCP", n);
        // A broken stream stays broken: begin another one often enough.
        if !stream.write(&bytes).await || noise.below(8) == 0 {
            stream = Peer::connect(address, &noise.dialog).await;
        }
        if n.is_multiple_of(BETWEEN_PROBES) {
            probe_by_stream(address, n).await;
        }
    }
    finish(server, &panics).await;
}

#[tokio::test]
async fn mutated_websockets_change_nothing() {
    let panics = count_panics();
    let (address, server) = serve(Transport::Ws).await;
    let mut noise = Noise::new(3);
    let mut socket = Peer::upgrade(address, &noise.dialog).await;
    for n in 0..MESSAGES {
        let mut bytes = noise.message("WS", n);
        let mut begin_anew = noise.below(8) == 0;
        match noise.below(10) {
            0 => {
                let mut stranger = Peer::connect(address, &noise.dialog).await;
                stranger.write(&noise.mutate(UPGRADE.as_bytes())).await;
                stranger.write(&bytes).await;
            }
            1 => {
                bytes = noise.mutate(&frame(&bytes));
                socket.write(&bytes).await;
                begin_anew = true;
            }
            _ => begin_anew |= !socket.write(&frame(&bytes)).await,
        }
        if begin_anew {
            socket = Peer::upgrade(address, &noise.dialog).await;
        }
        if n.is_multiple_of(BETWEEN_PROBES) {
            probe_by_websocket(address, n).await;
        }
    }
    finish(server, &panics).await;
}

/// A network with a user agent behind it, as the event loop puts them together, and an application that does everything
/// that a call makes it do.
struct Server {
    net: Net,
    events: NetEvents,
    agent: UserAgent,
    sessions: Vec<SessionId>,
    turn: usize,
}

async fn serve(transport: Transport) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let (mut net, events) = Net::new();
    let address = net.listen(transport, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let config = Config { product: "Deskline".into(), ..Config::default() };
    let agent = UserAgent::new(config, [7; 32]);
    let server = Server { net, events, agent, sessions: Vec::new(), turn: 0 };
    (address, tokio::spawn(server.run()))
}

impl Server {
    async fn run(mut self) {
        loop {
            let wake = self.agent.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
            tokio::select! {
                event = self.events.recv() => match event.expect("the net lives as long as its server") {
                    NetEvent::Message { flow, bytes } => self.agent.handle_received(Instant::now(), &flow, &bytes),
                    NetEvent::Down { flow, .. } => self.agent.handle_flow_closed(Instant::now(), flow),
                    _ => {}
                },
                () = sleep_until(wake.into()) => self.agent.handle_timeout(Instant::now()),
            }
            while let Some(output) = self.agent.poll_output() {
                match output {
                    // Mutated Contacts and Routes name any address of the world: those stay alone.
                    Output::Transmit { destination: Destination::Address(_, address), .. }
                        if !address.ip().is_loopback() => {}
                    Output::Transmit { destination, bytes } => self.net.send(destination, bytes),
                    Output::Event(event) => self.handle(event),
                }
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let now = Instant::now();
        self.turn += 1;
        // What the peer has ended meanwhile is an error, and no fault.
        match event {
            Event::Incoming { session, .. } => match self.turn % 4 {
                0 => drop(self.agent.reject(now, session, 486, Headers::default())),
                1 => {
                    let _ = self.agent.progress(now, session, 180, Vec::new());
                    self.sessions.push(session);
                }
                _ => {
                    let _ = self.agent.answer(now, session, SDP.as_bytes().to_vec(), Headers::default());
                    self.sessions.push(session);
                }
            },
            Event::Reoffered { session, .. } => {
                drop(self.agent.accept_reoffer(now, session, SDP.as_bytes().to_vec()));
            }
            Event::Confirmed { session, .. } => drop(self.agent.reoffer(now, session, SDP.as_bytes().to_vec())),
            Event::Request { id, .. } => drop(self.agent.respond(now, id, Response::new(200))),
            _ => {}
        }
        if self.sessions.len() > 500 {
            for session in self.sessions.drain(..250) {
                let _ = self.agent.hang_up(now, session);
            }
        }
    }
}

/// The server must still run, and nothing on this thread may have panicked: neither it nor a task of its sockets.
async fn finish(server: tokio::task::JoinHandle<()>, panics: &AtomicUsize) {
    assert!(!server.is_finished(), "the server has ended");
    server.abort();
    let _ = server.await;
    assert_eq!(panics.load(Ordering::Relaxed), 0, "something panicked: see above");
}

/// Counts the panics of this thread, on which the whole runtime of the test runs.
fn count_panics() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, thread) = (Arc::clone(&count), std::thread::current().id());
    let earlier = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == thread {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        earlier(info);
    }));
    count
}

/// A connection that writes what it is told, and learns from what it reads.
struct Peer {
    output: tokio::net::tcp::OwnedWriteHalf,
    reading: tokio::task::JoinHandle<()>,
}

impl Peer {
    async fn connect(address: SocketAddr, dialog: &Dialog) -> Self {
        Self::on(timeout(SOON, TcpStream::connect(address)).await.expect("the server accepts").unwrap(), dialog)
    }

    async fn upgrade(address: SocketAddr, dialog: &Dialog) -> Self {
        Self::on(upgraded(address).await, dialog)
    }

    fn on(stream: TcpStream, dialog: &Dialog) -> Self {
        let (mut input, output) = stream.into_split();
        let dialog = dialog.clone();
        let reading = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = input.read(&mut buffer).await {
                dialog.learn(&buffer[..length]);
            }
        });
        Self { output, reading }
    }

    /// Whether the connection still stands.
    async fn write(&mut self, bytes: &[u8]) -> bool {
        let written = timeout(SOON, self.output.write_all(bytes)).await.expect("the server reads");
        written.is_ok() && !self.reading.is_finished()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn probe_by_datagram(address: SocketAddr, n: usize) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut buffer = [0; 4096];
    let answer = async {
        loop {
            // A datagram may be lost in the flood, so it is sent again: RFC 3261 §17.1.2.2.
            socket.send_to(options("UDP", n).as_bytes(), address).await.unwrap();
            if let Ok(received) = timeout(Duration::from_millis(500), socket.recv(&mut buffer)).await {
                break received.unwrap();
            }
        }
    };
    let length = timeout(SOON, answer).await.expect("OPTIONS is answered");
    check_answer(&buffer[..length], n);
}

async fn probe_by_stream(address: SocketAddr, n: usize) {
    let mut stream = timeout(SOON, TcpStream::connect(address)).await.expect("the server accepts").unwrap();
    stream.write_all(options("TCP", n).as_bytes()).await.unwrap();
    check_answer(&read_head(&mut stream).await, n);
}

async fn probe_by_websocket(address: SocketAddr, n: usize) {
    let mut stream = upgraded(address).await;
    stream.write_all(&frame(options("WS", n).as_bytes())).await.unwrap();
    let answer = read_head(&mut stream).await;
    // A text frame of 126 to 65535 octets, not masked.
    assert_eq!(answer[..2], [0x81, 126]);
    check_answer(&answer[4..], n);
}

async fn upgraded(address: SocketAddr) -> TcpStream {
    let mut stream = timeout(SOON, TcpStream::connect(address)).await.expect("the server accepts").unwrap();
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    assert!(read_head(&mut stream).await.starts_with(b"HTTP/1.1 101"));
    stream
}

async fn read_head(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(SOON, stream.read_u8()).await.expect("the server answers").unwrap());
    }
    head
}

fn check_answer(answer: &[u8], n: usize) {
    let answer = String::from_utf8_lossy(answer);
    assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    assert!(answer.contains(&format!("probe-{n}@")), "{answer}");
}

const UPGRADE: &str = "GET /sip HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

/// One final frame of a client, text where it is text. (The mask is zero: the server cannot tell.)
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![if std::str::from_utf8(payload).is_ok() { 0x81 } else { 0x82 }];
    match u16::try_from(payload.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | u8::try_from(length).unwrap_or_default()),
        Ok(length) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
     m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn options(transport: &str, n: usize) -> String {
    let call = format!("probe-{n}");
    Draft { start: "OPTIONS sip:watson@localhost SIP/2.0", call: &call, branch: &call, ..Draft::default() }
        .write(transport)
}

/// A valid message, as far as its parts are.
struct Draft<'a> {
    start: &'a str,
    call: &'a str,
    branch: &'a str,
    to_tag: &'a str,
    sequence: usize,
    method: &'a str,
    /// Whole lines.
    more: &'a str,
    body: &'a str,
}

impl Default for Draft<'_> {
    fn default() -> Self {
        Self { start: "", call: "", branch: "", to_tag: "", sequence: 1, method: "OPTIONS", more: "", body: "" }
    }
}

impl Draft<'_> {
    fn write(&self, transport: &str) -> String {
        let Self { start, call, branch, to_tag, sequence, method, more, body } = self;
        format!(
            "{start}\r\nVia: SIP/2.0/{transport} 127.0.0.1:5070;branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
             From: \"A. G. Bell\" <sip:bell@localhost>;tag=a1\r\nTo: <sip:watson@localhost>{to_tag}\r\n\
             Call-ID: {call}@localhost\r\nCSeq: {sequence} {method}\r\n\
             Contact: <sip:bell@127.0.0.1:5070;transport={uri}>\r\n\
             {more}Content-Length: {length}\r\n\r\n{body}",
            uri = transport.to_ascii_lowercase(),
            length = body.len(),
        )
    }
}

/// The call that the server took last: its Call-ID, and To with the server's tag.
#[derive(Clone, Default)]
struct Dialog(Arc<Mutex<(String, String)>>);

impl Dialog {
    fn learn(&self, answer: &[u8]) {
        let answer = String::from_utf8_lossy(answer);
        let value = |name: &str| {
            let line = answer.split("\r\n").find_map(|line| line.strip_prefix(name))?;
            Some(line.trim().to_owned())
        };
        if let (true, Some(call), Some(to)) = (answer.contains(" INVITE\r\n"), value("Call-ID:"), value("To:")) {
            let call = call.trim_end_matches("@localhost").to_owned();
            if let Some((_, tag)) = to.split_once(";tag=") {
                *self.0.lock().unwrap() = (call, format!(";tag={tag}"));
            }
        }
    }

    fn call_and_tag(&self) -> (String, String) {
        self.0.lock().unwrap().clone()
    }
}

/// Damaged input that can be repeated (xorshift64*).
struct Noise {
    state: u64,
    dialog: Dialog,
}

impl Noise {
    fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, dialog: Dialog::default() }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        (self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    /// Mostly a mutated message of any kind, now and then a valid one that begins or ends something, or mere noise.
    fn message(&mut self, transport: &str, n: usize) -> Vec<u8> {
        const TONES: &str = "Content-Type: application/dtmf-relay\r\n";
        const OFFER: &str = "Content-Type: application/sdp\r\n";
        const DIGEST: &str = "Authorization: Digest username=\"bell\", realm=\"localhost\", nonce=\"n\", \
                              uri=\"sip:localhost\", response=\"00112233445566778899aabbccddeeff\", qop=auth, \
                              nc=00000001, cnonce=\"c\"\r\nExpires: 60\r\n";
        let (new_call, branch) = (format!("c{}", n / 4), format!("b{n}"));
        let (known_call, tag) = self.dialog.call_and_tag();
        let new = Draft { call: &new_call, branch: &new_call, ..Draft::default() };
        let within = Draft { call: &known_call, branch: &branch, to_tag: &tag, sequence: 1 + n, ..Draft::default() };
        let invite = "INVITE sip:watson@localhost SIP/2.0";
        let draft = match self.below(16) {
            0..=3 => Draft { start: invite, method: "INVITE", more: OFFER, body: SDP, ..new },
            4 => Draft { start: "CANCEL sip:watson@localhost SIP/2.0", method: "CANCEL", ..new },
            5 => Draft { start: "REGISTER sip:localhost SIP/2.0", method: "REGISTER", more: DIGEST, ..new },
            6 => Draft { start: "MESSAGE tel:+1-201-555-0123 SIP/2.0", method: "MESSAGE", body: "Come here!", ..new },
            7 => Draft { start: "SIP/2.0 180 Ringing", method: "INVITE", ..new },
            8 => Draft { start: "SIP/2.0 401 Unauthorized", method: "REGISTER", ..new },
            9 | 10 => Draft { start: "ACK sip:watson@localhost SIP/2.0", method: "ACK", sequence: 1, ..within },
            11 => Draft { start: invite, method: "INVITE", more: OFFER, body: SDP, ..within },
            12 => Draft { start: "SIP/2.0 200 OK", method: "INVITE", more: OFFER, body: SDP, ..within },
            13 => {
                let start = "INFO sip:watson@localhost SIP/2.0";
                Draft { start, method: "INFO", more: TONES, body: "Signal=1\r\nDuration=160", ..within }
            }
            14 => Draft { start: "BYE sip:watson@localhost SIP/2.0", method: "BYE", ..within },
            _ => Draft { start: "OPTIONS sip:watson@localhost SIP/2.0", ..within },
        };
        let valid = draft.write(transport);
        match self.below(20) {
            0..=3 => valid.into_bytes(),
            4 => (0..self.below(2000)).map(|_| self.byte()).collect(),
            5 => Vec::new(),
            6 => vec![self.byte(); self.below(66_000)],
            _ => self.mutate(valid.as_bytes()),
        }
    }

    /// One to five changes: octets replaced, turned over, removed or inserted, a number made absurd, a line doubled, the
    /// rest cut off.
    fn mutate(&mut self, valid: &[u8]) -> Vec<u8> {
        const TELLING: &[u8] = b"\r\n\t \"\\<>;:,=?@[]%*()-+09azAZ/\0\x7f\x80\xff";
        const NUMBERS: &[&[u8]] =
            &[b"0", b"-1", b"99999999999999999999", b"4294967296", b"65536", b"2147483648", b"1e9"];
        let mut bytes = valid.to_vec();
        for _ in 0..=self.below(5) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes[at] = TELLING[self.below(TELLING.len())],
                1 => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.remove(at)),
                3 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                4 => {
                    let Some(digit) = bytes[at..].iter().position(u8::is_ascii_digit) else { continue };
                    let number = NUMBERS[self.below(NUMBERS.len())];
                    bytes.splice(at + digit..=at + digit, number.iter().copied());
                }
                5 => {
                    let line = bytes[at..].split_inclusive(|octet| *octet == b'\n').next().unwrap_or_default().to_vec();
                    let doubled = line.repeat(1 + self.below(40));
                    bytes.splice(at..at, doubled);
                }
                6 => drop(bytes.drain(at..(at + self.below(30)).min(bytes.len()))),
                _ if self.below(4) == 0 => bytes.truncate(at),
                _ => bytes[at] = self.byte(),
            }
        }
        bytes
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }
}
