//! Where an INVITE goes.

use std::time::{Duration, Instant};

use deskline_core::flow::Flow;
use deskline_core::sip::message::HeaderAccess;
use deskline_core::sip::{Request, SessionId};

use super::bridge::Bridge;
use super::desk::{Dialling, Invitation, platform_headers};
use super::simulated::{Pickup, Simulated};
use super::{Exchange, Kind, MAX_CALLS};
use crate::call::Opening;
use crate::media::Performance;
use crate::numbers::NumberKind;
use crate::registrar::Binding;
use crate::sound::{Sound, Speaker, Tone};

/// How long a simulated agent speaks before echoing.
const AGENT_SPEAKS_FOR: Duration = Duration::from_secs(5);

/// A day: the tone does not end by itself.
const ENDLESS: Duration = Duration::from_secs(86_400);

pub(super) enum Route {
    Phones(Vec<Binding>),
    Simulated(Pickup, Box<Performance>),
    Refuse(u16),
}

impl Route {
    fn simulated(pickup: Pickup, performance: Performance) -> Self {
        Self::Simulated(pickup, Box::new(performance))
    }
}

impl Exchange {
    pub(super) fn handle_invite(
        &mut self,
        now: Instant,
        session: SessionId,
        request: &Request,
        flow: Flow,
        offer: Vec<u8>,
    ) {
        let caller = match self.desk.admit(now, &self.registrar, request, flow) {
            Ok(caller) => caller,
            Err((status, headers)) => {
                let _ = self.desk.agent.reject(now, session, status, headers);
                return;
            }
        };
        let number = request.uri.user_plain().unwrap_or_default();
        let route = if self.calls.len() >= MAX_CALLS { Route::Refuse(503) } else { self.route(&caller, &number) };
        let invitation = Invitation { session, flow, offer };
        match route {
            Route::Refuse(status) => self.desk.reject(now, session, status),
            Route::Simulated(pickup, performance) => {
                let id = self.add_call(now, caller.clone(), |id, desk| {
                    desk.add_leg(session, id, &caller, flow);
                    let simulated = Simulated::called(now, id, desk, &number, invitation, pickup, *performance);
                    Kind::Simulated(Box::new(simulated))
                });
                tracing::info!(call = %id, "a demo number is called");
            }
            Route::Phones(phones) => {
                // Without an offer there is nothing to put our relay into.
                if invitation.offer.is_empty() {
                    self.desk.reject(now, session, 488);
                    return;
                }
                let display = request.headers.from_header().ok().and_then(|from| from.display);
                let known = self.desk.config.user(&caller).map(|user| user.name.clone());
                let from = self.desk.address(&caller, &known.or(display).unwrap_or_default());
                let headers = platform_headers(&request.headers);
                let dialling = Dialling { extension: number, phones, from, headers };
                let id = self.add_call(now, caller.clone(), |id, desk| {
                    desk.add_leg(session, id, &caller, flow);
                    Kind::Bridge(Box::new(Bridge::new(now, id, desk, invitation, dialling)))
                });
                tracing::info!(call = %id, "one phone calls another");
            }
        }
    }

    pub(super) fn route(&mut self, caller: &str, number: &str) -> Route {
        let phones = self.registrar.contacts(number);
        if !phones.is_empty() {
            // Whoever calls is on the telephone.
            return if caller == number { Route::Refuse(486) } else { Route::Phones(phones) };
        }
        let config = &self.desk.config;
        if let Some(user) = config.user(number) {
            if !user.simulated {
                return Route::Refuse(480);
            }
            let pickup = Pickup::AfterRinging(config.answer_after);
            let speaker = if self.desk.random.number().is_multiple_of(2) { Speaker::WOMAN } else { Speaker::MAN };
            let performance = Opening::Speech.performance(AGENT_SPEAKS_FOR, speaker, self.desk.random.number());
            return Route::simulated(pickup, performance);
        }
        let Some(known) = config.numbers.iter().find(|known| known.number == number) else {
            return Route::Refuse(404);
        };
        match known.kind {
            NumberKind::Echo => Route::simulated(Pickup::AtOnce, Performance { echo: true, ..Performance::default() }),
            NumberKind::Tone => {
                let opening = Some((Sound::Tone(Tone::test()), ENDLESS));
                Route::simulated(Pickup::AtOnce, Performance { opening, ..Performance::default() })
            }
            NumberKind::NoAnswer => {
                Route::simulated(Pickup::Never { refuse_after: config.no_answer_after }, Performance::default())
            }
            NumberKind::Agent => Route::simulated(
                Pickup::AfterRinging(config.answer_after),
                Opening::Melody.performance(AGENT_SPEAKS_FOR, Speaker::MAN, 0),
            ),
            NumberKind::Busy => Route::Refuse(486),
            NumberKind::Declined => Route::Refuse(603),
            NumberKind::OutOfService => Route::Refuse(503),
            NumberKind::NotFound => Route::Refuse(404),
        }
    }
}
