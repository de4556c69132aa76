//! The agent's settings, and where they are kept. The desktop injects its own store; the program without a window keeps
//! a JSON file.

use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use deskline_ipc::snapshot::{AccountOptions, Language, Theme, Transport};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Where settings are kept between runs.
pub trait SettingsStore: Send + Sync {
    /// What was saved last; `Null` where nothing was, or where it cannot be read.
    fn load(&self) -> Value;

    /// Keeps the settings. Called on the event loop: it must not wait for a disk.
    ///
    /// # Errors
    /// They could not be kept; the program goes on with them until it ends.
    fn save(&self, settings: Value) -> Result<(), SettingsError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings could not be saved: {0}")]
pub struct SettingsError(pub String);

/// Everything that the program remembers of the agent's choices. Passwords are not among it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    pub language: Language,
    pub theme: Theme,
    pub volumes: Volumes,
    pub devices: Devices,
    /// The account that was signed in last.
    pub account: Option<Account>,
    pub after_call_work: AfterCallWork,
    pub codecs: Codecs,
    /// What names this installation to servers (RFC 5626 §4.1): `urn:uuid:…`. Made at the first start.
    pub instance: Option<String>,
    /// What a newer program has saved: kept for it.
    other: Map<String, Value>,
}

/// Percent, 0..=100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Volumes {
    pub speaker: u8,
    pub ringer: u8,
    pub microphone: u8,
}

impl Default for Volumes {
    fn default() -> Self {
        Self { speaker: 80, ringer: 80, microphone: 100 }
    }
}

/// Ids of devices; `None` follows the system's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    pub microphone: Option<String>,
    pub speaker: Option<String>,
    pub ringer: Option<String>,
}

/// Who signed in last, and where.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Host name or address.
    pub server: String,
    /// `None`: the transport's default.
    pub port: Option<u16>,
    pub transport: Transport,
    pub user: String,
    pub display_name: Option<String>,
    /// The SIP domain, where it is not the server.
    pub domain: Option<String>,
    pub options: AccountOptions,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// How long after-call work lasts, 0..=3600 s; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterCallWork {
    pub seconds: u32,
}

impl AfterCallWork {
    pub const LONGEST_SECONDS: u32 = 3600;
}

impl Default for AfterCallWork {
    fn default() -> Self {
        Self { seconds: 15 }
    }
}

/// Names of codecs as in `a=rtpmap`, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codecs(pub Vec<String>);

impl Default for Codecs {
    fn default() -> Self {
        Self(["opus", "PCMA", "PCMU"].map(str::to_owned).to_vec())
    }
}

impl Settings {
    /// Reads what was saved. What is missing, of the wrong kind or out of range takes its default, each by itself: one
    /// spoilt value costs no other.
    pub fn from_value(value: Value) -> Self {
        let mut map = into_map(Some(value));
        let defaults = Self::default();
        let mut volumes = into_map(map.remove("volumes"));
        let mut devices = into_map(map.remove("devices"));
        let mut percent =
            |name: &str, default: u8| take(&mut volumes, name).filter(|percent| *percent <= 100).unwrap_or(default);
        Self {
            language: take(&mut map, "language").unwrap_or_default(),
            theme: take(&mut map, "theme").unwrap_or_default(),
            volumes: Volumes {
                speaker: percent("speaker", defaults.volumes.speaker),
                ringer: percent("ringer", defaults.volumes.ringer),
                microphone: percent("microphone", defaults.volumes.microphone),
            },
            devices: Devices {
                microphone: take(&mut devices, "microphone"),
                speaker: take(&mut devices, "speaker"),
                ringer: take(&mut devices, "ringer"),
            },
            account: map.remove("account").and_then(Account::from_value),
            after_call_work: take(&mut map, "after_call_work_seconds")
                .filter(|seconds| *seconds <= AfterCallWork::LONGEST_SECONDS)
                .map_or(defaults.after_call_work, |seconds| AfterCallWork { seconds }),
            codecs: take(&mut map, "codecs")
                .filter(|codecs: &Vec<String>| !codecs.is_empty())
                .map_or(defaults.codecs, Codecs),
            instance: take(&mut map, "instance").filter(|instance: &String| is_instance(instance)),
            other: map,
        }
    }

    /// The name of this installation; a new one where there is none, and whether it is new.
    pub fn instance(&mut self, random: [u8; 16]) -> (String, bool) {
        let is_new = self.instance.is_none();
        let mut octets = random;
        // RFC 4122 §4.4: version 4, variant 1.
        octets[6] = octets[6] & 0x0f | 0x40;
        octets[8] = octets[8] & 0x3f | 0x80;
        let hex = |range: std::ops::Range<usize>| octets[range].iter().map(|o| format!("{o:02x}")).collect::<String>();
        let fresh = || format!("urn:uuid:{}-{}-{}-{}-{}", hex(0..4), hex(4..6), hex(6..8), hex(8..10), hex(10..16));
        (self.instance.get_or_insert_with(fresh).clone(), is_new)
    }

    pub fn to_value(&self) -> Value {
        let mut map = self.other.clone();
        let own = json!({
            "language": self.language,
            "theme": self.theme,
            "volumes": {
                "speaker": self.volumes.speaker,
                "ringer": self.volumes.ringer,
                "microphone": self.volumes.microphone,
            },
            "devices": {
                "microphone": self.devices.microphone,
                "speaker": self.devices.speaker,
                "ringer": self.devices.ringer,
            },
            "account": self.account.as_ref().map(Account::to_value),
            "after_call_work_seconds": self.after_call_work.seconds,
            "codecs": self.codecs.0,
            "instance": self.instance,
        });
        map.extend(into_map(Some(own)));
        Value::Object(map)
    }
}

fn is_instance(text: &str) -> bool {
    text.strip_prefix("urn:uuid:")
        .is_some_and(|uuid| uuid.len() == 36 && uuid.chars().all(|c| c.is_ascii_hexdigit() || c == '-'))
}

impl Account {
    /// `None` where server or user are missing: half an account is none.
    fn from_value(value: Value) -> Option<Self> {
        let mut map = into_map(Some(value));
        let mut text = |name: &str| take(&mut map, name).filter(|text: &String| !text.is_empty());
        Some(Self {
            server: text("server")?,
            user: text("user")?,
            display_name: text("display_name"),
            domain: text("domain"),
            port: take(&mut map, "port").filter(|port| *port != 0),
            transport: take(&mut map, "transport").unwrap_or_default(),
            options: take(&mut map, "options").unwrap_or_default(),
        })
    }

    fn to_value(&self) -> Value {
        json!({
            "server": self.server,
            "port": self.port,
            "transport": self.transport,
            "user": self.user,
            "display_name": self.display_name,
            "domain": self.domain,
            "options": self.options,
        })
    }
}

/// Settings in one JSON file, readable by this user only. A thread writes it, so that a slow disk holds up nobody;
/// dropping this waits until what was saved last is written.
#[derive(Debug)]
pub struct JsonFile {
    path: PathBuf,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    latest: Value,
    settings: mpsc::Sender<Value>,
    /// Why the last attempt to write failed; taken by whom it was told.
    trouble: Arc<Mutex<Option<SettingsError>>>,
    thread: JoinHandle<()>,
}

impl JsonFile {
    /// Nothing is read or written yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), writer: Mutex::new(None) }
    }

    fn writer(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SettingsStore for JsonFile {
    fn load(&self) -> Value {
        if let Some(writer) = &*self.writer() {
            return writer.latest.clone();
        }
        read(&self.path).unwrap_or_else(|error| {
            tracing::warn!(kind = %error.kind(), "the settings cannot be read: the defaults are used");
            Value::Null
        })
    }

    /// The error is that of an earlier attempt: this one is not awaited.
    fn save(&self, settings: Value) -> Result<(), SettingsError> {
        let mut slot = self.writer();
        let writer = match &mut *slot {
            Some(writer) => writer,
            none => none.insert(Writer::start(self.path.clone()).map_err(|error| SettingsError::from_io(&error))?),
        };
        writer.latest = settings.clone();
        // The thread lives until this sender is dropped.
        let _ = writer.settings.send(settings);
        let trouble = writer.trouble.lock().unwrap_or_else(PoisonError::into_inner).take();
        trouble.map_or(Ok(()), Err)
    }
}

impl Drop for JsonFile {
    fn drop(&mut self) {
        if let Some(Writer { settings, thread, .. }) = self.writer().take() {
            drop(settings);
            let _ = thread.join();
        }
    }
}

impl Writer {
    fn start(path: PathBuf) -> io::Result<Self> {
        let (settings, incoming) = mpsc::channel::<Value>();
        let trouble = Arc::new(Mutex::new(None));
        let told = Arc::clone(&trouble);
        let thread = std::thread::Builder::new().name("settings".to_owned()).spawn(move || {
            while let Ok(first) = incoming.recv() {
                // A volume slider saves faster than a disk writes: only the newest counts.
                let newest = incoming.try_iter().last().unwrap_or(first);
                if let Err(error) = write(&path, &newest) {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(SettingsError::from_io(&error));
                }
            }
        })?;
        Ok(Self { latest: Value::Null, settings, trouble, thread })
    }
}

impl SettingsError {
    fn from_io(error: &io::Error) -> Self {
        Self(error.kind().to_string())
    }
}

fn read(path: &Path) -> io::Result<Value> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Value::Null),
        Err(error) => Err(error),
    }
}

/// First beside the file, then in its place: a power cut leaves the old settings or the new ones, never half.
fn write(path: &Path, settings: &Value) -> io::Result<()> {
    make_folder(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(settings)?)?;
    file.sync_all()?;
    drop(file);
    fs::rename(beside, path)
}

/// Settings that end with the program: for tests and demonstrations.
#[derive(Debug, Default)]
pub struct InMemory {
    settings: Mutex<Value>,
}

impl SettingsStore for InMemory {
    fn load(&self) -> Value {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn save(&self, settings: Value) -> Result<(), SettingsError> {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return Ok(());
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn into_map(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn take<T: DeserializeOwned>(map: &mut Map<String, Value>, name: &str) -> Option<T> {
    serde_json::from_value(map.remove(name)?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn chosen() -> Settings {
        Settings {
            language: Language::ZhCn,
            theme: Theme::HighContrast,
            volumes: Volumes { speaker: 1, ringer: 2, microphone: 3 },
            devices: Devices { microphone: Some("mic".to_owned()), ..Devices::default() },
            account: Some(Account {
                server: "::1".to_owned(),
                port: Some(5070),
                transport: Transport::Ws,
                user: "1001".to_owned(),
                display_name: Some("小明".to_owned()),
                domain: None,
                options: AccountOptions { auto_answer: true, call_limit: Some(3), ..AccountOptions::default() },
            }),
            after_call_work: AfterCallWork { seconds: 0 },
            codecs: Codecs(vec!["PCMA".to_owned()]),
            instance: Some("urn:uuid:00000000-0000-4000-8000-000000000001".to_owned()),
            other: Map::new(),
        }
    }

    #[test]
    fn settings_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/deskline/settings.json");
        assert_eq!(JsonFile::new(&path).load(), Value::Null);
        for settings in [Settings::default(), chosen()] {
            JsonFile::new(&path).save(settings.to_value()).unwrap();
            assert_eq!(Settings::from_value(JsonFile::new(&path).load()), settings);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn the_newest_settings_are_read_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let store = JsonFile::new(&path);
        for n in 0..500 {
            store.save(json!({ "n": n })).unwrap();
        }
        assert_eq!(store.load(), json!({"n": 499}));
        drop(store);
        assert_eq!(JsonFile::new(&path).load(), json!({"n": 499}));
    }

    #[test]
    fn one_spoilt_value_costs_no_other() {
        let mut value = chosen().to_value();
        for (pointer, spoilt) in [
            ("/language", json!("tlh")),
            ("/volumes/speaker", json!(101)),
            ("/volumes/ringer", json!("loud")),
            ("/devices/microphone", json!(7)),
            ("/account/port", json!(70_000)),
            ("/after_call_work_seconds", json!(-1)),
            ("/codecs", json!([])),
        ] {
            *value.pointer_mut(pointer).unwrap() = spoilt;
        }
        let defaults = Settings::default();
        let mut expected = chosen();
        expected.language = defaults.language;
        expected.volumes = Volumes { microphone: 3, ..defaults.volumes };
        expected.devices = defaults.devices;
        expected.account.as_mut().unwrap().port = None;
        expected.after_call_work = defaults.after_call_work;
        expected.codecs = defaults.codecs;
        assert_eq!(Settings::from_value(value), expected);
    }

    #[test]
    fn anything_else_is_the_defaults() {
        for value in
            [Value::Null, json!([]), json!("x"), json!({"volumes": 3, "devices": [], "account": {"user": "1"}})]
        {
            assert_eq!(Settings::from_value(value), Settings::default());
        }
    }

    #[test]
    fn what_a_newer_program_has_saved_is_kept() {
        let saved = Settings::from_value(json!({"hologram": true})).to_value();
        assert_eq!(saved["hologram"], json!(true));
        assert_eq!(saved["after_call_work_seconds"], json!(15));
    }

    #[test]
    fn a_spoilt_file_is_the_defaults_and_can_be_saved_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        fs::write(&path, b"{\"language\":").unwrap();
        let store = JsonFile::new(&path);
        assert_eq!(Settings::from_value(store.load()), Settings::default());
        store.save(chosen().to_value()).unwrap();
        assert_eq!(Settings::from_value(store.load()), chosen());
    }

    #[test]
    fn what_cannot_be_saved_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        let store = JsonFile::new(folder.path().join("file/settings.json"));
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while store.save(json!({})).is_ok() {
            assert!(std::time::Instant::now() < limit, "never told");
            std::thread::yield_now();
        }
    }

    #[test]
    fn no_password_and_no_name_is_shown() {
        let settings = chosen();
        assert!(settings.to_value()["account"].get("password").is_none());
        assert!(!format!("{settings:?}").contains("1001"));
    }
}
