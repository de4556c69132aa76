//! REFER as the one who transfers (RFC 3515, RFC 3892, RFC 4488): the request, its answer, and the reports that follow.
//!
//! The reports belong to a subscription of their own, which outlives the session: a peer may hang up before it has told
//! how the new call went.

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::correspondence::Correspondence;
use super::session::{Phase, Session};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::usages::{MAX_USAGES, Usage, UsageId};
use super::{EndReason, Error, Event, Identity, ReferralId, SessionId, UserAgent, check_headers};
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};
use crate::sip::refer::ReferTo;
use crate::sip::replaces::Replaces;
use crate::sip::sipfrag;
use crate::sip::subscription::{EventPackage, SubscriptionState};
use crate::sip::uri::{NameAddr, Uri};

/// How long reports are awaited where the peer does not say how long it will send them, and at most.
const DEFAULT_WATCH: Duration = Duration::from_secs(180);
const LONGEST_WATCH: Duration = Duration::from_secs(3600);

/// What we ask a peer to do.
#[derive(Clone)]
pub struct Refer {
    pub refer_to: ReferTo,
    /// Who asks, shown to the one who is called (RFC 3892).
    pub referred_by: Option<NameAddr>,
    /// Further headers of the application.
    pub headers: Headers,
    /// Whether the peer is to report how it goes; otherwise it is asked not to (RFC 4488), and may do so all the same.
    pub reports: bool,
}

/// How a REFER of ours goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferralState {
    /// The peer will try. Without `reports` nothing more will be told.
    Accepted { reports: bool },
    /// The new call has been answered provisionally.
    Progress { status: u16 },
    /// The new call has been answered finally; 2xx: the transfer has succeeded.
    Done { status: u16 },
    /// The peer does not do it; 408 for no answer, 503 for a broken flow.
    Refused { status: u16 },
    /// The peer has stopped to report, or never began to: how the new call went is not known.
    Lost,
}

impl ReferralState {
    /// Nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Accepted { reports: false } | Self::Done { .. } | Self::Refused { .. } | Self::Lost)
    }
}

pub(super) struct Referral {
    id: ReferralId,
    way: Way,
    call_id: Box<str>,
    local_tag: Box<str>,
    remote_tag: Option<Box<str>>,
    /// The number of the REFER, by which its reports name it (RFC 3515 §2.4.6).
    number: u32,
    state: State,
}

enum Way {
    Within(SessionId),
    Alone(Box<Correspondence>),
}

enum State {
    /// The REFER has no final answer yet. A report may overtake it.
    Asking {
        request: TransactionId,
        reported: bool,
    },
    /// Reports are awaited: the first one until Timer N (RFC 6665 §4.1.2.4), further ones until the subscription ends.
    Watching {
        until: Instant,
    },
    /// The outcome is known; what the peer still reports is answered, for 64·T1 at most.
    Lingering {
        until: Instant,
    },
    Gone,
}

impl UserAgent {
    /// Asks the peer of a session to call somebody (REFER in the dialog). How it goes on is told by [`Event::Referral`];
    /// the session itself stays as it is.
    ///
    /// # Errors
    /// [`Error::WrongState`] unless the session is established and no other REFER is open, [`Error::Header`], [`Error::Full`].
    pub fn refer(&mut self, now: Instant, session: SessionId, refer: Refer) -> Result<ReferralId, Error> {
        check_headers(&refer.headers, &[])?;
        self.check_usages()?;
        let open = |referral: &Referral| {
            matches!(referral.way, Way::Within(other) if other == session)
                && matches!(referral.state, State::Asking { .. } | State::Watching { .. })
        };
        if self.usages.iter().any(|(_, usage)| matches!(usage, Usage::Referral(referral) if open(referral))) {
            return Err(Error::WrongState("being transferred"));
        }
        let id = ReferralId(self.next_id());
        let purpose = Purpose::Usage(UsageId(id.0));
        let referral = self.with_session(session, |session, stack| {
            let (request, number) =
                session.send_within(now, stack, Method::Refer, purpose, |request| fill(request, refer))?;
            Ok(Referral {
                id,
                way: Way::Within(session.id),
                call_id: session.call_id.clone(),
                local_tag: session.local_tag.clone(),
                remote_tag: session.remote_tag().map(Into::into),
                number,
                state: State::Asking { request, reported: false },
            })
        })?;
        self.add_usage(UsageId(id.0), Usage::Referral(Box::new(referral)));
        Ok(id)
    }

    /// Asks somebody with whom no session is shared (REFER outside a dialog).
    ///
    /// # Errors
    /// [`Error::Header`], [`Error::Full`].
    pub fn refer_alone(
        &mut self,
        now: Instant,
        identity: Identity,
        target: Uri,
        refer: Refer,
    ) -> Result<ReferralId, Error> {
        check_headers(&refer.headers, &[])?;
        self.check_usages()?;
        let id = ReferralId(self.next_id());
        let stack = &mut self.stack;
        let mut way = Correspondence::new(stack, identity, target);
        let mut request = way.request(Method::Refer);
        way.add_contact(stack, &mut request);
        request.headers.set(HeaderName::Supported, stack.supported());
        fill(&mut request, refer);
        let request = way.send(now, stack, request, Purpose::Usage(UsageId(id.0)));
        let referral = Referral {
            id,
            call_id: way.call_id.clone(),
            local_tag: way.local_tag.clone(),
            remote_tag: None,
            number: 1,
            way: Way::Alone(Box::new(way)),
            state: State::Asking { request, reported: false },
        };
        self.add_usage(UsageId(id.0), Usage::Referral(Box::new(referral)));
        Ok(id)
    }

    /// What a Refer-To says so that the one who is referred takes our place in `session` (RFC 5589 §7): the peer's
    /// address, and the dialog to replace.
    ///
    /// # Errors
    /// [`Error::WrongState`] unless the session is established.
    pub fn refer_to_session(&self, session: SessionId) -> Result<ReferTo, Error> {
        let session = self.sessions.get(&session).ok_or(Error::Unknown)?;
        let Phase::Confirmed(confirmed) = &session.phase else {
            return Err(Error::WrongState("not established"));
        };
        let dialog = &confirmed.dialog;
        // As its receiver sees the dialog: its own tag is our remote one.
        let replaces = Replaces {
            call_id: session.call_id.clone(),
            to_tag: tag_or_zero(dialog.remote_tag()),
            from_tag: session.local_tag.clone(),
            early_only: false,
        };
        let mut refer_to = ReferTo::new(dialog.remote.uri.clone());
        refer_to.display.clone_from(&dialog.remote.display);
        refer_to.replaces = Some(replaces);
        Ok(refer_to)
    }

    pub(super) fn check_usages(&self) -> Result<(), Error> {
        if self.usages.len() >= MAX_USAGES || self.stack.is_full() { Err(Error::Full) } else { Ok(()) }
    }
}

impl Session {
    /// A request inside the dialog that belongs to another usage than the call: REFER, NOTIFY, MESSAGE. Its transaction
    /// and number.
    pub(super) fn send_within(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        method: Method,
        purpose: Purpose,
        fill: impl FnOnce(&mut Request),
    ) -> Result<(TransactionId, u32), Error> {
        let confirmed = self.confirmed()?;
        let mut request = confirmed.dialog.request(method);
        let number = confirmed.dialog.local_cseq;
        let next_hop = confirmed.dialog.next_hop().clone();
        if request.method != Method::Message {
            self.describe(stack, &mut request.headers);
        }
        fill(&mut request);
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = self.path.next_hop(&next_hop);
        Ok((stack.send(now, &self.path, destination, request, purpose), number))
    }
}

impl Referral {
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    pub(super) const fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Watching { until } | State::Lingering { until } => Some(until),
            State::Asking { .. } | State::Gone => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            State::Watching { until } if until <= now => {
                self.tell(stack, ReferralState::Lost);
                self.state = State::Gone;
            }
            State::Lingering { until } if until <= now => self.state = State::Gone,
            _ => {}
        }
    }

    /// Whether a NOTIFY is a report of this one.
    pub(super) fn is_reported_by(&self, notify: &Request, package: &EventPackage) -> bool {
        let number = || self.number.to_string();
        &*package.name == "refer"
            && package.id.as_deref().is_none_or(|id| id == number())
            && notify.headers.to_tag() == Some(&*self.local_tag)
            && notify.headers.call_id() == Some(&*self.call_id)
            && self.remote_tag.as_deref().is_none_or(|tag| tag == notify.headers.from_tag().unwrap_or(""))
    }

    /// The credentials of its own, or the session whose credentials it uses.
    pub(super) const fn credentials(&mut self) -> Result<&mut Authentication, SessionId> {
        match &mut self.way {
            Way::Within(session) => Err(*session),
            Way::Alone(way) => Ok(&mut way.authentication),
        }
    }

    /// The session in whose dialog it stands.
    pub(super) const fn session(&self) -> Option<SessionId> {
        match self.way {
            Way::Within(session) => Some(session),
            Way::Alone(_) => None,
        }
    }

    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        agent: &mut UserAgent,
        transaction: TransactionId,
        response: &Response,
    ) {
        let State::Asking { request, reported } = self.state else { return };
        if request != transaction {
            return;
        }
        let next = match &mut self.way {
            Way::Within(session) => agent
                .sessions
                .get_mut(session)
                .filter(|session| !session.has_ended())
                .and_then(|session| session.retry_authorised(now, &mut agent.stack, transaction, response)),
            Way::Alone(way) => way.retry_authorised(now, &mut agent.stack, transaction, response),
        };
        if let Some(next) = next {
            if let Some(cseq) = agent.stack.transactions.client(next).and_then(|it| it.request.headers.cseq().ok()) {
                self.number = cseq.seq;
            }
            self.state = State::Asking { request: next, reported };
            return;
        }
        let stack = &mut agent.stack;
        match response.code() {
            200..=299 if is_silent(&response.headers) => {
                self.tell(stack, ReferralState::Accepted { reports: false });
                self.state = State::Gone;
            }
            200..=299 => {
                if self.remote_tag.is_none() {
                    self.remote_tag = response.headers.to_tag().map(Into::into);
                }
                let wait = if reported { DEFAULT_WATCH } else { 64 * stack.config.timers.t1 };
                self.state = State::Watching { until: now + wait };
                if !reported {
                    self.tell(stack, ReferralState::Accepted { reports: true });
                }
            }
            status => {
                self.tell(stack, ReferralState::Refused { status });
                self.state = State::Gone;
                // There is no such dialog any more (RFC 5057 §5.1).
                if let (481, Way::Within(session)) = (status, &self.way) {
                    let reason = EndReason::Rejected { status, reason: response.reason.clone() };
                    agent.with(*session, |session, stack| {
                        // Our BYE may have been faster.
                        if !session.has_ended() {
                            session.end(now, stack, reason, response.headers.clone());
                        }
                    });
                }
            }
        }
    }

    /// A report, in order and with a sound Subscription-State. The status to answer it with.
    pub(super) fn handle_report(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        state: SubscriptionState,
        notify: &Request,
    ) -> u16 {
        if self.remote_tag.is_none() {
            self.remote_tag = notify.headers.from_tag().map(Into::into);
        }
        if !notify.body.is_empty() && !notify.headers.is_content_type("message/sipfrag") {
            return 415;
        }
        let is_over = matches!(state, SubscriptionState::Terminated { .. });
        if let State::Lingering { .. } = self.state {
            if is_over {
                self.state = State::Gone;
            }
            return 200;
        }
        let linger = now + 64 * stack.config.timers.t1;
        match (sipfrag::status(&notify.body), state) {
            (Some(status), _) if status >= 200 => {
                self.tell(stack, ReferralState::Done { status });
                self.state = if is_over { State::Gone } else { State::Lingering { until: linger } };
            }
            (_, SubscriptionState::Terminated { .. }) => {
                self.tell(stack, ReferralState::Lost);
                self.state = State::Gone;
            }
            (status, SubscriptionState::Active { expires } | SubscriptionState::Pending { expires }) => {
                let wait = expires.map_or(DEFAULT_WATCH, |seconds| Duration::from_secs(seconds.into()));
                if let State::Asking { reported, .. } = &mut self.state {
                    // It stands in for the answer, which it has overtaken.
                    if !std::mem::replace(reported, true) {
                        self.tell(stack, ReferralState::Accepted { reports: true });
                    }
                } else {
                    self.state = State::Watching { until: now + wait.min(LONGEST_WATCH) };
                }
                if let Some(status) = status {
                    self.tell(stack, ReferralState::Progress { status });
                }
            }
        }
        200
    }

    fn tell(&self, stack: &mut Stack, state: ReferralState) {
        stack.event(Event::Referral { referral: self.id, session: self.session(), state });
    }
}

fn fill(request: &mut Request, refer: Refer) {
    request.headers.add(HeaderName::ReferTo, refer.refer_to.to_value());
    if let Some(referred_by) = &refer.referred_by {
        request.headers.set(HeaderName::ReferredBy, referred_by.to_string());
    }
    if !refer.reports {
        request.headers.set(HeaderName::ReferSub, "false");
    }
    request.headers.extend(refer.headers.iter());
}

/// `Refer-Sub: false` (RFC 4488 §4).
pub(super) fn is_silent(headers: &Headers) -> bool {
    let value = headers.value(HeaderName::ReferSub).and_then(|value| value.split(';').next());
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
}

/// A peer of RFC 2543 has no tag; in Replaces it is called 0 (RFC 3891 §6.1).
fn tag_or_zero(tag: &str) -> Box<str> {
    if tag.is_empty() { "0".into() } else { tag.into() }
}
