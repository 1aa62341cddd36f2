//! The end of the world as far as the demonstration's containerd can tell: a proxy that lets nothing out.
//!
//! Before: `demo/run` gives its address to containerd as HTTP_PROXY and HTTPS_PROXY.
//! After: one line on stdout for each host that containerd wanted to reach, the first line its own URL.
//! Holds: it never connects to anything. Go programs ask a proxy for everything but the loopback.
#![allow(clippy::print_stdout, reason = "this is a command line program")]

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        // A client that is gone already has nothing left to be told.
        let _ = refuse(stream?);
    }
    Ok(())
}

fn refuse(mut stream: TcpStream) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    if let Some(target) = request.split(' ').nth(1) {
        println!("{target}");
    }
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
