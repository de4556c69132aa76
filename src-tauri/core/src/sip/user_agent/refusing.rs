//! Answers to what cannot be acted upon, outside any transaction (RFC 3261 §8.2.7), and what is counted of it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::stack::Stack;
use super::transactions::reply_to;
use super::{Event, UserAgent};
use crate::flow::Flow;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Request, Response, reason_phrase};
use crate::sip::validate::Refusal;
use crate::sip::wire;

impl UserAgent {
    /// How many messages were dropped or refused as invalid so far, by reason. Every reason is a text of ours.
    pub fn drops(&self) -> &BTreeMap<&'static str, u64> {
        &self.stack.drops
    }
}

impl Stack {
    pub(super) fn dropped(&mut self, why: &'static str) {
        let count = self.drops.entry(why).or_default();
        *count = count.saturating_add(1);
        self.event(Event::Dropped { why });
    }

    /// Answers a request that the validator refuses.
    pub(super) fn refuse(&mut self, flow: &Flow, request: &Request, refusal: Refusal) {
        let mut response = Response::to_request(request, refusal.status, None);
        if refusal.status == 400 {
            response.reason = format!("{}: {}", reason_phrase(400), refusal.why);
        }
        if refusal.status == 406 {
            response.headers.set(HeaderName::Accept, "application/sdp");
        }
        self.answer_statelessly(flow, response);
        self.dropped(refusal.why);
    }

    /// Answers a request that the parser refuses, as it proposes.
    pub(super) fn refuse_malformed(&mut self, flow: &Flow, mut response: Response, why: &'static str) {
        if let Ok(mut via) = response.headers.via() {
            via.set_source(flow.remote);
            response.headers.replace_top_via(&via);
        }
        self.answer_statelessly(flow, response);
        self.dropped(why);
    }

    /// Adds what every final answer has, and sends it.
    pub(super) fn answer_statelessly(&mut self, flow: &Flow, mut response: Response) {
        // A To that cannot be read is repeated as it stands.
        if response.headers.to_header().is_ok_and(|to| to.tag().is_none())
            && let Some(to) = response.headers.value(HeaderName::To)
        {
            let tagged = format!("{to};tag={}", tag_of(&response.headers));
            response.headers.set(HeaderName::To, tagged);
        }
        response.headers.set(HeaderName::Server, self.config.product.as_str());
        self.transmit(reply_to(flow, &response.headers), wire::write_response(&response));
    }
}

/// The same for every copy of a request, since nothing is remembered of it (RFC 3261 §8.2.7).
fn tag_of(headers: &Headers) -> String {
    let mut hasher = DefaultHasher::new();
    for name in [HeaderName::CallId, HeaderName::From, HeaderName::CSeq] {
        headers.value(name).hash(&mut hasher);
    }
    if let Ok(via) = headers.via() {
        via.branch().hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}
