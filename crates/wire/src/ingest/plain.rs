//! Records as nearly all clients write them, read without a general JSON reader: names and texts without escapes, whole
//! numbers, lists and maps of these. Whatever is written otherwise is handed to that reader piece by piece, or ends this
//! reading: then the body is read again the general way, which also finds the words for what is wrong.
//!
//! Invariants: where this reads something, it gives what the general way gives, and a property test holds it to that; it
//! refuses nothing by itself. Stack and memory are bounded as there: by `limits::NESTING_DEPTH_MAX` and the [`Budget`].
//!
//! Names come again in record after record, so that what the name in each place meant is remembered for a body.

use super::field::{Known, known_field};
use super::record::{Key, Outcome, RecordBuilder};
use super::value::{Budget, ValueSeed, keep_last_of_each};
use super::{Framing, list_name};
use crate::limits::{NESTING_DEPTH_MAX, RECORDS_MAX};
use sapwood_engine::eight;
use sapwood_engine::record::{RawRecord, Rejection};
use sapwood_engine::value::{Fields, Value};
use serde::de::DeserializeSeed;

/// Places of a record whose names are remembered.
const NAMES_MAX: usize = 16;

/// The records of the array that `text` is, behind those in `read`; `None` if it must be read the general way.
pub(super) fn records(text: &str, read: Vec<Outcome>) -> Option<Vec<Outcome>> {
    let mut names = [None; NAMES_MAX];
    let mut cursor = Cursor { text, at: 0, unescaped: String::new(), names: &mut names };
    let records = cursor.records(read)?;
    cursor.is_at_end().then_some(records)
}

/// The records of the envelope that `text` is, if it says nothing beside them, and how they are framed; `None` if it must be
/// read the general way.
pub(super) fn enveloped(text: &str, read: Vec<Outcome>) -> Option<(Framing, Vec<Outcome>)> {
    let mut names = [None; NAMES_MAX];
    let mut cursor = Cursor { text, at: 0, unescaped: String::new(), names: &mut names };
    cursor.skip_space();
    cursor.take(b'{')?;
    cursor.skip_space();
    let (_, framing) = list_name(cursor.plain_text()?)?;
    cursor.colon()?;
    let records = cursor.records(read)?;
    cursor.take(b'}')?;
    cursor.skip_space();
    cursor.is_at_end().then_some((framing, records))
}

/// Reads lines that are records each.
pub(super) struct Lines<'t> {
    names: [Name<'t>; NAMES_MAX],
}

impl<'t> Lines<'t> {
    /// Before the first line.
    pub(super) fn new() -> Self {
        Self { names: [None; NAMES_MAX] }
    }

    /// Reads the record that `line` is into `slot`, which is empty, or says why it is refused; `None` if the line must be
    /// read the general way, and then `slot` is empty again.
    pub(super) fn read(
        &mut self,
        line: &'t str,
        budget: &mut Budget,
        slot: &mut RawRecord,
    ) -> Option<Option<Rejection>> {
        let before = budget.clone();
        let mut cursor = Cursor { text: line, at: 0, unescaped: String::new(), names: &mut self.names };
        cursor.skip_space();
        let read = cursor.record(budget, slot);
        cursor.skip_space();
        let read = read.filter(|_| cursor.is_at_end());
        if read.is_none() {
            *budget = before;
            *slot = RawRecord::default();
        }
        read
    }
}

/// A name that stood in some place of the record before, and what it means.
type Name<'t> = Option<(&'t str, Option<Known>)>;

/// A reading of `text`, up to `at`.
struct Cursor<'t, 'n> {
    text: &'t str,
    at: usize,
    /// Room for a text with escapes.
    unescaped: String,
    names: &'n mut [Name<'t>; NAMES_MAX],
}

impl<'t> Cursor<'t, '_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Takes `byte` if it comes next.
    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// An array of records, behind those in `records`, and the space around it.
    fn records(&mut self, mut records: Vec<Outcome>) -> Option<Vec<Outcome>> {
        let mut budget = Budget::for_request();
        self.skip_space();
        self.take(b'[')?;
        self.skip_space();
        if self.take(b']').is_none() {
            loop {
                if records.len() == RECORDS_MAX {
                    return None;
                }
                let last = records.push_mut(Ok(RawRecord::default()));
                if let Ok(slot) = last
                    && let Some(rejection) = self.record(&mut budget, slot)?
                {
                    *last = Err(rejection);
                }
                self.skip_space();
                if self.take(b',').is_none() {
                    break;
                }
                self.skip_space();
            }
            self.take(b']')?;
        }
        self.skip_space();
        Some(records)
    }

    /// One record, into `slot`, or why it is refused.
    fn record(&mut self, budget: &mut Budget, slot: &mut RawRecord) -> Option<Option<Rejection>> {
        let mut builder = RecordBuilder::new(budget, slot);
        let mut place = 0;
        self.entries(|cursor| {
            let key = cursor.key(place)?;
            place += 1;
            cursor.colon()?;
            let value = cursor.value(builder.budget(), 1)?;
            builder.put_value(key, value);
            Some(())
        })?;
        Some(builder.finish())
    }

    /// A map, whose entries `read` reads.
    #[inline]
    fn entries(&mut self, mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.skip_space();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            read(self)?;
            self.skip_space();
            if self.take(b',').is_none() {
                return self.take(b'}');
            }
            self.skip_space();
        }
    }

    fn colon(&mut self) -> Option<()> {
        self.skip_space();
        self.take(b':')?;
        self.skip_space();
        Some(())
    }

    /// The name in a certain place of a record.
    fn key(&mut self, place: usize) -> Option<Key> {
        let name = self.plain_text()?;
        let known = match self.names.get_mut(place) {
            Some(Some((before, known))) if *before == name => *known,
            Some(slot) => {
                let known = known_field(name);
                *slot = Some((name, known));
                known
            }
            None => known_field(name),
        };
        Some(known.map_or_else(|| Key::Other(name.to_owned()), Key::Known))
    }

    /// Where the text from `from` on stops being plain: at its closing quote, at an escape, or at what may not be there.
    #[inline]
    fn plain_end(&self, from: usize) -> Option<usize> {
        let mut rest = self.text.as_bytes().get(from..)?;
        loop {
            let eight = match rest.first_chunk::<8>() {
                Some(eight) => u64::from_le_bytes(*eight),
                // The last bytes of a body: the blanks behind them end nothing.
                None => eight::first(rest),
            };
            let ends = eight::ends_plain_json(eight);
            if ends != 0 {
                return Some(self.text.len() - rest.len() + eight::take_first(ends).0);
            }
            rest = rest.get(8..)?;
        }
    }

    /// A text without escapes.
    fn plain_text(&mut self) -> Option<&'t str> {
        self.take(b'"')?;
        let end = self.plain_end(self.at)?;
        let text = self.text.get(self.at..end)?;
        self.at = end;
        self.take(b'"')?;
        Some(text)
    }

    /// A text, perhaps with escapes.
    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let end = self.plain_end(self.at)?;
        let text = self.text.get(self.at..end)?;
        self.at = end;
        if self.take(b'"').is_some() { Some(text.to_owned()) } else { self.escaped_string(text) }
    }

    /// The text that begins with `head`, behind which an escape comes next.
    #[inline(never)]
    fn escaped_string(&mut self, head: &str) -> Option<String> {
        let mut unescaped = std::mem::take(&mut self.unescaped);
        unescaped.clear();
        unescaped.push_str(head);
        let whole = self.unescape(&mut unescaped).map(|()| unescaped.as_str().to_owned());
        self.unescaped = unescaped;
        whole
    }

    /// Appends the rest of a text, from an escape on, to `unescaped`.
    fn unescape(&mut self, unescaped: &mut String) -> Option<()> {
        loop {
            self.take(b'\\')?;
            let letter = match self.peek()? {
                letter @ (b'"' | b'\\' | b'/') => letter,
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                // A letter by its number, which may be half of one.
                _ => return None,
            };
            unescaped.push(char::from(letter));
            let end = self.plain_end(self.at + 1)?;
            unescaped.push_str(self.text.get(self.at + 1..end)?);
            self.at = end;
            if self.take(b'"').is_some() {
                return Some(());
            }
        }
    }

    /// The end of the text, escapes and all, that begins at the quote that comes next.
    fn text_end(&self) -> Option<usize> {
        let mut is_escaped = false;
        let bytes = self.text.as_bytes().get(self.at + 1..)?;
        let length = bytes.iter().position(|&byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        })?;
        Some(self.at + length + 2)
    }

    /// One value that lies `depth` containers deep.
    fn value(&mut self, budget: &mut Budget, depth: usize) -> Option<Value> {
        match self.peek()? {
            b'"' => {
                let start = self.at;
                if let Some(text) = self.string() {
                    return Some(Value::Text(text));
                }
                self.at = start;
                let end = self.text_end()?;
                self.general(end, budget, depth)
            }
            b'-' | b'0'..=b'9' => self.number(budget, depth),
            b'{' => self.map(budget, depth),
            b'[' => self.list(budget, depth),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    /// A number: whole ones of at most eighteen digits here, all others the general way.
    fn number(&mut self, budget: &mut Budget, depth: usize) -> Option<Value> {
        const DIGITS_MAX: usize = 18;
        let rest = self.text.as_bytes().get(self.at..)?;
        let (is_negative, digits) = match rest.strip_prefix(b"-") {
            Some(digits) => (true, digits),
            None => (false, rest),
        };
        let mut number = 0i64;
        let mut count = 0;
        for byte in digits.iter().take(DIGITS_MAX).take_while(|byte| byte.is_ascii_digit()) {
            number = number * 10 + i64::from(byte - b'0');
            count += 1;
        }
        let is_whole = !matches!(digits.get(count), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        // A zero in front is no JSON, or a negative zero, which is a float.
        let has_zero = digits.first() == Some(&b'0') && (count > 1 || is_negative);
        if is_whole && !has_zero && count > 0 {
            self.at += count + usize::from(is_negative);
            return Some(Value::Int(if is_negative { -number } else { number }));
        }
        let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        self.general(self.at + length, budget, depth)
    }

    /// The value up to `end`, read the general way.
    fn general(&mut self, end: usize, budget: &mut Budget, depth: usize) -> Option<Value> {
        let json = self.text.get(self.at..end)?;
        self.at = end;
        let mut reader = serde_json::Deserializer::from_str(json);
        let value = ValueSeed { budget, depth }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(value)
    }

    fn list(&mut self, budget: &mut Budget, depth: usize) -> Option<Value> {
        if depth >= NESTING_DEPTH_MAX {
            return None;
        }
        self.take(b'[')?;
        self.skip_space();
        let mut list = Vec::new();
        if self.take(b']').is_some() {
            return Some(Value::List(list));
        }
        loop {
            list.push(self.value_within(budget, depth + 1)?);
            self.skip_space();
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Value::List(list));
            }
            self.skip_space();
        }
    }

    fn map(&mut self, budget: &mut Budget, depth: usize) -> Option<Value> {
        if depth >= NESTING_DEPTH_MAX {
            return None;
        }
        let mut fields = Fields::new();
        self.entries(|cursor| {
            let name = cursor.plain_text()?;
            cursor.colon()?;
            let value = cursor.value_within(budget, depth + 1)?;
            fields.push((name.to_owned(), value));
            Some(())
        })?;
        budget.duplicate |= keep_last_of_each(&mut fields);
        Some(Value::Map(fields))
    }

    /// A value inside of a container, if there is room for it.
    fn value_within(&mut self, budget: &mut Budget, depth: usize) -> Option<Value> {
        if !budget.has_room() {
            return None;
        }
        let value = self.value(budget, depth)?;
        budget.spend();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, BatchSeed, Document, DocumentSeed};
    use super::*;
    use crate::ingest::record::RecordSeed;
    use proptest::prelude::*;
    use serde::Deserializer as _;

    /// The same records, read the general way; `None` where that refuses.
    fn general(text: &str) -> Option<Vec<Outcome>> {
        let mut batch = Batch::default();
        let mut budget = Budget::for_request();
        let mut reader = serde_json::Deserializer::from_str(text);
        BatchSeed { batch: &mut batch, budget: &mut budget }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(batch.records)
    }

    fn check(text: &str) {
        let envelope = format!("{{\"logs\":{text}}}");
        if let Some((_, read)) = enveloped(&envelope, Vec::new()) {
            let general = general_envelope(&envelope).expect("what is read here is JSON");
            assert_eq!(format!("{read:?}"), format!("{general:?}"), "{text}");
        }
        if let Some(read) = records(text, Vec::new()) {
            assert_eq!(
                format!("{read:?}"),
                format!("{:?}", general(text).expect("what is read here is JSON")),
                "{text}"
            );
        }
        let mut lines = Lines::new();
        let mut budget = Budget::for_request();
        for line in text.split('\n') {
            let (mut slot, mut other) = (RawRecord::default(), RawRecord::default());
            let Some(read) = lines.read(line, &mut budget, &mut slot) else {
                assert_eq!(slot, RawRecord::default(), "{line}");
                continue;
            };
            let mut reader = serde_json::Deserializer::from_str(line);
            let mut budget = Budget::for_request();
            let outcome = RecordSeed { budget: &mut budget, slot: &mut other }.deserialize(&mut reader).unwrap();
            reader.end().unwrap();
            assert_eq!((format!("{slot:?}"), read), (format!("{other:?}"), outcome), "{line}");
        }
    }

    /// Pieces of JSON and what looks like it.
    fn pieces() -> Vec<&'static str> {
        vec![
            "[",
            "]",
            "{",
            "}",
            ",",
            ":",
            "\"",
            "\\",
            " ",
            "\n",
            "\t",
            "\u{1}",
            "\u{7f}",
            "é",
            "😀",
            "null",
            "true",
            "false",
            "tru",
            "\"message\":",
            "\"msg\" : ",
            "\"level\":",
            "\"Level\":\"info\"",
            "\"userId\":",
            "\"timestamp\":",
            "\"tags\":",
            "\"attributes\":",
            "\"context\":",
            "\"a\":",
            "\"a\":1",
            "{\"message\":\"m\"}",
            "{}",
            "[]",
            "[{",
            "}]",
            "},{",
            "\"text\"",
            "\"with \\\"quotes\\\" and \\n \\t \\\\ \\/ \\b\\f\\r\"",
            "\"\\u0041\"",
            "\"\\ud83d\"",
            "\"\\x\"",
            "\"eight by\"",
            "\"a longer text, of more than eight bytes\"",
            "0",
            "-0",
            "-1",
            "01",
            "-",
            "1.5",
            "1e3",
            "1E400",
            "-7.",
            "999999999999999999",
            "1000000000000000000",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "12 34",
            "{\"ip\":\"1.2.3.4\",\"url\":\"u\"}",
        ]
    }

    /// Bodies that are mostly right.
    fn body() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            8 => prop::sample::select(vec!["message", "msg", "level", "timestamp", "userId", "user_id", "a", "b", "a b", "tags", "context",
                "metadata", "attributes", "priority", "duration", "trace_id", "é", "_id", ""]).prop_map(|name| format!("\"{name}\"")),
            1 => Just("\"\\u0061\"".to_owned()),
        ];
        let scalar = prop::sample::select(
            pieces()
                .into_iter()
                .filter(|piece| serde_json::from_str::<serde_json::Value>(piece).is_ok())
                .collect::<Vec<_>>(),
        );
        let space = || prop::sample::select(vec!["", "", "", " ", "\n\t\r "]);
        let value = scalar.prop_map(str::to_owned).prop_recursive(3, 12, 4, move |inner| {
            prop_oneof![
                (prop::collection::vec(inner.clone(), 0..4), space())
                    .prop_map(|(all, space)| format!("[{space}{}{space}]", all.join(&format!("{space},")))),
                (prop::collection::vec((prop::sample::select(vec!["a", "b", "ip", "trace_id"]), inner), 0..4), space())
                    .prop_map(|(all, space)| format!(
                        "{{{space}{}}}",
                        all.iter()
                            .map(|(name, value)| format!("\"{name}\"{space}:{value}"))
                            .collect::<Vec<_>>()
                            .join(",")
                    )),
            ]
        });
        let record = prop::collection::vec((name, value, space()), 0..8).prop_map(|all| {
            let all: Vec<_> =
                all.iter().map(|(name, value, space)| format!("{space}{name}{space}:{space}{value}{space}")).collect();
            format!("{{{}}}", all.join(","))
        });
        (prop::collection::vec(record, 0..5), space())
            .prop_map(|(all, space)| format!("{space}[{}]{space}", all.join(&format!("{space},"))))
    }

    /// An envelope that says nothing beside its records, read the general way.
    fn general_envelope(text: &str) -> Option<Vec<Outcome>> {
        let mut document = Document::default();
        let mut budget = Budget::for_request();
        let mut reader = serde_json::Deserializer::from_str(text);
        let seed = DocumentSeed { document: &mut document, budget: &mut budget, reads_batch: true };
        reader.deserialize_any(seed).ok()?;
        reader.end().ok()?;
        assert!(!document.two_lists && !document.has_message && document.not_a_list.is_none(), "{text}");
        assert_eq!(
            (document.framing, document.record),
            (Some(Framing::Logs), Some(Ok(RawRecord::default()))),
            "{text}"
        );
        Some(document.batch.records)
    }

    #[test]
    fn an_envelope_is_read_here_if_it_holds_records_and_nothing_else() {
        for text in [r#"{"logs":[{"message":"m"},{"message":1}]}"#, " { \"logs\" : [ ] } \n"] {
            let (framing, read) = enveloped(text, Vec::new()).expect("nothing is unusual");
            assert_eq!((framing, Some(read)), (Framing::Logs, general_envelope(text)));
        }
        for text in
            [r#"{"logs":[],"service":"s"}"#, r#"{"service":"s","logs":[]}"#, r#"{"logs":[]}x"#, r#"{"logs":{}}"#, "{}"]
        {
            assert_eq!(enveloped(text, Vec::new()), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_is_what_the_general_reader_reads(text in body()) {
            check(&text);
            check(&text.trim_matches(['[', ']', ' ', '\n', '\t', '\r']).replace('\n', " "));
        }

        #[test]
        fn nothing_is_read_that_is_no_json(
            text in body(),
            at: prop::sample::Index,
            length in 0usize..4,
            piece in prop::sample::select(pieces()),
        ) {
            let mut text = text;
            let at = text.floor_char_boundary(at.index(text.len()));
            let end = text.floor_char_boundary(at + length);
            text.replace_range(at..end.max(at), piece);
            check(&text);
        }

        #[test]
        fn pieces_are_read_as_the_general_reader_reads_them(parts in prop::collection::vec(prop::sample::select(pieces()), 0..12)) {
            check(&parts.concat());
            check(&format!("[{{\"message\":{}}}]", parts.concat()));
        }
    }

    #[test]
    fn what_clients_write_is_read_here() {
        let body = r#"[{"timestamp":1763632800000,"level":"info","message":"POST \"/x\" took 1.5 s","tags":["a"],"n":-0.25,
            "context":{"ip":"1.2.3.4","deep":{"list":[1,null,true]}}}, {"message":"two","level":"WARN"}]"#;
        assert_eq!(records(body, Vec::new()), general(body));
        assert!(records(body, Vec::new()).is_some());
    }

    #[test]
    fn bounds_are_left_to_the_general_reader() {
        let deep =
            |levels: usize| format!("[{{\"message\":\"m\",\"a\":{}{}}}]", "[".repeat(levels), "]".repeat(levels));
        assert!(records(&deep(NESTING_DEPTH_MAX - 1), Vec::new()).is_some());
        check(&deep(NESTING_DEPTH_MAX - 1));
        assert_eq!(records(&deep(NESTING_DEPTH_MAX), Vec::new()), None);
        assert_eq!(records(&deep(100_000), Vec::new()), None);
        let wide = |values: usize| format!("[{{\"message\":\"m\",\"a\":[{}]}}]", vec!["0"; values].join(","));
        check(&wide(crate::limits::VALUES_PER_RECORD_MAX));
        assert_eq!(records(&wide(crate::limits::VALUES_PER_RECORD_MAX + 1), Vec::new()), None);
        let many = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
        assert_eq!(records(&many(RECORDS_MAX), Vec::new()).map(|all| all.len()), Some(RECORDS_MAX));
        assert_eq!(records(&many(RECORDS_MAX + 1), Vec::new()), None);
    }
}
