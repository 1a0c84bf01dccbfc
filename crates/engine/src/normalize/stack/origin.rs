//! Whose code a frame is: folders into which every package manager puts other people's code.
//!
//! Only folders that a language's own tools create are listed; no framework or product is known by name. The names
//! of each language's standard library are with its reader.

/// Folders of dependencies, as one or more consecutive path segments.
const DEPENDENCY_FOLDERS: [&[&str]; 18] = [
    &["node_modules"],
    &["bower_components"],
    &[".pnpm"],
    &[".yarn"],
    &["site-packages"],
    &["dist-packages"],
    &["vendor"],
    &[".cargo", "registry"],
    &[".cargo", "git"],
    &["cargo", "registry"],
    &["pkg", "mod"],
    &["gems"],
    &[".nuget"],
    &[".m2"],
    &[".gradle"],
    &["usr", "lib"],
    &["usr", "lib64"],
    &["rustc"],
];

/// Whether a path leads through a folder of dependencies. Both kinds of slash separate.
pub(super) fn is_dependency(path: &str) -> bool {
    DEPENDENCY_FOLDERS.iter().any(|folder| passes(path, folder))
}

/// Whether `folder`'s names follow one another among the path's folders (the last segment is the file itself).
fn passes(path: &str, folder: &[&str]) -> bool {
    let mut matched = 0;
    for segment in path.split(['/', '\\']) {
        if matched == folder.len() {
            return true;
        }
        let is_next = folder.get(matched).is_some_and(|name| *name == segment);
        let is_first = folder.first().is_some_and(|name| *name == segment);
        matched = if is_next { matched + 1 } else { usize::from(is_first) };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_folders_are_whole_segments() {
        for path in [
            "/app/node_modules/express/lib/router.js",
            "C:\\app\\node_modules\\x\\y.js",
            "/root/.cargo/registry/src/index/tokio-1.0/src/lib.rs",
            "/rustc/90c541806f23/library/std/src/panicking.rs",
            "/go/pkg/mod/example.com/x@v1.0.0/x.go",
            "/usr/lib/ruby/3.2.0/net/http.rb",
            "vendor/acme/lib.php",
            "/usr/usr/lib/x.rb",
        ] {
            assert!(is_dependency(path), "{path}");
        }
        for path in
            ["/app/my_node_modules/x.js", "/app/src/vendor", "/app/vendors/x.php", "/srv/usr/app/lib/x.py", "", "gems"]
        {
            assert!(!is_dependency(path), "{path}");
        }
    }
}
