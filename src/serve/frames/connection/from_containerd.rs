//! What containerd sends: its answers go to the client as they came, their header blocks as well.
//!
//! Holds: no other header block than containerd's touches the client's table, and none of containerd's is left out.

use std::task::Context;

use h2::Reason;
use tonic::Status;

use super::super::head::{self, Head, WINDOW};
use super::super::settings::{self, Settings};
use super::Connection;

impl Connection {
    /// Takes bytes of containerd's, and gives the client what it is to get of them.
    pub(super) fn containerd_bytes(
        &mut self,
        bytes: &[u8],
        cx: Option<&mut Context<'_>>,
    ) -> Result<(), Reason> {
        let (used, ended) = self.pass_on(bytes, cx, Self::containerd_frame);
        if let Some(containerd) = &mut self.containerd {
            containerd.side.keep(&bytes[used..]);
        }
        ended
    }

    /// Takes one frame. Whether it goes to the client as it came.
    fn containerd_frame(&mut self, head: Head, payload: &[u8], frame: &[u8]) -> Result<bool, Reason> {
        let Some(containerd) = &mut self.containerd else { return Ok(false) };
        if containerd.is_in_block() && head.kind != head::CONTINUATION {
            return Err(Reason::PROTOCOL_ERROR);
        }
        match head.kind {
            head::DATA | head::HEADERS | head::CONTINUATION | head::RST_STREAM => {
                if head.stream > containerd.last || head.stream.is_multiple_of(2) {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                return self.containerd_answers(head, frame);
            }
            head::WINDOW_UPDATE => return self.containerd_credit(head, payload),
            head::SETTINGS => self.containerd_settings(head, payload)?,
            head::PING => {
                if !head.has(head::ACK) {
                    head::put(&mut containerd.side.out, head::PING, head::ACK, 0, payload);
                } else if let Some(stream) = payload.last_chunk::<4>() {
                    // It has seen that an endless stream ends.
                    self.end_endless(u32::from_be_bytes(*stream));
                }
            }
            head::GOAWAY => {
                containerd.is_leaving = true;
                let last = payload.first_chunk::<4>().ok_or(Reason::FRAME_SIZE_ERROR)?;
                self.refuse_above(u32::from_be_bytes(*last) & 0x7fff_ffff);
            }
            head::PUSH_PROMISE => return Err(Reason::PROTOCOL_ERROR),
            _ => {}
        }
        Ok(false)
    }

    /// A frame of an answer.
    fn containerd_answers(&mut self, head: Head, frame: &[u8]) -> Result<bool, Reason> {
        let Some(containerd) = &mut self.containerd else { return Ok(false) };
        if let Some(stream) = self.streams.get_mut(&head.stream) {
            if !stream.is_passed() {
                return Err(Reason::PROTOCOL_ERROR);
            }
            stream.is_answered |= head.kind == head::HEADERS;
            containerd.has_answered |= stream.is_answered;
            if head.kind == head::RST_STREAM {
                self.streams.remove(&head.stream);
            } else if head.has(head::END_STREAM) && head.kind != head::CONTINUATION {
                stream.done();
                if let Some(begin) = stream.begin.take() {
                    self.state.tell.metrics.relay_seconds.observe(begin.elapsed().as_secs_f64());
                }
                if stream.is_over() {
                    self.streams.remove(&head.stream);
                }
            }
        }
        let is_piece =
            head.kind == head::CONTINUATION || (head.kind == head::HEADERS && !head.has(head::END_HEADERS));
        if is_piece {
            if let Some(block) = containerd.block(head, frame)? {
                let is_held = !containerd.held.is_empty();
                let out = if is_held { containerd.held.end() } else { &mut self.client.out };
                out.extend_from_slice(&block);
            }
            return Ok(false);
        }
        let used = if head.kind == head::DATA { head.len as i64 } else { 0 };
        if containerd.held.is_empty() && used <= self.room {
            self.room -= used;
            return Ok(true);
        }
        containerd.held.end().extend_from_slice(frame);
        Ok(false)
    }

    fn containerd_credit(&mut self, head: Head, payload: &[u8]) -> Result<bool, Reason> {
        let increment = head::increment(payload)?;
        if head.stream == 0 {
            if let Some(containerd) = &mut self.containerd {
                containerd.owed -= i64::from(increment);
            }
            self.granted += i64::from(increment);
            if self.granted > head::MAX_WINDOW || increment == 0 {
                return Err(Reason::FLOW_CONTROL_ERROR);
            }
            return Ok(true);
        }
        Ok(self.streams.get(&head.stream).is_some_and(|stream| stream.is_passed() && !stream.is_sent))
    }

    fn containerd_settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        let Some(containerd) = &mut self.containerd else { return Ok(()) };
        if head.has(head::ACK) {
            if containerd.acks.pop_front().ok_or(Reason::PROTOCOL_ERROR)? {
                // Behind what was sent by the settings before.
                let is_held = !containerd.held.is_empty();
                settings::put_ack(if is_held { containerd.held.end() } else { &mut self.client.out });
            }
            return Ok(());
        }
        let said = Settings::read(payload)?;
        if let Some(limit) = said.header_table {
            containerd.encoder.set_limit(limit);
        }
        // What else it says is between it and the shunt.
        let max_streams = said.max_streams.map(|streams| streams.min(self.admitted.calls()));
        let told = Settings { max_streams, window: said.window, ..Settings::default() };
        if told == Settings::default() {
            settings::put_ack(&mut containerd.side.out);
            return Ok(());
        }
        self.told_window = self.told_window.max(told.window());
        told.put(&mut self.client.out);
        self.acks.push_back(true);
        Ok(())
    }

    /// Refuses the streams that containerd will not answer. Their clients may ask again.
    fn refuse_above(&mut self, last: u32) {
        let (streams, out) = (&mut self.streams, &mut self.client.out);
        streams.retain(|number, stream| {
            let is_refused = stream.is_passed() && *number > last;
            if is_refused {
                head::put_reset(out, *number, Reason::REFUSED_STREAM);
            }
            !is_refused
        });
    }

    /// Ends what containerd has not answered, for it is gone. The next call connects anew, if what the client knows of
    /// windows and tables is what a new connection begins with; else it is taken out.
    pub(super) fn lose_containerd(&mut self, reason: &dyn ToString) {
        let Some(lost) = self.containerd.take() else { return };
        // Whoever waits for its word waits for nobody.
        self.acks.iter_mut().for_each(|ack| *ack = false);
        for _ in lost.acks.iter().filter(|ack| **ack) {
            settings::put_ack(&mut self.client.out);
        }
        self.give_back(usize::try_from(lost.owed).unwrap_or(0));
        let owed = self.taken.as_ref().map_or(0, |taken| i64::from(taken.owed));
        let more = self.room + owed - i64::from(WINDOW);
        (self.credit, self.debt) = (more.max(0) as u32, (-more).max(0) as u32);
        self.is_lost = self.granted > WINDOW.into()
            || lost.owed < 0
            || self.told_window > WINDOW
            || self.is_table_changed;
        let status = Status::unavailable(self.link.broken(reason.to_string()).to_string());
        let mut passed: Vec<u32> =
            self.streams.iter().filter(|(_, stream)| stream.is_passed()).map(|(number, _)| *number).collect();
        passed.sort_unstable();
        passed.into_iter().for_each(|number| self.end_passed(number, &status));
        self.release();
    }

    /// Gives the client what waited for room.
    pub(super) fn release(&mut self) {
        let out = &mut self.client.out;
        if let Some(containerd) = &mut self.containerd {
            containerd.held.release(&mut self.room, out);
            if !containerd.held.is_empty() {
                return;
            }
        }
        if let Some(taken) = &mut self.taken {
            let moved = taken.held.release(&mut self.room, out);
            taken.gave(moved);
        }
    }
}
