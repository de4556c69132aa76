//! A peer played by the test, message by message, towards end 0.

use super::super::message::{HeaderAccess, HeaderName, Request, Response};
use super::*;

/// The place of the played peer in the world.
pub(super) const PEER: usize = 9;

impl World {
    /// The requests and responses that the peer has been sent since the last call.
    pub(super) fn received(&mut self) -> Vec<Message> {
        self.flush();
        self.captured.drain(..).filter_map(|bytes| wire::parse(&bytes).ok()).collect()
    }

    /// The only request that the peer has been sent since.
    pub(super) fn received_request(&mut self) -> Request {
        let mut messages = self.received();
        assert_eq!(messages.len(), 1, "{messages:#?}");
        match messages.remove(0) {
            Message::Request(request) => request,
            Message::Response(response) => panic!("a response: {response:#?}"),
        }
    }

    /// Lets time pass until the peer is sent a request, at most so long.
    pub(super) fn next_request(&mut self, limit: Duration) -> Request {
        let end = self.now + limit;
        while self.now < end {
            self.run(ms(100));
            if !self.captured.is_empty() {
                return self.received_request();
            }
        }
        panic!("no request came: {:#?}", self.trace);
    }

    /// The status codes that the peer has been sent since, with their methods.
    pub(super) fn received_statuses(&mut self) -> Vec<String> {
        let messages = self.received();
        messages.iter().map(|message| first_words(&wire::write(message))).collect()
    }

    pub(super) fn inject(&mut self, message: impl Into<Message>) {
        let flow = self.flow(0, PEER);
        let bytes = wire::write(&message.into());
        self.ends[0].ua.handle_received(self.now, &flow, &bytes);
        self.flush();
    }

    pub(super) fn inject_bytes(&mut self, bytes: &[u8]) {
        let flow = self.flow(0, PEER);
        self.ends[0].ua.handle_received(self.now, &flow, bytes);
        self.flush();
    }

    /// The peer answers a request with a tag, a Contact and, if it succeeds, a body.
    pub(super) fn answer(&mut self, request: &Request, status: u16, tag: &str) {
        self.inject(answer_to(request, status, tag));
    }

    /// A call of end 0 that the peer has answered; the session and the INVITE.
    pub(super) fn answered_call(&mut self) -> (SessionId, Request) {
        let session = self.call(0, PEER);
        let invite = self.received_request();
        self.answer(&invite, 200, "t");
        assert_eq!(self.received_request().method, Method::Ack);
        (session, invite)
    }

    /// A call of the peer that end 0 has answered and the peer acknowledged.
    pub(super) fn accepted_call(&mut self) -> (SessionId, Request) {
        self.inject(invite("1"));
        let session = self.incoming(0);
        self.ends[0].ua.answer(self.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
        let ok = self.received().pop().unwrap();
        let invite = in_dialog(&invite("1"), ok.headers().to_tag().unwrap());
        self.inject(request_like(&invite, Method::Ack, 1, "ack"));
        (session, invite)
    }
}

pub(super) fn answer_to(request: &Request, status: u16, tag: &str) -> Response {
    let mut response = Response::to_request(request, status, Some(tag));
    if (101..300).contains(&status) {
        response.headers.add(HeaderName::Contact, "<sip:peer@10.0.0.10:5060>");
    }
    if status == 200 && request.method == Method::Invite {
        response.set_body("application/sdp", ANSWER.to_vec());
    }
    response
}

/// An INVITE of the peer; `branch` makes it a transaction of its own.
pub(super) fn invite(branch: &str) -> Request {
    let mut request = Request::new(Method::Invite, "sip:u0@10.0.0.1:5060".parse().unwrap());
    request.headers.add(HeaderName::Via, format!("SIP/2.0/UDP 10.0.0.10:5060;branch=z9hG4bK{branch};rport"));
    request.headers.add(HeaderName::MaxForwards, "70");
    request.headers.add(HeaderName::From, "<sip:peer@example.org>;tag=p");
    request.headers.add(HeaderName::To, "<sip:u0@example.org>");
    request.headers.add(HeaderName::CallId, "call-of-the-peer");
    request.headers.add(HeaderName::CSeq, "1 INVITE");
    request.headers.add(HeaderName::Contact, "<sip:peer@10.0.0.10:5060>");
    request.set_body("application/sdp", OFFER.to_vec());
    request
}

/// The same request with the tag that end 0 gave.
pub(super) fn in_dialog(request: &Request, tag: &str) -> Request {
    let mut request = request.clone();
    request.headers.set(HeaderName::To, format!("<sip:u0@example.org>;tag={tag}"));
    request
}

/// Another request of the same call.
pub(super) fn request_like(request: &Request, method: Method, cseq: u32, branch: &str) -> Request {
    let mut other = request.clone();
    other.headers.set(HeaderName::CSeq, format!("{cseq} {method}"));
    other.headers.set(HeaderName::Via, format!("SIP/2.0/UDP 10.0.0.10:5060;branch=z9hG4bK{branch};rport"));
    if method != Method::Invite {
        other.body.clear();
        other.headers.remove(HeaderName::ContentType);
    }
    other.method = method;
    other
}

/// A request of the peer inside a dialog that end 0 began by `invite`; the peer's tag is `t`.
pub(super) fn from_callee(invite: &Request, method: Method, cseq: u32) -> Request {
    let mut request = Request::new(method.clone(), invite.headers.contact().unwrap().uri);
    request.headers.add(HeaderName::Via, format!("SIP/2.0/UDP 10.0.0.10:5060;branch=z9hG4bK{method}{cseq}"));
    let to = invite.headers.value(HeaderName::To).unwrap();
    request.headers.add(HeaderName::From, format!("{to};tag=t"));
    request.headers.add(HeaderName::To, invite.headers.value(HeaderName::From).unwrap());
    request.headers.add(HeaderName::CallId, invite.headers.call_id().unwrap());
    request.headers.add(HeaderName::CSeq, format!("{cseq} {method}"));
    request.headers.add(HeaderName::Contact, "<sip:peer@10.0.0.10:5060>");
    if method == Method::Invite {
        request.set_body("application/sdp", OFFER.to_vec());
    }
    request
}
