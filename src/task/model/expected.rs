//! What should become of a task: a naive machine, one step for each operation, without threads, atomics or pointers.

/// Where an operation is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// On the home thread, in a turn.
    Inside,
    /// On the home thread, while no turn is under way.
    Outside,
    /// On another thread, which is joined at once.
    Elsewhere,
}

/// What a poll of the task does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Script {
    Wait,
    /// Clones its waker, for later.
    Keep,
    /// Wakes itself so often.
    WakeSelf(usize),
    AbortSelf,
    Finish,
    Panic,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Life {
    Idle,
    Queued,
    Complete,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Output {
    None,
    Value,
    Cancelled,
    Panic,
    /// Delivered or dropped.
    Gone,
}

/// What should be so.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) life: Life,
    /// Whether the executor still counts a handle.
    pub(super) held: bool,
    pub(super) aborted: bool,
    /// What the inbox holds of it: (abort, detach).
    pub(super) inbox: Option<(bool, bool)>,
    pub(super) deaf: bool,
    pub(super) output: Output,
    /// The handle's waker is registered.
    pub(super) joining: bool,
    pub(super) script: Script,
    pub(super) ended: bool,

    pub(super) polls: usize,
    pub(super) joins: usize,
    pub(super) futures_dropped: usize,
    pub(super) values_dropped: usize,
    pub(super) wakers: usize,
    pub(super) aborts: usize,
    pub(super) unobserved: usize,
}

impl Model {
    pub(super) fn new() -> Model {
        Model {
            life: Life::Queued,
            held: true,
            aborted: false,
            inbox: None,
            deaf: false,
            output: Output::None,
            joining: false,
            script: Script::Wait,
            ended: false,
            polls: 0,
            joins: 0,
            futures_dropped: 0,
            values_dropped: 0,
            wakers: 0,
            aborts: 1,
            unobserved: 0,
        }
    }

    pub(super) fn references(&self) -> usize {
        let home = self.life != Life::Complete || self.held;
        usize::from(home) + self.wakers + self.aborts + usize::from(self.inbox.is_some())
    }

    pub(super) fn wake(&mut self, abort: bool, place: Place) {
        if place == Place::Inside && !self.ended {
            self.wake_local(abort);
        } else if !self.deaf && !self.ended {
            self.inbox.get_or_insert((false, false)).0 |= abort;
        }
    }

    fn wake_local(&mut self, abort: bool) {
        if self.life != Life::Complete {
            self.aborted |= abort;
            self.life = Life::Queued;
        }
    }

    pub(super) fn turn(&mut self) {
        self.take_in();
        if self.life != Life::Queued {
            return;
        }
        self.life = Life::Idle;
        if self.aborted {
            return self.complete(Output::Cancelled);
        }
        self.polls += 1;
        match std::mem::replace(&mut self.script, Script::Wait) {
            Script::Wait | Script::WakeSelf(0) => {}
            Script::Keep => self.wakers += 1,
            Script::WakeSelf(_) => self.wake_local(false),
            Script::AbortSelf => self.wake_local(true),
            Script::Finish => self.complete(Output::Value),
            Script::Panic => self.complete(Output::Panic),
        }
    }

    fn take_in(&mut self) {
        let Some((abort, detach)) = self.inbox.take() else { return };
        match self.life {
            Life::Complete => self.deaf = true,
            _ => self.wake_local(abort),
        }
        if detach {
            self.detach();
        }
    }

    fn complete(&mut self, output: Output) {
        self.futures_dropped += 1;
        (self.life, self.output) = (Life::Complete, output);
        if self.held {
            self.joins += usize::from(std::mem::take(&mut self.joining));
        } else {
            self.discard();
        }
    }

    fn discard(&mut self) {
        match std::mem::replace(&mut self.output, Output::Gone) {
            Output::Value => self.values_dropped += 1,
            Output::Panic => self.unobserved += 1,
            _ => {}
        }
    }

    pub(super) fn drop_handle(&mut self, place: Place) {
        if place == Place::Elsewhere && !self.ended {
            self.inbox.get_or_insert((false, false)).1 = true;
        } else {
            // After the end there is nobody on another thread to report a panic to: `discard` forgets it there.
            self.detach();
        }
    }

    pub(super) fn detach(&mut self) {
        (self.held, self.joining) = (false, false);
        if self.life == Life::Complete {
            self.discard();
        }
    }

    /// What a poll of the handle gives; `None`: pending.
    pub(super) fn poll_handle(&mut self, place: Place) -> Option<&'static str> {
        if place == Place::Elsewhere && !self.ended {
            return Some("elsewhere");
        }
        if self.life != Life::Complete {
            self.joining = true;
            return None;
        }
        Some(match std::mem::replace(&mut self.output, Output::Gone) {
            Output::Value => {
                self.values_dropped += 1;
                "value"
            }
            Output::Cancelled => "cancelled",
            Output::Panic => "panic",
            Output::None | Output::Gone => unreachable!(),
        })
    }

    pub(super) fn end(&mut self) {
        self.take_in();
        if self.life != Life::Complete {
            self.complete(Output::Cancelled);
        }
        self.ended = true;
    }
}
