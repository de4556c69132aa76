//! TLS, WSS and proxies: who is trusted, and what is said otherwise.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use deskline_core::account::{CertificateFault, ClientCertificate, Fingerprint, Proxy};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use sha2::Digest as _;

use super::*;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

struct Certificate {
    pem: String,
    key_pem: String,
    fingerprint: Fingerprint,
}

#[derive(Clone, Copy)]
enum Validity {
    Now,
    Past,
    Future,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, names: &[&str], validity: Validity) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        let (from, to) = match validity {
            Validity::Now => (2020, 2099),
            Validity::Past => (2020, 2021),
            Validity::Future => (2098, 2099),
        };
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let fingerprint = Fingerprint(sha2::Sha256::digest(certificate.der()).into());
        Certificate { pem: certificate.pem(), key_pem: key.serialize_pem(), fingerprint }
    }
}

/// A server's certificate, its authority, and files of both.
struct Trust {
    folder: tempfile::TempDir,
    authority: Authority,
    shown: Certificate,
}

impl Trust {
    fn new(names: &[&str], validity: Validity) -> Self {
        let authority = Authority::new();
        let shown = authority.issue(names, validity);
        let trust = Self { folder: tempfile::tempdir().unwrap(), authority, shown };
        trust.write("authority.pem", &trust.authority.pem);
        trust.write("server.pem", &trust.shown.pem);
        trust.write("server.key", &trust.shown.key_pem);
        trust
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.file(name), text).unwrap();
        self.file(name)
    }

    fn files(&self, name: &str, certificate: &Certificate) -> ClientCertificate {
        let chain = self.write(&format!("{name}.pem"), &certificate.pem);
        ClientCertificate { chain, key: self.write(&format!("{name}.key"), &certificate.key_pem) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn identity(&self, clients: Option<&str>) -> ServerIdentity {
        let clients = clients.map(|file| self.file(file));
        ServerIdentity { chain: self.file("server.pem"), key: self.file("server.key"), clients }
    }

    fn fingerprint(&self) -> Fingerprint {
        self.shown.fingerprint
    }

    async fn listening(&self, transport: Transport, clients: Option<&str>) -> (Node, SocketAddr) {
        let mut node = node();
        let address = node.net.listen_securely(transport, LOOPBACK, &self.identity(clients)).await.unwrap();
        (node, address)
    }

    /// A server at `address` for clients that have the trust file.
    fn trusted(&self, transport: Transport, address: SocketAddr) -> Server {
        let mut server = Server::at(transport, address);
        server.tls.trust_file = Some(self.file("authority.pem"));
        server
    }
}

fn good() -> Trust {
    Trust::new(&["localhost", "127.0.0.1"], Validity::Now)
}

async fn failure(server: Server) -> ConnectError {
    let mut client = node();
    client.net.connect(ConnectId(1), server);
    client.failure().await
}

async fn connects(server: Server, transport: Transport) -> (Node, Flow) {
    let mut client = node();
    client.net.connect(ConnectId(1), server);
    let flow = client.up().await;
    assert_eq!(flow.transport, transport);
    (client, flow)
}

#[tokio::test]
async fn tls_and_wss_carry_messages_both_ways() {
    let trust = good();
    for transport in [Transport::Tls, Transport::Wss] {
        let (mut server, address) = trust.listening(transport, None).await;
        for host in ["127.0.0.1", "localhost"] {
            let target = Server { host: host.to_owned(), ..trust.trusted(transport, address) };
            let (mut client, flow) = connects(target, transport).await;
            client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
            let accepted = server.up().await;
            assert_eq!((accepted.transport, server.message().await.1), (transport, OPTIONS.to_vec()));
            server.net.send(Destination::Flow(accepted.id), OPTIONS.to_vec());
            assert_eq!(client.message().await.1, OPTIONS);
            drop(client);
            server.down().await;
        }
    }
}

#[tokio::test]
async fn an_unknown_issuer_is_refused_with_the_fingerprint_and_accepted_once_pinned() {
    let trust = good();
    for transport in [Transport::Tls, Transport::Wss] {
        let (_server, address) = trust.listening(transport, None).await;
        let mut target = Server::at(transport, address);
        let fault = CertificateFault::UnknownIssuer;
        let refused = ConnectError::Certificate { fault, fingerprint: trust.fingerprint() };
        assert_eq!(failure(target.clone()).await, refused);
        // Somebody else's fingerprint is of no help.
        target.tls.pinned = vec![Fingerprint([7; 32])];
        assert_eq!(failure(target.clone()).await, refused);
        target.tls.pinned.push(trust.fingerprint());
        connects(target, transport).await;
    }
}

#[tokio::test]
async fn wrong_names_and_dates_are_told_apart_and_can_be_pinned() {
    for (names, validity, fault) in [
        (&["other.test"][..], Validity::Now, CertificateFault::WrongName),
        (&["127.0.0.1"], Validity::Past, CertificateFault::Expired),
        (&["127.0.0.1"], Validity::Future, CertificateFault::NotYetValid),
    ] {
        let trust = Trust::new(names, validity);
        let (_server, address) = trust.listening(Transport::Tls, None).await;
        let mut target = trust.trusted(Transport::Tls, address);
        let refused = ConnectError::Certificate { fault, fingerprint: trust.fingerprint() };
        assert_eq!(failure(target.clone()).await, refused);
        target.tls.pinned.push(trust.fingerprint());
        connects(target, Transport::Tls).await;
    }
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    // The listener shows the certificate of one key and signs with another.
    let trust = good();
    let impostor = trust.authority.issue(&["127.0.0.1"], Validity::Now);
    std::fs::write(trust.file("server.key"), &impostor.key_pem).unwrap();
    let mut node = node();
    let started = node.net.listen_securely(Transport::Tls, LOOPBACK, &trust.identity(None)).await;
    assert!(started.is_err(), "the library itself sees that they do not belong together");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let trust = good();
    for transport in [Transport::Tls, Transport::Wss] {
        let (_server, address) = trust.listening(transport, Some("authority.pem")).await;
        let mut target = trust.trusted(transport, address);
        assert_eq!(failure(target.clone()).await, ConnectError::ClientCertificate, "{transport}: none");
        target.tls.client = Some(trust.files("stranger", &Authority::new().issue(&["me"], Validity::Now)));
        assert_eq!(failure(target.clone()).await, ConnectError::ClientCertificate, "{transport}: another");
        target.tls.client = Some(trust.files("known", &trust.authority.issue(&["me"], Validity::Now)));
        connects(target, transport).await;
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let trust = good();
    let (_server, address) = trust.listening(Transport::Tls, None).await;
    let mut target = Server::at(Transport::Tls, address);
    let nothing = trust.write("empty.pem", "nothing in here");
    for file in [trust.file("no-such.pem"), nothing.clone(), trust.file("server.key")] {
        target.tls.trust_file = Some(file.clone());
        let error = failure(target.clone()).await;
        assert!(matches!(&error, ConnectError::TlsFile { file: named, .. } if *named == file), "{error:?}");
    }
    target.tls.trust_file = None;
    target.tls.client = Some(ClientCertificate { chain: trust.file("server.pem"), key: nothing.clone() });
    let error = failure(target.clone()).await;
    assert!(matches!(&error, ConnectError::TlsFile { file, .. } if *file == nothing), "{error:?}");
    target.tls.client = Some(ClientCertificate { chain: trust.file("authority.pem"), key: trust.file("server.key") });
    assert!(matches!(failure(target).await, ConnectError::TlsFile { .. }), "a key of another certificate");
}

#[tokio::test]
async fn a_mended_trust_file_is_read_anew() {
    let trust = good();
    let (_server, address) = trust.listening(Transport::Tls, None).await;
    let file = trust.write("late.pem", &Authority::new().pem);
    let mut target = Server::at(Transport::Tls, address);
    target.tls.trust_file = Some(file.clone());
    let mut client = node();
    client.net.connect(ConnectId(1), target.clone());
    assert!(matches!(client.failure().await, ConnectError::Certificate { .. }));
    std::fs::write(&file, &trust.authority.pem).unwrap();
    client.net.connect(ConnectId(2), target);
    client.up().await;
}

#[tokio::test]
async fn what_is_no_tls_is_a_clear_failure() {
    let (_server, plain) = listening(Transport::Tcp).await;
    let limits = Limits { connect: Duration::from_millis(500), ..Limits::default() };
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let closing = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 512]).await;
            let _ = stream.write_all(b"SIP/2.0 400 Bad Request\r\n\r\n").await;
        }
    });
    let error = failure(Server::at(Transport::Tls, closing)).await;
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
    let mut client = Node::new(limits);
    client.net.connect(ConnectId(1), Server::at(Transport::Wss, plain));
    let error = client.failure().await;
    assert!(matches!(error, ConnectError::Tls(_) | ConnectError::TimedOut(_)), "{error:?}");
}

/// An HTTP proxy that wants `credentials` (the token of Basic) and tells what it was asked.
async fn proxy(credentials: Option<&'static str>) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, asked) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let told = told.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let line = head.lines().next().unwrap().to_owned();
                let _ = told.send(line.clone());
                let wanted = credentials.map(|token| format!("Proxy-Authorization: Basic {token}\r\n"));
                if wanted.is_some_and(|wanted| !head.contains(&wanted)) {
                    let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
                    return;
                }
                let place = line.split(' ').nth(1).unwrap();
                match TcpStream::connect(place).await {
                    Ok(mut far) => {
                        stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
                    }
                    Err(_) => {
                        let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
                    }
                }
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn every_stream_goes_through_a_proxy() {
    let trust = good();
    let (through, mut asked) = proxy(Some("bWU6c2VjcmV0")).await;
    for transport in [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss] {
        let (mut server, address) = match transport {
            Transport::Tls | Transport::Wss => trust.listening(transport, None).await,
            _ => listening(transport).await,
        };
        let mut target = trust.trusted(transport, address);
        // The proxy resolves the name.
        target.host = "localhost".to_owned();
        target.proxy = Some(Proxy::parse(&format!("http://me:secret@{through}")).unwrap());
        let (mut client, flow) = connects(target, transport).await;
        assert_eq!(asked.recv().await.unwrap(), format!("CONNECT localhost:{} HTTP/1.1", address.port()));
        client.net.send(Destination::Flow(flow.id), OPTIONS.to_vec());
        server.up().await;
        assert_eq!(server.message().await.1, OPTIONS);
    }
}

#[tokio::test]
async fn every_way_in_which_a_proxy_fails_has_its_own_error() {
    let (through, _asked) = proxy(Some("bWU6c2VjcmV0")).await;
    let (_server, address) = listening(Transport::Ws).await;
    let mut target = Server::at(Transport::Ws, address);
    let mut by = |text: String| {
        target.proxy = Some(Proxy::parse(&text).unwrap());
        target.clone()
    };
    assert_eq!(failure(by(format!("http://{through}"))).await, ConnectError::ProxyCredentials);
    assert_eq!(failure(by(format!("http://me:wrong@{through}"))).await, ConnectError::ProxyCredentials);
    let refusing = TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap();
    assert!(matches!(failure(by(format!("http://{refusing}"))).await, ConnectError::ProxyUnreachable(_)));
    assert!(matches!(
        failure(by("http://no-such-host.invalid:3128".to_owned())).await,
        ConnectError::ProxyUnreachable(_)
    ));
    let web = TcpListener::bind(LOOPBACK).await.unwrap();
    let odd = web.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = web.accept().await {
            let _ = stream.read(&mut [0; 512]).await;
            let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n\r\n").await;
        }
    });
    assert!(matches!(failure(by(format!("http://{odd}"))).await, ConnectError::ProxyUnreachable(_)));
    let mut target = by(format!("http://me:secret@{through}"));
    target.port = Some(refusing.port());
    assert_eq!(failure(target.clone()).await, ConnectError::ProxyRefused(502));
    target.transport = Some(Transport::Udp);
    assert_eq!(failure(target).await, ConnectError::Unsupported(Transport::Udp));
}
