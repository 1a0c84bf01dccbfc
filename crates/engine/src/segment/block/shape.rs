//! The shape of a text: its literal parts, with a mark for each value between them.
//!
//! This is a finer cut than the miner's: a value here is what packs well (a run of digits, a hex number, an address, a
//! clock time), and white space and punctuation belong to the shape byte by byte, so that shape and values give the
//! text back without loss. Two texts share a shape exactly if their literal parts are equal. Which cut a writer makes
//! is its own affair: the stored shape says it, and no reader calls what is in this file.

/// Stands for a value in a shape. No UTF-8 text holds this byte.
pub(super) const VALUE: u8 = 0xff;
/// Values of one shape. What lies behind the last is its tail: one more value.
pub(super) const VALUES_MAX: usize = 120;

/// Cuts `text`: appends the shape to `shape` and the values to `values`.
pub(super) fn cut<'a>(text: &'a str, shape: &mut Vec<u8>, values: &mut Vec<&'a str>) {
    let bytes = text.as_bytes();
    let (mut at, mut literal) = (0, 0);
    let first = values.len();
    while let Some(&byte) = bytes.get(at) {
        if !byte.is_ascii_alphanumeric() {
            at += 1;
            continue;
        }
        let end = at + run(bytes, at, |byte| byte.is_ascii_alphanumeric());
        if let Some((from, to)) = value_in(bytes, at, end) {
            // What lies behind the last value that fits is a value too.
            let to = if values.len() - first + 1 == VALUES_MAX { bytes.len() } else { to };
            shape.extend_from_slice(bytes.get(literal..from).unwrap_or_default());
            shape.push(VALUE);
            values.push(text.get(from..to).unwrap_or_default());
            literal = to;
            at = to;
        } else {
            at = end;
        }
    }
    shape.extend_from_slice(bytes.get(literal..).unwrap_or_default());
}

/// How many bytes from `at` on are such.
fn run(bytes: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    bytes.get(at..).unwrap_or_default().iter().take_while(|&&byte| is(byte)).count()
}

/// The value that starts in the letters and digits from `at` to `end`: where it begins and ends.
fn value_in(bytes: &[u8], at: usize, end: usize) -> Option<(usize, usize)> {
    let piece = bytes.get(at..end)?;
    let is_hex = piece.iter().all(u8::is_ascii_hexdigit);
    if is_hex && let Some(length) = uuid_length(bytes, at) {
        return Some((at, at + length));
    }
    let digits = run(bytes, at, |byte| byte.is_ascii_digit());
    if digits == piece.len() {
        let length = clock_length(bytes, at).or_else(|| address_length(bytes, at)).unwrap_or(digits);
        return Some((at, at + length));
    }
    if piece.len() > 2 && piece.starts_with(b"0x") && piece.iter().skip(2).all(u8::is_ascii_hexdigit) {
        return Some((at + 2, end));
    }
    if !piece.iter().any(u8::is_ascii_digit) {
        return (is_hex && piece.len() >= 8).then_some((at, end));
    }
    if is_hex && piece.len() >= 6 {
        return Some((at, end));
    }
    let letters = run(bytes, at, |byte| byte.is_ascii_alphabetic());
    let digits_behind = run(bytes, at + letters, |byte| byte.is_ascii_digit());
    if letters > 0 && letters + digits_behind == piece.len() {
        return Some((at + letters, end));
    }
    let letters_behind = run(bytes, at + digits, |byte| byte.is_ascii_alphabetic());
    if digits > 0 && digits + letters_behind == piece.len() {
        return Some((at, at + digits));
    }
    Some((at, end))
}

/// 8-4-4-4-12 hex digits.
fn uuid_length(bytes: &[u8], at: usize) -> Option<usize> {
    let candidate = bytes.get(at..at + 36)?;
    let is_it = candidate.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    let goes_on = bytes.get(at + 36).is_some_and(u8::is_ascii_alphanumeric);
    (is_it && !goes_on).then_some(36)
}

/// `15:37:56`.
fn clock_length(bytes: &[u8], at: usize) -> Option<usize> {
    let candidate = bytes.get(at..at + 8)?;
    let is_it = candidate.iter().enumerate().all(|(index, byte)| match index {
        2 | 5 => *byte == b':',
        _ => byte.is_ascii_digit(),
    });
    let goes_on = bytes.get(at + 8).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b':');
    (is_it && !goes_on).then_some(8)
}

/// `10.251.73.220`.
fn address_length(bytes: &[u8], at: usize) -> Option<usize> {
    let mut length = run(bytes, at, |byte| byte.is_ascii_digit() || byte == b'.');
    // A full stop behind the address is not the address's.
    length -= usize::from(bytes.get(at + length - 1) == Some(&b'.'));
    let candidate = bytes.get(at..at + length)?;
    let parts = candidate.split(|&byte| byte == b'.');
    let are_parts = parts.clone().all(|part| matches!(part.len(), 1..=3));
    let goes_on = bytes.get(at + length).is_some_and(u8::is_ascii_alphanumeric);
    (parts.count() == 4 && are_parts && !goes_on).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        let (mut shape, mut values) = (Vec::new(), Vec::new());
        cut(text, &mut shape, &mut values);
        let mut values = values.into_iter();
        let shown: String = shape
            .split(|&byte| byte == VALUE)
            .map(|literal| String::from_utf8_lossy(literal).into_owned())
            .reduce(|shown, literal| format!("{shown}<{}>{literal}", values.next().unwrap()))
            .unwrap();
        assert_eq!(shown, expected, "{text}");
        assert_eq!(values.next(), None);
    }

    #[test]
    fn what_packs_well_is_a_value() {
        check("order 17 took 30ms", "order <17> took <30>ms");
        check("from 10.0.0.1:22 at 15:37:56,547", "from <10.0.0.1>:<22> at <15:37:56>,<547>");
        check("v1.2.3 is 1.2.3.4.5", "v<1>.<2>.<3> is <1>.<2.3.4.5>");
        check("lost 10.0.0.1.", "lost <10.0.0.1>.");
        check("blk_-3886504906 of 0x1fA", "blk_-<3886504906> of 0x<1fA>");
        check("id b9000564-fe1a-409b-b8cc-1e88b294cd1d.", "id <b9000564-fe1a-409b-b8cc-1e88b294cd1d>.");
        check("deadbeef req42 a1b2c3 k8s9x feed", "<deadbeef> req<42> <a1b2c3> <k8s9x> feed");
        check("größe 5 überschritten", "größe <5> überschritten");
        check("", "");
    }

    #[test]
    fn what_lies_behind_the_last_value_is_a_value() {
        let (mut shape, mut values) = (Vec::new(), Vec::new());
        let text = "1 ".repeat(500);
        cut(&text, &mut shape, &mut values);
        assert_eq!((values.len(), shape.len()), (VALUES_MAX, 2 * VALUES_MAX - 1));
        assert_eq!(values.last().map(|tail| tail.len()), Some(1_000 - 2 * (VALUES_MAX - 1)));
    }

    proptest! {
        #[test]
        fn shape_and_values_give_the_text_back(text in ".{0,60}|([a-f0-9]{1,9}[-:. x]){0,40}") {
            let (mut shape, mut values) = (Vec::new(), Vec::new());
            cut(&text, &mut shape, &mut values);
            let mut values = values.into_iter();
            let mut back = Vec::new();
            for byte in shape {
                match byte {
                    VALUE => back.extend_from_slice(values.next().unwrap().as_bytes()),
                    byte => back.push(byte),
                }
            }
            prop_assert_eq!(String::from_utf8(back).unwrap(), text.as_str());
            prop_assert_eq!(values.next(), None);
        }
    }
}
