//! Challenges of registrars, proxies and far ends, on every method, inside dialogs and out.

use super::super::digest::{self, Algorithm, AuthenticationInfo, Challenge, Digested, Login};
use super::super::message::{Header, HeaderAccess, HeaderName, Request, Response};
use super::lone::Lone;
use super::*;

const WWW: HeaderName = HeaderName::WwwAuthenticate;
const PROXY: HeaderName = HeaderName::ProxyAuthenticate;

fn challenge(realm: &str, nonce: &str, algorithm: Algorithm) -> Challenge {
    Challenge::new(realm, nonce, algorithm)
}

fn shown(request: &Request, name: HeaderName, realm: &str) -> digest::Credentials {
    digest::Credentials::for_realm(&request.headers, name, realm).unwrap_or_else(|| panic!("{request:#?}"))
}

fn proves(request: &Request, name: HeaderName, challenge: &Challenge) -> bool {
    let password = Pii::new("secret".to_owned());
    let uri = request.uri.to_string();
    let digested = Digested { method: &request.method, uri: &uri, body: &request.body };
    shown(request, name, &challenge.realm).verify(challenge, Login { user: "7001", password: &password }, digested)
}

/// A call of ours that the peer has answered.
fn established() -> (Lone, SessionId) {
    let mut lone = Lone::new(Transport::Udp);
    let session = lone.call(OFFER);
    let mut ok = Response::to_request(&lone.last_request(), 200, Some("t"));
    ok.headers.add(HeaderName::Contact, "<sip:peer@10.0.0.2:5060>");
    ok.set_body("application/sdp", ANSWER.to_vec());
    lone.inject(ok);
    assert_eq!(lone.last_request().method, Method::Ack);
    (lone, session)
}

#[test]
fn every_request_of_a_dialog_answers_its_challenge_and_counts_its_nonce() {
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
        let algorithm = Algorithm::from_token(algorithm).unwrap();
        let (mut lone, session) = established();
        let asked = challenge("far", "n1", algorithm);

        lone.ua.info(lone.now, session, "application/dtmf-relay", b"Signal=1\r\n".to_vec()).unwrap();
        lone.drain();
        lone.answer(407, &[(PROXY, &asked.to_string())]);
        let info = lone.last_request();
        assert_eq!((info.method.clone(), info.headers.cseq().unwrap().seq), (Method::Info, 3));
        assert!(proves(&info, HeaderName::ProxyAuthorization, &asked), "{algorithm}");
        assert_eq!(shown(&info, HeaderName::ProxyAuthorization, "far").nonce_count, Some(1));
        lone.answer(200, &[]);

        lone.ua.reoffer(lone.now, session, OFFER.to_vec()).unwrap();
        lone.drain();
        let reinvite = lone.last_request();
        assert!(proves(&reinvite, HeaderName::ProxyAuthorization, &asked), "{algorithm}: the nonce is used again");
        assert_eq!(shown(&reinvite, HeaderName::ProxyAuthorization, "far").nonce_count, Some(2));
        // Too old now.
        let newer = Challenge { stale: true, ..challenge("far", "n2", algorithm) };
        lone.answer(407, &[(PROXY, &newer.to_string())]);
        let again = lone.last_request();
        assert_eq!((again.method.clone(), again.headers.cseq().unwrap().seq), (Method::Invite, 5));
        assert!(proves(&again, HeaderName::ProxyAuthorization, &newer), "{algorithm}");
        assert_eq!(shown(&again, HeaderName::ProxyAuthorization, "far").nonce_count, Some(1));
        let mut ok = Response::to_request(&again, 200, Some("t"));
        ok.set_body("application/sdp", ANSWER.to_vec());
        lone.inject(ok);
        let ack = lone.last_request();
        assert_eq!(ack.method, Method::Ack);
        assert_eq!(
            ack.headers.value(HeaderName::ProxyAuthorization),
            again.headers.value(HeaderName::ProxyAuthorization),
            "an ACK cannot be challenged"
        );

        lone.ua.hang_up(lone.now, session).unwrap();
        lone.drain();
        let other = challenge("end", "e1", algorithm);
        lone.answer(401, &[(WWW, &other.to_string())]);
        let bye = lone.last_request();
        assert_eq!(bye.method, Method::Bye);
        assert!(proves(&bye, HeaderName::Authorization, &other), "{algorithm}: the far end asks too");
        assert!(proves(&bye, HeaderName::ProxyAuthorization, &newer), "{algorithm}");
        lone.answer(200, &[]);
        lone.run(Duration::from_secs(60));
        assert!(lone.ua.holds_nothing());
    }
}

#[test]
fn challenges_of_several_proxies_are_all_answered_the_strongest_of_each() {
    let mut lone = Lone::new(Transport::Udp);
    lone.call(OFFER);
    let (one, two) = (challenge("one", "1", Algorithm::Md5), challenge("two", "2", Algorithm::Md5));
    let stronger = challenge("two", "3", Algorithm::Sha256);
    let (far, unknown) =
        (challenge("far", "4", Algorithm::Sha512Trunc256), "Digest realm=\"x\", nonce=\"1\", algorithm=NEW");
    let (one_text, two_text) = (one.to_string(), format!("{two}, {stronger}"));
    lone.answer(407, &[(PROXY, &one_text), (PROXY, &two_text), (PROXY, unknown), (WWW, &far.to_string())]);
    let invite = lone.last_request();
    assert!(proves(&invite, HeaderName::ProxyAuthorization, &one));
    assert!(proves(&invite, HeaderName::ProxyAuthorization, &stronger));
    assert!(proves(&invite, HeaderName::Authorization, &far));
    assert_eq!(invite.headers.values(HeaderName::ProxyAuthorization).count(), 2);
}

#[test]
fn body_is_protected_where_only_that_is_offered() {
    let mut lone = Lone::new(Transport::Udp);
    lone.call(OFFER);
    let asked = Challenge { auth: false, auth_int: true, ..challenge("far", "1", Algorithm::Sha256) };
    lone.answer(401, &[(WWW, &asked.to_string())]);
    let mut invite = lone.last_request();
    assert!(invite.headers.value(HeaderName::Authorization).unwrap().contains("qop=auth-int"));
    assert!(proves(&invite, HeaderName::Authorization, &asked));
    invite.body.push(b' ');
    assert!(!proves(&invite, HeaderName::Authorization, &asked));
}

#[test]
fn session_key_of_a_nonce_keeps_its_cnonce() {
    let (mut lone, session) = established();
    let asked = challenge("far", "n1", Algorithm::Sha256Sess);
    let cnonce = |request: &Request| {
        let value = request.headers.value(HeaderName::Authorization).unwrap();
        value.split("cnonce=").nth(1).unwrap().split('"').nth(1).unwrap().to_owned()
    };
    let mut cnonces = Vec::new();
    lone.ua.info(lone.now, session, "a/b", b"1".to_vec()).unwrap();
    lone.drain();
    lone.answer(401, &[(WWW, &asked.to_string())]);
    for _ in 0..2 {
        cnonces.push(cnonce(&lone.last_request()));
        lone.answer(200, &[]);
        lone.ua.info(lone.now, session, "a/b", b"1".to_vec()).unwrap();
        lone.drain();
    }
    assert_eq!(cnonces[0], cnonces[1]);
}

#[test]
fn next_nonce_is_used_at_once_if_the_server_proves_itself() {
    let (mut lone, session) = established();
    let asked = challenge("far", "n1", Algorithm::Sha256);
    lone.ua.info(lone.now, session, "a/b", b"1".to_vec()).unwrap();
    lone.drain();
    lone.answer(401, &[(WWW, &asked.to_string())]);
    let password = Pii::new("secret".to_owned());
    let login = Login { user: "7001", password: &password };
    let say = |lone: &mut Lone, next: &str, proof: Option<&str>| {
        let sent = lone.last_request();
        let proof = proof
            .map_or_else(|| shown(&sent, HeaderName::Authorization, "far").response_auth(login, b""), str::to_owned);
        let info =
            AuthenticationInfo { next_nonce: Some(next.into()), response_auth: Some(proof), ..Default::default() };
        let mut ok = Response::to_request(&sent, 200, Some("t"));
        ok.headers.push(Header::new("Authentication-Info", &info.to_string()));
        lone.inject(ok);
        lone.ua.info(lone.now, session, "a/b", b"1".to_vec()).unwrap();
        lone.drain();
        let used = shown(&lone.last_request(), HeaderName::Authorization, "far");
        (used.nonce.clone(), used.nonce_count)
    };
    assert_eq!(say(&mut lone, "n2", None), ("n2".to_owned(), Some(1)));
    assert_eq!(say(&mut lone, "n2", None), ("n2".to_owned(), Some(1)), "offered anew, counted anew");
    assert_eq!(
        say(&mut lone, "evil", Some("0123")),
        ("n2".to_owned(), Some(2)),
        "whoever cannot prove it is not believed"
    );
    assert!(lone.events.iter().any(|event| matches!(event, Event::Dropped { why } if why.contains("prove"))));
}

#[test]
fn refusals_are_told_from_outdated_nonces() {
    // (whether the server calls the nonce stale, the requests until we give up)
    for (stale, expected) in [(true, 9), (false, 3)] {
        let mut lone = Lone::new(Transport::Udp);
        lone.register(lone.identity());
        let mut requests = 0;
        for nonce in 0..20 {
            let sent = lone.take_sent();
            let Some((_, Message::Request(request))) = sent.last() else { break };
            requests += sent.len();
            let asked = Challenge { stale: stale && nonce > 0, ..challenge("r", &nonce.to_string(), Algorithm::Md5) };
            lone.answer_to(request, 401, &[(WWW, &asked.to_string())]);
        }
        let failed = lone
            .events
            .iter()
            .any(|event| matches!(event, Event::RegistrationFailed { status: Some(401), retry_in: None, .. }));
        assert!(failed, "stale={stale}");
        assert_eq!(requests, expected, "stale={stale}");
    }
}

#[test]
fn same_nonce_refused_again_is_a_wrong_password() {
    let mut lone = Lone::new(Transport::Udp);
    lone.register(lone.identity());
    let asked = challenge("r", "n", Algorithm::Md5).to_string();
    lone.answer(401, &[(WWW, &asked)]);
    lone.sent.truncate(2);
    lone.answer(401, &[(WWW, &asked)]);
    assert_eq!(lone.sent.len(), 2);
    assert!(matches!(lone.events.last(), Some(Event::RegistrationFailed { status: Some(401), retry_in: None, .. })));
}

#[test]
fn challenge_that_nobody_can_answer_is_final() {
    let mut lone = Lone::new(Transport::Udp);
    lone.call(OFFER);
    lone.answer(401, &[(WWW, "Digest realm=\"r\", nonce=\"n\", algorithm=NEW"), (WWW, "Basic realm=\"r\"")]);
    assert!(matches!(lone.events.last(), Some(Event::Ended { reason: EndReason::Rejected { status: 401, .. }, .. })));
}
