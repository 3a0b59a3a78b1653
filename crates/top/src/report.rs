//! One snapshot as plain text, for scripts and mails, or as JSON, for programs.

use serde_json::{Value, json};

use crate::{
    app::App,
    heading,
    pages::{self, Page},
    text::Line,
    view::section_lines,
};

/// Nothing is left out of a text that no terminal displays.
const UNLIMITED: usize = usize::MAX;

/// All pages below each other, without colours.
pub(crate) fn text(app: &App) -> String {
    let site = app.site();
    let overview = pages::overview(site, app.sort);
    let mut lines = vec![heading::site(app), pages::process_row(&site.process).line(UNLIMITED)];
    lines.extend(overview.requests.iter().chain(&overview.rest).map(|row| row.line(UNLIMITED)));
    if app.node_count() > 1 {
        let (heading, rows) = pages::nodes(&app.node_rows()).lines(UNLIMITED);
        lines.extend([Line::new(), heading]);
        lines.extend(rows);
    }
    for page in [Page::Operations, Page::Resources, Page::Realtime, Page::Jobs] {
        for section in pages::sections(page, site, app.sort) {
            lines.extend(section_lines(&section, UNLIMITED));
        }
    }
    let plain = |line: &Line| line.iter().map(|text| text.text.as_str()).collect::<String>();
    lines.iter().map(|line| format!("{}\n", plain(line).trim_end())).collect()
}

/// `{"site": FIGURES, "nodes": [{"address": …, "error": …, "figures": FIGURES}]}`.
pub(crate) fn json(app: &App) -> Value {
    let node = |(address, figures): (&str, Result<_, &str>)| json!({ "address": address, "error": figures.err(), "figures": figures.ok() });
    json!({ "site": app.site(), "nodes": app.reports().map(node).collect::<Vec<_>>() })
}
