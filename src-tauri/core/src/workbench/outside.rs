//! What is said outside calls: messages, subscriptions, presence.

use std::collections::BTreeMap;
use std::time::Duration;

use super::calls::shown_caller;
use super::{Edge, Refusal, Workbench, target};
use crate::call::LineId;
use crate::clock::Now;
use crate::flow::Flow;
use crate::pii::Pii;
use crate::sip::subscription::EventPackage;
use crate::sip::user_agent::{
    Content, Error, MessageId, PublicationId, Publish, Subscribe, SubscriptionId, SubscriptionPhase,
};
use crate::sip::{HeaderAccess, Headers, Request, SessionId};

/// The largest body of a message that we send, in octets.
const LARGEST_BODY: usize = 16 * 1024;
/// Subscriptions at once: a team's lamps, and some more.
const MOST_SUBSCRIPTIONS: usize = 256;
/// How long subscriptions and presence last before they are refreshed.
const EXPIRES: Duration = Duration::from_secs(3_600);
/// The longest note of a presence, in characters.
const LONGEST_NOTE: usize = 256;

const PIDF: &str = "application/pidf+xml";

#[derive(Debug, Default)]
pub(super) struct Outside {
    subscriptions: BTreeMap<SubscriptionId, Subscribed>,
    presence: BTreeMap<LineId, PublicationId>,
}

#[derive(Debug)]
struct Subscribed {
    line: LineId,
    state: &'static str,
}

impl Workbench {
    pub(super) fn send_message(
        &mut self,
        now: Now,
        line: Option<LineId>,
        to: &str,
        content_type: &str,
        body: &str,
    ) -> Result<u64, Refusal> {
        let line = line.unwrap_or(LineId::OWN);
        let identity = self.identity(line).ok_or(Refusal::NotSignedIn)?;
        let uri = target::parse(to, &self.domain_of(line))?;
        if body.len() > LARGEST_BODY {
            return Err(Refusal::Body);
        }
        // Everything that we hold is UTF-8; a receiver must not guess.
        let content_type = match content_type {
            "" | "text/plain" => "text/plain;charset=utf-8",
            other => other,
        };
        let content = Content {
            content_type: content_type.to_owned(),
            body: body.as_bytes().to_vec(),
            headers: Headers::default(),
        };
        let sent = self.user_agent.send_message(now.instant, identity, uri, content);
        sent.map(|MessageId(id)| id).map_err(|error| refused(&error))
    }

    pub(super) fn message_answered(&mut self, MessageId(id): MessageId, status: u16) {
        self.edge(if (200..300).contains(&status) {
            Edge::MessageSent(id)
        } else {
            Edge::MessageFailed(id, Some(status).filter(|status| *status != 408))
        });
    }

    pub(super) fn message(&mut self, session: Option<SessionId>, request: &Request, flow: Flow) {
        let user = request.uri.user_plain().unwrap_or_default();
        let of_call = session.and_then(|session| self.of_session(session)).map(|index| self.calls[index].line);
        let Some(line) = of_call.or_else(|| self.line_for(flow, &user)) else { return };
        let from = request.headers.from_header().ok();
        let from = from.map(|from| shown_caller(&from.uri, &self.domain_of(line))).unwrap_or_default();
        let content_type = request.headers.content_type().unwrap_or("text/plain").to_owned();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        self.edge(Edge::Message { line, from: Pii::new(from), content_type, body: Pii::new(body) });
    }

    pub(super) fn subscribe(
        &mut self,
        now: Now,
        line: Option<LineId>,
        event: &str,
        whom: &str,
    ) -> Result<u64, Refusal> {
        let line = line.unwrap_or(LineId::OWN);
        let identity = self.identity(line).ok_or(Refusal::NotSignedIn)?;
        if self.outside.subscriptions.len() >= MOST_SUBSCRIPTIONS {
            return Err(Refusal::Full);
        }
        let target = target::parse(whom, &self.domain_of(line))?;
        let package: EventPackage = event.parse().map_err(|_| Refusal::Header("Event".to_owned()))?;
        let accept = match &*package.name {
            "dialog" => vec!["application/dialog-info+xml".to_owned()],
            "presence" => vec![PIDF.to_owned()],
            "message-summary" => vec!["application/simple-message-summary".to_owned()],
            "reg" => vec!["application/reginfo+xml".to_owned()],
            _ => Vec::new(),
        };
        let headers = Headers::default();
        let subscribe = Subscribe { identity, target, package, accept, expires: EXPIRES, headers, body: None };
        let id = self.user_agent.subscribe(now.instant, subscribe).map_err(|error| refused(&error))?;
        self.outside.subscriptions.insert(id, Subscribed { line, state: "pending" });
        Ok(id.0)
    }

    pub(super) fn unsubscribe(&mut self, now: Now, id: u64) -> Result<(), Refusal> {
        let id = SubscriptionId(id);
        self.outside.subscriptions.remove(&id).ok_or(Refusal::NoSubscription)?;
        // It may have ended in this moment.
        let _ = self.user_agent.unsubscribe(now.instant, id);
        Ok(())
    }

    pub(super) fn subscription(&mut self, id: SubscriptionId, phase: SubscriptionPhase) {
        let state = match phase {
            SubscriptionPhase::Active => "active",
            SubscriptionPhase::Pending | SubscriptionPhase::Waiting { .. } => "pending",
            SubscriptionPhase::Ended { .. } | SubscriptionPhase::Unsubscribed => "terminated",
        };
        let Some(subscribed) = self.outside.subscriptions.get_mut(&id) else { return };
        subscribed.state = state;
        if state == "terminated" {
            self.outside.subscriptions.remove(&id);
        }
        self.notified(Some(id), state, "", &[]);
    }

    pub(super) fn news(&mut self, id: Option<SubscriptionId>, content_type: &str, body: &[u8]) {
        let state = match id {
            Some(id) => match self.outside.subscriptions.get(&id) {
                Some(subscribed) => subscribed.state,
                None => return,
            },
            // Messages that wait at the registrar, told unasked.
            None => "active",
        };
        self.notified(id, state, content_type, body);
    }

    /// `None`: unasked, which front ends know as subscription 0.
    fn notified(&mut self, id: Option<SubscriptionId>, state: &'static str, content_type: &str, body: &[u8]) {
        self.edge(Edge::Notified {
            subscription: id.map_or(0, |SubscriptionId(id)| id),
            state,
            content_type: content_type.to_owned(),
            body: Pii::new(String::from_utf8_lossy(body).into_owned()),
        });
    }

    /// Publishes whether the agent can be reached (RFC 3903, RFC 3863).
    pub(super) fn set_presence(
        &mut self,
        now: Now,
        line: Option<LineId>,
        open: bool,
        note: Option<&str>,
    ) -> Result<(), Refusal> {
        let line = line.unwrap_or(LineId::OWN);
        let identity = self.identity(line).ok_or(Refusal::NotSignedIn)?;
        let target = identity.aor.uri.clone();
        let body = pidf(&target.to_string(), open, note).into_bytes();
        let known = self.outside.presence.get(&line).copied();
        if let Some(id) = known
            && self.user_agent.modify_publication(now.instant, id, PIDF, body.clone()).is_ok()
        {
            return Ok(());
        }
        let publish = Publish {
            identity,
            target,
            package: "presence".to_owned(),
            expires: EXPIRES,
            content_type: PIDF.to_owned(),
            body,
        };
        let id = self.user_agent.publish(now.instant, publish).map_err(|error| refused(&error))?;
        self.outside.presence.insert(line, id);
        Ok(())
    }

    /// A line is signed out: nothing of it is watched or shown any more.
    pub(super) fn fall_silent(&mut self, now: Now, line: LineId) {
        let ids = self.outside.subscriptions.iter().filter(|(_, subscribed)| subscribed.line == line);
        for id in ids.map(|(id, _)| *id).collect::<Vec<_>>() {
            let _ = self.unsubscribe(now, id.0);
        }
        if let Some(id) = self.outside.presence.remove(&line) {
            let _ = self.user_agent.unpublish(now.instant, id);
        }
    }

    fn domain_of(&self, line: LineId) -> String {
        self.line(line).map(|line| line.account.domain()).unwrap_or_default()
    }
}

fn refused(error: &Error) -> Refusal {
    match error {
        Error::Header(name) if name == "Content-Type" => Refusal::Body,
        error => Refusal::of_session(error),
    }
}

/// A presence document of one device (RFC 3863).
fn pidf(entity: &str, open: bool, note: Option<&str>) -> String {
    let basic = if open { "open" } else { "closed" };
    let note = note.map(|note| note.chars().take(LONGEST_NOTE).collect::<String>()).filter(|note| !note.is_empty());
    let note = note.map(|note| format!("<note>{}</note>", escaped(&note))).unwrap_or_default();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         entity=\"{}\"><tuple id=\"desk\"><status><basic>{basic}</basic></status>{note}</tuple></presence>\r\n",
        escaped(entity)
    )
}

/// As the text or attribute of XML. Control characters have no place in it at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_cannot_break_out_of_the_presence_document() {
        let document = pidf("sip:1001@x", false, Some("</note><basic>open</basic>&\u{0}\"午餐"));
        assert!(document.contains("<basic>closed</basic>"));
        assert!(
            document.contains("<note>&lt;/note&gt;&lt;basic&gt;open&lt;/basic&gt;&amp; &quot;午餐</note>"),
            "{document}"
        );
        assert!(!pidf("sip:1001@x", true, Some("")).contains("note"));
    }
}
