//! What the shunt's own server sends: its answers go to the client by blocks that touch no table.

use h2::Reason;

use super::super::head::{self, Head};
use super::super::hpack::encoder::field_without_table;
use super::super::hpack::fields::Fields;
use super::super::settings::{self, Settings};
use super::super::streams::Way;
use super::Connection;

impl Connection {
    /// Takes bytes of the server's. How many of them were whole frames.
    pub(super) fn taken_bytes(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        let mut at = 0;
        while let Some((head, payload, len)) = head::next(&bytes[at..])? {
            self.taken_frame(head, payload, &bytes[at..at + len])?;
            at += len;
        }
        Ok(at)
    }

    fn taken_frame(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<(), Reason> {
        let Some(taken) = &mut self.taken else { return Ok(()) };
        match head.kind {
            head::DATA => {
                self.taken_answers(head.stream, head.has(head::END_STREAM), head.len, frame);
                Ok(())
            }
            head::HEADERS | head::CONTINUATION => {
                let content = if head.kind == head::HEADERS { head.content(payload)? } else { payload };
                let new = || (head.stream, head.has(head::END_STREAM), Vec::new());
                taken.block.get_or_insert_with(new).2.extend_from_slice(content);
                match taken.block.take_if(|_| head.has(head::END_HEADERS)) {
                    Some((stream, end_stream, block)) => self.taken_block(stream, end_stream, &block),
                    None => Ok(()),
                }
            }
            head::RST_STREAM => {
                if self.forget(head.stream).is_some() {
                    self.answer_client(0, frame);
                }
                Ok(())
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
                Ok(())
            }
            head::SETTINGS if !head.has(head::ACK) => self.taken_settings(payload),
            head::PING if !head.has(head::ACK) => {
                head::put(&mut taken.side.out, head::PING, head::ACK, 0, payload);
                Ok(())
            }
            // The server ends by itself only because of what the client has sent.
            head::GOAWAY => {
                let reason = payload.get(4..8).map_or(Ok(0), head::number)?;
                Err(Reason::from(reason))
            }
            _ => Ok(()),
        }
    }

    fn taken_block(&mut self, stream: u32, end_stream: bool, block: &[u8]) -> Result<(), Reason> {
        let Some(taken) = &mut self.taken else { return Ok(()) };
        let mut fields = Fields::of_own();
        taken.decoder.decode(block, &mut fields).map_err(|_| Reason::INTERNAL_ERROR)?;
        let mut plain = Vec::new();
        fields.iter().for_each(|(name, value)| field_without_table(&mut plain, name, value));
        let mut frames = Vec::new();
        head::put_block(&mut frames, stream, &plain, end_stream);
        self.taken_answers(stream, end_stream, 0, &frames);
        Ok(())
    }

    /// Frames of an answer, which use so much of the client's window.
    fn taken_answers(&mut self, number: u32, end_stream: bool, used: usize, frames: &[u8]) {
        if self.streams.contains_key(&number) {
            self.answer_client(used, frames);
            let Some(stream) = self.streams.get_mut(&number).filter(|_| end_stream) else { return };
            stream.done();
            self.forget_if_over(number);
        } else if let Some(taken) = &mut self.taken {
            // The client has reset it: it costs nobody anything.
            head::put_credit(&mut taken.side.out, 0, used as u32);
        }
    }

    /// Gives the client frames of the server's, or keeps them until there is room.
    fn answer_client(&mut self, used: usize, frames: &[u8]) {
        let Some(taken) = &mut self.taken else { return };
        let is_free = self.containerd.as_ref().is_none_or(|containerd| containerd.held.is_empty());
        if is_free && taken.held.is_empty() && used as i64 <= self.room {
            self.room -= used as i64;
            taken.gave(used as u32);
            self.client.out.extend_from_slice(frames);
        } else {
            taken.held.end().extend_from_slice(frames);
        }
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
