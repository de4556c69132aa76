//! JSON lines: what is read and what is written.

use std::io::{BufRead, Read};

use deskline_ipc::{Command, Error, ErrorCode, Event};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line longer than this is refused, not kept.
const LONGEST_LINE: usize = 64 * 1024;

/// A command with the caller's id for it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: Option<Value>,
    pub(crate) command: Result<Command, Error>,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Self {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return Self { id: None, command: Err(bad(&format!("not a line of JSON: {error}"))) },
        };
        let id = value.get("id").cloned();
        let command = Command::deserialize(value).map_err(|error| bad(&error.to_string()));
        Self { id, command }
    }
}

/// The next line that is not blank; `None` at the end. One that is too long is refused as a whole: its tail must not be
/// taken for a command.
pub(crate) fn read_line(input: &mut impl BufRead) -> Option<Line> {
    let refused = |why: &str| Some(Line { id: None, command: Err(bad(why)) });
    let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    loop {
        let mut line = Vec::new();
        match input.by_ref().take(limit).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        if line.len() == LONGEST_LINE && !line.ends_with(b"\n") {
            let _ = input.skip_until(b'\n');
            return refused("the line is too long");
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        return match std::str::from_utf8(&line) {
            Ok(text) => Some(Line::parse(text)),
            Err(_) => refused("the line is not UTF-8"),
        };
    }
}

fn bad(why: &str) -> Error {
    Error::new(ErrorCode::BadCommand, format!("{why}. A command is {{\"cmd\":\"NAME\", …}}"))
}

/// One line of output.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Reply<'a> {
    Event(&'a Event),
    Ok { re: Option<Value>, ok: Value },
    Error { re: Option<Value>, error: Error },
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_scripts_are_understood() {
        let line = Line::parse(r#"{"cmd":"call","uri":"sip:b@10.99.9.9"}"#);
        assert!(matches!(line.command, Ok(Command::Call(_))));
        let line = Line::parse(r#"{"cmd":"hangup","id":7}"#);
        assert!(matches!(line.command, Ok(Command::Hangup(_))));
        assert_eq!(line.id, Some(7.into()));
        assert!(matches!(Line::parse(r#"{"cmd":"quit"}"#).command, Ok(Command::Quit(_))));
    }

    #[test]
    fn long_line_is_one_refusal_and_its_tail_no_command() {
        let mut text = " ".repeat(3 * LONGEST_LINE);
        text.insert(0, '[');
        text.push_str("{\"cmd\":\"quit\"}\n\n{\"cmd\":\"hangup\"}\n");
        let mut input = text.as_bytes();
        assert!(read_line(&mut input).unwrap().command.is_err());
        assert!(matches!(read_line(&mut input).unwrap().command, Ok(Command::Hangup(_))));
        assert!(read_line(&mut input).is_none());
        let mut input: &[u8] = b"{\"cmd\":\"call\",\"uri\":\"\xff\"}";
        assert!(read_line(&mut input).unwrap().command.is_err(), "not UTF-8");
    }

    #[test]
    fn bad_lines_are_refused_with_their_id() {
        for text in ["", "{", "[]", r#"{"cmd":"fly"}"#, r#"{"cmd":"call"}"#, r#"{"cmd":"call","uri":5}"#] {
            assert!(Line::parse(text).command.is_err(), "{text}");
        }
        assert_eq!(Line::parse(r#"{"cmd":"fly","id":"a"}"#).id, Some("a".into()));
    }
}
