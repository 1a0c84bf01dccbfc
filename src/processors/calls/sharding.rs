//! What crosses about the shards of a component.

use super::StreamAddress;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sapwood_engine::bytes::{ReadError, Reader, Writer};
use sapwood_engine::machine::stream::{Recall, Under};
use sapwood_engine::shard::ShardMap;
use serde::{Deserialize, Serialize};

/// Follower to lead: what came to a shard. The digest is the engine's bytes.
#[derive(Clone, Debug)]
pub struct HeardCall {
    /// To whom; the object checks that it is meant.
    pub lead: StreamAddress,
    /// Which shard tells.
    pub shard: u16,
    /// See `Forward` of the engine.
    pub digest: Vec<u8>,
}

impl HeardCall {
    /// The body of the call.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(self.digest.len() + 400);
        out.text(&self.lead.domain);
        out.text(&self.lead.component);
        out.uint(u64::from(self.lead.shard));
        out.uint(u64::from(self.shard));
        out.raw(&self.digest);
        out.into_bytes()
    }

    /// Reads the body of the call.
    ///
    /// # Errors
    /// Damaged bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut input = Reader::new(bytes);
        let (domain, component) = (input.text()?.to_owned(), input.text()?.to_owned());
        let mut number = || input.uint().and_then(|shard| u16::try_from(shard).map_err(|_| ReadError::Overflow));
        let lead = StreamAddress { domain, component, shard: number()? };
        let shard = number()?;
        let digest = input.raw(input.remaining())?.to_vec();
        Ok(Self { lead, shard, digest })
    }
}

/// Stream to domain: this hot am I.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeatCall {
    /// Component.
    pub component: String,
    /// Shard.
    pub shard: u16,
    /// In thousandths of what one thread should take.
    pub load: u32,
}

/// Domain to edge: how a component is spread, or why it is not spread as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpreadAnswer {
    /// Spread.
    Done(SpreadView),
    /// Nothing has this name.
    NotFound,
    /// That number of shards is out of range.
    Count,
    /// It was changed too often; not before this instant, ms.
    TooOften(i64),
    /// This build cannot read how it is spread.
    Unread,
}

/// How a component is spread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpreadView {
    /// Component.
    pub component: String,
    /// Objects.
    pub shards: u16,
    /// Since when, ms.
    pub since_ms: i64,
    /// Epochs behind this one whose batch keys are still remembered.
    pub epochs_before: usize,
}

/// The shard maps of a domain by component, as JSON carries them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpreadComponents(Vec<(String, String)>);

impl SpreadComponents {
    /// From the machine's.
    pub fn new<'a>(maps: impl Iterator<Item = (&'a str, &'a ShardMap)>) -> Self {
        Self(maps.map(|(name, map)| (name.to_owned(), STANDARD_NO_PAD.encode(map.encode()))).collect())
    }

    /// Whether no component was ever split.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them, or why it cannot be read. One of a later build is learned from the shards themselves.
    pub fn maps(&self) -> impl Iterator<Item = (&str, Result<ShardMap, ReadError>)> {
        let read = |text: &String| {
            let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| ReadError::Unknown("base64"))?;
            ShardMap::decode(&bytes)
        };
        self.0.iter().map(move |(name, text)| (name.as_str(), read(text)))
    }
}

pub(super) fn write_under(out: &mut Writer, under: &Under) {
    out.bytes(&under.map.encode());
    write_places(out, &under.known);
    out.u8(u8::from(under.recall.is_some()));
    if let Some(recall) = &under.recall {
        out.uint(u64::from(recall.records));
        out.uint(recall.ids.len() as u64);
        recall.ids.iter().for_each(|id| out.u64_fixed(*id));
    }
}

pub(super) fn read_under(input: &mut Reader<'_>) -> Result<Under, ReadError> {
    let map = ShardMap::decode(input.bytes()?)?;
    let known = read_places(input)?;
    let recall = match input.u8()? {
        0 => None,
        _ => {
            let mut recall = Recall { records: input.u32()?, ids: Vec::new() };
            for _ in 0..input.count()? {
                recall.ids.push(input.u64_fixed()?);
            }
            Some(recall)
        }
    };
    Ok(Under { map, known, recall })
}

pub(super) fn write_places(out: &mut Writer, places: &[u32]) {
    out.uint(places.len() as u64);
    places.iter().for_each(|place| out.uint(u64::from(*place)));
}

pub(super) fn read_places(input: &mut Reader<'_>) -> Result<Vec<u32>, ReadError> {
    let mut places = Vec::new();
    for _ in 0..input.count()? {
        places.push(input.u32()?);
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sapwood_engine::time::{Millis, Timestamp};

    #[test]
    fn what_a_shard_tells_survives_the_hop() {
        let lead = StreamAddress { domain: "a.com".into(), component: "cart".into(), shard: 0 };
        let call = HeardCall { lead: lead.clone(), shard: 3, digest: vec![1, 2, 3] };
        let read = HeardCall::decode(&call.encode()).unwrap();
        assert_eq!((read.lead, read.shard, read.digest), (lead, 3, vec![1, 2, 3]));
        assert!(HeardCall::decode(&[]).is_err());
    }

    #[test]
    fn maps_survive_json_and_those_that_cannot_be_read_say_why() {
        let map = ShardMap::default().changed(4, Timestamp(5), Millis(10)).unwrap();
        let view = SpreadComponents::new([("cart", &map)].into_iter());
        let mut read: SpreadComponents = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
        read.0.push(("later".to_owned(), "CQ".to_owned()));
        read.0.push(("broken".to_owned(), "!".to_owned()));
        let read: Vec<_> = read.maps().collect();
        assert_eq!(read[0], ("cart", Ok(map)));
        assert!(read[1].1.is_err() && read[2].1 == Err(ReadError::Unknown("base64")), "{read:?}");
    }
}
