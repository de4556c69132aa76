//! `Debug` of what carries numbers, names and addresses: enough to follow a call in a log, nothing that tells whose it
//! is. Derived output would show whole messages.

use std::fmt;

use super::interface::{Credentials, Event, Identity, Invite, Output};

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("destination", &self.destination)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transmit { destination, bytes } => {
                f.debug_struct("Transmit").field("destination", destination).field("bytes", &bytes.len()).finish()
            }
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut named = |name: &str, fields: &[(&str, &dyn fmt::Debug)]| {
            let mut shown = f.debug_struct(name);
            for (name, value) in fields {
                shown.field(name, value);
            }
            shown.finish()
        };
        match self {
            Self::Registered { id, expires } => named("Registered", &[("id", id), ("expires", expires)]),
            Self::RegistrationFailed { id, status, retry_in, .. } => {
                named("RegistrationFailed", &[("id", id), ("status", status), ("retry_in", retry_in)])
            }
            Self::Unregistered { id } => named("Unregistered", &[("id", id)]),
            Self::OtherBindings { id, contacts } => {
                named("OtherBindings", &[("id", id), ("contacts", &contacts.len())])
            }
            Self::Incoming { session, flow, offer, replaces, .. } => {
                let offer = offer.len();
                named(
                    "Incoming",
                    &[("session", session), ("flow", &flow.id), ("offer", &offer), ("replaces", replaces)],
                )
            }
            Self::Progress { session, fork, status, body, .. } => {
                named("Progress", &[("session", session), ("fork", fork), ("status", status), ("body", &body.len())])
            }
            Self::Redirected { session, status, .. } => {
                named("Redirected", &[("session", session), ("status", status)])
            }
            Self::EarlyAnswer { session, body } => named("EarlyAnswer", &[("session", session), ("body", &body.len())]),
            Self::Updated { session, .. } => named("Updated", &[("session", session)]),
            Self::Answered { session, fork, body, .. } => {
                named("Answered", &[("session", session), ("fork", fork), ("body", &body.len())])
            }
            Self::Confirmed { session, body } => named("Confirmed", &[("session", session), ("body", &body.len())]),
            Self::Reoffered { session, offer, .. } => {
                named("Reoffered", &[("session", session), ("offer", &offer.len())])
            }
            Self::ReofferAnswered { session, body, .. } => {
                named("ReofferAnswered", &[("session", session), ("body", &body.len())])
            }
            Self::ReofferFailed { session, status, .. } => {
                named("ReofferFailed", &[("session", session), ("status", status)])
            }
            // The digits of an INFO are as private as the number.
            Self::Info { session, content_type, .. } => {
                named("Info", &[("session", session), ("content_type", content_type)])
            }
            Self::InfoFailed { session, status, .. } => {
                named("InfoFailed", &[("session", session), ("status", status)])
            }
            Self::DigitsRefused { session, status, .. } => {
                named("DigitsRefused", &[("session", session), ("status", status)])
            }
            Self::Ended { session, reason, .. } => named("Ended", &[("session", session), ("reason", reason)]),
            Self::Referral { referral, session, state } => {
                named("Referral", &[("referral", referral), ("session", session), ("state", state)])
            }
            Self::Referred { referral, session, refer_to, .. } => {
                let attended = refer_to.replaces.is_some();
                named("Referred", &[("referral", referral), ("session", session), ("attended", &attended)])
            }
            Self::Message { session, request, .. } => {
                named("Message", &[("session", session), ("body", &request.body.len())])
            }
            Self::MessageAnswered { message, status } => {
                named("MessageAnswered", &[("message", message), ("status", status)])
            }
            Self::Subscription { subscription, phase } => {
                named("Subscription", &[("subscription", subscription), ("phase", phase)])
            }
            Self::Notified { subscription, package, body, .. } => {
                let (package, body) = (&package.name, body.len());
                named("Notified", &[("subscription", subscription), ("package", package), ("body", &body)])
            }
            Self::Published { publication, expires } => {
                named("Published", &[("publication", publication), ("expires", expires)])
            }
            Self::PublicationFailed { publication, status, retry_in } => {
                named("PublicationFailed", &[("publication", publication), ("status", status), ("retry_in", retry_in)])
            }
            Self::Unpublished { publication } => named("Unpublished", &[("publication", publication)]),
            Self::Request { id, request, flow } => {
                named("Request", &[("id", id), ("method", &request.method), ("flow", &flow.id)])
            }
            Self::Dropped { why } => named("Dropped", &[("why", why)]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::flow::{Destination, Flow, FlowId, Transport};
    use crate::pii::Pii;
    use crate::sip::message::{Headers, Method, Request};
    use crate::sip::uri::{NameAddr, Uri};
    use crate::sip::user_agent::{RequestId, SessionId};

    #[test]
    fn nothing_private_shows() {
        let local = "192.0.2.1:5060".parse().unwrap();
        let flow = Flow { id: FlowId(1), transport: Transport::Udp, local, remote: local };
        let identity = Identity {
            aor: NameAddr::new(Uri::sip("13800138000", "example.org")),
            credentials: Some(Credentials { user: "13800138000".into(), password: Pii::new("s3cret".into()) }),
            destination: Destination::Flow(flow.id),
            flow,
            route: Vec::new(),
            outbound: None,
        };
        let target = Uri::tel("13800138000");
        let request = Box::new(Request::new(Method::Invite, target.clone()));
        let body = b"Signal=7 13800138000".to_vec();
        let shown = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            Event::Incoming {
                session: SessionId(1),
                request: request.clone(),
                flow,
                offer: body.clone(),
                replaces: None
            },
            Event::Request { id: RequestId(1), request: request.clone(), flow },
            Event::Message { session: None, request, flow },
            Event::Notified {
                subscription: None,
                package: crate::sip::subscription::EventPackage::new("dialog"),
                content_type: String::new(),
                body: body.clone(),
            },
            Event::Info {
                session: SessionId(1),
                content_type: "application/dtmf-relay".into(),
                body: body.clone(),
                headers: Headers::default(),
            },
            Output::Transmit { destination: identity.destination, bytes: body.clone() },
            Invite { identity, target, offer: body, headers: Headers::default() },
        );
        for secret in ["138", "s3cret", "Signal", "49, 51, 56"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
    }
}
