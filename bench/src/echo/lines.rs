//! What ours must reach, row by row; and the lines of the table that say whether it does.

use super::role;
use super::run::{Sample, ShapeResult};
use super::shape::{Load, Mode};
use crate::line::{Better, Contestant, Goal, Line};

/// As the limit, but for a fiftieth; and no rival may be better than ours by more than these rows can tell.
const AS_RAW: Goal = Goal::to_limit(1.02).and_to_best(1.03);

/// A figure of each sample, and what it is.
struct Measure {
    /// After the row's name.
    name: &'static str,
    unit: &'static str,
    better: Better,
    of: fn(&Sample) -> f64,
}

const CPU: Measure =
    Measure { name: "CPU a request", unit: "µs", better: Better::Less, of: |it| it.cpu_ns_per_request / 1000.0 };
const RATE: Measure = Measure { name: "rate", unit: "req/s", better: Better::More, of: |it| it.requests_per_second };
const P50: Measure =
    Measure { name: "p50", unit: "µs", better: Better::Less, of: |it| it.latency.map_or(f64::NAN, |it| it.p50) };

/// The lines that a shape is good for.
pub fn of_shape(result: &ShapeResult) -> Vec<Line> {
    match (result.shape.load, result.shape.mode) {
        (Load::Steady { .. }, Mode::Bulk) => {
            vec![line(result, CPU, AS_RAW), line(result, RATE, Goal::to_best(1.0))]
        }
        (Load::Steady { .. } | Load::Churn, _) => vec![line(result, CPU, AS_RAW)],
        (Load::Ping { .. }, Mode::Spin) => {
            vec![line(result, P50, Goal::to_limit(1.05)), line(result, RATE, Goal::to_limit(1.05))]
        }
        (Load::Ping { .. }, _) => {
            vec![line(result, P50, Goal::to_limit(1.02)), line(result, RATE, Goal::to_limit(1.02))]
        }
    }
}

fn line(result: &ShapeResult, measure: Measure, goal: Goal) -> Line {
    let row = format!("{}: {}", result.shape.name, measure.name);
    Line::judge(row, measure.unit, measure.better, &contestants(result, measure.of), goal)
}

/// How much more an event costs with the most connections than with the fewest: what does not grow is 1. The limit
/// grows as well, by what the kernel and the caches make of so many sockets.
pub fn of_scale(results: &[ShapeResult]) -> Vec<Line> {
    let (Some(fewest), Some(most)) = (results.first(), results.last()) else { return Vec::new() };
    let mut growth = contestants(most, CPU.of);
    for (contestant, base) in growth.iter_mut().zip(contestants(fewest, CPU.of)) {
        for (sample, base) in contestant.samples.iter_mut().zip(base.samples) {
            *sample /= base;
        }
    }
    let row = format!("scale: growth of a request's cost, {} → {}", fewest.shape.connections, most.shape.connections);
    let mut lines = vec![Line::judge(row, "×", Better::Less, &growth, Goal::to_limit(1.05))];
    lines.extend(results.iter().map(|result| line(result, CPU, Goal::to_limit(1.02))));
    lines
}

/// One for each server, without samples if it failed.
fn contestants(result: &ShapeResult, figure: fn(&Sample) -> f64) -> Vec<Contestant> {
    let contestant = |server: &super::run::ServerResult| Contestant {
        name: server.name.to_string(),
        role: role(server.name),
        samples: server.samples.iter().flatten().map(figure).collect(),
    };
    result.servers.iter().map(contestant).collect()
}
