//! The rows: what is done, how much of it, and what figures come of it.

use crate::line::Goal;

/// One program of the benchmark. It is run for each rival that offers it, and says one or more figures.
pub struct Row {
    pub name: &'static str,
    pub work: Work,
    pub kind: Kind,
    pub size: Size,
    pub describe: &'static str,
    pub figures: &'static [Figure],
}

/// A figure of a row; its name is the row's with this at its end.
pub struct Figure {
    pub ending: &'static str,
    pub unit: &'static str,
    /// What coracle is to reach.
    pub goal: Goal,
    /// The only rival that the goal is about; none: the best.
    pub rival: Option<&'static str>,
}

/// What is done; `work/` has the programs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Work {
    SpawnBatch,
    SpawnOne,
    SpawnOneInTask,
    SpawnAll,
    Yield {
        tasks: u64,
    },
    Ring {
        members: u64,
    },
    PingPong,
    Queue {
        capacity: usize,
    },
    Bursts,
    Remote {
        bounded: bool,
        awake: bool,
    },
    WakePingPong {
        awake: bool,
    },
    WakeLatency,
    WakeStorm,
    TimerCancel,
    TimersAlive,
    /// With `slack` the runtime may be late by a millisecond, where it can be told so.
    TimersFire {
        slack: bool,
    },
    LoneSleep {
        microseconds: u64,
    },
    IdleTasks,
    TasksAlive,
    Create,
    BlockOn,
}

/// What a rival needs for a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Tasks,
    Channels,
    Timers,
    /// A second thread takes part. (In a worker of its own: glibc's `malloc` is slower once there were two.)
    Threads,
    /// The cost of one as their number grows.
    Scale,
}

/// How many operations a sample has.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Size {
    /// As many as fill the time of a sample.
    Filling,
    /// So many, and in a quick run so many; in a quick run also fewer rounds.
    Fixed { full: u64, quick: u64 },
}

const fn one(unit: &'static str, goal: Goal) -> Figure {
    Figure { ending: "", unit, goal, rival: None }
}

const fn part(ending: &'static str, unit: &'static str, goal: Goal) -> Figure {
    Figure { ending, unit, goal, rival: None }
}

/// A row with one figure in nanoseconds.
macro_rules! ns {
    ($name:literal, $kind:ident, $work:expr, $goal:expr, $describe:literal) => {
        Row {
            name: $name,
            work: $work,
            kind: Kind::$kind,
            size: Size::Filling,
            describe: $describe,
            figures: &[one("ns", $goal)],
        }
    };
}

const ONE: &[Figure] = &[one("ns", Goal::NONE)];

const TIMER: &[Figure] = &[one("ns", Goal::NONE), part(".insert", "ns", Goal::NONE), part(".drop", "ns", Goal::NONE)];

/// Sleeps for each item or round: which of the two modes it was.
const SLEEPS: Figure = part(".sleeps", "/1000", Goal::NONE);

pub const ROWS: &[Row] = &[
    ns!("spawn_batch", Tasks, Work::SpawnBatch, Goal::to_limit(1.2), "spawn 1000 tasks, join them all; a task"),
    ns!(
        "spawn_one",
        Tasks,
        Work::SpawnOne,
        Goal::to_limit(1.2),
        "the main future spawns one task and awaits it; a task"
    ),
    ns!(
        "spawn_one_task",
        Tasks,
        Work::SpawnOneInTask,
        Goal::to_limit(1.2),
        "a spawned task spawns one and awaits it; a task"
    ),
    Row {
        name: "spawn_1m",
        work: Work::SpawnAll,
        kind: Kind::Tasks,
        size: Size::Fixed { full: 1_000_000, quick: 200_000 },
        describe: "spawn a million tasks (quick: 200,000), then run them; a task",
        figures: &[one("ns", Goal::to_best(1.1))],
    },
    ns!(
        "yield_one",
        Tasks,
        Work::Yield { tasks: 1 },
        Goal::to_limit(1.5),
        "a task wakes itself and returns Pending; a poll"
    ),
    ns!("yield_1k", Tasks, Work::Yield { tasks: 1000 }, Goal::to_limit(1.5), "1000 tasks do that; a poll"),
    ns!("ring_2", Tasks, Work::Ring { members: 2 }, Goal::to_limit(1.5), "2 tasks wake each other in turn; a hop"),
    ns!("ring_1k", Tasks, Work::Ring { members: 1000 }, Goal::to_limit(1.5), "1000 tasks wake each the next; a hop"),
    ns!(
        "pingpong",
        Channels,
        Work::PingPong,
        Goal::to_limit(1.5),
        "2 tasks over two bounded(1) channels; a round trip"
    ),
    ns!(
        "mpsc_3",
        Channels,
        Work::Queue { capacity: 3 },
        Goal::to_limit(1.5),
        "one task to another, bounded(3); an item"
    ),
    ns!("mpsc_1024", Channels, Work::Queue { capacity: 1024 }, Goal::to_limit(1.5), "the same, bounded(1024); an item"),
    ns!(
        "mpsc_unbounded",
        Channels,
        Work::Bursts,
        Goal::to_limit(1.5),
        "the same, unbounded, in bursts of 1000; an item"
    ),
    ns!("block_on", Tasks, Work::BlockOn, Goal::absolute(5.0), "block_on of a future that is ready; a call"),
    ns!("create", Tasks, Work::Create, Goal::absolute(300.0), "make a runtime, block_on a ready future, drop it"),
    ns!(
        "timer_cancel",
        Timers,
        Work::TimerCancel,
        Goal::to_best(0.6),
        "create a sleep of an hour, poll it once, drop it"
    ),
    Row {
        name: "timer_1m",
        work: Work::TimersAlive,
        kind: Kind::Timers,
        size: Size::Fixed { full: 1_000_000, quick: 200_000 },
        describe: "a million sleeps alive at once (quick: 200,000): to insert one, and to drop one",
        figures: &[one("ns", Goal::to_best(0.6)), part(".insert", "ns", Goal::NONE), part(".drop", "ns", Goal::NONE)],
    },
    Row {
        name: "timer_fire",
        work: Work::TimersFire { slack: false },
        kind: Kind::Timers,
        size: Size::Fixed { full: 100_000, quick: 10_000 },
        describe: "100,000 tasks (quick: 10,000) sleep until moments that are 10 µs apart: how late, and the CPU time",
        figures: &[
            part(".p50", "µs", Goal::to_best(1.0)),
            part(".p99", "µs", Goal::to_best(1.0)),
            // Of those that are as exact.
            Figure { rival: Some("smol"), ..part(".cpu", "ns", Goal::to_best(0.5)) },
        ],
    },
    Row {
        name: "timer_slack",
        work: Work::TimersFire { slack: true },
        kind: Kind::Timers,
        size: Size::Fixed { full: 100_000, quick: 10_000 },
        describe: "the same where ours may be late by a millisecond, as tokio and monoio always are",
        figures: &[
            part(".p50", "µs", Goal::NONE),
            part(".p99", "µs", Goal::NONE),
            part(".cpu", "ns", Goal::to_best(1.0)),
        ],
    },
    Row {
        name: "sleep_1ms",
        work: Work::LoneSleep { microseconds: 1000 },
        kind: Kind::Timers,
        size: Size::Fixed { full: 200, quick: 50 },
        describe: "one task sleeps for 1 ms, again and again: how late",
        figures: &[part(".p50", "µs", Goal::to_best(1.0)), part(".p99", "µs", Goal::NONE)],
    },
    Row {
        name: "sleep_100us",
        work: Work::LoneSleep { microseconds: 100 },
        kind: Kind::Timers,
        size: Size::Fixed { full: 1000, quick: 200 },
        describe: "the same for 100 µs",
        figures: &[part(".p50", "µs", Goal::to_best(1.0)), part(".p99", "µs", Goal::NONE)],
    },
    Row {
        name: "mem_task",
        work: Work::IdleTasks,
        kind: Kind::Tasks,
        size: Size::Fixed { full: 1_000_000, quick: 200_000 },
        describe: "a task that waits, with a future of 40 bytes: heap asked for, resident memory, allocations",
        figures: &[
            part(".heap", "B", Goal::absolute(88.0)),
            part(".resident", "B", Goal::NONE),
            part(".allocations", "", Goal::NONE),
        ],
    },
    Row {
        name: "xmpsc_1024",
        work: Work::Remote { bounded: true, awake: false },
        kind: Kind::Threads,
        size: Size::Filling,
        describe: "a thread sends to a task, bounded(1024); an item; and how often the loop slept",
        figures: &[one("ns", Goal::to_best(1.0)), SLEEPS],
    },
    Row {
        name: "xmpsc_1024.awake",
        work: Work::Remote { bounded: true, awake: true },
        kind: Kind::Threads,
        size: Size::Filling,
        describe: "the same while two other tasks keep the loop awake",
        figures: &[one("ns", Goal::to_best(1.0)), SLEEPS],
    },
    Row {
        name: "xmpsc_unbounded",
        work: Work::Remote { bounded: false, awake: false },
        kind: Kind::Threads,
        size: Size::Filling,
        describe: "a thread sends to a task, unbounded, in bursts of 1000; an item; and how often the loop slept",
        figures: &[one("ns", Goal::to_best(1.0)), SLEEPS],
    },
    Row {
        name: "xmpsc_unbounded.awake",
        work: Work::Remote { bounded: false, awake: true },
        kind: Kind::Threads,
        size: Size::Filling,
        describe: "the same while two other tasks keep the loop awake",
        figures: &[one("ns", Goal::to_best(1.0)), SLEEPS],
    },
    Row {
        name: "xwake_pingpong",
        work: Work::WakePingPong { awake: false },
        kind: Kind::Threads,
        size: Size::Filling,
        describe: "a thread that spins wakes a task, which answers; a round; and how often the loop slept",
        figures: &[one("ns", Goal::to_best(1.0)), SLEEPS],
    },
    Row {
        name: "xwake_pingpong.awake",
        work: Work::WakePingPong { awake: true },
        kind: Kind::Threads,
        size: Size::Filling,
        describe: "the same while two other tasks keep the loop awake",
        figures: &[one("ns", Goal::to_best(1.0)), SLEEPS],
    },
    Row {
        name: "xwake_latency",
        work: Work::WakeLatency,
        kind: Kind::Threads,
        size: Size::Fixed { full: 500, quick: 200 },
        describe: "a thread wakes a task whose loop sleeps: until it is polled",
        figures: &[part(".p50", "µs", Goal::to_best(1.0)), part(".p99", "µs", Goal::NONE)],
    },
    ns!(
        "xwake_storm",
        Threads,
        Work::WakeStorm,
        Goal::to_best(1.0),
        "a thread wakes a task that is woken already; a wake"
    ),
    scale("tasks_1e3", Work::TasksAlive, 1_000),
    scale("tasks_1e4", Work::TasksAlive, 10_000),
    scale("tasks_1e5", Work::TasksAlive, 100_000),
    scale("tasks_1e6", Work::TasksAlive, 1_000_000),
    scale("tasks_1e7", Work::TasksAlive, 10_000_000),
    scale("timers_1e3", Work::TimersAlive, 1_000),
    scale("timers_1e4", Work::TimersAlive, 10_000),
    scale("timers_1e5", Work::TimersAlive, 100_000),
    scale("timers_1e6", Work::TimersAlive, 1_000_000),
    scale("timers_1e7", Work::TimersAlive, 10_000_000),
];

/// A row of a curve. The largest are left out of a quick run: `quick` is 0 there.
const fn scale(name: &'static str, work: Work, count: u64) -> Row {
    let quick = if count <= 100_000 { count } else { 0 };
    Row {
        name,
        work,
        kind: Kind::Scale,
        size: Size::Fixed { full: count, quick },
        describe: match work {
            Work::TimersAlive => "so many sleeps alive at once: insert and drop one",
            _ => "so many tasks alive at once: spawn, wait, be woken, finish; a task",
        },
        figures: match work {
            Work::TimersAlive => TIMER,
            _ => ONE,
        },
    }
}

impl Row {
    pub fn by_name(name: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.name == name)
    }

    /// How many are alive at once, where that is fixed.
    pub fn count(&self) -> u64 {
        match self.size {
            Size::Filling => 0,
            Size::Fixed { full, .. } => full,
        }
    }

    /// Are there always tasks that are ready, while another thread sends or wakes?
    pub fn keeps_awake(&self) -> bool {
        matches!(self.work, Work::Remote { awake: true, .. } | Work::WakePingPong { awake: true })
    }

    /// Does it want timers?
    pub fn sleeps(&self) -> bool {
        matches!(self.work, Work::TimerCancel | Work::TimersAlive | Work::TimersFire { .. } | Work::LoneSleep { .. })
    }
}
