//! To which component a record goes: the credential's, else the one that the record names, else `default`.
//!
//! A name becomes part of an object's name, of rows and of keys, where it is joined by `|` and may not be long. Callers
//! name components as they like, so a name is made to fit rather than refused: a record is not lost over its address.
//! What is derived from a record's text is a field of it and never an address.

use sapwood_engine::limits::COMPONENT_BYTES_MAX;
use sapwood_engine::redact::Redactor;
use xxhash_rust::xxh3::xxh3_64;

/// Where records go that name no component.
pub const DEFAULT: &str = "default";
/// Where records go for whose component the domain has no room.
pub const OTHER: &str = "other";

/// Hex digits that keep cut names apart.
const SUFFIX_DIGITS: usize = 16;

/// The address for a record that names its component `named`. Names are redacted like every other field: an address
/// with a secret in it would be stored in more places than any record.
pub fn component(of_key: Option<&str>, named: Option<&str>, redactor: &Redactor) -> String {
    match (of_key, named) {
        (Some(bound), _) => bound.to_owned(),
        (None, Some(named)) => fit(&redactor.redact_text(named)),
        (None, None) => DEFAULT.to_owned(),
    }
}

/// The name as an address: trimmed, `|` and control characters replaced, cut to [`COMPONENT_BYTES_MAX`] bytes with a
/// hash of the whole so that two long names stay two.
fn fit(name: &str) -> String {
    let clean = |letter: char| if letter.is_control() || letter == '|' { '_' } else { letter };
    let fitted: String = name.trim().chars().map(clean).collect();
    if fitted.is_empty() {
        return DEFAULT.to_owned();
    }
    if fitted.len() <= COMPONENT_BYTES_MAX {
        return fitted;
    }
    let mut end = COMPONENT_BYTES_MAX - SUFFIX_DIGITS - 1;
    while !fitted.is_char_boundary(end) {
        end -= 1;
    }
    let kept = fitted.get(..end).unwrap_or_default();
    format!("{kept}~{:0width$x}", xxh3_64(fitted.as_bytes()), width = SUFFIX_DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::address::ComponentName;

    fn check(of_key: Option<&str>, named: Option<&str>, expected: &str) {
        assert_eq!(component(of_key, named, &Redactor::default()), expected, "{of_key:?} {named:?}");
    }

    #[test]
    fn the_key_s_component_wins_then_the_record_s_then_default() {
        check(Some("cart"), Some("checkout"), "cart");
        check(None, Some("checkout"), "checkout");
        check(None, Some("Checkout Service"), "Checkout Service");
        check(None, None, "default");
    }

    #[test]
    fn a_name_is_made_to_fit() {
        check(None, Some("  cart\t"), "cart");
        check(None, Some("a|b\nc\u{1b}[0m"), "a_b_c_[0m");
        check(None, Some(" \n"), "default");
        check(None, Some(""), "default");
    }

    #[test]
    fn long_names_stay_apart_and_are_cut_at_a_character() {
        let (one, two) = ("é".repeat(100), format!("{}!", "é".repeat(100)));
        let (first, second) = (fit(&one), fit(&two));
        assert_ne!(first, second);
        for name in [&first, &second] {
            assert!(ComponentName::parse(name).is_some(), "{name}");
        }
        assert_eq!(fit(&"a".repeat(128)), "a".repeat(128));
        assert_eq!(fit(&"a".repeat(129)).len(), 128);
    }

    #[test]
    fn a_secret_never_becomes_an_address() {
        let address = component(None, Some("ada@example.com"), &Redactor::default());
        assert!(!address.contains("ada@") && ComponentName::parse(&address).is_some(), "{address}");
    }
}
