//! Transfers in every role. The far side plays customer, colleague and server in one.

use super::*;
use crate::call::TransferState;
use crate::sip::refer::ReferTo;
use crate::sip::user_agent::{EndReason, Refer, ReferralId, ReferralState};

fn transfer(to: &str) -> Command {
    Command::Transfer { call: None, to: Pii::new(to.to_owned()), headers: Vec::new() }
}

fn consult(to: &str) -> Command {
    Command::Consult { call: None, to: Pii::new(to.to_owned()) }
}

impl Bench {
    /// The far side calls and the agent answers; the far side's session, and the call.
    fn talking(&mut self) -> (SessionId, CallId) {
        let session = self.far_calls();
        self.command(Command::Answer(None)).unwrap();
        (session, self.desk.calls().last().unwrap().id)
    }

    /// A customer is held and a colleague consulted: the far side's sessions, and the calls.
    fn consulting(&mut self) -> (SessionId, CallId, SessionId, CallId) {
        let (customer, about) = self.talking();
        let outcome = self.command(consult("1002")).unwrap();
        let Done::Call(consultation) = outcome else { panic!("{outcome:?}") };
        self.far_accepts_reoffer();
        self.far_answers();
        let (colleague, _) = self.far_session();
        (customer, about, colleague, consultation)
    }

    fn far_referred(&self) -> (ReferralId, ReferTo) {
        let referred = self.far_events.iter().rev().find_map(|event| match event {
            Event::Referred { referral, refer_to, .. } => Some((*referral, (**refer_to).clone())),
            _ => None,
        });
        referred.expect("the far side was asked to call somebody")
    }

    fn transfers(&self) -> Vec<(TransferState, Option<u16>)> {
        let transfers = self.edges.iter().filter_map(|edge| match edge {
            Edge::Transfer(_, transfer) => Some((transfer.state, transfer.status)),
            _ => None,
        });
        transfers.collect()
    }

    fn cause_of(&self, call: CallId) -> EndCause {
        let record = self.records.iter().find(|record| record.id == call).expect("the call has ended");
        match record.state {
            State::Ended(end) => end.cause,
            ref state => panic!("{state:?}"),
        }
    }

    /// The far side calls the desk along the desk's flow, as part of a transfer.
    fn far_replaces(&mut self, refer_to: &ReferTo) -> SessionId {
        let mut headers = Headers::default();
        headers.add(HeaderName::Replaces, refer_to.replaces.as_ref().unwrap().to_string());
        headers.add(HeaderName::Require, "replaces");
        headers.add(HeaderName::ReferredBy, "<sip:1005@127.0.0.1>");
        self.far_calls_to("1001", offer_answer::offer(&far_media()), headers)
    }

    /// The far side asks the desk, in a session, to call somebody.
    fn far_refers(&mut self, session: SessionId, refer_to: ReferTo) {
        let referred_by = Some("<sip:1005@127.0.0.1>".parse().unwrap());
        let refer = Refer { refer_to, referred_by, headers: Headers::default(), reports: true };
        self.far(|far, now| _ = far.refer(now, session, refer).unwrap());
    }

    fn far_reports(&self) -> Vec<ReferralState> {
        let reports = self.far_events.iter().filter_map(|event| match event {
            Event::Referral { state, .. } => Some(*state),
            _ => None,
        });
        reports.collect()
    }

    fn far_end_of(&self, wanted: SessionId) -> Option<EndReason> {
        self.far_events.iter().find_map(|event| match event {
            Event::Ended { session, reason, .. } if *session == wanted => Some(reason.clone()),
            _ => None,
        })
    }
}

#[test]
fn blind_transfer_ends_our_call_once_the_target_has_answered() {
    let mut bench = Bench::ready();
    let (session, call) = bench.talking();
    bench.command(transfer("1002")).unwrap();
    let (referral, refer_to) = bench.far_referred();
    assert_eq!(refer_to.target.to_string(), "sip:1002@127.0.0.1");
    assert_eq!(bench.desk.calls()[0].transfer.as_ref().unwrap().to.expose(), "1002");
    assert_eq!(bench.command(transfer("1003")), Err(Refusal::CallState), "one at a time");
    bench.far(|far, now| far.accept_referral(now, referral).unwrap());
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.code(), 9, "the call stands until then");
    bench.far(|far, now| far.abandon_referral(now, referral, 486).unwrap());
    assert_eq!(
        bench.transfers(),
        [(TransferState::Requested, None), (TransferState::Accepted, None), (TransferState::Failed, Some(486))]
    );
    assert!(bench.desk.notices().iter().any(|notice| notice.code == NoticeCode::TransferRefused));
    assert_eq!(bench.code(), 9, "the call is still ours");

    // The next attempt succeeds.
    bench.command(transfer("1003")).unwrap();
    assert!(bench.desk.notices().is_empty());
    let (referral, _) = bench.far_referred();
    bench.far(|far, now| far.accept_referral(now, referral).unwrap());
    bench.desk_is_told("180 Ringing", "active;expires=60");
    assert_eq!(bench.transfers().last(), Some(&(TransferState::Ringing, Some(180))));
    bench.desk_is_told("200 OK", "terminated;reason=noresource");
    assert_eq!(bench.transfers().last(), Some(&(TransferState::Succeeded, Some(200))));
    assert_eq!(bench.cause_of(call), EndCause::Transferred);
    assert_eq!(bench.far_end_of(session), Some(EndReason::Remote { cause: None }));
    assert_eq!(bench.code(), 5, "after-call work");
}

impl Bench {
    /// The desk receives a report beside those that the far side's user agent sends by itself.
    fn desk_is_told(&mut self, status: &str, state: &str) {
        let refer = self.refers.last().unwrap().clone();
        let cseq = 50 + self.edges.len();
        let to = refer.headers.value(HeaderName::From).unwrap();
        let from = refer.headers.value(HeaderName::To).unwrap();
        let call_id = refer.headers.call_id().unwrap();
        let body = format!("SIP/2.0 {status}\r\n");
        let notify = format!(
            "NOTIFY sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKn{cseq}\r\n\
             Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} NOTIFY\r\n\
             Contact: <sip:x@127.0.0.1:5060>\r\nEvent: refer\r\nSubscription-State: {state}\r\n\
             Content-Type: message/sipfrag\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let flow = self.flow();
        self.input(Input::Received { flow: &flow, bytes: notify.as_bytes() });
    }
}

#[test]
fn far_side_that_leaves_after_taking_a_transfer_on_has_been_transferred() {
    let mut bench = Bench::ready();
    let (session, call) = bench.talking();
    bench.command(transfer("1002")).unwrap();
    let (referral, _) = bench.far_referred();
    bench.far(|far, now| {
        far.accept_referral(now, referral).unwrap();
        far.hang_up(now, session).unwrap();
    });
    assert_eq!(bench.cause_of(call), EndCause::Transferred);
    bench.pass(Duration::from_secs(400));
    assert_eq!(bench.desk.load().0, 0);
}

#[test]
fn far_side_that_leaves_while_it_is_being_asked_has_hung_up() {
    let mut bench = Bench::ready();
    let (session, call) = bench.talking();
    bench.command(transfer("1002")).unwrap();
    bench.far(|far, now| far.hang_up(now, session).unwrap());
    assert_eq!(bench.cause_of(call), EndCause::PeerHungUp);
    bench.pass(Duration::from_secs(100));
    assert_eq!(bench.desk.load().0, 0);
}

#[test]
fn refused_transfer_keeps_the_call_and_says_so() {
    let mut bench = Bench::ready();
    bench.talking();
    bench.command(transfer("1002")).unwrap();
    let (referral, _) = bench.far_referred();
    bench.far(|far, now| far.refuse_referral(now, referral, 603).unwrap());
    assert_eq!(bench.transfers().last(), Some(&(TransferState::Failed, Some(603))));
    assert!(bench.desk.notices().iter().any(|notice| notice.code == NoticeCode::TransferRefused));
    assert_eq!(bench.code(), 9);
    bench.command(Command::Hold(None)).unwrap();
}

#[test]
fn peer_that_never_takes_refer_is_not_asked() {
    let mut bench = Bench::ready();
    bench.talking();
    bench.desk.calls[0].takes_refer = Some(false);
    bench.command(transfer("1002")).unwrap();
    assert_eq!(bench.transfers(), [(TransferState::Failed, Some(405))]);
    assert!(!bench.sent.iter().any(|line| line.starts_with("REFER")));
    assert!(bench.desk.notices().iter().any(|notice| notice.code == NoticeCode::TransferRefused));
}

#[test]
fn transfer_needs_a_call_and_a_number() {
    let mut bench = Bench::ready();
    assert_eq!(bench.command(transfer("1002")), Err(Refusal::NoCall));
    assert_eq!(bench.command(Command::CompleteTransfer(None)), Err(Refusal::CallState));
    bench.talking();
    assert_eq!(bench.command(transfer("")), Err(Refusal::Target(target::Malformed::Empty)));
    assert_eq!(bench.command(Command::CompleteTransfer(None)), Err(Refusal::CallState));
    assert_eq!(bench.command(Command::CancelConsult(None)), Err(Refusal::CallState));
}

#[test]
fn consultation_is_completed_by_a_refer_that_names_it() {
    let mut bench = Bench::ready();
    let (customer, about, colleague, consultation) = bench.consulting();
    bench.command(Command::CompleteTransfer(None)).unwrap();
    let (referral, refer_to) = bench.far_referred();
    let replaces = refer_to.replaces.expect("an attended transfer");
    assert_eq!(refer_to.target.user_plain().as_deref(), Some("1002"));
    assert!(!replaces.early_only);
    bench.far(|far, now| far.accept_referral(now, referral).unwrap());
    bench.desk_is_told("200 OK", "terminated;reason=noresource");
    assert_eq!((bench.cause_of(about), bench.cause_of(consultation)), (EndCause::Transferred, EndCause::Transferred));
    assert!(bench.far_end_of(customer).is_some() && bench.far_end_of(colleague).is_some());
    assert_eq!(bench.code(), 5);
    bench.pass(Duration::from_secs(400));
    assert_eq!(bench.desk.load().0, 0);
}

#[test]
fn colleague_replaced_before_the_outcome_is_told_was_transferred_too() {
    let mut bench = Bench::ready();
    let (customer, about, colleague, consultation) = bench.consulting();
    bench.command(Command::CompleteTransfer(Some(about))).unwrap();
    let (referral, _) = bench.far_referred();
    bench.far(|far, now| far.accept_referral(now, referral).unwrap());
    bench.far(|far, now| far.hang_up(now, colleague).unwrap());
    assert_eq!(bench.cause_of(consultation), EndCause::Transferred);
    bench.far(|far, now| far.hang_up(now, customer).unwrap());
    assert_eq!(bench.cause_of(about), EndCause::Transferred);
}

#[test]
fn failed_transfer_leaves_both_calls_of_a_consultation() {
    let mut bench = Bench::ready();
    let (_, about, _, consultation) = bench.consulting();
    bench.command(Command::CompleteTransfer(None)).unwrap();
    let (referral, _) = bench.far_referred();
    bench.far(|far, now| far.accept_referral(now, referral).unwrap());
    bench.desk_is_told("486 Busy Here", "terminated;reason=noresource");
    assert_eq!(bench.desk.calls().len(), 2);
    assert_eq!(bench.desk.calls()[1].consults, Some(about));
    // Back to the customer.
    bench.command(Command::CancelConsult(None)).unwrap();
    bench.far_accepts_reoffer();
    assert_eq!(bench.cause_of(consultation), EndCause::HungUp);
    assert!(bench.desk.calls()[0].is_active());
}

#[test]
fn consultation_that_ends_before_completion_cannot_be_completed() {
    let mut bench = Bench::ready();
    let (_, about, colleague, _) = bench.consulting();
    bench.far(|far, now| far.hang_up(now, colleague).unwrap());
    assert_eq!(bench.command(Command::CompleteTransfer(Some(about))), Err(Refusal::CallState));
    bench.command(Command::Retrieve(Some(about))).unwrap();
    bench.far_accepts_reoffer();
    assert!(bench.desk.calls()[0].is_active());
}

#[test]
fn consultation_that_still_rings_is_not_completed() {
    let mut bench = Bench::ready();
    bench.talking();
    bench.command(consult("1002")).unwrap();
    bench.far_accepts_reoffer();
    assert_eq!(bench.command(Command::CompleteTransfer(None)), Err(Refusal::CallState));
}

#[test]
fn transferred_agent_calls_the_target_and_leaves_the_first_call_when_it_answers() {
    let mut bench = Bench::ready();
    let (session, old) = bench.talking();
    bench.far_refers(session, ReferTo::new("sip:1009@127.0.0.1".parse().unwrap()));
    let new = bench.desk.calls().last().unwrap();
    assert_eq!((new.number.expose().as_str(), new.is_outgoing()), ("1009", true));
    assert_eq!(new.referred_by.as_ref().unwrap().expose(), "1005");
    let new = new.id;
    assert_eq!(bench.desk.calls().len(), 2, "the first call stands meanwhile");
    let (target, _) = bench.far_session();
    bench.far(|far, now| far.progress(now, target, 180, Vec::new()).unwrap());
    bench.pass(Duration::from_millis(10));
    bench.far_answers();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.cause_of(old), EndCause::Replaced);
    assert_eq!(bench.desk.calls().iter().map(|call| call.id).collect::<Vec<_>>(), [new]);
    assert!(bench.desk.calls()[0].is_active());
    assert_eq!(bench.code(), 10, "outgoing");
    assert_eq!(bench.far_reports().last(), Some(&ReferralState::Done { status: 200 }));
    assert!(!bench.sent.iter().filter(|line| line.starts_with("INVITE")).any(|line| !line.contains("1009")), "no hold");
}

#[test]
fn transfer_of_us_that_fails_leaves_the_first_call() {
    let mut bench = Bench::ready();
    let (session, old) = bench.talking();
    bench.far_refers(session, ReferTo::new("sip:1009@127.0.0.1".parse().unwrap()));
    let (target, _) = bench.far_session();
    bench.far(|far, now| far.reject(now, target, 486, Headers::default()).unwrap());
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.far_reports().last(), Some(&ReferralState::Done { status: 486 }));
    assert_eq!(bench.desk.calls().iter().map(|call| call.id).collect::<Vec<_>>(), [old]);
    assert_eq!(bench.code(), 9);
}

#[test]
fn agent_who_is_transferred_while_muted_stays_so() {
    let mut bench = Bench::ready();
    let (session, _) = bench.talking();
    bench.command(mute(true)).unwrap();
    bench.far_refers(session, ReferTo::new("sip:1009@127.0.0.1".parse().unwrap()));
    bench.far_answers();
    bench.pass(Duration::from_millis(10));
    assert_eq!(bench.desk.calls().len(), 1);
    assert!(bench.desk.calls()[0].is_active() && bench.desk.calls()[0].muted && bench.muted());
    bench.command(mute(false)).unwrap();
    assert!(!bench.muted());
}

#[test]
fn one_who_is_held_does_not_take_the_agent_out_of_another_conversation() {
    let mut bench = Bench::ready();
    let (customer, _, _, consultation) = bench.consulting();
    bench.far_refers(customer, ReferTo::new("sip:1009@127.0.0.1".parse().unwrap()));
    assert_eq!(bench.far_reports(), [ReferralState::Refused { status: 603 }]);
    assert_eq!(bench.desk.calls().len(), 2);
    assert!(bench.desk.calls().iter().any(|call| call.id == consultation && call.is_active()));
}

#[test]
fn account_that_forbids_it_is_not_transferred() {
    let mut bench = Bench::new();
    let options = crate::account::Options { transfer_accept: false, ..crate::account::Options::default() };
    bench.command(Command::SignIn(Box::new(Account { options, ..Bench::account() }))).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    let (session, _) = bench.talking();
    bench.far_refers(session, ReferTo::new("sip:1009@127.0.0.1".parse().unwrap()));
    assert_eq!(bench.far_reports(), [ReferralState::Refused { status: 603 }]);
    assert_eq!(bench.desk.calls().len(), 1);
}

#[test]
fn transfer_of_us_without_a_socket_is_reported_as_failed() {
    let mut bench = Bench::ready();
    let (session, _) = bench.talking();
    bench.sockets = Sockets::Fail;
    for _ in 0..2 {
        bench.far_refers(session, ReferTo::new("sip:1009@127.0.0.1".parse().unwrap()));
        bench.pass(Duration::from_millis(10));
        if let Some(ReferralState::Done { status }) = bench.far_reports().last() {
            assert_eq!(*status, 503);
            assert_eq!(bench.desk.calls().len(), 1);
            return;
        }
        // A socket that was opened in advance: its call is given up, and the next one has none.
        let (target, _) = bench.far_session();
        bench.far(|far, now| far.reject(now, target, 486, Headers::default()).unwrap());
        bench.pass(Duration::from_millis(10));
        bench.far_events.retain(|event| !matches!(event, Event::Referral { .. }));
    }
    panic!("{:?}", bench.far_reports());
}

#[test]
fn call_that_takes_the_place_of_ours_does_not_ring() {
    let mut bench = Bench::ready();
    let (session, old) = bench.talking();
    bench.command(Command::Mute { call: None, muted: true }).unwrap();
    let refer_to = bench.far.refer_to_session(session).unwrap();
    let rings = bench.edges.iter().filter(|edge| matches!(edge, Edge::Ringing(_))).count();
    bench.far_replaces(&refer_to);
    assert_eq!(bench.edges.iter().filter(|edge| matches!(edge, Edge::Ringing(_))).count(), rings);
    assert_eq!(bench.cause_of(old), EndCause::Replaced);
    let call = &bench.desk.calls()[0];
    assert!(call.is_active() && call.muted);
    assert_eq!(call.referred_by.as_ref().unwrap().expose(), "1005");
    assert_eq!(bench.far_end_of(session), Some(EndReason::Remote { cause: None }));
    assert_eq!(bench.code(), 9);
    bench.command(hang_up()).unwrap();
    bench.pass(Duration::from_secs(100));
    assert_eq!(bench.desk.load().0, 0);
}

#[test]
fn replacement_of_a_call_that_the_agent_holds_rings_and_opens_no_microphone() {
    let mut bench = Bench::ready();
    let (session, old) = bench.talking();
    bench.command(Command::Hold(None)).unwrap();
    bench.far_accepts_reoffer();
    let refer_to = bench.far.refer_to_session(session).unwrap();
    bench.far_replaces(&refer_to);
    let new = bench.desk.calls().last().unwrap();
    assert!(new.id != old && matches!(new.state, State::Ringing { .. }), "{:?}", new.state);
    let new = new.id;
    assert!(bench.desk.calls().iter().all(|call| !call.is_active()));
    // The agent takes it: only now is the old one over.
    bench.command(Command::Answer(Some(new))).unwrap();
    bench.pass(Duration::from_millis(10));
    assert!(bench.desk.calls().iter().any(|call| call.id == new && call.is_active()));
    assert!(bench.desk.calls().iter().all(|call| call.id != old));
}

#[test]
fn replacement_of_a_call_that_is_held_for_another_rings() {
    let mut bench = Bench::ready();
    let (customer, about, _, consultation) = bench.consulting();
    let refer_to = bench.far.refer_to_session(customer).unwrap();
    bench.command(Command::HangUp { call: Some(consultation), headers: Vec::new() }).unwrap();
    bench.command(dial("1004")).unwrap();
    bench.far_answers();
    let before = bench.desk.calls().len();
    bench.far_replaces(&refer_to);
    // The line has room for two: the third is busy, and nothing has changed.
    assert_eq!(bench.desk.calls().len(), before);
    assert!(bench.desk.calls().iter().any(|call| call.id == about));
}
