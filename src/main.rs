//! The `cri-shunt` program. Everything is in the library; see `lib.rs` for the way through it.

fn main() -> std::process::ExitCode {
    cri_shunt::main()
}
