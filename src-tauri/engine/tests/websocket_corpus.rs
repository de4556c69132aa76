//! The fuzzer's WebSocket connections, run again on any toolchain.
#![allow(clippy::unwrap_used)]

#[path = "../../../fuzz/src/websocket.rs"]
mod websocket;

#[test]
fn corpus_of_websocket() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/websocket");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        websocket::websocket(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count >= 5, "a corpus of {count}");
}
