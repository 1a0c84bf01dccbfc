//! When each record of a file is to have happened.
//!
//! A line without a time takes that of the line before it (the first ones, that of the first line with one). A file
//! without any time is spread evenly. Spacing is kept in proportion; integers only.

use sapwood_engine::time::{Millis, Timestamp};

/// How the time of a file becomes the time of the play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pace {
    /// The whole file is mapped onto `history` before now and `live` after it.
    Window { history: Millis, live: Millis },
    /// The file begins now and runs this many times faster, in thousandths.
    Speedup { permille: u64 },
    /// As the file says.
    Original,
}

/// The planned times; `None` where the file's own times are wanted and there are none.
pub(crate) fn planned(times: &[Option<Timestamp>], pace: Pace, now: Timestamp) -> Option<Vec<Timestamp>> {
    let carried = carried(times);
    if pace == Pace::Original {
        return carried;
    }
    // Without any time, lines count as a second apart.
    let times = carried.unwrap_or_else(|| (0..times.len() as i64).map(|place| Timestamp(place * 1_000)).collect());
    let first = times.iter().min().copied().unwrap_or_default();
    let span = times.iter().max().copied().unwrap_or_default().since(first).0;
    let start = if let Pace::Window { history, .. } = pace { now.minus(history) } else { now };
    let map = |place: usize, time: Timestamp| {
        let into = i128::from(time.since(first).0);
        let offset = match pace {
            Pace::Window { history, live } => {
                let window = i128::from(history.0.saturating_add(live.0));
                if span > 0 {
                    into * window / i128::from(span)
                } else {
                    // All at the same instant: spread, so that there is something to see.
                    place as i128 * window / times.len().max(1) as i128
                }
            }
            Pace::Speedup { permille } => into * 1_000 / i128::from(permille.max(1)),
            Pace::Original => 0,
        };
        start.plus(Millis(i64::try_from(offset).unwrap_or(i64::MAX)))
    };
    Some(times.iter().enumerate().map(|(place, &time)| map(place, time)).collect())
}

/// Every record with a time, or `None` if no record has one.
fn carried(times: &[Option<Timestamp>]) -> Option<Vec<Timestamp>> {
    let mut current = times.iter().flatten().next().copied()?;
    let carry = |time: &Option<Timestamp>| {
        current = time.unwrap_or(current);
        current
    };
    Some(times.iter().map(carry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn check(times: &[Option<i64>], pace: Pace, expected: Option<&[i64]>) {
        let times: Vec<_> = times.iter().map(|time| time.map(Timestamp)).collect();
        let found = planned(&times, pace, NOW).map(|times| times.iter().map(|t| t.0 - NOW.0).collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected);
    }

    const WINDOW: Pace = Pace::Window { history: Millis(900), live: Millis(100) };

    #[test]
    fn a_file_ends_where_the_window_ends_and_keeps_its_spacing() {
        check(&[Some(50), Some(100), Some(250)], WINDOW, Some(&[-900, -650, 100]));
        check(&[Some(250), Some(50)], WINDOW, Some(&[100, -900]));
    }

    #[test]
    fn lines_without_time_take_the_previous_ones() {
        check(&[None, Some(10), None, Some(20)], WINDOW, Some(&[-900, -900, -900, 100]));
        check(&[None, None], WINDOW, Some(&[-900, 100]));
        check(&[Some(7), Some(7)], WINDOW, Some(&[-900, -400]));
        check(&[], WINDOW, Some(&[]));
    }

    #[test]
    fn a_speed_up_divides_the_spacing() {
        check(&[Some(10), Some(2_010)], Pace::Speedup { permille: 4_000 }, Some(&[0, 500]));
        check(&[None, None], Pace::Speedup { permille: 500 }, Some(&[0, 2_000]));
    }

    #[test]
    fn original_times_stay_and_their_absence_is_seen() {
        let start = -NOW.0;
        check(&[Some(10), None, Some(5)], Pace::Original, Some(&[10 + start, 10 + start, 5 + start]));
        check(&[None, None], Pace::Original, None);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let times = [Some(Timestamp::MIN), Some(Timestamp::MAX)];
        let found = planned(&times, WINDOW, NOW).unwrap();
        assert_eq!(found, [NOW.minus(Millis(900)), NOW.plus(Millis(100))]);
        assert_eq!(planned(&times, Pace::Speedup { permille: 1 }, NOW).unwrap()[1], Timestamp::MAX);
    }
}
