//! The header blocks of a client: each request is judged, and goes to containerd or is taken out.
//!
//! Holds: containerd gets exactly the head that was judged.

use h2::Reason;

use super::super::block::block_of;
use super::super::containerd::Containerd;
use super::super::head;
use super::super::hpack::encoder::field_without_table;
use super::super::hpack::fields::Fields;
use super::super::request::{RequestHead, check_trailers, mended};
use super::super::streams::{Stream, Way};
use super::super::taken::Taken;
use super::{Connection, Endless, MAX_WAITING_REQUESTS};
use crate::containerd;
use crate::serve::listener::limits;
use crate::serve::method::{Handler, is_endless};
use crate::serve::router;

/// Header blocks of one connection that are too large.
const MAX_TOO_LARGE: u32 = 64;
/// More than what containerd says before it is asked.
const GREETING: usize = 512;

impl Connection {
    /// Takes a whole header block.
    pub(super) fn client_block(&mut self, stream: u32, end_stream: bool, block: &[u8]) -> Result<(), Reason> {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        self.decoder.decode(block, &mut fields).map_err(|_| Reason::COMPRESSION_ERROR)?;
        self.too_large += u32::from(fields.is_too_large());
        let taken = if self.streams.contains_key(&stream) {
            self.client_trailers(stream, end_stream, &fields)
        } else if stream > self.last {
            self.last = stream;
            self.request(stream, end_stream, &fields);
            Ok(())
        } else {
            // They crossed the end of their stream.
            Ok(())
        };
        self.fields = fields;
        // Nobody sends these so often by mistake, and a few bytes of them are much work.
        if self.too_large > MAX_TOO_LARGE { Err(Reason::ENHANCE_YOUR_CALM) } else { taken }
    }

    fn request(&mut self, number: u32, end_stream: bool, fields: &Fields) {
        if fields.is_too_large() {
            let mut block = Vec::new();
            field_without_table(&mut block, b":status", b"431");
            return self.refuse(number, end_stream, &block);
        }
        if self.streams.len() >= self.admitted.calls() as usize || self.is_full() {
            return head::put_reset(&mut self.client.out, number, Reason::REFUSED_STREAM);
        }
        let Some(allowed) = self.admitted.call() else {
            return self.refuse(number, end_stream, &block_of(&limits::too_many(), true));
        };
        let Ok(request) = RequestHead::read(fields) else {
            return head::put_reset(&mut self.client.out, number, Reason::PROTOCOL_ERROR);
        };
        let asked = request.handler();
        let handler = router::at_present(asked, &self.state);
        let is_passed = match handler {
            Handler::Relay => true,
            // It is not starting, so there is nothing to hold a call for.
            Handler::Held => self.state.containerd.answers(),
            _ => false,
        };
        if is_passed && self.reach_containerd() {
            router::tell_observed(asked, &self.state);
            let stream = Stream::new(Way::Passed, end_stream, allowed);
            self.pass(number, stream, fields, handler, request.path);
        } else {
            self.take_out(number, end_stream, fields, allowed);
        }
    }

    /// Whether so much waits for those who answer that no request is taken.
    fn is_full(&self) -> bool {
        self.containerd.as_ref().is_some_and(|containerd| containerd.side.waiting() > MAX_WAITING_REQUESTS)
            || self.taken.as_ref().is_some_and(|taken| taken.side.waiting() > MAX_WAITING_REQUESTS)
    }

    /// Answers a request by this block alone.
    fn refuse(&mut self, number: u32, end_stream: bool, block: &[u8]) {
        head::put_block(&mut self.client.out, number, block, true);
        if !end_stream {
            head::put_reset(&mut self.client.out, number, Reason::NO_ERROR);
        }
    }

    /// Whether containerd takes a stream on the connection to it.
    fn reach_containerd(&mut self) -> bool {
        if self.is_lost {
            return false;
        }
        if self.containerd.is_none() && !self.takes_spare() {
            self.containerd = Containerd::connect(self.link.socket(), self.said, self.credit).ok();
        }
        self.containerd.as_ref().is_some_and(|containerd| !containerd.is_leaving)
    }

    /// Whether there was a connection that waited for a client. It is not for one that wants another table of headers:
    /// containerd has that from the start, or not at all.
    fn takes_spare(&mut self) -> bool {
        if self.said.header_table.is_some() {
            return false;
        }
        let mut greeting = [0; GREETING];
        let spare = self.spare.take();
        let given = spare.and_then(|spare| spare.give(self.said, self.credit, &mut greeting));
        let Some((containerd, len)) = given else { return false };
        self.containerd = Some(containerd);
        if let Err(reason) = self.containerd_bytes(&greeting[..len], None) {
            self.lose_containerd(&reason);
        }
        true
    }

    fn pass(&mut self, number: u32, mut stream: Stream, fields: &Fields, handler: Handler, path: &[u8]) {
        let Some(containerd) = &mut self.containerd else { return };
        containerd.last = number;
        let end_stream = stream.is_sent;
        let out = &mut containerd.side.out;
        let start = out.len();
        let flags = head::END_HEADERS | if end_stream { head::END_STREAM } else { 0 };
        head::put_head(out, 0, head::HEADERS, flags, number);
        containerd.encoder.begin(out);
        for (name, value) in fields.iter() {
            containerd.encoder.field(out, name, mended(name, value));
        }
        let len = out.len() - start - head::HEAD;
        if len <= head::MAX_PAYLOAD {
            out[start..start + 3].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
        } else {
            let block = out.split_off(start + head::HEAD);
            out.truncate(start);
            head::put_block(out, number, &block, end_stream);
        }
        if handler == Handler::Relay && std::str::from_utf8(path).is_ok_and(is_endless) {
            let next = Box::pin(self.state.calls.stream().cancelled_owned());
            self.endless.push(Endless { stream: number, is_told: false, next });
        } else {
            stream.call = Some(self.state.calls.begin());
            if handler == Handler::Relay {
                stream.begin = self.state.tell.metrics.relayed();
            }
        }
        self.streams.insert(number, stream);
    }

    fn take_out(&mut self, number: u32, end_stream: bool, fields: &Fields, allowed: containerd::Taken) {
        let taken = self.taken.get_or_insert_with(|| {
            let windows = self.admitted.windows();
            Taken::start(self.state.clone(), self.peer.clone(), self.link.clone(), windows, self.said)
        });
        head::put_block(&mut taken.side.out, number, &plain(fields), end_stream);
        let stream = Stream::new(Way::taken(taken.stream_window), end_stream, allowed);
        self.streams.insert(number, stream);
    }

    fn client_trailers(&mut self, number: u32, end_stream: bool, fields: &Fields) -> Result<(), Reason> {
        let Some(stream) = self.streams.get_mut(&number) else { return Ok(()) };
        if stream.is_sent {
            return Err(Reason::STREAM_CLOSED);
        }
        if !end_stream || fields.is_too_large() || check_trailers(fields).is_err() {
            head::put_reset(&mut self.client.out, number, Reason::PROTOCOL_ERROR);
            let reset = u32::from(Reason::PROTOCOL_ERROR).to_be_bytes();
            self.cancel(number, &reset);
            return Ok(());
        }
        stream.is_sent = true;
        match (&mut stream.way, &mut self.containerd) {
            (Way::Passed, Some(containerd)) => {
                let mut block = Vec::new();
                containerd.encoder.begin(&mut block);
                fields.iter().for_each(|(name, value)| containerd.encoder.field(&mut block, name, value));
                head::put_block(&mut containerd.side.out, number, &block, true);
            }
            (Way::Taken(upload), _) => {
                upload.trailers = Some(plain(fields));
                self.pump(number);
            }
            (Way::Passed, None) => return Err(Reason::INTERNAL_ERROR),
        }
        self.forget_if_over(number);
        Ok(())
    }
}

/// A block that touches no table.
fn plain(fields: &Fields) -> Vec<u8> {
    let mut block = Vec::new();
    fields.iter().for_each(|(name, value)| field_without_table(&mut block, name, mended(name, value)));
    block
}
