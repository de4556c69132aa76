//! The one Tauri command: it carries every command of the table.

use deskline_engine::Engine;
use deskline_ipc::{Command, Error, ErrorCode, dispatch};
use serde_json::Value;

#[tauri::command]
pub(crate) async fn execute(engine: tauri::State<'_, Engine>, command: Value) -> Result<Value, Error> {
    let command: Command = serde_json::from_value(command)
        .map_err(|error| Error::new(ErrorCode::BadCommand, format!("not a command of the table: {error}")))?;
    dispatch(engine.inner(), command).await
}
