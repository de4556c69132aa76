//! The whole workbench under a script of datagrams, commands, lost connections and time, all in virtual time.
//!
//! The script is bytecode: a byte says what happens, the next ones how. The far side knows what the workbench has sent last,
//! so its answers and requests fit dialogs and transactions unless the script breaks them.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::account::{Account, Options, Server};
use crate::call::Field;
use crate::clock::Now;
use crate::flow::{Flow, FlowId, Transport};
use crate::media::{self, Codec, MediaId};
use crate::pii::Pii;
use crate::sip::message::{HeaderAccess, HeaderName, Message, Request};
use crate::sip::wire;
use crate::workbench::{Command, Config, ConnectId, FailureCode, Input, Output, Ticket, Workbench};

const MAX_STEPS: usize = 160;
/// So many of its messages the far side remembers.
const REMEMBERED: usize = 8;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// Runs a script. `start` is any moment: time goes on from it by the script alone.
pub fn workbench(start: Instant, script: &[u8]) {
    let mut stage = Stage::new(start);
    let mut script = Script { bytes: script };
    if script.byte() & 1 == 0 {
        stage.sign_in();
    }
    for _ in 0..MAX_STEPS {
        if script.bytes.is_empty() {
            break;
        }
        stage.step(&mut script);
    }
    stage.end();
}

struct Script<'a> {
    bytes: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *byte
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let index = usize::from(self.byte());
        (!from.is_empty()).then(|| from[index % from.len()].clone())
    }

    /// A stretch whose length the first two bytes give.
    fn stretch(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()])).min(self.bytes.len());
        let (stretch, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        stretch
    }

    /// Up to 255 bytes.
    fn text(&mut self) -> String {
        let length = usize::from(self.byte()).min(self.bytes.len());
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}

struct Stage {
    desk: Workbench,
    now: Now,
    flow: Flow,
    connects: Vec<ConnectId>,
    sockets: Vec<MediaId>,
    /// Requests that the workbench has sent, newest last.
    requests: VecDeque<Request>,
    /// What it last said in the dialog where the far side is the caller.
    answered: Option<crate::sip::Response>,
    cseq: u32,
    ticket: u64,
}

impl Stage {
    fn new(start: Instant) -> Self {
        let now = Now { instant: start, unix_ms: 1_700_000_000_000 };
        let config = Config {
            product: "Fuzzed".into(),
            codecs: vec![Codec::Opus, Codec::Pcma, Codec::Pcmu],
            auto_answer: None,
            instance: None,
            seed: [7; 32],
        };
        Self {
            desk: Workbench::new(now, config),
            now,
            flow: flow(1),
            connects: Vec::new(),
            sockets: Vec::new(),
            requests: VecDeque::new(),
            answered: None,
            cseq: 0,
            ticket: 0,
        }
    }

    fn sign_in(&mut self) {
        self.command(Command::SignIn(account("1001")));
        self.connect();
        self.respond(0, 200, "", "");
        self.command(Command::Ready);
    }

    fn connect(&mut self) {
        if let Some(connect) = self.connects.pop() {
            self.flow = flow(self.flow.id.0 + 1);
            let flow = self.flow;
            self.input(Input::FlowUp { connect, flow });
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 => {
                let bytes = script.stretch();
                let flow = self.flow;
                self.input(Input::Received { flow: &flow, bytes });
            }
            1 | 2 => {
                let times = [0, 20, 500, 2_000, 4_000, 32_000, 64_000, 190_000, 1_800_000, 100_000_000];
                let time = script.pick(&times).unwrap_or_default();
                self.pass(Duration::from_millis(time));
            }
            3..=5 => {
                let command = command(script);
                self.command(command);
            }
            6..=8 => {
                const STATUSES: [u16; 24] = [
                    100, 180, 181, 183, 199, 200, 202, 204, 299, 302, 305, 401, 403, 405, 407, 408, 415, 421, 422, 423,
                    481, 488, 491, 503,
                ];
                let back = usize::from(script.byte() % 4);
                let status = script.pick(&STATUSES).unwrap_or(200);
                let body = body(script);
                let more = script.text();
                self.respond(back, status, &body, &more);
            }
            9..=12 => {
                const METHODS: [&str; 14] = [
                    "INVITE",
                    "ACK",
                    "BYE",
                    "CANCEL",
                    "INFO",
                    "UPDATE",
                    "PRACK",
                    "REFER",
                    "NOTIFY",
                    "SUBSCRIBE",
                    "MESSAGE",
                    "OPTIONS",
                    "PUBLISH",
                    "WHATEVER",
                ];
                let method = script.pick(&METHODS).unwrap_or("INVITE");
                let place = script.byte() % 4;
                let body = body(script);
                let more = script.text();
                self.request(method, place, &body, &more);
            }
            13 => {
                if let Some(id) = self.sockets.pop() {
                    let event = match script.byte() % 4 {
                        0 => media::Event::OpenFailed { id, reason: String::new() },
                        1 => media::Event::FirstPacket { id },
                        _ => media::Event::Opened { id, address: SocketAddr::from(([192, 0, 2, 1], 4000)) },
                    };
                    self.input(Input::Media(event));
                }
            }
            14 => match script.byte() % 3 {
                0 => self.connect(),
                1 => {
                    if let Some(connect) = self.connects.pop() {
                        self.input(Input::ConnectFailed { connect, code: FailureCode::ConnectionRefused });
                    }
                }
                _ => {
                    let flow = self.flow.id;
                    self.input(Input::FlowDown { flow });
                }
            },
            _ => {
                let id = MediaId(u64::from(script.byte()));
                let digit = char::from(script.byte());
                self.input(Input::Media(media::Event::DtmfReceived { id, digit }));
            }
        }
    }

    /// An answer to what the workbench asked `back` requests before the last one.
    fn respond(&mut self, back: usize, status: u16, body: &str, more: &str) {
        let Some(index) = self.requests.len().checked_sub(back + 1) else { return };
        let Some(request) = self.requests.get(index) else { return };
        let mut text = format!("SIP/2.0 {status} x\r\n");
        for name in [HeaderName::Via, HeaderName::From, HeaderName::CallId, HeaderName::CSeq] {
            let value = request.headers.value(name).unwrap_or_default();
            let _ = write!(text, "{}: {value}\r\n", name.as_str());
        }
        let to = request.headers.value(HeaderName::To).unwrap_or_default();
        let tag = if to.contains(";tag=") || status == 100 { "" } else { ";tag=far" };
        let _ = write!(text, "To: {to}{tag}\r\n");
        match request.headers.value(HeaderName::Contact) {
            // A registrar repeats the binding.
            Some(contact) if request.method.as_str() == "REGISTER" => {
                let _ = write!(text, "Contact: {contact};expires=600\r\n");
            }
            _ => text.push_str("Contact: <sip:far@192.0.2.9:5060>\r\n"),
        }
        self.receive(text, body, more);
    }

    /// A request of the far side. `place` 0: outside dialogs; 1: in the dialog of the workbench's last request; 2: in that
    /// of its last answer; 3: the INVITE before, once more or for its CANCEL and ACK.
    fn request(&mut self, method: &str, place: u8, body: &str, more: &str) {
        self.cseq += 1;
        let last = self.requests.back();
        let (from, to, call) = match (place, last, &self.answered) {
            (1, Some(request), _) => {
                let value = |name| request.headers.value(name).unwrap_or_default().to_owned();
                let tag = if request.headers.to_tag().is_some() { "" } else { ";tag=far" };
                (format!("{}{tag}", value(HeaderName::To)), value(HeaderName::From), value(HeaderName::CallId))
            }
            (2, _, Some(response)) => {
                let value = |name| response.headers.value(name).unwrap_or_default().to_owned();
                (value(HeaderName::From), value(HeaderName::To), value(HeaderName::CallId))
            }
            _ => {
                let call = if place == 3 { self.cseq.saturating_sub(1) } else { self.cseq };
                ("<sip:far@192.0.2.9>;tag=f".into(), "<sip:1001@192.0.2.1>".into(), format!("c{call}"))
            }
        };
        let number = if place == 3 { self.cseq.saturating_sub(1) } else { self.cseq };
        let text = format!(
            "{method} sip:1001@192.0.2.1:5062 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKf{number};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\nContact: <sip:far@192.0.2.9:5060>\r\n"
        );
        self.receive(text, body, more);
    }

    fn receive(&mut self, mut head: String, body: &str, more: &str) {
        if !body.is_empty() {
            head.push_str("Content-Type: application/sdp\r\n");
        }
        if !more.is_empty() {
            let _ = write!(head, "{more}\r\n");
        }
        let text = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let flow = self.flow;
        self.input(Input::Received { flow: &flow, bytes: text.as_bytes() });
    }

    fn command(&mut self, command: Command) {
        self.ticket += 1;
        let ticket = Ticket(self.ticket);
        self.input(Input::Command { ticket, command });
    }

    /// Lets time pass from timer to timer.
    fn pass(&mut self, time: Duration) {
        let end = self.now.plus(time);
        for fired in 0.. {
            assert!(fired < 200_000, "the timers never come to rest");
            let Some(due) = self.desk.poll_timeout().filter(|due| *due <= end.instant) else { break };
            self.now = self.now.plus(due.saturating_duration_since(self.now.instant));
            self.input(Input::Timeout);
            let next = self.desk.poll_timeout();
            // What is due again at once must at least come to an end: the counter above sees to that.
            assert!(next.is_none_or(|next| next >= due || next <= self.now.instant));
            if fired > 5_000 {
                // A registration is refreshed for years to come; enough of it has been seen.
                break;
            }
        }
        self.now = end;
        self.input(Input::Timeout);
    }

    fn input(&mut self, input: Input<'_>) {
        self.desk.handle(self.now, input);
        let mut drained = 0;
        while let Some(output) = self.desk.poll_output() {
            drained += 1;
            assert!(drained < 10_000, "the outputs never end");
            match output {
                Output::Transmit { bytes, .. } => self.hear(&bytes),
                Output::Connect { id, .. } => self.connects.push(id),
                Output::Media(media::Command::Open { id, .. }) => self.sockets.push(id),
                _ => {}
            }
        }
        let (sessions, transactions, registrations) = self.desk.load();
        assert!(sessions <= 64 && transactions <= 2_100 && registrations <= 64, "the limits do not hold");
        assert!(self.desk.calls().len() <= 64);
    }

    /// What we send must be a message by our own lights.
    fn hear(&mut self, bytes: &[u8]) {
        match wire::parse(bytes) {
            Ok(Message::Request(request)) => {
                if request.method.as_str() != "ACK" {
                    self.requests.push_back(request);
                }
                if self.requests.len() > REMEMBERED {
                    self.requests.pop_front();
                }
            }
            Ok(Message::Response(response)) => self.answered = Some(response),
            Err(wire::ParseError::KeepAlive) => {}
            // The answer to a broken request repeats what is broken of it.
            Err(error) => assert!(bytes.starts_with(b"SIP/2.0 "), "a request of ours cannot be read: {error}"),
        }
    }

    /// Whatever has happened: after signing out and an hour nothing is left.
    fn end(&mut self) {
        self.command(Command::SignOut);
        self.pass(Duration::from_secs(3_600));
        self.pass(Duration::from_secs(3_600));
        let (sessions, transactions, _) = self.desk.load();
        if self.desk.lines().is_empty() {
            assert_eq!((sessions, transactions), (0, 0), "something is left behind");
        }
    }
}

fn flow(id: u64) -> Flow {
    let (local, remote) = (SocketAddr::from(([192, 0, 2, 1], 5062)), SocketAddr::from(([192, 0, 2, 9], 5060)));
    Flow { id: FlowId(id), transport: Transport::Udp, local, remote }
}

fn account(user: &str) -> Box<Account> {
    Box::new(Account {
        server: Server::parse("192.0.2.9:5060", Transport::Udp).expect("this is a server"),
        user: Pii::new(user.to_owned()),
        password: Some(Pii::new("secret".to_owned())),
        display_name: None,
        domain: None,
        auth_user: None,
        colleagues: Vec::new(),
        options: Options::default(),
    })
}

fn body(script: &mut Script<'_>) -> String {
    match script.byte() % 6 {
        0 | 1 => String::new(),
        2 | 3 => SDP.to_owned(),
        4 => SDP.replace("RTP/AVP 0 8 101", "RTP/AVP 8 101\r\na=sendonly"),
        _ => String::from_utf8_lossy(script.stretch()).into_owned(),
    }
}

fn command(script: &mut Script<'_>) -> Command {
    let number = |text: &str| Pii::new(text.to_owned());
    let headers = || vec![Field { name: "X-Call".into(), value: Pii::new("1".into()) }];
    match script.byte() % 24 {
        0 => Command::SignOut,
        1 => Command::SignIn(account("1001")),
        2 => Command::AddLine(account("2001")),
        3 => Command::Ready,
        4 => Command::Break(None),
        5 | 6 => Command::Call { to: number("1002"), line: None, headers: headers() },
        7 => Command::Call { to: Pii::new(script.text()), line: None, headers: Vec::new() },
        8 | 9 => Command::Answer(None),
        10 => Command::HangUp { call: None, headers: headers() },
        11 => Command::Hold(None),
        12 => Command::Retrieve(None),
        13 => Command::Swap,
        14 => Command::Dtmf { call: None, digits: number("12#") },
        15 => Command::Transfer { call: None, to: number("1003"), headers: Vec::new() },
        16 => Command::Consult { call: None, to: number("1003") },
        17 => Command::CompleteTransfer(None),
        18 => Command::CancelConsult(None),
        19 => Command::SendMessage {
            to: number("1002"),
            content_type: "text/plain".into(),
            body: Pii::new(script.text()),
            line: None,
        },
        20 => Command::Subscribe { event: "dialog".into(), target: number("1002"), line: None },
        21 => Command::SetPresence { open: true, note: None, line: None },
        22 => Command::Info {
            call: None,
            content_type: "text/plain".into(),
            body: Pii::new(script.text()),
            headers: vec![Field { name: script.text(), value: Pii::new(script.text()) }],
        },
        _ => Command::SetAfterCallWork(Duration::from_secs(u64::from(script.byte()))),
    }
}
