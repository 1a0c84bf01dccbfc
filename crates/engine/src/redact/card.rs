//! Payment card numbers.
//!
//! A number is taken for a card when it stands alone (no letter, digit, underscore, decimal point or dash beside it),
//! is written in one run or in the groups of its network, has a prefix *and* a length which a network issues, and its
//! check digit (Luhn) is right.
//!
//! The odds that remain, for random ungrouped numbers without a leading zero: of those with 16 digits about 26 in 100
//! have such a prefix and a tenth of these the right check digit, so one in 39 is removed. With 13 digits it is one in
//! 90, with 14 one in 350, with 15 one in 450, with 17 and 18 one in 900, with 19 one in 80. Times cost nothing: epoch
//! milliseconds (13 digits) begin with 4 from 2096 on, microseconds (16 digits) before 2040 lie below every 16-digit
//! prefix (`2221`), and no network issues the 19 digits of nanoseconds with a 1 or 2 in front. From 2000 to 2040 that
//! is arithmetic, not an exception, and a test walks through those years.

use super::Found;
use super::view::View;
use crate::record::RedactionKind::Card;

/// Digits of the longest card number.
const DIGITS_MAX: usize = 19;
/// Groups of the longest card number, 4-4-4-4-3.
const GROUPS_MAX: usize = 5;

/// Whether a card number may begin with the digit at `start`: they begin with 2 to 6, have four digits before their first
/// gap, of the next four bytes the last is a digit or part of a gap of several bytes, and there are thirteen digits.
#[inline]
pub(super) fn may_begin(text: &[u8], start: usize) -> bool {
    let at = |offset: usize| text.get(start + offset).copied().unwrap_or(0);
    let is_wide = |byte: u8| byte.is_ascii_digit() || byte >= 0x80;
    at(3).is_ascii_digit()
        && is_wide(at(7))
        && (is_wide(at(12)) || matches!(at(12), b' ' | b'-' | b'+'))
        && matches!(at(0), b'2'..=b'6')
}

/// The card number that begins with the digit at `start`, where a word begins.
pub(super) fn at(view: &View<'_>, start: usize) -> Option<Found> {
    if !stands_free_before(view, start) {
        return None;
    }
    let mut digits = [0u8; DIGITS_MAX];
    let mut count = 0;
    let mut groups = [0usize; GROUPS_MAX];
    let mut index = start;
    let mut best = None;
    'groups: for group in 0..GROUPS_MAX {
        let from = count;
        while view.at(index).is_ascii_digit() {
            let Some(slot) = digits.get_mut(count) else { break 'groups };
            *slot = view.at(index) - b'0';
            count += 1;
            index += 1;
        }
        if let Some(slot) = groups.get_mut(group) {
            *slot = count - from;
        }
        let is_card = is_grouped_like_a_card(groups.get(..=group).unwrap_or_default())
            && stands_free_after(view, index)
            && is_issued(digits.get(..count).unwrap_or_default(), group > 0)
            && passes_luhn(digits.get(..count).unwrap_or_default());
        if is_card {
            best = Some(index);
        }
        let gap = gap_len(view, index);
        if gap == 0 || !view.at(index + gap).is_ascii_digit() {
            break;
        }
        index += gap;
    }
    view.spend(index - start);
    best.map(|end| Found { start, end, kind: Card })
}

/// Bytes of the separator at `index`: a blank or dash, plain, non-breaking or as a form encodes it.
fn gap_len(view: &View<'_>, index: usize) -> usize {
    match view.at(index) {
        b' ' | b'-' | b'+' => 1,
        0xC2 if view.at(index + 1) == 0xA0 => 2,
        0xE2 if view.at(index + 1) == 0x80 && matches!(view.at(index + 2), 0x90..=0x93 | 0xAF) => 3,
        _ => 0,
    }
}

fn stands_free_before(view: &View<'_>, start: usize) -> bool {
    let before = view.before(start);
    let further = start.checked_sub(2).map_or(0, |index| view.at(index));
    match before {
        b'_' => false,
        b'.' | b'+' => !further.is_ascii_digit(),
        b'-' => !further.is_ascii_alphanumeric(),
        _ => !before.is_ascii_alphanumeric(),
    }
}

fn stands_free_after(view: &View<'_>, end: usize) -> bool {
    let after = view.at(end);
    let further = view.at(end + 1);
    match after {
        b'_' => false,
        b'.' => !further.is_ascii_digit(),
        b'-' => !further.is_ascii_alphanumeric(),
        _ => !after.is_ascii_alphanumeric(),
    }
}

fn is_grouped_like_a_card(groups: &[usize]) -> bool {
    matches!(
        groups,
        [13..=19]
            | [4, 4, 4, 4]
            | [4, 6, 5]
            | [4, 6, 4]
            | [4, 4, 4, 4, 1..=3]
            | [6, 13]
            | [4, 4, 5]
            | [4, 3, 3, 3]
            | [8, 8]
    )
}

/// Whether a network issues numbers of this prefix with this length. Maestro's prefixes cover half of all numbers, so
/// they count only where groups say that this is a card.
fn is_issued(digits: &[u8], is_grouped: bool) -> bool {
    let prefix = digits.iter().take(6).fold(0u32, |prefix, &digit| prefix * 10 + u32::from(digit));
    let (two, three, four) = (prefix / 10_000, prefix / 1_000, prefix / 100);
    match digits.len() {
        13 | 16 | 19 if (400_000..500_000).contains(&prefix) => true,
        15 => matches!(two, 34 | 37),
        16 if matches!(two, 51..=55 | 65 | 62) || matches!(four, 2221..=2720 | 6011 | 3528..=3589) => true,
        16 if matches!(three, 644..=649) => true,
        14 => matches!(two, 36 | 38) || matches!(three, 300..=305),
        17..=19 if two == 62 => true,
        13..=19 => is_grouped && matches!(two, 50 | 56..=58 | 67..=69 | 63),
        _ => false,
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &digit)| {
            let doubled = u32::from(digit) << (index % 2);
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, start: usize, expected: Option<&str>) {
        let view = View::plain(text.as_bytes());
        let found = at(&view, start).and_then(|found| text.get(found.start..found.end));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn cards_of_every_network_are_found_plain_and_grouped() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
            "3056 930902 5904",
            "6200000000000005",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
            "4111+1111+1111+1111",
            "6759 6498 2643 8453",
        ] {
            check(card, 0, Some(card));
            check(&format!("{card}."), 0, Some(card));
        }
    }

    #[test]
    fn numbers_beside_other_characters_or_off_by_one_are_no_cards() {
        check("4111111111111112", 0, None);
        check("41111111111111111", 0, None);
        check("4111111111111111a", 0, None);
        check("4111111111111111_1", 0, None);
        check("4111111111111111.5", 0, None);
        check("0.4111111111111111", 2, None);
        check("_4111111111111111", 1, None);
        check("a1b2-4111111111111111", 5, None);
        check("41 11111111111111", 0, None);
        check("6759649826438453", 0, None);
        check("9111111111111111", 0, None);
        check("4", 0, None);
        check("", 0, None);
    }

    #[test]
    fn no_time_from_2000_to_2040_reads_as_a_card() {
        for second in (946_684_800..2_208_988_800u64).step_by(86_399) {
            for time in [second * 1_000, second * 1_000_000 + 7, second * 1_000_000_000 + 1_234_567] {
                check(&time.to_string(), 0, None);
            }
        }
    }
}
