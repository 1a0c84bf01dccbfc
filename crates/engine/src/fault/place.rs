//! Files of frames: what stays the same when a release is deployed elsewhere, by other tools.
//!
//! The name of the file stays, without its ending and without what bundlers add; folders are where it was put. Only a
//! name that says nothing (`index`, `__init__`) keeps the folder that gives it a meaning.

use super::name::without_generated;

/// Names that every folder may have.
const EVERYWHERE: [&str; 6] = ["index", "mod", "__init__", "__main__", "page", "route"];
/// Folders that tell how a project is laid out or deployed, and not what is in them.
const LAYOUT: [&str; 28] = [
    "app",
    "src",
    "lib",
    "dist",
    "build",
    "out",
    "target",
    "current",
    "release",
    "releases",
    "public",
    "public_html",
    "static",
    "www",
    "html",
    "htdocs",
    "code",
    "workspace",
    "server",
    "home",
    "srv",
    "opt",
    "usr",
    "var",
    "tmp",
    "bin",
    ".",
    "..",
];
/// What build tools put between a name and its ending.
const BUILD_WORDS: [&str; 7] = ["min", "bundle", "chunk", "prod", "dev", "esm", "cjs"];
/// Bytes of a file's ending, without its dot.
const ENDING_BYTES_MAX: usize = 5;

/// What is kept of a path or URL.
pub(super) fn of_file(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let path = path.strip_prefix("node:").unwrap_or(path);
    let mut segments = path.rsplit(['/', '\\']).filter(|segment| !segment.is_empty());
    let Some(last) = segments.next() else { return String::new() };
    let stem = without_hashes(without_ending(last));
    if !EVERYWHERE.contains(&stem.as_str()) {
        return stem;
    }
    match segments.next().filter(|folder| says_something(folder)) {
        Some(folder) => [folder, "/", &stem].concat(),
        None => stem,
    }
}

/// Whether a file looks like the product of a bundler: its functions have the names that a minifier chose.
pub(super) fn is_bundle(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let stem = without_last_ending(name);
    let is_built = stem.split(['.', '-']).any(|piece| BUILD_WORDS.contains(&piece));
    is_built || without_hashes(stem) != stem || path.contains("/_next/static/")
}

fn without_last_ending(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, ending))
            if !stem.is_empty()
                && ending.len() <= ENDING_BYTES_MAX
                && ending.starts_with(|first: char| first.is_ascii_alphabetic()) =>
        {
            stem
        }
        _ => name,
    }
}

fn without_ending(name: &str) -> &str {
    let mut stem = without_last_ending(name);
    while let Some((rest, word)) = stem.rsplit_once('.') {
        if !BUILD_WORDS.contains(&word) {
            break;
        }
        stem = rest;
    }
    stem
}

/// `main.8f3a1c`, `index-BxZ3d9aQ`, `chunk-7P6ASYW6`, `123.4f5a6b`: without the pieces that a build computed.
fn without_hashes(stem: &str) -> String {
    let is_plain = |piece: &&str| !piece.is_empty() && !is_hash(piece);
    let mut kept = String::new();
    let mut pieces = stem.split_inclusive(['.', '-', '~']);
    let mut is_behind_chunk = false;
    for piece in &mut pieces {
        let word = piece.trim_end_matches(['.', '-', '~']);
        if is_plain(&word) && !is_behind_chunk {
            kept.push_str(piece);
        }
        is_behind_chunk = word == "chunk";
    }
    let kept = kept.trim_end_matches(['.', '-', '~']);
    // What is left may hold counters and hashes joined by underscores.
    without_generated(kept)
}

/// Hexadecimal with a digit, a number, or a mixture of cases and digits that nobody would type.
fn is_hash(piece: &str) -> bool {
    let has = |is: fn(&u8) -> bool| piece.bytes().any(|byte| is(&byte));
    let is_word = piece.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let has_digit = has(u8::is_ascii_digit);
    let is_number = piece.bytes().all(|byte| byte.is_ascii_digit());
    let is_hex = piece.len() >= 6 && has_digit && piece.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_mixed = piece.len() >= 8 && is_word && has_digit && has(u8::is_ascii_uppercase);
    // Eight letters of base 64 without a digit among them: a capital inside a word, and one behind another.
    let capitals = piece.bytes().skip(1).filter(u8::is_ascii_uppercase).count();
    let is_scrambled = piece.len() == 8 && is_word && capitals >= 2 && has(u8::is_ascii_lowercase);
    is_number || is_hex || is_mixed || is_scrambled
}

/// A folder that is neither part of a layout nor made by a deployment (`20240102`, `v1.2.3`, `8f3a1c2d`).
fn says_something(folder: &str) -> bool {
    let is_version = folder.trim_start_matches('v').bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_drive = folder.ends_with(':');
    !LAYOUT.contains(&folder) && !is_version && !is_drive && !is_hash(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(paths: &[&str], expected: &str) {
        for path in paths {
            assert_eq!(of_file(path), expected, "{path}");
        }
    }

    #[test]
    fn where_a_file_was_deployed_does_not_count() {
        check(
            &[
                "/app/src/cart.js",
                "/srv/releases/20240102/src/cart.js",
                "C:\\deploy\\src\\cart.ts",
                "file:///home/u/cart.mjs",
                "webpack-internal:///(rsc)/./src/cart.tsx?8f3a",
                "https://shop.example/assets/cart.min.js?v=12",
                "cart.js",
            ],
            "cart",
        );
    }

    #[test]
    fn what_a_bundler_adds_does_not_count() {
        check(
            &["main.8f3a1c.js", "main.0b1c2d3e4f5a.chunk.js", "main-BxZ3d9aQ.js", "main-ABCdEfgh.js", "main.js"],
            "main",
        );
        check(&["chunk-7P6ASYW6.js", "chunk-ABCDEFGH.js"], "chunk");
        check(&["/_next/static/chunks/pages/users-0b1c2d3e4f.js"], "users");
        check(&["/storage/views/0a1b2c3d4e5f60718293a4b5c6d7e8f901234567.php", "123.4f5a6b.js"], "");
        for (path, expected) in [
            ("https://h/assets/index-BxZ3d9aQ.js", true),
            ("/x/app.min.js", true),
            ("/x/vendor.bundle.js", true),
            ("/_next/static/chunks/framework.js", true),
            ("/app/src/cart.js", false),
            ("/app/src/user-service.js", false),
        ] {
            assert_eq!(is_bundle(path), expected, "{path}");
        }
    }

    #[test]
    fn a_name_that_every_folder_has_keeps_its_folder() {
        check(&["/app/users/index.js", "/srv/x/users/index.ts"], "users/index");
        check(
            &["/app/index.js", "/srv/releases/20240102/index.js", "C:\\index.js", "index.js", "/v1.2.3/index.js"],
            "index",
        );
        check(&["/app/shop/__init__.py"], "shop/__init__");
    }

    #[test]
    fn words_are_no_hashes() {
        check(&["a/user-service.js"], "user-service");
        check(&["a/decade.rb"], "decade");
        check(&["a/UserService.php"], "UserService");
        check(&["a/base64.py"], "base64");
        check(&["a/cart.controller.ts"], "cart.controller");
        check(&["<stdin>"], "<stdin>");
        check(&["", "/"], "");
    }
}
