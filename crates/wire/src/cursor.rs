//! Where a page of search results ended, so that the next one begins there.
//!
//! A cursor names one record in the total order of results: event time, then component, then the component's shard, then
//! the segment's number in that shard's object, then the position in the segment. It stays valid while records come and
//! go, and while a component is split. It is opaque to callers: base64url of
//!
//! ```text
//! version u8 | order u8 (0 oldest first, 1 newest first) | timestamp_ms i64 | seq u64 | index u32 | shard u16 | component
//! ```
//!
//! big-endian, the component as UTF-8 to the end. Version 2 has the shard, which is never 0; version 1 has none and means
//! shard 0, as every cursor did that was given out before components were split. So each cursor has one spelling, and a
//! build that knows only version 1 reads those of components that are whole.
//!
//! It holds nothing secret and is not signed: the domain comes from the credential, so an invented cursor only names
//! another place in the caller's own records.

use std::fmt;

/// Of a component that is whole, or of the first of its shards.
const VERSION_WHOLE: u8 = 1;
/// Of another shard.
const VERSION_SHARD: u8 = 2;
/// Bytes before the shard, if there is one, and the component.
const FIXED_BYTES: usize = 1 + 1 + 8 + 8 + 4;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// In which order results come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Oldest first.
    Asc,
    /// Newest first.
    #[default]
    Desc,
}

/// The last record of a page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cursor {
    /// The order of the search; a cursor of one order is of no use in the other.
    pub order: Order,
    /// Event time, in milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The component's address.
    pub component: String,
    /// The component's shard.
    #[serde(default)]
    pub shard: u16,
    /// The segment's number in its object.
    pub seq: u64,
    /// The record's position in its segment.
    pub index: u32,
}

impl Cursor {
    /// Reads a cursor that was given out; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = decode_base64url(text)?;
        let (fixed, rest_of_it) = bytes.split_at_checked(FIXED_BYTES)?;
        let (head, rest) = fixed.split_at_checked(2)?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let [version, order] = head else { return None };
        let order = match order {
            0 => Order::Asc,
            1 => Order::Desc,
            _ => return None,
        };
        let (shard, component) = match *version {
            VERSION_WHOLE => (0, rest_of_it),
            VERSION_SHARD => {
                let (shard, component) = rest_of_it.split_first_chunk::<2>()?;
                (Some(u16::from_be_bytes(*shard)).filter(|shard| *shard > 0)?, component)
            }
            _ => return None,
        };
        Some(Self {
            order,
            timestamp_ms: i64::from_be_bytes(*time),
            component: String::from_utf8(component.to_vec()).ok()?,
            shard,
            seq: u64::from_be_bytes(*seq),
            index: u32::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// The opaque text.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 2 + self.component.len());
        let version = if self.shard == 0 { VERSION_WHOLE } else { VERSION_SHARD };
        bytes.extend([version, u8::from(self.order == Order::Desc)]);
        bytes.extend(self.timestamp_ms.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.index.to_be_bytes());
        if self.shard > 0 {
            bytes.extend(self.shard.to_be_bytes());
        }
        bytes.extend(self.component.as_bytes());
        f.write_str(&encode_base64url(&bytes))
    }
}

/// Base64url without padding (RFC 4648, 5). Written out here, because this crate takes nothing beyond serde.
fn encode_base64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=group.len() {
            let digit = bits >> (18 - 6 * place) & 63;
            text.extend(ALPHABET.get(digit as usize).map(|letter| char::from(*letter)));
        }
    }
    text
}

/// The inverse; `None` for other letters, impossible lengths and stray bits, so that each cursor has one spelling.
fn decode_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for place in 0..4 {
            let digit = match group.get(place) {
                None => 0,
                Some(letter) => ALPHABET.iter().position(|known| known == letter)?,
            };
            bits = bits << 6 | digit as u32;
        }
        let whole = group.len() * 6 / 8;
        let stray = bits & (0xFF_FFFF >> (8 * whole));
        if group.len() == 1 || (whole < 3 && stray != 0) {
            return None;
        }
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(whole));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_is_base64url() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("?>~", "Pz5-")]
        {
            assert_eq!(encode_base64url(bytes.as_bytes()), text);
            assert_eq!(decode_base64url(text).as_deref(), Some(bytes.as_bytes()));
        }
        for text in ["Z", "Zh", "Zm9", "Zg==", "Z+8", "Zé"] {
            assert_eq!(decode_base64url(text), None, "{text}");
        }
    }

    fn cursor(shard: u16) -> Cursor {
        Cursor { order: Order::Asc, timestamp_ms: 1, component: "c".to_owned(), shard, seq: 2, index: 3 }
    }

    #[test]
    fn a_cursor_of_a_whole_component_is_spelled_as_it_was_before_there_were_shards() {
        let given_out = "AQAAAAAAAAAAAQAAAAAAAAACAAAAA2M";
        assert_eq!(Cursor::parse(given_out), Some(cursor(0)));
        assert_eq!(cursor(0).to_string(), given_out);
        let of_older_build = r#"{"order":"asc","timestamp_ms":1,"component":"c","seq":2,"index":3}"#;
        assert_eq!(serde_json::from_str::<Cursor>(of_older_build).unwrap(), cursor(0));
    }

    #[test]
    fn shard_0_has_one_spelling() {
        let mut bytes = decode_base64url(&cursor(1).to_string()).unwrap();
        assert_eq!(bytes.get(FIXED_BYTES + 1), Some(&1));
        bytes[FIXED_BYTES + 1] = 0;
        assert_eq!(Cursor::parse(&encode_base64url(&bytes)), None);
    }

    #[test]
    fn other_text_is_no_cursor() {
        let cursor = cursor(0).to_string();
        assert!(Cursor::parse(&cursor).is_some());
        for text in ["", "abc", "AQA", cursor.get(2..).unwrap(), &format!("Aw{}", cursor.get(2..).unwrap())] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
        let mut bytes = decode_base64url(&cursor).unwrap();
        bytes.push(0xFF);
        assert_eq!(Cursor::parse(&encode_base64url(&bytes)), None, "a component is UTF-8");
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_round_trip(ms: i64, component in ".{0,40}", shard: u16, seq: u64, index: u32, newest_first: bool) {
            let order = if newest_first { Order::Desc } else { Order::Asc };
            let cursor = Cursor { order, timestamp_ms: ms, component, shard, seq, index };
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_or_none(text in "[A-Za-z0-9_-]{0,80}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
