//! [`ToSocketAddrs`]: what can stand for an address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// What can stand for one or more socket addresses, or for a name that has some.
///
/// Text is an address and a port, like `127.0.0.1:80` or `[::1]:80`, or a name and a port; a pair is a host and a
/// port. Of names `localhost` is known (RFC 6761: it is always this machine). Others must be looked up, which
/// [`TcpStream::connect`](super::TcpStream::connect) does. Whatever does not wait, like
/// [`TcpListener::bind`](super::TcpListener::bind), cannot, and says so: give it what [`resolve`](super::resolve())
/// found.
///
/// ```
/// use coracle::net::ToSocketAddrs;
/// assert_eq!("127.0.0.1:80".to_socket_addrs().unwrap()[0].port(), 80);
/// assert!("example.com:80".to_socket_addrs().is_err());
/// assert_eq!("example.com:80".to_name(), Some(("example.com".to_owned(), 80)));
/// ```
pub trait ToSocketAddrs {
    /// The addresses, in the order in which they are to be tried, without asking anybody.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if it is none, or a name that must be looked up.
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>>;

    /// The name and port, if this is a name that must be looked up.
    fn to_name(&self) -> Option<(String, u16)> {
        None
    }
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
        match (self.parse(), host_and_port(self)) {
            (Ok(address), _) => Ok(vec![address]),
            (_, Some((host, port))) => known_host(host, port).ok_or_else(|| must_be_looked_up(self)),
            _ => {
                let what = format!("'{self}' is not an address and port, like 127.0.0.1:80 or [::1]:80");
                Err(io::Error::new(io::ErrorKind::InvalidInput, what))
            }
        }
    }

    fn to_name(&self) -> Option<(String, u16)> {
        let (host, port) = host_and_port(self)?;
        (host, port).to_name()
    }
}

impl ToSocketAddrs for String {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.as_str().to_socket_addrs()
    }

    fn to_name(&self) -> Option<(String, u16)> {
        self.as_str().to_name()
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        known_host(self.0, self.1).ok_or_else(|| must_be_looked_up(&format!("{}:{}", self.0, self.1)))
    }

    fn to_name(&self) -> Option<(String, u16)> {
        known_host(self.0, self.1).is_none().then(|| (self.0.to_owned(), self.1))
    }
}

impl ToSocketAddrs for (String, u16) {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }

    fn to_name(&self) -> Option<(String, u16)> {
        (self.0.as_str(), self.1).to_name()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn to_socket_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        (**self).to_socket_addrs()
    }

    fn to_name(&self) -> Option<(String, u16)> {
        (**self).to_name()
    }
}

/// A name and a port. Not an address of IPv6 without its brackets, of which nobody could say where it ends.
fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let is_name = !host.is_empty() && !host.contains([':', '[', ']']);
    if is_name { Some((host, port.parse().ok()?)) } else { None }
}

/// The addresses of a host of which nobody need be asked.
pub(super) fn known_host(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(vec![(address, port).into()]);
    }
    let is_here = host.eq_ignore_ascii_case("localhost");
    is_here.then(|| vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()])
}

fn must_be_looked_up(text: &str) -> io::Error {
    let what = format!("'{text}' is not an address and port, but a name: look it up with `net::resolve`");
    io::Error::new(io::ErrorKind::InvalidInput, what)
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
