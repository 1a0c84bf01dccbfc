//! What the service acknowledged, one JSON object a line, written before the next request of that connection leaves.
//!
//! The audit compares it with what the service holds. A batch without an answer is not in it: it may or may not be
//! stored. Its key is in the report.

use crate::load::Fates;
use crate::payload::Batch;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    component: &'a str,
    ids: &'a [String],
    accepted: u64,
    duplicate: u64,
    counted_only: u64,
    rejected: u64,
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: Mutex<File>,
}

impl Journal {
    /// Begins a journal; what the file held is gone.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Mutex::new(File::create(path)?) })
    }

    /// Enters an acknowledged batch: one write, whole.
    pub fn enter(&self, batch: &Batch, fates: &Fates) -> io::Result<()> {
        let entry = Entry {
            key: &batch.key,
            component: &batch.component,
            ids: &batch.ids,
            accepted: fates.accepted,
            duplicate: fates.duplicate,
            counted_only: fates.counted_only,
            rejected: fates.rejected,
        };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        // A thread that panicked left whole lines behind: each is a single write.
        self.file.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).write_all(&line)
    }
}
