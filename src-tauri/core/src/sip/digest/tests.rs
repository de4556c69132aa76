#![allow(clippy::unwrap_used)]

use super::*;
use crate::sip::message::{HeaderAccess, HeaderName, Headers};

fn method(token: &str) -> Method {
    token.parse().unwrap()
}

fn response_of(value: &str) -> String {
    value.split("response=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Answers, compares with the expected response, and lets the server side judge it.
fn check(challenge: &str, user: &str, password: &str, verb: &str, uri: &str, cnonce: &str, expected: &str) {
    let challenge = Challenge::parse_all(challenge).remove(0);
    let password = Pii::new(password.to_owned());
    let login = Login { user, password: &password };
    let verb = method(verb);
    let request = Digested { method: &verb, uri, body: b"" };
    let value = challenge.answer(login, request, cnonce, 1);
    assert_eq!(response_of(&value), expected, "{value}");
    let credentials = Credentials::parse(&value).unwrap();
    assert!(credentials.verify(&challenge, login, request));
    assert_eq!(Challenge::parse_all(&challenge.to_string()), [challenge]);
}

#[test]
fn rfc_2617_section_3_5() {
    check(
        r#"Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        "Mufasa",
        "Circle Of Life",
        "GET",
        "/dir/index.html",
        "0a4f113b",
        "6629fae49393a05397450978507c4ef1",
    );
}

#[test]
fn rfc_7616_section_3_9_1() {
    let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    for (algorithm, expected) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        check(
            &format!(
                r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="{nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
            ),
            "Mufasa",
            "Circle of Life",
            "GET",
            "/dir/index.html",
            cnonce,
            expected,
        );
    }
}

#[test]
fn rfc_7616_section_3_9_2_with_the_real_sha_512_256() {
    // The RFC computed its example with a truncated SHA-512 (erratum 4897); this response is OpenSSL's.
    check(
        r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true"#,
        "J\u{e4}s\u{f8}n Doe",
        "Secret, or not?",
        "GET",
        "/doe.json",
        "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm",
        "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c",
    );
}

#[test]
fn rfc_2069_form_without_qop() {
    // The corrected figure of RFC 2069, erratum 749.
    check(
        r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
        "Mufasa",
        "CircleOfLife",
        "GET",
        "/dir/index.html",
        "",
        "1949323746fe6a43ef61f9606e7febea",
    );
}

#[test]
fn every_algorithm_and_qop_verifies_and_a_wrong_part_does_not() {
    let password = Pii::new("s3cret, \"quoted\"".to_owned());
    let login = Login { user: "1001\\x\"y", password: &password };
    let register = Method::Register;
    let request = Digested { method: &register, uri: "sip:example.com", body: b"v=0\r\n" };
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
        for (auth, auth_int) in [(false, false), (true, false), (false, true), (true, true)] {
            let algorithm = Algorithm::from_token(algorithm).unwrap();
            let challenge = Challenge { auth, auth_int, ..Challenge::new("office", "n0nce", algorithm) };
            let value = challenge.answer(login, request, "c0ffee", 0x1f);
            assert!(!value.contains("s3cret"));
            let shown = Credentials::parse(&value).unwrap();
            assert!(shown.verify(&challenge, login, request), "{value}");
            assert_eq!(shown.nonce_count, (auth || auth_int).then_some(0x1f));

            let wrong = Pii::new("s3cret".to_owned());
            assert!(!shown.verify(&challenge, Login { password: &wrong, ..login }, request));
            assert!(!shown.verify(&challenge, Login { user: "1002", ..login }, request));
            assert!(!shown.verify(&challenge, login, Digested { method: &Method::Invite, ..request }));
            assert!(!shown.verify(&challenge, login, Digested { uri: "sip:example.org", ..request }));
            assert!(!shown.verify(&Challenge { nonce: "other".into(), ..challenge.clone() }, login, request));
            assert!(!shown.verify(&Challenge { realm: "other".into(), ..challenge.clone() }, login, request));
            let body_counts = auth_int && !auth;
            assert_eq!(shown.verify(&challenge, login, Digested { body: b"v=1\r\n", ..request }), !body_counts);
        }
    }
}

#[test]
fn credentials_for_a_weaker_algorithm_are_refused() {
    let password = Pii::new("secret".to_owned());
    let login = Login { user: "1001", password: &password };
    let request = Digested { method: &Method::Register, uri: "sip:example.com", body: b"" };
    let asked = Challenge::new("office", "n", Algorithm::Sha256);
    let answered = Challenge::new("office", "n", Algorithm::Md5).answer(login, request, "c", 1);
    assert!(!Credentials::parse(&answered).unwrap().verify(&asked, login, request));
}

#[test]
fn the_strongest_known_challenge_is_chosen_over_all_headers() {
    let mut headers = Headers::default();
    let name = HeaderName::WwwAuthenticate;
    headers.add(name, r#"Basic realm="a, Digest b", Digest realm="office", nonce="1", algorithm=MD5, Negotiate abc=="#);
    headers.add(name, r#"Digest realm="office", nonce="2", algorithm=FROB-3, Digest realm="x", nonce="7", qop="new""#);
    headers.add(
        name,
        r#"DIGEST Realm = "of\"fice" , nonce="a,b" ,, algorithm="SHA-256",domain="sip:x,y", qop="auth,auth-int",stale=TRUE, x-y"#,
    );
    headers.add(name, r#"Digest realm="office", nonce="4", algorithm=sha-256"#);
    let best = Challenge::strongest(&headers, name).unwrap();
    assert_eq!(best.realm, "of\"fice");
    assert_eq!(best.nonce, "a,b");
    assert_eq!(best.algorithm, Algorithm::Sha256);
    assert!(best.auth && best.auth_int && best.stale);
    assert_eq!(Challenge::strongest(&headers, HeaderName::ProxyAuthenticate), None);
}

#[test]
fn garbage_is_no_challenge() {
    for value in ["", "Digest", "Digest ,,,", "Digest realm=\"a", "Basic", "=", "Digest nonce=\"x\"", "\"", "a b c=d"] {
        assert_eq!(Challenge::parse_all(value), [], "{value}");
        assert!(Credentials::parse(value).is_err(), "{value}");
    }
}

#[test]
fn the_answer_keeps_silent_about_an_algorithm_that_was_not_named() {
    let challenge = &Challenge::parse_all(r#"Digest realm="a", nonce="b""#)[0];
    let password = Pii::new("p".to_owned());
    let request = Digested { method: &Method::Register, uri: "sip:a", body: b"" };
    let value = challenge.answer(Login { user: "u", password: &password }, request, "c", 1);
    assert!(!value.contains("algorithm") && !value.contains("cnonce") && !value.contains("qop"), "{value}");
}

#[test]
fn passwords_and_names_do_not_show_in_debug_output() {
    let credentials = Credentials::parse(
        r#"Digest username="13800138000", realm="a", nonce="b", uri="sip:13800138000@a", response="c""#,
    )
    .unwrap();
    assert!(!format!("{credentials:?}").contains("13800138000"));
}
