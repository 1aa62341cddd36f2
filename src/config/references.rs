//! Mirrors, prefixes and image references as values of keys.
//!
//! Not here: their grammar (`policy`).

use std::error::Error;

use super::mistake;
use super::refusal::Refusal;
use super::sources::endpoint::Scheme;
use crate::policy::{Location, LocationError, Name, Prefix, PrefixError};

/// A registry, with a path if it needs one.
pub(super) fn location(text: &str) -> Result<Location, Refusal> {
    let location: Location = text.parse().map_err(|error: LocationError| unusable(&error, text))?;
    check_port(location.host())?;
    Ok(location)
}

fn unusable(error: &LocationError, text: &str) -> Refusal {
    Refusal { message: error.to_string(), hint: mistake::hint(text).or_else(|| error.hint()) }
}

/// Where a mirror is, and the scheme in its address, if there is one.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) location: Location,
    pub(super) scheme: Option<Scheme>,
}

/// A mirror: as [`location`], or with `http://` or `https://` in front. With a scheme it may have a host that no image
/// reference can have (`nexus`, `my_registry:5000`, `[::1]:5000`).
pub(super) fn mirror_address(text: &str) -> Result<Address, Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(Address { location: location(text)?, scheme: None });
    };
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => {
            // With an `@` behind it, it may be a part of a password; the whole is hidden then.
            let scheme = if rest.contains('@') { text } else { scheme };
            let refusal = Refusal::new(format!("{scheme:?} is not a scheme of a registry"));
            return Err(refusal.hint("write http:// or https:// in front of the host, or the host alone"));
        }
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.contains('@') {
        // The text is not repeated: before the `@` there is most likely a password.
        return Err(Refusal::new("a mirror's address cannot contain a user name")
            .hint("write logins as [[credentials]]"));
    }
    let location = Location::of_endpoint(host, path).map_err(|error| unusable(&error, text))?;
    check_port(location.host())?;
    Ok(Address { location, scheme: Some(scheme) })
}

/// The images that a rule is for.
pub(super) fn prefix(text: &str) -> Result<Prefix, Refusal> {
    let prefix: Prefix = text.parse().map_err(|error: PrefixError| Refusal {
        message: match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
        hint: mistake::hint(text).or_else(|| error.hint()).or_else(|| mistake(text)),
    })?;
    prefix.host().map_or(Ok(()), check_port)?;
    Ok(prefix)
}

/// One image.
pub(super) fn image(text: &str) -> Result<Name, Refusal> {
    let refused = |message: String| Refusal { message, hint: mistake(text) };
    let name = text.parse::<Name>().map_err(|error| refused(error.to_string()))?;
    check_port(name.host())?;
    Ok(name)
}

/// What people write most often that cannot be in a reference.
fn mistake(text: &str) -> Option<String> {
    if let Some((scheme, bare)) = text.split_once("://") {
        return Some(format!("remove {scheme}://: {bare}"));
    }
    if text.contains(char::is_whitespace) {
        return Some("remove the space".to_owned());
    }
    let digest = text.contains('@');
    digest.then(|| "a digest is `sha256:` and 64 hexadecimal digits in lower case".to_owned())
}

/// Checks the port of a host, which the grammar of references allows to be any number.
pub(super) fn check_port(host: &str) -> Result<(), Refusal> {
    let Some((_, port)) = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')) else {
        return Ok(());
    };
    match port.parse::<u64>() {
        Ok(1..=65535) => Ok(()),
        _ => Err(Refusal::new(format!("{port} is not a valid port")).hint("ports go from 1 to 65535")),
    }
}
