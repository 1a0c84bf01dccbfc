//! Takes a line apart into its template's places, without loss.
//!
//! [`join`] of a template and its [`split`] is the message, byte for byte, whenever there is a split. A line may be
//! spaced otherwise than its template (patterns do not look at white space, nor at how long a run of the same
//! punctuation is): such pieces of fixed text are kept as they stand in the line, beside the variables. Where even that
//! does not find the template in the line, [`split`] says so, and whoever stores the line keeps it whole.
//!
//! Cost: the template's text is looked for once from left to right; the search that is lenient about spacing, which
//! runs only if the exact one found nothing, gives up after a number of steps that grows with the line only.

use super::class::{SPACE, class};
use super::shape::VARIABLE;
use crate::eight;

/// Texts that are looked for byte by byte; longer ones with a method whose worst case is linear.
const NEEDLE_BYTES_MAX: usize = 16;
/// Lines in which also longer texts are looked for byte by byte.
const PLAIN_BYTES_MAX: usize = 512;

/// Where the places of a template are: the offsets of its `<*>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(Box<[u16]>);

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// What stands in the places.
    pub variables: Vec<&'a str>,
    /// Pieces of fixed text (counted from zero: the first stands before the first place) that are spaced otherwise than
    /// in the template, as they stand in the line. Nearly always none.
    pub spacing: Vec<(usize, &'a str)>,
}

/// The line as places and text of this template; `None` if it has no such form.
pub fn split<'a>(template: &str, message: &'a str) -> Option<Split<'a>> {
    Places::of(template).split(template, message)
}

/// The line that was taken apart; `None` if the parts are not those of this template.
pub fn join(template: &str, parts: &Split<'_>) -> Option<String> {
    let mut message = String::new();
    let mut variables = parts.variables.iter();
    let mut spacing = parts.spacing.iter().peekable();
    for (index, literal) in template.split(VARIABLE).enumerate() {
        if index > 0 {
            message.push_str(variables.next()?);
        }
        let as_it_stood = spacing.next_if(|(at, _)| *at == index);
        message.push_str(as_it_stood.map_or(literal, |(_, text)| text));
    }
    (variables.next().is_none() && spacing.next().is_none()).then_some(message)
}

/// What stands in the places of a template; `None` if the message does not have exactly this template's text around
/// them.
pub fn extract<'a>(template: &str, message: &'a str) -> Option<Vec<&'a str>> {
    Places::of(template).exact(template, message)
}

/// The message with this template and these variables; `None` if their number is not that of its places.
pub fn rebuild(template: &str, variables: &[&str]) -> Option<String> {
    join(template, &Split { variables: variables.to_vec(), spacing: Vec::new() })
}

impl Places {
    pub(super) fn of(template: &str) -> Self {
        Self(template.match_indices(VARIABLE).map_while(|(at, _)| u16::try_from(at).ok()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The line with these texts in the places, which are asked for from left to right; `room` is how many bytes they take
    /// at most.
    pub(super) fn fill<'a, E>(
        &self,
        template: &str,
        room: usize,
        mut next: impl FnMut() -> Result<&'a str, E>,
    ) -> Result<String, E> {
        let mut line = String::with_capacity(template.len() + room);
        for (index, literal) in self.literals(template).enumerate() {
            if index > 0 {
                line.push_str(next()?);
            }
            line.push_str(literal);
        }
        Ok(line)
    }

    fn literals<'a>(&self, template: &'a str) -> impl Iterator<Item = &'a str> {
        let starts = std::iter::once(0).chain(self.0.iter().map(|&at| usize::from(at) + VARIABLE.len()));
        let ends = self.0.iter().map(|&at| usize::from(at)).chain(std::iter::once(template.len()));
        starts.zip(ends).map(|(start, end)| template.get(start..end).unwrap_or_default())
    }

    pub(super) fn split<'a>(&self, template: &str, message: &'a str) -> Option<Split<'a>> {
        match self.exact(template, message) {
            Some(variables) => Some(Split { variables, spacing: Vec::new() }),
            None => self.lenient(template, message),
        }
    }

    /// What stands in the first places, as many as there is room for; false if the line has no such form. The same as
    /// [`Places::split`], without a list where the line has the template's text as it stands.
    pub(super) fn first_values<'a>(&self, template: &str, message: &'a str, room: &mut [&'a str]) -> bool {
        let mut slots = room.iter_mut();
        let mut take = |value| slots.next().map_or((), |slot| *slot = value);
        if self.walk(template, message, &mut take).is_some() {
            return true;
        }
        let Some(split) = self.lenient(template, message) else { return false };
        room.iter_mut().zip(split.variables).for_each(|(slot, value)| *slot = value);
        true
    }

    fn exact<'a>(&self, template: &str, message: &'a str) -> Option<Vec<&'a str>> {
        let mut variables = Vec::with_capacity(self.len());
        self.walk(template, message, &mut |value| variables.push(value))?;
        Some(variables)
    }

    /// Tells of what stands in the places one after the other; `None`, maybe after some, if the message does not have
    /// exactly the template's text around them.
    #[inline(always)]
    fn walk<'a>(&self, template: &str, message: &'a str, tell: &mut impl FnMut(&'a str)) -> Option<()> {
        let (text, line) = (template.as_bytes(), message.as_bytes());
        let mut places = self.0.iter().map(|&place| usize::from(place)).peekable();
        let first = Literal { start: 0, end: places.peek().copied().unwrap_or(text.len()) };
        if !first.stands_at(text, line, 0) {
            return None;
        }
        let mut at = first.end;
        while let Some(place) = places.next() {
            let next = places.peek().copied();
            let literal = Literal { start: place + VARIABLE.len(), end: next.unwrap_or(text.len()) };
            // The last text must end the message; for those before it the first place is as good as any.
            let found = match next {
                Some(_) => literal.find(template, message, at)?,
                None => {
                    let found = line.len().checked_sub(literal.len()).filter(|&found| found >= at)?;
                    literal.stands_at(text, line, found).then_some(found)?
                }
            };
            tell(message.get(at..found)?);
            at = found + literal.len();
        }
        (self.len() > 0 || at == line.len()).then_some(())
    }

    fn lenient<'a>(&self, template: &str, message: &'a str) -> Option<Split<'a>> {
        let mut line = Lenient { text: message.as_bytes(), steps: 16 * message.len() + 512 };
        let mut split = Split { variables: Vec::with_capacity(self.len()), spacing: Vec::new() };
        let mut at = 0;
        for (index, literal) in self.literals(template).enumerate() {
            let bytes = literal.as_bytes();
            let (start, end) = match index {
                0 => (0, line.match_at(bytes, 0)?),
                _ if index == self.len() => line.find_last(bytes, at)?,
                _ => line.find(bytes, at)?,
            };
            if index > 0 {
                split.variables.push(message.get(at..start)?);
            }
            let as_it_stands = message.get(start..end)?;
            if as_it_stands != literal {
                split.spacing.push((index, as_it_stands));
            }
            at = end;
        }
        (at == message.len()).then_some(split)
    }
}

/// A piece of a template's text, by its offsets.
#[derive(Clone, Copy)]
struct Literal {
    start: usize,
    end: usize,
}

impl Literal {
    fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether it stands at this offset of a line.
    #[inline]
    fn stands_at(self, text: &[u8], line: &[u8], at: usize) -> bool {
        if line.len() < at + self.len() {
            return false;
        }
        let (mut start, mut at) = (self.start, at);
        // Eight bytes at a time; of the last ones only those of the text count.
        while start + 8 <= self.end {
            if eight::at(text, start) != eight::at(line, at) {
                return false;
            }
            start += 8;
            at += 8;
        }
        let left = self.end.saturating_sub(start) as u32;
        left == 0 || (eight::at(text, start) ^ eight::at(line, at)) << (64 - 8 * left) == 0
    }

    /// The first place from `from` on.
    #[inline]
    fn find(self, template: &str, message: &str, from: usize) -> Option<usize> {
        let (text, line) = (template.as_bytes(), message.as_bytes());
        let Some(&first) = text.get(self.start).filter(|_| self.len() > 0) else { return Some(from) };
        if self.len() > NEEDLE_BYTES_MAX && line.len() > PLAIN_BYTES_MAX {
            let found = message.get(from..)?.find(template.get(self.start..self.end)?)?;
            return Some(from + found);
        }
        let mut from = from;
        while from < line.len() {
            let mut begins = eight::equal(eight::at(line, from), first);
            while begins != 0 {
                let (offset, others) = eight::take_first(begins);
                if self.stands_at(text, line, from + offset) {
                    return Some(from + offset);
                }
                begins = others;
            }
            from += 8;
        }
        None
    }
}

/// A line in which texts are looked for whose white space and runs of punctuation may differ.
struct Lenient<'a> {
    text: &'a [u8],
    /// Steps left before it is given up.
    steps: usize,
}

impl Lenient<'_> {
    /// Where a text that begins here ends, the white space around it included.
    fn match_at(&mut self, literal: &[u8], start: usize) -> Option<usize> {
        let (mut wanted, mut at) = (0, start);
        loop {
            wanted += spaces(literal, wanted);
            let gap = spaces(self.text, at);
            self.spend(1 + gap)?;
            at += gap;
            let Some(&byte) = literal.get(wanted) else { return Some(at) };
            if self.text.get(at) != Some(&byte) {
                return None;
            }
            let is_run = byte.is_ascii_punctuation() && !matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}');
            wanted += if is_run { run(literal, wanted) } else { 1 };
            let length = if is_run { run(self.text, at) } else { 1 };
            self.spend(length)?;
            at += length;
        }
    }

    fn spend(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.checked_sub(steps)?;
        Some(())
    }

    /// The first place of a text, with the white space before it: start and end.
    fn find(&mut self, literal: &[u8], from: usize) -> Option<(usize, usize)> {
        let first = literal.get(spaces(literal, 0)).copied();
        for start in from..self.text.len() {
            let gap = spaces(self.text, start);
            self.spend(1 + gap)?;
            // A text of white space only is any white space.
            let may_begin = if first.is_some() { self.text.get(start + gap).copied() == first } else { gap > 0 };
            if may_begin && let Some(end) = self.match_at(literal, start) {
                return Some((start, end));
            }
        }
        None
    }

    /// The place of a text that ends the line.
    fn find_last(&mut self, literal: &[u8], from: usize) -> Option<(usize, usize)> {
        let end = self.text.len();
        let Some(first) = literal.get(spaces(literal, 0)).copied() else {
            return Some((self.before_spaces(from, end), end));
        };
        for start in (from..end).rev() {
            self.spend(1)?;
            if self.text.get(start) == Some(&first) && self.match_at(literal, start) == Some(end) {
                // Of a run of punctuation all is the text's.
                let first_of_run = (from..start).rev().take_while(|&at| self.text.get(at) == Some(&first)).last();
                let start = match first_of_run {
                    Some(at) if self.match_at(literal, at) == Some(end) => at,
                    _ => start,
                };
                return Some((self.before_spaces(from, start), end));
            }
        }
        None
    }

    fn before_spaces(&self, from: usize, end: usize) -> usize {
        let is_space = |&at: &usize| self.text.get(at).is_some_and(|&byte| class(byte) & SPACE != 0);
        (from..end).rev().take_while(is_space).last().unwrap_or(end)
    }
}

fn spaces(text: &[u8], from: usize) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|&&byte| class(byte) & SPACE != 0).count()
}

/// Length of the run of the byte that stands here.
fn run(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().take_while(|byte| rest.first() == Some(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same byte by byte, with the searches of the standard library.
    fn exact_by_text<'a>(template: &str, message: &'a str) -> Option<Vec<&'a str>> {
        let mut literals = template.split(VARIABLE);
        let mut rest = message.strip_prefix(literals.next()?)?;
        let literals: Vec<_> = literals.collect();
        let mut variables = Vec::new();
        for (index, literal) in literals.iter().enumerate() {
            let is_last = index + 1 == literals.len();
            let at = if is_last { rest.strip_suffix(literal)?.len() } else { rest.find(literal)? };
            variables.push(rest.get(..at)?);
            rest = rest.get(at + literal.len()..)?;
        }
        (!literals.is_empty() || rest.is_empty()).then_some(variables)
    }

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_find_what_the_standard_library_finds(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("<*>"), Just("a"), Just(" "), Just("ab ab"), Just("é"), Just("日本"), Just("a longer text "),
                    Just("exactly8"), Just("<"), Just(">"),
                ],
                0..9,
            ),
            values in proptest::collection::vec("[ab é<>]{0,3}|a long value.{0,20}|exactly", 9),
            change in proptest::option::of((any::<prop::sample::Index>(), "[ a]?")),
            padding in prop_oneof![9 => Just(0usize), 1 => Just(600)],
        ) {
            let template = pieces.concat();
            let mut values = values.iter().map(String::as_str).chain(std::iter::repeat("v"));
            let filled: Vec<_> = template.split(VARIABLE).collect();
            let mut message = filled.first().copied().unwrap_or_default().to_owned();
            for literal in filled.iter().skip(1) {
                message.push_str(values.next().unwrap());
                message.push_str(&"-".repeat(padding));
                message.push_str(literal);
            }
            if let Some((at, with)) = change && !message.is_empty() {
                let mut letters: Vec<String> = message.chars().map(String::from).collect();
                let at = at.index(letters.len());
                letters[at] = with;
                message = letters.concat();
            }
            let expected = exact_by_text(&template, &message);
            let places = Places::of(&template);
            prop_assert_eq!(places.exact(&template, &message), expected, "{} in {}", &template, &message);
            let mut room = [""; 3];
            let split = places.split(&template, &message);
            prop_assert_eq!(places.first_values(&template, &message, &mut room), split.is_some());
            for (slot, value) in room.iter().zip(split.iter().flat_map(|split| &split.variables)) {
                prop_assert_eq!(slot, value);
            }
        }
    }

    #[test]
    fn what_stands_in_the_places_is_found_and_the_message_rebuilt() {
        fn check(template: &str, message: &str, expected: &[&str]) {
            let found = extract(template, message).unwrap();
            assert_eq!(found, expected, "{message}");
            assert_eq!(rebuild(template, &found).as_deref(), Some(message));
            assert_eq!(split(template, message).unwrap().spacing, []);
        }
        check("order <*> failed", "order 17 failed", &["17"]);
        check("<*> to <*>", "1 to 2 to 3", &["1", "2 to 3"]);
        check("a <*> b", "a x b y b", &["x b y"]);
        check("<*>", "", &[""]);
        check("plain", "plain", &[]);
        check("ids [<*>]", "ids [1, 2, 3]", &["1, 2, 3"]);
        check("größe <*>, ende", "größe 日本, ende", &["日本"]);
        let long = "x".repeat(600);
        check("a <*> a rather long text follows <*>", &format!("a {long} a rather long text follows 1"), &[&long, "1"]);
    }

    #[test]
    fn a_line_that_is_spaced_otherwise_is_taken_apart_too() {
        fn check(template: &str, message: &str, variables: &[&str], spacing: &[(usize, &str)]) {
            let parts = split(template, message).unwrap();
            assert_eq!((&*parts.variables, &*parts.spacing), (variables, spacing), "{message}");
            assert_eq!(join(template, &parts).as_deref(), Some(message));
        }
        check("order <*> failed", " order\t 17   failed\n", &["17"], &[(0, " order\t "), (1, "   failed\n")]);
        check("user=<*> ok", "user = 17 ok", &["17"], &[(0, "user = ")]);
        check("a [<*>] b <*>", "a[ 17 ] b 1", &["17", "1"], &[(0, "a[ "), (1, " ] b ")]);
        check("--- <*> ---", "----- 7 ------", &["7"], &[(0, "----- "), (1, " ------")]);
        check("a...b <*>", "a.....b 7", &["7"], &[(0, "a.....b ")]);
        check("a b <*> c", "a  b 7 c", &["7"], &[(0, "a  b ")]);
        check("x: <*> <*> y", "x:1\t2 y", &["1", "2"], &[(0, "x:"), (1, "\t")]);
        check("x <*>", "x\n1\n", &["1"], &[(0, "x\n"), (1, "\n")]);
        check("plain text", "plain\ttext", &[], &[(0, "plain\ttext")]);
    }

    #[test]
    fn a_message_of_another_template_is_not_taken_apart() {
        for (template, message) in [
            ("order <*> failed", "order 17 paid"),
            ("a <*>", "b 1"),
            ("plain", "plain text"),
            ("a<*>a", "a"),
            ("a <*> b <*> c", "a  1 2 c"),
            ("a <*> <*>  b", "a\t1b"),
        ] {
            assert_eq!(split(template, message), None, "{message}");
        }
        assert_eq!(rebuild("a <*>", &[]), None);
        assert_eq!(rebuild("a <*>", &["1", "2"]), None);
        let parts = Split { variables: vec!["1"], spacing: vec![(5, "x")] };
        assert_eq!(join("a <*>", &parts), None);
    }

    #[test]
    fn a_line_made_to_be_slow_is_given_up() {
        let template = format!("x <*> {}! <*>", "a ".repeat(300));
        assert_eq!(split(&template, &format!("x  {}", "a".repeat(60_000))), None);
    }
}
