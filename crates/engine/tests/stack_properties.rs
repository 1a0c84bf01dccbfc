//! What must hold for any text given as a stack trace.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use proptest::prelude::*;
use sapwood_engine::limits::{FIELD_BYTES_MAX, FRAMES_MAX};
use sapwood_engine::normalize::stack::{parse_frames, split_message};

/// Lines that readers look for, whole and broken, so that random texts reach the inside of every reader.
fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "TypeError: x is not a function",
        "    at f (/app/a.js:1:2)",
        "    at async eval (eval at g (eval at h (a.js:1:1)), <anonymous>:1:1)",
        "  [cause]: Error: inner {",
        "f@https://host/a.js line 1 > eval:1:2",
        "Traceback (most recent call last):",
        "  + Exception Group Traceback (most recent call last):",
        "  +-+---------------- 1 ----------------",
        "    | ValueError: é",
        "Current thread 0x00 (most recent call first):",
        "  File \"/app/a.py\", line 3, in f",
        "ValueError: bad",
        "java.lang.IllegalStateException: x",
        "\tat com.shop.Cart.add(Cart.java:12)",
        "Caused by: a.b.C: gone",
        "Wrapped by: a.b.C: gone",
        "\tSuppressed: a.b.C",
        "thread 'main' panicked at src/main.rs:2:5:",
        "thread 'main' panicked at 'é', src/main.rs:2:5",
        "stack backtrace:",
        "   0: shop::main",
        "             at ./src/main.rs:1:2",
        "panic: x [recovered]",
        "goroutine 1 [running]:",
        "main.main()",
        "\t/app/main.go:8 +0x1d",
        "PHP Fatal error:  Uncaught E: m in /a.php:3",
        "Next E: m in /a.php:4",
        "Stack trace:",
        "[object] (E(code: 0): m at /a.php:1)",
        "#0 /a.php(1): f('x')",
        "#1 {main}",
        " ---> System.Exception: inner",
        "   at Shop.Cart.Add(String sku) in /src/Cart.cs:line 12",
        "   --- End of inner exception stack trace ---",
        " ---> (Inner Exception #1) System.Exception: second",
        "/app/a.rb:12:in `add': no (ArgumentError)",
        "\t2: from main.rb:9:in `<main>'",
        "",
    ]);
    let known = known.prop_map(str::to_owned);
    prop_oneof![
        6 => known.clone(),
        2 => (known, any::<prop::sample::Index>(), "\\PC{0,2}").prop_map(|(line, at, noise)| {
            let at = at.index(line.len() + 1);
            let at = (0..=at).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            format!("{}{noise}{}", &line[..at], &line[at..])
        }),
        1 => "\\PC{0,40}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 0..150).prop_map(|lines| lines.join("\n"))
}

fn check_invariants(input: &str) {
    let stack = parse_frames(input);
    assert!(stack.frames.len() <= FRAMES_MAX);
    assert!(stack.frames.is_empty() || stack.language.is_some());
    let occurs =
        |text: &Option<String>| text.as_ref().is_none_or(|text| !text.is_empty() && input.contains(text.as_str()));
    for frame in &stack.frames {
        assert!(occurs(&frame.function) && occurs(&frame.file), "{frame:?}");
        assert!(!frame.in_app || frame.function.is_some() || frame.file.is_some(), "{frame:?}");
    }
    assert!(
        occurs(&stack.exception_message) && stack.exception_message.is_none_or(|text| text.len() <= FIELD_BYTES_MAX)
    );
    // `panic` is the only name that we give ourselves.
    assert!(stack.exception_type.as_deref() == Some("panic") || occurs(&stack.exception_type));
    let mut begin = 0;
    for cause in &stack.causes {
        assert!(begin <= cause.frame_start && cause.frame_start <= stack.frames.len());
        assert!(occurs(&cause.message));
        begin = cause.frame_start;
    }
    if let Some(at) = split_message(input) {
        assert!(at < input.len() && (at == 0 || input.as_bytes()[at - 1] == b'\n'));
        assert!(input.trim_end().contains('\n'));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_within_the_limits(input in "[\\x00-\\x{ffff}]{0,400}") {
        check_invariants(&input);
    }

    #[test]
    fn any_mixture_of_lines_is_read_within_the_limits(input in text()) {
        check_invariants(&input);
    }

    #[test]
    fn a_text_in_pieces_of_any_size_is_read_within_the_limits(input in text(), at in any::<prop::sample::Index>()) {
        let at = at.index(input.len() + 1);
        let at = (0..=at).rev().find(|at| input.is_char_boundary(*at)).unwrap_or(0);
        check_invariants(&input[..at]);
        check_invariants(&input[at..]);
    }
}

#[test]
fn of_a_deep_stack_the_innermost_frames_are_kept_whichever_end_is_printed_first() {
    let mut java = String::from("java.lang.StackOverflowError\n");
    let mut python = String::from("Traceback (most recent call last):\n");
    for depth in 0..500 {
        java += &format!("\tat com.shop.Tree.walk{depth}(Tree.java:{depth})\n");
        python += &format!("  File \"/app/tree.py\", line {}, in walk{}\n    walk()\n", depth + 1, 499 - depth);
    }
    python += "RecursionError: too deep\n";
    for (text, first, last) in [(java, "com.shop.Tree.walk0", "com.shop.Tree.walk63"), (python, "walk0", "walk63")] {
        let stack = parse_frames(&text);
        assert_eq!(stack.frames.len(), FRAMES_MAX);
        assert_eq!(stack.frames[0].function.as_deref(), Some(first));
        assert_eq!(stack.frames[FRAMES_MAX - 1].function.as_deref(), Some(last));
    }
}

#[test]
fn a_deep_outer_stack_leaves_room_for_its_root_cause() {
    let mut text = String::from("a.b.Outer: x\n");
    for depth in 0..200 {
        text += &format!("\tat a.b.Outer.call{depth}(Outer.java:1)\n");
    }
    text += "Caused by: a.b.Root: y\n\tat a.b.Root.fail(Root.java:7)\n\t... 200 more\n";
    let stack = parse_frames(&text);
    assert_eq!(stack.causes.len(), 1);
    assert_eq!(stack.frames[stack.causes[0].frame_start].function.as_deref(), Some("a.b.Root.fail"));
    assert_eq!(stack.frames.len(), FRAMES_MAX);
}

#[test]
fn hostile_texts_of_full_length_are_read() {
    for piece in
        ["at (", "(", "@", "at f (", "---> ", "Caused by: ", "#0 ", "::", "'\n", "panicked at '\n", "a.b:", "\n", "é"]
    {
        check_invariants(&piece.repeat(64 * 1024 / piece.len()));
    }
}
