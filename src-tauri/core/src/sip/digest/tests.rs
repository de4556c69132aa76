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

/// The example of RFC 7616 §3.9.1 for everything that the RFC leaves out; the figures are those of Python's hashlib.
/// (algorithm, qop, response, rspauth)
#[test]
fn rfc_7616_section_3_9_1_with_every_algorithm_and_protection() {
    let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    let password = Pii::new("Circle of Life".to_owned());
    let login = Login { user: "Mufasa", password: &password };
    let get = method("GET");
    let body = b"Hello World!";
    let request = Digested { method: &get, uri: "/dir/index.html", body };
    for (algorithm, qop, response, proof) in [
        ("MD5", "auth", "8ca523f5e9506fed4657c9700eebdbec", "9b712497bc9f91499fbcca1dfc5f09a5"),
        ("MD5", "auth-int", "fb0458b7111dce4d112144229f09bfee", "62efcf78b310e60d7d85c15dfddc161a"),
        ("MD5-sess", "auth", "e783283f46242139c486a698fec7211d", "b9bdf5673282d64412df46ad40660539"),
        ("MD5-sess", "auth-int", "6735793d97dd315d5f6be7b636b2cb0c", "c5071fb30fb7ea6043d4521b5cdb439d"),
        (
            "SHA-256",
            "auth",
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            "86d3b25618d41854ca5039a5d7e53ff6355d5134a9b1fb088a78ac3c462195a0",
        ),
        (
            "SHA-256",
            "auth-int",
            "6f48bd025c1ab317886fc128465d554a613a70fb8016cb93a1fca09a8b54d10a",
            "8ab933999f8a54827a38b7032e563de7e26d8017d3fd2de2b89c6a05a3a92857",
        ),
        (
            "SHA-256-sess",
            "auth",
            "2fd51b3a77ad75bad6afad6003e818d767133c46d9e2749e7f5232ae1ea3efd7",
            "d4ad609d150eafce2281da5c3179878fdb37e6a16021272f4bed1a082f5c2324",
        ),
        (
            "SHA-256-sess",
            "auth-int",
            "0a34d05ed86232bb66d6a23885a18e9215ac1126904f9d5c230b873987c11600",
            "909aa286d675ef94ad17066e0b7f887c22fb22864a5c817ebeb7183d7d923a40",
        ),
        (
            "SHA-512-256",
            "auth",
            "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0",
            "c8f9593a4f49b95ce2c483cc3222ecd360a5c6ec52ca24a530b0aac18478de8c",
        ),
        (
            "SHA-512-256",
            "auth-int",
            "9e3d1a2cb6dc92b600fe4752f4d1ac9d210479771d3acc1e66a21beaf5fb37b8",
            "c0ae676a32244038cebd2a7adbcf5cebcab071b776bf9456edca875e5e6c9d7d",
        ),
        (
            "SHA-512-256-sess",
            "auth",
            "3f2a34f923c38b0fb26dce2fdfc2ce326c23cecf86fbb1444f3e51fbbc2cb92e",
            "98012a4e63fae2aea13adaa3410368ef7278c87ca0acbd3c941ca5fe3dceeb86",
        ),
        (
            "SHA-512-256-sess",
            "auth-int",
            "3b03967b202476268cda5954f33f4e64c56bd99609feaced87add77a516f420e",
            "27e6040d77edd572f800cac4d2b264854d6f91d03c097e2ff682c5f73569d837",
        ),
    ] {
        let challenge =
            format!(r#"Digest realm="http-auth@example.org", qop="{qop}", algorithm={algorithm}, nonce="{nonce}""#);
        let challenge = Challenge::parse_all(&challenge).remove(0);
        let value = challenge.answer(login, request, cnonce, 1);
        assert_eq!(response_of(&value), response, "{algorithm} {qop}");
        let sent = Credentials::parse(&value).unwrap();
        assert!(sent.verify(&challenge, login, request));
        assert_eq!(sent.response_auth(login, body), proof, "{algorithm} {qop}");

        let info = format!(r#"nextnonce="n2", qop={qop}, rspauth="{proof}", cnonce="{cnonce}", nc=00000001"#);
        let info = AuthenticationInfo::parse(&info);
        assert_eq!(info.next_nonce.as_deref(), Some("n2"));
        assert!(info.answers(&sent) && info.is_credible(&sent, login, body));
        assert_eq!(info.is_credible(&sent, login, b"Hello World?"), qop == "auth", "{algorithm} {qop}");
        let wrong = Pii::new("circle of life".to_owned());
        assert!(!info.is_credible(&sent, Login { password: &wrong, ..login }, body));
        assert!(!AuthenticationInfo { cnonce: Some("other".into()), ..info.clone() }.answers(&sent));
        assert_eq!(AuthenticationInfo::parse(&info.to_string()), info);
    }
}

#[test]
fn rfc_7616_section_3_9_2_hides_the_user_behind_its_hash() {
    let challenge = r#"Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", charset=UTF-8, userhash=true"#;
    let challenge = Challenge::parse_all(challenge).remove(0);
    let password = Pii::new("Secret, or not?".to_owned());
    let login = Login { user: "J\u{e4}s\u{f8}n Doe", password: &password };
    let get = method("GET");
    let request = Digested { method: &get, uri: "/doe.json", body: b"" };
    let value = challenge.answer(login, request, "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm", 1);
    // Erratum 4897.
    assert!(
        value.contains(r#"username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b""#),
        "{value}"
    );
    assert!(value.contains(", userhash=true"), "{value}");
    let sent = Credentials::parse(&value).unwrap();
    assert!(sent.verify(&challenge, login, request));
    assert!(sent.is_of("J\u{e4}s\u{f8}n Doe") && !sent.is_of("Jason Doe"));
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
