//! The results as tables, one a row as it is done and one of all in the end; and as JSON.

use super::NO_RIVALS;
use super::run::{RivalResult, RowResult};
use crate::json::Json;
use crate::stats::Spread;
use crate::table::Table;

pub fn print_row(result: &RowResult) {
    println!("{}: {}\n", result.row.name(), result.row.describe());
    let best = best_rival(result);
    let mut table = Table::new(["runtime", "ns", "quartiles", "ratio to best rival", "quartiles"]);
    for rival in &result.rivals {
        let time = time(rival);
        let ratio = ratio(rival, best);
        table.row([
            rival.name.to_string(),
            time.map_or("failed".to_string(), |time| format!("{:.1}", time.median)),
            time.map_or("-".to_string(), |time| format!("{:.1}..{:.1}", time.low, time.high)),
            ratio.map_or("-".to_string(), |ratio| format!("{:.2}", ratio.median)),
            ratio.map_or("-".to_string(), |ratio| format!("{:.2}..{:.2}", ratio.low, ratio.high)),
        ]);
    }
    table.print();
    for rival in &result.rivals {
        if let Err(error) = &rival.samples {
            println!("{} failed: {error}", rival.name);
        }
    }
    println!();
}

/// The times alone: a line for each row, a column for each runtime.
pub fn print_summary(results: &[RowResult]) {
    let mut names: Vec<&str> = Vec::new();
    for rival in results.iter().flat_map(|result| &result.rivals) {
        if !names.contains(&rival.name) {
            names.push(rival.name);
        }
    }
    println!("ns an operation (ratio to the best rival)\n");
    let mut table = Table::new(["row"].into_iter().chain(names.iter().copied()));
    for result in results {
        let best = best_rival(result);
        let cell = |name: &&str| {
            let rival = result.rivals.iter().find(|rival| rival.name == *name);
            match rival.and_then(|rival| Some((time(rival)?, ratio(rival, best)))) {
                Some((time, Some(ratio))) => format!("{:.1} ({:.2})", time.median, ratio.median),
                Some((time, None)) => format!("{:.1}", time.median),
                None => "-".to_string(),
            }
        };
        table.row([result.row.name().to_string()].into_iter().chain(names.iter().map(cell)));
    }
    table.print();
    println!();
}

pub fn json(results: &[RowResult]) -> Json {
    let mut entries = Vec::new();
    for result in results {
        let best = best_rival(result);
        for rival in &result.rivals {
            entries.push(Json::Object(vec![
                ("row", result.row.name().into()),
                ("runtime", rival.name.into()),
                ("ns", time(rival).into()),
                ("ratio_to_best_rival", ratio(rival, best).into()),
                ("failure", rival.samples.as_ref().err().map(String::as_str).into()),
            ]));
        }
    }
    Json::List(entries)
}

fn time(rival: &RivalResult) -> Option<Spread> {
    Spread::of(rival.samples.as_ref().ok()?.iter().copied())
}

fn ratio(rival: &RivalResult, best: Option<&RivalResult>) -> Option<Spread> {
    Spread::of_ratios(rival.samples.as_ref().ok()?, best?.samples.as_ref().ok()?)
}

/// The rival with the least median; None if only the limit and we took part.
fn best_rival(result: &RowResult) -> Option<&RivalResult> {
    let rivals = result.rivals.iter().filter(|rival| !NO_RIVALS.contains(&rival.name));
    let timed = rivals.filter_map(|rival| Some((rival, time(rival)?.median)));
    timed.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(rival, _)| rival)
}
