//! The results as tables, one a shape as it is done and one of all in the end; and as JSON.

use super::BASE;
use super::run::{Sample, ServerResult, ShapeResult};
use crate::json::Json;
use crate::stats::Spread;
use crate::table::Table;

pub fn print_shape(result: &ShapeResult) {
    println!("{}: {}\n", result.shape.name, result.shape.describe());
    let mut table = Table::new(["server", "CPU/request µs", "ratio to raw", "quartiles", "requests/s", "quartiles"]);
    for server in &result.servers {
        match Figures::of(server, result) {
            Some(figures) => table.row([
                server.name.to_string(),
                format!("{:.3}", figures.cpu.median / 1000.0),
                figures.ratio.map_or("-".to_string(), |ratio| format!("{:.3}", ratio.median)),
                figures.ratio.map_or("-".to_string(), |ratio| format!("{:.3}..{:.3}", ratio.low, ratio.high)),
                format!("{:.0}", figures.rate.median),
                format!("{:.0}..{:.0}", figures.rate.low, figures.rate.high),
            ]),
            None => table.row([server.name, "failed", "-", "-", "-", "-"]),
        }
    }
    table.print();
    for server in &result.servers {
        if let Err(error) = &server.samples {
            println!("{} failed: {error}", server.name);
        }
    }
    println!();
}

/// The ratios alone, a line for each server.
pub fn print_summary(results: &[ShapeResult]) {
    let Some(first) = results.first() else { return };
    println!("server CPU time per request, ratio to raw\n");
    let shapes = results.iter().map(|result| result.shape.name.as_str());
    let mut table = Table::new(["server"].into_iter().chain(shapes));
    for (index, server) in first.servers.iter().enumerate() {
        let ratios = results.iter().map(|result| {
            let ratio = Figures::of(&result.servers[index], result).and_then(|figures| figures.ratio);
            ratio.map_or("-".to_string(), |ratio| format!("{:.3}", ratio.median))
        });
        table.row([server.name.to_string()].into_iter().chain(ratios));
    }
    table.print();
    println!();
}

pub fn json(results: &[ShapeResult]) -> Json {
    let mut entries = Vec::new();
    for result in results {
        for server in &result.servers {
            let figures = Figures::of(server, result);
            entries.push(Json::Object(vec![
                ("shape", result.shape.name.as_str().into()),
                ("server", server.name.into()),
                ("cpu_ns_per_request", figures.as_ref().map(|figures| figures.cpu).into()),
                ("ratio_to_raw", figures.as_ref().and_then(|figures| figures.ratio).into()),
                ("requests_per_second", figures.as_ref().map(|figures| figures.rate).into()),
                ("failure", server.samples.as_ref().err().map(String::as_str).into()),
            ]));
        }
    }
    Json::List(entries)
}

/// What is said of one server under one shape.
struct Figures {
    cpu: Spread,
    rate: Spread,
    /// None if the base was not run.
    ratio: Option<Spread>,
}

impl Figures {
    fn of(server: &ServerResult, among: &ShapeResult) -> Option<Figures> {
        let cpu = cpu_samples(server)?;
        let base = among.servers.iter().find(|server| server.name == BASE).and_then(cpu_samples);
        let rates = server.samples.as_ref().ok()?.iter().map(|sample: &Sample| sample.requests_per_second);
        Some(Figures {
            rate: Spread::of(rates)?,
            ratio: base.and_then(|base| Spread::of_ratios(&cpu, &base)),
            cpu: Spread::of(cpu)?,
        })
    }
}

fn cpu_samples(server: &ServerResult) -> Option<Vec<f64>> {
    let samples = server.samples.as_ref().ok()?;
    Some(samples.iter().map(|sample| sample.cpu_ns_per_request).collect())
}
