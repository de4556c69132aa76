//! Rigs for tests and measurements: real peers, virtual sound, a screen that nobody sees, and a window's remote control.
//!
//! Every rig owns its processes and ends them when it is dropped, every wait has a limit, and whatever fails shows the
//! log of the program that failed. Nothing here knows the product's own code. On Unix only.
#![cfg(unix)]

pub mod baresip;
pub mod certificates;
pub mod headless;
pub mod kamailio;
pub mod linphonec;
pub mod panel;
pub mod port;
pub mod process;
pub mod pulse;
pub mod relay;
pub mod scratch;
pub mod screen;
pub mod sipp;
pub mod sockets;
pub mod tone;
pub mod tree;
pub mod wait;
pub mod webdriver;

pub use process::Process;
pub use scratch::Scratch;
pub use wait::{until, until_some};
