//! A session: one INVITE dialog with its phases, and what moves it besides messages, that is time.
//!
//! How it begins stands in [`super::outgoing`] and [`super::incoming`], what happens inside it in [`super::exchange`]
//! and [`super::within`], how it ends in [`super::leaving`].

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::path::Path;
use super::stack::Stack;
use super::transactions::TransactionId;
use super::{Error, Event, ForkId, SessionId};
use crate::flow::{Destination, Flow};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Response};
use crate::sip::transaction::agenda::Appointment;

pub(super) struct Session {
    pub id: SessionId,
    pub path: Path,
    pub authentication: Authentication,
    /// The user part of our Contact, escaped.
    pub contact_user: Box<str>,
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    /// We sent the first INVITE, so the Call-ID is ours (which decides the delay after a 491).
    pub is_caller: bool,
    /// The Reason header (RFC 3326) of the CANCEL or BYE that will end it.
    pub farewell: Option<Box<str>>,
    pub phase: Phase,
    pub appointment: Appointment,
}

pub(super) enum Phase {
    /// Our INVITE has no final answer yet.
    Calling(Box<Calling>),
    /// The peer's INVITE has no final answer yet.
    Ringing(Box<Ringing>),
    /// A 2xx has been sent or received.
    Confirmed(Box<Confirmed>),
    /// Over for the application, not yet for the wire.
    Leaving(Leaving),
}

pub(super) struct Calling {
    pub invite: TransactionId,
    /// The early dialogs, in the order of their first answers.
    pub forks: Vec<Fork>,
    /// How many forks there have been.
    pub fork_count: u32,
}

/// An early dialog of a call of ours (RFC 3261 §12.1.2).
pub(super) struct Fork {
    pub id: ForkId,
    pub dialog: Dialog,
}

pub(super) struct Ringing {
    pub invite: TransactionId,
    /// The number that the ACK to our 2xx will repeat; the peer may send further requests before.
    pub cseq: u32,
    pub dialog: Dialog,
    /// The last provisional answer above 100, with the time to repeat it, lest a proxy's Timer C ends the call
    /// (RFC 3261 §13.3.1.1).
    pub progress: Option<(Instant, Response)>,
}

pub(super) struct Confirmed {
    pub dialog: Dialog,
    pub exchange: Exchange,
    /// An offer of ours that waits for its turn.
    pub postponed: Option<Postponed>,
}

/// At most one INVITE or UPDATE at a time (RFC 3261 §14).
pub(super) enum Exchange {
    Idle,
    /// Our re-INVITE waits for its answer.
    Ours {
        invite: TransactionId,
        offer: Vec<u8>,
        attempts: u8,
    },
    /// The peer's re-INVITE or UPDATE waits for the application.
    Theirs {
        request: TransactionId,
        is_invite: bool,
        cseq: u32,
        offerless: bool,
    },
    /// Our 2xx to the peer's INVITE waits for its ACK.
    Unacknowledged(Unacknowledged),
}

pub(super) struct Postponed {
    /// `None`: as soon as the ACK is there. Otherwise the end of the delay after a 491 (RFC 3261 §14.1).
    pub at: Option<Instant>,
    pub offer: Vec<u8>,
    pub attempts: u8,
}

/// A 2xx to an INVITE, which its sender repeats over every transport until the ACK comes (RFC 3261 §13.3.1.4).
pub(super) struct Unacknowledged {
    pub destination: Destination,
    pub cseq: u32,
    pub bytes: Vec<u8>,
    /// When to send it again, and the interval that led there, doubling from T1 up to T2.
    pub again: (Instant, Duration),
    /// 64·T1 without ACK ends the session.
    pub give_up: Instant,
    /// Whether the ACK is an [`Event::Confirmed`]: always the first one, later ones if they carry the answer.
    pub tells: bool,
}

pub(super) enum Leaving {
    /// CANCEL must wait for the first provisional answer (RFC 3261 §9.1).
    CancelHeld { invite: TransactionId },
    /// CANCEL has gone. The INVITE ends by its final answer, or 64·T1 later without one (§9.1).
    Cancelled { invite: TransactionId },
    /// BYE must wait for the ACK to our 2xx (§15).
    ByeHeld { dialog: Box<Dialog>, unacknowledged: Unacknowledged },
    /// BYE has gone; its transaction ends the session.
    Bye,
    /// Nothing is left to do: to be removed.
    Gone,
}

impl Session {
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Leaving(Leaving::Gone))
    }

    /// The application has been told that it ended.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Leaving(_))
    }

    /// The peer's tag, where it is known.
    pub(super) fn remote_tag(&self) -> Option<&str> {
        match &self.phase {
            Phase::Ringing(ringing) => Some(ringing.dialog.remote_tag()),
            Phase::Confirmed(confirmed) => Some(confirmed.dialog.remote_tag()),
            Phase::Leaving(Leaving::ByeHeld { dialog, .. }) => Some(dialog.remote_tag()),
            Phase::Calling(_) | Phase::Leaving(_) => None,
        }
    }

    pub(super) fn confirmed(&mut self) -> Result<&mut Confirmed, Error> {
        match &mut self.phase {
            Phase::Confirmed(confirmed) => Ok(confirmed),
            Phase::Calling(_) => Err(Error::WrongState("calling")),
            Phase::Ringing(_) => Err(Error::WrongState("ringing")),
            Phase::Leaving(_) => Err(Error::Unknown),
        }
    }

    /// Everything from now on goes along this flow, an answer that still repeats itself included.
    pub(super) fn move_to(&mut self, flow: Flow) {
        self.path = self.path.moved(flow);
        if let Phase::Confirmed(confirmed) = &mut self.phase
            && let Exchange::Unacknowledged(unacknowledged) = &mut confirmed.exchange
        {
            unacknowledged.destination = Destination::Flow(flow.id);
        }
    }

    /// Contact, Allow and Supported of what makes or refreshes the dialog.
    pub(super) fn describe(&self, stack: &Stack, headers: &mut Headers) {
        headers.set(HeaderName::Contact, stack.contact(&self.path, &self.contact_user));
        headers.set(HeaderName::Allow, stack.allow());
        headers.set(HeaderName::Supported, super::SUPPORTED);
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Calling(_) => None,
            Phase::Ringing(ringing) => ringing.progress.as_ref().map(|&(at, _)| at),
            Phase::Confirmed(confirmed) => match &confirmed.exchange {
                Exchange::Idle => confirmed.postponed.as_ref().and_then(|postponed| postponed.at),
                Exchange::Unacknowledged(unacknowledged) => Some(unacknowledged.next_timeout()),
                Exchange::Ours { .. } | Exchange::Theirs { .. } => None,
            },
            Phase::Leaving(Leaving::ByeHeld { unacknowledged, .. }) => Some(unacknowledged.next_timeout()),
            Phase::Leaving(_) => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        match &mut self.phase {
            Phase::Ringing(ringing) => {
                if let Some((at, response)) = &mut ringing.progress
                    && *at <= now
                {
                    *at = now + super::incoming::PROGRESS_INTERVAL;
                    let response = response.clone();
                    stack.respond(now, ringing.invite, response);
                }
            }
            Phase::Confirmed(confirmed) => match &mut confirmed.exchange {
                Exchange::Idle => self.offer_postponed(now, stack),
                Exchange::Unacknowledged(unacknowledged) => {
                    if !unacknowledged.handle_timeout(now, stack) {
                        self.end_unacknowledged(now, stack);
                    }
                }
                Exchange::Ours { .. } | Exchange::Theirs { .. } => {}
            },
            Phase::Leaving(Leaving::ByeHeld { unacknowledged, .. }) => {
                if !unacknowledged.handle_timeout(now, stack) {
                    self.release_bye(now, stack);
                }
            }
            Phase::Calling(_) | Phase::Leaving(_) => {}
        }
    }

    /// The ACK to a 2xx of ours.
    pub(super) fn handle_ack(&mut self, now: Instant, stack: &mut Stack, cseq: u32, body: Vec<u8>) {
        match &mut self.phase {
            Phase::Confirmed(confirmed) => match &confirmed.exchange {
                Exchange::Unacknowledged(unacknowledged) if unacknowledged.cseq == cseq => {
                    let tells = unacknowledged.tells;
                    confirmed.exchange = Exchange::Idle;
                    if tells {
                        stack.event(Event::Confirmed { session: self.id, body });
                    }
                    self.offer_postponed(now, stack);
                }
                _ => stack.dropped("repeated ACK"),
            },
            Phase::Leaving(Leaving::ByeHeld { unacknowledged, .. }) if unacknowledged.cseq == cseq => {
                self.release_bye(now, stack);
            }
            _ => stack.dropped("stray ACK"),
        }
    }
}

impl Unacknowledged {
    pub(super) fn new(
        now: Instant,
        stack: &Stack,
        destination: Destination,
        cseq: u32,
        bytes: Vec<u8>,
        tells: bool,
    ) -> Self {
        let t1 = stack.config.timers.t1;
        Self { destination, cseq, bytes, again: (now + t1, t1), give_up: now + 64 * t1, tells }
    }

    fn next_timeout(&self) -> Instant {
        self.again.0.min(self.give_up)
    }

    /// False once it is to be given up.
    fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) -> bool {
        if self.give_up <= now {
            return false;
        }
        if self.again.0 <= now {
            let doubled = (self.again.1 * 2).min(stack.config.timers.t2);
            self.again = (now + doubled, doubled);
            stack.transmit(self.destination, self.bytes.clone());
        }
        true
    }
}
