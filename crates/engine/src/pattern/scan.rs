//! One pass over the bytes of a message: what is a word, what is punctuation, what is a value.
//!
//! A *piece* is a run of bytes between white space and delimiters. A piece that holds a digit, or has the form of a
//! value without one (a path, a URL, an address, a class name, a long hex word, a calendar name beside a number, a
//! boolean), is a variable; everything else is a word. No table of products, no regular expressions: the decision takes
//! the classes of the bytes, a look at the neighbours, and a handful of units and calendar names.
//!
//! Invariants: total for any bytes (UTF-8 or not); linear in the input; tokens come in order and do not overlap; what
//! lies between two tokens is white space only.

use super::class::{AT, CJK, DIGIT, DOT, LOWER, NONHEX, PATH, RUN, SLASH, SPACE, STOP, UPPER, class};

/// What the scanner tells of.
pub(super) trait Sink {
    /// A word that stays, at these bytes.
    fn word(&mut self, start: usize, end: usize);
    /// A delimiter (a run of the same byte is one), at these bytes.
    fn delimiter(&mut self, byte: u8, start: usize, end: usize);
    /// A value.
    fn variable(&mut self, start: usize, end: usize);
    /// Whether to stop here: there is more than anybody wants to look at.
    fn is_full(&self) -> bool;
}

/// Tells `sink` of the tokens of `text`; returns where it stopped.
pub(super) fn scan(text: &[u8], sink: &mut impl Sink) -> usize {
    let mut scanner = Scanner { text, after_number: false };
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let bits = class(byte);
        if bits & SPACE != 0 {
            at += 1;
            continue;
        }
        if sink.is_full() {
            return at;
        }
        let next = text.get(at + 1);
        // `<1 sec`, `>5`: the comparison belongs to the value.
        let is_comparison = matches!(byte, b'<' | b'>') && next.is_some_and(u8::is_ascii_digit);
        at = if !is_comparison && (bits & STOP != 0 || bits & RUN != 0 && next == Some(&byte)) {
            scanner.delimiter(byte, at, sink)
        } else {
            scanner.piece(at, at + usize::from(is_comparison), sink)
        };
    }
    at
}

struct Scanner<'a> {
    text: &'a [u8],
    /// The token before ends in a number: a unit or a time zone may follow.
    after_number: bool,
}

impl Scanner<'_> {
    #[inline]
    fn at(&self, index: usize) -> u8 {
        self.text.get(index).copied().unwrap_or(b' ')
    }

    fn slice(&self, start: usize, end: usize) -> &[u8] {
        self.text.get(start..end).unwrap_or_default()
    }

    fn delimiter(&mut self, byte: u8, start: usize, sink: &mut impl Sink) -> usize {
        // A template read again: its variables are variables.
        if byte == b'<' && self.slice(start, start + 3) == b"<*>" {
            self.after_number = false;
            sink.variable(start, start + 3);
            return start + 3;
        }
        let mut end = start + 1;
        while self.text.get(end) == Some(&byte) && !matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}') {
            end += 1;
        }
        self.after_number = false;
        sink.delimiter(byte, start, end);
        end
    }

    #[inline(always)]
    /// A piece whose first byte to look at is `from` (the bytes before it belong to it unseen).
    fn piece(&mut self, start: usize, from: usize, sink: &mut impl Sink) -> usize {
        let mut bits = 0;
        let mut at = from;
        if class(self.at(from)) & CJK != 0 {
            bits = CJK | NONHEX;
            at += self.slice(from, self.text.len()).iter().take_while(|&&byte| byte >= 0x80).count();
        } else {
            loop {
                // Nearly all bytes are ordinary; this loop is where the time goes.
                let rest = self.text.get(at..).unwrap_or_default();
                let mut length = 0;
                for &byte in rest {
                    let here = class(byte);
                    if here & (STOP | RUN | CJK) != 0 {
                        break;
                    }
                    bits |= here;
                    length += 1;
                }
                at += length;
                let Some(&byte) = rest.get(length) else { break };
                let here = class(byte);
                if here & STOP == 0 {
                    // A run of punctuation, or a script that is written without spaces, is another token.
                    if here & CJK != 0 || rest.get(length + 1) == Some(&byte) && at > from {
                        break;
                    }
                    bits |= here;
                    at += 1;
                } else {
                    if byte != b':' {
                        break;
                    }
                    let Some((next, more)) = self.colon(start, at, bits) else { break };
                    bits |= more;
                    at = next;
                }
            }
        }
        // Most pieces are plain words with a space behind them.
        const ODD: u16 = DIGIT | UPPER | DOT | SLASH | AT | CJK | PATH | RUN;
        if bits & ODD == 0 && bits & NONHEX != 0 && !self.after_number && !matches!(at - start, 4 | 5) {
            sink.word(start, at);
            return at;
        }
        let mut end = at;
        // A full stop behind a word is not the word's.
        if end > start + 1 && matches!(self.at(end - 1), b'.' | b'!' | b'?') {
            end -= 1;
        }
        if self.is_variable(start, end, bits) {
            self.after_number = bits & DIGIT != 0;
            match self.end_of_name(start, end, bits) {
                Some(middle) => {
                    sink.word(start, middle);
                    sink.variable(middle, end);
                }
                None => sink.variable(start, end),
            }
        } else if self.after_number && is_unit(self.slice(start, end)) {
            sink.variable(start, end);
            self.after_number = false;
        } else {
            self.after_number = false;
            sink.word(start, end);
        }
        if end < at {
            self.after_number = false;
            sink.delimiter(self.at(end), end, at);
        }
        at
    }

    /// What a colon within a piece means: `None` ends the piece; otherwise where to go on and what was learnt.
    fn colon(&self, start: usize, at: usize, bits: u16) -> Option<(usize, u16)> {
        let next = self.at(at + 1);
        if at == start {
            return None;
        }
        if next == b'/' && self.at(at + 2) == b'/' {
            return Some((self.end_of_url(at + 3), PATH));
        }
        if at == start + 1 && matches!(next, b'\\' | b'/') && bits & (UPPER | LOWER) != 0 {
            return Some((at + 1, PATH));
        }
        if class(next) & (STOP | SPACE) != 0 && next != b':' {
            return None;
        }
        if bits & NONHEX == 0 && at - start <= 4 {
            let mut end = at;
            let mut colons = 0;
            let mut seen = bits;
            while self.at(end) == b':' || class(self.at(end)) & (NONHEX | STOP | SPACE) == 0 || self.at(end) == b'.' {
                colons += usize::from(self.at(end) == b':');
                seen |= class(self.at(end));
                end += 1;
            }
            let is_address = colons >= 2 && seen & DIGIT != 0 || colons >= 5;
            if is_address && class(self.at(end - 1)) & STOP == 0 {
                return Some((end, PATH));
            }
        }
        if bits & DIGIT != 0 {
            let mut end = at + 1;
            while class(self.at(end)) & (STOP | DIGIT) == 0 {
                end += 1;
            }
            return (class(self.at(end)) & DIGIT != 0).then_some((at + 1, 0));
        }
        (bits & DOT != 0 && class(next) & DIGIT != 0).then_some((at + 1, 0))
    }

    fn end_of_url(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(&byte) = self.text.get(at) {
            if class(byte) & SPACE != 0 || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' | b'|') {
                break;
            }
            at += 1;
        }
        // `see http://a/b, then`: the punctuation is the sentence's.
        while at > from && matches!(self.at(at - 1), b',' | b';' | b':' | b'.') {
            at -= 1;
        }
        at
    }

    #[inline]
    fn is_variable(&self, start: usize, end: usize, bits: u16) -> bool {
        let len = end - start;
        // Most pieces are plain words.
        if bits & (DIGIT | PATH | SLASH | AT | DOT) == 0 && bits & NONHEX != 0 && !matches!(len, 3..=5) {
            return false;
        }
        self.is_odd_variable(start, end, bits)
    }

    fn is_odd_variable(&self, start: usize, end: usize, bits: u16) -> bool {
        let len = end - start;
        if bits & PATH != 0 {
            return true;
        }
        if bits & DIGIT != 0 {
            return !self.is_name_with_digits(start, end, bits);
        }
        if bits & (SLASH | AT | DOT) != 0 {
            let piece = self.slice(start, end);
            let has_at = bits & AT != 0 && len > 2 && self.at(start) != b'@' && self.at(end - 1) != b'@';
            if has_at || bits & SLASH != 0 && is_path(piece) || bits & DOT != 0 && is_class_name(piece, bits) {
                return true;
            }
        }
        match len {
            3 => bits & UPPER != 0 && self.is_calendar(start, end),
            4 | 5 => {
                matches!(self.at(start), b't' | b'f' | b'n' | b'T' | b'F')
                    && matches!(self.slice(start, end), b"true" | b"false" | b"null" | b"True" | b"False")
            }
            _ => len >= 8 && bits & NONHEX == 0,
        }
    }

    /// `jk2_init(`, `r24=`: digits that belong to a name and not to a value.
    fn is_name_with_digits(&self, start: usize, end: usize, bits: u16) -> bool {
        let piece = self.slice(start, end);
        matches!(self.at(end), b'(' | b'=')
            && piece.first().is_some_and(u8::is_ascii_alphabetic)
            && bits & (SLASH | AT) == 0
            && piece.iter().filter(|byte| byte.is_ascii_digit()).count() <= 2
    }

    /// `CPU3`, `SOCKS5`: where the upper-case name ends and its number begins. They vary from line to line like any
    /// number, but a name with a number is not another name.
    fn end_of_name(&self, start: usize, end: usize, bits: u16) -> Option<usize> {
        if bits & (UPPER | DIGIT | LOWER | DOT | SLASH | AT | PATH) != UPPER | DIGIT {
            return None;
        }
        let piece = self.slice(start, end);
        let letters = piece.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let digits = piece.iter().skip(letters).take_while(|byte| byte.is_ascii_digit()).count();
        (letters >= 3 && digits <= 3 && letters + digits == piece.len()).then_some(start + letters)
    }

    /// A weekday before a month or a number, a month before or behind a number.
    fn is_calendar(&self, start: usize, end: usize) -> bool {
        let word = self.slice(start, end);
        let mut next = end;
        while matches!(self.at(next), b' ' | b',' | b'-') && next < self.text.len() {
            next += 1;
        }
        let before_number = class(self.at(next)) & DIGIT != 0;
        if is_month(word) {
            return before_number || self.after_number;
        }
        is_weekday(word) && (before_number || is_month(self.slice(next, next + 3)))
    }
}

fn is_month(word: &[u8]) -> bool {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    MONTHS.iter().any(|month| month.as_slice() == word)
}

fn is_weekday(word: &[u8]) -> bool {
    const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
    DAYS.iter().any(|day| day.as_slice() == word)
}

/// Short units that belong to the number before them, and time zones.
fn is_unit(word: &[u8]) -> bool {
    matches!(
        word,
        b"B" | b"KB"
            | b"kB"
            | b"MB"
            | b"GB"
            | b"TB"
            | b"KiB"
            | b"MiB"
            | b"GiB"
            | b"TiB"
            | b"ns"
            | b"us"
            | b"ms"
            | b"s"
            | b"sec"
            | b"secs"
            | b"min"
            | b"mins"
            | b"h"
            | b"hr"
            | b"hrs"
            | b"%"
            | b"Hz"
            | b"kHz"
            | b"MHz"
            | b"GHz"
            | b"AM"
            | b"PM"
            | b"UTC"
            | b"GMT"
            | b"CET"
            | b"CEST"
            | b"EST"
            | b"EDT"
            | b"CST"
            | b"CDT"
            | b"MST"
            | b"MDT"
            | b"PST"
            | b"PDT"
            | b"BST"
            | b"IST"
            | b"JST"
    )
}

/// From the root, from here, or with two slashes: `/a`, `./a`, `a/b/c`; `and/or` is a word.
fn is_path(piece: &[u8]) -> bool {
    let is_rooted = piece.starts_with(b"/") || piece.starts_with(b"./") || piece.starts_with(b"../");
    (is_rooted || piece.starts_with(b"~/")) && piece.len() > 1
        || piece.iter().filter(|&&byte| byte == b'/').count() >= 2
}

/// `a.b.ClassName`, `a.b.c/d.Name`: three parts or more, the last in mixed case. Lower-case names (hosts, settings) and
/// constants (`a.b.SCREEN_ON`) are words.
fn is_class_name(piece: &[u8], bits: u16) -> bool {
    let is_separator = |byte: &u8| matches!(byte, b'.' | b'/');
    let last = piece.rsplit(is_separator).next().unwrap_or_default();
    bits & UPPER != 0
        && last.first().is_some_and(u8::is_ascii_uppercase)
        && last.iter().any(u8::is_ascii_lowercase)
        && piece.iter().filter(|byte| is_separator(byte)).count() >= 2
        && piece.split(is_separator).all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::limits;
    use crate::pattern::template_of;
    use proptest::prelude::*;

    fn check(message: &str, expected: &str) {
        assert_eq!(template_of(message), expected, "{message}");
    }

    #[test]
    fn values_become_variables_and_words_stay() {
        check("payment failed for order 17", "payment failed for order <*>");
        check("user=alice id=42 ok", "user=alice id=<*> ok");
        check("Connection from 10.0.0.1:22 closed", "Connection from <*> closed");
        check("open /var/log/a.log failed", "open <*> failed");
        check("mail to bob@example.com sent", "mail to <*> sent");
        check("block blk_-38865049064139660 terminating", "block <*> terminating");
        check("see https://a.example/b?c=1, then wait", "see <*>, then wait");
        check("id b9000564-fe1a-409b-b8cc-1e88b294cd1d gone", "id <*> gone");
        check("chip FF:F2:9F:16:E2:23:00:0D and fe80::1 up", "chip <*> and <*> up");
        check("cache is deadbeefcafe now", "cache is <*> now");
        check("loaded org.example.app.OrderService twice", "loaded <*> twice");
        check("read C:\\temp\\a.txt and ./b and x/y/z", "read <*> and <*> and <*>");
        check("enabled: true, cached: null", "enabled: <*>, cached: <*>");
    }

    #[test]
    fn times_and_units_belong_to_their_numbers() {
        check("took 15 ms of 1.5 KB", "took <*> of <*>");
        check("lifetime <1 sec", "lifetime <*>");
        check("lifetime 00:15", "lifetime <*>");
        check("changed Fri Jul 01 08:16:53 PDT 2005 here", "changed <*> here");
        check("Mar was a good month", "Mar was a good month");
        check("ms and KB are units", "ms and KB are units");
    }

    #[test]
    fn names_with_digits_stay_where_they_are_names() {
        check("jk2_init() Found child 6725 in slot 10", "jk2_init() Found child <*> in slot <*>");
        check("r24=0x0f r25=0x1f", "r24=<*> r25=<*>");
        check("open through proxy HTTPS or SOCKS5 now", "open through proxy HTTPS or SOCKS<*> now");
        check("CPU3, CPU12 and A7B", "CPU<*>, CPU<*> and <*>");
        check("node node3 and/or eth0 lost", "node <*> and/or <*> lost");
        check("task_20081109(17)", "<*>(<*>)");
    }

    #[test]
    fn the_length_of_a_list_makes_no_new_shape() {
        check("sizes 1, 2, 3 done", "sizes <*> done");
        check("sizes 1 2 3 4 5 done", "sizes <*> done");
        check("ids [1,2] ok", "ids [<*>] ok");
        check("10.0.0.1:80:Got it", "<*>:Got it");
    }

    #[test]
    fn punctuation_is_told_from_the_word_it_touches() {
        check("illegal instruction......0", "illegal instruction......<*>");
        check("------ begin ------", "------ begin ------");
        check("done. Next 5.", "done. Next <*>.");
        check("a::b c:d Error:", "a::b c:d Error:");
        check("(x) <y> 'z' \"w\"", "(x) <y> 'z' \"w\"");
    }

    #[test]
    fn odd_input_has_a_template_too() {
        check("", "");
        check("   ", "");
        check("日本語のログ", "日本語のログ");
        check("用户123登录失败", "用户<*>登录失败");
        check("größe 5 überschritten", "größe <*> überschritten");
        check("=", "=");
        check("a\tb\nc", "a b c");
        check(&String::from_utf8_lossy(b"a \xff\xfe 7"), "a \u{fffd}\u{fffd} <*>");
        assert_eq!(template_of(&"x".repeat(100_000)), "<*>");
        for long in ["x ".repeat(10_000), "x=1 ".repeat(10_000), ":".repeat(10_000), "a:".repeat(10_000)] {
            assert!(template_of(&long).len() <= limits::TEMPLATE_BYTES_MAX);
        }
    }

    proptest! {
        #[test]
        fn the_template_of_a_template_is_itself(words in proptest::collection::vec("[a-z]{1,6}|[0-9]{1,4}|[A-Z]{2,5}|=|,", 0..12)) {
            let template = template_of(&words.join(" "));
            prop_assert_eq!(template_of(&template), template);
        }

        #[test]
        fn any_text_has_a_bounded_template(message in ".{0,300}") {
            prop_assert!(template_of(&message).len() <= limits::TEMPLATE_BYTES_MAX);
        }
    }
}
