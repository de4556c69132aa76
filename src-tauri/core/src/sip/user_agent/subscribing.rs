//! SUBSCRIBE as a client (RFC 6665 §4.1): in a dialog of its own, refreshed before it ends, begun anew where that can help.
//!
//! A NOTIFY may come before the answer to the SUBSCRIBE and makes the dialog then. Of several forks the first one counts;
//! the others are told 481, which ends them (§4.4.1, §4.5.2).

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::correspondence::Correspondence;
use super::messaging::check_content_type;
use super::registering::MAX_RAISED;
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::usages::{Usage, UsageId};
use super::{Error, Event, Identity, SubscriptionId, UserAgent, check_headers};
use crate::flow::{Flow, FlowId};
use crate::sip::dialog::{Dialog, Sequence};
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};
use crate::sip::registration::{RETRY_AFTER_LIMIT, is_transient, refresh_after, retry_after};
use crate::sip::subscription::{EventPackage, Reason, Resumption, SubscriptionState};
use crate::sip::uri::Uri;

/// A subscription that ends at once and again must not make us send without a pause.
const SHORTEST_LIFE: Duration = Duration::from_secs(5);

/// What is subscribed to.
#[derive(Clone)]
pub struct Subscribe {
    pub identity: Identity,
    pub target: Uri,
    /// `dialog`, `presence`, `message-summary`, `reg`, or any other.
    pub package: EventPackage,
    /// The content types that we read; empty: the package's default.
    pub accept: Vec<String>,
    /// What we ask for; zero asks for the state once.
    pub expires: Duration,
    /// Further headers of the application.
    pub headers: Headers,
    /// A filter, with its content type.
    pub body: Option<(String, Vec<u8>)>,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionPhase {
    /// Nobody has decided yet whether we may know.
    Pending,
    Active,
    /// It failed or ended and will be tried again; `status` is `None` where the notifier ended it.
    Waiting {
        status: Option<u16>,
        retry_in: Duration,
    },
    /// Ended by us.
    Unsubscribed,
    /// Refused or ended for good.
    Ended {
        status: Option<u16>,
        reason: Option<Reason>,
    },
}

pub(super) struct Subscription {
    id: SubscriptionId,
    way: Correspondence,
    package: EventPackage,
    accept: Vec<String>,
    expires: Duration,
    headers: Headers,
    body: Option<(String, Vec<u8>)>,
    /// Failures in a row.
    failures: u32,
    /// How often in a row the notifier has found our interval too brief.
    raised: u8,
    /// What the application was told last.
    told: Option<SubscriptionPhase>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// The first SUBSCRIBE has no answer yet.
    Subscribing {
        request: TransactionId,
    },
    /// 2xx, but no NOTIFY yet: Timer N (RFC 6665 §4.1.2.4).
    Unnotified {
        timer_n: Instant,
    },
    Subscribed {
        since: Instant,
        refresh_at: Instant,
        ends_at: Instant,
        refresh: Option<TransactionId>,
    },
    Waiting {
        retry_at: Instant,
    },
    /// The SUBSCRIBE with Expires 0 has gone; the last NOTIFY is awaited as long as Timer N.
    Unsubscribing {
        timer_n: Instant,
    },
    Gone,
}

impl UserAgent {
    /// Subscribes and keeps subscribed, until [`Self::unsubscribe`] or an [`SubscriptionPhase::Ended`]. What the notifier
    /// says comes by [`Event::Notified`].
    ///
    /// # Errors
    /// [`Error::Header`], [`Error::Full`].
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe) -> Result<SubscriptionId, Error> {
        check_headers(&subscribe.headers, &[])?;
        if let Some((content_type, _)) = &subscribe.body {
            check_content_type(content_type)?;
        }
        if subscribe.accept.iter().any(|accept| check_content_type(accept).is_err()) {
            return Err(Error::Header("Accept".into()));
        }
        if subscribe.package.to_string().parse() != Ok(subscribe.package.clone()) {
            return Err(Error::Header("Event".into()));
        }
        self.check_usages()?;
        let id = SubscriptionId(self.next_id());
        let Subscribe { identity, target, package, accept, expires, headers, body } = subscribe;
        let way = Correspondence::new(&mut self.stack, identity, target);
        let mut subscription = Subscription {
            id,
            way,
            package,
            accept,
            expires,
            headers,
            body,
            failures: 0,
            raised: 0,
            told: None,
            state: State::Gone,
        };
        subscription.begin(now, &mut self.stack);
        self.add_usage(UsageId(id.0), Usage::Subscription(Box::new(subscription)));
        Ok(id)
    }

    /// Ends a subscription; [`SubscriptionPhase::Unsubscribed`] is told at once.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) -> Result<(), Error> {
        let found = self.with_usage(UsageId(id.0), |agent, usage| match usage {
            Usage::Subscription(subscription) if !subscription.is_leaving() => {
                subscription.unsubscribe(now, &mut agent.stack);
                Ok(())
            }
            _ => Err(Error::Unknown),
        });
        found.unwrap_or(Err(Error::Unknown))
    }
}

impl Subscription {
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    const fn is_leaving(&self) -> bool {
        matches!(self.state, State::Unsubscribing { .. } | State::Gone)
    }

    pub(super) const fn credentials(&mut self) -> &mut Authentication {
        &mut self.way.authentication
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Unnotified { timer_n } | State::Unsubscribing { timer_n } => Some(timer_n),
            State::Subscribed { refresh_at, refresh: None, .. } => Some(refresh_at),
            State::Subscribed { ends_at, .. } => Some(ends_at),
            State::Waiting { retry_at } => Some(retry_at),
            State::Subscribing { .. } | State::Gone => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        match &mut self.state {
            State::Unnotified { timer_n } if *timer_n <= now => self.wait(now, stack, None, None),
            State::Unsubscribing { timer_n } if *timer_n <= now => self.state = State::Gone,
            // It has ended without a word.
            State::Subscribed { ends_at, .. } if *ends_at <= now => self.begin_anew(now, stack),
            State::Subscribed { refresh_at, refresh: None, .. } if *refresh_at <= now => {
                let request = self.send(now, stack, self.expires);
                if let State::Subscribed { refresh, .. } = &mut self.state {
                    *refresh = Some(request);
                }
            }
            State::Waiting { retry_at } if *retry_at <= now => self.begin_anew(now, stack),
            _ => {}
        }
    }

    pub(super) fn move_to(&mut self, now: Instant, stack: &mut Stack, old: FlowId, flow: Flow) {
        if !self.way.path.uses(old) {
            return;
        }
        self.way.path = self.way.path.moved(flow);
        self.failures = 0;
        match &mut self.state {
            // Its Contact tells the notifier where we are now.
            State::Subscribed { refresh_at, refresh: None, .. } => *refresh_at = now,
            State::Waiting { retry_at } => *retry_at = now,
            _ => return,
        }
        self.handle_timeout(now, stack);
    }

    fn begin(&mut self, now: Instant, stack: &mut Stack) {
        let request = self.send(now, stack, self.expires);
        self.state = State::Subscribing { request };
    }

    fn begin_anew(&mut self, now: Instant, stack: &mut Stack) {
        self.way.begin_anew(stack);
        self.begin(now, stack);
    }

    fn unsubscribe(&mut self, now: Instant, stack: &mut Stack) {
        let has_dialog = self.way.dialog.is_some();
        match self.state {
            State::Subscribing { .. } | State::Unnotified { .. } | State::Subscribed { .. } if has_dialog => {
                self.send(now, stack, Duration::ZERO);
                self.state = State::Unsubscribing { timer_n: now + 64 * stack.config.timers.t1 };
            }
            // Its NOTIFY, should one come, is told 481, which ends it on the other side.
            _ => self.state = State::Gone,
        }
        self.tell(stack, SubscriptionPhase::Unsubscribed);
    }

    fn send(&mut self, now: Instant, stack: &mut Stack, expires: Duration) -> TransactionId {
        let mut request = self.way.request(Method::Subscribe);
        self.way.add_contact(stack, &mut request);
        request.headers.set(HeaderName::Event, self.package.to_string());
        request.headers.set(HeaderName::Expires, expires.as_secs().to_string());
        if !self.accept.is_empty() {
            request.headers.set(HeaderName::Accept, self.accept.join(", "));
        }
        request.headers.set(HeaderName::Allow, stack.allow());
        request.headers.set(HeaderName::Supported, stack.supported());
        request.headers.extend(self.headers.iter());
        if let Some((content_type, body)) = &self.body {
            request.set_body(content_type, body.clone());
        }
        self.way.send(now, stack, request, Purpose::Usage(UsageId(self.id.0)))
    }

    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        transaction: TransactionId,
        response: &Response,
    ) {
        let awaited = match self.state {
            State::Subscribing { request } => request,
            State::Subscribed { refresh: Some(request), .. } => request,
            // The last one may need credentials too.
            State::Unsubscribing { .. } => transaction,
            _ => return,
        };
        if awaited != transaction {
            return;
        }
        if let Some(next) = self.way.retry_authorised(now, stack, transaction, response) {
            match &mut self.state {
                State::Subscribing { request } => *request = next,
                State::Subscribed { refresh, .. } => *refresh = Some(next),
                _ => {}
            }
            return;
        }
        if response.is_success() {
            self.raised = 0;
            return self.handle_success(now, stack, transaction, response);
        }
        match (self.state, response.code()) {
            (State::Unsubscribing { .. }, _) => self.state = State::Gone,
            (_, 423) => {
                let minimum = response.headers.min_expires().map(|seconds| Duration::from_secs(seconds.into()));
                let may_raise = self.raised < MAX_RAISED && !self.expires.is_zero();
                match minimum.filter(|minimum| *minimum > self.expires && may_raise) {
                    Some(minimum) => {
                        self.raised += 1;
                        self.expires = minimum;
                        let next = self.send(now, stack, minimum);
                        match &mut self.state {
                            State::Subscribing { request } => *request = next,
                            State::Subscribed { refresh, .. } => *refresh = Some(next),
                            _ => {}
                        }
                    }
                    None => self.end(stack, Some(423), None),
                }
            }
            // The notifier does not know it any more (RFC 6665 §4.1.2.3).
            (State::Subscribed { .. }, 481) => self.begin_anew(now, stack),
            (_, status) => {
                let wish = retry_after(&response.headers);
                if wish.is_none() && !is_transient(status) {
                    return self.end(stack, Some(status), None);
                }
                self.failures += 1;
                let wait = wish.unwrap_or_else(|| stack.random.back_off(self.failures));
                match &mut self.state {
                    // It stands until its time is over (RFC 6665 §4.1.2.2).
                    State::Subscribed { refresh_at, refresh, .. } => {
                        *refresh = None;
                        *refresh_at = now + wait;
                    }
                    _ => self.wait(now, stack, Some(status), Some(wait)),
                }
            }
        }
    }

    fn handle_success(&mut self, now: Instant, stack: &mut Stack, transaction: TransactionId, response: &Response) {
        let granted = response.headers.expires().map_or(self.expires, |seconds| Duration::from_secs(seconds.into()));
        let request = stack.transactions.client(transaction).map(|client| client.request.clone());
        match &mut self.state {
            State::Subscribing { .. } => {
                if self.way.dialog.is_none() {
                    self.way.dialog = request.and_then(|request| Dialog::from_response(&request, response).ok());
                    self.state = State::Unnotified { timer_n: now + 64 * stack.config.timers.t1 };
                } else {
                    // A NOTIFY has made the dialog before.
                    self.stand(now, granted);
                }
            }
            State::Subscribed { .. } => {
                if let Some(dialog) = &mut self.way.dialog {
                    dialog.refresh_target(&response.headers);
                }
                self.failures = 0;
                self.stand(now, granted);
            }
            _ => {}
        }
    }

    /// Stands for so long from now.
    fn stand(&mut self, now: Instant, granted: Duration) {
        let refresh = refresh_after(granted).max(Duration::from_secs(1));
        let started = match self.state {
            State::Subscribed { since, .. } => since,
            _ => now,
        };
        self.state = State::Subscribed {
            since: started,
            refresh_at: now + refresh,
            ends_at: now + granted.max(refresh + Duration::from_secs(1)),
            refresh: None,
        };
    }

    /// Whether a NOTIFY belongs to it, or would make its dialog.
    pub(super) fn is_notified_by(&self, notify: &Request, package: &EventPackage) -> bool {
        *package == self.package
            && !matches!(self.state, State::Gone | State::Waiting { .. })
            && notify.headers.to_tag() == Some(&*self.way.local_tag)
            && notify.headers.call_id() == Some(&*self.way.call_id)
            && self.way.remote_tag().is_none_or(|tag| tag == notify.headers.from_tag().unwrap_or(""))
    }

    /// A NOTIFY of its own. The status to answer it with.
    pub(super) fn handle_notify(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        state: SubscriptionState,
        notify: &Request,
    ) -> u16 {
        let Ok(cseq) = notify.headers.cseq() else { return 400 };
        match &mut self.way.dialog {
            Some(dialog) => {
                if dialog.observe(cseq.seq) == Sequence::OutOfOrder {
                    return 500;
                }
                dialog.refresh_target(&notify.headers);
            }
            None => {
                let Ok(dialog) = Dialog::from_request(notify, &self.way.local_tag) else { return 400 };
                self.way.adopt(dialog);
            }
        }
        let leaving = self.is_leaving();
        if !leaving {
            stack.event(Event::Notified {
                subscription: Some(self.id),
                package: self.package.clone(),
                content_type: notify.headers.content_type().unwrap_or("").to_owned(),
                body: notify.body.clone(),
            });
        }
        let (expires, phase) = match state {
            SubscriptionState::Terminated { reason, retry_after } => {
                self.handle_end(now, stack, reason, retry_after);
                return 200;
            }
            SubscriptionState::Active { expires } => (expires, SubscriptionPhase::Active),
            SubscriptionState::Pending { expires } => (expires, SubscriptionPhase::Pending),
        };
        if leaving {
            return 200;
        }
        if self.expires.is_zero() {
            self.end(stack, None, None);
            return 200;
        }
        match &mut self.state {
            State::Subscribed { since, .. } if now >= *since + SHORTEST_LIFE => self.failures = 0,
            _ => {}
        }
        match &mut self.state {
            State::Unnotified { .. } => {
                let granted = expires.map_or(self.expires, |seconds| Duration::from_secs(seconds.into()));
                self.stand(now, granted);
            }
            // The notifier may shorten it.
            State::Subscribed { refresh: None, ends_at, .. } => {
                let granted = expires.map(|seconds| Duration::from_secs(seconds.into()));
                if let Some(granted) = granted.filter(|granted| now + *granted < *ends_at) {
                    self.stand(now, granted);
                }
            }
            _ => {}
        }
        self.tell(stack, phase);
        200
    }

    /// The notifier ends it (RFC 6665 §4.1.3).
    fn handle_end(&mut self, now: Instant, stack: &mut Stack, reason: Reason, retry_after: Option<u32>) {
        if self.is_leaving() {
            self.state = State::Gone;
            return;
        }
        // Asked for once, and answered.
        if self.expires.is_zero() {
            return self.end(stack, None, Some(reason));
        }
        let long_lived = matches!(self.state, State::Subscribed { since, .. } if now >= since + SHORTEST_LIFE);
        match reason.resumption(retry_after) {
            Resumption::Never => self.end(stack, None, Some(reason)),
            Resumption::After(wait) if wait.is_zero() && long_lived => {
                self.failures = 0;
                self.begin_anew(now, stack);
            }
            Resumption::After(wait) if !wait.is_zero() => {
                self.wait(now, stack, None, Some(wait.min(RETRY_AFTER_LIMIT)));
            }
            Resumption::After(_) | Resumption::Later => self.wait(now, stack, None, None),
        }
    }

    fn wait(&mut self, now: Instant, stack: &mut Stack, status: Option<u16>, wait: Option<Duration>) {
        let wait = wait.unwrap_or_else(|| {
            self.failures += 1;
            stack.random.back_off(self.failures)
        });
        self.way.begin_anew(stack);
        self.state = State::Waiting { retry_at: now + wait };
        self.told = None;
        self.tell(stack, SubscriptionPhase::Waiting { status, retry_in: wait });
    }

    fn end(&mut self, stack: &mut Stack, status: Option<u16>, reason: Option<Reason>) {
        self.state = State::Gone;
        self.tell(stack, SubscriptionPhase::Ended { status, reason });
    }

    fn tell(&mut self, stack: &mut Stack, phase: SubscriptionPhase) {
        if self.told != Some(phase) {
            self.told = Some(phase);
            stack.event(Event::Subscription { subscription: self.id, phase });
        }
    }
}
