//! Sessions whose flow is lost or replaced: what is kept, what goes out again, and by which way.

use super::super::message::{HeaderAccess, HeaderName};
use super::peer::*;
use super::*;

/// Another flow of end 0 towards the peer, with another address of ours.
fn other(world: &World) -> Flow {
    Flow { id: FlowId(8), local: "10.0.0.1:6060".parse().unwrap(), ..world.flow(0, PEER) }
}

/// What end 0 sends, by the flow that it takes.
fn sent(world: &mut World) -> Vec<(u64, String, Message)> {
    let mut sent = Vec::new();
    while let Some(output) = world.ends[0].ua.poll_output() {
        match output {
            Output::Transmit { destination: Destination::Flow(FlowId(id)), bytes } => {
                sent.push((id, first_words(&bytes), wire::parse(&bytes).unwrap()));
            }
            Output::Transmit { destination: Destination::Address(..), bytes } => {
                panic!("by address: {}", first_words(&bytes));
            }
            Output::Event(event) => {
                let elapsed = world.elapsed();
                world.ends[0].events.push((elapsed, event));
            }
        }
    }
    sent
}

fn words(sent: &[(u64, String, Message)]) -> Vec<(u64, &str)> {
    sent.iter().map(|(id, words, _)| (*id, words.as_str())).collect()
}

fn lose_flow(world: &mut World) {
    let flow = world.flow(0, PEER);
    world.ends[0].ua.handle_flow_closed(world.now, flow.id);
}

/// Lets time pass for end 0 alone.
fn wait(world: &mut World, time: Duration) {
    world.now += time;
    world.ends[0].ua.handle_timeout(world.now);
}

/// A final answer to a request that went along another flow.
fn answer_along(world: &mut World, flow: &Flow, request: &Message, status: u16, tag: &str) {
    let Message::Request(request) = request else { panic!("{request:?}") };
    let bytes = wire::write(&answer_to(request, status, tag).into());
    world.ends[0].ua.handle_received(world.now, flow, &bytes);
}

#[test]
fn bye_without_a_flow_is_kept_and_sent_along_the_next_one() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut world = World::new(1, transport, &[passive]);
        let (session, _) = world.answered_call();
        lose_flow(&mut world);
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        assert_eq!(sent(&mut world).len(), 0);
        assert_eq!(world.ended(0), [EndReason::Local], "for the application it is over");
        let flow = other(&world);
        assert!(world.ends[0].ua.move_session(world.now, session, flow).is_err());
        wait(&mut world, Duration::from_secs(299));
        let (old, new) = (world.flow(0, PEER).id, other(&world));
        assert_eq!(world.ends[0].ua.move_flow(world.now, old, new), []);
        let sent = sent(&mut world);
        assert_eq!(words(&sent), [(8, "BYE")]);
        let Message::Request(bye) = &sent[0].2 else { panic!() };
        assert!(bye.headers.value(HeaderName::Via).unwrap().contains("10.0.0.1:6060"));
        assert_eq!((bye.headers.vias().unwrap().len(), bye.headers.values(HeaderName::MaxForwards).count()), (1, 1));
        answer_along(&mut world, &new, &sent[0].2, 200, "t");
        wait(&mut world, Duration::from_secs(60));
        world.assert_empty();
    }
}

#[test]
fn bye_that_was_under_way_when_the_flow_broke_is_sent_again() {
    let mut world = World::new(2, Transport::Tcp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let first = world.received_request();
    lose_flow(&mut world);
    let (old, new) = (world.flow(0, PEER).id, other(&world));
    world.ends[0].ua.move_flow(world.now, old, new);
    let sent = sent(&mut world);
    assert_eq!(words(&sent), [(8, "BYE")]);
    let Message::Request(second) = &sent[0].2 else { panic!() };
    assert!(second.headers.cseq().unwrap().seq > first.headers.cseq().unwrap().seq);
}

#[test]
fn bye_that_never_finds_a_flow_is_forgotten_after_five_minutes() {
    let mut world = World::new(3, Transport::Tcp, &[passive]);
    let (session, _) = world.answered_call();
    lose_flow(&mut world);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    wait(&mut world, ms(299_999));
    assert_eq!(world.ends[0].ua.load().0, 1);
    wait(&mut world, ms(1));
    world.assert_empty();
}

#[test]
fn kept_bye_goes_out_when_its_registration_moves_or_begins_anew() {
    for anew in [false, true] {
        let mut world = World::new(4, Transport::Tcp, &[passive]);
        let registration = world.register(0, PEER, 3600);
        let (session, _) = {
            world.received();
            world.answered_call()
        };
        lose_flow(&mut world);
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        sent(&mut world);
        let flow = other(&world);
        if anew {
            let identity = Identity { flow, destination: Destination::Flow(flow.id), ..world.identity(0, PEER) };
            let registrar = Uri::sip_host("example.org");
            world.ends[0].ua.register(world.now, identity, registrar, Duration::from_secs(600));
        } else {
            world.ends[0].ua.move_registration(world.now, registration, flow).unwrap();
        }
        assert_eq!(words(&sent(&mut world)), [(8, "REGISTER"), (8, "BYE")], "anew: {anew}");
    }
}

#[test]
fn call_that_rings_over_udp_is_answered_along_the_new_flow() {
    let mut world = World::new(5, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    let ringing = world.received().pop().unwrap();
    lose_flow(&mut world);
    sent(&mut world);
    assert_eq!(world.ended(0), [], "there is no connection that the answer would need");
    let flow = other(&world);
    world.ends[0].ua.move_session(world.now, session, flow).unwrap();
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    let first = sent(&mut world);
    assert_eq!(words(&first), [(8, "200 INVITE")]);
    assert!(first[0].2.headers().contact().unwrap().to_string().contains("10.0.0.1:6060"));
    wait(&mut world, ms(500));
    assert_eq!(words(&sent(&mut world)), [(8, "200 INVITE")], "repeated along the same way");
    let dialog = in_dialog(&invite("1"), ringing.headers().to_tag().unwrap());
    let ack = wire::write(&request_like(&dialog, Method::Ack, 1, "ack").into());
    world.ends[0].ua.handle_received(world.now, &flow, &ack);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    assert_eq!(words(&sent(&mut world)), [(8, "BYE")]);
}

#[test]
fn call_that_rings_without_a_flow_can_be_cancelled_and_refused() {
    let mut world = World::new(6, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    lose_flow(&mut world);
    world.ends[0].ua.reject(world.now, session, 486, Headers::default()).unwrap();
    world.run_out();
    world.assert_empty();

    let mut world = World::new(6, Transport::Udp, &[ringing]);
    world.inject(invite("1"));
    lose_flow(&mut world);
    world.inject(request_like(&invite("1"), Method::Cancel, 1, "1"));
    assert_eq!(world.ended(0), [EndReason::Remote { cause: None }]);
    world.run_out();
    world.assert_empty();
}

#[test]
fn offer_whose_answer_cannot_come_any_more_goes_out_along_the_new_flow() {
    for replaced in [false, true] {
        let mut world = World::new(7, Transport::Udp, &[passive]);
        let (session, _) = world.answered_call();
        world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        assert_eq!(words(&sent(&mut world)), [(9, "INVITE")]);
        let flow = other(&world);
        world.ends[0].ua.move_session(world.now, session, flow).unwrap();
        let expected = if replaced {
            world.ends[0].ua.reoffer(world.now, session, ANSWER.to_vec()).unwrap();
            ANSWER
        } else {
            OFFER
        };
        wait(&mut world, ms(500));
        let messages = sent(&mut world);
        // The first one still repeats itself along the flow that may yet live.
        let (_, _, again) = messages.iter().find(|(id, words, _)| (*id, &**words) == (8, "INVITE")).unwrap();
        assert_eq!(again.body(), expected, "the newest description goes out");
        let again = again.clone();
        // The peer is still busy with the first: the second waits its turn.
        answer_along(&mut world, &flow, &again, 491, "t");
        wait(&mut world, ms(4_000));
        let messages = sent(&mut world);
        let (_, _, again) = messages.iter().rfind(|(id, words, _)| (*id, &**words) == (8, "INVITE")).unwrap();
        let again = again.clone();
        answer_along(&mut world, &flow, &again, 200, "t");
        assert!(words(&sent(&mut world)).contains(&(8, "ACK")));
        assert_eq!(world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })), 1);
        assert_eq!(world.count(0, |event| matches!(event, Event::ReofferFailed { .. })), 0);
    }
}

#[test]
fn late_answer_to_an_offer_that_was_moved_on_is_acknowledged_and_means_nothing() {
    let mut world = World::new(8, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let reinvite = world.received_request();
    let flow = other(&world);
    world.ends[0].ua.move_session(world.now, session, flow).unwrap();
    world.answer(&reinvite, 200, "t");
    assert_eq!(world.received_request().method, Method::Ack);
    assert_eq!(world.count(0, |event| matches!(event, Event::ReofferAnswered { .. })), 0);
}

#[test]
fn offer_made_without_a_flow_waits_for_one() {
    let mut world = World::new(9, Transport::Tcp, &[passive]);
    let (session, _) = world.answered_call();
    lose_flow(&mut world);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    wait(&mut world, Duration::from_secs(200));
    assert_eq!(sent(&mut world).len(), 0);
    let (old, new) = (world.flow(0, PEER).id, other(&world));
    assert_eq!(world.ends[0].ua.move_flow(world.now, old, new), [session]);
    let sent = sent(&mut world);
    assert_eq!(words(&sent), [(8, "INVITE")]);
    assert!(sent[0].2.headers().contact().unwrap().to_string().contains("10.0.0.1:6060"));
}

#[test]
fn refresh_waits_for_a_flow_and_the_interval_does_not() {
    let mut world = World::with_rules(10, Transport::Tcp, &[passive], CallRules::default());
    let session = world.call(0, PEER);
    let invite = world.received_request();
    let mut ok = answer_to(&invite, 200, "t");
    ok.headers.add(HeaderName::SessionExpires, "600;refresher=uac");
    ok.headers.add(HeaderName::Allow, "UPDATE");
    world.inject(ok);
    world.received();
    lose_flow(&mut world);
    wait(&mut world, Duration::from_secs(400));
    assert_eq!(sent(&mut world).len(), 0);
    let flow = other(&world);
    world.ends[0].ua.move_session(world.now, session, flow).unwrap();
    wait(&mut world, ms(1));
    assert_eq!(words(&sent(&mut world)), [(8, "UPDATE")]);
    world.ends[0].ua.handle_flow_closed(world.now, flow.id);
    wait(&mut world, Duration::from_secs(200));
    sent(&mut world);
    assert_eq!(world.ended(0), [EndReason::TimedOut]);
}
