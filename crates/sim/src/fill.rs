//! Values for the holes of a statement: `{user}`, `{ms}`, `{ip}` ...
//!
//! Each kind has the form and the spread of its kind: few users write most lines, most durations are short, an address
//! is one of a few networks. Left out: meaning across lines (a session that logs in first).

use crate::random::Random;

const HOSTS: [&str; 8] = ["alder-1", "alder-2", "birch-1", "birch-2", "cedar-1", "elm-1", "hazel-1", "rowan-1"];
const NAMES: [&str; 16] = [
    "amira", "bjorn", "chidi", "dalia", "edith", "farid", "gwen", "hanno", "ines", "jonas", "kaya", "luca", "maren",
    "nadia", "oskar", "petra",
];
const QUEUES: [&str; 6] = ["mail", "invoices", "thumbnails", "exports", "search-index", "webhooks"];
const TABLES: [&str; 7] = ["orders", "customers", "payments", "stock_levels", "sessions", "shipments", "prices"];
const REGIONS: [&str; 4] = ["eu-north", "eu-west", "us-east", "ap-south"];
const FILES: [&str; 6] = ["app.yaml", "routes.json", "certs/site.pem", "feature-flags.toml", "prices.csv", "geo.db"];
const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "curl/8.14.1",
    "uptime-probe/2.3 (+https://status.example)",
];

/// The kinds of hole.
pub const KINDS: [&str; 22] = [
    "id", "user", "name", "ms", "bigms", "seconds", "count", "bytes", "percent", "ip", "port", "host", "uuid", "hex",
    "sku", "money", "queue", "table", "region", "file", "agent", "pid",
];

/// A value of `kind`; an unknown kind is shown as it was written, which a test of the tables forbids.
pub fn value(kind: &str, random: &mut Random) -> String {
    match kind {
        "id" => random.between(1_000, 99_999_999).to_string(),
        "user" => format!("u{}", 1_000 + random.skewed(900)),
        "name" => NAMES[random.skewed(NAMES.len() as u64) as usize].to_owned(),
        "ms" => random.gap(60).saturating_add(1).to_string(),
        "bigms" => (1_500 + random.gap(4_000)).to_string(),
        "seconds" => format!("{}.{:03}", random.gap(2), random.below(1_000)),
        "count" => random.gap(40).to_string(),
        "bytes" => (180 + random.gap(9_000)).to_string(),
        "percent" => random.between(1, 99).to_string(),
        "ip" => address(random),
        "port" => random.between(1_024, 65_535).to_string(),
        "host" => HOSTS[random.skewed(HOSTS.len() as u64) as usize].to_owned(),
        "uuid" => uuid(random),
        "hex" => format!("{:016x}", random.next_u64()),
        "sku" => format!("SKU-{:05}", random.skewed(4_000)),
        "money" => format!("{}.{:02}", 1 + random.gap(80), random.below(100)),
        "queue" => (*random.pick(&QUEUES)).to_owned(),
        "table" => (*random.pick(&TABLES)).to_owned(),
        "region" => (*random.pick(&REGIONS)).to_owned(),
        "file" => format!("/etc/shop/{}", random.pick(&FILES)),
        "agent" => AGENTS[random.skewed(AGENTS.len() as u64) as usize].to_owned(),
        "pid" => random.between(300, 32_000).to_string(),
        unknown => format!("{{{unknown}}}"),
    }
}

/// `statement` with every `{kind}` replaced. A brace without its partner is text.
pub fn fill(statement: &str, random: &mut Random) -> String {
    let mut out = String::with_capacity(statement.len() + 32);
    let mut rest = statement;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((kind, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&value(kind, random));
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Addresses of documentation and private networks only, so that no line names anybody.
fn address(random: &mut Random) -> String {
    let host = 1 + random.skewed(250);
    match random.below(4) {
        0 => format!("192.0.2.{host}"),
        1 => format!("198.51.100.{host}"),
        2 => format!("203.0.113.{host}"),
        _ => format!("10.{}.{}.{host}", random.below(4), random.skewed(16)),
    }
}

fn uuid(random: &mut Random) -> String {
    let (high, low) = (random.next_u64(), random.next_u64());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 50,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_value_of_its_own_form() {
        let mut random = Random::new(3);
        for kind in KINDS {
            for _ in 0..50 {
                let value = value(kind, &mut random);
                assert!(!value.is_empty() && !value.contains(['{', '}', '\n']), "{kind}: {value}");
            }
        }
        let uuid = uuid(&mut random);
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
    }

    #[test]
    fn holes_are_filled_and_lone_braces_stay() {
        let mut random = Random::new(4);
        assert!(fill("user {user} left", &mut random).starts_with("user u1"));
        assert_eq!(fill("a { b", &mut random), "a { b");
        assert_eq!(fill("no holes", &mut random), "no holes");
        assert_eq!(fill("{nonsense}", &mut random), "{nonsense}");
    }
}
