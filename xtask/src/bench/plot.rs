//! Plots as SVG, which browsers and code hosts display without fonts or scripts of ours.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const COLOURS: [&str; 9] =
    ["#1b6ca8", "#d1495b", "#2e8b57", "#8a5fb0", "#c27c0e", "#4a9c9c", "#7a5230", "#d05fa0", "#5b6770"];

/// A bar: how many times its floor an operation costs, and its target.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) target: Option<f64>,
}

/// A line: a value at each of the sizes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Horizontal bars from zero. A target is a mark across its bar.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    const LEFT: f64 = 290.0;
    const RIGHT: f64 = 60.0;
    const ROW: f64 = 30.0;
    const TOP: f64 = 50.0;
    let height = ROW.mul_add(bars.len() as f64, TOP) + 40.0;
    let largest = bars.iter().map(|bar| bar.value.max(bar.target.unwrap_or(0.0))).fold(1.0, f64::max);
    let x = |value: f64| LEFT + value / largest * (WIDTH - LEFT - RIGHT);
    let mut svg = open(title, height);
    let bottom = height - 30.0;
    line(&mut svg, (x(1.0), TOP - 8.0), (x(1.0), bottom), "#888", "4 3");
    text(&mut svg, (x(1.0), bottom + 16.0), "middle", "the floor");
    for (number, bar) in bars.iter().enumerate() {
        let y = ROW.mul_add(number as f64, TOP);
        let colour =
            if bar.target.is_some_and(|target| bar.value > target) { COLOURS[1] } else { COLOURS[0] };
        text(&mut svg, (LEFT - 8.0, y + 14.0), "end", &bar.label);
        let _ = writeln!(
            svg,
            r#"<rect x="{LEFT:.1}" y="{:.1}" width="{:.1}" height="16" fill="{colour}"/>"#,
            y + 2.0,
            x(bar.value) - LEFT
        );
        if let Some(target) = bar.target {
            line(&mut svg, (x(target), y - 2.0), (x(target), y + 22.0), "#111", "");
        }
        text(
            &mut svg,
            (x(bar.value.max(bar.target.unwrap_or(0.0))) + 6.0, y + 14.0),
            "start",
            &format!("{:.2}", bar.value),
        );
    }
    svg + "</svg>\n"
}

/// Lines over sizes, which are on a logarithmic scale. `limit` is a dashed line.
pub(crate) fn lines(title: &str, limit: f64, lines: &[Line]) -> String {
    const LEFT: f64 = 50.0;
    const RIGHT: f64 = 350.0;
    const TOP: f64 = 50.0;
    const HEIGHT: f64 = 420.0;
    const BOTTOM: f64 = HEIGHT - 45.0;
    let all = || lines.iter().flat_map(|line| &line.points);
    let (least, most) =
        all().fold((f64::MAX, f64::MIN), |(least, most), (size, _)| (least.min(*size), most.max(*size)));
    let largest = all().map(|(_, value)| *value).fold(limit, f64::max) * 1.05;
    let span = (most / least).ln().max(f64::MIN_POSITIVE);
    let x = |size: f64| LEFT + (size / least).ln() / span * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| BOTTOM - value / largest * (BOTTOM - TOP);
    let mut svg = open(title, HEIGHT);
    line(&mut svg, (LEFT, BOTTOM), (WIDTH - RIGHT, BOTTOM), "#111", "");
    line(&mut svg, (LEFT, TOP), (LEFT, BOTTOM), "#111", "");
    for value in [0.0, 1.0, limit] {
        line(&mut svg, (LEFT, y(value)), (WIDTH - RIGHT, y(value)), "#888", "4 3");
        text(&mut svg, (LEFT - 6.0, y(value) + 4.0), "end", &format!("{value}"));
    }
    let mut sizes: Vec<f64> = all().map(|(size, _)| *size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    for size in sizes {
        text(&mut svg, (x(size), BOTTOM + 18.0), "middle", &short(size));
    }
    for (number, Line { label, points }) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let path: Vec<String> =
            points.iter().map(|(size, value)| format!("{:.1},{:.1}", x(*size), y(*value))).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join(" ")
        );
        let at = 22.0f64.mul_add(number as f64, TOP);
        line(&mut svg, (WIDTH - RIGHT + 16.0, at), (WIDTH - RIGHT + 36.0, at), colour, "");
        text(&mut svg, (WIDTH - RIGHT + 42.0, at + 4.0), "start", label);
    }
    svg + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"13\">\n<title>{0}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escape(title)
    );
    let _ =
        writeln!(svg, r#"<text x="12" y="24" font-size="15" font-weight="bold">{}</text>"#, escape(title));
    svg
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64), colour: &str, dashes: &str) {
    let _ = writeln!(
        svg,
        r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>"#
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#, escape(text));
}

/// `10 k`, `1 M`.
pub(crate) fn short(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{} M", number / 1e6),
        _ if number >= 1e3 => format!("{} k", number / 1e3),
        _ => format!("{number}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_above_its_target_has_another_colour() {
        let bar = |value| Bar { label: "a < b".into(), value, target: Some(1.5) };
        let svg = bars("Cost & floor", &[bar(1.2), bar(1.8)]);
        assert_eq!(svg.matches(COLOURS[0]).count(), 1);
        assert_eq!(svg.matches(COLOURS[1]).count(), 1);
        assert!(svg.contains("a &lt; b") && svg.contains("Cost &amp; floor"), "{svg}");
    }

    #[test]
    fn lines_are_within_the_picture_even_with_one_size() {
        let line = |points: &[(f64, f64)]| Line { label: "list".into(), points: points.to_vec() };
        let svg = lines("Growth", 1.5, &[line(&[(1e4, 1.0), (1e6, 3.0)]), line(&[(1e4, 1.0)])]);
        assert!(svg.contains("10 k") && svg.contains("1 M") && !svg.contains("NaN"), "{svg}");
        let svg = lines("Growth", 1.5, &[line(&[(1e4, 1.0)])]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
