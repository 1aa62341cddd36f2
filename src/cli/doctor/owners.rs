//! Files of the shunt that others could change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::look::Look;
use crate::node::{Finding, Place};

/// Group and others.
const MAY_WRITE: u32 = 0o022;
const OTHERS_MAY_WRITE: u32 = 0o002;

pub(super) fn findings(look: &Look) -> Vec<Finding> {
    let mut files: Vec<&Path> = look.own.files.iter().map(|file| file.as_path()).collect();
    let directories =
        [look.own.config.parent().map(Path::to_owned), Some(look.own.config.with_file_name("conf.d"))];
    let directories: Vec<_> = directories.into_iter().flatten().collect();
    files.extend(directories.iter().map(|directory| directory.as_path()));
    files.extend([&look.service, &look.socket].into_iter().flatten().map(|unit| unit.file.as_path()));
    let program = look.service.as_ref().and_then(|service| service.program(&look.tree));
    files.extend(program.as_deref());
    files.extend(look.kubelets().flat_map(|(kubelet, _)| kubelet.files.iter().map(|file| file.as_path())));
    let mut found: Vec<Finding> = files.into_iter().flat_map(|file| of(look, file)).collect();
    found.extend(socket(look));
    found
}

fn of(look: &Look, file: &Path) -> Vec<Finding> {
    let Some(is) = look.tree.metadata(file) else { return Vec::new() };
    let mut found = Vec::new();
    let shown = file.display();
    if is.uid() != look.tree.root_user() {
        found.push(
            Finding::problem(
                "file-of-another",
                format!("{shown} belongs to user {}, who can change it", is.uid()),
            )
            .at(&Place::file(file))
            .is(format!("uid {}", is.uid()))
            .should_be("uid 0")
            .command(format!("chown root:root {shown}")),
        );
    }
    let mode = is.mode() & 0o7777;
    if mode & MAY_WRITE != 0 {
        let who = if mode & OTHERS_MAY_WRITE != 0 { "everybody" } else { "a group" };
        let what = format!("{shown} can be changed by {who}");
        let finding = match mode & OTHERS_MAY_WRITE {
            0 => Finding::warning("file-too-open", what),
            _ => Finding::problem("file-too-open", what),
        };
        found.push(
            finding
                .at(&Place::file(file))
                .is(format!("{mode:04o}"))
                .should_be(format!("{:04o}", mode & !MAY_WRITE))
                .command(format!("chmod go-w {shown}")),
        );
    }
    found
}

/// Whoever can open the socket can become root.
fn socket(look: &Look) -> Option<Finding> {
    let is = look.tree.metadata(&look.own.socket)?;
    let mode = is.mode() & 0o7777;
    (mode & OTHERS_MAY_WRITE != 0).then(|| {
        let shown = look.own.socket.display();
        Finding::problem(
            "socket-too-open",
            format!("every user of the node can use {shown}, and become root by it"),
        )
        .at(&Place::file(&look.own.socket))
        .is(format!("{mode:04o}"))
        .should_be("0660")
        .advice("correct SocketMode= of the unit, or mode under [listen]")
    })
}
