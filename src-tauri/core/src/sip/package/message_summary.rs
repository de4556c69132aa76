//! `application/simple-message-summary` (RFC 3842).

use super::MOST_ENTRIES;
use crate::sip::message::Malformed;

/// Messages that wait.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct MessageSummary {
    pub waiting: bool,
    /// Where they are heard: the URI to call.
    pub account: Option<String>,
    /// By class, as `voice-message`, in the order of the document.
    pub counts: Vec<(String, Count)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    pub new: u32,
    pub old: u32,
    pub new_urgent: u32,
    pub old_urgent: u32,
}

impl MessageSummary {
    /// # Errors
    /// Without a `Messages-Waiting` line it is none.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(body).map_err(|_| Malformed("the summary is not UTF-8"))?;
        let mut summary = Self::default();
        let mut told = false;
        // Behind an empty line the headers of single messages may follow; nobody asks for them.
        for line in text.lines().skip_while(|line| line.trim().is_empty()).take_while(|line| !line.trim().is_empty()) {
            let Some((name, value)) = line.split_once(':') else { continue };
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "messages-waiting" => {
                    told = true;
                    summary.waiting = value.eq_ignore_ascii_case("yes");
                }
                "message-account" => summary.account = Some(value.to_owned()),
                _ if summary.counts.len() >= MOST_ENTRIES => {}
                _ => summary.counts.extend(count(value).map(|count| (name, count))),
            }
        }
        if told { Ok(summary) } else { Err(Malformed("the summary does not say whether messages wait")) }
    }

    /// Of all classes together: new and old.
    pub fn totals(&self) -> (u32, u32) {
        let sum = |count: fn(&Count) -> u32| {
            self.counts.iter().fold(0_u32, |sum, (_, counts)| sum.saturating_add(count(counts)))
        };
        (sum(|count| count.new), sum(|count| count.old))
    }
}

/// `2/8 (0/2)`.
fn count(text: &str) -> Option<Count> {
    let (all, urgent) = text.split_once('(').unwrap_or((text, ""));
    let pair = |text: &str| {
        let (new, old) = text.trim().split_once('/')?;
        Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
    };
    let (new, old) = pair(all)?;
    let (new_urgent, old_urgent) = pair(urgent.trim_end().trim_end_matches(')')).unwrap_or_default();
    Some(Count { new, old, new_urgent, old_urgent })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_by_class() {
        let text = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n\
                    Voice-Message: 2/8 (0/2)\r\nFax-Message: 1/0\r\nOdd: x/y\r\n\r\nTo: <alice@x>\r\nPriority: 1/1\r\n";
        let summary = MessageSummary::parse(text.as_bytes()).unwrap();
        assert!(summary.waiting);
        assert_eq!(summary.account.as_deref(), Some("sip:alice@vmail.example.com"));
        let voice = Count { new: 2, old: 8, new_urgent: 0, old_urgent: 2 };
        let fax = Count { new: 1, ..Count::default() };
        assert_eq!(summary.counts, [("voice-message".to_owned(), voice), ("fax-message".to_owned(), fax)]);
        assert_eq!(summary.totals(), (3, 8));
    }

    #[test]
    fn nothing_waits_unless_it_is_said() {
        assert!(!MessageSummary::parse(b"messages-waiting: NO").unwrap().waiting);
        assert!(MessageSummary::parse(b"Voice-Message: 1/1").is_err());
        assert!(MessageSummary::parse(b"\xff").is_err());
        let huge = MessageSummary::parse(b"Messages-Waiting: yes\r\nA: 4294967295/0\r\nB: 9/0").unwrap();
        assert_eq!(huge.totals().0, u32::MAX);
    }
}
