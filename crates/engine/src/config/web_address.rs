//! The two kinds of web address in the configuration: where we send to ([`WebAddress`]) and who may call us from a
//! browser ([`OriginPattern`]).
//!
//! Both are taken apart and compared by part. Comparing text is how `http://localhost.evil.example` came to pass for
//! localhost. Left out: looking names up. A public name that resolves to a private address is not caught here.

use crate::address::Domain;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of an address at most; longer ones are mistakes.
const ADDRESS_BYTES_MAX: usize = 2048;

/// An `http` or `https` URL without credentials in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddress {
    text: String,
    https: bool,
    host: String,
    authority_end: usize,
}

impl WebAddress {
    /// The URL that `text` is: scheme, host, optional port, path and query. `None` for anything else, and for URLs
    /// with a user name or a fragment.
    pub fn parse(text: &str) -> Option<Self> {
        let plain =
            text.len() <= ADDRESS_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let (https, rest) = split_scheme(text)?;
        let authority = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
        let (host, _port) = split_port(authority)?;
        if !plain || rest.contains('#') || !is_host(host) {
            return None;
        }
        let authority_end = text.len() - rest.len() + authority.len();
        Some(Self { text: text.to_owned(), https, host: host.to_ascii_lowercase(), authority_end })
    }

    /// The URL as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is `https`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Scheme, host and port: what may be shown, since paths and queries of webhooks often carry a token.
    pub fn site(&self) -> &str {
        self.text.get(..self.authority_end).unwrap_or("")
    }

    /// Whether the host is certainly not on the public internet, or written so that one cannot tell.
    pub fn is_private(&self) -> bool {
        let host = self.host.as_str();
        let named = ["localhost", "local", "internal", "lan", "home.arpa"];
        let last = host.rsplit('.').next().unwrap_or(host);
        if host.starts_with('[') || named.iter().any(|name| host == *name || host.ends_with(&format!(".{name}"))) {
            return true;
        }
        match host.parse::<Ipv4Addr>() {
            Ok(address) => is_private_v4(address),
            // "2130706433" and "0x7f.1" are addresses to a browser, and single names belong to a local network.
            Err(_) => !host.contains('.') || last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit()),
        }
    }
}

/// An entry of ALLOWED_ORIGINS: an exact origin, one with `*.` in front of the host, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`: any origin.
    Any,
    /// `https://app.example.com`, port included if it was given.
    Exact(Origin),
    /// `https://*.example.com`: any host below that one, not the host itself.
    Below(Origin),
}

/// Scheme, host and port of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether the scheme is `https`; otherwise it is `http`.
    pub https: bool,
    /// The host in lower case.
    pub host: String,
    /// The port, the scheme's own if none was written.
    pub port: u16,
}

impl Origin {
    /// The origin that an `Origin` header names; `None` for `null`, other schemes, and anything with a path.
    pub fn parse(text: &str) -> Option<Self> {
        let (https, authority) = split_scheme(text)?;
        let (host, port) = split_port(authority)?;
        let default_port = if https { 443 } else { 80 };
        is_host(host).then(|| Self { https, host: host.to_ascii_lowercase(), port: port.unwrap_or(default_port) })
    }

    /// Whether this is the developer's own machine: `localhost`, a name below it, or a loopback address.
    pub fn is_loopback(&self) -> bool {
        let host = self.host.as_str();
        host == "localhost"
            || host.ends_with(".localhost")
            || host == "[::1]"
            || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
    }
}

impl OriginPattern {
    /// The pattern that `text` writes; `None` if it is none, for instance with a `*` anywhere but in front.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let Some((scheme, below)) = text.split_once("://*.") else { return Origin::parse(text).map(Self::Exact) };
        Origin::parse(&format!("{scheme}://{below}")).filter(|origin| origin.host.contains('.')).map(Self::Below)
    }

    /// Whether `origin` is meant.
    pub fn matches(&self, origin: &Origin) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(own) => own == origin,
            Self::Below(own) => {
                let below = origin.host.strip_suffix(own.host.as_str()).is_some_and(|rest| rest.ends_with('.'));
                below && own.https == origin.https && own.port == origin.port
            }
        }
    }
}

fn split_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.eq_ignore_ascii_case("https") {
        return Some((true, rest));
    }
    scheme.eq_ignore_ascii_case("http").then_some((false, rest))
}

/// Host (brackets of an IPv6 address kept) and port of an authority without user name.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let host_end = match authority.strip_prefix('[') {
        Some(_) => authority.find(']')? + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(host_end)?;
    if rest.is_empty() {
        return Some((host, None));
    }
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().map(|port| (host, Some(port)))
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => Domain::parse(host).is_some(),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let special =
        address.is_loopback() || address.is_link_local() || address.is_unspecified() || address.is_broadcast();
    address.is_private() || special || shared || first == 0 || first >= 224
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = WebAddress::parse("https://Hooks.example.com:8443/services/T0?x=1").unwrap();
        assert_eq!((url.is_https(), url.is_private()), (true, false));
        assert_eq!(url.site(), "https://Hooks.example.com:8443");
        assert_eq!(url.as_str(), "https://Hooks.example.com:8443/services/T0?x=1");
        assert_eq!(WebAddress::parse("HTTP://a.example").unwrap().site(), "HTTP://a.example");
    }

    #[test]
    fn what_is_no_plain_web_address_is_refused() {
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "https://",
            "https:///path",
            "https://user:pass@example.com/",
            "https://example.com\\@evil.example",
            "https://exa mple.com",
            "https://example.com/#top",
            "https://example.com:99999",
            "https://example.com:80x",
            "https://example.com:/\u{e9}",
            "https://[::1/",
            "https://[zz]/",
            "javascript:alert(1)",
            &format!("https://example.com/{}", "a".repeat(ADDRESS_BYTES_MAX)),
        ] {
            assert_eq!(WebAddress::parse(text), None, "{text}");
        }
    }

    #[test]
    fn private_hosts_are_known_in_every_spelling() {
        for (host, private) in [
            ("localhost", true),
            ("db.localhost", true),
            ("metadata.google.internal", true),
            ("printer.local", true),
            ("intranet", true),
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("169.254.169.254", true),
            ("100.64.0.1", true),
            ("0.0.0.0", true),
            ("224.0.0.1", true),
            ("2130706433", true),
            ("0x7f.1", true),
            ("127.1", true),
            ("[::1]", true),
            ("8.8.8.8", false),
            ("100.128.0.1", false),
            ("example.com", false),
            ("localhost.example.com", false),
        ] {
            assert_eq!(WebAddress::parse(&format!("https://{host}/x")).unwrap().is_private(), private, "{host}");
        }
    }

    #[test]
    fn origins_match_by_part_and_not_by_text() {
        for (pattern, origin, expected) in [
            ("*", "https://anything.example", true),
            ("https://app.example.com", "https://app.example.com", true),
            ("https://app.example.com", "https://APP.example.com:443", true),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com", "https://app.example.com:8443", false),
            ("https://app.example.com", "https://app.example.com.evil.example", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://evilexample.com", false),
            ("https://*.example.com", "http://a.example.com", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:3000", "http://localhost:3000.evil.example", false),
        ] {
            let matched =
                Origin::parse(origin).is_some_and(|origin| OriginPattern::parse(pattern).unwrap().matches(&origin));
            assert_eq!(matched, expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn malformed_patterns_and_origins_are_refused() {
        for text in ["", "example.com", "https://a.*.com", "https://*", "https://*.com", "https://a.example/", "**"] {
            assert_eq!(OriginPattern::parse(text), None, "{text}");
        }
        for text in ["null", "https://a.example/", "file://x", "https://u@a.example", "http://localhost:3000:1"] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_own_machine_is_loopback() {
        for (text, expected) in [
            ("http://localhost:5173", true),
            ("https://app.localhost", true),
            ("http://127.0.0.1:80", true),
            ("http://[::1]:3000", true),
            ("http://localhost.evil.com", false),
            ("http://127.0.0.1.evil.com", false),
            ("http://notlocalhost", false),
        ] {
            assert_eq!(Origin::parse(text).unwrap().is_loopback(), expected, "{text}");
        }
    }
}
