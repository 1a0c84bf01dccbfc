//! Many series, few false findings: what is told of all series that are judged together.
//!
//! Within a component, Benjamini-Hochberg over what one moment found, so that two thousand quiet patterns cost no more
//! than one ([`discoveries`]). Over the components of a domain, each may spend its part of what all of them may
//! ([`share_of_domain`]): with `m` components a probability wakes people below the domain's threshold divided by `m`. The
//! sum of what `m` components spend is the domain's threshold whatever they have in common (Bonferroni's inequality needs no
//! independence), so that the false alarms an hour of a whole domain do not grow with the number of its series.
//!
//! Left out: absences. A rhythm that broke is judged by how long it is silent, and its probability falls without end while
//! it lasts, so that no threshold keeps it from being told.

/// Benjamini-Hochberg: with the largest `k` whose `k`-th smallest probability is at most `k / series` of the share
/// allowed, the first `k`, the least probable first.
pub(super) fn discoveries<T>(mut found: Vec<T>, probability: impl Fn(&T) -> f64, series: usize, share: f64) -> Vec<T> {
    found.sort_by(|a, b| probability(a).total_cmp(&probability(b)));
    let allowed = |place: usize| share * (place as f64 + 1.0) / (series.max(1) as f64);
    let last = found.iter().enumerate().rev().find(|(place, candidate)| probability(candidate) <= allowed(*place));
    let count = last.map_or(0, |(place, _)| place + 1);
    found.truncate(count);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_series_find_together_is_held_to_one_share() {
        let told = |found: &[f64], series| discoveries(found.to_vec(), |it| *it, series, 0.01);
        assert_eq!(told(&[0.03, 0.009], 1), [0.009]);
        assert_eq!(told(&[0.009], 2), [0.0f64; 0]);
        assert_eq!(told(&[0.0099, 0.005], 2), [0.005, 0.0099], "the second may use what the first did not");
        assert_eq!(told(&[], 0), [0.0f64; 0]);
    }
}
