//! PUBLISH (RFC 3903): event state that a server keeps for us, as presence: published, refreshed, changed, removed.

use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::correspondence::Correspondence;
use super::messaging::check_content_type;
use super::registering::MAX_RAISED;
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use super::usages::{Usage, UsageId};
use super::{Error, Event, Identity, PublicationId, UserAgent};
use crate::flow::{Flow, FlowId};
use crate::sip::message::{HeaderAccess, HeaderName, Method, Response};
use crate::sip::registration::{is_transient, refresh_after, retry_after};
use crate::sip::uri::Uri;

/// What is published.
#[derive(Clone)]
pub struct Publish {
    pub identity: Identity,
    /// Whose state it is: as a rule our own address of record.
    pub target: Uri,
    /// The event package: `presence`.
    pub package: String,
    /// What we ask for; grows when the server answers 423.
    pub expires: Duration,
    /// `application/pidf+xml`.
    pub content_type: String,
    pub body: Vec<u8>,
}

pub(super) struct Publication {
    id: PublicationId,
    way: Correspondence,
    package: String,
    expires: Duration,
    content_type: String,
    body: Vec<u8>,
    /// By what name the server holds our state (SIP-ETag).
    etag: Option<String>,
    /// Failures in a row.
    failures: u32,
    /// How often in a row the server has found our interval too brief.
    raised: u8,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// A PUBLISH is on its way; then comes what was asked for meanwhile.
    Publishing {
        request: TransactionId,
        next: Next,
    },
    Published {
        refresh_at: Instant,
    },
    /// After a failure that may pass.
    Waiting {
        retry_at: Instant,
    },
    /// The refusal is final: only another content helps.
    Refused,
    Removing {
        request: TransactionId,
    },
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Nothing,
    Modify,
    Remove,
}

impl UserAgent {
    /// Publishes and keeps published, until [`Self::unpublish`].
    ///
    /// # Errors
    /// [`Error::Header`] for a package or content type that cannot be, [`Error::Full`].
    pub fn publish(&mut self, now: Instant, publish: Publish) -> Result<PublicationId, Error> {
        check_content_type(&publish.content_type)?;
        if !crate::sip::message::grammar::is_token(&publish.package) {
            return Err(Error::Header("Event".into()));
        }
        self.check_usages()?;
        let id = PublicationId(self.next_id());
        let Publish { identity, target, package, expires, content_type, body } = publish;
        let way = Correspondence::new(&mut self.stack, identity, target);
        let (etag, failures, raised, state) = (None, 0, 0, State::Gone);
        let mut publication =
            Publication { id, way, package, expires, content_type, body, etag, failures, raised, state };
        publication.publish(now, &mut self.stack, true);
        self.add_usage(UsageId(id.0), Usage::Publication(Box::new(publication)));
        Ok(id)
    }

    /// Publishes another state in place of the one before.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Header`].
    pub fn modify_publication(
        &mut self,
        now: Instant,
        id: PublicationId,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        check_content_type(content_type)?;
        self.with_publication(id, |stack, publication| {
            content_type.clone_into(&mut publication.content_type);
            publication.body = body;
            match &mut publication.state {
                State::Publishing { next: next @ Next::Nothing, .. } => *next = Next::Modify,
                State::Published { .. } | State::Waiting { .. } | State::Refused => {
                    publication.publish(now, stack, true);
                }
                State::Publishing { .. } | State::Removing { .. } | State::Gone => {}
            }
        })
    }

    /// Removes the state (Expires 0); ends with [`Event::Unpublished`] whether the server answers or not.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn unpublish(&mut self, now: Instant, id: PublicationId) -> Result<(), Error> {
        self.with_publication(id, |stack, publication| match &mut publication.state {
            State::Publishing { next, .. } => *next = Next::Remove,
            _ => publication.remove(now, stack),
        })
    }

    fn with_publication(
        &mut self,
        id: PublicationId,
        change: impl FnOnce(&mut Stack, &mut Publication),
    ) -> Result<(), Error> {
        let found = self.with_usage(UsageId(id.0), |agent, usage| match usage {
            Usage::Publication(publication) => {
                change(&mut agent.stack, publication);
                Ok(())
            }
            _ => Err(Error::Unknown),
        });
        found.unwrap_or(Err(Error::Unknown))
    }
}

impl Publication {
    pub(super) const fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    pub(super) const fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Published { refresh_at: at } | State::Waiting { retry_at: at } => Some(at),
            _ => None,
        }
    }

    pub(super) const fn credentials(&mut self) -> &mut Authentication {
        &mut self.way.authentication
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            // A refresh without a name would be a new state (RFC 3903 §4.1).
            State::Published { refresh_at } if refresh_at <= now => self.publish(now, stack, self.etag.is_none()),
            State::Waiting { retry_at } if retry_at <= now => self.publish(now, stack, true),
            _ => {}
        }
    }

    pub(super) fn move_to(&mut self, now: Instant, stack: &mut Stack, old: FlowId, flow: Flow) {
        if !self.way.path.uses(old) {
            return;
        }
        self.way.path = self.way.path.moved(flow);
        self.failures = 0;
        if let State::Waiting { .. } = self.state {
            self.publish(now, stack, true);
        }
    }

    /// Sends PUBLISH, with the state or as a mere refresh.
    fn publish(&mut self, now: Instant, stack: &mut Stack, with_body: bool) {
        let request = self.send(now, stack, self.expires, with_body);
        self.state = State::Publishing { request, next: Next::Nothing };
    }

    fn remove(&mut self, now: Instant, stack: &mut Stack) {
        match self.state {
            State::Removing { .. } | State::Gone => {}
            _ if self.etag.is_some() => {
                let request = self.send(now, stack, Duration::ZERO, false);
                self.state = State::Removing { request };
            }
            _ => self.finish(stack),
        }
    }

    fn finish(&mut self, stack: &mut Stack) {
        self.state = State::Gone;
        stack.event(Event::Unpublished { publication: self.id });
    }

    fn send(&mut self, now: Instant, stack: &mut Stack, expires: Duration, with_body: bool) -> TransactionId {
        let mut request = self.way.request(Method::Publish);
        request.headers.set(HeaderName::Event, &self.package);
        request.headers.set(HeaderName::Expires, expires.as_secs().to_string());
        if let Some(etag) = &self.etag {
            request.headers.set(HeaderName::SipIfMatch, etag);
        }
        if with_body {
            request.set_body(&self.content_type, self.body.clone());
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
        let (State::Publishing { request, .. } | State::Removing { request }) = self.state else { return };
        if request != transaction {
            return;
        }
        if let Some(retried) = self.way.retry_authorised(now, stack, transaction, response) {
            match &mut self.state {
                State::Publishing { request, .. } | State::Removing { request } => *request = retried,
                _ => {}
            }
            return;
        }
        let State::Publishing { next, .. } = self.state else { return self.finish(stack) };
        if response.is_success() {
            self.failures = 0;
            self.raised = 0;
            self.etag = response.headers.value(HeaderName::SipEtag).map(str::to_owned);
            let granted = response.headers.expires().map_or(self.expires, |s| Duration::from_secs(s.into()));
            let refresh = refresh_after(granted).max(Duration::from_secs(1));
            self.state = State::Published { refresh_at: now + refresh };
            stack.event(Event::Published { publication: self.id, expires: granted });
        } else {
            self.handle_refusal(now, stack, response);
        }
        match next {
            Next::Nothing => {}
            Next::Modify if !matches!(self.state, State::Publishing { .. }) => self.publish(now, stack, true),
            Next::Remove if !matches!(self.state, State::Publishing { .. }) => self.remove(now, stack),
            // The same again in another form: what is wanted comes after it.
            later => {
                if let State::Publishing { next, .. } = &mut self.state {
                    *next = later;
                }
            }
        }
    }

    fn handle_refusal(&mut self, now: Instant, stack: &mut Stack, response: &Response) {
        let status = response.code();
        match status {
            // The server has forgotten our state: it is new to it (RFC 3903 §4.5).
            412 if self.etag.take().is_some() => return self.publish(now, stack, true),
            423 => {
                let minimum = response.headers.min_expires().map(|seconds| Duration::from_secs(seconds.into()));
                if let Some(minimum) = minimum.filter(|minimum| *minimum > self.expires && self.raised < MAX_RAISED) {
                    self.raised += 1;
                    self.expires = minimum;
                    return self.publish(now, stack, true);
                }
            }
            _ => {}
        }
        let wish = retry_after(&response.headers);
        self.failures += 1;
        let retry_in = match wish {
            Some(wish) => Some(wish),
            None if is_transient(status) => Some(stack.random.back_off(self.failures)),
            None => None,
        };
        self.state = match retry_in {
            Some(wait) => State::Waiting { retry_at: now + wait },
            None => State::Refused,
        };
        stack.event(Event::PublicationFailed { publication: self.id, status, retry_in });
    }
}
