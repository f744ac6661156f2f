use super::*;

/// A WAVE header with these numbers.
fn wave(channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let per_frame = channels * bits / 8;
    let mut head = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0".to_vec();
    head.extend(channels.to_le_bytes());
    head.extend(rate.to_le_bytes());
    head.extend((rate * u32::from(per_frame)).to_le_bytes());
    head.extend(per_frame.to_le_bytes());
    head.extend(bits.to_le_bytes());
    head.extend(b"data\xff\xff\xff\xff");
    head
}

/// Frames of MPEG 2, layer III: 24,000 samples a second at 64 kilobits, so 192 bytes for 24 ms.
fn mp3(frames: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xf3, 0x84, 0xc4];
    frame.resize(192, 0);
    frame.repeat(frames)
}

fn length(sound: &[u8]) -> Option<u64> {
    let mut meter = SoundMeter::default();
    meter.feed(sound);
    for size in [1, 7, 1_000] {
        let mut cut = SoundMeter::default();
        sound.chunks(size).for_each(|piece| cut.feed(piece));
        assert_eq!(cut.milliseconds(), meter.milliseconds(), "in pieces of {size}");
    }
    meter.milliseconds()
}

#[test]
fn uncompressed_sound_is_as_long_as_its_bytes() {
    let mut sound = wave(1, 16_000, 16);
    sound.resize(64_000, 0);

    assert_eq!(length(&sound), Some(2_000));
    assert_eq!(most_milliseconds(&sound, 64_000), 2_000);
    let mut raw = SoundMeter::raw();
    raw.feed(&[0; 12_000]);
    assert_eq!(raw.milliseconds(), Some(250));
}

#[test]
fn a_slow_wave_lasts_as_long_as_it_says() {
    let mut sound = wave(1, 10, 8);
    sound.resize(1_000, 0);

    assert_eq!(most_milliseconds(&sound, 1_000), 100_000);
}

#[test]
fn numbers_that_contradict_each_other_are_not_believed() {
    let mut sound = wave(1, 16_000, 16);
    sound[28] = 0xff;
    sound.resize(1_000, 0);

    assert_eq!(length(&sound), None);
    assert_eq!(most_milliseconds(&sound, 1_000), 2_000);
    assert_eq!(most_milliseconds(b"RIFF", 1_000), 2_000);
}

#[test]
fn an_mp3_is_as_long_as_its_frames() {
    assert_eq!(length(&mp3(100)), Some(2_400));

    let mut tagged = b"ID3\x04\0\0\0\0\x01\x02".to_vec();
    tagged.extend([0; 130]);
    tagged.extend(mp3(10));
    tagged.extend(b"TAG");
    tagged.extend([0; 125]);
    assert_eq!(length(&tagged), Some(240));

    // MPEG 1 at 44,100 samples and 128 kilobits: 417 bytes, 418 where padded.
    let mut padded = vec![0xff, 0xfb, 0x90, 0];
    padded.resize(417, 0);
    padded.extend([0xff, 0xfb, 0x92, 0]);
    padded.resize(417 + 418, 0);
    assert_eq!(length(&padded), Some(53));
}

#[test]
fn what_the_bytes_do_not_prove_is_not_told() {
    let mut broken_off = mp3(10);
    broken_off.pop();
    let mut garbage_between = mp3(2);
    garbage_between.extend([0; 7]);
    garbage_between.extend(mp3(2));
    let mut two_rates = mp3(1);
    two_rates.extend([0xff, 0xf3, 0x80, 0xc4]);
    two_rates.resize(192 + 208, 0);

    for sound in [
        broken_off,
        garbage_between,
        two_rates,
        vec![0; 4_000],
        b"OggS".repeat(100),
        b"ID3\x04\0\0\xff\xff\xff\xff".repeat(10),
    ] {
        assert_eq!(length(&sound), None);
    }
    assert_eq!(length(&mp3(0)), None);
    assert_eq!(most_milliseconds(b"OggS", 1_000_000), 2_000_000);
}

/// A page of an Ogg stream with these packets.
fn page(flags: u8, serial: u8, packets: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend([0xff; 8]);
    page.extend([serial; 4]);
    page.extend([0; 8]);
    let lacing: Vec<u8> = packets
        .iter()
        .flat_map(|packet| {
            let last = u8::try_from(packet.len() % 255).unwrap();
            std::iter::repeat_n(255, packet.len() / 255).chain([last])
        })
        .collect();
    page.push(u8::try_from(lacing.len()).unwrap());
    page.extend(lacing);
    page.extend(packets.concat());
    page
}

fn opus(audio: &[&[u8]]) -> Vec<u8> {
    let head = page(2, 7, &[b"OpusHead\x01\x01\0\0\0\0\0\0\0\0\0"]);
    let tags = page(0, 7, &[&[b"OpusTags".as_slice(), &[0; 600]].concat()]);
    [head, tags, page(0, 7, audio), page(4, 7, audio)].concat()
}

/// One frame of 20 milliseconds, CELT at full width.
const FRAME: u8 = 31 << 3;

#[test]
fn opus_in_ogg_is_as_long_as_its_packets() {
    let (one, two) = ([&[FRAME][..], &[7; 300]].concat(), [FRAME | 1, 7, 7]);
    assert_eq!(length(&opus(&[&one, &two])), Some(2 * 60));
    // Three frames of 20 milliseconds without a byte in them: silence.
    assert_eq!(length(&opus(&[&[FRAME | 3, 3][..]; 100])), Some(2 * 100 * 60));
    // SILK of 60 milliseconds, hybrid of 10, CELT of 2.5.
    assert_eq!(
        length(&opus(&[&[3 << 3, 1], &[12 << 3, 1], &[16 << 3, 1]])),
        Some(2 * 60 + 2 * 10 + 5)
    );
    // Packets of just so many bytes that their last piece is empty.
    let full = [&[FRAME][..], &[0; 254]].concat();
    assert_eq!(length(&opus(&[&full, &full])), Some(80));
}

#[test]
fn a_packet_may_go_on_on_the_next_page() {
    let start = opus(&[]);
    let piece = [&[FRAME][..], &[0; 254]].concat();
    let mut first = page(0, 7, &[&piece]);
    // Without the piece of no bytes that would end it.
    first[26] = 1;
    first.remove(28);
    let sound = [start, first, page(1, 7, &[&[1, 2, 3]])].concat();

    assert_eq!(length(&sound), Some(20));
}

#[test]
fn an_ogg_that_proves_nothing_is_not_told() {
    let honest = opus(&[&[FRAME, 1]]);
    let mut broken_off = honest.clone();
    broken_off.pop();
    let second_stream = [honest.clone(), page(2, 7, &[b"OpusHead"])].concat();
    let other_stream = [honest.clone(), page(0, 8, &[&[FRAME, 1]])].concat();
    let continued = [honest.clone(), page(1, 7, &[&[FRAME, 1]])].concat();
    let garbage = [honest.clone(), b"more".to_vec()].concat();
    let vorbis = page(2, 7, &[b"\x01vorbis"]);
    for sound in [
        broken_off,
        second_stream,
        other_stream,
        continued,
        garbage,
        vorbis,
        opus(&[&[]]),
        opus(&[&[FRAME | 3]]),
        opus(&[&[FRAME | 3, 0]]),
        opus(&[&[FRAME | 3, 7]]),
    ] {
        assert_eq!(length(&sound), None);
        assert_eq!(most_milliseconds_of(&sound), sound.len() as u64 * 2);
    }
    assert_eq!(most_milliseconds_of(&honest), 40);
}

#[test]
fn a_flac_lasts_at_least_as_long_as_it_says() {
    let flac = |rate: u64, samples: u64| {
        let mut head = b"fLaC\0\0\0\x22".to_vec();
        head.extend([0; 10]);
        head.extend((rate << 44 | 15 << 36 | samples).to_be_bytes());
        head.extend([0; 16]);
        head
    };

    // An hour of silence in a few bytes.
    assert_eq!(most_milliseconds(&flac(8_000, 8_000 * 3_600), 1_000), 3_600_001);
    assert_eq!(most_milliseconds(&flac(44_100, 44_100), 100_000), 200_000);
    assert_eq!(most_milliseconds(&flac(44_100, 0), 1_000), 2_000);
    assert_eq!(most_milliseconds(&flac(0, 7), 1_000), 2_000);
    assert_eq!(most_milliseconds(b"fLaC\0\0\0\x22", 1_000), 2_000);
}
