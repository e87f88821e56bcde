//! The same server with another handler: it answers in upper case and prints who asked.
//!
//! ```text
//! $ cargo run --example 13_upper
//! a boat for one -> A BOAT FOR ONE
//! light enough -> LIGHT ENOUGH
//! to carry on your back -> TO CARRY ON YOUR BACK
//! 3 peers, each at an address of its own on 127.0.0.1
//! ```
//!
//! With `-- --listen 127.0.0.1:7000` it serves until it is interrupted; with `-- --connect 127.0.0.1:7000` in another
//! terminal it is an interactive client, a line at a time (or use `nc 127.0.0.1 7000`).
//! Then read `src/net/stream.rs`, and `src/net/operations.rs`, the futures that it makes.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use coracle::io::{AsyncBufReadExt, BufReader};
use coracle::net::{Stdin, TcpListener, TcpStream};

async fn upper(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => {
                buffer[..n].make_ascii_uppercase();
                stream.write_all(&buffer[..n]).await?;
            }
        }
    }
}

async fn serve(listener: TcpListener, mut greet: impl FnMut(SocketAddr)) -> io::Result<()> {
    loop {
        let (stream, peer) = listener.accept().await?;
        greet(peer);
        drop(coracle::spawn(upper(stream)));
    }
}

/// Asks what is typed in, until the end of the input or of the server.
async fn talk(stream: TcpStream) -> io::Result<()> {
    let mut lines = BufReader::new(Stdin::new()?).lines();
    while let Some(line) = lines.next().await {
        println!("{}", ask(&stream, &line?).await?);
    }
    Ok(())
}

async fn ask(stream: &TcpStream, words: &str) -> io::Result<String> {
    stream.write_all(words.as_bytes()).await?;
    let mut answer = vec![0; words.len()];
    stream.read_exact(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Three clients, one after the other. Who they were is in a set: what the tasks of one thread share needs no lock.
pub(crate) async fn demonstrate() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let peers = Rc::new(RefCell::new(HashSet::new()));
    let seen = peers.clone();
    let greet = move |peer| {
        seen.borrow_mut().insert(peer);
    };
    drop(coracle::spawn(serve(listener, greet)));

    for words in ["a boat for one", "light enough", "to carry on your back"] {
        let stream = TcpStream::connect(address).await?;
        println!("{words} -> {}", ask(&stream, words).await?);
    }
    println!("{} peers, each at an address of its own on 127.0.0.1", peers.borrow().len());
    Ok(())
}

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    coracle::block_on(async {
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["--listen", address] => {
                let listener = TcpListener::bind(address)?;
                println!("listening on {}", listener.local_addr()?);
                serve(listener, |peer| println!("{peer} is here")).await
            }
            ["--connect", address] => talk(TcpStream::connect(address).await?).await,
            [] => demonstrate().await,
            _ => Err(io::Error::other("usage: 13_upper [--listen ADDRESS | --connect ADDRESS]")),
        }
    })
}
