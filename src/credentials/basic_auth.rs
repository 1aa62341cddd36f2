//! `user:password` in base64, as files of logins hold it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use crate::files::secret::Secret;

/// With or without padding: kubelet takes both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes `user:password`. Line breaks are ignored, as in Go's decoder.
pub(super) fn decode(encoded: &str) -> Result<(String, Secret), &'static str> {
    let encoded: String = encoded.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    let bytes = BASE64.decode(encoded).map_err(|_| "`auth` is not base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "`auth` is not UTF-8 text in base64")?;
    // docker pads the password with NULs.
    let text = text.trim_end_matches('\0');
    let (username, password) = text.split_once(':').ok_or("`auth` has no colon between user and password")?;
    Ok((username.to_owned(), Secret::new(password.to_owned())))
}
