//! The centre with real sockets, over each transport.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use deskline_core::account::Server;
use deskline_core::flow::Destination;
use deskline_core::media::rtp::{Header, Packet};
use deskline_core::media::{Codec, Direction};
use deskline_core::sdp::{LocalMedia, Negotiated, offer_answer};
use deskline_core::sip::user_agent::{self, Config, Credentials, EndReason, Event as SipEvent, Identity, Invite};
use deskline_core::sip::{Headers, NameAddr, Uri, UserAgent};
use deskline_engine::net::ConnectId;

use super::*;
use crate::{CallEnd, CallState, Opening};

const SOON: Duration = Duration::from_secs(10);

/// A telephone of the core's user agent on real sockets.
struct Phone {
    agent: UserAgent,
    net: Net,
    net_events: NetEvents,
    identity: Identity,
    rtp: tokio::net::UdpSocket,
    local: LocalMedia,
}

impl Phone {
    /// Connects and registers as the first agent.
    async fn register(centre: &Centre, transport: Transport) -> Self {
        let (mut net, mut net_events) = Net::new();
        let address = centre.address(transport).unwrap();
        let target = Server::at(transport, address);
        net.connect(ConnectId(1), target);
        let flow = loop {
            match net_events.recv().await.unwrap() {
                NetEvent::Up { flow, .. } => break flow,
                NetEvent::ConnectFailed { error, .. } => panic!("{error}"),
                _ => {}
            }
        };
        let user = &centre.agents()[0];
        let identity = Identity {
            aor: NameAddr::new(Uri::sip(&user.extension, &address.ip().to_string())),
            credentials: Some(Credentials { user: user.extension.clone(), password: user.password.clone().unwrap() }),
            destination: Destination::Flow(flow.id),
            flow,
            route: Vec::new(),
            outbound: None,
        };
        let config = Config { product: "Phone".to_owned(), ..Config::default() };
        let rtp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let local = LocalMedia {
            session_id: 1,
            version: 1,
            address: rtp.local_addr().unwrap(),
            codecs: vec![Codec::Pcmu],
            dtmf: true,
            direction: Direction::SendRecv,
            ptime: 20,
        };
        let mut phone = Self { agent: UserAgent::new(config, [3; 32]), net, net_events, identity, rtp, local };
        let registrar = Uri::sip_host(&address.ip().to_string());
        phone.agent.register(Instant::now(), phone.identity.clone(), registrar, Duration::from_secs(300));
        phone.until(|event| matches!(event, SipEvent::Registered { .. }).then_some(())).await;
        phone
    }

    /// Runs until `wanted` finds its event.
    async fn until<T>(&mut self, mut wanted: impl FnMut(SipEvent) -> Option<T>) -> T {
        let end = tokio::time::Instant::now() + SOON;
        loop {
            while let Some(output) = self.agent.poll_output() {
                match output {
                    user_agent::Output::Transmit { destination, bytes } => self.net.send(destination, bytes),
                    user_agent::Output::Event(event) => {
                        if let Some(found) = wanted(event) {
                            return found;
                        }
                    }
                }
            }
            let due = self.agent.poll_timeout();
            tokio::select! {
                event = self.net_events.recv() => match event.unwrap() {
                    NetEvent::Message { flow, bytes } => self.agent.handle_received(Instant::now(), &flow, &bytes),
                    NetEvent::Down { reason, .. } => panic!("the connection ended: {reason}"),
                    _ => {}
                },
                () = until(due) => self.agent.handle_timeout(Instant::now()),
                () = tokio::time::sleep_until(end) => panic!("it did not happen within {SOON:?}"),
            }
        }
    }

    async fn dial(&mut self, number: &str) -> Result<Negotiated, u16> {
        let invite = Invite {
            identity: self.identity.clone(),
            target: Uri::sip(number, "127.0.0.1"),
            offer: offer_answer::offer(&self.local),
            headers: Headers::default(),
        };
        self.agent.invite(Instant::now(), invite).unwrap();
        let local = self.local.clone();
        self.until(|event| match event {
            SipEvent::Answered { body, .. } => Some(Ok(offer_answer::accept(&local, &body).unwrap())),
            SipEvent::Ended { reason: EndReason::Rejected { status, .. }, .. } => Some(Err(status)),
            _ => None,
        })
        .await
    }
}

async fn until_at_rest(centre: &Centre) {
    let rest = async {
        loop {
            let load = centre.load().await;
            if (load.calls, load.sockets) == (0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, rest).await.expect("the centre comes to rest");
}

#[tokio::test]
async fn a_phone_registers_and_is_echoed_over_each_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
        let centre = Centre::start(CentreConfig::demo().unwrap()).await.unwrap();
        let mut phone = Phone::register(&centre, transport).await;
        assert!(centre.is_registered("1001").await, "{transport}");
        assert_eq!(phone.dial("9486").await, Err(486), "{transport}");

        let agreed = phone.dial("9196").await.unwrap();
        let header =
            Header { marker: true, payload_type: agreed.send_payload_type, sequence: 1, timestamp: 0, ssrc: 1 };
        let mut packet = vec![0; 172];
        header.write(&[0x55; 160], &mut packet).unwrap();
        phone.rtp.send_to(&packet, agreed.remote).await.unwrap();
        let mut buffer = [0; 1500];
        let received = tokio::time::timeout(SOON, phone.rtp.recv_from(&mut buffer)).await;
        let (length, _) = received.expect("an echo").unwrap();
        assert_eq!(Packet::parse(&buffer[..length]).unwrap().payload, [0x55; 160]);
    }
}

#[tokio::test]
async fn a_customer_reaches_the_phone_over_each_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Ws] {
        let centre = Centre::start(CentreConfig::demo().unwrap()).await.unwrap();
        let mut events = centre.events();
        let mut phone = Phone::register(&centre, transport).await;
        let script = CustomerScript { opening: Opening::Melody, ..CustomerScript::default() };
        let call = centre.ring_customer("1001", script).await.unwrap();
        let (session, offer) = phone
            .until(|event| match event {
                SipEvent::Incoming { session, offer, .. } => Some((session, offer)),
                _ => None,
            })
            .await;
        let (answer, _) = offer_answer::answer(&phone.local, &offer).unwrap();
        phone.agent.answer(Instant::now(), session, answer, Headers::default()).unwrap();
        phone.until(|event| matches!(event, SipEvent::Confirmed { .. }).then_some(())).await;
        let mut buffer = [0; 1500];
        tokio::time::timeout(SOON, phone.rtp.recv_from(&mut buffer)).await.expect("the melody").unwrap();

        centre.hang_up(call).await;
        phone.until(|event| matches!(event, SipEvent::Ended { .. }).then_some(())).await;
        assert_eq!(centre.probe(call).await.unwrap().state, CallState::Ended(CallEnd::HungUpHere));
        until_at_rest(&centre).await;
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            if let CentreEvent::Call(CallInfo { state, .. }) = event {
                told.push(state);
            }
        }
        assert_eq!(told, [CallState::Ringing, CallState::Talking, CallState::Ended(CallEnd::HungUpHere)]);
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_says_where() {
    let first = Centre::start(CentreConfig::demo().unwrap()).await.unwrap();
    let taken = (Transport::Tcp, first.address(Transport::Tcp).unwrap());
    let second = CentreConfig { listen: vec![taken], ..CentreConfig::demo().unwrap() };
    let error = Centre::start(second).await.err().expect("the port is taken");
    assert!(error.to_string().contains(&taken.1.to_string()), "{error}");
}

#[tokio::test]
async fn a_centre_that_stopped_has_closed_its_sockets() {
    let centre = Centre::start(CentreConfig::demo().unwrap()).await.unwrap();
    let addresses = centre.addresses().to_vec();
    centre.stop().await;
    let again = CentreConfig { listen: addresses.clone(), ..CentreConfig::demo().unwrap() };
    let again = Centre::start(again).await.unwrap();
    assert_eq!(again.addresses(), addresses);
}
