//! What a language's reader hands back: sections of frames, one per exception of a chain.
//!
//! Invariants: `sections` is ordered from the exception that reached the top to its root cause; a section holds at
//! most `FRAMES_MAX` frames, innermost first; there are at most `SECTIONS_MAX` sections and the root is always among
//! them. `frames_seen` counts every frame line, kept or not: the reader that saw most understood the text.

use super::EXCEPTION_BYTES_MAX;
use super::text::cut;
use crate::limits::FRAMES_MAX;
use crate::record::Frame;

/// Exceptions of one chain that are kept: the one that was reported, and seven causes.
pub(super) const SECTIONS_MAX: usize = 8;
/// Bytes of a function's or file's name; longer ones are generated code and `data:` URLs.
const NAME_BYTES_MAX: usize = 512;

/// One exception with the frames that were printed below it.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Type of the exception.
    pub(super) kind: Option<String>,
    /// Its message.
    pub(super) message: Option<String>,
    /// Its frames, innermost first.
    pub(super) frames: Vec<Frame>,
}

impl Section {
    /// A section with what is known of its exception.
    pub(super) fn of(kind: Option<&str>, message: Option<&str>) -> Self {
        let mut section = Section::default();
        section.name(kind, message);
        section
    }

    /// Says which exception this is, in place of what was known before.
    pub(super) fn name(&mut self, kind: Option<&str>, message: Option<&str>) {
        self.kind = kind.map(|kind| cut(kind, NAME_BYTES_MAX).to_owned());
        self.message =
            message.filter(|message| !message.is_empty()).map(|text| cut(text, EXCEPTION_BYTES_MAX).to_owned());
    }

    /// Adds a frame of a runtime that prints the innermost first: beyond the limit the outer ones are left out.
    fn push_outward(&mut self, place: Place<'_>) {
        if self.frames.len() < FRAMES_MAX {
            self.frames.push(place.frame());
        }
    }

    /// Adds a frame of a runtime that prints the innermost last: again the outer ones are left out.
    /// The caller reverses the frames when the section is complete.
    fn push_inward(&mut self, place: Place<'_>) {
        if self.frames.len() >= FRAMES_MAX {
            self.frames.remove(0);
        }
        self.frames.push(place.frame());
    }
}

/// A frame as slices of the text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    pub(super) function: Option<&'a str>,
    pub(super) file: Option<&'a str>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    pub(super) in_app: bool,
}

impl Place<'_> {
    fn frame(self) -> Frame {
        let owned = |name: &str| (!name.is_empty()).then(|| cut(name, NAME_BYTES_MAX).to_owned());
        Frame {
            function: self.function.and_then(owned),
            file: self.file.and_then(owned),
            line: self.line,
            column: self.column,
            in_app: self.in_app,
        }
    }
}

/// A whole trace as one reader saw it.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// From the reported exception to its root cause.
    pub(super) sections: Vec<Section>,
    /// How many lines were frames.
    pub(super) frames_seen: usize,
    /// The first line that belongs to the stack and not to the message above it.
    pub(super) first_line: Option<usize>,
}

impl Trace {
    /// Notes that the stack reaches up to this line.
    pub(super) fn begins_at(&mut self, line: usize) {
        self.first_line = Some(self.first_line.map_or(line, |first| first.min(line)));
    }

    /// Counts a frame and adds it to the section being read; the first section is made when it is needed.
    pub(super) fn push_outward(&mut self, place: Place<'_>) {
        self.frames_seen += 1;
        if let Some(section) = self.reading() {
            section.push_outward(place);
        }
    }

    /// The same for runtimes that print the innermost frame last.
    pub(super) fn push_inward(&mut self, place: Place<'_>) {
        self.frames_seen += 1;
        if let Some(section) = self.reading() {
            section.push_inward(place);
        }
    }

    /// Counts a frame and adds it to the section at `index`, which need not be the last one.
    pub(super) fn push_outward_to(&mut self, index: usize, place: Place<'_>) {
        self.frames_seen += 1;
        if let Some(section) = self.sections.get_mut(index) {
            section.push_outward(place);
        }
    }

    fn reading(&mut self) -> Option<&mut Section> {
        if self.sections.is_empty() {
            self.sections.push(Section::default());
        }
        self.sections.last_mut()
    }

    /// Opens a section that is the cause of the one before it. When there are too many, the middle ones are forgotten.
    pub(super) fn open_cause(&mut self, section: Section) {
        if self.sections.len() >= SECTIONS_MAX {
            self.sections.pop();
        }
        self.sections.push(section);
    }

    /// Opens a section that was caused by the one before it (runtimes that print the root first, and whose reader
    /// reverses the sections at the end). Again the middle ones are forgotten.
    pub(super) fn open_consequence(&mut self, section: Section) {
        if self.sections.len() >= SECTIONS_MAX {
            self.sections.remove(1);
        }
        self.sections.push(section);
    }
}

/// How many frames each section may show when all of them together may show `budget`: an equal share each, and what
/// short ones leave goes to the long ones in order. So the root cause is seen below a very deep outer stack.
pub(super) fn shares(lengths: &[usize], budget: usize) -> Vec<usize> {
    let equal = budget / lengths.len().max(1);
    let mut shares: Vec<usize> = lengths.iter().map(|length| (*length).min(equal)).collect();
    let mut left = budget - shares.iter().sum::<usize>();
    for (share, length) in shares.iter_mut().zip(lengths) {
        let more = (length - *share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_sections_leave_their_share_to_long_ones() {
        assert_eq!(shares(&[100, 4], 64), [60, 4]);
        assert_eq!(shares(&[4, 100], 64), [4, 60]);
        assert_eq!(shares(&[100, 100], 64), [32, 32]);
        assert_eq!(shares(&[3, 5], 64), [3, 5]);
        assert_eq!(shares(&[], 64), [] as [usize; 0]);
    }

    #[test]
    fn a_long_chain_keeps_both_ends() {
        let named = |index: usize| Section::of(Some(&index.to_string()), None);
        let mut causes = Trace::default();
        let mut consequences = Trace::default();
        for index in 0..20 {
            causes.open_cause(named(index));
            consequences.open_consequence(named(index));
        }
        for trace in [causes, consequences] {
            assert_eq!(trace.sections.len(), SECTIONS_MAX);
            assert_eq!(trace.sections.first().and_then(|section| section.kind.as_deref()), Some("0"));
            assert_eq!(trace.sections.last().and_then(|section| section.kind.as_deref()), Some("19"));
        }
    }
}
