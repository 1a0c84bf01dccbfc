//! What stands in the places of a template: of which kind, how many different values, which most often, and how numbers
//! are distributed.
//!
//! Few different values are all held with their counts; only more of them cost a [`HyperLogLog`], and only numbers a
//! [`Quantiles`]. A place that always holds few values is an enumeration ("status = up|down"): a view on what is held,
//! which changes neither the template nor an id.
//!
//! When a pattern's template is generalized, its places change. The old template is taken apart by the new one like any
//! line: a place that was one stays with all it knows; a word that became a place starts with that word, as often as
//! the pattern came; what is neither starts anew, and says since when.
//!
//! Invariants: the first [`PLACES_MAX`] places are held, in the order of the template; the bytes of all patterns are
//! bounded by the miner, which lets the least important forget; one that forgot starts again when it came twice as
//! often, so that forgetting is paid for by the lines that came since.

use super::kind::{Kinds, Unit, VariableKind, number_of};
use super::shape::VARIABLE;
use super::split::Places;
use crate::bytes::{ReadError, Reader, Writer};
use crate::sketch::{Counted, HyperLogLog, Inserted, Quantiles, SpaceSaving, hash_of_value};
use crate::time::Timestamp;

/// Places of a template of which something is held.
const PLACES_MAX: usize = 8;
/// Values held by name: twice as many as are shown, so that those shown are right.
const VALUES_MAX: usize = 16;
/// Values of an enumeration.
const ENUMERATION_VALUES_MAX: usize = 8;
/// Values seen before few different ones are called an enumeration.
const ENUMERATION_SEEN_MIN: u64 = 20;
/// 512 registers, 4.6 % of standard error.
const PRECISION: u8 = 9;
/// What a place takes beside its sketches, rounded up.
const VARIABLE_BYTES: usize = 256;
const VERSION: u8 = 1;

/// What is known of one place of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    kinds: Kinds,
    top: SpaceSaving,
    /// Since not all values could be held.
    distinct: Option<Box<HyperLogLog>>,
    numbers: Option<Box<Numbers>>,
    since: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq)]
struct Numbers {
    unit: Unit,
    quantiles: Quantiles,
}

/// What is known of the places of one pattern's template.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables {
    places: Places,
    /// By place; empty before the first line and after forgetting.
    held: Vec<Variable>,
    /// Forgotten; starts again at this count of the pattern.
    resume_at: u64,
}

impl Variable {
    fn new(since: Option<Timestamp>) -> Self {
        let top = SpaceSaving::new(VALUES_MAX);
        Self { kinds: Kinds::default(), top, distinct: None, numbers: None, since }
    }

    fn insert(&mut self, text: &str, times: u64) {
        let hash = hash_of_value(text);
        let inserted = self.top.insert(text, hash, times);
        if let Inserted::Replaced(replaced) = inserted {
            let had_begun = self.distinct.is_some();
            let distinct = self.distinct_of_more();
            // Once it has begun every value went in as it came.
            if !had_begun {
                distinct.insert(replaced);
            }
            distinct.insert(hash);
        }
        // The kind of a value that is held was noted when it came first, and what is no number then is none now.
        if inserted == Inserted::Known && self.numbers.is_none() {
            return;
        }
        let kind = VariableKind::of(text);
        self.kinds.add(kind);
        let Some((number, unit)) = number_of(kind, text) else { return };
        let numbers = self.numbers.get_or_insert_with(|| Box::new(Numbers { unit, quantiles: Quantiles::default() }));
        // Numbers of another unit are no part of the same distribution.
        if numbers.unit == unit {
            numbers.quantiles.insert_times(number, times);
        }
    }

    /// The sketch of different values; when it begins it takes in those held.
    fn distinct_of_more(&mut self) -> &mut HyperLogLog {
        let top = &self.top;
        self.distinct.get_or_insert_with(|| {
            let mut distinct = Box::new(HyperLogLog::new(PRECISION));
            top.hashes().for_each(|hash| distinct.insert(hash));
            distinct
        })
    }

    fn merge(&mut self, other: &Self) {
        self.kinds.merge(other.kinds);
        let were_exact = self.top.is_exact() && other.top.is_exact();
        if let Some(distinct) = &other.distinct {
            self.distinct_of_more().merge(distinct);
        } else if self.distinct.is_some() || self.top.len() + other.top.len() > VALUES_MAX {
            let distinct = self.distinct_of_more();
            other.top.hashes().for_each(|hash| distinct.insert(hash));
        }
        self.top.merge(&other.top);
        if were_exact && self.top.is_exact() {
            self.distinct = None;
        }
        if let Some(more) = &other.numbers {
            match &mut self.numbers {
                Some(numbers) if numbers.unit == more.unit => numbers.quantiles.merge(&more.quantiles),
                Some(_) => {}
                None => self.numbers = Some(more.clone()),
            }
        }
        self.since = self.since.max(other.since);
    }

    /// The narrowest kind that all values are of.
    pub fn kind(&self) -> VariableKind {
        self.kinds.joined()
    }

    /// Values seen.
    pub fn count(&self) -> u64 {
        self.top.total()
    }

    /// Since when (event time), if not since the pattern began.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// How many different values, and whether that is exact; otherwise its standard error is 4.6 %.
    pub fn distinct(&self) -> (u64, bool) {
        match &self.distinct {
            None => (self.top.len() as u64, true),
            Some(distinct) => (distinct.estimate(), distinct.is_exact()),
        }
    }

    /// The most frequent values that are known by name, with their counts and errors.
    pub fn top(&self) -> Vec<&Counted> {
        let mut ranked = self.top.ranked();
        ranked.retain(|counted| counted.text().is_some());
        ranked.truncate(ENUMERATION_VALUES_MAX);
        ranked
    }

    /// Whether it always held few values, all of which [`Variable::top`] names.
    pub fn is_enumeration(&self) -> bool {
        self.top.is_exact() && self.top.len() <= ENUMERATION_VALUES_MAX && self.count() >= ENUMERATION_SEEN_MIN
    }

    /// Whether every value seen is held with its true count.
    pub(crate) fn is_exact(&self) -> bool {
        self.top.is_exact()
    }

    /// The values held, by the hash of their text, with their counts.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.top.counts()
    }

    /// How its numbers are distributed, if it has any.
    pub fn numbers(&self) -> Option<(Unit, &Quantiles)> {
        self.numbers.as_ref().map(|numbers| (numbers.unit, &numbers.quantiles))
    }

    fn memory_bytes(&self) -> usize {
        let distinct = self.distinct.as_ref().map_or(0, |distinct| distinct.memory_bytes());
        let numbers = self.numbers.as_ref().map_or(0, |numbers| numbers.quantiles.memory_bytes());
        VARIABLE_BYTES + self.top.memory_bytes() + distinct + numbers
    }

    fn write(&self, out: &mut Writer) {
        out.uint(u64::from(self.kinds.bits()));
        self.top.write(out);
        let unit = self.numbers.as_ref().map_or(0, |numbers| 2 + 2 * numbers.unit as u8);
        let since = u8::from(self.since.is_some());
        out.u8(u8::from(self.distinct.is_some()) | unit | since << 4);
        if let Some(since) = self.since {
            out.int(since.0);
        }
        if let Some(distinct) = &self.distinct {
            distinct.write(out);
        }
        if let Some(numbers) = &self.numbers {
            numbers.quantiles.write(out);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let kinds = Kinds::from_bits(u16::try_from(input.uint()?).map_err(|_| ReadError::Overflow)?);
        let top = SpaceSaving::read(input)?;
        let head = input.u8()?;
        let since = if head & 16 != 0 { Some(Timestamp(input.int()?)) } else { None };
        let distinct = if head & 1 != 0 { Some(Box::new(HyperLogLog::read(input)?)) } else { None };
        let unit = match head >> 1 & 7 {
            0 => None,
            1 => Some(Unit::One),
            2 => Some(Unit::Milliseconds),
            3 => Some(Unit::Bytes),
            _ => return Err(ReadError::Unknown("unit")),
        };
        let numbers = match unit {
            Some(unit) => Some(Box::new(Numbers { unit, quantiles: Quantiles::read(input)? })),
            None => None,
        };
        Ok(Self { kinds, top, distinct, numbers, since })
    }
}

impl Variables {
    /// Nothing seen, for the places of this template.
    pub(super) fn of(template: &str) -> Self {
        Self { places: Places::of(template), ..Self::default() }
    }

    /// Where the places of its template are.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// Reads what [`Variables::encode`] wrote, for this template.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn read(template: &str, section: &[u8]) -> Result<Self, ReadError> {
        let mut variables = Self::of(template);
        variables.decode(section)?;
        Ok(variables)
    }

    /// Takes over what another component knows of the same pattern, whose template may have become another there. Where
    /// nothing was known before, that is all.
    pub fn merge_seen(&mut self, own: &str, mut other: Self, template: &str, count: u64, last_seen: Timestamp) {
        other.remap(template, own, count, last_seen);
        if self.held.is_empty() {
            *self = other;
        } else {
            self.merge(&other, last_seen);
        }
    }

    /// What is held, by place: the first of the template, at most eight. None where it was forgotten.
    pub fn held(&self) -> &[Variable] {
        &self.held
    }

    /// Notes a line of the pattern; `count` of its lines have come, this one included.
    pub(super) fn observe(&mut self, template: &str, message: &str, at: Timestamp, count: u64) {
        if self.places.len() == 0 || count < self.resume_at {
            return;
        }
        let mut values = [""; PLACES_MAX];
        if !self.places.first_values(template, message, &mut values) {
            return;
        }
        if self.held.is_empty() {
            let since = (count > 1).then_some(at);
            self.resume_at = 0;
            self.held = vec![Variable::new(since); self.places.len().min(PLACES_MAX)];
        }
        for (variable, text) in self.held.iter_mut().zip(values) {
            variable.insert(trimmed(text), 1);
        }
    }

    /// Takes back what a line of the pattern brought: values that came with no other line are forgotten. Of numbers and
    /// of how many different values there were, nothing leads back to a line.
    pub(super) fn retract(&mut self, template: &str, message: &str) {
        let Some(split) = self.places.split(template, message) else { return };
        for (variable, text) in self.held.iter_mut().zip(split.variables) {
            variable.top.retract(hash_of_value(text.trim()));
        }
    }

    /// Lets go of all of it until the pattern came twice as often.
    pub(super) fn forget(&mut self, count: u64) {
        self.held = Vec::new();
        self.resume_at = count.saturating_mul(2).max(2);
    }

    /// The places of a pattern whose template became another. `count` of its lines came, the last at `at`.
    pub(super) fn remap(&mut self, before: &str, now: &str, count: u64, at: Timestamp) {
        if before == now {
            return;
        }
        let old = std::mem::replace(self, Self { resume_at: self.resume_at, ..Self::of(now) });
        let was_plain = old.places.len() == 0 && count > 0;
        if old.held.is_empty() && !was_plain {
            return;
        }
        let Some(split) = self.places.split(now, before) else { return };
        let mut place = 0;
        for text in split.variables.into_iter().take(PLACES_MAX).map(str::trim) {
            let places = text.matches(VARIABLE).count();
            let known = old.held.get(place).filter(|_| text == VARIABLE);
            self.held.push(match known {
                Some(variable) => variable.clone(),
                None => {
                    let mut variable = Variable::new((places > 0).then_some(at));
                    if places == 0 {
                        variable.insert(text, count);
                    }
                    variable
                }
            });
            place += places;
        }
    }

    /// Takes over those of another pattern of the same template.
    pub(super) fn merge(&mut self, other: &Self, other_last_seen: Timestamp) {
        let mut others = other.held.iter();
        for variable in &mut self.held {
            match others.next() {
                Some(other) => variable.merge(other),
                // What the other saw is not known.
                None => variable.since = variable.since.max(Some(other_last_seen)),
            }
        }
    }

    /// Bytes held, as on a platform of 64 bits, rounded up.
    pub fn memory_bytes(&self) -> usize {
        self.held.iter().map(Variable::memory_bytes).sum()
    }

    /// The section of a pattern's row; `None` if there is nothing to say.
    pub fn encode(&self) -> Option<Vec<u8>> {
        if self.held.is_empty() && self.resume_at == 0 {
            return None;
        }
        let mut out = Writer::new();
        out.u8(VERSION);
        out.uint(self.resume_at);
        out.uint(self.held.len() as u64);
        self.held.iter().for_each(|variable| variable.write(&mut out));
        Some(out.into_bytes())
    }

    /// Reads a section. One of a later version, or for another number of places, is passed by: what it held starts anew.
    ///
    /// # Errors
    /// Damaged bytes.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let mut input = Reader::new(bytes);
        if input.u8()? != VERSION {
            return Ok(());
        }
        self.resume_at = input.uint()?;
        let count = input.count()?;
        if count != 0 && count != self.places.len().min(PLACES_MAX) {
            return Ok(());
        }
        for _ in 0..count {
            self.held.push(Variable::read(&mut input)?);
        }
        if input.is_empty() { Ok(()) } else { Err(ReadError::Unknown("bytes after variables")) }
    }
}

/// Without the white space around it, of which there is nearly never any.
fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [b'!'..=b'~', .., b'!'..=b'~'] | [b'!'..=b'~'] => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(variables: &mut Variables, template: &str, messages: &[&str]) {
        for (index, message) in messages.iter().enumerate() {
            variables.observe(template, message, Timestamp(index as i64), index as u64 + 1);
        }
    }

    fn of(template: &str, messages: &[&str]) -> Variables {
        let mut variables = Variables::of(template);
        observe(&mut variables, template, messages);
        variables
    }

    fn values(variable: &Variable) -> Vec<(&str, u64)> {
        variable.top().into_iter().map(|counted| (counted.text().unwrap_or("?"), counted.count)).collect()
    }

    fn back(variables: &Variables, template: &str) -> Variables {
        let mut back = Variables::of(template);
        back.decode(&variables.encode().unwrap()).unwrap();
        back
    }

    #[test]
    fn each_place_knows_its_kind_its_values_and_its_numbers() {
        let template = "user=<*> took <*>";
        let variables = of(template, &["user=ann took 15 ms", "user=bob took 2s", "user=ann took 250 us"]);
        let [user, took] = variables.held() else { panic!("two places") };
        assert_eq!(
            (user.kind(), user.count(), user.distinct(), user.since()),
            (VariableKind::Word, 3, (2, true), None)
        );
        assert_eq!(values(user), [("ann", 2), ("bob", 1)]);
        assert!(user.numbers().is_none());
        let (unit, numbers) = took.numbers().unwrap();
        assert_eq!(
            (took.kind(), unit, numbers.range()),
            (VariableKind::Duration, Unit::Milliseconds, Some((0.25, 2_000.0)))
        );
        assert_eq!(back(&variables, template), variables);
    }

    #[test]
    fn few_values_that_stay_few_are_an_enumeration() {
        let template = "link is <*>";
        let mut messages = vec!["link is up"; 12];
        messages.extend(["link is down"; 7]);
        assert!(!of(template, &messages).held()[0].is_enumeration());
        messages.push("link is down");
        let variables = of(template, &messages);
        assert!(variables.held()[0].is_enumeration());
        assert_eq!(values(&variables.held()[0]), [("up", 12), ("down", 8)]);
        let more: Vec<String> = (0..9).map(|value| format!("link is state{value}")).collect();
        messages.extend(more.iter().map(String::as_str));
        assert!(!of(template, &messages).held()[0].is_enumeration());
    }

    #[test]
    fn many_values_are_estimated_and_the_frequent_ones_named() {
        let template = "order <*>";
        let messages: Vec<String> =
            (0..3_000).map(|at| format!("order {}", if at % 3 == 0 { 7 } else { at + 1_000 })).collect();
        let variables = of(template, &messages.iter().map(String::as_str).collect::<Vec<_>>());
        let variable = &variables.held()[0];
        let (distinct, is_exact) = variable.distinct();
        // 2,001 different values, four standard errors of 4.6 %.
        assert!(!is_exact && (1_633..=2_369).contains(&distinct), "{distinct}");
        let first = variable.top()[0];
        assert_eq!(first.text(), Some("7"));
        assert!(first.count >= 1_000 && first.count - first.error <= 1_000);
        assert_eq!(back(&variables, template), variables);
        assert!(variable.memory_bytes() < 6 * 1024);
    }

    #[test]
    fn a_word_that_becomes_a_place_starts_with_that_word() {
        let mut variables = of("job <*> is ready", &["job 1 is ready", "job 2 is ready", "job 1 is ready"]);
        variables.remap("job <*> is ready", "job <*> is <*>", 3, Timestamp(9));
        let [job, state] = variables.held() else { panic!("two places") };
        assert_eq!((values(job), job.since()), (vec![("1", 2), ("2", 1)], None));
        assert_eq!((values(state), state.since()), (vec![("ready", 3)], None));
        // Two places that became one start anew, and say since when.
        variables.remap("job <*> is <*>", "job <*>", 3, Timestamp(9));
        assert_eq!((variables.held().len(), variables.held()[0].count()), (1, 0));
        assert_eq!(variables.held()[0].since(), Some(Timestamp(9)));
    }

    #[test]
    fn a_template_without_places_that_gets_one_remembers_its_only_line() {
        let mut variables = of("link up now", &["link up now"; 5]);
        assert!(variables.held().is_empty() && variables.encode().is_none());
        variables.remap("link up now", "link <*> now", 5, Timestamp(9));
        assert_eq!(values(&variables.held()[0]), [("up", 5)]);
    }

    #[test]
    fn patterns_that_are_one_bring_their_values_together() {
        let mut left = of("a <*> b", &["a 1 b", "a 2 b"]);
        left.merge(&of("a <*> b", &["a 2 b", "a 3ms b"]), Timestamp(5));
        assert_eq!(values(&left.held()[0]), [("2", 2), ("1", 1), ("3ms", 1)]);
        assert_eq!((left.held()[0].distinct(), left.held()[0].since()), ((3, true), None));
        let numbers = |from: u32| (from..from + 12).map(|value| format!("a {value} b")).collect::<Vec<_>>();
        let (some, others) = (numbers(0), numbers(6));
        let texts = |all: &[String]| of("a <*> b", &all.iter().map(String::as_str).collect::<Vec<_>>());
        let mut all = texts(&some);
        all.merge(&texts(&others), Timestamp(5));
        assert_eq!((all.held()[0].distinct(), all.held()[0].top.is_exact()), ((18, true), false));
        assert_eq!(all.held()[0].numbers().unwrap().1.count(), 24);
        all.merge(&Variables::of("a <*> b"), Timestamp(77));
        assert_eq!(all.held()[0].since(), Some(Timestamp(77)));
    }

    #[test]
    fn what_was_forgotten_starts_again_when_the_pattern_came_twice_as_often() {
        let template = "a <*>";
        let mut variables = of(template, &["a 1", "a 2", "a 3"]);
        variables.forget(3);
        assert_eq!((variables.held().len(), variables.memory_bytes()), (0, 0));
        assert_eq!(back(&variables, template), variables);
        variables.observe(template, "a 4", Timestamp(40), 5);
        assert!(variables.held().is_empty());
        variables.observe(template, "a 5", Timestamp(50), 6);
        assert_eq!((values(&variables.held()[0]), variables.held()[0].since()), (vec![("5", 1)], Some(Timestamp(50))));
    }

    #[test]
    fn only_the_first_eight_places_are_held_and_other_lines_change_nothing() {
        let template = ["<*>"; 10].join(" x ");
        let message = ["1"; 10].join(" x ");
        let variables = of(&template, &[&message, "something else"]);
        assert_eq!((variables.held().len(), variables.held()[7].count()), (8, 1));
    }

    #[test]
    fn sections_of_later_versions_and_of_other_places_start_anew_and_damaged_ones_are_refused() {
        let section = of("a <*>", &["a 1"]).encode().unwrap();
        let mut later = section.clone();
        later[0] = VERSION + 1;
        for (template, bytes) in [("a <*>", &later), ("a <*> <*>", &section)] {
            let mut variables = Variables::of(template);
            assert_eq!(variables.decode(bytes), Ok(()));
            assert_eq!(variables, Variables::of(template));
        }
        for length in 0..section.len() {
            assert!(Variables::of("a <*>").decode(&section[..length]).is_err());
        }
        let long = [section.as_slice(), &[0]].concat();
        assert!(Variables::of("a <*>").decode(&long).is_err());
    }
}
