//! INVITE with Replaces at its target (RFC 3891 §3): which session is meant, and whether it may be replaced.

use std::time::Instant;

use super::session::{Phase, Session};
use super::{EndReason, SessionId, UserAgent};
use crate::flow::Flow;
use crate::sip::message::{HeaderAccess, HeaderName, Headers, Request};
use crate::sip::replaces::Replaces;

impl UserAgent {
    /// The session that a new INVITE replaces, or the status that it is refused with.
    pub(super) fn replaced_by(&self, invite: &Request, flow: &Flow) -> Result<Option<SessionId>, u16> {
        let mut values = invite.headers.values(HeaderName::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        // Two of them, or one beside Join, contradict themselves.
        if values.next().is_some() || invite.headers.value(HeaderName::Join).is_some() {
            return Err(400);
        }
        let replaces: Replaces = value.parse().map_err(|_| 400_u16)?;
        let id = *self.by_tag.get(&replaces.to_tag).ok_or(481_u16)?;
        let session = self.sessions.get(&id).filter(|session| session.call_id == replaces.call_id).ok_or(481_u16)?;
        match &session.phase {
            // Over, but not yet forgotten.
            Phase::Leaving(_) => return Err(603),
            Phase::Confirmed(confirmed) if !is_tag(confirmed.dialog.remote_tag(), &replaces) => return Err(481),
            Phase::Confirmed(_) if replaces.early_only => return Err(486),
            Phase::Confirmed(_) => {}
            // An early dialog can be taken from us only if we began it.
            Phase::Ringing(_) => return Err(481),
            Phase::Calling(calling) if calling.forks.iter().any(|fork| is_tag(fork.dialog.remote_tag(), &replaces)) => {
            }
            Phase::Calling(_) => return Err(481),
        }
        if self.may_replace(session, flow) { Ok(Some(id)) } else { Err(403) }
    }

    /// The established session that a Replaces names: for a server that has both calls of the one who transfers, and is
    /// asked by a Refer-To to connect their far ends.
    pub fn session_named(&self, replaces: &Replaces) -> Option<SessionId> {
        let id = *self.by_tag.get(&replaces.to_tag)?;
        let session = self.sessions.get(&id).filter(|session| session.call_id == replaces.call_id)?;
        match &session.phase {
            Phase::Confirmed(confirmed) if is_tag(confirmed.dialog.remote_tag(), replaces) => Some(id),
            _ => None,
        }
    }

    /// Call-ID and tags are secrets of those who share the dialog. Where we stand behind a server, the INVITE has to come
    /// from there as well.
    fn may_replace(&self, session: &Session, flow: &Flow) -> bool {
        let mut ours = self.registrations.values().map(|registration| &registration.path).peekable();
        ours.peek().is_none() || session.path.flow.id == flow.id || ours.any(|path| path.uses(flow.id))
    }

    /// The session has been answered: the one whose place it takes ends.
    pub(super) fn replace(&mut self, now: Instant, new: SessionId) {
        let Some(old) = self.replacing.remove(&new) else { return };
        let reason = EndReason::Replaced { by: new };
        self.with(old, |session, stack| session.leave(now, stack, reason, Headers::default()));
    }
}

/// A peer of RFC 2543 has no tag and is called 0 (RFC 3891 §6.1).
fn is_tag(tag: &str, replaces: &Replaces) -> bool {
    *tag == *replaces.from_tag || (tag.is_empty() && &*replaces.from_tag == "0")
}
