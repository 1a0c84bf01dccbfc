//! The header that a message may still begin with: where a client sends whole lines of a log as messages.
//!
//! `2015-10-18 18:01:47,978 INFO [main] a.b.C: text`. A header is told by its form: a time, then a level and a bracket in
//! either order. What stands in the bracket says who speaks (the thread), and not what is said: it is one value, whatever
//! its words. Everything else of a header is values by itself, but the level, which stays a word as a state does.
//!
//! Left out: headers without a level, and names of threads or hosts without a bracket; there is no telling them from words.

use super::class::{DIGIT, SPACE, class};
use super::rules::Rule;
use crate::level::Level;
use std::ops::Range;

/// Longer brackets are looked at no further.
const BRACKET_BYTES_MAX: usize = 200;
/// Time, dash, level, dash and bracket, and one to spare.
const PIECES_MAX: usize = 6;

/// Where the name of the thread begins and ends, if the text begins with a header; else twice zero.
#[inline(always)]
pub(super) fn thread(text: &[u8]) -> (usize, usize) {
    // Nearly all messages begin with a letter.
    let first = text.first().copied().unwrap_or_default();
    if class(first) & DIGIT == 0 || !Rule::Headers.holds() {
        return (0, 0);
    }
    thread_behind_time(text).map_or((0, 0), |thread| (thread.start, thread.end))
}

#[inline(never)]
fn thread_behind_time(text: &[u8]) -> Option<Range<usize>> {
    let Piece { end: mut at, is_time } = Piece::at(text, 0);
    if !is_time {
        return None;
    }
    let (mut has_level, mut thread) = (false, None);
    for _ in 0..PIECES_MAX {
        at += text.get(at..)?.iter().take_while(|&&byte| KINDS[byte as usize] & BLANK != 0).count();
        let is_bracket = text.get(at) == Some(&b'[');
        let Piece { end, is_time } = match is_bracket {
            true => Piece { end: end_of_bracket(text, at)?, is_time: false },
            false => Piece::at(text, at),
        };
        let piece = text.get(at..end).filter(|piece| !piece.is_empty())?;
        at = end;
        if is_time {
            continue;
        }
        if is_level(piece) {
            has_level = true;
        } else if thread.is_none() && is_bracket {
            let inner = piece.get(1..piece.len() - 1)?.trim_ascii_start();
            thread = Some(end - 1 - inner.len()..end - 1);
        } else if piece != b"-" {
            return None;
        }
        if has_level && let Some(thread) = thread {
            return (!thread.is_empty()).then_some(thread);
        }
    }
    None
}

/// What stands between two spaces.
struct Piece {
    end: usize,
    /// Whether it is a clock or a calendar date: digits in groups.
    is_time: bool,
}

const OF_TIME: u8 = 1;
const SEPARATOR: u8 = 2;
const BLANK: u8 = 4;

/// What each byte is to a header.
static KINDS: [u8; 256] = {
    let mut kinds = [0u8; 256];
    let mut byte = 0usize;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b':' | b'-' | b'/' => OF_TIME | SEPARATOR,
            b'0'..=b'9' | b'.' | b',' | b'T' | b'Z' | b'+' => OF_TIME,
            other if class(other) & SPACE != 0 => BLANK,
            _ => 0,
        };
        byte += 1;
    }
    kinds
};

impl Piece {
    /// The one that begins at `from`, as far as it is looked at.
    fn at(text: &[u8], from: usize) -> Self {
        const BYTES_MIN: usize = 8;
        let rest = text.get(from..).unwrap_or_default();
        let rest = rest.get(..BRACKET_BYTES_MAX).unwrap_or(rest);
        let (mut all, mut separators, mut length) = (OF_TIME, 0, 0);
        for &byte in rest {
            let kind = KINDS[byte as usize];
            if kind & BLANK != 0 {
                break;
            }
            all &= kind;
            separators += usize::from(kind & SEPARATOR);
            length += 1;
        }
        let is_time = all != 0 && length >= BYTES_MIN && separators >= 2 * usize::from(SEPARATOR);
        Self { end: from + length, is_time }
    }
}

/// Behind the bracket that closes the one here, if a space follows.
fn end_of_bracket(text: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, &byte) in text.iter().enumerate().skip(from).take(BRACKET_BYTES_MAX) {
        match byte {
            b'[' => depth += 1,
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let is_end = text.get(at + 1).is_some_and(|&byte| class(byte) & SPACE != 0 || byte == b':');
            return is_end.then_some(at + 1);
        }
    }
    None
}

/// `INFO`, `[warn]`, `ERROR:`; a letter alone might be anything.
fn is_level(piece: &[u8]) -> bool {
    let is_around = |byte: &u8| matches!(byte, b'[' | b']' | b':');
    let before = piece.iter().take_while(|&byte| is_around(byte)).count();
    let behind = piece.iter().rev().take_while(|&byte| is_around(byte)).count();
    let word = piece.get(before..piece.len().saturating_sub(behind)).unwrap_or_default();
    let is_word = word.len() >= 3 && word.iter().all(u8::is_ascii_alphabetic);
    is_word && std::str::from_utf8(word).is_ok_and(|word| Level::from_word(word).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let (start, end) = thread(text.as_bytes());
        let found = text.get(start..end).filter(|_| end > 0);
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn the_thread_is_what_stands_in_brackets_beside_time_and_level() {
        check("2015-10-18 18:01:47,978 INFO [main] a.b.C: started", Some("main"));
        check(
            "2015-07-29 17:41:44,747 - WARN  [Peer[myid=1]/0:0:2181:F@774] - late",
            Some("Peer[myid=1]/0:0:2181:F@774"),
        );
        check("10:11:12.123 [http-nio-8080-exec-1] ERROR c.e.App - boom", Some("http-nio-8080-exec-1"));
        check("2026-11-21T10:11:12.5Z [warn] [pool worker 7]: late", Some("pool worker 7"));
        check("2026/11/21 10:11:12 [error] 17#3: *9 open() failed", None);
    }

    #[test]
    fn what_only_looks_like_a_header_is_none() {
        check("2015-10-18 [main] started INFO", None);
        check("17 INFO [main] started", None);
        check("2015-10-18 18:01:47,978 INFO main [x] y", None);
        check("2015-10-18 18:01:47,978 INFO [] x", None);
        check("2015-10-18 18:01:47,978 INFO [main", None);
        check("2015-10-18 18:01:47,978 INFO [main]x y", None);
        check(&format!("2015-10-18 18:01:47,978 INFO [{}] x", "y".repeat(300)), None);
        check("INFO [main] started", None);
        check("", None);
    }
}
