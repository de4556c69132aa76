//! What RTCP reports about a stream that is received (RFC 3550 §6.4.1, A.3, A.8).

use std::time::Instant;

use super::rtp::{Header, SequenceLine};

/// Counts one stream.
#[derive(Debug, Default)]
pub struct Reception {
    source: Option<u32>,
    line: SequenceLine,
    first: u64,
    highest: u64,
    received: u64,
    /// Of sources before the present one.
    lost_before: u64,
    received_before: u64,
    /// Arrival and timestamp of the last packet.
    last: Option<(Instant, u32)>,
    /// In timestamp units.
    jitter: f32,
    /// Expected and received at the last report.
    reported: (u64, u64),
}

/// One report block about the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub ssrc: u32,
    /// Since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Since the beginning, in 24 bits.
    pub lost: u32,
    /// The highest sequence number, with its turns in the upper half.
    pub highest: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
}

impl Reception {
    /// Counts a packet. Jitter is taken from packets of sound only (`sound`), whose timestamps follow the clock.
    pub fn handle(&mut self, header: &Header, arrival: Instant, clock_rate: u32, sound: bool) {
        let leap = self.line.distance(header.sequence).is_some_and(|distance| i32::from(distance).abs() > 3_000);
        if self.source != Some(header.ssrc) || leap {
            *self = Self {
                source: Some(header.ssrc),
                lost_before: self.lost(),
                received_before: self.received_before + self.received,
                ..Self::default()
            };
        }
        let position = self.line.place(header.sequence);
        if self.received == 0 {
            (self.first, self.highest) = (position, position);
        }
        self.first = self.first.min(position);
        self.highest = self.highest.max(position);
        self.received += 1;
        if !sound {
            return;
        }
        if let Some((at, timestamp)) = self.last {
            let elapsed = arrival.saturating_duration_since(at).as_secs_f32() * clock_rate as f32;
            let difference = (elapsed - super::rtp::timestamp_distance(header.timestamp, timestamp) as f32).abs();
            // A pause or a new clock says nothing about the network.
            if difference < clock_rate as f32 {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
        self.last = Some((arrival, header.timestamp));
    }

    pub fn received(&self) -> u64 {
        self.received_before + self.received
    }

    /// Packets that never came (so far). Duplicates make up for losses, as in RFC 3550.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.expected().saturating_sub(self.received)
    }

    /// In milliseconds.
    pub fn jitter_ms(&self, clock_rate: u32) -> f32 {
        self.jitter * 1000.0 / clock_rate.max(1) as f32
    }

    /// A report block, and the beginning of the next interval. `None` before the first packet.
    pub fn report(&mut self) -> Option<Report> {
        let ssrc = self.source?;
        let now = (self.expected(), self.received);
        let expected = now.0.saturating_sub(self.reported.0);
        let lost = expected.saturating_sub(now.1.saturating_sub(self.reported.1));
        self.reported = now;
        Some(Report {
            ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            lost: self.expected().saturating_sub(self.received).min(0x7f_ffff) as u32,
            highest: self.highest.saturating_sub(0x1_0000) as u32,
            jitter: self.jitter as u32,
        })
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.first + 1 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn header(number: u64) -> Header {
        Header {
            marker: false,
            payload_type: 0,
            sequence: 65_530u16.wrapping_add(number as u16),
            timestamp: number as u32 * 160,
            ssrc: 9,
        }
    }

    #[test]
    fn losses_are_counted_and_reported_per_interval() {
        let start = Instant::now();
        let mut reception = Reception::default();
        assert_eq!(reception.report(), None);
        for number in (0..100).filter(|number| number % 4 != 1) {
            reception.handle(&header(number), start + Duration::from_millis(20 * number), 8_000, true);
        }
        assert_eq!((reception.received(), reception.lost()), (75, 25));
        let report = reception.report().expect("packets have come");
        assert_eq!((report.fraction_lost, report.lost, report.jitter), (64, 25, 0));
        assert_eq!(report.highest, 0x1_0000 + (65_530 + 99) % 65_536);
        for number in 100..200 {
            reception.handle(&header(number), start + Duration::from_millis(20 * number), 8_000, true);
        }
        assert_eq!(reception.report().map(|report| (report.fraction_lost, report.lost)), Some((0, 25)));
    }

    #[test]
    fn jitter_follows_the_arrivals() {
        let start = Instant::now();
        let mut reception = Reception::default();
        for number in 0..500 {
            let late = if number % 2 == 0 { 0 } else { 8 };
            reception.handle(&header(number), start + Duration::from_millis(20 * number + late), 8_000, true);
        }
        assert!((reception.jitter_ms(8_000) - 8.0).abs() < 0.5, "{}", reception.jitter_ms(8_000));
    }

    #[test]
    fn a_new_source_does_not_count_as_loss() {
        let start = Instant::now();
        let mut reception = Reception::default();
        for number in 0..10 {
            reception.handle(&header(number), start, 8_000, true);
        }
        for number in 30_000..30_010 {
            reception.handle(&Header { ssrc: 10, ..header(number) }, start, 8_000, true);
        }
        assert_eq!((reception.received(), reception.lost()), (20, 0));
    }
}
