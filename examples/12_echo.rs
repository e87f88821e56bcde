//! An echo server: a task for each connection, all on one thread. One client says nothing, one resets, one closes half
//! of its connection; none of them holds up the fourth.
//!
//! ```text
//! $ cargo run --example 12_echo
//! a client connects and stays silent
//! a client sends a byte and resets: the server's task ends with an error, and nobody else's does
//! a client says "tide", and no more: "tide" comes back, then the end
//! a client talks: "one" "two" "three"
//! the server served 4, of which 1 is still there and 1 broke off
//! ```
//!
//! Then read `src/net/registration.rs`: how an operation is tried first, and waits if it must. The example `echo` is this one
//! grown up, for 500 clients and from the command line.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use coracle::net::{TcpListener, TcpStream};
use coracle::task::JoinHandle;

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

/// Serves four, and gives their tasks.
async fn serve(listener: TcpListener) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let mut connections = Vec::new();
    while connections.len() < 4 {
        let (stream, _peer) = listener.accept().await?;
        connections.push(coracle::spawn(echo(stream)));
    }
    Ok(connections)
}

async fn ask(stream: &TcpStream, words: &str) -> io::Result<String> {
    stream.write_all(words.as_bytes()).await?;
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn clients(server: SocketAddr) -> io::Result<TcpStream> {
    let silent = TcpStream::connect(server).await?;
    println!("a client connects and stays silent");

    let rude = TcpStream::connect(server).await?;
    ask(&rude, "x").await?;
    rude.set_linger(Some(Duration::ZERO))?;
    drop(rude);
    println!("a client sends a byte and resets: the server's task ends with an error, and nobody else's does");

    let half = TcpStream::connect(server).await?;
    let answer = ask(&half, "tide").await?;
    half.shutdown(Shutdown::Write)?;
    assert_eq!(half.read(&mut [0; 8]).await?, 0);
    println!("a client says \"tide\", and no more: {answer:?} comes back, then the end");

    let talker = TcpStream::connect(server).await?;
    print!("a client talks:");
    for words in ["one", "two", "three"] {
        print!(" {:?}", ask(&talker, words).await?);
    }
    println!();
    Ok(silent)
}

pub(crate) fn main() -> io::Result<()> {
    coracle::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let server = coracle::spawn(serve(listener));
        let silent = clients(address).await?;

        let mut served = server.await.expect("it does not panic")?;
        let mut broken = 0;
        for task in served.drain(1..) {
            broken += usize::from(task.await.expect("it does not panic").is_err());
        }
        assert!(!served[0].is_finished(), "the silent one's task waits");
        println!("the server served 4, of which {} is still there and {broken} broke off", served.len());
        drop(silent);
        Ok(())
    })
}
