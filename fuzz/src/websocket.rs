//! Frames of a WebSocket (RFC 6455) up to the messages that the parser is given.

use std::io::{Cursor, Read, Result, Write};

use deskline_core::sip::wire;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

/// Reads a connection whose other side sends these bytes; the first one says which role is ours. The limits are those of
/// the engine.
pub fn websocket(bytes: &[u8]) {
    let Some((role, bytes)) = bytes.split_first() else { return };
    let role = if role & 1 == 0 { Role::Client } else { Role::Server };
    let limit = wire::MAX_MESSAGE;
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * limit)
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let mut socket = WebSocket::from_raw_socket(Line { incoming: Cursor::new(bytes) }, role, Some(config));
    for _ in 0..10_000 {
        let message = match socket.read() {
            Ok(Message::Text(text)) => text.as_bytes().to_vec(),
            Ok(Message::Binary(bytes)) => bytes.to_vec(),
            Ok(_) => continue,
            Err(_) => return,
        };
        assert!(message.len() <= limit, "a message longer than the limit");
        drop(wire::parse(&message));
    }
}

/// What comes in is given, what goes out is lost.
struct Line<'a> {
    incoming: Cursor<&'a [u8]>,
}

impl Read for Line<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.incoming.read(buffer)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        Ok(buffer.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}
