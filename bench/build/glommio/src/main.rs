use std::io;

use futures_lite::io::{AsyncReadExt, AsyncWriteExt};
use glommio::LocalExecutor;
use glommio::net::{TcpListener, TcpStream};

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            received => stream.write_all(&buffer[..received]).await?,
        }
    }
}

fn main() {
    LocalExecutor::default().run(async {
        let listener = TcpListener::bind("127.0.0.1:7000").expect("the port is free");
        loop {
            let stream = listener.accept().await.expect("a connection is there");
            glommio::spawn_local(echo(stream)).detach();
        }
    })
}
