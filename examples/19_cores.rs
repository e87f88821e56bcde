//! Every core: a runtime in each thread, all listening on one port. The kernel divides the connections among them;
//! nothing is shared, nothing is locked.
//!
//! ```text
//! $ cargo run --release --example 19_cores
//! 2 runtimes in 2 threads share 127.0.0.1:…
//! 40 clients sent 4000 lines, 0 came back wrong
//! core 0 served … connections
//! core 1 served … connections
//! 40 in all
//! ```
//!
//! Then read `src/cores/mod.rs`. The example `many_cores` does the same with processes as well, and with numbers.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc;

use coracle::cores::{Crew, Member};
use coracle::net::{ListenerOptions, TcpListener, TcpStream};

const CORES: usize = 2;
const CLIENTS: usize = 40;

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    ListenerOptions::new().reuse_port(true).bind(address)
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

/// One runtime's share: how many connections it served before all were stopped.
async fn serve(member: Member, address: SocketAddr, bound: mpsc::Sender<()>) -> io::Result<usize> {
    let served = Rc::new(Cell::new(0));
    let (listener, count) = (bind(address)?, served.clone());
    bound.send(()).expect("main waits for it");
    drop(coracle::spawn(async move {
        while let Ok((stream, _peer)) = listener.accept().await {
            count.set(count.get() + 1);
            drop(coracle::spawn(echo(stream)));
        }
    }));
    member.stopped().await;
    Ok(served.get())
}

async fn client(address: SocketAddr) -> io::Result<usize> {
    let stream = TcpStream::connect(address).await?;
    let mut wrong = 0;
    for line in 0..100 {
        let (sent, mut answer) = (format!("{line:15}\n"), [0; 16]);
        stream.write_all(sent.as_bytes()).await?;
        stream.read_exact(&mut answer).await?;
        wrong += usize::from(answer != *sent.as_bytes());
    }
    Ok(wrong)
}

fn main() -> io::Result<()> {
    coracle::block_on(async {
        // This one only holds the port until the others have it.
        let reserved = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = reserved.local_addr()?;
        let (bound, is_bound) = mpsc::channel();
        let crew = Crew::start(CORES, move |member| serve(member, address, bound.clone()))?;
        is_bound.iter().take(CORES).for_each(drop);
        drop(reserved);
        println!("{CORES} runtimes in {CORES} threads share {address}");

        let clients: Vec<_> = (0..CLIENTS).map(|_| coracle::spawn(client(address))).collect();
        let mut wrong = 0;
        for client in clients {
            wrong += client.await.expect("it does not panic")?;
        }
        println!("{CLIENTS} clients sent {} lines, {wrong} came back wrong", CLIENTS * 100);

        crew.stop();
        let mut all = 0;
        for (number, served) in crew.join().into_iter().enumerate() {
            let served = served.expect("it does not panic")?;
            println!("core {number} served {served} connections");
            all += served;
        }
        println!("{all} in all");
        Ok(())
    })
}
