//! Addresses: e-mail, and (if asked for) IP.
//!
//! An e-mail address is found from its `@`: outwards over the characters that addresses are made of, in any script, up
//! to a domain with a dot whose last label is made of letters. What else has an `@` in logs is told apart by its
//! domain: versions (`pkg@1.2.3-rc.1`), digests (`image@sha256:...`), image scales (`logo@2x.png`), systemd units
//! (`getty@tty1.service`); and `git@host`, the account every repository shares.
//!
//! Left out: an address without a dot in its domain, and knowing whether `deploy@web1.example.com` is a mailbox or a
//! login; both look the same, so both go.

use super::Found;
use super::view::{View, hex};
use crate::record::RedactionKind::{Email, Ip};

/// Bytes of a local part, in UTF-8: 64 characters of up to four.
const LOCAL_BYTES_MAX: usize = 256;
/// Last labels of names that are systemd units, none of them a top-level domain for mail.
const UNIT_SUFFIXES: [&[u8]; 10] =
    [b"service", b"socket", b"timer", b"mount", b"slice", b"target", b"scope", b"path", b"device", b"swap"];

/// The e-mail address around the `@` at `at`.
pub(super) fn email(view: &View<'_>, at: usize) -> Option<Found> {
    let start = local_start(view, at);
    let local = view.slice(start, at);
    if local.is_empty() || local == b"git" {
        return None;
    }
    let end = domain_end(view, at + 1)?;
    Some(Found { start, end, kind: Email })
}

/// Where the local part that ends at `at` begins; `at` itself if there is none.
fn local_start(view: &View<'_>, at: usize) -> usize {
    let from = at.saturating_sub(LOCAL_BYTES_MAX);
    if view.before(at) == b'"' {
        let quoted = view.slice(from, at - 1);
        let opening = quoted.iter().rposition(|&byte| matches!(byte, b'"' | b'\n' | b'@'));
        view.spend(quoted.len());
        return opening.filter(|&index| quoted.get(index) == Some(&b'"')).map_or(at, |index| from + index);
    }
    let mut start = at;
    while start > from && is_local(view.before(start)) {
        start -= 1;
    }
    view.spend(at - start);
    // Punctuation and blanks of other scripts are above 127 too; the local part begins behind the last of them.
    start = behind_foreign_punctuation(view, start, at);
    // Behind an escape: `%3Dalice@`, `\nalice@`.
    if view.before(start) == b'%'
        && hex(view.at(start)).is_some()
        && hex(view.at(start + 1)).is_some()
        && start + 2 < at
    {
        start += 2;
    } else if view.before(start) == b'\\' && matches!(view.at(start), b'n' | b'r' | b't') && start + 1 < at {
        start += 1;
    }
    while start < at && matches!(view.at(start), b'.' | b'-' | b'\'' | b'*' | b'/') {
        start += 1;
    }
    start
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte >= 0x80
        || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'\'' | b'!' | b'#' | b'$' | b'~')
}

fn behind_foreign_punctuation(view: &View<'_>, start: usize, end: usize) -> usize {
    let text = view.slice(start, end);
    if text.is_ascii() {
        return start;
    }
    // Cut-off characters at the front are no part of an address either.
    let broken = text.iter().take_while(|&&byte| byte & 0xC0 == 0x80).count();
    let Ok(text) = std::str::from_utf8(text.get(broken..).unwrap_or_default()) else { return start + broken };
    let is_punctuation = |character: char| matches!(character, '\u{80}'..='\u{bf}' | '\u{2000}'..='\u{2bff}' | '\u{3000}'..='\u{303f}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff0f}' | '\u{ff1a}'..='\u{ff20}' | '\u{fff0}'..='\u{ffff}');
    let skipped = text.char_indices().rfind(|(_, character)| is_punctuation(*character));
    start + broken + skipped.map_or(0, |(index, character)| index + character.len_utf8())
}

/// End of the domain that begins at `start`, if it is one.
fn domain_end(view: &View<'_>, start: usize) -> Option<usize> {
    let run_end =
        view.run_end(start, |byte| byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'.' | b'-'));
    let domain = view.slice(start, run_end);
    if is_version(domain) || is_scale(domain) || matches!(domain.first(), None | Some(b'.' | b'-')) {
        return None;
    }
    // The longest beginning whose last label is a top-level domain; sentences go on behind their full stop.
    let mut best = None;
    let mut label_start = 0;
    while let Some(dot) = domain.get(label_start..).and_then(|rest| rest.iter().position(|&byte| byte == b'.')) {
        if dot == 0 {
            break;
        }
        label_start += dot + 1;
        let rest = domain.get(label_start..).unwrap_or_default();
        let label = rest.split(|&byte| byte == b'.').next().unwrap_or_default();
        let letters = letters_len(label);
        let is_top = letters >= 2 && matches!(label.get(letters), None | Some(b'-' | 0x80..));
        if is_top && !(UNIT_SUFFIXES.contains(&label) && label.len() == rest.len()) {
            best = Some(start + label_start + letters);
        }
    }
    view.spend(domain.len());
    best
}

/// Length of the letters that `label` begins with; punycode counts as letters.
fn letters_len(label: &[u8]) -> usize {
    if label.starts_with(b"xn--") {
        return label.len();
    }
    let letters = label.iter().take_while(|&&byte| byte.is_ascii_alphabetic() || byte >= 0x80).count();
    // Punctuation of other scripts ends the label.
    match std::str::from_utf8(label.get(..letters).unwrap_or_default()) {
        Ok(text) => text.char_indices().find(|(_, letter)| !letter.is_alphabetic()).map_or(letters, |(at, _)| at),
        Err(error) => error.valid_up_to(),
    }
}

/// `1.2.3`, `v1.2`: a version, whatever follows.
fn is_version(domain: &[u8]) -> bool {
    let numbers = domain.strip_prefix(b"v").unwrap_or(domain);
    let digits = numbers.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0
        && numbers.get(digits) == Some(&b'.')
        && numbers.get(digits + 1).is_some_and(|byte| byte.is_ascii_digit())
}

/// `2x.png`, `3x~ipad.png`: the scale of an image.
fn is_scale(domain: &[u8]) -> bool {
    matches!(domain, [b'1'..=b'9', b'x', b'.', ..])
}

/// All IP addresses in `view`.
pub(super) fn ips(view: &View<'_>, found: &mut Vec<Found>) {
    let mut index = 0;
    while index < view.len() {
        let start = index;
        let is_part = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
        let end = view.run_end(start, is_part);
        if end == start {
            index += 1;
            // The rest of a word is no address.
            if is_word(view.at(start)) {
                index = view.run_end(start, |byte| is_word(byte) || byte == b'.');
            }
            continue;
        }
        if !is_word(view.before(start)) {
            found.extend(ip(view, start, end));
        }
        index = end;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The address in the run of hex digits, dots and colons from `start` to `end`.
fn ip(view: &View<'_>, start: usize, end: usize) -> Option<Found> {
    let mut end = end;
    let whole = end;
    while end > start && (view.before(end) == b'.' || (view.before(end) == b':' && view.before(end - 1) != b':')) {
        end -= 1;
    }
    if end == whole && is_word(view.at(end)) {
        return None;
    }
    let run = view.slice(start, end.min(start + 64));
    let text = std::str::from_utf8(run).unwrap_or_default();
    let host = text
        .split_once(':')
        .filter(|(host, port)| host.contains('.') && !port.contains(':'))
        .map_or(text, |(host, _)| host);
    let is_v4 = host.parse::<std::net::Ipv4Addr>().is_ok();
    // `a::b` is an address and a path in C++ and Rust alike; addresses that people log hold a digit.
    let is_v6 = !is_v4 && text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<std::net::Ipv6Addr>().is_ok();
    let length = if is_v4 { host.len() } else { text.len() };
    (is_v4 || is_v6).then_some(Found { start, end: start + length, kind: Ip })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let view = View::plain(text.as_bytes());
        let at = text.find('@').expect("the text has an @");
        let found = email(&view, at).map(|found| text.get(found.start..found.end).unwrap_or("(split character)"));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn addresses_are_found_whole_and_without_their_surroundings() {
        check("mail to alice@example.com now", Some("alice@example.com"));
        check("<alice.b+tag@mail.example.co.uk>", Some("alice.b+tag@mail.example.co.uk"));
        check("alice@example.com.", Some("alice@example.com"));
        check("alice@example.com.2", Some("alice@example.com"));
        check("alice@example.com-2024", Some("alice@example.com"));
        check("to=alice@example.com,bob", Some("alice@example.com"));
        check("“alice@example.com”", Some("alice@example.com"));
        check("почта@пример.рф", Some("почта@пример.рф"));
        check("jürgen@example.xn--p1ai", Some("jürgen@example.xn--p1ai"));
        check("\"john doe\"@example.com", Some("\"john doe\"@example.com"));
        check("a%3Dalice@example.com", Some("alice@example.com"));
        check(r"x\nalice@example.com", Some("alice@example.com"));
        check("bob@163.com", Some("bob@163.com"));
    }

    #[test]
    fn other_uses_of_the_sign_stay() {
        for text in [
            "lodash@4.17.21",
            "@scope/pkg@1.2.3-rc.beta",
            "pkg@v1.2.3-alpha.rc",
            "image@sha256:0123",
            "logo@2x.png",
            "getty@tty1.service",
            "git@github.com:org/repo",
            "meet @ noon",
            "a@b",
            "a@b.c",
            "@app.route",
            "user@10.0.0.1",
            "x@",
            "@",
            "a@.com",
            "a@-b.com",
            "jquery@3.6.0.min.js",
            "foo@bar..com",
        ] {
            check(text, None);
        }
    }

    fn check_ips(text: &str, expected: &[&str]) {
        let view = View::plain(text.as_bytes());
        let mut found = Vec::new();
        ips(&view, &mut found);
        let found: Vec<&str> = found.iter().filter_map(|found| text.get(found.start..found.end)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn ip_addresses_of_both_versions_are_found() {
        check_ips("from 10.0.0.1:8080 to 192.168.1.20.", &["10.0.0.1", "192.168.1.20"]);
        check_ips("[2001:db8::1]:443 and fe80::1", &["2001:db8::1", "fe80::1"]);
        check_ips("::1", &["::1"]);
    }

    #[test]
    fn times_versions_and_paths_are_no_ip_addresses() {
        check_ips("12:30:45 v1.2.3.4 1.2.3 1.2.3.4.5 256.1.1.1 a::b abc::de std::fs 1.2.3.4x 00:1b:44:11:3a:b7", &[]);
    }
}
