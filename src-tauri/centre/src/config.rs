//! What a centre is made of: its users, its numbers, its patience.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use deskline_core::flow::Transport;
use deskline_core::media::Codec;
use deskline_core::pii::Pii;
use deskline_core::sip::digest::Algorithm;

use crate::numbers::{DemoNumber, NumberKind};
use crate::sound::Speaker;

/// The extension that the desktop's sign-in view is filled with.
pub const FIRST_AGENT: &str = "1001";

#[derive(Debug, Clone)]
pub struct CentreConfig {
    /// Realm of the digest, and the host in the addresses of callers.
    pub realm: String,
    /// Where to listen; port 0 lets the system choose. At most one address a transport.
    pub listen: Vec<(Transport, SocketAddr)>,
    pub users: Vec<User>,
    pub numbers: Vec<DemoNumber>,
    /// The simulated customers who take turns when no script names its own.
    pub customers: Vec<Caller>,
    pub authentication: Authentication,
    /// Offered in this order, one challenge each (RFC 8760 §2.4). Some older telephones give up at the sight of any
    /// challenge but MD5: offer them nothing else.
    pub algorithms: Vec<Algorithm>,
    /// What simulated people's telephones can do, in the order in which they offer it. Of a phone's offer they take the
    /// phone's first.
    pub codecs: Vec<Codec>,
    pub expiry: Expiry,
    /// How long a simulated agent rings before answering.
    pub answer_after: Duration,
    /// How long the number that does not answer rings.
    pub no_answer_after: Duration,
    /// How long a registered agent's phone rings for a caller inside, before 480.
    pub ring_for: Duration,
    /// A phone that should send RTP and has sent none for that long is taken for dead, and its call ends. On hold, and
    /// between two phones, where silence can be meant, the limit is ten times as long.
    pub silence_limit: Duration,
    /// A customer calls by itself, once: this long after the first registration, or as soon after it as that agent is free
    /// and ready. `None`: never.
    pub first_call_after: Option<Duration>,
}

/// Somebody who may register. Its debug output shows neither number nor name.
#[derive(Clone)]
pub struct User {
    pub extension: String,
    pub name: String,
    /// `None`: nobody can register this extension, unless [`Authentication::Off`].
    pub password: Option<Pii<String>>,
    /// While nobody is registered, a simulated agent answers.
    pub simulated: bool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("simulated", &self.simulated).finish_non_exhaustive()
    }
}

/// Somebody who calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    pub number: Pii<String>,
    pub name: Pii<String>,
    pub speaker: Speaker,
}

impl Caller {
    pub fn new(number: &str, name: &str, speaker: Speaker) -> Self {
        Self { number: Pii::new(number.to_owned()), name: Pii::new(name.to_owned()), speaker }
    }
}

/// Who must prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Every REGISTER and every INVITE.
    Required,
    /// Every REGISTER; an INVITE only if it does not come along the flow that the same extension is registered with.
    TrustRegisteredFlows,
    /// Nobody. Any extension registers, known or not. For tests.
    Off,
}

/// Limits of a binding's life.
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    /// Shorter ones are answered 423 (RFC 3261 §10.3, step 7).
    pub min: Duration,
    /// Longer ones are shortened.
    pub max: Duration,
    /// Without a wish of the client.
    pub default: Duration,
}

impl Default for Expiry {
    fn default() -> Self {
        Self { min: Duration::from_secs(10), max: Duration::from_secs(3600), default: Duration::from_secs(300) }
    }
}

impl CentreConfig {
    /// The demo: on loopback, at ports that the system chooses, with five agents whose passwords are drawn anew.
    ///
    /// # Errors
    /// When the system yields no randomness.
    pub fn demo() -> std::io::Result<Self> {
        let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Ok(Self {
            listen: [Transport::Udp, Transport::Tcp, Transport::Ws].map(|transport| (transport, loopback)).to_vec(),
            users: demo_users()?,
            ..Self::empty()
        })
    }

    /// The demo's numbers, customers and times, without a user and without a socket.
    pub fn empty() -> Self {
        Self {
            realm: "deskline.invalid".to_owned(),
            listen: Vec::new(),
            users: Vec::new(),
            numbers: demo_numbers(),
            customers: demo_customers(),
            authentication: Authentication::Required,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            codecs: vec![Codec::Opus, Codec::Pcma, Codec::Pcmu],
            silence_limit: Duration::from_secs(60),
            expiry: Expiry::default(),
            answer_after: Duration::from_secs(2),
            no_answer_after: Duration::from_secs(20),
            ring_for: Duration::from_secs(30),
            first_call_after: None,
        }
    }

    pub fn user(&self, extension: &str) -> Option<&User> {
        self.users.iter().find(|user| user.extension == extension)
    }

    /// The numbers that an agent may try, for a list: the simulated agents, then the demo numbers.
    pub fn numbers_to_try(&self) -> Vec<DemoNumber> {
        let agents = self.users.iter().filter(|user| user.simulated);
        let agents = agents.map(|user| DemoNumber { number: user.extension.clone(), kind: NumberKind::Agent });
        agents.chain(self.numbers.iter().cloned()).collect()
    }
}

/// A password of 20 letters and digits that cannot be mistaken for each other (about 98 bits).
pub(crate) fn random_password() -> std::io::Result<Pii<String>> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 20];
    fill_random(&mut bytes)?;
    Ok(Pii::new(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()))
}

pub(crate) fn fill_random(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(|error| std::io::Error::other(format!("no randomness: {error}")))
}

fn demo_users() -> std::io::Result<Vec<User>> {
    let names = [
        (FIRST_AGENT, "林晓"),
        ("1002", "陈静 Jing"),
        ("1003", "Alex Meyer"),
        ("1004", "周明"),
        ("1005", "Sofia Rossi"),
    ];
    names
        .into_iter()
        .map(|(extension, name)| {
            Ok(User {
                extension: extension.to_owned(),
                name: name.to_owned(),
                password: Some(random_password()?),
                simulated: extension != FIRST_AGENT,
            })
        })
        .collect()
}

fn demo_numbers() -> Vec<DemoNumber> {
    [
        ("9196", NumberKind::Echo),
        ("9198", NumberKind::Tone),
        ("9486", NumberKind::Busy),
        ("9408", NumberKind::NoAnswer),
        ("9603", NumberKind::Declined),
        ("9503", NumberKind::OutOfService),
        ("9404", NumberKind::NotFound),
    ]
    .into_iter()
    .map(|(number, kind)| DemoNumber { number: number.to_owned(), kind })
    .collect()
}

/// Numbers that nobody has: one long used as a specimen, and one of the range that is kept free for fiction.
fn demo_customers() -> Vec<Caller> {
    [
        ("13800138000", "王女士", Speaker::WOMAN),
        ("02125550142", "Ms. Taylor", Speaker::WOMAN),
        ("13800138000", "李先生", Speaker::MAN),
        ("02125550187", "Mr. Okafor", Speaker::MAN),
    ]
    .into_iter()
    .map(|(number, name, speaker)| Caller::new(number, name, speaker))
    .collect()
}
