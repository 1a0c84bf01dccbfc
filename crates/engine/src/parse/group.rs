//! What stands between brackets in a header: a time, a level, a process id, a client, a logger, a small header of its
//! own, or something else.

use crate::level::Level;
use crate::parse::timestamp::{self, ReadTime};
use crate::parse::word;
use crate::time::Timestamp;

/// The meaning of a bracket group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Group<'a> {
    /// `[error]`, `[core:error]`.
    Level { level: Level, logger: Option<&'a str> },
    /// Something with a time in it, and what else it names: `[2024-01-02T03:04:05Z INFO my::module]`.
    Header(Inner<'a>),
    /// `[1234]`, `[pid 12:tid 34]`, `[#12]`.
    Pid { pid: &'a str, thread: Option<&'a str> },
    /// `[client 1.2.3.4:567]`.
    Client(&'a str),
    /// A dotted name.
    Logger(&'a str),
    /// Seconds since the machine started: `[12345.678901]`.
    Uptime,
    /// Anything else: most often a thread.
    Other(&'a str),
}

/// The tokens of a header inside brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Inner<'a> {
    pub(crate) time: Option<ReadTime>,
    pub(crate) level: Option<Level>,
    pub(crate) logger: Option<&'a str>,
    pub(crate) process: Option<&'a str>,
    pub(crate) pid: Option<&'a str>,
}

/// What the inside of a bracket group means.
pub(crate) fn classify<'a>(inner: &'a str, reference: Timestamp) -> Group<'a> {
    if let Some((level, logger)) = level(inner) {
        return Group::Level { level, logger };
    }
    if let Some(header) = header(inner, reference) {
        return Group::Header(header);
    }
    if let Some((pid, thread)) = pid(inner) {
        return Group::Pid { pid, thread };
    }
    let mut words = inner.split_ascii_whitespace();
    if matches!(words.next(), Some("client" | "remote" | "ip"))
        && let Some(address) = words.next().and_then(word::address)
    {
        return Group::Client(address);
    }
    if is_uptime(inner) {
        return Group::Uptime;
    }
    let is_dotted = inner.contains('.') || inner.contains("::");
    if is_dotted && word::is_identifier(inner) && word::address(inner).is_none() {
        return Group::Logger(inner);
    }
    Group::Other(inner)
}

/// Whether a line may start with this group: it holds a time or a level.
pub(crate) fn starts_record(inner: &str, reference: Timestamp) -> bool {
    matches!(classify(inner, reference), Group::Level { .. } | Group::Header(_) | Group::Uptime)
}

/// A level alone, or behind the name of the module that logs.
fn level(inner: &str) -> Option<(Level, Option<&str>)> {
    if let Some(found) = word::level_word(inner) {
        // `[ok]` and `[http]` name things; `[OK]` and `[LOG]` may be levels.
        let is_level = !found.is_rare || found.case == word::Case::Upper || inner.eq_ignore_ascii_case("note");
        return is_level.then_some((found.level, None));
    }
    if let [letter] = inner.as_bytes() {
        return word::level_letter(*letter).map(|level| (level, None));
    }
    let (module, last) = inner.rsplit_once(':')?;
    let found = word::level_word(last).filter(|found| !found.is_rare)?;
    word::is_name(module).then_some((found.level, Some(module)))
}

/// `time [level] [names]` or `level time [names]`: everything must be used up.
fn header<'a>(inner: &'a str, reference: Timestamp) -> Option<Inner<'a>> {
    let mut found = Inner::default();
    let mut rest = inner;
    if let Some((first, after)) = rest.split_once(' ') {
        found.level = match first.as_bytes() {
            [letter] => word::level_letter(*letter),
            _ => word::level_word(first).map(|word| word.level),
        };
        if found.level.is_some() {
            rest = after.trim_start();
        }
    }
    if let Some((time, len)) = timestamp::read_prefix(rest, reference) {
        found.time = Some(time);
        rest = rest.get(len..)?;
    } else {
        rest = rest.get(timestamp::clock_column(rest)?..)?;
    }
    for token in
        rest.split([' ', ',', '|', '\t']).map(|token| token.trim_matches(':')).filter(|token| !token.is_empty())
    {
        header_token(&mut found, token)?;
    }
    Some(found)
}

/// One word after the time inside brackets; `None` if it is not a word of a header.
fn header_token<'a>(found: &mut Inner<'a>, token: &'a str) -> Option<()> {
    if found.level.is_none()
        && let Some(level) = word::level_word(token)
    {
        found.level = Some(level.level);
    } else if let Some((level, process)) = token.split_once('/')
        && let Some(level) = word::level_word(level)
    {
        found.level = Some(level.level);
        found.process = Some(process);
    } else if found.pid.is_none() && word::is_digits(token.trim_start_matches('#')) {
        found.pid = Some(token.trim_start_matches('#'));
    } else if found.logger.is_none() && word::is_name(token) {
        found.logger = Some(token);
    } else {
        return None;
    }
    Some(())
}

/// `1234`, `#1234`, `pid 12`, `pid=12`, `pid 12:tid 34`.
fn pid(inner: &str) -> Option<(&str, Option<&str>)> {
    let after_name = inner.strip_prefix("pid").map(|rest| rest.trim_start_matches([' ', ':', '=']));
    let bare = after_name.unwrap_or(inner).trim_start_matches('#');
    if word::is_digits(bare) {
        return Some((bare, None));
    }
    let (pid, thread) = after_name?.split_once(':')?;
    let thread = thread.trim_start().strip_prefix("tid")?.trim_start_matches([' ', ':', '=']);
    (word::is_digits(pid) && word::is_digits(thread)).then_some((pid, Some(thread)))
}

/// Digits, a point and six digits.
fn is_uptime(inner: &str) -> bool {
    inner
        .split_once('.')
        .is_some_and(|(seconds, rest)| word::is_digits(seconds) && word::is_digits(rest) && rest.len() == 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_763_632_800_000);

    #[test]
    fn groups_say_what_they_are() {
        for (inner, expected) in [
            ("error", Group::Level { level: Level::ERROR, logger: None }),
            ("W", Group::Level { level: Level::WARN, logger: None }),
            ("core:error", Group::Level { level: Level::ERROR, logger: Some("core") }),
            ("http", Group::Other("http")),
            ("1234", Group::Pid { pid: "1234", thread: None }),
            ("pid 12:tid 34", Group::Pid { pid: "12", thread: Some("34") }),
            ("client 10.0.0.1:99", Group::Client("10.0.0.1")),
            ("client not-an-address", Group::Other("client not-an-address")),
            ("o.e.n.Node", Group::Logger("o.e.n.Node")),
            ("12.345678", Group::Uptime),
            ("pool-1-thread-2", Group::Other("pool-1-thread-2")),
            ("", Group::Other("")),
        ] {
            assert_eq!(classify(inner, NOW), expected, "{inner:?}");
        }
    }

    #[test]
    fn a_header_inside_brackets_is_used_up_or_refused() {
        let Group::Header(found) = classify("2024-01-02T03:04:05Z INFO  my_crate::module", NOW) else { panic!() };
        assert_eq!((found.level, found.logger), (Some(Level::INFO), Some("my_crate::module")));
        assert_eq!(found.time.map(|time| time.timestamp), Some(Timestamp(1_704_164_645_000)));
        let Group::Header(found) = classify("2024-01-02 03:04:05,678: WARNING/MainProcess", NOW) else { panic!() };
        assert_eq!((found.level, found.process), (Some(Level::WARN), Some("MainProcess")));
        let Group::Header(found) = classify("03:04:05 INF", NOW) else { panic!() };
        assert_eq!((found.time, found.level), (None, Some(Level::INFO)));
        assert!(matches!(classify("2024-01-02 03:04:05 and a sentence (sic)", NOW), Group::Other(_)));
    }
}
