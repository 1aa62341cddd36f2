//! Walks the representations of an HPACK header block (RFC 7541, section 6) without a table.
//!
//! Holds: every byte is looked at once, strings are skipped in one step. The name is known where it is
//! static index 1 or spelled out; a name that is an index into the dynamic table is not seen through
//! (no client in use names `:authority` so: static index 1 is shorter).

const NAME: &[u8] = b":authority";
/// `NAME` in Huffman code.
const NAME_CODED: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];
/// Static table, RFC 7541 appendix A.
const NAME_INDEX: u8 = 1;
/// `h2` takes no more bytes after an integer's prefix.
const MAX_INTEGER_BYTES: u32 = 4;

/// A literal value of `:authority` that begins where the walk stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    /// Coded length in bytes, at least 1.
    pub len: usize,
    pub is_huffman: bool,
}

/// The block breaks HPACK; no representation after this can be found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Where the walk is.
#[derive(Debug, Clone, Copy)]
enum State {
    /// The next byte begins a representation.
    Between,
    /// Inside an integer that its prefix did not hold.
    Integer { value: u32, bytes: u32, then: Then },
    /// The next byte begins the string of a name.
    NameHead,
    /// Inside a name; `rest` is what must follow for it to be `:authority`.
    Name { left: usize, rest: Option<&'static [u8]> },
    /// The next byte begins the string of a value.
    ValueHead { is_authority: bool },
    /// Inside a value, which is skipped or was judged already.
    Value { left: usize },
}

/// What an integer was about.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// An index that is a whole representation, or a table size.
    Between,
    /// The index of a name that is not `:authority`.
    ValueHead,
    NameLen {
        is_huffman: bool,
    },
    ValueLen {
        is_huffman: bool,
        is_authority: bool,
    },
}

/// The walk through one connection's header blocks.
#[derive(Debug)]
pub(super) struct Walker {
    state: State,
}

impl Walker {
    pub(super) fn new() -> Walker {
        Walker { state: State::Between }
    }

    /// Whether a block may end here.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Between)
    }

    /// Walks a piece of a block. Stops before the first byte of an `:authority` value and answers its
    /// offset, which may be the end of the piece; the walk then goes on from there, past the value.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Result<Option<(usize, Value)>, Malformed> {
        let mut at = 0;
        while at < piece.len() {
            match self.state {
                State::Name { left, rest } => {
                    let n = left.min(piece.len() - at);
                    let rest = rest.and_then(|rest| rest.strip_prefix(&piece[at..at + n]));
                    at += n;
                    self.state = if n < left {
                        State::Name { left: left - n, rest }
                    } else {
                        State::ValueHead { is_authority: rest.is_some() }
                    };
                }
                State::Value { left } => {
                    let n = left.min(piece.len() - at);
                    at += n;
                    self.state = if n < left { State::Value { left: left - n } } else { State::Between };
                }
                _ => {
                    let value = self.byte(piece[at])?;
                    at += 1;
                    if let Some(value) = value {
                        return Ok(Some((at, value)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// A byte that is not inside a string.
    fn byte(&mut self, byte: u8) -> Result<Option<Value>, Malformed> {
        match self.state {
            State::Between => self.representation(byte),
            State::NameHead => self.integer(byte, 7, Then::NameLen { is_huffman: byte & 0x80 != 0 }),
            State::ValueHead { is_authority } => {
                self.integer(byte, 7, Then::ValueLen { is_huffman: byte & 0x80 != 0, is_authority })
            }
            State::Integer { value, bytes, then } => {
                let value = value + (u32::from(byte & 0x7f) << (7 * bytes));
                if byte & 0x80 == 0 {
                    Ok(self.integer_done(value, then))
                } else if bytes + 1 == MAX_INTEGER_BYTES {
                    Err(Malformed)
                } else {
                    self.state = State::Integer { value, bytes: bytes + 1, then };
                    Ok(None)
                }
            }
            // `feed` takes the bytes of strings itself.
            State::Name { .. } | State::Value { .. } => Ok(None),
        }
    }

    /// The first byte of a representation: RFC 7541, sections 6.1 to 6.3.
    fn representation(&mut self, byte: u8) -> Result<Option<Value>, Malformed> {
        let prefix = match byte.leading_zeros() {
            0 => return self.integer(byte, 7, Then::Between),
            1 => 6,
            2 => return self.integer(byte, 5, Then::Between),
            _ => 4,
        };
        match byte & mask(prefix) {
            0 => self.state = State::NameHead,
            NAME_INDEX => self.state = State::ValueHead { is_authority: true },
            _ => return self.integer(byte, prefix, Then::ValueHead),
        }
        Ok(None)
    }

    /// An integer's first byte: RFC 7541, section 5.1.
    fn integer(&mut self, byte: u8, prefix: u32, then: Then) -> Result<Option<Value>, Malformed> {
        let value = byte & mask(prefix);
        if value < mask(prefix) {
            return Ok(self.integer_done(u32::from(value), then));
        }
        self.state = State::Integer { value: u32::from(value), bytes: 0, then };
        Ok(None)
    }

    fn integer_done(&mut self, value: u32, then: Then) -> Option<Value> {
        let len = value as usize;
        self.state = match then {
            Then::Between => State::Between,
            Then::ValueHead => State::ValueHead { is_authority: false },
            Then::NameLen { .. } if len == 0 => State::ValueHead { is_authority: false },
            Then::NameLen { is_huffman } => {
                let name = if is_huffman { NAME_CODED } else { NAME };
                State::Name { left: len, rest: (name.len() == len).then_some(name) }
            }
            Then::ValueLen { .. } if len == 0 => State::Between,
            Then::ValueLen { is_huffman, is_authority } => {
                self.state = State::Value { left: len };
                return is_authority.then_some(Value { len, is_huffman });
            }
        };
        None
    }
}

const fn mask(prefix: u32) -> u8 {
    (1 << prefix) - 1
}
