//! A value that must not be seen: signing secrets, keys, webhook addresses that carry a token.
//!
//! The type has neither `Debug` nor `Display` nor `==`, so that it cannot slip into a log line, an error or a
//! comparison that takes time by the number of equal bytes. Whoever needs the text says so: [`Secret::expose`].

/// Characters that a signing secret or operator key needs at least. 32 characters of base64 are 192 random bits.
pub const SECRET_CHARS_MIN: usize = 32;

/// Different characters that a secret needs at least. 32 random hex digits have about 14; fewer than 8 among them is
/// a matter of less than one in ten million.
const DISTINCT_CHARS_MIN: usize = 8;

/// How placeholder values begin, in lower case. A random value begins with one of these (four letters or more) once
/// in millions.
const PLACEHOLDER_STARTS: [&str; 10] =
    ["dev-", "dev_", "test-", "test_", "your-", "your_", "example", "default", "insert-", "replace"];

/// What placeholder and published values hold, in lower case. Seven characters or more, so that chance is no cause.
const PLACEHOLDER_PARTS: [&str; 14] = [
    "changeme",
    "change-me",
    "change_me",
    "change-this",
    "your-secret",
    "your_secret",
    "secret-key",
    "secret_key",
    "jwt-secret",
    "jwt_secret",
    "dev-key",
    "dev-secret",
    "placeholder",
    "password",
];

/// Text that is shown to nobody.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that signs, compares or sends with it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Why this must not be used to sign or to log in with; `None` if nothing speaks against it.
    pub(super) fn weakness(&self) -> Option<&'static str> {
        let lower = self.0.to_ascii_lowercase();
        if PLACEHOLDER_STARTS.iter().any(|start| lower.starts_with(start))
            || PLACEHOLDER_PARTS.iter().any(|part| lower.contains(part))
            || ["dev", "test", "secret"].contains(&lower.as_str())
        {
            return Some("looks like a placeholder or a published development value");
        }
        if self.0.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Some("holds white space or control characters");
        }
        if self.0.chars().count() < SECRET_CHARS_MIN {
            return Some("is too short");
        }
        if is_repetitive(&lower) {
            return Some("is not random: it repeats itself or counts upwards");
        }
        None
    }
}

/// Whether a value has few different characters, is a shorter piece repeated, or mostly an ascending run.
fn is_repetitive(text: &str) -> bool {
    let bytes = text.as_bytes();
    let distinct: std::collections::BTreeSet<u8> = bytes.iter().copied().collect();
    let half = bytes.len() / 2;
    let repeats = (1..=half).any(|period| bytes.iter().zip(bytes.iter().skip(period)).all(|(a, b)| a == b));
    let rising = bytes.iter().zip(bytes.iter().skip(1)).filter(|(a, b)| a.wrapping_add(1) == **b).count();
    distinct.len() < DISTINCT_CHARS_MIN || repeats || rising > half
}

/// Whether `text` is a Standard Webhooks secret: `whsec_` and the base64 of 24 to 64 bytes.
pub(super) fn is_webhook_secret(text: &str) -> bool {
    let Some(encoded) = text.strip_prefix("whsec_") else { return false };
    let bare = encoded.trim_end_matches('=');
    let padding = encoded.len() - bare.len();
    let alphabet = bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    // Four characters carry three bytes; a remainder of one character carries none and is not base64.
    let whole = bare.len() % 4 != 1 && (padding == 0 || (bare.len() + padding) % 4 == 0) && padding <= 2;
    alphabet && whole && (24..=64).contains(&(bare.len() * 3 / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_are_strong_in_every_usual_encoding() {
        for text in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "q3Jx8v0Zt1mWcR5yLkE7sUo2BdNfHgPa",
            "mZk3-_vT9qLw7XyB2cRfJ0sNpHdGtU4eAaYoIiMuVx8=",
        ] {
            assert_eq!(Secret::new(text).weakness(), None, "{text}");
        }
    }

    #[test]
    fn published_and_lazy_values_are_weak() {
        for text in [
            "",
            "dev",
            "changeme",
            "your-secret-key",
            "logger-service-dev-key",
            "your-secret-key-please-set-me-in-production",
            "Dev-0f8e7d6c5b4a39281706f5e4d3c2b1a0",
            "9f86d081884c7d659a2feaa0c55ad01",
            &"a".repeat(40),
            &"ab12cd34".repeat(5),
            "0123456789abcdef0123456789abcdef",
            "abcdefghijklmnopqrstuvwxyz0123456789",
            "9f86d081884c7d65 9a2feaa0c55ad015",
            "9f86d081884c7d659a2feaa0c55ad015\n",
        ] {
            assert!(Secret::new(text).weakness().is_some(), "{text}");
        }
    }

    #[test]
    fn webhook_secrets_carry_24_to_64_bytes() {
        for (text, expected) in [
            ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", true),
            ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", true),
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", false),
            ("whsec_AAEC", false),
            ("whsec_", false),
            (&format!("whsec_{}", "A".repeat(32)), true),
            (&format!("whsec_{}", "A".repeat(31)), false),
            (&format!("whsec_{}", "A".repeat(33)), false),
            (&format!("whsec_{}=", "A".repeat(32)), false),
            (&format!("whsec_{}", "A".repeat(86)), true),
            (&format!("whsec_{}", "A".repeat(88)), false),
            (&format!("whsec_{}-_", "A".repeat(32)), false),
        ] {
            assert_eq!(is_webhook_secret(text), expected, "{text}");
        }
    }
}
