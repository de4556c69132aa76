//! `application/pidf+xml` (RFC 3863): whether somebody can be reached, and what they say about it.

use super::xml::{Step, walk};
use crate::sip::message::Malformed;

#[derive(Clone, PartialEq, Eq, Default)]
pub struct Presence {
    pub entity: String,
    /// Open if any of their devices is; `None` if none says.
    pub open: Option<bool>,
    /// The first note, of a device or of the person.
    pub note: Option<String>,
}

impl Presence {
    /// # Errors
    /// For documents of another kind, and broken or oversized ones.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut presence = Self::default();
        walk(body, "presence", |path, step| match step {
            Step::Begins(element) if path.is_empty() => {
                presence.entity = element.attribute("entity").unwrap_or_default().to_owned();
            }
            Step::Begins(_) => {}
            Step::Ends("basic", text) if path.last().is_some_and(|name| name == "status") => {
                let open = match text {
                    "open" => true,
                    "closed" => false,
                    _ => return,
                };
                presence.open = Some(open || presence.open == Some(true));
            }
            Step::Ends("note", text) if presence.note.is_none() && !text.is_empty() => {
                presence.note = Some(text.to_owned());
            }
            Step::Ends(..) => {}
        })?;
        Ok(presence)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_open_device_is_enough() {
        let text = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"pres:a@x\">\
                    <tuple id=\"1\"><status><basic>open</basic></status><note xml:lang=\"zh\">午餐 &lt;12&#x3a;30&gt;</note></tuple>\
                    <tuple id=\"2\"><status><basic> closed </basic></status><note>second</note></tuple></presence>";
        let presence = Presence::parse(text.as_bytes()).unwrap();
        assert_eq!((presence.entity.as_str(), presence.open), ("pres:a@x", Some(true)));
        assert_eq!(presence.note.as_deref(), Some("午餐 <12:30>"));
        let closed =
            Presence::parse(b"<presence><tuple><status><basic>closed</basic></status></tuple></presence>").unwrap();
        assert_eq!(closed.open, Some(false));
        assert_eq!(Presence::parse(b"<presence/>").unwrap().open, None);
        assert!(Presence::parse(b"<reginfo/>").is_err());
    }
}
