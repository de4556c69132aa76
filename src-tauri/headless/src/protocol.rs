//! JSON lines: what is read and what is written.

use deskline_ipc::{Command, Error, ErrorCode, Event};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line longer than this is refused, not kept.
pub(crate) const LONGEST_LINE: usize = 64 * 1024;

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
    fn bad_lines_are_refused_with_their_id() {
        for text in ["", "{", "[]", r#"{"cmd":"fly"}"#, r#"{"cmd":"call"}"#, r#"{"cmd":"call","uri":5}"#] {
            assert!(Line::parse(text).command.is_err(), "{text}");
        }
        assert_eq!(Line::parse(r#"{"cmd":"fly","id":"a"}"#).id, Some("a".into()));
    }
}
