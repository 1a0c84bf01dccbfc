//! The text of a stack trace as lines that know where they begin.
//!
//! Invariant: everything handed out is a slice of the text that came in, so that a frame never shows what was not
//! printed. Positions are bytes and always lie on character boundaries; a position that does not is answered with
//! nothing rather than with a panic.

use super::EXCEPTION_BYTES_MAX;

/// One line, without its line break.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// The line as printed.
    pub(super) text: &'a str,
    /// Where it begins in the whole text, in bytes.
    pub(super) start: usize,
}

impl<'a> Line<'a> {
    /// The line without white space around it.
    pub(super) fn trimmed(&self) -> &'a str {
        self.text.trim()
    }

    /// Bytes of white space before the first other character.
    pub(super) fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    /// The line from its first character that is not white space.
    pub(super) fn unindented(&self) -> Self {
        self.after(self.indent())
    }

    /// The rest of the line after `bytes`; empty beyond its end.
    pub(super) fn after(&self, bytes: usize) -> Self {
        Line { text: self.text.get(bytes..).unwrap_or_default(), start: self.start + bytes }
    }

    /// The rest of the line after the first occurrence of `mark`.
    pub(super) fn after_mark(&self, mark: &str) -> Option<Self> {
        self.text.find(mark).map(|at| self.after(at + mark.len()))
    }

    /// The rest of the line after `prefix`, if the line begins with it.
    pub(super) fn after_prefix(&self, prefix: &str) -> Option<Self> {
        self.text.starts_with(prefix).then(|| self.after(prefix.len()))
    }
}

/// A text and its lines.
#[derive(Debug)]
pub(super) struct Text<'a> {
    whole: &'a str,
    lines: Vec<Line<'a>>,
}

impl<'a> Text<'a> {
    /// Splits at line feeds; a carriage return before one belongs to the line break.
    pub(super) fn of(whole: &'a str) -> Self {
        let mut start = 0;
        let mut lines = Vec::new();
        for piece in whole.split_inclusive('\n') {
            let text = piece.strip_suffix('\n').unwrap_or(piece);
            lines.push(Line { text: text.strip_suffix('\r').unwrap_or(text), start });
            start += piece.len();
        }
        Text { whole, lines }
    }

    /// All lines, in order.
    pub(super) fn lines(&self) -> &[Line<'a>] {
        &self.lines
    }

    /// The line at `index`, if there is one.
    pub(super) fn line(&self, index: usize) -> Option<Line<'a>> {
        self.lines.get(index).copied()
    }

    /// What lies between a position and the line at `until` (or the end), as [`Self::slice`] gives it.
    pub(super) fn between(&self, start: usize, until: usize) -> Option<&'a str> {
        self.slice(start, self.line(until).map_or(self.whole.len(), |line| line.start))
    }

    /// The first occurrence of `mark` between two positions.
    pub(super) fn find(&self, start: usize, end: usize, mark: &str) -> Option<usize> {
        self.whole.get(start..end)?.find(mark).map(|at| start + at)
    }

    /// The first line between two positions, as far as it lies between them.
    pub(super) fn line_between(&self, start: usize, end: usize) -> Option<Line<'a>> {
        self.whole.get(start..end)?.lines().next().map(|text| Line { text, start })
    }

    /// What lies between two positions, without white space around it. At most `EXCEPTION_BYTES_MAX` bytes; nothing
    /// is `None`.
    pub(super) fn slice(&self, start: usize, end: usize) -> Option<&'a str> {
        let slice = self.whole.get(start..end).unwrap_or_default().trim();
        (!slice.is_empty()).then(|| cut(slice, EXCEPTION_BYTES_MAX))
    }
}

/// The longest beginning of `text` that has at most `bytes_max` bytes and ends on a character boundary.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A number made of decimal digits only.
pub(super) fn number(digits: &str) -> Option<u32> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Splits `file:line` or `file:line:column` at its end; the file is not empty.
pub(super) fn place(text: &str) -> Option<(&str, u32, Option<u32>)> {
    let (head, last) = text.rsplit_once(':')?;
    let last = number(last)?;
    let (file, line, column) = match head.rsplit_once(':').and_then(|(file, line)| Some((file, number(line)?))) {
        Some((file, line)) => (file, line, Some(last)),
        None => (head, last, None),
    };
    (!file.is_empty()).then_some((file, line, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_split_at_its_end() {
        assert_eq!(place("C:\\app\\x.js:3:7"), Some(("C:\\app\\x.js", 3, Some(7))));
        assert_eq!(place("/app/main.go:12"), Some(("/app/main.go", 12, None)));
        assert_eq!(place("http://localhost:3000/x.js:1:2"), Some(("http://localhost:3000/x.js", 1, Some(2))));
        assert_eq!(place("x.js:99999999999"), None);
        assert_eq!(place(":1"), None);
        assert_eq!(place("nothing"), None);
    }

    #[test]
    fn lines_keep_their_positions_over_both_kinds_of_break() {
        let text = Text::of("a\r\nbb\n\nc");
        let seen: Vec<_> = text.lines().iter().map(|line| (line.text, line.start)).collect();
        assert_eq!(seen, [("a", 0), ("bb", 3), ("", 6), ("c", 7)]);
        assert_eq!(text.between(3, 9), Some("bb\n\nc"));
        assert_eq!(text.between(5, 2), None);
        assert_eq!(text.between(99, 2), None);
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
