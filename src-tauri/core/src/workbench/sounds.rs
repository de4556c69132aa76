//! What the agent hears beside the far side, and which call the microphone belongs to.

use super::{Refusal, Workbench};
use crate::call::{CallId, State};
use crate::media::{Command, Direction, Tone};

/// What the media plane plays and takes, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Sounds {
    ringing: bool,
    /// The tone of the call that is being made, or of one that has ended.
    tone: Option<Tone>,
    /// The call-waiting tone covers it.
    waiting: bool,
    muted: bool,
}

impl Workbench {
    /// Only a call that stands can be muted: none begins with a microphone that the agent has forgotten.
    pub(super) fn mute(&mut self, call: Option<CallId>, muted: bool) -> Result<(), Refusal> {
        let index = self.find(call, crate::call::Call::is_established)?;
        if self.calls[index].muted != muted {
            self.calls[index].muted = muted;
            self.track_call(if muted { "sip_call_mute" } else { "sip_call_unmute" }, index);
            self.mute_microphone();
        }
        Ok(())
    }

    /// The microphone is that of the call that is talked to.
    fn mute_microphone(&mut self) {
        let muted = self.calls.iter().any(|call| call.is_active() && call.muted);
        if self.sounds.muted != muted {
            self.sounds.muted = muted;
            self.ask_media(Command::Mute(muted));
        }
    }

    /// Rings, or lets a waiting call sound in the agent's ear, as the calls are now.
    pub(super) fn alert(&mut self) {
        let rings =
            self.calls.iter().any(|call| matches!(call.state, State::Ringing { .. }) && !self.answers_at_once(call));
        let busy = self.calls.iter().any(|call| !matches!(call.state, State::Ringing { .. }));
        self.ring(rings && !busy);
        let waiting = rings && busy;
        if self.sounds.waiting != waiting {
            self.sounds.waiting = waiting;
            self.ask_media(Command::Tone(if waiting { Some(Tone::CallWaiting) } else { self.sounds.tone }));
        }
        self.mute_microphone();
    }

    fn ring(&mut self, on: bool) {
        if self.sounds.ringing != on {
            self.sounds.ringing = on;
            self.ask_media(Command::Ring(on));
            self.track(self.tracked(if on { "sip_call_play_audio" } else { "sip_call_stop_audio" }));
        }
    }

    /// A tone in the agent's ear until another is set.
    pub(super) fn tone(&mut self, tone: Option<Tone>) {
        self.timers.remove(&super::Timer::ToneOff);
        self.sounds.tone = tone;
        if !self.sounds.waiting {
            self.ask_media(Command::Tone(tone));
        }
    }

    /// Starts or changes the streams of a call by its state and what is agreed.
    pub(super) fn run_media(&mut self, index: usize) {
        self.start_streams(index);
        // Behind the streams: a microphone that opens for one call must not be heard in another.
        self.mute_microphone();
    }

    fn start_streams(&mut self, index: usize) {
        let call = &self.calls[index];
        let Some(media) = &call.media else { return };
        let Some(mut negotiated) = media.negotiated.clone() else { return };
        let (id, send) = (media.id, call.send_source());
        if call.is_established() && !call.is_active() {
            // Not every far side falls silent when it is held.
            negotiated.direction = Direction::new(negotiated.direction.sends(), false);
        }
        self.ask_media(Command::Run { id, negotiated, send });
    }
}
