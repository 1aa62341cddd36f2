//! Compiles the program's own admin API, and tells the program of which commit it is.

use std::error::Error;
use std::path::Path;

#[path = "build/version.rs"]
mod version;

fn main() -> Result<(), Box<dyn Error>> {
    tell_version();
    admin_api()
}

/// The commit is for what is installed. In debug builds it would only have everything built again after each commit.
fn tell_version() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let number = variable("CARGO_PKG_VERSION");
    let text = if variable("PROFILE") == "release" {
        let sources = variable("CARGO_MANIFEST_DIR");
        for file in version::files(Path::new(&sources)) {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        version::text(&number, Path::new(&sources), std::env::var("SOURCE_DATE_EPOCH").ok().as_deref())
    } else {
        format!("{number} (debug build)")
    };
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=CRI_SHUNT_VERSION={text}");
}

/// In Rust alone: no `protoc` has to be installed. (k8s-cri and containerd-client want one; see `Makefile`.)
fn admin_api() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/admin.proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(["admin.proto"])?;
    Ok(tonic_prost_build::configure().build_transport(false).compile_fds(compiler.file_descriptor_set())?)
}
