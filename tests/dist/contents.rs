//! What is in the packages: what `make install` installs, with the rights and the rules of each distribution.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::{skipped, testbed_dir};

use super::{VERSION, deb, dist, kinds, output, program, repository, rpm};

/// Paths with their rights, as `ls` and `tar` write them.
type Files = BTreeMap<String, String>;

/// What `make install` installs.
fn installed() -> Files {
    let root = tempfile::tempdir().unwrap();
    output(
        Command::new("make")
            .current_dir(repository())
            .args(["--silent", "install", "PREFIX=/usr"])
            .arg(format!("DESTDIR={}", root.path().display()))
            .arg(format!("BINARY={}", program().display())),
    );
    listed(
        &output(Command::new("find").arg(root.path()).args(["-type", "f", "-printf", "%M root/root /%P\n"])),
        1,
        2,
    )
}

/// Lines of a listing, as path and rights; directories are left out.
fn listed(text: &str, owner: usize, path: usize) -> Files {
    let mut files = Files::new();
    for line in text.lines().filter(|line| line.starts_with('-')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let owner = words[owner].replace("0/0", "root/root");
        let name = words[path].trim_start_matches('.').to_owned();
        files.insert(name, format!("{} {owner}", words[0]));
    }
    files
}

/// The same files at the places that a package has them.
fn moved(files: &Files, moves: &[(&str, &str)], dropped: &[&str]) -> Files {
    let place = |path: &str| match moves.iter().find(|(from, _)| path.starts_with(from)) {
        Some((from, to)) => path.replacen(from, to, 1),
        None if path.starts_with("/usr/share/man/") => format!("{path}.gz"),
        None => path.to_owned(),
    };
    let kept = files.iter().filter(|(path, _)| !dropped.contains(&path.as_str()));
    kept.map(|(path, rights)| (place(path), rights.clone())).collect()
}

#[test]
#[ignore = "make test-dist runs it"]
fn the_tarball_is_what_make_install_installs() {
    let name = format!("cri-shunt-{VERSION}-linux-{}", kinds().1);
    let text = output(Command::new("tar").arg("-tvf").arg(dist(&format!("{name}.tar.gz"))));
    let text = text.replace(&format!(" {name}/"), " /");
    assert_eq!(listed(&text, 1, 5), installed());
}

/// As docs/install.md has it, twice.
#[test]
#[ignore = "make test-dist runs it"]
fn the_tarball_is_installed_by_the_commands_of_the_page() {
    let root = testbed_dir().join("roots/trixie");
    if !root.join("bin/sh").exists() {
        skipped("there is no root of trixie");
        return;
    }
    let config = root.join("etc/cri-shunt/config.toml");
    drop(std::fs::remove_dir_all(config.parent().unwrap()));
    drop(std::fs::remove_file(root.join("usr/bin/cri-shunt")));
    let tarball = format!("cri-shunt-{VERSION}-linux-{}.tar.gz", kinds().1);
    std::fs::copy(dist(&tarball), root.join("tmp").join(&tarball)).unwrap();

    let page = std::fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let part = page.split("## From the tarball").nth(1).unwrap();
    let block = part.split("```").nth(1).unwrap().trim_start_matches("sh\n");
    // There is no systemd in that root.
    let lines = block.lines().filter(|line| !line.contains("systemctl"));
    let script: String = lines.map(|line| line.trim_start_matches("sudo ").to_owned() + "\n").collect();
    let script = script.replace("0.1.0", VERSION).replace("amd64", kinds().1);
    let install = || {
        let shell = format!("umask 027; cd /tmp\n{script}/usr/bin/cri-shunt check");
        output(Command::new("chroot").arg(&root).args(["sh", "-e", "-c", &shell]));
    };
    install();
    std::fs::write(&config, "# mine\n").unwrap();
    install();
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "# mine\n");
}

#[test]
#[ignore = "make test-dist runs it"]
fn the_deb_is_what_make_install_installs() {
    let text = output(Command::new("dpkg-deb").arg("--contents").arg(dist(&deb(VERSION))));
    let doc = "/usr/share/doc/cri-shunt";
    let changes = (format!("{doc}/CHANGELOG.md"), format!("{doc}/changelog.gz"));
    let mut expected =
        moved(&installed(), &[(&changes.0, &changes.1)], &["/usr/share/doc/cri-shunt/LICENSE"]);
    // What Debian wants in each package.
    for path in [
        "/usr/share/doc/cri-shunt/changelog.Debian.gz",
        "/usr/share/doc/cri-shunt/copyright",
        "/usr/share/lintian/overrides/cri-shunt",
    ] {
        expected.insert(path.to_owned(), "-rw-r--r-- root/root".to_owned());
    }
    assert_eq!(listed(&text, 1, 5), expected);

    let control = |name| output(Command::new("dpkg-deb").arg("--info").arg(dist(&deb(VERSION))).arg(name));
    assert_eq!(control("conffiles"), "/etc/cri-shunt/config.toml\n");
}

#[test]
#[ignore = "make test-dist runs it"]
fn the_rpm_is_what_make_install_installs() {
    let query =
        |what| output(Command::new("rpm").args(["--query", "--package", what]).arg(dist(&rpm(VERSION))));
    let files = query("--queryformat=[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\\n]");
    let zsh = ("/usr/share/zsh/vendor-completions/", "/usr/share/zsh/site-functions/");
    assert_eq!(listed(&files, 1, 2), moved(&installed(), &[zsh], &[]));
    let configuration = query("--configfiles");
    assert_eq!(configuration.trim(), "/etc/cri-shunt/config.toml");
    let needs = query("--requires");
    assert!(needs.contains("libc.so.6(GLIBC_2.17)(64bit)"), "{needs}");
}

/// Nodes with an old C library run it too.
#[test]
#[ignore = "make test-dist runs it"]
fn the_image_has_the_program_of_the_release() {
    let image = dist(&format!("cri-shunt-{VERSION}-linux-{}.image.tar", kinds().1));
    let root = tempfile::tempdir().unwrap();
    output(Command::new("tar").arg("-xf").arg(image).arg("-C").arg(root.path()));
    for layer in std::fs::read_dir(root.path().join("blobs/sha256")).unwrap() {
        // Manifest and configuration are no archives.
        let unpacked =
            Command::new("tar").arg("-xzf").arg(layer.unwrap().path()).arg("-C").arg(root.path()).output();
        drop(unpacked.unwrap());
    }
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert!(read(&root.path().join("usr/bin/cri-shunt")) == read(&program()));
}

#[test]
#[ignore = "make test-dist runs it"]
fn lintian_has_nothing_to_say() {
    let package = dist(&deb(VERSION));
    let said = output(
        Command::new("lintian").args(["--fail-on", "none", "--display-info", "--pedantic"]).arg(package),
    );
    assert_eq!(said, "");
}

#[test]
#[ignore = "make test-dist runs it"]
fn rpmlint_has_nothing_to_say() {
    let rules = Path::new("packaging/rpm/rpmlint.toml");
    let said = Command::new("rpmlint")
        .current_dir(repository())
        .arg("--config")
        .arg(rules)
        .arg(dist(&rpm(VERSION)))
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("0 errors, 0 warnings"), "{said}");
}
