//! Is the machine as quick as it can be right now, and ours alone? If not, wait, or take the sample again.
//!
//! Two disturbances are told apart from the program under test by measuring something else beside it:
//!
//! - *The core is shared.* A virtual CPU is often one hyperthread; while a stranger works on the other one, everything
//!   takes a third longer, for seconds at a time. A probe before and after each sample shows it: arithmetic that fills
//!   the core.
//! - *Someone else had the CPU.* The kernel counts how long a process was ready to run and did not.
//!
//! A sample waits for a quick core, and is repeated if it was disturbed, until patience is over; then it is kept as it
//! is: the count of those stands under the table. What this cannot see: a neighbour who only fills the shared cache.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::cpu;

/// Who runs where: the measured work on one CPU, the load and all else on another. With a single CPU they share it.
#[derive(Clone, Copy)]
pub struct Cpus {
    pub work: usize,
    pub load: usize,
}

pub struct Calm {
    cpus: Cpus,
    quickest_probe: Duration,
    patience: Duration,
    taken: usize,
    disturbed: usize,
}

/// A probe may take so much longer than the quickest one. Calm ones stay within 1.02, shared cores take 1.3 to 1.9.
const SLOW: f64 = 1.10;

/// A process may have waited for its CPU for so much of a sample.
const WAITED: f64 = 0.04;

/// A single sample is taken so often at most.
const TRIES: usize = 4;

/// How long to wait until a slow core is asked again.
const PAUSE: Duration = Duration::from_millis(20);

impl Cpus {
    /// Chooses, and moves this process to the CPU of the load.
    pub fn settle() -> io::Result<Cpus> {
        let allowed = cpu::allowed()?;
        let cpus = Cpus { work: allowed[0], load: allowed[allowed.len() - 1] };
        cpu::pin(cpus.load)?;
        Ok(cpus)
    }
}

impl Calm {
    /// For a run of `samples` samples of `length`: as a whole it may take as long again.
    pub fn new(cpus: Cpus, samples: usize, length: Duration) -> io::Result<Calm> {
        let patience = length * samples as u32;
        let mut calm = Calm { cpus, quickest_probe: Duration::MAX, patience, taken: 0, disturbed: 0 };
        for _ in 0..20 {
            calm.is_quick()?;
        }
        Ok(calm)
    }

    /// Takes a sample of process `worker`, again if it was disturbed. An error of `take` ends it at once.
    pub fn sample<T>(&mut self, worker: u32, mut take: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.taken += 1;
        let mut tries = 1;
        loop {
            let quick_before = self.await_quick()?;
            let begun = Instant::now();
            let (value, alone) = self.watch(worker, &mut take)?;
            let quick = quick_before && self.is_quick()?;
            if quick && alone {
                return Ok(value);
            }
            self.patience = self.patience.saturating_sub(begun.elapsed());
            if self.patience.is_zero() || tries == TRIES {
                self.disturbed += 1;
                return Ok(value);
            }
            tries += 1;
        }
    }

    /// One sentence on how many samples to distrust.
    pub fn report(&self) -> String {
        format!("{} of {} samples were taken on a disturbed machine.", self.disturbed, self.taken)
    }

    /// Takes the sample, and says whether worker and load had their CPUs for themselves.
    fn watch<T>(&self, worker: u32, take: &mut impl FnMut() -> io::Result<T>) -> io::Result<(T, bool)> {
        let load = std::process::id();
        let (worker_before, load_before) = (cpu::time_waited_by(worker)?, cpu::time_waited_by(load)?);
        let begun = Instant::now();
        let value = take()?;
        let limit = begun.elapsed().mul_f64(WAITED);
        let worker_waited = cpu::time_waited_by(worker)? - worker_before;
        let load_waited = cpu::time_waited_by(load)? - load_before;
        let share = self.cpus.work == self.cpus.load;
        Ok((value, share || (worker_waited < limit && load_waited < limit)))
    }

    /// Waits until the core is quick, as long as there is patience. False: it still is not.
    fn await_quick(&mut self) -> io::Result<bool> {
        let begun = Instant::now();
        let mut quick = self.is_quick()?;
        while !quick && begun.elapsed() < self.patience {
            thread::sleep(PAUSE);
            quick = self.is_quick()?;
        }
        if !quick {
            self.patience = Duration::ZERO;
        } else if begun.elapsed() > PAUSE {
            self.patience = self.patience.saturating_sub(begun.elapsed());
        }
        Ok(quick)
    }

    /// Is the CPU of the work as quick as it ever was? The best of three, against a passing interrupt.
    fn is_quick(&mut self) -> io::Result<bool> {
        cpu::pin(self.cpus.work)?;
        let best = (0..3).map(|_| probe()).min().expect("there are three");
        cpu::pin(self.cpus.load)?;
        self.quickest_probe = self.quickest_probe.min(best);
        Ok(best < self.quickest_probe.mul_f64(SLOW))
    }
}

/// Some 70 µs of arithmetic, eight chains at once: they fill the units of the core, so that a neighbour on its other
/// hyperthread shows. (A single chain only waits for itself, and is as quick beside a neighbour.)
fn probe() -> Duration {
    let begun = Instant::now();
    let mut chains = std::hint::black_box([1u64, 2, 3, 4, 5, 6, 7, 8]);
    for step in 0..40_000u64 {
        for chain in &mut chains {
            *chain = (*chain ^ step).rotate_left(7).wrapping_add(0x9E37_79B9_7F4A_7C15);
        }
    }
    std::hint::black_box(chains);
    begun.elapsed()
}
