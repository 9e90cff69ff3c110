//! Ports: the usual ones where they are free, and others where they are not.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use testkit::ReservedPort;
use tokio::net::{TcpListener, TcpSocket};

/// Listens on 127.0.0.1: on the port asked for and no other, else on the usual one or a free one.
pub(crate) async fn listen(asked: Option<u16>, usual: u16) -> io::Result<TcpListener> {
    let port = asked.unwrap_or(usual);
    // Browsers try [::1] first for `localhost`: somebody else there would answer in our place.
    let elsewhere = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Some(error),
        _ => None,
    };
    let listener = match elsewhere {
        Some(error) => Err(error),
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await,
    };
    match (listener, asked) {
        (Err(_), None) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        (listener, _) => listener.map_err(|error| taken(port, &error)),
    }
}

/// The port that the handler is to listen on by itself, kept from others until then.
pub(crate) struct HandlerPort {
    number: u16,
    _claim: Option<TcpSocket>,
    _reserved: Option<ReservedPort>,
}

impl HandlerPort {
    /// The port asked for and no other, else the usual one or a free one.
    pub(crate) async fn take(asked: Option<u16>, usual: u16) -> io::Result<Self> {
        let port = asked.unwrap_or(usual);
        match claim(port).await {
            Ok(claim) => Ok(Self {
                number: port,
                _claim: claim,
                _reserved: None,
            }),
            Err(_) if asked.is_none() => {
                let reserved = ReservedPort::new();
                Ok(Self {
                    number: reserved.number(),
                    _claim: None,
                    _reserved: Some(reserved),
                })
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}

/// Keeps other demos off a port that is free: a socket of `[::1]`, where each looks first and nobody can connect to it.
/// `None` on a machine without IPv6.
async fn claim(port: u16) -> io::Result<Option<TcpSocket>> {
    let _nobody_listens = listen(Some(port), port).await?;
    let claimed = TcpSocket::new_v6().and_then(|claim| {
        claim.bind((Ipv6Addr::LOCALHOST, port).into())?;
        Ok(claim)
    });
    match claimed {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(taken(port, &error)),
        claimed => Ok(claimed.ok()),
    }
}

fn taken(port: u16, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on port {port}: {error}"))
}
