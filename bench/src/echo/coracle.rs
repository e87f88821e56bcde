//! coracle.

use std::io;

use coracle::Runtime;
use coracle::io::Buffers;
use coracle::net::{TcpListener, TcpStream};

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER, SPIN};

pub fn serve(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    let runtime = match mode {
        Mode::Usual | Mode::Bulk => Runtime::new(),
        Mode::Spin => Runtime::builder().spin(SPIN).build(),
    };
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let buffers = Buffers::new(BULK_BUFFER);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            match mode {
                Mode::Usual | Mode::Spin => drop(coracle::spawn(echo(stream))),
                Mode::Bulk => drop(coracle::spawn(echo_bulk(stream, buffers.clone()))),
            }
        }
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
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
async fn echo_bulk(stream: TcpStream, buffers: Buffers) -> io::Result<()> {
    loop {
        let received = stream.read_pooled(&buffers).await?;
        if received.is_empty() {
            return Ok(());
        }
        stream.write_all(&received).await?;
    }
}
