//! The jitter buffer: packets in whatever order and rhythm the network brings them, sound out in the sender's.
//!
//! It is driven by sequence numbers, which say what is missing, and by timestamps, which say when it is due. The fastest
//! packets of the last seconds show how the sender's clock lies against ours; a packet is due a *delay* after the moment
//! at which it would have arrived as fast as those. The delay follows the slower packets, so that about one in thirty
//! comes too late, and is small where the network is good. The buffer never touches sound: it says what is to be played
//! and by how much it should be shortened or lengthened ([`Stretch`]).

use std::time::{Duration, Instant};

use super::rtp::{Header, SequenceLine, timestamp_distance};

/// Packets that can be held. At 20 ms these are 2.5 s; a stream that runs further ahead begins anew.
const CAPACITY: u64 = 128;

/// Packets whose arrival is remembered: about 5 s.
const WINDOW: usize = 256;

/// This part of the packets, in thousandths, shall come in time.
const IN_TIME: usize = 970;

/// Beside the packets, this much time for our own unpunctuality, in microseconds.
const MARGIN: i64 = 3_000;

/// How much the margin grows when sound was missing at its time although the packet was not late, and how fast that is
/// forgotten (a part per packet).
const LESSON: i64 = 4_000;
const MAX_LESSON: i64 = 40_000;
const FORGETTING: i64 = 1_024;

/// How fast a delay that is larger than needed shrinks: a part of the excess per packet.
const SHRINKING: i64 = 64;

/// The playout may ask this much earlier than due before sound is lengthened.
const TOO_EARLY: i64 = 4_000;

/// Less than this is not worth a stretch.
const WORTHWHILE: i64 = 2_500;

/// More than this behind, and packets are left out: listening to old sound quickly is no conversation.
const HOPELESS: i64 = 250_000;

/// A packet that is faster by this much than all others, or slower by that much, belongs to a new clock.
const CLOCK_AHEAD: i64 = 60_000;
const CLOCK_BEHIND: i64 = 3_000_000;

/// A packet that comes so late after so long a silence, in microseconds, may be of a sender that stopped its timestamps with
/// its sound; it is, if the next one is as late.
const STOPPED: i64 = 150_000;
const AS_LATE: i64 = 15_000;

/// Packets that come in order and closer together than this, in microseconds, were held up together.
const BURST: i64 = 3_000;

/// For so long packets of a source that was left for another are ignored.
const ABANDONED: Duration = Duration::from_secs(1);

/// What the buffer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The delay before anything is known of the network.
    pub start: Duration,
    pub least: Duration,
    pub most: Duration,
    /// How often the playout asks.
    pub tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_millis(20),
            least: Duration::from_millis(4),
            most: Duration::from_millis(500),
            tick: Duration::from_millis(10),
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Held,
    /// Its time has passed.
    Late,
    Duplicate,
    /// The stream began anew with it.
    Restarted,
    /// Far from all others, or of a source that was left: perhaps the first of a new numbering.
    Stray,
}

/// What is to be played.
#[derive(Debug, PartialEq, Eq)]
pub enum Pull<'a> {
    /// Nothing has come so far: silence.
    Silence,
    /// The next packet is not here, or not due: bridge a little time and ask again.
    Wait,
    /// One packet is lost: bridge its duration. `next` is the payload of the one after it where that is here.
    Lost { next: Option<&'a [u8]> },
    /// This payload. An empty one stands for a packet's duration of silence.
    Packet {
        payload: &'a [u8],
        stretch: Stretch,
        /// Packets before it were left out: cover the seam.
        skipped: bool,
    },
}

/// How the sound of a packet should be changed to bring the playout nearer to its due time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    None,
    /// Leave out about so much.
    Shorten(Duration),
    /// Make it about so much longer.
    Lengthen(Duration),
}

/// The packets of one stream. Memory is bounded by [`CAPACITY`] packets.
#[derive(Debug)]
pub struct JitterBuffer {
    clock_rate: u32,
    limits: Limits,
    /// Times are microseconds from the first arrival.
    epoch: Option<Instant>,
    source: Option<u32>,
    abandoned: Option<(u32, Instant)>,
    /// The sequence number that would confirm a new numbering.
    suspect: Option<u16>,
    slots: Box<[Slot]>,
    held: u64,
    line: SequenceLine,
    /// The position to be played next.
    next: u64,
    /// The highest position that was put.
    newest: u64,
    stamps: Timestamps,
    clock: Clock,
    phase: Phase,
    /// The media time at which the next packet begins if there is no pause before it.
    expected: Option<i64>,
    /// The duration of the packet played last.
    duration: i64,
    late: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not before the next packet's due time.
    Waiting,
    /// One packet after the other.
    Playing,
}

#[derive(Debug, Default)]
struct Slot {
    /// `None`: free.
    position: Option<u64>,
    media_time: i64,
    /// `false`: only a number that was used up (an event, not sound).
    sound: bool,
    payload: Vec<u8>,
}

impl JitterBuffer {
    /// `clock_rate` is that of the codec's timestamps, in Hz.
    pub fn new(clock_rate: u32, limits: Limits) -> Self {
        let slot = || Slot { payload: Vec::with_capacity(256), ..Slot::default() };
        Self {
            clock_rate: clock_rate.max(1),
            limits,
            epoch: None,
            source: None,
            abandoned: None,
            suspect: None,
            slots: (0..CAPACITY).map(|_| slot()).collect(),
            held: 0,
            line: SequenceLine::default(),
            next: 0,
            newest: 0,
            stamps: Timestamps::default(),
            clock: Clock::new(limits),
            phase: Phase::Waiting,
            expected: None,
            duration: 20_000,
            late: 0,
        }
    }

    /// Takes a packet of sound that arrived at `arrival`.
    pub fn put(&mut self, header: &Header, payload: &[u8], arrival: Instant) -> Put {
        self.insert(header, Some(payload), arrival)
    }

    /// Takes notice of a packet that is no sound but used up a sequence number of the same source (RFC 4733 §2.1), so that
    /// it does not count as lost.
    pub fn skip(&mut self, header: &Header, arrival: Instant) -> Put {
        self.insert(header, None, arrival)
    }

    /// What is to be played next. To be called on a tick of the playout when the sound that was pulled before does not last
    /// for the whole tick, but only for `stored`.
    pub fn pull(&mut self, now: Instant, stored: Duration) -> Pull<'_> {
        let Some(epoch) = self.epoch else { return Pull::Silence };
        let now = micros(now, epoch);
        self.pass_events();
        let Some(first) = self.first_held() else {
            if self.phase == Phase::Playing {
                self.phase = Phase::Waiting;
                self.clock.run_dry(now, self.expected);
            }
            return if self.expected.is_none() { Pull::Silence } else { Pull::Wait };
        };
        let due = self.clock.due(self.slot(first).media_time);
        if self.phase == Phase::Waiting {
            if now < due {
                return if self.expected.is_none() { Pull::Silence } else { Pull::Wait };
            }
            self.phase = Phase::Playing;
            self.next = first;
            self.clock.late_by = now - due;
        } else if first > self.next {
            // Its time has come, and it is not here: later ones are.
            self.next += 1;
            self.expected = self.expected.map(|expected| expected + self.duration);
            let recoverable = first == self.next && self.slot(first).sound;
            let next = recoverable.then(|| self.slots[(first % CAPACITY) as usize].payload.as_slice());
            return Pull::Lost { next };
        } else if self.expected.is_some_and(|expected| self.slot(first).media_time > expected + 2_000) && now < due {
            // The sender paused: the next word is here before its time.
            self.phase = Phase::Waiting;
            return Pull::Wait;
        }
        let skipped = self.leave_out(now);
        let media_time = self.slot(self.next).media_time;
        let stretch = self.clock.stretch(now, media_time, stored.as_micros() as i64);
        let index = (self.next % CAPACITY) as usize;
        self.next += 1;
        self.held -= 1;
        let slot = &mut self.slots[index];
        slot.position = None;
        self.expected = Some(slot.media_time + self.duration);
        Pull::Packet { payload: &slot.payload, stretch, skipped }
    }

    /// How long the sound of the packet was that was pulled last, as it was sent.
    pub fn played(&mut self, duration: Duration) {
        let duration = duration.as_micros().min(1_000_000) as i64;
        if let Some(expected) = &mut self.expected {
            *expected += duration - self.duration;
        }
        self.duration = duration;
    }

    /// By how much the sound was really shortened or lengthened after a [`Stretch`], so that the same is not asked twice.
    /// `stored` is that of the pull.
    pub fn stretched(&mut self, stretch: Stretch, stored: Duration) {
        let by = match stretch {
            Stretch::None => 0,
            Stretch::Shorten(by) => -(by.as_micros() as i64),
            Stretch::Lengthen(by) => by.as_micros() as i64,
        };
        let tick = self.limits.tick.as_micros().max(1) as i64;
        self.clock.late_by += (stored.as_micros() as i64 + by).div_euclid(tick) * tick;
    }

    /// The delay that packets have in the buffer, on average.
    pub fn delay(&self) -> Duration {
        let delay = if self.epoch.is_some() { self.clock.delay() + self.clock.late_by } else { 0 };
        Duration::from_micros(delay.max(0) as u64)
    }

    /// The delay that is aimed at.
    pub fn target(&self) -> Duration {
        Duration::from_micros(self.clock.delay().max(0) as u64)
    }

    /// Packets that came after their time, and so were of no use.
    pub fn late(&self) -> u64 {
        self.late
    }

    fn insert(&mut self, header: &Header, payload: Option<&[u8]>, arrival: Instant) -> Put {
        let mut restarted = false;
        if self.source != Some(header.ssrc) {
            if self.abandoned.is_some_and(|(ssrc, since)| {
                ssrc == header.ssrc && arrival.saturating_duration_since(since) < ABANDONED
            }) {
                return Put::Stray;
            }
            self.abandoned = self.source.map(|ssrc| (ssrc, arrival));
            self.restart(header.ssrc);
            restarted = true;
        } else if self
            .line
            .distance(header.sequence)
            .is_some_and(|distance| i64::from(distance).abs() >= CAPACITY as i64 / 2)
        {
            // A leap: believed when the number after it comes too (RFC 3550 A.1).
            if self.suspect != Some(header.sequence) {
                self.suspect = Some(header.sequence.wrapping_add(1));
                return Put::Stray;
            }
            self.restart(header.ssrc);
            restarted = true;
        }
        let first = self.epoch.is_none();
        let epoch = *self.epoch.get_or_insert(arrival);
        let position = self.line.place(header.sequence);
        self.suspect = None;
        if first || restarted {
            (self.next, self.newest) = (position, position);
        }
        self.newest = self.newest.max(position);
        let mut media_time = 0;
        if payload.is_some() {
            media_time = self.stamps.place(header.timestamp, self.clock_rate);
            if !self.clock.observe(micros(arrival, epoch), media_time) {
                // Another clock: what is held is played, in its order, and then the new one rules.
                self.phase = Phase::Waiting;
            }
        }
        if position < self.next {
            // Before the first sound is out, an earlier packet may still become the first.
            if self.expected.is_some() || self.next - position >= CAPACITY / 2 {
                self.late += u64::from(payload.is_some());
                return Put::Late;
            }
            self.next = position;
        }
        let slot = &mut self.slots[(position % CAPACITY) as usize];
        if slot.position == Some(position) {
            return Put::Duplicate;
        }
        if slot.position.is_none() {
            self.held += 1;
        }
        *slot = Slot {
            position: Some(position),
            media_time,
            sound: payload.is_some(),
            payload: std::mem::take(&mut slot.payload),
        };
        slot.payload.clear();
        slot.payload.extend_from_slice(payload.unwrap_or_default());
        // The stream ran further ahead than is held: what was overwritten is no longer waited for.
        self.next = self.next.max((self.newest + 1).saturating_sub(CAPACITY));
        if restarted && !first { Put::Restarted } else { Put::Held }
    }

    fn restart(&mut self, ssrc: u32) {
        self.source = Some(ssrc);
        self.suspect = None;
        self.slots.iter_mut().for_each(|slot| slot.position = None);
        self.held = 0;
        self.line = SequenceLine::default();
        self.stamps = Timestamps::default();
        self.clock.forget();
        self.phase = Phase::Waiting;
        self.expected = None;
    }

    fn slot(&self, position: u64) -> &Slot {
        &self.slots[(position % CAPACITY) as usize]
    }

    fn is_held(&self, position: u64) -> bool {
        self.slot(position).position == Some(position)
    }

    fn first_held(&self) -> Option<u64> {
        (self.next..=self.newest).find(|&position| self.is_held(position))
    }

    /// Numbers of events take no time in the sound.
    fn pass_events(&mut self) {
        while self.is_held(self.next) && !self.slot(self.next).sound {
            self.slots[(self.next % CAPACITY) as usize].position = None;
            self.held -= 1;
            self.next += 1;
        }
    }

    /// Leaves packets out where the playout is hopelessly behind.
    fn leave_out(&mut self, now: i64) -> bool {
        if now - self.clock.due(self.slot(self.next).media_time) < HOPELESS {
            return false;
        }
        let mut skipped = false;
        while let Some(later) = (self.next + 1..=self.newest).find(|&position| self.is_held(position)) {
            if self.slot(later).sound && self.clock.due(self.slot(later).media_time) > now {
                break;
            }
            self.slots[(self.next % CAPACITY) as usize].position = None;
            self.held -= 1;
            self.next = later;
            skipped = true;
        }
        if skipped {
            self.clock.late_by = now - self.clock.due(self.slot(self.next).media_time);
        }
        skipped
    }
}

fn micros(at: Instant, epoch: Instant) -> i64 {
    match at.checked_duration_since(epoch) {
        Some(after) => after.as_micros() as i64,
        None => -(epoch.duration_since(at).as_micros() as i64),
    }
}

/// Gives 32-bit timestamps their place on a line, in microseconds.
#[derive(Debug, Default)]
struct Timestamps {
    last: Option<(u32, i64)>,
}

impl Timestamps {
    fn place(&mut self, timestamp: u32, clock_rate: u32) -> i64 {
        let ticks = match self.last {
            Some((last, ticks)) => ticks + i64::from(timestamp_distance(timestamp, last)),
            None => 0,
        };
        self.last = Some((timestamp, ticks));
        ticks * 1_000_000 / i64::from(clock_rate)
    }
}

/// The sender's clock against ours, and the delay that the network makes necessary. All in microseconds.
#[derive(Debug)]
struct Clock {
    limits: Limits,
    /// Arrival minus media time of the last packets, in a ring.
    offsets: Box<[i64]>,
    scratch: Box<[i64]>,
    count: usize,
    at: usize,
    /// The offset of the fastest.
    base: i64,
    network_delay: i64,
    lesson: i64,
    /// How much later than due the playout runs, smoothed.
    late_by: i64,
    /// Arrival and media time of the packet before.
    last: Option<(i64, i64)>,
    /// The offset of a packet after a silence that the timestamps know nothing of.
    stopped: Option<i64>,
    /// Sound was missing since then, which a packet of that media time should have brought.
    dry: Option<(i64, i64)>,
}

impl Clock {
    fn new(limits: Limits) -> Self {
        let network_delay = limits.start.as_micros() as i64;
        Self {
            limits,
            offsets: vec![0; WINDOW].into(),
            scratch: vec![0; WINDOW].into(),
            count: 0,
            at: 0,
            base: 0,
            network_delay,
            lesson: 0,
            late_by: 0,
            last: None,
            stopped: None,
            dry: None,
        }
    }

    /// The source has changed: what the network does is still known, what the clocks do is not.
    fn forget(&mut self) {
        (self.count, self.at, self.late_by, self.last, self.dry) = (0, 0, 0, None, None);
    }

    fn delay(&self) -> i64 {
        let (least, most) = (self.limits.least.as_micros() as i64, self.limits.most.as_micros() as i64);
        (self.network_delay + self.lesson).clamp(least, most.max(least))
    }

    fn due(&self, media_time: i64) -> i64 {
        media_time + self.base + self.delay()
    }

    /// Learns from an arrival; `false` where this packet shows that the sender's clock has changed.
    fn observe(&mut self, arrival: i64, media_time: i64) -> bool {
        let offset = arrival - media_time;
        let burst = self.last.is_some_and(|(at, before)| arrival - at < BURST && media_time > before);
        let silence = self.last.is_some_and(|(at, _)| arrival - at > STOPPED);
        let restarted = self.stopped.take().is_some_and(|before| !burst && (offset - before).abs() < AS_LATE);
        if silence && offset - self.base > STOPPED {
            self.stopped = Some(offset);
        }
        let leap =
            self.count > 0 && (restarted || !(self.base - CLOCK_AHEAD..self.base + CLOCK_BEHIND).contains(&offset));
        if leap {
            self.forget();
        }
        // What comes all at once after a stall is one event, told by its first packet.
        self.last = Some((arrival, media_time));
        if !burst || offset < self.base {
            self.offsets[self.at] = offset;
            self.at = (self.at + 1) % WINDOW;
            self.count = (self.count + 1).min(WINDOW);
        }
        let scratch = &mut self.scratch[..self.count];
        scratch.copy_from_slice(&self.offsets[..self.count]);
        let (faster, &mut in_time, _) = scratch.select_nth_unstable((self.count - 1) * IN_TIME / 1000);
        self.base = faster.iter().copied().min().unwrap_or(in_time);
        let needed = in_time - self.base + MARGIN;
        // A few packets prove that the network is slow, but not that it is fast.
        if needed > self.network_delay {
            self.network_delay = needed;
        } else if self.count >= 25 {
            self.network_delay -= (self.network_delay - needed) / SHRINKING;
        }
        self.network_delay = self.network_delay.min(self.limits.most.as_micros() as i64);
        self.lesson -= self.lesson / FORGETTING;
        if let Some((since, missing)) = self.dry.take_if(|(_, missing)| media_time >= *missing) {
            // The packet came, and was no later than the delay allows: so we asked too early.
            let in_time = media_time - missing < 1_000 && offset - self.base <= self.delay();
            if in_time && arrival - since < 30_000 {
                self.lesson = (self.lesson + LESSON).min(MAX_LESSON);
            }
        }
        !leap
    }

    fn run_dry(&mut self, now: i64, expected: Option<i64>) {
        self.dry = expected.map(|expected| (now, expected));
    }

    /// What to do about a packet that is asked for at `now`, when sound for another `stored` is at hand. A packet must be
    /// here when it is asked for, so it is the asking that is to be on time, and it only moves by whole ticks; what is
    /// stored beyond is mere latency.
    fn stretch(&mut self, now: i64, media_time: i64, stored: i64) -> Stretch {
        let late_by = now - self.due(media_time);
        self.late_by += (late_by - self.late_by) / 8;
        let tick = self.limits.tick.as_micros().max(1) as i64;
        let surplus = stored + self.late_by.max(0) / tick * tick;
        if self.late_by < -TOO_EARLY {
            let missing = (-self.late_by + tick - 1) / tick * tick - stored;
            Stretch::Lengthen(Duration::from_micros(missing.max(WORTHWHILE) as u64))
        } else if surplus >= WORTHWHILE {
            Stretch::Shorten(Duration::from_micros(surplus as u64))
        } else {
            Stretch::None
        }
    }
}

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
