//! `sapwood check-config`: what would hold if this were deployed, where each value comes from, and all that is wrong.
//!
//! The check itself is the engine's, the same that the running Worker makes. This file reads `wrangler.toml` and a
//! `.dev.vars` the way wrangler does (variables are not inherited by `[env.<name>]`; `.dev.vars` wins) and prints.
//! No value of a secret is printed. Left out: secrets that only the platform knows; they are listed as unseen.

use crate::Verdict;
use sapwood_engine::config::{self, ConfigProblem, ProblemKind, Provenance, RawConfig, Survey, keys};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Arguments of `check-config`.
#[derive(clap::Args)]
pub(crate) struct CheckConfig {
    /// The environment, as in `wrangler deploy --env NAME`; without it, the top level of the file.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// The wrangler configuration.
    #[arg(long, value_name = "FILE", default_value = "wrangler.toml")]
    file: PathBuf,
    /// Secrets of a developer's machine. Without it, secrets are listed as unseen and not as missing.
    #[arg(long, value_name = "FILE")]
    dev_vars: Option<PathBuf>,
    /// Print the reference of all keys (docs/operating/configuration.md) and stop.
    #[arg(long)]
    reference: bool,
}

/// Why the check could not be made.
#[derive(Debug)]
pub(crate) enum CheckFault {
    Unreadable(PathBuf, io::Error),
    NotToml(PathBuf, String),
    NoSuchEnvironment(String, Vec<String>),
    NotAnAssignment(PathBuf, usize),
    Unwritable(io::Error),
}

impl fmt::Display for CheckFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::NotToml(path, error) => write!(f, "{} is not TOML: {error}", path.display()),
            Self::NoSuchEnvironment(name, known) => {
                write!(f, "there is no environment {name}; the file has: {}", known.join(", "))
            }
            Self::NotAnAssignment(path, line) => write!(f, "{} line {line} is not NAME=value", path.display()),
            Self::Unwritable(error) => write!(f, "cannot write: {error}"),
        }
    }
}

/// Values by name, each with the place where it stands.
type Said = BTreeMap<String, SaidValue>;

struct SaidValue {
    /// `None`: a table or list, which is no setting of ours.
    text: Option<String>,
    place: String,
    provenance: Provenance,
}

impl CheckConfig {
    /// Makes the check and prints it.
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<Verdict, CheckFault> {
        if self.reference {
            out.write_all(config::reference_page().as_bytes()).map_err(CheckFault::Unwritable)?;
            return Ok(Verdict::Good);
        }
        let mut said = vars(&self.file, &read(&self.file)?, self.env.as_deref())?;
        if let Some(path) = &self.dev_vars {
            said.extend(dev_vars(path, &read(path)?)?);
        }
        let findings = Findings::of(&said, self.dev_vars.is_some());
        findings.print(out).map_err(CheckFault::Unwritable)?;
        Ok(if findings.problems.is_empty() { Verdict::Good } else { Verdict::Bad })
    }
}

fn read(path: &Path) -> Result<String, CheckFault> {
    std::fs::read_to_string(path).map_err(|error| CheckFault::Unreadable(path.to_owned(), error))
}

/// The variables of one environment.
fn vars(path: &Path, text: &str, env: Option<&str>) -> Result<Said, CheckFault> {
    // Only the message: the whole error quotes the line, which may hold something that should not be printed.
    let parsed: Result<toml::Table, toml::de::Error> = text.parse();
    let file = parsed.map_err(|error| CheckFault::NotToml(path.to_owned(), error.message().to_owned()))?;
    let (scope, heading) = match env {
        None => (&file, "[vars]".to_owned()),
        Some(name) => (environment(&file, name)?, format!("[env.{name}.vars]")),
    };
    let place = format!("{} {heading}", path.display());
    let table = scope.get("vars").and_then(toml::Value::as_table).into_iter().flatten();
    let entry = |(name, value): (&String, &toml::Value)| {
        (name.clone(), SaidValue { text: scalar(value), place: place.clone(), provenance: Provenance::Var })
    };
    Ok(table.map(entry).collect())
}

fn environment<'a>(file: &'a toml::Table, name: &str) -> Result<&'a toml::Table, CheckFault> {
    let all = file.get("env").and_then(toml::Value::as_table);
    let found = all.and_then(|all| all.get(name)).and_then(toml::Value::as_table);
    let known = || all.into_iter().flat_map(toml::Table::keys).cloned().collect();
    found.ok_or_else(|| CheckFault::NoSuchEnvironment(name.to_owned(), known()))
}

/// A value as the Worker reads it: wrangler hands numbers and booleans through as such.
fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

/// The lines `NAME=value` of a `.dev.vars`: comments, blank lines, `export` and one pair of quotes are understood.
fn dev_vars(path: &Path, text: &str) -> Result<Said, CheckFault> {
    let mut said = Said::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')
            .ok_or_else(|| CheckFault::NotAnAssignment(path.to_owned(), index + 1))?;
        let place = path.display().to_string();
        let text = Some(unquoted(value.trim()).to_owned());
        said.insert(name.trim().to_owned(), SaidValue { text, place, provenance: Provenance::Secret });
    }
    Ok(said)
}

/// A value without its quotes, or without the comment behind it.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\'', '`'] {
        if let Some((inside, _comment)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside;
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

/// The outcome of one check, ready to print.
struct Findings {
    /// Key, value and origin.
    rows: Vec<[String; 3]>,
    problems: Vec<ConfigProblem>,
    /// Secrets that were not given to us and may well be set on the platform.
    unseen: Vec<String>,
}

impl Findings {
    fn of(said: &Said, secrets_were_read: bool) -> Self {
        let mut raw = RawConfig::new();
        let mut problems = Vec::new();
        for (name, value) in said {
            match &value.text {
                Some(text) => raw.say(name, text, value.provenance),
                None => problems.push(ConfigProblem {
                    key: name.clone(),
                    kind: ProblemKind::Invalid,
                    value: None,
                    allowed: "text, a whole number, true or false".to_owned(),
                    help: "is a table, a list or a date".to_owned(),
                }),
            }
        }
        let Survey { effective, problems: found } = config::survey(&raw);
        let is_unseen = |problem: &ConfigProblem| {
            !secrets_were_read && problem.kind == ProblemKind::Missing && is_secret(&problem.key)
        };
        let (unseen, found): (Vec<_>, Vec<_>) = found.into_iter().partition(is_unseen);
        problems.extend(found);
        let rows = effective.into_iter().map(|setting| {
            let name = setting.said_as.unwrap_or(setting.key);
            let place =
                said.get(name).map_or_else(|| setting.provenance.word().to_owned(), |value| value.place.clone());
            let origin = match setting.said_as {
                Some(name) => format!("{place} as {name}"),
                None => place,
            };
            [setting.key.to_owned(), setting.shown, origin]
        });
        Self { rows: rows.collect(), problems, unseen: unseen.into_iter().map(|problem| problem.key).collect() }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let width =
            |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
        // A long list of origins should not push the last column off the screen.
        let (key_width, value_width) = (width(0), width(1).min(40));
        for [key, shown, origin] in &self.rows {
            writeln!(out, "{key:key_width$}  {shown:value_width$}  {origin}")?;
        }
        writeln!(out)?;
        if !self.unseen.is_empty() {
            writeln!(
                out,
                "not seen here, must be set on the platform (wrangler secret put): {}",
                self.unseen.join(", ")
            )?;
        }
        match self.problems.len() {
            0 => writeln!(out, "no problems"),
            1 => writeln!(out, "1 problem"),
            count => writeln!(out, "{count} problems"),
        }?;
        self.problems.iter().try_for_each(|problem| writeln!(out, "  {problem}"))
    }
}

fn is_secret(name: &str) -> bool {
    let kind = keys::find(name).and_then(|spec| match spec.status {
        keys::Status::Used { kind, .. } => Some(kind),
        keys::Status::Mapped { .. } | keys::Status::Refused { .. } => None,
    });
    kind.is_some_and(keys::Kind::is_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [vars]
        ENVIRONMENT = "development"
        FLUSH_INTERVAL = 500
        [env.production.vars]
        ENVIRONMENT = "production"
        RETENTION_DAYS = 30
        ALERTS_ENABLED = false
        [env.bare]
    "#;
    const SECRETS: &str =
        "# local\n\nKEY_SIGNING_SECRET=\"f3a91c07be5d42688e0b7d1495c6a2f0\" # rotated\nexport BATCH_SIZE=20 # small\n";

    fn check(env: Option<&str>, secrets: Option<&str>) -> (Findings, String) {
        let mut said = vars(Path::new("w.toml"), FILE, env).unwrap();
        if let Some(text) = secrets {
            said.extend(dev_vars(Path::new(".dev.vars"), text).unwrap());
        }
        let findings = Findings::of(&said, secrets.is_some());
        let mut printed = Vec::new();
        findings.print(&mut printed).unwrap();
        (findings, String::from_utf8(printed).unwrap())
    }

    fn row<'a>(printed: &'a str, key: &str) -> Vec<&'a str> {
        printed.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap_or("").split_whitespace().collect()
    }

    #[test]
    fn shows_each_value_and_where_it_stands() {
        let (findings, printed) = check(Some("production"), Some(SECRETS));
        assert!(findings.problems.is_empty(), "{printed}");
        assert_eq!(row(&printed, "RETENTION_DAYS"), ["RETENTION_DAYS", "30", "w.toml", "[env.production.vars]"]);
        assert_eq!(row(&printed, "ALERTS_ENABLED")[1], "false");
        assert_eq!(row(&printed, "FLUSH_INTERVAL"), ["FLUSH_INTERVAL", "30s", "default"]);
        assert_eq!(row(&printed, "BULK_INSERT_SIZE"), ["BULK_INSERT_SIZE", "20", ".dev.vars", "as", "BATCH_SIZE"]);
        assert_eq!(row(&printed, "KEY_SIGNING_SECRET"), ["KEY_SIGNING_SECRET", "set", ".dev.vars"]);
        assert!(!printed.contains("f3a91c07"), "{printed}");
        assert!(printed.ends_with("no problems\n"), "{printed}");
    }

    #[test]
    fn variables_are_not_inherited_by_an_environment() {
        let (_, printed) = check(None, Some(SECRETS));
        assert_eq!(row(&printed, "FLUSH_INTERVAL")[1], "500ms");
        let (findings, printed) = check(Some("bare"), Some(SECRETS));
        assert_eq!(findings.problems.len(), 1);
        assert!(printed.contains("1 problem\n  ENVIRONMENT: missing: is not set."), "{printed}");
    }

    #[test]
    fn secrets_that_nobody_showed_us_are_unseen_and_not_missing() {
        let (findings, printed) = check(None, None);
        assert!(findings.problems.is_empty(), "{printed}");
        assert!(
            printed.contains("not seen here, must be set on the platform (wrangler secret put): KEY_SIGNING_SECRET")
        );
        let (findings, _) = check(None, Some(""));
        assert_eq!(findings.problems.len(), 1, "an empty .dev.vars was shown, and the secret is missing");
    }

    #[test]
    fn tables_and_lists_are_no_settings() {
        let text = "[vars]\nENVIRONMENT = \"staging\"\nREDACT_NAMES = [\"a\"]\nX = { a = 1 }\nRETENTION_DAYS = 1.5";
        let findings = Findings::of(&vars(Path::new("w"), text, None).unwrap(), false);
        let keys: Vec<_> = findings.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["REDACT_NAMES", "X", "RETENTION_DAYS"]);
    }

    #[test]
    fn faults_name_the_place_and_never_quote_the_file() {
        let fault = |result: Result<Said, CheckFault>| result.err().unwrap().to_string();
        assert_eq!(
            fault(vars(Path::new("w"), FILE, Some("prod"))),
            "there is no environment prod; the file has: bare, production"
        );
        assert_eq!(fault(vars(Path::new("w"), "", Some("x"))), "there is no environment x; the file has: ");
        let broken = fault(vars(Path::new("w"), "API_KEY = hunter2", None));
        assert!(broken.starts_with("w is not TOML: ") && !broken.contains("hunter2"), "{broken}");
        assert_eq!(fault(dev_vars(Path::new("d"), "A=1\nhunter2")), "d line 2 is not NAME=value");
        let missing = read(Path::new("no/such/file")).err().unwrap().to_string();
        assert!(missing.starts_with("cannot read no/such/file: "), "{missing}");
    }

    #[test]
    fn quotes_and_comments_are_taken_off() {
        for (written, expected) in [
            ("plain", "plain"),
            ("\"a # b\" # c", "a # b"),
            ("'a\"b'", "a\"b"),
            ("a#b", "a#b"),
            ("a # b", "a"),
            ("\"open", "\"open"),
            ("", ""),
        ] {
            assert_eq!(unquoted(written), expected, "{written}");
        }
    }
}
