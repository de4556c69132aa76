//! Who calls, and whom the caller may have answer at once; what the application adds to requests.

use super::*;
use crate::account::{DtmfMode, Options};
use crate::call::Field;

fn headers(lines: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in lines {
        headers.add_named(name, value);
    }
    headers
}

/// A bench whose account has these options, with a call that brings these headers.
fn called(options: Options, lines: &[(&str, &str)], rest: &str) -> Bench {
    let mut bench = Bench::new();
    bench.command(Command::SignIn(Box::new(Account { options, ..Bench::account() }))).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    called_from(&mut bench, "\"王女士\" <sip:13800138000@127.0.0.1>", lines, rest);
    bench
}

/// Bytes of a server: a user agent of our own may not set the headers that a server does.
fn called_from(bench: &mut Bench, from: &str, lines: &[(&str, &str)], rest: &str) {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let body = String::from_utf8(offer_answer::offer(&far_media())).unwrap();
    let invite = format!(
        "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-identity\r\n\
         Max-Forwards: 70\r\nFrom: {from};tag=1\r\nTo: <sip:1001@127.0.0.1>\r\nCall-ID: identity\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:pbx@127.0.0.1>\r\n{lines}{rest}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let flow = bench.flow();
    bench.input(Input::Received { flow: &flow, bytes: invite.as_bytes() });
}

fn shown(bench: &Bench) -> (&str, Option<&str>) {
    let call = &bench.desk.calls()[0];
    (call.number.expose(), call.name.as_ref().map(|name| name.expose().as_str()))
}

#[test]
fn what_the_server_asserts_stands_before_from() {
    let bench = called(
        Options::default(),
        &[
            ("P-Asserted-Identity", "\"林晓雨\" <sip:+862165529988@pbx.example.com>, <tel:+862165529988>"),
            ("Remote-Party-ID", "<sip:4711@pbx>;party=calling;privacy=off"),
            ("Diversion", "<sip:4008108888@127.0.0.1>;reason=no-answer"),
            ("History-Info", "<sip:4008108888@127.0.0.1?Reason=SIP%3Bcause%3D408>;index=1"),
            ("Call-Info", "<http://crm.example.com/1>;purpose=info"),
            ("Referred-By", "<sip:1003@127.0.0.1>"),
        ],
        "X-Customer: 4711\r\nUser-To-User: 00;encoding=hex\r\n",
    );
    assert_eq!(shown(&bench), ("+862165529988", Some("林晓雨")));
    let call = &bench.desk.calls()[0];
    let exposed = |text: &Option<Pii<String>>| text.as_ref().map(|text| text.expose().clone());
    assert_eq!(exposed(&call.caller.asserted).as_deref(), Some("+862165529988"));
    assert_eq!(exposed(&call.caller.remote_party).as_deref(), Some("4711"));
    assert_eq!(call.caller.diversions[0].number.expose(), "4008108888");
    assert_eq!(call.caller.diversions[0].reason.as_deref(), Some("no-answer"));
    assert_eq!(call.caller.history[0].reason.as_deref(), Some("408"));
    assert_eq!(call.caller.call_info[0].expose(), "<http://crm.example.com/1>;purpose=info");
    assert_eq!(exposed(&call.referred_by).as_deref(), Some("1003"));
    let fields: Vec<_> =
        call.headers.iter().map(|field| (field.name.as_str(), field.value.expose().as_str())).collect();
    assert_eq!(fields, [("X-Customer", "4711"), ("User-To-User", "00;encoding=hex")]);
    let debug = format!("{call:?}");
    for secret in ["4711", "62165529988", "林晓雨", "4008108888", "crm.example"] {
        assert!(!debug.contains(secret), "{secret}: {debug}");
    }
}

#[test]
fn caller_who_wishes_not_to_be_shown_is_not_shown() {
    let asserted = ("P-Asserted-Identity", "<sip:13900139000@127.0.0.1>");
    let bench = called(Options::default(), &[asserted, ("Privacy", "id;critical")], "");
    assert_eq!(shown(&bench), ("anonymous", None));
    assert!(bench.desk.calls()[0].caller.anonymous && bench.desk.calls()[0].caller.asserted.is_none());

    let mut bench = Bench::ready();
    called_from(&mut bench, "\"Anonymous\" <sip:anonymous@anonymous.invalid>", &[], "");
    assert_eq!(shown(&bench), ("anonymous", None));

    let mut bench = Bench::ready();
    called_from(&mut bench, "\"Anonymous\" <sip:anonymous@anonymous.invalid>", &[asserted], "");
    assert_eq!(shown(&bench).0, "13900139000", "the server knows, and the caller has not forbidden it");
}

#[test]
fn stranger_asserts_nothing_and_rings_only_where_the_account_lets_strangers_in() {
    let options = Options { strangers: true, ..Options::default() };
    let mut bench = called(options, &[], "");
    bench.command(hang_up()).unwrap();
    bench.pass(Duration::from_secs(40));
    let scanner = SocketAddr::from(([203, 0, 113, 9], 5060));
    let stranger = Flow { id: FlowId(5071 << 16), remote: scanner, ..bench.flow() };
    let invite = "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK7\r\n\
        Max-Forwards: 70\r\nFrom: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:1001@127.0.0.1>\r\nCall-ID: 7\r\nCSeq: 1 INVITE\r\n\
        P-Asserted-Identity: <sip:110@1.1.1.1>\r\nRemote-Party-ID: <sip:110@1.1.1.1>\r\nContact: <sip:100@203.0.113.9>\r\nContent-Length: 0\r\n\r\n";
    bench.input(Input::Received { flow: &stranger, bytes: invite.as_bytes() });
    assert_eq!(shown(&bench).0, "100");
    assert!(bench.desk.calls()[0].caller.asserted.is_none() && bench.desk.calls()[0].caller.remote_party.is_none());
}

#[test]
fn stranger_rings_where_strangers_may_and_is_never_answered_by_itself() {
    let options = Options { strangers: true, auto_answer: true, ..Options::default() };
    let mut bench = Bench::new();
    bench.desk.config.auto_answer = Some(Duration::ZERO);
    bench.command(Command::SignIn(Box::new(Account { options, ..Bench::account() }))).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    let scanner = SocketAddr::from(([203, 0, 113, 9], 5060));
    let stranger = Flow { id: FlowId(5071 << 16), remote: scanner, ..bench.flow() };
    let invite = "INVITE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9:5060;branch=z9hG4bK7\r\n\
        Max-Forwards: 70\r\nFrom: <sip:100@1.1.1.1>;tag=1\r\nTo: <sip:1001@127.0.0.1>\r\nCall-ID: 7\r\nCSeq: 1 INVITE\r\n\
        Call-Info: <sip:x>;answer-after=0\r\nAnswer-Mode: Auto\r\nContact: <sip:100@203.0.113.9>\r\n\
        Content-Length: 0\r\n\r\n";
    bench.input(Input::Received { flow: &stranger, bytes: invite.as_bytes() });
    bench.pass(Duration::from_secs(61));
    assert!(matches!(bench.desk.calls()[0].state, State::Ringing { .. }), "{:?}", bench.desk.calls()[0].state);
    assert!(bench.last_ring());
}

#[test]
fn caller_may_have_us_answer_only_where_the_account_allows_it() {
    let ask = [("Call-Info", "<sip:pbx>;answer-after=0")];
    let mut bench = called(Options::default(), &ask, "");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.code(), 6, "the account does not allow it");
    let options = Options { auto_answer: true, ..Options::default() };
    let mut bench = called(options.clone(), &ask, "");
    bench.pass(Duration::ZERO);
    assert_eq!(bench.code(), 9);
    assert!(!bench.media.contains(&core_media::Command::Ring(true)), "it need not ring");
    let mut bench = called(options.clone(), &[("Alert-Info", "<http://x>;answer-after=3")], "");
    assert_eq!((bench.code(), bench.last_ring()), (6, true));
    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.code(), 9);
    let mut bench = called(options, &[], "");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.code(), 6, "nobody asked");
}

#[test]
fn waiting_call_is_never_answered_by_itself() {
    let options = Options { auto_answer: true, ..Options::default() };
    let mut bench = Bench::new();
    bench.command(Command::SignIn(Box::new(Account { options, ..Bench::account() }))).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    bench.command(dial("1002")).unwrap();
    bench.far_answers();
    called_from(&mut bench, "<sip:1@x>", &[("Call-Info", "<sip:pbx>;answer-after=0")], "");
    bench.pass(Duration::from_secs(1));
    assert!(matches!(bench.desk.calls()[1].state, State::Ringing { .. }));
}

#[test]
fn headers_of_the_application_travel_and_cannot_break_out() {
    let mut bench = Bench::ready();
    let field = |name: &str, value: &str| Field { name: name.into(), value: Pii::new(value.into()) };
    let call = |field: Field| Command::Call { to: Pii::new("1002".into()), line: None, headers: vec![field] };
    for (name, value) in [("X-A", "1\r\nX-B: 2"), ("Via", "x"), ("Contact", "<sip:x>"), ("X A", "1"), ("", "1")] {
        let outcome = bench.command(call(field(name, value)));
        assert!(matches!(outcome, Err(Refusal::Header(_))), "{name:?}: {outcome:?}");
    }
    assert!(bench.desk.calls().is_empty());
    bench.command(call(field("X-Order", "4711"))).unwrap();
    let arrived = bench.far_events.iter().any(
        |event| matches!(event, Event::Incoming { request, .. } if request.headers.named("X-Order") == Some("4711")),
    );
    assert!(arrived);
    let far = headers(&[("X-Far", "1")]);
    bench.command(hang_up()).unwrap();
    bench.far_calls_to("1001", offer_answer::offer(&far_media()), far);
    assert_eq!(bench.desk.calls()[0].headers[0].name, "X-Far");
}

/// A call of an account with that way of digits.
fn talking(dtmf: DtmfMode, far: &LocalMedia) -> Bench {
    let mut bench = Bench::new();
    let options = Options { dtmf, ..Options::default() };
    bench.command(Command::SignIn(Box::new(Account { options, ..Bench::account() }))).unwrap();
    let connect = bench.connects.pop().unwrap();
    bench.connected(connect);
    bench.far_calls_with(offer_answer::offer(far));
    bench.command(Command::Answer(None)).unwrap();
    bench
}

fn infos(bench: &Bench) -> Vec<(String, String)> {
    let info = |event: &Event| match event {
        Event::Info { content_type, body, .. } => {
            Some((content_type.clone(), String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned()))
        }
        _ => None,
    };
    bench.far_events.iter().filter_map(info).collect()
}

#[test]
fn digits_go_the_way_of_the_account() {
    let check = |mode: DtmfMode, events: bool, expected: &[(&str, &str)]| {
        let mut bench = talking(mode, &LocalMedia { dtmf: events, ..far_media() });
        bench.command(Command::Dtmf { call: None, digits: Pii::new("5".into()) }).unwrap();
        let expected: Vec<_> = expected.iter().map(|(kind, line)| ((*kind).to_owned(), (*line).to_owned())).collect();
        assert_eq!(infos(&bench), expected, "{mode:?}");
        let in_media = bench.media.iter().any(|command| matches!(command, core_media::Command::Dtmf { .. }));
        assert_eq!(in_media, expected.is_empty());
    };
    check(DtmfMode::Rtp, true, &[]);
    check(DtmfMode::Rtp, false, &[("application/dtmf-relay", "Signal=5")]);
    check(DtmfMode::InfoRelay, true, &[("application/dtmf-relay", "Signal=5")]);
    check(DtmfMode::Info, true, &[("application/dtmf", "5")]);
}

/// The far side answers every INFO with that status.
fn refuses_info(bench: &mut Bench, status: u16) {
    let refusals: Vec<_> = std::mem::take(&mut bench.wire).into_iter().collect();
    for (to_desk, port, bytes) in refusals {
        let text = String::from_utf8(bytes).unwrap();
        if to_desk || !text.starts_with("INFO ") {
            bench.wire.push_back((to_desk, port, text.into_bytes()));
            continue;
        }
        let echoed = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
        let lines: String = text
            .lines()
            .filter(|line| echoed.iter().any(|name| line.starts_with(name)))
            .map(|line| format!("{line}\r\n"))
            .collect();
        let answer = format!("SIP/2.0 {status} No\r\n{lines}Content-Length: 0\r\n\r\n");
        bench.wire.push_back((true, port, answer.into_bytes()));
    }
}

#[test]
fn digits_that_are_refused_go_the_other_way_and_so_do_all_further_ones() {
    let mut bench = talking(DtmfMode::InfoRelay, &far_media());
    let press = |digits: &str| Command::Dtmf { call: None, digits: Pii::new(digits.into()) };
    bench.desk.handle(bench.now, Input::Command { ticket: Ticket(1), command: press("12") });
    while let Some(output) = bench.desk.poll_output() {
        bench.output(output);
    }
    refuses_info(&mut bench, 415);
    bench.settle();
    let sent = |bench: &Bench| {
        let digits = |command: &core_media::Command| match command {
            core_media::Command::Dtmf { digits, .. } => Some(digits.expose().clone()),
            _ => None,
        };
        bench.media.iter().filter_map(digits).collect::<Vec<_>>().join("|")
    };
    assert_eq!(sent(&bench), "12");
    assert_eq!(bench.desk.notices()[0].code, NoticeCode::DtmfOtherWay);
    bench.command(press("3")).unwrap();
    assert_eq!(sent(&bench), "12|3");
    assert!(infos(&bench).is_empty());
    bench.command(hang_up()).unwrap();
    assert!(bench.desk.notices().is_empty());
}

#[test]
fn info_of_the_application_travels_both_ways() {
    let mut bench = talking(DtmfMode::Rtp, &far_media());
    let info = |content_type: &str, body: String| Command::Info {
        call: None,
        content_type: content_type.into(),
        body: Pii::new(body),
        headers: Vec::new(),
    };
    bench.command(info("application/json", "{\"a\":1}".into())).unwrap();
    assert_eq!(infos(&bench), [("application/json".to_owned(), "{\"a\":1}".to_owned())]);
    for (content_type, length) in [("json", 1), ("application/json\r\nX: 1", 1), ("a/b", 16 * 1024 + 1)] {
        assert_eq!(bench.command(info(content_type, "x".repeat(length))), Err(Refusal::Body), "{content_type}");
    }
    let session = bench.far_calls_session();
    bench.far(|far, now| far.info(now, session, "application/x-crm", b"4711".to_vec()).unwrap());
    let came = bench.edges.iter().any(|edge| matches!(edge, Edge::Info { body, .. } if body.expose() == "4711"));
    assert!(came, "{:?}", bench.edges);
}

#[test]
fn digits_are_remembered_up_to_a_bound() {
    let mut bench = talking(DtmfMode::Rtp, &far_media());
    for _ in 0..100 {
        bench.command(Command::Dtmf { call: None, digits: Pii::new("0123456789".into()) }).unwrap();
    }
    assert_eq!(bench.desk.calls()[0].dtmf.expose().len(), 256);
}
