//! Lines over time, with their axes and what they stand for.

use super::{Frame, MARGIN, Series, Span, fitting, units, width_of};

/// Grafana's own colours, a little darker, for they stand on white.
const COLOURS: [&str; 10] = [
    "#56a64b", "#e0b400", "#3274d9", "#ff780a", "#e02f44", "#a352cc", "#37872d", "#0f8a8a", "#8f3bb8",
    "#b8860b",
];
/// The height of the title and of a line of the legend.
const TITLE: f64 = 30.0;
const LEGEND: f64 = 17.0;
/// What the numbers of the axes need.
const AXES: (f64, f64) = (62.0, 24.0);

/// Where the lines are.
struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    most: f64,
    seconds: f64,
}

impl Plot {
    fn at(&self, (second, value): (f64, f64)) -> (f64, f64) {
        let x = self.left + (self.right - self.left) * second / self.seconds;
        (x, self.bottom - (self.bottom - self.top) * (value.max(0.0) / self.most))
    }
}

/// The lines, the axes and the legend of a panel.
pub fn drawn(series: &[Series], frame: Frame, unit: &str, span: &Span) -> String {
    if series.is_empty() {
        return frame.text((frame.width / 2.0, frame.height / 2.0), "n m", "No data");
    }
    let legend = legend(series, frame);
    let highest = series.iter().flat_map(|one| &one.points).map(|(_, value)| *value).fold(0.0, f64::max);
    let step = units::step(if highest > 0.0 { highest } else { 1.0 }, unit);
    let plot = Plot {
        left: frame.x + AXES.0,
        right: frame.x + frame.width - MARGIN,
        top: frame.y + TITLE + 4.0,
        bottom: frame.y + frame.height - AXES.1 - legend.len() as f64 * LEGEND - 4.0,
        most: (highest / step).ceil().max(1.0) * step,
        seconds: span.to - span.from,
    };
    let mut svg = axes(&plot, step, unit);
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        svg += &line(&plot, &one.points, span.step, colour);
    }
    for (nth, row) in legend.iter().enumerate() {
        let y = frame.height - (legend.len() - nth) as f64 * LEGEND + 6.0;
        for (x, colour, text) in row {
            let (left, middle) = (frame.x + x, frame.y + y - 4.0);
            svg += &format!(
                "<rect x=\"{left:.0}\" y=\"{:.0}\" width=\"14\" height=\"4\" rx=\"2\" fill=\"{colour}\"/>\n",
                middle - 2.0
            );
            svg += &frame.text((x + 19.0, y), "l", text);
        }
    }
    svg
}

/// The names of the lines, in rows.
fn legend(series: &[Series], frame: Frame) -> Vec<Vec<(f64, &'static str, String)>> {
    let mut rows = vec![Vec::new()];
    let mut x = MARGIN;
    for (one, colour) in series.iter().zip(COLOURS.iter().cycle()) {
        let text = fitting(&one.legend, 11.0, frame.width - 2.0 * MARGIN - 19.0);
        let width = 19.0 + width_of(&text, 11.0) + 12.0;
        if x + width > frame.width - MARGIN + 12.0 && x > MARGIN {
            rows.push(Vec::new());
            x = MARGIN;
        }
        rows.last_mut().unwrap().push((x, *colour, text));
        x += width;
    }
    rows
}

fn axes(plot: &Plot, step: f64, unit: &str) -> String {
    let mut svg = String::new();
    let Plot { left, right, top, bottom, most, seconds } = *plot;
    for nth in 0..=(most / step).round() as usize {
        let value = nth as f64 * step;
        let (_, y) = plot.at((0.0, value));
        svg += &format!("<path d=\"M{left:.0} {y:.0}H{right:.0}\" stroke=\"#e4e5e6\"/>\n");
        let number = units::shown(value, unit);
        svg += &format!("<text x=\"{:.0}\" y=\"{:.0}\" class=\"a e\">{number}</text>\n", left - 5.0, y + 3.5);
    }
    for minute in 0..=(seconds / 60.0) as usize {
        let (x, _) = plot.at((minute as f64 * 60.0, 0.0));
        svg += &format!("<path d=\"M{x:.0} {top:.0}V{bottom:.0}\" stroke=\"#e4e5e6\"/>\n");
        svg += &format!("<text x=\"{x:.0}\" y=\"{:.0}\" class=\"a m\">{minute}:00</text>\n", bottom + 14.0);
    }
    svg
}

/// A line with a lighter area below it, with a gap where there are no values.
fn line(plot: &Plot, points: &[(f64, f64)], step: f64, colour: &str) -> String {
    let mut svg = String::new();
    for part in points.chunk_by(|(one, _), (two, _)| two - one < 1.5 * step) {
        // What is between two equal values is on the same line.
        let is_level = |at: usize| part[at - 1].1 == part[at].1 && part[at].1 == part[at + 1].1;
        let last = part.len() - 1;
        let places =
            (0..=last).filter(|at| [0, last].contains(at) || !is_level(*at)).map(|at| plot.at(part[at]));
        let path: Vec<String> = places.map(|(x, y)| format!("{x:.0} {y:.1}")).collect();
        let path = path.join("L");
        let ends = [part[0], part[last]].map(|(second, _)| plot.at((second, 0.0)).0);
        let bottom = plot.bottom;
        svg += &format!(
            "<path d=\"M{path}L{:.0} {bottom:.0}L{:.0} {bottom:.0}Z\" fill=\"{colour}\" fill-opacity=\"0.1\"/>\n",
            ends[1], ends[0]
        );
        svg += &format!("<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n");
    }
    svg
}
