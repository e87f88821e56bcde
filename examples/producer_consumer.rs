//! A producer and a consumer with a bounded queue between them: the quick one has to wait for the slow one.
//!
//! ```text
//! $ cargo run --release --example producer_consumer
//! producer: puts 1, 1 waiting
//! producer: puts 2, 2 waiting
//! producer: puts 3, 3 waiting
//! producer: has 4, but the queue is full, and waits
//! consumer: takes 1, 2 waiting
//! producer: puts 4, 3 waiting
//! producer: has 5, but the queue is full, and waits
//! consumer: takes 2, 2 waiting
//! …
//! consumer: takes 20, 0 waiting
//! consumer: the queue is empty and the producer gone
//! producer_consumer: 20 produced, 20 consumed, most waiting 3
//! ```
//!
//! With `-- --items 20 --capacity 3 --delay-ms 50` it does the same; other numbers may be given. Wrong arguments end in
//! exit status 2. Then read `src/sync/channel/mod.rs`, and `src/sync/wait_queue.rs` on which it stands.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use coracle::sync::channel::{Receiver, Sender, TrySendError, bounded};
use coracle::time::sleep;

fn main() -> ExitCode {
    let settings = match Settings::parse(std::env::args_os().skip(1)) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("producer_consumer: {error}");
            return ExitCode::from(2);
        }
    };
    match run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("producer_consumer: cannot print: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> io::Result<()> {
    coracle::block_on(async {
        let (sender, receiver) = bounded(settings.capacity);
        let producer = coracle::spawn(produce(sender, settings.items));
        let consumer = coracle::spawn(consume(receiver, settings.delay));
        let (produced, most) = producer.await.expect("the producer does not panic")?;
        let consumed = consumer.await.expect("the consumer does not panic")?;
        say(format_args!("producer_consumer: {produced} produced, {consumed} consumed, most waiting {most}"))
    })
}

/// Puts the numbers from 1 to `items`. How many were put, and how many ever waited in the queue at once.
async fn produce(queue: Sender<u64>, items: u64) -> io::Result<(u64, usize)> {
    let mut most = 0;
    for item in 1..=items {
        // `queue.send(item).await` alone would do: this way we can tell when it waits.
        let put = match queue.try_send(item) {
            Err(TrySendError::Full(item)) => {
                say(format_args!("producer: has {item}, but the queue is full, and waits"))?;
                queue.send(item).await.is_ok()
            }
            result => result.is_ok(),
        };
        if !put {
            return Ok((item - 1, most)); // the consumer is gone
        }
        most = most.max(queue.len());
        say(format_args!("producer: puts {item}, {} waiting", queue.len()))?;
    }
    Ok((items, most))
    // Here `queue` is dropped. The consumer gets what is left in it, and then `None`.
}

/// Takes numbers until none will come, and needs `delay` for each. How many it took.
async fn consume(queue: Receiver<u64>, delay: Duration) -> io::Result<u64> {
    let mut count = 0;
    while let Some(item) = queue.recv().await {
        say(format_args!("consumer: takes {item}, {} waiting", queue.len()))?;
        count += 1;
        sleep(delay).await;
    }
    say(format_args!("consumer: the queue is empty and the producer gone"))?;
    Ok(count)
}

struct Settings {
    items: u64,
    capacity: usize,
    delay: Duration,
}

impl Settings {
    /// The error is one line for people.
    fn parse(words: impl Iterator<Item = OsString>) -> Result<Settings, String> {
        let mut settings = Settings { items: 20, capacity: 3, delay: Duration::from_millis(50) };
        let mut words = words.map(|word| word.to_string_lossy().into_owned());
        while let Some(option) = words.next() {
            let value = words.next();
            match option.as_str() {
                "--items" => settings.items = number(&option, value, 0)?,
                "--capacity" => settings.capacity = number(&option, value, 1)?,
                "--delay-ms" => settings.delay = Duration::from_millis(number(&option, value, 0)?),
                _ => return Err("usage: producer_consumer [--items N] [--capacity N] [--delay-ms N]".into()),
            }
        }
        Ok(settings)
    }
}

/// The value of an option, which is to be `least` or more.
fn number<T: FromStr + PartialOrd + Display>(option: &str, value: Option<String>, least: T) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("{option} needs a number"))?;
    let number = value.parse().ok().filter(|number| *number >= least);
    number.ok_or_else(|| format!("{option} must be a number from {least} on, not '{value}'"))
}

/// A line on standard output. Unlike `println!` it does not panic when nobody reads it any more.
fn say(line: std::fmt::Arguments<'_>) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
