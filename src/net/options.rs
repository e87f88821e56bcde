//! Options of streams. They ask the system and nobody else, so they work on any thread, and after the
//! end of the runtime.

use std::io;
use std::time::Duration;

use super::domain::Domain;
use super::stream::{Stream, TcpStream};
use crate::sys::SocketOption;

impl TcpStream {
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
        self.source.set_option(SocketOption::NoDelay, i32::from(on))
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
        Ok(self.source.option(SocketOption::NoDelay)? != 0)
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
        self.source.set_option(SocketOption::KeepAlive, i32::from(on))
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
            None => self.source.set_option(SocketOption::Linger, -1),
            Some(Duration::ZERO) => self.source.set_option(SocketOption::Linger, 0),
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
        self.source.set_count(SocketOption::Ttl, hops)
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
        Ok(self.source.option(SocketOption::Ttl)?.unsigned_abs())
    }
}

impl<D: Domain> Stream<D> {
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
        self.source.set_count(SocketOption::ReceiveBuffer, bytes)
    }

    /// See [`set_recv_buffer_size`](Stream::set_recv_buffer_size).
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
        Ok(self.source.option(SocketOption::ReceiveBuffer)?.unsigned_abs() as usize)
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
        self.source.set_count(SocketOption::SendBuffer, bytes)
    }

    /// See [`set_send_buffer_size`](Stream::set_send_buffer_size).
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
        Ok(self.source.option(SocketOption::SendBuffer)?.unsigned_abs() as usize)
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
        self.source.take_error()
    }
}
