//! Draws the state on a terminal of any size.

use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line as Drawable, Span},
    widgets::{Block, Clear, Padding, Paragraph, RenderDirection, Sparkline, Wrap},
};

use crate::{
    app::App,
    format, heading,
    pages::{self, Page, Section},
    text::{self, Line, Text, Tone, width_of},
};

/// How tones look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    /// Otherwise only bold, dim and reverse text.
    pub(crate) has_colours: bool,
}

impl Theme {
    fn style(self, tone: Tone) -> Style {
        let (colour, plain) = match tone {
            Tone::Plain => (Style::new(), Style::new()),
            // Not grey, which is the background of some themes.
            Tone::Label => {
                (Style::new().add_modifier(Modifier::DIM), Style::new().add_modifier(Modifier::DIM))
            }
            Tone::Heading => (Style::new().fg(Color::Cyan), Style::new().add_modifier(Modifier::BOLD)),
            Tone::Warn => (Style::new().fg(Color::Yellow), Style::new().add_modifier(Modifier::BOLD)),
            Tone::Bad => (
                Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
                Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED),
            ),
        };
        if self.has_colours { colour } else { plain }
    }

    fn line(self, line: Line) -> Drawable<'static> {
        line.into_iter().map(|Text { text, tone }| Span::styled(text, self.style(tone))).collect()
    }

    fn lines(self, lines: impl IntoIterator<Item = Line>) -> Vec<Drawable<'static>> {
        lines.into_iter().map(|line| self.line(line)).collect()
    }
}

/// Below these heights, parts are left out.
const HEIGHT_FOR_TABS: u16 = 9;
const HEIGHT_FOR_PROCESS: u16 = 12;
const HEIGHT_FOR_RULE: u16 = 16;

/// Draws everything. Corrects the scroll position to what the page has.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App, theme: Theme) {
    let area = frame.area();
    let width = usize::from(area.width);
    let mut head = vec![theme.line(heading::title(app, width))];
    if area.height >= HEIGHT_FOR_PROCESS {
        head.push(theme.line(pages::process_row(&app.site().process).line(width)));
    }
    if area.height >= HEIGHT_FOR_TABS {
        head.push(tabs(app.page, width));
    }
    if area.height >= HEIGHT_FOR_RULE {
        head.push(theme.line(vec![Text::new(Tone::Label, "─".repeat(width))]));
    }
    let problems = theme.lines(problems(app, area));
    let heights = [head.len(), problems.len()].map(|lines| u16::try_from(lines).unwrap_or(u16::MAX));
    let [top, body, bottom, foot] = Layout::vertical([
        Constraint::Length(heights[0]),
        Constraint::Min(0),
        Constraint::Length(heights[1]),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(head), top);
    let position = draw_body(frame, app, theme, body);
    frame.render_widget(Paragraph::new(problems), bottom);
    frame.render_widget(Paragraph::new(theme.line(heading::keys(app, width, position))), foot);
    if app.count_up() == 0 && app.has_figures() {
        // They are old.
        frame.buffer_mut().set_style(body, Style::new().add_modifier(Modifier::DIM));
    }
    if app.shows_help {
        draw_help(frame, theme);
    }
}

fn tabs(current: Page, width: usize) -> Drawable<'static> {
    let names = |short: bool| {
        let name = move |(index, page): (usize, Page)| {
            let style =
                if page == current { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
            let name = if short && page != current { String::new() } else { format!(" {}", page.name()) };
            Span::styled(format!(" {}{name} ", index + 1), style)
        };
        Page::ALL.into_iter().enumerate().map(name).collect::<Drawable<'static>>()
    };
    let long = names(false);
    if long.width() <= width { long } else { names(true) }
}

/// The problems of nodes, one line each, on at most a third of the screen.
fn problems(app: &App, area: Rect) -> Vec<Line> {
    if !app.has_figures() {
        // The body has them.
        return Vec::new();
    }
    let limit = usize::from(area.height / 3).max(1);
    let mut problems = app.problems();
    if problems.len() > limit {
        let more = problems.split_off(limit - 1).len();
        problems.push(format!("{more} nodes do not answer: see the page Nodes"));
    }
    let width = usize::from(area.width);
    problems.iter().map(|problem| vec![Text::new(Tone::Bad, text::cut(problem, width))]).collect()
}

/// What part of the page is visible: first and last line and the number of lines, if some are not.
type Position = Option<(usize, usize, usize)>;

fn draw_body(frame: &mut Frame<'_>, app: &mut App, theme: Theme, area: Rect) -> Position {
    if !app.has_figures() {
        draw_waiting(frame, app, theme, area);
        return None;
    }
    if app.page == Page::Overview {
        draw_overview(frame, app, theme, area);
        return None;
    }
    let width = usize::from(area.width);
    let (pinned, lines) = page_lines(app, width);
    let [top, rest] =
        Layout::vertical([Constraint::Length(u16::from(pinned.is_some())), Constraint::Min(0)]).areas(area);
    if let Some(pinned) = pinned {
        frame.render_widget(Paragraph::new(theme.line(pinned)), top);
    }
    let (visible, all) = (usize::from(rest.height), lines.len());
    app.scroll = app.scroll.min(all.saturating_sub(visible));
    let lines = lines.into_iter().skip(app.scroll).take(visible);
    frame.render_widget(Paragraph::new(theme.lines(lines)), rest);
    (all > visible).then(|| (app.scroll + 1, (app.scroll + visible).min(all), all))
}

/// The lines of a page; a page of one table has its heading apart, where it stays while the rows scroll.
pub(crate) fn page_lines(app: &App, width: usize) -> (Option<Line>, Vec<Line>) {
    let sections = match app.page {
        Page::Nodes => {
            let (heading, rows) = pages::nodes(&app.node_rows()).lines(width);
            return (Some(heading), rows);
        }
        page => pages::sections(page, app.site(), app.sort),
    };
    if let [Section { table: Some(table), .. }] = sections.as_slice() {
        let (heading, rows) = table.lines(width);
        let none = vec![Text::new(Tone::Label, "nothing yet")];
        return (Some(heading), if rows.is_empty() { vec![none] } else { rows });
    }
    let lines = sections.iter().flat_map(|section| section_lines(section, width));
    (None, lines.collect())
}

/// A section with its title and an empty line before it.
pub(crate) fn section_lines(section: &Section, width: usize) -> Vec<Line> {
    let mut lines: Vec<_> = section.rows.iter().map(|row| row.line(width)).collect();
    if let Some(table) = &section.table {
        let (heading, rows) = table.lines(width);
        if rows.is_empty() {
            return lines;
        }
        lines.push(Line::new());
        lines.push(vec![Text::new(Tone::Plain, section.title)]);
        lines.push(heading);
        lines.extend(rows);
    }
    lines
}

fn draw_waiting(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    let mut problems = app.problems();
    if problems.is_empty() {
        problems.push("Waiting for the first answer …".to_owned());
    } else {
        problems.push(String::new());
        problems.push("Trying again at every interval.".to_owned());
    }
    let lines = problems.into_iter().map(|problem| vec![problem.into()]);
    frame.render_widget(Paragraph::new(theme.lines(lines)).wrap(Wrap { trim: true }), area);
}

/// Rows come first, then the chart, then as many operations as there is space for.
fn draw_overview(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    const MIN_TABLE: u16 = 4;
    let width = usize::from(area.width);
    let overview = pages::overview(app.site(), app.sort);
    let (requests, rest) = (overview.requests, overview.rest);
    let count = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX);
    let spare = area.height.saturating_sub(count(requests.len() + rest.len()));
    let chart = match spare {
        0..6 => 0,
        6..14 => 2,
        _ => 4,
    };
    let has_table = spare - chart >= MIN_TABLE;
    let (heading, mut rows) = overview.operations.lines(width);
    // With the heading, and an empty line below it; the one above it is the last of the chart.
    rows.truncate(usize::from(spare - chart).saturating_sub(2));
    let table = if has_table { count(rows.len() + 2) } else { 0 };
    let [top, middle, list, bottom] = Layout::vertical([
        Constraint::Length(count(requests.len())),
        Constraint::Length(if has_table { chart } else { spare.min(chart) }),
        Constraint::Length(table),
        Constraint::Min(0),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(theme.lines(requests.iter().map(|row| row.line(width)))), top);
    draw_chart(frame, app, theme, middle);
    if has_table {
        frame.render_widget(Paragraph::new(theme.lines([heading].into_iter().chain(rows))), list);
    }
    frame.render_widget(Paragraph::new(theme.lines(rest.iter().map(|row| row.line(width)))), bottom);
}

/// Requests per second over the last intervals, the newest on the right.
fn draw_chart(frame: &mut Frame<'_>, app: &App, theme: Theme, area: Rect) {
    const LABEL: u16 = 11;
    if area.height < 2 || area.width < LABEL + 10 || app.history().len() == 0 {
        return;
    }
    let [label, area] = Layout::horizontal([Constraint::Length(LABEL), Constraint::Min(0)]).areas(area);
    let area = Rect { height: area.height - 1, ..area };
    let max = app.history().take(usize::from(area.width)).reduce(f64::max).unwrap_or_default();
    let max = vec![Text::new(Tone::Label, format!("max {}", format::rate(max)))];
    frame.render_widget(Paragraph::new(theme.line(max)), label);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let points: Vec<u64> =
        app.history().take(usize::from(area.width)).map(|rate| (rate * 10.0) as u64).collect();
    let chart = Sparkline::default().data(points).direction(RenderDirection::RightToLeft);
    frame.render_widget(chart.style(theme.style(Tone::Heading)), area);
}

const HELP: &[(&str, &str)] = &[
    ("q, Ctrl-C", "quit"),
    ("Tab, 1–6", "another page"),
    ("↑ ↓ PgUp PgDn", "scroll (also j k g G)"),
    ("s, S", "sort operations by the next, previous column"),
    ("p", "pause and resume"),
    ("+ -", "longer and shorter interval"),
    ("", ""),
    ("p50 p95 p99", "so many percent were as fast, in the last interval"),
    ("load", "requests in progress on average"),
    ("fds", "open files and sockets"),
    ("499", "the client closed the connection before the response"),
    ("–", "not reported, or the second answer is still missing"),
];

fn draw_help(frame: &mut Frame<'_>, theme: Theme) {
    let line = |(key, meaning): &(&str, &str)| {
        vec![Text::new(Tone::Heading, format!("{key:<15}")), (*meaning).into()]
    };
    let lines: Vec<Line> = HELP.iter().map(line).collect();
    let width = lines.iter().map(|line| width_of(line)).max().unwrap_or_default();
    let size = [width + 4, lines.len() + 2].map(|cells| u16::try_from(cells).unwrap_or(u16::MAX));
    let area = frame.area();
    let area = area
        .centered(Constraint::Length(size[0].min(area.width)), Constraint::Length(size[1].min(area.height)));
    let block = Block::bordered().title(" blegram top ").title_alignment(Alignment::Center);
    let block = block.padding(Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(theme.lines(lines)).block(block), area);
}

#[cfg(test)]
mod tests;
