//! The time to read grows with the length and no faster. Instructions are counted by `cargo xtask bench`; here the clock
//! only has to tell 64 times from 4096 times.

use std::time::{Duration, Instant};

use super::*;
use crate::sdp;

#[path = "../../../../benches/shapes.rs"]
mod shapes;

use shapes::Shape;

/// The shortest of many runs: what disturbs a run only makes it longer.
fn shortest(shape: &Shape, runs: usize) -> Duration {
    let run = || {
        let start = Instant::now();
        match shape {
            Shape::Message(bytes) => drop(std::hint::black_box(parse(bytes))),
            Shape::Description(text) => drop(std::hint::black_box(sdp::parse::parse(text))),
        }
        start.elapsed()
    };
    (0..runs).map(|_| run()).min().unwrap()
}

#[test]
fn no_shape_of_64_kib_takes_longer_than_its_length_explains() {
    for ((name, small), (_, large)) in shapes::shapes(1024).iter().zip(&shapes::shapes(64 * 1024)) {
        let (small, large) = (shortest(small, 300), shortest(large, 30));
        let ratio = large.as_secs_f64() / small.as_secs_f64();
        assert!(ratio < 400.0, "{name}: {large:?} are {ratio:.0} times {small:?}");
    }
}

#[test]
fn shapes_are_read_unless_they_break_a_limit() {
    let why = |error: ParseError| match error {
        ParseError::Answerable { why, response } => format!("{}: {why}", response.code()),
        other => other.to_string(),
    };
    let refusals: Vec<_> = shapes::shapes(32 * 1024)
        .into_iter()
        .filter_map(|(name, shape)| match shape {
            Shape::Message(bytes) => Some((name, why(parse(&bytes).err()?))),
            Shape::Description(text) => Some((name, sdp::parse::parse(&text).err()?.to_string())),
        })
        .collect();
    let refusals: Vec<_> = refusals.iter().map(|(name, why)| (*name, why.as_str())).collect();
    assert_eq!(
        refusals,
        [
            ("folded lines", "400: more than 1024 lines"),
            ("folded empty lines", "400: more than 1024 lines"),
            ("bytes that are no UTF-8", "not a SIP message that can be answered: too many bytes are not UTF-8"),
            (
                "bytes that are no UTF-8, here and there",
                "not a SIP message that can be answered: too many bytes are not UTF-8"
            ),
            ("short headers", "400: more than 256 headers"),
            ("lines without a colon", "400: more than 1024 lines"),
            ("Via elements", "400: Via has too many elements"),
            ("Via parameters", "400: Via is malformed"),
            ("From parameters", "400: From is malformed"),
            ("empty parameters", "400: From is malformed"),
            ("URI parameters", "414: the Request-URI is too long"),
            ("escapes in a URI", "414: the Request-URI is too long"),
            ("SDP: media", "the session description is malformed: more than 32 media"),
            ("SDP: attributes", "the session description is malformed: more than 1024 lines"),
            ("SDP: mappings", "the session description is malformed: more than 1024 lines"),
            ("SDP: empty lines", "the session description is malformed: more than 1024 lines"),
        ]
    );
}
