//! Reads the head of a request (RFC 9113, section 8.3; gRPC over HTTP/2).
//!
//! Holds: a head that two readers could read in two ways is malformed, so containerd sees what was judged here.

use http::uri::Authority;

use super::hpack::fields::Fields;
use crate::serve::method::{Handler, is_grpc_type};

/// Takes the place of an `:authority` that no HTTP stack accepts: kubelet and crictl up to 1.30, and gRPC's C core, send
/// the path of the socket.
const LOCALHOST: &[u8] = b"localhost";

/// The head is not one of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What counts in a request's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestHead<'a> {
    pub(super) path: &'a [u8],
    is_grpc: bool,
}

impl<'a> RequestHead<'a> {
    pub(super) fn read(fields: &'a Fields) -> Result<Self, Malformed> {
        let (mut path, mut method, mut scheme, mut authority) = (None, None, None, None);
        let mut is_grpc = false;
        let mut is_behind = false;
        for (name, value) in fields.iter() {
            if name.first() == Some(&b':') {
                let place = match name {
                    b":path" => &mut path,
                    b":method" => &mut method,
                    b":scheme" => &mut scheme,
                    b":authority" => &mut authority,
                    _ => return Err(Malformed),
                };
                if is_behind || place.replace(value).is_some() || !is_value(value) {
                    return Err(Malformed);
                }
                continue;
            }
            is_behind = true;
            check(name, value)?;
            is_grpc |= name == b"content-type" && is_grpc_type(value);
        }
        match (path, method, scheme) {
            (Some(path), Some(_), Some(_)) => Ok(RequestHead { path, is_grpc }),
            _ => Err(Malformed),
        }
    }

    /// How it is handled.
    pub(super) fn handler(&self) -> Handler {
        match std::str::from_utf8(self.path) {
            Ok(path) if self.is_grpc && !path.contains('?') => Handler::of_path(path).0,
            _ => Handler::Relay,
        }
    }
}

/// Checks the fields behind a message.
pub(super) fn check_trailers(fields: &Fields) -> Result<(), Malformed> {
    fields.iter().try_for_each(|(name, value)| check(name, value))
}

/// What containerd is to get in the place of a value.
pub(super) fn mended<'a>(name: &[u8], value: &'a [u8]) -> &'a [u8] {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let is_odd = || !value.iter().all(is_plain) && Authority::try_from(value).is_err();
    if name == b":authority" && (value.is_empty() || is_odd()) { LOCALHOST } else { value }
}

/// Checks a field that is not a pseudo-header.
fn check(name: &[u8], value: &[u8]) -> Result<(), Malformed> {
    let is_of_connection = || {
        matches!(
            name,
            b"connection" | b"transfer-encoding" | b"upgrade" | b"keep-alive" | b"proxy-connection"
        )
    };
    let is_good =
        is_name(name) && is_value(value) && !is_of_connection() && (name != b"te" || value == b"trailers");
    if is_good { Ok(()) } else { Err(Malformed) }
}

/// A token (RFC 9110, section 5.6.2) without upper case.
fn is_name(name: &[u8]) -> bool {
    let is_token =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.!#$%&'*+^`|~".contains(byte);
    !name.is_empty() && name.iter().all(is_token)
}

fn is_value(value: &[u8]) -> bool {
    value.iter().all(|byte| (*byte >= 0x20 && *byte != 0x7f) || *byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] =
        [(":method", "POST"), (":scheme", "http"), (":path", "/a/b"), ("content-type", "application/grpc")];

    fn fields(of: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        of.iter().for_each(|(name, value)| fields.push(name.as_bytes(), value.as_bytes()));
        fields
    }

    #[test]
    fn a_head_is_read_in_one_way_only() {
        let good = fields(&GOOD);
        assert_eq!(RequestHead::read(&good), Ok(RequestHead { path: b"/a/b", is_grpc: true }));
        for more in [
            (":path", "/other"),
            (":status", "200"),
            ("X", "upper case"),
            ("", "no name"),
            ("a b", "x"),
            ("a", "line\nfeed"),
            ("connection", "close"),
            ("te", "gzip"),
        ] {
            assert_eq!(
                RequestHead::read(&fields(&[&GOOD[..], &[more]].concat())),
                Err(Malformed),
                "{more:?}"
            );
        }
        for missing in 0..3 {
            let mut some = GOOD.to_vec();
            some.remove(missing);
            assert_eq!(RequestHead::read(&fields(&some)), Err(Malformed), "{missing}");
        }
        let twice = [&GOOD[..3], &[(":path", "/c")]].concat();
        assert_eq!(RequestHead::read(&fields(&twice)), Err(Malformed));
    }

    #[test]
    fn what_the_policy_concerns_is_known() {
        let pull = "/runtime.v1.ImageService/PullImage";
        let handler = |path, kind| {
            let fields = fields(&[GOOD[0], GOOD[1], (":path", path), ("content-type", kind)]);
            RequestHead::read(&fields).unwrap().handler()
        };
        assert_eq!(handler(pull, "application/grpc"), Handler::PullImage);
        assert_eq!(handler(&pull[1..], "Application/gRPC+proto"), Handler::PullImage);
        let query = format!("{pull}?x");
        assert_eq!(handler(&query, "application/grpc"), Handler::Relay);
        assert_eq!(handler(pull, "text/html"), Handler::Relay);
        assert_eq!(handler("/runtime.v1.ImageService/ListImages", "application/grpc"), Handler::Relay);
    }

    #[test]
    fn an_authority_that_nobody_takes_is_mended() {
        for (value, mends) in [
            ("localhost", false),
            ("127.0.0.1:10010", false),
            ("/run/x.sock", true),
            ("%2Frun%2Fx.sock", true),
            ("a b", true),
            ("", true),
        ] {
            let mended = mended(b":authority", value.as_bytes());
            assert_eq!(mended != value.as_bytes(), mends, "{value}");
        }
        assert_eq!(mended(b"x", b"/run/x.sock"), b"/run/x.sock");
    }
}
