//! MESSAGE (RFC 3428), pager mode: each message stands for itself, outside a dialog or inside that of a call.

use std::time::Instant;

use super::authentication::Authentication;
use super::correspondence::Correspondence;
use super::transactions::{Purpose, TransactionId};
use super::usages::{Usage, UsageId};
use super::{Error, Event, Identity, MessageId, SessionId, UserAgent, check_headers};
use crate::flow::Flow;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};
use crate::sip::uri::Uri;

/// The largest body that we send, in octets; what is read is bounded by the parser.
pub const MAX_MESSAGE: usize = 64 * 1024 - 4096;

/// What a message says.
#[derive(Clone)]
pub struct Content {
    /// `text/plain;charset=utf-8` and the like.
    pub content_type: String,
    pub body: Vec<u8>,
    /// Further headers of the application.
    pub headers: Headers,
}

pub(super) struct Outgoing {
    id: MessageId,
    request: TransactionId,
    way: Way,
    is_answered: bool,
}

enum Way {
    Within(SessionId),
    Alone(Box<Correspondence>),
}

impl UserAgent {
    /// Sends a message to somebody. What became of it is told by [`Event::MessageAnswered`].
    ///
    /// # Errors
    /// [`Error::Header`] for headers and content types that may not be, [`Error::TooLarge`], [`Error::Full`].
    pub fn send_message(
        &mut self,
        now: Instant,
        identity: Identity,
        target: Uri,
        content: Content,
    ) -> Result<MessageId, Error> {
        self.check_content(&content)?;
        let id = MessageId(self.next_id());
        let mut way = Correspondence::new(&mut self.stack, identity, target);
        let mut request = way.request(Method::Message);
        fill(&mut request, content);
        let request = way.send(now, &mut self.stack, request, Purpose::Usage(UsageId(id.0)));
        let way = Way::Alone(Box::new(way));
        self.add_usage(UsageId(id.0), Usage::Message(Outgoing { id, request, way, is_answered: false }));
        Ok(id)
    }

    /// Sends a message to the peer of an established session, inside its dialog.
    ///
    /// # Errors
    /// As [`Self::send_message`], and [`Error::WrongState`] unless the session is established.
    pub fn send_message_within(
        &mut self,
        now: Instant,
        session: SessionId,
        content: Content,
    ) -> Result<MessageId, Error> {
        self.check_content(&content)?;
        let id = MessageId(self.next_id());
        let purpose = Purpose::Usage(UsageId(id.0));
        let (request, _) = self.with_session(session, |session, stack| {
            session.send_within(now, stack, Method::Message, purpose, |request| fill(request, content))
        })?;
        let way = Way::Within(session);
        self.add_usage(UsageId(id.0), Usage::Message(Outgoing { id, request, way, is_answered: false }));
        Ok(id)
    }

    fn check_content(&self, content: &Content) -> Result<(), Error> {
        check_headers(&content.headers, &[])?;
        check_content_type(&content.content_type)?;
        if content.body.len() > MAX_MESSAGE {
            return Err(Error::TooLarge);
        }
        self.check_usages()
    }

    /// A MESSAGE, inside a session's dialog or outside any, of checked Require.
    pub(super) fn receive_message(
        &mut self,
        now: Instant,
        id: TransactionId,
        flow: &Flow,
        session: Option<SessionId>,
        request: Request,
    ) {
        if let Some(session) = session.and_then(|session| self.sessions.get_mut(&session)) {
            if session.has_ended() {
                return self.stack.respond_with(now, id, 481);
            }
            if !session.is_in_order(&request) {
                return self.stack.respond_with(now, id, 500);
            }
        }
        let coding = request.headers.value(HeaderName::ContentEncoding);
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            let mut response = Response::new(415);
            response.headers.set(HeaderName::AcceptEncoding, "identity");
            self.stack.respond(now, id, response);
            return;
        }
        self.stack.respond_with(now, id, 200);
        self.stack.event(Event::Message { session, request: Box::new(request), flow: *flow });
    }
}

impl Outgoing {
    pub(super) const fn is_gone(&self) -> bool {
        self.is_answered
    }

    pub(super) const fn credentials(&mut self) -> Result<&mut Authentication, SessionId> {
        match &mut self.way {
            Way::Within(session) => Err(*session),
            Way::Alone(way) => Ok(&mut way.authentication),
        }
    }

    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        agent: &mut UserAgent,
        transaction: TransactionId,
        response: &Response,
    ) {
        if self.request != transaction {
            return;
        }
        let stack = &mut agent.stack;
        let next = match &mut self.way {
            Way::Within(session) => agent
                .sessions
                .get_mut(session)
                .filter(|session| !session.has_ended())
                .and_then(|session| session.retry_authorised(now, stack, transaction, response)),
            Way::Alone(way) => way.retry_authorised(now, stack, transaction, response),
        };
        match next {
            Some(next) => self.request = next,
            None => {
                self.is_answered = true;
                stack.event(Event::MessageAnswered { message: self.id, status: response.code() });
            }
        }
    }
}

pub(super) fn check_content_type(content_type: &str) -> Result<(), Error> {
    let sound = content_type.contains('/') && !content_type.contains(char::is_control);
    if sound { Ok(()) } else { Err(Error::Header("Content-Type".into())) }
}

fn fill(request: &mut Request, content: Content) {
    request.headers.extend(content.headers.iter());
    request.set_body(&content.content_type, content.body);
}
