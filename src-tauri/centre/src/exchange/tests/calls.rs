use std::time::Duration;

use deskline_core::media::rtp::Header;
use deskline_core::media::{Codec, Direction};
use deskline_core::sip::Headers;
use deskline_core::sip::message::HeaderAccess;
use deskline_core::sip::user_agent::{EndReason, Event as SipEvent};

use super::world::{PASSWORD, World, config};
use crate::call::CallState;
use crate::config::Authentication;

fn packet(payload_type: u8, sequence: u16) -> Vec<u8> {
    let header = Header { marker: false, payload_type, sequence, timestamp: u32::from(sequence) * 160, ssrc: 3 };
    let mut packet = vec![0; 172];
    header.write(&[0x7f; 160], &mut packet).unwrap();
    packet
}

#[test]
fn every_demo_number_ends_as_documented() {
    let check = |number: &str, expected: Option<u16>| {
        let mut world = World::with_agent();
        let session = world.dial(0, number);
        assert_eq!(world.phones[0].refusal(session), expected, "{number}");
        world.assert_at_rest();
    };
    check("9486", Some(486));
    check("9603", Some(603));
    check("9503", Some(503));
    check("9404", Some(404));
    check("77", Some(404));
    check("1001", Some(486));
}

#[test]
fn the_echo_answers_at_once_in_the_first_codec_offered_and_gives_packets_back() {
    let mut world = World::with_agent();
    let session = world.dial(0, "9196");
    let agreed = world.phones[0].agreed().expect("answered at once");
    assert_eq!(agreed.codec, Codec::Pcmu);
    for sequence in 0..50 {
        world.send_rtp(0, agreed.remote, &packet(agreed.send_payload_type, sequence));
        world.pass(Duration::from_millis(20));
    }
    assert_eq!(world.phones[0].packets.len(), 50);
    world.hang_up(0, session);
    world.assert_at_rest();
}

#[test]
fn the_tone_number_sends_fifty_packets_a_second() {
    let mut world = World::with_agent();
    let session = world.dial(0, "9198");
    world.seconds(2);
    assert!((99..=101).contains(&world.phones[0].packets.len()));
    world.hang_up(0, session);
    world.assert_at_rest();
}

#[test]
fn a_simulated_agent_rings_answers_and_speaks() {
    let mut world = World::with_agent();
    let session = world.dial(0, "1002");
    assert_eq!(world.phones[0].progress(), [180]);
    world.pass(Duration::from_millis(1_900));
    assert!(world.phones[0].agreed().is_none());
    world.pass(Duration::from_millis(200));
    assert!(world.phones[0].agreed().is_some());
    world.seconds(1);
    assert!(world.phones[0].packets.len() > 45);
    world.hang_up(0, session);
    world.assert_at_rest();
}

#[test]
fn the_number_that_does_not_answer_rings_and_gives_up() {
    let mut world = World::with_agent();
    let session = world.dial(0, "9408");
    assert_eq!(world.phones[0].progress(), [180]);
    world.seconds(19);
    assert_eq!(world.phones[0].end_of(session), None);
    world.seconds(2);
    assert_eq!(world.phones[0].refusal(session), Some(480));
    world.assert_at_rest();
}

#[test]
fn a_caller_who_gives_up_leaves_nothing_behind() {
    let mut world = World::with_agent();
    let session = world.dial(0, "9408");
    world.seconds(3);
    world.hang_up(0, session);
    assert!(world.exchange.calls().is_empty());
    world.assert_at_rest();
}

#[test]
fn a_caller_must_prove_who_calls() {
    let mut world = World::with_agent();
    let stranger = world.add_phone("1002", "wrong");
    let session = world.dial(stranger, "9196");
    assert_eq!(world.phones[stranger].refusal(session), Some(407));
    assert!(world.exchange.calls().is_empty());
}

#[test]
fn an_agent_cannot_call_in_the_name_of_another() {
    let mut world = World::with_agent();
    let impostor = world.add_phone("1002", PASSWORD);
    world.phones[impostor].user = "1001".into();
    let session = world.dial(impostor, "9196");
    assert_eq!(world.phones[impostor].refusal(session), Some(403));
}

#[test]
fn a_registered_flow_may_be_trusted_but_only_with_its_own_name() {
    let trusting = crate::CentreConfig { authentication: Authentication::TrustRegisteredFlows, ..config() };
    let mut world = World::new(trusting);
    world.add_registered("1001");
    let stranger = world.add_phone("1001", "wrong");
    let session = world.dial(stranger, "9486");
    assert_eq!(world.phones[stranger].refusal(session), Some(407), "another flow");
    let session = world.dial(0, "9486");
    assert_eq!(world.phones[0].refusal(session), Some(486));
}

#[test]
fn one_agent_calls_another_and_they_talk_through_the_relay() {
    let mut world = World::with_agent();
    let callee = world.add_registered("1002");
    let calling = world.dial(0, "1002");
    let from = world.phones[callee].incoming_request().unwrap().headers.from_header().unwrap();
    assert_eq!(from.uri.user_plain().as_deref(), Some("1001"));
    assert_eq!(from.display.as_deref(), Some("Name of 1001"));
    let answered = world.answer(callee);
    assert_eq!(world.phones[0].progress(), [180]);
    let at_caller = world.phones[0].agreed().expect("answered");
    assert_ne!(at_caller.remote, world.phones[callee].local.address, "through the relay");

    world.send_rtp(0, at_caller.remote, &packet(0, 1));
    assert_eq!(world.phones[callee].packets, [packet(0, 1)]);
    let (_, offer) = world.phones[callee].incoming().unwrap();
    let (_, at_callee) = deskline_core::sdp::offer_answer::answer(&world.phones[callee].local, &offer).unwrap();
    world.send_rtp(callee, at_callee.remote, &packet(0, 9));
    assert_eq!(world.phones[0].packets, [packet(0, 9)]);

    world.hang_up(callee, answered);
    assert!(matches!(world.phones[0].end_of(calling), Some(EndReason::Remote { .. })));
    world.assert_at_rest();
}

#[test]
fn a_hold_passes_through_to_the_other_phone_and_its_answer_back() {
    let mut world = World::with_agent();
    let callee = world.add_registered("1002");
    let calling = world.dial(0, "1002");
    let answered = world.answer(callee);
    world.reoffer(0, calling, Direction::SendOnly);
    let offer = world.phones[callee]
        .events
        .iter()
        .find_map(|event| match event {
            SipEvent::Reoffered { offer, .. } => Some(offer.clone()),
            _ => None,
        })
        .expect("the other phone is asked");
    let (body, agreed) = deskline_core::sdp::offer_answer::answer(&world.phones[callee].local, &offer).unwrap();
    assert_eq!(agreed.direction, Direction::RecvOnly);
    world.phones[callee].agent.accept_reoffer(world.now, answered, body).unwrap();
    world.settle();
    assert_eq!(world.phones[0].agreed().unwrap().direction, Direction::SendOnly);

    world.reoffer(0, calling, Direction::SendRecv);
    world.phones[callee].agent.refuse_reoffer(world.now, answered, 488).unwrap();
    world.settle();
    let refused = |event: &SipEvent| matches!(event, SipEvent::ReofferFailed { status: 488, .. });
    assert!(world.phones[0].events.iter().any(refused));
    assert_eq!(world.states().last(), Some(&CallState::Talking), "the call stands");
    world.hang_up(0, calling);
    world.assert_at_rest();
}

#[test]
fn a_busy_phone_is_busy_to_the_caller() {
    let mut world = World::with_agent();
    let callee = world.add_registered("1002");
    let calling = world.dial(0, "1002");
    let (ringing, _) = world.phones[callee].incoming().unwrap();
    world.phones[callee].agent.reject(world.now, ringing, 486, Headers::default()).unwrap();
    world.settle();
    assert_eq!(world.phones[0].refusal(calling), Some(486));
    world.assert_at_rest();
}

#[test]
fn a_caller_who_cancels_stops_the_ringing() {
    let mut world = World::with_agent();
    let callee = world.add_registered("1002");
    let calling = world.dial(0, "1002");
    let (ringing, _) = world.phones[callee].incoming().unwrap();
    world.phones[callee].agent.progress(world.now, ringing, 180, Vec::new()).unwrap();
    world.settle();
    world.hang_up(0, calling);
    assert!(matches!(world.phones[callee].end_of(ringing), Some(EndReason::Remote { .. })));
    world.assert_at_rest();
}

#[test]
fn nobody_answers_and_the_caller_is_told_in_time() {
    let mut world = World::with_agent();
    let callee = world.add_registered("1002");
    let calling = world.dial(0, "1002");
    let (ringing, _) = world.phones[callee].incoming().unwrap();
    world.phones[callee].agent.progress(world.now, ringing, 180, Vec::new()).unwrap();
    world.settle();
    world.seconds(31);
    assert_eq!(world.phones[0].refusal(calling), Some(480));
    assert!(world.phones[callee].end_of(ringing).is_some());
    world.assert_at_rest();
}

#[test]
fn an_offer_that_is_none_is_refused_before_it_rings() {
    let mut world = World::with_agent();
    let caller = &mut world.phones[0];
    let invite = deskline_core::sip::user_agent::Invite {
        identity: caller.identity(),
        target: deskline_core::sip::Uri::sip("1002", "centre.test"),
        offer: b"v=0\r\nnonsense".to_vec(),
        headers: Headers::default(),
    };
    let session = caller.agent.invite(world.now, invite).unwrap();
    world.settle();
    assert_eq!(world.phones[0].refusal(session), Some(488));
    world.assert_at_rest();
}

#[test]
fn a_caller_who_asks_for_our_offer_and_does_not_answer_it_has_no_call() {
    let mut world = World::with_agent();
    let caller = &mut world.phones[0];
    let invite = deskline_core::sip::user_agent::Invite {
        identity: caller.identity(),
        target: deskline_core::sip::Uri::sip("9196", "centre.test"),
        offer: Vec::new(),
        headers: Headers::default(),
    };
    let session = caller.agent.invite(world.now, invite).unwrap();
    world.settle();
    let offered = |event: &SipEvent| matches!(event, SipEvent::Answered { body, .. } if body.starts_with(b"v=0"));
    assert!(world.phones[0].events.iter().any(offered));
    world.phones[0].agent.accept_reoffer(world.now, session, Vec::new()).unwrap();
    world.settle();
    assert!(matches!(world.phones[0].end_of(session), Some(EndReason::Remote { .. })));
    world.assert_at_rest();
}

#[test]
fn a_side_that_asks_again_what_it_was_told_does_not_block_later_changes() {
    let mut world = World::with_agent();
    let callee = world.add_registered("1002");
    let calling = world.dial(0, "1002");
    let answered = world.answer(callee);
    let told = world.phones[0].agreed().unwrap().remote;
    world.phones[0].agent.reoffer(world.now, calling, Vec::new()).unwrap();
    world.settle();
    let again = world.phones[0].events.iter().rev().find_map(|event| match event {
        SipEvent::ReofferAnswered { body, .. } => Some(String::from_utf8(body.clone()).unwrap()),
        _ => None,
    });
    assert!(again.expect("an offer").contains(&format!("m=audio {} ", told.port())), "the relay, as before");
    world.phones[0].agent.accept_reoffer(world.now, calling, Vec::new()).unwrap();
    world.settle();

    world.reoffer(callee, answered, Direction::SendOnly);
    let asked = |event: &SipEvent| matches!(event, SipEvent::Reoffered { .. });
    assert!(world.phones[0].events.iter().any(asked));
    world.hang_up(0, calling);
    world.assert_at_rest();
}
