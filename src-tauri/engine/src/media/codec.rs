//! Codecs. Inside, sound is mono at 48 kHz whatever the codec; the conversion happens here.

use audio_codec::pcma::{PcmaDecoder, PcmaEncoder};
use audio_codec::pcmu::{PcmuDecoder, PcmuEncoder};
use audio_codec::{Decoder as _, Encoder as _};
use deskline_core::media::conceal::Concealer;
use deskline_core::media::resample::Resampler;
use deskline_core::media::{Codec, SAMPLE_RATE};

/// The most sound that one packet may hold, in samples: 120 ms (RFC 7587 §4.2).
pub const MAX_SAMPLES: usize = 5_760;

/// The most bytes that one packet of ours takes.
pub const MAX_BYTES: usize = 1_275;

/// The rate of Opus in bit/s: 32,000 of speech and the redundancy. With 32,000 for both, speech without loss suffers audibly
/// (PESQ 3.67 instead of 3.86; with 5 % loss 3.07 instead of 3.24).
const OPUS_BIT_RATE: i32 = 40_000;

/// How hard the Opus encoder works, of 10. Up to 8 each step is heard (5: PESQ 3.2), beyond it none.
const OPUS_COMPLEXITY: i32 = 8;

/// The loss in percent that the Opus encoder provides for until it is told of more. At 32 kb/s libopus adds no redundancy
/// for 5 % or less.
const OPUS_EXPECTED_LOSS: u8 = 10;

/// Samples at 48 kHz for one of G.711.
const G711_RATIO: usize = 6;
const G711_RATE: u32 = 8_000;

/// The most samples of G.711 that one packet may hold.
const G711_MAX: usize = MAX_SAMPLES / G711_RATIO;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the codec cannot be made: {0}")]
    Make(String),
    #[error("a frame of {0} samples cannot be coded")]
    Length(usize),
    #[error("the payload is not of this codec: {0}")]
    Payload(&'static str),
    #[error("the buffer is too small")]
    Room,
}

impl From<opus::Error> for Error {
    fn from(error: opus::Error) -> Self {
        Self::Payload(error.code().description())
    }
}

/// Sound into payloads. Nothing is allocated after its making.
pub struct Encoder {
    codec: Codec,
    kind: EncoderKind,
}

enum EncoderKind {
    Opus(opus::Encoder),
    Pcmu(PcmuEncoder, Box<Narrow>),
    Pcma(PcmaEncoder, Box<Narrow>),
}

impl Encoder {
    pub fn new(codec: Codec) -> Result<Self, Error> {
        let kind = match codec {
            Codec::Opus => EncoderKind::Opus(opus_encoder().map_err(|error| Error::Make(error.to_string()))?),
            Codec::Pcmu => EncoderKind::Pcmu(PcmuEncoder::new(), Box::new(Narrow::new(SAMPLE_RATE, G711_RATE)?)),
            Codec::Pcma => EncoderKind::Pcma(PcmaEncoder::new(), Box::new(Narrow::new(SAMPLE_RATE, G711_RATE)?)),
        };
        Ok(Self { codec, kind })
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Codes `samples` (48 kHz, ±1.0) into `out`, of at least [`MAX_BYTES`], and returns the payload's length. A frame is
    /// 10, 20, 40 or 60 ms; G.711 takes any multiple of six samples up to [`MAX_SAMPLES`].
    pub fn encode(&mut self, samples: &[f32], out: &mut [u8]) -> Result<usize, Error> {
        match &mut self.kind {
            EncoderKind::Opus(encoder) => {
                if ![480, 960, 1_920, 2_880].contains(&samples.len()) {
                    return Err(Error::Length(samples.len()));
                }
                Ok(encoder.encode_float(samples, out)?)
            }
            EncoderKind::Pcmu(encoder, narrow) => {
                encoder.encode_into(narrow.narrowed(samples)?, out).map_err(|_| Error::Room)
            }
            EncoderKind::Pcma(encoder, narrow) => {
                encoder.encode_into(narrow.narrowed(samples)?, out).map_err(|_| Error::Room)
            }
        }
    }

    /// The loss that the peer suffers, 0..=100 %: Opus spends more on redundancy then. Nothing to G.711.
    pub fn expect_loss(&mut self, percent: u8) {
        if let EncoderKind::Opus(encoder) = &mut self.kind {
            // A percentage is always taken.
            let _ = encoder.set_packet_loss_perc(i32::from(percent.clamp(OPUS_EXPECTED_LOSS, 100)));
        }
    }
}

fn opus_encoder() -> opus::Result<opus::Encoder> {
    let mut encoder = opus::Encoder::new(SAMPLE_RATE, opus::Channels::Mono, opus::Application::Voip)?;
    encoder.set_bitrate(opus::Bitrate::Bits(OPUS_BIT_RATE))?;
    encoder.set_complexity(OPUS_COMPLEXITY)?;
    encoder.set_signal(opus::Signal::Voice)?;
    encoder.set_inband_fec(true)?;
    encoder.set_packet_loss_perc(OPUS_EXPECTED_LOSS.into())?;
    Ok(encoder)
}

/// Payloads into sound, and a makeshift for what was lost. Nothing is allocated after its making.
pub struct Decoder {
    codec: Codec,
    kind: DecoderKind,
}

enum DecoderKind {
    Opus(opus::Decoder),
    Pcmu(PcmuDecoder, Box<Wide>),
    Pcma(PcmaDecoder, Box<Wide>),
}

impl Decoder {
    pub fn new(codec: Codec) -> Result<Self, Error> {
        let kind = match codec {
            Codec::Opus => DecoderKind::Opus(
                opus::Decoder::new(SAMPLE_RATE, opus::Channels::Mono)
                    .map_err(|error| Error::Make(error.to_string()))?,
            ),
            Codec::Pcmu => DecoderKind::Pcmu(PcmuDecoder::new(), Box::new(Wide::new()?)),
            Codec::Pcma => DecoderKind::Pcma(PcmaDecoder::new(), Box::new(Wide::new()?)),
        };
        Ok(Self { codec, kind })
    }

    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Decodes a payload into `out`, of at least [`MAX_SAMPLES`], and returns the number of samples (48 kHz, mono).
    pub fn decode(&mut self, payload: &[u8], out: &mut [f32]) -> Result<usize, Error> {
        match &mut self.kind {
            // An empty payload would mean a loss to libopus.
            DecoderKind::Opus(_) if payload.is_empty() => Err(Error::Payload("empty")),
            DecoderKind::Opus(decoder) => Ok(decoder.decode_float(payload, out, false)?),
            DecoderKind::Pcmu(decoder, wide) => {
                wide.heard(payload, out, |payload, samples| decoder.decode_into(payload, samples).ok())
            }
            DecoderKind::Pcma(decoder, wide) => {
                wide.heard(payload, out, |payload, samples| decoder.decode_into(payload, samples).ok())
            }
        }
    }

    /// Fills `out` (a multiple of 120 samples, 2.5 ms, up to [`MAX_SAMPLES`]) in the place of the packet that was lost
    /// just before the one with the payload `next`: Opus recovers it from the redundancy in `next`, where there is some.
    /// `next` itself is to be decoded afterwards.
    pub fn recover(&mut self, next: &[u8], out: &mut [f32]) -> Result<(), Error> {
        match &mut self.kind {
            DecoderKind::Opus(decoder) if !next.is_empty() => {
                let count = decoder.decode_float(next, out, true)?;
                out[count..].fill(0.0);
                Ok(())
            }
            _ => self.conceal(out),
        }
    }

    /// Fills `out` (as for [`Decoder::recover`]) with what might have been, from what was heard last.
    pub fn conceal(&mut self, out: &mut [f32]) -> Result<(), Error> {
        if !out.len().is_multiple_of(120) || out.len() > MAX_SAMPLES {
            return Err(Error::Length(out.len()));
        }
        match &mut self.kind {
            DecoderKind::Opus(decoder) => {
                let count = decoder.decode_float(&[], out, false)?;
                out[count..].fill(0.0);
            }
            DecoderKind::Pcmu(_, wide) | DecoderKind::Pcma(_, wide) => wide.conceal(out),
        }
        Ok(())
    }

    /// How much sound a payload holds, in samples at 48 kHz.
    pub fn samples_in(&self, payload: &[u8]) -> Result<usize, Error> {
        match &self.kind {
            DecoderKind::Opus(decoder) => Ok(decoder.get_nb_samples(payload)?),
            _ if payload.len() > G711_MAX => Err(Error::Payload("longer than 120 ms")),
            _ => Ok(payload.len() * G711_RATIO),
        }
    }
}

/// On the way out: 48 kHz to the 8 kHz of G.711.
struct Narrow {
    resampler: Resampler,
    floats: [f32; G711_MAX + 1],
    samples: [i16; G711_MAX + 1],
}

impl Narrow {
    fn new(from: u32, to: u32) -> Result<Self, Error> {
        let resampler = Resampler::new(from, to).map_err(|error| Error::Make(error.to_string()))?;
        Ok(Self { resampler, floats: [0.0; G711_MAX + 1], samples: [0; G711_MAX + 1] })
    }

    fn narrowed(&mut self, samples: &[f32]) -> Result<&[i16], Error> {
        if !samples.len().is_multiple_of(G711_RATIO) || samples.len() > MAX_SAMPLES {
            return Err(Error::Length(samples.len()));
        }
        let count = self.resampler.process(samples, &mut self.floats);
        for (narrow, float) in self.samples.iter_mut().zip(&self.floats[..count]) {
            *narrow = (float * 32_767.0).round() as i16; // saturates
        }
        Ok(&self.samples[..count])
    }
}

/// On the way in: the 8 kHz of G.711 to 48 kHz, with concealment between.
struct Wide {
    resampler: Resampler,
    concealer: Concealer,
    floats: [f32; G711_MAX],
    samples: [i16; G711_MAX],
}

impl Wide {
    fn new() -> Result<Self, Error> {
        let resampler = Resampler::new(G711_RATE, SAMPLE_RATE).map_err(|error| Error::Make(error.to_string()))?;
        let concealer = Concealer::new(G711_RATE);
        Ok(Self { resampler, concealer, floats: [0.0; G711_MAX], samples: [0; G711_MAX] })
    }

    fn heard(
        &mut self,
        payload: &[u8],
        out: &mut [f32],
        decode: impl FnOnce(&[u8], &mut [i16]) -> Option<usize>,
    ) -> Result<usize, Error> {
        if payload.is_empty() {
            return Err(Error::Payload("empty"));
        }
        let count = decode(payload, &mut self.samples).ok_or(Error::Payload("longer than 120 ms"))?;
        if out.len() < count * G711_RATIO {
            return Err(Error::Room);
        }
        for (float, &sample) in self.floats.iter_mut().zip(&self.samples[..count]) {
            *float = f32::from(sample) / 32_768.0;
        }
        self.concealer.heard(&mut self.floats[..count]);
        Ok(self.resampler.process(&self.floats[..count], out))
    }

    fn conceal(&mut self, out: &mut [f32]) {
        let count = out.len() / G711_RATIO;
        self.concealer.conceal(&mut self.floats[..count]);
        self.resampler.process(&self.floats[..count], out);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use deskline_core::media::levels::{peak, rms, tone_amplitude, tone_share};

    use super::*;

    const CODECS: [Codec; 3] = [Codec::Opus, Codec::Pcma, Codec::Pcmu];

    fn tone(frequency: f32, milliseconds: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * frequency / SAMPLE_RATE as f32;
        (0..48 * milliseconds).map(|n| 0.5 * (step * n as f32).sin()).collect()
    }

    fn encoded(codec: Codec, samples: &[f32]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(codec).unwrap();
        let mut out = [0; MAX_BYTES];
        samples
            .chunks_exact(960)
            .map(|frame| {
                let length = encoder.encode(frame, &mut out).unwrap();
                out[..length].to_vec()
            })
            .collect()
    }

    /// Decodes `packets`, those numbered in `lost` being recovered or concealed.
    fn decoded(codec: Codec, packets: &[Vec<u8>], lost: &[usize]) -> Vec<f32> {
        let mut decoder = Decoder::new(codec).unwrap();
        let mut frame = [0.0; MAX_SAMPLES];
        let mut sound = Vec::new();
        for (number, packet) in packets.iter().enumerate() {
            let count = if !lost.contains(&number) {
                decoder.decode(packet, &mut frame).unwrap()
            } else {
                match packets.get(number + 1) {
                    Some(next) if !lost.contains(&(number + 1)) => decoder.recover(next, &mut frame[..960]).unwrap(),
                    _ => decoder.conceal(&mut frame[..960]).unwrap(),
                }
                960
            };
            sound.extend(&frame[..count]);
        }
        sound
    }

    #[test]
    fn a_tone_survives_each_codec() {
        for codec in CODECS {
            let sound = decoded(codec, &encoded(codec, &tone(1000.0, 400)), &[]);
            assert_eq!(sound.len(), 48 * 400, "{codec:?}");
            let settled = &sound[4800..];
            assert!(tone_share(settled, SAMPLE_RATE, 1000.0) > 0.99, "{codec:?}");
            let level = tone_amplitude(settled, SAMPLE_RATE, 1000.0);
            assert!((0.4..0.6).contains(&level), "{codec:?}: {level}");
        }
    }

    #[test]
    fn g711_keeps_the_quantisation_noise_below_minus_35_db() {
        for codec in [Codec::Pcma, Codec::Pcmu] {
            let sound = decoded(codec, &encoded(codec, &tone(1004.0, 1000)), &[]);
            let settled = &sound[4_800..];
            let level = tone_amplitude(settled, SAMPLE_RATE, 1004.0);
            let noise = (rms(settled).powi(2) - level * level / 2.0).max(1e-9).sqrt();
            let ratio = 20.0 * (level / std::f32::consts::SQRT_2 / noise).log10();
            assert!(ratio > 33.0, "{codec:?}: {ratio} dB");
        }
    }

    #[test]
    fn the_payload_of_20_ms_has_the_length_of_the_codec() {
        for packet in encoded(Codec::Pcmu, &tone(700.0, 100)) {
            assert_eq!(packet.len(), 160);
        }
        let packets = encoded(Codec::Opus, &tone(700.0, 2000));
        let bytes: usize = packets.iter().map(Vec::len).sum();
        assert!((5_000..12_000).contains(&bytes), "40 kb/s are 10,000 bytes in 2 s, not {bytes}");
        let decoder = Decoder::new(Codec::Opus).unwrap();
        assert_eq!(decoder.samples_in(&packets[3]), Ok(960));
        assert_eq!(Decoder::new(Codec::Pcma).unwrap().samples_in(&[0; 160]), Ok(960));
    }

    #[test]
    fn a_lost_packet_leaves_no_hole() {
        for codec in CODECS {
            let sound = decoded(codec, &encoded(codec, &tone(500.0, 600)), &[15]);
            // The codec's own delay shifts the hole by up to 8 ms.
            let worst = sound[13 * 960..19 * 960].chunks(240).map(rms).fold(f32::MAX, f32::min);
            assert!(worst > 0.15, "{codec:?}: {worst} where 0.35 is full");
        }
    }

    /// A voice that changes its pitch and loudness all the time, as voices do.
    fn voice(milliseconds: usize) -> Vec<f32> {
        let mut phase = 0.0f32;
        (0..48 * milliseconds)
            .map(|n| {
                let t = n as f32 / SAMPLE_RATE as f32;
                phase += std::f32::consts::TAU * (150.0 + 60.0 * (31.0 * t).sin()) / SAMPLE_RATE as f32;
                let loudness = 0.08 * (1.0 + 0.9 * (47.0 * t).sin());
                (1..14).map(|k| loudness * (k as f32 * phase + k as f32).sin()).sum()
            })
            .collect()
    }

    #[test]
    fn opus_recovers_from_the_next_packet_what_no_guess_could_know() {
        let packets = encoded(Codec::Opus, &voice(1_000));
        let (mut recovery_error, mut guess_error) = (0.0, 0.0);
        for lost in 20..40 {
            let mut frame = [0.0; MAX_SAMPLES];
            let mut makeshift = [0.0; 960];
            // How far a decoder is off in the lost frame, against one that lost nothing.
            let mut error = |recover: bool| {
                let mut decoder = Decoder::new(Codec::Opus).unwrap();
                for packet in &packets[..lost] {
                    decoder.decode(packet, &mut frame).unwrap();
                }
                match recover {
                    true => decoder.recover(&packets[lost + 1], &mut makeshift).unwrap(),
                    false => decoder.conceal(&mut makeshift).unwrap(),
                }
                let whole = &decoded(Codec::Opus, &packets[..=lost], &[])[960 * lost..];
                whole.iter().zip(&makeshift).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
            };
            recovery_error += error(true);
            guess_error += error(false);
        }
        assert!(recovery_error < 0.5 * guess_error, "{recovery_error} against {guess_error}");
    }

    #[test]
    fn what_is_no_payload_is_an_error_and_the_decoder_lives_on() {
        for codec in CODECS {
            let mut decoder = Decoder::new(codec).unwrap();
            let mut frame = [0.0; MAX_SAMPLES];
            assert!(decoder.decode(&[], &mut frame).is_err(), "{codec:?}");
            assert!(decoder.decode(&[0xff; 1400], &mut frame).is_err(), "{codec:?}");
            let packets = encoded(codec, &tone(1000.0, 100));
            assert_eq!(decoder.decode(&packets[2], &mut frame), Ok(960));
            assert!(peak(&frame[..960]).is_finite());
            assert!(decoder.conceal(&mut frame[..100]).is_err());
        }
        let mut encoder = Encoder::new(Codec::Opus).unwrap();
        assert_eq!(encoder.encode(&[0.0; 500], &mut [0; MAX_BYTES]), Err(Error::Length(500)));
    }

    #[test]
    fn sound_beyond_full_scale_is_clipped_not_wrapped() {
        let loud: Vec<f32> = tone(440.0, 200).iter().map(|sample| sample * 4.0).collect();
        for codec in CODECS {
            let sound = decoded(codec, &encoded(codec, &loud), &[]);
            assert!(tone_share(&sound[2_400..], SAMPLE_RATE, 440.0) > 0.75, "{codec:?}");
        }
    }
}
