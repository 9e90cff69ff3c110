//! A port for a server that is not there yet.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A local port that nobody else can be given, and that the holder's handler can listen on all the same.
///
/// The socket is bound but does not listen: the kernel hands its port to no one who asks for a free one, while a
/// listener that sets `SO_REUSEADDR`, as tokio's and std's do, may share it.
#[derive(Debug)]
pub struct ReservedPort {
    _socket: TcpSocket,
    number: u16,
}

impl ReservedPort {
    /// Takes a free port of 127.0.0.1, until this is dropped.
    ///
    /// # Panics
    /// When no port can be bound.
    #[expect(clippy::new_without_default, reason = "each one takes another port")]
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let number = socket.local_addr().unwrap().port();
        Self {
            _socket: socket,
            number,
        }
    }

    /// Which port it is.
    pub fn number(&self) -> u16 {
        self.number
    }
}
