//! Fences over the files git knows: headers, traces of one machine, tests that do not run.

use std::path::PathBuf;
use std::process::Command;

use crate::{Repository, TextFile};

/// Reads every text file that is committed or would be by `git add .`.
pub(crate) fn read_repository() -> Result<Repository, String> {
    let root = PathBuf::from(git(&["rev-parse", "--show-toplevel"], None)?.trim());
    let listing = git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"], Some(&root))?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // A file that is deleted but not yet staged, or is not text, has nothing to say here.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(TextFile { path: path.to_owned(), text });
        }
    }
    if files.is_empty() { Err("git lists no files".to_owned()) } else { Ok(Repository { root, files }) }
}

fn git(arguments: &[&str], folder: Option<&PathBuf>) -> Result<String, String> {
    let mut command = Command::new("git");
    command.args(arguments);
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let output = command.output().map_err(|error| format!("git does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| "git answers with something that is not UTF-8".to_owned())
}

/// Every source file opens by saying what it is for.
pub(crate) fn check_headers(repository: &Repository) -> Vec<String> {
    repository.files.iter().filter_map(header_finding).collect()
}

fn header_finding(file: &TextFile) -> Option<String> {
    let mut lines = file.text.lines();
    let first = lines.next().unwrap_or_default();
    let (opening, wanted) = if file.has_extension("rs") {
        (first, "//! ")
    } else if file.has_extension("mjs") || file.has_extension("js") || file.has_extension("ts") {
        (first, "// ")
    } else if file.has_extension("sql") {
        (first, "-- ")
    } else if first.starts_with("#!") {
        (lines.next().unwrap_or_default(), "# ")
    } else {
        return None;
    };
    if opening.starts_with(wanted) {
        None
    } else {
        Some(format!("{}: does not open with `{wanted}` and its story", file.path))
    }
}

/// Paths of the machine it was written on, and registries that only one network has.
pub(crate) fn check_machine_paths(repository: &Repository) -> Vec<String> {
    let mut forbidden = machine_paths(&repository.root.to_string_lossy());
    // Put together here, so that this file does not find itself.
    for host in
        [["registry.", "npmjs.org"], ["registry.", "yarnpkg.com"], ["index.", "crates.io"], ["static.", "crates.io"]]
    {
        forbidden.push(host.concat());
    }
    let mut findings = Vec::new();
    for file in &repository.files {
        findings.extend(machine_findings(file, &forbidden));
    }
    findings
}

/// The root of this working copy, and the home or work folder it lies in.
fn machine_paths(root: &str) -> Vec<String> {
    let outer: Vec<&str> = root.split('/').take(3).collect();
    let mut paths = vec![root.to_owned()];
    if outer.len() == 3 && outer.join("/") != root {
        paths.push(format!("{}/", outer.join("/")));
    }
    paths
}

fn machine_findings(file: &TextFile, forbidden: &[String]) -> Vec<String> {
    let is_npm_lock = file.path.ends_with("package-lock.json");
    let is_cargo_lock = file.path.ends_with("Cargo.lock");
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let place = format!("{}:{}", file.path, index + 1);
        if let Some(found) = forbidden.iter().find(|needle| line.contains(needle.as_str())) {
            findings.push(format!("{place}: {found}"));
        }
        if is_npm_lock && line.trim_start().starts_with("\"resolved\"") {
            findings.push(format!("{place}: names the registry it was made with"));
        }
        // The public index under its canonical name, whatever mirror it came through.
        if is_cargo_lock
            && line.starts_with("source = ")
            && !line.contains("registry+https://github.com/rust-lang/crates.io-index")
        {
            findings.push(format!("{place}: comes from somewhere else than the public index"));
        }
    }
    findings
}

/// A test that does not run proves nothing: none is ignored, skipped or left focused.
pub(crate) fn check_ignored_tests(repository: &Repository) -> Vec<String> {
    let rust = [["#[", "ignore"].concat()];
    let script = [
        ["test", ".skip("].concat(),
        ["test", ".only("].concat(),
        ["test", ".todo("].concat(),
        ["describe", ".skip("].concat(),
    ];
    let mut findings = Vec::new();
    for file in &repository.files {
        let forbidden: &[String] = if file.has_extension("rs") {
            &rust
        } else if file.has_extension("mjs") || file.has_extension("ts") {
            &script
        } else {
            continue;
        };
        for (index, line) in file.text.lines().enumerate() {
            if forbidden.iter().any(|needle| line.contains(needle.as_str())) {
                findings.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn has_header(path: &str, text: &str) -> bool {
        header_finding(&file(path, text)).is_none()
    }

    #[test]
    fn each_kind_of_source_opens_in_its_own_way() {
        assert!(has_header("a.rs", "//! Story.\n"));
        assert!(!has_header("a.rs", "// not a story of the file\n"));
        assert!(!has_header("a.rs", ""));
        assert!(has_header("a.mjs", "// Story.\n"));
        assert!(!has_header("a.mjs", "import x from \"y\";\n"));
        assert!(has_header("d1/1.sql", "-- Story.\n"));
        assert!(has_header("scripts/x", "#!/bin/sh\n# Story.\n"));
        assert!(!has_header("scripts/x", "#!/bin/sh\nset -e\n"));
        assert!(has_header("LICENSE", "Anything"));
    }

    #[test]
    fn the_folder_of_this_working_copy_is_a_machine_path() {
        assert_eq!(machine_paths("/home/me/src/sapwood"), ["/home/me/src/sapwood", "/home/me/"]);
        assert_eq!(machine_paths("/srv/checkout"), ["/srv/checkout"]);
        let found = machine_findings(&file("a.sh", "ok\ncd /srv/checkout/x\n"), &machine_paths("/srv/checkout"));
        assert_eq!(found, ["a.sh:2: /srv/checkout"]);
    }

    #[test]
    fn lock_files_name_no_registry_of_their_own() {
        let npm = file("package-lock.json", "  \"resolved\": \"https://example.test/x.tgz\",\n");
        assert_eq!(machine_findings(&npm, &[]).len(), 1);
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert!(machine_findings(&file("Cargo.lock", public), &[]).is_empty());
        assert_eq!(machine_findings(&file("Cargo.lock", "source = \"sparse+https://example.test/\"\n"), &[]).len(), 1);
    }

    #[test]
    fn a_test_that_does_not_run_is_found() {
        let ignored = ["#[", "ignore]\nfn x() {}\n"].concat();
        let skipped = ["test", ".skip(\"x\")\n"].concat();
        let repository =
            Repository { root: PathBuf::new(), files: vec![file("a.rs", &ignored), file("b.mjs", &skipped)] };
        assert_eq!(check_ignored_tests(&repository).len(), 2);
    }
}
