//! CPU time of another process, from `/proc` (Linux only; elsewhere there is no figure, and that is said).

use std::time::Duration;

/// Clock ticks a second as `/proc` counts them: `USER_HZ`, which is 100 on every Linux this runs on.
const TICKS_PER_SECOND: u64 = 100;

/// User and system time that `pid` has used so far; `None` if there is no such process to be seen.
pub fn used_by(pid: u32) -> Option<Duration> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 14 and 15. The name of the process (field 2, in brackets) may hold spaces and brackets itself.
fn parse_stat(stat: &str) -> Option<Duration> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * (1_000 / TICKS_PER_SECOND)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_times_are_found_behind_an_odd_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 12 0 100 0 0";
        assert_eq!(parse_stat(stat), Some(Duration::from_secs(3)));
        for broken in ["", "42 (a) S", "42 (a) S 1 2 3 4 5 6 7 8 9 0 x y"] {
            assert_eq!(parse_stat(broken), None);
        }
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figure() {
        assert_eq!(used_by(u32::MAX), None);
    }
}
