//! The packets of an Ogg file with Opus in it (RFC 3533 and RFC 7845), counted by their first bytes.

const PAGE_HEADER: usize = 27;
/// Where a page says how many lacing values follow its header.
const LACING_COUNT: usize = 26;
/// The least that is read of a packet: its kind, or how long it is.
const PACKET_HEAD: usize = 8;
const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
/// No packet lasts longer.
const LONGEST_PACKET: u64 = 120_000;

/// Walks from packet to packet. It looks at the head of each page, the first bytes of each packet and
/// at nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packets {
    /// The beginning of the page at hand, as far as its lacing values go.
    page: Vec<u8>,
    /// Lengths of the pieces of packets that are still to pass, the last one first.
    pieces: Vec<u8>,
    /// What of the piece at hand is still to pass.
    left: usize,
    /// Whether the piece at hand ends its packet.
    ends_packet: bool,
    /// The first bytes of the packet at hand, which may have begun on the page before.
    head: Vec<u8>,
    has_open_packet: bool,
    /// Which stream it is; of several, none is told.
    serial: Option<Vec<u8>>,
    seen: u64,
    microseconds: u64,
}

impl Packets {
    /// `None` once something is no page of the one stream.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passing = self.left.min(bytes.len());
                let missing = PACKET_HEAD.saturating_sub(self.head.len()).min(passing);
                self.head.extend_from_slice(bytes.get(..missing)?);
                self.left -= passing;
                bytes = bytes.get(passing..)?;
                self.end_pieces()?;
                continue;
            }
            let wanted = match self.page.get(LACING_COUNT) {
                Some(count) => PAGE_HEADER + usize::from(*count),
                None => PAGE_HEADER,
            };
            let taken = (wanted - self.page.len()).min(bytes.len());
            self.page.extend_from_slice(bytes.get(..taken)?);
            bytes = bytes.get(taken..)?;
            let count = self.page.get(LACING_COUNT).copied();
            if count.is_some_and(|count| self.page.len() == PAGE_HEADER + usize::from(count)) {
                self.begin_page()?;
                self.end_pieces()?;
            }
        }
        Some(())
    }

    pub(super) fn milliseconds(&self) -> Option<u64> {
        let is_whole = self.page.is_empty() && self.left == 0 && self.pieces.is_empty() && !self.has_open_packet;
        (is_whole && self.seen > 2).then(|| self.microseconds.div_ceil(1_000))
    }

    fn begin_page(&mut self) -> Option<()> {
        let page = std::mem::take(&mut self.page);
        let flags = *page.get(5)?;
        let is_page = page.starts_with(b"OggS\0")
            && (flags & CONTINUED != 0) == self.has_open_packet
            && (flags & FIRST != 0) == self.serial.is_none();
        let serial = page.get(14..18)?;
        if !is_page || self.serial.get_or_insert_with(|| serial.to_vec()) != serial {
            return None;
        }
        self.pieces = page.get(PAGE_HEADER..)?.iter().rev().copied().collect();
        Some(())
    }

    /// Goes on to the next piece that has bytes.
    fn end_pieces(&mut self) -> Option<()> {
        while self.left == 0 {
            if std::mem::take(&mut self.ends_packet) {
                self.end_packet()?;
            }
            let Some(length) = self.pieces.pop() else { break };
            // A full piece goes on in the next one.
            self.ends_packet = length < u8::MAX;
            self.has_open_packet = true;
            self.left = usize::from(length);
        }
        Some(())
    }

    fn end_packet(&mut self) -> Option<()> {
        let head = std::mem::take(&mut self.head);
        self.has_open_packet = false;
        self.seen += 1;
        match self.seen {
            1 => head.starts_with(b"OpusHead").then_some(()),
            2 => head.starts_with(b"OpusTags").then_some(()),
            _ => {
                self.microseconds += microseconds(&head)?;
                Some(())
            }
        }
    }
}

/// How long a packet lasts (RFC 6716, section 3.1).
fn microseconds(head: &[u8]) -> Option<u64> {
    let kind = *head.first()?;
    let (configuration, code) = (kind >> 3, kind & 0b11);
    let frame: &u64 = match configuration {
        0..=11 => [10_000, 20_000, 40_000, 60_000].get(usize::from(configuration & 0b11)),
        12..=15 => [10_000, 20_000].get(usize::from(configuration & 1)),
        _ => [2_500, 5_000, 10_000, 20_000].get(usize::from(configuration & 0b11)),
    }?;
    let frames = match code {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(head.get(1)? & 0b11_1111),
    };
    let length = frame.checked_mul(frames)?;
    (1..=LONGEST_PACKET).contains(&length).then_some(length)
}
