//! INFO both ways (RFC 6086, mostly its legacy usage): digits and whatever the application wants to say, one after another
//! so that they arrive in their order.

use std::collections::VecDeque;
use std::time::Instant;

use super::session::{Phase, Session};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{DtmfForm, EndReason, Error, Event, Silence};
use crate::pii::Pii;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};

/// INFOs that wait for the answer to an earlier one.
const MAX_WAITING: usize = 128;

/// How long a digit is said to sound, in ms.
const DIGIT_MS: u32 = 160;

#[derive(Default)]
pub(super) struct Informing {
    /// The one whose answer is awaited, and what it says.
    under_way: Option<(TransactionId, Matter)>,
    waiting: VecDeque<Matter>,
}

/// What an INFO says.
pub(super) enum Matter {
    Digit(Pii<char>, DtmfForm),
    Other { content_type: Box<str>, body: Vec<u8>, headers: Headers },
}

impl Session {
    /// Says it as soon as all before has been answered.
    pub(super) fn inform(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        matters: impl ExactSizeIterator<Item = Matter>,
    ) -> Result<(), Error> {
        self.confirmed()?;
        let informing = self.informing.get_or_insert_default();
        if informing.waiting.len() + matters.len() > MAX_WAITING {
            return Err(Error::Full);
        }
        informing.waiting.extend(matters);
        self.inform_next(now, stack);
        Ok(())
    }

    fn inform_next(&mut self, now: Instant, stack: &mut Stack) {
        let (Phase::Confirmed(confirmed), Some(informing)) = (&mut self.phase, &mut self.informing) else { return };
        if informing.under_way.is_some() {
            return;
        }
        let Some(matter) = informing.waiting.pop_front() else {
            self.informing = None;
            return;
        };
        let mut request = confirmed.dialog.request(Method::Info);
        let next_hop = confirmed.dialog.next_hop().clone();
        match &matter {
            Matter::Digit(digit, DtmfForm::Relay) => {
                let body = format!("Signal={}\r\nDuration={DIGIT_MS}\r\n", digit.expose());
                request.set_body("application/dtmf-relay", body.into_bytes());
            }
            Matter::Digit(digit, DtmfForm::Plain) => {
                request.set_body("application/dtmf", digit.expose().to_string().into_bytes());
            }
            Matter::Other { content_type, body, headers } => {
                for header in headers.iter() {
                    request.headers.push(header);
                }
                if !body.is_empty() {
                    request.set_body(content_type, body.clone());
                }
            }
        }
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = self.path.next_hop(&next_hop);
        let info = stack.send(now, &self.path, destination, request, Purpose::Info(self.id));
        informing.under_way = Some((info, matter));
    }

    /// The final answer to our INFO. `silent`: none came.
    pub(super) fn handle_info_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        info: TransactionId,
        response: &Response,
        silent: bool,
    ) {
        if self.has_ended() || !self.informing.as_ref().is_some_and(|informing| informing.is_under_way(info)) {
            return;
        }
        let again = if response.is_success() { None } else { self.retry_authorised(now, stack, info, response) };
        let Some(informing) = &mut self.informing else { return };
        if let (Some(again), Some((current, _))) = (again, &mut informing.under_way) {
            *current = again;
            return;
        }
        let Some((_, matter)) = informing.under_way.take() else { return };
        let headers = response.headers.clone();
        match response.code() {
            200..=299 => {}
            481 => {
                let reason = response.reason.clone();
                return self.end(now, stack, EndReason::Rejected { status: 481, reason }, headers);
            }
            // RFC 3261 §12.2.1.2, RFC 5057 §5.1.
            408 if !silent || stack.config.calls.silence == Silence::Ends => {
                return self.leave(now, stack, EndReason::TimedOut, headers);
            }
            status => match matter {
                Matter::Digit(digit, _) => {
                    // What was refused once will be refused again: all digits go another way.
                    let mut unsent = String::from(digit.into_inner());
                    informing.waiting.retain(|waiting| match waiting {
                        Matter::Digit(digit, _) => {
                            unsent.push(*digit.expose());
                            false
                        }
                        Matter::Other { .. } => true,
                    });
                    stack.event(Event::DigitsRefused { session: self.id, status, unsent: Pii::new(unsent) });
                }
                Matter::Other { .. } => {
                    stack.event(Event::InfoFailed { session: self.id, status, headers });
                }
            },
        }
        self.inform_next(now, stack);
    }

    /// INFO of the peer. One of an Info Package is refused: we have said that we know none (RFC 6086 §4.2.2).
    pub(super) fn handle_info(&mut self, now: Instant, stack: &mut Stack, id: TransactionId, request: Request) {
        if request.headers.value(HeaderName::InfoPackage).is_some() {
            let mut response = Response::new(469);
            response.headers.set(HeaderName::RecvInfo, "");
            stack.respond(now, id, response);
            return;
        }
        stack.respond_with(now, id, 200);
        let content_type = request.headers.content_type().unwrap_or("").to_owned();
        let (headers, body) = (request.headers, request.body);
        stack.event(Event::Info { session: self.id, content_type, body, headers });
    }
}

impl Informing {
    fn is_under_way(&self, info: TransactionId) -> bool {
        matches!(self.under_way, Some((current, _)) if current == info)
    }
}
