//! A session: one INVITE dialog with its phases, and what moves it besides messages, that is time.
//!
//! How it begins stands in [`super::outgoing`] (with [`super::redirecting`]) and [`super::incoming`], provisional answers
//! that must arrive in [`super::reliable`], what happens inside it in [`super::exchange`], [`super::refreshing`],
//! [`super::informing`] and [`super::within`], how it ends in [`super::leaving`].

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::informing::Informing;
use super::path::Path;
use super::redirecting::Attempts;
use super::refreshing::{Asked, Refreshing};
use super::reliable::Provisionals;
use super::stack::Stack;
use super::transactions::TransactionId;
use super::{Error, Event, ForkId, SessionId};
use crate::flow::{Destination, Flow, FlowId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Request, Response};
use crate::sip::transaction::agenda::Appointment;

pub(super) struct Session {
    pub id: SessionId,
    pub path: Path,
    pub reach: Reach,
    pub authentication: Authentication,
    /// The user part of our Contact, escaped.
    pub contact_user: Box<str>,
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    /// We sent the first INVITE, so the Call-ID is ours (which decides the delay after a 491).
    pub is_caller: bool,
    /// The peer's Allow names UPDATE.
    pub peer_updates: bool,
    /// The peer's Min-SE, learned by its 422 (RFC 4028 §7.3). Zero: none.
    pub min_se: Duration,
    /// Our session description that stands: what a refresh repeats.
    pub description: Box<[u8]>,
    /// The highest `o=` version that we have sent.
    pub version: u64,
    /// The headers of the BYE that will end it, of which a CANCEL takes the Reason (RFC 3326).
    pub farewell: Headers,
    pub phase: Phase,
    /// What we say by INFO, one after another.
    pub informing: Option<Box<Informing>>,
    pub appointment: Appointment,
}

/// Whether our requests can go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Up,
    /// The flow is gone. What we have to say waits for [`super::UserAgent::move_session`].
    Lost,
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
    /// The INVITE carries an offer; otherwise the peer has to make it.
    pub offered: bool,
    /// The early dialogs, in the order of their first answers.
    pub forks: Vec<Fork>,
    /// The fork whose description the application was told last.
    pub heard: Option<ForkId>,
    /// How many forks there have been.
    pub fork_count: u32,
    pub attempts: Attempts,
}

/// An early dialog of a call of ours (RFC 3261 §12.1.2).
pub(super) struct Fork {
    pub id: ForkId,
    pub dialog: Dialog,
    /// RSeq of the last reliable answer that came in order (RFC 3262 §4).
    pub rseq: Option<u32>,
    pub negotiation: Negotiation,
    /// The last description that the application was told of this fork.
    pub description: Vec<u8>,
}

/// How far an early dialog has come with offer and answer (RFC 3262 §5, RFC 3311 §5).
pub(super) enum Negotiation {
    /// The INVITE's offer has no reliable answer yet, or nothing has been offered.
    Open,
    /// The peer's offer in this reliable answer waits for ours, which goes with PRACK.
    Asked { rseq: u32 },
    /// Both have spoken: UPDATE may bring further offers.
    Agreed(Exchange),
}

pub(super) struct Ringing {
    pub invite: TransactionId,
    /// The number that the ACK to our 2xx will repeat; the peer may send further requests before.
    pub cseq: u32,
    pub dialog: Dialog,
    /// The INVITE brought an offer; otherwise it is ours to make.
    pub offered: bool,
    pub asked: Asked,
    /// The last provisional answer above 100, with the time to repeat it, lest a proxy's Timer C ends the call
    /// (RFC 3261 §13.3.1.1).
    pub progress: Option<(Instant, Response)>,
    pub provisionals: Provisionals,
    pub negotiation: Negotiation,
    /// The 2xx, held back until a PRACK or the answer to an UPDATE is there (RFC 3262 §3).
    pub held: Option<Held>,
}

/// A 2xx that the application has asked for.
pub(super) struct Held {
    pub body: Vec<u8>,
    pub headers: Headers,
}

pub(super) struct Confirmed {
    pub dialog: Dialog,
    pub exchange: Exchange,
    /// An offer of ours that waits for its turn.
    pub postponed: Option<Postponed>,
    /// The session interval agreed (RFC 4028).
    pub refreshing: Option<Refreshing>,
    /// A reliable answer whose PRACK our 2xx has overtaken.
    pub late_prack: Option<u32>,
}

/// At most one offer at a time (RFC 3261 §14, RFC 3311 §5).
pub(super) enum Exchange {
    Idle,
    /// Our re-INVITE or UPDATE waits for its answer.
    Ours {
        request: TransactionId,
        offer: Vec<u8>,
        attempts: u8,
        is_invite: bool,
    },
    /// The 2xx to our INVITE without an offer brought the peer's; the ACK waits for our answer.
    Answering {
        invite: TransactionId,
        response: Box<Response>,
    },
    /// The peer's re-INVITE, UPDATE or PRACK waits for the application.
    Theirs {
        request: TransactionId,
        is_invite: bool,
        cseq: u32,
        offerless: bool,
        asked: Asked,
    },
    /// Our 2xx to the peer's INVITE waits for its ACK.
    Unacknowledged(Unacknowledged),
}

pub(super) struct Postponed {
    /// `None`: as soon as nothing stands in its way. Otherwise the end of the delay after a 491 (RFC 3261 §14.1).
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
    /// BYE waits for a flow, at most until then.
    ByeKept { request: Box<Request>, until: Instant },
    /// BYE has gone; its transaction ends the session.
    Bye,
    /// Nothing is left to do: to be removed.
    Gone,
}

/// What a session is made of that its beginning does not decide.
pub(super) struct Origin {
    pub path: Path,
    pub authentication: Authentication,
    pub contact_user: Box<str>,
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    pub is_caller: bool,
}

impl Session {
    pub(super) fn new(id: SessionId, origin: Origin, phase: Phase) -> Self {
        let Origin { path, authentication, contact_user, call_id, local_tag, is_caller } = origin;
        Self {
            id,
            path,
            reach: Reach::Up,
            authentication,
            contact_user,
            call_id,
            local_tag,
            is_caller,
            peer_updates: false,
            min_se: Duration::ZERO,
            description: Box::default(),
            version: 0,
            farewell: Headers::default(),
            phase,
            informing: None,
            appointment: Appointment::default(),
        }
    }

    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Leaving(Leaving::Gone))
    }

    /// The application has been told that it ended.
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Leaving(_))
    }

    pub(super) const fn is_ringing(&self) -> bool {
        matches!(self.phase, Phase::Ringing(_))
    }

    /// Over for the application, but the peer cannot be told.
    pub(super) fn is_stranded(&self) -> bool {
        self.has_ended() && self.reach == Reach::Lost
    }

    /// The ACK to a 2xx of this INVITE waits for our answer to the offer in it.
    pub(super) fn is_answering(&self, invite: TransactionId) -> bool {
        match &self.phase {
            Phase::Confirmed(confirmed) => {
                matches!(confirmed.exchange, Exchange::Answering { invite: current, .. } if current == invite)
            }
            _ => false,
        }
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

    /// The dialog with the peer of that tag.
    pub(super) fn dialog(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        self.phase.dialog(remote_tag)
    }
}

impl Phase {
    /// The dialog with the peer of that tag.
    pub(super) fn dialog(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        let dialog = match self {
            Phase::Ringing(ringing) => &mut ringing.dialog,
            Phase::Confirmed(confirmed) => &mut confirmed.dialog,
            Phase::Calling(calling) => {
                return calling.forks.iter_mut().map(|fork| &mut fork.dialog).find(|d| d.remote_tag() == remote_tag);
            }
            Phase::Leaving(_) => return None,
        };
        Some(dialog)
    }
}

impl Session {
    /// What goes on between us and the peer of that tag, once a first offer has been answered.
    pub(super) fn exchange(&mut self, remote_tag: &str) -> Option<&mut Exchange> {
        let negotiation = match &mut self.phase {
            Phase::Confirmed(confirmed) => return Some(&mut confirmed.exchange),
            Phase::Ringing(ringing) => &mut ringing.negotiation,
            Phase::Calling(calling) => {
                let fork = calling.forks.iter_mut().find(|fork| fork.dialog.remote_tag() == remote_tag)?;
                &mut fork.negotiation
            }
            Phase::Leaving(_) => return None,
        };
        match negotiation {
            Negotiation::Agreed(exchange) => Some(exchange),
            Negotiation::Open | Negotiation::Asked { .. } => None,
        }
    }

    /// The exchange that fits, whoever the peer is.
    pub(super) fn find_exchange(&mut self, fits: impl Fn(&Exchange) -> bool) -> Option<&mut Exchange> {
        let found = match &mut self.phase {
            Phase::Confirmed(confirmed) => Some(&mut confirmed.exchange),
            Phase::Ringing(ringing) => match &mut ringing.negotiation {
                Negotiation::Agreed(exchange) => Some(exchange),
                _ => None,
            },
            Phase::Calling(calling) => calling.forks.iter_mut().find_map(|fork| match &mut fork.negotiation {
                Negotiation::Agreed(exchange) if fits(exchange) => Some(exchange),
                _ => None,
            }),
            Phase::Leaving(_) => None,
        };
        found.filter(|exchange| fits(exchange))
    }

    pub(super) fn confirmed(&mut self) -> Result<&mut Confirmed, Error> {
        match &mut self.phase {
            Phase::Confirmed(confirmed) => Ok(confirmed),
            Phase::Calling(_) => Err(Error::WrongState("calling")),
            Phase::Ringing(_) => Err(Error::WrongState("ringing")),
            Phase::Leaving(_) => Err(Error::Unknown),
        }
    }

    /// Everything from now on goes along this flow: an answer that still repeats itself, one that has not been given yet,
    /// and a BYE that had to wait for it.
    pub(super) fn move_to(&mut self, now: Instant, stack: &mut Stack, flow: Flow) {
        self.path = self.path.moved(flow);
        self.reach = Reach::Up;
        match &mut self.phase {
            Phase::Ringing(ringing) => {
                if let Some(server) = stack.transactions.server(ringing.invite) {
                    server.flow = flow;
                    server.reply_to = Destination::Flow(flow.id);
                }
            }
            Phase::Confirmed(confirmed) => match &mut confirmed.exchange {
                Exchange::Unacknowledged(unacknowledged) => unacknowledged.destination = Destination::Flow(flow.id),
                // Its answer goes to where we were. Soon the offer goes out again, or a newer one in its place.
                Exchange::Ours { request, offer, attempts, is_invite: true } => {
                    stack.transactions.abandon(now, *request);
                    let at = Some(now + super::exchange::OFFER_AGAIN);
                    let postponed = Postponed { at, offer: std::mem::take(offer), attempts: *attempts };
                    confirmed.postponed.get_or_insert(postponed);
                    confirmed.exchange = Exchange::Idle;
                }
                _ => self.offer_postponed(now, stack),
            },
            Phase::Leaving(Leaving::ByeHeld { unacknowledged, .. }) => {
                unacknowledged.destination = Destination::Flow(flow.id)
            }
            Phase::Leaving(Leaving::ByeKept { .. }) => self.send_kept_bye(now, stack),
            Phase::Calling(_) | Phase::Leaving(_) => {}
        }
    }

    /// The flow of our requests is gone.
    pub(super) fn handle_flow_lost(&mut self, flow: FlowId) {
        if self.path.uses(flow) {
            self.reach = Reach::Lost;
        }
    }

    /// Contact, Allow and Supported of what makes or refreshes the dialog.
    pub(super) fn describe(&self, stack: &Stack, headers: &mut Headers) {
        headers.set(HeaderName::Contact, stack.contact(&self.path, &self.contact_user));
        headers.set(HeaderName::Allow, stack.allow());
        headers.set(HeaderName::Supported, stack.supported());
    }

    /// Takes note of what the peer says about itself.
    pub(super) fn learn(&mut self, headers: &Headers) {
        if headers.value(HeaderName::Allow).is_some() {
            self.peer_updates = headers.has_item(HeaderName::Allow, "UPDATE");
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Calling(_) => None,
            Phase::Ringing(ringing) => {
                let repeat = ringing.progress.as_ref().map(|&(at, _)| at);
                [repeat, ringing.provisionals.next_timeout()].into_iter().flatten().min()
            }
            Phase::Confirmed(confirmed) => {
                let exchange = match &confirmed.exchange {
                    Exchange::Idle if self.reach == Reach::Up => {
                        confirmed.postponed.as_ref().and_then(|postponed| postponed.at)
                    }
                    Exchange::Unacknowledged(unacknowledged) => Some(unacknowledged.next_timeout()),
                    _ => None,
                };
                let refresh = confirmed.refreshing.as_ref().map(|refreshing| refreshing.next_timeout(self.reach));
                [exchange, refresh].into_iter().flatten().min()
            }
            Phase::Leaving(Leaving::ByeHeld { unacknowledged, .. }) => Some(unacknowledged.next_timeout()),
            Phase::Leaving(Leaving::ByeKept { until, .. }) => Some(*until),
            Phase::Leaving(_) => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        match &mut self.phase {
            Phase::Ringing(_) => {
                self.repeat_progress(now, stack);
                self.repeat_provisional(now, stack);
            }
            Phase::Confirmed(confirmed) => {
                match &mut confirmed.exchange {
                    Exchange::Idle => self.offer_postponed(now, stack),
                    Exchange::Unacknowledged(unacknowledged) => {
                        if !unacknowledged.handle_timeout(now, stack) {
                            return self.end_unacknowledged(now, stack);
                        }
                    }
                    Exchange::Ours { .. } | Exchange::Theirs { .. } | Exchange::Answering { .. } => {}
                }
                self.handle_refresh_timeout(now, stack);
            }
            Phase::Leaving(Leaving::ByeHeld { unacknowledged, .. }) => {
                if !unacknowledged.handle_timeout(now, stack) {
                    self.release_bye(now, stack);
                }
            }
            Phase::Leaving(Leaving::ByeKept { until, .. }) => {
                if *until <= now {
                    self.phase = Phase::Leaving(Leaving::Gone);
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

impl Confirmed {
    pub(super) const fn new(dialog: Dialog, exchange: Exchange) -> Self {
        Self { dialog, exchange, postponed: None, refreshing: None, late_prack: None }
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

#[cfg(test)]
mod tests {
    use super::{Confirmed, Session};

    #[test]
    fn confirmed_session_is_small_without_its_texts() {
        let size = size_of::<Session>() + size_of::<Confirmed>();
        assert!(size <= 1_536, "{size} bytes");
    }
}
