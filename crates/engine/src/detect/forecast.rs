//! When a level will have reached its limit, told by its last points: a robust line with an honest width.
//!
//! The slope is the median of those between all pairs of points (Theil-Sen). Its uncertainty is the larger of two: what
//! noise around a line leaves open, and what a random walk of such steps would wander in the same time, with steps that
//! depend on each other counted as such (Newey-West). A walk that happens to have a direction is therefore no trend. The
//! probability is the larger of that of the slope (a Student tail) and that of the order of the points (Mann-Kendall).
//!
//! Cost: at most [`POINTS_MAX`] points, 1,128 pairs.

use super::fdr::ascending;
use crate::baseline::special::{exp, ln};
use crate::time::{Millis, Timestamp};

/// Points of a track.
pub(super) const POINTS_MAX: usize = 48;
/// Points that a forecast rests on, at least.
pub(super) const POINTS_MIN: usize = 16;
/// Lags at which steps may depend on each other.
const LAGS: usize = 4;
/// Width of an interval, in standard deviations on either side.
const WIDTH: f64 = 2.0;
/// Quarters of the time whose own change may differ from the whole's by this factor.
const STEADY: f64 = 3.5;

/// The headroom of a level at an instant: how far it is from its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) headroom: f64,
}

/// A limit that comes nearer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forecast {
    /// From the last point on: when the limit is reached, in milliseconds; the earliest; the latest, which may be never.
    pub(super) due: f64,
    pub(super) earliest: f64,
    pub(super) latest: f64,
    /// What the points span.
    pub(super) span: Millis,
    /// The headroom now, by the line.
    pub(super) headroom: f64,
    /// The chance of such a line where nothing has a direction.
    pub(super) probability: f64,
}

impl Forecast {
    /// The same, seen that much later.
    pub(super) fn seen_later(self, passed: Millis) -> Self {
        let left = |time: f64| (time - passed.0 as f64).max(0.0);
        Self { due: left(self.due), earliest: left(self.earliest), latest: left(self.latest), ..self }
    }
}

/// Where these points lead; none if they do not lead to the limit, or not steadily.
pub(super) fn forecast(points: &[Point]) -> Option<Forecast> {
    let (first, last) = (points.first()?, points.last()?);
    let span = last.at.since(first.at);
    if points.len() < POINTS_MIN || points.len() > POINTS_MAX || span.0 <= 0 || !is_steady(points) {
        return None;
    }
    let slope = slope_of(points)?;
    let newest = points.get(points.len() - (points.len() / 3).max(POINTS_MIN / 2)..).and_then(slope_of)?;
    if slope >= 0.0 || newest > slope / STEADY {
        return None;
    }
    let x = |point: &Point| point.at.since(first.at).0 as f64;
    let start = median(points.iter().map(|point| point.headroom - slope * x(point)))?;
    let off = points.iter().map(|point| (point.headroom - start - slope * x(point)).abs());
    let noise = median(off)? * 1.4826;
    let headroom = (start + slope * span.0 as f64).max(0.0);
    let count = points.len() as f64;
    let of_noise = noise * (12.0 / count).sqrt() / span.0 as f64;
    let deviation = of_noise.max(wandering(points) / span.0 as f64).max(-slope * 1e-3);
    let z = -slope / deviation;
    let reached = |headroom: f64, slope: f64| if slope > 0.0 { headroom.max(0.0) / slope } else { f64::INFINITY };
    // A line is known best in its middle; what the points scatter is open on top.
    let open = WIDTH * noise / count.sqrt();
    Some(Forecast {
        due: reached(headroom, -slope),
        earliest: reached(headroom - open, -slope + WIDTH * deviation),
        latest: reached(headroom + open, -slope - WIDTH * deviation),
        span,
        headroom,
        probability: student(z, count / 2.0).max(order(points)),
    })
}

/// Median of the slopes between all pairs, per millisecond.
pub(super) fn slope_of(points: &[Point]) -> Option<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, from) in points.iter().enumerate() {
        for to in points.iter().skip(index + 1) {
            let time = to.at.since(from.at).0;
            if time > 0 {
                slopes.push((to.headroom - from.headroom) / time as f64);
            }
        }
    }
    median(slopes.into_iter())
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let ordered = ascending(values);
    ordered.get(ordered.len() / 2).copied()
}

/// Whether each quarter of the points comes about as much nearer as the others.
fn is_steady(points: &[Point]) -> bool {
    let quarter = points.len() / 4;
    let mean = |part: &[Point]| part.iter().map(|point| point.headroom).sum::<f64>() / part.len().max(1) as f64;
    let means: Vec<f64> = points.chunks(quarter.max(1)).take(4).map(mean).collect();
    let (Some(first), Some(last)) = (means.first(), means.last()) else { return false };
    let whole = (first - last) / 3.0;
    let is_like = |(before, after): (&f64, &f64)| {
        let change = before - after;
        change >= whole / STEADY && change <= whole * STEADY
    };
    whole > 0.0 && means.iter().zip(means.iter().skip(1)).all(is_like)
}

/// How far steps of this size wander in as many steps, one standard deviation.
fn wandering(points: &[Point]) -> f64 {
    let steps: Vec<f64> = points.iter().zip(points.iter().skip(1)).map(|(a, b)| b.headroom - a.headroom).collect();
    let count = steps.len().max(1) as f64;
    let mean = steps.iter().sum::<f64>() / count;
    let covariance = |lag: usize| -> f64 {
        steps.iter().zip(steps.iter().skip(lag)).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / count
    };
    let own = covariance(0);
    let together =
        (1..=LAGS).fold(own, |sum, lag| sum + 2.0 * (1.0 - lag as f64 / (LAGS as f64 + 1.0)) * covariance(lag));
    // The sum of a few terms may come out too small by chance.
    (count * together.max(own * 0.1).max(0.0)).sqrt()
}

/// About the upper tail of Student's law.
fn student(z: f64, freedom: f64) -> f64 {
    0.5 * exp(-freedom / 2.0 * ln(1.0 + z * z / freedom.max(1.0)))
}

/// Mann-Kendall: the chance that points without a direction fall as often.
fn order(points: &[Point]) -> f64 {
    let mut falls = 0i64;
    for (index, from) in points.iter().enumerate() {
        for to in points.iter().skip(index + 1) {
            falls += i64::from(to.headroom < from.headroom) - i64::from(to.headroom > from.headroom);
        }
    }
    let count = points.len() as f64;
    let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0;
    let z = (falls as f64 - 1.0).max(0.0) / variance.max(1.0).sqrt();
    0.5 * exp(-z * z / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: i64, headroom: impl Fn(i64) -> f64) -> Vec<Point> {
        (0..count).map(|i| Point { at: Timestamp(i * 60_000), headroom: headroom(i) }).collect()
    }

    /// Uniform in -1..1, the same for the same number.
    fn noise(number: i64) -> f64 {
        let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }

    #[test]
    fn a_line_is_followed_to_its_end() {
        let found = forecast(&points(40, |i| 80.0 - i as f64)).unwrap();
        assert!((found.due / 60_000.0 - 41.0).abs() < 1e-6 && found.probability < 1e-9, "{found:?}");
        assert!(found.earliest <= found.due && found.due <= found.latest && found.latest < found.due * 1.01);
        assert_eq!(found.span, Millis::from_mins(39));
    }

    #[test]
    fn what_flows_back_stands_still_or_is_too_short_has_no_end() {
        assert_eq!(forecast(&points(40, |i| 10.0 + i as f64)), None);
        assert_eq!(forecast(&points(40, |_| 10.0)), None);
        assert_eq!(forecast(&points(15, |i| 80.0 - i as f64)), None);
        assert_eq!(forecast(&points(40, |i| 80.0 - (i % 10) as f64)), None);
        assert_eq!(forecast(&points(40, |i| if i < 20 { 80.0 } else { 40.0 })), None, "a step is no slope");
        assert_eq!(forecast(&[]), None);
        let still: Vec<_> = (0..40).map(|i| Point { at: Timestamp(0), headroom: f64::from(80 - i) }).collect();
        assert_eq!(forecast(&still), None);
    }

    #[test]
    fn a_few_wild_points_do_not_turn_the_line() {
        let found = forecast(&points(40, |i| if i % 9 == 4 { 95.0 } else { 80.0 - i as f64 })).unwrap();
        assert!((found.due / 60_000.0 - 41.0).abs() < 1.0, "{found:?}");
    }

    #[test]
    fn the_interval_holds_the_end_of_noisy_lines_nine_times_in_ten() {
        let (mut held, mut known) = (0, 0);
        for seed in 0..400 {
            let noisy = points(48, |i| 100.0 - 1.5 * i as f64 + 1.5 * noise(seed * 1_000 + i));
            // Counted from the last point, at 47 minutes.
            let truth = (100.0 / 1.5 - 47.0) * 60_000.0;
            if let Some(found) = forecast(&noisy) {
                known += 1;
                held += i32::from(found.earliest <= truth && truth <= found.latest);
            }
        }
        assert!(known > 390 && held * 10 >= known * 9, "{held} of {known}");
    }

    #[test]
    fn random_walks_are_hardly_ever_a_trend() {
        let mut sure = 0;
        for seed in 0..4_000 {
            let mut at = 50.0;
            let walk: Vec<_> = points(48, |_| 0.0)
                .into_iter()
                .enumerate()
                .map(|(i, point)| {
                    at += noise(seed * 77_777 + i as i64);
                    Point { headroom: at, ..point }
                })
                .collect();
            sure += i32::from(forecast(&walk).is_some_and(|it| it.probability < 1e-4));
        }
        assert!(sure <= 2, "{sure} of 4,000");
    }
}
