//! What is removed and what stays, line by line; and that work grows with the text and not faster.

use super::*;

fn check(text: &str, expected: &str) {
    let redactor = Redactor::default();
    let redacted = redactor.redact_text(text);
    assert_eq!(redacted, expected, "from {text}");
    assert_eq!(redactor.redact_text(&redacted), redacted, "twice from {text}");
}

fn check_stays(text: &str) {
    let redacted = Redactor::default().redact_text(text).into_owned();
    assert_eq!(redacted, text);
}

#[test]
fn names_with_a_separator_lose_their_value() {
    check("password=hunter2", "password=[redacted:field]");
    check("login password=hunter2 ok", "login password=[redacted:field] ok");
    check("Password: hunter2", "Password: [redacted:field]");
    check("pwd = hunter2, user = bob", "pwd = [redacted:field], user = bob");
    check("the api key: abc123", "the api key: [redacted:field]");
    check("client secret = abc", "client secret = [redacted:field]");
    check("password=a,b;c&d end", "password=[redacted:field] end");
    check("password=x,user=bob", "password=[redacted:field],user=bob");
    check("password := `x y`", "password := `[redacted:field]`");
    check(":password=>\"x y\", :user=>\"bob\"", ":password=>\"[redacted:field]\", :user=>\"bob\"");
    check("[password] => hunter2", "[password] => [redacted:field]");
    check("user[password]=x&y=1", "user[password]=[redacted:field]&y=1");
    check("(token=abc) done", "(token=[redacted:field]) done");
    check("pin: 1234", "pin: [redacted:field]");
    check("Your token is token=abc.", "Your token is token=[redacted:field].");
    check("DB_PASSWORD=hunter2 PWD=/srv/app", "DB_PASSWORD=[redacted:field] PWD=/srv/app");
}

#[test]
fn quoted_values_go_whole_at_every_level_of_escaping() {
    check(r#"{"password":"a b\"c"}"#, r#"{"password":"[redacted:field]"}"#);
    check(r#"{"password" : "a\\", "x": 1}"#, r#"{"password" : "[redacted:field]", "x": 1}"#);
    check(r#""{\"password\":\"a \\\"b\\\" c\"}""#, r#""{\"password\":\"[redacted:field]\"}""#);
    check(r#"{\\\"token\\\":\\\"a b\\\",\\\"x\\\":1}"#, r#"{\\\"token\\\":\\\"[redacted:field]\\\",\\\"x\\\":1}"#);
    check("password='it''s me' x", "password='[redacted:field]' x");
    check("password=b'a b' x", "password=b'[redacted:field]' x");
    check("secret=\"\"\"a b\"\"\" x", "secret=\"\"\"[redacted:field]\"\"\" x");
    check("{\"password\":\n  \"x\"}", "{\"password\":\n  \"[redacted:field]\"}");
    check("password=\"cut off her", "password=\"[redacted:field]");
    check("password=\"cut off\nnext line", "password=\"[redacted:field]\nnext line");
    check(r#"{"pin":1234,"x":1}"#, r#"{"pin":[redacted:field],"x":1}"#);
    check(r#"{"credentials":{"user":"b}","l":[1]},"x":1}"#, r#"{"credentials":[redacted:field],"x":1}"#);
    check(r#"{\"credentials\":{\"user\":\"b}\"},\"x\":1}"#, r#"{\"credentials\":[redacted:field],\"x\":1}"#);
    check(r#"{"secrets":["a","b"]}"#, r#"{"secrets":[redacted:field]}"#);
    check(r#"{"secrets":["a","b"#, r#"{"secrets":[redacted:field]"#);
}

#[test]
fn urls_forms_flags_headers_and_tags_lose_their_secrets() {
    check("/a?token=abc&x=1#f", "/a?token=[redacted:field]&x=1#f");
    check("/a?X-Amz-Signature=abc&x=1", "/a?X-Amz-Signature=[redacted:field]&x=1");
    check("a=1&password=b+c&d=2", "a=1&password=[redacted:field]&d=2");
    check("run --password hunter2 --x 1", "run --password [redacted:field] --x 1");
    check("run --password='a b' -x", "run --password='[redacted:field]' -x");
    check("curl -u me:s3cret https://x/", "curl -u me:[redacted:field] https://x/");
    check("curl -sume:s3cret x", "curl -sume:s3cret x");
    check("curl -ume:s3cret x", "curl -ume:[redacted:field] x");
    check("ran curl -fsS --user \"me:s3 c:t\" x", "ran curl -fsS --user \"me:[redacted:field]\" x");
    check("curl --proxy-user=me:s3cret -x p", "curl --proxy-user=me:[redacted:field] -x p");
    check("['curl', '-u', 'me:s3cret']", "['curl', '-u', 'me:[redacted:field]']");
    check("docker run -u 1000:1000 x", "docker run -u 1000:1000 x");
    check("curl -u me https://x:80/", "curl -u me https://x:80/");
    check("[\"--token\", \"abc\", \"-v\"]", "[\"--token\", \"[redacted:field]\", \"-v\"]");
    check("postgres://bob:p:w@db/x", "postgres://bob:[redacted:field]@db/x");
    check("postgres://bob:p/w?x@db/x", "postgres://bob:[redacted:field]@db/x");
    check("https://a.com/?u=https://b:c@d.com", "https://a.com/?u=https://b:[redacted:field]@d.com");
    check("redis://:secret@h:6379", "redis://:[redacted:field]@h:6379");
    check("dsn=bob:pw@tcp(db:3306)/x ok", "dsn=[redacted:field] ok");
    check("dsn=host=db;password=x;user=b", "dsn=host=db;password=[redacted:field];user=b");
    check("Authorization: Bearer abc\r\nHost: x", "Authorization: [redacted:field]\r\nHost: x");
    check("authorization: Basic YTpi status=5", "authorization: [redacted:field] status=5");
    check(
        "Authorization: Digest username=\"a b\", uri=\"/\", nc=1\nHost: x",
        "Authorization: [redacted:field]\nHost: x",
    );
    check("Cookie: a=b; c=d\nHost: x", "Cookie: [redacted:field]\nHost: x");
    check("-H 'Cookie: a=b c; d=e' http://x", "-H 'Cookie: [redacted:field]' http://x");
    check("<password>a b</password>", "<password>[redacted:field]</password>");
    check("<ns:apiKey>ab</ns:apiKey>", "<ns:apiKey>[redacted:field]</ns:apiKey>");
}

#[test]
fn encoded_names_and_values_are_read_through() {
    check("password%3Dhunter2%26x%3D1", "password%3D[redacted:field]%26x%3D1");
    check("p%61ssword=a%26b&x=1", "p%61ssword=[redacted:field]&x=1");
    check("%7B%22password%22%3A%22a%20b%22%7D", "%7B%22password%22%3A%22[redacted:field]%22%7D");
    check(r#"{"\u0070assword":"a\u0022b"}"#, r#"{"\u0070assword":"[redacted:field]"}"#);
    check("user%40example.com", "[redacted:email]");
    check("user%2540example.com", "[redacted:email]");
    check("user&#64;example.com", "[redacted:email]");
    check(r"user\u0040example.com", "[redacted:email]");
    check("{&quot;password&quot;:&quot;a b&quot;}", "{&quot;password&quot;:&quot;[redacted:field]&quot;}");
    check("x YWxpY2VAZXhhbXBsZS5jb20= y", "x [redacted:email] y");
    check("/a/YWxpY2VAZXhhbXBsZS5jb20/b", "/a/[redacted:email]/b");
    check(r"https:\/\/bob:pw@h\/x", r"https:\/\/bob:[redacted:field]@h\/x");
    check(r"a\nsk_live_0123456789abcdef01\nb", r"a\n[redacted:api_key]\nb");
}

#[test]
fn credentials_go_by_their_shape() {
    check("sent Bearer abc.def-123 to x", "sent Bearer [redacted:bearer] to x");
    check("Basic dXNlcjpwYXNz.", "Basic [redacted:bearer].");
    check("Digest username=\"a\", response=\"b\" x", "Digest [redacted:bearer] x");
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
    check(&format!("got {jwt}, ok"), "got [redacted:jwt], ok");
    check("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0. x", "[redacted:jwt] x");
    check("eyJhbGciOiJIUzI1NiJ9%2EeyJzdWIiOiIxIn0%2Ec2ln", "[redacted:jwt]");
    for key in [
        "sw_0123456789abcdefghij",
        "sk_live_0123456789abcdef",
        "ghp_0123456789abcdefghij0123456789abcdef",
        "sk-proj-abcdefghijklmnop0123",
        "glpat-abcdefghijklmnopqrst",
        "xoxb-123456789012-abcdef",
        "AKIAIOSFODNN7EXAMPLE",
        "SG.abcdefghijklmnop12.abcdefghijklmnop12",
        "AIzaSyA01234567890123456789012345678901",
        "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
        "SK0123456789abcdef0123456789abcdef",
        "key-0123456789abcdef0123456789abcdef",
        "whsec_abcdefghijklmnop+/=",
    ] {
        check(&format!("use {key} now"), "use [redacted:api_key] now");
        check(&format!("use {key}."), "use [redacted:api_key].");
    }
    check(
        "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXX",
        "https://hooks.slack.com/services/[redacted:api_key]",
    );
    check(
        "https://discord.com/api/webhooks/123456789/abcdefghijkl-_x",
        "https://discord.com/api/webhooks/[redacted:api_key]",
    );
    check("paid with 4111 1111 1111 1111 today", "paid with [redacted:card] today");
    check("by alice@example.com:", "by [redacted:email]:");
}

#[test]
fn private_keys_go_whole_or_to_the_end() {
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----";
    check(&format!("key {key} end"), "key [redacted:private_key] end");
    check(&format!("key {} end", key.replace('\n', "\\n")), "key [redacted:private_key] end");
    check(&format!("k={{{key}}}"), "k={[redacted:private_key]}");
    check("a -----BEGIN PRIVATE KEY-----\nMIIE\nabc", "a [redacted:private_key]");
    check("token=-----BEGIN PRIVATE KEY-----\nMI IE\n-----END PRIVATE KEY----- x", "token=[redacted:field] x");
    check(
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nx\n---- END SSH2 ENCRYPTED PRIVATE KEY ---- y",
        "[redacted:private_key] y",
    );
    check_stays("-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----");
    check_stays("-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----");
}

#[test]
fn prose_and_code_about_secrets_stay() {
    for text in [
        "password reset for user bob",
        "token expired",
        "secret santa",
        "Invalid password",
        "password: required",
        "the password is too short",
        "Basic authentication failed",
        "Bearer token missing",
        "bearer of bad news",
        "Unexpected token < in JSON at position 0",
        "Unexpected token: punc",
        "crate::secret::Store::open failed",
        "tokens_used=512 max_tokens=4096 token_count: 3",
        "token: expired",
        "password=",
        "password=\"\"",
        "token=null",
        "secret://vault/path",
        "--password --verbose",
        "sk-loading-fading-circle-dots",
        "sw_precache_manifest_updated",
        "WWW-Authenticate: Bearer realm=\"api\"",
        "password=****",
        "at token.rs:12:5",
        "key: value",
        "if token != x",
        "eyJ is how they begin",
        "rate 12:30:45",
        "risk-adjusted-return-of-2024-portfolio-plan",
        "signature=md5",
        "http://localhost:8080/a@b",
        "http://h:80/x",
        "git@github.com:org/repo.git",
        "100% of &c; \\x",
        "😀 token 😀",
    ] {
        check_stays(text);
    }
}

#[test]
fn a_clean_text_is_borrowed_and_a_cut_character_does_no_harm() {
    assert!(matches!(Redactor::default().redact_text("GET /users/42 200 in 3 ms"), Cow::Borrowed(_)));
    check("password=ü€😀 x", "password=[redacted:field] x");
    check("password%3D%FF%FE€ x", "password%3D[redacted:field] x");
}

#[test]
fn templates_keep_the_places_of_their_parameters() {
    let find = |text: &str, is_template| Redactor::default().search(is_template).find(text.as_bytes()).0.len();
    assert_eq!(find("login password={password}", true), 0);
    assert_eq!(find("login password=hunter2", true), 1);
    assert_eq!(find("login password={password}", false), 1);
}

/// What costs most for its size when repeated, of each kind we could think of.
const ADVERSARIAL: &[&str] = &[
    "password=",
    "password:",
    "\"password\":\"",
    "\\\"password\\\":\\\"",
    "password=\\",
    "\\",
    "\"",
    "'",
    "a@",
    "@",
    "a.",
    "4",
    "4111 ",
    "4111-",
    "eyJ",
    "eyJ-",
    "eyJ9.",
    "a://",
    "a://b:",
    "a://b:c/",
    "://",
    "dsn=",
    "dsn=a:",
    "dsn:\"",
    "%25",
    "%2525",
    "&amp;",
    "&amp;amp;",
    "\\u005c",
    "\\\\u0025",
    "--a",
    "--token ",
    "-",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY",
    "Bearer ",
    "Basic ",
    "Basic a",
    "Digest a",
    "cookie: a ",
    "cookie:;",
    "cookie=a;",
    "authorization: digest a=b, ",
    "{",
    "\"secret\":{",
    "\"secret\":[\"",
    "<token>",
    "<token>a",
    ">",
    "=",
    ":",
    "==",
    ",",
    "password=a,",
    "password=a,b",
    "YWxpY2VA",
    "YWFh",
    "YWFhL2Fh/",
    "YWFhYWFhYWFhYWFhYWFh/",
    "AAAA/",
    "é",
    "é@",
    "\u{2014}a@",
    " ",
    "\n",
    "SG.",
    "sk-",
    "sk-a-",
    "sw_",
    "sw_a.",
    "[redacted:",
    "[redacted:field]",
    "hooks.slack.com/services/",
    "1:AA",
    "123456789:AA",
    "a ",
    "api key ",
    "p w ",
    "\\n",
    "token=null ",
    "token=\\\"",
    "b'",
    "'''",
    "password='''",
    "\"a",
    "a@b.",
    "a@b.c-",
    "\"@",
    "\"a\"@",
    "\"aaaaaaaaaaaaaaaa@",
    "dsn=\"a",
    "token=eyJ",
    "&a",
    "&a;",
    "password=a&a",
    "1.",
    "::",
    "1:",
    "f.f:",
    "YWxpY2VAZXhhbXBsZS5jb20/",
    "Basic+",
    "Basic+a",
    "Bearer+a.",
    "bearer+",
    "Digest+",
    "sk-a-",
    "sk-a/",
    "SG.a.",
    "key-a/",
    "sw_a.a-",
    "xoxe.xox",
    "token=*",
    "token=\"*\" ",
    "cookie: a; ",
    "password=\"a\n",
    "password=\"a\"\"\n",
    "-----END ",
    "token: bearer ",
    "token=[redacted:field]",
];

#[test]
fn work_grows_with_the_text_and_not_faster() {
    let redactor = Redactor::new(&RedactConfig { redact_ip: true, ..RedactConfig::default() });
    for unit in ADVERSARIAL {
        let steps = |bytes: usize| redactor.search(false).find(unit.repeat(bytes / unit.len()).as_bytes()).1;
        let (small, large) = (steps(4_000), steps(40_000));
        assert!(large <= 400 * 40_000, "{unit}: {large} steps");
        assert!(large <= 12 * small + 10_000, "{unit}: {small} steps for a tenth, {large} for all");
    }
}

#[test]
fn a_megabyte_of_the_worst_stays_within_a_fixed_number_of_steps_for_each_byte() {
    let redactor = Redactor::default();
    for unit in ["password=", "\"@", "sk-", "Basic+", "eyJ-", "%2525", "4111 ", "YWFhL2Fh/", "curl -u 'a"] {
        let text = unit.repeat(1_000_000 / unit.len());
        let (_, steps) = redactor.search(false).find(text.as_bytes());
        assert!(steps <= 400 * text.len() as u64, "{unit}: {steps} steps");
    }
}
