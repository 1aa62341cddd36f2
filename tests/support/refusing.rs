//! An address that refuses each connection.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port of the loopback that is taken, and where nobody listens. So no other test can listen there meanwhile, as at a port
/// that is only free.
pub struct Refusing(TcpSocket);

impl Refusing {
    /// Takes one.
    pub fn start() -> Refusing {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Refusing(socket)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }
}
