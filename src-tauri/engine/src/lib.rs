//! The impure half of Deskline: the event loop, sockets, sound devices and disk around the pure core.

pub mod audio;
pub mod media;
pub mod net;
pub mod settings;
pub mod store;
