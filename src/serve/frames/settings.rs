//! SETTINGS of both sides (RFC 9113, section 6.5).
//!
//! Holds: only what the other side has to keep is passed on. So frames stay short, and nobody pushes.

use h2::Reason;

use super::head::{MAX_PAYLOAD, MAX_WINDOW, SETTINGS, WINDOW, put, put_head};

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;

/// What one side has said so far; or what one frame says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) header_table: Option<u32>,
    pub(super) max_streams: Option<u32>,
    pub(super) window: Option<u32>,
    pub(super) max_header_list: Option<u32>,
}

impl Settings {
    /// What a frame says.
    pub(super) fn read(payload: &[u8]) -> Result<Settings, Reason> {
        let (pairs, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        let mut settings = Settings::default();
        for [i1, i2, value @ ..] in pairs {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*i1, *i2]) {
                HEADER_TABLE_SIZE => settings.header_table = Some(value),
                ENABLE_PUSH if value > 1 => return Err(Reason::PROTOCOL_ERROR),
                MAX_CONCURRENT_STREAMS => settings.max_streams = Some(value),
                INITIAL_WINDOW_SIZE if i64::from(value) > MAX_WINDOW => {
                    return Err(Reason::FLOW_CONTROL_ERROR);
                }
                INITIAL_WINDOW_SIZE => settings.window = Some(value),
                MAX_FRAME_SIZE if !(MAX_PAYLOAD..1 << 24).contains(&(value as usize)) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                MAX_HEADER_LIST_SIZE => settings.max_header_list = Some(value),
                _ => {}
            }
        }
        Ok(settings)
    }

    /// Notes what is said anew.
    pub(super) fn merge(&mut self, new: Settings) {
        self.header_table = new.header_table.or(self.header_table);
        self.max_streams = new.max_streams.or(self.max_streams);
        self.window = new.window.or(self.window);
        self.max_header_list = new.max_header_list.or(self.max_header_list);
    }

    /// The window of a new stream.
    pub(super) fn window(&self) -> u32 {
        self.window.unwrap_or(WINDOW)
    }

    /// Writes it as a frame of a server.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        self.put_with(out, None);
    }

    /// Writes it as a frame of a client, who wants no push.
    pub(super) fn put_of_client(&self, out: &mut Vec<u8>) {
        self.put_with(out, Some(0));
    }

    fn put_with(&self, out: &mut Vec<u8>, push: Option<u32>) {
        let all = [
            (HEADER_TABLE_SIZE, self.header_table),
            (ENABLE_PUSH, push),
            (MAX_CONCURRENT_STREAMS, self.max_streams),
            (INITIAL_WINDOW_SIZE, self.window),
            (MAX_HEADER_LIST_SIZE, self.max_header_list),
        ];
        let said = || all.iter().filter_map(|(id, value)| Some((*id, (*value)?)));
        put_head(out, 6 * said().count(), SETTINGS, 0, 0);
        for (id, value) in said() {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

/// Acknowledges one frame.
pub(super) fn put_ack(out: &mut Vec<u8>) {
    put(out, SETTINGS, super::head::ACK, 0, &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_limits_hold() {
        let said = Settings { header_table: Some(0), window: Some(1 << 20), ..Settings::default() };
        let mut out = Vec::new();
        said.put_of_client(&mut out);
        assert_eq!(out.len(), 9 + 3 * 6);
        assert_eq!(Settings::read(&out[9..]), Ok(said));
        for (pair, reason) in [
            ([0, 2, 0, 0, 0, 2], Reason::PROTOCOL_ERROR),
            ([0, 4, 0x80, 0, 0, 0], Reason::FLOW_CONTROL_ERROR),
            ([0, 5, 0, 0, 0, 1], Reason::PROTOCOL_ERROR),
            ([0, 5, 1, 0, 0, 0], Reason::PROTOCOL_ERROR),
        ] {
            assert_eq!(Settings::read(&pair), Err(reason), "{pair:?}");
        }
        assert_eq!(Settings::read(&[0; 5]), Err(Reason::FRAME_SIZE_ERROR));
    }
}
