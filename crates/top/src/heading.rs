//! The first and the last line of the screen.

use crate::{
    app::App,
    format,
    text::{self, Line, Text, Tone, width_of},
};

/// The site or the node, and on the right how often it is scraped.
pub(crate) fn title(app: &App, width: usize) -> Line {
    let interval = format!("every {}", interval(app));
    let right =
        if app.is_paused { Text::new(Tone::Warn, "paused") } else { Text::new(Tone::Label, interval) };
    let mut line = site(app);
    let space = width.saturating_sub(text::width_of(std::slice::from_ref(&right)));
    while width_of(&line) + 1 > space && line.len() > 1 {
        line.pop();
    }
    line.push(" ".repeat(space.saturating_sub(width_of(&line))).into());
    line.push(right);
    line
}

/// Which node or how many nodes, version, uptime, database, bus; the most important first.
pub(crate) fn site(app: &App) -> Line {
    let figures = app.site();
    let identity = &figures.identity;
    let label = |text: String| Text::new(Tone::Label, text);
    let mut line: Line = vec![Text::new(Tone::Heading, "blegram ")];
    let all = app.node_count();
    match app.only_address() {
        Some(address) => line.push(address.into()),
        None if app.count_up() == all => line.push(format!("{all} nodes").into()),
        None => line.push(Text::new(Tone::Bad, format!("{} of {all} nodes", app.count_up()))),
    }
    if let Some(version) = &identity.version {
        line.push(format!("  {version}").into());
    }
    if let Some(uptime) = app.uptime(figures) {
        let all = if all > 1 { "all " } else { "" };
        line.push(label(format!("  {all}up {}", format::age(uptime))));
    }
    if let Some(database) = &identity.database {
        line.push(label(format!("  {}", proper(database))));
    }
    if let Some(bus) = identity.bus.as_ref().filter(|bus| *bus != "local") {
        line.push(label(format!("  bus {}", proper(bus))));
    }
    line
}

/// The keys, and what part of the page is visible.
pub(crate) fn keys(app: &App, width: usize, position: Option<(usize, usize, usize)>) -> Line {
    const KEYS: [(&str, &str); 6] =
        [("q", "quit"), ("?", "help"), ("Tab", "page"), ("s", "sort"), ("p", "pause"), ("+ -", "interval")];
    let right = match position {
        Some((first, last, all)) => format!("{first}–{last} of {all}"),
        None => String::new(),
    };
    let mut line = Line::new();
    for (key, meaning) in KEYS {
        let meaning = if key == "p" && app.is_paused { "resume" } else { meaning };
        let part = [Text::new(Tone::Heading, key), Text::new(Tone::Label, format!(" {meaning}  "))];
        if width_of(&line) + width_of(&part) + text::width_of(&[right.as_str().into()]) > width {
            break;
        }
        line.extend(part);
    }
    let used = width_of(&line) + text::width_of(&[right.as_str().into()]);
    line.push(" ".repeat(width.saturating_sub(used)).into());
    line.push(Text::new(Tone::Label, right));
    line
}

fn interval(app: &App) -> String {
    let seconds = app.interval.as_secs_f64();
    if seconds.fract() == 0.0 { format!("{seconds:.0} s") } else { format!("{seconds:.1} s") }
}

/// The name as its makers write it.
fn proper(name: &str) -> &str {
    match name {
        "sqlite" => "SQLite",
        "postgres" => "PostgreSQL",
        "redis" => "Redis",
        other => other,
    }
}
