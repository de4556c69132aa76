//! A sound server of our own, with seats: each has a virtual speaker and a virtual microphone.
//!
//! All seats are channels of one null sink, so that one recording holds, sample by sample on one clock, what went into
//! each microphone and what came out of each speaker: delays are read off without any alignment.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::process::Output;
use crate::{Process, Scratch, tone, wait};

/// Samples a second of every device and recording here.
pub const RATE: u32 = 48_000;

/// What is heard of a tone when all is well: the largest share that anything but this tone could have.
const TONE_SHARE: f64 = 0.6;
/// Quieter than this (dB below full scale) is silence.
const SILENCE: f64 = -60.0;

/// A running PulseAudio.
#[derive(Debug)]
pub struct Pulse {
    // Ended before the folder is removed.
    _server: Process,
    scratch: Scratch,
    seats: Vec<String>,
    /// The numbers of the modules that make each device.
    modules: HashMap<String, u32>,
}

impl Pulse {
    /// Starts a server with the given seats; the devices of seat `a` are the sink `speaker_a` and the source `mic_a`,
    /// and the first seat's are the defaults. No seats: a server without any device.
    ///
    /// # Errors
    /// When PulseAudio does not come up.
    pub fn start(seats: &[&str]) -> anyhow::Result<Self> {
        let scratch = Scratch::new("pulse")?;
        for folder in ["run", "home"] {
            std::fs::create_dir(scratch.path().join(folder))?;
        }
        let socket = scratch.path().join("native");
        let mut command = Command::new("pulseaudio");
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--log-target=stderr"])
            .arg(format!("--load=module-native-protocol-unix socket={} auth-anonymous=1", socket.display()))
            .env("XDG_RUNTIME_DIR", scratch.path().join("run"))
            .env("HOME", scratch.path().join("home"))
            .env_remove("PULSE_SERVER")
            .env_remove("DISPLAY");
        let mut server = Process::spawn("pulseaudio", &mut command, scratch.path(), Output::Log)?;
        server.until_ready(Duration::from_secs(10), |_| socket.exists())?;
        let mut pulse = Self {
            _server: server,
            scratch,
            seats: seats.iter().map(|&seat| seat.to_owned()).collect(),
            modules: HashMap::new(),
        };
        pulse.add_seats()?;
        Ok(pulse)
    }

    /// The value of `PULSE_SERVER` that leads here.
    pub fn address(&self) -> String {
        format!("unix:{}", self.scratch.path().join("native").display())
    }

    /// What a program at `seat` needs in its environment: this server, and its devices as the defaults. Programs that
    /// use ALSA get them through ALSA's own plug-in.
    ///
    /// # Errors
    /// When a file of it cannot be written.
    pub fn environment(&self, seat: &str) -> anyhow::Result<Vec<(String, String)>> {
        let alsa = self.scratch.write(
            "alsa.conf",
            "</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n",
        )?;
        let mut environment = self.server_environment()?;
        environment.extend([
            ("PULSE_SINK".into(), format!("speaker_{seat}")),
            ("PULSE_SOURCE".into(), format!("mic_{seat}")),
            ("ALSA_CONFIG_PATH".into(), alsa.display().to_string()),
        ]);
        Ok(environment)
    }

    /// What a program needs to find this server, whatever devices it has.
    ///
    /// # Errors
    /// When a file of it cannot be written.
    pub fn server_environment(&self) -> anyhow::Result<Vec<(String, String)>> {
        // Every home folder has such a file once any program has sounded there; the server wants its length, not its
        // content.
        let cookie = self.scratch.write("cookie", [0; 256])?;
        Ok(vec![("PULSE_SERVER".into(), self.address()), ("PULSE_COOKIE".into(), cookie.display().to_string())])
    }

    /// Takes a device away, as if it was unplugged.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn unplug(&mut self, device: &str) -> anyhow::Result<()> {
        let module = self.modules.remove(device).with_context(|| format!("no device {device}"))?;
        self.pactl(&["unload-module", &module.to_string()]).map(drop)
    }

    /// Plays a sine of `hz` into the microphone of `seat` until the result is dropped.
    ///
    /// # Errors
    /// When the player does not start.
    pub fn play_tone(&self, seat: &str, hz: f64) -> anyhow::Result<Playing> {
        // Exactly one second holds a whole number of periods of every whole frequency: it can be repeated.
        let second = tone::sine(hz.round(), RATE, RATE as usize, 0.3);
        self.play(seat, move || Some(second.clone()))
    }

    /// Plays samples into the microphone of `seat`, once.
    ///
    /// # Errors
    /// When the player does not start.
    pub fn play_once(&self, seat: &str, sound: Vec<i16>) -> anyhow::Result<Playing> {
        let mut sound = Some(sound);
        self.play(seat, move || sound.take())
    }

    /// Records every seat's microphone and speaker from now on.
    ///
    /// # Errors
    /// When the recorder does not start.
    pub fn record(&self) -> anyhow::Result<Recording> {
        let channels = 2 * self.seats.len();
        let mut command = self.client("parec");
        command.args([
            "--device=card.monitor",
            "--raw",
            "--format=s16le",
            &format!("--rate={RATE}"),
            &format!("--channels={channels}"),
            &format!("--channel-map={}", channel_map(channels)),
            // Holds the null sink to short blocks, which would otherwise be two seconds long.
            "--latency-msec=10",
        ]);
        let folder = Scratch::new("record")?;
        let mut process = Process::spawn("parec", &mut command, folder.path(), Output::Piped)?;
        let mut stdout = process.stdout().context("parec's output is piped")?;
        let sound = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&sound);
        std::thread::spawn(move || {
            let mut bytes = [0; 65_536];
            let mut kept: Vec<u8> = Vec::new();
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                kept.extend_from_slice(&bytes[..count]);
                let whole = kept.len() / (2 * channels) * (2 * channels);
                let samples = kept[..whole].as_chunks::<2>().0.iter().map(|&pair| i16::from_le_bytes(pair));
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend(samples);
                kept.drain(..whole);
            }
        });
        let recording = Recording { _process: process, _folder: folder, seats: self.seats.clone(), sound };
        wait::until(Duration::from_secs(10), "the recording runs", || !recording.is_empty())?;
        Ok(recording)
    }

    fn play(&self, seat: &str, mut next: impl FnMut() -> Option<Vec<i16>> + Send + 'static) -> anyhow::Result<Playing> {
        let mut command = self.client("pacat");
        command.args([
            &format!("--device=feed_{seat}"),
            "--raw",
            "--format=s16le",
            &format!("--rate={RATE}"),
            "--channels=1",
            "--latency-msec=50",
        ]);
        let folder = Scratch::new("play")?;
        let mut process = Process::spawn("pacat", &mut command, folder.path(), Output::Piped)?;
        let mut stdin = process.stdin().context("pacat's input is piped")?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let feeder = std::thread::spawn(move || {
            while let Some(sound) = next() {
                for piece in sound.chunks(RATE as usize / 50) {
                    let bytes: Vec<u8> = piece.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                    // The pipe is the clock: it takes no more than is played.
                    if stopped.load(Ordering::Relaxed) || stdin.write_all(&bytes).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Playing { process, _folder: folder, stop, feeder: Some(feeder) })
    }

    fn add_seats(&mut self) -> anyhow::Result<()> {
        let seats = self.seats.clone();
        if seats.is_empty() {
            return Ok(());
        }
        let channels = 2 * seats.len();
        let map = channel_map(channels);
        self.load(
            "card",
            &format!("module-null-sink sink_name=card rate={RATE} channels={channels} channel_map={map} format=s16le"),
        )?;
        for (index, seat) in seats.iter().enumerate() {
            let (speaker, feed) = (2 * index, 2 * index + 1);
            for (sink, channel) in [(format!("speaker_{seat}"), speaker), (format!("feed_{seat}"), feed)] {
                self.load(
                    &sink,
                    &format!(
                        "module-remap-sink sink_name={sink} master=card channels=1 channel_map=mono \
                         master_channel_map=aux{channel} remix=no sink_properties=device.description={sink}"
                    ),
                )?;
            }
            let source = format!("mic_{seat}");
            self.load(
                &source,
                &format!(
                    "module-remap-source source_name={source} master=card.monitor channels=1 channel_map=mono \
                     master_channel_map=aux{feed} remix=no source_properties=device.description={source}"
                ),
            )?;
        }
        self.pactl(&["set-default-sink", &format!("speaker_{}", seats[0])])?;
        self.pactl(&["set-default-source", &format!("mic_{}", seats[0])])?;
        Ok(())
    }

    fn load(&mut self, device: &str, module: &str) -> anyhow::Result<()> {
        let words: Vec<&str> = std::iter::once("load-module").chain(module.split_whitespace()).collect();
        let number = self.pactl(&words)?.trim().parse().context("the number of a module")?;
        self.modules.insert(device.to_owned(), number);
        Ok(())
    }

    fn pactl(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.client("pactl").args(args).output().context("starting pactl")?;
        if !output.status.success() {
            bail!("pactl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let home: PathBuf = self.scratch.path().join("home");
        command.env("PULSE_SERVER", self.address()).env("HOME", home).env_remove("DISPLAY");
        command
    }
}

/// A sound that is being played into a microphone; ends when dropped.
#[derive(Debug)]
pub struct Playing {
    process: Process,
    _folder: Scratch,
    stop: Arc<AtomicBool>,
    feeder: Option<JoinHandle<()>>,
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.process.end();
        if let Some(feeder) = self.feeder.take() {
            let _ = feeder.join();
        }
    }
}

/// A running recording of all seats.
#[derive(Debug)]
pub struct Recording {
    _process: Process,
    _folder: Scratch,
    seats: Vec<String>,
    /// Interleaved: speaker and microphone of each seat in turn.
    sound: Arc<Mutex<Vec<i16>>>,
}

impl Recording {
    /// Samples of each channel so far.
    pub fn len(&self) -> usize {
        self.sound.lock().unwrap_or_else(PoisonError::into_inner).len() / (2 * self.seats.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What came out of the seat's speaker, from sample `from` on.
    pub fn speaker(&self, seat: &str, from: usize) -> Vec<i16> {
        self.channel(seat, 0, from)
    }

    /// What went into the seat's microphone, from sample `from` on.
    pub fn microphone(&self, seat: &str, from: usize) -> Vec<i16> {
        self.channel(seat, 1, from)
    }

    /// Waits until half a second in a row from now on is this tone in the seat's speaker.
    ///
    /// # Errors
    /// When `limit` passes first; with what was heard instead.
    pub fn hears_tone(&self, seat: &str, hz: f64, limit: Duration) -> anyhow::Result<()> {
        self.hears_tones(seat, &[hz], limit)
    }

    /// Waits until half a second in a row from now on is these tones together in the seat's speaker, each clearly.
    ///
    /// # Errors
    /// When `limit` passes first; with what was heard instead.
    pub fn hears_tones(&self, seat: &str, tones: &[f64], limit: Duration) -> anyhow::Result<()> {
        let clear = TONE_SHARE / (tones.len() * tones.len()) as f64;
        let each = |sound: &[i16]| tones.iter().map(|&hz| tone::share(sound, RATE, hz)).collect::<Vec<_>>();
        self.hears(seat, limit, &format!("{tones:?} Hz"), |sound| {
            let shares = each(sound);
            tone::level(sound) > SILENCE
                && shares.iter().sum::<f64>() > TONE_SHARE
                && shares.iter().all(|&share| share > clear)
        })
        .with_context(|| {
            let last = self.last(seat);
            format!("the tones' shares of the last half second: {:.2?}", each(&last))
        })
    }

    /// Waits until the seat's speaker is silent for half a second in a row.
    ///
    /// # Errors
    /// When `limit` passes first.
    pub fn hears_silence(&self, seat: &str, limit: Duration) -> anyhow::Result<()> {
        self.hears(seat, limit, "silence", |sound| tone::level(sound) < SILENCE)
    }

    /// Waits until `holds` is true of half a second in a row from now on in the seat's speaker.
    ///
    /// # Errors
    /// When `limit` passes first; `what` says what was awaited.
    pub fn hears(
        &self,
        seat: &str,
        limit: Duration,
        what: &str,
        mut holds: impl FnMut(&[i16]) -> bool,
    ) -> anyhow::Result<()> {
        let half = RATE as usize / 2;
        let mut from = self.len();
        wait::until(limit, &format!("{what} in the speaker of seat {seat}"), || {
            let sound = self.speaker(seat, from);
            if sound.len() < half {
                return false;
            }
            from += RATE as usize / 10;
            holds(&sound[..half])
        })
        .with_context(|| format!("the level of the last half second: {:.1} dB", tone::level(&self.last(seat))))
    }

    fn last(&self, seat: &str) -> Vec<i16> {
        self.speaker(seat, self.len().saturating_sub(RATE as usize / 2))
    }

    fn channel(&self, seat: &str, offset: usize, from: usize) -> Vec<i16> {
        let channels = 2 * self.seats.len();
        let Some(index) = self.seats.iter().position(|known| known == seat) else { return Vec::new() };
        let sound = self.sound.lock().unwrap_or_else(PoisonError::into_inner);
        sound.chunks_exact(channels).skip(from).map(|frame| frame[2 * index + offset]).collect()
    }
}

fn channel_map(channels: usize) -> String {
    (0..channels).map(|channel| format!("aux{channel}")).collect::<Vec<_>>().join(",")
}
