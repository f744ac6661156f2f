//! How long a sound lasts, told from its bytes.
//!
//! Providers bill sound by its length, and often do not report it. [`SoundMeter`] watches a sound
//! pass by and tells its length where the bytes prove it: uncompressed sound, MP3, whose every frame
//! says how long it is, and Opus in Ogg, whose every packet does. [`most_milliseconds`] is what has to
//! do before it has passed.

mod mp3;
mod opus;
#[cfg(test)]
mod tests;

use self::{mp3::Frames, opus::Packets};

const MILLIS_PER_SECOND: u64 = 1_000;
/// Four kilobits: below what any codec in use makes of speech. Silence can be less, by any factor: Opus
/// tells of it packet by packet, and FLAC in its header. What is left is a file of hours of silence in
/// MP4 or `WebM`, one that lies in its header, or one too large to be here when it is held for.
const LEAST_BYTES_PER_SECOND: u64 = 500;
/// Where the header of a WAVE file ends that begins as nearly all do.
const WAVE_HEADER: usize = 36;
/// As OpenAI writes it: 24,000 samples of two bytes.
const RAW_BYTES_PER_SECOND: u64 = 48_000;

/// The most that `bytes` of a sound that begins with `head` can last.
pub(crate) fn most_milliseconds(head: &[u8], bytes: u64) -> u64 {
    let per_second = wave_bytes_per_second(head).unwrap_or(LEAST_BYTES_PER_SECOND);
    milliseconds(bytes, per_second).max(flac_milliseconds(head).unwrap_or_default())
}

/// The most that a sound can last that is here whole.
pub(crate) fn most_milliseconds_of(sound: &[u8]) -> u64 {
    let mut meter = SoundMeter::default();
    meter.feed(sound);
    meter
        .milliseconds()
        .unwrap_or_else(|| most_milliseconds(sound, sound.len() as u64))
}

/// Watches a sound pass by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoundMeter {
    bytes: u64,
    /// The first bytes, until there are enough to tell what it is.
    head: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Untold,
    Uncompressed {
        bytes_per_second: u64,
    },
    Mp3(Frames),
    Opus(Packets),
    /// Its bytes do not prove how long it lasts.
    Other,
}

impl SoundMeter {
    /// For samples without a header, as OpenAI writes them.
    pub(crate) fn raw() -> Self {
        Self {
            kind: Kind::Uncompressed {
                bytes_per_second: RAW_BYTES_PER_SECOND,
            },
            ..Self::default()
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        if !matches!(self.kind, Kind::Untold) {
            self.kind.feed(bytes);
            return;
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() >= WAVE_HEADER {
            self.tell();
        }
    }

    /// How long it is, once all of it has passed; `None` where the bytes do not prove it.
    pub fn milliseconds(&self) -> Option<u64> {
        match &self.kind {
            Kind::Uncompressed { bytes_per_second } => Some(milliseconds(self.bytes, *bytes_per_second)),
            Kind::Mp3(frames) => frames.milliseconds(),
            Kind::Opus(packets) => packets.milliseconds(),
            Kind::Untold | Kind::Other => None,
        }
    }

    fn tell(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.kind = match wave_bytes_per_second(&head) {
            Some(bytes_per_second) => Kind::Uncompressed { bytes_per_second },
            None if head.starts_with(b"RIFF") => Kind::Other,
            None if head.starts_with(b"OggS") => Kind::Opus(Packets::default()),
            None => Kind::Mp3(Frames::default()),
        };
        self.kind.feed(&head);
    }
}

impl Kind {
    fn feed(&mut self, bytes: &[u8]) {
        let fed = match self {
            Self::Mp3(frames) => frames.feed(bytes),
            Self::Opus(packets) => packets.feed(bytes),
            Self::Untold | Self::Uncompressed { .. } | Self::Other => return,
        };
        if fed.is_none() {
            *self = Self::Other;
        }
    }
}

fn milliseconds(bytes: u64, bytes_per_second: u64) -> u64 {
    bytes
        .saturating_mul(MILLIS_PER_SECOND)
        .div_ceil(bytes_per_second.max(1))
}

/// How long a FLAC lasts by its header (RFC 9639, section 8.2); zero where that does not say.
fn flac_milliseconds(head: &[u8]) -> Option<u64> {
    const STREAM_INFO: &[u8] = b"fLaC\0\0\0\x22";
    const BITS_OF_SAMPLES: u32 = 36;
    const BITS_BEHIND_RATE: u32 = 44;
    let info = head
        .strip_prefix(STREAM_INFO)
        .or_else(|| head.strip_prefix(b"fLaC\x80\0\0\x22"))?;
    let numbers = u64::from_be_bytes(info.get(10..18)?.try_into().ok()?);
    let (rate, samples) = (numbers >> BITS_BEHIND_RATE, numbers & ((1 << BITS_OF_SAMPLES) - 1));
    samples
        .checked_mul(MILLIS_PER_SECOND)?
        .checked_div(rate)?
        .checked_add(1)
}

/// The bytes of a second of uncompressed sound, if that is what begins with `head` and its numbers
/// agree. Security invariant: a header whose numbers contradict each other is not believed, for the
/// provider may believe the other one.
fn wave_bytes_per_second(head: &[u8]) -> Option<u64> {
    const UNCOMPRESSED: [u64; 2] = [1, 3];
    let number = |at: usize, length: usize| {
        let bytes = head.get(at..at + length)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        )
    };
    let is_wave = head.get(..4)? == b"RIFF" && head.get(8..16)? == b"WAVEfmt ";
    let (format, channels, rate) = (number(20, 2)?, number(22, 2)?, number(24, 4)?);
    let (per_second, per_frame, bits) = (number(28, 4)?, number(32, 2)?, number(34, 2)?);
    let agrees = UNCOMPRESSED.contains(&format)
        && channels > 0
        && bits > 0
        && bits % 8 == 0
        && per_frame == channels * (bits / 8)
        && per_second == rate * per_frame;
    (is_wave && agrees && per_second > 0).then_some(per_second)
}
