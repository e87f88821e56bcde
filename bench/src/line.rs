//! One line of the table that decides: a row, its limit, the best rival, ours, and whether the goal is reached.
//!
//! Both benchmarks hand their samples to `Line::judge` in the same form, so that one rule judges all. A ratio above 1
//! always means that ours is worse, also where more is better.

use crate::json::Json;
use crate::stats::Spread;
use crate::table::Table;

/// What one contestant of a row is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The least that is possible: no rival.
    Limit,
    Ours,
    Rival,
}

/// One contestant's samples, in the order of the rounds; all contestants of a row have as many.
#[derive(Clone, Debug)]
pub struct Contestant {
    pub name: String,
    pub role: Role,
    pub samples: Vec<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    Less,
    More,
}

/// What ours must reach; where several are given, all of them. Without any, the row is for information.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Goal {
    /// So many times the limit at most.
    pub to_limit: Option<f64>,
    /// So many times the best rival at most.
    pub to_best: Option<f64>,
    /// So much at most, in the row's own unit (for a row where more is better: at least).
    pub absolute: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    Reached,
    /// The median misses the goal, the better quartile does not: this run does not tell.
    WithinSpread,
    Missed,
    /// No goal, or what it refers to was not run.
    Open,
}

/// A contestant's name and what it came to.
#[derive(Clone, Debug)]
pub struct Figure {
    pub name: String,
    pub spread: Spread,
}

#[derive(Clone, Debug)]
pub struct Line {
    pub row: String,
    pub unit: &'static str,
    pub better: Better,
    pub limit: Option<Figure>,
    pub best: Option<Figure>,
    pub ours: Option<Figure>,
    pub to_limit: Option<Spread>,
    pub to_best: Option<Spread>,
    pub goal: Goal,
    pub verdict: Verdict,
}

impl Goal {
    pub const NONE: Goal = Goal { to_limit: None, to_best: None, absolute: None };

    pub const fn to_limit(factor: f64) -> Goal {
        Goal { to_limit: Some(factor), ..Goal::NONE }
    }

    pub const fn to_best(factor: f64) -> Goal {
        Goal { to_best: Some(factor), ..Goal::NONE }
    }

    pub const fn absolute(value: f64) -> Goal {
        Goal { absolute: Some(value), ..Goal::NONE }
    }

    pub const fn and_to_best(self, factor: f64) -> Goal {
        Goal { to_best: Some(factor), ..self }
    }

    /// "≤ 1.02 limit, ≤ 1 best".
    fn describe(&self, better: Better) -> String {
        let sign = if better == Better::Less { "≤" } else { "≥" };
        let parts = [
            self.to_limit.map(|factor| format!("≤ {factor} × limit")),
            self.to_best.map(|factor| format!("≤ {factor} × best")),
            self.absolute.map(|value| format!("{sign} {}", number(value))),
        ];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        if text.is_empty() { "-".to_string() } else { text }
    }
}

impl Verdict {
    pub fn describe(self) -> &'static str {
        match self {
            Verdict::Reached => "yes",
            Verdict::WithinSpread => "within spread",
            Verdict::Missed => "NO",
            Verdict::Open => "-",
        }
    }

    /// Is `spread` at most `most`?
    fn of(spread: Spread, most: f64) -> Verdict {
        // A figure that stands as 1.020 in the table is no miss.
        let most = most + 0.0005;
        match spread {
            Spread { median, .. } if median <= most => Verdict::Reached,
            Spread { low, .. } if low <= most => Verdict::WithinSpread,
            _ => Verdict::Missed,
        }
    }
}

impl Line {
    /// Finds limit, best rival and ours among the contestants, and judges. The first of a role that occurs twice
    /// counts, but for rivals, of which the best does.
    pub fn judge(
        row: impl Into<String>,
        unit: &'static str,
        better: Better,
        contestants: &[Contestant],
        goal: Goal,
    ) -> Line {
        let first = |role| contestants.iter().find(|it| it.role == role && !it.samples.is_empty());
        let (limit, ours, best) = (first(Role::Limit), first(Role::Ours), best_rival(better, contestants));
        let ratio = |base: Option<&Contestant>| match (ours, base, better) {
            (Some(ours), Some(base), Better::Less) => Spread::of_ratios(&ours.samples, &base.samples),
            (Some(ours), Some(base), Better::More) => Spread::of_ratios(&base.samples, &ours.samples),
            _ => None,
        };
        let mut line = Line {
            row: row.into(),
            unit,
            better,
            limit: limit.and_then(Figure::of),
            best: best.and_then(Figure::of),
            ours: ours.and_then(Figure::of),
            to_limit: ratio(limit),
            to_best: ratio(best),
            goal,
            verdict: Verdict::Open,
        };
        line.verdict = line.verdict();
        line
    }

    /// The worst of what the parts of the goal say; open if one of them cannot be said.
    fn verdict(&self) -> Verdict {
        let mut worst = None;
        let mut add = |verdict: Verdict| worst = worst.max(Some(verdict));
        let ratio = |spread: Option<Spread>, most| spread.map_or(Verdict::Open, |spread| Verdict::of(spread, most));
        if let Some(most) = self.goal.to_limit {
            add(ratio(self.to_limit, most));
        }
        if let Some(most) = self.goal.to_best {
            add(ratio(self.to_best, most));
        }
        if let Some(value) = self.goal.absolute {
            // As a ratio, so that one rule serves both directions.
            let of_goal = self.ours.as_ref().map(|ours| match self.better {
                Better::Less => ours.spread.map(|figure| figure / value),
                Better::More => ours.spread.map(|figure| value / figure),
            });
            add(ratio(of_goal, 1.0));
        }
        worst.unwrap_or(Verdict::Open)
    }

    pub fn json(&self) -> Json {
        let figure = |figure: &Option<Figure>| match figure {
            Some(figure) => Json::Object(vec![("name", figure.name.as_str().into()), ("figure", figure.spread.into())]),
            None => Json::Null,
        };
        Json::Object(vec![
            ("row", self.row.as_str().into()),
            ("unit", self.unit.into()),
            ("limit", figure(&self.limit)),
            ("best_rival", figure(&self.best)),
            ("ours", figure(&self.ours)),
            ("ratio_to_limit", self.to_limit.into()),
            ("ratio_to_best_rival", self.to_best.into()),
            ("goal", self.goal.describe(self.better).as_str().into()),
            ("reached", self.verdict.describe().into()),
        ])
    }
}

impl Figure {
    fn of(contestant: &Contestant) -> Option<Figure> {
        let spread = Spread::of(contestant.samples.iter().copied())?;
        Some(Figure { name: contestant.name.clone(), spread })
    }

    fn describe(figure: &Option<Figure>, with_name: bool) -> String {
        match figure {
            Some(figure) if with_name => format!("{} {}", figure.name, number(figure.spread.median)),
            Some(figure) => number(figure.spread.median),
            None => "-".to_string(),
        }
    }
}

/// The rival with the best median.
pub fn best_rival(better: Better, contestants: &[Contestant]) -> Option<&Contestant> {
    let rivals = contestants.iter().filter(|it| it.role == Role::Rival);
    let medians = rivals.filter_map(|it| Some((it, Spread::of(it.samples.iter().copied())?.median)));
    let best = match better {
        Better::Less => medians.min_by(|(_, one), (_, other)| one.total_cmp(other)),
        Better::More => medians.max_by(|(_, one), (_, other)| one.total_cmp(other)),
    };
    best.map(|(rival, _)| rival)
}

/// All lines as one table.
pub fn table(lines: &[Line]) -> Table {
    let heading = ["row", "unit", "limit", "best rival", "ours", "to best", "to limit", "quartiles", "goal", "reached"];
    let mut table = Table::new(heading);
    let ratio = |spread: Option<Spread>| spread.map_or("-".to_string(), |spread| format!("{:.3}", spread.median));
    for line in lines {
        // The quartiles of the ratio that the goal is about.
        let told = if line.goal.to_limit.is_some() { line.to_limit } else { line.to_best };
        table.row([
            line.row.clone(),
            line.unit.to_string(),
            Figure::describe(&line.limit, false),
            Figure::describe(&line.best, true),
            Figure::describe(&line.ours, false),
            ratio(line.to_best),
            ratio(line.to_limit),
            told.map_or("-".to_string(), |spread| format!("{:.3}..{:.3}", spread.low, spread.high)),
            line.goal.describe(line.better),
            line.verdict.describe().to_string(),
        ]);
    }
    table
}

/// Three digits that count, thousands apart.
pub fn number(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        less if less < 10.0 => 2,
        less if less < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let whole = text.len() - if decimals > 0 { decimals + 1 } else { 0 };
    let mut apart = String::new();
    for (index, character) in text.chars().enumerate() {
        if index > 0 && index < whole && (whole - index) % 3 == 0 && !apart.ends_with('-') {
            apart.push(',');
        }
        apart.push(character);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contestants(figures: [(&str, Role, f64); 4]) -> Vec<Contestant> {
        let all = figures.into_iter();
        all.map(|(name, role, figure)| Contestant { name: name.to_string(), role, samples: vec![figure; 3] }).collect()
    }

    fn four() -> Vec<Contestant> {
        contestants([
            ("raw", Role::Limit, 100.0),
            ("coracle", Role::Ours, 104.0),
            ("slow", Role::Rival, 200.0),
            ("quick", Role::Rival, 110.0),
        ])
    }

    #[test]
    fn the_best_rival_is_the_quickest_where_less_is_better_and_the_other_where_more_is() {
        assert_eq!(best_rival(Better::Less, &four()).unwrap().name, "quick");
        assert_eq!(best_rival(Better::More, &four()).unwrap().name, "slow");
    }

    #[test]
    fn each_part_of_a_goal_is_judged() {
        let judge = |goal| Line::judge("row", "ns", Better::Less, &four(), goal).verdict;
        assert_eq!(judge(Goal::to_limit(1.05).and_to_best(1.0)), Verdict::Reached);
        assert_eq!(judge(Goal::to_limit(1.02).and_to_best(1.0)), Verdict::Missed);
        assert_eq!(judge(Goal::to_best(0.6)), Verdict::Missed);
        assert_eq!(judge(Goal::absolute(104.0)), Verdict::Reached);
        assert_eq!(judge(Goal::NONE), Verdict::Open);
    }

    #[test]
    fn a_rate_below_is_a_ratio_above_one() {
        let line = Line::judge("row", "req/s", Better::More, &four(), Goal::absolute(100.0));
        assert_eq!(line.verdict, Verdict::Reached);
        assert!(line.to_best.unwrap().median > 1.9 && line.to_limit.unwrap().median < 1.0);
    }

    #[test]
    fn a_goal_between_the_quartiles_is_neither_reached_nor_missed() {
        let mut all = four();
        all[1].samples = vec![90.0, 104.0, 110.0];
        assert_eq!(Line::judge("row", "ns", Better::Less, &all, Goal::to_limit(1.0)).verdict, Verdict::WithinSpread);
    }

    #[test]
    fn without_what_a_goal_refers_to_it_is_open() {
        let ours = &four()[1..2];
        assert_eq!(Line::judge("row", "ns", Better::Less, ours, Goal::to_limit(1.0)).verdict, Verdict::Open);
    }

    #[test]
    fn numbers_have_three_digits_and_thousands_apart() {
        let shown = [0.0, 0.327, 12.34, 345.6, 49_700.0, 1_234_567.0].map(number);
        assert_eq!(shown, ["0", "0.33", "12.3", "346", "49,700", "1,234,567"]);
    }
}
