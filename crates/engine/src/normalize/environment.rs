//! The environment of a record: given, else named by its words, else the configured one.
//!
//! Usual synonyms of a given environment become the four well-known words; others stay as sent, in lower case. From
//! the words of a message only what can hardly mean anything else is believed: `localhost`, `dev`, `staging`, `qa`,
//! `prod`, or a word such as `test` or `live` right next to `server`, `environment` and their like. The host of a URL
//! is believed with every such word.

use super::notes::Notes;
use super::vocabulary::Meaning;
use super::words::Words;

/// Bytes of an environment's name.
const ENVIRONMENT_BYTES_MAX: usize = 50;

/// An environment as given, in its usual spelling.
pub(crate) fn given(sent: Option<String>, notes: &mut Notes) -> Option<String> {
    let mut name = notes.field_within(sent, ENVIRONMENT_BYTES_MAX)?;
    name.make_ascii_lowercase();
    Some(match name.as_str() {
        "dev" | "devel" | "local" | "localhost" | "develop" => "development".to_string(),
        "prod" | "prd" | "live" => "production".to_string(),
        "stage" | "stg" | "uat" | "qa" | "preprod" | "pre-prod" | "pre-production" | "preproduction" => {
            "staging".to_string()
        }
        "testing" | "ci" => "test".to_string(),
        _ => name,
    })
}

/// The environment that the words of the message, or the endpoint, name.
pub(crate) fn derive(words: &Words, endpoint: Meaning) -> Option<&'static str> {
    const CERTAIN: [(Meaning, Meaning, &str); 4] = [
        (Meaning::DEVELOPMENT, Meaning::MAYBE_DEVELOPMENT, "development"),
        (Meaning::STAGING, Meaning::MAYBE_STAGING, "staging"),
        (Meaning::TEST, Meaning::MAYBE_TEST, "test"),
        (Meaning::PRODUCTION, Meaning::MAYBE_PRODUCTION, "production"),
    ];
    let any = words.meaning | words.host | endpoint;
    CERTAIN.into_iter().find_map(|(said, maybe, name)| {
        let named = any.has(said) || words.host.has(maybe) || words.near(maybe, Meaning::PLACE, 1);
        named.then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::words::meaning_of;

    #[test]
    fn a_given_environment_gets_its_usual_name() {
        for (sent, expected) in [
            ("dev", Some("development")),
            ("LIVE", Some("production")),
            ("prod", Some("production")),
            ("stage", Some("staging")),
            ("qa", Some("staging")),
            ("Test", Some("test")),
            ("EU-West canary", Some("eu-west canary")),
            (" ", None),
        ] {
            assert_eq!(given(Some(sent.into()), &mut Notes::default()).as_deref(), expected, "{sent}");
        }
        assert!(given(Some("x".repeat(90)), &mut Notes::default()).is_some_and(|name| name.len() <= 50));
    }

    #[test]
    fn words_name_an_environment_only_when_they_must_mean_one() {
        for (message, expected) in [
            ("listening on localhost:3000", Some("development")),
            ("bound to 127.0.0.1", Some("development")),
            ("running in staging", Some("staging")),
            ("live server restarted", Some("production")),
            ("the production database", None),
            ("deployed in production", Some("production")),
            ("test environment ready", Some("test")),
            ("calling https://test.example.com/x", Some("test")),
            ("calling http://localhost:80/x", Some("development")),
            ("calling http://127.0.0.1/x", Some("development")),
            ("calling http://[::1]:80/x", Some("development")),
            ("test passed", None),
            ("the latest contest", None),
            ("mail delivered", None),
            ("reproduction of the bug", None),
            ("cannot open /dev/null", None),
            ("stage 3 of 5", None),
            ("device attested", None),
            ("see https://example.com/live/test", None),
        ] {
            assert_eq!(derive(&Words::of(message, false), Meaning::NONE), expected, "{message}");
        }
        assert_eq!(derive(&Words::default(), meaning_of("/staging/users")), Some("staging"));
        assert_eq!(derive(&Words::default(), meaning_of("/test/users")), None);
    }
}
