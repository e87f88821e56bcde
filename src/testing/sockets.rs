//! Sockets for tests: on ports that the system chooses, and connected already.
//!
//! Everything is on this machine's loopback address, so that nothing can reach a test from outside, and port 0 lets any
//! number of tests run at once. They are ordinary sockets of the current runtime, in whatever world that is.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use crate::net::{TcpListener, TcpStream, UdpSocket, UnixStream};

/// How many strangers a pair passes over who connect to its listener.
const STRANGERS: usize = 64;

/// A TCP listener on a free port of `127.0.0.1`, and its address. Whoever connects is in its backlog at once, so a
/// client may connect before the server accepts.
///
/// # Errors
/// Those of [`TcpListener::bind`]. Outside of a runtime.
///
/// ```
/// use coracle::{net::TcpStream, testing::listener};
/// coracle::block_on(async {
///     let (listener, address) = listener().unwrap();
///     let client = TcpStream::connect(address).await.unwrap();
///     let (_server, peer) = listener.accept().await.unwrap();
///     assert_eq!(peer, client.local_addr().unwrap());
/// });
/// ```
pub fn listener() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Two TCP streams that are each other's peers: first that which connected, then that which was accepted.
///
/// **Cancel safety**: cancel-safe; what was made of it is closed.
///
/// # Errors
/// Those of binding, connecting and accepting. [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if others on
/// this machine connect to its port again and again.
///
/// ```
/// coracle::block_on(async {
///     let (client, server) = coracle::testing::tcp_pair().await.unwrap();
///     client.write_all(b"ping").await.unwrap();
///     let mut bytes = [0; 4];
///     server.read_exact(&mut bytes).await.unwrap();
///     assert_eq!(&bytes, b"ping");
/// });
/// ```
pub async fn tcp_pair() -> io::Result<(TcpStream, TcpStream)> {
    let (listener, address) = listener()?;
    let client = TcpStream::connect(address).await?;
    let own = client.local_addr()?;
    for _ in 0..STRANGERS {
        let (server, peer) = listener.accept().await?;
        if peer == own {
            return Ok((client, server));
        }
    }
    Err(io::Error::new(io::ErrorKind::ConnectionAborted, "others connect to the port of a pair"))
}

/// Two Unix streams that are each other's peers. As [`UnixStream::pair`].
///
/// # Errors
/// If there are no descriptors left. Outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let (one, other) = coracle::testing::unix_pair().unwrap();
///     one.write_all(b"ping").await.unwrap();
///     let mut bytes = [0; 4];
///     other.read_exact(&mut bytes).await.unwrap();
///     assert_eq!(&bytes, b"ping");
/// });
/// ```
pub fn unix_pair() -> io::Result<(UnixStream, UnixStream)> {
    UnixStream::pair()
}

/// Two UDP sockets that are connected to each other: `send` and `recv` will do, and datagrams of strangers do not come
/// in.
///
/// # Errors
/// Those of binding and connecting. Outside of a runtime.
///
/// ```
/// coracle::block_on(async {
///     let (one, other) = coracle::testing::udp_pair().unwrap();
///     one.send(b"ping").await.unwrap();
///     let mut bytes = [0; 16];
///     assert_eq!(other.recv(&mut bytes).await.unwrap(), 4);
/// });
/// ```
pub fn udp_pair() -> io::Result<(UdpSocket, UdpSocket)> {
    let one = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    Ok((one, other))
}
