//! The database file: opening, putting a damaged one aside, reading and writing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deskline_core::pii::Pii;
use deskline_core::workbench::recovery::Kept;
use deskline_ipc::snapshot::{CallDirection, CallEnd, EndCause};
use rusqlite::{Connection, ErrorCode, Row, named_params, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::{CallPage, CallQuery, CallRecord, TelemetryEvent, TelemetryQuery, TelemetryRecord};
use super::{Location, StoreError, kept, schema};

/// Tracking events that are kept at most; the oldest go first.
const TELEMETRY_KEPT: i64 = 100_000;

/// How long a write waits for another program's lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Disk {
    connection: Connection,
}

impl Disk {
    pub(super) fn open(location: &Location) -> Result<Self, StoreError> {
        let mut connection = match location {
            Location::Memory => Connection::open_in_memory()?,
            Location::File(path) => {
                prepare(path).map_err(|error| StoreError::from_io(&error))?;
                Connection::open(path)?
            }
        };
        connection.busy_timeout(LOCK_PATIENCE)?;
        // A crash of the program loses nothing; a power cut may lose the last moments, never the file.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(StoreError::Damaged);
        }
        schema::migrate(&mut connection)?;
        let disk = Self { connection };
        disk.forget_old_telemetry()?;
        Ok(disk)
    }

    pub(super) fn save_call(&self, call: &CallRecord) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO calls (call_id, direction, number, name, started_ms, answered_ms, ended_ms,
                                end_cause, end_status, end_text, account, note, transport, codec, details)
             VALUES (:call_id, :direction, :number, :name, :started_ms, :answered_ms, :ended_ms,
                     :end_cause, :end_status, :end_text, :account, :note, :transport, :codec, :details)
             ON CONFLICT (call_id) DO UPDATE SET
                direction = excluded.direction, number = excluded.number, name = excluded.name,
                started_ms = excluded.started_ms, answered_ms = excluded.answered_ms, ended_ms = excluded.ended_ms,
                end_cause = excluded.end_cause, end_status = excluded.end_status, end_text = excluded.end_text,
                account = excluded.account, note = coalesce(excluded.note, note),
                transport = excluded.transport, codec = excluded.codec, details = excluded.details
             RETURNING id",
        )?;
        let id = statement.query_row(
            named_params! {
                ":call_id": call.call_id,
                ":direction": to_text(&call.direction),
                ":number": call.number.expose(),
                ":name": call.name.as_ref().map(Pii::expose),
                ":started_ms": call.started_ms,
                ":answered_ms": call.answered_ms,
                ":ended_ms": call.ended_ms,
                ":end_cause": to_text(&call.end.cause),
                ":end_status": call.end.status,
                ":end_text": call.end_text,
                ":account": call.account.expose(),
                ":note": call.note.as_ref().map(Pii::expose),
                ":transport": call.transport,
                ":codec": call.codec,
                ":details": call.details.as_ref().map(Pii::expose),
            },
            |row| row.get(0),
        )?;
        Ok(id)
    }

    /// `offset` and `limit` stand beside the query: part of the page may be in memory.
    pub(super) fn calls(&self, query: &CallQuery, offset: u32, limit: u32) -> Result<CallPage, StoreError> {
        const MATCHES: &str = "(:direction IS NULL OR direction = :direction) AND
            (:pattern IS NULL OR number LIKE :pattern ESCAPE '\\' OR name LIKE :pattern ESCAPE '\\'
             OR note LIKE :pattern ESCAPE '\\' OR (:digits IS NOT NULL AND number LIKE :digits))";
        let direction = query.direction.as_ref().map(to_text);
        let pattern = pattern(query.search.expose());
        let digits = digits(query.search.expose()).map(|digits| format!("%{digits}%"));
        let transaction = self.connection.unchecked_transaction()?;
        let total = transaction
            .prepare_cached(&format!("SELECT count(*) FROM calls WHERE {MATCHES}"))?
            .query_row(named_params! {":direction": direction, ":pattern": pattern, ":digits": digits}, |row| {
                row.get(0)
            })?;
        let mut statement = transaction.prepare_cached(&format!(
            "SELECT * FROM calls WHERE {MATCHES} ORDER BY started_ms DESC, id DESC LIMIT :limit OFFSET :offset"
        ))?;
        let rows = statement.query_map(
            named_params! {
                ":direction": direction, ":pattern": pattern, ":digits": digits, ":limit": limit, ":offset": offset
            },
            call,
        )?;
        Ok(CallPage { calls: rows.collect::<Result<_, _>>()?, total })
    }

    pub(super) fn set_note(&self, call_id: &str, note: Option<&str>) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached("UPDATE calls SET note = ?2 WHERE call_id = ?1")?;
        Ok(statement.execute(params![call_id, note])? > 0)
    }

    pub(super) fn keep_call(&self, call_id: &str, kept: &str) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO standing_calls (call_id, kept) VALUES (?1, ?2)
             ON CONFLICT (call_id) DO UPDATE SET kept = excluded.kept",
        )?;
        statement.execute(params![call_id, kept])?;
        Ok(())
    }

    pub(super) fn forget_call(&self, call_id: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached("DELETE FROM standing_calls WHERE call_id = ?1")?.execute([call_id])?;
        Ok(())
    }

    /// What cannot be read is of no use to anybody and goes.
    pub(super) fn kept_calls(&self) -> Result<Vec<Kept>, StoreError> {
        let mut statement = self.connection.prepare("SELECT call_id, kept FROM standing_calls LIMIT 64")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut calls = Vec::new();
        for (call_id, text) in rows.collect::<Result<Vec<_>, _>>()? {
            match kept::from_text(&text) {
                Some(kept) => calls.push(kept),
                None => self.forget_call(&call_id)?,
            }
        }
        Ok(calls)
    }

    /// All or none of them.
    pub(super) fn append_telemetry(&self, events: &[TelemetryEvent]) -> Result<(), StoreError> {
        let transaction = self.connection.unchecked_transaction()?;
        {
            let mut statement = transaction
                .prepare_cached("INSERT INTO telemetry (at_ms, name, params, session) VALUES (?1, ?2, ?3, ?4)")?;
            for event in events {
                statement.execute(params![event.at_ms, event.name, event.params.to_string(), event.session])?;
            }
        }
        transaction.commit()?;
        self.forget_old_telemetry()
    }

    pub(super) fn telemetry(&self, query: &TelemetryQuery) -> Result<Vec<TelemetryRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT * FROM telemetry WHERE seq > ?1 AND (NOT ?2 OR delivered = 0) ORDER BY seq LIMIT ?3",
        )?;
        let rows = statement.query_map(params![query.after, query.undelivered_only, query.limit()], tracking_event)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn mark_delivered(&self, up_to: i64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE telemetry SET delivered = 1 WHERE seq <= ?1 AND delivered = 0")?
            .execute([up_to])?;
        Ok(())
    }

    fn forget_old_telemetry(&self) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM telemetry WHERE seq <= (SELECT max(seq) FROM telemetry) - ?1")?
            .execute([TELEMETRY_KEPT])?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// Renames a damaged file, and its companions with it: together they may still be mended by hand.
pub(super) fn put_aside(path: &Path) -> Option<PathBuf> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let with_suffix = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = with_suffix(&format!(".corrupt-{stamp}"));
    fs::rename(path, &aside).ok()?;
    for companion in ["-wal", "-shm"] {
        let mut target = aside.as_os_str().to_owned();
        target.push(companion);
        let _ = fs::rename(with_suffix(companion), target);
    }
    Some(aside)
}

/// Makes the folder and the file for this user only. SQLite gives the companions the file's own mode.
fn prepare(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn call(row: &Row<'_>) -> rusqlite::Result<CallRecord> {
    let text = |name: &str| row.get::<_, String>(name);
    let private = |name: &str| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(name)?.map(Pii::new));
    Ok(CallRecord {
        id: row.get("id")?,
        call_id: text("call_id")?,
        // What a newer program has written and this one does not know yet.
        direction: from_text(&text("direction")?).unwrap_or(CallDirection::Inbound),
        number: Pii::new(text("number")?),
        name: private("name")?,
        started_ms: row.get("started_ms")?,
        answered_ms: row.get("answered_ms")?,
        ended_ms: row.get("ended_ms")?,
        end: CallEnd {
            cause: from_text(&text("end_cause")?).unwrap_or(EndCause::Failed),
            status: row.get("end_status")?,
        },
        end_text: row.get("end_text")?,
        account: Pii::new(text("account")?),
        note: private("note")?,
        transport: row.get("transport")?,
        codec: row.get("codec")?,
        details: private("details")?,
    })
}

fn tracking_event(row: &Row<'_>) -> rusqlite::Result<TelemetryRecord> {
    let params: String = row.get("params")?;
    Ok(TelemetryRecord {
        seq: row.get("seq")?,
        event: TelemetryEvent {
            at_ms: row.get("at_ms")?,
            name: row.get("name")?,
            params: serde_json::from_str(&params).unwrap_or_default(),
            session: row.get("session")?,
        },
        delivered: row.get("delivered")?,
    })
}

/// The name that an enum of ipc has in JSON is also its name on disk.
fn to_text<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn from_text<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.to_owned())).ok()
}

/// The LIKE pattern of a text that is to be found as it stands.
fn pattern(search: &str) -> Option<String> {
    let search = search.trim();
    if search.is_empty() {
        return None;
    }
    let mut pattern = String::with_capacity(search.len() + 2);
    pattern.push('%');
    for c in search.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    Some(pattern)
}

/// The bare digits of a number that is typed with marks: `138 0013-8000`.
pub(super) fn digits(search: &str) -> Option<String> {
    let digits: String = search.chars().filter(char::is_ascii_digit).collect();
    let marks_only = search.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')'));
    (marks_only && !digits.is_empty()).then_some(digits)
}

impl StoreError {
    fn from_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            kind => Self::Other(kind.to_string()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => Self::ReadOnly,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            // Only the code: SQLite's own text may quote what was to be written.
            Some(code) => Self::Other(format!("{code:?}")),
            None => Self::Other("an unexpected value in the file".to_owned()),
        }
    }
}

/// Whether a call that waits in memory matches a query, by the same rule as on disk.
pub(super) fn matches(call: &CallRecord, query: &CallQuery) -> bool {
    if query.direction.is_some_and(|direction| direction != call.direction) {
        return false;
    }
    let search = query.search.expose().trim().to_ascii_lowercase();
    let contains = |text: &str| text.to_ascii_lowercase().contains(&search);
    search.is_empty()
        || contains(call.number.expose())
        || call.name.iter().chain(&call.note).any(|text| contains(text.expose()))
        || digits(&search).is_some_and(|digits| call.number.expose().contains(&digits))
}
