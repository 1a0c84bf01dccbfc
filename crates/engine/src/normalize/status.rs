//! The HTTP status a record speaks of: from a field of that name, else from the words of the message.
//!
//! A bare number is never a status: `took 401 ms`, `order 500` and `1.404` are not. A number counts only behind
//! `status` or `http` (with a protocol version between), behind a method or `returned`-like word that nothing counts
//! after, or in front of its own reason phrase (`404 Not Found`).

use super::words::{Word, Words};
use crate::value::{Value, field};

/// Names under which a status is sent, at the top of the attributes.
const NAMES: [&str; 9] = [
    "status",
    "status_code",
    "statusCode",
    "http_status",
    "httpStatus",
    "http.status",
    "http.status_code",
    "http.response.status_code",
    "response_status",
];

/// The HTTP status of a record, 100 to 599.
pub fn of(words: &Words, attributes: &[(String, Value)]) -> Option<u16> {
    NAMES.iter().find_map(|name| field(attributes, name).and_then(of_value)).or_else(|| of_words(words))
}

fn of_value(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Int(number) => u32::try_from(*number).ok()?,
        Value::Text(text) if text.len() == 3 => text.parse().ok()?,
        _ => return None,
    };
    in_range(number)
}

fn in_range(number: u32) -> Option<u16> {
    u16::try_from(number).ok().filter(|status| (100..=599).contains(status))
}

fn of_words(words: &Words) -> Option<u16> {
    words.iter().enumerate().find_map(|(at, word)| {
        let status = in_range(word.number()?)?;
        (is_announced(words, at) || is_explained(words, at, status)).then_some(status)
    })
}

fn is_one_of(word: Option<Word>, list: &[Word]) -> bool {
    word.is_some_and(|word| list.contains(&word))
}

/// Whether the words before the number at `at` say that a status follows.
fn is_announced(words: &Words, at: usize) -> bool {
    const STATUS: [Word; 4] = [Word::of("status"), Word::of("http"), Word::of("statuscode"), Word::of("httpstatus")];
    const METHOD: [Word; 7] = [
        Word::of("get"),
        Word::of("post"),
        Word::of("put"),
        Word::of("patch"),
        Word::of("delete"),
        Word::of("head"),
        Word::of("options"),
    ];
    const ANSWERED: [Word; 6] = [
        Word::of("returned"),
        Word::of("returning"),
        Word::of("responded"),
        Word::of("response"),
        Word::of("got"),
        Word::of("received"),
    ];
    const BETWEEN: [Word; 5] = [Word::of("code"), Word::of("with"), Word::of("a"), Word::of("is"), Word::of("error")];
    let before = |distance: usize| at.checked_sub(distance).and_then(|place| words.word(place));
    let mut distance = 1;
    while distance < 3 && is_one_of(before(distance), &BETWEEN) {
        distance += 1;
    }
    let word = before(distance);
    if is_one_of(word, &STATUS) || (distance == 1 && is_one_of(word, &METHOD)) {
        return true;
    }
    if is_one_of(word, &ANSWERED) {
        return is_last_or_followed_by_a_particle(words, at);
    }
    // `HTTP/1.1 404` and `HTTP/2 404`.
    let is_digit = |word: Option<Word>| word.and_then(Word::number).is_some_and(|number| number < 10);
    (is_digit(before(1)) && is_one_of(before(2), &STATUS))
        || (is_digit(before(1)) && is_digit(before(2)) && is_one_of(before(3), &STATUS))
}

/// `returned 404 for /x` is a status, `returned 404 rows` is not.
fn is_last_or_followed_by_a_particle(words: &Words, at: usize) -> bool {
    const PARTICLES: [Word; 10] = [
        Word::of("for"),
        Word::of("from"),
        Word::of("on"),
        Word::of("in"),
        Word::of("after"),
        Word::of("to"),
        Word::of("while"),
        Word::of("and"),
        Word::of("status"),
        Word::of("error"),
    ];
    let next = words.word(at + 1);
    next.is_none() || is_one_of(next, &PARTICLES)
}

/// Whether the words after the number are the reason phrase of that status.
fn is_explained(words: &Words, at: usize, status: u16) -> bool {
    let reason: &[Word] = match status {
        400 => const { &[Word::of("bad"), Word::of("request")] },
        401 => const { &[Word::of("unauthorized")] },
        403 => const { &[Word::of("forbidden")] },
        404 => const { &[Word::of("not"), Word::of("found")] },
        408 => const { &[Word::of("request"), Word::of("timeout")] },
        409 => const { &[Word::of("conflict")] },
        429 => const { &[Word::of("too"), Word::of("many")] },
        500 => const { &[Word::of("internal")] },
        502 => const { &[Word::of("bad"), Word::of("gateway")] },
        503 => const { &[Word::of("service"), Word::of("unavailable")] },
        504 => const { &[Word::of("gateway")] },
        _ => return false,
    };
    reason.iter().enumerate().all(|(offset, word)| words.word(at + 1 + offset) == Some(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_told_from_any_other_number() {
        for (text, expected) in [
            ("GET /x HTTP/1.1 404 12", Some(404)),
            ("HTTP/2 503", Some(503)),
            ("\"GET /users HTTP/1.0\" 200 345", Some(200)),
            ("request failed with status code 401", Some(401)),
            ("status=502 upstream", Some(502)),
            ("POST /orders 500 in 12 ms", Some(500)),
            ("upstream returned 503", Some(503)),
            ("upstream responded with 429 for /x", Some(429)),
            ("404 Not Found", Some(404)),
            ("error: 401 Unauthorized", Some(401)),
            ("took 401 ms", None),
            ("order 500 shipped", None),
            ("ratio 1.404", None),
            ("returned 404 rows", None),
            ("exit code 137", None),
            ("port 503 open", None),
            ("id 400401429", None),
            ("status 42", None),
            ("status 999", None),
        ] {
            assert_eq!(of(&Words::of(text, false), &[]), expected, "{text}");
        }
    }

    #[test]
    fn a_field_speaks_before_the_message() {
        let words = Words::of("status 500", false);
        let fields = |value| vec![("http.response.status_code".to_string(), value)];
        assert_eq!(of(&words, &fields(Value::Int(404))), Some(404));
        assert_eq!(of(&words, &fields(Value::Text("403".into()))), Some(403));
        for unusable in
            [Value::Int(-1), Value::Int(7), Value::Text("ok".into()), Value::Text("abc".into()), Value::Null]
        {
            assert_eq!(of(&words, &fields(unusable)), Some(500));
        }
    }
}
