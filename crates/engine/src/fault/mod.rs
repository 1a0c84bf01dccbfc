//! What went wrong, as far as a stack trace tells: which fault a record is an instance of.
//!
//! A [`Fingerprint`] is folded from the types of the exceptions, root cause first, and from the application's own
//! frames below each; of each frame only what outlives a release: no lines, addresses, hashes, generated names,
//! versions or folders of a deployment (`name`, `place`). So the same fault of two releases has one fingerprint, and
//! two exceptions out of one function have two. Which of several messages it was is not part of it: the miner takes
//! the shape of the message for that, within the lines of one fingerprint.
//!
//! The rules for frames, each in `print`:
//!
//! 1. Only frames of the application count. Where no exception of the chain has one, the innermost
//!    [`LIBRARY_FRAMES`] of each count.
//! 2. A frame counts where it first occurs, from the inside out: recursion is as deep as the data, and closures of one
//!    function are that function.
//! 3. When the stack itself ran out, only what repeats counts, in no order: where it ended is chance.
//!
//! Invariants: total on any stack; a function of the parsed stack alone; never zero, which means no fault.
//!
//! Left out: the text of messages, arguments, source maps, and names that a minifier chose.

mod name;
mod place;
mod print;

use crate::bytes::{ReadError, Reader, Writer};
use crate::normalize::stack::{Language, ParsedStack};
use std::fmt;

pub use print::told_apart_by;

/// Frames that count for each exception of a chain in which no frame is the application's own.
pub const LIBRARY_FRAMES: usize = 3;
/// Bytes kept of what a record and its exception said: the miner looks at no more tokens than they hold.
const SAID_BYTES_MAX: usize = 1_024;
/// Bytes of a name that is kept to be shown.
const NAME_BYTES_MAX: usize = 128;

/// Which fault a stack trace shows. Shown as 16 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The fingerprint of a stack, if it has frames.
    pub fn of(stack: &ParsedStack) -> Option<Self> {
        print::told_apart_by(stack).map(|text| Self(xxhash_rust::xxh3::xxh3_64(text.as_bytes()).max(1)))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A fault: its fingerprint, and what people want to read of it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which fault it is.
    pub fingerprint: Fingerprint,
    /// What printed the stack.
    pub language: Language,
    /// Type of the exception that was reported.
    pub exception_type: Option<String>,
    /// The culprit: the innermost function of the application, of the reported exception before its causes.
    pub function: Option<String>,
    /// The culprit's file.
    pub file: Option<String>,
    /// Types of the causes, from the nearest to the root; a cause without a type is left out.
    pub causes: Vec<String>,
    /// What is mined of the record, where that is not its message: what the exception is and said, behind the message
    /// where that says something of its own. A pattern keeps none: its template tells.
    pub told: Option<String>,
}

impl Fault {
    /// The fault that a stack shows; `message` and `text` are the record's message and the text of the stack. None
    /// without frames.
    pub fn of(stack: &ParsedStack, message: &str, text: &str) -> Option<Self> {
        let fingerprint = Fingerprint::of(stack)?;
        let language = stack.language?;
        let culprit = stack.frames.iter().find(|frame| frame.in_app).or_else(|| stack.frames.first());
        let short = |text: &Option<String>| text.as_deref().map(|text| cut(text, NAME_BYTES_MAX).to_owned());
        let exception_type = short(&stack.exception_type);
        Some(Self {
            fingerprint,
            language,
            function: culprit.and_then(|frame| short(&frame.function)),
            file: culprit.and_then(|frame| short(&frame.file)),
            causes: stack.causes.iter().filter_map(|cause| short(&cause.exception_type)).collect(),
            told: told(exception_type.as_deref(), stack.exception_message.as_deref(), message, text),
            exception_type,
        })
    }

    /// Every text of it, for whoever must look at all of them.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { fingerprint: _, language: _, exception_type, function, file, causes, told } = self;
        [exception_type, function, file, told].into_iter().flatten().chain(causes)
    }

    /// Its bytes, as part of a segment or of a pattern's row.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u64_fixed(self.fingerprint.0);
        out.u8(self.language as u8);
        for text in [&self.exception_type, &self.function, &self.file, &self.told] {
            out.optional_text(text.as_deref());
        }
        out.uint(self.causes.len() as u64);
        for cause in &self.causes {
            out.text(cause);
        }
    }

    /// Reads what [`Fault::write`] wrote.
    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let fingerprint = Fingerprint(input.u64_fixed()?);
        let language = Language::ALL.get(usize::from(input.u8()?)).copied().ok_or(ReadError::Unknown("language"))?;
        let mut text = || input.optional_text().map(|text| text.map(str::to_owned));
        let (exception_type, function, file, told) = (text()?, text()?, text()?, text()?);
        let causes = (0..input.count()?).map(|_| input.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        Ok(Self { fingerprint, language, exception_type, function, file, causes, told })
    }
}

/// What a record of a fault tells, if not its message.
///
/// The line in which a runtime names an exception holds places, threads and times beside it, each runtime in its own
/// way: a message that is such a line, or only repeats what the exception said, is told as `type: what it said`. A
/// message with words of its own stands before that.
fn told(kind: Option<&str>, said: Option<&str>, message: &str, text: &str) -> Option<String> {
    let said = said.and_then(|said| said.lines().next()).map_or("", str::trim);
    let said = cut(said, SAID_BYTES_MAX);
    let kind = kind.unwrap_or_default();
    let exception = match (kind.is_empty(), said.is_empty()) {
        (true, true) => return None,
        (false, false) => [kind, ": ", said].concat(),
        _ => [kind, said].concat(),
    };
    let is_repeated = message.contains(if said.is_empty() { kind } else { said }) || text.contains(message);
    let told = if is_repeated {
        exception
    } else {
        let joint = if message.ends_with(':') { " " } else { ": " };
        [cut(message, SAID_BYTES_MAX), joint, &exception].concat()
    };
    (told != message).then_some(told)
}

fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::stack::parse_frames;

    const TRACE: &str =
        "RuntimeError: no stock for A-7\n    at add (/app/src/cart.js:12:7)\n    at node:internal/x:1:2";

    fn fault(message: &str) -> Fault {
        Fault::of(&parse_frames(TRACE), message, TRACE).expect("it has frames")
    }

    #[test]
    fn a_fault_names_its_type_and_its_culprit() {
        let fault = fault("RuntimeError: no stock for A-7");
        assert_eq!(fault.exception_type.as_deref(), Some("RuntimeError"));
        assert_eq!((fault.function.as_deref(), fault.file.as_deref()), (Some("add"), Some("/app/src/cart.js")));
        assert_eq!((fault.told, fault.language), (None, Language::JavaScript));
        assert_eq!(Fault::of(&parse_frames("no frames"), "", "no frames"), None);
    }

    #[test]
    fn a_fault_is_told_by_what_its_exception_said_and_what_else_the_message_says() {
        let told = |message: &str| fault(message).told;
        let exception = "RuntimeError: no stock for A-7";
        assert_eq!(told("[12:01] ERROR no stock for A-7").as_deref(), Some(exception));
        assert_eq!(told("    at add (/app/src/cart.js:12:7)").as_deref(), Some(exception));
        assert_eq!(told("Unhandled").as_deref(), Some("Unhandled: RuntimeError: no stock for A-7"));
        assert_eq!(told("Unhandled:").as_deref(), Some("Unhandled: RuntimeError: no stock for A-7"));
        assert_eq!(told(exception), None);
        let without_words = "RuntimeError\n    at add (/app/src/cart.js:12:7)";
        let told =
            |message: &str| Fault::of(&parse_frames(without_words), message, without_words).and_then(|it| it.told);
        assert_eq!(told("Uncaught RuntimeError").as_deref(), Some("RuntimeError"));
        assert_eq!(told("Job failed").as_deref(), Some("Job failed: RuntimeError"));
    }

    #[test]
    fn a_fault_survives_its_bytes_and_damage_is_refused() {
        let mut fault = fault("Unhandled");
        fault.causes = vec!["KeyError".into()];
        let mut out = Writer::new();
        fault.write(&mut out);
        let bytes = out.into_bytes();
        assert_eq!(Fault::read(&mut Reader::new(&bytes)), Ok(fault.clone()));
        for end in 0..bytes.len() {
            assert!(Fault::read(&mut Reader::new(&bytes[..end])).is_err(), "cut to {end}");
        }
        assert_eq!(fault.texts_mut().count(), 5);
    }

    #[test]
    fn a_fingerprint_is_shown_as_sixteen_digits() {
        assert_eq!(Fingerprint(0xab).to_string(), "00000000000000ab");
    }
}
