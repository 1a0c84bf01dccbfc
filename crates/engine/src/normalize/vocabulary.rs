//! What words mean to the rules: one table for all of them, so that a word is looked up once.
//!
//! Every entry is a whole word with its inflections written out. Words that mislead when they stand alone
//! (`connection`, `token`, `format`, `required`, `view`, `transaction` ...) count only inside a phrase, and some phrases
//! exist to take a meaning away (`query string`, `pull request`, `with the exception of`).
//!
//! The tables are built at compile time: a hash table of words, and the phrases sorted so that those with the same
//! first word stand together, longest first.

use super::words::Word;
use std::ops::BitOr;

/// A set of meanings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meaning(u64);

impl BitOr for Meaning {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

impl Meaning {
    pub(crate) const NONE: Self = Self(0);

    // Categories.
    pub(crate) const AUTHENTICATION: Self = Self(1);
    pub(crate) const DATABASE: Self = Self(1 << 1);
    pub(crate) const API: Self = Self(1 << 2);
    pub(crate) const PERFORMANCE: Self = Self(1 << 3);
    pub(crate) const VALIDATION: Self = Self(1 << 4);
    pub(crate) const BUSINESS: Self = Self(1 << 5);
    pub(crate) const SECURITY: Self = Self(1 << 6);
    pub(crate) const INFRASTRUCTURE: Self = Self(1 << 7);
    pub(crate) const UI: Self = Self(1 << 8);

    // Environments: said, or said only next to a word such as `server`.
    pub(crate) const DEVELOPMENT: Self = Self(1 << 9);
    pub(crate) const STAGING: Self = Self(1 << 10);
    pub(crate) const TEST: Self = Self(1 << 11);
    pub(crate) const PRODUCTION: Self = Self(1 << 12);
    pub(crate) const MAYBE_DEVELOPMENT: Self = Self(1 << 13);
    pub(crate) const MAYBE_STAGING: Self = Self(1 << 14);
    pub(crate) const MAYBE_TEST: Self = Self(1 << 15);
    pub(crate) const MAYBE_PRODUCTION: Self = Self(1 << 16);
    pub(crate) const PLACE: Self = Self(1 << 17);

    // Sources.
    pub(crate) const FROM_UI: Self = Self(1 << 18);
    pub(crate) const FROM_BACKEND: Self = Self(1 << 19);
    pub(crate) const FROM_LOGIC: Self = Self(1 << 20);
    pub(crate) const FROM_EXTERNAL: Self = Self(1 << 21);

    /// Something was thrown.
    pub(crate) const THROWN: Self = Self(1 << 22);
    /// `service`, `handler` ...: the word before may name a component.
    pub(crate) const ROLE: Self = Self(1 << 23);
    /// Begins a phrase.
    pub(crate) const LEAD: Self = Self(1 << 24);
    /// Takes back the claim of the phrase that follows: `no data loss`, `scaling service down`.
    pub(crate) const VOIDS: Self = Self(1 << 25);

    // Triage.
    pub(crate) const CRITICAL: Self = Self(1 << 26);
    pub(crate) const SERVICE_DOWN: Self = Self(1 << 27);
    pub(crate) const BREACH: Self = Self(1 << 28);
    pub(crate) const DATA_LOSS: Self = Self(1 << 29);
    pub(crate) const TIMEOUT: Self = Self(1 << 30);
    pub(crate) const CONNECTION: Self = Self(1 << 31);
    pub(crate) const FAILED: Self = Self(1 << 32);
    pub(crate) const PAYMENT: Self = Self(1 << 33);
    pub(crate) const USER_DATA: Self = Self(1 << 34);

    /// What a preceding [`Meaning::VOIDS`] takes from a phrase.
    pub(crate) const VOIDABLE: Self =
        Self::CRITICAL.and(Self::SERVICE_DOWN).and(Self::BREACH).and(Self::DATA_LOSS).and(Self::THROWN);

    /// Both sets together, usable in tables.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether any meaning of `other` is in this set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

use Meaning as M;

const WORDS: &[(Meaning, &str)] = &[
    (
        M::AUTHENTICATION,
        "auth authn authz authenticate authenticated authenticates authenticating authentication authenticator \
         authorize authorized authorizes authorizing authorization authorise authorised authorisation login logins logon \
         logout logoff signin signout permission permissions unauthorized unauthorised unauthenticated forbidden \
         credential credentials password passwords oauth oauth2 auth2 oidc sso saml mfa 2fa totp otp jwt",
    ),
    (
        M::DATABASE,
        "database databases db dbs sql nosql mysql mariadb postgres postgresql sqlite mongodb mongo sqlstate jdbc odbc \
         query queries querying queried deadlock deadlocks tablespace transaction transactions",
    ),
    (
        M::API,
        "api apis http request requests response responses network timeout timeouts endpoint endpoints graphql grpc rpc \
         webhook webhooks websocket websockets dns tcp upstream socket econnrefused econnreset etimedout enotfound \
         ehostunreach",
    ),
    (
        M::PERFORMANCE,
        "performance slow slower slowly slowness memory cpu latency latencies throughput bottleneck heap oom",
    ),
    (
        M::VALIDATION,
        "validation validations validate validated validates validating validator invalid schema schemas malformed",
    ),
    (
        M::BUSINESS,
        "payment payments invoice invoices checkout refund refunds refunded purchase purchases purchased subscription \
         subscriptions",
    ),
    (
        M::SECURITY,
        "security attack attacks attacked attacker attackers malicious breach breached breaches suspicious intrusion \
         exploit exploited vulnerability vulnerabilities malware ransomware ddos xss csrf bruteforce sqli tampered \
         tampering phishing",
    ),
    (
        M::INFRASTRUCTURE,
        "infrastructure deployment deployments deploy deploys deployed deploying redeploy config configs configuration \
         configurations misconfigured environment environments kubernetes k8s docker terraform helm kubelet filesystem",
    ),
    (M::UI, "ui frontend frontends render renders rendered rendering rerender css dom browser hydration viewport"),
    (M::DEVELOPMENT, "localhost dev"),
    (M::STAGING, "staging stg uat preprod qa"),
    (M::PRODUCTION, "prod"),
    (M::MAYBE_DEVELOPMENT, "development"),
    (M::MAYBE_STAGING, "stage"),
    (M::MAYBE_TEST, "test testing"),
    (M::MAYBE_PRODUCTION, "production live"),
    (M::PLACE, "env environment server servers cluster mode site namespace tier deployment host traffic"),
    (M::FROM_UI, "ui frontend frontends browser click clicked button rendered rendering css dom viewport"),
    (
        M::FROM_BACKEND,
        "backend backends server servers database databases db sql worker workers queue queues cron scheduler daemon",
    ),
    (M::FROM_LOGIC, "logic workflow workflows calculation calculations"),
    (M::FROM_EXTERNAL, "external upstream webhook webhooks thirdparty"),
    (M::THROWN, "exception exceptions thrown unhandled uncaught panicked"),
    (M::ROLE, "service handler processor manager controller"),
    (
        M::VOIDS,
        "no not without zero never 0 scaling scale scaled shutting shut bringing taking prevent prevented avoid",
    ),
    (M::TIMEOUT, "timeout timeouts etimedout"),
    (M::CONNECTION, "connection connections connect connecting"),
    (
        M::FAILED,
        "failed failure failures fails fail failing refused lost dropped declined rejected unable denied error errors",
    ),
    (M::PAYMENT, "payment payments"),
];

/// Phrases; the longest one that fits wins over shorter ones and over the meanings of its words.
const PHRASES: &[(&str, Meaning)] = &[
    // Authentication.
    ("access denied", M::AUTHENTICATION),
    ("access token", M::AUTHENTICATION),
    ("bearer token", M::AUTHENTICATION),
    ("expired token", M::AUTHENTICATION),
    ("invalid token", M::AUTHENTICATION),
    ("invalid format", M::VALIDATION),
    ("logged in", M::AUTHENTICATION),
    ("logged out", M::AUTHENTICATION),
    ("refresh token", M::AUTHENTICATION),
    ("session expired", M::AUTHENTICATION),
    ("sign in", M::AUTHENTICATION),
    ("signed in", M::AUTHENTICATION),
    ("signed out", M::AUTHENTICATION),
    ("token has expired", M::AUTHENTICATION),
    ("token expired", M::AUTHENTICATION),
    ("token invalid", M::AUTHENTICATION),
    // Database, and what only looks like it.
    ("connection pool", M::DATABASE),
    ("connection refused", M::API.and(M::CONNECTION).and(M::FAILED)),
    ("connection reset", M::API.and(M::CONNECTION).and(M::FAILED)),
    ("connection aborted", M::API.and(M::CONNECTION).and(M::FAILED)),
    ("connection lost", M::API.and(M::CONNECTION).and(M::FAILED)),
    ("connection failed", M::API.and(M::CONNECTION).and(M::FAILED)),
    ("connection timed out", M::API.and(M::CONNECTION).and(M::FAILED).and(M::TIMEOUT)),
    ("connection timeout", M::API.and(M::CONNECTION).and(M::FAILED).and(M::TIMEOUT)),
    ("connection closed", M::API.and(M::CONNECTION)),
    ("constraint violation", M::DATABASE),
    ("duplicate entry", M::DATABASE),
    ("duplicate key", M::DATABASE),
    ("foreign key", M::DATABASE),
    ("lock wait", M::DATABASE),
    ("payment transaction", M::BUSINESS.and(M::PAYMENT)),
    ("payment transactions", M::BUSINESS.and(M::PAYMENT)),
    ("query parameter", M::API),
    ("query parameters", M::API),
    ("query param", M::API),
    ("query params", M::API),
    ("query string", M::API),
    ("schema migration", M::DATABASE),
    ("search query", M::NONE),
    ("slow query", M::DATABASE.and(M::PERFORMANCE)),
    ("too many connections", M::DATABASE),
    ("too many requests", M::API),
    ("transaction declined", M::BUSINESS.and(M::PAYMENT).and(M::FAILED)),
    ("unique constraint", M::DATABASE),
    // API and network, and what only looks like it.
    ("bad gateway", M::API),
    ("bad format", M::VALIDATION),
    ("bad request", M::API.and(M::VALIDATION)),
    ("feature request", M::NONE),
    ("feature requests", M::NONE),
    ("gateway timeout", M::API.and(M::TIMEOUT)),
    ("host unreachable", M::API),
    ("merge request", M::NONE),
    ("merge requests", M::NONE),
    ("network error", M::API.and(M::FAILED)),
    ("pull request", M::NONE),
    ("pull requests", M::NONE),
    ("rate limit", M::API),
    ("rate limited", M::API),
    ("timed out", M::API.and(M::TIMEOUT)),
    // Validation.
    ("are required", M::VALIDATION),
    ("date format", M::VALIDATION),
    ("field required", M::VALIDATION),
    ("format error", M::VALIDATION),
    ("is required", M::VALIDATION),
    ("missing field", M::VALIDATION),
    ("missing fields", M::VALIDATION),
    ("missing parameter", M::VALIDATION),
    ("required argument", M::VALIDATION),
    ("required field", M::VALIDATION),
    ("required fields", M::VALIDATION),
    ("required header", M::VALIDATION),
    ("required key", M::VALIDATION),
    ("required param", M::VALIDATION),
    ("required parameter", M::VALIDATION),
    ("required property", M::VALIDATION),
    ("required value", M::VALIDATION),
    ("unexpected format", M::VALIDATION),
    ("unexpected token", M::VALIDATION),
    ("unknown format", M::VALIDATION),
    ("unsupported format", M::VALIDATION),
    ("wrong format", M::VALIDATION),
    // Security, and what only looks like it.
    ("brute force", M::SECURITY),
    ("code injection", M::SECURITY),
    ("command injection", M::SECURITY),
    ("cross site scripting", M::SECURITY),
    ("script injection", M::SECURITY),
    ("security breach", M::SECURITY.and(M::CRITICAL).and(M::BREACH)),
    ("sla breach", M::PERFORMANCE),
    ("sla breached", M::PERFORMANCE),
    ("sql injection", M::SECURITY),
    ("threshold breach", M::NONE),
    ("threshold breached", M::NONE),
    // Infrastructure, interface.
    ("container image", M::INFRASTRUCTURE),
    ("front end", M::UI.and(M::FROM_UI)),
    ("page view", M::UI.and(M::FROM_UI)),
    ("react component", M::UI.and(M::FROM_UI)),
    ("component mounted", M::UI.and(M::FROM_UI)),
    ("component unmounted", M::UI.and(M::FROM_UI)),
    ("component update", M::UI.and(M::FROM_UI)),
    ("view controller", M::UI.and(M::FROM_UI)),
    ("view model", M::UI.and(M::FROM_UI)),
    // Environment, source, thrown or not.
    ("127 0 0 1", M::DEVELOPMENT),
    ("business logic", M::FROM_LOGIC),
    ("business rule", M::FROM_LOGIC),
    ("business rules", M::FROM_LOGIC),
    ("exception of", M::NONE),
    ("in production", M::PRODUCTION),
    ("in development mode", M::DEVELOPMENT),
    ("no exception", M::NONE),
    ("no exceptions", M::NONE),
    ("third party", M::FROM_EXTERNAL),
    ("without exception", M::NONE),
    // Triage.
    ("data corruption", M::CRITICAL.and(M::DATA_LOSS)),
    ("data corrupted", M::CRITICAL.and(M::DATA_LOSS)),
    ("data loss", M::CRITICAL.and(M::DATA_LOSS)),
    ("database is unreachable", M::DATABASE.and(M::FROM_BACKEND).and(M::CRITICAL)),
    ("database unreachable", M::DATABASE.and(M::FROM_BACKEND).and(M::CRITICAL)),
    ("db is unreachable", M::DATABASE.and(M::FROM_BACKEND).and(M::CRITICAL)),
    ("db unreachable", M::DATABASE.and(M::FROM_BACKEND).and(M::CRITICAL)),
    ("disk is full", M::INFRASTRUCTURE.and(M::CRITICAL)),
    ("disk full", M::INFRASTRUCTURE.and(M::CRITICAL)),
    ("disk space", M::INFRASTRUCTURE),
    ("no space left", M::INFRASTRUCTURE.and(M::CRITICAL)),
    ("out of memory", M::PERFORMANCE.and(M::CRITICAL)),
    ("service is down", M::CRITICAL.and(M::SERVICE_DOWN)),
    ("service is unavailable", M::CRITICAL.and(M::SERVICE_DOWN)),
    ("service down", M::CRITICAL.and(M::SERVICE_DOWN)),
    ("service unavailable", M::CRITICAL.and(M::SERVICE_DOWN)),
    ("system failure", M::CRITICAL.and(M::SERVICE_DOWN)),
    ("user data", M::USER_DATA),
];

/// Words a phrase may have.
const PHRASE_WORDS_MAX: usize = 4;
/// Slots of the word table, a power of two at least twice the number of words: a word that means nothing, which is
/// most of them, is usually told by the first slot.
const SLOTS: usize = 2048;

/// Words that follow one another, and what they mean together.
#[derive(Clone, Copy)]
pub(crate) struct Phrase {
    words: [Word; PHRASE_WORDS_MAX],
    length: usize,
    /// What the words mean together.
    pub(crate) meaning: Meaning,
}

impl Phrase {
    const EMPTY: Self = Self { words: [Word::of(""); PHRASE_WORDS_MAX], length: 0, meaning: Meaning::NONE };

    /// The words, first to last.
    pub(crate) fn words(&self) -> &[Word] {
        self.words.get(..self.length).unwrap_or_default()
    }
}

#[derive(Clone, Copy)]
struct Slot {
    key: u128,
    meaning: u64,
    /// Position of the first phrase that begins with this word; beyond the end for none.
    phrase: u16,
}

struct Tables {
    slots: [Slot; SLOTS],
    phrases: [Phrase; PHRASES.len()],
}

static TABLES: Tables = build();

/// Whether one of the words here, alone or in a phrase, or one of [`SCHEMES`], may be the first `length` bytes of `text`, at
/// least one and at most fifteen: the first two letters, the last one and the length tell nearly all words from all of them.
#[inline]
pub(crate) fn may_hold(text: &[u8], length: usize) -> bool {
    // A word of one letter is followed by itself.
    let (first, second) = match text {
        [first, second, ..] if length > 1 => (*first, *second),
        [first, ..] => (*first, *first),
        [] => return false,
    };
    let may_be = |lengths: &[u16; 1024], other| lengths[pair(first, other)] >> length & 1 != 0;
    // Nearly all words are told by their beginning.
    may_be(&BY_BEGINNING, second) && text.get(length - 1).is_some_and(|&last| may_be(&BY_ENDS, last))
}

/// What begins a URL of the web: no word of the vocabulary, but what follows it is no prose.
const SCHEMES: &str = "http https ws wss";

/// The lengths, one bit each, of the words that begin with a pair of letters.
static BY_BEGINNING: [u16; 1024] = lengths(false);

/// The lengths, one bit each, of the words whose first and last letters are a pair.
static BY_ENDS: [u16; 1024] = lengths(true);

const fn lengths(by_ends: bool) -> [u16; 1024] {
    let mut lengths = [0; 1024];
    add_lengths(&mut lengths, SCHEMES, by_ends);
    let mut group = 0;
    while group < WORDS.len() {
        add_lengths(&mut lengths, WORDS[group].1, by_ends);
        group += 1;
    }
    let mut group = 0;
    while group < PHRASES.len() {
        add_lengths(&mut lengths, PHRASES[group].0, by_ends);
        group += 1;
    }
    lengths
}

/// The place of a pair of letters of any case; others may share it.
const fn pair(first: u8, second: u8) -> usize {
    // Few words begin with a digit, and many runs do: these have places that no letter has.
    let first = if first.is_ascii_digit() { 27 + (first - b'0') % 5 } else { first & 31 };
    ((first & 31) as usize) << 5 | (second as usize & 31)
}

/// What one word means, by itself.
pub(crate) fn meaning(word: Word) -> Meaning {
    match slot(word) {
        Some(slot) => Meaning(slot.meaning),
        None => Meaning::NONE,
    }
}

/// The phrases that begin with `first`.
pub(crate) fn phrases_from(first: Word) -> impl Iterator<Item = &'static Phrase> {
    let start = slot(first).map_or(PHRASES.len(), |slot| usize::from(slot.phrase));
    let rest = TABLES.phrases.get(start..).unwrap_or_default();
    rest.iter().take_while(move |phrase| phrase.words.first() == Some(&first))
}

fn slot(word: Word) -> Option<&'static Slot> {
    let key = word.key();
    let mut at = slot_of(key);
    loop {
        let slot = TABLES.slots.get(at)?;
        if slot.key == key {
            return Some(slot);
        }
        if slot.key == 0 {
            return None;
        }
        at = (at + 1) % SLOTS;
    }
}

const fn slot_of(key: u128) -> usize {
    let folded = (key as u64) ^ ((key >> 64) as u64).rotate_left(29);
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as usize % SLOTS
}

// From here on everything runs at compile time only: an index out of bounds does not build.

/// Finds or makes the slot of a word.
const fn slot_for(slots: &mut [Slot; SLOTS], word: Word) -> usize {
    let key = word.key();
    let mut at = slot_of(key);
    while slots[at].key != 0 && slots[at].key != key {
        at = (at + 1) % SLOTS;
    }
    slots[at].key = key;
    at
}

/// The next word of `text` and what follows it.
const fn split_word(text: &str) -> (Word, &str) {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() && bytes[end] != b' ' {
        end += 1;
    }
    let (word, rest) = text.split_at(end);
    let rest = if rest.is_empty() { rest } else { rest.split_at(1).1 };
    assert!(!word.is_empty() && word.len() <= 15, "a word of the vocabulary fits its key");
    (Word::of(word), rest)
}

/// Adds the lengths of the words of `text`.
const fn add_lengths(lengths: &mut [u16; 1024], mut text: &str, by_ends: bool) {
    while !text.is_empty() {
        let bytes = text.as_bytes();
        let mut length = 0;
        while length < bytes.len() && bytes[length] != b' ' {
            length += 1;
        }
        let other = match (by_ends, length) {
            (_, 1) => bytes[0],
            (true, _) => bytes[length - 1],
            (false, _) => bytes[1],
        };
        lengths[pair(bytes[0], other)] |= 1 << length;
        text = split_word(text).1;
    }
}

/// The positions of the phrases by first word, longest first.
const fn order() -> [usize; PHRASES.len()] {
    let mut sorted = [0; PHRASES.len()];
    let mut index = 0;
    while index < PHRASES.len() {
        let (text, _) = PHRASES[index];
        let first = split_word(text).0.key();
        let mut at = index;
        while at > 0 {
            let (before, _) = PHRASES[sorted[at - 1]];
            let key = split_word(before).0.key();
            if key < first || (key == first && before.len() >= text.len()) {
                break;
            }
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = index;
        index += 1;
    }
    sorted
}

const fn build() -> Tables {
    let none = PHRASES.len() as u16;
    let mut slots = [Slot { key: 0, meaning: 0, phrase: none }; SLOTS];
    let mut group = 0;
    while group < WORDS.len() {
        let (meaning, mut text) = WORDS[group];
        while !text.is_empty() {
            let (word, rest) = split_word(text);
            let at = slot_for(&mut slots, word);
            slots[at].meaning |= meaning.0;
            text = rest;
        }
        group += 1;
    }
    let mut phrases = [Phrase::EMPTY; PHRASES.len()];
    let mut index = 0;
    let sorted = order();
    while index < PHRASES.len() {
        let (mut text, meaning) = PHRASES[sorted[index]];
        let mut phrase = Phrase { meaning, ..Phrase::EMPTY };
        while !text.is_empty() {
            let (word, rest) = split_word(text);
            phrase.words[phrase.length] = word;
            phrase.length += 1;
            text = rest;
        }
        let at = slot_for(&mut slots, phrase.words[0]);
        slots[at].meaning |= Meaning::LEAD.0;
        if slots[at].phrase == none {
            slots[at].phrase = index as u16;
        }
        phrases[index] = phrase;
        index += 1;
    }
    Tables { slots, phrases }
}

/// All words and phrases, separated by spaces, for tests.
#[cfg(test)]
pub(crate) fn texts() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(_, text)| *text).chain(PHRASES.iter().map(|(text, _)| *text))
}

#[cfg(test)]
impl Meaning {
    /// The meaning with this number.
    pub(crate) fn of_bit(bit: u32) -> Self {
        Self(1 << bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_phrase_is_found_with_its_meaning() {
        for (expected, words) in WORDS {
            for word in words.split_whitespace() {
                assert!(meaning(Word::of(word)).has(*expected), "{word}");
            }
        }
        for (text, expected) in PHRASES {
            let words: Vec<Word> = text.split(' ').map(Word::of).collect();
            let found = phrases_from(words[0]).find(|phrase| phrase.words() == words);
            assert_eq!(found.map(|phrase| phrase.meaning), Some(*expected), "{text}");
        }
    }

    #[test]
    fn no_word_or_word_of_a_phrase_is_passed_over() {
        let texts = WORDS.iter().map(|(_, text)| *text).chain(PHRASES.iter().map(|(text, _)| *text));
        for word in texts.flat_map(|text| text.split(' ')) {
            for spelled in [word.to_owned(), word.to_uppercase()] {
                for behind in ["", " ", "/x", "_y"] {
                    assert!(may_hold(format!("{spelled}{behind}").as_bytes(), word.len()), "{spelled}{behind}");
                }
            }
        }
        assert!(!may_hold(b"qx ", 2) && !may_hold(b"zz99 ", 4));
    }

    #[test]
    fn a_longer_phrase_comes_before_its_beginning() {
        for pair in TABLES.phrases.windows(2) {
            let [one, other] = pair else { continue };
            assert!(one.words() != other.words(), "a phrase stands once");
            assert!(!other.words().starts_with(one.words()), "the longer one would never match");
        }
    }

    #[test]
    fn the_tables_are_the_same_whoever_builds_them() {
        let built = build();
        for (slot, other) in built.slots.iter().zip(&TABLES.slots) {
            assert_eq!((slot.key, slot.meaning, slot.phrase), (other.key, other.meaning, other.phrase));
        }
        for (phrase, other) in built.phrases.iter().zip(&TABLES.phrases) {
            assert_eq!((phrase.words(), phrase.meaning), (other.words(), other.meaning));
        }
    }

    #[test]
    fn the_table_stays_sparse() {
        let used = TABLES.slots.iter().filter(|slot| slot.key != 0).count();
        assert!(used * 2 < SLOTS, "{used} of {SLOTS}");
    }

    #[test]
    fn unknown_words_mean_nothing() {
        for word in
            ["author", "build", "latest", "contest", "delivered", "uid", "reproduction", "authoring", "guide", ""]
        {
            assert_eq!(meaning(Word::of(word)), Meaning::NONE, "{word}");
        }
        assert_eq!(phrases_from(Word::of("author")).count(), 0);
    }
}
