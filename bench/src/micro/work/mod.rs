//! The work of each row, once for all rivals: each checks that it was done.

mod alive;
mod channels;
mod creation;
mod tasks;
mod threads;
mod timers;

use std::time::Duration;

use super::rival::Rival;
use super::row::{Row, Work};

/// Does `operations` of `row`; some rows round them up to whole batches. `other_cpu` is where a second thread goes.
/// Returns the row's figures, in the order of `Row::figures`.
pub fn measure<R: Rival>(row: &Row, operations: u64, other_cpu: usize) -> Vec<f64> {
    match row.work {
        Work::SpawnBatch => tasks::spawn_batch::<R>(operations),
        Work::SpawnOne => tasks::spawn_one::<R>(operations),
        Work::SpawnOneInTask => tasks::spawn_one_in_task::<R>(operations),
        Work::SpawnAll => tasks::spawn_all::<R>(operations),
        Work::Yield { tasks } => tasks::yields::<R>(tasks, operations),
        Work::Ring { members } => tasks::ring::<R>(members, operations),
        Work::PingPong => channels::ping_pong::<R>(operations),
        Work::Queue { capacity } => channels::queue::<R>(capacity, operations),
        Work::Bursts => channels::bursts::<R>(operations),
        Work::Remote { bounded: true, awake } => threads::queue::<R, R::RemoteBounded>(operations, awake, other_cpu),
        Work::Remote { bounded: false, awake } => {
            threads::bursts::<R, R::RemoteUnbounded>(operations, awake, other_cpu)
        }
        Work::WakePingPong { awake } => threads::ping_pong::<R>(operations, awake, other_cpu),
        Work::WakeLatency => threads::latency::<R>(operations, other_cpu),
        Work::WakeStorm => threads::storm::<R>(operations, other_cpu),
        Work::TimerCancel => timers::cancel::<R>(operations),
        Work::TimersAlive => timers::alive::<R>(operations),
        Work::TimersFire { slack } => timers::fire::<R>(operations, slack),
        Work::LoneSleep { microseconds } => timers::lone::<R>(microseconds, operations),
        Work::IdleTasks => alive::idle::<R>(operations),
        Work::TasksAlive => alive::cost::<R>(operations),
        Work::Create => creation::create::<R>(operations),
        Work::BlockOn => creation::block_on::<R>(operations),
    }
}

/// Nanoseconds of one of `operations`.
fn each(elapsed: Duration, operations: u64) -> Vec<f64> {
    vec![elapsed.as_nanos() as f64 / operations as f64]
}

/// The least of `samples` that `share` of them are not above; the samples are sorted for it. NaN of none.
fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let place = (share * samples.len() as f64).ceil() as usize;
    samples.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut samples, 0.5), 100.0);
        assert_eq!(percentile(&mut samples, 0.99), 198.0);
        assert_eq!(percentile(&mut samples[..1], 0.99), 1.0);
    }
}
