//! Hold, by us and by the peer.

use super::*;

#[test]
fn outbound_call_held_and_retrieved() {
    let mut bench = Bench::ready();
    let Done::Call(id) = bench.command(dial("1002")).unwrap() else { panic!() };
    assert_eq!(bench.code(), 8);
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, session, 180, Vec::new()).unwrap());
    assert!(bench.edges.contains(&Edge::Alerting(id)));
    assert!(bench.media.contains(&core_media::Command::Tone(Some(Tone::RingBack))));
    bench.far_answers();
    assert_eq!(bench.code(), 10);

    bench.command(Command::Hold(None)).unwrap();
    assert_eq!(bench.last_run().1, SendSource::HoldMusic, "the microphone closes at once");
    assert_eq!(bench.command(Command::Retrieve(None)), Err(Refusal::CallState), "one re-INVITE at a time");
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::Reoffered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    let (answer, agreed) = offer_answer::answer(&far_media(), &offer.unwrap()).unwrap();
    assert_eq!(agreed.direction, Direction::RecvOnly, "the peer is to hear music");
    bench.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
    assert_eq!(bench.code(), 12);
    assert_eq!(bench.last_run(), (Direction::SendOnly, SendSource::HoldMusic));

    bench.command(Command::Retrieve(Some(id))).unwrap();
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::Reoffered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    let (answer, _) = offer_answer::answer(&far_media(), &offer.unwrap()).unwrap();
    bench.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
    assert_eq!(bench.code(), 10);
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert_eq!((bench.code(), bench.end()), (5, EndCause::PeerHungUp));
}

#[test]
fn refused_hold_leaves_the_call_as_it_was() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    bench.far_answers();
    let (session, _) = bench.far_session();
    bench.command(Command::Hold(None)).unwrap();
    bench.far(|far, now| far.refuse_reoffer(now, session, 488).unwrap());
    assert_eq!(bench.code(), 10);
    assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone));
    assert_eq!(bench.desk.notices().len(), 1);
}

#[test]
fn peer_that_holds_is_shown_and_heard_again() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    bench.far_answers();
    let (session, _) = bench.far_session();
    let hold = LocalMedia { direction: Direction::SendOnly, version: 2, ..far_media() };
    bench.far(|far, now| far.reoffer(now, session, offer_answer::offer(&hold)).unwrap());
    assert!(bench.desk.calls()[0].held_by_peer());
    assert_eq!(bench.code(), 10, "held by the peer is not held by us");
    let retrieve = LocalMedia { version: 3, ..far_media() };
    bench.far(|far, now| far.reoffer(now, session, offer_answer::offer(&retrieve)).unwrap());
    assert!(!bench.desk.calls()[0].held_by_peer());
}

#[test]
fn notice_of_a_refused_hold_goes_with_the_next_success_or_the_call() {
    let mut bench = Bench::ready();
    for succeeds in [true, false] {
        bench.command(dial("1002")).unwrap();
        bench.far_answers();
        let (session, _) = bench.far_session();
        bench.command(Command::Hold(None)).unwrap();
        bench.far(|far, now| far.refuse_reoffer(now, session, 488).unwrap());
        assert_eq!(bench.desk.notices().len(), 1);
        if succeeds {
            bench.command(Command::Hold(None)).unwrap();
            bench.far_accepts_reoffer();
            assert_eq!(bench.code(), 12);
            assert!(bench.desk.notices().is_empty());
        }
        bench.command(hang_up()).unwrap();
        assert!(bench.desk.notices().is_empty());
    }
}

#[test]
fn every_way_of_holding_that_peers_know_is_a_hold_and_ends() {
    type Change = fn(&str) -> String;
    let ways: [(&str, Change); 4] = [
        ("sendonly", |offer| offer.replace("a=sendrecv", "a=sendonly")),
        ("inactive", |offer| offer.replace("a=sendrecv", "a=inactive")),
        ("address", |offer| offer.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")),
        ("address, by update", |offer| offer.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")),
    ];
    for (way, change) in ways {
        let mut bench = Bench::ready();
        bench.command(dial("1002")).unwrap();
        bench.far_answers();
        let (session, _) = bench.far_session();
        let plain = String::from_utf8(offer_answer::offer(&LocalMedia { version: 2, ..far_media() })).unwrap();
        let held = change(&plain);
        assert_ne!(held, plain, "{way}");
        bench.far(|far, now| far.reoffer(now, session, held.into_bytes()).unwrap());
        assert!(bench.desk.calls()[0].held_by_peer(), "{way}");
        assert!(!bench.last_run().0.sends(), "{way}: nothing goes to a peer that holds");
        let plain = offer_answer::offer(&LocalMedia { version: 3, ..far_media() });
        bench.far(|far, now| far.reoffer(now, session, plain).unwrap());
        assert!(!bench.desk.calls()[0].held_by_peer(), "{way}");
        assert_eq!(bench.last_run(), (Direction::SendRecv, SendSource::Microphone), "{way}");
    }
}

#[test]
fn peer_that_asks_for_our_offer_gets_it_and_answers_in_the_ack() {
    let mut bench = Bench::ready();
    bench.command(dial("1002")).unwrap();
    bench.far_answers();
    let (session, _) = bench.far_session();
    bench.far(|far, now| far.reoffer(now, session, Vec::new()).unwrap());
    let offer = bench.far_events.iter().rev().find_map(|event| match event {
        Event::ReofferAnswered { body, .. } => Some(body.clone()),
        _ => None,
    });
    let held = LocalMedia { direction: Direction::SendOnly, ..far_media() };
    let (answer, _) = offer_answer::answer(&held, &offer.unwrap()).unwrap();
    bench.far(|far, now| far.accept_reoffer(now, session, answer).unwrap());
    assert!(bench.desk.calls()[0].held_by_peer());
}
