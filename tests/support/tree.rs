//! A process and all that it started: names, processor time, memory, from /proc.

use std::collections::HashMap;

/// `pid` and its descendants, parents first.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(parent) = stat(process).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut tree = vec![pid];
    let mut next = 0;
    while next < tree.len() {
        tree.extend(children.remove(&tree[next]).unwrap_or_default());
        next += 1;
    }
    tree
}

/// The program's short name, at most 15 letters.
pub fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Processor time used so far by these processes, in seconds.
pub fn cpu_seconds(pids: &[u32]) -> f64 {
    /// USER_HZ, which is 100 on every Linux that we build for.
    const TICKS_PER_SECOND: f64 = 100.0;
    let ticks = |pid: &u32| {
        let fields = stat(*pid)?;
        Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
    };
    pids.iter().filter_map(ticks).sum::<u64>() as f64 / TICKS_PER_SECOND
}

/// Memory of these processes in MB (10⁶ bytes), with shared pages divided among those who share them (PSS).
pub fn pss_megabytes(pids: &[u32]) -> f64 {
    let kilobytes = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Pss:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    pids.iter().filter_map(kilobytes).sum::<u64>() as f64 * 1024.0 / 1e6
}

/// The fields of /proc/PID/stat after the name: state, parent, …
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets.
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
