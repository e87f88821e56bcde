//! The results of shapes as tables, one a shape; and as JSON.

use super::run::{Results, Sample, ServerResult, ShapeResult};
use super::{BASE, lines};
use crate::json::Json;
use crate::plot::{Plot, Series};
use crate::results::Findings;
use crate::stats::Spread;
use crate::table::Table;

/// A shape's heading and table.
pub fn shape(result: &ShapeResult) -> String {
    let timed = result.servers.iter().any(|server| latencies(server, |it| it.p50).is_some());
    let mut heading = vec!["server", "CPU/request µs", "ratio to raw", "quartiles", "requests/s", "quartiles"];
    if timed {
        heading.extend(["p50 µs", "quartiles", "p99 µs"]);
    }
    let mut table = Table::new(heading.clone());
    for server in &result.servers {
        let mut cells = vec![server.name.to_string()];
        match Figures::of(server, result) {
            Some(figures) => cells.extend(figures.cells()),
            None => cells.push("failed".to_string()),
        }
        cells.resize(heading.len(), "-".to_string());
        table.row(cells);
    }
    let mut text = format!("{}: {}\n\n{}", result.shape.name, result.shape.describe(), table.render());
    for server in &result.servers {
        if let Err(error) = &server.samples {
            text += &format!("\n{} failed: {error}\n", server.name);
        }
    }
    text + "\n"
}

impl Results {
    pub fn findings(&self) -> Findings {
        Findings {
            lines: self.0.iter().flat_map(lines::of_shape).collect(),
            details: self.details(),
            plots: Vec::new(),
            json: vec![("echo", self.json())],
        }
    }

    /// Of shapes that differ in the number of connections alone.
    pub fn scale_findings(&self) -> Findings {
        let plot = Plot {
            name: "echo-connections",
            title: "Echo: server CPU time a request, by connections that are all busy",
            x: "connections",
            y: "µs",
            series: self.series(),
        };
        Findings {
            lines: lines::of_scale(&self.0),
            details: self.details(),
            plots: vec![plot],
            json: vec![("echo_scale", self.json())],
        }
    }

    /// A line through all shapes for each server.
    fn series(&self) -> Vec<Series> {
        let Some(first) = self.0.first() else { return Vec::new() };
        let names = first.servers.iter().map(|server| server.name);
        let point = |shape: &ShapeResult, name: &str| {
            let server = shape.servers.iter().find(|server| server.name == name)?;
            let cpu = Spread::of(cpu_samples(server)?)?;
            Some((shape.shape.connections as f64, cpu.median / 1000.0))
        };
        let series = |name: &str| Series {
            name: name.to_string(),
            points: self.0.iter().filter_map(|shape| point(shape, name)).collect(),
        };
        names.map(series).collect()
    }

    fn details(&self) -> String {
        self.0.iter().map(shape).collect()
    }

    fn json(&self) -> Json {
        let mut entries = Vec::new();
        for result in &self.0 {
            for server in &result.servers {
                let figures = Figures::of(server, result);
                let figures = figures.as_ref();
                entries.push(Json::Object(vec![
                    ("shape", result.shape.name.as_str().into()),
                    ("server", server.name.into()),
                    ("cpu_ns_per_request", figures.map(|figures| figures.cpu).into()),
                    ("ratio_to_raw", figures.and_then(|figures| figures.ratio).into()),
                    ("requests_per_second", figures.map(|figures| figures.rate).into()),
                    ("latency_p50_us", figures.and_then(|figures| figures.p50).into()),
                    ("latency_p99_us", figures.and_then(|figures| figures.p99).into()),
                    ("failure", server.samples.as_ref().err().map(String::as_str).into()),
                ]));
            }
        }
        Json::List(entries)
    }
}

/// What is said of one server under one shape.
struct Figures {
    cpu: Spread,
    rate: Spread,
    /// None if the base was not run.
    ratio: Option<Spread>,
    p50: Option<Spread>,
    p99: Option<Spread>,
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
            p50: latencies(server, |it| it.p50),
            p99: latencies(server, |it| it.p99),
        })
    }

    fn cells(&self) -> Vec<String> {
        let rate = self.rate;
        let mut cells = vec![
            format!("{:.3}", self.cpu.median / 1000.0),
            self.ratio.map_or("-".to_string(), |ratio| format!("{:.3}", ratio.median)),
            self.ratio.map_or("-".to_string(), |ratio| format!("{:.3}..{:.3}", ratio.low, ratio.high)),
            format!("{:.0}", rate.median),
            format!("{:.0}..{:.0}", rate.low, rate.high),
        ];
        if let (Some(p50), Some(p99)) = (self.p50, self.p99) {
            cells.push(format!("{:.2}", p50.median));
            cells.push(format!("{:.2}..{:.2}", p50.low, p50.high));
            cells.push(format!("{:.1}", p99.median));
        }
        cells
    }
}

fn cpu_samples(server: &ServerResult) -> Option<Vec<f64>> {
    let samples = server.samples.as_ref().ok()?;
    Some(samples.iter().map(|sample| sample.cpu_ns_per_request).collect())
}

fn latencies(server: &ServerResult, figure: impl Fn(super::ping::Latency) -> f64) -> Option<Spread> {
    let samples = server.samples.as_ref().ok()?;
    Spread::of(samples.iter().filter_map(|sample| sample.latency).map(figure))
}
