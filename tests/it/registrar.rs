//! The user agent and its sockets at a real Kamailio: what a registrar tells beyond the binding, and requests that are too
//! large for a datagram.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use deskline_core::account::Server;
use deskline_core::flow::{Destination, Flow, Transport};
use deskline_core::pii::Pii;
use deskline_core::sip::user_agent::{
    Config, Credentials, EndReason, Event, Identity, Invite, Outbound, Output, RegistrationId,
};
use deskline_core::sip::{Headers, NameAddr, Uri, UserAgent};
use deskline_engine::net::{ConnectId, Net, NetEvent, NetEvents};
use deskline_tests::kamailio::{Digest, Kamailio};
use tokio::time::{sleep_until, timeout};

use crate::seat::{PASSWORD, SOON, USER, USERS};

#[tokio::test]
async fn globally_routable_uri_and_instance_come_back() {
    let kamailio = Kamailio::start(Digest::Sha256, USERS).unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut phone = Phone::connect(&kamailio, transport).await;
        let id = phone.register(1, "").await;
        let binding = phone.agent.binding(id).unwrap();
        let gruu = binding.public_gruu.as_ref().unwrap();
        assert_eq!((gruu.user.as_deref(), gruu.param("gr").is_some()), (Some(USER), true), "{gruu}");
        assert_eq!((binding.others.len(), binding.former.len()), (0, 0));
        phone.unregister(id).await;
    }
}

#[tokio::test]
async fn another_device_is_noticed_and_signed_out() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let mut desk = Phone::connect(&kamailio, Transport::Udp).await;
    let first = desk.register(1, "").await;
    let mut home = Phone::connect(&kamailio, Transport::Tcp).await;
    let second = home.register(2, "").await;
    assert_eq!(home.others().await, 1, "the one that was there is told with the answer");
    desk.agent.refresh_registration(Instant::now(), first).unwrap();
    assert_eq!(desk.others().await, 1, "the one that came is told with the refresh");
    home.agent.unregister_all(Instant::now(), second).unwrap();
    home.until(|event| matches!(event, Event::Unregistered { .. }).then_some(())).await;
    let mut third = Phone::connect(&kamailio, Transport::Udp).await;
    let id = third.register(3, "").await;
    assert!(third.agent.binding(id).unwrap().others.is_empty(), "nobody is left");
}

#[tokio::test]
async fn crashed_phone_does_not_stand_in_its_own_way() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let mut before = Phone::connect(&kamailio, Transport::Udp).await;
    before.register(1, "").await;
    drop(before);
    let mut after = Phone::connect(&kamailio, Transport::Udp).await;
    let id = after.register(1, "").await;
    assert!(after.agent.binding(id).unwrap().others.is_empty(), "our own older contact is no other device");
    after.agent.refresh_registration(Instant::now(), id).unwrap();
    after.until(|event| matches!(event, Event::Registered { .. }).then_some(())).await;
    assert!(after.agent.binding(id).unwrap().former.is_empty(), "and is removed");
}

#[tokio::test]
async fn large_requests_take_tcp_at_a_server_that_has_it() {
    let kamailio = Kamailio::start(Digest::Sha256, USERS).unwrap();
    let mut phone = Phone::connect(&kamailio, Transport::Udp).await;
    let id = phone.register(1, &"x".repeat(1300)).await;
    assert!(kamailio.log().contains("request REGISTER by tcp"), "{}", kamailio.log());
    // Challenged, and refused because nobody is there: the whole exchange goes by TCP.
    phone.invite(id, b"v=0\r\n".repeat(400));
    let status = phone.until(rejected).await;
    assert!(matches!(status, 404 | 480), "{status}");
    assert!(kamailio.log().contains("request INVITE by tcp"), "{}", kamailio.log());
    assert!(!kamailio.log().contains("request INVITE by udp"), "{}", kamailio.log());
}

#[tokio::test]
async fn large_requests_come_back_to_udp_at_a_server_without_tcp() {
    let kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    let front = forward(kamailio.port());
    let mut phone = Phone::connect_to(front, Transport::Udp).await;
    let begun = Instant::now();
    let id = phone.register(1, &"x".repeat(1300)).await;
    phone.invite(id, b"v=0\r\n".repeat(400));
    let status = phone.until(rejected).await;
    assert!(matches!(status, 404 | 480), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(5), "refused connections cost no time");
    assert!(!kamailio.log().contains("by tcp"), "{}", kamailio.log());
    assert!(kamailio.log().contains("request INVITE by udp"), "{}", kamailio.log());
}

fn rejected(event: &Event) -> Option<u16> {
    match event {
        Event::Ended { reason: EndReason::Rejected { status, .. }, .. } => Some(*status),
        _ => None,
    }
}

/// A place that passes datagrams on to a server and back, and takes no connection.
fn forward(port: u16) -> SocketAddr {
    let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = front.local_addr().unwrap();
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    std::thread::spawn(move || {
        let mut client = None;
        let mut datagram = [0; 65_536];
        while let Ok((length, from)) = front.recv_from(&mut datagram) {
            let to = if from == server { client } else { Some(server) };
            if from != server {
                client = Some(from);
            }
            if let Some(to) = to {
                let _ = front.send_to(&datagram[..length], to);
            }
        }
    });
    address
}

/// A user agent with its sockets, as the event loop puts them together.
struct Phone {
    net: Net,
    events: NetEvents,
    agent: UserAgent,
    flow: Flow,
    heard: Vec<Event>,
}

impl Phone {
    async fn connect(kamailio: &Kamailio, transport: Transport) -> Self {
        Self::connect_to(SocketAddr::from((Ipv4Addr::LOCALHOST, kamailio.port())), transport).await
    }

    async fn connect_to(server: SocketAddr, transport: Transport) -> Self {
        let (mut net, mut events) = Net::new();
        net.connect(ConnectId(1), Server::at(transport, server));
        let flow = match timeout(SOON, events.recv()).await.unwrap().unwrap() {
            NetEvent::Up { flow, .. } => flow,
            other => panic!("{other:?}"),
        };
        let config = Config { product: "Deskline".into(), ..Config::default() };
        let seed = [flow.local.port().to_be_bytes()[0], flow.local.port().to_be_bytes()[1]].repeat(16);
        let agent = UserAgent::new(config, seed.try_into().unwrap());
        Self { net, events, agent, flow, heard: Vec::new() }
    }

    fn identity(&self, instance: u8, name: &str) -> Identity {
        let instance = format!("urn:uuid:00000000-0000-4000-8000-0000000000{instance:02}");
        Identity {
            aor: NameAddr::new(Uri::sip(USER, "127.0.0.1")).with_display(name),
            credentials: Some(Credentials { user: USER.into(), password: Pii::new(PASSWORD.into()) }),
            destination: Destination::Flow(self.flow.id),
            flow: self.flow,
            route: Vec::new(),
            outbound: Some(Outbound { instance: instance.into(), reg_id: 1, gruu: true }),
        }
    }

    async fn register(&mut self, instance: u8, name: &str) -> RegistrationId {
        let identity = self.identity(instance, name);
        let registrar = Uri::sip_address("", self.flow.remote);
        let id = self.agent.register(Instant::now(), identity, registrar, Duration::from_secs(300));
        self.until(|event| match event {
            Event::Registered { .. } => Some(()),
            Event::RegistrationFailed { status, reason, .. } => panic!("{status:?} {reason}"),
            _ => None,
        })
        .await;
        id
    }

    async fn unregister(&mut self, id: RegistrationId) {
        self.agent.unregister(Instant::now(), id).unwrap();
        self.until(|event| matches!(event, Event::Unregistered { .. }).then_some(())).await;
    }

    async fn others(&mut self) -> usize {
        self.until(|event| match event {
            Event::OtherBindings { contacts, .. } => Some(contacts.len()),
            _ => None,
        })
        .await
    }

    fn invite(&mut self, id: RegistrationId, offer: Vec<u8>) {
        let identity = self.agent.identity_of(id).unwrap();
        let target = Uri::sip_address("9999", self.flow.remote);
        self.agent.invite(Instant::now(), Invite { identity, target, offer, headers: Headers::default() }).unwrap();
    }

    /// Runs until an event fits that has not been looked at yet.
    async fn until<T>(&mut self, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let end = tokio::time::Instant::now() + SOON;
        loop {
            self.drain();
            while !self.heard.is_empty() {
                if let Some(found) = pick(&self.heard.remove(0)) {
                    return found;
                }
            }
            let wake = self.agent.poll_timeout().map_or(end, |at| end.min(at.into()));
            tokio::select! {
                event = self.events.recv() => match event.unwrap() {
                    NetEvent::Message { flow, bytes } => self.agent.handle_received(Instant::now(), &flow, &bytes),
                    NetEvent::Down { flow, peer, .. } => {
                        self.agent.handle_flow_closed(Instant::now(), flow);
                        if let Some((transport, address)) = peer {
                            self.agent.handle_unsent(Instant::now(), transport, address);
                        }
                    }
                    _ => {}
                },
                () = sleep_until(wake) => self.agent.handle_timeout(Instant::now()),
            }
            assert!(tokio::time::Instant::now() < end, "the event never came");
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll_output() {
            match output {
                Output::Transmit { destination, bytes } => self.net.send(destination, bytes),
                Output::Event(event) => self.heard.push(event),
            }
        }
    }
}
