//! The published page about the configuration is the one that the table writes.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use sapwood_engine::config::{keys::KEYS, reference_page};

#[test]
fn the_page_in_docs_is_the_one_the_table_writes() {
    let published = include_str!("../../../docs/operating/configuration.md");
    assert_eq!(published, reference_page(), "run: cargo run -p sapwood-cli -- check-config --reference");
}

#[test]
fn every_name_stands_on_the_page_once_as_a_row() {
    let page = reference_page();
    for spec in KEYS {
        let rows = page.lines().filter(|line| line.starts_with(&format!("| `{}` |", spec.name))).count();
        assert_eq!(rows, 1, "{}", spec.name);
    }
}
