//! What came of a pull, for people and as JSON.

use serde::Serialize;

use crate::cli::table;
use crate::config::visible;

/// What came of a pull. The order of the fields is the order of the JSON keys.
#[derive(Debug, Default, Serialize)]
pub(super) struct Pulled {
    pub(super) input: String,
    pub(super) name: String,
    /// `pulled`, `present` or `failed`.
    pub(super) outcome: &'static str,
    pub(super) registry: Option<String>,
    pub(super) reference: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) tried: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) id: Option<String>,
    pub(super) layers: Option<usize>,
    pub(super) bytes: Option<u64>,
    pub(super) fetched_bytes: Option<u64>,
    pub(super) seconds: f64,
    /// The gRPC code of a failure.
    pub(super) code: Option<String>,
    pub(super) error: Option<String>,
}

impl Pulled {
    /// One line for an image that is there; verbose, with more lines.
    pub(super) fn text(&self, verbose: bool) -> String {
        let mut text = self.name.clone();
        let registry = self.registry.as_deref();
        text += &match (self.outcome, registry) {
            ("present", _) => " was on the node already: no registry can serve it now".to_owned(),
            (_, Some(registry)) => format!(" pulled from {registry}"),
            (_, None) => " pulled".to_owned(),
        };
        text += &format!(" in {:.1} s", self.seconds);
        if let (Some(layers), Some(bytes)) = (self.layers, self.bytes) {
            let plural = if layers == 1 { "" } else { "s" };
            text += &format!(" ({layers} layer{plural}, {}", table::size(bytes));
            text += &match self.fetched_bytes {
                Some(0) => ", all there before)".to_owned(),
                Some(fetched) if fetched < bytes => format!(", {} of it new)", table::size(fetched)),
                _ => ")".to_owned(),
            };
        }
        if let Some(tried) = &self.tried {
            text += &format!("; tried before: {tried}");
        }
        let mut text = format!("{}\n", visible(&text));
        let more = [("digest", &self.digest), ("as", &self.reference), ("by", &self.rule)];
        for (label, value) in more.into_iter().filter(|_| verbose) {
            if let Some(value) = value {
                text += &format!("  {label:6}  {}\n", visible(value));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let bare = Pulled { name: "q.io/a:1".into(), seconds: 0.04, outcome: "pulled", ..Pulled::default() };
        assert_eq!(bare.text(true), "q.io/a:1 pulled in 0.0 s\n");
        let one = Pulled {
            name: "q.io/a:1".into(),
            outcome: "pulled",
            registry: Some("m.dev".into()),
            reference: Some("m.dev/a:1".into()),
            tried: Some("n.dev unreachable".into()),
            layers: Some(1),
            bytes: Some(2_500_000),
            fetched_bytes: Some(1_000_000),
            seconds: 1.25,
            ..Pulled::default()
        };
        let line = "q.io/a:1 pulled from m.dev in 1.2 s (1 layer, 2.5 MB, 1.0 MB of it new); tried before: n.dev unreachable\n";
        assert_eq!(one.text(false), line);
        assert_eq!(one.text(true), format!("{line}  as      m.dev/a:1\n"));
        let present = Pulled { outcome: "present", fetched_bytes: Some(0), layers: Some(2), ..one };
        let line = "q.io/a:1 was on the node already: no registry can serve it now in 1.2 s (2 layers, 2.5 MB, all there before); tried before: n.dev unreachable\n";
        assert_eq!(present.text(false), line);
    }
}
