//! The endpoints that clients of a runtime are given.

use std::path::PathBuf;

/// Whose socket it is, as far as its path says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// containerd's own.
    Containerd(PathBuf),
    /// Of another program that stands in front of containerd for images.
    Shim(&'static str, PathBuf),
    /// Of another runtime.
    Runtime(&'static str, PathBuf),
    /// Of a program that is not known.
    Other(PathBuf),
    /// Not the path of a socket.
    NoPath,
}

/// What the paths of programs have in them that serve the image side of the CRI.
const SHIMS: [(&str, &str); 5] = [
    ("soci", "the SOCI snapshotter"),
    ("stargz", "the stargz snapshotter"),
    ("nydus", "the nydus snapshotter"),
    ("image-cri-shim", "sealos' image-cri-shim"),
    ("koord", "koordinator's runtime proxy"),
];

/// And those of other runtimes.
const RUNTIMES: [(&str, &str); 3] =
    [("crio", "CRI-O"), ("cri-dockerd", "cri-dockerd"), ("dockershim", "dockershim")];

// === impl Endpoint ===

impl Endpoint {
    /// Reads `unix:///run/a.sock`, `unix:/run/a.sock` or the path alone.
    pub fn of(text: &str) -> Self {
        let Some(path) = Self::path_of(text) else { return Self::NoPath };
        let known = path.to_string_lossy().to_ascii_lowercase();
        let find = |names: &[(&str, &'static str)]| {
            names.iter().find(|(part, _)| known.contains(part)).map(|(_, name)| *name)
        };
        if let Some(name) = find(&SHIMS) {
            Self::Shim(name, path)
        } else if let Some(name) = find(&RUNTIMES) {
            Self::Runtime(name, path)
        } else if known.ends_with("containerd.sock") {
            Self::Containerd(path)
        } else {
            Self::Other(path)
        }
    }

    /// The path of the socket.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Containerd(path) | Self::Shim(_, path) | Self::Runtime(_, path) | Self::Other(path) => {
                Some(path)
            }
            Self::NoPath => None,
        }
    }

    /// Whether it leads to this socket. `/var/run` is `/run`.
    pub fn leads_to(&self, socket: &std::path::Path) -> bool {
        let same = |path: &std::path::Path| match path.strip_prefix("/var/run") {
            Ok(rest) => std::path::Path::new("/run").join(rest),
            Err(_) => path.to_owned(),
        };
        self.path().is_some_and(|path| same(path) == same(socket))
    }

    fn path_of(text: &str) -> Option<PathBuf> {
        let path = match text.trim().split_once(':') {
            Some(("unix", rest)) if rest.starts_with("//") => rest.strip_prefix("//")?,
            Some(("unix", rest)) => rest,
            Some(_) => return None,
            None => text.trim(),
        };
        // Go cleans the path.
        let cleaned: PathBuf = std::path::Path::new(path).components().collect();
        path.starts_with('/').then_some(cleaned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn an_endpoint_is_known_by_its_path() {
        let path = PathBuf::from;
        let rows = [
            (
                "unix:///run/containerd/containerd.sock",
                Endpoint::Containerd(path("/run/containerd/containerd.sock")),
            ),
            (
                "/run/k3s/containerd//containerd.sock",
                Endpoint::Containerd(path("/run/k3s/containerd/containerd.sock")),
            ),
            ("unix:/run/crio/crio.sock", Endpoint::Runtime("CRI-O", path("/run/crio/crio.sock"))),
            (
                "unix:///run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock",
                Endpoint::Shim(
                    "the SOCI snapshotter",
                    path("/run/soci-snapshotter-grpc/soci-snapshotter-grpc.sock"),
                ),
            ),
            ("unix:///run/a.sock", Endpoint::Other(path("/run/a.sock"))),
            ("tcp://127.0.0.1:1", Endpoint::NoPath),
            ("npipe:////./pipe/containerd", Endpoint::NoPath),
            ("run/a.sock", Endpoint::NoPath),
            ("", Endpoint::NoPath),
        ];
        for (text, expected) in rows {
            assert_eq!(Endpoint::of(text), expected, "{text}");
        }
        let leads = |text: &str| Endpoint::of(text).leads_to(Path::new("/run/a/b.sock"));
        assert!(
            leads("unix:///run/a/b.sock") && leads("/var/run/a/b.sock") && leads("unix:///run//a/b.sock")
        );
        assert!(!leads("unix:///run/a/c.sock") && !leads("nonsense"));
    }
}
