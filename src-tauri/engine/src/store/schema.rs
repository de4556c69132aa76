//! The tables, and how an older file becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

/// Each step takes the file from the version of its index to the next (`PRAGMA user_version`). Steps only ever add, and
/// never change once released: so an older program can go on with a newer file.
const STEPS: &[&str] = &[
    "
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        call_id TEXT NOT NULL UNIQUE,
        direction TEXT NOT NULL,
        number TEXT NOT NULL,
        name TEXT,
        started_ms INTEGER NOT NULL,
        answered_ms INTEGER,
        ended_ms INTEGER NOT NULL,
        end_cause TEXT NOT NULL,
        end_status INTEGER,
        end_text TEXT,
        account TEXT NOT NULL,
        note TEXT,
        transport TEXT,
        codec TEXT
    );
    CREATE INDEX calls_by_time ON calls (started_ms DESC, id DESC);
    CREATE TABLE telemetry (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        name TEXT NOT NULL,
        params TEXT NOT NULL,
        session TEXT NOT NULL,
        delivered INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX telemetry_undelivered ON telemetry (seq) WHERE delivered = 0;
",
    "
    ALTER TABLE calls ADD COLUMN details TEXT;
    CREATE TABLE standing_calls (
        call_id TEXT PRIMARY KEY,
        kept TEXT NOT NULL
    );
",
];

/// Brings the file up to date, all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (step, reached) in STEPS.iter().zip(1_u32..).skip(version as usize) {
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", reached)?;
    }
    transaction.commit()
}
