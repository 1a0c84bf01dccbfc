//! Links between the documents, and from comments to documents, lead to files and headings that exist.
//!
//! Left out: links to other sites (they need the network), and code blocks.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{Repository, TextFile};

/// This file, whose tests name documents that are not there.
const OWN_EXAMPLES: &str = "crates/xtask/src/links.rs";

/// Relative Markdown links, and every mention of `docs/….md` or `docs/decisions/NNNN` in any file.
pub(crate) fn check_links(repository: &Repository) -> Vec<String> {
    let exists = |path: &str| repository.root.join(path).exists();
    let mut findings = Vec::new();
    for file in &repository.files {
        if file.has_extension("md") {
            for (line, target) in markdown_links(&file.text) {
                if let Some(finding) = link_finding(repository, file, &target, &exists) {
                    findings.push(format!("{}:{line}: {finding}", file.path));
                }
            }
        }
        if file.path == OWN_EXAMPLES {
            continue;
        }
        for (line, mention) in mentions(&file.text) {
            if !is_resolved(repository, &mention, &exists) {
                findings.push(format!("{}:{line}: {mention} does not exist", file.path));
            }
        }
    }
    findings
}

/// Targets of `[text](target)` outside code, with their line numbers.
fn markdown_links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let prose = without_code_spans(line);
        for (at, _) in prose.match_indices("](") {
            let rest = prose.get(at + 2..).unwrap_or_default();
            if let Some((target, _)) = rest.split_once(')') {
                let target = target.split(' ').next().unwrap_or_default();
                links.push((index + 1, target.trim_matches(['<', '>']).to_owned()));
            }
        }
    }
    links
}

fn without_code_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

fn link_finding(
    repository: &Repository,
    from: &TextFile,
    target: &str,
    exists: &dyn Fn(&str) -> bool,
) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if path.is_empty() { from.path.clone() } else { join(&from.path, path) };
    if !exists(&resolved) {
        return Some(format!("{target} does not exist"));
    }
    let document = repository.files.iter().find(|file| file.path == resolved && file.has_extension("md"));
    match document {
        Some(document) if !anchor.is_empty() && !anchors(&document.text).contains(anchor) => {
            Some(format!("{resolved} has no heading #{anchor}"))
        }
        _ => None,
    }
}

/// `link` as seen from the file `from`, with `.` and `..` worked out.
fn join(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.join("/")
}

/// The anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// Paths into `docs/` that a comment or a sentence names: whole file names, or a decision by its number.
fn mentions(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("docs/") {
            // `crates/x/docs/…` and URLs are somebody else's folder.
            let before = line.get(..at).unwrap_or_default().chars().next_back();
            if before.is_some_and(|it| it.is_alphanumeric() || matches!(it, '/' | '.' | '-' | '_')) {
                continue;
            }
            let rest = line.get(at..).unwrap_or_default();
            let end = rest
                .find(|it: char| !(it.is_ascii_alphanumeric() || matches!(it, '/' | '.' | '-' | '_')))
                .unwrap_or(rest.len());
            let path = rest.get(..end).unwrap_or_default().trim_end_matches(['.', '/']);
            if path.ends_with(".md") || decision_number(path).is_some() {
                found.push((index + 1, path.to_owned()));
            }
        }
    }
    found
}

/// The number in `docs/decisions/0002`; a whole file name is a path and no number.
fn decision_number(path: &str) -> Option<&str> {
    let number = path.strip_prefix("docs/decisions/")?;
    (number.len() == 4 && number.bytes().all(|it| it.is_ascii_digit())).then_some(number)
}

fn is_resolved(repository: &Repository, mention: &str, exists: &dyn Fn(&str) -> bool) -> bool {
    match decision_number(mention) {
        Some(number) => {
            let prefix = format!("docs/decisions/{number}-");
            repository.files.iter().any(|file| file.path.starts_with(&prefix))
        }
        None => Path::new(mention).is_relative() && exists(mention),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn targets(text: &str) -> Vec<String> {
        markdown_links(text).into_iter().map(|(_, target)| target).collect()
    }

    #[test]
    fn links_are_read_from_prose_and_not_from_code() {
        assert_eq!(targets("see [a](x.md) and [b](<y.md>) `[c](z.md)`"), ["x.md", "y.md"]);
        assert_eq!(targets("```\n[a](x.md)\n```\n[b](y.md \"title\")"), ["y.md"]);
    }

    #[test]
    fn a_link_is_seen_from_its_own_file() {
        assert_eq!(join("docs/api/logs.md", "../glossary.md"), "docs/glossary.md");
        assert_eq!(join("README.md", "./docs/x.md"), "docs/x.md");
    }

    #[test]
    fn headings_become_anchors_as_the_forge_makes_them() {
        assert_eq!(anchor("What `scripts/dev` does, exactly"), "what-scriptsdev-does-exactly");
    }

    #[test]
    fn comments_may_name_a_document_or_the_number_of_a_decision() {
        let found = mentions("// (docs/decisions/0002) and docs/api/x.md. Not a/docs/y.md nor docs/api/<route>.md");
        assert_eq!(found, [(1, "docs/decisions/0002".to_owned()), (1, "docs/api/x.md".to_owned())]);
    }

    #[test]
    fn a_dead_link_a_dead_anchor_and_a_missing_decision_are_found() {
        let text = "[a](gone.md) [b](#here) [c](#nowhere)\n# Here\nsee docs/decisions/0999\n";
        let files = vec![TextFile { path: "a.md".to_owned(), text: text.to_owned() }];
        // A root that holds nothing: only the file itself, by its anchor, is known.
        let repository = Repository { root: PathBuf::from("/nonexistent"), files };
        let exists = |path: &str| path == "a.md";
        let from = &repository.files[0];
        assert_eq!(link_finding(&repository, from, "gone.md", &exists).as_deref(), Some("gone.md does not exist"));
        assert_eq!(link_finding(&repository, from, "#here", &exists), None);
        assert!(link_finding(&repository, from, "#nowhere", &exists).is_some());
        assert!(!is_resolved(&repository, "docs/decisions/0999", &exists));
    }
}
