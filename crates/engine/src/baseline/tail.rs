//! Tails of the count models: how improbable is at least (or at most) what was seen.
//!
//! Counts follow a Poisson law whose mean is itself uncertain, which is the negative binomial: `spread` is the
//! relative variance of the mean (0 is Poisson). Ratios follow a binomial whose chance is uncertain, the beta-binomial.
//! All are sums from the seen value outwards, each term made from the one before; a sum that is cut after
//! `TERMS_MAX` terms is completed by the geometric series above it, so that a tail is never understated.

use super::special::{exp, ln, ln_gamma};

/// Terms of a sum before it is completed. A tail that decides anything has converged long before.
const TERMS_MAX: u32 = 400;

/// P(X >= `count`) for a count with this mean and spread.
pub fn count_at_least(count: u64, mean: f64, spread: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    let Some(law) = CountLaw::new(mean, spread) else { return if mean > 0.0 { 1.0 } else { 0.0 } };
    if count as f64 <= law.mean {
        return 1.0 - if count as f64 > law.mean - 1.0 { 0.0 } else { law.below(count - 1) };
    }
    let at = count as f64;
    outwards(exp(law.ln_probability(at)), law.ratio_limit(), |step| law.ratio_up(at + step))
}

/// P(X <= `count`) for a count with this mean and spread.
pub fn count_at_most(count: u64, mean: f64, spread: f64) -> f64 {
    match CountLaw::new(mean, spread) {
        Some(law) if (count as f64) < law.mean => law.below(count),
        _ => 1.0,
    }
}

/// P(hits >= `hits`) of `total` when the chance of each follows a beta law with this mean, worth `strength` trials.
pub fn ratio_at_least(hits: u64, total: u64, chance: f64, strength: f64) -> f64 {
    let (n, k) = (total as f64, hits as f64);
    let chance = chance.clamp(1e-6, 1.0 - 1e-6);
    if hits == 0 || k <= n * chance || !strength.is_finite() || strength <= 0.0 {
        return 1.0;
    }
    if hits > total {
        return 0.0;
    }
    let (a, b) = (chance * strength, (1.0 - chance) * strength);
    let first = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0) + ln_gamma(k + a) + ln_gamma(n - k + b)
        - ln_gamma(n + strength)
        + ln_gamma(strength)
        - ln_gamma(a)
        - ln_gamma(b);
    outwards(exp(first), 0.0, |step| {
        let at = k + step;
        if at >= n { 0.0 } else { (n - at) * (a + at) / ((at + 1.0) * (n - at - 1.0 + b)) }
    })
}

/// A sum that starts with `first` and whose term `i + 1` is `ratio(i)` times term `i`; far out the ratio is `limit`.
fn outwards(first: f64, limit: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    let (mut term, mut sum) = (first, first);
    for step in 0..TERMS_MAX {
        let factor = ratio(f64::from(step));
        term *= factor;
        sum += term;
        if term <= sum * 1e-12 {
            return sum.min(1.0);
        }
    }
    let factor = ratio(f64::from(TERMS_MAX)).max(limit);
    if factor < 1.0 { (sum + term * factor / (1.0 - factor)).min(1.0) } else { 1.0 }
}

struct CountLaw {
    mean: f64,
    /// Inverse of the spread; none for Poisson.
    size: Option<f64>,
}

impl CountLaw {
    fn new(mean: f64, spread: f64) -> Option<Self> {
        let known = mean.is_finite() && mean > 0.0;
        known.then(|| Self { mean, size: (spread > 1e-9 && spread.is_finite()).then(|| 1.0 / spread) })
    }

    fn ln_probability(&self, at: f64) -> f64 {
        match self.size {
            None => at * ln(self.mean) - self.mean - ln_gamma(at + 1.0),
            Some(size) => {
                let share = self.mean / (size + self.mean);
                ln_gamma(at + size) - ln_gamma(at + 1.0) - ln_gamma(size)
                    + size * ln(size / (size + self.mean))
                    + at * ln(share)
            }
        }
    }

    /// P(at + 1) / P(at).
    fn ratio_up(&self, at: f64) -> f64 {
        match self.size {
            None => self.mean / (at + 1.0),
            Some(size) => (at + size) / (at + 1.0) * self.mean / (size + self.mean),
        }
    }

    /// What [`CountLaw::ratio_up`] tends to.
    fn ratio_limit(&self) -> f64 {
        self.size.map_or(0.0, |size| self.mean / (size + self.mean))
    }

    fn below(&self, count: u64) -> f64 {
        let at = count as f64;
        outwards(exp(self.ln_probability(at)), 0.0, |step| {
            let from = at - step - 1.0;
            if from < 0.0 { 0.0 } else { 1.0 / self.ratio_up(from) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(seen: f64, wanted: f64) {
        assert!((seen - wanted).abs() <= 1e-9 * wanted, "{seen} is not {wanted}");
    }

    /// The plain sum over all terms.
    fn slow(mean: f64, spread: f64, range: impl Iterator<Item = u64>) -> f64 {
        let law = CountLaw::new(mean, spread).unwrap();
        range.map(|k| exp(law.ln_probability(k as f64))).sum()
    }

    #[test]
    fn tails_of_counts_equal_the_sum_over_all_terms() {
        for (mean, spread) in [(0.2, 0.0), (3.0, 0.0), (10.0, 0.0), (3.0, 0.5), (40.0, 0.05), (40.0, 2.0)] {
            for k in [0u64, 1, 2, 5, 9, 15, 30, 60, 90] {
                near(count_at_most(k, mean, spread), if (k as f64) < mean { slow(mean, spread, 0..=k) } else { 1.0 });
                if k as f64 > mean {
                    let (seen, wanted) = (count_at_least(k, mean, spread), slow(mean, spread, k..4_000));
                    assert!(seen >= wanted * (1.0 - 1e-9), "never understated: {seen} {wanted}");
                    assert!(seen <= wanted * if spread > 1.0 { 1.01 } else { 1.0 + 1e-9 }, "{seen} {wanted}");
                }
            }
        }
    }

    #[test]
    fn known_values() {
        // 1 - 5/2 e^-1 and e^-10, in closed form, from tables.
        near(count_at_least(3, 1.0, 0.0), 0.080_301_397_071_394_2);
        near(count_at_most(0, 10.0, 0.0), 4.539_992_976_248_485e-5);
        // A uniform chance (a = b = 1) makes every number of hits equally likely.
        near(ratio_at_least(9, 9, 0.5, 2.0), 0.1);
        near(ratio_at_least(8, 9, 0.5, 2.0), 0.2);
    }

    #[test]
    fn arguments_without_an_answer_have_a_stated_one() {
        assert_eq!(count_at_least(0, 5.0, 0.0), 1.0);
        assert_eq!(count_at_least(5, 0.0, 0.0), 0.0);
        assert_eq!(count_at_most(5, f64::NAN, 0.0), 1.0);
        assert_eq!(ratio_at_least(5, 4, 0.1, 10.0), 0.0);
        assert_eq!(ratio_at_least(0, 4, 0.1, 10.0), 1.0);
        assert_eq!(ratio_at_least(3, 4, 0.1, f64::NAN), 1.0);
        for tail in [
            count_at_least(u64::MAX, 1e9, 0.1),
            count_at_most(0, 1e300, 0.1),
            ratio_at_least(1 << 60, 1 << 61, 0.1, 9.0),
        ] {
            assert!((0.0..=1.0).contains(&tail), "{tail}");
        }
    }

    #[test]
    fn more_is_never_more_probable() {
        for spread in [0.0, 0.01, 1.0] {
            for mean in [0.5, 7.0, 300.0, 90_000.0] {
                let tails: Vec<f64> = (0..40)
                    .map(|i| count_at_least((mean * (1.0 + f64::from(i) * 0.1)) as u64 + 1, mean, spread))
                    .collect();
                assert!(tails.windows(2).all(|pair| pair[1] <= pair[0] * 1.000_001), "{mean} {spread} {tails:?}");
            }
        }
    }
}
