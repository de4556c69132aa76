//! The other side of the wire: registrar, caller and called in one UDP socket, with the time of all that comes.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// A registrar that takes everybody, a phone that is always busy, and a caller. It answers by itself.
#[derive(Debug)]
pub struct Counterpart {
    shared: Arc<Shared>,
    address: SocketAddr,
    media: UdpSocket,
    next: AtomicU32,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    socket: UdpSocket,
    seen: Mutex<Vec<Seen>>,
    arrived: Condvar,
    stop: AtomicBool,
}

/// A message that came.
#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    from: SocketAddr,
    text: String,
}

impl Counterpart {
    /// # Errors
    /// When no socket can be opened.
    pub fn start() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let address = socket.local_addr()?;
        let shared =
            Arc::new(Shared { socket, seen: Mutex::default(), arrived: Condvar::new(), stop: AtomicBool::new(false) });
        let worker = Arc::clone(&shared);
        let thread = std::thread::spawn(move || worker.serve());
        let media = UdpSocket::bind("127.0.0.1:0")?;
        Ok(Self { shared, address, media, next: AtomicU32::new(1), thread: Some(thread) })
    }

    /// `127.0.0.1:PORT` of the registrar.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many messages have come so far: from where the next wait begins.
    pub fn mark(&self) -> usize {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a message, after `mark`, whose first line begins so; returns the time at which it came.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn awaits(&self, start: &str, mark: usize, limit: Duration) -> anyhow::Result<Instant> {
        self.find(start, mark, limit).map(|seen| seen.at)
    }

    /// Calls the phone that registered last; returns the time at which the INVITE was sent.
    ///
    /// # Errors
    /// When nobody has registered.
    pub fn invite(&self) -> anyhow::Result<Instant> {
        let register = self.find("REGISTER ", 0, Duration::ZERO).context("nobody has registered")?;
        let target = header(&register.text, "Contact").and_then(uri).context("REGISTER without Contact")?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let own = self.address;
        let media = self.media.local_addr()?.port();
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {media} RTP/AVP 0\r\n\
             a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let text = format!(
            "INVITE {target} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKbench{number};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:caller@{own}>;tag=caller{number}\r\nTo: <{target}>\r\nCall-ID: bench-{number}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:caller@{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // What came for an earlier call must not be taken for this one's.
        self.media.set_nonblocking(true)?;
        while self.media.recv(&mut [0; 2048]).is_ok() {}
        self.media.set_nonblocking(false)?;
        let at = Instant::now();
        self.shared.socket.send_to(text.as_bytes(), register.from)?;
        Ok(at)
    }

    /// Waits for the first sound; returns the time at which it came.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn awaits_sound(&self, limit: Duration) -> anyhow::Result<Instant> {
        self.media.set_read_timeout(Some(limit))?;
        loop {
            let mut packet = [0; 2048];
            let length = self.media.recv(&mut packet).context("no RTP came")?;
            let at = Instant::now();
            // Version 2 and payload type 0: neither RTCP nor a probe.
            if length >= 12 && packet[0] >> 6 == 2 && packet[1] & 0x7f == 0 {
                return Ok(at);
            }
        }
    }

    fn find(&self, start: &str, mark: usize, limit: Duration) -> anyhow::Result<Seen> {
        let end = Instant::now() + limit;
        let mut seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // The newest counts for the registration, the first for everything that is awaited.
            let mut fitting = seen.iter().skip(mark).filter(|seen| seen.text.starts_with(start));
            let found = if limit.is_zero() { fitting.next_back() } else { fitting.next() };
            if let Some(found) = found {
                return Ok(found.clone());
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let others: Vec<&str> = seen.iter().skip(mark).filter_map(|seen| seen.text.lines().next()).collect();
                bail!("{start:?} did not come; instead: {others:?}");
            }
            seen = self.shared.arrived.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Counterpart {
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
            let at = Instant::now();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if let Some(answer) = answer(&text) {
                let _ = self.socket.send_to(answer.as_bytes(), from);
            }
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { at, from, text });
            self.arrived.notify_all();
        }
    }
}

/// What is sent back at once.
fn answer(text: &str) -> Option<String> {
    let first = text.lines().next()?;
    if let Some(status) = first.strip_prefix("SIP/2.0 ") {
        let invite = header(text, "CSeq")?.ends_with("INVITE");
        return (invite && !status.starts_with('1')).then(|| ack(text, status.starts_with('2')));
    }
    let status = match first.split(' ').next()? {
        "ACK" => return None,
        "INVITE" => "486 Busy Here",
        _ => "200 OK",
    };
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "via" | "v" | "from" | "f" | "call-id" | "i" | "cseq" => answer += &format!("{line}\r\n"),
            "to" | "t" if line.contains("tag=") => answer += &format!("{line}\r\n"),
            "to" | "t" => answer += &format!("{line};tag=counterpart\r\n"),
            "contact" | "m" if first.starts_with("REGISTER") => {
                let line = line.split(";expires").next().unwrap_or(line);
                answer += &format!("{line};expires=600\r\n");
            }
            _ => {}
        }
    }
    Some(answer + "Content-Length: 0\r\n\r\n")
}

/// The ACK of a final answer to our INVITE: of its own transaction for a 2xx (RFC 3261 §13.2.2.4), else of the INVITE's
/// (§17.1.1.3).
fn ack(answer: &str, success: bool) -> String {
    let field = |name| header(answer, name).unwrap_or_default();
    let number = field("CSeq").split(' ').next().unwrap_or("1").to_owned();
    let own = uri(field("From")).unwrap_or_default().replace("sip:caller@", "");
    let target = header(answer, "Contact").and_then(uri).or_else(|| uri(field("To"))).unwrap_or_default();
    let via = if success {
        format!("SIP/2.0/UDP {own};branch=z9hG4bKack-{};rport", field("Call-ID"))
    } else {
        field("Via").to_owned()
    };
    format!(
        "ACK {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\n\
         Content-Length: 0\r\n\r\n",
        field("From"),
        field("To"),
        field("Call-ID"),
    )
}

/// The first header of that name, in its long or short form.
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let short = match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        _ => name,
    };
    text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
        let (own, value) = line.split_once(':')?;
        let own = own.trim();
        (own.eq_ignore_ascii_case(name) || own.eq_ignore_ascii_case(short)).then(|| value.trim())
    })
}

/// The URI between the angle brackets.
fn uri(value: &str) -> Option<String> {
    Some(value.split_once('<')?.1.split_once('>')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn register_is_granted_with_its_own_contact() {
        let request = "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nf: <sip:u@h>;tag=1\r\nTo: <sip:u@h>\r\n\
                       Call-ID: c\r\nCSeq: 1 REGISTER\r\nContact: <sip:u@a>;expires=60\r\nContent-Length: 0\r\n\r\n";
        let answer = answer(request).unwrap_or_default();
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"));
        assert!(answer.contains("To: <sip:u@h>;tag=counterpart\r\n"));
        assert!(answer.contains("Contact: <sip:u@a>;expires=600\r\n"));
    }

    #[test]
    fn ringing_is_not_acknowledged_but_final_answers_are() {
        let with = |status: &str| {
            format!(
                "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:caller@1.2.3.4:5>;tag=1\r\n\
                 To: <sip:u@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:u@b>\r\n\r\n"
            )
        };
        assert_eq!(answer(&with("180 Ringing")), None);
        let of_success = answer(&with("200 OK")).unwrap_or_default();
        assert!(
            of_success.starts_with("ACK sip:u@b SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4:5;branch=z9hG4bKack-c"),
            "{of_success}"
        );
        let of_refusal = answer(&with("480 Nobody")).unwrap_or_default();
        assert!(of_refusal.contains("Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"), "{of_refusal}");
    }
}
