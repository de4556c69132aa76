//! Confirmed dialogs as plain data, for an application that keeps them through a crash of its process and then takes the
//! call up again, or ends it cleanly.

use std::fmt::{self, Write as _};
use std::time::{Duration, Instant};

use super::authentication::Authentication;
use super::path::Path;
use super::refreshing::Refreshing;
use super::session::{Confirmed, Exchange, Origin, Phase, Session};
use super::{Error, Identity, SessionId, UserAgent};
use crate::sip::dialog::Dialog;
use crate::sip::message::Malformed;
use crate::sip::uri::{NameAddr, Uri};

/// How far a restored dialog counts its requests on: some may have gone out after it was written down. A gap is allowed,
/// a number used twice is not (RFC 3261 §12.2.2).
const CSEQ_LEAP: u32 = 1_000;

/// What a text may hold at most.
const MAX_TEXT: usize = 64 * 1024;
const MAX_ROUTES: usize = 64;

/// The first line of the text form; its number changes with its meaning.
const HEAD: &str = "dialog 1";

/// All that a confirmed dialog consists of (RFC 3261 §12). Take it anew after every event of its session, and store its
/// text where it has changed.
#[derive(Clone, PartialEq)]
pub struct DialogState {
    pub call_id: Box<str>,
    /// Our address with our tag.
    pub local: NameAddr,
    /// The peer's address with its tag.
    pub remote: NameAddr,
    pub local_cseq: u32,
    pub remote_cseq: Option<u32>,
    /// In the order of our requests.
    pub route_set: Vec<NameAddr>,
    pub remote_target: Uri,
    /// The user part of our Contact, escaped; may be empty.
    pub contact_user: Box<str>,
    /// We sent the first INVITE.
    pub is_caller: bool,
    /// The peer allows UPDATE.
    pub peer_updates: bool,
    pub session_timer: Option<SessionTimer>,
}

/// An agreed session interval (RFC 4028).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// Whole seconds, at least 90.
    pub interval: Duration,
    /// We refresh; otherwise the peer does.
    pub is_refresher: bool,
}

impl DialogState {
    /// The text form: one line a part, `name: value`, in UTF-8, without anything secret but with everything private.
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}\n");
        let mut line = |name: &str, value: &dyn fmt::Display| {
            let value = value.to_string().replace(char::is_control, " ");
            let _ = writeln!(text, "{name}: {value}");
        };
        line("role", &if self.is_caller { "caller" } else { "callee" });
        line("call-id", &self.call_id);
        line("local", &self.local);
        line("remote", &self.remote);
        line("local-cseq", &self.local_cseq);
        if let Some(cseq) = self.remote_cseq {
            line("remote-cseq", &cseq);
        }
        line("target", &self.remote_target);
        for route in &self.route_set {
            line("route", route);
        }
        line("contact-user", &self.contact_user);
        if self.peer_updates {
            line("peer-updates", &"yes");
        }
        if let Some(timer) = self.session_timer {
            let refresher = if timer.is_refresher { "us" } else { "peer" };
            line("session-timer", &format_args!("{} {refresher}", timer.interval.as_secs()));
        }
        text
    }

    /// Reads [`Self::to_text`]. Lines of unknown names are passed over.
    ///
    /// # Errors
    /// Another version, a missing or malformed part, or a text beyond 64 KiB.
    pub fn from_text(text: &str) -> Result<Self, Malformed> {
        const MISSING: Malformed = Malformed("a part of the dialog is missing");
        if text.len() > MAX_TEXT {
            return Err(Malformed("the dialog is too long"));
        }
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(Malformed("the dialog is of another version"));
        }
        let (mut role, mut call_id, mut local, mut remote, mut target) = (None, None, None, None, None);
        let (mut local_cseq, mut remote_cseq, mut route_set) = (None, None, Vec::new());
        let (mut contact_user, mut peer_updates, mut session_timer) = ("", false, None);
        for line in lines {
            let Some((name, value)) = line.split_once(": ") else { continue };
            match name {
                "role" => role = Some(value == "caller"),
                "call-id" => call_id = Some(value),
                "local" => local = Some(value.parse::<NameAddr>()?),
                "remote" => remote = Some(value.parse::<NameAddr>()?),
                "local-cseq" => local_cseq = Some(cseq(value)?),
                "remote-cseq" => remote_cseq = Some(cseq(value)?),
                "target" => target = Some(value.parse::<Uri>()?),
                "route" if route_set.len() < MAX_ROUTES => route_set.push(value.parse::<NameAddr>()?),
                "contact-user" => contact_user = value,
                "peer-updates" => peer_updates = value == "yes",
                "session-timer" => session_timer = Some(timer(value)?),
                _ => {}
            }
        }
        let local: NameAddr = local.ok_or(MISSING)?;
        if local.tag().is_none() {
            return Err(MISSING);
        }
        Ok(Self {
            call_id: call_id.filter(|id| !id.is_empty()).ok_or(MISSING)?.into(),
            local,
            remote: remote.ok_or(MISSING)?,
            local_cseq: local_cseq.ok_or(MISSING)?,
            remote_cseq,
            route_set,
            remote_target: target.ok_or(MISSING)?,
            contact_user: contact_user.into(),
            is_caller: role.ok_or(MISSING)?,
            peer_updates,
            session_timer,
        })
    }
}

fn cseq(text: &str) -> Result<u32, Malformed> {
    text.parse().ok().filter(|&cseq| cseq < 1 << 31).ok_or(Malformed("a sequence number is malformed"))
}

fn timer(text: &str) -> Result<SessionTimer, Malformed> {
    const WRONG: Malformed = Malformed("the session timer is malformed");
    let (seconds, refresher) = text.split_once(' ').ok_or(WRONG)?;
    let seconds: u32 = seconds.parse().map_err(|_| WRONG)?;
    Ok(SessionTimer { interval: Duration::from_secs(seconds.max(90).into()), is_refresher: refresher == "us" })
}

impl fmt::Debug for DialogState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DialogState")
            .field("is_caller", &self.is_caller)
            .field("local_cseq", &self.local_cseq)
            .field("session_timer", &self.session_timer)
            .finish_non_exhaustive()
    }
}

impl UserAgent {
    /// The dialog of a confirmed session; `None` before the 2xx and after the end.
    pub fn dialog_state(&self, session: SessionId) -> Option<DialogState> {
        self.sessions.get(&session)?.dialog_state()
    }

    /// Takes up a dialog of an earlier life. The session is confirmed: [`Self::reoffer`] tells the peer where its media
    /// and requests are to go from now on, and finds out whether it still knows the call; [`Self::hang_up`] ends it.
    /// Of `identity`, flow, destination and credentials are used.
    ///
    /// # Errors
    /// [`Error::Full`] beyond [`super::Limits`], [`Error::WrongState`] for a dialog that is there already.
    pub fn restore(&mut self, now: Instant, state: DialogState, identity: Identity) -> Result<SessionId, Error> {
        if self.sessions.len() >= self.stack.limits.sessions || self.stack.is_full() {
            return Err(Error::Full);
        }
        let local_tag = state.local.tag().unwrap_or("");
        if self.by_tag.contains_key(local_tag) {
            return Err(Error::WrongState("restored already"));
        }
        let id = SessionId(self.next_id());
        let session = Session::restored(now, id, state, identity);
        self.insert_session(session);
        Ok(id)
    }
}

impl Session {
    fn restored(now: Instant, id: SessionId, state: DialogState, identity: Identity) -> Self {
        let dialog = Dialog {
            call_id: state.call_id,
            local: state.local,
            remote: state.remote,
            local_cseq: state.local_cseq.saturating_add(CSEQ_LEAP).min(i32::MAX as u32 - CSEQ_LEAP),
            remote_cseq: state.remote_cseq,
            route_set: state.route_set,
            remote_target: state.remote_target,
        };
        let origin = Origin {
            path: Path::of_identity(&identity),
            authentication: Authentication::new(identity.credentials),
            contact_user: state.contact_user,
            call_id: dialog.call_id.clone(),
            local_tag: dialog.local.tag().unwrap_or("").into(),
            is_caller: state.is_caller,
        };
        let refreshing = state.session_timer.map(|timer| Refreshing::new(now, timer));
        let confirmed = Confirmed { refreshing, ..Confirmed::new(dialog, Exchange::Idle) };
        let mut session = Self::new(id, origin, Phase::Confirmed(Box::new(confirmed)));
        session.peer_updates = state.peer_updates;
        session
    }

    fn dialog_state(&self) -> Option<DialogState> {
        let Phase::Confirmed(confirmed) = &self.phase else { return None };
        let dialog = confirmed.dialog.clone();
        Some(DialogState {
            call_id: dialog.call_id,
            local: dialog.local,
            remote: dialog.remote,
            local_cseq: dialog.local_cseq,
            remote_cseq: dialog.remote_cseq,
            route_set: dialog.route_set,
            remote_target: dialog.remote_target,
            contact_user: self.contact_user.clone(),
            is_caller: self.is_caller,
            peer_updates: self.peer_updates,
            session_timer: self.session_timer(),
        })
    }
}
