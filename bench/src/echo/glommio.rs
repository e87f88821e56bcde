//! glommio. A feature, since it takes longer to build than all others together; needs io_uring.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd};

use futures::io::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};

use super::shape::Mode;
use super::{BUFFER, BULK_BUFFER, SPIN};

pub fn serve(listener: std::net::TcpListener, mode: Mode) -> io::Result<()> {
    let builder = LocalExecutorBuilder::new(Placement::Unbound);
    let builder = if mode == Mode::Spin { builder.spin_before_park(SPIN) } else { builder };
    let executor = builder.make()?;
    let size = if mode == Mode::Bulk { BULK_BUFFER } else { BUFFER };
    executor.run(async {
        // SAFETY: the descriptor is that of a listener, which is given away here.
        let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
        loop {
            let stream = listener.accept().await?;
            stream.set_nodelay(true)?;
            glommio::spawn_local(echo(stream, size)).detach();
        }
    })
}

async fn echo(mut stream: TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        let received = stream.read(&mut buffer).await?;
        if received == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..received]).await?;
    }
}
