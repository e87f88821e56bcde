//! [`explore`]: not some runs of a small program, but all.
//!
//! A run is a function of its choices, so the runs are the nodes of a tree: a run's children are those that choose as it
//! does up to some place after its own last deviation from the ordinary, deviate there, and go on as usual. Each
//! sequence of choices stands in it once. It is visited level by level, so runs with fewer deviations come first: nearly
//! all errors take very few (Emmi, Qadeer and Rakamarić, "Delay-bounded scheduling", 2011), and what is found needs no
//! shrinking. The price is memory: the choices of the runs whose children were not visited yet. Nothing is pruned: that
//! two orders come to the same is not found out.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::report::{LINES_OF_ONE_RUN, Running};
use super::{Choices, Kinds, Made, Trace};

/// Runs `scenario` once for each sequence of choices that there is, at most `most` times. The first run is the ordinary
/// one, then come those that deviate from it in one choice, then in two: the first that fails is a smallest one.
///
/// The scenario builds its runtimes with (a clone of) these choices, and does nothing that does not follow from them.
/// They are asked for [`Kinds::ORDER`] and [`Kinds::PROGRAM`] only; [`Choices::only`] sets other kinds, and each of
/// them multiplies the runs. Of `n` tasks that are ready at once there are `n!` orders, turn by turn.
///
/// # Panics
/// With the first panic of the scenario; then standard error has its choices, as the line that
/// [replays](Choices::replay) them, and its last events if it records in [`Trace::current`]. If the scenario is not a
/// function of its choices, as far as one can see from what it may choose.
///
/// ```
/// use coracle::{Runtime, testing};
/// use std::{cell::RefCell, collections::BTreeSet, rc::Rc};
/// let mut orders = BTreeSet::new();
/// let explored = testing::explore(1000, |choices| {
///     let runtime = Runtime::builder().choices(choices.clone()).build();
///     let order = Rc::new(RefCell::new(String::new()));
///     let tasks = ["a", "b", "c"].map(|name| {
///         let order = order.clone();
///         runtime.spawn(async move { order.borrow_mut().push_str(name) })
///     });
///     runtime.turn(coracle::Budget::no_wait()).unwrap();
///     drop(tasks);
///     orders.insert(order.take());
/// });
/// assert_eq!((explored.runs, explored.complete), (6, true));
/// assert_eq!(orders.into_iter().collect::<Vec<_>>(), ["abc", "acb", "bac", "bca", "cab", "cba"]);
/// ```
pub fn explore(most: usize, mut scenario: impl FnMut(&Choices)) -> Explored {
    let mut runs = 0;
    let mut parents = VecDeque::new();
    let mut visit = |begin: Vec<Made>, parents: &mut VecDeque<Parent>| {
        let made = (runs < most).then(|| run_one(runs, &begin, &mut scenario));
        runs += usize::from(made.is_some());
        match made {
            Some(made) if made.len() > begin.len() => parents.push_back(Parent { own: begin.len(), made }),
            Some(_) => {}
            None => return false,
        }
        true
    };
    let mut complete = visit(Vec::new(), &mut parents);
    while let Some(parent) = parents.pop_front().filter(|_| complete) {
        complete = parent.children().all(|begin| visit(begin, &mut parents));
    }
    Explored { runs, complete }
}

/// A run whose children are to be visited.
struct Parent {
    made: Vec<Made>,
    /// So many of its choices are up to its last deviation; the others are ordinary.
    own: usize,
}

impl Parent {
    /// How each of them begins: it ends with the deviation.
    fn children(&self) -> impl Iterator<Item = Vec<Made>> + '_ {
        let places = self.own..self.made.len();
        let others = |place: usize| (1..self.made[place].options).map(move |chosen| (place, chosen));
        places.flat_map(others).map(|(place, chosen)| {
            let mut begin = self.made[..=place].to_vec();
            begin[place].chosen = chosen;
            begin
        })
    }
}

/// What it chose.
fn run_one(number: usize, begin: &[Made], scenario: &mut dyn FnMut(&Choices)) -> Vec<Made> {
    let list = begin.iter().map(|made| made.chosen);
    let choices = &Choices::replay(list).only(Kinds::ORDER | Kinds::PROGRAM);
    let running = Running::recorded(format!("run {number} of explore"), Trace::last(LINES_OF_ONE_RUN));
    running.choices(choices);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| scenario(choices))) {
        running.failed();
        resume_unwind(payload);
    }
    let made = choices.made();
    let same = |place: &usize| {
        made.get(*place).is_some_and(|made| made.kind == begin[*place].kind && made.options == begin[*place].options)
    };
    if let Some(place) = (0..begin.len()).find(|place| !same(place)) {
        panic!(
            "not a function of its choices: after the same {place} choices it had {}, and then {}",
            options(begin.get(place)),
            options(made.get(place)),
        );
    }
    made
}

fn options(made: Option<&Made>) -> String {
    made.map_or("no choice any more".to_owned(), |made| format!("{} options", made.options))
}

/// How much was [explored](explore); made by [`explore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explored {
    /// How many runs there were.
    pub runs: usize,
    /// Whether those are all that there are.
    pub complete: bool,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs, {}", self.runs, if self.complete { "all that there are" } else { "and there are more" })
    }
}
