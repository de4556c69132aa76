use std::time::Duration;

use deskline_core::flow::FlowId;
use deskline_core::sip::user_agent::{Event as SipEvent, RegistrationId};

use super::world::{PASSWORD, World, config};
use crate::config::Authentication;
use crate::exchange::CentreEvent;

fn is_registered(world: &World, phone: usize) -> bool {
    world.phones[phone].events.iter().any(|event| matches!(event, SipEvent::Registered { .. }))
}

#[test]
fn the_right_password_registers_and_keeps_registered() {
    let mut world = World::new(config());
    let phone = world.add_phone("1001", PASSWORD);
    world.register(phone);
    assert!(is_registered(&world, phone));
    assert_eq!(world.events, [CentreEvent::Registered { extension: "1001".into() }]);
    world.seconds(3_600);
    assert!(world.exchange.is_registered("1001"), "refreshed again and again, past the life of a nonce");
    assert_eq!(world.events.len(), 1);
}

#[test]
fn a_phone_is_told_that_its_flow_is_kept_and_takes_its_own_place_after_a_crash() {
    let mut world = World::new(config());
    let phone = world.add_phone("1001", PASSWORD);
    for _ in 0..2 {
        world.register(phone);
        let mut bindings = (1..9).filter_map(|id| world.phones[phone].agent.binding(RegistrationId(id)));
        assert!(bindings.next_back().is_some_and(|binding| binding.keeps_flow && binding.others.is_empty()));
        assert_eq!(world.exchange.load().bindings, 1);
    }
}

#[test]
fn a_wrong_password_and_an_unknown_extension_do_not_register() {
    let mut world = World::new(config());
    for (extension, password) in [("1001", "close sesame"), ("4711", PASSWORD)] {
        let phone = world.add_phone(extension, password);
        world.register(phone);
        let refused = world.phones[phone]
            .events
            .iter()
            .any(|event| matches!(event, SipEvent::RegistrationFailed { status: Some(401), .. }));
        assert!(refused && !world.exchange.is_registered(extension), "{extension}");
    }
    assert!(world.events.is_empty());
}

#[test]
fn without_authentication_any_extension_registers() {
    let mut world = World::new(crate::CentreConfig { authentication: Authentication::Off, ..config() });
    let phone = world.add_phone("4711", "");
    world.register(phone);
    assert!(is_registered(&world, phone));
}

#[test]
fn a_phone_that_says_goodbye_or_loses_its_connection_is_gone() {
    let mut world = World::with_agent();
    let gone = CentreEvent::Unregistered { extension: "1001".into() };
    world.exchange.handle_flow_closed(world.now, FlowId(1));
    world.settle();
    assert_eq!(world.events.last(), Some(&gone));
    assert_eq!(world.exchange.load().bindings, 0);
}

#[test]
fn a_phone_that_falls_silent_is_forgotten_in_time() {
    let mut world = World::with_agent();
    world.phones[0].agent = deskline_core::sip::UserAgent::new(
        deskline_core::sip::user_agent::Config {
            product: String::new(),
            ..deskline_core::sip::user_agent::Config::default()
        },
        [9; 32],
    );
    world.seconds(299);
    assert!(world.exchange.is_registered("1001"));
    world.seconds(2);
    assert!(!world.exchange.is_registered("1001"));
}

/// A centre whose first customer calls three seconds after the first registration, and a phone.
fn awaiting_the_first_customer() -> (World, usize) {
    let mut world = World::new(crate::CentreConfig { first_call_after: Some(Duration::from_secs(3)), ..config() });
    world.seconds(100);
    let phone = world.add_registered("1002");
    (world, phone)
}

#[test]
fn a_customer_calls_by_itself_once_somebody_is_there() {
    let (mut world, phone) = awaiting_the_first_customer();
    world.seconds(2);
    assert!(world.phones[phone].incoming().is_none());
    world.seconds(1);
    let (session, _) = world.phones[phone].incoming().expect("the first customer");
    world.hang_up(phone, session);
    world.phones[phone].events.clear();
    world.seconds(60);
    assert!(world.phones[phone].incoming().is_none(), "and only one");
}

#[test]
fn the_first_customer_waits_until_the_agent_is_free_and_ready() {
    let (mut world, phone) = awaiting_the_first_customer();
    let own = world.dial(phone, "9196");
    world.seconds(20);
    assert!(world.phones[phone].incoming().is_none(), "while the agent speaks");
    world.hang_up(phone, own);
    world.seconds(5);
    let (session, _) = world.phones[phone].incoming().expect("then");
    world.phones[phone].agent.reject(world.now, session, 480, Default::default()).unwrap();
    world.settle();
    world.phones[phone].events.clear();
    world.seconds(5);
    let (session, _) = world.phones[phone].incoming().expect("again, as the agent was not ready");
    world.phones[phone].agent.reject(world.now, session, 603, Default::default()).unwrap();
    world.settle();
    world.phones[phone].events.clear();
    world.seconds(60);
    assert!(world.phones[phone].incoming().is_none(), "not when declined");
}

#[test]
fn a_customer_who_was_asked_for_takes_the_place_of_the_first() {
    let (mut world, phone) = awaiting_the_first_customer();
    let call = world.exchange.ring_customer(world.now, "1002", Default::default()).unwrap();
    world.settle();
    world.exchange.hang_up(world.now, call);
    world.settle();
    world.phones[phone].events.clear();
    world.seconds(60);
    assert!(world.phones[phone].incoming().is_none());
}

#[test]
fn an_agent_cannot_register_as_another() {
    let mut world = World::new(config());
    let impostor = world.add_phone("1002", PASSWORD);
    world.phones[impostor].user = "1001".into();
    world.register(impostor);
    let refused = |event: &SipEvent| matches!(event, SipEvent::RegistrationFailed { status: Some(403), .. });
    assert!(world.phones[impostor].events.iter().any(refused));
    assert!(!world.exchange.is_registered("1002"));
}
