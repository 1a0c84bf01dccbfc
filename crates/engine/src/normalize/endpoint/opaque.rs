//! Telling identifiers from words by their letters: integers, hexadecimal, UUIDs, random text, dates, e-mails.

/// A number as a segment: `123`, `-1`, `1,2,3`.
pub(super) fn is_integer(text: &str) -> bool {
    let is_list = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'-' | b'+'));
    is_list && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Hexadecimal of eight digits or more, one of them decimal (`deadbeef` may be a word), also after `0x`.
pub(super) fn is_hex(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.len() >= 8
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits.bytes().any(|byte| byte.is_ascii_digit())
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let mut groups = text.split('-');
    let are_groups = [8, 4, 4, 4, 12].into_iter().all(|size| {
        groups.next().is_some_and(|group| group.len() == size && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    are_groups && groups.next().is_none()
}

/// A word without separators that no person chose: hexadecimal, or sixteen letters and more with digits among them.
/// A long word with a digit or two (`OAuth2AuthorizationCallback`) is still a word.
pub(super) fn is_opaque_word(text: &str) -> bool {
    if is_hex(text) {
        return true;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() >= 16
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && digits > 0
        && (digits >= 3 || is_random(text))
}

/// A short word whose letters change their kind as often as random ones do: `BxK3p9aQ`, of a bundler's hash.
pub(super) fn is_short_hash(text: &str) -> bool {
    let has = |is_kind: fn(&u8) -> bool| text.bytes().any(|byte| is_kind(&byte));
    is_opaque_word(text)
        || (text.len() >= 8
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_lowercase)
            && is_random(text))
}

/// A token of sixteen letters and more from the alphabets of base64, with digits, that changes as random text does.
pub(super) fn is_token(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'=' | b'.' | b'~');
    text.len() >= 16
        && text.bytes().all(is_letter)
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
        && is_random(text)
}

/// Whether the kind of letter (lower, upper, digit) changes at a third of the places or more. Random base62 changes at
/// 62 %, words in camel case at about 20 %. Separators are passed over.
fn is_random(text: &str) -> bool {
    let kinds = text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| match byte {
        b'0'..=b'9' => 0_u8,
        b'A'..=b'Z' => 1,
        _ => 2,
    });
    let changes = kinds.clone().zip(kinds.clone().skip(1)).filter(|(left, right)| left != right).count();
    changes * 100 >= kinds.count() * 35
}

/// Bytes of the date with which a text begins: `2024-05-03`, `2024-05-03T10:11:12.345Z`, `2024-05`; 0 if none.
pub(super) fn date_size(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_at = |at: usize, mask: &[u8]| {
        mask.iter().enumerate().all(|(index, kind)| match bytes.get(at + index) {
            Some(byte) if *kind == b'0' => byte.is_ascii_digit(),
            Some(byte) => byte == kind,
            None => false,
        })
    };
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_year = text.starts_with("19") || text.starts_with("20");
    let is_month = matches!(bytes.get(5..7), Some([b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2']));
    if !is_year || !is_month {
        return 0;
    }
    if is_at(0, b"0000-00-00") && !is_digit(10) {
        // A time of day behind it, with or without colons, belongs to the date.
        let is_time = matches!(bytes.get(10), Some(b'T' | b't')) && is_digit(11);
        let time = bytes
            .get(11..)
            .unwrap_or_default()
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || matches!(**byte, b':' | b'.' | b'+' | b'-' | b'Z' | b'z'));
        return if is_time { 11 + time.count() } else { 10 };
    }
    if is_at(0, b"0000-00") && bytes.len() == 7 { 7 } else { 0 }
}

/// `name@host.tld`, the sign perhaps encoded. `@handle` is none.
pub(super) fn is_email(text: &str) -> bool {
    let (name, host) = match text.split_once("%40").or_else(|| text.split_once('@')) {
        Some((name, host)) if !host.contains('@') => (name, host),
        _ => return false,
    };
    let is_letter =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'%') || byte >= 0x80;
    let is_host = host.rsplit_once('.').is_some_and(|(label, top)| {
        !label.is_empty() && top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    !name.is_empty() && name.bytes().all(is_letter) && host.bytes().all(is_letter) && is_host
}
