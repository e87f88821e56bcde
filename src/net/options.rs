//! Addresses and options of a [`TcpStream`]. They ask the system and nobody else, so they work on any thread, and after the
//! end of the runtime.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use super::stream::TcpStream;
use crate::sys::SocketOption;

impl TcpStream {
    /// The address of this end.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.local_addr().unwrap().ip().is_loopback());
    /// # });
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.world().local_address(self.source.as_fd())
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected) if it has gone.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert_eq!(stream.peer_addr().unwrap(), listener.local_addr().unwrap());
    /// # });
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.world().peer_address(self.source.as_fd())
    }

    /// Whether small writes go out at once (`TCP_NODELAY`), rather than being held back to be joined (Nagle). Off by
    /// default, as the system has it.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_nodelay(true).unwrap();
    /// assert!(stream.nodelay().unwrap());
    /// # });
    /// ```
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.set_option(SocketOption::NoDelay, i32::from(on))
    }

    /// See [`set_nodelay`](TcpStream::set_nodelay).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(!stream.nodelay().unwrap());
    /// # });
    /// ```
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(self.option(SocketOption::NoDelay)? != 0)
    }

    /// Whether the system asks an idle peer now and then if it is still there (`SO_KEEPALIVE`).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_keepalive(true).unwrap();
    /// # });
    /// ```
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        self.set_option(SocketOption::KeepAlive, i32::from(on))
    }

    /// What closing does with bytes that have not been sent (`SO_LINGER`). `None`: they are sent in the background, the
    /// default. Zero: the connection is reset at once. More is not for this runtime: closing would block its thread.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for more than zero.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # use std::time::Duration;
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_linger(Some(Duration::ZERO)).unwrap();
    /// assert!(stream.set_linger(Some(Duration::from_secs(1))).is_err());
    /// # });
    /// ```
    pub fn set_linger(&self, time: Option<Duration>) -> io::Result<()> {
        match time {
            None => self.set_option(SocketOption::Linger, -1),
            Some(Duration::ZERO) => self.set_option(SocketOption::Linger, 0),
            Some(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "lingering would block the thread")),
        }
    }

    /// How many hops its packets may take (`IP_TTL`).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_ttl(7).unwrap();
    /// assert_eq!(stream.ttl().unwrap(), 7);
    /// # });
    /// ```
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.set_option(SocketOption::Ttl, i32::try_from(hops).unwrap_or(i32::MAX))
    }

    /// See [`set_ttl`](TcpStream::set_ttl).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.ttl().unwrap() > 0);
    /// # });
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.option(SocketOption::Ttl)?.unsigned_abs())
    }

    /// Room for bytes that have arrived and were not read yet (`SO_RCVBUF`), in bytes; Linux takes twice as much.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_recv_buffer_size(65_536).unwrap();
    /// assert!(stream.recv_buffer_size().unwrap() >= 65_536);
    /// # });
    /// ```
    pub fn set_recv_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set_option(SocketOption::ReceiveBuffer, i32::try_from(bytes).unwrap_or(i32::MAX))
    }

    /// See [`set_recv_buffer_size`](TcpStream::set_recv_buffer_size).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.recv_buffer_size().unwrap() > 0);
    /// # });
    /// ```
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        Ok(self.option(SocketOption::ReceiveBuffer)?.unsigned_abs() as usize)
    }

    /// Room for bytes that were written and not acknowledged yet (`SO_SNDBUF`), in bytes; Linux takes twice as much.
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// stream.set_send_buffer_size(65_536).unwrap();
    /// assert!(stream.send_buffer_size().unwrap() >= 65_536);
    /// # });
    /// ```
    pub fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.set_option(SocketOption::SendBuffer, i32::try_from(bytes).unwrap_or(i32::MAX))
    }

    /// See [`set_send_buffer_size`](TcpStream::set_send_buffer_size).
    ///
    /// # Errors
    /// Whatever the system says.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.send_buffer_size().unwrap() > 0);
    /// # });
    /// ```
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        Ok(self.option(SocketOption::SendBuffer)?.unsigned_abs() as usize)
    }

    /// Takes the error that waits on the socket, if any (`SO_ERROR`).
    ///
    /// # Errors
    /// If the system cannot say.
    ///
    /// ```
    /// # use coracle::net::{TcpListener, TcpStream};
    /// # coracle::block_on(async {
    /// # let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    /// # let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    /// assert!(stream.take_error().unwrap().is_none());
    /// # });
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(match self.option(SocketOption::PendingError)? {
            0 => None,
            errno => Some(io::Error::from_raw_os_error(errno)),
        })
    }

    fn option(&self, option: SocketOption) -> io::Result<i32> {
        self.source.world().option(self.source.as_fd(), option)
    }

    fn set_option(&self, option: SocketOption, value: i32) -> io::Result<()> {
        self.source.world().set_option(self.source.as_fd(), option, value)
    }
}
