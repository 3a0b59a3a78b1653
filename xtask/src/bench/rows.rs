//! The rows about HTTP: blegram and the floors in turns.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use ureq::Agent;

use super::stage::{Floor, Stage};
use super::usage::{self, Processes, Usage};
use super::world::{self, WRITERS};
use crate::blegram::Blegram;
use crate::load::{Load, Request, Wrk};

/// Who sends the requests of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Anonymous,
    Reader,
}

/// The requests of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requests {
    /// Reads this path; `{post}` is a post.
    Read(&'static str),
    /// Sends a body to this path, as one writer after the other; `{post}` is one post after the other, `{image0}` and
    /// `{image1}` are two images of the writer that are not attached yet.
    Write { path: &'static str, body: &'static str },
    /// Likes one post after the other, and then unlikes them, as one writer after the other.
    Like,
}

/// What is to be reached, against the floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// At most this multiple of its processor time per request.
    Cost(f64),
    /// At least this share of its requests per second.
    Rate(f64),
    /// None.
    None,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) by: By,
    pub(crate) requests: Requests,
    pub(crate) has_floor: bool,
    pub(crate) target: Target,
}

const fn read(name: &'static str, by: By, path: &'static str, target: Target) -> Row {
    Row { name, by, requests: Requests::Read(path), has_floor: true, target }
}

const fn write(name: &'static str, requests: Requests) -> Row {
    Row { name, by: By::Reader, requests, has_floor: true, target: Target::Rate(0.6) }
}

/// The posts that are liked and commented. No multiple of the number of writers: each writer likes each post once.
const POSTS: u64 = 499;

const POST: &str = "/api/v1/posts/{post}";
const PUBLIC: &str = "/api/v1/timelines/public?limit=15";
const SHORT: &str = r#"{"text":"점심 먹고 산책하는 중"}"#;
const TAGGED: &str = r#"{"text":"저녁 산책, 강가의 바람 #일상 #서울"}"#;
const ILLUSTRATED: &str =
    r#"{"text":"저녁 산책, 강가의 바람 #일상 #서울","media_ids":["{image0}","{image1}"]}"#;
const COMMENT: &str = r#"{"text":"사진 잘 보았습니다"}"#;

/// Every row. Reads come first, so that all of them see the same world.
pub(crate) const ROWS: [Row; 12] = [
    Row {
        name: "healthz",
        by: By::Anonymous,
        requests: Requests::Read("/healthz"),
        has_floor: false,
        target: Target::None,
    },
    read("getPost", By::Anonymous, POST, Target::Cost(1.8)),
    read("getPost", By::Reader, POST, Target::Cost(2.2)),
    read("public timeline, 15 posts", By::Anonymous, PUBLIC, Target::Cost(1.2)),
    read("public timeline, 15 posts", By::Reader, PUBLIC, Target::Cost(1.3)),
    read("home timeline, 15 posts", By::Reader, "/api/v1/timelines/home?limit=15", Target::Cost(1.3)),
    read(
        "public timeline, 100 posts",
        By::Anonymous,
        "/api/v1/timelines/public?limit=100",
        Target::Cost(1.2),
    ),
    write("create a short post", Requests::Write { path: "/api/v1/posts", body: SHORT }),
    write("create a post, 2 hashtags", Requests::Write { path: "/api/v1/posts", body: TAGGED }),
    write(
        "create a post, 2 images, 2 hashtags",
        Requests::Write { path: "/api/v1/posts", body: ILLUSTRATED },
    ),
    write("like and unlike", Requests::Like),
    write("comment", Requests::Write { path: "/api/v1/posts/{post}/comments", body: COMMENT }),
];

impl Row {
    /// Whether its requests attach images, each of which can be attached once.
    fn uses_images(&self) -> bool {
        matches!(self.requests, Requests::Write { body, .. } if body.contains("{image0}"))
    }
}

/// What one side of a row measured: the median of the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) load: Load,
    pub(crate) usage: Usage,
    /// Microseconds of the server's processor time per request.
    pub(crate) server_us: f64,
    /// Microseconds of the database's.
    pub(crate) database_us: f64,
}

/// A measured row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) ours: Side,
    pub(crate) floor: Option<Side>,
}

impl Side {
    fn median(runs: &[(Load, Usage)]) -> Self {
        let (loads, usages): (Vec<Load>, Vec<Usage>) = runs.iter().copied().unzip();
        let micros = |used: fn(&Usage) -> f64| {
            crate::load::median(runs.iter().map(|(load, usage)| used(usage) * 1e6 / load.requests.max(1.0)))
        };
        Self {
            load: Load::median(&loads),
            usage: Usage::median(&usages),
            server_us: micros(|usage| usage.server),
            database_us: micros(|usage| usage.database),
        }
    }

    /// Microseconds of processor time per request.
    pub(crate) fn cost_us(&self) -> f64 {
        self.server_us + self.database_us
    }
}

impl Measured {
    /// The ratio that the target is about.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let floor = self.floor?;
        Some(match self.row.target {
            Target::Rate(_) => self.ours.load.per_second / floor.load.per_second,
            Target::Cost(_) | Target::None => self.ours.cost_us() / floor.cost_us(),
        })
    }

    /// Whether the target is reached; `None` without one.
    pub(crate) fn is_reached(&self) -> Option<bool> {
        let ratio = self.ratio()?;
        match self.row.target {
            Target::Cost(most) => Some(ratio <= most),
            Target::Rate(least) => Some(ratio >= least),
            Target::None => None,
        }
    }
}

/// One server that rows are measured on.
#[derive(Clone, Copy)]
struct Server<'a> {
    origin: &'a str,
    processes: Processes,
}

/// Measures rows on blegram and on the floors, in turns: in each round all rows, each on both.
pub(crate) fn measure(
    stage: &Stage,
    (blegram, floor): (&Blegram, &Floor),
    wrk: Wrk,
    rounds: u32,
    rows: &[Row],
) -> Result<Vec<Measured>> {
    let ours = Server { origin: blegram.origin(), processes: stage.processes(blegram) };
    let floor = Server { origin: &floor.origin, processes: stage.floor_processes(floor) };
    // Each turn attaches other images.
    let mut turn = 1;
    let mut runs: Vec<[Vec<(Load, Usage)>; 2]> = rows.iter().map(|_| Default::default()).collect();
    for round in 0..rounds {
        println!("xtask: {}, round {} of {rounds}", stage.database_name(), round + 1);
        for (row, [ours_runs, floor_runs]) in rows.iter().zip(&mut runs) {
            let both = [(ours, &mut *ours_runs), (floor, &mut *floor_runs)];
            let mut both: Vec<_> = both.into_iter().take(1 + usize::from(row.has_floor)).collect();
            if round % 2 == 1 {
                both.reverse();
            }
            for (server, runs) in both {
                let prepared = turn * prepared_per_turn(wrk.seconds);
                runs.push(run(stage, (server, prepared), wrk, row)?);
                turn += u64::from(row.uses_images());
            }
        }
    }
    let measured = rows.iter().zip(&runs).map(|(row, [ours, floor])| Measured {
        row: *row,
        ours: Side::median(ours),
        floor: row.has_floor.then(|| Side::median(floor)),
    });
    Ok(measured.collect())
}

/// How many posts with images the writers can create in one turn.
fn prepared_per_turn(seconds: u32) -> u64 {
    // No machine is known that creates as many in a second. Each writer has as many.
    u64::from(seconds) * 200 * WRITERS
}

/// How many posts with images the writers can create in all rounds, and before, in [`compare`].
pub(crate) fn prepared(seconds: u32, rounds: u32) -> u64 {
    (1 + 2 * u64::from(rounds)) * prepared_per_turn(seconds)
}

/// `prepared` is the first of the prepared posts to use.
fn run(stage: &Stage, (server, prepared): (Server<'_>, u64), wrk: Wrk, row: &Row) -> Result<(Load, Usage)> {
    let (path, script) = match row.requests {
        Requests::Read(path) => (path.replace("{post}", &world::newest_post(stage.world)), None),
        Requests::Write { path, body } => {
            let body = ["0", "1"].iter().fold(body.to_owned(), |body, number| {
                body.replace(&format!("{{image{number}}}"), &format!("' .. image({number}) .. '"))
            });
            let request =
                format!("wrk.format(\"POST\", (\"{path}\"):gsub(\"{{post}}\", post), nil, '{body}')");
            (String::new(), Some(script(stage, &request, prepared)?))
        }
        Requests::Like => {
            let method = "math.floor((at - 1) / #posts) % 2 == 0 and \"PUT\" or \"DELETE\"";
            let request = format!("wrk.format({method}, \"/api/v1/posts/\" .. post .. \"/like\")");
            (String::new(), Some(script(stage, &request, prepared)?))
        }
    };
    // A script sends the cookie of each writer.
    let field = (row.by == By::Reader && script.is_none()).then_some(&*stage.cookie);
    let request = Request { field, script: script.as_deref() };
    usage::measure(server.processes, || wrk.request(&format!("{}{path}", server.origin), request))
        .with_context(|| format!("the row {:?}", row.name))
}

/// Writes a script for `wrk`. `request` is an expression for one request about `post`, the number of which is `at`, with
/// `image(0)` and `image(1)` of the prepared posts.
///
/// The writers and the posts follow one another, so that requests at one time are about different ones.
fn script(stage: &Stage, request: &str, prepared: u64) -> Result<PathBuf> {
    let world = stage.world;
    let list =
        |texts: Vec<String>| texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(",");
    // Odd ones, of which none is the reader's.
    let posts = (1..=POSTS).map(|back| world::post_id(world, world.posts - world.posts % 2 - back * 2 + 1));
    let text = format!(
        "local posts = {{{}}}\nlocal writers = {{{}}}\nlocal at = 0\n\
         local function image(number)\n\
         \x20 return (\"{}%012x\"):format(({prepared} + at - 1) * 2 + number)\nend\n\
         wrk.headers[\"content-type\"] = \"application/json\"\nwrk.headers[\"sec-fetch-site\"] = \"same-origin\"\n\
         function request()\n  at = at + 1\n  local post = posts[(at - 1) % #posts + 1]\n\
         \x20 wrk.headers[\"cookie\"] = writers[(at - 1) % #writers + 1]\n  return {request}\nend\n",
        list(posts.collect()),
        list(stage.writers.clone()),
        world::upload_id_prefix(),
    );
    let path = stage.folder().join("requests.lua");
    fs::write(&path, text).context("writing a script")?;
    Ok(path)
}

/// Fails unless blegram and the floors give the same status and JSON: for writes, the same fields with values of the same kind.
pub(crate) fn compare(stage: &Stage, blegram: &Blegram, floor: &Floor, rows: &[Row]) -> Result<()> {
    for row in rows.iter().filter(|row| row.has_floor) {
        let ours = answers(stage, blegram.origin(), row, 0);
        let floor = answers(stage, &floor.origin, row, WRITERS);
        let difference = difference("", &ours?, &floor?);
        ensure!(
            difference.is_none(),
            "{}: blegram and its floor differ at {}",
            row.name,
            difference.unwrap_or_default()
        );
    }
    Ok(())
}

/// What a server answers to the requests of a row, as far as both must agree. `prepared` is one of the prepared posts of the
/// first writer.
fn answers(stage: &Stage, origin: &str, row: &Row, prepared: u64) -> Result<Value> {
    let post = world::newest_post(stage.world);
    let url = |path: &str| format!("{origin}{}", path.replace("{post}", &post));
    // `name: value`, and a value.
    let reader = stage.cookie.split_once(": ").map(|(_, value)| value);
    let writer = stage.writers.first().map(String::as_str);
    match row.requests {
        Requests::Read(path) => {
            let cookie = reader.filter(|_| row.by == By::Reader);
            send("GET", &url(path), cookie, "").map(masked)
        }
        Requests::Write { path, body } => {
            let image = |number: u64| format!("{}{:012x}", world::upload_id_prefix(), prepared * 2 + number);
            let body = body.replace("{image0}", &image(0)).replace("{image1}", &image(1));
            send("POST", &url(path), writer, &body).map(|answer| kinds(&answer))
        }
        Requests::Like => {
            let like = url("/api/v1/posts/{post}/like");
            let both = ["PUT", "DELETE"].map(|method| send(method, &like, writer, ""));
            both.into_iter().collect()
        }
    }
}

/// The status and the JSON of the response.
fn send(method: &str, url: &str, cookie: Option<&str>, body: &str) -> Result<Value> {
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie).header("sec-fetch-site", "same-origin");
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    let mut response =
        agent.run(request.body(body.to_owned())?).with_context(|| format!("{method} {url}"))?;
    let status = response.status().as_u16();
    let body: Value = response.body_mut().read_json().with_context(|| format!("{method} {url}"))?;
    Ok(json!({"status": status, "body": body}))
}

/// Replaces texts and numbers by empty ones.
fn kinds(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), kinds(value))).collect(),
        Value::Array(items) => items.iter().map(kinds).collect(),
        Value::String(_) => json!(""),
        Value::Number(_) => json!(0),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

/// Replaces the cursors, which only blegram can make, by their length.
fn masked(mut answer: Value) -> Value {
    for name in ["/body/next_cursor", "/body/prev_cursor"] {
        if let Some(cursor) = answer.pointer_mut(name)
            && let Some(length) = cursor.as_str().map(str::len)
        {
            *cursor = length.into();
        }
    }
    answer
}

/// The first difference between two values, with the path to it.
fn difference(path: &str, one: &Value, other: &Value) -> Option<String> {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            if names(one) != names(other) {
                return Some(format!("{path}: the fields {:?} and {:?}", names(one), names(other)));
            }
            one.iter().find_map(|(name, value)| difference(&format!("{path}/{name}"), value, &other[name]))
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let mut pairs = one.iter().zip(other).enumerate();
            pairs.find_map(|(at, (one, other))| difference(&format!("{path}/{at}"), one, other))
        }
        _ => (one != other).then(|| format!("{path}: {one} and {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(per_second: f64, server_us: f64, database_us: f64) -> Side {
        let load = Load { per_second, p50_ms: 1.0, p99_ms: 2.0, requests: 100.0, response_bytes: 1.0 };
        Side { load, usage: Usage::default(), server_us, database_us }
    }

    #[test]
    fn cost_counts_the_database_and_rate_the_requests() {
        let row = |target| Row { target, ..ROWS[1] };
        let measured = |target| Measured {
            row: row(target),
            ours: side(50.0, 100.0, 100.0),
            floor: Some(side(100.0, 50.0, 75.0)),
        };
        assert_eq!(measured(Target::Cost(1.8)).ratio(), Some(1.6));
        assert_eq!(measured(Target::Cost(1.8)).is_reached(), Some(true));
        assert_eq!(measured(Target::Cost(1.5)).is_reached(), Some(false));
        assert_eq!(measured(Target::Rate(0.6)).ratio(), Some(0.5));
        assert_eq!(measured(Target::Rate(0.6)).is_reached(), Some(false));
        assert_eq!(measured(Target::Rate(0.5)).is_reached(), Some(true));
        assert_eq!(measured(Target::None).is_reached(), None);
    }

    #[test]
    fn costs_are_per_request_of_their_own_run() {
        let run = |requests, server| {
            let load = Load { requests, ..side(1.0, 0.0, 0.0).load };
            (load, Usage { server, ..Usage::default() })
        };
        // Twice the requests in twice the time of the processor.
        let side = Side::median(&[run(1000.0, 0.1), run(2000.0, 0.2), run(1.0, 1.0)]);
        assert!((side.server_us - 100.0).abs() < 1e-6, "{side:?}");
    }

    #[test]
    fn differences_are_found_in_names_order_and_values() {
        let answer =
            |items: Value, cursor| json!({"status": 200, "body": {"items": items, "next_cursor": cursor}});
        let one = answer(json!([{"id": 1, "text": "a"}]), "abc");
        let at = |other: Value| difference("", &masked(one.clone()), &masked(other));
        assert_eq!(at(answer(json!([{"id": 1, "text": "a"}]), "xyz")), None);
        assert!(at(answer(json!([{"id": 1, "text": "a"}]), "ab")).is_some());
        assert!(at(answer(json!([{"id": 1, "text": "b"}]), "abc")).is_some());
        assert!(at(answer(json!([{"text": "a", "id": 1}]), "abc")).is_some());
        assert!(at(answer(json!([]), "abc")).is_some());
    }

    #[test]
    fn written_rows_have_the_same_fields_and_kinds() {
        let at = |one: Value, other: Value| difference("", &kinds(&one), &kinds(&other));
        let one = json!({"id": "a", "count": 1, "tags": ["x"], "edited_at": null});
        assert_eq!(at(one.clone(), json!({"id": "b", "count": 2, "tags": ["y"], "edited_at": null})), None);
        assert!(
            at(one.clone(), json!({"id": "b", "count": "2", "tags": ["y"], "edited_at": null})).is_some()
        );
        assert!(at(one.clone(), json!({"id": "b", "count": 2, "tags": [], "edited_at": null})).is_some());
        assert!(at(one, json!({"id": "b", "count": 2, "tags": ["y"]})).is_some());
    }
}
