//! Who may depend on whom: one table, checked against `cargo tree`.
//!
//! Only ordinary dependencies count, for every target and with the features a crate has by default:
//! tests may use what they like. A crate that is not in the table is a finding, so that a new one has to
//! be given its place first.

use std::collections::BTreeSet;
use std::process::Command;

use crate::Repository;

/// What one crate of ours may reach.
struct Rule {
    package: &'static str,
    /// Crates of ours it may reach, directly or not.
    ours: &'static [&'static str],
    /// Foreign crates it must not reach, directly or not.
    never: &'static [&'static str],
    /// If given, the only foreign crates it may name in its manifest.
    direct_only: Option<&'static [&'static str]>,
}

const PLATFORM: &[&str] =
    &["worker", "js-sys", "web-sys", "wasm-bindgen", "tokio", "rand", "getrandom", "serde", "regex"];

const RULES: &[Rule] = &[
    Rule { package: "sapwood-engine", ours: &[], never: PLATFORM, direct_only: None },
    Rule {
        package: "sapwood-wire",
        ours: &["sapwood-engine"],
        never: &["worker", "js-sys", "wasm-bindgen", "tokio", "rand", "getrandom"],
        direct_only: Some(&["serde", "serde_json"]),
    },
    Rule { package: "sapwood-client", ours: &["sapwood-wire"], never: &["worker"], direct_only: None },
    Rule {
        package: "sapwood-client-wasm",
        ours: &["sapwood-client", "sapwood-wire"],
        never: &["worker"],
        direct_only: None,
    },
    Rule {
        package: "sapwood-cli",
        ours: &["sapwood-wire", "sapwood-engine", "sapwood-client"],
        never: &["worker"],
        direct_only: None,
    },
    Rule {
        package: "sapwood-sim",
        ours: &["sapwood-engine", "sapwood-wire", "sapwood-client"],
        never: &["worker", "tokio", "getrandom", "socket2", "mio"],
        direct_only: None,
    },
    Rule {
        package: "sapwood-bench",
        ours: &["sapwood-engine", "sapwood-wire", "sapwood-client", "sapwood-sim"],
        never: &["worker"],
        direct_only: None,
    },
    Rule { package: "sapwood", ours: &["sapwood-engine", "sapwood-wire"], never: &["rand"], direct_only: None },
    Rule { package: "xtask", ours: &[], never: &["worker"], direct_only: Some(&[]) },
];

/// The table holds, and nothing depends on the root package.
pub(crate) fn check_arrows(repository: &Repository) -> Vec<String> {
    let members = member_names(repository);
    let mut findings = Vec::new();
    for member in &members {
        let Some(rule) = RULES.iter().find(|rule| rule.package == member) else {
            findings.push(format!("{member} is not in the table of crates/xtask/src/arrows.rs: give it its place"));
            continue;
        };
        for direct in [true, false] {
            match tree(repository, member, direct) {
                Ok(reached) => findings.extend(judge(rule, &reached, &members, direct)),
                Err(message) => findings.push(message),
            }
        }
    }
    findings
}

fn judge(rule: &Rule, reached: &BTreeSet<String>, members: &BTreeSet<String>, direct: bool) -> Vec<String> {
    let mut findings = Vec::new();
    for name in reached {
        let is_ours = members.contains(name);
        if direct {
            if !is_ours && rule.direct_only.is_some_and(|allowed| !allowed.contains(&name.as_str())) {
                findings.push(format!("{} names {name}, which is not on its list", rule.package));
            }
        } else if is_ours && !rule.ours.contains(&name.as_str()) {
            findings.push(format!("{} must not depend on {name}", rule.package));
        } else if rule.never.contains(&name.as_str()) {
            findings
                .push(format!("{} must never reach {name} (cargo tree -p {} -i {name})", rule.package, rule.package));
        }
    }
    findings
}

/// The packages of this workspace, read from its manifests.
fn member_names(repository: &Repository) -> BTreeSet<String> {
    let manifests = repository.files.iter().filter(|file| is_member_manifest(&file.path));
    manifests.filter_map(|file| package_name(&file.text)).collect()
}

fn is_member_manifest(path: &str) -> bool {
    path == "Cargo.toml"
        || (path.starts_with("crates/") && path.ends_with("/Cargo.toml") && path.split('/').count() == 3)
}

fn package_name(manifest: &str) -> Option<String> {
    let (_, package) = manifest.split_once("[package]")?;
    let line = package.lines().find(|line| line.trim_start().starts_with("name"))?;
    Some(line.split('"').nth(1)?.to_owned())
}

/// The crates that `package` reaches, itself excluded; with `direct`, only those it names.
fn tree(repository: &Repository, package: &str, direct: bool) -> Result<BTreeSet<String>, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&repository.root).args(["tree", "--locked", "--edges", "normal", "--prefix", "none"]);
    command.args(["--target", "all", "--package", package]);
    if direct {
        command.args(["--depth", "1"]);
    }
    let output = command.output().map_err(|error| format!("cargo tree does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree -p {package}: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(names_in_tree(&String::from_utf8_lossy(&output.stdout)))
}

/// The first line is the package itself, every other begins with a name and a version.
fn names_in_tree(output: &str) -> BTreeSet<String> {
    output
        .lines()
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Every crate takes the lints of the workspace, and the ones that guard the objects are denied and nowhere
/// allowed again.
pub(crate) fn check_lints(repository: &Repository) -> Vec<String> {
    // Held across an await, a borrow makes the next event of the object panic.
    let guarded = ["await_holding_refcell_ref", "await_holding_lock"];
    let mut findings = Vec::new();
    for file in &repository.files {
        if is_member_manifest(&file.path) && !file.text.contains("[lints]\nworkspace = true") {
            findings.push(format!("{}: lacks `[lints] workspace = true`", file.path));
        }
        for lint in guarded {
            if file.path == "Cargo.toml" && !file.text.contains(&format!("{lint} = \"deny\"")) {
                findings.push(format!("Cargo.toml: {lint} must be denied for the workspace"));
            }
            let is_exception =
                |line: &&str| line.contains("clippy::") && line.contains(lint) && line.contains("allow(");
            if file.has_extension("rs") && file.text.lines().any(|line| is_exception(&line)) {
                findings.push(format!("{}: {lint} is allowed here; restructure instead", file.path));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_tree_is_read_without_its_root_and_with_repeats() {
        let output = "sapwood-wire v0.1.0 (/x)\nserde v1.0.0\nserde_json v1.0.0\nserde v1.0.0 (*)\n";
        assert_eq!(names_in_tree(output), set(&["serde", "serde_json"]));
    }

    #[test]
    fn reaching_the_platform_from_the_engine_is_found_wherever_it_comes_from() {
        let findings = judge(&RULES[0], &set(&["chrono", "js-sys"]), &set(&["sapwood-engine"]), false);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].contains("must never reach js-sys"));
    }

    #[test]
    fn depending_on_the_root_package_is_found_for_every_crate() {
        let members: BTreeSet<String> = RULES.iter().map(|rule| rule.package.to_owned()).collect();
        for rule in RULES.iter().filter(|rule| rule.package != "sapwood") {
            assert_eq!(judge(rule, &set(&["sapwood"]), &members, false).len(), 1, "{}", rule.package);
        }
    }

    #[test]
    fn a_listed_manifest_may_name_nothing_else() {
        let wire = &RULES[1];
        assert!(judge(wire, &set(&["serde", "sapwood-engine"]), &set(&["sapwood-engine"]), true).is_empty());
        assert_eq!(judge(wire, &set(&["base64"]), &set(&["sapwood-engine"]), true).len(), 1);
    }

    #[test]
    fn the_name_of_a_package_is_read_from_its_manifest() {
        assert_eq!(package_name("[workspace]\n[package]\nname = \"x-y\"\nversion = \"1\"\n").as_deref(), Some("x-y"));
        assert_eq!(package_name("[workspace]\n"), None);
    }
}
