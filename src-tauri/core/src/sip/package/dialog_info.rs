//! `application/dialog-info+xml` (RFC 4235): in which calls somebody is.

use super::MOST_ENTRIES;
use super::xml::{Step, walk};
use crate::sip::message::Malformed;

#[derive(Clone, PartialEq, Eq, Default)]
pub struct DialogInfo {
    pub entity: String,
    pub version: u32,
    /// All dialogs, rather than those that have changed.
    pub full: bool,
    pub dialogs: Vec<WatchedDialog>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct WatchedDialog {
    pub id: String,
    pub call_id: Option<String>,
    pub local_tag: Option<String>,
    pub remote_tag: Option<String>,
    /// They were called, rather than calling.
    pub is_recipient: Option<bool>,
    pub state: DialogState,
    /// The far side's address.
    pub remote: Option<String>,
}

/// RFC 4235 §3.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialogState {
    Trying,
    Proceeding,
    /// Rings.
    Early,
    Confirmed,
    Terminated,
}

impl DialogInfo {
    /// # Errors
    /// For documents of another kind, and broken or oversized ones. Dialogs whose state is unknown are left out.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut info = Self { full: true, ..Self::default() };
        let mut current: Option<(WatchedDialog, bool)> = None;
        walk(body, "dialog-info", |path, step| match step {
            Step::Begins(element) if path.is_empty() => {
                let own = |name| element.attribute(name).map(str::to_owned);
                info.entity = own("entity").unwrap_or_default();
                info.version = own("version").and_then(|version| version.parse().ok()).unwrap_or(0);
                info.full = element.attribute("state") != Some("partial");
            }
            Step::Begins(element) if element.name == "dialog" && path.len() == 1 => {
                let own = |name| element.attribute(name).map(str::to_owned);
                let dialog = WatchedDialog {
                    id: own("id").unwrap_or_default(),
                    call_id: own("call-id"),
                    local_tag: own("local-tag"),
                    remote_tag: own("remote-tag"),
                    is_recipient: element.attribute("direction").map(|direction| direction == "recipient"),
                    state: DialogState::Terminated,
                    remote: None,
                };
                current = Some((dialog, false));
            }
            Step::Begins(element) if element.name == "target" && path.last().is_some_and(|name| name == "remote") => {
                if let Some((dialog, _)) = &mut current
                    && dialog.remote.is_none()
                {
                    dialog.remote = element.attribute("uri").map(str::to_owned);
                }
            }
            Step::Begins(_) => {}
            Step::Ends("state", text) if path.len() == 2 => {
                if let (Some((dialog, known)), Some(state)) = (&mut current, DialogState::of(text)) {
                    dialog.state = state;
                    *known = true;
                }
            }
            Step::Ends("identity", text) if path.last().is_some_and(|name| name == "remote") => {
                if let Some((dialog, _)) = &mut current {
                    dialog.remote = Some(text.to_owned());
                }
            }
            Step::Ends("dialog", _) if path.len() == 1 => {
                let done = current.take().filter(|(_, known)| *known && info.dialogs.len() < MOST_ENTRIES);
                info.dialogs.extend(done.map(|(dialog, _)| dialog));
            }
            Step::Ends(..) => {}
        })?;
        Ok(info)
    }
}

impl DialogState {
    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "trying" => Self::Trying,
            "proceeding" => Self::Proceeding,
            "early" => Self::Early,
            "confirmed" => Self::Confirmed,
            "terminated" => Self::Terminated,
            _ => return None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dialogs_are_read_with_state_and_far_side() {
        let text = br#"<?xml version="1.0"?>
            <d:dialog-info xmlns:d="urn:ietf:params:xml:ns:dialog-info" version="3" state="partial" entity="sip:alice@x">
              <d:dialog id="a&amp;1" call-id="c" local-tag="l" remote-tag="r" direction="recipient">
                <d:state event="2xx" code="200">confirmed</d:state>
                <d:remote><d:identity display="Bob">sip:bob@x?a=1&amp;b=2</d:identity><d:target uri="sip:b@10.0.0.1"/></d:remote>
              </d:dialog>
              <d:dialog id="2"><d:state>early</d:state></d:dialog>
              <d:dialog id="3"><d:state>dreaming</d:state></d:dialog>
            </d:dialog-info>"#;
        let info = DialogInfo::parse(text).unwrap();
        assert_eq!((info.entity.as_str(), info.version, info.full), ("sip:alice@x", 3, false));
        assert_eq!(info.dialogs.len(), 2, "an unknown state says nothing");
        let first = &info.dialogs[0];
        assert_eq!((first.id.as_str(), first.state, first.is_recipient), ("a&1", DialogState::Confirmed, Some(true)));
        assert_eq!(first.remote.as_deref(), Some("sip:bob@x?a=1&b=2"));
        assert_eq!((first.call_id.as_deref(), first.remote_tag.as_deref()), (Some("c"), Some("r")));
        assert_eq!(info.dialogs[1].state, DialogState::Early);
    }

    #[test]
    fn hostile_documents_are_refused_and_large_ones_bounded() {
        let deep = format!("<dialog-info>{}", "<x>".repeat(100));
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><dialog-info>&b;</dialog-info>";
        for text in ["", "text", "<presence/>", "<dialog-info>", "<dialog-info></x>", "</dialog-info>", &deep, bomb] {
            assert!(DialogInfo::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(DialogInfo::parse(b"<dialog-info>\xff</dialog-info>").is_err());
        let many = format!("<dialog-info>{}</dialog-info>", "<dialog><state>early</state></dialog>".repeat(1_000));
        assert_eq!(DialogInfo::parse(many.as_bytes()).unwrap().dialogs.len(), MOST_ENTRIES);
    }
}
