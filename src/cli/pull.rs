//! `cri-shunt pull`: pulls images through the daemon, as kubelet would, and shows how that goes.

mod names;
mod one;
mod progress;
mod result;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use self::names::Wanted;
use self::one::Puller;
use self::progress::Progress;
use self::result::Pulled;
use super::detail::Detail;
use super::exit::Exit;
use super::format::Format;
use super::names::Written;
use super::{daemon, runtime, terminal};
use crate::config::{defaults, visible};
use crate::containerd::{Link, Store};
use crate::credentials::{Credentials, DockerConfig, Sources};

/// How long a credential helper may take. `DockerConfig` runs none without its directory.
const HELPER_WITHIN: Duration = Duration::from_secs(10);

/// Pull images through the running daemon, as kubelet would.
///
/// Each image comes from where the policy says. On a terminal, stderr shows for each pull which registry is tried, and
/// how many bytes and layers containerd has; else there is one line for each image when it is there. All names are
/// looked at before anything is pulled. Ctrl-C ends the pulls that are under way.
#[derive(Debug, clap::Args)]
#[command(mut_arg("images", |images| images.required_unless_present("list")),
    after_long_help = "Examples:\n  \
    cri-shunt pull nginx:1.25\n  \
    cri-shunt pull --namespace team-a --creds-file ~/.docker/config.json registry.dev.de/a/app:2\n  \
    crictl images -o json | jq -r '.images[].repoTags[]' | cri-shunt pull --list -\n\n\
    Exit status:\n  \
    0  all images are on the node\n  \
    1  an image could not be pulled, or the pulls were interrupted\n  \
    2  wrong usage: a name is not one of an image, or a file cannot be used\n  \
    3  the daemon cannot be reached")]
pub(super) struct Arguments {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = defaults::LISTEN_SOCKET)]
    socket: PathBuf,

    /// Pull as for a pod of this namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,

    /// Logins in the form of Docker's config.json; each image gets the one for its registry
    #[arg(long, value_name = "FILE")]
    creds_file: Option<PathBuf>,

    /// How many images are pulled at the same time
    #[arg(long, short, value_name = "COUNT", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: u8,

    /// How to write the answers
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,

    #[command(flatten)]
    detail: Detail,

    #[command(flatten)]
    names: Written,
}

/// Runs the command.
pub(super) fn run(arguments: Arguments) -> Exit {
    let pulled = names::read(&arguments.names).and_then(|wanted| {
        if wanted.is_empty() && !arguments.detail.quiet {
            // What should have written the names may have failed.
            terminal::say("no image is named, so nothing is pulled\n");
        }
        let logins = arguments.creds_file.clone().map(logins).transpose()?.unwrap_or_default();
        runtime::block_on(pull_all(&arguments, wanted, logins))?
    });
    pulled.unwrap_or_else(|exit| exit)
}

/// The logins of a file. Another command may run without it; here it was asked for.
fn logins(file: PathBuf) -> Result<Credentials, Exit> {
    let docker = DockerConfig::new(file, None, HELPER_WITHIN);
    if let Err(error) = docker.examine() {
        return Err(terminal::fail(&format!("--creds-file: {error}"), Exit::Usage));
    }
    Ok(Credentials::new(Sources { docker: vec![docker], ..Sources::default() }))
}

/// Why a text cannot be pulled, if it is not the name of an image.
pub(super) fn is_no_name(image: &str) -> Option<String> {
    names::parsed(image).err()
}

/// Pulls one image through the daemon, without a login of its own: a line that says where it came from, or the error.
pub(super) async fn pull_one(socket: &Path, image: &str) -> Result<String, String> {
    let wanted = names::parsed(image).map(|name| Wanted { input: image.to_owned(), name })?;
    let status = daemon::ask(socket, daemon::PATIENCE).await?;
    let store = Store::new(Link::new(Path::new(&status.containerd_socket).into()));
    let puller = Puller::new(socket, store, String::new(), Credentials::default());
    let pulled = puller.pull(wanted).await;
    match pulled.error {
        Some(error) => Err(error),
        None => Ok(pulled.text(false)),
    }
}

async fn pull_all(arguments: &Arguments, wanted: Vec<Wanted>, logins: Credentials) -> Result<Exit, Exit> {
    let Arguments { socket, namespace, jobs, format, detail, .. } = arguments;
    let status = daemon::ask(socket, daemon::PATIENCE).await;
    let status = status.map_err(|reason| terminal::fail(&reason, Exit::Runtime))?;
    let containerd = PathBuf::from(status.containerd_socket);
    let store = Store::new(Link::new(containerd.as_path().into()));
    let draws = terminal::draws() && !detail.quiet;
    let progress = Progress::new(socket.clone(), store.clone(), draws);
    let puller = Puller::new(socket, store, namespace.clone().unwrap_or_default(), logins);
    let count = wanted.len();
    let mut results = stream::iter(wanted)
        .map(|wanted| async {
            let _shown = progress.begin(&wanted);
            puller.pull(wanted).await
        })
        .buffer_unordered(usize::from(*jobs));
    let mut tell = Tell { format: *format, detail: *detail, exit: Exit::Ok, told: 0 };
    let work = async {
        while let Some(pulled) = results.next().await {
            progress.aside(|| tell.tell(&pulled))?;
        }
        Ok(())
    };
    tokio::select! {
        done = work => done?,
        () = progress.keep() => {}
        _ = tokio::signal::ctrl_c() => {
            progress.clear();
            let left = count - tell.told;
            terminal::say(&format!("error: interrupted; {left} of {count} images were not pulled\n"));
            return Err(Exit::Bad);
        }
    }
    Ok(tell.exit)
}

/// Tells of pulls that are over.
struct Tell {
    format: Format,
    detail: Detail,
    exit: Exit,
    told: usize,
}

impl Tell {
    fn tell(&mut self, pulled: &Pulled) -> Result<(), Exit> {
        self.told += 1;
        if pulled.error.is_some() {
            self.exit = Exit::Bad;
        }
        match (self.format, &pulled.error) {
            (_, None) if self.detail.quiet => Ok(()),
            (Format::Json, _) => terminal::print(&terminal::json(pulled)),
            (Format::Text, Some(error)) => {
                terminal::say(&format!("error: {}\n", visible(error)));
                Ok(())
            }
            (Format::Text, None) => terminal::print(&pulled.text(self.detail.verbose)),
        }
    }
}
