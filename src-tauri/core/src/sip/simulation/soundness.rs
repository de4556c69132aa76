//! Anything in any order along several ways: tables, indexes and agendas always agree, and nothing is left at the end.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::lone::Lone;
use super::peer::{invite, request_like};
use super::*;

const STATUSES: [u16; 14] = [100, 180, 200, 202, 301, 401, 407, 408, 423, 481, 486, 491, 500, 503];

struct Chaos {
    lone: Lone,
    dice: ChaCha8Rng,
    registrations: Vec<RegistrationId>,
    sessions: Vec<SessionId>,
    /// Requests of ours that may still be answered.
    open: Vec<Request>,
    /// INVITEs of the peer, with the tag that we gave.
    calls: Vec<Request>,
    flows: u64,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let transport = [Transport::Udp, Transport::Tcp][(seed % 2) as usize];
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            lone: Lone::seeded(transport, key),
            dice: ChaCha8Rng::seed_from_u64(seed),
            registrations: Vec::new(),
            sessions: Vec::new(),
            open: Vec::new(),
            calls: Vec::new(),
            flows: 1,
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.dice.next_u64() as usize % end.max(1)
    }

    fn act(&mut self) {
        let now = self.lone.now;
        match self.below(16) {
            0 => {
                let identity = if self.below(2) == 0 { self.lone.identity() } else { self.lone.with_outbound(true) };
                let id = self.lone.register(identity);
                self.registrations.push(id);
            }
            1 | 2 => {
                let size = [10, 2_000][self.below(2)];
                let session = self.lone.call(&vec![b'a'; size]);
                self.sessions.push(session);
            }
            3..=6 => self.answer(),
            7 => self.called(),
            8 => self.asked(),
            9 => self.lone.ua.handle_unsent(now, Transport::Tcp, self.lone.flow.remote),
            10 => self.change_flow(),
            11 => {
                let index = self.below(self.registrations.len());
                if let Some(&id) = self.registrations.get(index) {
                    let _ = match self.below(3) {
                        0 => self.lone.ua.unregister(now, id),
                        1 => self.lone.ua.unregister_all(now, id),
                        _ => self.lone.ua.refresh_registration(now, id),
                    };
                }
            }
            12 | 13 => {
                let index = self.below(self.sessions.len());
                if let Some(&id) = self.sessions.get(index) {
                    let _ = match self.below(5) {
                        0 => self.lone.ua.hang_up(now, id),
                        1 => self.lone.ua.answer(now, id, ANSWER.to_vec(), Headers::default()),
                        2 => self.lone.ua.reoffer(now, id, vec![b'a'; 2_000]),
                        3 => self.lone.ua.info(now, id, "a/b", b"1".to_vec()).map(drop),
                        _ => self.lone.ua.progress(now, id, 183, Vec::new()),
                    };
                }
            }
            14 => {
                let time = ms([1, 600, 5_000, 40_000][self.below(4)]);
                self.lone.run(time);
            }
            _ => {
                let time = Duration::from_secs([1, 3_600][self.below(2)]);
                self.lone.sleep(time);
            }
        }
        self.lone.drain();
        self.look();
    }

    /// A request of ours is answered, perhaps not for the first time.
    fn answer(&mut self) {
        let index = self.below(self.open.len());
        let Some(request) = self.open.get(index).cloned() else { return };
        let status = STATUSES[self.below(STATUSES.len())];
        let mut response = Response::to_request(&request, status, Some(["t", "u"][self.below(2)]));
        match status {
            401 => response.headers.add(HeaderName::WwwAuthenticate, "Digest realm=\"r\", nonce=\"n\", qop=\"auth\""),
            407 => response.headers.add(HeaderName::ProxyAuthenticate, "Digest realm=\"p\", nonce=\"n\""),
            423 => response.headers.add(HeaderName::MinExpires, "700"),
            503 => response.headers.add(HeaderName::RetryAfter, "5"),
            200 => {
                let contact = request.headers.contact().filter(|_| request.method == Method::Register);
                let contact = contact.map_or("<sip:peer@10.0.0.2>".to_owned(), |contact| contact.to_string());
                response.headers.add(HeaderName::Contact, contact);
                response.headers.add(HeaderName::Require, "outbound");
            }
            _ => {}
        }
        self.lone.inject(response);
    }

    fn called(&mut self) {
        let number = self.dice.next_u64();
        let mut call = invite(&format!("{number:x}"));
        call.headers.set(HeaderName::CallId, format!("{:x}", number % 3));
        self.lone.inject(call);
    }

    /// Requests inside and outside the peer's calls, new ones and repeated ones.
    fn asked(&mut self) {
        let methods = [Method::Ack, Method::Bye, Method::Cancel, Method::Options, Method::Info, Method::Update];
        let method = methods[self.below(methods.len())].clone();
        let branch = format!("b{}", self.below(8));
        let base = match self.below(self.calls.len() + 1) {
            0 => invite("x"),
            index => self.calls[index - 1].clone(),
        };
        let cseq = self.below(3) as u32 + 1;
        let request = request_like(&base, method, cseq, &branch);
        self.lone.inject(request);
    }

    fn change_flow(&mut self) {
        let now = self.lone.now;
        self.lone.ua.handle_flow_closed(now, self.lone.flow.id);
        self.lone.drain();
        self.flows += 1;
        self.lone.flow.id = FlowId(self.flows);
        let flow = self.lone.flow;
        for id in self.registrations.clone() {
            let _ = self.lone.ua.move_registration(now, id, flow);
            self.lone.drain();
        }
        for id in self.sessions.clone() {
            let _ = self.lone.ua.move_session(now, id, flow);
        }
    }

    fn look(&mut self) {
        for (_, message) in self.lone.take_sent() {
            match message {
                Message::Request(request) if request.method != Method::Ack => self.open.push(request),
                Message::Response(ok) if first_words(&wire::write(&ok.clone().into())) == "200 INVITE" => {
                    let mut call = invite("z");
                    call.headers.set(HeaderName::CallId, ok.headers.call_id().unwrap());
                    call.headers.set(HeaderName::To, ok.headers.value(HeaderName::To).unwrap());
                    self.calls.push(call);
                }
                _ => {}
            }
        }
        let len = self.open.len();
        self.open.drain(..len.saturating_sub(20));
        let incoming = self.lone.events.drain(..).filter_map(|event| match event {
            Event::Incoming { session, .. } => Some(session),
            _ => None,
        });
        self.sessions.extend(incoming);
    }
}

#[test]
fn tables_indexes_and_agendas_agree_whatever_happens_and_nothing_stays() {
    for seed in 0..400 {
        let mut chaos = Chaos::new(seed);
        for _ in 0..80 {
            chaos.act();
        }
        let now = chaos.lone.now;
        for id in chaos.sessions.clone() {
            let _ = chaos.lone.ua.hang_up(now, id);
        }
        for id in chaos.registrations.clone() {
            let _ = chaos.lone.ua.unregister(now, id);
        }
        chaos.lone.drain();
        // Nobody answers any more. Two rounds: a registration under way is awaited before it is removed.
        chaos.lone.run(Duration::from_secs(400));
        assert!(chaos.lone.ua.holds_nothing(), "seed {seed}: {:?}", chaos.lone.ua.load());
    }
}
