//! What the user agent holds besides INVITE sessions and registrations: the calls that we ask others to make, those that
//! others ask us to make, subscriptions, publications and messages. One table, one agenda.

use std::collections::BTreeMap;
use std::time::Instant;

use super::authentication::Authentication;
use super::following::Following;
use super::messaging::Outgoing;
use super::publishing::Publication;
use super::referring::Referral;
use super::session::Session;
use super::subscribing::Subscription;
use super::transactions::TransactionId;
use super::{SessionId, UserAgent};
use crate::flow::{Flow, FlowId};
use crate::sip::message::Response;
use crate::sip::transaction::agenda::{Agenda, Appointment};

/// Usages at a time; beyond, ours fail and those of others are refused.
pub(super) const MAX_USAGES: usize = 4_000;

/// All usages are numbered by the user agent's one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct UsageId(pub u64);

pub(super) enum Usage {
    /// A REFER of ours.
    Referral(Box<Referral>),
    /// A REFER of a peer that we follow.
    Following(Box<Following>),
    Subscription(Box<Subscription>),
    Publication(Box<Publication>),
    Message(Outgoing),
}

pub(super) struct Usages {
    table: BTreeMap<UsageId, (Usage, Appointment)>,
    agenda: Agenda<UsageId>,
}

impl Usages {
    pub(super) const fn new() -> Self {
        Self { table: BTreeMap::new(), agenda: Agenda::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    pub(super) fn insert(&mut self, id: UsageId, usage: Usage) {
        self.table.insert(id, (usage, Appointment::default()));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (UsageId, &Usage)> {
        self.table.iter().map(|(&id, (usage, _))| (id, usage))
    }

    /// Takes a usage out, so that it can be changed beside the rest of the user agent. [`UserAgent::settle_usage`] puts it back.
    fn take(&mut self, id: UsageId) -> Option<(Usage, Appointment)> {
        self.table.remove(&id)
    }

    /// The credentials that the requests of a usage carry: its own, or those of the session in whose dialog it stands.
    pub(super) fn authentication<'a>(
        &'a mut self,
        id: UsageId,
        sessions: &'a mut BTreeMap<SessionId, Session>,
    ) -> Option<&'a mut Authentication> {
        let session = match &mut self.table.get_mut(&id)?.0 {
            Usage::Referral(referral) => match referral.credentials() {
                Ok(own) => return Some(own),
                Err(session) => session,
            },
            Usage::Message(message) => match message.credentials() {
                Ok(own) => return Some(own),
                Err(session) => session,
            },
            Usage::Subscription(subscription) => return Some(subscription.credentials()),
            Usage::Publication(publication) => return Some(publication.credentials()),
            Usage::Following(following) => match sessions.contains_key(&following.session()) {
                true => following.session(),
                false => return Some(following.credentials()),
            },
        };
        sessions.get_mut(&session).map(|session| &mut session.authentication)
    }

    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        self.table.is_empty() && self.agenda.is_empty()
    }
}

impl Usage {
    fn is_gone(&self) -> bool {
        match self {
            Self::Referral(referral) => referral.is_gone(),
            Self::Following(following) => following.is_gone(),
            Self::Subscription(subscription) => subscription.is_gone(),
            Self::Publication(publication) => publication.is_gone(),
            Self::Message(message) => message.is_gone(),
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Referral(referral) => referral.next_timeout(),
            Self::Following(following) => following.next_timeout(),
            Self::Subscription(subscription) => subscription.next_timeout(),
            Self::Publication(publication) => publication.next_timeout(),
            Self::Message(_) => None,
        }
    }
}

impl UserAgent {
    /// Runs a change of a usage, which may touch everything else of the user agent, and settles it: removes it, or notes
    /// when it wants to be woken. `None` if there is no such usage.
    pub(super) fn with_usage<T>(&mut self, id: UsageId, change: impl FnOnce(&mut Self, &mut Usage) -> T) -> Option<T> {
        let (mut usage, mut appointment) = self.usages.take(id)?;
        let result = change(self, &mut usage);
        if usage.is_gone() {
            self.usages.agenda.strike(id, appointment);
        } else {
            self.usages.agenda.set(id, &mut appointment, usage.next_timeout());
            self.usages.table.insert(id, (usage, appointment));
        }
        Some(result)
    }

    pub(super) fn add_usage(&mut self, id: UsageId, usage: Usage) {
        self.usages.insert(id, usage);
        self.with_usage(id, |_, _| ());
    }

    pub(super) fn wake_usages(&mut self, now: Instant) {
        while let Some(id) = self.usages.agenda.due(now) {
            let found = self.with_usage(id, |agent, usage| match usage {
                Usage::Referral(referral) => referral.handle_timeout(now, &mut agent.stack),
                Usage::Following(following) => following.handle_timeout(now, agent),
                Usage::Subscription(subscription) => subscription.handle_timeout(now, &mut agent.stack),
                Usage::Publication(publication) => publication.handle_timeout(now, &mut agent.stack),
                Usage::Message(_) => {}
            });
            if found.is_none() {
                self.usages.agenda.strike_first();
            }
        }
    }

    /// What goes along a flow goes along another from now on: subscriptions tell their notifiers at once.
    pub(super) fn move_usages(&mut self, now: Instant, old: FlowId, flow: Flow) {
        for id in self.usages.table.keys().copied().collect::<Vec<_>>() {
            self.with_usage(id, |agent, usage| match usage {
                Usage::Subscription(subscription) => subscription.move_to(now, &mut agent.stack, old, flow),
                Usage::Publication(publication) => publication.move_to(now, &mut agent.stack, old, flow),
                Usage::Referral(_) | Usage::Following(_) | Usage::Message(_) => {}
            });
        }
    }

    /// The final answer to a request of a usage, or what stands for one.
    pub(super) fn hear_usage(&mut self, now: Instant, id: TransactionId, usage: UsageId, response: &Response) {
        self.with_usage(usage, |agent, usage| match usage {
            Usage::Referral(referral) => referral.handle_answer(now, agent, id, response),
            Usage::Following(following) => following.handle_answer(now, agent, id, response),
            Usage::Subscription(subscription) => subscription.handle_answer(now, &mut agent.stack, id, response),
            Usage::Publication(publication) => publication.handle_answer(now, &mut agent.stack, id, response),
            Usage::Message(message) => message.handle_answer(now, agent, id, response),
        });
    }
}
