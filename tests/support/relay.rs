//! A registrar that takes everybody, and a wire between the phone and the peers behind it.
//!
//! Messages pass as they are, so that a peer which plays a scenario of its own speaks to the phone word by word, and yet
//! comes from the address where the phone is registered. The wire keeps a trace, and it can lose, repeat and hold back
//! messages.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;

/// A running registrar with its wire.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Phone,
    /// The peer of this number in the list that the relay was started with.
    Peer(usize),
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Passes,
    Lost,
    /// It arrives twice.
    Repeated,
    /// It waits for [`Relay::release`].
    Held,
}

/// A message that came to the wire.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub from: Side,
    pub text: String,
    pub fate: Fate,
}

type Rule = Box<dyn FnMut(Side, &str) -> Fate + Send>;

struct Shared {
    socket: UdpSocket,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

struct State {
    /// Each with the user part by which the phone calls it.
    peers: Vec<(String, SocketAddr)>,
    /// Where the phone was seen, and the Contact that it registered.
    phone: Option<(SocketAddr, String)>,
    /// Which peer a call is with, by Call-ID.
    calls: HashMap<String, usize>,
    trace: Vec<Seen>,
    rule: Rule,
    held: Vec<(SocketAddr, String)>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts it on 127.0.0.1; each peer has the user part by which the phone calls it, and listens there. What is for
    /// nobody in the list goes to the first.
    ///
    /// # Errors
    /// When no socket can be opened.
    pub fn start(peers: &[(&str, SocketAddr)]) -> anyhow::Result<Self> {
        Self::start_on(Ipv4Addr::LOCALHOST.into(), peers)
    }

    /// As [`Relay::start`], on `[::1]`.
    ///
    /// # Errors
    /// As [`Relay::start`].
    pub fn start_v6(peers: &[(&str, SocketAddr)]) -> anyhow::Result<Self> {
        Self::start_on(Ipv6Addr::LOCALHOST.into(), peers)
    }

    fn start_on(host: IpAddr, peers: &[(&str, SocketAddr)]) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((host, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let address = socket.local_addr()?;
        let state = State {
            peers: peers.iter().map(|&(user, address)| (user.to_owned(), address)).collect(),
            phone: None,
            calls: HashMap::new(),
            trace: Vec::new(),
            rule: Box::new(|_, _| Fate::Passes),
            held: Vec::new(),
        };
        let shared = Arc::new(Shared {
            socket,
            state: Mutex::new(state),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::spawn(move || worker.serve());
        Ok(Self { shared, address, thread: Some(thread) })
    }

    /// `HOST:PORT` of the registrar, as a phone's configuration takes it.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The URI of the phone's Contact, once it has registered.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn phone(&self, limit: Duration) -> anyhow::Result<String> {
        self.wait(limit, "the phone registers", |state| state.phone.as_ref().map(|(_, contact)| contact.clone()))
    }

    /// Where the phone's messages come from, once it has registered.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn phone_address(&self, limit: Duration) -> anyhow::Result<SocketAddr> {
        self.wait(limit, "the phone registers", |state| state.phone.as_ref().map(|&(address, _)| address))
    }

    /// Decides from now on what becomes of each message between phone and peers.
    pub fn rule(&self, rule: impl FnMut(Side, &str) -> Fate + Send + 'static) {
        self.state().rule = Box::new(rule);
    }

    /// Lets go what is held back, in its order.
    pub fn release(&self) {
        let held = std::mem::take(&mut self.state().held);
        for (to, text) in held {
            let _ = self.shared.socket.send_to(text.as_bytes(), to);
        }
    }

    /// Sends the phone a message of the caller's own making, from the registrar's address.
    ///
    /// # Errors
    /// When the phone has not registered, or the message cannot be sent.
    pub fn send(&self, text: &str) -> anyhow::Result<()> {
        let phone = self.phone_address(Duration::ZERO)?;
        self.shared.socket.send_to(text.as_bytes(), phone)?;
        Ok(())
    }

    /// How many messages have come so far: from where the next wait begins.
    pub fn mark(&self) -> usize {
        self.state().trace.len()
    }

    /// All messages so far.
    pub fn trace(&self) -> Vec<Seen> {
        self.state().trace.clone()
    }

    /// How many messages from `from` begin so.
    pub fn count(&self, from: Side, start: &str) -> usize {
        self.state().trace.iter().filter(|seen| seen.from == from && seen.text.starts_with(start)).count()
    }

    /// Waits for a message from `from`, after `mark`, of which `holds` is true.
    ///
    /// # Errors
    /// When `limit` passes first; with the first lines of all that came instead.
    pub fn awaits(
        &self,
        from: Side,
        mark: usize,
        limit: Duration,
        what: &str,
        holds: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Seen> {
        self.wait(limit, what, |state| {
            state.trace.iter().skip(mark).find(|seen| seen.from == from && holds(&seen.text)).cloned()
        })
    }

    /// The first line of each message, for people.
    pub fn summary(&self) -> String {
        summary(&self.state().trace)
    }

    fn wait<T>(&self, limit: Duration, what: &str, look: impl Fn(&State) -> Option<T>) -> anyhow::Result<T> {
        let end = Instant::now() + limit;
        let mut state = self.state();
        loop {
            if let Some(found) = look(&state) {
                return Ok(found);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("not within {:.1} s: {what}; the wire saw:\n{}", limit.as_secs_f64(), summary(&state.trace));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self) {
        let mut buffer = vec![0; 65_536];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            // Keep-alives concern nobody but the registrar.
            if !text.trim().is_empty() {
                self.take(from, text);
            }
        }
    }

    fn take(&self, from: SocketAddr, text: String) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let side = match state.peers.iter().position(|&(_, address)| address == from) {
            Some(peer) => Side::Peer(peer),
            None => Side::Phone,
        };
        let mut fate = Fate::Passes;
        let answer = if side == Side::Phone && state.called(&text).is_none() { answer(&text) } else { None };
        if let Some(answer) = answer {
            if text.starts_with("REGISTER ")
                && let Some(contact) = header(&text, "Contact").and_then(uri)
            {
                state.phone = Some((from, contact));
            }
            let _ = self.socket.send_to(answer.as_bytes(), from);
        } else if let Some(to) = state.way(side, &text) {
            fate = (state.rule)(side, &text);
            let copies = match fate {
                Fate::Passes => 1,
                Fate::Repeated => 2,
                Fate::Lost => 0,
                Fate::Held => {
                    state.held.push((to, text.clone()));
                    0
                }
            };
            for _ in 0..copies {
                let _ = self.socket.send_to(text.as_bytes(), to);
            }
        }
        state.trace.push(Seen { at: Instant::now(), from: side, text, fate });
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    /// Where a message goes, and to whom its call belongs from now on.
    fn way(&mut self, from: Side, text: &str) -> Option<SocketAddr> {
        let call = header(text, "Call-ID").unwrap_or_default().to_owned();
        match from {
            Side::Peer(peer) => {
                self.calls.insert(call, peer);
                self.phone.as_ref().map(|&(address, _)| address)
            }
            Side::Phone => {
                // A call that is redirected keeps its Call-ID.
                let anew = header(text, "To").is_some_and(|to| !to.contains("tag="));
                let called = if anew { self.called(text) } else { None };
                let peer = called.or_else(|| self.calls.get(&call).copied()).unwrap_or(0);
                self.calls.insert(call, peer);
                self.peers.get(peer).map(|&(_, address)| address)
            }
        }
    }

    /// Whom a request names.
    fn called(&self, text: &str) -> Option<usize> {
        let first = text.lines().next()?;
        self.peers.iter().position(|(user, _)| first.contains(&format!(" sip:{user}@")))
    }
}

/// What the registrar answers by itself: REGISTER, and requests outside calls that concern a server.
fn answer(text: &str) -> Option<String> {
    let method = text.split(' ').next()?;
    let status = match method {
        "REGISTER" => "200 OK",
        "SUBSCRIBE" | "PUBLISH" if !header(text, "To")?.contains("tag=") => "489 Bad Event",
        _ => return None,
    };
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        let _ = match name.as_str() {
            "via" | "v" | "from" | "f" | "call-id" | "i" | "cseq" => write!(answer, "{line}\r\n"),
            "to" | "t" if line.contains("tag=") => write!(answer, "{line}\r\n"),
            "to" | "t" => write!(answer, "{line};tag=relay\r\n"),
            "contact" | "m" if method == "REGISTER" => write!(answer, "{line}\r\nExpires: 600\r\n"),
            _ => Ok(()),
        };
    }
    Some(answer + "Content-Length: 0\r\n\r\n")
}

fn summary(trace: &[Seen]) -> String {
    let begun = trace.first().map(|seen| seen.at);
    let mut text = String::new();
    for seen in trace {
        let at = begun.map_or(0.0, |begun| (seen.at - begun).as_secs_f64());
        let who = match seen.from {
            Side::Phone => "phone →     ".to_owned(),
            Side::Peer(peer) => format!("      ← peer{peer}"),
        };
        let first = seen.text.lines().next().unwrap_or_default();
        let cseq = header(&seen.text, "CSeq").unwrap_or_default();
        let fate = if seen.fate == Fate::Passes { String::new() } else { format!(" [{:?}]", seen.fate) };
        let _ = writeln!(text, "{at:7.3} {who} {first} ({cseq}){fate}");
    }
    text
}

/// The first header of that name, in its long or short form.
pub fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let short = match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        _ => name,
    };
    text.lines().skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (own, value) = line.split_once(':')?;
        let own = own.trim();
        (own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(short)).then(|| value.trim())
    })
}

/// The URI between the angle brackets.
pub fn uri(value: &str) -> Option<String> {
    Some(value.split_once('<')?.1.split_once('>')?.0.to_owned())
}
