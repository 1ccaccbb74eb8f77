use super::*;

#[test]
fn padding_round_trips_for_every_length() {
    let key = SealingKey::from_bytes(&[7; 32]);
    for len in 0..70 {
        let mut buffer = std::vec![0xabu8; len];
        buffer.extend_from_slice(padding(len));
        key.seal_cbc(&[9; 16], &mut buffer);
        let (opened, sound) = key.open_cbc(&[9; 16], &mut buffer);
        assert!(bool::from(sound));
        assert_eq!(&buffer[..opened], std::vec![0xabu8; len]);
    }
}

#[test]
fn unsound_padding_is_reported_and_removes_nothing() {
    for bad in [0u8, 17, 255] {
        let mut block = [1u8; 16];
        block[15] = bad;
        let (len, sound) = unpad(&block);
        assert_eq!((len, bool::from(sound)), (16, false));
    }
    let mut uneven = [4u8; 16];
    uneven[13] = 3;
    assert!(!bool::from(unpad(&uneven).1));
}
