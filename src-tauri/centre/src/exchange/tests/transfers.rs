//! REFER in calls through the centre: blind and after a consultation, to phones and to numbers that are simulated.

use std::time::Duration;

use deskline_core::media::Direction;
use deskline_core::sdp::offer_answer;
use deskline_core::sip::message::{HeaderAccess, HeaderName};
use deskline_core::sip::refer::ReferTo;
use deskline_core::sip::user_agent::{EndReason, Event as SipEvent, Refer, ReferralState};
use deskline_core::sip::{Headers, SessionId, Uri};

use super::world::{World, config};
use crate::call::{CallEnd, CallState, CustomerScript};
use crate::config::User;

/// Three telephones: 0 of extension 1001, 1 of 1004, 2 of 1005.
fn three_phones() -> World {
    let mut config = config();
    config.ring_for = Duration::from_secs(20);
    for extension in ["1004", "1005"] {
        let User { password, .. } = config.users[0].clone();
        config.users.push(User {
            extension: extension.into(),
            name: format!("Name of {extension}"),
            password,
            simulated: false,
        });
    }
    let mut world = World::new(config);
    for extension in ["1001", "1004", "1005"] {
        world.add_registered(extension);
    }
    world
}

fn refer(world: &mut World, phone: usize, session: SessionId, refer_to: ReferTo) {
    let refer = Refer { refer_to, referred_by: None, headers: Headers::default(), reports: true };
    world.phones[phone].agent.refer(world.now, session, refer).unwrap();
    world.settle();
}

fn transfer(world: &mut World, phone: usize, session: SessionId, number: &str) {
    refer(world, phone, session, ReferTo::new(Uri::sip(number, "centre.test")));
}

fn connect(world: &mut World, phone: usize, session: SessionId, consulted: SessionId) {
    let refer_to = world.phones[phone].agent.refer_to_session(consulted).unwrap();
    refer(world, phone, session, refer_to);
}

/// What the phone was told of its transfer, in order.
fn told(world: &World, phone: usize) -> Vec<ReferralState> {
    let state = |event: &SipEvent| match event {
        SipEvent::Referral { state, .. } => Some(*state),
        _ => None,
    };
    world.phones[phone].events.iter().filter_map(state).collect()
}

/// A simulated customer talks to phone 0.
fn with_customer(world: &mut World) -> SessionId {
    world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    world.answer(0)
}

/// The phone answers the offer that was made in the midst of its call.
fn answer_reoffer(world: &mut World, phone: usize) {
    let (session, offer) = world.phones[phone]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            SipEvent::Reoffered { session, offer, .. } => Some((*session, offer.clone())),
            _ => None,
        })
        .expect("an offer came");
    let callee = &mut world.phones[phone];
    callee.local.version += 1;
    callee.local.direction = Direction::SendRecv;
    let (body, agreed) = offer_answer::answer(&callee.local, &offer).unwrap();
    assert_eq!(agreed.direction, Direction::SendRecv);
    callee.agent.accept_reoffer(world.now, session, body).unwrap();
    world.settle();
}

const ACCEPTED: ReferralState = ReferralState::Accepted { reports: true };
const TRYING: ReferralState = ReferralState::Progress { status: 100 };
const RINGING: ReferralState = ReferralState::Progress { status: 180 };
const DONE: ReferralState = ReferralState::Done { status: 200 };

#[test]
fn customer_is_transferred_to_a_simulated_agent_and_the_one_who_asked_hangs_up() {
    let mut world = World::with_agent();
    let session = with_customer(&mut world);
    transfer(&mut world, 0, session, "1003");
    assert_eq!(told(&world, 0), [ACCEPTED, TRYING, RINGING]);
    assert_eq!(world.phones[0].end_of(session), None, "the call goes on while the target rings");
    world.seconds(3);
    assert_eq!(told(&world, 0).last(), Some(&DONE));
    assert_eq!(world.states().last(), Some(&CallState::Ended(CallEnd::Transferred)));
    world.hang_up(0, session);
    world.assert_at_rest();
}

#[test]
fn one_who_does_not_hang_up_after_the_transfer_is_hung_up_on() {
    let mut world = World::with_agent();
    let session = with_customer(&mut world);
    transfer(&mut world, 0, session, "1003");
    world.seconds(10);
    assert!(matches!(world.phones[0].end_of(session), Some(EndReason::Remote { .. })));
    world.assert_at_rest();
}

#[test]
fn transfer_to_a_number_that_refuses_leaves_the_call_as_it_was() {
    let check = |number: &str, wait: u64, status: u16| {
        let mut world = World::with_agent();
        let session = with_customer(&mut world);
        transfer(&mut world, 0, session, number);
        world.seconds(wait);
        assert_eq!(told(&world, 0).last(), Some(&ReferralState::Done { status }), "{number}");
        assert_eq!(world.phones[0].end_of(session), None, "{number}");
        assert_eq!(world.exchange.calls().len(), 1);
        // And another one works.
        transfer(&mut world, 0, session, "1002");
        world.seconds(3);
        assert_eq!(told(&world, 0).last(), Some(&DONE), "{number}");
        world.hang_up(0, session);
        world.assert_at_rest();
    };
    check("9486", 0, 486);
    check("77", 0, 404);
    check("1001", 0, 486);
    check("9408", 25, 480);
}

#[test]
fn customer_is_transferred_to_another_phone_with_name_data_and_sound() {
    let mut world = three_phones();
    let mut script = CustomerScript::default();
    script.headers.add_named("X-Business-Id", "42");
    world.exchange.ring_customer(world.now, "1001", script).unwrap();
    world.settle();
    let session = world.answer(0);
    let customer = world.phones[0].incoming_request().unwrap().headers.value(HeaderName::From).map(str::to_owned);
    transfer(&mut world, 0, session, "1004");
    let new = world.answer(1);
    assert_eq!(told(&world, 0), [ACCEPTED, TRYING, RINGING, DONE]);
    let request = world.phones[1].incoming_request().unwrap();
    assert_eq!(request.headers.named("X-Business-Id"), Some("42"));
    assert_eq!(request.headers.value(HeaderName::ReferredBy), Some("<sip:1001@centre.test>"));
    let address = |from: &str| from.split(";tag").next().map(str::to_owned);
    assert_eq!(address(request.headers.value(HeaderName::From).unwrap()), address(&customer.unwrap()));

    world.hang_up(0, session);
    world.seconds(1);
    let heard = world.phones[1].packets.len();
    assert!(heard > 40, "the customer speaks to the new phone: {heard} packets");
    assert_eq!(world.exchange.calls()[0].extension, "1004");
    assert_eq!(world.phones[1].end_of(new), None);
    world.hang_up(1, new);
    world.assert_at_rest();
}

#[test]
fn phone_that_does_not_answer_ends_the_transfer_and_not_the_call() {
    let mut world = three_phones();
    let session = with_customer(&mut world);
    transfer(&mut world, 0, session, "1004");
    world.seconds(21);
    assert_eq!(told(&world, 0).last(), Some(&ReferralState::Done { status: 480 }));
    assert_eq!(world.phones[0].end_of(session), None);
    world.hang_up(0, session);
    world.assert_at_rest();
}

#[test]
fn phone_that_declines_is_told_to_the_one_who_asked() {
    let mut world = three_phones();
    let session = with_customer(&mut world);
    transfer(&mut world, 0, session, "1004");
    let (ringing, _) = world.phones[1].incoming().unwrap();
    world.phones[1].agent.reject(world.now, ringing, 603, Headers::default()).unwrap();
    world.settle();
    assert_eq!(told(&world, 0).last(), Some(&ReferralState::Done { status: 603 }));
    world.hang_up(0, session);
    world.assert_at_rest();
}

#[test]
fn one_who_hangs_up_at_once_transfers_all_the_same() {
    let mut world = three_phones();
    let session = with_customer(&mut world);
    transfer(&mut world, 0, session, "1004");
    world.hang_up(0, session);
    assert_eq!(world.exchange.calls().len(), 1);
    let new = world.answer(1);
    world.seconds(1);
    assert!(world.phones[1].packets.len() > 40);
    world.hang_up(1, new);
    world.assert_at_rest();
}

#[test]
fn one_who_hangs_up_at_once_and_is_refused_leaves_nobody_waiting() {
    let mut world = World::with_agent();
    let session = with_customer(&mut world);
    transfer(&mut world, 0, session, "9408");
    world.hang_up(0, session);
    assert_eq!(world.exchange.calls().len(), 1);
    world.seconds(25);
    world.assert_at_rest();
}

#[test]
fn customer_who_hangs_up_meanwhile_ends_the_transfer() {
    let mut world = three_phones();
    let call = world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    let session = world.answer(0);
    transfer(&mut world, 0, session, "1004");
    world.exchange.hang_up(world.now, call);
    world.settle();
    assert_eq!(told(&world, 0).last(), Some(&ReferralState::Done { status: 487 }));
    let (ringing, _) = world.phones[1].incoming().unwrap();
    assert!(world.phones[1].end_of(ringing).is_some(), "it rings no longer");
    world.assert_at_rest();
}

#[test]
fn two_phones_are_connected_by_a_third_and_hear_each_other() {
    let mut world = three_phones();
    let session = world.dial(0, "1004");
    let far = world.answer(1);
    world.reoffer(0, session, Direction::SendOnly);
    // Held by the one who asks; the new one finds it awake.
    let hold = world.phones[1].events.iter().any(|event| matches!(event, SipEvent::Reoffered { .. }));
    assert!(hold);
    answer_held(&mut world, 1);
    transfer(&mut world, 0, session, "1005");
    let new = world.answer(2);
    answer_reoffer(&mut world, 1);
    assert_eq!(told(&world, 0).last(), Some(&DONE));
    world.hang_up(0, session);
    hear_each_other(&mut world, 1, 2);
    world.hang_up(2, new);
    assert!(world.phones[1].end_of(far).is_some());
    world.assert_at_rest();
}

#[test]
fn phone_is_transferred_to_somebody_simulated() {
    let mut world = three_phones();
    let session = world.dial(0, "1004");
    let far = world.answer(1);
    transfer(&mut world, 0, session, "1003");
    world.seconds(3);
    answer_reoffer(&mut world, 1);
    assert_eq!(told(&world, 0).last(), Some(&DONE));
    world.hang_up(0, session);
    world.phones[1].packets.clear();
    world.seconds(1);
    assert!(world.phones[1].packets.len() > 40, "{}", world.phones[1].packets.len());
    world.hang_up(1, far);
    world.assert_at_rest();
}

#[test]
fn customer_is_connected_with_a_consulted_simulated_agent() {
    let mut world = World::with_agent();
    let session = with_customer(&mut world);
    let consult = world.dial(0, "1003");
    world.seconds(3);
    connect(&mut world, 0, session, consult);
    assert_eq!(told(&world, 0), [ACCEPTED, TRYING, DONE]);
    assert!(world.exchange.calls().is_empty());
    world.hang_up(0, session);
    world.seconds(10);
    assert!(matches!(world.phones[0].end_of(consult), Some(EndReason::Remote { .. })), "it was hung up on");
    world.assert_at_rest();
}

#[test]
fn customer_is_connected_with_a_consulted_phone() {
    let mut world = three_phones();
    let session = with_customer(&mut world);
    let consult = world.dial(0, "1004");
    let far = world.answer(1);
    connect(&mut world, 0, session, consult);
    answer_reoffer(&mut world, 1);
    assert_eq!(told(&world, 0).last(), Some(&DONE));
    world.hang_up(0, session);
    world.phones[1].packets.clear();
    world.seconds(1);
    assert!(world.phones[1].packets.len() > 40);
    assert_eq!(world.exchange.calls().len(), 1);
    assert_eq!(world.exchange.calls()[0].extension, "1004");
    world.hang_up(1, far);
    world.assert_at_rest();
}

#[test]
fn phone_is_connected_with_a_consulted_simulated_agent() {
    let mut world = three_phones();
    let session = world.dial(0, "1004");
    let far = world.answer(1);
    let consult = world.dial(0, "1003");
    world.seconds(3);
    connect(&mut world, 0, session, consult);
    answer_reoffer(&mut world, 1);
    world.hang_up(0, session);
    world.phones[1].packets.clear();
    world.seconds(1);
    assert!(world.phones[1].packets.len() > 40);
    world.hang_up(1, far);
    world.assert_at_rest();
}

#[test]
fn two_phones_are_connected_after_a_consultation() {
    let mut world = three_phones();
    let session = world.dial(0, "1004");
    world.answer(1);
    let consult = world.dial(0, "1005");
    let consulted = world.answer(2);
    connect(&mut world, 0, session, consult);
    answer_reoffer(&mut world, 2);
    answer_reoffer(&mut world, 1);
    assert_eq!(told(&world, 0).last(), Some(&DONE));
    world.hang_up(0, session);
    hear_each_other(&mut world, 1, 2);
    world.hang_up(2, consulted);
    world.assert_at_rest();
}

#[test]
fn call_of_another_phone_cannot_be_taken_by_its_tags() {
    let mut world = three_phones();
    let session = with_customer(&mut world);
    let strangers = world.dial(1, "1003");
    world.seconds(3);
    let refer_to = world.phones[1].agent.refer_to_session(strangers).unwrap();
    refer(&mut world, 0, session, refer_to);
    assert_eq!(told(&world, 0), [ReferralState::Refused { status: 403 }]);
    assert_eq!(world.exchange.calls().len(), 2);
    world.hang_up(0, session);
    world.hang_up(1, strangers);
    world.assert_at_rest();
}

/// The phone answers a hold as it is asked.
fn answer_held(world: &mut World, phone: usize) {
    let (session, offer) = world.phones[phone]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            SipEvent::Reoffered { session, offer, .. } => Some((*session, offer.clone())),
            _ => None,
        })
        .unwrap();
    let callee = &mut world.phones[phone];
    callee.local.version += 1;
    let (body, agreed) = offer_answer::answer(&callee.local, &offer).unwrap();
    assert_eq!(agreed.direction, Direction::RecvOnly);
    callee.agent.accept_reoffer(world.now, session, body).unwrap();
    world.settle();
}

/// A packet of each phone reaches the other, through the relay that each was told of last.
fn hear_each_other(world: &mut World, a: usize, b: usize) {
    for (from, to) in [(a, b), (b, a)] {
        let relay = relay_of(world, from);
        let before = world.phones[to].packets.len();
        world.send_rtp(from, relay, &[0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3]);
        assert_eq!(world.phones[to].packets.len(), before + 1, "from {from} to {to}");
    }
}

fn relay_of(world: &World, phone: usize) -> std::net::SocketAddr {
    let described = world.phones[phone].events.iter().rev().find_map(|event| match event {
        SipEvent::Reoffered { offer: body, .. }
        | SipEvent::Incoming { offer: body, .. }
        | SipEvent::Answered { body, .. } => Some(body.clone()),
        _ => None,
    });
    let local = &world.phones[phone].local;
    offer_answer::answer(local, &described.unwrap()).unwrap().1.remote
}
