//! Messages on the wire: one datagram or WebSocket message at a time ([`parse`], [`write`]), and the framing of streams
//! ([`StreamFramer`]).

mod framer;
mod lines;
mod parse;
mod write;

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use mutation::Mutation;

pub use framer::{Frame, FrameError, StreamFramer};
pub use parse::{ParseError, parse};
pub use write::{write, write_request, write_response};

/// The longest message that is read, in bytes: what fits a UDP datagram.
pub const MAX_MESSAGE: usize = 64 * 1024;
/// The greatest number of header lines of a message.
pub const MAX_HEADERS: usize = 256;
/// The greatest number of lines of a head, those of folded headers and those that are no headers included.
pub const MAX_LINES: usize = 1024;
/// The greatest number of stretches of a head that are not UTF-8.
pub const MAX_FOREIGN: usize = 1024;
