//! The functional component of a record where none is given: told by the stack, the endpoint, or the message.
//!
//! This is a field for people to filter by. Where a record is stored is decided by its credential, elsewhere.

use super::vocabulary::Meaning;
use super::words::Words;
use crate::limits::COMPONENT_BYTES_MAX;
use crate::record::Frame;

/// What a record whose component cannot be told gets.
pub const UNKNOWN: &str = "unknown";

/// The derived component, if anything tells one.
pub(crate) fn derive(frames: &[Frame], endpoint: Option<&str>, words: &Words, message: &str) -> Option<String> {
    let found = of_frames(frames)
        .or_else(|| of_endpoint(endpoint?))
        .or_else(|| if words.meaning.has(Meaning::ROLE) { of_message(message) } else { None })?;
    (found.len() <= COMPONENT_BYTES_MAX).then(|| found.to_string())
}

/// The class or module of the first frame that names one; the application's own frames are asked first.
fn of_frames(frames: &[Frame]) -> Option<&str> {
    let own = frames.iter().filter(|frame| frame.in_app);
    let others = frames.iter().filter(|frame| !frame.in_app);
    own.chain(others).find_map(|frame| frame.function.as_deref().and_then(of_function))
}

/// `Cart.add` and `com.shop.Cart.add` are of `Cart`, `shop::cart::add` is of `cart`, `new Cart` is of `Cart`.
fn of_function(function: &str) -> Option<&str> {
    let bare = function.trim();
    let bare = bare.strip_prefix("async ").unwrap_or(bare);
    if let Some(class) = bare.strip_prefix("new ") {
        return Some(class).filter(|class| is_name(class));
    }
    let bare = bare.split(['(', ' ', '<', '[']).next()?.trim_end_matches([':', '.', '#']);
    let separator =
        if bare.contains("::") { "::" } else { bare.rfind(['.', '#', '\\']).and_then(|at| bare.get(at..=at))? };
    let (scope, _) = bare.rsplit_once(separator)?;
    let class = scope.rsplit([':', '.', '\\', '/', '#', '$']).find(|part| is_name(part))?;
    (!matches!(
        class,
        "Object" | "Module" | "Function" | "Array" | "Promise" | "globalThis" | "window" | "main" | "std" | "core"
    ))
    .then_some(class)
}

fn is_name(text: &str) -> bool {
    text.len() >= 2
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The first segment that says more than `api`, a version, or a placeholder.
fn of_endpoint(endpoint: &str) -> Option<&str> {
    endpoint.split('/').find(|segment| {
        let is_version = segment.strip_prefix(['v', 'V']).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        let is_prefix = ["api", "rest", "internal", "public"].iter().any(|prefix| segment.eq_ignore_ascii_case(prefix));
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !is_version
            && !is_prefix
            && segment.starts_with(|first: char| first.is_ascii_alphabetic())
            && segment.bytes().all(plain)
    })
}

/// The name that carries a role: `PaymentService`, `payment-service`, or the word before `service`.
fn of_message(message: &str) -> Option<&str> {
    let head = message.get(..message.floor_char_boundary(super::words::WORDS_BYTES_MAX))?;
    let is_edge = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let mut before = "";
    for token in head.split_whitespace() {
        let bare = token.trim_matches(is_edge);
        if let Some(name) = role_suffix(bare) {
            if !name.is_empty() {
                return Some(bare);
            }
            if is_component_word(before) {
                return Some(before);
            }
        }
        before = if bare.len() == token.len() { bare } else { "" };
    }
    None
}

/// What stands before `Service`, `Handler` and their like at the end of `token`; `None` if there is no such end.
fn role_suffix(token: &str) -> Option<&str> {
    if token.is_empty() || token.len() > COMPONENT_BYTES_MAX || token.contains(|c: char| !c.is_ascii()) {
        return None;
    }
    ["service", "handler", "processor", "manager", "controller"].iter().find_map(|role| {
        let at = token.len().checked_sub(role.len())?;
        let (name, end) = (token.get(..at)?, token.get(at..)?);
        let starts_a_word =
            end.starts_with(|first: char| first.is_ascii_uppercase()) || name.is_empty() || name.ends_with(['-', '_']);
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (end.eq_ignore_ascii_case(role) && starts_a_word && is_name).then_some(name)
    })
}

/// Whether the word before a lone `service` can be its name. Articles, verbs and numbers cannot.
fn is_component_word(word: &str) -> bool {
    const NOT_NAMES: [&str; 52] = [
        "a",
        "an",
        "the",
        "this",
        "that",
        "our",
        "your",
        "my",
        "its",
        "their",
        "each",
        "every",
        "any",
        "some",
        "no",
        "all",
        "one",
        "of",
        "in",
        "on",
        "to",
        "for",
        "from",
        "by",
        "with",
        "and",
        "or",
        "is",
        "new",
        "old",
        "unknown",
        "missing",
        "other",
        "start",
        "starting",
        "started",
        "stop",
        "stopping",
        "stopped",
        "restart",
        "restarting",
        "restarted",
        "call",
        "calling",
        "register",
        "registering",
        "registered",
        "load",
        "loading",
        "invoke",
        "invoking",
        "via",
    ];
    word.len() >= 3 && is_name(word) && !NOT_NAMES.iter().any(|other| word.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_name_their_class_or_module() {
        for (function, expected) in [
            ("Cart.add", Some("Cart")),
            ("new Cart", Some("Cart")),
            ("async Cart.add", Some("Cart")),
            ("com.shop.OrderService.place", Some("OrderService")),
            ("shop::orders::place", Some("orders")),
            ("App\\Order::place", Some("Order")),
            ("Order#place", Some("Order")),
            ("<shop::Cart as Add>::add", None),
            ("Object.<anonymous>", None),
            ("Cart.add [as push]", Some("Cart")),
            ("main", None),
            ("add", None),
            ("", None),
            ("new <anonymous>", None),
        ] {
            assert_eq!(of_function(function), expected, "{function}");
        }
    }

    #[test]
    fn own_frames_are_asked_first() {
        let frame = |function: &str, in_app| Frame { function: Some(function.into()), in_app, ..Frame::default() };
        assert_eq!(of_frames(&[frame("Router.handle", false), frame("Cart.add", true)]), Some("Cart"));
        assert_eq!(of_frames(&[frame("add", true), frame("Router.handle", false)]), Some("Router"));
        assert_eq!(of_frames(&[Frame::default()]), None);
    }

    #[test]
    fn endpoints_name_their_first_own_segment() {
        for (endpoint, expected) in [
            ("/api/v1/users/{id}", Some("users")),
            ("/users", Some("users")),
            ("/{id}/orders", Some("orders")),
            ("/api", None),
            ("/", None),
            ("/v", None),
            ("/villas/2", Some("villas")),
        ] {
            assert_eq!(of_endpoint(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn messages_name_what_carries_a_role() {
        for (message, expected) in [
            ("PaymentService failed", Some("PaymentService")),
            ("in payment-service: x", Some("payment-service")),
            ("order_handler stopped", Some("order_handler")),
            ("the billing service is slow", Some("billing")),
            ("503 Service Unavailable", None),
            ("starting service", None),
            ("a service of ours", None),
            ("done: service up", None),
            ("disservice done", None),
            ("microservice started", None),
            ("naïveService up", None),
        ] {
            assert_eq!(of_message(message), expected, "{message}");
        }
    }

    #[test]
    fn the_order_is_stack_endpoint_message() {
        let frames = [Frame { function: Some("Cart.add".into()), in_app: true, ..Frame::default() }];
        let words = Words::of("PaymentService failed", false);
        let message = "PaymentService failed";
        assert_eq!(derive(&frames, Some("/users"), &words, message).as_deref(), Some("Cart"));
        assert_eq!(derive(&[], Some("/users"), &words, message).as_deref(), Some("users"));
        assert_eq!(derive(&[], Some("/api"), &words, message).as_deref(), Some("PaymentService"));
        assert_eq!(derive(&[], None, &Words::default(), ""), None);
        let long = format!("/{}", "x".repeat(200));
        assert_eq!(derive(&[], Some(&long), &Words::default(), ""), None);
    }
}
