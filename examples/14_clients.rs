//! Five hundred clients at once, in the same thread as their server. Each sends lines of its own and holds what comes
//! back against them.
//!
//! ```text
//! $ cargo run --release --example 14_clients
//! 500 clients are connected
//! 500 clients, 10000 lines, 160000 bytes, 0 wrong
//! most of them at once: 500, on 1 thread
//! ```
//!
//! Then read `src/reactor/mod.rs`: one descriptor to wait for, on behalf of a thousand. Threads of another program are
//! served as well: `cargo run --release --example echo -- serve 127.0.0.1:7000`.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use coracle::net::{TcpListener, TcpStream};
use coracle::sync::WaitQueue;

const CLIENTS: usize = 500;
const LINES: usize = 20;
const LENGTH: usize = 16;

/// How many are connected, how many ever were at once, and those who wait until all are.
#[derive(Default)]
struct Crowd {
    now: Cell<usize>,
    most: Cell<usize>,
    complete: WaitQueue,
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _peer) = listener.accept().await?;
        drop(coracle::spawn(echo(stream)));
    }
}

/// How many lines came back other than they were sent.
async fn client(number: usize, server: SocketAddr, crowd: Rc<Crowd>) -> io::Result<usize> {
    let stream = TcpStream::connect(server).await?;
    crowd.now.set(crowd.now.get() + 1);
    crowd.most.set(crowd.most.get().max(crowd.now.get()));
    if crowd.now.get() == CLIENTS {
        println!("{CLIENTS} clients are connected");
        crowd.complete.wake_all();
    } else {
        crowd.complete.wait().await;
    }
    let mut wrong = 0;
    for line in 0..LINES {
        let sent = format!("{number:<7} {line:<7}\n");
        let mut answer = [0; LENGTH];
        stream.write_all(sent.as_bytes()).await?;
        stream.read_exact(&mut answer).await?;
        wrong += usize::from(answer != *sent.as_bytes());
    }
    crowd.now.set(crowd.now.get() - 1);
    Ok(wrong)
}

pub(crate) fn main() -> io::Result<()> {
    coracle::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        drop(coracle::spawn(serve(listener)));

        let crowd = Rc::new(Crowd::default());
        let clients: Vec<_> = (0..CLIENTS).map(|n| coracle::spawn(client(n, address, crowd.clone()))).collect();
        let (lines, mut wrong) = (CLIENTS * LINES, 0);
        for client in clients {
            wrong += client.await.expect("it does not panic")?;
        }
        println!("{CLIENTS} clients, {lines} lines, {} bytes, {wrong} wrong", lines * LENGTH);
        println!("most of them at once: {}, on 1 thread", crowd.most.get());
        Ok(())
    })
}
