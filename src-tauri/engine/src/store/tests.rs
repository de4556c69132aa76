#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use deskline_core::pii::Pii;
use deskline_ipc::snapshot::{CallDirection, CallEnd, EndCause};
use serde_json::json;

use super::disk::Disk;
use super::*;

fn call(n: i64, number: &str) -> CallRecord {
    CallRecord {
        id: 0,
        call_id: format!("call-{n}"),
        direction: if n % 2 == 0 { CallDirection::Inbound } else { CallDirection::Outbound },
        number: Pii::new(number.to_owned()),
        name: None,
        started_ms: 1_000 * n,
        answered_ms: Some(1_000 * n + 5),
        ended_ms: 1_000 * n + 9,
        end: CallEnd { cause: EndCause::Busy, status: Some(486) },
        end_text: Some("Busy Here".to_owned()),
        account: Pii::new("sip:1001@example.com".to_owned()),
        note: None,
        transport: Some("UDP".to_owned()),
        codec: Some("opus".to_owned()),
        details: Some(Pii::new("{}".to_owned())),
    }
}

fn memory() -> (Store, StoreEvents) {
    Store::open(Location::Memory).unwrap()
}

fn file(path: &Path) -> (Store, StoreEvents) {
    Store::open(Location::File(path.to_owned())).unwrap()
}

fn wait<T>(answer: Answer<T>) -> Result<T, StoreError> {
    answer.blocking_recv().unwrap()
}

fn search(text: &str) -> CallQuery {
    CallQuery { search: Pii::new(text.to_owned()), ..CallQuery::default() }
}

fn ids(page: &CallPage) -> Vec<&str> {
    page.calls.iter().map(|call| call.call_id.as_str()).collect()
}

#[test]
fn calls_come_back_as_they_were_newest_first() {
    let (store, _events) = memory();
    let mut saved = Vec::new();
    for n in [1, 3, 2] {
        let mut call = call(n, "13800138000");
        call.id = wait(store.save_call(call.clone())).unwrap();
        saved.push(call);
    }
    saved.sort_by_key(|call| -call.started_ms);
    assert_eq!(wait(store.calls(CallQuery::default())).unwrap(), CallPage { calls: saved, total: 3 });
}

#[test]
fn every_cause_and_direction_survives() {
    use EndCause::*;
    let (store, _events) = memory();
    let causes = [
        HungUp,
        PeerHungUp,
        Cancelled,
        Missed,
        AnsweredElsewhere,
        Declined,
        NotReady,
        Busy,
        NoAnswer,
        NotFound,
        Rejected,
        Forbidden,
        Unavailable,
        NotAcceptable,
        ServerError,
        TimedOut,
        Unreachable,
        MediaFailed,
        Failed,
    ];
    for (n, cause) in causes.into_iter().enumerate() {
        let direction = [CallDirection::Inbound, CallDirection::Outbound, CallDirection::Internal][n % 3];
        let call =
            CallRecord { direction, end: CallEnd { cause, status: None }, ..call(i64::try_from(n).unwrap(), "1") };
        wait(store.save_call(call)).unwrap();
    }
    let page = wait(store.calls(CallQuery::default())).unwrap();
    let back: Vec<_> = page.calls.iter().rev().map(|call| call.end.cause).collect();
    assert_eq!(back, causes);
    let internal = CallQuery { direction: Some(CallDirection::Internal), ..CallQuery::default() };
    assert_eq!(wait(store.calls(internal)).unwrap().total, 6);
}

#[test]
fn saving_a_call_again_changes_its_row_and_keeps_its_note() {
    let (store, _events) = memory();
    let id = wait(store.save_call(call(1, "100"))).unwrap();
    assert!(wait(store.set_note("call-1", Some("calls back".to_owned()))).unwrap());
    assert!(!wait(store.set_note("call-2", None)).unwrap());
    assert_eq!(wait(store.save_call(call(1, "200"))).unwrap(), id);
    let page = wait(store.calls(search("BACK"))).unwrap();
    assert_eq!((page.total, page.calls[0].number.expose().as_str()), (1, "200"));
}

#[test]
fn search_finds_text_as_it_stands() {
    let (store, _events) = memory();
    for (n, number) in ["13800138000", "100%", "100_1", "back\\slash", "alice"].into_iter().enumerate() {
        wait(store.save_call(call(i64::try_from(n).unwrap(), number))).unwrap();
    }
    let mut named = call(9, "7");
    named.name = Some(Pii::new("王小明".to_owned()));
    wait(store.save_call(named)).unwrap();
    for (text, expected) in [
        ("138", vec!["call-0"]),
        ("138 0013-8000", vec!["call-0"]),
        ("%", vec!["call-1"]),
        ("_", vec!["call-2"]),
        ("\\", vec!["call-3"]),
        ("ALI", vec!["call-4"]),
        ("小明", vec!["call-9"]),
        ("' OR 1=1 --", vec![]),
        ("  ", vec!["call-9", "call-4", "call-3", "call-2", "call-1", "call-0"]),
    ] {
        assert_eq!(ids(&wait(store.calls(search(text))).unwrap()), expected, "{text:?}");
    }
}

#[test]
fn pages_do_not_overlap_and_limits_hold() {
    let (store, _events) = memory();
    for n in 0..7 {
        wait(store.save_call(call(n, "1"))).unwrap();
    }
    let page = |offset, limit| {
        let page = wait(store.calls(CallQuery { offset, limit, ..CallQuery::default() })).unwrap();
        (page.calls.len(), page.total)
    };
    assert_eq!([page(0, 3), page(3, 3), page(6, 3), page(9, 3)], [(3, 7), (3, 7), (1, 7), (0, 7)]);
    assert_eq!(page(0, u32::MAX), (7, 7));
    assert_eq!(page(u32::MAX, 0), (0, 7));
}

#[test]
fn calls_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/deskline/calls.sqlite");
    for n in 0..3 {
        let (store, mut events) = file(&path);
        store.save_call(call(n, "1"));
        store.append_telemetry(event(n));
        drop(store); // Writes what is under way.
        assert!(events.try_recv().is_err());
    }
    let (store, _events) = file(&path);
    assert_eq!(wait(store.calls(CallQuery::default())).unwrap().total, 3);
    assert_eq!(wait(store.telemetry(TelemetryQuery::default())).unwrap().len(), 3);
}

#[cfg(unix)]
#[test]
fn files_are_for_this_user_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("deskline");
    let path = inner.join("calls.sqlite");
    let (store, _events) = file(&path);
    wait(store.save_call(call(1, "1"))).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    for entry in fs::read_dir(&inner).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let (store, _events) = file(&path);
    wait(store.calls(CallQuery::default())).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn a_damaged_file_is_put_aside_and_a_new_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    fs::write(&path, "this is no database, but long enough to look like a file of one".repeat(100)).unwrap();
    let (store, mut events) = file(&path);
    wait(store.save_call(call(1, "1"))).unwrap();
    let Some(StoreEvent::Recovered { aside: Some(aside) }) = events.blocking_recv() else {
        panic!("not reported");
    };
    assert!(aside.file_name().unwrap().to_str().unwrap().starts_with("calls.sqlite.corrupt-"));
    assert!(fs::read_to_string(aside).unwrap().starts_with("this is no database"));
    assert_eq!(wait(store.calls(CallQuery::default())).unwrap().total, 1);
}

#[test]
fn a_file_damaged_in_the_middle_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let (store, _events) = file(&path);
    for n in 0..200 {
        store.save_call(call(n, "13800138000"));
    }
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    assert!(length > 12_000);
    bytes[4096..length - 1].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let (store, mut events) = file(&path);
    wait(store.save_call(call(1, "1"))).unwrap();
    assert!(matches!(events.try_recv(), Ok(StoreEvent::Recovered { aside: Some(_) })));
    assert_eq!(wait(store.calls(CallQuery::default())).unwrap().total, 1);
}

#[test]
fn calls_wait_in_memory_while_the_file_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let obstacle = folder.path().join("data");
    fs::write(&obstacle, b"a file where a folder should be").unwrap();
    let (store, mut events) = file(&obstacle.join("calls.sqlite"));
    assert!(wait(store.save_call(call(1, "100"))).is_err());
    assert!(wait(store.save_call(call(2, "200"))).is_err());
    assert!(matches!(events.try_recv(), Ok(StoreEvent::Failed(_))));
    assert!(events.try_recv().is_err(), "told once");
    assert!(wait(store.set_note("call-1", Some("hello".to_owned()))).unwrap());
    assert_eq!(ids(&wait(store.calls(CallQuery::default())).unwrap()), ["call-2", "call-1"]);
    assert_eq!(ids(&wait(store.calls(search("hello"))).unwrap()), ["call-1"]);
    let second = CallQuery { offset: 1, limit: 1, ..CallQuery::default() };
    assert_eq!(ids(&wait(store.calls(second)).unwrap()), ["call-1"]);

    fs::remove_file(&obstacle).unwrap();
    assert!(wait(store.save_call(call(3, "300"))).is_ok());
    assert_eq!(events.try_recv(), Ok(StoreEvent::Healed));
    assert_eq!(ids(&wait(store.calls(CallQuery::default())).unwrap()), ["call-3", "call-2", "call-1"]);
}

#[test]
fn calls_that_wait_are_written_at_the_latest_when_the_store_closes() {
    let folder = tempfile::tempdir().unwrap();
    let obstacle = folder.path().join("data");
    fs::write(&obstacle, b"a file where a folder should be").unwrap();
    let path = obstacle.join("calls.sqlite");
    let (store, _events) = file(&path);
    assert!(wait(store.save_call(call(1, "100"))).is_err());
    fs::remove_file(&obstacle).unwrap();
    drop(store);
    let (store, _events) = file(&path);
    assert_eq!(wait(store.calls(CallQuery::default())).unwrap().total, 1);
}

#[test]
fn a_full_disk_loses_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let disk = Disk::open(&Location::File(path.clone())).unwrap();
    let pages: u32 = disk.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    disk.connection().query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    let mut failed = None;
    for n in 0..1000 {
        if let Err(error) = disk.save_call(&call(n, "13800138000")) {
            failed = Some((n, error));
            break;
        }
    }
    let (n, error) = failed.expect("the limit is reached");
    assert_eq!(error, StoreError::DiskFull);
    assert_eq!(disk.calls(&CallQuery::default(), 0, 1).unwrap().total, u32::try_from(n).unwrap());
}

#[test]
fn a_locked_file_is_an_error_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let disk = Disk::open(&Location::File(path.clone())).unwrap();
    disk.connection().busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(disk.save_call(&call(1, "1")), Err(StoreError::Locked));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(disk.save_call(&call(1, "1")).is_ok());
}

#[test]
fn a_file_of_a_newer_program_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("calls.sqlite"));
    let disk = Disk::open(&location).unwrap();
    let version =
        |disk: &Disk| -> u32 { disk.connection().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap() };
    let newer = version(&disk) + 1;
    disk.connection()
        .execute_batch(&format!("ALTER TABLE calls ADD COLUMN mood TEXT; PRAGMA user_version = {newer}"))
        .unwrap();
    disk.save_call(&call(1, "1")).unwrap();
    disk.connection().execute("UPDATE calls SET end_cause = 'abducted'", []).unwrap();
    drop(disk);
    let disk = Disk::open(&location).unwrap();
    let page = disk.calls(&CallQuery::default(), 0, 9).unwrap();
    assert_eq!(page.calls[0].end.cause, EndCause::Failed);
    assert_eq!(version(&disk), newer);
}

fn event(n: i64) -> TelemetryEvent {
    TelemetryEvent { at_ms: n, name: "answer".to_owned(), params: json!({"n": n}), session: "s".to_owned() }
}

#[test]
fn tracking_events_keep_their_order_until_delivered() {
    let (store, _events) = memory();
    for n in 0..1000 {
        store.append_telemetry(event(n));
    }
    let all = wait(store.telemetry(TelemetryQuery { limit: u32::MAX, ..TelemetryQuery::default() })).unwrap();
    assert_eq!(all.len(), 1000);
    assert!(all.iter().zip(0..).all(|(record, n)| record.event == event(n) && !record.delivered));
    wait(store.mark_delivered(all[989].seq)).unwrap();
    let open = TelemetryQuery { undelivered_only: true, ..TelemetryQuery::default() };
    assert_eq!(wait(store.telemetry(open.clone())).unwrap().len(), 10);
    let last = TelemetryQuery { after: all[998].seq, ..open };
    assert_eq!(wait(store.telemetry(last)).unwrap()[0].event, event(999));
}

#[test]
fn nothing_private_is_shown() {
    let mut record = call(1, "13800138000");
    record.note = Some(Pii::new("secret".to_owned()));
    let mut tracked = event(1);
    tracked.params = json!({"phone": "13800138000"});
    let shown = format!("{record:?} {:?} {tracked:?}", search("13800138000"));
    assert!(!shown.contains("138") && !shown.contains("secret") && !shown.contains("1001"), "{shown}");
}

#[test]
fn standing_calls_outlive_a_process_that_says_nothing_any_more() {
    use deskline_core::call::{CallId, Direction, Hold};
    use deskline_core::workbench::recovery::Kept;

    let kept = |id: u64, seen_ms: i64| Kept {
        id: CallId(id),
        account: Pii::new("sip:1001@pbx".to_owned()),
        direction: Direction::Outbound,
        number: Pii::new("13800138000".to_owned()),
        name: Some(Pii::new("林晓雨".to_owned())),
        hold: Hold::Held,
        started_ms: 1,
        answered_ms: 2,
        seen_ms,
        description: (1_700_000_000_001, 3),
        dialog: Pii::new("dialog 1\nrole: caller\n".to_owned()),
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.sqlite");
    let (store, _events) = file(&path);
    store.keep_call(&kept(1, 10));
    store.keep_call(&kept(2, 10));
    store.keep_call(&kept(1, 20));
    store.forget_call(CallId(2));
    assert_eq!(wait(store.kept_calls()).unwrap(), [kept(1, 20)], "the newest of each");
    // The first store is still open: as if its process had been killed.
    let (second, _events) = file(&path);
    assert_eq!(wait(second.kept_calls()).unwrap(), [kept(1, 20)]);
    drop((store, second));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE standing_calls SET kept = 'spoilt'", []).unwrap();
    let (third, _events) = file(&path);
    assert!(wait(third.kept_calls()).unwrap().is_empty());
}
