//! A registrar in trouble behind a connection that stands.

use super::*;
use crate::sip::message::Message;
use crate::sip::{Request, wire};

/// A workbench with a TCP connection, whose far side is the test.
struct Stream {
    desk: Workbench,
    now: Now,
    flow: Flow,
    requests: Vec<Request>,
    connects: usize,
    closed: usize,
}

impl Stream {
    fn registered() -> Self {
        let now = Now { instant: Instant::now(), unix_ms: 1_700_000_000_000 };
        let config = Config {
            product: "Test".into(),
            codecs: vec![Codec::Pcmu],
            auto_answer: None,
            instance: None,
            seed: [3; 32],
        };
        let mut stream = Self {
            desk: Workbench::new(now, config),
            now,
            flow: Flow { transport: Transport::Tcp, ..flow(5069, FAR) },
            requests: Vec::new(),
            connects: 0,
            closed: 0,
        };
        stream.input(Input::Command { ticket: Ticket(1), command: Command::SignIn(Box::new(Bench::account())) });
        let flow = stream.flow;
        stream.input(Input::FlowUp { connect: ConnectId(1), flow });
        stream.answer(200, "");
        assert!(stream.desk.registration().is_registered());
        stream
    }

    fn input(&mut self, input: Input<'_>) {
        self.desk.handle(self.now, input);
        while let Some(output) = self.desk.poll_output() {
            match output {
                Output::Transmit { bytes, .. } => {
                    let Ok(Message::Request(request)) = wire::parse(&bytes) else { panic!("not a request") };
                    self.requests.push(request);
                }
                Output::Connect { .. } => self.connects += 1,
                Output::CloseFlow(_) => self.closed += 1,
                _ => {}
            }
        }
    }

    /// Answers the last request.
    fn answer(&mut self, status: u16, retry_after: &str) {
        let request = self.requests.pop().unwrap();
        let mut response = Response::to_request(&request, status, Some("t"));
        if !retry_after.is_empty() {
            response.headers.set(HeaderName::RetryAfter, retry_after);
        }
        let flow = self.flow;
        self.input(Input::Received { flow: &flow, bytes: &wire::write_response(&response) });
    }

    /// Passes time until a REGISTER is sent; how long that took.
    fn next_request(&mut self) -> Duration {
        let begun = self.now.instant;
        while self.requests.is_empty() {
            let at = self.desk.poll_timeout().unwrap();
            assert!(at < begun + Duration::from_secs(3_600));
            let passed = at.saturating_duration_since(self.now.instant);
            self.now = Now { instant: at, unix_ms: self.now.unix_ms + i64::try_from(passed.as_millis()).unwrap() };
            self.input(Input::Timeout);
        }
        self.now.instant - begun
    }
}

#[test]
fn overloaded_registrar_is_left_alone_for_as_long_as_it_asks_and_its_connection_stays() {
    let mut stream = Stream::registered();
    stream.next_request();
    stream.answer(503, "120");
    assert!(matches!(stream.desk.registration(), Registration::Restoring { flow: Some(_), .. }));
    let wait = stream.next_request();
    assert!(wait >= Duration::from_secs(120) && wait < Duration::from_secs(135), "{wait:?}");
    stream.answer(200, "");
    assert!(stream.desk.registration().is_registered());
    assert_eq!((stream.connects, stream.closed), (1, 0));
}

#[test]
fn flow_that_the_edge_has_lost_is_replaced() {
    let mut stream = Stream::registered();
    stream.next_request();
    stream.answer(430, "");
    assert!(matches!(stream.desk.registration(), Registration::Restoring { flow: None, .. }));
    assert_eq!(stream.closed, 1);
}
