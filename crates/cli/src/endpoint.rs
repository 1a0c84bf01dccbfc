//! Where the service is, and with which key.
//!
//! In this order: the command line, `SAPWOOD_URL` and `SAPWOOD_KEY`, the file that `scripts/dev` writes. A key from the
//! file goes to the address in the file and to no other.

use serde::Deserialize;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Options that every command with a service behind it takes.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct EndpointArgs {
    /// The service, such as `https://logger.example.com`. Else SAPWOOD_URL, else .dev/endpoint.json.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// An API key with the scope the command needs. Else SAPWOOD_KEY, else .dev/endpoint.json.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// The file that scripts/dev writes; looked for here and in the folders above.
    #[arg(long, value_name = "FILE", default_value = ".dev/endpoint.json")]
    pub endpoint: PathBuf,
}

/// What the key must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Ingest,
    Read,
    Admin,
}

/// A service and a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Without a slash at the end.
    pub url: String,
    pub key: String,
}

/// What `scripts/dev` writes.
#[derive(Debug, Default, Deserialize)]
struct EndpointFile {
    url: String,
    #[serde(default)]
    ingest_key: Option<String>,
    #[serde(default)]
    read_key: Option<String>,
    #[serde(default)]
    admin_key: Option<String>,
}

/// Why there is no endpoint.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EndpointFault {
    NoService(PathBuf),
    NoKey(String, Scope),
    Unreadable(PathBuf, String),
    NotAnAddress(String),
}

impl fmt::Display for EndpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoService(path) => write!(
                f,
                "no service named, and no {} here or above: start one with scripts/dev, or give --url and --key",
                path.display()
            ),
            Self::NoKey(url, scope) => {
                let scope = match scope {
                    Scope::Ingest => "ingest",
                    Scope::Read => "read",
                    Scope::Admin => "admin",
                };
                write!(f, "no key for {url}: give --key or SAPWOOD_KEY, an API key with the scope {scope}")
            }
            Self::Unreadable(path, reason) => {
                write!(f, "{} cannot be used ({reason}): restart scripts/dev, or give --url and --key", path.display())
            }
            Self::NotAnAddress(url) => write!(f, "{url} is no address: give --url http://HOST or https://HOST"),
        }
    }
}

impl EndpointArgs {
    /// The service and a key with `scope`.
    pub(crate) fn resolve(&self, scope: Scope) -> Result<Endpoint, EndpointFault> {
        let from_environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        self.resolve_with(scope, from_environment("SAPWOOD_URL"), from_environment("SAPWOOD_KEY"))
    }

    fn resolve_with(
        &self,
        scope: Scope,
        environment_url: Option<String>,
        environment_key: Option<String>,
    ) -> Result<Endpoint, EndpointFault> {
        let said_url = self.url.clone().or(environment_url).map(|url| url.trim_end_matches('/').to_owned());
        let said_key = self.key.clone().or(environment_key);
        if let (Some(url), Some(key)) = (&said_url, &said_key) {
            return checked(url, key);
        }
        let file = find_upwards(&self.endpoint).map(|path| read(&path)).transpose()?;
        let file_url = file.as_ref().map(|file| file.url.trim_end_matches('/').to_owned());
        let Some(url) = said_url.or_else(|| file_url.clone()) else {
            return Err(EndpointFault::NoService(self.endpoint.clone()));
        };
        let file_key = file.filter(|_| file_url.as_ref() == Some(&url)).and_then(|file| match scope {
            Scope::Ingest => file.ingest_key,
            Scope::Read => file.read_key,
            Scope::Admin => file.admin_key,
        });
        match said_key.or(file_key) {
            Some(key) => checked(&url, &key),
            None => Err(EndpointFault::NoKey(url, scope)),
        }
    }
}

fn checked(url: &str, key: &str) -> Result<Endpoint, EndpointFault> {
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(EndpointFault::NotAnAddress(url.to_owned()));
    }
    Ok(Endpoint { url: url.to_owned(), key: key.to_owned() })
}

fn read(path: &Path) -> Result<EndpointFile, EndpointFault> {
    let text = fs::read_to_string(path).map_err(|error| EndpointFault::Unreadable(path.into(), error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| EndpointFault::Unreadable(path.into(), error.to_string()))
}

/// `relative` in the current folder or the nearest one above that has it.
fn find_upwards(relative: &Path) -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().map(|folder| folder.join(relative)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    fn args(folder: &Folder, url: Option<&str>, key: Option<&str>) -> EndpointArgs {
        let file = folder.write(
            "endpoint.json",
            r#"{"url":"http://127.0.0.1:8787/","ingest_key":"i","read_key":"r","admin_key":"a","domain":"d"}"#,
        );
        EndpointArgs { url: url.map(str::to_owned), key: key.map(str::to_owned), endpoint: file }
    }

    #[test]
    fn the_file_gives_the_key_of_the_scope() {
        let folder = Folder::new();
        for (scope, key) in [(Scope::Ingest, "i"), (Scope::Read, "r"), (Scope::Admin, "a")] {
            let found = args(&folder, None, None).resolve_with(scope, None, None).unwrap();
            assert_eq!((found.url.as_str(), found.key.as_str()), ("http://127.0.0.1:8787", key));
        }
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let folder = Folder::new();
        let said = args(&folder, Some("https://a.example/"), Some("k1"));
        let found = said.resolve_with(Scope::Read, Some("http://b".into()), Some("k2".into())).unwrap();
        assert_eq!(found, Endpoint { url: "https://a.example".into(), key: "k1".into() });
        let found = args(&folder, None, None).resolve_with(Scope::Read, Some("http://b".into()), Some("k2".into()));
        assert_eq!(found.unwrap(), Endpoint { url: "http://b".into(), key: "k2".into() });
    }

    #[test]
    fn a_key_from_the_file_goes_to_no_other_address() {
        let folder = Folder::new();
        let fault = args(&folder, Some("http://elsewhere.example"), None).resolve_with(Scope::Ingest, None, None);
        assert_eq!(fault, Err(EndpointFault::NoKey("http://elsewhere.example".into(), Scope::Ingest)));
        let same = args(&folder, Some("http://127.0.0.1:8787"), None).resolve_with(Scope::Ingest, None, None);
        assert_eq!(same.unwrap().key, "i");
    }

    #[test]
    fn every_fault_says_what_to_do() {
        let folder = Folder::new();
        let absent = EndpointArgs { endpoint: "no/such/file.json".into(), ..EndpointArgs::default() };
        let broken = EndpointArgs { endpoint: folder.write("broken.json", "{"), ..EndpointArgs::default() };
        let ftp = EndpointArgs { url: Some("ftp://x".into()), key: Some("k".into()), ..absent.clone() };
        for (args, word) in [(absent, "scripts/dev"), (broken, "scripts/dev"), (ftp, "http://")] {
            let fault = args.resolve_with(Scope::Read, None, None).unwrap_err().to_string();
            assert!(fault.contains(word), "{fault}");
        }
        assert!(EndpointFault::NoKey("u".into(), Scope::Ingest).to_string().contains("ingest"));
    }
}
