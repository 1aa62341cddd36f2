//! Bytes that nobody can guess.

use std::io;

use ring::rand::{SecureRandom as _, SystemRandom};

/// So many bytes from the system.
///
/// # Errors
/// The system gives none.
pub fn random<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}
