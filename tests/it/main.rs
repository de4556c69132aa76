//! The integration tests of the whole workspace, in one binary.
#![allow(clippy::unwrap_used)]

mod rigs;
mod types;
