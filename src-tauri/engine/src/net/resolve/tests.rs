#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex as StdMutex;

use deskline_core::account::Server;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, Record};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::*;

type Zone = HashMap<(String, RecordType), Answer>;

#[derive(Debug, Clone)]
enum Answer {
    Records(Vec<RData>),
    Silence,
}

/// A name server of one zone, on loopback.
struct NameServer {
    address: SocketAddr,
    asked: Arc<StdMutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NameServer {
    async fn start(zone: Vec<(&str, RecordType, Answer)>) -> Self {
        let zone: Zone = zone.into_iter().map(|(name, kind, answer)| ((name.to_owned(), kind), answer)).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(StdMutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = Message::from_vec(&buffer[..length]).unwrap();
                let query = question.queries[0].clone();
                let name = query.name().to_utf8().trim_end_matches('.').to_lowercase();
                log.lock().unwrap().push(format!("{name} {}", query.query_type()));
                let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
                answer.metadata.message_type = MessageType::Response;
                answer.metadata.recursion_available = true;
                answer.add_query(query.clone());
                match zone.get(&(name.clone(), query.query_type())) {
                    Some(Answer::Silence) => continue,
                    Some(Answer::Records(records)) => {
                        for data in records {
                            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data.clone()));
                        }
                    }
                    None if zone.keys().any(|(known, _)| *known == name) => {}
                    None => answer.metadata.response_code = ResponseCode::NXDomain,
                }
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        });
        Self { address, asked, task: task.abort_handle() }
    }

    fn directory(&self) -> Directory {
        Directory::new(NameServers::These(vec![self.address]), Duration::from_secs(60))
    }

    fn was_asked(&self, question: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|asked| asked == question)
    }
}

fn a(octet: u8) -> RData {
    RData::A(A(Ipv4Addr::new(192, 0, 2, octet)))
}

fn aaaa(last: u16) -> RData {
    RData::AAAA(AAAA(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)))
}

fn srv(priority: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, 0, port, Name::from_utf8(target).unwrap()))
}

fn naptr(order: u16, services: &str, replacement: &str) -> RData {
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    RData::NAPTR(NAPTR::new(order, 1, bytes("s"), bytes(services), bytes(""), Name::from_utf8(replacement).unwrap()))
}

fn records(records: &[RData]) -> Answer {
    Answer::Records(records.to_vec())
}

/// `transport address address, transport address`.
fn shown(hops: &[Hop]) -> String {
    let hop = |hop: &Hop| {
        let addresses: Vec<_> = hop.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", hop.transport.uri_token(), addresses.join(" "))
    };
    hops.iter().map(hop).collect::<Vec<_>>().join(", ")
}

async fn hops(directory: &Directory, server: &str, transport: Option<Transport>) -> Result<String, ConnectError> {
    let server = Server::parse(server, transport).unwrap();
    let deadline = Deadline::after(Duration::from_secs(10));
    directory.hops(&server, deadline).await.map(|hops| shown(&hops))
}

async fn check(directory: &Directory, server: &str, transport: impl Into<Option<Transport>>, expected: &str) {
    assert_eq!(hops(directory, server, transport.into()).await.as_deref(), Ok(expected), "{server}");
}

#[tokio::test]
async fn srv_records_are_followed_for_the_accounts_transport() {
    let names = NameServer::start(vec![
        ("_sip._udp.pbx.test", RecordType::SRV, records(&[srv(20, 5071, "b.pbx.test."), srv(10, 5070, "a.pbx.test.")])),
        ("_sip._tcp.pbx.test", RecordType::SRV, records(&[srv(10, 5080, "a.pbx.test.")])),
        (
            "_sips._tcp.pbx.test",
            RecordType::SRV,
            records(&[srv(10, 5090, "a.pbx.test."), srv(10, 1, "gone.pbx.test.")]),
        ),
        ("a.pbx.test", RecordType::A, records(&[a(1)])),
        ("b.pbx.test", RecordType::A, records(&[a(2)])),
        ("pbx.test", RecordType::A, records(&[a(9)])),
    ])
    .await;
    let directory = names.directory();
    check(&directory, "pbx.test", Transport::Udp, "udp 192.0.2.1:5070, udp 192.0.2.2:5071").await;
    check(&directory, "pbx.test", Transport::Tcp, "tcp 192.0.2.1:5080").await;
    check(&directory, "pbx.test", Transport::Tls, "tls 192.0.2.1:5090").await;
    assert!(!names.was_asked("pbx.test NAPTR"), "the account has said the transport");
}

#[tokio::test]
async fn a_port_or_an_address_or_websocket_skips_srv() {
    let names = NameServer::start(vec![
        ("_sip._tcp.pbx.test", RecordType::SRV, records(&[srv(10, 5080, "a.pbx.test.")])),
        ("pbx.test", RecordType::A, records(&[a(9)])),
        ("pbx.test", RecordType::AAAA, records(&[aaaa(9)])),
    ])
    .await;
    let directory = names.directory();
    check(&directory, "pbx.test:5062", Transport::Tcp, "tcp [2001:db8::9]:5062 192.0.2.9:5062").await;
    check(&directory, "pbx.test:5062", Transport::Udp, "udp 192.0.2.9:5062 [2001:db8::9]:5062").await;
    check(&directory, "pbx.test", Transport::Wss, "ws [2001:db8::9]:443 192.0.2.9:443").await;
    check(&directory, "192.0.2.77", Transport::Tls, "tls 192.0.2.77:5061").await;
    check(&directory, "[2001:db8::1]", None, "udp [2001:db8::1]:5060").await;
    assert!(!names.asked.lock().unwrap().iter().any(|asked| asked.ends_with("SRV")));
}

#[tokio::test]
async fn names_without_srv_are_taken_as_they_are() {
    let names = NameServer::start(vec![
        ("pbx.test", RecordType::A, records(&[a(9)])),
        ("mute.test", RecordType::A, records(&[a(8)])),
        ("_sip._udp.mute.test", RecordType::SRV, Answer::Silence),
        ("none.test", RecordType::A, records(&[a(7)])),
        ("_sip._udp.none.test", RecordType::SRV, records(&[srv(0, 0, ".")])),
    ])
    .await;
    let directory = names.directory();
    check(&directory, "pbx.test", Transport::Udp, "udp 192.0.2.9:5060").await;
    check(&directory, "mute.test", Transport::Udp, "udp 192.0.2.8:5060").await;
    for absent in ["none.test", "no-such.test"] {
        let refused = hops(&directory, absent, Some(Transport::Udp)).await;
        assert_eq!(refused, Err(ConnectError::Resolve(absent.to_owned())));
    }
}

#[tokio::test]
async fn naptr_records_choose_the_transport_where_it_is_left_open() {
    let names = NameServer::start(vec![
        (
            "pbx.test",
            RecordType::NAPTR,
            records(&[naptr(20, "SIP+D2U", "_sip._udp.other.test."), naptr(10, "SIPS+D2T", "_sips._tcp.pbx.test.")]),
        ),
        ("_sips._tcp.pbx.test", RecordType::SRV, records(&[srv(1, 5061, "a.pbx.test.")])),
        ("_sip._udp.other.test", RecordType::SRV, records(&[srv(1, 5060, "a.pbx.test.")])),
        ("a.pbx.test", RecordType::A, records(&[a(1)])),
        ("_sip._tcp.plain.test", RecordType::SRV, records(&[srv(1, 5066, "a.pbx.test.")])),
        ("plain.test", RecordType::A, records(&[a(3)])),
        ("bare.test", RecordType::A, records(&[a(4)])),
    ])
    .await;
    let directory = names.directory();
    check(&directory, "pbx.test", None, "tls 192.0.2.1:5061, udp 192.0.2.1:5060").await;
    check(&directory, "plain.test", None, "tcp 192.0.2.1:5066").await;
    check(&directory, "bare.test", None, "udp 192.0.2.4:5060").await;
}

#[tokio::test]
async fn a_family_that_is_not_answered_for_holds_up_nothing() {
    let names = NameServer::start(vec![
        ("pbx.test", RecordType::A, records(&[a(9)])),
        ("pbx.test", RecordType::AAAA, Answer::Silence),
    ])
    .await;
    let directory = names.directory();
    let asked = tokio::time::Instant::now();
    check(&directory, "pbx.test:5060", Transport::Tcp, "tcp 192.0.2.9:5060").await;
    assert!(asked.elapsed() < Duration::from_millis(700), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_name_server_that_is_dead_ends_in_an_error_within_the_time() {
    let dead = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let directory = Directory::new(NameServers::These(vec![dead.local_addr().unwrap()]), Duration::from_secs(60));
    let server = Server::parse("pbx.test", Transport::Udp).unwrap();
    let deadline = Deadline::after(Duration::from_millis(500));
    let failed = directory.hops(&server, deadline).await;
    assert!(matches!(failed, Err(ConnectError::TimedOut(_) | ConnectError::Resolve(_))), "{failed:?}");
}

#[tokio::test]
async fn what_failed_is_tried_last_until_that_is_forgotten() {
    let names = NameServer::start(vec![
        ("_sip._udp.pbx.test", RecordType::SRV, records(&[srv(10, 5060, "a.pbx.test."), srv(20, 5060, "b.pbx.test.")])),
        ("a.pbx.test", RecordType::A, records(&[a(1), a(2)])),
        ("b.pbx.test", RecordType::A, records(&[a(3)])),
    ])
    .await;
    let directory = Directory::new(NameServers::These(vec![names.address]), Duration::from_millis(200));
    let at = |octet: u8| SocketAddr::from(([192, 0, 2, octet], 5060));
    let preferred = "udp 192.0.2.1:5060 192.0.2.2:5060, udp 192.0.2.3:5060";
    check(&directory, "pbx.test", Transport::Udp, preferred).await;
    directory.failed.note(Transport::Udp, at(1));
    directory.failed.note(Transport::Tcp, at(2));
    check(&directory, "pbx.test", Transport::Udp, "udp 192.0.2.2:5060 192.0.2.1:5060, udp 192.0.2.3:5060").await;
    directory.failed.note(Transport::Udp, at(2));
    check(&directory, "pbx.test", Transport::Udp, "udp 192.0.2.3:5060, udp 192.0.2.1:5060 192.0.2.2:5060").await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    check(&directory, "pbx.test", Transport::Udp, preferred).await;
    directory.failed.note(Transport::Udp, at(1));
    directory.network_changed();
    check(&directory, "pbx.test", Transport::Udp, preferred).await;
}
