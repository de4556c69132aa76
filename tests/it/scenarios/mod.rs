//! sipp plays what servers do not do by themselves: lost and repeated messages, crossings, forks, old peers.

mod calls;
mod odd;
mod reliable;
mod timers;
mod transfers;

use std::net::SocketAddr;

use deskline_tests::headless::Headless;
use deskline_tests::relay::{Fate, Relay, Side, header};
use deskline_tests::sipp::{Play, Sipp, place};
use serde_json::{Value, json};

use crate::seat::SOON;

/// A call stands without a sound device too.
const ARGS: &[&str] = &["--user", "1001", "--no-sound", "--codec", "pcmu", "--after-call-work", "0"];

/// The phone, registered at a wire that leads to a sipp.
struct Wired {
    relay: Relay,
    phone: Headless,
    at: SocketAddr,
    /// Where a second peer, 3003, is to listen.
    other: SocketAddr,
}

impl Wired {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Self {
        let (at, other) = (place(), place());
        let relay = Relay::start(&[("2002", at), ("3003", other)]).unwrap();
        let server = relay.address();
        let args = [&["--server", &server][..], ARGS, more].concat();
        let mut phone = Headless::start(&args, &[]).unwrap();
        phone.awaits("registered", SOON).unwrap();
        Self { relay, phone, at, other }
    }

    /// Starts a scenario.
    fn plays(&self, scenario: &str, words: &[(&str, &str)]) -> Sipp {
        self.plays_with(scenario, words, &[])
    }

    /// Starts a scenario as the second peer, 3003.
    fn other_plays(&self, scenario: &str, words: &[(&str, &str)]) -> Sipp {
        let contact = self.relay.phone(SOON).unwrap();
        let words = [&[("phone", contact.as_str())], words].concat();
        let to = self.relay.address();
        Sipp::start(&Play { words: &words, ..Play::once(scenario, self.other, &to) }).unwrap()
    }

    /// Starts a scenario that takes words from a line of a CSV.
    fn plays_with(&self, scenario: &str, words: &[(&str, &str)], lines: &[&str]) -> Sipp {
        let contact = self.relay.phone(SOON).unwrap();
        let words = [&[("phone", contact.as_str())], words].concat();
        let to = self.relay.address();
        Sipp::start(&Play { words: &words, lines, ..Play::once(scenario, self.at, &to) }).unwrap()
    }

    fn dials(&mut self) {
        self.phone.command(json!({ "cmd": "call", "uri": "2002" })).unwrap();
    }

    fn answers(&mut self) {
        self.phone.awaits("ringing", SOON).unwrap();
        self.phone.command(json!({ "cmd": "answer" })).unwrap();
        self.phone.awaits("established", SOON).unwrap();
    }

    fn hangs_up(&mut self) {
        self.phone.command(json!({ "cmd": "hangup" })).unwrap();
    }

    fn ends(&mut self, cause: &str) {
        let ended = self.phone.awaits("ended", SOON).unwrap();
        assert_eq!(ended["cause"], cause, "{}", self.relay.summary());
    }

    fn finishes(&self, mut sipp: Sipp) {
        if let Err(error) = sipp.finishes(SOON) {
            panic!("{error:#}\n--- wire:\n{}", self.relay.summary());
        }
    }

    /// The agent can take the next call.
    fn becomes_ready(&mut self) {
        self.phone.until(SOON, "the agent is ready", |now| now["agent"]["code"] == 3).unwrap();
    }
}

/// Loses the first message of that kind.
fn loses_first(relay: &Relay, from: Side, start: &'static str, cseq: &'static str) {
    let mut lost = false;
    relay.rule(move |side, text| {
        let fits =
            side == from && text.starts_with(start) && header(text, "CSeq").is_some_and(|value| value.ends_with(cseq));
        if fits && !std::mem::replace(&mut lost, true) { Fate::Lost } else { Fate::Passes }
    });
}

fn state(phone: &mut Headless) -> Value {
    phone.snapshot().unwrap()["calls"][0]["state"].clone()
}
