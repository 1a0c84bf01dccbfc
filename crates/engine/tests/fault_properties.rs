//! What must hold of the fingerprint of any stack trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::fault::{Fault, Fingerprint, told_apart_by};
use sapwood_engine::normalize::stack::parse_frames;

fn fingerprint(trace: &str) -> Option<Fingerprint> {
    Fingerprint::of(&parse_frames(trace))
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{3,9}"
}

/// What a release changes: lines, columns, addresses, hashes, folders.
#[derive(Clone, Debug)]
struct Release {
    line: u32,
    column: u32,
    address: u64,
    hash: u64,
    folder: String,
    version: String,
    number: u8,
}

fn release() -> impl Strategy<Value = Release> {
    let folder = prop::sample::select(vec!["/app", "/srv/releases/20240102", "/home/u/work", "C:/deploy/v1.2.3"]);
    let version = "[1-9]\\.[0-9]{1,2}\\.[0-9]";
    (1..9999u32, 1..200u32, any::<u64>(), any::<u64>(), folder, version, 0..99u8).prop_map(
        |(line, column, address, hash, folder, version, number)| Release {
            line,
            column,
            address,
            hash,
            folder: folder.to_owned(),
            version,
            number,
        },
    )
}

/// The same fault as eight runtimes print it for one release.
fn traces(kind: &str, functions: &[String], release: &Release) -> Vec<String> {
    let Release { line, column, address, hash, folder, version, number } = release;
    let frames = |frame: &dyn Fn(&str) -> String| functions.iter().map(|name| frame(name)).collect::<String>();
    vec![
        format!(
            "{kind}Error: x\n{}    at run ({folder}/node_modules/.pnpm/lib@{version}/node_modules/lib/x.js:{line}:1)",
            frames(&|name| format!("    at {name} ({folder}/{name}.{hash:016x}.js:{line}:{column})\n"))
        ),
        format!(
            "Traceback (most recent call last):\n  File \"/venv/lib/python3.{number}/site-packages/x.py\", line {line}, in run\n{}{kind}Error: x",
            frames(&|name| format!("  File \"{folder}/{name}.py\", line {line}, in {name}\n"))
        ),
        format!(
            "com.shop.{kind}Exception: x\n{}",
            frames(&|name| format!(
                "\tat com.shop.Cart${number}.lambda${name}${number}(Cart.java:{line})\n\tat com.shop.Cart$$Lambda${number}/0x{address:016x}.run(Unknown Source)\n"
            ))
        ),
        format!(
            "thread 'main' panicked at {folder}/src/main.rs:{line}:{column}:\nx\nstack backtrace:\n{}",
            frames(&|name| format!(
                "  {number}: 0x{address:x} - shop::{name}::{{{{closure}}}}::h{hash:016x}\n          at {folder}/src/{name}.rs:{line}:{column}\n"
            ))
        ),
        format!(
            "panic: x\n\ngoroutine {number} [running]:\n{}",
            frames(&|name| format!(
                "example.com/shop/v{number}.{name}.func{number}(0x{address:x})\n\t{folder}/{name}.go:{line} +0x{column:x}\n"
            ))
        ),
        format!(
            "PHP Fatal error:  Uncaught {kind}Error: x in {folder}/cart.php:{line}\nStack trace:\n#0 [internal function]: x()\n{}#9 {{main}}",
            frames(&|name| format!("#1 {folder}/{name}.php({line}): {name}({address})\n"))
        ),
        format!(
            "System.{kind}Exception: x\n{}",
            frames(&|name| format!(
                "   at Shop.Cart.<>c__DisplayClass{number}_0.<{name}>b__{number}() in {folder}/Cart.cs:line {line}\n"
            ))
        ),
        format!(
            "{folder}/cart.rb:{line}:in `block ({number} levels) in first': x ({kind}Error)\n{}",
            frames(&|name| format!("\tfrom {folder}/{name}.rb:{line}:in `{name}'\n"))
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_release_changes_no_fingerprint(
        functions in prop::collection::vec(name(), 1..6),
        left in release(),
        right in release(),
    ) {
        let pairs = traces("Stock", &functions, &left).into_iter().zip(traces("Stock", &functions, &right));
        for (left, right) in pairs {
            let apart = |trace: &str| told_apart_by(&parse_frames(trace));
            prop_assert!(apart(&left).is_some(), "{}", left);
            prop_assert_eq!(apart(&left), apart(&right), "{}\n{}", left, right);
        }
    }

    #[test]
    fn another_type_or_another_function_is_another_fault(
        functions in prop::collection::vec(name(), 1..6),
        release in release(),
    ) {
        let more: Vec<String> = functions.iter().cloned().chain(["other".to_owned()]).collect();
        let all = traces("Stock", &functions, &release);
        let other_types = traces("Price", &functions, &release);
        for (at, (trace, longer)) in all.iter().zip(traces("Stock", &more, &release)).enumerate() {
            prop_assert_ne!(fingerprint(trace), fingerprint(&longer), "{}\n{}", trace, longer);
            // Rust and Go have panics and no types.
            if !(3..5).contains(&at) {
                prop_assert_ne!(fingerprint(trace), fingerprint(&other_types[at]), "{}", trace);
            }
        }
    }

    #[test]
    fn any_text_has_a_fingerprint_or_none(text in "\\PC{0,200}", frame in "[\\PC\\n]{0,60}") {
        let wrapped = format!("Error: {text}\n    at {frame} (/app/{text}.js:1:2)\n  File \"{frame}\", line 1, in {text}\n\tat {frame}.{text}(A.java:1)\n   0: {frame}\n             at {text}:1:2\n#0 {text}(1): {frame}()\n{text}:1:in `{frame}'");
        for text in [&text, &wrapped] {
            let stack = parse_frames(text);
            let print = Fingerprint::of(&stack);
            prop_assert_eq!(print.is_some(), !stack.frames.is_empty());
            prop_assert_ne!(print, Some(Fingerprint(0)));
            prop_assert_eq!(print, fingerprint(text));
            prop_assert_eq!(Fault::of(&stack, &frame, text).map(|fault| fault.fingerprint), print);
        }
    }
}
