//! [`Domain`]: by what sockets are addressed, and so how far they reach: [`Internet`] or [`Local`].
//!
//! Streams, listeners and datagram sockets are written once for both: [`TcpStream`](super::TcpStream) and
//! [`UnixStream`](super::UnixStream) are one type, [`Stream`](super::Stream), over the one and the other.

use std::fmt::Debug;

/// By what sockets are addressed. There are two: [`Internet`] and [`Local`].
///
/// ```
/// use coracle::net::{Domain, Stream};
/// // A program that serves connections of either kind.
/// async fn echo<D: Domain>(stream: Stream<D>) -> std::io::Result<()> {
///     let mut buffer = [0; 1024];
///     loop {
///         match stream.read(&mut buffer).await? {
///             0 => return Ok(()),
///             n => stream.write_all(&buffer[..n]).await?,
///         }
///     }
/// }
/// coracle::block_on(async {
///     let (one, other) = coracle::net::UnixStream::pair().unwrap();
///     other.write_all(b"x").await.unwrap();
///     other.shutdown(std::net::Shutdown::Write).unwrap();
///     echo(one).await.unwrap();
///     assert_eq!(other.read(&mut [0; 8]).await.unwrap(), 1);
/// });
/// ```
pub trait Domain: sealed::Named {
    /// The address of a socket.
    type Address: Clone + Debug;
}

/// Sockets with an IP address and a port: TCP and UDP.
///
/// ```
/// use coracle::net::{Internet, Listener, TcpListener};
/// coracle::block_on(async {
///     let _listener: Listener<Internet> = TcpListener::bind("127.0.0.1:0").unwrap();
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Internet {}

/// Sockets of this machine, named by a path, an abstract name (on Linux), or not at all: Unix sockets.
///
/// ```
/// use coracle::net::{Local, Stream, UnixStream};
/// coracle::block_on(async {
///     let (_one, _other): (Stream<Local>, UnixStream) = UnixStream::pair().unwrap();
/// });
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Local {}

impl Domain for Internet {
    type Address = std::net::SocketAddr;
}

impl Domain for Local {
    type Address = std::os::unix::net::SocketAddr;
}

/// What `Domain` promises to this module only.
#[allow(
    private_interfaces,
    reason = "the trait is public so that `Domain` can demand it, and nobody outside can name it"
)]
pub(super) mod sealed {
    use std::io;

    use super::super::source::Source;
    use super::{Domain, Internet, Local};
    use crate::sys::Address;

    /// The rest of [`Domain`]; see [`Stream`](super::super::Stream) for its use.
    pub trait Named: Sized {
        /// What the types are called: stream, listener, datagram socket.
        const NAMES: [&'static str; 3];

        /// The address that the kernel wrote.
        fn address(raw: Address) -> io::Result<Self::Address>
        where
            Self: Domain;

        /// What the reactor must know of a stream of this domain.
        fn stream(source: Source) -> Source;
    }

    impl Named for Internet {
        const NAMES: [&'static str; 3] = ["TcpStream", "TcpListener", "UdpSocket"];

        #[inline]
        fn address(raw: Address) -> io::Result<std::net::SocketAddr> {
            raw.to_ip()
        }

        #[inline]
        fn stream(source: Source) -> Source {
            source
        }
    }

    impl Named for Local {
        const NAMES: [&'static str; 3] = ["UnixStream", "UnixListener", "UnixDatagram"];

        fn address(raw: Address) -> io::Result<std::os::unix::net::SocketAddr> {
            raw.to_unix()
        }

        /// A read ends where descriptors came with the bytes, even if there are more bytes behind (unix(7)).
        fn stream(source: Source) -> Source {
            source.in_pieces()
        }
    }
}
