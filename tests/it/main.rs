//! The integration tests of the whole workspace, in one binary.
#![allow(clippy::unwrap_used)]

mod architecture;
mod centre;
mod hostile_input;
mod rigs;
mod types;
