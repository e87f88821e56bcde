//! What a run found, and the files that say it: `RESULTS.md`, `results.json` and `plots/*.svg` in one folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::json::Json;
use crate::line::{self, Line};
use crate::plot::Plot;
use crate::versions;

/// What one part of the benchmark hands back.
#[derive(Default)]
pub struct Findings {
    /// Lines of the table that decides.
    pub lines: Vec<Line>,
    /// Markdown: a table for each row, with all contestants.
    pub details: String,
    pub plots: Vec<Plot>,
    /// Fields of the JSON: a name and what stands under it.
    pub json: Vec<(&'static str, Json)>,
}

impl Findings {
    pub fn add(&mut self, other: Findings) {
        self.lines.extend(other.lines);
        self.details += &other.details;
        self.plots.extend(other.plots);
        self.json.extend(other.json);
    }

    pub fn json(&self) -> Json {
        let mut fields = vec![("machine", versions::describe().as_str().into())];
        fields.push(("lines", self.lines.iter().map(Line::json).collect()));
        fields.extend(self.json.iter().map(|(name, json)| (*name, json.clone())));
        Json::Object(fields)
    }

    /// Writes all files into `folder`, which is made if it is not there. `conditions` are one paragraph on the run.
    pub fn write(&self, folder: &Path, conditions: &str) -> io::Result<()> {
        let plots = folder.join("plots");
        fs::create_dir_all(&plots).map_err(|error| named(&plots, error))?;
        write(folder.join("RESULTS.md"), &self.markdown(conditions))?;
        for plot in &self.plots {
            write(plots.join(plot.name).with_extension("svg"), &plot.render())?;
        }
        write(folder.join("results.json"), &format!("{}\n", self.json()))
    }

    fn markdown(&self, conditions: &str) -> String {
        let mut text = format!(
            "# Results\n\nWritten by `coracle-bench`, not by hand; README.md says what each row measures and how to read \
             the spread.\n\n{}\n\n{conditions}\n\n",
            versions::describe()
        );
        text +=
            "A ratio above 1 means that ours is worse. *Quartiles* are those of the ratio that the goal is about.\n\n";
        text += &line::table(&self.lines).render();
        text += "\n";
        for plot in &self.plots {
            text += &format!("![{}](plots/{}.svg)\n\n", plot.title, plot.name);
        }
        if !self.details.is_empty() {
            text += &format!("## Row by row\n\n{}", self.details);
        }
        text.trim_end().to_string() + "\n"
    }
}

fn write(path: PathBuf, text: &str) -> io::Result<()> {
    fs::write(&path, text).map_err(|error| named(&path, error))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::Findings;
    use crate::line::{Better, Contestant, Goal, Line, Role};
    use crate::plot::Plot;

    #[test]
    fn a_folder_gets_the_table_the_figures_and_each_plot() {
        let ours = Contestant { name: "coracle".to_string(), role: Role::Ours, samples: vec![3.0] };
        let line = Line::judge("a row", "ns", Better::Less, &[ours], Goal::absolute(4.0));
        let plot = Plot { name: "a-plot", title: "A plot", x: "x", y: "y", series: Vec::new() };
        let findings = Findings { lines: vec![line], plots: vec![plot], ..Findings::default() };
        let folder = std::env::temp_dir().join(format!("coracle-bench-results-{}", std::process::id()));
        findings.write(&folder, "One round.").unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let (results, json, plot) = (read("RESULTS.md"), read("results.json"), read("plots/a-plot.svg"));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(results.contains("| a row |   ns |") && results.contains("| ≤ 4.00 |     yes |"), "{results}");
        assert!(results.contains("One round.") && results.contains("(plots/a-plot.svg)"), "{results}");
        assert!(json.contains(r#""row":"a row","unit":"ns""#), "{json}");
        assert!(plot.starts_with("<svg"));
    }
}
