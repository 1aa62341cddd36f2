//! A relay that copies bytes and knows nothing.
//!
//! With `COMPLIANCE_THROUGH=splice` the suite compares containerd with itself, which tells a case that is not
//! reproducible from a fault of the shunt.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Gives the socket in front of `upstream`.
pub fn start(upstream: &Path) -> PathBuf {
    let socket = upstream.with_file_name("splice.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let upstream = upstream.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = UnixStream::connect(&upstream).unwrap();
            copy(client.try_clone().unwrap(), server.try_clone().unwrap());
            copy(server, client);
        }
    });
    socket
}

fn copy(mut from: UnixStream, mut to: UnixStream) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        drop(to.shutdown(std::net::Shutdown::Both));
    });
}
