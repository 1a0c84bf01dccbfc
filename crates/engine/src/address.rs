//! The two names that address a stream of records: the domain (whose it is) and the component (which part of it).
//!
//! Both become part of an object's name, of cache keys and of database rows, joined by `|`. Therefore neither may hold
//! that character, and both are checked once, here, and travel as types afterwards. What this leaves out: deciding
//! *which* domain a caller may write to (`src/edge/auth.rs`), and shards.

use crate::limits::COMPONENT_BYTES_MAX;
use std::fmt;

/// Bytes of a domain name (RFC 1035: 253 visible characters).
pub const DOMAIN_BYTES_MAX: usize = 253;
/// Bytes of one label of a domain name (RFC 1035).
const LABEL_BYTES_MAX: usize = 63;

/// A tenant: a host name in lower case, at most [`DOMAIN_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// The domain that `text` names, lower-cased; `None` if it is not a host name (letters, digits and inner hyphens
    /// in labels of 1 to 63 bytes, joined by single dots, 253 bytes at most).
    pub fn parse(text: &str) -> Option<Self> {
        let long_enough = !text.is_empty() && text.len() <= DOMAIN_BYTES_MAX;
        (long_enough && text.split('.').all(is_label)).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The domain to which a request for this host belongs when nothing better is known: the last two labels, an
    /// IPv4 address as a whole. A port is ignored.
    pub fn of_host(host: &str) -> Option<Self> {
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        let whole = Self::parse(name)?;
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return Some(whole);
        }
        let start = whole.0.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
        whole.0.get(start..).map(|tail| Self(tail.to_owned()))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A component's name: 1 to [`COMPONENT_BYTES_MAX`] bytes without control characters, `|`, or space at either end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentName(String);

impl ComponentName {
    /// The component that `text` names; `None` if it breaks the rules above. Case is kept.
    pub fn parse(text: &str) -> Option<Self> {
        let sized = !text.is_empty() && text.len() <= COMPONENT_BYTES_MAX;
        let clean = !text.chars().any(|c| c.is_control() || c == '|') && text.trim() == text;
        (sized && clean).then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    !label.is_empty() && label.len() <= LABEL_BYTES_MAX && plain && !label.starts_with('-') && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_domains_in_lower_case() {
        for (text, expected) in [
            ("Example.COM", Some("example.com")),
            ("a-b.example", Some("a-b.example")),
            ("localhost", Some("localhost")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("", None),
            (".example.com", None),
            ("example.com.", None),
            ("a..b", None),
            ("-a.com", None),
            ("a-.com", None),
            ("a|b.com", None),
            ("a_b.com", None),
            ("a b", None),
            ("ex\u{e4}mple.com", None),
            ("example.com:80", None),
            ("*", None),
        ] {
            assert_eq!(Domain::parse(text).as_ref().map(Domain::as_str), expected, "{text}");
        }
    }

    #[test]
    fn lengths_are_those_of_dns() {
        let label = "a".repeat(63);
        assert!(Domain::parse(&label).is_some());
        assert!(Domain::parse(&format!("{label}a")).is_none());
        let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(longest.len(), DOMAIN_BYTES_MAX);
        assert!(Domain::parse(&longest).is_some());
        assert!(Domain::parse(&format!("{longest}b")).is_none());
    }

    #[test]
    fn a_host_belongs_to_its_last_two_labels_and_an_address_to_itself() {
        for (host, expected) in [
            ("logger.example.com", Some("example.com")),
            ("a.b.c.Example.com:8787", Some("example.com")),
            ("example.com", Some("example.com")),
            ("localhost:8787", Some("localhost")),
            ("192.168.1.20:80", Some("192.168.1.20")),
            ("[::1]:80", None),
            ("", None),
        ] {
            assert_eq!(Domain::of_host(host).map(|domain| domain.to_string()).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn component_names_cannot_break_out_of_an_object_name() {
        for text in ["checkout", "Auth Service", "auth-service/v2", "\u{e9}t\u{e9}", &"x".repeat(COMPONENT_BYTES_MAX)] {
            assert_eq!(ComponentName::parse(text).map(|name| name.to_string()).as_deref(), Some(text));
        }
        for text in ["", " a", "a ", "a|b", "a\nb", "a\u{0}", "a\u{9b}b", &"x".repeat(COMPONENT_BYTES_MAX + 1)] {
            assert_eq!(ComponentName::parse(text), None, "{text:?}");
        }
        assert_eq!(ComponentName::parse("cart").unwrap().as_str(), "cart");
    }
}
