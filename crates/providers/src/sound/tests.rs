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
