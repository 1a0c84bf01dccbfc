//! Which templates say nearly the same: for people who look at one pattern and ask what else there is like it.
//!
//! Two templates are compared by the words they share, each weighed by how rare it is among all of them (weighted
//! Jaccard index over word sets; the weight is the inverse document frequency of Spärck Jones, 1972, doi:10.1108/eb026526):
//! `timeout` says more than `the`. Places that vary say nothing. A number between 0 and 1; 1 only for equal word sets.
//!
//! Integers until the last division, so that every machine gives the same order. Left out: the order of words, and
//! spelling; templates of one code base repeat both.

use std::collections::{BTreeMap, BTreeSet};

/// Words of a template that are compared.
const WORDS_MAX: usize = 128;

/// The candidates that share a word with `wanted`, most similar first: position in `candidates`, and similarity from 0
/// to 1. Equally similar ones keep their order.
pub fn rank(wanted: &str, candidates: &[&str]) -> Vec<(usize, f64)> {
    let sets: Vec<BTreeSet<String>> = candidates.iter().map(|template| words(template)).collect();
    let mut holders: BTreeMap<&str, u64> = BTreeMap::new();
    for word in sets.iter().flatten() {
        *holders.entry(word).or_default() += 1;
    }
    let weigh = |word: &str| weight(candidates.len() as u64, holders.get(word).copied().unwrap_or(0));
    let own = words(wanted);
    let own_weight: u64 = own.iter().map(|word| weigh(word)).sum();
    let mut ranked: Vec<(usize, f64)> = sets
        .iter()
        .enumerate()
        .filter_map(|(at, set)| {
            let shared: u64 = set.intersection(&own).map(|word| weigh(word)).sum();
            let other: u64 = set.iter().map(|word| weigh(word)).sum();
            let all = own_weight + other - shared;
            (shared > 0).then(|| (at, shared as f64 / all as f64))
        })
        .collect();
    ranked.sort_by(|(_, left), (_, right)| right.total_cmp(left));
    ranked
}

/// Sixteen times the binary logarithm of how rare a word is, and one more, so that a word of every template still counts.
fn weight(templates: u64, holders: u64) -> u64 {
    let ratio = (templates.max(1) << 8) / holders.max(1);
    1 + 16 * u64::from(ratio.max(256).ilog2() - 8) + (ratio.max(256) << 4 >> ratio.max(256).ilog2()) - 16
}

/// The words of a template, in lower case, without the places that vary.
fn words(template: &str) -> BTreeSet<String> {
    template
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS_MAX)
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: [&str; 5] = [
        "Connection to <*> timed out after <*> ms",
        "Connection to <*> refused",
        "User <*> logged in",
        "Query timed out after <*> ms",
        "<*>",
    ];

    #[test]
    fn what_shares_rare_words_comes_first() {
        let ranked = rank("connection to db timed out", &TEMPLATES);
        let order: Vec<_> = ranked.iter().map(|(at, _)| *at).collect();
        assert_eq!(order, [0, 1, 3], "{ranked:?}");
        assert!(ranked.iter().all(|(_, similarity)| *similarity > 0.0 && *similarity < 1.0));
    }

    #[test]
    fn the_same_words_are_one_and_none_in_common_is_absent() {
        assert_eq!(rank("user <*> LOGGED in", &TEMPLATES).first(), Some(&(2, 1.0)));
        assert_eq!(rank("something else", &TEMPLATES), []);
        assert_eq!(rank("", &TEMPLATES), []);
        assert_eq!(rank("anything", &[]), []);
    }

    #[test]
    fn a_rarer_word_weighs_more() {
        assert_eq!(weight(0, 0), 1);
        let weights: Vec<_> = (1..=64).map(|holders| weight(64, holders)).collect();
        assert!(weights.windows(2).all(|pair| pair[0] >= pair[1]), "{weights:?}");
        assert!(weights[0] > 4 * weights[63], "{weights:?}");
    }
}
