//! `DELETE /api/logs/cleanup`: removes what is older than an instant before its retention is over.
//!
//! Only people with an administrator's key for the whole domain, and never by itself: no log line can cause it. It is
//! booked before it is done. `dry_run=true` counts and removes nothing.

use super::fan_out::{Gathered, ask_these, asked};
use super::kinship;
use super::lists::parameter_error;
use super::whole::together;
use super::{Answer, Call, Outcome, invalid_query, json, require_whole_domain};
use crate::processors::calls::{CleanupAnswer, CleanupCall};
use sapwood_engine::level::LevelClass;
use sapwood_engine::pattern::PatternId;
use sapwood_wire::query::parse_search;
use sapwood_wire::reply::FieldError;
use serde::Serialize;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    before_ms: i64,
    is_dry_run: bool,
    components: Vec<String>,
    /// Words of level classes; none means all.
    levels: Vec<String>,
    /// Ids of patterns; none means all.
    patterns: Vec<String>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Cleaned {
    component: String,
    records: u64,
    rows: u64,
    /// Records that leave D1, or would.
    copies: u64,
}

#[derive(Debug, Serialize)]
struct Cleanup {
    dry_run: bool,
    /// Event time, ms.
    before: i64,
    /// Records removed, or that would be.
    records: u64,
    /// Of D1's copies, the same.
    copies: u64,
    components: Vec<Cleaned>,
    /// Whether nothing is left that may go; if not, the same call goes on.
    complete: bool,
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failed_components: Vec<String>,
}

/// Removes, or counts.
pub async fn cleanup(call: &Call<'_>) -> Outcome {
    require_whole_domain(&call.principal)?;
    let wanted = read(&call.head.query(), call.now.0).map_err(invalid_query)?;
    if !wanted.is_dry_run {
        let components =
            if wanted.components.is_empty() { "all components".to_owned() } else { wanted.components.join(", ") };
        let mut detail = format!("older than {} ms, {components}", wanted.before_ms);
        for (what, of) in [("level", &wanted.levels), ("pattern", &wanted.patterns)] {
            if !of.is_empty() {
                detail = format!("{detail}, {what} {}", of.join(", "));
            }
        }
        call.stubs().book(call.domain(), &call.actor(), "logs.cleanup", &detail).await?;
    }
    let objects = asked(call, &wanted.components).await?;
    let asks_patterns = !wanted.patterns.is_empty();
    let (kinship, patterns) = kinship::ask(call, if asks_patterns { &objects } else { &[] }).await;
    let mut gathered = ask_these(call, objects, |stubs, address| {
        let Wanted { before_ms, is_dry_run, .. } = wanted;
        let patterns = kinship.all_held(&address.entry(), &wanted.patterns);
        let told = CleanupCall { before_ms, is_dry_run, levels: wanted.levels.clone(), patterns };
        async move { stubs.clean_up(&address, &told).await }
    })
    .await;
    gathered.add_failed(patterns.failed);
    Ok(Answer::Json(json(&sum(gathered, &wanted))?))
}

fn read(query: &[(String, String)], now_ms: i64) -> Result<Wanted, Vec<FieldError>> {
    let mut errors = Vec::new();
    let (mut before_ms, mut is_dry_run, mut components) = (None, false, Vec::new());
    let (mut levels, mut patterns) = (Vec::new(), Vec::new());
    let list = |value: &str| value.split(',').map(|one| one.trim().to_owned()).collect::<Vec<_>>();
    for (name, value) in query {
        let mut refuse = |detail: &str| errors.push(parameter_error(name, "invalid_value", detail.to_owned()));
        match name.as_str() {
            "before" => match parse_search([("to", value)], now_ms) {
                Ok(query) => before_ms = before_ms.or(query.to_ms),
                Err(_) => refuse("an instant is a number of milliseconds or RFC 3339"),
            },
            "older_than_days" => match value.parse::<i64>() {
                Ok(days) if (1..=36_500).contains(&days) => before_ms = before_ms.or(Some(now_ms - days * DAY_MS)),
                _ => refuse("a number of days from 1 on is expected"),
            },
            "level" => match list(value) {
                words if words.iter().all(|word| LevelClass::ALL.iter().any(|class| class.word() == word)) => {
                    levels.extend(words);
                }
                _ => refuse("trace, debug, info, warn, error or fatal is expected, or several with commas"),
            },
            "pattern" => match list(value) {
                ids if ids.iter().all(|id| PatternId::parse(id).is_some()) => patterns.extend(ids),
                _ => refuse("ids of patterns are expected, with commas between them"),
            },
            "component" => components.extend(value.split(',').map(str::trim).map(str::to_owned)),
            "dry_run" => match value.as_str() {
                "true" | "1" => is_dry_run = true,
                "false" | "0" => is_dry_run = false,
                _ => refuse("true or false is expected"),
            },
            _ => {
                let accepted = "accepted are before or older_than_days, component, level, pattern, dry_run";
                errors.push(parameter_error(name, "unknown_parameter", accepted.to_owned()));
            }
        }
    }
    match before_ms {
        Some(before_ms) if errors.is_empty() && before_ms <= now_ms => {
            return Ok(Wanted { before_ms, is_dry_run, components, levels, patterns });
        }
        Some(before_ms) if before_ms > now_ms => {
            errors.push(parameter_error("before", "invalid_value", "this lies in the future".to_owned()));
        }
        Some(_) => {}
        None if errors.is_empty() => {
            let detail = "say what is to go: before=INSTANT or older_than_days=N";
            errors.push(parameter_error("before", "missing_parameter", detail.to_owned()));
        }
        None => {}
    }
    Err(errors)
}

fn sum(gathered: Gathered<CleanupAnswer>, wanted: &Wanted) -> Cleanup {
    let complete = gathered.failed.is_empty() && gathered.answers.iter().all(|(_, answer)| answer.is_complete);
    let components: Vec<Cleaned> = together(gathered.answers, CleanupAnswer::merge)
        .into_iter()
        .map(|(entry, answer)| {
            let CleanupAnswer { records, rows, copies, .. } = answer;
            Cleaned { component: entry.component, records, rows, copies }
        })
        .filter(|cleaned| cleaned.rows > 0 || cleaned.copies > 0)
        .collect();
    Cleanup {
        dry_run: wanted.is_dry_run,
        before: wanted.before_ms,
        records: components.iter().map(|cleaned| cleaned.records).sum(),
        copies: components.iter().map(|cleaned| cleaned.copies).sum(),
        components,
        complete,
        partial: !gathered.failed.is_empty(),
        failed_components: gathered.failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processors::calls::ComponentEntry;

    const NOW: i64 = 1_763_632_800_000;

    fn asking(query: &[(&str, &str)]) -> Result<Wanted, Vec<String>> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        read(&query, NOW).map_err(|errors| errors.into_iter().filter_map(|error| error.parameter).collect())
    }

    #[test]
    fn an_instant_has_to_be_named_and_be_past() {
        let before = |query: &[(&str, &str)]| asking(query).map(|wanted| (wanted.before_ms, wanted.is_dry_run));
        assert_eq!(before(&[("older_than_days", "2"), ("dry_run", "true")]), Ok((NOW - 2 * DAY_MS, true)));
        assert_eq!(before(&[("before", "2025-11-20T09:00:00Z")]), Ok((NOW - 3_600_000, false)));
        assert_eq!(before(&[("before", "1763629200000")]), Ok((NOW - 3_600_000, false)));
        for bad in [vec![], vec![("before", "2099-01-01T00:00:00Z")], vec![("before", "soon")]] {
            assert_eq!(before(&bad), Err(vec!["before".to_owned()]), "{bad:?}");
        }
        let bad = [("older_than_days", "0"), ("dry_run", "maybe"), ("x", "1")];
        assert_eq!(before(&bad), Err(["older_than_days", "dry_run", "x"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn levels_and_patterns_are_named_as_everywhere() {
        let pattern = "00000000000000ab";
        let wanted = |query: &[(&str, &str)]| {
            let query: Vec<_> = [("older_than_days", "1")].iter().chain(query).copied().collect();
            asking(&query).map(|wanted| (wanted.levels, wanted.patterns))
        };
        let both = wanted(&[("level", "debug,info"), ("pattern", pattern)]);
        assert_eq!(both, Ok((vec!["debug".to_owned(), "info".to_owned()], vec![pattern.to_owned()])));
        assert_eq!(
            wanted(&[("level", "loud"), ("pattern", "p1")]),
            Err(vec!["level".to_owned(), "pattern".to_owned()])
        );
    }

    #[test]
    fn what_did_not_answer_is_not_called_complete() {
        let wanted = asking(&[("older_than_days", "1")]).unwrap();
        let all = sum(Gathered { answers: vec![], failed: vec![] }, &wanted);
        assert!(all.complete && !all.partial && all.records == 0);
        let part = sum(Gathered { answers: vec![], failed: vec!["a".into()] }, &wanted);
        assert!(!part.complete && part.partial);
    }

    #[test]
    fn shards_of_a_component_are_cleaned_as_one() {
        let wanted = asking(&[("older_than_days", "1")]).unwrap();
        let shard = |shard, rows, is_complete| {
            let entry = ComponentEntry { component: "cart".into(), shard, registered_at_ms: 0 };
            (entry, CleanupAnswer { rows, records: 10 * rows, copies: 3 * rows, is_complete })
        };
        let answers = vec![shard(0, 2, true), shard(1, 0, true), shard(2, 3, false)];
        let cleaned = sum(Gathered { answers, failed: vec![] }, &wanted);
        assert_eq!(cleaned.components, [Cleaned { component: "cart".into(), records: 50, rows: 5, copies: 15 }]);
        assert!(cleaned.records == 50 && !cleaned.complete);
    }
}
