//! A user who keeps requesting: reads, writes, uploads and logs in, at the pace of a busy person.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::client::Call;
use crate::client::image::{FORM_TYPE, form, jpeg};
use crate::cluster::person::{Person, Sample};
use crate::cluster::stage::Stage;

/// Time between two requests.
const PACE: Duration = Duration::from_millis(250);
/// An account accepts 100 logins in an hour.
const LOGIN_PACE: Duration = Duration::from_secs(4);

/// Requests until the run is over, and returns the samples.
pub(crate) fn work(mut person: Person<'_>, friend: &str, stage: &Stage) -> Vec<Sample> {
    let (mut login, mut round) = (Instant::now(), 0_usize);
    let mut post = String::new();
    while !stage.is_over() {
        let begin = Instant::now();
        // The person has recorded a failure; the next request does not depend on it.
        let _ = if login.elapsed() > LOGIN_PACE {
            login = Instant::now();
            person.log_in_and_out().map(drop)
        } else {
            act(&mut person, round, &mut post, friend)
        };
        round += 1;
        sleep(PACE.saturating_sub(begin.elapsed()));
    }
    person.samples
}

/// One request of a cycle. `post` is the latest post of the person.
fn act(person: &mut Person<'_>, round: usize, post: &mut String, friend: &str) -> Result<()> {
    let api = |path: &str| format!("/api/v1/{path}");
    let cycle = [
        Call::with_json("POST", api("posts"), &json!({"text": format!("노을 {round} #서울 @{friend}")})),
        Call::new("PUT", api(&format!("posts/{post}/like"))),
        Call::with_json("POST", api(&format!("posts/{post}/comments")), &json!({"text": "예쁘네요"})),
        Call::new("POST", api("media")).with_body(FORM_TYPE, form(&jpeg(256, 1), 1)),
        Call::new("GET", api("timelines/home")),
        Call::new("GET", api("search/posts?q=%EB%85%B8%EC%9D%84")),
        Call::new("PUT", api(&format!("users/@{friend}/follow"))),
        Call::new("GET", api("timelines/hashtags/%EC%84%9C%EC%9A%B8")),
        Call::new("GET", api("notifications")),
        Call::new("DELETE", api(&format!("posts/{post}/like"))),
        Call::new("GET", api(&format!("posts/{post}"))),
        Call::with_json("PATCH", api("me"), &json!({"bio": format!("{round}")})),
    ];
    let at = round % cycle.len();
    if post.is_empty() && at > 0 {
        return Ok(());
    }
    let answer = cycle.into_iter().nth(at).map(|call| person.call(call)).transpose()?;
    if at == 0 {
        *post = id(&answer.unwrap_or_default())?;
    }
    Ok(())
}

fn id(answer: &Value) -> Result<String> {
    Ok(answer["id"].as_str().context("the response has no id")?.into())
}
