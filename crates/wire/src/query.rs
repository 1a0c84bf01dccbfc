//! What a search or a live tail may ask, read from the parameters of its URL.
//!
//! Every problem is reported at once, each with the parameter's name; an unknown parameter is a problem, so that a
//! misspelt filter cannot silently match everything. Names have a snake_case and a camelCase spelling, and those of
//! the prototype and the plan are accepted beside ours.
//!
//! | parameter | also | value |
//! |---|---|---|
//! | `from`, `to` | `start_time`, `since`; `end_time`, `until` | epoch (s, ms, us, ns by magnitude), RFC 3339, `now`, `-15m`, `now-1h30m`; from is inclusive, to exclusive |
//! | `level` | `severity` | exactly these classes, repeated or with commas: `error,fatal` |
//! | `min_level` | `min_severity` | this level and above: a word or a severity number from 1 to 24 |
//! | `component`, `environment`, `pattern` | `env`, `pattern_id` | any of these, repeated or with commas |
//! | `q` | `query`, `text`, `search` | words that must all occur in the message, in any case; `"a phrase"` |
//! | `user_id`, `session_id`, `request_id`, `trace_id`, `endpoint`, `category` | | exactly this |
//! | `order` | `sort`, `sort_order` | `asc`, `desc` (default) |
//! | `limit` | | 1 to 1000, default 50 |
//! | `cursor` | | `next_cursor` of the page before |

use crate::cursor::{Cursor, Order};
use crate::limits::{
    ECHO_CHARS_MAX, SEARCH_LIMIT_DEFAULT, SEARCH_LIMIT_MAX, SEARCH_TERMS_MAX, SEARCH_TEXT_BYTES_MAX,
    SEARCH_VALUE_BYTES_MAX, SEARCH_VALUES_MAX,
};
use crate::moment::parse_rfc3339;
use crate::reply::FieldError;
use sapwood_engine::level::{Level, LevelClass};
use serde::{Deserialize, Serialize};

/// A set of level classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelSet(u8);

impl LevelSet {
    /// Whether `class` is in the set.
    pub fn contains(self, class: LevelClass) -> bool {
        self.0 & (1 << class.index()) != 0
    }

    /// Adds `class`.
    pub fn insert(&mut self, class: LevelClass) {
        self.0 |= 1 << class.index();
    }
}

/// Which records are meant; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordFilter {
    /// Only these classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<LevelSet>,
    /// This severity number (1 to 24) and above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_number_min: Option<u8>,
    /// Any of these components (addresses); empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Any of these environments, lower case; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
    /// Any of these patterns; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pattern_ids: Vec<String>,
    /// Lower-case words and phrases that must all occur in the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<String>,
    /// Exactly this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Exactly this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// Exactly this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Exactly this trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Exactly this endpoint, as a template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Exactly this category, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
}

/// One search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchQuery {
    /// Which records.
    pub filter: RecordFilter,
    /// Event time from, inclusive, in milliseconds since the epoch.
    pub from_ms: Option<i64>,
    /// Event time to, exclusive, in milliseconds since the epoch.
    pub to_ms: Option<i64>,
    /// In which order.
    pub order: Order,
    /// How many, 1 to `limits::SEARCH_LIMIT_MAX`.
    pub limit: u32,
    /// After which record.
    pub cursor: Option<Cursor>,
}

impl Default for SearchQuery {
    fn default() -> Self {
        Self {
            filter: RecordFilter::default(),
            from_ms: None,
            to_ms: None,
            order: Order::Desc,
            limit: SEARCH_LIMIT_DEFAULT,
            cursor: None,
        }
    }
}

/// The answer to a search. `R` is a record as shown, or as already written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchReply<R> {
    /// The page.
    pub records: Vec<R>,
    /// How many records match on all pages.
    pub total: u64,
    /// False where counting stopped early or a component did not answer: there are at least `total`.
    pub total_is_exact: bool,
    /// Where the next page begins; null on the last one.
    pub next_cursor: Option<String>,
    /// True when a component did not answer.
    pub partial: bool,
    /// Which ones did not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_components: Vec<String>,
    /// How long it took, in milliseconds, where the caller of this crate measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Parameters of a search and their other names, folded (lower case, no underscores).
const SEARCH_NAMES: &[(&str, &[&str])] = &[
    ("from", &["from", "starttime", "since"]),
    ("to", &["to", "endtime", "until"]),
    ("order", &["order", "sort", "sortorder"]),
    ("limit", &["limit"]),
    ("cursor", &["cursor"]),
];

/// Parameters of a filter, which a tail takes too.
const FILTER_NAMES: &[(&str, &[&str])] = &[
    ("level", &["level", "severity"]),
    ("min_level", &["minlevel", "minseverity"]),
    ("component", &["component"]),
    ("environment", &["environment", "env"]),
    ("pattern", &["pattern", "patternid"]),
    ("q", &["q", "query", "text", "search"]),
    ("user_id", &["userid"]),
    ("session_id", &["sessionid"]),
    ("request_id", &["requestid"]),
    ("trace_id", &["traceid"]),
    ("endpoint", &["endpoint"]),
    ("category", &["category"]),
];

/// Reads the parameters of a search, already percent-decoded; `now_ms` is what relative times are relative to.
/// All problems are returned at once.
pub fn parse_search<N: AsRef<str>, V: AsRef<str>>(
    parameters: impl IntoIterator<Item = (N, V)>,
    now_ms: i64,
) -> Result<SearchQuery, Vec<FieldError>> {
    let mut reader = Reader { query: SearchQuery::default(), now_ms, seen: Vec::new(), problems: Vec::new() };
    for (name, value) in parameters {
        let (name, value) = (name.as_ref(), value.as_ref());
        match canonical(name, &[SEARCH_NAMES, FILTER_NAMES]) {
            Some(known) => reader.read(known, name, value),
            None => reader.problems.push(unknown(name, &[SEARCH_NAMES, FILTER_NAMES])),
        }
    }
    reader.check_relations();
    reader.finish()
}

/// Reads the parameters of a live tail: the filter alone.
pub fn parse_tail<N: AsRef<str>, V: AsRef<str>>(
    parameters: impl IntoIterator<Item = (N, V)>,
) -> Result<RecordFilter, Vec<FieldError>> {
    let mut reader = Reader { query: SearchQuery::default(), now_ms: 0, seen: Vec::new(), problems: Vec::new() };
    for (name, value) in parameters {
        let (name, value) = (name.as_ref(), value.as_ref());
        match canonical(name, &[FILTER_NAMES]) {
            Some(known) => reader.read(known, name, value),
            None => reader.problems.push(unknown(name, &[FILTER_NAMES])),
        }
    }
    reader.finish().map(|query| query.filter)
}

fn canonical(name: &str, tables: &[&[(&'static str, &[&str])]]) -> Option<&'static str> {
    let folded: String =
        name.chars().filter(|letter| *letter != '_').map(|letter| letter.to_ascii_lowercase()).collect();
    let mut rows = tables.iter().copied().flatten();
    rows.find(|(_, names)| names.contains(&folded.as_str())).map(|(known, _)| *known)
}

fn unknown(name: &str, tables: &[&[(&'static str, &[&str])]]) -> FieldError {
    let accepted: Vec<_> = tables.iter().copied().flatten().map(|(known, _)| *known).collect();
    problem(name, "unknown_parameter", format!("this parameter is unknown; accepted are {}", accepted.join(", ")))
}

fn problem(name: &str, code: &str, detail: String) -> FieldError {
    FieldError {
        parameter: Some(name.chars().take(ECHO_CHARS_MAX).collect()),
        code: code.to_owned(),
        detail,
        ..FieldError::default()
    }
}

/// A search while its parameters are read.
struct Reader {
    query: SearchQuery,
    now_ms: i64,
    /// Parameters that may come once and did.
    seen: Vec<&'static str>,
    problems: Vec<FieldError>,
}

impl Reader {
    fn read(&mut self, known: &'static str, name: &str, value: &str) {
        let value = value.trim();
        let bytes_max = if known == "q" { SEARCH_TEXT_BYTES_MAX } else { SEARCH_VALUE_BYTES_MAX };
        if value.len() > bytes_max {
            return self.refuse(name, format!("at most {bytes_max} bytes are accepted"));
        }
        // An empty value is a form field left blank: as if it were not there.
        if value.is_empty() {
            return;
        }
        let is_repeatable = matches!(known, "level" | "component" | "environment" | "pattern" | "q");
        if !is_repeatable && self.seen.contains(&known) {
            return self.refuse(name, format!("`{known}` was given more than once"));
        }
        self.seen.push(known);
        match known {
            "from" => self.query.from_ms = self.instant(name, value),
            "to" => self.query.to_ms = self.instant(name, value),
            "order" => self.order(name, value),
            "limit" => self.limit(name, value),
            "cursor" => match Cursor::parse(value) {
                Some(cursor) => self.query.cursor = Some(cursor),
                None => self.refuse(name, "this is not a cursor of a page that was given out".to_owned()),
            },
            "level" => self.levels(name, value),
            "min_level" => match level_number(value) {
                Some(number) => self.query.filter.level_number_min = Some(number),
                None => self.refuse(name, LEVELS_ACCEPTED.to_owned()),
            },
            "component" => self.add_values(name, value, |filter| &mut filter.components, false),
            "environment" => self.add_values(name, value, |filter| &mut filter.environments, true),
            "pattern" => self.add_values(name, value, |filter| &mut filter.pattern_ids, false),
            "q" => self.add_terms(name, value),
            "user_id" => self.query.filter.user_id = Some(value.to_owned()),
            "session_id" => self.query.filter.session_id = Some(value.to_owned()),
            "request_id" => self.query.filter.request_id = Some(value.to_owned()),
            "trace_id" => self.query.filter.trace_id = Some(value.to_ascii_lowercase()),
            "endpoint" => self.query.filter.endpoint = Some(value.to_owned()),
            "category" => self.query.filter.category = Some(value.to_lowercase()),
            _ => debug_assert!(false, "every name of the tables is read"),
        }
    }

    fn refuse(&mut self, name: &str, detail: String) {
        self.problems.push(problem(name, "invalid_value", detail));
    }

    fn instant(&mut self, name: &str, value: &str) -> Option<i64> {
        let read = parse_instant(value, self.now_ms);
        if read.is_none() {
            let accepted =
                "a time is an epoch number, RFC 3339 (2026-11-20T10:00:00Z), `now`, or `-15m`, `-1h30m`, `-7d`";
            self.refuse(name, accepted.to_owned());
        }
        read
    }

    fn order(&mut self, name: &str, value: &str) {
        match value.to_ascii_lowercase().as_str() {
            "asc" => self.query.order = Order::Asc,
            "desc" => self.query.order = Order::Desc,
            _ => self.refuse(name, "the order is asc or desc".to_owned()),
        }
    }

    fn limit(&mut self, name: &str, value: &str) {
        match value.parse() {
            Ok(limit) if (1..=SEARCH_LIMIT_MAX).contains(&limit) => self.query.limit = limit,
            _ => self.refuse(name, format!("the limit is a number from 1 to {SEARCH_LIMIT_MAX}")),
        }
    }

    fn levels(&mut self, name: &str, value: &str) {
        for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match level_number(word).and_then(Level::from_number) {
                Some(level) => self.query.filter.levels.get_or_insert_default().insert(level.class()),
                None => self.refuse(name, LEVELS_ACCEPTED.to_owned()),
            }
        }
    }

    fn add_values(
        &mut self,
        name: &str,
        value: &str,
        list: impl Fn(&mut RecordFilter) -> &mut Vec<String>,
        lower_case: bool,
    ) {
        for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let values = list(&mut self.query.filter);
            if values.len() == SEARCH_VALUES_MAX {
                return self.refuse(name, format!("at most {SEARCH_VALUES_MAX} values are accepted"));
            }
            values.push(if lower_case { item.to_lowercase() } else { item.to_owned() });
        }
    }

    fn add_terms(&mut self, name: &str, value: &str) {
        // Every second part stands between quotes; a quote left open runs to the end.
        for (part_at, part) in value.split('"').enumerate() {
            let terms: Vec<&str> = if part_at % 2 == 1 { vec![part] } else { part.split_whitespace().collect() };
            for term in terms.into_iter().filter(|term| !term.is_empty()) {
                if self.query.filter.terms.len() == SEARCH_TERMS_MAX {
                    return self.refuse(name, format!("at most {SEARCH_TERMS_MAX} words and phrases are accepted"));
                }
                self.query.filter.terms.push(term.to_lowercase());
            }
        }
    }

    fn check_relations(&mut self) {
        if let (Some(from), Some(to)) = (self.query.from_ms, self.query.to_ms)
            && from >= to
        {
            self.refuse("from", "`from` must lie before `to`".to_owned());
        }
        if self.query.cursor.as_ref().is_some_and(|cursor| cursor.order != self.query.order) {
            self.refuse("cursor", "this cursor belongs to a search in the other order".to_owned());
        }
    }

    fn finish(self) -> Result<SearchQuery, Vec<FieldError>> {
        if self.problems.is_empty() { Ok(self.query) } else { Err(self.problems) }
    }
}

const LEVELS_ACCEPTED: &str = "a level is trace, debug, info, warn, error, fatal, or a severity number from 1 to 24";

fn level_number(text: &str) -> Option<u8> {
    match text.parse::<u8>() {
        Ok(number) => Level::from_number(number).map(Level::number),
        Err(_) => Level::from_word(text).map(Level::number),
    }
}

/// An instant in milliseconds since the epoch: absolute, or relative to `now_ms`.
fn parse_instant(text: &str, now_ms: i64) -> Option<i64> {
    if text.eq_ignore_ascii_case("now") {
        return Some(now_ms);
    }
    let relative = text.strip_prefix("now").unwrap_or(text);
    if let Some(span) = relative.strip_prefix('-').and_then(parse_span) {
        return now_ms.checked_sub(span);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(match number.unsigned_abs() {
            0..100_000_000_000 => number.checked_mul(1_000)?,
            100_000_000_000..100_000_000_000_000 => number,
            100_000_000_000_000..100_000_000_000_000_000 => number.div_euclid(1_000),
            _ => number.div_euclid(1_000_000),
        });
    }
    parse_rfc3339(text)
}

/// `15m`, `1h30m`, `7d`: a span in milliseconds.
fn parse_span(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at_checked(digits)?;
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at_checked(letters)?;
        let unit_ms: i64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(unit_ms)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::pattern::PatternId;
    use sapwood_engine::query::Subject;
    use sapwood_engine::record::Record;

    const NOW: i64 = 1_795_168_800_000;

    fn search(pairs: &[(&str, &str)]) -> SearchQuery {
        parse_search(pairs.iter().copied(), NOW).unwrap_or_else(|problems| panic!("{pairs:?}: {problems:?}"))
    }

    fn problems(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let problems = parse_search(pairs.iter().copied(), NOW).expect_err("has problems");
        problems.into_iter().map(|problem| (problem.parameter.unwrap(), problem.detail)).collect()
    }

    #[test]
    fn nothing_given_is_the_newest_page_of_everything() {
        assert_eq!(search(&[]), SearchQuery::default());
        assert_eq!(search(&[("q", " "), ("level", ""), ("from", "")]), SearchQuery::default());
    }

    #[test]
    fn every_parameter_has_its_place_in_both_spellings() {
        for names in [
            ["user_id", "session_id", "request_id", "trace_id", "start_time", "end_time", "min_level", "sort_order"],
            ["userId", "sessionId", "requestId", "traceId", "startTime", "endTime", "minLevel", "sortOrder"],
        ] {
            let [user, session, request, trace, start, end, min_level, order] = names;
            let query = search(&[
                (user, "u"),
                (session, "s"),
                (request, "r"),
                (trace, "AB"),
                (start, "-1h"),
                (end, "now"),
                (min_level, "warn"),
                (order, "ASC"),
                ("endpoint", "/a/{id}"),
                ("category", "Auth"),
                ("limit", "7"),
                ("component", "cart,checkout"),
                ("component", "search"),
                ("env", "Production"),
                ("pattern", "p1,p2"),
            ]);
            let text = |value: &str| Some(value.to_owned());
            let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
            let expected = SearchQuery {
                filter: RecordFilter {
                    level_number_min: Some(13),
                    components: list(&["cart", "checkout", "search"]),
                    environments: list(&["production"]),
                    pattern_ids: list(&["p1", "p2"]),
                    user_id: text("u"),
                    session_id: text("s"),
                    request_id: text("r"),
                    trace_id: text("ab"),
                    endpoint: text("/a/{id}"),
                    category: text("auth"),
                    ..RecordFilter::default()
                },
                from_ms: Some(NOW - 3_600_000),
                to_ms: Some(NOW),
                order: Order::Asc,
                limit: 7,
                cursor: None,
            };
            assert_eq!(query, expected);
        }
    }

    #[test]
    fn times_are_read_in_every_form() {
        for (text, expected) in [
            ("now", NOW),
            ("now-15m", NOW - 900_000),
            ("-15m", NOW - 900_000),
            ("-1h30m", NOW - 5_400_000),
            ("-7d", NOW - 604_800_000),
            ("-1w2s5ms", NOW - 604_802_005),
            ("1795168800", NOW),
            ("1795168800000", NOW),
            ("1795168800000000", NOW),
            ("1795168800000000000", NOW),
            ("2026-11-20T10:00:00Z", NOW),
            ("2026-11-20T11:00:00 01:00", NOW),
            ("2026-11-20", NOW - 36_000_000),
            ("-5", -5_000),
        ] {
            assert_eq!(search(&[("since", text)]).from_ms, Some(expected), "{text}");
        }
        for text in
            ["soon", "-", "-15", "-15x", "now+5m", "-99999999999999999999d", "-9999999999999999d", "15m", "10:00"]
        {
            let is_seconds = text == "-15";
            assert_eq!(parse_search([("from", text)], NOW).is_ok(), is_seconds, "{text}");
        }
    }

    #[test]
    fn level_means_exactly_and_min_level_means_and_above() {
        let filter = search(&[("level", "warning, fatal"), ("severity", "9")]).filter;
        let levels = filter.levels.unwrap();
        let contained: Vec<_> = LevelClass::ALL.into_iter().filter(|class| levels.contains(*class)).collect();
        assert_eq!(contained, [LevelClass::Info, LevelClass::Warn, LevelClass::Fatal]);
        let matches = |filter: &RecordFilter, level: Level| {
            let record = Record { level, ..Record::default() };
            filter.to_filter().matches(&Subject::of(&record, PatternId(1)))
        };
        assert!(matches(&filter, Level::WARN));
        assert!(!matches(&filter, Level::ERROR));
        let above = search(&[("min_level", "18")]).filter;
        assert!(matches(&above, Level::CRITICAL) && !matches(&above, Level::ERROR));
    }

    #[test]
    fn all_words_and_phrases_must_occur_in_any_case() {
        let filter = search(&[("q", "Payment \"for Order\" "), ("text", "ÄRGER")]).filter;
        assert_eq!(filter.terms, ["payment", "for order", "ärger"]);
        let matches = |message: &str| {
            let record = Record { message: message.to_owned(), ..Record::default() };
            filter.to_filter().matches(&Subject::of(&record, PatternId(1)))
        };
        assert!(matches("ärger: PAYMENT failed for order 7"));
        assert!(!matches("ärger: payment failed for the order 7"));
        assert_eq!(search(&[("q", "\"open phrase")]).filter.terms, ["open phrase"]);
    }

    #[test]
    fn every_condition_of_a_filter_counts() {
        let record = Record {
            message: "m".to_owned(),
            environment: "staging".to_owned(),
            category: "auth".to_owned(),
            user_id: Some("u".to_owned()),
            ..Record::default()
        };
        let ours = PatternId(7).to_string();
        let matches = |pairs: &[(&str, &str)]| {
            let filter = search(pairs).filter;
            filter.wants_component("cart") && filter.to_filter().matches(&Subject::of(&record, PatternId(7)))
        };
        for (name, right, wrong) in [
            ("component", "a,cart", "a"),
            ("environment", "staging", "production"),
            ("pattern", ours.as_str(), "p2"),
            ("user_id", "u", "v"),
            ("category", "AUTH", "data"),
            ("q", "M", "n"),
        ] {
            assert!(matches(&[(name, right)]), "{name}");
            assert!(!matches(&[(name, wrong)]), "{name}");
        }
        for name in ["session_id", "request_id", "trace_id", "endpoint"] {
            assert!(!matches(&[(name, "x")]), "{name}");
        }
    }

    #[test]
    fn all_problems_are_reported_at_once_by_name() {
        let long = "x".repeat(1_001);
        let many = vec!["c"; 51].join(",");
        let words = vec!["w"; 17].join(" ");
        let found = problems(&[
            ("levle", "error"),
            ("level", "loud,error"),
            ("min_level", "25"),
            ("limit", "0"),
            ("order", "up"),
            ("from", "soon"),
            ("cursor", "nonsense"),
            ("query", &long),
            ("component", &many),
            ("q", &words),
            ("user_id", "a"),
            ("userId", "b"),
            ("endpoint", &long),
        ]);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "levle",
            "level",
            "min_level",
            "limit",
            "order",
            "from",
            "cursor",
            "query",
            "component",
            "q",
            "userId",
            "endpoint",
        ];
        assert_eq!(names, expected);
        assert!(found[0].1.contains("from, to") && found[0].1.contains("min_level"), "{}", found[0].1);
        assert_eq!(problems(&[("limit", "1001")])[0].0, "limit");
    }

    #[test]
    fn a_range_must_not_be_empty_and_a_cursor_must_fit_its_order() {
        assert_eq!(problems(&[("from", "now"), ("to", "-1h")])[0].0, "from");
        let cursor =
            Cursor { order: Order::Desc, timestamp_ms: 5, component: "c".to_owned(), shard: 3, seq: 1, index: 2 };
        let text = cursor.to_string();
        assert_eq!(search(&[("cursor", &text)]).cursor, Some(cursor));
        assert_eq!(problems(&[("cursor", &text), ("order", "asc")])[0].0, "cursor");
    }

    #[test]
    fn a_tail_takes_the_filter_and_nothing_else() {
        let filter = parse_tail([("min_level", "error"), ("q", "boom")]).unwrap();
        assert_eq!((filter.level_number_min, filter.terms), (Some(17), vec!["boom".to_owned()]));
        let problems = parse_tail([("limit", "5"), ("cursor", "x")]).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(!problems[0].detail.contains("limit"));
    }

    #[test]
    fn queries_and_replies_survive_the_hop() {
        let query = search(&[("level", "error"), ("q", "a \"b c\""), ("from", "-1h"), ("component", "x")]);
        assert_eq!(serde_json::from_str::<SearchQuery>(&serde_json::to_string(&query).unwrap()).unwrap(), query);
        let reply = SearchReply {
            records: vec![1],
            total: 1,
            total_is_exact: true,
            next_cursor: None,
            partial: true,
            failed_components: vec!["cart".to_owned()],
            took_ms: Some(3),
        };
        assert_eq!(serde_json::from_str::<SearchReply<i32>>(&serde_json::to_string(&reply).unwrap()).unwrap(), reply);
    }
}
