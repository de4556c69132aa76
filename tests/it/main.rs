//! The integration tests of the whole workspace, in one binary.
#![allow(clippy::unwrap_used)]

mod architecture;
mod calls;
mod centre;
mod devices;
mod hostile_input;
mod interop;
mod malformed;
mod privacy;
mod records;
mod recovery;
mod registrar;
mod registration;
mod rigs;
mod scenarios;
mod seat;
mod transports;
mod types;
mod window;
mod workplace;
