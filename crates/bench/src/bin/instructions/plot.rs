//! Lines over a logarithmic axis, as SVG.

use std::fmt::Write;

/// One quantity as it grows.
pub(crate) struct Line {
    pub(crate) what: &'static str,
    /// Its size, and what that takes.
    pub(crate) points: Vec<(f64, u64)>,
}

/// Lines with one scale, which begins at 0.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
}

const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9"];
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 210.0;
/// The right end of the axis: 10 to the fifth.
const DECADES: f64 = 5.0;

/// The panels below each other.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let mut text = String::new();
    let mut top = 0.0;
    for panel in panels {
        write!(text, "<g transform=\"translate(0 {top})\">\n{}</g>\n", draw(panel)).unwrap();
        top += HEIGHT;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {top}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{text}</svg>\n"
    )
}

#[expect(clippy::cast_precision_loss, reason = "coordinates")]
fn draw(panel: &Panel) -> String {
    let all = || panel.lines.iter().flat_map(|line| &line.points);
    let most = all().map(|(_, value)| *value).max().unwrap() as f64 * 1.1;
    let x = |size: f64| LEFT + (RIGHT - LEFT) * size.log10() / DECADES;
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / most;
    let mut text = format!(
        "<text x=\"{LEFT}\" y=\"20\" font-weight=\"bold\">{}</text>\n",
        panel.title
    );
    for tick in ["1", "10", "100", "1000", "10000", "100000"] {
        let at = x(tick.parse().unwrap());
        writeln!(
            text,
            "<path d=\"M{at:.1} {TOP}V{BOTTOM}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
            BOTTOM + 16.0
        )
        .unwrap();
    }
    for quarter in 0..=4 {
        let value = most * f64::from(quarter) / 4.0;
        let at = y(value);
        writeln!(
            text,
            "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{at:.1}\" text-anchor=\"end\">{value:.0}</text>",
            LEFT - 6.0
        )
        .unwrap();
    }
    let mut legend = LEFT;
    for (line, colour) in panel.lines.iter().zip(COLOURS) {
        let points = line.points.iter().map(|(size, value)| (x(*size), y(*value as f64)));
        let path: Vec<_> = points.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        )
        .unwrap();
        for (x, y) in points {
            writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>").unwrap();
        }
        let what = line.what.replace('`', "");
        writeln!(
            text,
            "<text x=\"{legend}\" y=\"{}\" font-size=\"11\" fill=\"{colour}\">{what}</text>",
            BOTTOM + 38.0
        )
        .unwrap();
        legend += 6.6 * what.len() as f64 + 10.0;
    }
    text
}
