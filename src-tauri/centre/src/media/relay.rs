//! Two phones and what they say to each other: packets pass as they are, whatever the codec.

use std::net::SocketAddr;

use super::Leg;

#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// Where each leg wants its packets: caller, callee.
    remotes: [Option<SocketAddr>; 2],
}

impl Relay {
    pub(crate) fn set_remote(&mut self, leg: Leg, remote: Option<SocketAddr>) {
        self.remotes[leg.index()] = remote;
    }

    /// Where a packet goes that came from `from` to our socket on the side of `leg`; `None`: nowhere. Only the host that
    /// the leg named in its description is heard.
    pub(crate) fn forward(&self, leg: Leg, from: SocketAddr) -> Option<SocketAddr> {
        let speaker = self.remotes[leg.index()]?;
        (speaker.ip() == from.ip()).then_some(self.remotes[leg.other().index()]?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_pass_between_the_two_hosts_and_from_no_other() {
        let caller = SocketAddr::from(([10, 0, 0, 1], 4000));
        let callee = SocketAddr::from(([10, 0, 0, 2], 5000));
        let mut relay = Relay::default();
        relay.set_remote(Leg::Caller, Some(caller));
        assert_eq!(relay.forward(Leg::Caller, caller), None, "the callee is not known yet");
        relay.set_remote(Leg::Callee, Some(callee));
        assert_eq!(relay.forward(Leg::Caller, caller), Some(callee));
        assert_eq!(relay.forward(Leg::Callee, SocketAddr::from(([10, 0, 0, 2], 5999))), Some(caller));
        assert_eq!(relay.forward(Leg::Callee, SocketAddr::from(([10, 0, 0, 3], 5000))), None);
        relay.set_remote(Leg::Caller, None);
        assert_eq!(relay.forward(Leg::Callee, callee), None);
    }
}
