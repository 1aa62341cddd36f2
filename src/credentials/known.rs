//! What is known of a login without running a program, and what the reader cannot use of it.

use super::credential::Known;
use super::docker::{DockerConfig, Held};
use super::error::Cause;
use super::key::Specificity;
use super::kubelet::Provider;
use super::native::Entry;
use super::needed::LoginFile;
use crate::files::reader::Reader;
use crate::policy::Name;

/// A login of the program's own configuration.
pub(super) fn entry(entry: &Entry, reader: &Reader) -> Known {
    let fault = LoginFile::of(entry).iter().find_map(|file| reader.fault(file));
    let problem = fault.map(|fault| fault.what);
    Known { username: entry.username(), source: entry.source.to_string(), asks: None, problem }
}

/// A login of a file in Docker's form.
pub(super) fn docker(docker: &DockerConfig, held: &Held, reader: &Reader) -> Known {
    let nothing = Known { username: None, source: docker.place(), asks: None, problem: None };
    match held {
        Held::Login(username, _) => Known { username: username.clone(), ..nothing },
        Held::Helper(helper) => {
            let program = helper.program();
            Known { asks: Some(program.display().to_string()), problem: fault_of(program, reader), ..nothing }
        }
        Held::Unusable(cause) => Known { problem: Some(cause.to_string()), ..nothing },
    }
}

/// A login that a plugin may have.
pub(super) fn provider(provider: &Provider, reader: &Reader) -> Known {
    let program = provider.program();
    let asks = Some(program.display().to_string());
    Known { username: None, source: provider.place(), asks, problem: fault_of(program, reader) }
}

/// Everything that a file in Docker's form has for a name. One that the reader cannot open may have a login for any.
pub(super) fn lookup(
    docker: &DockerConfig,
    target: &Name,
    reader: &Reader,
) -> Result<Vec<(Specificity, Held)>, Cause> {
    if let Reader::Daemon(_) = reader {
        let fault = reader.fault(&LoginFile::of_docker(docker));
        if let Some(fault) = fault.filter(|fault| fault.is_closed) {
            return Err(Cause::Closed(fault.what));
        }
    }
    docker.lookup(target)
}

fn fault_of(program: &std::path::Path, reader: &Reader) -> Option<String> {
    reader.fault(&LoginFile::Program(program.to_owned())).map(|fault| fault.what)
}
