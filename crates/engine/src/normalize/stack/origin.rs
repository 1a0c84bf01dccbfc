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
    let mut segments = path.as_bytes().split(|byte| matches!(byte, b'/' | b'\\'));
    while let Some(segment) = segments.next() {
        if DEPENDENCY_FOLDERS.iter().any(|folder| is_passed(folder, segment, segments.clone())) {
            return true;
        }
    }
    false
}

/// Whether `folder`'s names are `segment` and those that follow it, with something left behind them: the last segment
/// of a path is the file itself.
fn is_passed<'a>(folder: &[&str], segment: &[u8], mut following: impl Iterator<Item = &'a [u8]>) -> bool {
    let Some((first, others)) = folder.split_first() else { return false };
    first.as_bytes() == segment
        && others.iter().all(|name| following.next() == Some(name.as_bytes()))
        && following.next().is_some()
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
