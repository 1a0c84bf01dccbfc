//! The shape of a line: its tokens, of which words may be made variables; what the slow path thinks with.

use super::rules::Rule;
use super::scan::{Sink, scan_with_header};
use super::signature::{Fold, hash_of, joins_variables};
use crate::limits;

/// How a variable is shown.
pub(super) const VARIABLE: &str = "<*>";

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word(u64),
    Delimiter(u8),
    Variable,
}

/// A token and where it lies in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens of a message.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

struct Collect<'a> {
    text: &'a [u8],
    tokens: Vec<Token>,
}

impl Sink for Collect<'_> {
    fn word(&mut self, start: usize, end: usize) {
        let hash = hash_of(self.text.get(start..end).unwrap_or_default());
        self.tokens.push(Token { kind: Kind::Word(hash), start, end });
    }
    fn delimiter(&mut self, byte: u8, start: usize, end: usize) {
        self.tokens.push(Token { kind: Kind::Delimiter(byte), start, end });
    }
    fn variable(&mut self, start: usize, end: usize) {
        self.tokens.push(Token { kind: Kind::Variable, start, end });
    }
    fn room(&self) -> usize {
        limits::PATTERN_TOKENS_MAX.saturating_sub(self.tokens.len())
    }
}

/// How readily a word position becomes a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// It is given as a value, behind `=` or within quotes.
    Assigned,
    /// It stands where values stand, behind a preposition.
    Introduced,
    /// An ordinary word.
    Plain,
    /// All assigned words of the line at once: lines that vary in several values.
    Joint,
    /// An upper-case word or a participle names a state more often than a value.
    State,
}

impl<'a> Shape<'a> {
    /// The tokens of a message; what lies behind [`limits::PATTERN_TOKENS_MAX`] of them is one variable.
    pub(super) fn of(message: &'a str) -> Self {
        let text = message.as_bytes();
        let tokens = Vec::with_capacity((text.len() / 4 + 4).min(limits::PATTERN_TOKENS_MAX + 2));
        let mut sink = Collect { text, tokens };
        let end = scan_with_header(text, &mut sink);
        if end < text.len() {
            sink.tokens.push(Token { kind: Kind::Variable, start: end, end: text.len() });
        }
        Self { text: message, tokens: sink.tokens }
    }

    /// The signature of the tokens as they are.
    pub(super) fn signature(&self) -> u64 {
        fold(Fold::default(), &self.tokens).finish()
    }

    /// What could be a variable: each word (of the first [`limits::PATTERN_CONTEXTS_OF_LINE_MAX`]), and all assigned
    /// words together.
    pub(super) fn contexts(&self) -> Vec<Context> {
        let words = self.words();
        let mut contexts = Vec::with_capacity(words.min(limits::PATTERN_CONTEXTS_OF_LINE_MAX) + 1);
        let mut prefix = Fold::default();
        let mut joint = Joint::default();
        for (position, token) in self.tokens.iter().enumerate() {
            let mut kind = token.kind;
            if let Kind::Word(value) = token.kind {
                let readiness = self.readiness(position);
                if readiness == Readiness::Assigned {
                    joint.add(value);
                    kind = Kind::Variable;
                }
                if contexts.len() < limits::PATTERN_CONTEXTS_OF_LINE_MAX {
                    let mut with_variable = prefix;
                    with_variable.variable();
                    let rest = self.tokens.get(position + 1..).unwrap_or_default();
                    let signature = fold(with_variable, rest).finish();
                    let at = Place::At(position);
                    contexts.push(Context { place: at, value, signature, readiness, words_left: words - 1 });
                }
            }
            push(&mut prefix, token.kind);
            push(&mut joint.fold, kind);
        }
        if joint.words > 1 && Rule::Joint.holds() {
            contexts.push(Context {
                place: Place::Assigned,
                value: joint.values,
                signature: joint.fold.finish(),
                readiness: Readiness::Joint,
                words_left: words - joint.words,
            });
        }
        contexts
    }

    /// Words that are not variables.
    pub(super) fn words(&self) -> usize {
        self.tokens.iter().filter(|token| matches!(token.kind, Kind::Word(_))).count()
    }

    /// Makes the words of a context variables.
    pub(super) fn generalize(&mut self, context: &Context) {
        let positions = match context.place {
            Place::At(position) => position..position + 1,
            Place::Assigned => 0..self.tokens.len(),
        };
        // What is assigned is judged on the line as it was.
        let chosen: Vec<usize> = positions
            .filter(|&position| {
                let is_word = self.tokens.get(position).is_some_and(|token| matches!(token.kind, Kind::Word(_)));
                is_word && (context.place != Place::Assigned || self.readiness(position) == Readiness::Assigned)
            })
            .collect();
        for position in chosen {
            if let Some(token) = self.tokens.get_mut(position) {
                token.kind = Kind::Variable;
            }
        }
    }

    fn word(&self, token: &Token) -> &'a str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn readiness(&self, position: usize) -> Readiness {
        let Some(token) = self.tokens.get(position) else { return Readiness::Plain };
        let word = self.word(token);
        let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
        let is_upper = letters >= 2 && !word.bytes().any(|byte| byte.is_ascii_lowercase());
        if (is_upper || word.len() >= 6 && (word.ends_with("ed") || word.ends_with("ing"))) && Rule::States.holds() {
            return Readiness::State;
        }
        let before = position.checked_sub(1).and_then(|index| self.tokens.get(index));
        let behind = self.tokens.get(position + 1).map(|token| token.kind);
        match before {
            Some(Token { kind: Kind::Delimiter(b'='), .. }) if Rule::Assigned.holds() => Readiness::Assigned,
            Some(Token { kind: Kind::Delimiter(quote @ (b'"' | b'\'')), end, .. })
                if *end == token.start && behind == Some(Kind::Delimiter(*quote)) && Rule::Assigned.holds() =>
            {
                Readiness::Assigned
            }
            Some(before @ Token { kind: Kind::Word(_), .. })
                if is_preposition(self.word(before)) && Rule::Introduced.holds() =>
            {
                Readiness::Introduced
            }
            _ => Readiness::Plain,
        }
    }

    /// Words and `<*>`, white space as one space, at most [`limits::TEMPLATE_BYTES_MAX`] bytes.
    pub(super) fn template(&self) -> String {
        let mut template = String::with_capacity(self.text.len().min(limits::TEMPLATE_BYTES_MAX));
        // Where the template ends right behind the last variable, while only list punctuation followed it.
        let mut behind_variable = None;
        let mut end = None;
        for token in &self.tokens {
            let gap = end.and_then(|end| self.text.get(end..token.start)).unwrap_or_default();
            let body = if token.kind == Kind::Variable { VARIABLE } else { self.word(token) };
            if template.len() + body.len() + VARIABLE.len() + 5 > limits::TEMPLATE_BYTES_MAX {
                template.push_str(if template.is_empty() || behind_variable.is_some() { "" } else { " " });
                template.truncate(behind_variable.unwrap_or(template.len()));
                template.push_str(if behind_variable.is_some() { "" } else { VARIABLE });
                break;
            }
            end = Some(token.end);
            match (token.kind, behind_variable) {
                (Kind::Variable, Some(length)) => {
                    template.truncate(length);
                    continue;
                }
                (Kind::Word(_), _) => behind_variable = None,
                (Kind::Delimiter(byte), _) if !joins_variables(byte) => behind_variable = None,
                _ => {}
            }
            // Spaces stay, so that lines can be rebuilt; line ends and wide gaps would only spoil the view.
            let stays = gap.len() <= 4 && gap.bytes().all(|byte| byte == b' ');
            template.push_str(if stays { gap } else { " " });
            template.push_str(body);
            if token.kind == Kind::Variable {
                behind_variable = Some(template.len());
            }
        }
        template.shrink_to_fit();
        template
    }
}

/// The template of a message as it is, before anything was learnt.
pub fn template_of(message: &str) -> String {
    Shape::of(message).template()
}

/// The narrowest template that describes the lines of both: token by token where they have as many, else what they begin
/// and end with.
pub(super) fn cover(left: &str, right: &str) -> String {
    if left == right {
        return left.to_owned();
    }
    let (mut cover, other) = (Shape::of(left), Shape::of(right));
    let differs = |(left, right): (&Token, &Token)| left.kind != right.kind;
    let (length, wanted) = (cover.tokens.len(), other.tokens.len());
    if length == wanted {
        for (token, other) in cover.tokens.iter_mut().zip(&other.tokens) {
            if differs((token, other)) {
                token.kind = Kind::Variable;
            }
        }
        return cover.template();
    }
    let shorter = length.min(wanted);
    let pairs = || cover.tokens.iter().zip(&other.tokens);
    let mut prefix = pairs().position(differs).unwrap_or(shorter);
    let pairs = || cover.tokens.iter().rev().zip(other.tokens.iter().rev());
    let suffix = pairs().take(shorter - prefix).position(differs).unwrap_or(shorter - prefix);
    if prefix + suffix == length {
        prefix = prefix.saturating_sub(1);
    }
    for token in cover.tokens.iter_mut().take(length - suffix).skip(prefix) {
        token.kind = Kind::Variable;
    }
    cover.template()
}

/// Where a context is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the token with this index.
    At(usize),
    /// At all assigned words.
    Assigned,
}

/// The line with a word (or all assigned words) left open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) place: Place,
    /// Hash of what stands there.
    value: u64,
    /// Signature of the shape with a variable there.
    pub(super) signature: u64,
    pub(super) readiness: Readiness,
    /// Words that would stay.
    pub(super) words_left: usize,
}

impl Context {
    /// What evidence remembers of the word: 31 bits of its hash, and whether it looks like a state.
    pub(super) fn seen_word(&self) -> u32 {
        (self.value >> 32) as u32 & !1 | u32::from(self.readiness == Readiness::State)
    }
}

/// The fold of a line with all assigned words open.
#[derive(Default)]
struct Joint {
    fold: Fold,
    words: usize,
    values: u64,
}

impl Joint {
    fn add(&mut self, value: u64) {
        self.words += 1;
        self.values = (self.values.rotate_left(17) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

fn push(fold: &mut Fold, kind: Kind) {
    match kind {
        Kind::Word(hash) => fold.word(hash),
        Kind::Delimiter(byte) => fold.delimiter(byte),
        Kind::Variable => fold.variable(),
    }
}

fn fold(mut start: Fold, tokens: &[Token]) -> Fold {
    for token in tokens {
        push(&mut start, token.kind);
    }
    start
}

/// English prepositions that introduce a value more often than a part of the sentence.
fn is_preposition(word: &str) -> bool {
    matches!(word, "for" | "from" | "to" | "by" | "at" | "on" | "of" | "user" | "host" | "via" | "named")
}
