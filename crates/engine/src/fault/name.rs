//! Names of functions and exceptions as a person wrote them, without what compilers and runtimes put around them.
//!
//! Closures, blocks, coroutines and state machines are the function that holds them: their numbers change with every
//! edit above them, and compilers change how they are called. Classes that tools generate at run time forward a call
//! to a function that has a frame of its own: such frames do not count at all (`None`). A frame without a name has
//! the empty one.
//!
//! Only names that a language's own compilers and runtimes make are known here.

use super::place;
use crate::normalize::stack::Language;

/// Decimal digits that make a number a counter rather than a part of a name.
const COUNTER_DIGITS: usize = 4;
/// Hexadecimal digits that make a word an address or a hash.
const HASH_DIGITS: usize = 8;

/// The type of an exception.
pub(super) fn of_type(kind: &str) -> String {
    let kind = kind.split("@anonymous").next().unwrap_or(kind);
    without_generated(kind.trim_start_matches('\\'))
}

/// The function of a frame; `file` tells whether its name was chosen by a minifier.
pub(super) fn of_function(language: Language, function: &str, file: &str) -> Option<String> {
    let name = match language {
        Language::JavaScript => javascript(function, file)?,
        Language::Python => python(function)?.to_owned(),
        Language::Java => jvm(function)?,
        Language::Rust => rust(function),
        Language::Go => go(function),
        Language::Php => php(function),
        Language::DotNet => dotnet(function),
        Language::Ruby => ruby(function).to_owned(),
    };
    Some(without_generated(&name))
}

/// Words that are addresses, hashes or long counters are left out.
pub(super) fn without_generated(name: &str) -> String {
    let mut kept = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if end == 0 {
            kept.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if !is_generated(word) {
            kept.push_str(word);
        }
        rest = behind;
    }
    kept
}

fn is_generated(word: &str) -> bool {
    let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_counter = word.len() >= COUNTER_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_address = word.strip_prefix("0x").is_some_and(is_hex);
    let is_hash = word.len() >= HASH_DIGITS && has_digit && is_hex(word);
    let is_mangled = word.strip_prefix('h').is_some_and(|rest| rest.len() == 16 && is_hex(rest));
    is_counter || is_address || is_hash || is_mangled
}

/// Receivers that V8 names where there is no class.
const NO_CLASSES: [&str; 8] = ["Object", "Module", "module", "exports", "Function", "window", "globalThis", "Proxy"];
/// Names for code that is in no function.
const NO_FUNCTIONS: [&str; 8] =
    ["<anonymous>", "anonymous", "eval", "(anonymous function)", "global code", "module code", "eval code", "?"];
/// What compilers put between an asynchronous function and its caller where the runtime has no such functions.
const ASYNC_PARTS: [&str; 8] =
    ["__awaiter", "__generator", "fulfilled", "rejected", "step", "asyncGeneratorStep", "_next", "_throw"];

fn javascript(function: &str, file: &str) -> Option<String> {
    let name = function.split(" [as ").next().unwrap_or(function);
    // SpiderMonkey: `setTimeout handler*add/</<` was scheduled by, and is inside of, `add`.
    let name = name.rsplit('*').next().unwrap_or(name).split('/').next().unwrap_or(name);
    let name = name.strip_prefix("async ").unwrap_or(name).trim();
    let (is_new, name) = name.strip_prefix("new ").map_or((false, name), |name| (true, name));
    if ASYNC_PARTS.contains(&name) {
        return None;
    }
    if NO_FUNCTIONS.contains(&name) {
        return Some(String::new());
    }
    let is_minified = place::is_bundle(file);
    let parts = name.split('.').filter(|part| !NO_CLASSES.contains(part) && !NO_FUNCTIONS.contains(part));
    let parts: Vec<&str> = parts.filter(|part| !(part.is_empty() || is_minified && part.len() <= 2)).collect();
    let name = parts.join(".");
    Some(if is_new && !name.is_empty() { ["new ", &name].concat() } else { name })
}

/// Comprehensions had frames of their own until Python 3.12.
fn python(function: &str) -> Option<&str> {
    (!matches!(function, "<listcomp>" | "<dictcomp>" | "<setcomp>")).then_some(function)
}

/// Marks of classes and methods that are generated while a program runs or is linked, and only forward calls.
const JVM_FORWARDS: [&str; 12] = [
    "$$Lambda",
    "CGLIB",
    "$$FastClass",
    "$$Enhancer",
    "$$ExternalSynthetic",
    "-$$Nest$",
    ".access$",
    "$ByteBuddy$",
    "$HibernateProxy$",
    "_$$_jvst",
    "GeneratedMethodAccessor",
    "GeneratedConstructorAccessor",
];

fn jvm(function: &str) -> Option<String> {
    if JVM_FORWARDS.iter().any(|mark| function.contains(mark)) {
        return None;
    }
    let (class, method) = function.rsplit_once('.').unwrap_or(("", function));
    // Classes without a name are numbered.
    let class = class.split('$').filter(|part| !is_number(part)).collect::<Vec<_>>().join("$");
    let inner = method.strip_prefix("lambda$").or_else(|| method.strip_prefix("$anonfun$")).unwrap_or(method);
    // `lambda$main$0`, Kotlin's `main$lambda-0`, Scala's `$anonfun$main$1$adapted`.
    let inner = inner.split("$lambda").next().unwrap_or(inner);
    let parts = inner.split('$').filter(|part| !is_number(part) && *part != "adapted" && *part != "anonfun");
    let method = parts.collect::<Vec<_>>().join("$");
    Some(if class.is_empty() { method } else { [&class, ".", &method].concat() })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `<shop[8f3a1c2d]::Cart>::add::{closure#0}`, `shop::add::{{closure}}`: without crate ids and closures.
fn rust(function: &str) -> String {
    let mut kept = String::with_capacity(function.len());
    let mut rest = function;
    while let Some(at) = rest.find(['{', '[']) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let is_brace = from.starts_with('{');
        let Some(end) = enclosed(from, is_brace) else { break };
        let (inside, behind) = from.split_at_checked(end).unwrap_or((from, ""));
        let word = inside.trim_matches(['{', '}', '[', ']']);
        let is_closure = is_brace && ["closure", "async", "impl", "vtable"].iter().any(|kind| word.starts_with(kind));
        let is_crate_id = !is_brace && !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_closure {
            kept.push_str(before.strip_suffix("::").unwrap_or(before));
        } else {
            kept.push_str(before);
            kept.push_str(if is_crate_id { "" } else { inside });
        }
        rest = behind;
    }
    kept.push_str(rest);
    match kept.rsplit_once("::") {
        Some((path, hash)) if is_generated(hash) => path.to_owned(),
        _ => kept,
    }
}

/// Bytes up to behind the bracket that closes the one at the beginning.
fn enclosed(text: &str, is_brace: bool) -> Option<usize> {
    let (open, close) = if is_brace { (b'{', b'}') } else { (b'[', b']') };
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return Some(at + 1);
            }
        }
    }
    None
}

/// `example.com/shop/v2.(*Cart).Add[...].func1.2`: without major versions, type arguments and closures.
fn go(function: &str) -> String {
    let function = function.rsplit("/vendor/").next().unwrap_or(function);
    let function = function.replace("%2e", ".");
    let without_types = match (function.find('['), function.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            [function.get(..open), function.get(close + 1..)].map(Option::unwrap_or_default).concat()
        }
        _ => function,
    };
    let mut path = String::new();
    for folder in without_types.split('/') {
        // `shop/v2.Add` is `shop.Add`.
        let word = folder.split('.').next().unwrap_or(folder);
        if is_go_version(word) {
            path.push_str(folder.get(word.len()..).unwrap_or_default());
        } else {
            path.push_str(if path.is_empty() { "" } else { "/" });
            path.push_str(folder);
        }
    }
    let is_closure = |part: &str| {
        is_number(part)
            || ["func", "gowrap", "deferwrap"].iter().any(|kind| part.strip_prefix(kind).is_some_and(is_number))
    };
    let parts = path.split('.').filter(|part| !is_closure(part) && !is_go_version(part) && !part.is_empty());
    let parts: Vec<&str> = parts.map(|part| part.strip_suffix("-fm").unwrap_or(part)).collect();
    parts.join(".")
}

fn is_go_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(is_number)
}

/// Static calls are printed with `::`, others with `->`; closures with their place or with their name space.
fn php(function: &str) -> String {
    if function.contains("{closure") {
        return "{closure}".to_owned();
    }
    let (class, method) = match function.split_once("->").or_else(|| function.rsplit_once("::")) {
        Some((class, method)) => (class, method),
        None => return function.to_owned(),
    };
    let class = class.split("@anonymous").next().unwrap_or(class);
    [class, "::", method].concat()
}

/// `Shop.Cart.<Add>d__3.MoveNext`, `Shop.Cart.<>c__DisplayClass3_0.<Add>b__0`: `Shop.Cart.Add`.
fn dotnet(function: &str) -> String {
    let function = match function.find('[') {
        Some(at) => function.get(..at).unwrap_or(function),
        None => function,
    };
    let mut parts: Vec<String> = Vec::new();
    let mut is_state_machine = false;
    for part in function.split(['.', '+']) {
        let part = part.split('`').next().unwrap_or(part);
        if part.starts_with("<>c") || (is_state_machine && part == "MoveNext") {
            continue;
        }
        let Some((_, from)) = part.split_once('<') else {
            parts.push(part.to_owned());
            continue;
        };
        // `<<Add>b__0>d`: the innermost name is that of the method.
        let from = from.trim_start_matches('<');
        let (method, behind) = from.split_once('>').unwrap_or((from, ""));
        parts.push(method.to_owned());
        if let Some(local) = behind.trim_start_matches('>').strip_prefix("g__") {
            parts.push(local.split('|').next().unwrap_or(local).to_owned());
        }
        is_state_machine = true;
    }
    parts.join(".")
}

/// `block (2 levels) in Cart#add`, `rescue in add`: `add`. Classes are told only since Ruby 3.4.
fn ruby(function: &str) -> &str {
    let mut name = function;
    while let Some((kind, inner)) = name.split_once(" in ") {
        if !["block", "rescue", "ensure", "eval"].iter().any(|word| kind.starts_with(word)) {
            break;
        }
        name = inner;
    }
    if name.starts_with('<') {
        return name;
    }
    // A compiled template: `_app_views_cart_show_html_erb__4485674087862414886_47000`.
    if let Some((template, _)) = name.split_once("__").filter(|(template, _)| template.starts_with('_')) {
        return template;
    }
    match name.rsplit(['#', '.']).next() {
        Some(method) if !method.is_empty() => method,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(language: Language, names: &[&str], expected: &str) {
        for name in names {
            assert_eq!(of_function(language, name, "").as_deref(), Some(expected), "{name}");
        }
    }

    fn forwards(language: Language, names: &[&str]) {
        for name in names {
            assert_eq!(of_function(language, name, ""), None, "{name}");
        }
    }

    #[test]
    fn javascript_names() {
        use Language::JavaScript;
        check(
            JavaScript,
            &["add", "Object.add", "async add", "exports.add", "add [as handler]", "add/</<", "async*add"],
            "add",
        );
        check(JavaScript, &["Cart.add", "Cart.add [as put]"], "Cart.add");
        check(JavaScript, &["new Cart", "new exports.Cart"], "new Cart");
        check(JavaScript, &["<anonymous>", "Object.<anonymous>", "eval", "global code"], "");
        forwards(JavaScript, &["__awaiter", "fulfilled", "_next"]);
        assert_eq!(of_function(JavaScript, "t.value", "/assets/index-BxZ3d9aQ.js").as_deref(), Some("value"));
        assert_eq!(of_function(JavaScript, "t.e", "/assets/index-BxZ3d9aQ.js").as_deref(), Some(""));
    }

    #[test]
    fn python_names() {
        check(Language::Python, &["<module>"], "<module>");
        check(Language::Python, &["<lambda>"], "<lambda>");
        forwards(Language::Python, &["<listcomp>", "<dictcomp>", "<setcomp>"]);
    }

    #[test]
    fn jvm_names() {
        use Language::Java;
        check(
            Java,
            &[
                "com.shop.Cart.add",
                "com.shop.Cart.lambda$add$0",
                "com.shop.Cart.add$lambda-3",
                "com.shop.Cart.$anonfun$add$1$adapted",
            ],
            "com.shop.Cart.add",
        );
        check(Java, &["com.shop.Cart$1.run", "com.shop.Cart$12.run"], "com.shop.Cart.run");
        check(Java, &["com.shop.Cart$add$2.invokeSuspend"], "com.shop.Cart$add.invokeSuspend");
        check(Java, &["com.shop.Cart.<init>"], "com.shop.Cart.<init>");
        check(Java, &["run"], "run");
        forwards(
            Java,
            &[
                "com.shop.Cart$$Lambda$14/0x0000000800066840.run",
                "com.shop.Cart$$EnhancerBySpringCGLIB$$8f3a1c2d.add",
                "com.shop.Cart$$SpringCGLIB$$0.add",
                "com.shop.Cart.access$000",
            ],
        );
    }

    #[test]
    fn rust_names() {
        use Language::Rust;
        check(
            Rust,
            &[
                "shop::add",
                "shop::add::{{closure}}",
                "shop::add::{closure#0}",
                "shop[8f3a1c2d]::add::{async_fn#0}",
                "shop::add::h0123456789abcdef",
            ],
            "shop::add",
        );
        check(Rust, &["<shop::Cart as core::ops::drop::Drop>::drop"], "<shop::Cart as core::ops::drop::Drop>::drop");
        check(Rust, &["<[T] as shop::Sum>::sum"], "<[T] as shop::Sum>::sum");
        check(Rust, &["shop::{broken"], "shop::{broken");
    }

    #[test]
    fn go_names() {
        use Language::Go;
        check(Go, &["main.main", "main.main.func1", "main.main.func1.2", "main.main.gowrap1"], "main.main");
        check(
            Go,
            &[
                "example.com/shop/v2.(*Cart).Add",
                "example.com/shop/v3.(*Cart).Add-fm",
                "x.com/a/vendor/example.com/shop.(*Cart).Add",
            ],
            "example.com/shop.(*Cart).Add",
        );
        check(Go, &["gopkg.in/yaml.v2.Decode", "gopkg.in/yaml%2ev3.Decode"], "gopkg.in/yaml.Decode");
        check(Go, &["main.Map[...]", "main.Map[go.shape.int].func1"], "main.Map");
    }

    #[test]
    fn php_names() {
        use Language::Php;
        check(Php, &["App\\Cart->add", "App\\Cart::add"], "App\\Cart::add");
        check(
            Php,
            &["{closure}", "App\\{closure}", "{closure:/app/a.php:3}", "App\\Cart->{closure:App\\Cart::add():12}"],
            "{closure}",
        );
        check(Php, &["App\\Base@anonymous->add"], "App\\Base::add");
        check(Php, &["require_once"], "require_once");
    }

    #[test]
    fn dotnet_names() {
        use Language::DotNet;
        check(
            DotNet,
            &[
                "Shop.Cart.Add",
                "Shop.Cart.<Add>d__3.MoveNext",
                "Shop.Cart.<>c__DisplayClass3_0.<Add>b__0",
                "Shop.Cart.<>c.<<Add>b__0_1>d.MoveNext",
                "Shop.Cart`1.Add",
                "Shop.Cart.Add[T]",
            ],
            "Shop.Cart.Add",
        );
        check(DotNet, &["Shop.Cart.<Add>g__Check|3_0"], "Shop.Cart.Add.Check");
        check(DotNet, &["Shop.Cart..ctor"], "Shop.Cart..ctor");
        check(DotNet, &["Program.<Main>$"], "Program.Main");
    }

    #[test]
    fn ruby_names() {
        use Language::Ruby;
        check(
            Ruby,
            &["add", "Cart#add", "Cart.add", "block in add", "block (2 levels) in Cart#add", "rescue in block in add"],
            "add",
        );
        check(Ruby, &["<top (required)>"], "<top (required)>");
        check(Ruby, &["<class:Cart>"], "<class:Cart>");
        check(
            Ruby,
            &["_app_views_x_erb___4485674087862414886_47000", "block in _app_views_x_erb__739536742911150699_531"],
            "_app_views_x_erb",
        );
    }

    #[test]
    fn types_and_words() {
        assert_eq!(of_type("\\App\\OutOfStock"), "App\\OutOfStock");
        assert_eq!(of_type("Exception@anonymous"), "Exception");
        assert_eq!(without_generated("sha256_utf8_v2_é"), "sha256_utf8_v2_é");
        assert_eq!(without_generated("x_0x7ffe12_1234_deadbeef0"), "x___");
        assert_eq!(without_generated("facade"), "facade");
    }
}
