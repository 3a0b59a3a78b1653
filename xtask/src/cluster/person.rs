//! A user of the API, as a correct client: repeats what can be repeated, with an `Idempotency-Key`, and records the result.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::blegram::PASSWORD;
use crate::client::{Answer, Call, Client, Entry};
use crate::cluster::stage::Stage;

/// How long a request is repeated: longer than the lease of an `Idempotency-Key` whose node was killed.
const PATIENCE: Duration = Duration::from_secs(75);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A request and its result.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) phase: usize,
    pub(crate) took: Duration,
    /// Why it had to be repeated.
    pub(crate) repeated: Vec<String>,
    pub(crate) failure: Option<String>,
}

/// A user with an account.
pub(crate) struct Person<'a> {
    pub(crate) client: Client,
    pub(crate) username: String,
    stage: &'a Stage,
    keys: u64,
    pub(crate) samples: Vec<Sample>,
}

impl<'a> Person<'a> {
    pub(crate) fn sign_up(entry: &Entry, username: &str, stage: &'a Stage) -> Result<Self> {
        let client = Client::sign_up(entry, "127.0.0.1", username)?;
        Ok(Self { client, username: username.into(), stage, keys: 0, samples: Vec::new() })
    }

    /// Sends a request, and again while it fails for reasons that pass. Returns the JSON of a successful response.
    pub(crate) fn call(&mut self, call: Call) -> Result<Value> {
        let client = self.client.clone();
        content(&self.call_as(&client, call)?)
    }

    /// Logs in from another browser, and logs out there. Returns what the login returned.
    pub(crate) fn log_in_and_out(&mut self) -> Result<Value> {
        let input = json!({"login": self.username, "password": PASSWORD, "client": "browser"});
        let browser = self.client.logged_out();
        let login = self.call_as(&browser, Call::with_json("POST", "/api/v1/auth/login", &input))?;
        let browser = browser.with_session(&login)?;
        self.call_as(&browser, Call::new("POST", "/api/v1/auth/logout"))?;
        content(&login)
    }

    fn call_as(&mut self, client: &Client, mut call: Call) -> Result<Answer> {
        if call.method == "POST" {
            self.keys += 1;
            call = call.with_field("idempotency-key", format!("{}-{}", self.username, self.keys));
        }
        let (begin, phase, mut repeated) = (Instant::now(), self.stage.phase(), Vec::new());
        let result = repeat(client, &call, &mut repeated);
        let is_smooth = repeated.is_empty() && result.is_ok();
        let phase = if is_smooth { phase } else { self.stage.phase_of_fault(phase) };
        let failure = result.as_ref().err().map(|error| format!("{error:#}"));
        self.samples.push(Sample { phase, took: begin.elapsed(), repeated, failure });
        result
    }
}

fn repeat(client: &Client, call: &Call, repeated: &mut Vec<String>) -> Result<Answer> {
    let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        let answer = client.send(call);
        let Some(cause) = passing_failure(&answer).filter(|_| begin.elapsed() < PATIENCE) else {
            let answer = answer?;
            ensure!(answer.status < 300, "{} {}: {}", call.method, without_ids(&call.path), answer.summary());
            return Ok(answer);
        };
        repeated.push(format!("{} {}: {cause}", call.method, without_ids(&call.path)));
        let demanded = answer.ok().and_then(|answer| answer.retry_after).map(Duration::from_secs);
        sleep(demanded.unwrap_or(pause));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The path with `…` for each id, so that equal failures are counted together.
fn without_ids(path: &str) -> String {
    const ID_LENGTH: usize = 36;
    path.split('/').map(|part| if part.len() == ID_LENGTH { "…" } else { part }).collect::<Vec<_>>().join("/")
}

fn content(answer: &Answer) -> Result<Value> {
    if answer.status == 204 { Ok(Value::Null) } else { answer.json() }
}

/// Why a request failed, if it may succeed later.
fn passing_failure(answer: &Result<Answer>) -> Option<String> {
    match answer {
        Err(error) => Some(format!("{error:#}")),
        Ok(answer) => {
            let is_in_progress = answer.status == 409 && answer.text().contains("request-in-progress");
            let is_passing = is_in_progress || matches!(answer.status, 429 | 502..=504);
            is_passing.then(|| answer.summary())
        }
    }
}
