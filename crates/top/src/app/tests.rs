use super::*;

fn now(seconds: u64) -> Now {
    Now { since_start: Duration::from_secs(seconds), unix_seconds: 1_000_000.0 }
}

fn app(nodes: usize) -> App {
    App::new((0..nodes).map(|node| format!("node-{node}:9464")), Duration::from_secs(2))
}

fn requests(count: u32) -> Result<Samples, Error> {
    let text = format!(
        "blegram_http_requests_total{{operation=\"getPost\",status=\"200\"}} {count}\nblegram_gateway_sockets {count}\n"
    );
    Ok(Samples::parse(&text).unwrap())
}

fn away() -> Result<Samples, Error> {
    Err(Error::Unreachable("Connection refused".to_owned()))
}

fn rate(app: &App) -> Option<f64> {
    app.site().requests.statuses.map(|statuses| statuses.all)
}

fn press(app: &mut App, code: KeyCode) -> Action {
    app.press(KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(app: &mut App, letter: char) -> Action {
    app.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL))
}

#[test]
fn nodes_are_added_up() {
    let mut app = app(2);
    for (seconds, a, b) in [(0, 100, 1000), (2, 120, 1060)] {
        app.receive(0, now(seconds), requests(a));
        app.receive(1, now(seconds), requests(b));
    }
    assert_eq!(rate(&app), Some(40.0));
    assert_eq!(app.site().gateway.sockets, Some(1180.0));
}

#[test]
fn node_that_does_not_answer_is_not_in_the_sum_and_has_its_last_figures() {
    let mut app = app(2);
    for (seconds, a, b) in [(0, 100, 1000), (2, 120, 1060)] {
        app.receive(0, now(seconds), requests(a));
        app.receive(1, now(seconds), requests(b));
    }
    app.receive(0, now(4), away());
    app.receive(1, now(4), requests(1100));
    assert_eq!((rate(&app), app.count_up()), (Some(20.0), 1));
    let rows = app.node_rows();
    let sockets = |row: &NodeRow<'_>| row.figures.unwrap().gateway.sockets;
    assert_eq!((sockets(&rows[0]), rows[0].is_old), (Some(120.0), true));
    assert_eq!((sockets(&rows[1]), rows[1].is_old), (Some(1100.0), false));
    app.now = now(64);
    assert_eq!(app.problems(), ["node-0:9464: no metrics for 1 min 0 s: Connection refused"]);
}

#[test]
fn last_figures_stay_while_all_nodes_are_away() {
    let mut app = app(1);
    app.receive(0, now(0), requests(0));
    app.receive(0, now(2), requests(20));
    for seconds in [4, 6] {
        app.receive(0, now(seconds), away());
    }
    assert_eq!((rate(&app), app.count_up()), (Some(10.0), 0));
    assert_eq!(app.problems(), ["node-0:9464: no metrics for 2 s: Connection refused"]);
    // The average over the time without answers.
    app.receive(0, now(12), requests(60));
    assert_eq!((rate(&app), app.count_up()), (Some(4.0), 1));
    assert!(app.problems().is_empty());
}

#[test]
fn chart_has_one_point_for_each_round() {
    let mut app = app(2);
    for (round, count) in (0_u64..).zip([0, 20, 60]) {
        app.receive(0, now(round * 2), requests(count));
        app.receive(1, now(round * 2), requests(count));
        app.end_round();
        // The next interval begins before the end of a slow scrape.
        app.end_round();
    }
    assert_eq!(app.history().collect::<Vec<_>>(), [40.0, 20.0]);
    app.receive(0, now(6), away());
    app.end_round();
    assert_eq!(app.history().len(), 2);
}

#[test]
fn history_is_bounded() {
    let mut app = app(1);
    for round in 0..600 {
        app.receive(0, now(round), requests(u32::try_from(round).unwrap()));
        app.end_round();
    }
    assert_eq!(app.history().len(), HISTORY);
}

#[test]
fn keys_quit() {
    for quit in [press(&mut app(1), KeyCode::Char('q')), control(&mut app(1), 'c')] {
        assert_eq!(quit, Action::Quit);
    }
    assert_eq!(control(&mut app(1), 'z'), Action::Suspend);
    assert_eq!(press(&mut app(1), KeyCode::Char('c')), Action::None);
    assert_eq!(control(&mut app(1), 'q'), Action::None);
}

#[test]
fn keys_change_the_page() {
    let mut app = app(1);
    app.scroll = 3;
    press(&mut app, KeyCode::Tab);
    assert_eq!((app.page, app.scroll), (Page::Operations, 0));
    press(&mut app, KeyCode::BackTab);
    press(&mut app, KeyCode::BackTab);
    assert_eq!(app.page, Page::Nodes);
    press(&mut app, KeyCode::Right);
    assert_eq!(app.page, Page::Overview);
    for (digit, page) in ('1'..).zip(Page::ALL) {
        press(&mut app, KeyCode::Char(digit));
        assert_eq!(app.page, page);
    }
    for other in ['0', '7', 'x'] {
        press(&mut app, KeyCode::Char(other));
    }
    assert_eq!(app.page, Page::Nodes);
}

#[test]
fn keys_scroll_within_bounds() {
    let mut app = app(1);
    press(&mut app, KeyCode::Up);
    assert_eq!(app.scroll, 0);
    for key in [KeyCode::Down, KeyCode::Char('j'), KeyCode::PageDown, KeyCode::Char('k')] {
        press(&mut app, key);
    }
    assert_eq!(app.scroll, 11);
    press(&mut app, KeyCode::End);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Home);
    assert_eq!(app.scroll, 0);
}

#[test]
fn keys_change_the_interval() {
    let mut app = app(1);
    for (key, ms) in
        [('+', 5_000), ('=', 10_000), ('-', 5_000), ('-', 2_000), ('-', 1_000), ('-', 500), ('-', 500)]
    {
        assert_eq!(press(&mut app, KeyCode::Char(key)), Action::Reschedule);
        assert_eq!(app.interval, Duration::from_millis(ms));
    }
    app.interval = Duration::from_secs(100);
    press(&mut app, KeyCode::Char('+'));
    assert_eq!(app.interval, Duration::from_secs(100));
    app.interval = Duration::from_secs(3);
    press(&mut app, KeyCode::Char('-'));
    assert_eq!(app.interval, Duration::from_secs(2));
}

#[test]
fn any_key_closes_the_help() {
    let mut app = app(1);
    press(&mut app, KeyCode::Char('?'));
    assert!(app.shows_help);
    assert_eq!(press(&mut app, KeyCode::Char('p')), Action::None);
    assert!(!app.shows_help && !app.is_paused);
    press(&mut app, KeyCode::Char('?'));
    assert_eq!(press(&mut app, KeyCode::Char('q')), Action::Quit);
}

#[test]
fn sort_goes_through_all_orders() {
    let mut app = app(1);
    let forward: Vec<_> = std::iter::repeat_with(|| {
        press(&mut app, KeyCode::Char('s'));
        app.sort
    })
    .take(5)
    .collect();
    assert_eq!(forward, [Sort::Load, Sort::P99, Sort::Errors, Sort::Name, Sort::Rate]);
    press(&mut app, KeyCode::Char('S'));
    assert_eq!(app.sort, Sort::Name);
}
