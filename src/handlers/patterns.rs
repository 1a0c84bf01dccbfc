//! `GET /api/logs/analytics/patterns`: what shapes the records of a domain have, and how often; and
//! `GET /api/logs/patterns/similar`: which of them say nearly the same as one of them, or as a line.
//!
//! Each object knows its own patterns; the same pattern in several components is one row that names them, and so is that
//! of the shards of one component ([`kinship`]). Counts are since the beginning of the pattern, not of a span of time: how
//! often it came lately is the summary's to say.

mod analyze;
mod variables;

pub use analyze::analyze;

use self::variables::VariableView;
use super::fan_out::{Gathered, ask_objects};
use super::kinship;
use super::lists::{parameter_error, require_all_rows};
use super::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{ComponentEntry, ExemplarView, FaultView, NamingView, PatternView};
use sapwood_engine::level::{Level, LevelClass};
use sapwood_engine::limits::{PATTERN_EXEMPLARS_MAX, PATTERN_FACETS_MAX};
use sapwood_engine::pattern::{PatternId, similar};
use sapwood_wire::problem::{Problem, ProblemCode};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a text that patterns are compared with.
const LINE_BYTES_MAX: usize = 4096;
/// Patterns of one answer.
const LIMIT_MAX: usize = 500;
const LIMIT_DEFAULT: usize = 100;

/// By what patterns are ordered, the largest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sort {
    #[default]
    Count,
    LastSeen,
    FirstSeen,
}

/// What is asked for.
#[derive(Debug, PartialEq)]
struct Wanted {
    components: Vec<String>,
    levels: Vec<LevelClass>,
    limit: usize,
    sort: Sort,
    words: Vec<String>,
    /// None: all.
    ids: Vec<String>,
    with_variables: bool,
}

/// Similar patterns of one answer.
const SIMILAR_MAX: usize = 100;
const SIMILAR_DEFAULT: usize = 10;

/// What is to be like what.
#[derive(Debug, PartialEq)]
struct WantedSimilar {
    to: Original,
    components: Vec<String>,
    limit: usize,
    /// From 0 to 1.
    similarity_min: f64,
}

/// To what others are compared.
#[derive(Debug, PartialEq, Eq)]
enum Original {
    Pattern(PatternId),
    Text(String),
}

/// A pattern and how similar it is, from 0 to 1.
#[derive(Debug, Serialize)]
struct SimilarPattern {
    similarity: f64,
    #[serde(flatten)]
    pattern: DomainPattern,
}

#[derive(Debug, Serialize)]
struct SimilarList {
    /// What the others are compared to.
    template: String,
    similar: Vec<SimilarPattern>,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// A pattern of a domain.
#[derive(Debug, Serialize)]
struct DomainPattern {
    id: String,
    /// The kind of record it mostly is: `error`, `warning` or `info`.
    #[serde(rename = "type")]
    kind: &'static str,
    template: String,
    /// The template in the plan's words.
    description: String,
    count: u64,
    /// The most frequent level.
    level: String,
    levels: BTreeMap<String, u64>,
    first_seen: i64,
    last_seen: i64,
    components: Vec<ComponentCount>,
    endpoints: Vec<String>,
    environments: Vec<String>,
    releases: Vec<String>,
    exemplars: Vec<ExemplarView>,
    was_alerted: bool,
    /// What stands in the places of the template, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<Vec<VariableView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultView>,
    /// What people taught about it.
    #[serde(flatten)]
    taught: TaughtView,
}

/// What people taught about a pattern; what nobody said is left out.
#[derive(Debug, Default, Serialize)]
struct TaughtView {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    owner: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    link: String,
    /// Ids of patterns that are one with it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    aliases: BTreeSet<String>,
    /// Patterns that parted from it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    children: BTreeSet<String>,
    /// The pattern it parted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
}

impl TaughtView {
    fn add(&mut self, naming: Option<NamingView>, aliases: Vec<String>, children: Vec<String>, parent: Option<String>) {
        if let Some(naming) = naming.filter(|_| self.name.is_empty()) {
            (self.name, self.kind, self.owner, self.link) = (naming.name, naming.kind, naming.owner, naming.link);
        }
        self.aliases.extend(aliases);
        self.children.extend(children);
        self.parent = self.parent.take().or(parent);
    }
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct ComponentCount {
    component: String,
    count: u64,
}

#[derive(Debug, Serialize)]
struct PatternList {
    patterns: Vec<DomainPattern>,
    total: usize,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// Lists patterns.
pub async fn patterns(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let wanted = read(&call.head.query()).map_err(invalid_query)?;
    let gathered =
        ask_objects(call, &wanted.components, |stubs, address| async move { stubs.patterns(&address).await }).await?;
    let objects: Vec<_> = gathered.answers.iter().map(|(entry, _)| entry.clone()).collect();
    let (kinship, gathered) = kinship::together(gathered);
    let mut list = list(gathered, &wanted);
    if wanted.with_variables {
        let has_one = |entry: &ComponentEntry| {
            let is_there = |count: &ComponentCount| count.component == entry.component;
            list.patterns.iter().any(|pattern| pattern.components.iter().any(is_there))
        };
        let objects = objects.into_iter().filter(has_one).collect();
        let failed = variables::add(call, &mut list.patterns, &kinship, objects).await;
        list.add_failed(failed);
    }
    Ok(Answer::Json(json(&list)?))
}

/// Lists patterns that are like one of them, or like a line, in all components.
pub async fn similar(call: &Call<'_>) -> Outcome {
    require_all_rows(call)?;
    let wanted = read_similar(&call.head.query()).map_err(invalid_query)?;
    let gathered = ask_objects(call, &[], |stubs, address| async move { stubs.patterns(&address).await }).await?;
    let (_, gathered) = kinship::together(gathered);
    let is_partial = !gathered.failed.is_empty();
    match rank_similar(gathered, wanted) {
        Some(list) => Ok(Answer::Json(json(&list)?)),
        None if is_partial => {
            let detail = "not every component answered, and those that did have no such pattern";
            Err(Problem::new(ProblemCode::Unavailable, detail).with_retry_after(1).into())
        }
        None => Err(Problem::new(ProblemCode::NotFound, "no pattern has this id").into()),
    }
}

fn read_similar(query: &[(String, String)]) -> Result<WantedSimilar, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut to = None;
    let (mut components, mut limit, mut similarity_min) = (Vec::new(), SIMILAR_DEFAULT, 0.3);
    for (name, value) in query.iter().filter(|(_, value)| !value.trim().is_empty()) {
        let mut refuse = |detail: &str| errors.push(parameter_error(name, "invalid_value", detail.to_owned()));
        match name.as_str() {
            "pattern" | "text" if to.is_some() => refuse("one of pattern and text is enough"),
            "pattern" => match PatternId::parse(value.trim()) {
                Some(id) => to = Some(Original::Pattern(id)),
                None => refuse("a pattern's id has 16 hex digits"),
            },
            "text" if value.len() <= LINE_BYTES_MAX => to = Some(Original::Text(value.clone())),
            "text" => refuse("the text is too long"),
            "component" => components.extend(value.split(',').map(str::trim).map(str::to_owned)),
            "limit" => match value.parse() {
                Ok(number) if (1..=SIMILAR_MAX).contains(&number) => limit = number,
                _ => refuse("the limit is a number from 1 to 100"),
            },
            "min" => match value.parse() {
                Ok(share) if (0.0..=1.0).contains(&share) => similarity_min = share,
                _ => refuse("the smallest similarity is a number from 0 to 1"),
            },
            _ => {
                let accepted = "accepted are pattern or text, component, limit, min";
                errors.push(parameter_error(name, "unknown_parameter", accepted.to_owned()));
            }
        }
    }
    match to {
        Some(to) if errors.is_empty() => Ok(WantedSimilar { to, components, limit, similarity_min }),
        Some(_) => Err(errors),
        None => {
            let detail = "a pattern's id, or a text, is needed to compare with";
            errors.push(parameter_error("pattern", "missing_parameter", detail.to_owned()));
            Err(errors)
        }
    }
}

/// `None` if the pattern to compare with is not known. It is looked for in all components, the others in those wanted.
fn rank_similar(gathered: Gathered<Vec<PatternView>>, wanted: WantedSimilar) -> Option<SimilarList> {
    let failed_components = gathered.failed.clone();
    let mut patterns: Vec<DomainPattern> = merge(gathered).into_values().collect();
    let template = match &wanted.to {
        Original::Pattern(id) => {
            let id = id.to_string();
            let is_it = |pattern: &DomainPattern| pattern.id == id;
            let is_now = |pattern: &DomainPattern| pattern.taught.aliases.contains(&id);
            let at = patterns.iter().position(is_it).or_else(|| patterns.iter().position(is_now))?;
            patterns.swap_remove(at).template
        }
        // What holds a digit varies, and no template has it.
        Original::Text(text) => {
            let words = text.split_whitespace().filter(|word| !word.bytes().any(|byte| byte.is_ascii_digit()));
            words.collect::<Vec<_>>().join(" ")
        }
    };
    let overflow = PatternId::OVERFLOW.to_string();
    let is_wanted = |component: &ComponentCount| wanted.components.contains(&component.component);
    patterns.retain(|pattern| {
        pattern.id != overflow && (wanted.components.is_empty() || pattern.components.iter().any(is_wanted))
    });
    let templates: Vec<&str> = patterns.iter().map(|pattern| pattern.template.as_str()).collect();
    let mut ranked = similar::rank(&template, &templates);
    ranked.retain(|(_, similarity)| *similarity >= wanted.similarity_min);
    ranked.truncate(wanted.limit);
    let mut patterns: Vec<Option<DomainPattern>> = patterns.into_iter().map(Some).collect();
    let similar = ranked.into_iter().filter_map(|(at, similarity)| {
        let mut pattern = patterns.get_mut(at)?.take()?;
        pattern.finish();
        Some(SimilarPattern { similarity: (similarity * 1000.0).round() / 1000.0, pattern })
    });
    let similar = similar.collect();
    Some(SimilarList { template, similar, partial: !failed_components.is_empty(), failed_components })
}

fn read(query: &[(String, String)]) -> Result<Wanted, Vec<FieldError>> {
    let mut wanted = Wanted {
        components: Vec::new(),
        levels: Vec::new(),
        limit: LIMIT_DEFAULT,
        sort: Sort::Count,
        words: Vec::new(),
        ids: Vec::new(),
        with_variables: false,
    };
    let mut errors = Vec::new();
    for (name, value) in query.iter().filter(|(_, value)| !value.trim().is_empty()) {
        let mut refuse = |detail: &str| errors.push(parameter_error(name, "invalid_value", detail.to_owned()));
        let items = || value.split(',').map(str::trim).filter(|item| !item.is_empty());
        match name.as_str() {
            "component" => wanted.components.extend(items().map(str::to_owned)),
            "level" | "severity" => {
                for word in items() {
                    match Level::from_word(word) {
                        Some(level) => wanted.levels.push(level.class()),
                        None => refuse("a level is trace, debug, info, warn, error or fatal"),
                    }
                }
            }
            "limit" => match value.parse() {
                Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => wanted.limit = limit,
                _ => refuse("the limit is a number from 1 to 500"),
            },
            "sort" => match value.as_str() {
                "count" => wanted.sort = Sort::Count,
                "last_seen" => wanted.sort = Sort::LastSeen,
                "first_seen" => wanted.sort = Sort::FirstSeen,
                _ => refuse("the order is count, last_seen or first_seen"),
            },
            "pattern" => {
                for id in items() {
                    match PatternId::parse(id) {
                        Some(id) => wanted.ids.push(id.to_string()),
                        None => refuse("a pattern's id has 16 hex digits"),
                    }
                }
            }
            "variables" => match value.as_str() {
                "true" | "1" => wanted.with_variables = true,
                "false" | "0" => wanted.with_variables = false,
                _ => refuse("variables is true or false"),
            },
            "q" | "query" | "search" if value.len() <= sapwood_wire::limits::SEARCH_TEXT_BYTES_MAX => {
                wanted.words.extend(value.split_whitespace().map(str::to_lowercase));
            }
            "q" | "query" | "search" => refuse("the text is too long"),
            _ => {
                let accepted = "accepted are component, level, pattern, limit, sort, q, variables";
                errors.push(parameter_error(name, "unknown_parameter", accepted.to_owned()));
            }
        }
    }
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

/// The patterns of all components, each once.
fn merge(gathered: Gathered<Vec<PatternView>>) -> BTreeMap<String, DomainPattern> {
    let mut merged: BTreeMap<String, DomainPattern> = BTreeMap::new();
    for (entry, views) in gathered.answers {
        for view in views {
            let count = ComponentCount { component: entry.component.clone(), count: view.count };
            match merged.get_mut(&view.id) {
                Some(known) => known.merge(view, count),
                None => {
                    merged.insert(view.id.clone(), DomainPattern::new(view, count));
                }
            }
        }
    }
    merged
}

fn list(gathered: Gathered<Vec<PatternView>>, wanted: &Wanted) -> PatternList {
    let failed_components = gathered.failed.clone();
    let merged = merge(gathered);
    let mut patterns: Vec<DomainPattern> = merged.into_values().filter(|pattern| pattern.is_wanted(wanted)).collect();
    match wanted.sort {
        Sort::Count => patterns.sort_by_key(|pattern| Reverse(pattern.count)),
        Sort::LastSeen => patterns.sort_by_key(|pattern| Reverse(pattern.last_seen)),
        Sort::FirstSeen => patterns.sort_by_key(|pattern| Reverse(pattern.first_seen)),
    }
    let total = patterns.len();
    patterns.truncate(wanted.limit);
    for pattern in &mut patterns {
        pattern.finish();
    }
    PatternList { patterns, total, partial: !failed_components.is_empty(), failed_components }
}

impl PatternList {
    /// Names components that did not answer a second question, each once.
    fn add_failed(&mut self, more: Vec<String>) {
        self.failed_components.extend(more);
        self.failed_components.sort();
        self.failed_components.dedup();
        self.partial = !self.failed_components.is_empty();
    }
}

impl DomainPattern {
    fn new(view: PatternView, count: ComponentCount) -> Self {
        let said = view.naming.as_ref().map(|naming| naming.description.clone()).filter(|said| !said.is_empty());
        let mut taught = TaughtView::default();
        taught.add(view.naming, view.aliases, view.children, view.parent);
        Self {
            id: view.id,
            kind: "info",
            description: said.unwrap_or_else(|| view.template.clone()),
            template: view.template,
            count: view.count,
            level: String::new(),
            levels: view.levels,
            first_seen: view.first_seen_ms,
            last_seen: view.last_seen_ms,
            components: vec![count],
            endpoints: view.endpoints,
            environments: view.environments,
            releases: view.releases,
            exemplars: view.exemplars,
            was_alerted: view.was_alerted,
            taught,
            variables: None,
            fault: view.fault,
        }
    }

    fn merge(&mut self, view: PatternView, count: ComponentCount) {
        self.count = self.count.saturating_add(view.count);
        for (level, count) in view.levels {
            let sum = self.levels.entry(level).or_insert(0);
            *sum = sum.saturating_add(count);
        }
        self.first_seen = self.first_seen.min(view.first_seen_ms);
        self.last_seen = self.last_seen.max(view.last_seen_ms);
        match self.components.iter_mut().find(|known| known.component == count.component) {
            Some(known) => known.count = known.count.saturating_add(count.count),
            None => self.components.push(count),
        }
        add_facets(&mut self.endpoints, view.endpoints);
        add_facets(&mut self.environments, view.environments);
        add_facets(&mut self.releases, view.releases);
        self.exemplars.extend(view.exemplars);
        self.was_alerted |= view.was_alerted;
        self.taught.add(view.naming, view.aliases, view.children, view.parent);
        self.fault = self.fault.take().or(view.fault);
    }

    fn is_wanted(&self, wanted: &Wanted) -> bool {
        let template = format!("{} {}", self.template, self.taught.name).to_lowercase();
        let has_level = |class: &LevelClass| self.levels.get(class.word()).is_some_and(|count| *count > 0);
        let is_named = |id: &String| *id == self.id || self.taught.aliases.contains(id);
        (wanted.ids.is_empty() || wanted.ids.iter().any(is_named))
            && (wanted.levels.is_empty() || wanted.levels.iter().any(has_level))
            && wanted.words.iter().all(|word| template.contains(word.as_str()))
    }

    /// What follows from the sums.
    fn finish(&mut self) {
        // Of equal counts the last, which is the worst, wins.
        let counted = LevelClass::ALL.into_iter().map(|class| (class, self.levels.get(class.word()).copied()));
        let most = counted.max_by_key(|(_, count)| count.unwrap_or(0)).map_or(LevelClass::Info, |(class, _)| class);
        self.level = most.word().to_owned();
        self.kind = match most {
            LevelClass::Error | LevelClass::Fatal => "error",
            LevelClass::Warn => "warning",
            LevelClass::Trace | LevelClass::Debug | LevelClass::Info => "info",
        };
        self.components
            .sort_by(|left, right| right.count.cmp(&left.count).then_with(|| left.component.cmp(&right.component)));
        self.exemplars.sort_by_key(|exemplar| Reverse(exemplar.timestamp_ms));
        self.exemplars.dedup_by(|left, right| left.id == right.id);
        self.exemplars.truncate(PATTERN_EXEMPLARS_MAX);
    }
}

fn add_facets(known: &mut Vec<String>, more: Vec<String>) {
    for value in more {
        if known.len() < PATTERN_FACETS_MAX && !known.contains(&value) {
            known.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: &str, template: &str, levels: &[(&str, u64)], seen: (i64, i64)) -> PatternView {
        PatternView {
            id: id.into(),
            template: template.into(),
            count: levels.iter().map(|(_, count)| count).sum(),
            first_seen_ms: seen.0,
            last_seen_ms: seen.1,
            levels: levels.iter().map(|(level, count)| ((*level).to_owned(), *count)).collect(),
            endpoints: vec![format!("/{id}")],
            environments: vec!["production".into()],
            releases: vec![],
            exemplars: vec![ExemplarView {
                id: format!("e{}", seen.1),
                timestamp_ms: seen.1,
                level: "x".into(),
                message: "m".into(),
            }],
            was_alerted: false,
            ..PatternView::default()
        }
    }

    fn gathered() -> Gathered<Vec<PatternView>> {
        let entry = |component: &str| ComponentEntry { component: component.into(), shard: 0, registered_at_ms: 0 };
        Gathered {
            answers: vec![
                (
                    entry("a"),
                    vec![
                        view("1", "Payment <*> failed", &[("error", 3)], (10, 20)),
                        view("2", "ok", &[("info", 9)], (5, 90)),
                    ],
                ),
                (entry("b"), vec![view("1", "Payment <*> failed", &[("error", 4), ("warn", 1)], (8, 50))]),
            ],
            failed: vec![],
        }
    }

    fn ids(query: &[(&str, &str)]) -> Result<Vec<String>, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let parameters = |errors: Vec<FieldError>| -> Vec<String> {
            errors.into_iter().filter_map(|error| error.parameter).collect()
        };
        let wanted = read(&query).map_err(parameters)?;
        Ok(list(gathered(), &wanted).patterns.into_iter().map(|pattern| pattern.id).collect())
    }

    #[test]
    fn one_pattern_in_several_components_is_one_row() {
        let list = list(gathered(), &read(&[]).unwrap());
        assert_eq!((list.total, list.partial), (2, false));
        let shared = list.patterns.iter().find(|pattern| pattern.id == "1").unwrap();
        assert_eq!((shared.count, shared.first_seen, shared.last_seen), (8, 8, 50));
        let counts: Vec<_> = shared.components.iter().map(|it| (it.component.as_str(), it.count)).collect();
        assert_eq!(counts, [("b", 5), ("a", 3)]);
        assert_eq!((shared.level.as_str(), shared.kind, shared.levels["error"]), ("error", "error", 7));
        assert_eq!(shared.exemplars.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["e50", "e20"]);
        assert_eq!(shared.environments, ["production"]);
    }

    #[test]
    fn a_pattern_of_several_shards_is_one_row_that_every_id_of_it_finds() {
        let shard = |shard| ComponentEntry { component: "a".into(), shard, registered_at_ms: 0 };
        let split = || Gathered {
            answers: vec![
                (shard(0), vec![view("00000000000000a1", "Payment <*> failed", &[("error", 3)], (10, 20))]),
                (shard(1), vec![view("00000000000000a2", "Payment <*> failed", &[("error", 2)], (5, 90))]),
            ],
            failed: vec![],
        };
        for id in ["", "00000000000000a1", "00000000000000a2"] {
            let wanted = read(&[("pattern".to_owned(), id.to_owned())]).unwrap();
            let found = list(kinship::together(split()).1, &wanted).patterns;
            let shown: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.count, one.first_seen)).collect();
            assert_eq!(shown, [("00000000000000a1", 5, 5)], "{id}");
            assert_eq!(found[0].components, [ComponentCount { component: "a".into(), count: 5 }]);
            assert!(found[0].taught.aliases.contains("00000000000000a2"));
        }
        let wanted = read_similar(&[("pattern".to_owned(), "00000000000000a2".to_owned())]).unwrap();
        let similar = rank_similar(kinship::together(split()).1, wanted).unwrap();
        assert_eq!((similar.template.as_str(), similar.similar.len()), ("Payment <*> failed", 0));
    }

    #[test]
    fn patterns_are_ordered_filtered_and_cut() {
        assert_eq!(ids(&[]), Ok(vec!["2".into(), "1".into()]));
        assert_eq!(ids(&[("sort", "first_seen")]), Ok(vec!["1".into(), "2".into()]));
        assert_eq!(ids(&[("sort", "last_seen"), ("limit", "1")]), Ok(vec!["2".into()]));
        assert_eq!(ids(&[("level", "warn,fatal")]), Ok(vec!["1".into()]));
        assert_eq!(ids(&[("q", "PAYMENT failed")]), Ok(vec!["1".into()]));
    }

    fn similar_to(query: &[(&str, &str)]) -> Result<Option<Vec<String>>, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut gathered = gathered();
        gathered.answers[1].1.push(view("00000000000000aa", "Payment <*> timed out", &[("error", 1)], (1, 2)));
        gathered.answers[1].1.push(view("00000000000000bb", "Payment <*> failed twice", &[("error", 1)], (1, 2)));
        let wanted = read_similar(&query)
            .map_err(|errors| errors.into_iter().filter_map(|error| error.parameter).collect::<Vec<_>>())?;
        let ids = |list: SimilarList| list.similar.into_iter().map(|similar| similar.pattern.id).collect();
        Ok(rank_similar(gathered, wanted).map(ids))
    }

    #[test]
    fn similar_patterns_are_ranked_and_do_not_name_the_original() {
        let found = |query: &[(&str, &str)]| similar_to(query).unwrap().map(|ids| ids.join(" "));
        assert_eq!(found(&[("pattern", "00000000000000bb"), ("min", "0")]), Some("1 00000000000000aa".into()));
        assert_eq!(found(&[("text", "payment 17 timed out"), ("limit", "1")]), Some("00000000000000aa".into()));
        assert_eq!(found(&[("pattern", "00000000000000bb"), ("component", "a")]), Some("1".into()));
        assert_eq!(found(&[("pattern", "00000000000000cc")]), None);
    }

    #[test]
    fn what_similarity_is_asked_of_must_be_said_once() {
        assert_eq!(similar_to(&[]).unwrap_err(), ["pattern"]);
        assert_eq!(similar_to(&[("text", "a"), ("pattern", "00000000000000bb")]).unwrap_err(), ["pattern"]);
        let bad = [("pattern", "x"), ("limit", "0"), ("min", "2"), ("foo", "1")];
        assert_eq!(similar_to(&bad).unwrap_err(), ["pattern", "limit", "min", "foo", "pattern"]);
    }

    #[test]
    fn a_pattern_is_found_by_its_id_and_its_failures_are_named_once() {
        assert_eq!(ids(&[("pattern", "00000000000000aa")]), Ok(vec![]));
        let query = [("pattern".to_owned(), "00000000000000aa".to_owned()), ("variables".to_owned(), "1".to_owned())];
        let wanted = read(&query).unwrap();
        assert!(wanted.with_variables && wanted.ids == ["00000000000000aa"]);
        let mut list = list(gathered(), &read(&[]).unwrap());
        list.add_failed(vec!["b".into(), "a".into(), "b".into()]);
        assert_eq!((list.partial, list.failed_components), (true, vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let bad =
            [("limit", "0"), ("sort", "x"), ("level", "loud"), ("foo", "1"), ("pattern", "x"), ("variables", "maybe")];
        assert_eq!(ids(&bad).unwrap_err(), ["limit", "sort", "level", "foo", "pattern", "variables"]);
    }
}
