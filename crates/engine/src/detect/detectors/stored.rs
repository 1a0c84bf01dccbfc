//! The detectors as bytes.
//!
//! Everything that decides anything is written, in the order of the fields, and what later versions added behind it; what
//! follows from the rest is made again. A state of an older version is read without what it did not know.

use super::*;
use crate::baseline::Clumps;
use crate::bytes::{ReadError, Reader, Writer};

/// 2 knew neither clumps nor what a running slot told.
const VERSION: u8 = 3;
const VERSION_MIN: u8 = 2;

impl Detectors {
    /// The whole state as bytes, for the checkpoint. Signals not yet taken are not part of it.
    pub fn write(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.u8(u8::from(self.slot.is_some()));
        out.int(self.slot.unwrap_or(0));
        self.season.write(out);
        out.uint(self.hour_records);
        out.uint(u64::from(self.hour_slots));
        self.component.write(out);
        self.level.write(out);
        self.errors.write(out);
        self.slow.write(out);
        [&self.totals, &self.error_minutes, &self.slow_minutes].into_iter().for_each(|minutes| minutes.write(out));
        out.f64(self.slow_from);
        out.f64(self.lateness);
        out.uint(self.durations);
        self.rhythm.write(out);
        out.u8(u8::from(self.is_silent));
        self.novelty.write(out);
        [self.records, self.late, self.unwatched, self.signals_dropped].into_iter().for_each(|count| out.uint(count));
        out.uint(self.patterns.len() as u64);
        for (id, watch) in self.patterns.in_order() {
            out.uint(id.0);
            watch.counts.write(out);
            watch.rhythm.write(out);
            watch.seen.write(out);
            out.u8(u8::from(watch.is_missed));
            out.u8(u8::from(watch.due.is_some()));
            out.int(watch.due.map_or(0, |at| at.0));
        }
        let told = self.told_running;
        out.u8(told.map_or(0, |told| 1 + u8::from(told.wakes)));
        out.f64(told.map_or(0.0, |told| told.probability));
        self.component.clumps.write(out);
        self.patterns.in_order().values().for_each(|watch| watch.counts.clumps.write(out));
    }

    /// Reads what [`Detectors::write`] wrote; an unknown version is refused, and what it held has to be learned again.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, ReadError> {
        let version = input.u8()?;
        if !(VERSION_MIN..=VERSION).contains(&version) {
            return Err(ReadError::Unknown("version of the detectors"));
        }
        let has_slot = input.u8()? != 0;
        let slot = input.int()?;
        let mut read = Self { slot: has_slot.then_some(slot), season: Season::read(input)?, ..Self::default() };
        read.hour_records = input.uint()?;
        read.hour_slots = input.u32()?;
        read.component = CountWatch::read(input)?;
        read.level = LevelWatch::read(input)?;
        read.errors = RatioWatch::read(input)?;
        read.slow = RatioWatch::read(input)?;
        for minutes in [&mut read.totals, &mut read.error_minutes, &mut read.slow_minutes] {
            *minutes = History::read(input)?;
        }
        read.slow_from = input.f64()?;
        read.lateness = input.f64()?;
        read.durations = input.uint()?;
        read.rhythm = Rhythm::read(input)?;
        read.is_silent = input.u8()? != 0;
        read.novelty = Mean::read(input)?;
        for count in [&mut read.records, &mut read.late, &mut read.unwatched, &mut read.signals_dropped] {
            *count = input.uint()?;
        }
        let mut ids = Vec::new();
        let count = input.count()?.min(WATCHED_PATTERNS_MAX);
        read.patterns.reserve(count);
        for _ in 0..count {
            let id = PatternId(input.uint()?);
            let watch = PatternWatch {
                counts: CountWatch::read(input)?,
                rhythm: Rhythm::read(input)?,
                seen: MinuteRing::read(input)?,
                is_missed: input.u8()? != 0,
                due: Some((input.u8()? != 0, input.int()?))
                    .filter(|(is_due, _)| *is_due)
                    .map(|(_, at)| Timestamp(at).clamped()),
            };
            watch.due.map(|at| read.due.insert((at, id)));
            if let Some(held) = read.patterns.get_or_begin(id, WATCHED_PATTERNS_MAX) {
                *held = watch;
            }
            ids.push(id);
        }
        if version >= VERSION {
            let (told, probability) = (input.u8()?, input.f64()?);
            read.told_running = (told > 0).then_some(ToldRunning { probability, wakes: told > 1 });
            read.component.clumps = Clumps::parse(input)?;
            for id in ids {
                let clumps = Clumps::parse(input)?;
                if let Some(watch) = read.patterns.get_mut(id) {
                    watch.counts.clumps = clumps;
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three hours of two patterns, one of which comes three at a time.
    fn taught() -> Detectors {
        let mut detectors = Detectors::default();
        for second in 0..10_800 {
            let pattern = PatternId(if second % 4_000 < 3 { 2 } else { 1 });
            detectors.observe(&Facts {
                at: Timestamp(second * 1_000),
                pattern,
                is_new_pattern: false,
                is_error: false,
                duration_ms: None,
            });
        }
        detectors
    }

    fn bytes(write: impl Fn(&mut Writer)) -> Vec<u8> {
        let mut out = Writer::new();
        write(&mut out);
        out.into_bytes()
    }

    #[test]
    fn a_state_of_the_version_before_is_read_without_what_it_did_not_know() {
        let mut detectors = taught();
        let mut old = bytes(|out| detectors.write(out));
        let added = bytes(|out| {
            out.u8(0);
            out.f64(0.0);
            detectors.component.clumps.write(out);
            detectors.patterns.in_order().values().for_each(|watch| watch.counts.clumps.write(out));
        });
        old.truncate(old.len() - added.len());
        old[0] = 2;
        let mut input = Reader::new(&old);
        let read = Detectors::read(&mut input).unwrap();
        assert!(input.is_empty());
        assert_ne!(read, detectors, "clumps were learned");
        detectors.component.clumps = Clumps::default();
        detectors.patterns.iter_mut().for_each(|(_, watch)| watch.counts.clumps = Clumps::default());
        assert_eq!(read, detectors);
        for version in [0, 1, VERSION + 1] {
            old[0] = version;
            assert!(Detectors::read(&mut Reader::new(&old)).is_err(), "{version}");
        }
    }
}
