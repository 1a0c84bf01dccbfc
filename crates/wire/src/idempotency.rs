//! The `Idempotency-Key` header: the identity that a caller declares for one batch, so that a retry is free.
//!
//! The draft standard sends a structured-field string in quotes, most clients send it bare; both name the same key.
//! What a key means, and for how long, is decided where it is remembered.

use crate::limits::IDEMPOTENCY_KEY_BYTES_MAX;
use std::fmt;

/// A checked key: 1 to 255 visible ASCII characters, without the quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a header value is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyKeyError {
    /// Nothing, or nothing between the quotes.
    Empty,
    /// Longer than `limits::IDEMPOTENCY_KEY_BYTES_MAX` bytes.
    TooLong,
    /// A space, a control character or something outside ASCII.
    ForbiddenCharacter,
    /// An opening quote without its closing one, something after it, or a backslash before an ordinary character.
    BrokenQuotes,
}

impl fmt::Display for IdempotencyKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the Idempotency-Key is empty"),
            Self::TooLong => write!(f, "the Idempotency-Key is longer than {IDEMPOTENCY_KEY_BYTES_MAX} characters"),
            Self::ForbiddenCharacter => f.write_str("the Idempotency-Key may hold visible ASCII characters only"),
            Self::BrokenQuotes => f.write_str("the Idempotency-Key is not a well-formed quoted string"),
        }
    }
}

/// Reads the header, quoted (`"8e03978e"`, with `\"` and `\\`) or bare. `"a"` and `a` are the same key.
pub fn parse_idempotency_key(header: &str) -> Result<IdempotencyKey, IdempotencyKeyError> {
    let trimmed = header.trim_matches([' ', '\t']);
    let key = match trimmed.strip_prefix('"') {
        Some(quoted) => unquote(quoted)?,
        None => trimmed.to_owned(),
    };
    if key.is_empty() {
        return Err(IdempotencyKeyError::Empty);
    }
    if key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        return Err(IdempotencyKeyError::TooLong);
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(IdempotencyKeyError::ForbiddenCharacter);
    }
    Ok(IdempotencyKey(key))
}

/// The text up to the closing quote, which must be the last character.
fn unquote(quoted: &str) -> Result<String, IdempotencyKeyError> {
    let mut key = String::with_capacity(quoted.len().min(IDEMPOTENCY_KEY_BYTES_MAX));
    let mut chars = quoted.chars();
    while let Some(next) = chars.next() {
        match next {
            '"' if chars.as_str().is_empty() => return Ok(key),
            '"' => return Err(IdempotencyKeyError::BrokenQuotes),
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => key.push(escaped),
                _ => return Err(IdempotencyKeyError::BrokenQuotes),
            },
            plain => key.push(plain),
        }
    }
    Err(IdempotencyKeyError::BrokenQuotes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: Result<&str, IdempotencyKeyError>) {
        let parsed = parse_idempotency_key(header);
        assert_eq!(parsed.as_ref().map(IdempotencyKey::as_str).map_err(|error| *error), expected, "{header}");
    }

    #[test]
    fn quoted_and_bare_name_the_same_key() {
        check("\"8e03978e-40d5\"", Ok("8e03978e-40d5"));
        check(" 8e03978e-40d5\t", Ok("8e03978e-40d5"));
        check(r#""a\"b\\c""#, Ok(r#"a"b\c"#));
        check(&"k".repeat(255), Ok(&"k".repeat(255)));
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        use IdempotencyKeyError::*;
        check("", Err(Empty));
        check("\"\"", Err(Empty));
        check(&"k".repeat(256), Err(TooLong));
        check("a b", Err(ForbiddenCharacter));
        check("ключ", Err(ForbiddenCharacter));
        check("\"open", Err(BrokenQuotes));
        check("\"a\"b", Err(BrokenQuotes));
        check(r#""a\n""#, Err(BrokenQuotes));
        check(r#""a\"#, Err(BrokenQuotes));
        for error in [Empty, TooLong, ForbiddenCharacter, BrokenQuotes] {
            assert!(error.to_string().starts_with("the Idempotency-Key"));
        }
    }
}
