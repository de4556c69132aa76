//! Messages, subscriptions and presence.

use super::*;
use crate::sip::user_agent::Content;

fn message(to: &str, body: &str) -> Command {
    Command::SendMessage {
        to: Pii::new(to.to_owned()),
        content_type: String::new(),
        body: Pii::new(body.to_owned()),
        line: None,
    }
}

fn presence(open: bool) -> Command {
    Command::SetPresence { open, note: Some(Pii::new("午餐".to_owned())), line: None }
}

fn subscribe(event: &str) -> Command {
    Command::Subscribe { event: event.to_owned(), target: Pii::new("1002".to_owned()), line: None }
}

impl Bench {
    /// The first lines of what the desk has sent, of one method.
    fn requests(&self, method: &str) -> usize {
        self.sent.iter().filter(|line| line.split(' ').next() == Some(method)).count()
    }

    fn far_writes(&mut self, content_type: &str, body: &[u8]) {
        let identity = Identity {
            aor: NameAddr::new(Uri::sip("1002", "127.0.0.1")),
            credentials: None,
            destination: Destination::Flow(flow(FAR, self.port).id),
            flow: flow(FAR, self.port),
            route: Vec::new(),
            outbound: None,
        };
        let content =
            Content { content_type: content_type.to_owned(), body: body.to_vec(), headers: Headers::default() };
        let target = Uri::sip("1001", "127.0.0.1");
        self.far(|far, now| _ = far.send_message(now, identity, target, content).unwrap());
    }
}

#[test]
fn message_goes_out_and_its_delivery_is_told() {
    let mut bench = Bench::ready();
    let Done::Message(id) = bench.command(message("1002", "您好")).unwrap() else { panic!() };
    let received = bench.far_events.iter().find_map(|event| match event {
        Event::Message { request, .. } => Some((request.body.clone(), request.headers.value(HeaderName::ContentType))),
        _ => None,
    });
    assert_eq!(received, Some(("您好".as_bytes().to_vec(), Some("text/plain;charset=utf-8"))));
    assert!(bench.edges.contains(&Edge::MessageSent(id)));
}

#[test]
fn message_that_nobody_takes_is_told_as_failed() {
    let mut bench = Bench::ready();
    bench.cut = true;
    let Done::Message(id) = bench.command(message("1002", "x")).unwrap() else { panic!() };
    bench.pass(Duration::from_secs(33));
    assert!(bench.edges.contains(&Edge::MessageFailed(id, None)));
}

#[test]
fn message_needs_a_line_a_receiver_and_a_body_of_bounded_size() {
    let mut bench = Bench::new();
    assert_eq!(bench.command(message("1002", "x")), Err(Refusal::NotSignedIn));
    let mut bench = Bench::ready();
    assert_eq!(bench.command(message("", "x")), Err(Refusal::Target(target::Malformed::Empty)));
    assert_eq!(bench.command(message("1002", &"x".repeat(16 * 1024 + 1))), Err(Refusal::Body));
    let odd = Command::SendMessage {
        to: Pii::new("1002".to_owned()),
        content_type: "nonsense".to_owned(),
        body: Pii::default(),
        line: None,
    };
    assert_eq!(bench.command(odd), Err(Refusal::Body));
}

#[test]
fn message_that_comes_is_told_with_its_sender_and_type() {
    let mut bench = Bench::ready();
    bench.far_writes("text/html", "<b>hi</b>".as_bytes());
    let expected = Edge::Message {
        line: LineId::OWN,
        from: Pii::new("1002".to_owned()),
        content_type: "text/html".to_owned(),
        body: Pii::new("<b>hi</b>".to_owned()),
    };
    assert!(bench.edges.contains(&expected), "{:?}", bench.edges);
}

#[test]
fn message_of_a_stranger_is_not_shown() {
    let mut bench = Bench::ready();
    let stranger = Flow { remote: SocketAddr::from(([203, 0, 113, 9], 5060)), id: FlowId(99), ..bench.flow() };
    let text = "MESSAGE sip:1001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
                From: <sip:spam@x>;tag=1\r\nTo: <sip:1001@x>\r\nCall-ID: spam\r\nCSeq: 1 MESSAGE\r\n\
                Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nbuy";
    bench.input(Input::Received { flow: &stranger, bytes: text.as_bytes() });
    assert!(!bench.edges.iter().any(|edge| matches!(edge, Edge::Message { .. })), "{:?}", bench.edges);
    // Neither is one that claims to be of a call, nor what waits at a registrar that is none of ours.
    let inside = text.replace("To: <sip:1001@x>", "To: <sip:1001@x>;tag=guessed").replace("z9hG4bK1", "z9hG4bK2");
    bench.input(Input::Received { flow: &stranger, bytes: inside.as_bytes() });
    let notify = text.replace("MESSAGE", "NOTIFY").replace("z9hG4bK1", "z9hG4bK3").replace(
        "Content-Type: text/plain",
        "Event: message-summary\r\nSubscription-State: active\r\nContent-Type: application/simple-message-summary",
    );
    bench.input(Input::Received { flow: &stranger, bytes: notify.as_bytes() });
    assert!(!bench.edges.iter().any(|edge| matches!(edge, Edge::Notified { .. })), "{:?}", bench.edges);
    assert!(!bench.edges.iter().any(|edge| matches!(edge, Edge::Message { .. })));
}

#[test]
fn subscription_lives_until_it_is_ended() {
    let mut bench = Bench::ready();
    let Done::Subscription(id) = bench.command(subscribe("dialog")).unwrap() else { panic!() };
    assert_eq!(bench.requests("SUBSCRIBE"), 1);
    // The far side knows no such package.
    let ended =
        |edge: &Edge| matches!(edge, Edge::Notified { subscription, state: "terminated", .. } if *subscription == id);
    assert!(bench.edges.iter().any(ended), "{:?}", bench.edges);
    assert_eq!(bench.command(Command::Unsubscribe(id)), Err(Refusal::NoSubscription));
    assert_eq!(bench.command(subscribe("two words")), Err(Refusal::Header("Event".to_owned())));
}

#[test]
fn presence_is_published_once_and_ended_with_the_line() {
    let mut bench = Bench::ready();
    bench.cut = true;
    bench.command(presence(true)).unwrap();
    bench.command(presence(false)).unwrap();
    assert_eq!(bench.requests("PUBLISH"), 1, "the second waits for the answer to the first");
    bench.cut = false;
    bench.command(subscribe("presence")).unwrap();
    bench.command(Command::SignOut).unwrap();
    bench.pass(Duration::from_secs(600));
    let sent = bench.requests("PUBLISH");
    bench.pass(Duration::from_secs(6000));
    assert_eq!(bench.requests("PUBLISH"), sent, "nothing is published any more");
}
