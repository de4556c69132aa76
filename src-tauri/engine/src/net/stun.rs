//! STUN binding requests as keep-alives on the SIP port (RFC 5626 §4.4.2, RFC 8489): they hold the NAT's way open, notice
//! a server that has died, and tell when the NAT gives us another address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

const COOKIE: u32 = 0x2112_A442;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const MAPPED_ADDRESS: u16 = 0x0001;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// The time to the first repetition (RFC 8489 §6.2.1, RTO), doubled for each further one.
const REPEAT_FIRST: Duration = Duration::from_millis(500);
/// How often a request is sent. The RFC's seven would outlast the interval of keep-alives.
const SENDS: u32 = 4;

/// The name of a request.
pub(super) type Id = [u8; 12];

/// A message as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Request(Id),
    Success {
        id: Id,
        /// Our address as the server sees it.
        mapped: Option<SocketAddr>,
    },
    Error(Id),
}

impl Message {
    /// `None` for everything that is not a well-formed STUN message of the method Binding.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_at_checked(20)?;
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let cookie = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        if cookie != COOKIE || usize::from(word(2)) != body.len() || !body.len().is_multiple_of(4) {
            return None;
        }
        let id = Id::try_from(&head[8..20]).ok()?;
        match word(0) {
            BINDING_REQUEST => Some(Self::Request(id)),
            BINDING_SUCCESS => Some(Self::Success { id, mapped: mapped(body, &id) }),
            BINDING_ERROR => Some(Self::Error(id)),
            _ => None,
        }
    }
}

/// A binding request without attributes.
pub(super) fn request(id: Id) -> Vec<u8> {
    [&BINDING_REQUEST.to_be_bytes()[..], &[0, 0], &COOKIE.to_be_bytes(), &id].concat()
}

/// The answer to a request that came from `remote`.
pub(super) fn answer(id: Id, remote: SocketAddr) -> Vec<u8> {
    let mut address: Vec<u8> = match remote.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let family = if remote.is_ipv4() { 1 } else { 2 };
    xor(&mut address, &id);
    let port = remote.port() ^ (COOKIE >> 16) as u16;
    let length = (4 + address.len()) as u16;
    let mut bytes = [BINDING_SUCCESS.to_be_bytes(), (4 + length).to_be_bytes()].concat();
    bytes.extend(COOKIE.to_be_bytes());
    bytes.extend(id);
    bytes.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, family]);
    bytes.extend(port.to_be_bytes());
    bytes.extend(address);
    bytes
}

/// The address in a success; servers of RFC 3489 say it in plain.
fn mapped(mut body: &[u8], id: &Id) -> Option<SocketAddr> {
    let mut plain = None;
    while let Some((head, rest)) = body.split_at_checked(4) {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        match kind {
            XOR_MAPPED_ADDRESS => return address(value, Some(id)),
            MAPPED_ADDRESS => plain = address(value, None),
            _ => {}
        }
        body = rest.get(length.next_multiple_of(4)..)?;
    }
    plain
}

fn address(value: &[u8], masked_by: Option<&Id>) -> Option<SocketAddr> {
    let (head, octets) = value.split_at_checked(4)?;
    let mut port = u16::from_be_bytes([head[2], head[3]]);
    let mut octets = octets.to_vec();
    if let Some(id) = masked_by {
        port ^= (COOKIE >> 16) as u16;
        xor(&mut octets, id);
    }
    let ip = match head[1] {
        1 => Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into(),
        2 => Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// With the cookie and, behind it, the request's name.
fn xor(octets: &mut [u8], id: &Id) {
    let mask = COOKIE.to_be_bytes().into_iter().chain(*id);
    octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
}

/// The keep-alives of one flow. Time is passed in.
#[derive(Debug)]
pub(super) struct Binding {
    interval: Duration,
    state: State,
    /// What the server called us last; before its first answer, nothing.
    mapped: Option<SocketAddr>,
    /// It has answered before: only then does silence mean that it is gone.
    answers: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Until the next keep-alive.
    Resting { until: Instant },
    /// A request is unanswered, sent `sends` times; at `until` it is sent again or given up.
    Asking { id: Id, sends: u32, until: Instant },
}

/// What is to be done when the time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Send(Vec<u8>),
    /// The server does not know STUN: send it line ends instead.
    LineEnds,
    /// It has answered before and does so no longer.
    Gone,
}

impl Binding {
    pub(super) fn new(now: Instant, interval: Duration) -> Self {
        Self { interval, state: State::Resting { until: now }, mapped: None, answers: false }
    }

    /// When to call [`Binding::due`].
    pub(super) fn at(&self) -> Instant {
        match self.state {
            State::Resting { until } | State::Asking { until, .. } => until,
        }
    }

    /// The time that [`Binding::at`] named has come. `id`: a fresh name, unpredictable.
    pub(super) fn due(&mut self, now: Instant, id: Id) -> Due {
        let (id, sends) = match self.state {
            State::Resting { .. } => (id, 1),
            State::Asking { id, sends, .. } if sends < SENDS => (id, sends + 1),
            State::Asking { .. } if self.answers => return Due::Gone,
            State::Asking { .. } => {
                self.state = State::Resting { until: now + self.interval };
                return Due::LineEnds;
            }
        };
        let until = now + REPEAT_FIRST * 2_u32.pow(sends - 1);
        self.state = State::Asking { id, sends, until };
        Due::Send(request(id))
    }

    /// An answer has come. `Some`: we have another address than before.
    pub(super) fn answered(&mut self, now: Instant, answer: &Message) -> Option<SocketAddr> {
        let (State::Asking { id: asked, .. }, Message::Success { id, .. } | Message::Error(id)) = (self.state, answer)
        else {
            return None;
        };
        if *id != asked {
            return None;
        }
        self.state = State::Resting { until: now + self.interval };
        self.answers = true;
        let Message::Success { mapped: Some(mapped), .. } = answer else { return None };
        let before = self.mapped.replace(*mapped);
        before.filter(|before| before != mapped).map(|_| *mapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.2 and §2.3: the sample responses, with their other attributes.
    const V4: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147\
        e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
    const V6: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a147\
        0113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

    fn octets(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    #[test]
    fn samples_of_rfc_5769_are_read() {
        let mapped = |hex| match Message::parse(&octets(hex)) {
            Some(Message::Success { mapped, .. }) => mapped.map(|mapped| mapped.to_string()),
            _ => None,
        };
        assert_eq!(mapped(V4).as_deref(), Some("192.0.2.1:32853"));
        assert_eq!(mapped(V6).as_deref(), Some("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
    }

    #[test]
    fn answers_name_the_address_of_the_asker() {
        for remote in ["192.0.2.7:5060", "[2001:db8::1]:65535"] {
            let remote: SocketAddr = remote.parse().expect("an address");
            let id = [7; 12];
            assert_eq!(Message::parse(&request(id)), Some(Message::Request(id)));
            assert_eq!(Message::parse(&answer(id, remote)), Some(Message::Success { id, mapped: Some(remote) }));
        }
    }

    #[test]
    fn whatever_is_cut_or_changed_is_no_panic() {
        for hex in [V4, V6] {
            let whole = octets(hex);
            for length in 0..whole.len() {
                assert_eq!(Message::parse(&whole[..length]), None);
                let mut changed = whole.clone();
                for value in [0, 1, 0x7f, 0xff] {
                    changed[length] = value;
                    let _ = Message::parse(&changed);
                }
            }
        }
    }

    #[test]
    fn requests_are_repeated_and_a_silent_server_is_gone_only_if_it_ever_answered() {
        let start = Instant::now();
        let mut binding = Binding::new(start, Duration::from_secs(25));
        let mut now = start;
        let mut sent_at = Vec::new();
        let mut run = |binding: &mut Binding, now: &mut Instant| loop {
            *now = binding.at();
            match binding.due(*now, [1; 12]) {
                Due::Send(_) => sent_at.push(now.duration_since(start).as_millis()),
                other => return other,
            }
        };
        assert_eq!(run(&mut binding, &mut now), Due::LineEnds);
        assert_eq!(sent_at, [0, 500, 1_500, 3_500]);
        now = binding.at();
        binding.due(now, [2; 12]);
        assert_eq!(binding.answered(now, &Message::Error([9; 12])), None, "not the answer to this one");
        binding.answered(now, &Message::Error([2; 12]));
        let run = |binding: &mut Binding| loop {
            let other = binding.due(binding.at(), [3; 12]);
            if !matches!(other, Due::Send(_)) {
                return other;
            }
        };
        assert_eq!(run(&mut binding), Due::Gone);
    }

    #[test]
    fn another_address_is_told_once() {
        let now = Instant::now();
        let mut binding = Binding::new(now, Duration::from_secs(25));
        let mut told = |address: &str| {
            binding.due(now, [1; 12]);
            let mapped = Some(address.parse().expect("an address"));
            binding.answered(now, &Message::Success { id: [1; 12], mapped }).map(|mapped| mapped.to_string())
        };
        assert_eq!(told("192.0.2.1:1000"), None);
        assert_eq!(told("192.0.2.1:1000"), None);
        assert_eq!(told("192.0.2.1:1001").as_deref(), Some("192.0.2.1:1001"));
        assert_eq!(told("192.0.2.1:1001"), None);
    }
}
