//! A phone transfers its call: REFER (RFC 3515), by itself or to the far end of another call of the same phone (Replaces,
//! RFC 3891). The centre stands in every call, so it never passes a REFER on: it connects the far end itself.
//!
//! While the target rings, the call goes on with the one who asked. Once the target has answered it takes the asker's
//! place in the call; the asker is told, and hangs up.

use std::time::{Duration, Instant};

use deskline_core::sip::message::{HeaderAccess, HeaderName};
use deskline_core::sip::refer::ReferTo;
use deskline_core::sip::user_agent::{EndReason, Event as SipEvent, ReferralId};
use deskline_core::sip::{Request, SessionId};

use super::bridge::better_refusal;
use super::desk::{Dialling, platform_headers};
use super::routing::Route;
use super::simulated::{Pickup, Simulated};
use super::{Call, Exchange, Kind, Step};
use crate::call::{CallEnd, CallId};
use crate::media::Performance;

/// How long the one who asked may take to hang up once the transfer has succeeded.
const TAKES_LEAVE: Duration = Duration::from_secs(5);

/// A call of which a phone is about to take leave.
pub(super) struct Transfer {
    referral: ReferralId,
    /// The leg of the one who asked; it may hang up before the target has answered.
    by: SessionId,
    by_is_gone: bool,
    target: Target,
}

enum Target {
    Phones {
        legs: Vec<SessionId>,
        give_up_at: Instant,
        refusal: Option<u16>,
    },
    /// Somebody simulated picks up then, or refuses with a status.
    Simulated {
        until: Instant,
        outcome: Result<Box<Performance>, u16>,
    },
}

impl Transfer {
    pub(super) const fn poll_timeout(&self) -> Instant {
        match self.target {
            Target::Phones { give_up_at: until, .. } | Target::Simulated { until, .. } => until,
        }
    }
}

impl Exchange {
    /// A phone in a call asks that its far end be connected to somebody else.
    pub(super) fn handle_referred(
        &mut self,
        now: Instant,
        referral: ReferralId,
        session: SessionId,
        refer_to: &ReferTo,
        request: &Request,
    ) {
        if let Err(status) = self.transfer(now, referral, session, refer_to, request) {
            // Refused at once, or, once it has been accepted, by the first and last report.
            let agent = &mut self.desk.agent;
            if agent.refuse_referral(now, referral, status).is_err() {
                let _ = agent.report_referral(now, referral, status);
            }
        }
    }

    fn transfer(
        &mut self,
        now: Instant,
        referral: ReferralId,
        by: SessionId,
        refer_to: &ReferTo,
        request: &Request,
    ) -> Result<(), u16> {
        let leg = self.desk.sessions.get(&by).ok_or(481_u16)?;
        let (id, extension) = (leg.call, leg.extension.clone());
        if self.transfers.contains_key(&id) {
            return Err(491);
        }
        self.calls.get(&id).filter(|call| call.is_talking()).ok_or(403_u16)?;
        if let Some(replaces) = &refer_to.replaces {
            let other = self.desk.agent.session_named(replaces).ok_or(481_u16)?;
            let consulted = self.desk.sessions.get(&other).ok_or(481_u16)?;
            // Only calls of the same phone; what its tags are it need not have learned by honest means.
            if consulted.extension != extension || consulted.call == id {
                return Err(403);
            }
            let consulted = consulted.call;
            self.calls.get(&consulted).filter(|call| call.is_talking()).ok_or(481_u16)?;
            self.desk.agent.accept_referral(now, referral).map_err(|_| 481_u16)?;
            self.connect(now, id, by, consulted, other)?;
            let _ = self.desk.agent.report_referral(now, referral, 200);
            return Ok(());
        }

        let number = refer_to.target.user_plain().unwrap_or_default();
        let route = self.route(&extension, &number);
        self.desk.agent.accept_referral(now, referral).map_err(|_| 481_u16)?;
        let target = match route {
            Route::Refuse(status) => return Err(status),
            Route::Simulated(pickup, performance) => {
                let (until, outcome) = match pickup {
                    Pickup::AtOnce => (now, Ok(performance)),
                    Pickup::AfterRinging(rings) => (now + rings, Ok(performance)),
                    Pickup::Never { refuse_after } => (now + refuse_after, Err(480)),
                };
                let _ = self.desk.agent.report_referral(now, referral, 180);
                Target::Simulated { until, outcome }
            }
            Route::Phones(phones) => {
                let call = self.calls.get_mut(&id).ok_or(481_u16)?;
                let (from, offer) = call.far_end(by, &self.desk).ok_or(488_u16)?;
                let mut headers = call.far_headers();
                headers.extend(platform_headers(&request.headers).iter());
                headers.extend(platform_headers(&refer_to.headers).iter());
                headers.set(HeaderName::ReferredBy, self.desk.address(&extension, "").to_string());
                let dialling = Dialling { extension: number, phones, from, headers };
                let legs = self.desk.invite(now, id, &dialling, &offer);
                if legs.is_empty() {
                    return Err(503);
                }
                Target::Phones { legs, give_up_at: now + self.desk.config.ring_for, refusal: None }
            }
        };
        self.transfers.insert(id, Transfer { referral, by, by_is_gone: false, target });
        tracing::info!(call = %id, "a call is being transferred");
        // Who picks up at once does so now.
        self.handle_transfer_timeout(now, id);
        Ok(())
    }

    /// An event of a leg that belongs to the transfer of a call. False if it belongs to the call itself.
    pub(super) fn handle_transfer_sip(
        &mut self,
        now: Instant,
        id: CallId,
        session: SessionId,
        event: &SipEvent,
    ) -> bool {
        let Some(transfer) = self.transfers.get_mut(&id) else { return false };
        if session == transfer.by {
            // Whoever asked need not wait for the end of it.
            let is_over = matches!(event, SipEvent::Ended { .. });
            transfer.by_is_gone |= is_over;
            return is_over;
        }
        let Target::Phones { legs, refusal, .. } = &mut transfer.target else { return false };
        if !legs.contains(&session) {
            return false;
        }
        match event {
            SipEvent::Progress { .. } => {
                let _ = self.desk.agent.report_referral(now, transfer.referral, 180);
            }
            SipEvent::Answered { body, .. } => {
                let by = transfer.by;
                legs.retain(|leg| *leg != session);
                let others = std::mem::take(legs);
                for leg in others {
                    self.desk.hang_up(now, leg);
                }
                let extension = self.desk.extension_of(session);
                let taken = self.calls.get_mut(&id).is_some_and(|call| {
                    call.extension = extension;
                    match &mut call.kind {
                        Kind::Simulated(simulated) => simulated.take_over(now, &mut self.desk, session, body),
                        Kind::Bridge(bridge) => bridge.take_over(now, &mut self.desk, by, session, body),
                    }
                });
                if taken {
                    self.succeed(now, id);
                } else {
                    self.desk.hang_up(now, session);
                    self.fail(now, id, 488);
                }
            }
            SipEvent::Ended { reason, .. } => {
                legs.retain(|leg| *leg != session);
                let status = match reason {
                    EndReason::Rejected { status, .. } => *status,
                    _ => 408,
                };
                let best = better_refusal(*refusal, status);
                *refusal = Some(best);
                if legs.is_empty() {
                    self.fail(now, id, best);
                }
            }
            _ => {}
        }
        true
    }

    /// The transfers and farewells that are due.
    pub(super) fn handle_transfer_timeouts(&mut self, now: Instant) {
        let due = self.transfers.iter().filter(|(_, transfer)| transfer.poll_timeout() <= now).map(|(&id, _)| id);
        for id in due.collect::<Vec<CallId>>() {
            self.handle_transfer_timeout(now, id);
        }
        while let Some(&(at, session)) = self.leaving.front().filter(|(at, _)| *at <= now) {
            tracing::debug!(late = ?now.saturating_duration_since(at), "a phone has not hung up after its transfer");
            self.leaving.pop_front();
            self.desk.hang_up(now, session);
        }
    }

    pub(super) fn poll_transfer_timeout(&self) -> Option<Instant> {
        let leaving = self.leaving.front().map(|(at, _)| *at);
        self.transfers.values().map(Transfer::poll_timeout).chain(leaving).min()
    }

    /// The call is over before its transfer.
    pub(super) fn give_up_transfer(&mut self, now: Instant, id: CallId) {
        if let Some(transfer) = self.transfers.remove(&id) {
            let _ = self.desk.agent.report_referral(now, transfer.referral, 487);
        }
    }

    fn handle_transfer_timeout(&mut self, now: Instant, id: CallId) {
        let Some(transfer) = self.transfers.get_mut(&id).filter(|transfer| transfer.poll_timeout() <= now) else {
            return;
        };
        let by = transfer.by;
        match &mut transfer.target {
            Target::Phones { legs, .. } => {
                let legs = std::mem::take(legs);
                for leg in legs {
                    self.desk.sessions.remove(&leg);
                    self.desk.hang_up(now, leg);
                }
                self.fail(now, id, 480);
            }
            Target::Simulated { outcome: Err(status), .. } => {
                let status = *status;
                self.fail(now, id, status);
            }
            Target::Simulated { outcome: Ok(performance), .. } => {
                let performance = std::mem::take(&mut **performance);
                let far = match self.calls.get(&id).map(|call| &call.kind) {
                    Some(Kind::Bridge(bridge)) => bridge.other(by).and_then(|far| Some((far, bridge.address_of(far)?))),
                    _ => None,
                };
                if let Some((far, address)) = far {
                    // The phone at the far end goes on with somebody simulated: in a call of its own.
                    let extension = self.desk.extension_of(far);
                    self.add_call(now, extension, |new, desk| {
                        desk.move_leg(far, new);
                        Kind::Simulated(Box::new(Simulated::taking_over(now, new, desk, far, address, performance)))
                    });
                }
                self.succeed(now, id);
                // Two who are simulated, or nobody, are left in this one.
                self.end_transferred(now, id);
            }
        }
    }

    /// Connects the far ends of two calls of one phone: the far end of `id` with that of `consulted`.
    fn connect(
        &mut self,
        now: Instant,
        id: CallId,
        by: SessionId,
        consulted: CallId,
        other: SessionId,
    ) -> Result<(), u16> {
        let far = self.calls.get(&id).and_then(|call| call.far_phone(by));
        let target = self.calls.get(&consulted).and_then(|call| call.far_phone(other));
        let extension = |leg: Option<SessionId>| leg.map(|leg| self.desk.extension_of(leg));
        let (far_extension, target_extension) = (extension(far), extension(target));
        // Which call goes on, and which is over.
        let over = match (far, target) {
            (None, None) => None,
            (_, Some(target)) => {
                let call = self.calls.get_mut(&id).ok_or(481_u16)?;
                self.desk.move_leg(target, id);
                let connected = match &mut call.kind {
                    Kind::Simulated(simulated) => simulated.connect(now, &mut self.desk, target),
                    Kind::Bridge(bridge) => bridge.connect(now, &mut self.desk, by, target),
                };
                if !connected {
                    self.desk.move_leg(target, consulted);
                    return Err(488);
                }
                call.extension = target_extension.unwrap_or_default();
                Some(consulted)
            }
            (Some(far), None) => {
                let call = self.calls.get_mut(&consulted).ok_or(481_u16)?;
                self.desk.move_leg(far, consulted);
                let connected = match &mut call.kind {
                    Kind::Simulated(simulated) => simulated.connect(now, &mut self.desk, far),
                    Kind::Bridge(_) => false,
                };
                if !connected {
                    self.desk.move_leg(far, id);
                    return Err(488);
                }
                call.extension = far_extension.unwrap_or_default();
                Some(id)
            }
        };
        // Once the phone has been told it hangs up both. What of the two the target would end itself (RFC 3891 §3) is left
        // to it as well: a BYE could overtake the news.
        self.take_leave(now, by);
        self.take_leave(now, other);
        match over {
            Some(over) => self.end_transferred(now, over),
            None => {
                self.end_transferred(now, id);
                self.end_transferred(now, consulted);
            }
        }
        tracing::info!(call = %id, "a call has been transferred after a consultation");
        Ok(())
    }

    fn succeed(&mut self, now: Instant, id: CallId) {
        let Some(transfer) = self.transfers.remove(&id) else { return };
        let _ = self.desk.agent.report_referral(now, transfer.referral, 200);
        if !transfer.by_is_gone {
            self.take_leave(now, transfer.by);
        }
        tracing::info!(call = %id, "a call has been transferred");
    }

    fn fail(&mut self, now: Instant, id: CallId, status: u16) {
        let Some(transfer) = self.transfers.remove(&id) else { return };
        let _ = self.desk.agent.report_referral(now, transfer.referral, status);
        if transfer.by_is_gone {
            // Nobody is left to whom the far end could go back.
            self.with_call(now, id, |_, _| Step::Over(CallEnd::HungUpByPhone));
        }
    }

    /// The leg belongs to no call any more; its phone is to hang up.
    fn take_leave(&mut self, now: Instant, leg: SessionId) {
        self.desk.sessions.remove(&leg);
        self.leaving.push_back((now + TAKES_LEAVE, leg));
    }

    fn end_transferred(&mut self, now: Instant, id: CallId) {
        self.with_call(now, id, |_, _| Step::Over(CallEnd::Transferred));
    }
}

impl Call {
    /// The phone at the other end from `leg`; `None` where somebody simulated is there.
    fn far_phone(&self, leg: SessionId) -> Option<SessionId> {
        match &self.kind {
            Kind::Simulated(_) => None,
            Kind::Bridge(bridge) => bridge.other(leg),
        }
    }
}
