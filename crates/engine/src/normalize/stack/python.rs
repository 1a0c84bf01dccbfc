//! Python: `Traceback (most recent call last):`, frames outermost first, the exception below them.
//!
//! Chained tracebacks are printed root first; members of an exception group are printed behind the group and count as
//! its causes. A dump of `faulthandler` prints the most recent call first and may lack an exception.

use super::heading;
use super::origin;
use super::text::{Line, Text, number};
use super::trace::{Place, Section, Trace};

const MARK: &str = "Traceback (most recent call last)";
const DUMP_MARK: &str = "(most recent call first)";
/// How far above a dump the fatal error is named.
const LINES_ABOVE_DUMP_MAX: usize = 3;

pub(super) fn read(text: &Text<'_>) -> Trace {
    let mut reader = Reader::default();
    for (index, line) in text.lines().iter().enumerate() {
        reader.line(text, index, *line);
    }
    reader.finish()
}

/// The traceback being read.
#[derive(Default)]
struct Reader {
    /// Tracebacks in printed order, so root first.
    trace: Trace,
    /// Members of exception groups, in printed order.
    members: Trace,
    /// Indentation of the exception below the frames, while it is still to come.
    open_at: Option<usize>,
    /// Whether the traceback being read has frames.
    has_frames: bool,
    /// Whether tracebacks now belong to members of a group.
    is_member: bool,
    /// Whether a member of a group was announced and nothing of it was printed yet.
    is_member_due: bool,
    /// Whether this is a dump, innermost first.
    is_dump: bool,
}

impl Reader {
    fn line<'a>(&mut self, text: &Text<'a>, index: usize, line: Line<'a>) {
        let (is_grouped, body) = ungrouped(line);
        let trimmed = body.trimmed();
        if trimmed.contains(DUMP_MARK) {
            self.begin_dump(text, index, trimmed);
        } else if let Some(at) = body.text.find(MARK) {
            let is_alone = body.text.get(..at).is_some_and(|before| matches!(before.trim(), "" | "Exception Group"));
            self.begin(index, is_grouped, if is_alone { body.indent() } else { 0 });
        } else if let Some(place) = frame(trimmed) {
            self.frame(index, is_grouped, body, place);
        } else if is_grouped && trimmed.starts_with("+-") {
            self.is_member = true;
            self.is_member_due = true;
            self.open_at = None;
        } else if self.is_member_due && is_grouped {
            self.member_without_frames(body);
        } else if self.has_frames && self.open_at.is_some_and(|indent| body.indent() <= indent) {
            self.exception(body);
        }
    }

    fn reading(&mut self) -> &mut Trace {
        if self.is_member { &mut self.members } else { &mut self.trace }
    }

    fn begin(&mut self, index: usize, is_grouped: bool, indent: usize) {
        self.is_member &= is_grouped;
        self.is_member_due = false;
        self.is_dump = false;
        self.has_frames = false;
        self.open_at = Some(indent);
        self.trace.begins_at(index);
        self.reading().open_consequence(Section::default());
    }

    /// `Current thread 0x... (most recent call first):` some lines below `Fatal Python error: Segmentation fault`.
    /// The thread that failed counts; of the others, printed before it or after it, the frames are not its own.
    fn begin_dump(&mut self, text: &Text<'_>, index: usize, mark: &str) {
        if self.is_dump && !mark.starts_with("Current thread") {
            self.open_at = None;
            return;
        }
        let mut above = text.lines().iter().take(index).rev().take(LINES_ABOVE_DUMP_MAX);
        let fatal = above.find_map(|line| line.trimmed().strip_prefix("Fatal Python error: "));
        self.begin(index, false, 0);
        self.is_dump = true;
        if let (Some(message), Some(section)) = (fatal, self.trace.sections.last_mut()) {
            section.name(Some("Fatal Python error"), Some(message));
        }
    }

    fn frame(&mut self, index: usize, is_grouped: bool, body: Line<'_>, place: Place<'_>) {
        if self.is_dump {
            if self.open_at.is_some() {
                self.trace.push_outward(place);
            }
            return;
        }
        if self.open_at.is_none() {
            let indent = body.indent().saturating_sub(2);
            if self.has_frames {
                // What looked like the exception was a line of source code, and the traceback goes on.
                self.open_at = Some(indent);
                if let Some(section) = self.reading().sections.last_mut() {
                    section.name(None, None);
                }
            } else {
                // The beginning was cut off.
                self.begin(index, is_grouped, indent);
            }
        }
        self.has_frames = true;
        self.reading().push_inward(place);
    }

    /// A member that was never raised has no traceback: `| OSError: error 1`.
    fn member_without_frames(&mut self, body: Line<'_>) {
        let body = body.unindented();
        if let Some(heading) = heading::beginning(body) {
            let message = body.after(heading.message_at.saturating_sub(body.start)).trimmed();
            self.members.open_consequence(Section::of(Some(heading.kind), Some(message)));
        }
        self.is_member_due = false;
    }

    /// The line below the frames, if it is the exception: a name, alone or before a colon.
    fn exception(&mut self, body: Line<'_>) {
        let body = body.unindented();
        let Some(heading) = heading::beginning(body) else { return };
        let message = body.after(heading.message_at.saturating_sub(body.start)).trimmed();
        if self.is_dump {
            return;
        }
        if let Some(section) = self.reading().sections.last_mut() {
            section.name(Some(heading.kind), Some(message));
        }
        self.open_at = None;
    }

    fn finish(self) -> Trace {
        let Reader { mut trace, mut members, is_dump, .. } = self;
        for section in trace.sections.iter_mut().chain(&mut members.sections).filter(|_| !is_dump) {
            section.frames.reverse();
        }
        trace.sections.reverse();
        for member in members.sections {
            trace.open_cause(member);
        }
        trace.frames_seen += members.frames_seen;
        trace
    }
}

/// The line without the bars that draw an exception group, and whether it had some.
fn ungrouped(line: Line<'_>) -> (bool, Line<'_>) {
    let body = line.unindented();
    match body.after_prefix("| ").or_else(|| body.after_prefix("+ ")) {
        Some(inside) => (true, inside),
        None => (body.text.starts_with("+-"), line),
    }
}

/// `File "/app/a.py", line 12, in f`; a dump prints no comma, a syntax error no function.
fn frame(line: &str) -> Option<Place<'_>> {
    let (file, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (line, rest) = rest.split_at_checked(digits)?;
    let line = number(line)?;
    let function = rest.strip_prefix(", in ").or_else(|| rest.strip_prefix(" in ")).map(str::trim);
    (!file.is_empty()).then_some(Place {
        function,
        file: Some(file),
        line: Some(line),
        column: None,
        in_app: is_in_app(file),
    })
}

/// The standard library lives in a folder `lib/python3.12`, on Windows in `Python312\Lib`.
fn is_in_app(file: &str) -> bool {
    let mut before = "";
    for segment in file.split(['/', '\\']) {
        let is_unix = before == "lib" && segment.starts_with("python");
        let is_windows = segment == "Lib" && before.get(..6).is_some_and(|name| name.eq_ignore_ascii_case("python"));
        if is_unix || is_windows {
            return false;
        }
        before = segment;
    }
    !file.starts_with("<frozen ") && !origin::is_dependency(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_library_and_packages_are_not_the_application() {
        for file in [
            "/usr/local/lib/python3.12/json/decoder.py",
            "/home/u/.pyenv/versions/3.11.4/lib/python3.11/asyncio/runners.py",
            "C:\\Python312\\Lib\\json\\decoder.py",
            "/app/.venv/lib/python3.12/site-packages/flask/app.py",
            "/usr/lib/python3/dist-packages/apt/cache.py",
            "<frozen importlib._bootstrap>",
        ] {
            assert!(!is_in_app(file), "{file}");
        }
        for file in ["/app/main.py", "<stdin>", "C:\\work\\Lib\\a.py", "lib/orders.py"] {
            assert!(is_in_app(file), "{file}");
        }
    }

    #[test]
    fn a_frame_needs_its_file_and_line() {
        assert!(frame("File \"a.py\", line 1, in f").is_some());
        assert!(frame("File \"a.py\", line 1 in f").is_some());
        assert!(frame("File \"a.py\", line 1").is_some());
        for line in ["File \"a.py\"", "File \"\", line 1, in f", "File \"a.py\", line x", "File a.py, line 1"] {
            assert!(frame(line).is_none(), "{line}");
        }
    }
}
