//! The command as a person calls it: what it prints and the status it leaves.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of this name and text in the tests' own folder.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the tests' folder is writable");
    path
}

fn name_of(path: &Path) -> &str {
    path.to_str().expect("the build folder has a plain name")
}

fn sapwood(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sapwood")).args(arguments).output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the command prints text")
}

#[test]
fn a_good_configuration_leaves_status_0() {
    let wrangler = file("good.toml", "[env.staging.vars]\nENVIRONMENT = \"staging\"\n");
    let secrets = file("good.vars", "KEY_SIGNING_SECRET=f3a91c07be5d42688e0b7d1495c6a2f0\n");
    let (wrangler, secrets) = (name_of(&wrangler), name_of(&secrets));
    let output = sapwood(&["check-config", "--env", "staging", "--file", wrangler, "--dev-vars", secrets]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("no problems\n"));
}

#[test]
fn problems_are_printed_together_and_leave_status_1() {
    let wrangler = file("bad.toml", "[vars]\nENVIRONMENT = \"test\"\nKV_TTL = 5\nLATENES = \"1s\"\n");
    let output = sapwood(&["check-config", "--file", name_of(&wrangler)]);
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(printed.contains("3 problems\n"), "{printed}");
    for expected in ["ENVIRONMENT: invalid: \"test\"", "KV_TTL: refused", "did you mean LATENESS?"] {
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn a_file_that_is_not_there_leaves_status_2() {
    let output = sapwood(&["check-config", "--file", "no/such/wrangler.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).starts_with("sapwood: cannot read no/such/wrangler.toml"));
}

#[test]
fn the_reference_is_printed_whole() {
    let output = sapwood(&["check-config", "--reference"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), include_str!("../../../docs/operating/configuration.md"));
}
