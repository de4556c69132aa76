//! Streams.

use super::*;

fn message(body: &str) -> Vec<u8> {
    format!("OPTIONS sip:a SIP/2.0\r\nX: y\r\ncontent-LENGTH:\r\n {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn frames(framer: &mut StreamFramer) -> Vec<Frame> {
    framer.by_ref().map(|frame| frame.unwrap()).collect()
}

#[test]
fn messages_come_out_whole_however_the_bytes_come_in() {
    let (first, second) = (message("hello\r\n\r\n"), message(""));
    let stream = [first.clone(), b"\r\n\r\n".to_vec(), second.clone(), b"\r\n".to_vec(), first.clone()].concat();
    let expected =
        [Frame::Message(first.clone()), Frame::Ping, Frame::Message(second), Frame::Pong, Frame::Message(first)];
    for step in [2, 3, 7, 64, stream.len()] {
        let mut framer = StreamFramer::new();
        let mut found = Vec::new();
        for piece in stream.chunks(step) {
            framer.push(piece);
            found.extend(frames(&mut framer));
        }
        // A ping in pieces is first taken for an answer, then recognised.
        if found.len() == 6 {
            assert_eq!(found.remove(1), Frame::Pong);
        }
        assert_eq!(found, expected, "in steps of {step}");
        assert!(!framer.is_inside_message());
    }
}

#[test]
fn a_ping_in_pieces_is_still_answered() {
    let mut framer = StreamFramer::new();
    let mut found = Vec::new();
    for byte in b"\r\n\r\n" {
        framer.push(&[*byte]);
        found.extend(frames(&mut framer));
    }
    assert_eq!(found, [Frame::Pong, Frame::Ping]);
}

#[test]
fn an_incomplete_message_waits() {
    let whole = message("hello");
    let mut framer = StreamFramer::new();
    framer.push(&whole[..whole.len() - 1]);
    assert_eq!(framer.next(), None);
    assert!(framer.is_inside_message());
    framer.push(&whole[whole.len() - 1..]);
    assert_eq!(framer.next(), Some(Ok(Frame::Message(whole))));
    assert_eq!(framer.next(), None);
}

#[test]
fn lengths_that_cannot_be_believed_end_the_stream() {
    let twice = "Content-Length: 1\r\nl: 2";
    for (length, expected) in [
        ("Content-Length: 65536", FrameError::TooLong),
        ("Content-Length: 4294967295", FrameError::TooLong),
        ("Content-Length: 18446744073709551615", FrameError::TooLong),
        ("Content-Length: 99999999999999999999999999", FrameError::ContentLength),
        ("Content-Length: -1", FrameError::ContentLength),
        ("Content-Length: 1 2", FrameError::ContentLength),
        ("Content-Length:", FrameError::ContentLength),
        (twice, FrameError::ContentLength),
    ] {
        let mut framer = StreamFramer::new();
        framer.push(format!("OPTIONS sip:a SIP/2.0\r\n{length}\r\n\r\nx").as_bytes());
        assert_eq!(framer.next(), Some(Err(expected)), "{length}");
        framer.push(&message(""));
        assert_eq!(framer.next(), None, "{length}");
        assert!(framer.held() == 0, "{length}");
    }
}

#[test]
fn a_head_without_end_is_given_up() {
    let mut framer = StreamFramer::new();
    let mut pushed = 0;
    let error = loop {
        framer.push(&[b'x'; 1000]);
        pushed += 1000;
        assert!(pushed < 70_000);
        if let Some(frame) = framer.next() {
            break frame;
        }
    };
    assert_eq!(error, Err(FrameError::TooLong));
}

#[test]
fn without_content_length_there_is_no_body() {
    let mut framer = StreamFramer::new();
    framer.push(b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(framer.next(), Some(Ok(Frame::Message(b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec()))));
}
