//! `cri-shunt status`: what the running daemon is doing.
//!
//! Before: an administrator.  After: the daemon's own service (`admin`) answers over its socket.
//! Holds: a daemon that cannot be reached is exit status 3.

use std::path::Path;
use std::time::Duration;

use tonic::{Code, Status};

use super::{Exit, terminal};
use crate::config::defaults;
use crate::containerd::Link;
use crate::serve::admin::proto::admin_client::AdminClient;
use crate::serve::admin::proto::{StatusRequest, StatusResponse};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ask the running daemon how it is.
///
/// Shows the version, whether containerd answers, which policy is in force and since when, whether a
/// reload was refused, which mirrors are down, and whether the break-glass file switches the policy off.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  \
    cri-shunt status\n  \
    cri-shunt status --socket /tmp/shunt.sock\n\n\
    Exit status: 0 the daemon answered; 2 wrong usage; 3 no daemon answers.")]
pub(super) struct Arguments {
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = defaults::LISTEN_SOCKET)]
    socket: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::complain(&error);
            return Exit::Runtime;
        }
    };
    let link = Link::new(Path::new(&arguments.socket).into());
    let answer = runtime.block_on(async {
        let mut client = AdminClient::new(link);
        tokio::time::timeout(PATIENCE, client.status(StatusRequest {})).await
    });
    match answer {
        Ok(Ok(status)) => terminal::print(&render(&status.into_inner())).err().unwrap_or(Exit::Ok),
        Ok(Err(status)) => no_answer(&arguments.socket, &reason(&status)),
        Err(_) => no_answer(&arguments.socket, "it takes the call and does not answer"),
    }
}

fn no_answer(socket: &str, reason: &str) -> Exit {
    terminal::say(&format!("error: no cri-shunt answers on {socket}: {reason}\n"));
    Exit::Runtime
}

fn reason(status: &Status) -> String {
    match status.code() {
        Code::Unimplemented => {
            "what answers there is not cri-shunt (is it containerd's own socket?)".to_owned()
        }
        _ => status.message().to_owned(),
    }
}

fn render(status: &StatusResponse) -> String {
    let containerd = match status.containerd_error.as_str() {
        "" => format!("{} answers", status.containerd_socket),
        error => format!("{} does not answer: {error}", status.containerd_socket),
    };
    let policy = match status.bypass {
        true => "SUSPENDED: the bypass file is there, every call is relayed untouched".to_owned(),
        false => status.policy_sources.join(", "),
    };
    let at = prost_types::Timestamp { seconds: status.policy_loaded_at, nanos: 0 };
    let down = match status.mirrors_down.as_slice() {
        [] => "none".to_owned(),
        hosts => hosts.join(", "),
    };
    let mut text = format!(
        "version        {}\ncontainerd     {containerd}\npolicy         {policy}\nloaded         {at}\n\
         mirrors down   {down}\nto be swept    {}\n",
        status.version, status.sweep_pending
    );
    if !status.hosts_kept.is_empty() {
        text.push_str(&format!("hosts.toml     {}\n", status.config_path));
        for kept in &status.hosts_kept {
            text.push_str(&format!("               {kept}\n"));
        }
    }
    for problem in &status.hosts_problems {
        text.push_str(&format!("problem        {problem}\n"));
    }
    if !status.reload_error.is_empty() {
        text.push_str(&format!("reload refused; the policy above stays:\n{}\n", status.reload_error));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_out() {
        let status = StatusResponse {
            version: "0.1.0".into(),
            bypass: true,
            containerd_socket: "/run/c.sock".into(),
            containerd_error: "gone".into(),
            policy_loaded_at: 1_700_000_000,
            reload_error: "config.toml:1:1: no".into(),
            mirrors_down: vec!["m.example".into()],
            sweep_pending: 2,
            config_path: "/c".into(),
            hosts_kept: vec!["m.example_1_ (plain http)".into()],
            hosts_problems: vec!["/c/x/hosts.toml is not cri-shunt's".into()],
            ..StatusResponse::default()
        };
        insta::assert_snapshot!(render(&status), @"
        version        0.1.0
        containerd     /run/c.sock does not answer: gone
        policy         SUSPENDED: the bypass file is there, every call is relayed untouched
        loaded         2023-11-14T22:13:20Z
        mirrors down   m.example
        to be swept    2
        hosts.toml     /c
                       m.example_1_ (plain http)
        problem        /c/x/hosts.toml is not cri-shunt's
        reload refused; the policy above stays:
        config.toml:1:1: no
        ");
    }
}
