//! API keys: a signed statement of whose records a caller may touch, and how. The edge verifies one with a few hashes
//! and no look-up; whether it has been revoked since is asked elsewhere, by its id.
//!
//! ```text
//! sw_ base64url( payload tag )          no padding
//! payload = version:1 | key id:9 | scopes:1 | length:1 domain | length:1 component      (length 0: any component)
//! tag     = first 16 bytes of HMAC-SHA256( secret, "sapwood api key\0" payload )
//! ```
//!
//! Invariants: nothing of the payload is believed before the tag has been compared in constant time; a token has one
//! spelling only (strict base64url, nothing behind the component), so that equal keys are equal text. 16 bytes of tag
//! leave a guesser 2^-128 per try. Left out: choosing key ids (randomness is the shell's), revocation and listing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sapwood_engine::address::{ComponentName, DOMAIN_BYTES_MAX, Domain};
use sapwood_engine::config::Secret;
use sapwood_engine::limits::COMPONENT_BYTES_MAX;
use sha2::Sha256;
use std::fmt;

/// How every key begins, so that people, scanners and our own redaction recognize one.
pub const KEY_PREFIX: &str = "sw_";
/// Bytes of a key id: twelve characters of base64url, 72 random bits.
pub const KEY_ID_BYTES: usize = 9;

const VERSION: u8 = 1;
const TAG_BYTES: usize = 16;
/// Version, key id, scopes and the two lengths.
const FIXED_BYTES: usize = 1 + KEY_ID_BYTES + 1 + 1 + 1;
/// Characters of the longest key: four for three bytes, rounded up.
const KEY_CHARS_MAX: usize =
    KEY_PREFIX.len() + (FIXED_BYTES + DOMAIN_BYTES_MAX + COMPONENT_BYTES_MAX + TAG_BYTES).div_ceil(3) * 4;
/// Keeps a tag from being valid for anything else that the same secret may sign one day.
const CONTEXT: &[u8] = b"sapwood api key\0";

const _: () = assert!(DOMAIN_BYTES_MAX <= 255 && COMPONENT_BYTES_MAX <= 255, "a length is one byte");

/// Which key it is. Shown and stored as twelve characters of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// The id of these random bytes.
    pub const fn new(bytes: [u8; KEY_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The id that was shown as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// What a caller may do. None implies another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Send records.
    pub const INGEST: Self = Self(1);
    /// Search, tail, analytics, metrics.
    pub const READ: Self = Self(2);
    /// Keys, configuration, deletion.
    pub const ADMIN: Self = Self(4);
    /// Everything.
    pub const ALL: Self = Self(7);

    const WORDS: [(Self, &'static str); 3] = [(Self::INGEST, "ingest"), (Self::READ, "read"), (Self::ADMIN, "admin")];

    /// Whether all of `wanted` is among these.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// These and those.
    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Whether nothing may be done.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scope of this name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(scope, _)| *scope)
    }

    /// The names of these scopes.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.into_iter().filter(move |(scope, _)| self.contains(*scope)).map(|(_, word)| word)
    }

    /// The scopes of a payload's byte; `None` if it has bits that mean nothing yet.
    fn from_byte(byte: u8) -> Option<Self> {
        (byte & !Self::ALL.0 == 0 && byte != 0).then_some(Self(byte))
    }
}

/// What a key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyClaims {
    /// Which key it is.
    pub key_id: KeyId,
    /// Whose records.
    pub domain: Domain,
    /// What may be done; never nothing.
    pub scopes: Scopes,
    /// The only component that may be touched, if there is such a bound.
    pub component: Option<ComponentName>,
}

/// Why a key is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It does not have the shape of a key.
    Malformed,
    /// It has the shape, and nobody here signed it: forged, altered, or signed by a secret that was rotated out.
    BadSignature,
    /// We signed it in a version that this code does not know.
    UnknownVersion,
}

/// The secrets that may have signed: the current one and, during a rotation, the one before.
#[derive(Clone, Copy)]
pub struct SigningSecrets<'a> {
    /// Signs and verifies.
    pub current: &'a Secret,
    /// Only verifies.
    pub previous: Option<&'a Secret>,
}

impl<'a> SigningSecrets<'a> {
    /// Both, the current one first.
    pub fn iter(self) -> impl Iterator<Item = &'a Secret> {
        [Some(self.current), self.previous].into_iter().flatten()
    }
}

/// The key that says `claims`, signed with the current secret; `None` if the claims have no scope, since such a key
/// would be good for nothing.
pub fn mint(claims: &KeyClaims, secrets: SigningSecrets<'_>) -> Option<String> {
    if claims.scopes.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(FIXED_BYTES + DOMAIN_BYTES_MAX);
    bytes.push(VERSION);
    bytes.extend_from_slice(&claims.key_id.0);
    bytes.push(claims.scopes.0);
    push_text(&mut bytes, claims.domain.as_str());
    push_text(&mut bytes, claims.component.as_ref().map_or("", ComponentName::as_str));
    let tag = mac(secrets.current, &bytes).finalize().into_bytes();
    bytes.extend_from_slice(tag.get(..TAG_BYTES)?);
    Some(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What `token` says, if one of `secrets` signed it.
pub fn verify(token: &str, secrets: SigningSecrets<'_>) -> Result<KeyClaims, KeyError> {
    let encoded = token.strip_prefix(KEY_PREFIX).filter(|_| token.len() <= KEY_CHARS_MAX).ok_or(KeyError::Malformed)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| KeyError::Malformed)?;
    let split = bytes.len().checked_sub(TAG_BYTES).filter(|length| *length >= FIXED_BYTES);
    let (payload, tag) = split.and_then(|at| bytes.split_at_checked(at)).ok_or(KeyError::Malformed)?;
    if !secrets.iter().any(|secret| mac(secret, payload).verify_truncated_left(tag).is_ok()) {
        return Err(KeyError::BadSignature);
    }
    if payload.first() != Some(&VERSION) {
        return Err(KeyError::UnknownVersion);
    }
    decode(payload).ok_or(KeyError::Malformed)
}

/// The claims of a payload whose tag was right.
fn decode(payload: &[u8]) -> Option<KeyClaims> {
    let (key_id, rest) = payload.get(1..)?.split_first_chunk::<KEY_ID_BYTES>()?;
    let (scopes, rest) = rest.split_first()?;
    let (domain, rest) = take_text(rest)?;
    let (component, rest) = take_text(rest)?;
    let component = if component.is_empty() { None } else { Some(ComponentName::parse(component)?) };
    let claims = KeyClaims {
        key_id: KeyId(*key_id),
        domain: Domain::parse(domain)?,
        scopes: Scopes::from_byte(*scopes)?,
        component,
    };
    rest.is_empty().then_some(claims)
}

fn mac(secret: &Secret, payload: &[u8]) -> Hmac<Sha256> {
    let keyed = <Hmac<Sha256> as Mac>::new_from_slice(secret.expose().as_bytes());
    keyed.expect("HMAC takes keys of any length").chain_update(CONTEXT).chain_update(payload)
}

/// A length and that many bytes. Both texts are shorter than 256 bytes by their types.
fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
