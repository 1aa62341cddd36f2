//! Compiles the program's own admin API. containerd's and the CRI's types come from their crates.

fn main() -> std::io::Result<()> {
    tonic_prost_build::configure().compile_protos(&["proto/admin.proto"], &["proto"])
}
