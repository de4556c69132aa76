//! Every input that the fuzzer has found worth keeping is run again, on any toolchain.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

/// Runs a target over its corpus; the number of inputs.
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count >= 5, "{target}: a corpus of {count}");
}

#[test]
fn corpus_of_wire() {
    replay("wire", super::wire);
}

#[test]
fn corpus_of_headers() {
    replay("headers", super::headers);
}

#[test]
fn corpus_of_sdp() {
    replay("sdp", super::sdp);
}

#[test]
fn corpus_of_challenge() {
    replay("challenge", super::challenge);
}

#[test]
fn corpus_of_framing() {
    replay("framing", super::framing);
}

#[test]
fn corpus_of_bodies() {
    replay("bodies", super::bodies);
}

#[test]
fn corpus_of_workbench() {
    replay("workbench", |script| super::workbench(Instant::now(), script));
}
