//! A dialogue of two threads, each with a loop: first with loops that sleep until something comes, then with loops that
//! look again for up to fifty microseconds before they sleep.
//!
//! ```text
//! $ cargo run --release --example spin
//! asleep in between: … µs a question, the one who asks slept … times
//! spinning:          … µs a question, the one who asks slept … times
//! ```
//!
//! With a processor for each, spinning is several times as quick and hardly anybody sleeps. With one for both it would
//! be a waste. Then read `src/runtime/spin.rs`.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use coracle::Runtime;
use coracle::net::{TcpListener, TcpStream};
use coracle::observer::Observer;

const QUESTIONS: u32 = 5_000;

/// Counts how often the loop sleeps.
#[derive(Default)]
struct Sleeps(Cell<usize>);

impl Observer for Sleeps {
    fn parking(&self, _: Option<Duration>) {
        self.0.set(self.0.get() + 1);
    }
}

/// Answers questions of four bytes with the same four.
async fn answer(listener: TcpListener) -> io::Result<()> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut question = [0; 4];
    for _ in 0..QUESTIONS {
        stream.read_exact(&mut question).await?;
        stream.write_all(&question).await?;
    }
    Ok(())
}

fn dialogue(how: &str, most: Duration) -> io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answering = thread::spawn(move || {
        let runtime = Runtime::builder().spin(most).build();
        runtime.block_on(async { answer(TcpListener::from_std(listener)?).await })
    });

    let sleeps = Rc::new(Sleeps::default());
    let runtime = Runtime::builder().spin(most).observer(sleeps.clone()).build();
    let took = runtime.block_on(async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let began = Instant::now();
        for question in 0..QUESTIONS {
            let (asked, mut answered) = (question.to_be_bytes(), [0; 4]);
            stream.write_all(&asked).await?;
            stream.read_exact(&mut answered).await?;
            assert_eq!(answered, asked);
        }
        io::Result::Ok(began.elapsed())
    })?;

    let each = took.as_secs_f64() * 1e6 / f64::from(QUESTIONS);
    println!("{how:18} {each:.1} µs a question, the one who asks slept {} times", sleeps.0.get());
    answering.join().expect("it does not panic")
}

fn main() -> io::Result<()> {
    dialogue("asleep in between:", Duration::ZERO)?;
    dialogue("spinning:", Duration::from_micros(50))
}
