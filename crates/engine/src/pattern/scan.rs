//! One pass over the bytes of a message: what is a word, what is punctuation, what is a value.
//!
//! A *piece* is a run of bytes between white space and delimiters. A piece that holds a digit, or has the form of a
//! value without one (a path, a URL, an address, a class name, a long hex word, a calendar name beside a number, a
//! boolean), is a variable; everything else is a word. No table of products, no regular expressions: the decision takes
//! the classes of the bytes, a look at the neighbours, and a handful of units and calendar names.
//!
//! Invariants: total for any bytes (UTF-8 or not); linear in the input; tokens come in order and do not overlap; what
//! lies between two tokens is white space only.

use super::class::{
    ANGLE, AT, CJK, DIGIT, DOT, LETTER, LOWER, NONHEX, OF_BOOLEAN, OF_UNIT, PATH, RUN, SLASH, SPACE, STOP, UPPER, class,
};
use super::eight::{digits, eight, has_letter_behind_f, letters, of_length};
use super::header;
use super::rules::Rule;

/// What the scanner tells of.
pub(super) trait Sink {
    /// A word that stays, at these bytes.
    fn word(&mut self, start: usize, end: usize);
    /// A word of less than sixteen bytes: the first eight and those behind them. What lies behind the word may be anything.
    fn short_word(&mut self, start: usize, end: usize, chunks: [u64; 2]) {
        let _bytes = chunks;
        self.word(start, end);
    }
    /// A delimiter (a run of the same byte is one), at these bytes.
    fn delimiter(&mut self, byte: u8, start: usize, end: usize);
    /// A value.
    fn variable(&mut self, start: usize, end: usize);
    /// Tokens that it still wants; the scan stops before the next one when there is no room.
    fn room(&self) -> usize;
}

/// Tells `sink` of the tokens of `text` from a position on; returns where it stopped. Knows of no header: see
/// [`scan_with_header`].
#[inline(always)]
pub(super) fn scan(text: &[u8], from: usize, sink: &mut impl Sink) -> usize {
    // Positions are 32 bits wide, so that adding to them takes no look at overflow; no message comes near that.
    let text = text.get(..TEXT_BYTES_MAX).unwrap_or(text);
    let whole = Text(text);
    let mut next = Next::at(from, false);
    // As far as this the sink cannot be full, since a token has a byte at least: one comparison a token for both ends.
    let mut roomy = text.get(..from.saturating_add(sink.room())).unwrap_or(text);
    loop {
        let at = next.at as usize;
        let chunk = match roomy.get(at..at + 8).and_then(|bytes| bytes.first_chunk()) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => {
                if at >= text.len() {
                    return text.len();
                }
                if roomy.len() < text.len() {
                    let room = sink.room();
                    if room == 0 {
                        return whole.behind_spaces(at);
                    }
                    roomy = text.get(..at.saturating_add(room)).unwrap_or(text);
                }
                // The same for the last bytes as for all others: behind them there are spaces.
                eight(text, at)
            }
        };
        next = whole.token(next, chunk, sink);
    }
}

/// As [`scan`], in two parts around the name of a thread if the text begins with a header.
#[inline(never)]
pub(super) fn scan_with_header<S: Sink>(text: &[u8], sink: &mut S) -> usize {
    #[inline(never)]
    fn part<S: Sink>(text: &[u8], from: usize, sink: &mut S) -> usize {
        scan(text, from, sink)
    }
    let (start, end) = header::thread(text);
    let before = text.get(..start).unwrap_or_default();
    let stopped = part(before, 0, sink);
    if end == 0 {
        return part(text, 0, sink);
    }
    if stopped < start || sink.room() == 0 {
        return stopped;
    }
    sink.variable(start, end);
    part(text, end, sink)
}

/// Where to go on. May be one byte behind the end, since a space there is taken for granted.
#[derive(Clone, Copy)]
struct Next {
    at: u32,
    /// The token before ends in a number: a unit or a time zone may follow.
    after_number: bool,
}

/// What is scanned of a text at most: less than what [`Next::at`] can hold by more than what is added to it unasked.
const TEXT_BYTES_MAX: usize = 1 << 31;

impl Next {
    #[inline(always)]
    fn at(at: usize, after_number: bool) -> Self {
        Self { at: at as u32, after_number }
    }
}

#[derive(Clone, Copy)]
struct Text<'a>(&'a [u8]);

/// A piece of letters only.
struct Letters {
    length: usize,
    /// The eight bytes that its last letter is among, or that lie behind it.
    last: u64,
    /// The byte behind it.
    behind: u8,
}

/// A piece of digits only.
struct Digits {
    length: usize,
    /// The byte behind it.
    behind: u8,
}

/// A piece that is a value if it has a digit, else a word.
struct Plain {
    end: usize,
    has_digit: bool,
    /// A full stop follows: it is the sentence's.
    has_stop: bool,
    /// The byte behind it, and behind its full stop.
    behind: u8,
}

/// Any piece: a word, a value, or a word with a value behind it, by their lengths.
#[derive(Default)]
struct Piece {
    word: usize,
    value: usize,
    ends_in_number: bool,
    /// A full stop follows: it is the sentence's.
    has_stop: bool,
}

impl<'a> Text<'a> {
    #[inline]
    fn at(self, index: usize) -> u8 {
        self.0.get(index).copied().unwrap_or(b' ')
    }

    fn slice(self, start: usize, end: usize) -> &'a [u8] {
        self.0.get(start..end).unwrap_or_default()
    }

    /// Tells of the token that begins here, if it is no space.
    #[inline(always)]
    fn token(self, Next { at, after_number }: Next, chunk: u64, sink: &mut impl Sink) -> Next {
        let at = at as usize;
        let byte = chunk as u8;
        let bits = class(byte);
        if bits & LETTER != 0
            && let Some(Letters { length, last, behind }) = self.letters(at, chunk)
        {
            let end = at + length;
            if self.is_value(at, length, chunk, bits, after_number) {
                sink.variable(at, end);
            } else if length < 16 {
                sink.short_word(at, end, [chunk, last]);
            } else {
                sink.word(at, end);
            }
            return Next::at(end + usize::from(behind == b' '), false);
        }
        let second = (chunk >> 8) as u8;
        if bits & STOP != 0 {
            if bits & SPACE != 0 {
                return Next::at(at + 1, after_number);
            }
            if bits & ANGLE == 0 && second != byte {
                sink.delimiter(byte, at, at + 1);
                return Next::at(at + 1 + usize::from(second == b' '), false);
            }
        }
        if self.is_delimiter(byte, second, bits) {
            return Next::at(self.delimiter(at, byte, sink), false);
        }
        if bits & DIGIT != 0
            && let Some(Digits { length, behind }) = self.digits(chunk)
        {
            sink.variable(at, at + length);
            return Next::at(at + length + usize::from(behind == b' '), true);
        }
        let Some(Plain { end, has_digit, has_stop, behind }) = self.plain(at, after_number) else {
            return self.odd(at, after_number, sink);
        };
        if has_digit {
            sink.variable(at, end);
        } else {
            sink.word(at, end);
        }
        let space = usize::from(behind == b' ');
        if !has_stop {
            return Next::at(end + space, has_digit);
        }
        sink.delimiter(self.at(end), end, end + 1);
        Next::at(end + 1 + space, false)
    }

    /// Where to stop when no more is wanted: at what is no space, or at the end.
    fn behind_spaces(self, mut at: usize) -> usize {
        while self.0.get(at).is_some_and(|&byte| class(byte) & SPACE != 0) {
            at += 1;
        }
        at
    }

    /// Whether a piece of letters is a value: a boolean, a name of the calendar, or the unit of the number before it.
    #[inline(always)]
    fn is_value(self, start: usize, length: usize, chunk: u64, first: u32, after_number: bool) -> bool {
        match length {
            6.. => false,
            4 | 5 if first & OF_BOOLEAN != 0 && is_boolean(length, chunk) => true,
            3 if chunk & 0x20_2020 != 0x20_2020 && self.is_calendar(start, start + length, after_number) => true,
            _ => after_number && first & OF_UNIT != 0 && is_unit(self.slice(start, start + length)),
        }
    }

    /// The short way through a piece that is letters only, as most are. `None` leaves it to [`Text::piece`].
    #[inline(always)]
    fn letters(self, start: usize, chunk: u64) -> Option<Letters> {
        let (mut length, mut last) = (letters(chunk), chunk);
        if length == 8 {
            if !has_letter_behind_f(chunk) {
                return None;
            }
            while length.is_multiple_of(8) {
                last = eight(self.0, start + length);
                match letters(last) {
                    0 => break,
                    more => length += more,
                }
            }
        }
        let behind = (last >> (8 * (length % 8))) as u8;
        if class(behind) & STOP == 0 || behind == b':' && !self.ends_at_colon(start, length, chunk) {
            return None;
        }
        Some(Letters { length, last, behind })
    }

    /// The short way through a number of less than eight digits.
    #[inline(always)]
    fn digits(self, chunk: u64) -> Option<Digits> {
        let length = digits(chunk);
        let behind = (chunk >> (8 * (length % 8))) as u8;
        // In front of these it may be a time, or a name.
        let is_number = length < 8 && class(behind) & STOP != 0 && !matches!(behind, b':' | b'(' | b'=');
        is_number.then_some(Digits { length, behind })
    }

    /// Whether a colon behind letters (of which `chunk` are the first) ends the piece: no URL, path or address begins like
    /// this.
    fn ends_at_colon(self, start: usize, length: usize, chunk: u64) -> bool {
        let next = self.at(start + length + 1);
        let is_space = class(next) & STOP != 0 && next != b':';
        let is_no_group = || length > 4 || has_letter_behind_f(of_length(chunk, length));
        is_space || !matches!(next, b'/' | b'\\') && is_no_group()
    }

    /// Whether a delimiter begins here, by its first two bytes. `<1 sec`, `>5`: the comparison belongs to the value.
    #[inline(always)]
    fn is_delimiter(self, byte: u8, second: u8, bits: u32) -> bool {
        bits & STOP != 0 && !(bits & ANGLE != 0 && second.is_ascii_digit()) || bits & RUN != 0 && second == byte
    }

    /// Tells of a delimiter; returns where it ends. Most are one byte and have been told of before it comes to this.
    #[inline(never)]
    fn delimiter(self, start: usize, byte: u8, sink: &mut impl Sink) -> usize {
        // A template read again: its variables are variables.
        if byte == b'<' && self.slice(start, start + 3) == b"<*>" {
            sink.variable(start, start + 3);
            return start + 3;
        }
        let mut end = start + 1;
        while self.0.get(end) == Some(&byte) && !matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}') {
            end += 1;
        }
        sink.delimiter(byte, start, end);
        end
    }

    /// The short way through a piece that is not letters only, if a look at the classes of its bytes is enough: with a
    /// digit it is a value, else a word. `None` leaves it to [`Text::piece`].
    #[inline(always)]
    fn plain(self, start: usize, after_number: bool) -> Option<Plain> {
        let (length, mut bits) = stretch(self.0.get(start..).unwrap_or_default());
        let mut end = start + length;
        let mut behind = self.at(end);
        let is_group = |bits| bits & NONHEX == 0 && bits & LETTER != 0;
        while behind == b':' {
            let next = self.at(end + 1);
            if class(next) & STOP != 0 && next != b':' {
                break;
            }
            // Groups of hex digits may be an address; of digits alone they are a value in any case.
            if class(next) & DIGIT == 0 || bits & (DIGIT | DOT) == 0 || is_group(bits) {
                return None;
            }
            let (length, more) = stretch(self.0.get(end + 1..).unwrap_or_default());
            bits |= more;
            end += 1 + length;
            behind = self.at(end);
        }
        if bits & PAIR != 0 || class(behind) & CJK != 0 {
            return None;
        }
        // A full stop behind a word is not the word's.
        let has_stop = bits & RUN != 0 && matches!(self.at(end - 1), b'.' | b'!' | b'?');
        end -= usize::from(has_stop);
        if bits & DIGIT != 0 {
            if bits & (LETTER | DIGIT | DOT | SLASH | AT) == UPPER | DIGIT {
                return None;
            }
            let is_name = matches!(behind, b'(' | b'=') && self.is_name_with_digits(start, end, bits);
            return Some(Plain { end, has_digit: !is_name, has_stop, behind });
        }
        let is_word = bits & (SLASH | AT) == 0 && bits & NONHEX != 0 && end > start + 5 && !after_number;
        // A class name has two dots or more.
        (is_word && (bits & DOT == 0 || self.dots(start, end) < 2)).then_some(Plain {
            end,
            has_digit: false,
            has_stop,
            behind,
        })
    }

    #[inline(never)]
    fn dots(self, start: usize, end: usize) -> usize {
        self.slice(start, end).iter().filter(|&&byte| byte == b'.').count()
    }

    /// Any piece, byte by byte. Not inlined: its variables would push those of the short way out of the registers.
    #[inline(never)]
    fn piece(self, start: usize, after_number: bool) -> Piece {
        let (at, bits) = self.end_of_piece(start);
        let mut end = at;
        // A full stop behind a word is not the word's.
        if end > start + 1 && matches!(self.at(end - 1), b'.' | b'!' | b'?') {
            end -= 1;
        }
        let length = end - start;
        let has_stop = end < at;
        if self.is_variable(start, end, bits, after_number) {
            let word = self.length_of_name(start, end, bits);
            let ends_in_number = bits & DIGIT != 0 && !has_stop;
            Piece { word, value: length - word, ends_in_number, has_stop }
        } else if after_number && is_unit(self.slice(start, end)) {
            Piece { value: length, has_stop, ..Piece::default() }
        } else {
            Piece { word: length, has_stop, ..Piece::default() }
        }
    }

    /// Where the piece that begins here ends, and the classes of its bytes.
    #[inline(always)]
    fn end_of_piece(self, start: usize) -> (usize, u32) {
        let first = self.at(start);
        if class(first) & CJK != 0 {
            let length = self.slice(start, self.0.len()).iter().take_while(|&&byte| byte >= 0x80).count();
            return (start + length, CJK | NONHEX);
        }
        // Of a comparison only what is compared with has a class.
        let from = start + usize::from(matches!(first, b'<' | b'>'));
        let mut at = from;
        let mut bits = 0;
        loop {
            let (length, byte, here) = self.ordinary(at, &mut bits);
            at += length;
            if here & STOP == 0 {
                // A run of punctuation, or a script that is written without spaces, is another token.
                if here & CJK != 0 || self.0.get(at + 1) == Some(&byte) && at > from {
                    return (at, bits);
                }
                bits |= here;
                at += 1;
                continue;
            }
            let colon = if byte == b':' { self.colon(start, at, bits) } else { None };
            let Some((next, more)) = colon else { return (at, bits) };
            bits |= more;
            at = next;
        }
    }

    #[inline(never)]
    fn odd(self, start: usize, after_number: bool, sink: &mut impl Sink) -> Next {
        let piece = self.piece(start, after_number);
        let mut at = start;
        if piece.word > 0 {
            sink.word(at, at + piece.word);
        }
        if piece.value > 0 {
            sink.variable(at + piece.word, at + piece.word + piece.value);
        }
        at += piece.word + piece.value;
        if piece.has_stop {
            sink.delimiter(self.at(at), at, at + 1);
            at += 1;
        }
        Next::at(at, piece.ends_in_number)
    }

    /// The bytes from `at` on that belong to a piece whatever stands around them, and the byte (with its classes) that
    /// does not; behind the text that is a space. Nearly all bytes are ordinary: here is where the time goes.
    #[inline(always)]
    fn ordinary(self, at: usize, bits: &mut u32) -> (usize, u8, u32) {
        let mut rest = self.0.get(at..).unwrap_or_default();
        let mut length = 0;
        while let Some((chunk, more)) = rest.split_first_chunk::<8>() {
            for &byte in chunk {
                let here = class(byte);
                if here & (STOP | RUN | CJK) != 0 {
                    return (length, byte, here);
                }
                *bits |= here;
                length += 1;
            }
            rest = more;
        }
        for &byte in rest {
            let here = class(byte);
            if here & (STOP | RUN | CJK) != 0 {
                return (length, byte, here);
            }
            *bits |= here;
            length += 1;
        }
        (length, b' ', SPACE | STOP)
    }

    /// What a colon within a piece means: `None` ends the piece; otherwise where to go on and what was learnt.
    fn colon(self, start: usize, at: usize, bits: u32) -> Option<(usize, u32)> {
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

    fn end_of_url(self, from: usize) -> usize {
        let mut at = from;
        while let Some(&byte) = self.0.get(at) {
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
    fn is_variable(self, start: usize, end: usize, bits: u32, after_number: bool) -> bool {
        let len = end - start;
        // Most pieces are plain words or have a digit and nothing behind it that would make it a name.
        if bits & (DIGIT | PATH | SLASH | AT | DOT) == 0 && bits & NONHEX != 0 && !matches!(len, 3..=5) {
            return false;
        }
        if bits & DIGIT != 0 && !matches!(self.at(end), b'(' | b'=') {
            return true;
        }
        self.is_odd_variable(start, end, bits, after_number)
    }

    fn is_odd_variable(self, start: usize, end: usize, bits: u32, after_number: bool) -> bool {
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
            if has_at
                || bits & SLASH != 0 && is_path(piece) && Rule::Paths.holds()
                || bits & DOT != 0 && is_class_name(piece, bits) && Rule::ClassNames.holds()
            {
                return true;
            }
        }
        match len {
            3 => bits & UPPER != 0 && self.is_calendar(start, end, after_number),
            4 | 5 => is_boolean(len, eight(self.0, start)),
            _ => len >= 8 && bits & NONHEX == 0,
        }
    }

    /// `jk2_init(`, `r24=`: digits that belong to a name and not to a value.
    fn is_name_with_digits(self, start: usize, end: usize, bits: u32) -> bool {
        let piece = self.slice(start, end);
        matches!(self.at(end), b'(' | b'=')
            && Rule::NamesWithDigits.holds()
            && piece.first().is_some_and(u8::is_ascii_alphabetic)
            && bits & (SLASH | AT) == 0
            && piece.iter().filter(|byte| byte.is_ascii_digit()).count() <= 2
    }

    /// `CPU3`, `SOCKS5`: where the upper-case name ends and its number begins; zero if it is no such. They vary from
    /// line to line like any number, but a name with a number is not another name.
    fn length_of_name(self, start: usize, end: usize, bits: u32) -> usize {
        if bits & (UPPER | DIGIT | LOWER | DOT | SLASH | AT | PATH) != UPPER | DIGIT {
            return 0;
        }
        let piece = self.slice(start, end);
        let letters = piece.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        let digits = piece.iter().skip(letters).take_while(|byte| byte.is_ascii_digit()).count();
        let is_name = letters >= 3 && digits <= 3 && letters + digits == piece.len() && Rule::NumberedNames.holds();
        if is_name { letters } else { 0 }
    }

    /// A weekday before a month or a number, a month before or behind a number.
    fn is_calendar(self, start: usize, end: usize, after_number: bool) -> bool {
        let word = self.slice(start, end);
        if !Rule::Calendar.holds() {
            return false;
        }
        let mut next = end;
        while matches!(self.at(next), b' ' | b',' | b'-') && next < self.0.len() {
            next += 1;
        }
        let before_number = class(self.at(next)) & DIGIT != 0;
        if is_month(word) {
            return before_number || after_number;
        }
        is_weekday(word) && (before_number || is_month(self.slice(next, next + 3)))
    }
}

/// Two bytes in a row that may be of one run.
const PAIR: u32 = 1 << 31;

/// How many bytes belong to a piece whatever stands around them, and their classes; with [`PAIR`] where punctuation may be
/// a run. Not inlined: most bytes of values pass here, and a loop that has all the registers takes half as many steps.
#[inline(never)]
fn stretch(bytes: &[u8]) -> (usize, u32) {
    let mut bits = 0;
    let mut length = 0;
    let mut rest = bytes;
    while let Some((chunk, more)) = rest.split_first_chunk::<8>() {
        for (index, &byte) in chunk.iter().enumerate() {
            let here = class(byte);
            if here & (STOP | CJK | RUN) != 0 {
                if here & RUN == 0 {
                    return (length + index, bits);
                }
                bits |= run_of_two(bytes, length + index);
            }
            bits |= here;
        }
        length += 8;
        rest = more;
    }
    for &byte in rest {
        let here = class(byte);
        if here & (STOP | CJK | RUN) != 0 {
            if here & RUN == 0 {
                break;
            }
            bits |= run_of_two(bytes, length);
        }
        bits |= here;
        length += 1;
    }
    (length, bits)
}

/// [`PAIR`] if the byte behind this one, which may be of a run, may be too.
#[inline(always)]
fn run_of_two(bytes: &[u8], at: usize) -> u32 {
    let is_pair = bytes.get(at + 1).is_some_and(|&byte| class(byte) & RUN != 0);
    if is_pair { PAIR } else { 0 }
}

/// `true`, `False`, `null`: the first `length` bytes (four or five) of a chunk.
#[inline(always)]
fn is_boolean(length: usize, chunk: u64) -> bool {
    const fn number(word: [u8; 8]) -> u64 {
        u64::from_le_bytes(word)
    }
    const TRUE: u64 = number(*b"true\0\0\0\0");
    const NULL: u64 = number(*b"null\0\0\0\0");
    const FALSE: u64 = number(*b"false\0\0\0");
    const UPPER_TRUE: u64 = number(*b"True\0\0\0\0");
    const UPPER_FALSE: u64 = number(*b"False\0\0\0");
    let word = chunk & if length == 4 { 0xffff_ffff } else { 0xff_ffff_ffff };
    matches!(word, TRUE | NULL | FALSE | UPPER_TRUE | UPPER_FALSE) && Rule::Booleans.holds()
}

fn is_month(word: &[u8]) -> bool {
    matches!(
        word,
        b"Jan" | b"Feb" | b"Mar" | b"Apr" | b"May" | b"Jun" | b"Jul" | b"Aug" | b"Sep" | b"Oct" | b"Nov" | b"Dec"
    )
}

fn is_weekday(word: &[u8]) -> bool {
    matches!(word, b"Mon" | b"Tue" | b"Wed" | b"Thu" | b"Fri" | b"Sat" | b"Sun")
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
    ) && Rule::Units.holds()
}

/// From the root, from here, or with two slashes: `/a`, `./a`, `a/b/c`; `and/or` is a word.
fn is_path(piece: &[u8]) -> bool {
    let is_rooted = piece.starts_with(b"/") || piece.starts_with(b"./") || piece.starts_with(b"../");
    (is_rooted || piece.starts_with(b"~/")) && piece.len() > 1
        || piece.iter().filter(|&&byte| byte == b'/').count() >= 2
}

/// `a.b.ClassName`, `a.b.c/d.Name`: three parts or more, the last in mixed case. Lower-case names (hosts, settings) and
/// constants (`a.b.SCREEN_ON`) are words.
fn is_class_name(piece: &[u8], bits: u32) -> bool {
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
    use super::*;
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

    #[derive(Default, Debug, PartialEq)]
    struct Told {
        tokens: Vec<(char, usize, usize)>,
        max: usize,
    }

    impl Sink for Told {
        fn word(&mut self, start: usize, end: usize) {
            self.tokens.push(('w', start, end));
        }
        fn delimiter(&mut self, byte: u8, start: usize, end: usize) {
            self.tokens.push((char::from(byte), start, end));
        }
        fn variable(&mut self, start: usize, end: usize) {
            self.tokens.push(('v', start, end));
        }
        fn room(&self) -> usize {
            self.max.saturating_sub(self.tokens.len())
        }
    }

    /// Without any short way: each token byte by byte.
    fn slow_scan(text: &[u8], sink: &mut impl Sink) -> usize {
        let whole = Text(text);
        let mut next = Next::at(0, false);
        while let Some(&byte) = text.get(next.at as usize) {
            let (at, bits) = (next.at as usize, class(byte));
            let (start, end) = header::thread(text);
            if end > 0 && start == at && sink.room() > 0 {
                sink.variable(start, end);
                next = Next::at(end, false);
            } else if bits & SPACE != 0 {
                next.at += 1;
            } else if sink.room() == 0 {
                return at;
            } else if whole.is_delimiter(byte, whole.at(at + 1), bits) {
                next = Next::at(whole.delimiter(at, byte, sink), false);
            } else {
                next = whole.odd(at, next.after_number, sink);
            }
        }
        text.len()
    }

    fn check_short_ways(text: &[u8], max: usize) {
        let (mut fast, mut slow) = (Told { max, ..Told::default() }, Told { max, ..Told::default() });
        let ends = (scan_with_header(text, &mut fast), slow_scan(text, &mut slow));
        assert_eq!((ends.0, fast), (ends.1, slow), "{:?}", String::from_utf8_lossy(text));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_048))]

        #[test]
        fn the_short_ways_lead_where_the_long_one_does(
            pieces in proptest::collection::vec(
                "[a-z]{1,9}|[A-Z][a-z]{1,16}|[a-f]{1,9}|[A-Z]{1,5}[0-9]{0,3}|[0-9.:-]{1,12}|[a-z0-9_$%:./@\\\\+#!?-]{1,14}|[<>*=,;()|'\" :]{1,3}|ms|sec|Jan|Mon|true|False|null|http://|日本|é|[\\x00-\\x1f]",
                0..14,
            ),
            header in prop_oneof![3 => Just(""), 1 => Just("2026-11-21 10:11:12,5 INFO [a b] "), 1 => Just("10:11:12.5 [a[b] c] - WARN: ")],
            glue in "[ ]|[ =:.]?", max in prop_oneof![1usize..9, Just(500)],
        ) {
            check_short_ways((header.to_owned() + &pieces.join(&glue)).as_bytes(), max);
            check_short_ways(pieces.concat().as_bytes(), max);
        }

        #[test]
        fn the_short_ways_are_right_for_any_bytes(text: Vec<u8>) {
            check_short_ways(&text, 500);
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
