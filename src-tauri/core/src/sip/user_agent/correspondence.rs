//! A sequence of requests outside our INVITE sessions: one Call-ID, one tag of ours, rising numbers, credentials. It may
//! have a dialog (subscriptions) or none (messages, publications).

use std::time::Instant;

use super::Identity;
use super::authentication::Authentication;
use super::path::Path;
use super::session::Session;
use super::stack::Stack;
use super::transactions::{Purpose, TransactionId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{CSeq, HeaderAccess, HeaderName, Method, Request, Response};
use crate::sip::uri::{NameAddr, Uri};

/// Numbers left free between the last request of a session that we saw and those that follow it in its dialog: its BYE,
/// and that again with credentials. A gap is allowed (RFC 3261 §12.2.2), a repetition is not.
const GAP: u32 = 16;

pub(super) struct Correspondence {
    pub path: Path,
    pub authentication: Authentication,
    pub call_id: Box<str>,
    pub local_tag: Box<str>,
    aor: NameAddr,
    route: Vec<NameAddr>,
    target: Uri,
    cseq: u32,
    pub dialog: Option<Dialog>,
}

impl Correspondence {
    pub(super) fn new(stack: &mut Stack, identity: Identity, target: Uri) -> Self {
        let path = Path::of_identity(&identity);
        let mut aor = identity.aor;
        aor.remove_param("tag");
        Self {
            path,
            authentication: Authentication::new(identity.credentials),
            call_id: stack.random.token(24).into(),
            local_tag: stack.random.token(12).into(),
            aor,
            route: identity.route,
            target: target.without_headers(),
            cseq: 0,
            dialog: None,
        }
    }

    /// Goes on in the dialog of a session after that has ended.
    pub(super) fn after(session: &Session, dialog: &Dialog) -> Self {
        let mut dialog = dialog.clone();
        dialog.local_cseq += GAP;
        Self {
            path: session.path,
            authentication: session.authentication.clone(),
            call_id: dialog.call_id.clone(),
            local_tag: session.local_tag.clone(),
            aor: dialog.local.clone(),
            route: Vec::new(),
            target: dialog.remote_target.clone(),
            cseq: 0,
            dialog: Some(dialog),
        }
    }

    /// Takes the dialog that a request of the peer has made.
    pub(super) fn adopt(&mut self, mut dialog: Dialog) {
        dialog.local_cseq = self.cseq;
        self.dialog = Some(dialog);
    }

    /// Forgets the dialog: what follows begins a new one.
    pub(super) fn begin_anew(&mut self, stack: &mut Stack) {
        self.dialog = None;
        self.cseq = 0;
        self.call_id = stack.random.token(24).into();
        self.local_tag = stack.random.token(12).into();
    }

    /// The peer's tag, once there is a dialog.
    pub(super) fn remote_tag(&self) -> Option<&str> {
        self.dialog.as_ref().map(Dialog::remote_tag)
    }

    /// The next request, without Via, Contact and body.
    pub(super) fn request(&mut self, method: Method) -> Request {
        if let Some(dialog) = &mut self.dialog {
            return dialog.request(method);
        }
        self.cseq += 1;
        let mut request = Request::new(method.clone(), self.target.clone());
        for route in &self.route {
            request.headers.add(HeaderName::Route, route.to_string());
        }
        request.headers.add(HeaderName::From, self.aor.clone().with_tag(&self.local_tag).to_string());
        request.headers.add(HeaderName::To, NameAddr::new(self.target.clone()).to_string());
        request.headers.add(HeaderName::CallId, &*self.call_id);
        request.headers.add(HeaderName::CSeq, CSeq { seq: self.cseq, method }.to_string());
        request
    }

    /// Our Contact, for requests that make a dialog or live in one.
    pub(super) fn add_contact(&self, stack: &Stack, request: &mut Request) {
        let user = self.aor.uri.user.as_deref().unwrap_or("");
        request.headers.set(HeaderName::Contact, stack.contact(&self.path, user));
    }

    pub(super) fn send(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        mut request: Request,
        purpose: Purpose,
    ) -> TransactionId {
        self.authentication.authorise(&mut request, &mut stack.random);
        let destination = match &self.dialog {
            Some(dialog) => self.path.next_hop(dialog.next_hop()),
            None => self.path.first_hop(),
        };
        stack.send(now, &self.path, destination, request, purpose)
    }

    /// Sends a request again with credentials after 401 or 407 (RFC 3261 §22.2). `None` if the answer is final.
    pub(super) fn retry_authorised(
        &mut self,
        now: Instant,
        stack: &mut Stack,
        refused: TransactionId,
        response: &Response,
    ) -> Option<TransactionId> {
        let seq = match &mut self.dialog {
            Some(dialog) => &mut dialog.local_cseq,
            None => &mut self.cseq,
        };
        stack.retry_authorised(now, &mut self.authentication, &self.path, refused, response, |_| {
            *seq += 1;
            *seq
        })
    }
}
