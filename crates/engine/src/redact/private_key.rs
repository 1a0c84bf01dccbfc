//! Private keys in PEM armour: whole, on one line with escaped line ends, or cut off.
//!
//! Everything from `-----BEGIN ... PRIVATE KEY-----` to the end marker goes, and to the end of the text if there is no
//! end marker, since what follows can only be key. Certificates and public keys stay.
//!
//! Left out: the rest of a key whose first lines were cut off or logged as another record.

use super::view::View;

/// Bytes between `BEGIN` and `PRIVATE KEY`, as in `BEGIN SSH2 ENCRYPTED PRIVATE KEY`.
const KIND_BYTES_MAX: usize = 32;

/// End of the private key whose dashes begin at `start`.
pub(super) fn begins_at(view: &View<'_>, start: usize) -> Option<usize> {
    if !view.is_at(start, b"----") {
        return None;
    }
    let mut word = start + 4;
    while matches!(view.at(word), b'-' | b' ') && word < start + 8 {
        word += 1;
    }
    let label = word + b"BEGIN".len();
    if !view.is_at(word, b"BEGIN") {
        return None;
    }
    view.spend(KIND_BYTES_MAX);
    let found = (label..=label + KIND_BYTES_MAX).find(|&at| {
        view.is_at(at, b"PRIVATE") && matches!(view.at(at + 7), b' ' | b'+' | b'_') && view.is_at(at + 8, b"KEY")
    })?;
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'+' | b'_' | b'.');
    view.slice(label, found).iter().all(is_label).then(|| end_after(view, found + 11))
}

/// First byte after the end marker that follows `from`; the end of the text without one.
fn end_after(view: &View<'_>, from: usize) -> usize {
    let rest = view.slice(from, view.len());
    let marker = rest.windows(4).enumerate().position(|(offset, dashes)| {
        dashes == b"----"
            && matches!(
                rest.get(offset + 4..).unwrap_or_default(),
                [b'E', b'N', b'D', ..] | [b'-', b'E', b'N', b'D', ..] | [b' ', b'E', b'N', b'D', ..]
            )
    });
    view.spend(marker.unwrap_or(rest.len()));
    let Some(marker) = marker else { return view.len() };
    let label = from + marker + 5;
    let closing = view.slice(label, label + 64).windows(4).position(|dashes| dashes == b"----");
    match closing {
        Some(offset) => {
            let mut end = label + offset + 4;
            if view.at(end) == b'-' {
                end += 1;
            }
            end
        }
        None => view.run_end(label, |byte| byte >= b' '),
    }
}

/// Start of the dashes before the word `BEGIN` at `word`, if that begins a private key, and where the key ends.
pub(super) fn around(view: &View<'_>, word: usize) -> Option<(usize, usize)> {
    let blank = usize::from(view.before(word) == b' ');
    let mut start = word - blank;
    while start + 5 > word - blank && start > 0 && view.before(start) == b'-' {
        start -= 1;
    }
    begins_at(view, start).map(|end| (start, end))
}
