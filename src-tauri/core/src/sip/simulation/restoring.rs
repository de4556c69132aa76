//! Dialogs that outlive the process that held them.

use super::super::message::HeaderAccess;
use super::super::user_agent::{DialogState, Error};
use super::peer::*;
use super::*;

#[test]
fn dialog_of_a_crashed_process_is_taken_up_by_its_text() {
    for caller in [true, false] {
        let mut world = World::new(1, Transport::Udp, &[passive, answering]);
        let (session, end) = if caller { (world.call(0, 1), 0) } else { (world.call(1, 0), 1) };
        let session = if caller {
            world.await_event(1, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
            session
        } else {
            let session = world.incoming(0);
            world.ends[0].ua.answer(world.now, session, ANSWER.to_vec(), Headers::default()).unwrap();
            world.await_event(0, |event| matches!(event, Event::Confirmed { .. }).then_some(()));
            session
        };
        assert_eq!(end, usize::from(!caller));
        let state = world.ends[0].ua.dialog_state(session).unwrap();
        let text = state.to_text();
        let read = DialogState::from_text(&text).unwrap();
        assert_eq!(read, state);
        assert_eq!(read.is_caller, caller);

        world.crash(0);
        let identity = world.identity(0, 1);
        let session = world.ends[0].ua.restore(world.now, read.clone(), identity.clone()).unwrap();
        let twice = world.ends[0].ua.restore(world.now, read, identity);
        assert_eq!(twice, Err(Error::WrongState("restored already")));
        world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
        if !caller {
            let theirs = world.await_event(1, |event| match event {
                Event::Reoffered { session, .. } => Some(*session),
                _ => None,
            });
            // The application of end 1 answers by itself.
            assert!(world.ends[1].ua.accept_reoffer(world.now, theirs, ANSWER.to_vec()).is_err());
        }
        world.await_event(0, |event| matches!(event, Event::ReofferAnswered { .. }).then_some(()));
        world.ends[0].ua.hang_up(world.now, session).unwrap();
        world.run_out();
        assert_eq!(world.ended(1), [EndReason::Remote { cause: None }]);
        world.assert_empty();
    }
}

#[test]
fn restored_dialog_that_the_peer_has_forgotten_ends() {
    let mut world = World::new(2, Transport::Udp, &[passive]);
    let (session, _) = world.answered_call();
    let state = world.ends[0].ua.dialog_state(session).unwrap();
    world.crash(0);
    let identity = world.identity(0, PEER);
    let session = world.ends[0].ua.restore(world.now, state.clone(), identity).unwrap();
    assert_eq!(world.ends[0].ua.dialog_state(session).unwrap().call_id, state.call_id);
    world.ends[0].ua.reoffer(world.now, session, OFFER.to_vec()).unwrap();
    let invite = world.received_request();
    let cseq = invite.headers.cseq().unwrap().seq;
    assert!(cseq > state.local_cseq + 100, "requests after the last writing may have gone out: {cseq}");
    world.answer(&invite, 481, "t");
    assert!(matches!(&world.ended(0)[..], [EndReason::Rejected { status: 481, .. }]));
    world.run_out();
    world.assert_empty();
}

#[test]
fn restored_dialog_keeps_its_routes_and_refuses_what_is_out_of_order() {
    let text = "dialog 1\nrole: callee\ncall-id: call-of-the-peer\nlocal: <sip:u0@example.org>;tag=own\n\
        remote: \"A\" <sip:peer@example.org>;tag=p\nlocal-cseq: 4\nremote-cseq: 7\ntarget: sip:peer@10.0.0.10:5060\n\
        route: <sip:10.0.0.30;lr>\nroute: <sip:10.0.0.31;lr>\ncontact-user: u0\nfuture: unknown\n";
    let state = DialogState::from_text(text).unwrap();
    let mut world = World::new(3, Transport::Udp, &[passive]);
    let identity = world.identity(0, PEER);
    let session = world.ends[0].ua.restore(world.now, state, identity).unwrap();
    let call = in_dialog(&invite("1"), "own");
    world.inject(request_like(&call, Method::Info, 6, "6"));
    world.inject(request_like(&call, Method::Info, 8, "8"));
    assert_eq!(world.received_statuses(), ["500 INFO", "200 INFO"]);
    world.ends[0].ua.hang_up(world.now, session).unwrap();
    let bye = world.received_request();
    let routes: Vec<_> = bye.headers.items(super::super::message::HeaderName::Route).collect();
    assert_eq!(routes, ["<sip:10.0.0.30;lr>", "<sip:10.0.0.31;lr>"]);
    assert_eq!((bye.headers.from_tag(), bye.headers.to_tag()), (Some("own"), Some("p")));
}

#[test]
fn text_that_is_no_dialog_is_refused() {
    let good = "dialog 1\nrole: caller\ncall-id: c\nlocal: <sip:a@x>;tag=1\nremote: <sip:b@x>;tag=2\nlocal-cseq: 1\n\
        target: sip:b@x\ncontact-user: a\n";
    assert!(DialogState::from_text(good).is_ok());
    for line in good.lines().filter(|line| !line.starts_with("contact-user")) {
        assert!(DialogState::from_text(&good.replace(line, "x")).is_err(), "without {line}");
    }
    for (from, to) in [("dialog 1", "dialog 2"), ("cseq: 1", "cseq: 4294967295"), (";tag=1", ""), ("sip:b@x\n", "<\n")]
    {
        assert!(DialogState::from_text(&good.replace(from, to)).is_err(), "{from} -> {to}");
    }
    assert!(DialogState::from_text(&format!("{good}{}", "x".repeat(100_000))).is_err());
}

#[test]
fn sessions_that_are_not_confirmed_have_no_dialog_to_keep() {
    let mut world = World::new(4, Transport::Udp, &[ringing]);
    let calling = world.call(0, PEER);
    world.inject(invite("1"));
    let ringing = world.incoming(0);
    for session in [calling, ringing, SessionId(77)] {
        assert_eq!(world.ends[0].ua.dialog_state(session), None);
    }
}
