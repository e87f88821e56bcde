//! The results: a table for each figure as it is done; lines for the table that decides; curves; JSON.

use super::row::{Figure, Kind, Row, Work};
use super::run::{RivalResult, RowResult};
use crate::json::Json;
use crate::line::{Better, Contestant, Goal, Line, Role, best_rival, number};
use crate::plot::{Plot, Series};
use crate::results::Findings;
use crate::stats::Spread;
use crate::table::Table;

pub fn print_row(result: &RowResult) {
    print!("{}", details(result));
}

/// Markdown: what the row is, and a table for each of its figures.
fn details(result: &RowResult) -> String {
    let mut text = format!("{}: {}\n\n", result.row.name, result.row.describe);
    for (index, figure) in result.row.figures.iter().enumerate() {
        let contestants = contestants(result, index);
        let best = best_rival(Better::Less, &contestants);
        let unit = format!("{}{}, {}", result.row.name, figure.ending, figure.unit);
        let mut table = Table::new([unit.as_str(), "median", "quartiles", "ratio to best rival", "quartiles"]);
        for one in &contestants {
            let Some(value) = Spread::of(one.samples.iter().copied()) else { continue };
            let ratio = best.and_then(|best| Spread::of_ratios(&one.samples, &best.samples));
            let ratio = ratio.filter(|ratio| ratio.median.is_finite());
            table.row([
                one.name.clone(),
                number(value.median),
                format!("{}..{}", number(value.low), number(value.high)),
                ratio.map_or("-".to_string(), |ratio| format!("{:.2}", ratio.median)),
                ratio.map_or("-".to_string(), |ratio| format!("{:.2}..{:.2}", ratio.low, ratio.high)),
            ]);
        }
        text += &table.render();
        text += "\n";
    }
    for rival in &result.rivals {
        if let Err(error) = &rival.samples {
            text += &format!("{} failed: {error}\n\n", rival.name);
        }
    }
    text
}

pub fn findings(results: &[RowResult]) -> Findings {
    let decisive = results.iter().filter(|result| result.row.kind != Kind::Scale);
    Findings {
        lines: decisive.clone().flat_map(lines).collect(),
        details: decisive.map(details).collect(),
        plots: plots(results),
        json: vec![("micro", results.iter().flat_map(json).collect())],
    }
}

/// One for each figure that has a goal.
fn lines(result: &RowResult) -> Vec<Line> {
    let row = result.row;
    let line = |(index, figure): (usize, &Figure)| {
        let name = format!("{}{}", row.name, figure.ending);
        let mut contestants = contestants(result, index);
        if let Some(rival) = figure.rival {
            contestants.retain(|one| one.role != Role::Rival || one.name == rival);
        }
        Line::judge(name, figure.unit, Better::Less, &contestants, figure.goal)
    };
    row.figures.iter().enumerate().filter(|(_, figure)| figure.goal != Goal::NONE).map(line).collect()
}

/// Who did the row and has its figure number `index` (a NaN says that there is no such thing).
/// A sleep that ends before its time, less than nothing late, is left out: it is none.
fn contestants(result: &RowResult, index: usize) -> Vec<Contestant> {
    let contestant = |rival: &RivalResult| {
        let samples: Vec<f64> = rival.samples.as_ref().ok()?.iter().map(|figures| figures[index]).collect();
        let exists = samples.iter().all(|figure| *figure >= 0.0);
        exists.then_some(Contestant { name: rival.name.to_string(), role: rival.role, samples })
    };
    result.rivals.iter().filter_map(contestant).collect()
}

/// The cost of one as their number grows: a curve for tasks, one for timers.
fn plots(results: &[RowResult]) -> Vec<Plot> {
    let curves: [(Work, Plot); 2] = [
        (
            Work::TasksAlive,
            Plot { name: "tasks", title: "Cost of a task, so many alive", x: "tasks", y: "ns", series: Vec::new() },
        ),
        (
            Work::TimersAlive,
            Plot { name: "timers", title: "Cost of a timer, so many alive", x: "timers", y: "ns", series: Vec::new() },
        ),
    ];
    let mut plots = Vec::new();
    for (work, mut plot) in curves {
        let points = results.iter().filter(|result| result.row.kind == Kind::Scale && result.row.work == work);
        for result in points {
            for contestant in contestants(result, 0) {
                let Some(cost) = Spread::of(contestant.samples) else { continue };
                add_point(&mut plot.series, &contestant.name, (result.row.count() as f64, cost.median));
            }
        }
        if !plot.series.is_empty() {
            plots.push(plot);
        }
    }
    plots
}

fn add_point(series: &mut Vec<Series>, name: &str, point: (f64, f64)) {
    match series.iter_mut().find(|one| one.name == name) {
        Some(one) => one.points.push(point),
        None => series.push(Series { name: name.to_string(), points: vec![point] }),
    }
}

fn json(result: &RowResult) -> Vec<Json> {
    let mut entries = Vec::new();
    for (index, figure) in result.row.figures.iter().enumerate() {
        let contestants = contestants(result, index);
        let best = best_rival(Better::Less, &contestants);
        for one in &contestants {
            entries.push(Json::Object(vec![
                ("row", format!("{}{}", result.row.name, figure.ending).as_str().into()),
                ("runtime", one.name.as_str().into()),
                ("unit", figure.unit.into()),
                ("figure", Spread::of(one.samples.iter().copied()).into()),
                ("ratio_to_best_rival", best.and_then(|best| Spread::of_ratios(&one.samples, &best.samples)).into()),
            ]));
        }
    }
    entries.extend(failures(result.row, &result.rivals));
    entries
}

fn failures(row: &Row, rivals: &[RivalResult]) -> Vec<Json> {
    let failure = |rival: &RivalResult| {
        let error = rival.samples.as_ref().err()?;
        Some(Json::Object(vec![
            ("row", row.name.into()),
            ("runtime", rival.name.into()),
            ("failure", error.as_str().into()),
        ]))
    };
    rivals.iter().filter_map(failure).collect()
}
