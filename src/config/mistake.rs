//! What people write most often in place of a host that can be used, in any format.

use std::net::Ipv6Addr;

/// How variables of templates begin and end.
const VARIABLES: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("%{", "}"), ("$(", ")")];

/// What to write instead of a text that is not a registry or an address.
pub(super) fn hint(text: &str) -> Option<String> {
    // Then a part of it may be a password.
    if text.contains('@') {
        return None;
    }
    variable(text).or_else(|| {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        address(host).or_else(|| underscore(host).filter(|_| !text.contains("://")))
    })
}

/// A variable that nothing has filled in.
fn variable(text: &str) -> Option<String> {
    let (begin, end) = VARIABLES.into_iter().find(|(begin, _)| text.contains(begin))?;
    let start = text.find(begin)?;
    let end = text[start..].find(end).map_or(text.len(), |at| start + at + end.len());
    Some(format!("`{}` is a variable that nothing has filled in: write its value", &text[start..end]))
}

/// An IPv6 address without brackets. Its last part may have been meant as the port.
fn address(host: &str) -> Option<String> {
    let port = host.rsplit_once(':').filter(|(ip, port)| {
        let is_port = port.len() > 1 && port.bytes().all(|byte| byte.is_ascii_digit());
        is_port && ip.parse::<Ipv6Addr>().is_ok()
    });
    if let Some((ip, port)) = port {
        return Some(format!("an IPv6 address needs brackets: [{ip}]:{port}, or [{host}] without a port"));
    }
    host.parse::<Ipv6Addr>().ok()?;
    Some(format!("an IPv6 address needs brackets: [{host}]"))
}

/// A host that no image can name.
fn underscore(host: &str) -> Option<String> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    (host.contains('_') && host.chars().all(is_host)).then(|| {
        format!("no image can name a host with `_`; as the address of a mirror write it with its scheme: https://{host}")
    })
}

#[cfg(test)]
mod tests {
    use super::hint;

    #[test]
    fn each_mistake_has_its_advice() {
        let variable =
            |name: &str| Some(format!("`{name}` is a variable that nothing has filled in: write its value"));
        let rows = [
            ("https://${MIRROR}/v2", variable("${MIRROR}")),
            ("{{ .Values.mirror }}:5000", variable("{{ .Values.mirror }}")),
            ("%{SYSTEM_DEFAULT_REGISTRY}%", variable("%{SYSTEM_DEFAULT_REGISTRY}")),
            ("$(REGISTRY)/x", variable("$(REGISTRY)")),
            ("${BROKEN/x", variable("${BROKEN/x")),
            ("fd00::1", Some("an IPv6 address needs brackets: [fd00::1]".into())),
            (
                "https://fd00::1:5000/v2",
                Some("an IPv6 address needs brackets: [fd00::1]:5000, or [fd00::1:5000] without a port".into()),
            ),
            (
                "my_registry:5000/x",
                Some("no image can name a host with `_`; as the address of a mirror write it with its scheme: https://my_registry:5000".into()),
            ),
            ("http://my_registry:5000/A", None),
            ("m.dev:5000", None),
            ("m dev", None),
            ("[fd00::1]:5000", None),
            ("u:p_w/x@m.dev", None),
            ("u:{{pw}}@m.dev", None),
            ("{host}/x", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(hint(text), expected, "{text}");
        }
    }
}
