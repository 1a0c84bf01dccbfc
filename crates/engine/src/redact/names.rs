//! Which names say that their value is secret, however they are spelled.
//!
//! `apiKey`, `API_KEY`, `x-api-key`, `Api Key` and `service.apikey` are one name: everything but letters and digits is
//! dropped, case is folded, and the *end* of the name is compared, because the end is the noun (`user_password` is a
//! password, `password_policy` is a policy). Words that only qualify the noun are looked through
//! (`password_confirmation`, `tokenHash`, `cvv2`). Words too short to be looked for inside others (`pwd`, `otp`) must
//! begin where a word begins, and `pin` must be the whole name.
//!
//! Left out: meaning. `token` is secret wherever it is the noun, unless the word before it says that it is counted
//! (`max_token`) or parsed (`unexpected token`).

/// Bytes of a name that are looked at, counted from its end; the noun of a longer name is still there.
pub(super) const NAME_BYTES_MAX: usize = 96;

/// What a name says about its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameClass {
    /// The value is secret.
    Secret,
    /// The value is a header of credentials: a scheme and what follows it.
    Authorization,
    /// The value is a list of cookies.
    Cookie,
    /// Secret as a parameter of a URL, harmless elsewhere (`signature`).
    UrlParameter,
    /// Secret if it holds `user:password@`.
    Connection,
    /// A secret noun that its qualifier makes harmless (`max_token`).
    Harmless,
}

/// Where in the name a pattern may begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Anywhere: long enough not to be the end of another word.
    Anywhere,
    /// At the start of a word.
    Word,
    /// At the start of the name.
    Whole,
}

use NameClass::{Authorization, Connection, Cookie, Secret, UrlParameter};
use Place::{Anywhere, Whole, Word};

/// Endings of secret names, letters and digits only, lower case.
const ENDINGS: &[(&str, Place, NameClass)] = &[
    ("password", Anywhere, Secret),
    ("passwords", Anywhere, Secret),
    ("passwd", Anywhere, Secret),
    ("passphrase", Anywhere, Secret),
    ("passcode", Anywhere, Secret),
    ("pwd", Word, Secret),
    ("pw", Word, Secret),
    ("dbpass", Word, Secret),
    ("userpass", Word, Secret),
    ("adminpass", Word, Secret),
    ("rootpass", Word, Secret),
    ("smtppass", Word, Secret),
    ("mailpass", Word, Secret),
    ("mysqlpass", Word, Secret),
    ("pgpass", Word, Secret),
    ("redispass", Word, Secret),
    ("ftppass", Word, Secret),
    ("proxypass", Word, Secret),
    ("authpass", Word, Secret),
    ("loginpass", Word, Secret),
    ("secret", Anywhere, Secret),
    ("secrets", Anywhere, Secret),
    ("token", Anywhere, Secret),
    ("accesstokens", Anywhere, Secret),
    ("refreshtokens", Anywhere, Secret),
    ("authtokens", Anywhere, Secret),
    ("apitokens", Anywhere, Secret),
    ("sessiontokens", Anywhere, Secret),
    ("bearertokens", Anywhere, Secret),
    ("idtokens", Word, Secret),
    ("apikey", Anywhere, Secret),
    ("apikeys", Anywhere, Secret),
    ("servicekey", Anywhere, Secret),
    ("privatekey", Anywhere, Secret),
    ("secretkey", Anywhere, Secret),
    ("accesskey", Anywhere, Secret),
    ("signingkey", Anywhere, Secret),
    ("encryptionkey", Anywhere, Secret),
    ("decryptionkey", Anywhere, Secret),
    ("masterkey", Anywhere, Secret),
    ("accountkey", Anywhere, Secret),
    ("sharedkey", Anywhere, Secret),
    ("subscriptionkey", Anywhere, Secret),
    ("authkey", Word, Secret),
    ("hmackey", Word, Secret),
    ("sshkey", Word, Secret),
    ("deploykey", Word, Secret),
    ("authorization", Anywhere, Authorization),
    ("authorisation", Anywhere, Authorization),
    ("cookie", Word, Cookie),
    ("cookies", Word, Cookie),
    ("setcookie", Word, Cookie),
    ("credential", Anywhere, Secret),
    ("credentials", Anywhere, Secret),
    ("creds", Word, Secret),
    ("ssn", Word, Secret),
    ("socialsecuritynumber", Anywhere, Secret),
    ("cvv", Word, Secret),
    ("cvc", Word, Secret),
    ("cardnumber", Anywhere, Secret),
    ("creditcard", Anywhere, Secret),
    ("ccnumber", Word, Secret),
    ("cardpan", Word, Secret),
    ("pin", Whole, Secret),
    ("pincode", Word, Secret),
    ("pinnumber", Word, Secret),
    ("cardpin", Word, Secret),
    ("userpin", Word, Secret),
    ("otp", Word, Secret),
    ("totp", Word, Secret),
    ("otpcode", Word, Secret),
    ("mfacode", Word, Secret),
    ("onetimecode", Word, Secret),
    ("verificationcode", Anywhere, Secret),
    ("authorizationcode", Anywhere, Secret),
    ("recoverycode", Anywhere, Secret),
    ("recoverycodes", Anywhere, Secret),
    ("backupcodes", Anywhere, Secret),
    ("seedphrase", Anywhere, Secret),
    ("mnemonic", Word, Secret),
    ("codeverifier", Word, Secret),
    ("csrf", Word, Secret),
    ("xsrf", Word, Secret),
    ("bearer", Word, Secret),
    ("jwt", Word, Secret),
    ("connectionstring", Anywhere, Connection),
    ("dsn", Word, Connection),
    ("signature", Word, UrlParameter),
    ("sig", Word, UrlParameter),
];

/// Last words that qualify the noun before them and are looked through.
const LOOKED_THROUGH: &[&str] = &[
    "hash",
    "hashed",
    "confirmation",
    "confirm",
    "value",
    "plain",
    "plaintext",
    "text",
    "raw",
    "header",
    "encrypted",
    "base64",
    "new",
    "old",
    "current",
    "again",
    "repeat",
];

/// Words before `token` which say that tokens are counted or parsed there.
const HARMLESS_BEFORE_TOKEN: &[&str] = &[
    "max",
    "min",
    "num",
    "total",
    "per",
    "prompt",
    "completion",
    "input",
    "output",
    "cached",
    "reasoning",
    "unexpected",
];

/// The places in [`ENDINGS`], those with the same last letter together and otherwise in order: of letter `l`, counted
/// from `a`, those from `.1[l]` to `.1[l + 1]`.
static BY_LAST_LETTER: ([u8; ENDINGS.len()], [u8; 27]) = {
    assert!(ENDINGS.len() <= 256);
    let mut places = [0; ENDINGS.len()];
    let mut starts = [0; 27];
    let mut filled = 0;
    let mut letter = 0;
    while letter < 26 {
        starts[letter] = filled as u8;
        let mut place = 0;
        while place < ENDINGS.len() {
            if let [.., last] = ENDINGS[place].0.as_bytes()
                && *last == b'a' + letter as u8
            {
                places[filled] = place as u8;
                filled += 1;
            }
            place += 1;
        }
        letter += 1;
    }
    starts[26] = filled as u8;
    (places, starts)
};

/// The endings whose last letter is `last`, in lower case, in the order of the table.
fn endings_with(last: u8) -> impl Iterator<Item = &'static (&'static str, Place, NameClass)> {
    let (places, starts) = &BY_LAST_LETTER;
    let letter = usize::from(last.wrapping_sub(b'a'));
    let bound = |letter: usize| starts.get(letter).map(|start| usize::from(*start));
    let range = bound(letter).zip(bound(letter.saturating_add(1)));
    let places = range.and_then(|(from, to)| places.get(from..to)).unwrap_or_default();
    places.iter().filter_map(|place| ENDINGS.get(usize::from(*place)))
}

/// A set of the last two bytes of some names: almost every name of a log is told from all of them by one look.
#[derive(Clone, Debug)]
struct LastTwo([u64; 16]);

impl LastTwo {
    /// Bit of a pair, whatever the case of its letters; different pairs may share one.
    const fn bit(last_but_one: u8, last: u8) -> (usize, u64) {
        let place = (last_but_one as usize & 31) << 5 | (last as usize & 31);
        (place >> 6, 1 << (place & 63))
    }

    const fn add(&mut self, name: &[u8]) {
        if let [.., last_but_one, last] = name {
            let (word, bit) = Self::bit(*last_but_one, *last);
            if let Some((_, rest)) = self.0.split_at_mut_checked(word)
                && let Some(slot) = rest.first_mut()
            {
                *slot |= bit;
            }
        }
    }

    /// Whether a name that is in the set may end like this.
    const fn may_hold_pair(&self, last_but_one: u8, last: u8) -> bool {
        let (word, bit) = Self::bit(last_but_one, last);
        match self.0.split_at_checked(word) {
            Some((_, [slot, ..])) => *slot & bit != 0,
            _ => false,
        }
    }

    /// Whether a name that is in the set may end like this.
    fn may_hold(&self, name: &[u8]) -> bool {
        matches!(name, [.., last_but_one, last] if self.may_hold_pair(*last_but_one, *last))
    }
}

/// The ends of [`ENDINGS`].
static ENDS: LastTwo = ends_of_endings(LastTwo([0; 16]));

/// The ends of [`LOOKED_THROUGH`].
static ENDS_LOOKED_THROUGH: LastTwo = ends_of_looked_through(LastTwo([0; 16]));

const fn ends_of_endings(mut set: LastTwo) -> LastTwo {
    let mut rest = ENDINGS;
    while let Some(((ending, _, _), others)) = rest.split_first() {
        // Digits at the end of a name are looked through before anything else, so no ending may have one.
        assert!(matches!(ending.as_bytes(), [.., _, last] if last.is_ascii_alphabetic()));
        set.add(ending.as_bytes());
        rest = others;
    }
    set
}

const fn ends_of_looked_through(mut set: LastTwo) -> LastTwo {
    let mut rest = LOOKED_THROUGH;
    while let Some((word, others)) = rest.split_first() {
        assert!(word.len() >= 2);
        set.add(word.as_bytes());
        rest = others;
    }
    set
}

/// The last three letters of everything in [`ENDINGS`] and [`LOOKED_THROUGH`], a bit for each triple: what tells almost
/// every name apart before it is looked at any closer. Of an ending of two letters, all triples.
static LAST_THREE: [u64; 512] = {
    let mut set = looked_through_ends(false);
    let mut rest = ENDINGS;
    while let Some(((ending, _, _), others)) = rest.split_first() {
        add_last_three(&mut set, ending.as_bytes());
        rest = others;
    }
    set
};

/// The same of what is looked through with digits at its end (`base64`), without these: a set of its own, because many
/// a name ends like this without digits (`release`).
static LAST_THREE_BEFORE_DIGITS: [u64; 512] = looked_through_ends(true);

/// The last three letters of those words of [`LOOKED_THROUGH`] that end with digits, or of those that do not.
const fn looked_through_ends(with_digits: bool) -> [u64; 512] {
    let mut set = [0; 512];
    let mut rest = LOOKED_THROUGH;
    while let Some((word, others)) = rest.split_first() {
        let stem = split_digits(word.as_bytes()).0;
        if with_digits == (stem.len() < word.len()) {
            add_last_three(&mut set, stem);
        }
        rest = others;
    }
    set
}

/// A name up to the digits at its end, and these.
const fn split_digits(name: &[u8]) -> (&[u8], &[u8]) {
    let mut stem = name;
    while let [others @ .., last] = stem
        && last.is_ascii_digit()
    {
        stem = others;
    }
    match name.split_at_checked(stem.len()) {
        Some(parts) => parts,
        None => (name, &[]),
    }
}

const fn add_last_three(set: &mut [u64; 512], word: &[u8]) {
    let (from, last_but_one, last) = match word {
        [.., from, last_but_one, last] => (Some(*from), *last_but_one, *last),
        [last_but_one, last] => (None, *last_but_one, *last),
        _ => panic!("a name has two letters"),
    };
    let mut third = 0;
    while third < 32 {
        if from.is_none() || matches!(from, Some(from) if from & 31 == third) {
            let (slot, bit) = place_of_three(third, last_but_one, last);
            set[slot] |= bit;
        }
        third += 1;
    }
}

/// Slot and bit of a triple, whatever the case of its letters; different triples may share them.
const fn place_of_three(third: u8, last_but_one: u8, last: u8) -> (usize, u64) {
    let place = (third as usize & 31) << 10 | (last_but_one as usize & 31) << 5 | (last as usize & 31);
    (place >> 6, 1 << (place & 63))
}

/// A name reduced to lower-case letters and digits, and where its words begin. Holds the last `NAME_BYTES_MAX` bytes.
struct Folded {
    /// The letters, in `bytes[..len]`.
    bytes: [u8; NAME_BYTES_MAX],
    len: usize,
    /// Bit `i` is set where `bytes[i]` begins a word.
    starts: u128,
}

const _: () = assert!(NAME_BYTES_MAX <= 128, "one bit per byte of a name");

impl Folded {
    /// Folds the end of `name`. Bytes above 127 count as letters, so that extra names may be of any script.
    fn new(name: &[u8]) -> Self {
        let tail = name.get(name.len().saturating_sub(NAME_BYTES_MAX)..).unwrap_or_default();
        let mut folded = Self { bytes: [0; NAME_BYTES_MAX], len: 0, starts: 0 };
        let mut before = 0u8;
        for (index, &byte) in tail.iter().enumerate() {
            if is_letter(byte) {
                let after = tail.get(index + 1).copied().unwrap_or(0);
                if begins_word(before, byte, after) {
                    folded.starts |= 1u128 << folded.len;
                }
                if let Some(slot) = folded.bytes.get_mut(folded.len) {
                    *slot = byte.to_ascii_lowercase();
                    folded.len += 1;
                }
            }
            before = byte;
        }
        folded
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Whether the name ends with `ending`, and there at a place where it may begin.
    fn ends_with(&self, ending: &[u8], place: Place) -> bool {
        let Some(start) = self.len.checked_sub(ending.len()) else { return false };
        self.as_bytes().ends_with(ending)
            && match place {
                Anywhere => true,
                Word => self.is_start(start),
                Whole => start == 0,
            }
    }

    fn is_start(&self, index: usize) -> bool {
        index < 128 && self.starts & (1u128 << index) != 0
    }

    /// Drops trailing digits (`password2`), or the last word if it only qualifies (`password_hash`, `password_base64`).
    /// Says whether anything was dropped.
    fn look_through(&mut self) -> bool {
        let (stem, digits) = split_digits(self.as_bytes());
        if !digits.is_empty() && !stem.is_empty() {
            // The first digits may belong to the word before them.
            let word = LOOKED_THROUGH.iter().map(|word| split_digits(word.as_bytes())).find(|(letters, number)| {
                !number.is_empty() && digits.starts_with(number) && stem.len() > letters.len() && {
                    stem.ends_with(letters) && self.is_start(stem.len() - letters.len())
                }
            });
            self.len = stem.len() - word.map_or(0, |(letters, _)| letters.len());
            return true;
        }
        if !ENDS_LOOKED_THROUGH.may_hold(self.as_bytes()) {
            return false;
        }
        let word = LOOKED_THROUGH.iter().find(|word| self.ends_with(word.as_bytes(), Word));
        match word {
            Some(word) if word.len() < self.len => {
                self.len -= word.len();
                true
            }
            _ => false,
        }
    }
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// A letter or digit of a name.
const LETTER: u8 = 0;
/// What may stand in a name in a text, or between it and its separator.
const JOINT: u8 = 1;
/// Anything else: no name in a text goes over it.
const OUTSIDE: u8 = 2;

/// What each byte is to a name.
static KINDS: [u8; 256] = {
    let mut kinds = [OUTSIDE; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        if is_letter(byte) {
            kinds[index] = LETTER;
        } else if matches!(byte, b'_' | b'-' | b'.' | b' ' | b'\t' | b'"' | b'\'' | b'`' | b'\\' | b']') {
            kinds[index] = JOINT;
        }
        index += 1;
    }
    kinds
};

/// Whether `byte` begins a word: after a separator, a change of script, or at a hump of camelCase. Not after a digit:
/// ids such as `01F406BK50PW6` are full of those.
fn begins_word(before: u8, byte: u8, after: u8) -> bool {
    !is_letter(before)
        || (before >= 0x80) != (byte >= 0x80)
        || (before.is_ascii_lowercase() && byte.is_ascii_uppercase())
        || (before.is_ascii_uppercase() && byte.is_ascii_uppercase() && after.is_ascii_lowercase())
}

/// Bytes before a separator that are looked at for the last letters of a name. Where there are too few letters among
/// them, the name itself is looked at.
const END_BYTES_MAX: usize = 48;

/// The names whose values are removed: the built-in ones and the operator's own.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// Folded spellings of the operator's own names; sorted, without the empty one.
    extra: Vec<Vec<u8>>,
    /// The ends of `extra`.
    ends: LastTwo,
    /// Some name of the operator's own cannot be told by its end: it has one letter, or ends with a digit.
    has_odd_ends: bool,
    /// Look at every name, as the reference that the tests compare with.
    #[cfg(test)]
    pub(super) asks_everywhere: bool,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Names {
    /// Adds `extra` to the built-in names. Names without a letter or digit are ignored.
    pub(super) fn new(extra: &[String]) -> Self {
        let mut folded: Vec<Vec<u8>> =
            extra.iter().map(|name| Folded::new(name.as_bytes()).as_bytes().to_vec()).collect();
        folded.retain(|name| !name.is_empty());
        folded.sort();
        folded.dedup();
        let mut ends = LastTwo([0; 16]);
        folded.iter().for_each(|name| ends.add(name));
        let has_odd_ends = folded.iter().any(|name| name.len() < 2 || name.last().is_some_and(u8::is_ascii_digit));
        Self {
            extra: folded,
            ends,
            has_odd_ends,
            #[cfg(test)]
            asks_everywhere: false,
        }
    }

    /// Whether a name that ends before the separator behind `text`, perhaps in quotes or brackets, may say anything
    /// about its value.
    pub(super) fn may_end(&self, text: &[u8]) -> bool {
        let text = text.strip_suffix(b":").unwrap_or(text);
        self.may_be_known(LastLetters::of(text, |kind| kind == OUTSIDE))
    }

    /// Whether a name with these letters at its end may say anything about its value: enough for almost all names.
    /// What precedes the name may be among them, too; it only ever makes the answer yes.
    fn may_be_known(&self, end: LastLetters) -> bool {
        #[cfg(test)]
        if self.asks_everywhere {
            return true;
        }
        if self.has_odd_ends || end.is_cut {
            return true;
        }
        let [last, last_but_one, third] = end.letters;
        let (slot, bit) = place_of_three(third, last_but_one, last);
        let is_in = |set: &[u64; 512]| set.get(slot).is_some_and(|slot| slot & bit != 0);
        is_in(&LAST_THREE)
            || (end.has_digits && is_in(&LAST_THREE_BEFORE_DIGITS))
            || (!self.extra.is_empty() && self.ends.may_hold_pair(last_but_one, last))
    }

    /// What `name` says about its value, if it says anything.
    pub(super) fn class(&self, name: &[u8]) -> Option<NameClass> {
        if !self.may_be_known(LastLetters::of(name, |_| false)) {
            return None;
        }
        let mut folded = Folded::new(name);
        // Two words may follow the noun: `password_hash_2`.
        for _ in 0..3 {
            if let Some(class) = self.class_of_ending(&folded) {
                return Some(class);
            }
            if !folded.look_through() {
                return None;
            }
        }
        None
    }

    fn class_of_ending(&self, folded: &Folded) -> Option<NameClass> {
        if self.extra.iter().any(|name| folded.ends_with(name, Word)) {
            return Some(Secret);
        }
        if !ENDS.may_hold(folded.as_bytes()) {
            return None;
        }
        let last = folded.as_bytes().last()?;
        let (ending, _, class) =
            endings_with(*last).find(|(ending, place, _)| folded.ends_with(ending.as_bytes(), *place))?;
        if *ending == "token" && is_harmless_token(folded) {
            return Some(NameClass::Harmless);
        }
        Some(*class)
    }
}

/// The end of a name as far as it tells most names apart: its last three letters, last first, without the digits behind
/// them. Letters that there are not are zero.
struct LastLetters {
    letters: [u8; 3],
    has_digits: bool,
    /// There may be more letters further in front than were looked at.
    is_cut: bool,
}

impl LastLetters {
    /// The last letters of `text`, up to a byte of a kind that `ends` the name.
    fn of(text: &[u8], ends: impl Fn(u8) -> bool) -> Self {
        let mut found = Self { letters: [0; 3], has_digits: false, is_cut: false };
        let mut count = 0;
        for &byte in text.iter().rev().take(END_BYTES_MAX) {
            let kind = KINDS[byte as usize];
            if ends(kind) {
                return found;
            }
            if kind != LETTER {
                continue;
            }
            if count == 0 && byte.is_ascii_digit() {
                found.has_digits = true;
                continue;
            }
            if let Some(slot) = found.letters.get_mut(count) {
                *slot = byte;
            }
            count += 1;
            if count == 3 {
                return found;
            }
        }
        found.is_cut = text.len() > END_BYTES_MAX;
        found
    }
}

fn is_harmless_token(folded: &Folded) -> bool {
    let before = folded.len.saturating_sub("token".len());
    let qualifiers = Folded { bytes: folded.bytes, len: before, starts: folded.starts };
    folded.is_start(before) && HARMLESS_BEFORE_TOKEN.iter().any(|word| qualifiers.ends_with(word.as_bytes(), Word))
}

/// Names as somebody would write them, from all tables, for tests.
#[cfg(test)]
pub(super) fn spellings() -> impl Iterator<Item = String> {
    let words = ENDINGS.iter().map(|(ending, _, _)| *ending).chain(LOOKED_THROUGH.iter().copied());
    words.chain(HARMLESS_BEFORE_TOKEN.iter().copied()).flat_map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        [word.to_owned(), first.into_iter().chain(letters).collect()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: bool) {
        let class = Names::default().class(name.as_bytes());
        let secret = class.is_some_and(|class| !matches!(class, NameClass::Harmless | UrlParameter | Connection));
        assert_eq!(secret, expected, "{name}: {class:?}");
    }

    #[test]
    fn secret_names_are_known_in_every_spelling() {
        for name in [
            "password",
            "Password",
            "PASSWORD",
            "user_password",
            "userPassword",
            "user.password",
            "user-password",
            "userpassword",
            "pass_word",
            "DB_PASSWORD",
            "passwd",
            "pwd",
            "userPwd",
            "passphrase",
            "secret",
            "client_secret",
            "clientSecret",
            "CLIENT-SECRET",
            "token",
            "access_token",
            "accessToken",
            "idToken",
            "refresh token",
            "X-Auth-Token",
            "csrfmiddlewaretoken",
            "csrf_token",
            "_csrf",
            "XSRF-TOKEN",
            "api_key",
            "apiKey",
            "APIKey",
            "apikey",
            "API key",
            "x-api-key",
            "X-Service-Key",
            "authorization",
            "Proxy-Authorization",
            "http.request.header.authorization",
            "cookie",
            "Set-Cookie",
            "setCookie",
            "private_key",
            "privateKey",
            "credential",
            "credentials",
            "ssn",
            "cvv",
            "cvv2",
            "CVC",
            "card_number",
            "cardNumber",
            "pin",
            "PIN",
            "otp",
            "session_token",
            "bearer",
            "jwt",
            "password_confirmation",
            "passwordHash",
            "password2",
            "password_base64",
            "passwordBase64",
            "PASSWORD_BASE64",
            "token-base64-2",
            "secret_base641",
            "new_password",
            "password_new",
            "aws_secret_access_key",
            "db_pass",
            "access_tokens",
            "oauth2token",
            "secret_value",
            "totp",
            "creds",
        ] {
            check(name, true);
        }
    }

    #[test]
    fn names_that_only_mention_a_secret_stay() {
        for name in [
            "tokens_used",
            "token_count",
            "max_tokens",
            "tokenizer",
            "tokens",
            "prompt_tokens",
            "max_token",
            "total_token",
            "unexpected token",
            "token_type",
            "password_policy",
            "password_reset_at",
            "secretary",
            "pinned",
            "spin",
            "gpio_pin",
            "key",
            "primary_key",
            "cache_key",
            "public_key",
            "api_key_id",
            "keyboard",
            "cookie_count",
            "cookies_enabled",
            "compass",
            "bypass",
            "pass",
            "author",
            "authorized",
            "auth",
            "session_id",
            "user_id",
            "01F406BK50GFQRCVFPPB920PW6",
            "hotpot",
            "laptop",
            "cryptop",
            "monkey",
            "",
            "_",
            "...",
            "123",
            "hash",
            "value",
            "base64",
            "password_base32",
            "passworddatabase64",
            "image_base64",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn operators_own_names_are_matched_in_every_spelling_and_in_any_script() {
        let names = Names::new(&["Patient-Number".into(), "пароль".into(), "--".into(), String::new()]);
        for name in ["patient_number", "patientNumber", "PATIENT NUMBER", "old.patientnumber", "user_пароль"] {
            assert_eq!(names.class(name.as_bytes()), Some(Secret), "{name}");
        }
        for name in ["outpatientnumber", "patient_numbers", "number"] {
            assert_eq!(names.class(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn signatures_and_connection_strings_depend_on_where_they_stand() {
        let names = Names::default();
        assert_eq!(names.class(b"X-Amz-Signature"), Some(UrlParameter));
        assert_eq!(names.class(b"sig"), Some(UrlParameter));
        assert_eq!(names.class(b"SENTRY_DSN"), Some(Connection));
        assert_eq!(names.class(b"ConnectionString"), Some(Connection));
        assert_eq!(names.class(b"config"), None);
    }

    #[test]
    fn the_noun_of_a_very_long_name_is_still_found() {
        let name = format!("{}_password", "a".repeat(10_000));
        assert_eq!(Names::default().class(name.as_bytes()), Some(Secret));
    }
}
