//! The whole centre in virtual time, with telephones made of the core's user agent.

#![allow(clippy::unwrap_used)]

mod calls;
mod customers;
mod hostile;
mod registering;
mod transfers;
mod world;
