//! Calls that come in.

use super::*;

#[test]
fn inbound_call_from_ring_to_ready_again() {
    let mut bench = Bench::ready();
    bench.far_calls();
    assert_eq!((bench.code(), bench.last_ring()), (6, true));
    let call = &bench.desk.calls()[0];
    assert_eq!(call.number.expose(), "13800138000");
    assert_eq!(call.name.as_ref().unwrap().expose(), "王女士");

    bench.command(Command::Answer(None)).unwrap();
    assert_eq!((bench.code(), bench.last_ring()), (9, false));
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));

    bench.pass(Duration::from_secs(30));
    bench.command(hang_up()).unwrap();
    assert_eq!((bench.code(), bench.end()), (5, EndCause::HungUp));
    assert_eq!(bench.records.len(), 1);

    bench.pass(Duration::from_secs(14));
    assert_eq!(bench.code(), 5);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.code(), 3, "ready again after 15 s");
    bench.pass(Duration::from_secs(40));
    assert_eq!(bench.desk.load(), (0, 0, 1), "nothing but the registration is left");
}

#[test]
fn caller_gives_up_while_it_rings() {
    let mut bench = Bench::ready();
    let session = bench.far_calls();
    bench.pass(Duration::from_secs(5));
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert_eq!((bench.code(), bench.end(), bench.last_ring()), (3, EndCause::Missed, false));
}

#[test]
fn calls_do_not_ring_in_a_break_or_beyond_the_limit_of_the_account() {
    let mut bench = Bench::ready();
    bench.command(Command::Break(BreakReason::new(1))).unwrap();
    bench.far_calls();
    assert_eq!(bench.code(), 4);
    assert!(bench.desk.calls().is_empty());
    assert!(matches!(bench.records[0].state, State::Ended(end) if end.cause == EndCause::NotReady));

    bench.command(Command::Ready).unwrap();
    bench.command(dial("1002")).unwrap();
    bench.far_answers();
    bench.far_calls();
    bench.far_calls();
    assert_eq!(bench.desk.calls().len(), 2);
    assert!(matches!(bench.records[1].state, State::Ended(end) if end.cause == EndCause::Busy));
}

#[test]
fn auto_answer_answers_after_its_time() {
    let mut bench = Bench::ready();
    bench.desk.config.auto_answer = Some(Duration::from_secs(3));
    bench.far_calls();
    bench.pass(Duration::from_millis(2_900));
    assert_eq!(bench.code(), 6);
    bench.pass(Duration::from_millis(200));
    assert_eq!(bench.code(), 9);
}

#[test]
fn unanswered_call_stops_ringing_after_three_minutes() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.pass(Duration::from_secs(179));
    assert_eq!((bench.code(), bench.last_ring()), (6, true));
    bench.pass(Duration::from_secs(2));
    assert_eq!((bench.code(), bench.end(), bench.last_ring()), (3, EndCause::Missed, false));
    assert!(bench.sent.iter().any(|line| line.starts_with("SIP/2.0 480")));
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.records.len(), bench.desk.load()), (1, (0, 0, 1)));
}

#[test]
fn answered_call_outlives_the_ring_limit() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.pass(Duration::from_secs(300));
    assert_eq!(bench.code(), 9);
}

#[test]
fn answer_that_waits_for_a_socket_in_vain_ends_with_the_ring_limit() {
    let mut bench = Bench { sockets: Sockets::Withheld, ..Bench::new() };
    bench.sign_in().unwrap();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    assert_eq!((bench.code(), bench.last_ring()), (6, false));
    bench.pass(Duration::from_secs(181));
    assert_eq!((bench.code(), bench.end()), (3, EndCause::MediaFailed));
}

#[test]
fn call_ends_when_no_socket_can_be_opened() {
    let mut bench = Bench { sockets: Sockets::Fail, ..Bench::new() };
    bench.sign_in().unwrap();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    assert_eq!((bench.code(), bench.end()), (3, EndCause::MediaFailed));
    bench.sockets = Sockets::Open;
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    assert_eq!(bench.code(), 9, "the next call tries anew");
}

#[test]
fn calls_of_strangers_neither_ring_nor_stand_in_the_call_list() {
    let mut bench = Bench::ready();
    let scanner = SocketAddr::from(([203, 0, 113, 9], 5060));
    let stranger = Flow { id: FlowId(5071 << 16), remote: scanner, ..bench.flow() };
    let invite = "INVITE sip:100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK1\r\n\
        Max-Forwards: 70\r\nFrom: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:100@203.0.113.9>\r\nContent-Length: 0\r\n\r\n";
    bench.input(Input::Received { flow: &stranger, bytes: invite.as_bytes() });
    assert!(bench.sent.iter().any(|line| line.starts_with("SIP/2.0 403")), "{:?}", bench.sent);
    assert_eq!((bench.code(), bench.last_ring()), (3, false));
    assert!(bench.records.is_empty() && bench.edges.iter().all(|edge| !matches!(edge, Edge::Ringing(_))));
    bench.far_calls();
    assert_eq!(bench.code(), 6, "those of our own server ring");
}

#[test]
fn caller_that_never_describes_its_media_is_hung_up() {
    let mut bench = Bench::ready();
    let session = bench.far_calls_with(Vec::new());
    bench.command(Command::Answer(None)).unwrap();
    bench.far(|far, now| far.accept_reoffer(now, session, Vec::new()).unwrap());
    assert_eq!(bench.end(), EndCause::NotAcceptable, "the ACK came without an answer to our offer");
    assert!(bench.far_events.iter().any(|event| matches!(event, Event::Ended { session: its, .. } if *its == session)));
}

#[test]
fn call_that_rings_while_the_network_changes_rings_on_and_is_answered_by_the_new_way() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.flow_breaks();
    assert_eq!((bench.code(), bench.last_ring()), (6, true));
    bench.pass(Duration::from_secs(1));
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    bench.command(Command::Answer(None)).unwrap();
    assert!(bench.desk.calls()[0].is_established());
    assert!(bench.far_events.iter().any(|event| matches!(event, Event::Answered { .. })));
}
