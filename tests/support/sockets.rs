//! The sockets that a process has open, as Linux tells them.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use anyhow::Context;

/// A port that a process listens at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Port {
    Udp(u16),
    Tcp(u16),
}

/// The UDP ports and listening TCP ports of process `pid`, on IPv4.
///
/// # Errors
/// When the process is gone or is another user's.
pub fn open_ports(pid: u32) -> anyhow::Result<Vec<Port>> {
    let mut own = HashSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).context("the process's files")? {
        let Ok(link) = std::fs::read_link(entry?.path()) else { continue };
        if let Some(inode) = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')) {
            own.insert(inode.to_owned());
        }
    }
    let mut ports = Vec::new();
    for (table, listening) in [("udp", "07"), ("tcp", "0A")] {
        for line in std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))?.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [_, local, _, state, _, _, _, _, _, inode, ..] = fields[..] else { continue };
            // A connected socket has another state: what it receives comes from one peer only.
            if state != listening || !own.contains(inode) {
                continue;
            }
            let port = local.split(':').nth(1).and_then(|hex| u16::from_str_radix(hex, 16).ok()).context("a port")?;
            ports.push(if table == "udp" { Port::Udp(port) } else { Port::Tcp(port) });
        }
    }
    ports.sort_unstable();
    Ok(ports)
}

/// Loopback, where everything here listens.
pub const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
