//! Endpoints as templates: `/users/123?tab=2` is `/users/{id}`, so that one endpoint is one series.
//!
//! What varies from call to call is replaced by its kind (`{id}`, `{date}`, `{email}`, `{hash}`); what a router calls
//! a parameter (`:id`, `<int:id>`, `[id]`) is written the same way. The rules look at the form of a segment only;
//! names, versions and words stay, and so does percent-encoding.
//!
//! Invariants: `template(template(x)) == template(x)`: a segment that holds a `{name}` is finished and left alone.
//! At most `TEMPLATE_BYTES_MAX` bytes and `SEGMENTS_MAX` segments; total on any text; linear time in at most
//! `INPUT_BYTES_MAX` bytes.
//!
//! Left out: guesses that need other paths for comparison (`/users/alice`); these are the miner's business.

mod opaque;
mod segment;

use segment::template_segment;
use std::borrow::Cow;

/// Bytes of a template. Longer ones end in `/...`.
pub const TEMPLATE_BYTES_MAX: usize = 200;
/// Segments of a template; what lies deeper is `/...`.
pub const SEGMENTS_MAX: usize = 12;
/// Segments that most paths have at most.
const SEGMENTS_USUAL: usize = 6;
/// Bytes of a path or message that are looked at.
const INPUT_BYTES_MAX: usize = 2 * 1024;
/// Stands for what was left out at the end.
const REST: &str = "...";
/// Verbs of HTTP. Lower-case ones are words of English and are not taken for verbs.
const VERBS: [&str; 9] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT"];

/// The template of a path or URL. A name without a slash (`getUser`) is a template already; text with blanks, other
/// than a request line (`GET /users/1 HTTP/1.1`), is none.
pub fn template(path_or_url: &str) -> Option<String> {
    let text = beginning(path_or_url, INPUT_BYTES_MAX).trim();
    let target = request_target(text)?;
    let path = without_origin(target);
    let is_path = path.contains('/');
    let path = without_query(path);
    let mut segments = Vec::with_capacity(SEGMENTS_USUAL);
    let mut before = "";
    for raw in path.split('/').filter(|segment| !segment.is_empty() && *segment != ".") {
        if segments.len() == SEGMENTS_MAX {
            segments.push(Cow::Borrowed(REST));
            break;
        }
        segments.push(template_segment(raw, before));
        before = raw;
    }
    segments.retain(|segment| !matches!(segment.as_ref(), "" | "."));
    if is_path {
        return Some(joined(&segments));
    }
    segments.pop().filter(|name| name.len() <= TEMPLATE_BYTES_MAX).map(Cow::into_owned)
}

/// The template of the path that a message names: behind a verb (`GET /users/1 HTTP/1.1`), else behind one of the
/// words endpoint, route and path (`path=/users/1`, `endpoint: "/users/1"`).
pub fn from_message(message: &str) -> Option<String> {
    let text = beginning(message, INPUT_BYTES_MAX);
    // Whatever stands before it, a path or URL has one.
    if !text.as_bytes().contains(&b'/') {
        return None;
    }
    let mut behind_name = None;
    for (at, word) in words(text) {
        if let Some((_, rest)) = verb_of(text, at, word)
            && let Some(target) = target_at(rest)
        {
            return template(target);
        }
        if behind_name.is_none() {
            behind_name = behind(text, at, word, &["endpoint", "route", "path"]).and_then(path_at);
        }
    }
    behind_name.and_then(template)
}

/// The verb of the request that a message names: before a path or URL, or behind the word method.
pub fn method_from_message(message: &str) -> Option<&'static str> {
    let text = beginning(message, INPUT_BYTES_MAX);
    let mut verbs = words(text).filter_map(|(at, word)| verb_of(text, at, word));
    let before_path = verbs.find(|(_, rest)| target_at(rest).is_some()).map(|(verb, _)| verb);
    let mut named = words(text).filter_map(|(at, word)| behind(text, at, word, &["method"]));
    before_path.or_else(|| named.find_map(|rest| verb_at(rest).map(|(verb, _)| verb)))
}

/// The longest beginning of at most `bytes_max` bytes that ends on a character boundary.
fn beginning(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The middle of a request line, or the text itself if it has no blanks.
fn request_target(text: &str) -> Option<&str> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(text);
    }
    let rest = match text.split_once(char::is_whitespace) {
        Some((verb, rest)) if VERBS.contains(&verb) => rest.trim_start(),
        _ => text,
    };
    let is_blank = |letter: char| letter.is_whitespace() || letter.is_control();
    let (target, version) = rest.split_once(is_blank).unwrap_or((rest, ""));
    let is_alone = version.is_empty() || version.starts_with("HTTP/");
    (!target.is_empty() && is_alone && !target.contains(is_blank)).then_some(target)
}

/// The path of a URL; a host without a scheme is told by its form (`api.example.com/users`, `localhost:3000/users`).
fn without_origin(target: &str) -> &str {
    // Neither a scheme nor a host begins like this.
    if target.starts_with('/') {
        return target;
    }
    let behind_host = |rest: &str| rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if let Some((scheme, rest)) = target.split_once("://")
        && is_scheme(scheme)
    {
        return match rest.get(behind_host(rest)..) {
            Some(path) if path.starts_with('/') => path,
            _ => "/",
        };
    }
    let first = target.get(..behind_host(target)).unwrap_or_default();
    match target.get(first.len()..) {
        Some(path) if path.starts_with('/') && is_host(first) => path,
        _ => target,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Lower-case labels with a dot or a port. `shop.v1.Cart`, the service of a remote call, has capitals.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let is_port = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let are_labels =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.');
    let last = name.rsplit('.').next().unwrap_or_default();
    let ends_as_host = name.contains('.') && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_lowercase());
    !name.is_empty() && is_port && are_labels && (ends_as_host || name == "localhost" || port.is_some())
}

/// The path up to its query or fragment. A question mark inside brackets, or behind a router's parameter
/// (`/users/:id?/posts`), belongs to the path.
fn without_query(path: &str) -> &str {
    if !path.bytes().any(|byte| matches!(byte, b'?' | b'#')) {
        return path;
    }
    let mut depth = 0_usize;
    let mut is_parameter = false;
    let mut before = '/';
    for (at, letter) in path.char_indices() {
        match letter {
            '/' => (depth, is_parameter) = (0, false),
            ':' if before == '/' => is_parameter = true,
            '{' | '[' | '<' | '(' => depth += 1,
            '}' | ']' | '>' | ')' => depth = depth.saturating_sub(1),
            // A bracket that is never closed holds nothing back.
            '?' if depth > 0 && is_closed(path.get(at + 1..).unwrap_or_default()) => {}
            '?' if is_parameter && path.get(at + 1..).is_some_and(|rest| rest.starts_with('/')) => {}
            '?' | '#' => return path.get(..at).unwrap_or_default(),
            _ => {}
        }
        before = letter;
    }
    path
}

/// Whether a bracket is closed before the segment ends.
fn is_closed(rest: &str) -> bool {
    rest.split('/').next().is_some_and(|segment| segment.contains(['}', ']', '>', ')']))
}

/// Segments with slashes before them, as many as the limits allow.
fn joined(segments: &[Cow<'_, str>]) -> String {
    if segments.is_empty() {
        return "/".to_owned();
    }
    let size = |segment: &Cow<'_, str>| 1 + segment.len();
    let whole: usize = segments.iter().map(size).sum();
    let is_whole = whole <= TEMPLATE_BYTES_MAX;
    let mut template = String::with_capacity(whole.min(TEMPLATE_BYTES_MAX));
    for segment in segments {
        if !is_whole && template.len() + size(segment) + 1 + REST.len() > TEMPLATE_BYTES_MAX {
            break;
        }
        template.push('/');
        template.push_str(segment);
    }
    if !is_whole {
        template.push('/');
        template.push_str(REST);
    }
    template
}

/// The verb that `word`, which begins at `at`, is, and the text behind it.
fn verb_of<'a>(text: &'a str, at: usize, word: &str) -> Option<(&'static str, &'a str)> {
    if !matches!(word.as_bytes(), [b'G' | b'P' | b'D' | b'H' | b'O' | b'T' | b'C', ..]) {
        return None;
    }
    let verb = VERBS.into_iter().find(|verb| *verb == word)?;
    Some((verb, text.get(at + word.len()..)?))
}

/// The verb with which a text begins, perhaps in quotes, and the text behind it.
fn verb_at(text: &str) -> Option<(&'static str, &str)> {
    let text = text.trim_start_matches(['"', '\'', ' ']);
    VERBS.iter().find_map(|verb| {
        let rest = text.strip_prefix(verb)?;
        (!rest.starts_with(is_word_letter)).then_some((*verb, rest))
    })
}

/// The text behind `word`, which begins at `at`, and an optional `:` or `=`, if the word is one of `names`.
fn behind<'a>(text: &'a str, at: usize, word: &str, names: &[&str]) -> Option<&'a str> {
    if !names.iter().any(|name| name.eq_ignore_ascii_case(word)) {
        return None;
    }
    let rest = text.get(at + word.len()..)?;
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest).trim_start_matches(' ');
    Some(rest.strip_prefix([':', '=']).unwrap_or(rest).trim_start_matches(' '))
}

/// Words and where they begin, those that are asked for among them: of others it is enough to see that they begin like
/// none of these. A hyphen or underscore joins: `file_path` is one word and not a path.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let is_ascii = text.is_ascii();
    let bytes = text.as_bytes();
    std::iter::from_fn(move || {
        if is_ascii {
            while let Some(&byte) = bytes.get(at) {
                let start = at;
                at += 1;
                let kind = KINDS[byte as usize];
                if kind == 0 {
                    continue;
                }
                while bytes.get(at).is_some_and(|byte| KINDS[*byte as usize] != 0) {
                    at += 1;
                }
                if kind == BEGINS {
                    return Some((start, text.get(start..at)?));
                }
            }
            return None;
        }
        let rest = text.get(at..)?;
        let blank = rest.find(is_word_letter)?;
        let word = rest.get(blank..)?;
        let length = word.find(|letter| !is_word_letter(letter)).unwrap_or(word.len());
        let start = at + blank;
        at = start + length;
        Some((start, text.get(start..at)?))
    })
}

/// Part of a word.
const PART: u8 = 1;
/// The same, and the first letter of a verb, or of `endpoint`, `route`, `path` or `method`.
const BEGINS: u8 = 2;

/// What each ASCII byte is to a word, as [`is_word_letter`] says.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let letter = byte as u8;
        if letter.is_ascii_alphanumeric() || matches!(letter, b'_' | b'-') {
            kinds[byte] = PART;
        }
        if matches!(letter.to_ascii_lowercase(), b'e' | b'r' | b'p' | b'm') {
            kinds[byte] = BEGINS;
        }
        let mut verb = 0;
        while verb < VERBS.len() {
            if VERBS[verb].as_bytes()[0] == letter {
                kinds[byte] = BEGINS;
            }
            verb += 1;
        }
        byte += 1;
    }
    kinds
};

fn is_word_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '-'
}

/// A path or URL with which a text begins, after what may stand between it and a verb: `GET "/x"`, `[GET] /x`.
fn target_at(text: &str) -> Option<&str> {
    let text = text.trim_start_matches([' ', '"', '\'', ']', ')', ':', '`']);
    if text.starts_with("http://") || text.starts_with("https://") { Some(token(text)) } else { path_at(text) }
}

/// A path with which a text begins, in quotes or not.
fn path_at(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(['"', '\'', '`']);
    text.starts_with('/').then(|| token(text))
}

/// The text up to a blank or quote, without the punctuation of the sentence around it.
fn token(text: &str) -> &str {
    let is_end =
        |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '\'' | '`' | ',');
    let mut token = text.split(is_end).next().unwrap_or_default();
    if !token.ends_with(['.', ';', ':', '!', '\\', ')', ']', '}', '>']) {
        return token;
    }
    // How many closing brackets of each kind have no opening one in the token: only these are the sentence's.
    let pairs = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];
    let mut spare = pairs.map(|(open, close)| token.matches(close).count().saturating_sub(token.matches(open).count()));
    while let Some(last) = token.chars().next_back() {
        let bracket = pairs.iter().position(|(_, close)| *close == last).and_then(|pair| spare.get_mut(pair));
        match bracket {
            Some(spare) if *spare > 0 => *spare -= 1,
            None if matches!(last, '.' | ';' | ':' | '!' | '\\') => {}
            _ => break,
        }
        token = token.get(..token.len() - last.len_utf8()).unwrap_or_default();
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        assert_eq!(template(input).as_deref(), Some(expected), "{input}");
        assert_eq!(template(expected).as_deref(), Some(expected), "{expected} is not stable");
    }

    #[test]
    fn what_varies_is_replaced_by_its_kind() {
        check("/users/123", "/users/{id}");
        check("/users/-1/friends/1,2,3", "/users/{id}/friends/{id}");
        check("/orders/550e8400-e29b-41d4-a716-446655440000/items", "/orders/{id}/items");
        check("/commits/3f2a9c1b", "/commits/{id}");
        check("/tx/0x3f2a9c1b00", "/tx/{id}");
        check("/events/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/events/{id}");
        check("/c/cjld2cjxh0000qzrmn831i7rn", "/c/{id}");
        check("/customers/cus_9s6XKzkNRiz8i3", "/customers/{id}");
        check("/files/dGhpcyBpcyBhIHRlc3Q0MTI3Nw==", "/files/{id}");
        check("/reports/2024-05-03/2024-05", "/reports/{date}/{date}");
        check("/at/2024-05-03T10:11:12.345Z", "/at/{date}");
        check("/mail/bob.smith@example.com/bob%40example.com", "/mail/{email}/{email}");
        check("/orders/order-123456/lines", "/orders/order-{id}/lines");
        check("/projects/123:cancel", "/projects/{id}:cancel");
        check("/hosts/10.0.0.1", "/hosts/{id}");
        check(&format!("/q/{}", "word-".repeat(30)), "/q/{id}");
    }

    #[test]
    fn names_stay() {
        for path in [
            "/",
            "/users",
            "/api/v1/users",
            "/API/2.0/users",
            "/api/2/issue",
            "/v2.1/x/v1beta1",
            "/@handle/posts",
            "/oauth2/authorize",
            "/oauth2-authorization-callback",
            "/OAuth2AuthorizationCallback",
            "/deadbeef/facade",
            "/encodings/iso-8859-1",
            "/caf%C3%A9/%E4%BD%A0%E5%A5%BD",
            "/Users/Me",
            "/shop.v1.Cart/AddItem",
            "/a.b~c_d",
            "/*",
        ] {
            check(path, path);
        }
        check("getUser", "getUser");
    }

    #[test]
    fn files_keep_their_names_without_the_hash() {
        check("/static/app.3f2a9c1b.js", "/static/app.{hash}.js");
        check("/assets/index-BxK3p9aQ.css", "/assets/index-{hash}.css");
        check("/app.3f2a9c1b.js.map", "/app.{hash}.js.map");
        check("/a/550e8400-e29b-41d4-a716-446655440000.png", "/a/{id}.png");
        check("/users/123.json", "/users/{id}.json");
        check("/invoice-12345.pdf", "/invoice-{id}.pdf");
        check("/report-2024-05-03.csv", "/report-{date}.csv");
        check("/jquery-3.6.0.min.js", "/jquery-3.6.0.min.js");
        check("/index.html", "/index.html");
    }

    #[test]
    fn parameters_of_every_router_are_written_alike() {
        for path in [
            "/users/:id",
            "/users/{id}",
            "/users/<int:id>",
            "/users/<id>",
            "/users/[id]",
            "/users/{id:int?}",
            "/users/:id(\\d+)",
            "/users/{123}",
            "/users/:id?",
        ] {
            check(path, "/users/{id}");
        }
        check("/files/*path", "/files/{path}");
        check("/files/{*path}", "/files/{path}");
        check("/files/[[...path]]", "/files/{path}");
        check("/users/:userId?/posts?x=1", "/users/{userId}/posts");
        check("/a/{id}.json?b", "/a/{id}.json");
    }

    #[test]
    fn origin_query_fragment_and_spare_slashes_are_dropped() {
        check("https://user@api.example.com:8443/users/1/?a=b#c", "/users/{id}");
        check("https://example.com", "/");
        check("https://example.com?x=1", "/");
        check("/search(a?q=1/2", "/search(a");
        check("api.example.com/users/1", "/users/{id}");
        check("localhost:3000/users", "/users");
        check("users/1", "/users/{id}");
        check("//users///1//", "/users/{id}");
        check("/a;jsessionid=0A1B/b", "/a/b");
        check("GET /users/1 HTTP/1.1", "/users/{id}");
        check("/proxy/https://example.com/x", "/proxy/https:/example.com/x");
    }

    #[test]
    fn deep_and_long_paths_are_cut_at_a_segment() {
        check(&"/a".repeat(12), &"/a".repeat(12));
        check(&"/a".repeat(13), &format!("{}/...", "/a".repeat(12)));
        let long = format!("/{}", "word".repeat(20));
        check(&long.repeat(3), &format!("{}/...", long.repeat(2)));
    }

    #[test]
    fn sentences_are_no_endpoints() {
        for text in ["", "  ", "some words", "/users and more", "GET", "POST the letter"] {
            let expected = (text == "GET").then(|| "GET".to_owned());
            assert_eq!(template(text), expected, "{text}");
        }
    }

    fn check_message(message: &str, endpoint: Option<&str>, method: Option<&str>) {
        assert_eq!(from_message(message).as_deref(), endpoint, "{message}");
        assert_eq!(method_from_message(message), method, "{message}");
    }

    #[test]
    fn a_message_names_its_endpoint_behind_a_verb() {
        check_message("GET /users/1 HTTP/1.1", Some("/users/{id}"), Some("GET"));
        check_message("10.0.0.1 - - \"POST /users/1?x=2 HTTP/1.1\" 200", Some("/users/{id}"), Some("POST"));
        check_message("[DELETE] /users/7, took 5 ms", Some("/users/{id}"), Some("DELETE"));
        check_message("failed: PUT https://api.example.com/users/1.", Some("/users/{id}"), Some("PUT"));
        check_message("(PATCH /users/{id})", Some("/users/{id}"), Some("PATCH"));
        check_message("GET \"/a/1\"", Some("/a/{id}"), Some("GET"));
    }

    #[test]
    fn a_message_names_its_endpoint_behind_a_word() {
        check_message("slow endpoint=/users/1 took 5 s", Some("/users/{id}"), None);
        check_message("Route: /users/:id not found", Some("/users/{id}"), None);
        check_message("{\"method\":\"GET\",\"path\":\"/users/1\"}", Some("/users/{id}"), Some("GET"));
        check_message("method=HEAD path = '/a/1'", Some("/a/{id}"), Some("HEAD"));
    }

    #[test]
    fn other_words_and_other_slashes_name_nothing() {
        for message in [
            "get /users/1",
            "TARGET /users/1",
            "GET ready",
            "file_path=/var/log/x",
            "endpoint is down",
            "the path to /glory",
            "and/or /etc/passwd",
            "methods GET, POST",
            "",
        ] {
            check_message(message, None, None);
        }
        check_message(&format!("{}GET /users/1", "é".repeat(1024)), None, None);
    }
}
