//! SUBSCRIBE and NOTIFY that come in: which usage they concern, and what those get that concern none (RFC 6665).

use std::time::Instant;

use super::transactions::TransactionId;
use super::usages::Usage;
use super::{Event, UserAgent};
use crate::flow::Flow;
use crate::sip::message::{HeaderAccess, HeaderName, Method, Request, Response};
use crate::sip::subscription::{EventPackage, SubscriptionState};

impl UserAgent {
    /// A request inside a dialog that belongs to another usage than a call. False if it does not.
    pub(super) fn receive_for_usage(
        &mut self,
        now: Instant,
        id: TransactionId,
        local_tag: &str,
        request: &Request,
    ) -> bool {
        match request.method {
            Method::Notify => self.receive_notify(now, id, local_tag, request),
            Method::Refer => self.receive_refer(now, id, local_tag, request.clone()),
            Method::Subscribe => {
                if !self.receive_refer_subscribe(now, id, request) {
                    match self.find_session(local_tag, request) {
                        Some(_) => self.refuse_subscription(now, id),
                        None => self.stack.respond_with(now, id, 481),
                    }
                }
            }
            _ => return false,
        }
        true
    }

    fn receive_notify(&mut self, now: Instant, id: TransactionId, local_tag: &str, request: &Request) {
        if let Some(refusal) = self.refusal_of_content(request) {
            self.stack.respond(now, id, refusal);
            return;
        }
        let Some(package) = request.headers.value(HeaderName::Event).and_then(|value| value.parse().ok()) else {
            return self.refuse_subscription(now, id);
        };
        let state = request.headers.value(HeaderName::SubscriptionState).and_then(|value| value.parse().ok());
        let Some(state) = state else { return self.stack.respond_with(now, id, 400) };
        let status = self.deliver_notify(now, local_tag, request, &package, state);
        let mut response = Response::new(status);
        if status == 415 {
            response.headers.set(HeaderName::Accept, "message/sipfrag");
        }
        self.stack.respond(now, id, response);
    }

    /// A NOTIFY outside any dialog. Many registrars tell of waiting messages unasked; anything else is of no subscription.
    pub(super) fn receive_unasked_notify(&mut self, now: Instant, id: TransactionId, flow: &Flow, request: Request) {
        let package: Option<EventPackage> =
            request.headers.value(HeaderName::Event).and_then(|value| value.parse().ok());
        let Some(package) = package else { return self.refuse_subscription(now, id) };
        let is_ours = self.registrations.values().any(|registration| registration.path.uses(flow.id));
        if &*package.name != "message-summary" || !is_ours {
            return self.stack.respond_with(now, id, 481);
        }
        self.stack.respond_with(now, id, 200);
        let content_type = request.headers.content_type().unwrap_or("").to_owned();
        self.stack.event(Event::Notified { subscription: None, package, content_type, body: request.body });
    }

    fn deliver_notify(
        &mut self,
        now: Instant,
        local_tag: &str,
        request: &Request,
        package: &EventPackage,
        state: SubscriptionState,
    ) -> u16 {
        let found = self.usages.iter().find_map(|(id, usage)| match usage {
            Usage::Referral(referral) if referral.is_reported_by(request, package) => Some(id),
            Usage::Subscription(subscription) if subscription.is_notified_by(request, package) => Some(id),
            _ => None,
        });
        let Some(found) = found else { return 481 };
        // Within the dialog of a session its numbers go on.
        if let Some(session) = self.find_session(local_tag, request).and_then(|id| self.sessions.get_mut(&id))
            && !session.is_in_order(request)
        {
            return 500;
        }
        let status = self.with_usage(found, |agent, usage| match usage {
            Usage::Referral(referral) => referral.handle_report(now, &mut agent.stack, state, request),
            Usage::Subscription(subscription) => subscription.handle_notify(now, &mut agent.stack, state, request),
            _ => 481,
        });
        status.unwrap_or(481)
    }

    /// 489 with what could be subscribed to, which is nothing (RFC 6665 §8.3.2).
    pub(super) fn refuse_subscription(&mut self, now: Instant, id: TransactionId) {
        let mut response = Response::new(489);
        response.headers.set(HeaderName::AllowEvents, "refer");
        self.stack.respond(now, id, response);
    }
}
