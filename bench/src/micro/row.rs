//! The rows: what is measured, and what each counts as one operation.

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Row {
    SpawnBatch,
    SpawnOne,
    SpawnOneInTask,
    YieldOne,
    YieldMany,
    RingOfTwo,
    RingOfMany,
    PingPong,
    QueueOf3,
    QueueOf1024,
    QueueUnbounded,
    TimerCancel,
}

/// What a rival needs for a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Tasks,
    Channels,
    Timers,
}

impl Row {
    pub const ALL: [Row; 12] = [
        Row::SpawnBatch,
        Row::SpawnOne,
        Row::SpawnOneInTask,
        Row::YieldOne,
        Row::YieldMany,
        Row::RingOfTwo,
        Row::RingOfMany,
        Row::PingPong,
        Row::QueueOf3,
        Row::QueueOf1024,
        Row::QueueUnbounded,
        Row::TimerCancel,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Row::SpawnBatch => "spawn_batch",
            Row::SpawnOne => "spawn_one",
            Row::SpawnOneInTask => "spawn_one_task",
            Row::YieldOne => "yield_one",
            Row::YieldMany => "yield_1k",
            Row::RingOfTwo => "ring_2",
            Row::RingOfMany => "ring_1k",
            Row::PingPong => "pingpong",
            Row::QueueOf3 => "mpsc_3",
            Row::QueueOf1024 => "mpsc_1024",
            Row::QueueUnbounded => "mpsc_unbounded",
            Row::TimerCancel => "timer_cancel",
        }
    }

    pub fn describe(self) -> &'static str {
        match self {
            Row::SpawnBatch => "spawn 1000 tasks, join them all; ns a task",
            Row::SpawnOne => "the main future spawns one task and awaits it; ns a task",
            Row::SpawnOneInTask => "a spawned task spawns one and awaits it; ns a task",
            Row::YieldOne => "one task wakes itself and returns Pending; ns a poll",
            Row::YieldMany => "1000 tasks do that; ns a poll",
            Row::RingOfTwo => "2 tasks wake each other in turn; ns a hop",
            Row::RingOfMany => "1000 tasks wake each the next; ns a hop",
            Row::PingPong => "2 tasks over two bounded(1) channels; ns a round trip",
            Row::QueueOf3 => "one task sends, one receives, bounded(3); ns an item",
            Row::QueueOf1024 => "one task sends, one receives, bounded(1024); ns an item",
            Row::QueueUnbounded => "one task sends, one receives, unbounded, in bursts of 1000; ns an item",
            Row::TimerCancel => "create a sleep of an hour, poll it once, drop it; ns a sleep",
        }
    }

    pub fn kind(self) -> Kind {
        match self {
            Row::PingPong | Row::QueueOf3 | Row::QueueOf1024 | Row::QueueUnbounded => Kind::Channels,
            Row::TimerCancel => Kind::Timers,
            _ => Kind::Tasks,
        }
    }

    pub fn by_name(name: &str) -> Option<Row> {
        Row::ALL.into_iter().find(|row| row.name() == name)
    }
}
