//! A position in a text that only moves forward, one byte at a time: what every small grammar here is written with.
//!
//! Invariant: `at <= text.len()`. Every pattern is ASCII, and the cursor only ever moves over bytes that it compared
//! with ASCII, so that `at` stays on a character boundary.

/// A cursor over a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// A cursor at the start of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Bytes passed so far.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// What has not been passed yet.
    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The byte `ahead` of the cursor, if there is one.
    pub(crate) fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at.checked_add(ahead)?).copied()
    }

    /// Whether everything has been passed.
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Passes one of the ASCII bytes in `set`, and says which.
    pub(crate) fn eat_any(&mut self, set: &[u8]) -> Option<u8> {
        let byte = self.peek(0).filter(|byte| byte.is_ascii() && set.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// Passes this ASCII byte, if it is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        self.eat_any(&[byte]).is_some()
    }

    /// Passes this text, if it is next.
    pub(crate) fn eat_text(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Passes spaces and tabs, and says how many.
    pub(crate) fn blanks(&mut self) -> usize {
        self.run(usize::MAX, |byte| byte == b' ' || byte == b'\t').len()
    }

    /// Passes up to `max` ASCII bytes for which `accept` holds, and returns them.
    pub(crate) fn run(&mut self, max: usize, accept: impl Fn(u8) -> bool) -> &'a str {
        let count = self.rest().bytes().take(max).take_while(|&byte| byte.is_ascii() && accept(byte)).count();
        let run = self.rest().get(..count).unwrap_or("");
        self.at += run.len();
        run
    }

    /// Passes a run of `min` to `max` digits and returns its value; passes nothing if there are fewer or more.
    pub(crate) fn number(&mut self, min: usize, max: usize) -> Option<u32> {
        let mut ahead = *self;
        let digits = ahead.run(max.min(9), |byte| byte.is_ascii_digit());
        if digits.len() < min || ahead.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let value = digits.parse().ok()?;
        *self = ahead;
        Some(value)
    }

    /// How many digits are next, counted up to 20.
    pub(crate) fn digit_count(&self) -> usize {
        self.rest().bytes().take(20).take_while(u8::is_ascii_digit).count()
    }

    /// Whether a word ends here: nothing, or neither letter nor digit nor underscore, comes next.
    pub(crate) fn is_boundary(&self) -> bool {
        !self.peek(0).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_only_what_it_compared() {
        let mut scan = Scan::new("12é");
        assert_eq!(scan.number(1, 3), Some(12));
        assert!(!scan.eat(0xC3), "half of a character is never passed");
        assert_eq!(scan.eat_any(&[0xC3]), None);
        assert_eq!(scan.rest(), "é");
        assert!(!scan.is_boundary());
        assert!(scan.eat_text("é") && scan.is_done() && scan.is_boundary());
        assert_eq!((scan.peek(0), scan.peek(usize::MAX), scan.at()), (None, None, 4));
    }

    #[test]
    fn a_number_is_refused_whole_when_it_is_too_long() {
        let mut scan = Scan::new("12345 6");
        assert_eq!(scan.number(1, 4), None);
        assert_eq!(scan.at(), 0);
        assert_eq!(scan.number(5, 5), Some(12345));
        assert_eq!(scan.blanks(), 1);
        assert_eq!((scan.digit_count(), scan.number(2, 2)), (1, None));
    }
}
