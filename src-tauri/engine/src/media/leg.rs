//! One call leg: its sockets, its stream, its reports.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use deskline_core::media::jitter::Limits;
use deskline_core::media::rtcp::{self, Block, Item, SenderInfo};
use deskline_core::media::rtp::Packet;
use deskline_core::media::{FRAME, MediaId, SendSource};
use deskline_core::sdp::Negotiated;

use super::codec;
use super::stream::{Format, Receiver, Sender};
use super::{StreamStats, entropy};

/// Ports are sought in this range: the even one for RTP, the next for RTCP (RFC 3550 §11).
const PORTS: std::ops::Range<u16> = 16_384..60_000;

/// So many pairs of ports are tried.
const ATTEMPTS: u64 = 200;

/// Datagrams that are read in one go.
const BATCH: usize = 256;

/// A peer that was silent for so long may go on from another address.
const MOVED: Duration = Duration::from_secs(1);

/// Expedited forwarding (RFC 3246), as the type-of-service byte.
const EXPEDITED: u32 = 46 << 2;

/// The canonical name in reports: the same for all, and so without a trace of the agent (RFC 7022 allows a random one).
const NAME: &str = "deskline";

/// A leg whose sockets are bound. Sound runs once it is [`Leg::run`].
pub struct Leg {
    pub id: MediaId,
    pub address: SocketAddr,
    pub rtp: mio::net::UdpSocket,
    pub rtcp: mio::net::UdpSocket,
    running: Option<Running>,
}

struct Running {
    negotiated: Negotiated,
    source: SendSource,
    sender: Sender,
    receiver: Receiver,
    /// Where we send: what the description says, or whence packets come.
    target: SocketAddr,
    heard_from: Option<(SocketAddr, Instant)>,
    /// The middle of the NTP time of the peer's last sender report, and when it came.
    last_report: Option<(u32, Instant)>,
    /// Smoothed, in percent.
    peer_loss: f32,
}

/// What arrived at a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    First,
    Digit(char),
}

impl Leg {
    /// Binds a pair of ports on `local`.
    pub fn open(id: MediaId, local: IpAddr) -> io::Result<Self> {
        let (rtp, rtcp) = bind_pair(local)?;
        let address = rtp.local_addr()?;
        let socket = socket2::SockRef::from(&rtp);
        // Not every system lets us; sound flows all the same.
        let _ = match local {
            IpAddr::V4(_) => socket.set_tos_v4(EXPEDITED),
            IpAddr::V6(_) => Ok(()),
        };
        rtp.set_nonblocking(true)?;
        rtcp.set_nonblocking(true)?;
        let (rtp, rtcp) = (mio::net::UdpSocket::from_std(rtp), mio::net::UdpSocket::from_std(rtcp));
        Ok(Self { id, address, rtp, rtcp, running: None })
    }

    /// Starts the stream, or changes it.
    pub fn run(&mut self, negotiated: Negotiated, source: SendSource) -> Result<(), codec::Error> {
        let format = |payload_type: u8, dtmf: Option<u8>| Format {
            codec: negotiated.codec,
            payload_type,
            dtmf,
            dtmf_clock_rate: negotiated.dtmf_clock_rate,
            ptime: negotiated.ptime,
        };
        let send = format(negotiated.send_payload_type, negotiated.dtmf_send);
        let receive = format(negotiated.receive_payload_type, negotiated.dtmf_receive);
        match &mut self.running {
            Some(running) => {
                running.source = source;
                if running.negotiated == negotiated {
                    return Ok(());
                }
                running.sender.change(send)?;
                running.receiver.change(receive, Limits::default())?;
                if running.negotiated.remote != negotiated.remote {
                    running.target = negotiated.remote;
                    running.heard_from = None;
                }
                running.negotiated = negotiated;
            }
            None => {
                self.running = Some(Running {
                    sender: Sender::new(send, entropy())?,
                    receiver: Receiver::new(receive, Limits::default())?,
                    target: negotiated.remote,
                    negotiated,
                    source,
                    heard_from: None,
                    last_report: None,
                    peer_loss: 0.0,
                });
            }
        }
        Ok(())
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What the leg sends at this time, if it sends.
    pub fn source(&self) -> Option<SendSource> {
        self.running.as_ref().filter(|running| running.negotiated.direction.sends()).map(|running| running.source)
    }

    /// Reads what has come.
    pub fn receive(&mut self, now: Instant, buffer: &mut [u8], mut tell: impl FnMut(Arrival)) {
        for _ in 0..BATCH {
            let (length, from) = match self.rtp.recv_from(buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A report that an earlier packet of ours was not wanted.
                Err(_) => continue,
            };
            let (Some(running), Ok(packet)) = (&mut self.running, Packet::parse(&buffer[..length])) else { continue };
            let (accepted, first) = running.accept(from, &packet, now);
            if first {
                tell(Arrival::First);
            }
            if let Some(digit) = accepted.then(|| running.receiver.handle(&packet, now)).flatten() {
                tell(Arrival::Digit(digit));
            }
        }
    }

    /// Reads the peer's reports.
    pub fn receive_reports(&mut self, now: Instant, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            let length = match self.rtcp.recv_from(buffer) {
                Ok((length, _)) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => continue,
            };
            let Some(running) = &mut self.running else { continue };
            let ours = running.sender.ssrc();
            rtcp::read(&buffer[..length], |item| match item {
                Item::SenderReport { info, .. } => running.last_report = Some(((info.ntp >> 16) as u32, now)),
                Item::Block { block, .. } if block.report.ssrc == ours => {
                    let loss = f32::from(block.report.fraction_lost) / 2.56;
                    running.peer_loss += (loss - running.peer_loss) / 2.0;
                    running.sender.expect_loss(running.peer_loss.ceil() as u8);
                }
                Item::Block { .. } | Item::Farewell { .. } => {}
            });
        }
    }

    /// Sends 10 ms of `sound`, or lets them pass where the leg does not send.
    pub fn send(&mut self, sound: &[f32; FRAME]) {
        let Some(running) = &mut self.running else { return };
        if running.negotiated.direction.sends() && !running.target.ip().is_unspecified() {
            let (socket, target) = (&self.rtp, running.target);
            // What the network does not take now is lost, as any packet may be.
            running.sender.push(sound, |packet| drop(socket.send_to(packet, target)));
        } else {
            running.sender.pass();
        }
    }

    /// The next 10 ms that the peer says. `false`: it is not to be heard.
    pub fn hear(&mut self, now: Instant, out: &mut [f32; FRAME]) -> bool {
        let Some(running) = &mut self.running else { return false };
        running.receiver.frame(now, out);
        running.negotiated.direction.receives()
    }

    /// Queues digits; returns how many.
    pub fn dial(&mut self, digits: &str) -> usize {
        self.running.as_mut().map_or(0, |running| running.sender.queue_dtmf(digits))
    }

    /// The digit that is being sent.
    pub fn sounding(&self) -> Option<char> {
        self.running.as_ref()?.sender.sounding()
    }

    /// Sends a report on what was sent and received.
    pub fn report(&mut self, now: Instant) {
        let Some(running) = self.running.as_mut().filter(|running| !running.target.ip().is_unspecified()) else {
            return;
        };
        let sent = running.sender.sent();
        let info = (sent.packets > 0 && running.negotiated.direction.sends()).then(|| SenderInfo {
            ntp: ntp(),
            timestamp: running.sender.timestamp(),
            packets: sent.packets as u32,
            octets: sent.octets as u32,
        });
        let (last_sender_report, delay_since) = match running.last_report {
            Some((middle, at)) => (middle, (now.saturating_duration_since(at).as_secs_f64() * 65_536.0) as u32),
            None => (0, 0),
        };
        let block = running.receiver.reception().report();
        let block = block.map(|report| Block { report, last_sender_report, delay_since });
        let mut out = [0; rtcp::MAX_BYTES];
        let packet = rtcp::report(running.sender.ssrc(), info, block, NAME, &mut out);
        let _ = self.rtcp.send_to(packet, reports_of(running.target));
    }

    pub fn stats(&mut self) -> Option<StreamStats> {
        let running = self.running.as_mut()?;
        let clock_rate = running.negotiated.codec.clock_rate();
        let buffer_ms = running.receiver.delay().as_secs_f32() * 1_000.0;
        let reception = running.receiver.reception();
        Some(StreamStats {
            packets_sent: running.sender.sent().packets,
            packets_received: reception.received(),
            packets_lost: reception.lost(),
            jitter_ms: reception.jitter_ms(clock_rate),
            buffer_ms,
        })
    }

    /// Says farewell.
    pub fn close(&mut self) {
        if let Some(running) = &self.running
            && running.sender.sent().packets > 0
        {
            let mut out = [0; rtcp::MAX_BYTES];
            let packet = rtcp::farewell(running.sender.ssrc(), NAME, &mut out);
            let _ = self.rtcp.send_to(packet, reports_of(running.target));
        }
    }
}

impl Running {
    /// Whether the packet is the peer's, and whether it is the first. The peer may sit behind a translator of addresses: it
    /// is answered where its first packet comes from. Another address is believed only when the peer has fallen silent, or
    /// when it is the one that the peer itself has named.
    fn accept(&mut self, from: SocketAddr, packet: &Packet<'_>, now: Instant) -> (bool, bool) {
        let payload_type = packet.header.payload_type;
        let agreed =
            payload_type == self.negotiated.receive_payload_type || Some(payload_type) == self.negotiated.dtmf_receive;
        match self.heard_from {
            Some((peer, _)) if peer == from => self.heard_from = Some((from, now)),
            Some((_, at)) if from != self.negotiated.remote && now.saturating_duration_since(at) < MOVED => {
                return (false, false);
            }
            _ if !agreed => return (false, false),
            previous => {
                self.heard_from = Some((from, now));
                self.target = from;
                return (true, previous.is_none());
            }
        }
        (true, false)
    }
}

pub(super) fn bind_pair(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let pairs = u64::from(PORTS.end - PORTS.start) / 2;
        let port = PORTS.start + 2 * (entropy() % pairs) as u16;
        let pair = UdpSocket::bind((local, port)).and_then(|rtp| Ok((rtp, UdpSocket::bind((local, port + 1))?)));
        match pair {
            Ok(pair) => return Ok(pair),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

fn reports_of(rtp: SocketAddr) -> SocketAddr {
    SocketAddr::new(rtp.ip(), rtp.port().wrapping_add(1))
}

/// The time of day in NTP's form: seconds since 1900 and their fraction.
fn ntp() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    (since_1970.as_secs().wrapping_add(2_208_988_800) << 32) | fraction
}
