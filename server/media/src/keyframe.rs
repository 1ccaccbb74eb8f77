//! Telling where in a stream of packets a receiver can start to decode. Pure.

use str0m::{format::Codec, rtp::Vp8Descriptor};

const H264_IDR: u8 = 5;
const H264_SPS: u8 = 7;
const H264_STAP_A: u8 = 24;
const H264_FU_A: u8 = 28;

/// Whether a decoder can start with this packet. Sound can be started anywhere, and so can what is not known here.
pub(crate) fn starts_decoding(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Vp8 => Vp8Descriptor::parse(payload).is_ok_and(|descriptor| descriptor.starts_keyframe(payload)),
        Codec::Vp9 => starts_vp9_keyframe(payload),
        Codec::H264 => starts_h264_keyframe(payload),
        // The N bit of the aggregation header: a new coded video sequence.
        Codec::Av1 => payload.first().is_some_and(|header| header & 0b1000 != 0),
        _ => true,
    }
}

/// The first packet of a picture that refers to no other, of the lowest spatial layer.
fn starts_vp9_keyframe(payload: &[u8]) -> bool {
    let Some(&flags) = payload.first() else { return false };
    let has = |bit: u8| flags & bit != 0;
    let (picture_id, inter, layers, start) = (has(0x80), has(0x40), has(0x20), has(0x08));
    if inter || !start {
        return false;
    }
    if !layers {
        return true;
    }
    let at = match (picture_id, payload.get(1)) {
        (false, _) => 1,
        (true, Some(first)) if first & 0x80 != 0 => 3,
        (true, _) => 2,
    };
    payload.get(at).is_some_and(|layer| layer >> 1 & 0b111 == 0)
}

/// An IDR picture, or the parameters that are sent before it.
fn starts_h264_keyframe(payload: &[u8]) -> bool {
    let starts = |unit: u8| matches!(unit & 0x1f, H264_IDR | H264_SPS);
    let Some(&first) = payload.first() else { return false };
    match first & 0x1f {
        H264_STAP_A => {
            let mut rest = &payload[1..];
            while let [high, low, unit @ ..] = rest {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if unit.first().is_some_and(|header| starts(*header)) {
                    return true;
                }
                rest = unit.get(length.max(1)..).unwrap_or_default();
            }
            false
        }
        H264_FU_A => payload.get(1).is_some_and(|header| header & 0x80 != 0 && starts(*header)),
        _ => starts(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: Codec, payload: &[u8], expected: bool) {
        assert_eq!(starts_decoding(codec, payload), expected, "{codec:?} {payload:02x?}");
    }

    #[test]
    fn vp8_starts_at_the_first_packet_of_a_keyframe() {
        check(Codec::Vp8, &[0x10, 0x00, 0x01], true);
        check(Codec::Vp8, &[0x10, 0x01, 0x01], false);
        check(Codec::Vp8, &[0x00, 0x00, 0x01], false);
        check(Codec::Vp8, &[0x90, 0x80, 0x81, 0x22, 0x00], true);
        check(Codec::Vp8, &[0x90, 0x80], false);
    }

    #[test]
    fn vp9_starts_at_the_lowest_layer_of_a_keyframe() {
        check(Codec::Vp9, &[0x88, 0x01], true);
        check(Codec::Vp9, &[0xc8, 0x01], false);
        check(Codec::Vp9, &[0x80, 0x01], false);
        check(Codec::Vp9, &[0xa8, 0x81, 0x02, 0x00], true);
        check(Codec::Vp9, &[0xa8, 0x81, 0x02, 0x02], false);
        check(Codec::Vp9, &[0xa8, 0x81], false);
    }

    #[test]
    fn h264_starts_at_parameters_or_an_idr_picture_however_it_is_packed() {
        check(Codec::H264, &[0x65, 0x00], true);
        check(Codec::H264, &[0x67, 0x42], true);
        check(Codec::H264, &[0x41, 0x9a], false);
        check(Codec::H264, &[0x78, 0, 1, 0x06, 0, 1, 0x67], true);
        check(Codec::H264, &[0x78, 0, 1, 0x06, 0, 1, 0x41], false);
        check(Codec::H264, &[0x78, 0, 0, 0, 0], false);
        check(Codec::H264, &[0x7c, 0x85], true);
        check(Codec::H264, &[0x7c, 0x05], false);
        check(Codec::H264, &[0x7c], false);
    }

    #[test]
    fn nothing_starts_with_an_empty_packet_of_pictures() {
        for codec in [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            check(codec, &[], false);
        }
        check(Codec::Opus, &[0x00], true);
    }
}
