//! A request body: what it may be labelled, reading it under a cap, inflating it under a cap.
//!
//! A body is another's: its declared length, type and encoding are claims. It is read at most to the cap and inflated
//! at most to the cap, so that what one request can take of the isolate is bounded whatever is sent (`wire::limits`
//! adds it up). The shape of the content is never told by its type, which clients get wrong; the type only refuses
//! what cannot hold records at all.

use crate::monitoring::report;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use futures::StreamExt;
use sapwood_wire::problem::{Problem, ProblemCode};
use std::io::{Cursor, Read};
use worker::Request;

/// How many times the cap is read and thrown away before a caller who sends on is cut off. Reading on lets the reply
/// through to callers that send everything before they look; 100 MB of it would only cost time.
const DRAIN_CAPS: usize = 2;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 1950; RFC 1951 without its wrapper is taken too, since some clients send that under the same name.
    Deflate,
}

/// What is accepted as `Content-Encoding`.
const ENCODINGS: &str = "gzip, deflate, identity";

/// What is accepted as `Content-Type`.
const TYPES: &str = "application/json, application/x-ndjson, text/plain, application/octet-stream";

impl Encoding {
    /// The encoding that a `Content-Encoding` names.
    ///
    /// # Errors
    /// 415, naming what is accepted.
    pub fn of(header: Option<&str>) -> Result<Self, Problem> {
        let named = header.unwrap_or_default().trim();
        if named.is_empty() || named.eq_ignore_ascii_case("identity") {
            return Ok(Self::Identity);
        }
        match named.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            _ => Err(Problem::new(ProblemCode::UnsupportedEncoding, format!("accepted are {ENCODINGS}"))),
        }
    }
}

/// Refuses a `Content-Type` that cannot hold records.
///
/// # Errors
/// 415, naming what is accepted.
pub fn check_content_type(header: Option<&str>) -> Result<(), Problem> {
    let media = header.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_text = media.is_empty() || media.starts_with("text/") || media.contains("json");
    let is_untold = ["application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream"];
    if is_text || is_untold.contains(&media.as_str()) {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::UnsupportedMediaType, format!("accepted are {TYPES}, or none")))
}

/// Refuses a body that declares itself larger than `cap` bytes.
///
/// # Errors
/// 413 with the cap.
pub fn check_declared(content_length: Option<&str>, cap: usize) -> Result<Option<usize>, Problem> {
    let Some(text) = content_length else { return Ok(None) };
    match text.trim().parse::<u64>() {
        // A length that is none is not a length; the bytes are counted anyway.
        Err(_) => Ok(None),
        Ok(length) => match usize::try_from(length) {
            Ok(length) if length <= cap => Ok(Some(length)),
            _ => Err(too_large(cap)),
        },
    }
}

fn too_large(cap: usize) -> Problem {
    Problem::new(ProblemCode::PayloadTooLarge, format!("at most {cap} bytes are accepted")).with_limit(cap as u64)
}

/// The bytes of the body as sent.
///
/// # Errors
/// 413 beyond `cap` bytes; 400 if the sender broke off.
pub async fn read(request: &mut Request, declared: Option<usize>, cap: usize) -> Result<Vec<u8>, Problem> {
    if request.inner().body().is_none() {
        return Ok(Vec::new());
    }
    // HTTP holds the sender to a declared length: one copy of the whole instead of one for each chunk.
    if declared.is_some() {
        let bytes = request.bytes().await.map_err(|error| broken_off(&error))?;
        return if bytes.len() <= cap { Ok(bytes) } else { Err(too_large(cap)) };
    }
    let mut chunks = request.stream().map_err(|error| broken_off(&error))?;
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| broken_off(&error))?;
        if body.len() + chunk.len() > cap {
            let mut drained = body.len() + chunk.len();
            drop(body);
            while let Some(Ok(chunk)) = chunks.next().await {
                drained += chunk.len();
                if drained > cap.saturating_mul(DRAIN_CAPS) {
                    break;
                }
            }
            return Err(too_large(cap));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn broken_off(error: &worker::Error) -> Problem {
    report("BodyUnreadable", &[("error", error)]);
    Problem::new(ProblemCode::TruncatedBody, "the body ended before it was complete")
}

/// Reads what is left of a body whose request is already refused, to at most `cap` bytes a few times over, and cancels
/// the rest; a reply may be lost on its way while the sender still sends.
pub async fn drain(request: &mut Request, cap: usize) {
    let Ok(mut chunks) = request.stream() else { return };
    let mut drained = 0usize;
    while let Some(Ok(chunk)) = chunks.next().await {
        drained += chunk.len();
        if drained > cap.saturating_mul(DRAIN_CAPS) {
            return;
        }
    }
}

/// The body once inflated.
///
/// # Errors
/// 413 beyond `cap` bytes; 400 for bytes that are damaged or end too early, with the place.
pub fn inflate(body: Vec<u8>, encoding: Encoding, cap: usize) -> Result<Vec<u8>, Problem> {
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => {
            inflate_with(MultiGzDecoder::new(Cursor::new(body.as_slice())), cap, |it| it.get_ref().position())
        }
        Encoding::Deflate if has_zlib_header(&body) => {
            let mut at = 0;
            let inflated = inflate_with(ZlibDecoder::new(Cursor::new(body.as_slice())), cap, |it| {
                at = it.get_ref().position();
                at
            })?;
            ended_at_end(&body, at, inflated)
        }
        Encoding::Deflate => {
            let mut at = 0;
            let inflated = inflate_with(DeflateDecoder::new(Cursor::new(body.as_slice())), cap, |it| {
                at = it.get_ref().position();
                at
            })?;
            ended_at_end(&body, at, inflated)
        }
    }
}

/// Bytes behind the end of a zlib stream were meant to be something; saying nothing about them would lose them.
fn ended_at_end(body: &[u8], at: u64, inflated: Vec<u8>) -> Result<Vec<u8>, Problem> {
    if at == body.len() as u64 { Ok(inflated) } else { Err(damaged(at)) }
}

/// RFC 1950, 2.2: method 8, and the first two bytes are a multiple of 31.
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
}

/// Reads a decoder to its end. `position` tells how much of the input it has used.
fn inflate_with<R: Read>(mut decoder: R, cap: usize, mut position: impl FnMut(&R) -> u64) -> Result<Vec<u8>, Problem> {
    let mut inflated = Vec::new();
    let read = (&mut decoder).take(cap as u64 + 1).read_to_end(&mut inflated);
    let at = position(&decoder);
    if inflated.len() > cap {
        let detail = format!("inflated, the body is larger than {cap} bytes");
        return Err(Problem::new(ProblemCode::InflatedTooLarge, detail).with_limit(cap as u64));
    }
    read.map_err(|_| damaged(at))?;
    Ok(inflated)
}

fn damaged(at: u64) -> Problem {
    let detail = format!("the compressed body is damaged or cut off at byte {at}");
    let byte_offset = usize::try_from(at).ok();
    Problem { byte_offset, ..Problem::new(ProblemCode::TruncatedBody, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    const TEXT: &[u8] = b"{\"message\":\"hello hello hello hello\"}";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut out = GzEncoder::new(Vec::new(), Compression::best());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    fn code(result: Result<Vec<u8>, Problem>) -> (String, u16, Option<usize>) {
        let problem = result.unwrap_err();
        (problem.code, problem.status, problem.byte_offset)
    }

    #[test]
    fn encodings_are_told_in_any_case_and_others_are_refused_by_name() {
        for (header, expected) in [
            (None, Encoding::Identity),
            (Some(""), Encoding::Identity),
            (Some("Identity"), Encoding::Identity),
            (Some(" GZIP "), Encoding::Gzip),
            (Some("x-gzip"), Encoding::Gzip),
            (Some("deflate"), Encoding::Deflate),
        ] {
            assert_eq!(Encoding::of(header), Ok(expected), "{header:?}");
        }
        for header in ["zstd", "br", "gzip, gzip", "gzip;q=1"] {
            let problem = Encoding::of(Some(header)).unwrap_err();
            assert_eq!((problem.status, problem.code.as_str()), (415, "unsupported_encoding"), "{header}");
            assert!(problem.detail.contains("gzip"));
        }
    }

    #[test]
    fn types_that_real_clients_mislabel_pass_and_types_without_records_do_not() {
        for good in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/x-ndjson",
            "application/vnd.api+json",
            "text/plain;charset=UTF-8",
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "",
        ] {
            assert_eq!(check_content_type(Some(good)), Ok(()), "{good}");
        }
        assert_eq!(check_content_type(None), Ok(()));
        for bad in ["image/png", "multipart/form-data; boundary=x", "video/mp4", "audio/ogg", "application/pdf", "x"] {
            let problem = check_content_type(Some(bad)).unwrap_err();
            assert_eq!((problem.status, problem.code.as_str()), (415, "unsupported_media_type"), "{bad}");
        }
    }

    #[test]
    fn a_declared_length_beyond_the_cap_is_refused_at_once() {
        assert_eq!(check_declared(Some("100"), 100), Ok(Some(100)));
        assert_eq!(check_declared(Some("words"), 100), Ok(None));
        assert_eq!(check_declared(None, 100), Ok(None));
        for length in ["101", "18446744073709551615"] {
            let problem = check_declared(Some(length), 100).unwrap_err();
            assert_eq!((problem.status, problem.limit), (413, Some(100)), "{length}");
        }
    }

    #[test]
    fn every_encoding_gives_the_text_back() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::best());
        raw.write_all(TEXT).unwrap();
        for (body, encoding) in [
            (TEXT.to_vec(), Encoding::Identity),
            (gzip(TEXT), Encoding::Gzip),
            (zlib.finish().unwrap(), Encoding::Deflate),
            (raw.finish().unwrap(), Encoding::Deflate),
        ] {
            assert_eq!(inflate(body, encoding, 1_000).as_deref(), Ok(TEXT), "{encoding:?}");
        }
        let members = [gzip(b"{}\n"), gzip(b"[]")].concat();
        assert_eq!(inflate(members, Encoding::Gzip, 1_000).as_deref(), Ok(b"{}\n[]".as_slice()));
    }

    #[test]
    fn a_bomb_stops_at_the_cap() {
        let bomb = gzip(&vec![b' '; 50_000_000]);
        assert!(bomb.len() < 60_000);
        assert_eq!(code(inflate(bomb, Encoding::Gzip, 1_000_000)), ("inflated_too_large".into(), 413, None));
        let exact = gzip(&vec![b' '; 1_000]);
        assert_eq!(inflate(exact.clone(), Encoding::Gzip, 1_000).map(|body| body.len()), Ok(1_000));
        assert_eq!(code(inflate(exact, Encoding::Gzip, 999)).0, "inflated_too_large");
    }

    #[test]
    fn a_body_cut_anywhere_is_told_from_a_whole_one() {
        let whole = gzip(TEXT);
        for length in 0..whole.len() {
            let (code, status, offset) = code(inflate(whole[..length].to_vec(), Encoding::Gzip, 1_000));
            assert_eq!((code.as_str(), status), ("truncated_body", 400), "cut to {length}");
            assert!(offset.is_some_and(|at| at <= length), "cut to {length}");
        }
    }

    #[test]
    fn damage_and_what_follows_the_end_are_refused() {
        let mut flipped = gzip(TEXT);
        let last = flipped.len() - 6;
        flipped[last] ^= 1;
        assert_eq!(code(inflate(flipped, Encoding::Gzip, 1_000)).0, "truncated_body");
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(TEXT).unwrap();
        let mut followed = zlib.finish().unwrap();
        let end = followed.len();
        followed.extend_from_slice(b"more");
        assert_eq!(code(inflate(followed, Encoding::Deflate, 1_000)), ("truncated_body".into(), 400, Some(end)));
        assert_eq!(code(inflate(b"plain text".to_vec(), Encoding::Gzip, 1_000)).0, "truncated_body");
        assert_eq!(code(inflate(TEXT.to_vec(), Encoding::Deflate, 1_000)).0, "truncated_body");
    }
}
