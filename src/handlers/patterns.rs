//! `GET /api/logs/analytics/patterns`: what shapes the records of a domain have, and how often.
//!
//! Each object knows its own patterns; the same pattern in several components is one row that names them. Counts are
//! since the beginning of the pattern, not of a span of time: how often it came lately is the summary's to say.

use super::fan_out::{Gathered, ask_objects};
use super::lists::{parameter_error, require_all_rows};
use super::{Answer, Call, Outcome, invalid_query, json};
use crate::processors::calls::{ExemplarView, PatternView};
use sapwood_engine::level::{Level, LevelClass};
use sapwood_engine::limits::{PATTERN_EXEMPLARS_MAX, PATTERN_FACETS_MAX};
use sapwood_wire::reply::FieldError;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

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
    Ok(Answer::Json(json(&list(gathered, &wanted))?))
}

fn read(query: &[(String, String)]) -> Result<Wanted, Vec<FieldError>> {
    let mut wanted = Wanted {
        components: Vec::new(),
        levels: Vec::new(),
        limit: LIMIT_DEFAULT,
        sort: Sort::Count,
        words: Vec::new(),
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
            "q" | "query" | "search" if value.len() <= sapwood_wire::limits::SEARCH_TEXT_BYTES_MAX => {
                wanted.words.extend(value.split_whitespace().map(str::to_lowercase));
            }
            "q" | "query" | "search" => refuse("the text is too long"),
            _ => {
                let accepted = "accepted are component, level, limit, sort, q";
                errors.push(parameter_error(name, "unknown_parameter", accepted.to_owned()));
            }
        }
    }
    if errors.is_empty() { Ok(wanted) } else { Err(errors) }
}

fn list(gathered: Gathered<Vec<PatternView>>, wanted: &Wanted) -> PatternList {
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
    PatternList { patterns, total, partial: !gathered.failed.is_empty(), failed_components: gathered.failed }
}

impl DomainPattern {
    fn new(view: PatternView, count: ComponentCount) -> Self {
        Self {
            id: view.id,
            kind: "info",
            description: view.template.clone(),
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
    }

    fn is_wanted(&self, wanted: &Wanted) -> bool {
        let template = self.template.to_lowercase();
        let has_level = |class: &LevelClass| self.levels.get(class.word()).is_some_and(|count| *count > 0);
        (wanted.levels.is_empty() || wanted.levels.iter().any(has_level))
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
    use crate::processors::calls::ComponentEntry;

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
    fn patterns_are_ordered_filtered_and_cut() {
        assert_eq!(ids(&[]), Ok(vec!["2".into(), "1".into()]));
        assert_eq!(ids(&[("sort", "first_seen")]), Ok(vec!["1".into(), "2".into()]));
        assert_eq!(ids(&[("sort", "last_seen"), ("limit", "1")]), Ok(vec!["2".into()]));
        assert_eq!(ids(&[("level", "warn,fatal")]), Ok(vec!["1".into()]));
        assert_eq!(ids(&[("q", "PAYMENT failed")]), Ok(vec!["1".into()]));
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let bad = [("limit", "0"), ("sort", "x"), ("level", "loud"), ("foo", "1")];
        assert_eq!(ids(&bad).unwrap_err(), ["limit", "sort", "level", "foo"]);
    }
}
