//! What every call works with: the user agent, the media, the gate, and the way out for outputs.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use deskline_core::flow::{Destination, Flow, FlowId};
use deskline_core::sip::message::{Header, HeaderAccess, HeaderName};
use deskline_core::sip::user_agent::{Identity, Invite};
use deskline_core::sip::{Headers, Method, NameAddr, Request, Response, SessionId, Uri, UserAgent};

use super::{CentreEvent, Output};
use crate::call::CallId;
use crate::config::{Authentication, CentreConfig};
use crate::gate::{Gate, Side, Verdict};
use crate::media::Media;
use crate::random::Random;
use crate::registrar::{Binding, Change, Registrar};

/// The longest extension that a registrar without passwords takes.
const MAX_EXTENSION: usize = 64;

/// Methods that we take, for the Allow of a 405.
const ALLOWED: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REGISTER, UPDATE, REFER";

pub(super) struct Desk {
    pub(super) config: CentreConfig,
    pub(super) agent: UserAgent,
    pub(super) media: Media,
    pub(super) random: Random,
    pub(super) sessions: HashMap<SessionId, Belonging>,
    pub(super) outputs: VecDeque<Output>,
    gate: Gate,
}

/// What a leg belongs to.
pub(super) struct Belonging {
    pub(super) call: CallId,
    /// Whose phone it is.
    pub(super) extension: String,
    /// Along which its requests go; `None`: closed, until that extension comes back along another one.
    flow: Option<FlowId>,
}

/// Whom to call, and how.
pub(super) struct Dialling {
    pub(super) extension: String,
    /// Its phones, at least one.
    pub(super) phones: Vec<Binding>,
    pub(super) from: NameAddr,
    pub(super) headers: Headers,
}

impl Dialling {
    /// Our address that the phones can reach.
    pub(super) fn local_ip(&self) -> IpAddr {
        self.phones[0].flow.local.ip()
    }
}

/// An INVITE that came in and was let in.
pub(super) struct Invitation {
    pub(super) session: SessionId,
    pub(super) flow: Flow,
    /// Empty when the caller asks for ours.
    pub(super) offer: Vec<u8>,
}

impl Desk {
    pub(super) fn new(config: CentreConfig, agent: UserAgent, mut random: Random) -> Self {
        let gate = Gate::new(config.realm.clone(), config.algorithms.clone(), Random::new(random.seed()));
        let media = Media::new(Random::new(random.seed()));
        Self { config, agent, media, random, sessions: HashMap::new(), outputs: VecDeque::new(), gate }
    }

    pub(super) fn tell(&mut self, event: CentreEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// The extension that sent an INVITE, or what it is to be refused with.
    pub(super) fn admit(
        &mut self,
        now: Instant,
        registrar: &Registrar,
        request: &Request,
        flow: Flow,
    ) -> Result<String, (u16, Headers)> {
        let claimed = request.headers.from_header().ok().and_then(|from| from.uri.user_plain()).unwrap_or_default();
        let trusted = match self.config.authentication {
            Authentication::Off => true,
            Authentication::TrustRegisteredFlows => registrar.is_bound_to(&claimed, flow.id),
            Authentication::Required => false,
        };
        if trusted {
            return Ok(claimed);
        }
        match self.check(now, Side::Proxy, request) {
            Verdict::Proven(user) if user == claimed => Ok(user),
            // The password is right, but the caller gives another's name.
            Verdict::Proven(_) => Err((403, Headers::default())),
            Verdict::Challenged(headers) => Err((Side::Proxy.status(), headers)),
        }
    }

    /// Answers a request outside of calls; for a REGISTER that was let in, with what it changed for which extension.
    pub(super) fn register(
        &mut self,
        now: Instant,
        registrar: &mut Registrar,
        request: &Request,
        flow: Flow,
    ) -> (Response, Option<(String, Change)>) {
        if request.method != Method::Register {
            let mut response = Response::new(405);
            response.headers.set(HeaderName::Allow, ALLOWED);
            return (response, None);
        }
        let extension = match request.headers.to_header().ok().and_then(|to| to.uri.user_plain()) {
            Some(extension) if extension.len() <= MAX_EXTENSION => extension,
            Some(_) => return (Response::new(404), None),
            None => return (Response::new(400), None),
        };
        if self.config.authentication != Authentication::Off {
            match self.check(now, Side::Registrar, request) {
                Verdict::Proven(user) if user == extension => {}
                Verdict::Proven(_) => return (Response::new(403), None),
                Verdict::Challenged(headers) => {
                    let mut response = Response::new(Side::Registrar.status());
                    response.headers = headers;
                    return (response, None);
                }
            }
        }
        let (response, change) = registrar.handle(now, &extension, request, flow);
        if registrar.is_bound_to(&extension, flow.id) {
            self.regain_flow(now, &extension, flow);
        }
        (response, Some((extension, change)))
    }

    fn check(&mut self, now: Instant, side: Side, request: &Request) -> Verdict {
        let config = &self.config;
        let password_of = |user: &str| config.user(user)?.password.as_ref();
        self.gate.check(now, side, request, password_of)
    }

    /// Calls the phones of an extension as legs of `call`. Fewer, or none, when the user agent takes no more.
    pub(super) fn invite(&mut self, now: Instant, call: CallId, dialling: &Dialling, offer: &[u8]) -> Vec<SessionId> {
        let mut legs = Vec::new();
        for phone in &dialling.phones {
            let identity = Identity {
                aor: dialling.from.clone(),
                credentials: None,
                destination: Destination::Flow(phone.flow.id),
                flow: phone.flow,
                route: Vec::new(),
                outbound: None,
            };
            let (target, headers) = (phone.contact.clone(), dialling.headers.clone());
            let invite = Invite { identity, target, offer: offer.to_vec(), headers };
            if let Ok(session) = self.agent.invite(now, invite) {
                self.add_leg(session, call, &dialling.extension, phone.flow);
                legs.push(session);
            }
        }
        legs
    }

    pub(super) fn add_leg(&mut self, session: SessionId, call: CallId, extension: &str, flow: Flow) {
        let belonging = Belonging { call, extension: extension.to_owned(), flow: Some(flow.id) };
        self.sessions.insert(session, belonging);
    }

    /// The leg goes on in another call.
    pub(super) fn move_leg(&mut self, session: SessionId, call: CallId) {
        if let Some(belonging) = self.sessions.get_mut(&session) {
            belonging.call = call;
        }
    }

    /// Whose phone a leg is.
    pub(super) fn extension_of(&self, session: SessionId) -> String {
        self.sessions.get(&session).map(|belonging| belonging.extension.clone()).unwrap_or_default()
    }

    /// Legs along that flow wait for their phone to come back.
    pub(super) fn lose_flow(&mut self, flow: FlowId) {
        for belonging in self.sessions.values_mut().filter(|belonging| belonging.flow == Some(flow)) {
            belonging.flow = None;
        }
    }

    /// A phone has come back: its legs go on along its new flow.
    fn regain_flow(&mut self, now: Instant, extension: &str, flow: Flow) {
        let waiting = |belonging: &Belonging| belonging.flow.is_none() && belonging.extension == extension;
        for (&session, belonging) in self.sessions.iter_mut().filter(|(_, belonging)| waiting(belonging)) {
            belonging.flow = Some(flow.id);
            // Ended in the meantime: then nothing needs to move.
            let _ = self.agent.move_session(now, session, flow);
        }
    }

    /// Whether a phone of the extension has anything to do with a call.
    pub(super) fn is_busy(&self, extension: &str) -> bool {
        self.sessions.values().any(|belonging| belonging.extension == extension)
    }

    /// How a number of ours stands in From.
    pub(super) fn address(&self, number: &str, name: &str) -> NameAddr {
        NameAddr::new(Uri::sip(number, &self.config.realm)).with_display(name)
    }

    pub(super) fn reject(&mut self, now: Instant, session: SessionId, status: u16) {
        // Gone meanwhile: then there is nobody left to refuse.
        let _ = self.agent.reject(now, session, status, Headers::default());
    }

    pub(super) fn hang_up(&mut self, now: Instant, session: SessionId) {
        let _ = self.agent.hang_up(now, session);
    }

    /// Ends whatever legs the call still has.
    pub(super) fn end_sessions(&mut self, now: Instant, call: CallId) {
        let legs: Vec<SessionId> =
            self.sessions.iter().filter(|(_, leg)| leg.call == call).map(|(&leg, _)| leg).collect();
        for leg in legs {
            self.sessions.remove(&leg);
            self.hang_up(now, leg);
        }
    }
}

/// The headers of an INVITE that carry a platform's data and pass through us.
pub(super) fn platform_headers(request: &Headers) -> Headers {
    const MAX: usize = 32;
    let passes = |header: &Header<'_>| header.name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    request.iter().filter(passes).take(MAX).collect()
}
