//! Real tasks against a naive model: what sequences of operations, from whatever place, must lead to.
//!
//! The first half takes `Owner` and `Shared` through every state that can be reached and compares each transition with
//! a table. The second half runs sequences of operations on a real task in a real executor, each from inside a turn,
//! from outside, or from another thread, and compares with a model (`expected.rs`) after each: the number of polls,
//! whether it is queued, its references, who was woken, what was dropped and how often. In the end everything must be
//! freed.

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

mod expected;
mod sequences;

/// Walks all states from `start`, breadth first. `apply` gives the next state and the duty that a transition returns,
/// `None` if it is not allowed there; `check` takes the real thing along the same path, and tells the real duty of the
/// last step. How many states there are.
fn walk<S, T, D>(
    start: S,
    transitions: &[T],
    apply: impl Fn(&S, T) -> Option<(S, D)>,
    check: impl Fn(&[T], &S) -> D,
) -> usize
where
    S: Clone + Eq + Hash,
    T: Copy + Debug,
    D: PartialEq + Debug,
{
    let mut paths = HashMap::from([(start.clone(), vec![])]);
    let mut todo = VecDeque::from([start]);
    while let Some(state) = todo.pop_front() {
        for transition in transitions {
            let Some((next, duty)) = apply(&state, *transition) else { continue };
            let path: Vec<T> = paths[&state].iter().copied().chain([*transition]).collect();
            assert_eq!(check(&path, &next), duty, "after {path:?}");
            if !paths.contains_key(&next) {
                paths.insert(next.clone(), path);
                todo.push_back(next);
            }
        }
    }
    paths.len()
}

mod owner {
    //! Every transition of [`Owner`].

    use super::super::state::{Begin, Ended, Outcome, Owner, Woken};
    use super::walk;
    use crate::observer::TaskId;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Wake,
        Abort,
        BeginPoll,
        BeginLast,
        EndPoll,
        Complete,
        Detach,
    }

    const STEPS: [Step; 7] =
        [Step::Wake, Step::Abort, Step::BeginPoll, Step::BeginLast, Step::EndPoll, Step::Complete, Step::Detach];

    #[derive(Debug, PartialEq)]
    enum Duty {
        None,
        Woken(Woken),
        Begin(Begin),
        Ended(Ended),
        Outcome(Outcome),
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct State {
        queued: bool,
        running: bool,
        complete: bool,
        aborted: bool,
        held: bool,
    }

    fn apply(state: &State, step: Step) -> Option<(State, Duty)> {
        let mut next = state.clone();
        let duty = match step {
            Step::Wake | Step::Abort => {
                next.aborted |= matches!(step, Step::Abort) && !state.complete;
                next.queued |= !state.complete;
                let enqueue = !state.queued && !state.running && !state.complete;
                Duty::Woken(if enqueue { Woken::Enqueue } else { Woken::Nothing })
            }
            Step::BeginPoll if state.queued && !state.running => {
                (next.queued, next.running) = (false, true);
                Duty::Begin(if state.aborted { Begin::Cancel } else { Begin::Poll })
            }
            Step::BeginLast if !state.running && !state.complete => {
                (next.queued, next.running) = (false, true);
                Duty::None
            }
            Step::EndPoll if state.running => {
                next.running = false;
                Duty::Ended(if state.queued { Ended::Enqueue } else { Ended::Idle })
            }
            Step::Complete if state.running => {
                next = State { queued: false, running: false, aborted: false, complete: true, held: state.held };
                Duty::Outcome(if state.held { Outcome::Keep } else { Outcome::Discard })
            }
            Step::Detach if state.held => {
                next.held = false;
                Duty::Outcome(if state.complete { Outcome::Discard } else { Outcome::Keep })
            }
            _ => return None,
        };
        Some((next, duty))
    }

    fn real(owner: &Owner, step: Step) -> Duty {
        match step {
            Step::Wake => Duty::Woken(owner.wake()),
            Step::Abort => Duty::Woken(owner.abort()),
            Step::BeginPoll => Duty::Begin(owner.begin_poll()),
            Step::BeginLast => {
                owner.begin_last();
                Duty::None
            }
            Step::EndPoll => Duty::Ended(owner.end_poll()),
            Step::Complete => Duty::Outcome(owner.complete()),
            Step::Detach => Duty::Outcome(owner.detach()),
        }
    }

    fn walk_from(start: State, make: fn() -> Owner) -> usize {
        walk(start, &STEPS, apply, |path, expected| {
            let owner = make();
            let duty = path.iter().map(|step| real(&owner, *step)).last().unwrap();
            let seen = (owner.is_queued(), owner.is_running(), owner.is_complete());
            assert_eq!(seen, (expected.queued, expected.running, expected.complete), "after {path:?}");
            duty
        })
    }

    #[test]
    fn every_transition_of_the_owners_word_is_as_the_table_says() {
        let idle = State { queued: false, running: false, complete: false, aborted: false, held: false };
        // With and without a handle: idle or running, each queued or not and aborted or not; and complete. What is
        // aborted is queued, until it is begun.
        let states = walk_from(State { queued: true, held: true, ..idle.clone() }, || Owner::new(TaskId(7)));
        assert_eq!(states, 2 * (2 * 2 * 2 + 1));
        let states = walk_from(idle, Owner::new_remote);
        assert_eq!(states, 2 * 2 * 2 + 1);
    }
}

mod shared {
    //! Every transition of [`Shared`] and of [`Tally`], up to four references.

    use super::super::state::{Arrival, Released, Request, Requested, Shared, Tally};
    use super::walk;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Request(Request),
        TakeIn,
        Deafen,
        Acquire,
        Release,
        AcquireAtHome,
        ReleaseAtHome,
        /// The home's own reference ends.
        Settle,
    }

    #[derive(Debug, PartialEq)]
    enum Duty {
        None,
        Requested(Requested),
        Arrival(Arrival),
        Released(Released),
        Counted(bool),
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct State {
        references: usize,
        in_inbox: bool,
        abort: bool,
        detach: bool,
        deaf: bool,
        settled: bool,
        /// Counted at home and uncounted there, up to two apart: it decides nothing, but leads to different words.
        at_home: i8,
    }

    fn apply(state: &State, step: Step) -> Option<(State, Duty)> {
        const MOST: usize = 4;
        let mut next = state.clone();
        let duty = match step {
            _ if state.references == 0 => return None,
            Step::Request(request) => {
                if state.deaf && request != Request::Detach {
                    return Some((next, Duty::Requested(Requested::Nothing)));
                }
                if !state.in_inbox && state.references == MOST {
                    return None;
                }
                next.in_inbox = true;
                next.abort |= request == Request::Abort;
                next.detach |= request == Request::Detach;
                next.references += usize::from(!state.in_inbox);
                Duty::Requested(if state.in_inbox { Requested::Nothing } else { Requested::PushToInbox })
            }
            Step::TakeIn if state.in_inbox => {
                next = State { in_inbox: false, abort: false, detach: false, ..next };
                Duty::Arrival(Arrival { abort: state.abort, detach: state.detach })
            }
            Step::Deafen => {
                next.deaf = true;
                Duty::None
            }
            Step::Acquire if state.references < MOST => {
                next.references += 1;
                Duty::None
            }
            // Before it is settled the home's reference is there, and only settling ends that.
            Step::Release if state.settled || state.references > 1 => {
                next.references -= 1;
                Duty::Released(if next.references == 0 { Released::Free } else { Released::Kept })
            }
            Step::AcquireAtHome | Step::ReleaseAtHome if state.settled => Duty::Counted(false),
            Step::AcquireAtHome if state.references < MOST && state.at_home < 2 => {
                (next.references, next.at_home) = (state.references + 1, state.at_home + 1);
                Duty::Counted(true)
            }
            Step::ReleaseAtHome if state.references > 1 && state.at_home > -2 => {
                (next.references, next.at_home) = (state.references - 1, state.at_home - 1);
                Duty::Counted(true)
            }
            Step::Settle if !state.settled => {
                next = State { references: state.references - 1, settled: true, at_home: 0, ..next };
                Duty::Released(if next.references == 0 { Released::Free } else { Released::Kept })
            }
            _ => return None,
        };
        Some((next, duty))
    }

    fn real((shared, tally): &(Shared, Tally), step: Step) -> Duty {
        match step {
            Step::Request(request) => Duty::Requested(shared.request(request)),
            Step::TakeIn => Duty::Arrival(shared.take_in()),
            Step::Deafen => {
                shared.deafen();
                Duty::None
            }
            Step::Acquire => {
                shared.acquire();
                Duty::None
            }
            Step::Release => Duty::Released(shared.release()),
            Step::AcquireAtHome => Duty::Counted(tally.acquire(shared)),
            Step::ReleaseAtHome => Duty::Counted(tally.release(shared)),
            Step::Settle => Duty::Released(tally.settle(shared)),
        }
    }

    const STEPS: [Step; 10] = [
        Step::Request(Request::Wake),
        Step::Request(Request::Abort),
        Step::Request(Request::Detach),
        Step::TakeIn,
        Step::Deafen,
        Step::Acquire,
        Step::Release,
        Step::AcquireAtHome,
        Step::ReleaseAtHome,
        Step::Settle,
    ];

    fn walk_from(start: State, make: fn() -> (Shared, Tally)) -> usize {
        walk(start, &STEPS, apply, |path, expected| {
            let words = make();
            let duty = path.iter().map(|step| real(&words, *step)).last().unwrap();
            // A freed word may say anything: nobody is left who could read it.
            let references = if expected.references == 0 { 0 } else { words.1.references(&words.0) };
            assert_eq!(references, expected.references, "after {path:?}");
            duty
        })
    }

    #[test]
    fn every_transition_of_the_shared_word_is_as_the_table_says() {
        let quiet = State {
            references: 1,
            settled: false,
            at_home: 0,
            in_inbox: false,
            abort: false,
            detach: false,
            deaf: false,
        };
        walk_from(quiet.clone(), || (Shared::new(), Tally::new()));
        let sent = State { references: 2, in_inbox: true, ..quiet };
        let states = walk_from(sent, || (Shared::new_in_inbox(), Tally::new_remote()));
        assert!(states > 200, "only {states} states were reached");
    }
}
