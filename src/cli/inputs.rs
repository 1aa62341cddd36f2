//! The flags that say which configuration is read: the native files, and files of other programs.
//!
//! All commands that read a configuration have the same flags. Where a source is given, the native configuration is
//! read only if `--config` names it.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};

use super::exit::Exit;
use super::terminal;
use crate::config::{self, Config, Format, Input, MainFile, SourceFile, defaults};

/// The file that means standard input.
pub(super) const STDIN: &str = "-";

/// The native configuration and the sources.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Inputs {
    /// The main configuration file, with `conf.d/*.toml` beside it; `-` is stdin [default:
    /// /etc/cri-shunt/config.toml, unless another program's file is given: then only that file is read]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    sources: Sources,
}

/// The same for what tries a policy.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct InputsWithDefault {
    #[command(flatten)]
    inputs: Inputs,

    /// Use this `policy.default-registry`; the default configuration file may be missing then
    #[arg(long, value_name = "HOST")]
    default_registry: Option<String>,
}

/// Files in other programs' formats, each with the flag that is the key of its format. Where two of them have a rule for
/// one registry, the first one here wins.
#[derive(Clone, Debug)]
struct Sources {
    files: Vec<(Format, PathBuf)>,
    disable_default_registry_endpoint: bool,
}

/// The flags of all formats, for flags that conflict with them.
pub(super) const SOURCES: &str = "sources";

/// The flag of k3s.
const DISABLE: &str = "disable-default-registry-endpoint";

impl Inputs {
    /// The input. With `optional` the default configuration file need not exist.
    pub(super) fn read(self, optional: bool) -> Input {
        let Inputs { config, sources } = self;
        let sources = sources.list();
        let main = match config {
            Some(path) => MainFile::Required(path),
            None if !sources.is_empty() => MainFile::Absent,
            None if optional => MainFile::IfPresent(PathBuf::from(defaults::CONFIG_FILE)),
            None => MainFile::Required(PathBuf::from(defaults::CONFIG_FILE)),
        };
        Input { sources, ..Input::of(main) }
    }

    /// The configuration that these flags name. What is wrong with it is said, and with `verbose` also what is only odd.
    pub(super) fn load(
        &self,
        default_registry: Option<&String>,
        containerd: Option<&String>,
        verbose: bool,
    ) -> Result<Config, Exit> {
        let input = Input {
            default_registry: default_registry.cloned(),
            containerd: containerd.cloned(),
            ..self.clone().read(default_registry.is_some())
        };
        let loaded = config::load_from(&input).map_err(|problems| terminal::refuse(&problems))?;
        if verbose {
            terminal::say(&loaded.warnings.render(terminal::style(), true));
        }
        Ok(loaded.config)
    }

    /// Refuses arguments that would read standard input twice; `more` is how often it is read beside these flags.
    pub(super) fn check_stdin(&self, more: usize) -> Result<(), Exit> {
        let sources = self.sources.clone().list();
        let paths = self.config.iter().chain(sources.iter().map(|source| &source.path));
        check_stdin(of_stdin(&paths.collect::<Vec<_>>()) + more)
    }

    /// The input's name, for a headline.
    pub(super) fn title(&self) -> String {
        let sources = self.sources.clone().list();
        let native = match &self.config {
            Some(path) => Some(shown(path)),
            None if sources.is_empty() => Some(defaults::CONFIG_FILE.to_owned()),
            None => None,
        };
        let sources = sources.iter().map(|source| source.path.display().to_string());
        native.into_iter().chain(sources).collect::<Vec<_>>().join(", ")
    }
}

impl InputsWithDefault {
    /// The configuration that these flags name; `stdin` is how often standard input is read beside them.
    pub(super) fn load(
        &self,
        containerd: Option<&String>,
        stdin: usize,
        verbose: bool,
    ) -> Result<Config, Exit> {
        self.inputs.check_stdin(stdin)?;
        self.inputs.load(self.default_registry.as_ref(), containerd, verbose)
    }
}

/// How often standard input is among these.
pub(super) fn of_stdin<P: AsRef<Path>>(paths: &[P]) -> usize {
    paths.iter().filter(|path| path.as_ref() == Path::new(STDIN)).count()
}

/// A file as people are told of it.
pub(super) fn shown(path: &Path) -> String {
    if path == Path::new(STDIN) { "stdin".to_owned() } else { path.display().to_string() }
}

/// Refuses to read standard input so many times, if it is more than once.
pub(super) fn check_stdin(times: usize) -> Result<(), Exit> {
    if times < 2 {
        return Ok(());
    }
    terminal::say("error: `-` is given twice, and stdin can be read once only\n");
    Err(Exit::Usage)
}

impl Sources {
    fn list(self) -> Vec<SourceFile> {
        let source = |(format, path): (Format, PathBuf)| {
            let disable = format == Format::RegistriesYaml && self.disable_default_registry_endpoint;
            SourceFile { format, path, disable_default_endpoint: disable }
        };
        self.files.into_iter().map(source).collect()
    }
}

impl clap::Args for Sources {
    fn augment_args(command: Command) -> Command {
        let flag = |format: Format| {
            let value = if format == Format::CertsD { "DIR" } else { "FILE" };
            let flag = Arg::new(format.key()).long(format.key()).value_name(value);
            flag.value_parser(value_parser!(PathBuf)).help(format!("Take rules from {}", format.what()))
        };
        let help = "With --registries-yaml: do not ask the registry itself after its mirrors, like k3s' flag of this name";
        let disable = Arg::new(DISABLE).long(DISABLE).action(ArgAction::SetTrue);
        let disable = disable.requires(Format::RegistriesYaml.key()).help(help);
        let all = ArgGroup::new(SOURCES).args(Format::ALL.map(Format::key)).multiple(true);
        command.args(Format::ALL.map(flag)).arg(disable).group(all)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Sources {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |format: Format| Some((format, matches.get_one::<PathBuf>(format.key())?.clone()));
        let files = Format::ALL.into_iter().filter_map(given).collect();
        Ok(Self { files, disable_default_registry_endpoint: matches.get_flag(DISABLE) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
