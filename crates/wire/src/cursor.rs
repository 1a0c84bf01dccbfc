//! Where a page of search results ended, so that the next one begins there.
//!
//! A cursor names one record in the total order of results: event time, then component, then the segment's number in
//! that component's object, then the position in the segment. It stays valid while records come and go. It is opaque
//! to callers: base64url of
//!
//! ```text
//! version u8 = 1 | order u8 (0 oldest first, 1 newest first) | timestamp_ms i64 | seq u64 | index u32 | component
//! ```
//!
//! big-endian, the component as UTF-8 to the end. It holds nothing secret and is not signed: the domain comes from the
//! credential, so an invented cursor only names another place in the caller's own records.

use std::fmt;

const VERSION: u8 = 1;
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
    /// The segment's number in its object.
    pub seq: u64,
    /// The record's position in its segment.
    pub index: u32,
}

impl Cursor {
    /// Reads a cursor that was given out; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = decode_base64url(text)?;
        let (fixed, component) = bytes.split_at_checked(FIXED_BYTES)?;
        let (head, rest) = fixed.split_at_checked(2)?;
        let (time, rest) = rest.split_first_chunk::<8>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let order = match head {
            [VERSION, 0] => Order::Asc,
            [VERSION, 1] => Order::Desc,
            _ => return None,
        };
        Some(Self {
            order,
            timestamp_ms: i64::from_be_bytes(*time),
            component: String::from_utf8(component.to_vec()).ok()?,
            seq: u64::from_be_bytes(*seq),
            index: u32::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

/// The opaque text.
impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.component.len());
        bytes.extend([VERSION, u8::from(self.order == Order::Desc)]);
        bytes.extend(self.timestamp_ms.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.index.to_be_bytes());
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

    #[test]
    fn other_text_is_no_cursor() {
        let cursor =
            Cursor { order: Order::Asc, timestamp_ms: 1, component: "c".to_owned(), seq: 2, index: 3 }.to_string();
        assert!(Cursor::parse(&cursor).is_some());
        for text in ["", "abc", "AQA", cursor.get(2..).unwrap(), &format!("Ag{}", cursor.get(2..).unwrap())] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
        let mut bytes = decode_base64url(&cursor).unwrap();
        bytes.push(0xFF);
        assert_eq!(Cursor::parse(&encode_base64url(&bytes)), None, "a component is UTF-8");
    }

    proptest! {
        #[test]
        fn a_cursor_survives_the_round_trip(ms: i64, component in ".{0,40}", seq: u64, index: u32, newest_first: bool) {
            let order = if newest_first { Order::Desc } else { Order::Asc };
            let cursor = Cursor { order, timestamp_ms: ms, component, seq, index };
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
