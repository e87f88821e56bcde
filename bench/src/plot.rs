//! A plot as SVG: some series of points over two logarithmic axes. No library, no style sheet, readable anywhere.
//!
//! Both axes are logarithmic since what is plotted spans decades; a cost that does not grow is a level line, and a
//! factor between two contestants the same distance everywhere.

use std::fmt::Write;

pub struct Plot {
    /// Also the name of its file, without `.svg`.
    pub name: &'static str,
    pub title: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: String,
    /// Both above 0; others are left out.
    pub points: Vec<(f64, f64)>,
}

/// Sizes in pixels: the picture, and the margins that hold what is written beside it.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 52.0;

/// Colours that the colour-blind tell apart too (Okabe and Ito, 2008), then greys.
const COLOURS: [&str; 9] =
    ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777", "#aaaaaa"];

impl Plot {
    pub fn render(&self) -> String {
        let points =
            || self.series.iter().flat_map(|series| series.points.iter().filter(|it| it.0 > 0.0 && it.1 > 0.0));
        let x = Axis::around(points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = Axis::around(points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut svg, (LEFT, 22.0), "start", &format!("<tspan font-size=\"14\">{}</tspan>", escaped(self.title)));
        text(&mut svg, ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0), "middle", &escaped(self.x));
        text(&mut svg, (LEFT, TOP - 4.0), "end", &escaped(self.y));
        for tick in x.ticks() {
            line(&mut svg, (x.place(tick), TOP), (x.place(tick), HEIGHT - BOTTOM));
            text(&mut svg, (x.place(tick), HEIGHT - BOTTOM + 16.0), "middle", &short(tick));
        }
        for tick in y.ticks() {
            line(&mut svg, (LEFT, y.place(tick)), (WIDTH - RIGHT, y.place(tick)));
            text(&mut svg, (LEFT - 6.0, y.place(tick) + 4.0), "end", &short(tick));
        }
        for (index, series) in self.series.iter().enumerate() {
            self.draw(&mut svg, series, index, &x, &y);
        }
        svg + "</svg>\n"
    }

    /// One series: a line, a dot for each point, and its name in the legend.
    fn draw(&self, svg: &mut String, series: &Series, index: usize, x: &Axis, y: &Axis) {
        let colour = COLOURS[index % COLOURS.len()];
        let points = series.points.iter().filter(|it| it.0 > 0.0 && it.1 > 0.0);
        let places: Vec<(f64, f64)> = points.map(|point| (x.place(point.0), y.place(point.1))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (x, y) in places {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
        }
        let (left, top) = (WIDTH - RIGHT + 14.0, TOP + 10.0 + 18.0 * index as f64);
        let _ = writeln!(svg, "<circle cx=\"{left}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>", top - 4.0);
        text(svg, (left + 10.0, top), "start", &escaped(&series.name));
    }
}

/// A logarithmic axis from `from` to `to`, drawn between two places.
struct Axis {
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// One that holds all values, and a little around them.
    fn around(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Axis {
        let (mut from, mut to) = (f64::MAX, f64::MIN_POSITIVE);
        for value in values {
            (from, to) = (from.min(value), to.max(value));
        }
        if from > to {
            (from, to) = (1.0, 10.0);
        }
        Axis { from: from / 1.3, to: to * 1.3, begin, end }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value / self.from).ln() / (self.to / self.from).ln();
        self.begin + share * (self.end - self.begin)
    }

    /// 1, 2 and 5 of each decade; the powers of ten alone where there are many.
    fn ticks(&self) -> Vec<f64> {
        let decades = (self.to / self.from).log10();
        let steps: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let first = self.from.log10().floor() as i32;
        let last = self.to.log10().ceil() as i32;
        let all = (first..=last).flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
        all.filter(|tick| (self.from..=self.to).contains(tick)).collect()
    }
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// `content` is SVG already.
fn text(svg: &mut String, at: (f64, f64), anchor: &str, content: &str) {
    let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{content}</text>", at.0, at.1);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// 1k, 10M, 0.5.
fn short(value: f64) -> String {
    match value {
        many if many >= 1e6 => format!("{}M", many / 1e6),
        many if many >= 1e3 => format!("{}k", many / 1e3),
        few if few >= 1.0 => format!("{few}"),
        less => format!("{less:.3}").trim_end_matches('0').to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, Plot, Series, short};

    #[test]
    fn a_factor_is_the_same_distance_everywhere() {
        let axis = Axis { from: 1.0, to: 10_000.0, begin: 0.0, end: 400.0 };
        assert_eq!([1.0, 10.0, 100.0, 10_000.0].map(|value| axis.place(value).round()), [0.0, 100.0, 200.0, 400.0]);
        assert_eq!(axis.ticks(), [1.0, 10.0, 100.0, 1000.0, 10_000.0]);
    }

    #[test]
    fn every_point_is_drawn_and_names_are_escaped() {
        let points = vec![(10.0, 1.0), (100.0, 2.0), (0.0, 5.0)];
        let series = vec![Series { name: "a<b".to_string(), points }];
        let svg = Plot { name: "p", title: "t", x: "x", y: "y", series }.render();
        // Two points (the third has no logarithm) and the legend's.
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b") && !svg.contains("NaN"));
    }

    #[test]
    fn a_plot_of_nothing_is_still_a_plot() {
        let svg = Plot { name: "p", title: "t", x: "x", y: "y", series: Vec::new() }.render();
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn ticks_are_written_short() {
        assert_eq!([0.5, 1.0, 200.0, 5000.0, 1e7].map(short), ["0.5", "1", "200", "5k", "10M"]);
    }
}
