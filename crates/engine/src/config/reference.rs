//! The page `docs/operating/configuration.md`, written from the table so that the two cannot differ.

use super::Environment;
use super::keys::{Area, DefaultValue, KEYS, KeySpec, Status, TimeUnit};
use super::settings::default_text;
use super::value;
use std::fmt::Write;

const OPENING: &str = "\
# Configuration

This page is generated from the table in `crates/engine/src/config/keys.rs`; a test compares the two. Regenerate it with

    cargo run -p sapwood-cli -- check-config --reference > docs/operating/configuration.md

Plain values stand in `wrangler.toml` under `[vars]` and `[env.<name>.vars]`; secrets are set with `wrangler secret put`,
and on a developer's machine stand in `.dev/secrets.json`. `sapwood check-config` shows what holds and where it comes from, and
all problems at once; the running service makes the same check and does no work until they are solved.

- Names that are not on this page are problems, and so are empty values.
- A duration is a number of milliseconds, or a number with `ms`, `s`, `m`, `h` or `d`: `30000` and `30s` are the same.
- *Domain* says whether a domain may have its own value, which passes the same check.
- Secrets are refused if they are shorter than 32 characters, repetitive, or look like placeholders, and no two may be
  equal. Rotate by moving the old value to the key that ends in `_PREVIOUS` and removing it once nothing uses it.
";

/// The whole page.
pub fn reference_page() -> String {
    let mut page = OPENING.to_owned();
    for area in Area::ALL {
        // Writing to a String cannot fail.
        let _ = write!(
            page,
            "\n## {}\n\n| key | default | allowed | domain | what it does |\n|---|---|---|---|---|\n",
            area.title()
        );
        for spec in KEYS.iter().filter(|spec| spec.area == area) {
            page.push_str(&used_row(spec));
        }
    }
    page.push_str("\n## Names of other services\n\nAccepted, and taken as the name on the right.\n\n| name | taken as | note |\n|---|---|---|\n");
    KEYS.iter().for_each(|spec| page.push_str(&mapped_row(spec)));
    page.push_str("\n## Refused names\n\nThe prototype knew them; here they would change nothing, so they are problems.\n\n| name | instead | why |\n|---|---|---|\n");
    KEYS.iter().for_each(|spec| page.push_str(&refused_row(spec)));
    page
}

fn used_row(spec: &KeySpec) -> String {
    let Status::Used { kind, default, per_domain } = spec.status else { return String::new() };
    let domain = if per_domain { "yes" } else { "" };
    let secret = if kind.is_secret() { "secret: " } else { "" };
    let allowed = cell(&value::allowed(kind));
    format!("| `{}` | {} | {secret}{allowed} | {domain} | {} |\n", spec.name, shown_default(default), cell(spec.doc))
}

fn mapped_row(spec: &KeySpec) -> String {
    let Status::Mapped { to, bare } = spec.status else { return String::new() };
    debug_assert!(bare != Some(TimeUnit::Seconds) || spec.doc.contains("seconds"), "a foreign unit is said");
    format!("| `{}` | `{to}` | {} |\n", spec.name, cell(spec.doc))
}

fn refused_row(spec: &KeySpec) -> String {
    let Status::Refused { instead } = spec.status else { return String::new() };
    format!("| `{}` | {} | {} |\n", spec.name, cell(instead), cell(spec.doc))
}

fn shown_default(default: DefaultValue) -> String {
    match default {
        DefaultValue::Required => "**required**".to_owned(),
        DefaultValue::Absent => "not set".to_owned(),
        DefaultValue::Same(text) => format!("`{text}`"),
        DefaultValue::ByEnvironment(_) => {
            let all = [Environment::Development, Environment::Staging, Environment::Production];
            let shown = |environment| default_text(default, environment).unwrap_or("");
            all.map(|environment| format!("{} `{}`", environment.word(), shown(environment))).join("<br>")
        }
    }
}

/// Text as a cell of a table: a bar would end it.
fn cell(text: &str) -> String {
    text.replace(" | ", ", ").replace('|', "\\|")
}
