//! [`Choices`]: every decision that is free, made in one place.
//!
//! Which of several ready tasks runs first, in what order events come, whether a read is cut short, how long a packet
//! takes: a correct program works whatever is chosen. Here a choice is a number below the number of options, and *zero
//! is what happens anyway* (first in, first out; no fault). So a run is a function of its choices; a list of them that
//! ends early goes on with zeros; and a smaller list is a more ordinary run.
//!
//! Used by the executor, the hostile world and the simulated network. It knows none of them.

use std::fmt;
use std::ops::BitOr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The kinds of choices, as a set.
///
/// ```
/// use coracle::testing::Kinds;
/// let scheduling = Kinds::ORDER | Kinds::YIELDS;
/// assert!(Kinds::ALL.contains(scheduling) && !scheduling.contains(Kinds::SHORT));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u16);

impl Kinds {
    /// Nothing deviates.
    pub const NONE: Kinds = Kinds(0);
    /// Which of the ready tasks runs next.
    pub const ORDER: Kinds = Kinds(1);
    /// A task yields although it could go on: an operation that could be completed at once returns `Pending` first.
    pub const YIELDS: Kinds = Kinds(2);
    /// A task is polled although nobody woke it.
    pub const SPURIOUS: Kinds = Kinds(4);
    /// Each poll has another waker than the one before.
    pub const WAKERS: Kinds = Kinds(8);
    /// In what order the world's events come.
    pub const EVENTS: Kinds = Kinds(16);
    /// Some of the events come later than the others.
    pub const BATCHES: Kinds = Kinds(32);
    /// A read or a write moves fewer bytes than it could.
    pub const SHORT: Kinds = Kinds(64);
    /// A call says that it would block although it would not.
    pub const BLOCKED: Kinds = Kinds(128);
    /// A call is interrupted.
    pub const INTERRUPTED: Kinds = Kinds(256);
    /// What a simulated network does: delay, loss, order.
    pub const NETWORK: Kinds = Kinds(512);
    /// What a program chooses by [`Choices::choose`] itself.
    pub const PROGRAM: Kinds = Kinds(1024);
    /// Everything.
    pub const ALL: Kinds = Kinds(2047);

    /// Whether all of these are among them.
    ///
    /// ```
    /// # use coracle::testing::Kinds;
    /// assert!(Kinds::ALL.contains(Kinds::ORDER) && !Kinds::NONE.contains(Kinds::ORDER));
    /// ```
    pub fn contains(self, others: Kinds) -> bool {
        self.0 & others.0 == others.0
    }

    /// Those that are not among the others.
    ///
    /// ```
    /// # use coracle::testing::Kinds;
    /// assert!(!Kinds::ALL.without(Kinds::ORDER).contains(Kinds::ORDER));
    /// ```
    #[must_use]
    pub fn without(self, others: Kinds) -> Kinds {
        Kinds(self.0 & !others.0)
    }
}

impl BitOr for Kinds {
    type Output = Kinds;

    fn bitor(self, others: Kinds) -> Kinds {
        Kinds(self.0 | others.0)
    }
}

/// As it is written in a program: `Kinds::ORDER | Kinds::YIELDS`.
impl fmt::Debug for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 11] = [
            "ORDER",
            "YIELDS",
            "SPURIOUS",
            "WAKERS",
            "EVENTS",
            "BATCHES",
            "SHORT",
            "BLOCKED",
            "INTERRUPTED",
            "NETWORK",
            "PROGRAM",
        ];
        let some = NAMES.iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0);
        let some: Vec<String> = some.map(|(_, name)| format!("Kinds::{name}")).collect();
        match *self {
            Kinds::ALL => f.write_str("Kinds::ALL"),
            Kinds::NONE => f.write_str("Kinds::NONE"),
            _ => f.write_str(&some.join(" | ")),
        }
    }
}

/// One choice that was made.
///
/// ```
/// use coracle::testing::{Choices, Kinds};
/// let choices = Choices::replay([5]);
/// choices.choose(3);
/// let made = choices.made()[0];
/// assert_eq!((made.chosen, made.options), (2, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Made {
    /// Of what kind: one of the constants of [`Kinds`].
    pub kind: Kinds,
    /// What was chosen.
    pub chosen: u32,
    /// Out of how many.
    pub options: u32,
}

/// Where choices come from: a seed, or a list. Clones are one and the same source.
///
/// ```
/// use coracle::testing::Choices;
/// let (one, other) = (Choices::seeded(7), Choices::seeded(7));
/// let numbers: Vec<usize> = (0..10).map(|_| one.choose(6)).collect();
/// assert_eq!(numbers, (0..10).map(|_| other.choose(6)).collect::<Vec<_>>());
/// assert!(numbers.iter().any(|number| *number != 0));
/// ```
#[derive(Clone)]
pub struct Choices {
    state: Arc<Mutex<State>>,
    kinds: Kinds,
}

struct State {
    source: Source,
    made: Vec<Made>,
    /// Whether the list of what was made is kept; it grows with the run.
    recording: bool,
}

enum Source {
    Zero,
    Seed(SplitMix),
    /// And how many of it are used up.
    List(Vec<u32>, usize),
}

/// So many choices are kept at the most: a run that makes more is better run again by its seed.
const MOST_KEPT: usize = 100_000;

impl Choices {
    /// Always zero: the ordinary run.
    ///
    /// ```
    /// # use coracle::testing::Choices;
    /// assert_eq!(Choices::ordinary().choose(100), 0);
    /// ```
    pub fn ordinary() -> Choices {
        Choices::of(Source::Zero, false)
    }

    /// As the seed has it; seed 0 is the [ordinary](Choices::ordinary) run.
    ///
    /// ```
    /// # use coracle::testing::Choices;
    /// assert_eq!(Choices::seeded(0).choose(100), 0);
    /// ```
    pub fn seeded(seed: u64) -> Choices {
        match seed {
            0 => Choices::ordinary(),
            seed => Choices::of(Source::Seed(SplitMix(seed)), false),
        }
    }

    /// One after the other from a list, and zero from its end on. A number that is too large is the largest that is
    /// not. The choices that are made are kept.
    ///
    /// ```
    /// # use coracle::testing::Choices;
    /// let choices = Choices::replay([1, 9]);
    /// assert_eq!([choices.choose(3), choices.choose(3), choices.choose(3)], [1, 2, 0]);
    /// ```
    pub fn replay(list: impl IntoIterator<Item = u32>) -> Choices {
        Choices::of(Source::List(list.into_iter().collect(), 0), true)
    }

    fn of(source: Source, recording: bool) -> Choices {
        Choices { state: Arc::new(Mutex::new(State { source, made: Vec::new(), recording })), kinds: Kinds::ALL }
    }

    /// The same source, asked for these kinds only: all others are zero, and use nothing up.
    ///
    /// ```
    /// # use coracle::testing::{Choices, Kinds};
    /// assert_eq!(Choices::replay([1]).only(Kinds::ORDER).choose(2), 0);
    /// ```
    #[must_use]
    pub fn only(self, kinds: Kinds) -> Choices {
        Choices { kinds, ..self }
    }

    /// Which kinds may differ from zero.
    ///
    /// ```
    /// # use coracle::testing::{Choices, Kinds};
    /// assert_eq!(Choices::seeded(1).kinds(), Kinds::ALL);
    /// ```
    pub fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Keeps the choices that are made from now on, for [`made`](Choices::made).
    ///
    /// ```
    /// # use coracle::testing::Choices;
    /// assert_eq!(Choices::seeded(1).recording().made(), []);
    /// ```
    #[must_use]
    pub fn recording(self) -> Choices {
        self.state().recording = true;
        self
    }

    /// What was chosen so far, if that is kept; of very long runs, the beginning.
    ///
    /// ```
    /// # use coracle::testing::Choices;
    /// let choices = Choices::replay([1]);
    /// choices.choose(2);
    /// assert_eq!(choices.made().len(), 1);
    /// ```
    pub fn made(&self) -> Vec<Made> {
        self.state().made.clone()
    }

    /// A choice of the program's own, from `0..options`; of none or one, it is 0.
    ///
    /// ```
    /// # use coracle::testing::Choices;
    /// assert!(Choices::seeded(3).choose(6) < 6);
    /// ```
    pub fn choose(&self, options: usize) -> usize {
        self.of_kind(Kinds::PROGRAM, options)
    }

    /// A choice of one kind from `0..options`.
    pub(crate) fn of_kind(&self, kind: Kinds, options: usize) -> usize {
        self.make(kind, options, |random| random % options as u64)
    }

    /// Whether something happens that is not ordinary, about once in so many times.
    pub(crate) fn happens(&self, kind: Kinds, once_in: u32) -> bool {
        self.make(kind, 2, |random| u64::from(random % u64::from(once_in) == 0)) == 1
    }

    /// Whether something happens that is not ordinary, about so many times in a million.
    pub(crate) fn happens_of_million(&self, kind: Kinds, times: u32) -> bool {
        self.make(kind, 2, |random| u64::from(random % 1_000_000 < u64::from(times))) == 1
    }

    fn make(&self, kind: Kinds, options: usize, drawn: impl FnOnce(u64) -> u64) -> usize {
        if options < 2 || !self.kinds.contains(kind) {
            return 0;
        }
        let state = &mut *self.state();
        let chosen = match &mut state.source {
            Source::Zero => 0,
            Source::Seed(random) => drawn(random.next()),
            Source::List(list, used) => {
                *used += 1;
                u64::from(list.get(*used - 1).copied().unwrap_or(0)).min(options as u64 - 1)
            }
        };
        if state.recording && state.made.len() < MOST_KEPT {
            state.made.push(Made { kind, chosen: chosen as u32, options: options as u32 });
        }
        chosen as usize
    }

    /// 64 bits that no list decides: for a world's randomness.
    pub(crate) fn bits(&self) -> u64 {
        match &mut self.state().source {
            Source::Seed(random) => random.next(),
            Source::Zero | Source::List(..) => 0,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As it is written in a program.
impl fmt::Debug for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.state().source {
            Source::Zero => f.write_str("Choices::ordinary()")?,
            Source::Seed(_) => f.write_str("Choices::seeded(..)")?,
            Source::List(list, _) => write!(f, "Choices::replay({list:?})")?,
        }
        if self.kinds == Kinds::ALL { Ok(()) } else { write!(f, ".only({:?})", self.kinds) }
    }
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014. Any seed will do, near
/// ones give sequences that have nothing in common, and the state is one number.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_is_not_asked_for_is_zero_and_uses_nothing_up() {
        let choices = Choices::replay([1, 1]).only(Kinds::ORDER);
        assert_eq!(choices.of_kind(Kinds::SHORT, 2), 0);
        assert!(!choices.happens(Kinds::SPURIOUS, 1));
        assert_eq!((choices.of_kind(Kinds::ORDER, 2), choices.of_kind(Kinds::ORDER, 2)), (1, 1));
        assert_eq!(choices.made().len(), 2);
    }

    #[test]
    fn what_is_rare_happens_about_as_often_as_asked() {
        let choices = Choices::seeded(42);
        let happened = (0..80_000).filter(|_| choices.happens(Kinds::SHORT, 8)).count();
        assert!((9_000..11_000).contains(&happened), "{happened} of 80,000, asked for one in eight");
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // From the reference implementation, with the state 1234567.
        let mut random = SplitMix(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }
}
