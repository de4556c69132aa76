//! `application/reginfo+xml` (RFC 3680): from where an address of record is registered.

use super::MOST_ENTRIES;
use super::xml::{Step, walk};
use crate::sip::message::Malformed;

#[derive(Clone, PartialEq, Eq, Default)]
pub struct RegInfo {
    pub version: u32,
    /// All registrations, rather than those that have changed.
    pub full: bool,
    pub contacts: Vec<RegisteredContact>,
}

#[derive(Clone, PartialEq, Eq, Default)]
pub struct RegisteredContact {
    /// The address of record.
    pub aor: String,
    pub id: String,
    pub uri: String,
    /// `state="active"`; otherwise it has ended.
    pub active: bool,
    /// Why it is as it is: `registered`, `refreshed`, `expired`, `unregistered`, …
    pub event: String,
    /// Seconds left.
    pub expires: Option<u32>,
}

impl RegInfo {
    /// # Errors
    /// For documents of another kind, and broken or oversized ones.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut info = Self { full: true, ..Self::default() };
        let mut aor = String::new();
        let mut current: Option<RegisteredContact> = None;
        walk(body, "reginfo", |path, step| match step {
            Step::Begins(element) if path.is_empty() => {
                info.version = element.attribute("version").and_then(|version| version.parse().ok()).unwrap_or(0);
                info.full = element.attribute("state") != Some("partial");
            }
            Step::Begins(element) if element.name == "registration" => {
                aor = element.attribute("aor").unwrap_or_default().to_owned();
            }
            Step::Begins(element) if element.name == "contact" => {
                let own = |name| element.attribute(name).unwrap_or_default().to_owned();
                current = Some(RegisteredContact {
                    aor: aor.clone(),
                    id: own("id"),
                    uri: String::new(),
                    active: element.attribute("state") == Some("active"),
                    event: own("event"),
                    expires: element.attribute("expires").and_then(|seconds| seconds.parse().ok()),
                });
            }
            Step::Begins(_) => {}
            Step::Ends("uri", text) => {
                if let Some(contact) = &mut current {
                    contact.uri = text.to_owned();
                }
            }
            Step::Ends("contact", _) => {
                info.contacts.extend(current.take().filter(|_| info.contacts.len() < MOST_ENTRIES));
            }
            Step::Ends(..) => {}
        })?;
        Ok(info)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn contacts_are_read_with_their_state() {
        let text = br#"<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="7" state="full">
            <registration aor="sip:joe@x" id="r" state="active">
              <contact id="76" state="active" event="registered" expires="3600"><uri>sip:joe@pc34.x</uri></contact>
              <contact id="77" state="terminated" event="expired"><uri>sip:joe@old.x</uri></contact>
            </registration></reginfo>"#;
        let info = RegInfo::parse(text).unwrap();
        assert_eq!((info.version, info.full, info.contacts.len()), (7, true, 2));
        let first = &info.contacts[0];
        assert_eq!((first.aor.as_str(), first.uri.as_str()), ("sip:joe@x", "sip:joe@pc34.x"));
        assert_eq!((first.active, first.event.as_str(), first.expires), (true, "registered", Some(3600)));
        assert!(!info.contacts[1].active);
        assert!(RegInfo::parse(b"<dialog-info/>").is_err());
    }
}
