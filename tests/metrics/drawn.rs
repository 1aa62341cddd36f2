//! The dashboard as a picture: each panel at its place, with what its queries have found, as its type says.
//!
//! Not here: what a Grafana does beside that. A picture is drawn of `stat`, `timeseries` and `table` panels, with the units
//! and colours that the dashboard uses; anything else ends the drawing, so that nothing is left out without a word.

mod chart;
mod units;

use serde_json::Value;

use crate::prometheus::Prometheus;

/// The width of a column of Grafana's grid, and the height of one of its rows.
const CELL: (f64, f64) = (55.0, 30.0);
/// What is left free between panels.
const GAP: f64 = 8.0;
/// What is above the panels.
const HEAD: f64 = 76.0;
/// From where the words of a panel begin.
const MARGIN: f64 = 10.0;
/// How wide a letter is, about, of each pixel of the letter's height.
const LETTER: f64 = 0.56;

/// The time that is drawn.
pub struct Span {
    pub from: f64,
    pub to: f64,
    pub step: f64,
    /// What stands for `$__rate_interval`.
    pub interval: &'static str,
}

/// What all panels are drawn from.
pub struct Drawing<'d> {
    pub prometheus: &'d Prometheus,
    pub span: Span,
}

/// A panel's place, in pixels.
#[derive(Clone, Copy)]
struct Frame {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A series of a panel.
struct Series {
    legend: String,
    labels: Vec<(String, String)>,
    /// Seconds from the beginning, and values.
    points: Vec<(f64, f64)>,
}

/// What may stand in a text of XML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The text, cut where it would be wider than this.
fn fitting(text: &str, size: f64, width: f64) -> String {
    let room = (width / (size * LETTER)) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

fn width_of(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * LETTER
}

// === impl Frame ===

impl Frame {
    fn of(panel: &Value) -> Self {
        let [x, y, width, height] =
            ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_f64().expect("each panel has its place"));
        Self {
            x: GAP + x * CELL.0,
            y: HEAD + y * CELL.1,
            width: width * CELL.0 - GAP,
            height: height * CELL.1 - GAP,
        }
    }

    fn text(self, (x, y): (f64, f64), class: &str, text: &str) -> String {
        format!(
            "<text x=\"{:.0}\" y=\"{:.0}\" class=\"{class}\">{}</text>\n",
            self.x + x,
            self.y + y,
            escaped(text)
        )
    }
}

// === impl Drawing ===

impl Drawing<'_> {
    /// The whole picture. `note` stands below the title.
    pub fn of(&self, dashboard: &Value, note: &str) -> String {
        let panels = dashboard["panels"].as_array().unwrap();
        let rows = panels.iter().map(Frame::of).map(|frame| frame.y + frame.height);
        let (width, height) = (24.0 * CELL.0 + GAP, rows.fold(0.0, f64::max) + GAP);
        let title = escaped(dashboard["title"].as_str().unwrap());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
             <style>text{{font-family:Inter,Helvetica,Arial,sans-serif;fill:#24292e}}.t{{font-size:13px;font-weight:bold}}\
             .h{{font-size:22px}}.n{{font-size:13px;fill:#6e7781}}.l{{font-size:11px}}.a{{font-size:10px;fill:#6e7781}}\
             .s{{font-size:11px;font-weight:bold}}.e{{text-anchor:end}}.m{{text-anchor:middle}}.b{{font-size:40px;text-anchor:middle}}.w{{fill:#fff}}</style>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#f4f5f5\"/>\n\
             <text x=\"{GAP}\" y=\"32\" class=\"h\">{title}</text>\n<text x=\"{GAP}\" y=\"56\" class=\"n\">{}</text>\n",
            escaped(note)
        );
        for panel in panels {
            svg += &self.panel(panel);
        }
        svg + "</svg>\n"
    }

    fn panel(&self, panel: &Value) -> String {
        let (frame, title) = (Frame::of(panel), panel["title"].as_str().unwrap());
        if panel["type"] == "row" {
            return frame.text((2.0, 17.0), "t", &format!("▾ {title}"));
        }
        // Whoever points at the panel sees what it asks.
        let queries =
            panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap());
        let asks = escaped(&queries.collect::<Vec<_>>().join("\n"));
        let body = match panel["type"].as_str() {
            Some("stat") => self.stat(panel, frame),
            Some("timeseries") => self.time_series(panel, frame),
            Some("table") => self.table(panel, frame),
            other => panic!("{title}: {other:?} cannot be drawn"),
        };
        let Frame { x, y, width, height } = frame;
        format!(
            "<g><title>{asks}</title>\n<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             rx=\"3\" fill=\"#fff\" stroke=\"#d8d9da\"/>\n{body}</g>\n"
        )
    }

    fn stat(&self, panel: &Value, frame: Frame) -> String {
        let series = self.now(&panel["targets"][0]);
        let [one] = &series[..] else { panic!("{panel} has {} values", series.len()) };
        let value = one.points[0].1;
        let is_filled = panel["options"]["colorMode"] == "background";
        let white = if is_filled { " w" } else { "" };
        let mut svg = String::new();
        if is_filled {
            let Frame { x, y, width, height } = frame;
            let colour = threshold(&panel["fieldConfig"]["defaults"]["thresholds"], value);
            svg += &format!(
                "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" rx=\"3\" fill=\"{colour}\"/>\n"
            );
        }
        svg += &frame.text((7.0, 19.0), &format!("s{white}"), panel["title"].as_str().unwrap());
        let middle = (frame.width / 2.0, frame.height * 0.75);
        svg + &frame.text(middle, &format!("b{white}"), &units::shown(value, unit(panel)))
    }

    fn time_series(&self, panel: &Value, frame: Frame) -> String {
        let targets = panel["targets"].as_array().unwrap();
        let mut series: Vec<Series> = targets.iter().flat_map(|target| self.over_time(target)).collect();
        series.iter_mut().for_each(|one| one.points.retain(|(_, value)| !value.is_nan()));
        series.retain(|one| !one.points.is_empty());
        let title = frame.text((MARGIN, 20.0), "t", panel["title"].as_str().unwrap());
        title + &chart::drawn(&series, frame, unit(panel), &self.span)
    }

    fn table(&self, panel: &Value, frame: Frame) -> String {
        let mut svg = frame.text((MARGIN, 20.0), "t", panel["title"].as_str().unwrap());
        let mut y = 44.0;
        for target in panel["targets"].as_array().unwrap() {
            for (nth, one) in self.now(target).into_iter().enumerate() {
                let [(name, value)] = &one.labels[..] else { panic!("{target} has {:?}", one.labels) };
                if nth == 0 {
                    svg += &frame.text((MARGIN, y), "a", name);
                    svg += &frame.text((frame.width - MARGIN, y), "a e", "nodes");
                    y += 18.0;
                }
                svg += &frame.text((MARGIN, y), "l", &fitting(value, 11.0, frame.width - 60.0));
                let count = units::shown(one.points[0].1, unit(panel));
                svg += &frame.text((frame.width - MARGIN, y), "l e", &count);
                y += 18.0;
            }
            y += 10.0;
        }
        svg
    }

    fn filled_in(&self, target: &Value) -> String {
        let query = target["expr"].as_str().unwrap().replace("$job", "cri-shunt").replace("$instance", ".*");
        query.replace("$__rate_interval", self.span.interval)
    }

    /// What a target has at the end.
    fn now(&self, target: &Value) -> Vec<Series> {
        let Span { to, .. } = self.span;
        let found = self.prometheus.over(&self.filled_in(target), (to, to, 1.0));
        self.series(target, found)
    }

    fn over_time(&self, target: &Value) -> Vec<Series> {
        let Span { from, to, step, .. } = self.span;
        let found = self.prometheus.over(&self.filled_in(target), (from, to, step));
        self.series(target, found)
    }

    fn series(&self, target: &Value, found: Result<Vec<Value>, String>) -> Vec<Series> {
        let found = found.unwrap_or_else(|error| panic!("{target}: {error}"));
        let mut series: Vec<Series> = found
            .iter()
            .map(|one| {
                let labels: Vec<(String, String)> = one["metric"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .filter(|(name, _)| *name != "__name__")
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect();
                let format = target["legendFormat"].as_str().unwrap().to_owned();
                let legend = labels
                    .iter()
                    .fold(format, |legend, (name, value)| legend.replace(&format!("{{{{{name}}}}}"), value));
                let points = one["values"].as_array().unwrap().iter().map(|point| {
                    let value = point[1].as_str().unwrap().parse().unwrap();
                    (point[0].as_f64().unwrap() - self.span.from, value)
                });
                Series { legend, labels, points: points.collect() }
            })
            .collect();
        series.sort_by(|one, two| one.legend.cmp(&two.legend));
        series
    }
}

fn unit(panel: &Value) -> &str {
    panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap()
}

/// The colour of the last step that a value has reached.
fn threshold(thresholds: &Value, value: f64) -> &'static str {
    let mut steps = thresholds["steps"].as_array().unwrap().iter();
    let reached = steps.rfind(|step| step["value"].as_f64().is_none_or(|from| value >= from));
    match reached.unwrap()["color"].as_str() {
        Some("green") => "#56a64b",
        Some("orange") => "#ff780a",
        other => panic!("no colour {other:?}"),
    }
}
