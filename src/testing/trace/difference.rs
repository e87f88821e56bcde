//! [`Difference`]: where two traces part.

use std::fmt;

use super::{Record, Store};

/// So many lines before the difference are shown.
const BEFORE: usize = 8;

/// And so many after it, of each.
const AFTER: usize = 3;

/// The first line in which two traces differ; made by [`Trace::first_difference`](super::Trace::first_difference).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Which line it is, from 1.
    pub line: usize,
    /// What the one has there; `None` if it has ended.
    pub left: Option<String>,
    /// What the other has there.
    pub right: Option<String>,
    before: Vec<String>,
    after: [Vec<String>; 2],
}

/// All but the numbers of hosts, whose names are compared.
fn same(left: (&Store, &Record), right: (&Store, &Record)) -> bool {
    let ((left_store, left), (right_store, right)) = (left, right);
    left.time == right.time && left.event == right.event && left_store.host(left) == right_store.host(right)
}

pub(super) fn first(left: &Store, right: &Store) -> Option<Difference> {
    let begin = left.lost.max(right.lost);
    let end = (left.lost + left.records.len()).max(right.lost + right.records.len());
    let differs = |line: &usize| match (left.line(*line), right.line(*line)) {
        (Some(one), Some(other)) => !same((left, one), (right, other)),
        (one, other) => one.is_some() != other.is_some(),
    };
    let line = (begin..end).find(differs)?;
    let text = |store: &Store, line: usize| store.line(line).map(|record| store.text(record));
    let after = |store: &Store| (line + 1..).map_while(|line| text(store, line)).take(AFTER).collect();
    Some(Difference {
        line: line + 1,
        left: text(left, line),
        right: text(right, line),
        before: (line.saturating_sub(BEFORE).max(begin)..line).filter_map(|line| text(left, line)).collect(),
        after: [after(left), after(right)],
    })
}

impl Store {
    /// By its place among all that came, from 0.
    fn line(&self, line: usize) -> Option<&Record> {
        self.records.get(line.checked_sub(self.lost)?)
    }
}

/// Both lines and their surroundings.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "line {} differs", self.line)?;
        self.before.iter().try_for_each(|line| writeln!(f, "    {line}"))?;
        for (sign, line, after) in [('-', &self.left, &self.after[0]), ('+', &self.right, &self.after[1])] {
            writeln!(f, "  {sign} {}", line.as_deref().unwrap_or("(the end)"))?;
            after.iter().try_for_each(|line| writeln!(f, "  {sign} {line}"))?;
        }
        Ok(())
    }
}
