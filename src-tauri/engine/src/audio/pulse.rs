//! PulseAudio (and PipeWire, which speaks its protocol), directly: one connection and one thread a stream.
//!
//! cpal's own PulseAudio host asks for a latency that leaves the device none, so that the server wakes everybody two
//! thousand times a second, and asks for the time after each of them. Here a stream costs a hundred wakes a second.

use std::ffi::CString;
use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use deskline_core::media::{DeviceRole, DeviceTrouble, SAMPLE_RATE};
use pulseaudio::protocol::{
    self, Command, CommandReply, ProtocolError, PulseError, stream::BufferAttr, stream::StreamFlags,
};

use super::stream::{self, Capture, CaptureFeed, Playback, PlaybackFeed};
use super::{Device, FoundDevices, Wake};

/// Before the ids of this server's devices.
pub const PREFIX: &str = "pulseaudio:";

/// A server that does not answer in this time counts as dead.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of one sample: mono, 32-bit float.
const SAMPLE_BYTES: u32 = 4;

/// A recorded block, and half of what is on its way to the speaker: 10 ms.
const BLOCK: u32 = SAMPLE_RATE / 100 * SAMPLE_BYTES;

/// More than this in one message is not ours.
const MOST: usize = 1 << 20;

/// The server named by `PULSE_SERVER`, or the user's.
#[derive(Default)]
pub struct PulseHost {
    control: Mutex<Option<Connection>>,
}

impl PulseHost {
    /// `None` where there is no server.
    pub fn devices(&self) -> Option<Result<FoundDevices, DeviceTrouble>> {
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection from before the server was restarted fails once.
        for _ in 0..2 {
            let connection = match &mut *control {
                Some(connection) => connection,
                None => control.insert(Connection::open().ok()?),
            };
            match connection.devices() {
                Ok(found) => return Some(Ok(found)),
                Err(error) => {
                    tracing::debug!(%error, "the sound server does not answer");
                    *control = None;
                }
            }
        }
        None
    }

    /// `name` is without [`PREFIX`].
    pub fn open_capture(&self, name: &str, wake: Wake) -> Result<Capture, DeviceTrouble> {
        let mut connection = Connection::open().map_err(|error| trouble(&error))?;
        let (feed, capture) = stream::capture(SAMPLE_RATE, 1, wake).map_err(|_| DeviceTrouble::Failed)?;
        let params = protocol::RecordStreamParams {
            sample_spec: sample_spec(),
            channel_map: protocol::ChannelMap::mono(),
            source_name: Some(c_string(name)),
            buffer_attr: BufferAttr { fragment_size: BLOCK, ..BufferAttr::default() },
            flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
            props: properties(),
            ..protocol::RecordStreamParams::default()
        };
        let reply: Result<protocol::CreateRecordStreamReply, _> =
            connection.request(&Command::CreateRecordStream(params));
        let channel = reply.map_err(|error| trouble(&error))?.channel;
        let device = connection.run("deskline-record", move |connection| record(connection, channel, feed));
        device.map(|device| capture.with_device(device)).map_err(|_| DeviceTrouble::Failed)
    }

    /// `name` is without [`PREFIX`].
    pub fn open_playback(&self, name: &str, role: DeviceRole, wake: Wake) -> Result<Playback, DeviceTrouble> {
        let mut connection = Connection::open().map_err(|error| trouble(&error))?;
        let (feed, playback) = stream::playback(SAMPLE_RATE, 1, wake).map_err(|_| DeviceTrouble::Failed)?;
        // The server gives the device what is left of the target after two requests; a ring may take its time.
        let (target, request) = match role {
            DeviceRole::Ringer => (6 * BLOCK, 2 * BLOCK),
            DeviceRole::Microphone | DeviceRole::Speaker => (2 * BLOCK, BLOCK / 2),
        };
        let params = protocol::PlaybackStreamParams {
            sample_spec: sample_spec(),
            channel_map: protocol::ChannelMap::mono(),
            sink_name: Some(c_string(name)),
            buffer_attr: BufferAttr {
                target_length: target,
                minimum_request_length: request,
                // Go on after a shortage at once, and catch up, instead of waiting until the buffer is full.
                pre_buffering: 0,
                ..BufferAttr::default()
            },
            flags: StreamFlags { adjust_latency: true, ..StreamFlags::default() },
            props: properties(),
            ..protocol::PlaybackStreamParams::default()
        };
        let reply: Result<protocol::CreatePlaybackStreamReply, _> =
            connection.request(&Command::CreatePlaybackStream(params));
        let reply = reply.map_err(|error| trouble(&error))?;
        let device = connection.run("deskline-play", move |connection| play(connection, &reply, feed));
        device.map(|device| playback.with_device(device)).map_err(|_| DeviceTrouble::Failed)
    }
}

/// One connection to the server, past its handshake.
struct Connection {
    socket: BufReader<UnixStream>,
    version: u16,
    sequence: u32,
}

/// Bytes of the secret that a server and its clients share (`PA_NATIVE_COOKIE_LENGTH`).
const COOKIE_LENGTH: usize = 256;

impl Connection {
    fn open() -> Result<Self, ProtocolError> {
        let path = pulseaudio::socket_path_from_env().ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        let mut cookie =
            pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok()).unwrap_or_default();
        // A server that lets in everybody still refuses a cookie of another length.
        cookie.resize(COOKIE_LENGTH, 0);
        let socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut connection = Self { socket: BufReader::new(socket), version: protocol::MAX_VERSION, sequence: 0 };
        let auth =
            protocol::AuthParams { version: protocol::MAX_VERSION, supports_shm: false, supports_memfd: false, cookie };
        let reply: protocol::AuthReply = connection.request(&Command::Auth(auth))?;
        connection.version = reply.version.min(protocol::MAX_VERSION);
        let _: protocol::SetClientNameReply = connection.request(&Command::SetClientName(properties()))?;
        Ok(connection)
    }

    fn request<R: CommandReply>(&mut self, command: &Command) -> Result<R, ProtocolError> {
        protocol::write_command_message(self.socket.get_mut(), self.sequence, command, self.version)?;
        self.sequence += 1;
        protocol::read_reply_message(&mut self.socket, self.version).map(|(_, reply)| reply)
    }

    fn devices(&mut self) -> Result<FoundDevices, ProtocolError> {
        let server: protocol::ServerInfo = self.request(&Command::GetServerInfo)?;
        let sinks: Vec<protocol::SinkInfo> = self.request(&Command::GetSinkInfoList)?;
        let sources: Vec<protocol::SourceInfo> = self.request(&Command::GetSourceInfoList)?;
        let outputs: Vec<Device> = sinks.iter().map(|sink| device(&sink.name, sink.description.as_ref())).collect();
        // As PulseAudio's own clients do, the environment's device goes before the server's default.
        let default = |variable: &str, server: Option<CString>| {
            let name = std::env::var(variable).ok().or_else(|| server.map(|name| name.to_string_lossy().into_owned()));
            name.map(|name| format!("{PREFIX}{name}"))
        };
        let default_input = default("PULSE_SOURCE", server.default_source_name);
        let default_output = default("PULSE_SINK", server.default_sink_name);
        // What a speaker plays is no microphone, unless somebody wants it so.
        let inputs = sources
            .iter()
            .map(|source| (source.monitor_of_sink_index, device(&source.name, source.description.as_ref())))
            .filter(|(monitor, device)| monitor.is_none() || Some(&device.id) == default_input.as_ref())
            .map(|(_, device)| device)
            .collect();
        Ok(FoundDevices { inputs, outputs, default_input, default_output })
    }

    /// Serves a stream on a thread of its own, until the returned device is dropped.
    fn run(
        self,
        name: &str,
        serve: impl FnOnce(Self) -> Result<(), ProtocolError> + Send + 'static,
    ) -> io::Result<PulseDevice> {
        let socket = self.socket.get_ref();
        // A suspended device says nothing for as long as it likes.
        socket.set_read_timeout(None)?;
        let socket = socket.try_clone()?;
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Err(error) = serve(self) {
                tracing::debug!(%error, "the sound stream has ended");
            }
        })?;
        Ok(PulseDevice { socket, thread: Some(thread) })
    }
}

/// An open stream.
struct PulseDevice {
    socket: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Drop for PulseDevice {
    fn drop(&mut self) {
        // Ends the thread's reading; the server closes the stream with its connection.
        let _ = self.socket.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the server sends to a stream.
enum Message {
    Sound,
    Request(u32),
    Killed,
    Other,
}

/// Reads one message; sound is left in `buffer`.
fn read(connection: &mut Connection, channel: u32, buffer: &mut Vec<u8>) -> Result<Message, ProtocolError> {
    let descriptor = protocol::read_descriptor(&mut connection.socket)?;
    let length = descriptor.length as usize;
    if length > MOST {
        return Err(ProtocolError::Invalid("an enormous message".to_owned()));
    }
    buffer.resize(length, 0);
    connection.socket.read_exact(buffer)?;
    if descriptor.channel == channel {
        return Ok(Message::Sound);
    }
    let mut bytes = buffer.as_slice();
    Ok(match Command::read_tag_prefixed(&mut bytes, connection.version) {
        Ok((_, Command::Request(request))) if request.channel == channel => Message::Request(request.length),
        Ok((_, Command::PlaybackStreamKilled(_) | Command::RecordStreamKilled(_))) => Message::Killed,
        _ => Message::Other,
    })
}

fn record(mut connection: Connection, channel: u32, mut feed: CaptureFeed) -> Result<(), ProtocolError> {
    let status = feed.status();
    let mut buffer = Vec::with_capacity(MOST / 16);
    let result = loop {
        match read(&mut connection, channel, &mut buffer) {
            Ok(Message::Sound) => feed.record(buffer.as_chunks::<4>().0, f32::from_le_bytes),
            Ok(Message::Killed) => {
                status.fail(DeviceTrouble::Missing);
                break Ok(());
            }
            Ok(Message::Request(_) | Message::Other) => {}
            Err(error) => {
                status.fail(DeviceTrouble::Failed);
                break Err(error);
            }
        }
    };
    feed.wake();
    result
}

fn play(
    mut connection: Connection,
    reply: &protocol::CreatePlaybackStreamReply,
    mut feed: PlaybackFeed,
) -> Result<(), ProtocolError> {
    let status = feed.status();
    let mut buffer = Vec::with_capacity(MOST / 16);
    let mut sound = Vec::with_capacity(MOST / 16);
    let mut wanted = reply.requested_bytes;
    let result = loop {
        if wanted > 0 {
            let length = (wanted as usize).min(MOST) / 4 * 4;
            sound.clear();
            sound.resize(protocol::DESCRIPTOR_SIZE + length, 0);
            let (head, body) = sound.split_at_mut(protocol::DESCRIPTOR_SIZE);
            if let Ok(head) = head.try_into() {
                let flags = protocol::DescriptorFlags::empty();
                let descriptor =
                    protocol::Descriptor { length: length as u32, channel: reply.channel, offset: 0, flags };
                protocol::encode_descriptor(head, &descriptor);
            }
            feed.play(body.as_chunks_mut::<4>().0, f32::to_le_bytes);
            if let Err(error) = connection.socket.get_mut().write_all(&sound) {
                status.fail(DeviceTrouble::Failed);
                break Err(error.into());
            }
        }
        wanted = match read(&mut connection, reply.channel, &mut buffer) {
            Ok(Message::Request(length)) => length,
            Ok(Message::Killed) => {
                status.fail(DeviceTrouble::Missing);
                break Ok(());
            }
            Ok(Message::Sound | Message::Other) => 0,
            Err(error) => {
                status.fail(DeviceTrouble::Failed);
                break Err(error);
            }
        };
    };
    feed.wake();
    result
}

fn sample_spec() -> protocol::SampleSpec {
    protocol::SampleSpec { format: protocol::SampleFormat::Float32Le, channels: 1, sample_rate: SAMPLE_RATE }
}

fn properties() -> protocol::Props {
    let mut properties = protocol::Props::new();
    properties.set(protocol::Prop::ApplicationName, c"Deskline");
    properties.set(protocol::Prop::MediaRole, c"phone");
    properties
}

fn device(name: &CString, description: Option<&CString>) -> Device {
    let id = format!("{PREFIX}{}", name.to_string_lossy());
    Device { id, name: description.unwrap_or(name).to_string_lossy().into_owned() }
}

/// Names of devices come from the server or the settings; one with a zero byte is no device.
fn c_string(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

fn trouble(error: &ProtocolError) -> DeviceTrouble {
    match error {
        ProtocolError::ServerError(PulseError::AccessDenied | PulseError::AuthKey) => DeviceTrouble::Denied,
        ProtocolError::ServerError(PulseError::Busy) => DeviceTrouble::Busy,
        ProtocolError::ServerError(PulseError::NoEntity) => DeviceTrouble::Missing,
        ProtocolError::Io(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            DeviceTrouble::Missing
        }
        _ => DeviceTrouble::Failed,
    }
}
