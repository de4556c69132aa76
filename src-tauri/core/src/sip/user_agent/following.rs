//! REFER as the one who is transferred (RFC 3515 §2.4.2 and on): the request goes to the application, the new call is
//! made in its name, and the one who asked is told how it goes.

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::correspondence::Correspondence;
use super::referring::is_silent;
use super::session::Phase;
use super::transactions::{Purpose, TransactionId};
use super::usages::{MAX_USAGES, Usage, UsageId};
use super::{Error, Event, Invite, ReferralId, SessionId, UserAgent};
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Request, Response};
use crate::sip::refer::ReferTo;
use crate::sip::sipfrag;
use crate::sip::subscription::{EventPackage, Reason, SubscriptionState};

/// How long we report at most, unless asked to go on. Longer than any phone rings.
const REPORTING: Duration = Duration::from_secs(300);

pub(super) struct Following {
    id: ReferralId,
    /// The session in whose dialog the REFER came.
    session: SessionId,
    /// The way of reports once that session has ended.
    after: Correspondence,
    /// The number of the REFER, by which our reports name it.
    number: u32,
    refer_to: ReferTo,
    referred_by: Option<String>,
    /// The peer has asked us not to report (RFC 4488).
    silent: bool,
    state: State,
}

enum State {
    /// The application has not decided yet; after `until` nobody awaits the answer.
    Asked {
        request: TransactionId,
        until: Instant,
    },
    /// Accepted, and perhaps called.
    Reporting {
        since: Instant,
        until: Instant,
        call: Option<SessionId>,
        report: Report,
    },
    /// The last report has gone and waits for its answer.
    Ending {
        request: TransactionId,
    },
    Gone,
}

/// Reports go one after the other; what happens meanwhile is summed up by the last status.
struct Report {
    /// What is to be told, and since when.
    status: u16,
    wanted: Option<Instant>,
    request: Option<TransactionId>,
}

impl UserAgent {
    /// Says 202 to an [`Event::Referred`], and 100 as the first report. Then make the call by [`Self::call_referred`], or
    /// give up by [`Self::abandon_referral`].
    ///
    /// # Errors
    /// [`Error::Unknown`] once nobody waits for an answer any more, [`Error::WrongState`] if it has been answered.
    pub fn accept_referral(&mut self, now: Instant, referral: ReferralId) -> Result<(), Error> {
        self.with_following(referral, |agent, following| following.accept(now, agent))
    }

    /// Refuses an [`Event::Referred`]: 300..=699, usually 603.
    ///
    /// # Errors
    /// As [`Self::accept_referral`].
    pub fn refuse_referral(&mut self, now: Instant, referral: ReferralId, status: u16) -> Result<(), Error> {
        self.with_following(referral, |agent, following| {
            let State::Asked { request, .. } = following.state else {
                return Err(Error::WrongState("accepted already"));
            };
            agent.stack.respond_with(now, request, status.clamp(300, 699));
            following.state = State::Gone;
            Ok(())
        })
    }

    /// Makes the call of an accepted referral: its target, its Replaces, its headers and Referred-By are taken from the
    /// REFER; `invite.target` is not looked at. How it goes is reported by itself.
    ///
    /// # Errors
    /// [`Error::WrongState`] before it is accepted or after it has been called, and what [`Self::invite`] fails with.
    pub fn call_referred(&mut self, now: Instant, referral: ReferralId, invite: Invite) -> Result<SessionId, Error> {
        self.with_following(referral, |agent, following| following.call(now, agent, invite))
    }

    /// The call of an accepted referral cannot be made: `status` (300..=699) is reported and ends it.
    ///
    /// # Errors
    /// [`Error::WrongState`] before it is accepted.
    pub fn abandon_referral(&mut self, now: Instant, referral: ReferralId, status: u16) -> Result<(), Error> {
        self.with_following(referral, |agent, following| {
            let State::Reporting { report, .. } = &mut following.state else {
                return Err(Error::WrongState("not accepted"));
            };
            report.want(now, status.clamp(300, 699));
            following.report(now, agent);
            Ok(())
        })
    }

    /// How the call of an accepted referral goes where it is made by other means than [`Self::call_referred`], as a server
    /// does that stands in the call: 101..=699, of which the first final one is the last word.
    ///
    /// # Errors
    /// [`Error::WrongState`] before it is accepted and once it is over.
    pub fn report_referral(&mut self, now: Instant, referral: ReferralId, status: u16) -> Result<(), Error> {
        self.with_following(referral, |agent, following| {
            let State::Reporting { report, .. } = &mut following.state else {
                return Err(Error::WrongState("not accepted"));
            };
            if report.status < 200 && report.status != status {
                report.want(now, status.clamp(101, 699));
                following.report(now, agent);
            }
            Ok(())
        })
    }

    fn with_following<T>(
        &mut self,
        id: ReferralId,
        change: impl FnOnce(&mut Self, &mut Following) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let changed = self.with_usage(UsageId(id.0), |agent, usage| match usage {
            Usage::Following(following) => Some(change(agent, following)),
            _ => None,
        });
        changed.flatten().unwrap_or(Err(Error::Unknown))
    }

    /// A REFER inside a dialog.
    pub(super) fn receive_refer(&mut self, now: Instant, id: TransactionId, local_tag: &str, request: Request) {
        let Some(session) = self.find_session(local_tag, &request) else {
            return self.stack.respond_with(now, id, 481);
        };
        if let Some(refusal) = self.refusal_of_content(&request) {
            self.stack.respond(now, id, refusal);
            return;
        }
        match self.check_refer(session, &request) {
            Ok(refer_to) => self.ask_application(now, id, session, refer_to, request),
            Err(status) => self.stack.respond_with(now, id, status),
        }
    }

    /// The status that a REFER is refused with, or what it asks for. Only the peer of an established call may move it.
    fn check_refer(&mut self, session: SessionId, request: &Request) -> Result<ReferTo, u16> {
        let entry = self.sessions.get_mut(&session).ok_or(481_u16)?;
        if entry.has_ended() {
            return Err(481);
        }
        if !entry.is_in_order(request) {
            return Err(500);
        }
        if !matches!(entry.phase, Phase::Confirmed(_)) {
            return Err(403);
        }
        let mut values = request.headers.values(HeaderName::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
        let refer_to = ReferTo::parse(value).map_err(|_| 400_u16)?;
        if !matches!(&*refer_to.target.scheme, "sip" | "sips" | "tel") {
            return Err(416);
        }
        if refer_to.method != Method::Invite {
            return Err(403);
        }
        let busy = |usage: &Usage| match usage {
            Usage::Following(following) => {
                following.session == session && matches!(following.state, State::Asked { .. } | State::Reporting { .. })
            }
            _ => false,
        };
        if self.usages.iter().any(|(_, usage)| busy(usage)) {
            return Err(491);
        }
        if self.usages.len() >= MAX_USAGES { Err(503) } else { Ok(refer_to) }
    }

    fn ask_application(
        &mut self,
        now: Instant,
        id: TransactionId,
        session: SessionId,
        refer_to: ReferTo,
        request: Request,
    ) {
        let referral = ReferralId(self.next_id());
        let Some(entry) = self.sessions.get(&session) else { return };
        let (Phase::Confirmed(confirmed), Ok(cseq)) = (&entry.phase, request.headers.cseq()) else { return };
        let following = Following {
            id: referral,
            session,
            after: Correspondence::after(entry, &confirmed.dialog),
            number: cseq.seq,
            refer_to: refer_to.clone(),
            referred_by: request.headers.value(HeaderName::ReferredBy).map(str::to_owned),
            silent: is_silent(&request.headers),
            state: State::Asked { request: id, until: now + 64 * self.stack.config.timers.t1 },
        };
        self.add_usage(UsageId(referral.0), Usage::Following(Box::new(following)));
        let referred_by = request.headers.value(HeaderName::ReferredBy).and_then(|value| value.parse().ok());
        let request = Box::new(request);
        self.stack.event(Event::Referred { referral, session, refer_to: Box::new(refer_to), referred_by, request });
    }

    /// What has become known of calls that somebody referred us to. See [`super::stack::Stack::event`].
    pub(super) fn spread_news(&mut self) {
        while let Some((call, status)) = self.stack.news.pop_front() {
            let follows = |usage: &Usage| match usage {
                Usage::Following(following) => {
                    matches!(following.state, State::Reporting { call: Some(own), .. } if own == call)
                }
                _ => false,
            };
            let found = self.usages.iter().find(|(_, usage)| follows(usage)).map(|(id, _)| id);
            if let Some(id) = found {
                self.with_usage(id, |_, usage| {
                    if let Usage::Following(following) = usage {
                        following.note(status);
                    }
                });
            }
        }
    }

    /// A SUBSCRIBE to the reports of a REFER: a refresh, or their end (RFC 3515 §2.4.4). False if there are none.
    pub(super) fn receive_refer_subscribe(&mut self, now: Instant, id: TransactionId, request: &Request) -> bool {
        let Some(package) = request.headers.value(HeaderName::Event).and_then(|value| value.parse().ok()) else {
            return false;
        };
        let found = self.usages.iter().find_map(|(usage, entry)| match entry {
            Usage::Following(following) if following.is_subscribed_by(request, &package) => Some(usage),
            _ => None,
        });
        let Some(found) = found else { return false };
        let seconds = request.headers.expires().unwrap_or(60).min(3600);
        self.with_usage(found, |agent, usage| {
            let Usage::Following(following) = usage else { return };
            let mut response = Response::new(200);
            response.headers.set(HeaderName::Expires, seconds.to_string());
            following.add_contact(agent, &mut response.headers);
            agent.stack.respond(now, id, response);
            if let State::Reporting { report, until, .. } = &mut following.state {
                *until = now + Duration::from_secs(seconds.into());
                report.wanted.get_or_insert(now);
                following.report(now, agent);
            }
        });
        true
    }
}

impl Report {
    fn want(&mut self, now: Instant, status: u16) {
        self.status = status;
        self.wanted = Some(now);
    }
}

impl Following {
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    pub(super) const fn session(&self) -> SessionId {
        self.session
    }

    /// Its credentials once that session has ended.
    pub(super) const fn credentials(&mut self) -> &mut Authentication {
        &mut self.after.authentication
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Asked { until, .. } => Some(*until),
            State::Reporting { report: Report { wanted: Some(since), request: None, .. }, .. } => Some(*since),
            State::Reporting { until, report, .. } => report.request.is_none().then_some(*until),
            State::Ending { .. } | State::Gone => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, agent: &mut UserAgent) {
        match &self.state {
            State::Asked { until, .. } if *until <= now => self.state = State::Gone,
            State::Reporting { .. } => self.report(now, agent),
            _ => {}
        }
    }

    fn accept(&mut self, now: Instant, agent: &mut UserAgent) -> Result<(), Error> {
        let State::Asked { request, .. } = self.state else { return Err(Error::WrongState("accepted already")) };
        let mut response = Response::new(if self.silent { 200 } else { 202 });
        self.add_contact(agent, &mut response.headers);
        if self.silent {
            response.headers.set(HeaderName::ReferSub, "false");
        }
        if agent.stack.respond(now, request, response).is_none() {
            self.state = State::Gone;
            return Err(Error::Unknown);
        }
        let report = Report { status: 100, wanted: (!self.silent).then_some(now), request: None };
        self.state = State::Reporting { since: now, until: now + REPORTING, call: None, report };
        self.report(now, agent);
        Ok(())
    }

    fn call(&mut self, now: Instant, agent: &mut UserAgent, invite: Invite) -> Result<SessionId, Error> {
        let State::Reporting { call: slot @ None, .. } = &mut self.state else {
            return Err(Error::WrongState("not accepted, or called already"));
        };
        let mut headers = invite.headers;
        headers.extend(self.refer_to.headers.iter());
        if let Some(replaces) = &self.refer_to.replaces {
            headers.add(HeaderName::Replaces, replaces.to_string());
            headers.add(HeaderName::Require, "replaces");
        }
        if let Some(referred_by) = &self.referred_by {
            headers.set(HeaderName::ReferredBy, referred_by.as_str());
        }
        let call = agent.invite(now, Invite { target: self.refer_to.target.clone(), headers, ..invite })?;
        *slot = Some(call);
        agent.stack.watched.insert(call);
        Ok(call)
    }

    /// The call has come to another status. It is told as soon as somebody asks what time it is.
    fn note(&mut self, status: u16) {
        if let State::Reporting { since, report, .. } = &mut self.state
            && report.status < 200
            && report.status != status
        {
            // Any time that has passed will do.
            report.want(*since, status);
        }
    }

    /// Sends what is to be told, if nothing is on its way.
    fn report(&mut self, now: Instant, agent: &mut UserAgent) {
        let State::Reporting { report, until, call, .. } = &mut self.state else { return };
        if report.request.is_some() {
            return;
        }
        let is_late = *until <= now;
        if report.wanted.is_none() && !is_late {
            return;
        }
        report.wanted = None;
        let status = report.status;
        let is_last = status >= 200 || is_late;
        if is_last && let Some(call) = call {
            agent.stack.watched.remove(call);
        }
        if self.silent {
            if is_last {
                self.state = State::Gone;
            }
            return;
        }
        let state = if is_late && status < 200 {
            SubscriptionState::Terminated { reason: Reason::Timeout, retry_after: None }
        } else if is_last {
            SubscriptionState::Terminated { reason: Reason::NoResource, retry_after: None }
        } else {
            SubscriptionState::Active { expires: u32::try_from(until.duration_since(now).as_secs()).ok() }
        };
        let request = self.send(now, agent, state, status);
        match &mut self.state {
            State::Reporting { report, .. } if !is_last => report.request = Some(request),
            state => *state = State::Ending { request },
        }
    }

    fn send(&mut self, now: Instant, agent: &mut UserAgent, state: SubscriptionState, status: u16) -> TransactionId {
        let purpose = Purpose::Usage(UsageId(self.id.0));
        let package = EventPackage::new("refer").with_id(self.number);
        let fill = |request: &mut Request| {
            request.headers.set(HeaderName::Event, package.to_string());
            request.headers.set(HeaderName::SubscriptionState, state.to_string());
            request.set_body(sipfrag::CONTENT_TYPE, sipfrag::of_status(status));
        };
        let stack = &mut agent.stack;
        if let Some(session) = agent.sessions.get_mut(&self.session)
            && let Ok((request, _)) = session.send_within(now, stack, Method::Notify, purpose, fill)
        {
            if let Phase::Confirmed(confirmed) = &session.phase {
                self.after = Correspondence::after(session, &confirmed.dialog);
            }
            return request;
        }
        let mut request = self.after.request(Method::Notify);
        self.after.add_contact(stack, &mut request);
        fill(&mut request);
        self.after.send(now, stack, request, purpose)
    }

    /// The answer to a report.
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        agent: &mut UserAgent,
        transaction: TransactionId,
        response: &Response,
    ) {
        let awaited = match &self.state {
            State::Reporting { report, .. } => report.request,
            State::Ending { request } => Some(*request),
            State::Asked { .. } | State::Gone => None,
        };
        if awaited != Some(transaction) {
            return;
        }
        let retried = match agent.sessions.get_mut(&self.session).filter(|session| !session.has_ended()) {
            Some(session) => session.retry_authorised(now, &mut agent.stack, transaction, response),
            None => self.after.retry_authorised(now, &mut agent.stack, transaction, response),
        };
        match (&mut self.state, retried) {
            (State::Reporting { report, .. }, Some(next)) => report.request = Some(next),
            (State::Ending { request }, Some(next)) => *request = next,
            // Nobody listens (RFC 6665 §4.2.2): the call goes on all the same.
            (State::Reporting { call, .. }, None) if !response.is_success() => {
                if let Some(call) = call {
                    agent.stack.watched.remove(call);
                }
                self.state = State::Gone;
            }
            (State::Reporting { report, .. }, None) => {
                report.request = None;
                self.report(now, agent);
            }
            (state, None) => *state = State::Gone,
            (_, Some(_)) => {}
        }
    }

    fn is_subscribed_by(&self, request: &Request, package: &EventPackage) -> bool {
        matches!(self.state, State::Reporting { .. })
            && !self.silent
            && &*package.name == "refer"
            && package.id.as_deref().is_none_or(|id| id == self.number.to_string())
            && request.headers.to_tag() == Some(&*self.after.local_tag)
            && request.headers.call_id() == Some(&*self.after.call_id)
            && self.after.remote_tag() == Some(request.headers.from_tag().unwrap_or(""))
    }

    fn add_contact(&self, agent: &UserAgent, headers: &mut Headers) {
        match agent.sessions.get(&self.session) {
            Some(session) => session.describe(&agent.stack, headers),
            None => {
                let mut carrier = Request::new(Method::Notify, self.refer_to.target.clone());
                self.after.add_contact(&agent.stack, &mut carrier);
                headers.set(HeaderName::Contact, carrier.headers.value(HeaderName::Contact).unwrap_or_default());
            }
        }
    }
}
