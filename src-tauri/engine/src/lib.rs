//! The impure half of Deskline: the event loop, sockets, sound devices and disk around the pure core.

mod account;
pub mod audio;
pub mod demo;
mod engine;
mod event_loop;
pub mod media;
pub mod net;
mod records;
pub mod settings;
pub mod store;
mod subscription;
mod translation;
mod view;

pub use deskline_core::media::Codec;
pub use engine::{Engine, EngineConfig, StartError};
pub use subscription::Subscription;
