//! The integration tests of the whole workspace, in one binary.
#![allow(clippy::unwrap_used)]

mod architecture;
mod rigs;
mod types;
