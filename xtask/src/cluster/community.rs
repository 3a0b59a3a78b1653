//! The community scenario: what users do, from the sign-up to read marks, each step through the proxy, and so on any node.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::{Value, json};

use crate::client::image::{FORM_TYPE, form, jpeg};
use crate::client::socket::{Received, Socket};
use crate::client::{Call, Entry};
use crate::cluster::person::{Person, Sample};
use crate::cluster::stage::Stage;

/// How long an event may take to another node.
const EVENT_LIMIT: Duration = Duration::from_secs(15);

/// Runs the scenario. Returns the samples of its requests.
pub(crate) fn run(entry: &Entry, stage: &Stage) -> Result<Vec<Sample>> {
    let mut ann = Person::sign_up(entry, "ann", stage)?;
    let mut bob = Person::sign_up(entry, "bob", stage)?;
    expect(&ann.log_in_and_out()?["account"]["username"], &json!("ann"), "the login")?;
    let post = publish(&mut ann)?;
    react(&mut bob, &post)?;
    discover(&mut bob, &post)?;
    notifications(&mut ann)?;
    chat(&mut ann, &mut bob)?;
    ann.samples.extend(bob.samples);
    Ok(ann.samples)
}

/// Uploads an image, fetches it from its URL, and writes a post with it. Returns the id of the post.
fn publish(author: &mut Person<'_>) -> Result<String> {
    let upload = Call::new("POST", "/api/v1/media").with_body(FORM_TYPE, form(&jpeg(640, 1), 1));
    let image = author.call(upload)?["items"][0].clone();
    let url = text(&image, "url")?;
    let path = url.strip_prefix(&*author.client.entry().public_url).unwrap_or(url);
    let status = author.client.get(path)?.status;
    ensure!(status == 200, "the image at {url} has status {status}");
    let input = json!({"text": "한강의 노을 #서울 @bob", "media_ids": [image["id"]]});
    let post = author.call(Call::with_json("POST", "/api/v1/posts", &input))?;
    expect(&post["media"][0]["id"], &image["id"], "the image of the post")?;
    Ok(text(&post, "id")?.into())
}

fn react(reader: &mut Person<'_>, post: &str) -> Result<()> {
    let comment = json!({"text": "정말 예쁘네요!"});
    reader.call(Call::with_json("POST", format!("/api/v1/posts/{post}/comments"), &comment))?;
    // Each can meet a node that has not seen the others; a repetition changes nothing.
    for _ in 0..2 {
        let liked = reader.call(Call::new("PUT", format!("/api/v1/posts/{post}/like")))?;
        expect(&liked["like_count"], &json!(1), "the number of likes")?;
    }
    let followed = reader.call(Call::new("PUT", "/api/v1/users/@ann/follow"))?;
    expect(&followed["follower_count"], &json!(1), "the number of followers")
}

fn discover(reader: &mut Person<'_>, post: &str) -> Result<()> {
    let lists =
        ["timelines/home", "timelines/hashtags/%EC%84%9C%EC%9A%B8", "search/posts?q=%EB%85%B8%EC%9D%84"];
    for list in lists {
        let page = reader.call(Call::new("GET", format!("/api/v1/{list}")))?;
        let items = page["items"].as_array().context("the page has no items")?;
        let item = items.iter().find(|item| item["id"] == post);
        let item = item.with_context(|| format!("{list} lacks the post"))?;
        expect(&item["comment_count"], &json!(1), "the number of comments")?;
    }
    Ok(())
}

fn notifications(author: &mut Person<'_>) -> Result<()> {
    let page = author.call(Call::new("GET", "/api/v1/notifications"))?;
    let items = page["items"].as_array().context("the page has no items")?;
    let types: Vec<&str> = items.iter().filter_map(|item| item["type"].as_str()).collect();
    ensure!(types == ["follow", "post_like", "comment"], "the notifications are {types:?}");
    let read = Call::with_json("PUT", "/api/v1/notifications/read", &json!({"up_to": items[0]["id"]}));
    expect(&author.call(read)?["unread_count"], &json!(0), "the unread notifications")
}

/// A conversation over HTTP and the gateway, on two connections that can be on two nodes.
fn chat(ann: &mut Person<'_>, bob: &mut Person<'_>) -> Result<()> {
    let input = json!({"members": ["@bob"]});
    let conversation = ann.call(Call::with_json("POST", "/api/v1/conversations", &input))?;
    let id = text(&conversation, "id")?;
    let (mut anns, mut bobs) = (connect(ann)?, connect(bob)?);
    for number in 1..=3 {
        let client_id = format!("019aaf60-4c00-7b11-a2c3-{number:012x}");
        let input = json!({"conversation_id": id, "client_id": client_id, "text": "내일 봐요"});
        let sent = anns.ask("message.send", &input)?;
        let event = wait_for(&mut bobs, |frame| frame["d"]["message"]["client_id"] == client_id)?;
        expect(&event["d"]["seq"], &sent["seq"], "the number of the event")?;
    }
    let read = Call::with_json("PUT", format!("/api/v1/conversations/{id}/read"), &json!({"message_no": 3}));
    expect(&bob.call(read)?["unread_count"], &json!(0), "the unread messages")?;
    wait_for(&mut anns, |frame| frame["ev"] == "conversation.read" && frame["d"]["read_no"] == 3).map(drop)
}

fn connect(person: &Person<'_>) -> Result<Socket> {
    Socket::open(&person.client)?.map_err(|failure| anyhow!("the gateway rejected it: {failure:?}"))
}

fn wait_for(socket: &mut Socket, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let until = Instant::now() + EVENT_LIMIT;
    loop {
        match socket.poll(until.saturating_duration_since(Instant::now()))? {
            Received::Frame(frame) if is_it(&frame) => return Ok(frame),
            Received::Frame(_) => {}
            Received::Nothing => bail!("no event in {} s", EVENT_LIMIT.as_secs()),
            Received::End(code) => bail!("the server closed the connection ({code:?})"),
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("no {name} in {value}"))
}

fn expect(found: &Value, expected: &Value, what: &str) -> Result<()> {
    ensure!(found == expected, "{what}: {found}, not {expected}");
    Ok(())
}
