//! What the shunt's own server sends: its answers go to the client by blocks that touch no table.

use std::task::Context;

use h2::Reason;

use super::super::head::{self, Head};
use super::super::hpack::encoder::field_without_table;
use super::super::hpack::fields::Fields;
use super::super::settings::{self, Settings};
use super::super::streams::Way;
use super::Connection;

impl Connection {
    /// Takes bytes of the server's, and gives the client what it is to get of them.
    pub(super) fn taken_bytes(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Result<(), Reason> {
        let (used, ended) = self.pass_on(bytes, Some(cx), Self::taken_frame);
        if let Some(taken) = &mut self.taken {
            taken.side.keep(&bytes[used..]);
        }
        ended
    }

    /// Takes one frame. Whether it goes to the client as it came.
    fn taken_frame(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<bool, Reason> {
        let Some(taken) = &mut self.taken else { return Ok(false) };
        match head.kind {
            head::DATA => {
                return Ok(self.taken_answers(head.stream, head.has(head::END_STREAM), head.len, frame));
            }
            head::RST_STREAM => return Ok(self.forget(head.stream).is_some() && self.lets_pass(0, frame)),
            head::HEADERS | head::CONTINUATION => {
                let content = if head.kind == head::HEADERS { head.content(payload)? } else { payload };
                let new = || (head.stream, head.has(head::END_STREAM), Vec::new());
                taken.block.get_or_insert_with(new).2.extend_from_slice(content);
                let whole = taken.block.take_if(|_| head.has(head::END_HEADERS));
                if let Some((stream, end_stream, block)) = whole {
                    self.taken_block(stream, end_stream, &block)?;
                }
            }
            head::WINDOW_UPDATE => {
                let increment = i64::from(head::increment(payload)?);
                if head.stream == 0 {
                    taken.window += increment;
                    self.pump_all();
                } else if let Some(stream) = self.streams.get_mut(&head.stream)
                    && let Way::Taken(upload) = &mut stream.way
                {
                    upload.window += increment;
                    self.pump(head.stream);
                }
            }
            head::SETTINGS if !head.has(head::ACK) => self.taken_settings(payload)?,
            head::PING if !head.has(head::ACK) => {
                head::put(&mut taken.side.out, head::PING, head::ACK, 0, payload);
            }
            // The server ends by itself only because of what the client has sent.
            head::GOAWAY => {
                let reason = payload.get(4..8).map_or(Ok(0), head::number)?;
                return Err(Reason::from(reason));
            }
            _ => {}
        }
        Ok(false)
    }

    fn taken_block(&mut self, stream: u32, end_stream: bool, block: &[u8]) -> Result<(), Reason> {
        let Some(taken) = &mut self.taken else { return Ok(()) };
        let mut fields = Fields::of_own();
        taken.decoder.decode(block, &mut fields).map_err(|_| Reason::INTERNAL_ERROR)?;
        let mut plain = Vec::new();
        fields.iter().for_each(|(name, value)| field_without_table(&mut plain, name, value));
        let mut frames = Vec::new();
        head::put_block(&mut frames, stream, &plain, end_stream);
        if self.taken_answers(stream, end_stream, 0, &frames) {
            self.client.out.extend_from_slice(&frames);
        }
        Ok(())
    }

    /// Takes frames of an answer, which use so much of the client's window. Whether the client gets them now.
    fn taken_answers(&mut self, number: u32, end_stream: bool, used: usize, frames: &[u8]) -> bool {
        if !self.streams.contains_key(&number) {
            if let Some(taken) = &mut self.taken {
                // The client has reset it: it costs nobody anything.
                head::put_credit(&mut taken.side.out, 0, used as u32);
            }
            return false;
        }
        let passes = self.lets_pass(used, frames);
        if end_stream && let Some(stream) = self.streams.get_mut(&number) {
            stream.done();
            self.forget_if_over(number);
        }
        passes
    }

    /// Whether the client has room for frames of the server's. If not, they are kept until it has.
    fn lets_pass(&mut self, used: usize, frames: &[u8]) -> bool {
        let Some(taken) = &mut self.taken else { return false };
        let is_free = self.containerd.as_ref().is_none_or(|containerd| containerd.held.is_empty());
        let passes = is_free && taken.held.is_empty() && used as i64 <= self.room;
        if passes {
            self.room -= used as i64;
            taken.gave(used as u32);
        } else {
            taken.held.end().extend_from_slice(frames);
        }
        passes
    }

    fn taken_settings(&mut self, payload: &[u8]) -> Result<(), Reason> {
        let Some(taken) = &mut self.taken else { return Ok(()) };
        let said = Settings::read(payload)?;
        settings::put_ack(&mut taken.side.out);
        if let Some(window) = said.window.map(i64::from) {
            let more = window - std::mem::replace(&mut taken.stream_window, window);
            for stream in self.streams.values_mut() {
                if let Way::Taken(upload) = &mut stream.way {
                    upload.window += more;
                }
            }
            self.pump_all();
        }
        Ok(())
    }

    /// Gives the server what it takes of all messages.
    fn pump_all(&mut self) {
        if self.taken.as_ref().is_none_or(|taken| taken.waiting == 0) {
            return;
        }
        let mut numbers: Vec<u32> = self.streams.keys().copied().collect();
        numbers.sort_unstable();
        numbers.into_iter().for_each(|number| self.pump(number));
    }
}
