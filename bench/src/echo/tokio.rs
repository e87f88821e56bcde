//! tokio, current_thread, with only its I/O driver.

use std::cell::RefCell;
use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER};

thread_local! {
    /// Buffers that no connection has at the moment.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

pub fn serve(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match mode {
                Mode::Usual | Mode::Spin => tokio::spawn(echo(stream)),
                Mode::Bulk => tokio::spawn(echo_bulk(stream)),
            };
        }
    })
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
    }
}

/// Has a buffer only while there is something to read.
async fn echo_bulk(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let lent = SPARE.with_borrow_mut(Vec::pop);
        let mut buffer = lent.unwrap_or_else(|| vec![0; BULK_BUFFER]);
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received) => stream.write_all(&buffer[..received]).await?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        SPARE.with_borrow_mut(|spare| spare.push(buffer));
    }
}
