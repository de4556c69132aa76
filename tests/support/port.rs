//! Ports on loopback that nobody uses.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the kernel takes ports for outgoing connections, so that none of those takes ours between
/// our look and the program's bind.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_999;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free for UDP and TCP on 127.0.0.1 and was not handed out before by this process.
///
/// # Panics
/// When all twelve thousand are taken.
pub fn free() -> u16 {
    let span = LAST - FIRST + 1;
    // Processes that run side by side begin at different places.
    let origin = (std::process::id() % u32::from(span)) as u16;
    for _ in 0..span {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed) % span;
        let port = FIRST + ((u32::from(origin) * 61 + u32::from(offset)) % u32::from(span)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}

/// A free port whose successor is free too; returns the first.
///
/// # Panics
/// As [`free`].
pub fn free_pair() -> u16 {
    free_run(2)
}

/// So many free ports in a row; returns the first.
///
/// # Panics
/// As [`free`].
pub fn free_run(length: u16) -> u16 {
    let (mut first, mut last) = (free(), None);
    while last.map_or(1, |last| last - first + 1) < length {
        let next = free();
        if next == last.unwrap_or(first) + 1 {
            last = Some(next);
        } else {
            (first, last) = (next, None);
        }
    }
    first
}
