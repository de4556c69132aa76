//! Session timers (RFC 4028): a session that nobody refreshes ends, so that neither side holds a call whose other side
//! has vanished.

use std::time::{Duration, Instant};

use super::redirecting::LONGEST_MIN_SE;
use super::restoring::SessionTimer;
use super::session::{Exchange, Phase, Reach, Session};
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::{EndReason, Silence};
use crate::sip::message::grammar::ParamScan;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Method, Response};

/// No interval is shorter (§5).
const SHORTEST: Duration = Duration::from_secs(90);

/// While an offer is under way, a refresh looks again after that time; mostly the offer refreshes by itself.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// After a refresh that failed in a way that may pass.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The interval agreed, and what becomes due in it.
pub(super) struct Refreshing {
    timer: SessionTimer,
    /// We refresh then: half the interval after the last refresh (§10), later after a failure. The peer's refresh needs
    /// none.
    refresh_at: Option<Instant>,
    /// BYE, if nobody has refreshed: min(32 s, a third of the interval) before its end (§10).
    expires_at: Instant,
    /// Our UPDATE that only refreshes.
    update: Option<TransactionId>,
}

impl Refreshing {
    pub(super) fn new(now: Instant, timer: SessionTimer) -> Self {
        let interval = timer.interval;
        let margin = Duration::from_secs(32).min(interval / 3);
        let refresh_at = timer.is_refresher.then_some(now + interval / 2);
        Self { timer, refresh_at, expires_at: now + interval - margin, update: None }
    }

    pub(super) const fn timer(&self) -> SessionTimer {
        self.timer
    }

    pub(super) fn next_timeout(&self, reach: Reach) -> Instant {
        match self.refresh_at {
            Some(at) if reach == Reach::Up => at.min(self.expires_at),
            _ => self.expires_at,
        }
    }
}

/// What a request of the peer says about session timers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    expires: Option<Duration>,
    min_se: Duration,
    refresher: Option<Refresher>,
    supports: bool,
}

/// Who refreshes, by the roles in the transaction that agrees on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refresher {
    Uac,
    Uas,
}

impl Asked {
    pub(super) fn of(headers: &Headers) -> Self {
        let (expires, refresher) = session_expires(headers).map_or((None, None), |(expires, by)| (Some(expires), by));
        let supports =
            headers.has_item(HeaderName::Supported, "timer") || headers.has_item(HeaderName::Require, "timer");
        Self { expires, min_se: min_se(headers), refresher, supports }
    }

    /// 422 to an interval that is too short (§9).
    pub(super) fn refusal(&self, stack: &Stack) -> Option<Response> {
        stack.config.calls.session_expires?;
        let shortest = stack.config.calls.min_session_expires.max(SHORTEST);
        if !self.supports || self.expires.is_none_or(|expires| expires >= shortest) {
            return None;
        }
        let mut response = Response::new(422);
        response.headers.set(HeaderName::MinSe, shortest.as_secs().to_string());
        Some(response)
    }

    /// What our 2xx agrees to (§9, table 2), from our side.
    fn agreed(&self, stack: &Stack) -> Option<(Duration, Refresher)> {
        let ours = stack.config.calls.session_expires?.max(SHORTEST);
        match (self.expires, self.supports) {
            // A proxy wants it, the peer knows nothing of it: that leaves us.
            (Some(theirs), false) => Some((theirs.min(ours).max(SHORTEST), Refresher::Uas)),
            (Some(theirs), true) => {
                let interval = theirs.min(ours.max(self.min_se)).max(SHORTEST);
                Some((interval, self.refresher.unwrap_or(Refresher::Uac)))
            }
            (None, true) => Some((ours.max(self.min_se), Refresher::Uas)),
            (None, false) => None,
        }
    }
}

impl Session {
    /// Session-Expires and Min-SE of an INVITE, re-INVITE or UPDATE of ours (§7.1, §7.4): within the session, who
    /// refreshes stays who does.
    pub(super) fn ask_for_timer(&self, stack: &Stack, headers: &mut Headers) {
        let Some(wanted) = stack.config.calls.session_expires else { return };
        let refreshing = match &self.phase {
            Phase::Confirmed(confirmed) => confirmed.refreshing.as_ref(),
            _ => None,
        };
        let interval = refreshing.map_or(wanted, |refreshing| refreshing.timer.interval).max(self.min_se).max(SHORTEST);
        let mut value = interval.as_secs().to_string();
        if let Some(refreshing) = refreshing {
            value.push_str(if refreshing.timer.is_refresher { ";refresher=uac" } else { ";refresher=uas" });
        }
        headers.set(HeaderName::SessionExpires, value);
        if !self.min_se.is_zero() {
            headers.set(HeaderName::MinSe, self.min_se.as_secs().to_string());
        }
    }

    /// The 2xx to our INVITE, re-INVITE or UPDATE says what holds from now on (§7.2).
    pub(super) fn take_timer(&mut self, now: Instant, stack: &Stack, headers: &Headers) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        let asked = stack.config.calls.session_expires.is_some();
        confirmed.refreshing = session_expires(headers).filter(|_| asked).map(|(interval, by)| {
            let timer = SessionTimer { interval: interval.max(SHORTEST), is_refresher: by != Some(Refresher::Uas) };
            Refreshing::new(now, timer)
        });
    }

    /// Writes into our 2xx what holds from now on (§9), and goes by it.
    pub(super) fn grant_timer(&mut self, now: Instant, stack: &Stack, asked: Asked) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        confirmed.refreshing = asked
            .agreed(stack)
            .map(|(interval, by)| Refreshing::new(now, SessionTimer { interval, is_refresher: by == Refresher::Uas }));
    }

    /// The headers of our 2xx that say so.
    pub(super) fn write_timer(stack: &Stack, asked: Asked, headers: &mut Headers) {
        let Some((interval, by)) = asked.agreed(stack) else { return };
        let name = if by == Refresher::Uac { "uac" } else { "uas" };
        headers.set(HeaderName::SessionExpires, format!("{};refresher={name}", interval.as_secs()));
        if by == Refresher::Uac {
            // §9: so that the peer knows that it must.
            headers.set(HeaderName::Require, "timer");
        }
    }

    /// Refreshes, or ends, what is due.
    pub(super) fn handle_refresh_timeout(&mut self, now: Instant, stack: &mut Stack) {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return };
        let Some(refreshing) = &mut confirmed.refreshing else { return };
        if refreshing.expires_at <= now {
            return self.leave(now, stack, EndReason::TimedOut, Headers::default());
        }
        if self.reach == Reach::Lost || refreshing.refresh_at.is_none_or(|at| at > now) {
            return;
        }
        if !matches!(confirmed.exchange, Exchange::Idle) || refreshing.update.is_some() {
            refreshing.refresh_at = Some(now + LOOK_AGAIN);
            return;
        }
        // Whatever comes of this attempt, the next one is not before that.
        refreshing.refresh_at = Some(now + TRY_AGAIN.max(65 * stack.config.timers.t1));
        if self.peer_updates {
            let update = self.send_update(now, stack, Vec::new());
            if let Phase::Confirmed(confirmed) = &mut self.phase
                && let Some(refreshing) = &mut confirmed.refreshing
            {
                refreshing.update = update;
            }
        } else if !self.description.is_empty() {
            let unchanged = self.description.to_vec();
            self.send_reinvite(now, stack, unchanged, 0);
        }
    }

    /// The final answer to an UPDATE that only refreshed. False if this was none of them.
    pub(super) fn handle_refresh_answer(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        update: TransactionId,
        response: &Response,
    ) -> bool {
        let Phase::Confirmed(confirmed) = &mut self.phase else { return false };
        let Some(refreshing) = &mut confirmed.refreshing else { return false };
        if refreshing.update != Some(update) {
            return false;
        }
        refreshing.update = None;
        match response.code() {
            200..=299 => {
                confirmed.dialog.refresh_target(&response.headers);
                self.take_timer(now, stack, &response.headers);
            }
            401 | 407 => {
                let again = self.retry_authorised(now, stack, update, response);
                if let Phase::Confirmed(confirmed) = &mut self.phase
                    && let Some(refreshing) = &mut confirmed.refreshing
                {
                    refreshing.update = again;
                }
            }
            422 => {
                let asked = min_se(&response.headers);
                // It wants more than we asked for. One that always wants more must not make us send without a pause.
                let (interval, wait) = match asked > refreshing.timer.interval && asked <= LONGEST_MIN_SE {
                    true => (asked, LOOK_AGAIN),
                    false => (refreshing.timer.interval, TRY_AGAIN),
                };
                self.min_se = self.min_se.max(asked.min(LONGEST_MIN_SE));
                refreshing.timer.interval = interval;
                refreshing.refresh_at = Some(now + wait);
            }
            // It said that it allows UPDATE, and does not.
            405 | 501 => {
                self.peer_updates = false;
                refreshing.refresh_at = Some(now);
            }
            481 => {
                let reason = EndReason::Rejected { status: 481, reason: response.reason.clone() };
                self.end(now, stack, reason, response.headers.clone());
            }
            408 if stack.config.calls.silence == Silence::Ends => {
                self.leave(now, stack, EndReason::TimedOut, response.headers.clone());
            }
            _ => refreshing.refresh_at = Some(now + TRY_AGAIN),
        }
        true
    }

    /// The interval agreed, for the dialog's state.
    pub(super) fn session_timer(&self) -> Option<SessionTimer> {
        match &self.phase {
            Phase::Confirmed(confirmed) => confirmed.refreshing.as_ref().map(Refreshing::timer),
            _ => None,
        }
    }

    /// Sends an UPDATE (RFC 3311), with an offer or to refresh, to the peer of the confirmed or ringing dialog.
    pub(super) fn send_update(&mut self, now: Instant, stack: &mut Stack, offer: Vec<u8>) -> Option<TransactionId> {
        let (mut request, next_hop) = match &mut self.phase {
            Phase::Confirmed(confirmed) => {
                (confirmed.dialog.request(Method::Update), confirmed.dialog.next_hop().clone())
            }
            Phase::Ringing(ringing) => (ringing.dialog.request(Method::Update), ringing.dialog.next_hop().clone()),
            Phase::Calling(calling) => {
                let fork = calling.forks.last_mut()?;
                let request = fork.dialog.request(Method::Update);
                let client = stack.transactions.client(calling.invite)?;
                client.highest_cseq = client.highest_cseq.max(fork.dialog.local_cseq);
                (request, fork.dialog.next_hop().clone())
            }
            Phase::Leaving(_) => return None,
        };
        self.describe(stack, &mut request.headers);
        self.ask_for_timer(stack, &mut request.headers);
        if !offer.is_empty() {
            request.set_body("application/sdp", offer);
        }
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = self.path.next_hop(&next_hop);
        Some(stack.send(now, &self.path, destination, request, Purpose::Update(self.id)))
    }
}

/// Session-Expires with its refresher (§4).
fn session_expires(headers: &Headers) -> Option<(Duration, Option<Refresher>)> {
    let value = headers.value(HeaderName::SessionExpires)?;
    let (seconds, params) = value.split_at(value.find(';').unwrap_or(value.len()));
    let seconds: u32 = seconds.trim().parse().ok()?;
    let refresher = match ParamScan::new(params).find("refresher") {
        Some(by) if by.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
        Some(by) if by.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
        _ => None,
    };
    Some((Duration::from_secs(seconds.into()), refresher))
}

/// Min-SE (§5); zero where there is none.
pub(super) fn min_se(headers: &Headers) -> Duration {
    let value = headers.value(HeaderName::MinSe).unwrap_or("");
    let seconds = value[..value.find(';').unwrap_or(value.len())].trim().parse::<u32>();
    Duration::from_secs(seconds.unwrap_or(0).into())
}
