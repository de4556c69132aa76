#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| deskline_core::fuzzing::framing(bytes));
