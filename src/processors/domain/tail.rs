//! The live tail: hibernating sockets of viewers, each with its own filter.
//!
//! While anybody watches, streams send their new records here; each viewer gets those that match, one frame a call:
//! `{"records":[...],"skipped":n}`. `skipped` is the exact number of records that were left out before this frame
//! because more came than could be sent; nothing is sampled silently. A viewer's filter, and what was skipped for it,
//! live in the socket's attachment, so that this object can sleep.

use super::Inner;
use crate::monitoring::report;
use crate::processors::calls::TailCall;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sapwood_engine::machine::domain::Event;
use sapwood_wire::convert_query::ShownRecord;
use sapwood_wire::query::RecordFilter;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use worker::{Request, Response, Result, WebSocket, WebSocketPair, WebSocketRequestResponsePair};

/// Bytes of a frame; a record that would not fit is skipped and counted.
const FRAME_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a filter in an attachment, which may hold 16 KiB.
const FILTER_BYTES_MAX: usize = 8 * 1024;

#[derive(Serialize, Deserialize)]
struct Attachment {
    filter: String,
    opened_at_ms: f64,
}

impl Inner {
    pub(super) fn open_tail(self: &Rc<Self>, request: &Request) -> Result<Response> {
        let domain = request.headers().get("x-sapwood-domain")?.unwrap_or_default();
        let filter = request.headers().get("x-sapwood-filter")?.unwrap_or_default();
        let filter =
            URL_SAFE_NO_PAD.decode(filter).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        if filter.len() > FILTER_BYTES_MAX || serde_json::from_str::<RecordFilter>(&filter).is_err() {
            return Response::error("the filter cannot be read", 400);
        }
        let known = self.with_live(Some(&domain), |live| Ok(live.config.tail_viewers_max()));
        let room = match known {
            Ok(room) => room,
            Err(fault) => {
                report("TailNotOpened", &[("fault", &fault)]);
                return Response::error("the domain cannot be loaded", 500);
            }
        };
        if self.state.get_websockets().len() >= room {
            return Response::error("as many viewers as there may be", 503);
        }
        let pair = WebSocketPair::new()?;
        self.state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?);
        self.state.accept_web_socket(&pair.server);
        pair.server.serialize_attachment(Attachment { filter, opened_at_ms: super::now().0 as f64 })?;
        self.viewers_changed(None);
        Response::from_websocket(pair.client)
    }

    /// Tells the streams whether anybody watches. `gone` is a socket that is closing and may still be listed.
    pub(super) fn viewers_changed(self: &Rc<Self>, gone: Option<&WebSocket>) {
        let viewers = self.state.get_websockets();
        let is_watched = viewers.iter().any(|viewer| Some(viewer) != gone);
        match self.transition(Event::Watched(is_watched)) {
            Ok(effects) if !effects.sync.is_empty() => self.sync_soon(),
            Ok(_) => {}
            Err(fault) => report("WatchNotWritten", &[("fault", &fault)]),
        }
    }

    /// Sends records to the viewers that want them; `false` if nobody watches.
    pub(super) fn show(&self, call: &TailCall) -> bool {
        let viewers = self.state.get_websockets();
        for viewer in &viewers {
            let attachment = match viewer.deserialize_attachment::<Attachment>() {
                Ok(Some(attachment)) => attachment,
                Ok(None) | Err(_) => {
                    report("ViewerUnknown", &[]);
                    continue;
                }
            };
            let Ok(filter) = serde_json::from_str::<RecordFilter>(&attachment.filter) else { continue };
            let Some(frame) = frame(call, &filter) else { continue };
            if let Err(error) = viewer.send_with_str(&frame) {
                report("ViewerNotReached", &[("error", &error)]);
            }
        }
        !viewers.is_empty()
    }
}

/// The frame for one viewer; `None` if nothing of it concerns them.
fn frame(call: &TailCall, filter: &RecordFilter) -> Option<String> {
    let mut skipped = call.skipped;
    let mut frame = String::from("{\"records\":[");
    let mut count = 0;
    let wanted = filter.to_filter();
    if !filter.wants_component(&call.component) {
        return None;
    }
    for record in &call.records {
        let json = record.get();
        let is_wanted =
            serde_json::from_str::<ShownRecord<'_>>(json).is_ok_and(|shown| wanted.matches(&shown.subject()));
        if !is_wanted {
            continue;
        }
        if frame.len() + json.len() > FRAME_BYTES_MAX {
            skipped += 1;
            continue;
        }
        if count > 0 {
            frame.push(',');
        }
        frame.push_str(json);
        count += 1;
    }
    if count == 0 && skipped == 0 {
        return None;
    }
    frame.push_str(&format!("],\"skipped\":{skipped}}}"));
    Some(frame)
}
