//! The frames of an MP3 (ISO 11172-3, section 2.4.2.3, and ISO 13818-3), counted by their headers.

const HEADER: usize = 4;
const TAG_HEADER: usize = 10;
/// An `ID3v1` tag, which is always last.
const LAST_TAG: usize = 128;

/// Kilobits a second, by the index in the header, for layer III.
const BITRATES_1: [u64; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const BITRATES_2: [u64; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES: [u64; 3] = [44_100, 48_000, 32_000];

/// Walks from frame to frame. It looks at four bytes of each and at nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// How many bytes of the frame at hand are still to pass.
    to_pass: usize,
    /// The beginning of the next header.
    header: Vec<u8>,
    samples: u64,
    rate: Option<u64>,
    has_begun: bool,
    is_over: bool,
}

/// What one header says.
struct Frame {
    length: usize,
    samples: u64,
    rate: u64,
}

impl Frames {
    /// `None` once something is neither a frame nor a tag.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            if self.to_pass > 0 {
                let passing = self.to_pass.min(bytes.len());
                self.to_pass -= passing;
                bytes = bytes.get(passing..)?;
                continue;
            }
            if self.is_over {
                return None;
            }
            let wanted = if !self.has_begun && self.header.starts_with(b"ID3") {
                TAG_HEADER
            } else {
                HEADER
            };
            let taken = (wanted - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(bytes.get(..taken)?);
            bytes = bytes.get(taken..)?;
            if self.header.len() == wanted {
                self.begin()?;
            }
        }
        Some(())
    }

    pub(super) fn milliseconds(&self) -> Option<u64> {
        let is_whole = self.to_pass == 0 && self.header.is_empty();
        let rate = self.rate.filter(|_| is_whole)?;
        Some(self.samples.saturating_mul(1_000).div_ceil(rate))
    }

    /// The header is there, or enough of it to know that it is a tag.
    fn begin(&mut self) -> Option<()> {
        if !self.has_begun && self.header.starts_with(b"ID3") {
            if self.header.len() == TAG_HEADER {
                self.to_pass = tag_length(&self.header)?;
                self.header.clear();
                self.has_begun = true;
            }
            return Some(());
        }
        self.has_begun = true;
        if self.header.starts_with(b"TAG") {
            self.to_pass = LAST_TAG - HEADER;
            self.is_over = true;
            self.header.clear();
            return Some(());
        }
        let frame = Frame::read(&self.header)?;
        if *self.rate.get_or_insert(frame.rate) != frame.rate {
            return None;
        }
        self.samples += frame.samples;
        self.to_pass = frame.length.checked_sub(HEADER)?;
        self.header.clear();
        Some(())
    }
}

impl Frame {
    fn read(header: &[u8]) -> Option<Self> {
        let [first, second, third, _] = header else { return None };
        let is_frame = *first == 0xff && second & 0xe0 == 0xe0;
        let is_layer_3 = second & 0b110 == 0b010;
        // MPEG 1, 2 and 2.5: each later one has half the samples a second.
        let (shift, bitrates, samples) = match second >> 3 & 0b11 {
            0b11 => (0, BITRATES_1, 1_152),
            0b10 => (1, BITRATES_2, 576),
            0b00 => (2, BITRATES_2, 576),
            _ => return None,
        };
        let kilobits = usize::from(third >> 4)
            .checked_sub(1)
            .and_then(|index| bitrates.get(index))?;
        let rate = RATES.get(usize::from(third >> 2 & 0b11))? >> shift;
        let padding = u64::from(third >> 1 & 1);
        let length = samples / 8 * kilobits * 1_000 / rate + padding;
        (is_frame && is_layer_3).then_some(Self {
            length: usize::try_from(length).ok()?,
            samples,
            rate,
        })
    }
}

/// The length of an `ID3v2` tag behind its header: four times seven bits.
fn tag_length(header: &[u8]) -> Option<usize> {
    let size = header.get(6..TAG_HEADER)?;
    if size.iter().any(|byte| byte & 0x80 != 0) {
        return None;
    }
    Some(size.iter().fold(0, |length, byte| length << 7 | usize::from(*byte)))
}
