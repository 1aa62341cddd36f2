//! What a client sends: each frame goes on to containerd or to the shunt's own server.
//!
//! Holds: containerd gets no frame of a stream that it does not have, and none of a head that was not judged.

use h2::Reason;

use super::super::block::Block;
use super::super::head::{self, Head};
use super::super::settings::{self, Settings};
use super::super::streams::{Stream, Way};
use super::Connection;

/// The most bytes and frames of one header block.
const MAX_BLOCK: usize = 128 << 10;
const MAX_BLOCK_FRAMES: usize = 64;
/// The size of a table of headers of which nothing was said.
const TABLE: u32 = 4096;
/// SETTINGS that containerd has not acknowledged.
const MAX_SETTINGS: usize = 256;
/// So much of all messages may wait for the shunt's own server, before the client's window is not given back at once.
const MAX_UPLOADS: usize = 4 << 20;

impl Connection {
    /// Takes bytes of the client's. How many of them were whole frames.
    pub(super) fn client_bytes(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        let mut at = 0;
        if !self.has_preface {
            let known = bytes.len().min(head::PREFACE.len());
            if bytes[..known] != head::PREFACE[..known] {
                return Err(Reason::PROTOCOL_ERROR);
            }
            if known < head::PREFACE.len() {
                return Ok(0);
            }
            self.has_preface = true;
            at = known;
        }
        while let Some((head, payload, len)) = head::next(&bytes[at..])? {
            self.client_frame(head, payload, &bytes[at..at + len])?;
            at += len;
        }
        Ok(at)
    }

    fn client_frame(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<(), Reason> {
        if self.block.is_some() != (head.kind == head::CONTINUATION) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        match head.kind {
            head::DATA => self.client_data(head, payload, frame),
            head::HEADERS if head.stream.is_multiple_of(2) => Err(Reason::PROTOCOL_ERROR),
            head::HEADERS => {
                let content = head.content(payload)?;
                let (stream, end_stream) = (head.stream, head.has(head::END_STREAM));
                if head.has(head::END_HEADERS) {
                    return self.client_block(stream, end_stream, content);
                }
                self.block = Some(Block { stream, end_stream, bytes: content.to_vec(), frames: 1 });
                Ok(())
            }
            head::CONTINUATION => self.client_continuation(head, payload),
            head::RST_STREAM => self.client_reset(head, payload, frame),
            head::WINDOW_UPDATE => self.client_credit(head, payload, frame),
            head::SETTINGS if head.stream == 0 => self.client_settings(head, payload),
            head::PING if head.stream == 0 => {
                if payload.len() != 8 {
                    return Err(Reason::FRAME_SIZE_ERROR);
                }
                if !head.has(head::ACK) {
                    head::put(&mut self.client.out, head::PING, head::ACK, 0, payload);
                }
                Ok(())
            }
            head::GOAWAY if head.stream == 0 => Ok(()),
            head::PRIORITY if head.stream != 0 => Ok(()),
            head::SETTINGS | head::PING | head::GOAWAY | head::PRIORITY | head::PUSH_PROMISE => {
                Err(Reason::PROTOCOL_ERROR)
            }
            _ => Ok(()),
        }
    }

    fn client_data(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<(), Reason> {
        self.granted -= payload.len() as i64;
        if self.granted < 0 {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        let Some(stream) = self.streams.get_mut(&head.stream) else {
            if head.stream == 0 || head.stream > self.last {
                return Err(Reason::PROTOCOL_ERROR);
            }
            // It crossed the end of its stream.
            self.give_back(payload.len());
            return Ok(());
        };
        if stream.is_sent {
            return Err(Reason::STREAM_CLOSED);
        }
        stream.is_sent = head.has(head::END_STREAM);
        match (&mut stream.way, &mut self.containerd, &mut self.taken) {
            (Way::Passed, Some(containerd), _) => {
                containerd.owed += payload.len() as i64;
                containerd.side.out.extend_from_slice(frame);
            }
            (Way::Taken(upload), _, Some(taken)) => {
                let content = head.content(payload)?;
                upload.waiting.extend_from_slice(content);
                upload.is_whole = stream.is_sent;
                if upload.waiting.len() > self.told_window as usize {
                    return Err(Reason::FLOW_CONTROL_ERROR);
                }
                taken.waiting += content.len();
                let padding = payload.len() - content.len();
                let now = if taken.waiting > MAX_UPLOADS { padding } else { payload.len() };
                taken.withheld += payload.len() - now;
                if !stream.is_sent {
                    head::put_credit(&mut self.client.out, head.stream, padding as u32);
                }
                self.give_back(now);
                self.pump(head.stream);
            }
            _ => return Err(Reason::INTERNAL_ERROR),
        }
        self.forget_if_over(head.stream);
        Ok(())
    }

    /// Gives the shunt's own server what it takes of a message, and the client as much for it.
    pub(super) fn pump(&mut self, number: u32) {
        let (Some(taken), Some(stream)) = (&mut self.taken, self.streams.get_mut(&number)) else { return };
        let Way::Taken(upload) = &mut stream.way else { return };
        let given = taken.pump(number, upload);
        if !stream.is_sent {
            head::put_credit(&mut self.client.out, number, given);
        }
        self.uploaded(given as usize);
    }

    fn client_continuation(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        let Some(block) = self.block.as_mut().filter(|block| block.stream == head.stream) else {
            return Err(Reason::PROTOCOL_ERROR);
        };
        block.frames += 1;
        block.bytes.extend_from_slice(payload);
        if block.bytes.len() > MAX_BLOCK || block.frames > MAX_BLOCK_FRAMES {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        match self.block.take_if(|_| head.has(head::END_HEADERS)) {
            Some(block) => self.client_block(block.stream, block.end_stream, &block.bytes),
            None => Ok(()),
        }
    }

    fn client_reset(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<(), Reason> {
        head::number(payload)?;
        if head.stream == 0 || head.stream > self.last {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.cancel(head.stream, &frame[head::HEAD..]);
        Ok(())
    }

    /// Resets a stream on the side that answers it.
    pub(super) fn cancel(&mut self, number: u32, reason: &[u8]) {
        let out = match (self.forget(number), &mut self.containerd, &mut self.taken) {
            (Some(Way::Passed), Some(containerd), _) => &mut containerd.side.out,
            (Some(Way::Taken(_)), _, Some(taken)) => &mut taken.side.out,
            _ => return,
        };
        head::put(out, head::RST_STREAM, 0, number, reason);
    }

    fn client_credit(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<(), Reason> {
        let mut increment = head::increment(payload)?;
        if head.stream > 0 {
            let stream = self.streams.get(&head.stream);
            match (stream.map(Stream::is_passed), &mut self.containerd, &mut self.taken) {
                (None, ..) if head.stream > self.last => return Err(Reason::PROTOCOL_ERROR),
                (Some(true), Some(containerd), _) => containerd.side.out.extend_from_slice(frame),
                (Some(false), _, Some(taken)) => taken.side.out.extend_from_slice(frame),
                _ => {}
            }
            return Ok(());
        }
        self.room += i64::from(increment);
        if increment == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if self.room > head::MAX_WINDOW {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        // What answers of the shunt's have used of it was containerd's already. The rest is new.
        if let Some(taken) = &mut self.taken {
            let back = increment.min(taken.owed);
            taken.owed -= back;
            increment -= back;
        }
        let lost = increment.min(self.debt);
        self.debt -= lost;
        increment -= lost;
        match &mut self.containerd {
            Some(containerd) => head::put_credit(&mut containerd.side.out, 0, increment),
            None => self.credit = self.credit.saturating_add(increment),
        }
        self.release();
        Ok(())
    }

    fn client_settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        if head.has(head::ACK) {
            if !payload.is_empty() {
                return Err(Reason::FRAME_SIZE_ERROR);
            }
            let is_for_containerd = self.acks.pop_front().ok_or(Reason::PROTOCOL_ERROR)?;
            if let Some(containerd) = self.containerd.as_mut().filter(|_| is_for_containerd) {
                settings::put_ack(&mut containerd.side.out);
            }
            return Ok(());
        }
        let said = Settings::read(payload)?;
        // The first SETTINGS change nothing: no connection to containerd has another size.
        let changes = |size| self.said.header_table.unwrap_or(TABLE) != size;
        self.is_table_changed |= self.is_used() && said.header_table.is_some_and(changes);
        self.said.merge(said);
        if let Some(taken) = self.taken.as_mut().filter(|_| said.window.is_some()) {
            Settings { window: said.window, ..Settings::default() }.put_of_client(&mut taken.side.out);
        }
        match &mut self.containerd {
            Some(containerd) if containerd.acks.len() >= MAX_SETTINGS => Err(Reason::ENHANCE_YOUR_CALM),
            Some(containerd) => {
                said.put_of_client(&mut containerd.side.out);
                containerd.acks.push_back(true);
                Ok(())
            }
            None => {
                settings::put_ack(&mut self.client.out);
                Ok(())
            }
        }
    }
}
