//! One user agent, whose every output the test sees, destinations included; the test plays everybody else.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::super::user_agent::Outbound;
use super::*;

pub(super) struct Lone {
    pub ua: UserAgent,
    pub now: Instant,
    pub flow: Flow,
    pub sent: Vec<(Destination, Message)>,
    pub events: Vec<Event>,
}

impl Lone {
    pub(super) fn new(transport: Transport) -> Self {
        Self::seeded(transport, [7; 32])
    }

    pub(super) fn seeded(transport: Transport, seed: [u8; 32]) -> Self {
        let config = Config { product: "Test".into(), ..Config::default() };
        let (local, remote) = ("10.0.0.1:5062".parse().unwrap(), "10.0.0.2:5060".parse().unwrap());
        Self {
            ua: UserAgent::new(config, seed),
            now: Instant::now(),
            flow: Flow { id: FlowId(1), transport, local, remote },
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            aor: NameAddr::new(Uri::sip("7001", "example.org")),
            credentials: Some(Credentials { user: "7001".into(), password: Pii::new("secret".into()) }),
            destination: Destination::Flow(self.flow.id),
            flow: self.flow,
            route: Vec::new(),
            outbound: None,
        }
    }

    pub(super) fn with_outbound(&self, gruu: bool) -> Identity {
        let outbound = Outbound { instance: "urn:uuid:1".into(), reg_id: 1, gruu };
        Identity { outbound: Some(outbound), ..self.identity() }
    }

    pub(super) fn register(&mut self, identity: Identity) -> RegistrationId {
        let registrar = Uri::sip_host("example.org");
        let id = self.ua.register(self.now, identity, registrar, Duration::from_secs(600));
        self.drain();
        id
    }

    pub(super) fn call(&mut self, offer: &[u8]) -> SessionId {
        let (identity, target) = (self.identity(), Uri::sip("7002", "example.org"));
        let invite = Invite { identity, target, offer: offer.to_vec(), headers: Headers::default() };
        let session = self.ua.invite(self.now, invite).unwrap();
        self.drain();
        session
    }

    pub(super) fn drain(&mut self) {
        self.ua.assert_sound();
        while let Some(output) = self.ua.poll_output() {
            match output {
                Output::Transmit { destination, bytes } => self.sent.push((destination, wire::parse(&bytes).unwrap())),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    pub(super) fn inject(&mut self, message: impl Into<Message>) {
        self.ua.handle_received(self.now, &self.flow, &wire::write(&message.into()));
        self.drain();
    }

    /// Answers the last request, with further headers.
    pub(super) fn answer(&mut self, status: u16, headers: &[(HeaderName, &str)]) {
        let request = self.last_request();
        self.answer_to(&request, status, headers);
    }

    pub(super) fn answer_to(&mut self, request: &Request, status: u16, headers: &[(HeaderName, &str)]) {
        let mut response = Response::to_request(request, status, Some("t"));
        for (name, value) in headers {
            response.headers.add(*name, *value);
        }
        self.inject(response);
    }

    /// 200 that holds the contact which the last REGISTER asked for, for so long, and further headers.
    pub(super) fn grant(&mut self, seconds: u32, headers: &[(HeaderName, &str)]) {
        let contact = self.last_request().headers.contact().unwrap();
        let contact = contact.with_param("expires", Some(&seconds.to_string())).to_string();
        let headers = [&[(HeaderName::Contact, contact.as_str())], headers].concat();
        self.answer(200, &headers);
    }

    pub(super) fn last(&self) -> (Destination, Request) {
        let last = self.sent.iter().rev().find_map(|(destination, message)| match message {
            Message::Request(request) => Some((*destination, request.clone())),
            Message::Response(_) => None,
        });
        last.unwrap()
    }

    pub(super) fn last_request(&self) -> Request {
        self.last().1
    }

    /// Everything that was sent since the last call.
    pub(super) fn take_sent(&mut self) -> Vec<(Destination, Message)> {
        self.drain();
        std::mem::take(&mut self.sent)
    }

    /// Passes so much time, waking at every timer.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.ua.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.ua.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    /// Passes time until something is sent, and leaves that alone in [`Self::sent`].
    pub(super) fn run_until_sent(&mut self) {
        self.take_sent();
        while self.sent.is_empty() {
            let at = self.ua.poll_timeout().unwrap();
            self.now = self.now.max(at);
            self.ua.handle_timeout(self.now);
            self.drain();
        }
    }

    /// The machine sleeps for so long: no timer fires meanwhile.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.now += time;
        self.ua.handle_timeout(self.now);
        self.drain();
    }
}
