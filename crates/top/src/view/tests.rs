//! The screen as text, at several sizes.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::{
    app::Now,
    pages::Sort,
    samples::Samples,
    scrape::Error,
    testing::{FakeNode, metrics},
};

const STARTED_AT: f64 = 1_790_000_000.0;

fn now(seconds: u32) -> Now {
    Now {
        since_start: Duration::from_secs(u64::from(seconds)),
        unix_seconds: STARTED_AT + 273_600.0 + f64::from(seconds),
    }
}

fn samples(node: FakeNode, seconds: u32) -> Samples {
    Samples::parse(&metrics(node, 273_600.0 + f64::from(seconds))).unwrap()
}

/// The view of these nodes after scrapes at 0, 2, … seconds.
fn watching(nodes: &[FakeNode], rounds: u32) -> App {
    let addresses = (11..).map(|host| format!("10.0.0.{host}:9464"));
    let mut app = App::new(addresses.take(nodes.len()), Duration::from_secs(2));
    for seconds in (0..rounds).map(|round| round * 2) {
        for (index, node) in nodes.iter().enumerate() {
            app.receive(index, now(seconds), Ok(samples(*node, seconds)));
        }
        app.end_round();
    }
    app
}

fn three() -> [FakeNode; 3] {
    let node = FakeNode::default();
    [
        node,
        FakeNode { name: "서울-데이터센터-2", share: 0.5, ..node },
        FakeNode { name: "seoul-3", share: 0.25, ..node },
    ]
}

fn buffer(app: &mut App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app, Theme { has_colours: true })).unwrap();
    terminal.backend().buffer().clone()
}

/// The screen, without the spaces at the ends of lines.
fn screen(app: &mut App, width: u16, height: u16) -> String {
    let buffer = buffer(app, width, height);
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).unwrap();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn press(app: &mut App, code: KeyCode) {
    app.press(KeyEvent::new(code, KeyModifiers::NONE));
}

/// Compares the screen with a file beside this one.
macro_rules! assert_screen {
    ($app:expr, $width:literal x $height:literal, $name:literal) => {{
        let expected = include_str!(concat!("tests/", $name, "-", $width, "x", $height, ".txt"));
        let found = screen($app, $width, $height);
        assert!(found == expected, "the screen {} is\n{found}\ninstead of\n{expected}", $name);
    }};
}

#[test]
fn overview_fits_every_size() {
    let mut app = watching(&[FakeNode::default()], 30);
    assert_screen!(&mut app, 120 x 40, "overview");
    assert_screen!(&mut app, 80 x 24, "overview");
    assert_screen!(&mut app, 40 x 10, "overview");
    assert_screen!(&mut app, 20 x 5, "overview");
}

#[test]
fn pages_fit_every_size() {
    let mut app = watching(&three(), 3);
    app.press(KeyEvent::new(KeyCode::Char('2'), KeyModifiers::NONE));
    app.sort = Sort::P99;
    assert_screen!(&mut app, 80 x 24, "operations");
    assert_screen!(&mut app, 40 x 10, "operations");
    press(&mut app, KeyCode::Char('3'));
    assert_screen!(&mut app, 80 x 24, "resources");
    assert_screen!(&mut app, 120 x 40, "resources");
    press(&mut app, KeyCode::Char('4'));
    assert_screen!(&mut app, 80 x 24, "realtime");
    press(&mut app, KeyCode::Char('5'));
    assert_screen!(&mut app, 80 x 24, "jobs");
    assert_screen!(&mut app, 40 x 10, "jobs");
}

/// One of three nodes, whose name has wide characters, does not answer.
fn with_one_away() -> App {
    let mut app = watching(&three(), 3);
    app.receive(1, now(6), Err(Error::Unreachable("Connection refused".to_owned())));
    app.now = now(18);
    app
}

#[test]
fn nodes_fit_every_size() {
    let mut app = with_one_away();
    press(&mut app, KeyCode::Char('6'));
    assert_screen!(&mut app, 120 x 40, "nodes");
    assert_screen!(&mut app, 80 x 24, "nodes");
    assert_screen!(&mut app, 40 x 10, "nodes");
}

#[test]
fn help_covers_the_page() {
    let mut app = watching(&[FakeNode::default()], 2);
    press(&mut app, KeyCode::Char('?'));
    assert_screen!(&mut app, 80 x 24, "help");
    assert_screen!(&mut app, 40 x 10, "help");
}

#[test]
fn node_that_never_answered_is_explained() {
    let mut app = App::new(["10.0.0.11:9464".to_owned()], Duration::from_secs(2));
    assert!(screen(&mut app, 80, 24).contains("Waiting for the first answer"));
    app.receive(0, now(0), Err(Error::NotBlegram));
    assert_screen!(&mut app, 80 x 24, "explained");
    assert_screen!(&mut app, 40 x 10, "explained");
}

#[test]
fn first_answer_has_no_rates() {
    let mut app = watching(&[FakeNode::default()], 1);
    let text = screen(&mut app, 80, 24);
    assert!(text.contains("Requests   –/s   p50 –") && text.contains("sockets 1,204"), "{text}");
}

#[test]
fn page_scrolls_to_its_end_and_back() {
    let mut app = watching(&three(), 3);
    press(&mut app, KeyCode::Char('2'));
    let top = screen(&mut app, 80, 12);
    assert!(top.contains("1–7 of 12") && top.contains("getPublicTimeline"), "{top}");
    press(&mut app, KeyCode::End);
    let bottom = screen(&mut app, 80, 12);
    // The heading stays.
    assert!(
        bottom.contains("6–12 of 12")
            && bottom.contains("Operation")
            && !bottom.contains("getPublicTimeline"),
        "{bottom}"
    );
    press(&mut app, KeyCode::Up);
    assert!(screen(&mut app, 80, 12).contains("5–11 of 12"));
    press(&mut app, KeyCode::Home);
    assert_eq!(screen(&mut app, 80, 12), top);
    // All of it is visible on a larger terminal.
    press(&mut app, KeyCode::End);
    assert!(screen(&mut app, 80, 40).contains("getPublicTimeline"));
}

#[test]
fn operations_are_sorted() {
    let mut app = watching(&[FakeNode::default()], 3);
    press(&mut app, KeyCode::Char('2'));
    for (column, first) in [
        ("/s▼", "getPublicTimeline"),
        ("load▼", "getPublicTimeline"),
        ("p99▼", "uploadMedia"),
        ("5xx/s▼", "search"),
        ("Operation▼", "createPost"),
    ] {
        let text = screen(&mut app, 80, 24);
        let mut lines = text.lines().skip_while(|line| !line.contains(column));
        assert!(lines.next().is_some(), "{column}: {text}");
        assert!(lines.next().unwrap().starts_with(first), "{column}: {text}");
        press(&mut app, KeyCode::Char('s'));
    }
}

/// The style of the first cell of this text.
fn style_of(buffer: &Buffer, words: &str) -> Style {
    let area = *buffer.area();
    let line = |y: u16| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<Vec<_>>();
    for y in 0..area.height {
        let symbols = line(y);
        for x in 0..symbols.len() {
            if symbols[x..].concat().starts_with(words) {
                return buffer[(u16::try_from(x).unwrap(), y)].style();
            }
        }
    }
    panic!("{words:?} is not on the screen");
}

#[test]
fn what_is_wrong_has_a_colour() {
    let mut app = watching(&[FakeNode::default()], 3);
    let buffer = buffer(&mut app, 80, 24);
    assert_eq!(style_of(&buffer, "12 min 34 s").fg, Some(Color::Red));
    assert_eq!(style_of(&buffer, "Requests").fg, Some(Color::Cyan));
    assert_eq!(style_of(&buffer, "1,204").fg, Some(Color::Reset));
}

#[test]
fn theme_without_colours_has_none() {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut app = with_one_away();
    terminal.draw(|frame| draw(frame, &mut app, Theme { has_colours: false })).unwrap();
    let buffer = terminal.backend().buffer();
    assert!(buffer.content().iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(style_of(buffer, "12 min 34 s").add_modifier.contains(Modifier::REVERSED));
}

#[test]
fn old_figures_are_dimmed() {
    let dimmed = |app: &mut App| {
        let buffer = buffer(app, 80, 24);
        style_of(&buffer, "1,204").add_modifier.contains(Modifier::DIM)
    };
    let mut app = watching(&[FakeNode::default()], 3);
    assert!(!dimmed(&mut app));
    app.receive(0, now(6), Err(Error::Timeout));
    assert!(dimmed(&mut app));
    app.receive(0, now(8), Ok(samples(FakeNode::default(), 8)));
    assert!(!dimmed(&mut app));
}

#[test]
fn pause_is_visible() {
    let mut app = watching(&[FakeNode::default()], 3);
    press(&mut app, KeyCode::Char('p'));
    let text = screen(&mut app, 80, 24);
    assert!(text.lines().next().unwrap().ends_with("paused") && text.contains("p resume"), "{text}");
}

#[test]
fn many_nodes_that_are_away_leave_space_for_the_page() {
    let nodes = [FakeNode::default(); 12];
    let mut app = watching(&nodes, 2);
    for node in 1..12 {
        app.receive(node, now(6), Err(Error::Timeout));
    }
    let text = screen(&mut app, 80, 24);
    assert!(
        text.contains("1 of 12 nodes") && text.contains("4 nodes do not answer: see the page Nodes"),
        "{text}"
    );
    assert!(text.contains("Requests") && text.contains("Bus"), "{text}");
}

/// From one cell to more than a page needs.
#[test]
fn no_size_is_too_small() {
    let mut app = with_one_away();
    for page in Page::ALL {
        app.page = page;
        let heights = [1, 2, 3, 8, 9, 11, 12, 15, 16, 33];
        for (width, height) in
            heights.into_iter().flat_map(|height| [1, 2, 11, 21, 130].map(|width| (width, height)))
        {
            app.shows_help = height % 3 == 0;
            let _ = buffer(&mut app, width, height);
        }
    }
}
