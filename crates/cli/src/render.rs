//! Text for people: tables, bars, sparklines, colours where there is a terminal.
//!
//! Invariant: nothing that came over the network reaches the terminal unfiltered; control characters are shown as
//! their escapes, so that a log line cannot move the cursor or recolour the screen.

use crate::replies::{Moment, RecordReply};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};

/// How output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub has_colour: bool,
    /// Characters of a line.
    pub width: usize,
}

impl Style {
    /// For standard output: colours on a terminal unless `NO_COLOR` is set; the width from `COLUMNS`, else 110.
    pub(crate) fn of_stdout() -> Self {
        let has_colour =
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(110);
        Self { has_colour, width: usize::clamp(width, 40, 400) }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.has_colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("31;1", text)
    }

    /// `text` in the colour of `level`.
    pub(crate) fn level(self, level: &str, text: &str) -> String {
        match level {
            "fatal" => self.paint("37;41;1", text),
            "error" => self.paint("31;1", text),
            "warn" => self.paint("33", text),
            "debug" | "trace" => self.paint("2", text),
            _ => text.to_owned(),
        }
    }
}

/// `text` on one line, safe for a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push('⏎'),
            '\t' => out.push(' '),
            c if c.is_control() => out.extend(c.escape_unicode()),
            // Marks that reorder what is read.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(character.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// At most `width` characters, with an ellipsis where something was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A bar of `width` characters at `value` = `max`, in eighths of a character.
pub(crate) fn bar(value: u64, max: u64, width: usize) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if value == 0 || max == 0 {
        return String::new();
    }
    let eighths = (value.min(max) as u128 * width as u128 * 8 / u128::from(max)).max(1) as usize;
    let mut out = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        out.push(PARTS[eighths % 8]);
    }
    out
}

/// One character for each value; zero is a space, anything else at least the lowest mark.
pub(crate) fn sparkline(values: &[u64]) -> String {
    const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let max = values.iter().copied().max().unwrap_or(0).max(1);
    values
        .iter()
        .map(|&value| if value == 0 { ' ' } else { MARKS[(u128::from(value) * 7 / u128::from(max)) as usize] })
        .collect()
}

/// A table; the columns are as wide as their widest cell. A column whose title starts with `>` is set to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        Self { titles: titles.iter().map(|&title| title.to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes it, two spaces between columns; lines are cut at the width of the screen.
    pub(crate) fn write(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let is_right: Vec<bool> = self.titles.iter().map(|title| title.starts_with('>')).collect();
        let titles: Vec<String> = self.titles.iter().map(|title| title.trim_start_matches('>').to_owned()).collect();
        let width_of = |column: usize| {
            self.rows
                .iter()
                .chain([&titles])
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..titles.len()).map(width_of).collect();
        let line = |cells: &[String]| {
            let mut text = String::new();
            for ((cell, width), is_right) in cells.iter().zip(&widths).zip(&is_right) {
                let width = *width;
                text.push_str(&if *is_right { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") });
            }
            cut(text.trim_end(), style.width)
        };
        writeln!(out, "{}", style.bold(&line(&titles)))?;
        self.rows.iter().try_for_each(|row| writeln!(out, "{}", line(row)))
    }
}

/// One record on one line: time, level, component, message.
pub(crate) fn record_line(record: &RecordReply, style: Style) -> String {
    let time = record.timestamp.to_second();
    let level = printable(&record.level);
    let mut message = printable(&record.message);
    if let Some(stack) = &record.stack_trace {
        message.push_str(&format!(" (+{} lines)", stack.lines().count()));
    }
    let component = cut(&printable(&record.component), 16);
    let room = style.width.saturating_sub(19 + 1 + 5 + 1 + 16 + 1);
    format!(
        "{} {} {component:<16} {}",
        style.dim(&time),
        style.level(&level, &format!("{level:<5}")),
        style.level(&level, &cut(&message, room))
    )
}

/// [`record_line`] of a record as it came.
pub(crate) fn value_line(record: &Value, style: Style) -> String {
    match serde_json::from_value::<RecordReply>(record.clone()) {
        Ok(record) => record_line(&record, style),
        Err(_) => cut(&printable(&record.to_string()), style.width),
    }
}

/// The short form of a moment for tables: the time of day.
pub(crate) fn time_of_day(moment: &Moment) -> String {
    let text = moment.to_second();
    text.get(11..19).map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { has_colour: false, width: 60 };

    #[test]
    fn a_line_from_the_network_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\r\nc\td"), "a\\u{1b}[31mb\\u{d}⏎c d");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(printable("größe 日本"), "größe 日本");
    }

    #[test]
    fn numbers_bars_and_sparklines_keep_their_proportions() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([bar(0, 10, 4), bar(1, 1_000, 4), bar(5, 10, 4), bar(10, 10, 4)], ["", "▏", "██", "████"]);
        assert_eq!(bar(3, 0, 4), "");
        assert_eq!(sparkline(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn a_table_aligns_and_cuts() {
        let mut table = Table::new(&["name", ">count", "what"]);
        table.row(vec!["cart".into(), "7".into(), "x".repeat(80)]);
        table.row(vec!["checkout".into(), "1,000".into(), "y".into()]);
        let mut out = Vec::new();
        table.write(&mut out, PLAIN).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "name      count  what");
        assert_eq!(lines[2], "checkout  1,000  y");
        assert!(lines[1].starts_with("cart          7  xxx") && lines[1].ends_with('…'));
        assert_eq!(lines[1].chars().count(), 60);
    }

    #[test]
    fn a_record_is_one_line_in_the_colour_of_its_level() {
        let value = serde_json::json!({"timestamp": 0, "level": "error", "component": "a-component-with-a-long-name",
            "message": "first\nsecond", "stack_trace": "one\ntwo"});
        let plain = value_line(&value, Style { width: 100, ..PLAIN });
        assert_eq!(plain, "1970-01-01 00:00:00 error a-component-wit… first⏎second (+2 lines)");
        let coloured = value_line(&value, Style { has_colour: true, width: 100 });
        assert!(coloured.contains("\u{1b}[31;1merror"));
        assert_eq!(value_line(&serde_json::json!("odd"), PLAIN), "\"odd\"");
        for (level, code) in [("fatal", "41"), ("warn", "33"), ("debug", "2")] {
            assert!(Style { has_colour: true, width: 9 }.level(level, "x").contains(code));
        }
        assert_eq!(time_of_day(&Moment::Millis(0)), "00:00:00");
        assert_eq!(time_of_day(&Moment::Absent), "-");
    }
}
