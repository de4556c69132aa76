//! All five transports at a real Kamailio, over IPv4 and IPv6: certificates, proxies, restarts.

use deskline_tests::kamailio::{Digest, Kamailio};

use crate::seat::USERS;

#[test]
fn kamailio_listens_on_all_transports() {
    let mut kamailio = Kamailio::start(Digest::Md5, USERS).unwrap();
    for transport in ["tcp", "tls", "ws", "wss"] {
        std::net::TcpStream::connect(kamailio.address_for(transport)).unwrap();
        if let Some(address) = kamailio.address_v6_for(transport) {
            std::net::TcpStream::connect(address).unwrap();
        }
    }
    kamailio.stop();
    assert!(std::net::TcpStream::connect(kamailio.address()).is_err());
    kamailio.restart().unwrap();
    std::net::TcpStream::connect(kamailio.address()).unwrap();
}
