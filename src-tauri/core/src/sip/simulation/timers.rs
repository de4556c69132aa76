//! Every timer of RFC 3261 §17 with its exact times, and the messages that it brings about.

use super::super::message::HeaderAccess;
use super::peer::*;
use super::*;

const UDP: Transport = Transport::Udp;
const TCP: Transport = Transport::Tcp;

/// The times, in milliseconds, at which end 0 sent messages of these words.
fn times(world: &World, words: &str) -> Vec<u64> {
    let wanted = format!(" 0 {words}");
    let lines = world.trace.iter().filter_map(|line| line.strip_suffix(&wanted));
    lines.map(|seconds| (seconds.parse::<f64>().unwrap() * 1000.0).round() as u64).collect()
}

fn last_event(world: &World) -> Duration {
    world.ends[0].events.last().unwrap().0
}

#[test]
fn timers_a_and_b_unanswered_invite() {
    let mut world = World::new(1, UDP, &[passive]);
    world.call(0, PEER);
    world.run_out();
    assert_eq!(times(&world, "INVITE"), [0, 500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!((last_event(&world), world.ended(0)), (ms(32_000), vec![EndReason::TimedOut]));
    world.assert_empty();

    let mut world = World::new(1, TCP, &[passive]);
    world.call(0, PEER);
    world.run_out();
    assert_eq!(times(&world, "INVITE"), [0]);
    assert_eq!((last_event(&world), world.ended(0)), (ms(32_000), vec![EndReason::TimedOut]));
    world.assert_empty();
}

#[test]
fn provisional_answer_stops_timers_a_and_b() {
    let mut world = World::new(2, UDP, &[passive]);
    let session = world.call(0, PEER);
    let invite = world.received_request();
    world.run(ms(600));
    world.answer(&invite, 100, "t");
    world.run(ms(3_600_000));
    assert_eq!(times(&world, "INVITE"), [0, 500]);
    assert_eq!(world.ended(0), []);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    world.run_out();
    world.assert_empty();
}

#[test]
fn timer_d_keeps_acknowledging_a_repeated_refusal_for_32_seconds() {
    for (transport, kept) in [(UDP, 32_000), (TCP, 0)] {
        let mut world = World::new(3, transport, &[passive]);
        world.call(0, PEER);
        let invite = world.received_request();
        world.answer(&invite, 486, "t");
        assert_eq!(world.ends[0].ua.load().1, usize::from(kept > 0), "{transport}");
        if kept > 0 {
            world.run(ms(kept - 1));
            world.answer(&invite, 486, "t");
            assert_eq!(times(&world, "ACK"), [0, kept - 1]);
            world.run(ms(1));
        }
        world.answer(&invite, 486, "t");
        assert_eq!(times(&world, "ACK").len(), if kept > 0 { 2 } else { 1 });
        world.assert_empty();
    }
}

#[test]
fn timer_m_keeps_acknowledging_a_repeated_2xx_for_32_seconds() {
    for transport in [UDP, TCP] {
        let mut world = World::new(4, transport, &[passive]);
        let (_, invite) = world.answered_call();
        world.run(ms(31_999));
        world.answer(&invite, 200, "t");
        assert_eq!(times(&world, "ACK"), [0, 31_999]);
        world.run(ms(1));
        world.answer(&invite, 200, "t");
        assert_eq!(times(&world, "ACK"), [0, 31_999]);
        assert_eq!(world.ends[0].ua.load(), (1, 0, 0));
    }
}

#[test]
fn timers_e_and_f_unanswered_request() {
    let expected = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    for (transport, expected) in [(UDP, &expected[..]), (TCP, &[0])] {
        let mut world = World::new(5, transport, &[passive]);
        let (session, _) = world.answered_call();
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        world.run(ms(31_999));
        assert_eq!(times(&world, "BYE"), expected);
        assert_eq!(world.ends[0].ua.load().0, 1);
        world.run(ms(1));
        assert_eq!(world.ends[0].ua.load().0, 0, "a BYE that nobody answers ends the session");
        assert_eq!(world.ended(0), [EndReason::Local]);
        world.run_out();
        world.assert_empty();
    }
}

#[test]
fn timer_e_goes_on_at_t2_after_a_provisional_answer() {
    let mut world = World::new(6, UDP, &[passive]);
    let (session, _) = world.answered_call();
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    world.run(ms(700));
    world.answer(&bye, 100, "t");
    world.run_out();
    assert_eq!(times(&world, "BYE"), [0, 500, 1500, 5500, 9500, 13500, 17500, 21500, 25500, 29500]);
}

#[test]
fn timer_k_swallows_repeated_answers_for_t4() {
    for (transport, kept) in [(UDP, true), (TCP, false)] {
        let mut world = World::new(7, transport, &[passive]);
        let (session, _) = world.answered_call();
        world.run(ms(40_000));
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        let bye = world.received_request();
        world.answer(&bye, 200, "t");
        assert_eq!(world.ends[0].ua.load(), (0, usize::from(kept), 0));
        if kept {
            world.run(ms(4_999));
            assert_eq!(world.ends[0].ua.load(), (0, 1, 0));
            world.run(ms(1));
        }
        world.assert_empty();
    }
}

#[test]
fn timers_g_and_h_unacknowledged_refusal() {
    let expected = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    for (transport, expected) in [(UDP, &expected[..]), (TCP, &[0])] {
        let mut world = World::new(8, transport, &[ringing]);
        world.inject(invite("1"));
        let session = world.incoming(0);
        world.ends[0].ua.reject(world.now, session, 486, Headers::default()).unwrap();
        world.run(ms(31_999));
        assert_eq!(times(&world, "486 INVITE"), expected);
        assert_eq!(world.ends[0].ua.load(), (0, 1, 0));
        world.run(ms(1));
        world.assert_empty();
    }
}

#[test]
fn timer_i_swallows_repeated_acks_for_t4() {
    for (transport, kept) in [(UDP, true), (TCP, false)] {
        let mut world = World::new(9, transport, &[ringing]);
        world.inject(invite("1"));
        let session = world.incoming(0);
        world.ends[0].ua.reject(world.now, session, 486, Headers::default()).unwrap();
        world.run(ms(600));
        let ack = request_like(&invite("1"), Method::Ack, 1, "1");
        world.inject(ack.clone());
        assert_eq!(world.ends[0].ua.load(), (0, usize::from(kept), 0));
        world.inject(ack);
        world.run(ms(5_000));
        assert_eq!(times(&world, "486 INVITE").len(), if kept { 2 } else { 1 });
        world.assert_empty();
    }
}

#[test]
fn timer_j_repeats_the_answer_for_32_seconds() {
    let mut world = World::new(10, UDP, &[passive]);
    let mut options = request_like(&invite("o"), Method::Options, 1, "o");
    options.headers.set(super::super::message::HeaderName::CallId, "options");
    world.inject(options.clone());
    world.run(ms(31_999));
    world.inject(options.clone());
    assert_eq!(times(&world, "200 OPTIONS"), [0, 31_999]);
    assert_eq!(world.ends[0].ua.load(), (0, 1, 0));
    world.run(ms(1));
    world.assert_empty();

    let mut world = World::new(10, TCP, &[passive]);
    world.inject(options);
    world.assert_empty();
}

#[test]
fn timer_l_swallows_repeated_invites_while_the_2xx_repeats_itself() {
    let mut world = World::new(11, UDP, &[passive]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    world.run(ms(400));
    world.inject(invite("1"));
    let expected = [0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];
    world.run(ms(31_599));
    assert_eq!(times(&world, "200 INVITE"), expected);
    assert_eq!(world.ended(0), []);
    world.run(ms(1));
    assert_eq!((times(&world, "BYE"), world.ended(0)), (vec![32_000], vec![EndReason::TimedOut]));
    assert_eq!(world.count(0, |event| matches!(event, Event::Incoming { .. })), 1);
    world.run_out();
    world.assert_empty();
}

#[test]
fn answer_repeats_itself_over_streams_too_until_the_ack() {
    let mut world = World::new(12, TCP, &[passive]);
    world.inject(invite("1"));
    let session = world.incoming(0);
    world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
    world.run(ms(2_000));
    assert_eq!(times(&world, "200 INVITE"), [0, 500, 1500]);
    let ok = world.received().pop().unwrap();
    let invite = in_dialog(&invite("1"), ok.headers().to_tag().unwrap());
    world.inject(request_like(&invite, Method::Ack, 1, "ack"));
    world.run(ms(60_000));
    assert_eq!(times(&world, "200 INVITE"), [0, 500, 1500]);
    assert_eq!(world.ends[0].ua.load(), (1, 0, 0));
}

#[test]
fn hang_up_before_the_ack_waits_for_it_at_most_32_seconds() {
    for acknowledged in [true, false] {
        let mut world = World::new(13, UDP, &[passive]);
        world.inject(invite("1"));
        let session = world.incoming(0);
        world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
        let ok = world.received().pop().unwrap();
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        world.flush();
        assert_eq!(world.ended(0), [EndReason::Local]);
        world.run(ms(700));
        assert_eq!(times(&world, "BYE"), []);
        if acknowledged {
            let invite = in_dialog(&invite("1"), ok.headers().to_tag().unwrap());
            world.inject(request_like(&invite, Method::Ack, 1, "ack"));
        }
        world.run_out();
        assert_eq!(times(&world, "BYE")[0], if acknowledged { 700 } else { 32_000 });
        world.assert_empty();
    }
}

#[test]
fn cancelled_invite_without_a_final_answer_is_forgotten_after_32_seconds() {
    let mut world = World::new(14, TCP, &[passive]);
    let session = world.call(0, PEER);
    let invite = world.received_request();
    world.answer(&invite, 180, "t");
    world.run(ms(1000));
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let cancel = world.received_request();
    assert_eq!(cancel.method, Method::Cancel);
    assert_eq!(cancel.headers.via().unwrap(), invite.headers.via().unwrap());
    assert_eq!(cancel.headers.cseq().unwrap().seq, 1);
    world.answer(&cancel, 200, "t");
    world.run(ms(31_999));
    assert_eq!(world.ends[0].ua.load(), (1, 1, 0));
    world.run(ms(1));
    world.assert_empty();
}

#[test]
fn ringing_call_says_so_every_minute() {
    let mut world = World::new(15, UDP, &[ringing]);
    world.inject(invite("1"));
    world.run(ms(150_000));
    assert_eq!(times(&world, "180 INVITE"), [0, 60_000, 120_000]);
    assert_eq!(times(&world, "100 INVITE"), [0]);
}
