//! Base64, as far as redaction reads it: both alphabets, with or without padding, stopping at what is not text.
//!
//! The engine has no dependency for this on purpose: a crate's decoder refuses a damaged tail, and a secret that was
//! cut off is still a secret.

/// Fewest characters that are looked into; fewer hold no secret with a shape.
pub(super) const BLOB_BYTES_MIN: usize = 16;

/// Stands for what is no digit.
const NONE: u8 = 0xff;

/// The value of each digit, of both alphabets.
static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut value = 0u8;
    while value < 26 {
        values[(b'A' + value) as usize] = value;
        values[(b'a' + value) as usize] = value + 26;
        value += 1;
    }
    value = 0;
    while value < 10 {
        values[(b'0' + value) as usize] = value + 52;
        value += 1;
    }
    values[b'+' as usize] = 62;
    values[b'-' as usize] = 62;
    values[b'/' as usize] = 63;
    values[b'_' as usize] = 63;
    values
};

/// Whether `byte` is a digit of base64 or base64url.
pub(super) fn is_digit(byte: u8) -> bool {
    VALUES[byte as usize] != NONE
}

fn digit(byte: u8) -> Option<u32> {
    let value = VALUES[byte as usize];
    (value != NONE).then_some(u32::from(value))
}

/// What `text` encodes, up to the first character that is no digit; a half group gives its whole bytes.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut bits = 0u32;
    let mut held = 0u32;
    for value in text.iter().map_while(|&byte| digit(byte)) {
        bits = (bits << 6) | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            decoded.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    decoded
}

/// What `text` encodes if that is text: UTF-8 without control characters other than white space.
///
/// The first twelve bytes are judged before the rest is decoded, so that paths and ids cost next to nothing.
pub(super) fn decode_text(text: &[u8]) -> Option<Vec<u8>> {
    let is_text_byte = |&byte: &u8| byte >= b' ' && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    // Checked group by group: most texts end at the first.
    let mut start = [0; 12];
    for (group, bytes) in text.get(..16)?.chunks_exact(4).zip(start.chunks_exact_mut(3)) {
        let bits = group.iter().try_fold(0, |bits, &byte| Some((bits << 6) | digit(byte)?))?;
        for (byte, shift) in bytes.iter_mut().zip([16, 8, 0]) {
            *byte = (bits >> shift) as u8;
        }
        if !bytes.iter().all(is_text_byte) {
            return None;
        }
    }
    if !start.iter().all(is_text_byte) || std::str::from_utf8(&start).is_err_and(|error| error.error_len().is_some()) {
        return None;
    }
    let decoded = decode(text);
    let is_text = decoded.iter().all(is_text_byte)
        && std::str::from_utf8(&decoded).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_text.then_some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_decode_with_and_without_padding_or_tail() {
        assert_eq!(decode(b"dXNlcjpwYXNz"), b"user:pass");
        assert_eq!(decode(b"dXNlcjpwYXM="), b"user:pas");
        assert_eq!(decode(b"-_-_"), decode(b"+/+/"));
        assert_eq!(decode(b"dXNlcj"), b"user");
        assert_eq!(decode(b""), b"");
    }

    #[test]
    fn only_text_is_decoded_as_text() {
        assert_eq!(decode_text(b"YWxpY2VAZXhhbXBsZS5jb20=").as_deref(), Some(&b"alice@example.com"[..]));
        assert_eq!(decode_text(b"usr/lib/node/modules/express"), None);
        assert_eq!(decode_text(b"4bf92f3577b34da6a3ce929d0e0e4736"), None);
        assert_eq!(decode_text(b"YWxpY2U="), None);
        assert_eq!(decode_text(b"YWFhYWFhYWFhYWFhAAAA"), None);
    }
}
