//! [`ToSocketAddrs`]: what can stand for an address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What can stand for one or more socket addresses, without asking anybody.
///
/// Text must be an address and a port, like `127.0.0.1:80` or `[::1]:80`; of names only `localhost` is known (RFC 6761:
/// it is always this machine). Other names are an error: looking them up would block the thread.
///
/// ```
/// use coracle::net::ToSocketAddrs;
/// assert_eq!("127.0.0.1:80".to_socket_addrs().unwrap()[0].port(), 80);
/// assert!("example.com:80".to_socket_addrs().is_err());
/// ```
pub trait ToSocketAddrs {
    /// The addresses, in the order in which they are to be tried.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if it is none.
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>>;
}

macro_rules! one_address {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
                Ok(vec![SocketAddr::from(*self)])
            }
        }
    )*};
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for [SocketAddr] {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.to_vec())
    }
}

impl ToSocketAddrs for Vec<SocketAddr> {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.clone())
    }
}

impl ToSocketAddrs for str {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.parse() {
            return Ok(vec![address]);
        }
        if let Some(port) = self.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
        }
        let what = format!("'{self}' is not an address and port, like 127.0.0.1:80 or [::1]:80");
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }
}

impl ToSocketAddrs for String {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_socket_addrs()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_socket_addrs()
    }
}

/// Tries the addresses in order; the last error if none works.
pub(super) fn first_that_works<T>(
    addresses: Vec<SocketAddr>,
    mut attempt: impl FnMut(SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = no_address();
    for address in addresses {
        match attempt(address) {
            Ok(value) => return Ok(value),
            Err(error) => last = error,
        }
    }
    Err(last)
}

pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "no address was given")
}
