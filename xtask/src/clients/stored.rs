//! Checks what a scenario stored on the server, without a generated client: a client that sends the wrong thing may
//! also read it back wrongly.

use std::fmt::Debug;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::blegram::Blegram;

const POST: &str = "바다와 산 #노을";
const ALTS: [&str; 2] = ["해 질 녘의 바다", "눈 덮인 산"];
const COMMENT: &str = "사진이 멋져요!";
const MESSAGE: &str = "주말에 산에 갈까요?";
/// The scenario creates one more, and deletes it.
const OTHER_POSTS: usize = 23;

/// Checks the accounts, posts, images, comments, follows and messages.
pub(super) fn check(blegram: &Blegram) -> Result<()> {
    let ann = blegram.access_token("ann")?;
    account(&blegram.get("/api/v1/me", &ann)?)?;
    posts(blegram, &ann)?;
    messages(blegram, &ann)
}

fn account(me: &Value) -> Result<()> {
    equal("the biography, cleared by null", &me["bio"], &json!(""))?;
    equal("the display name, reset by null", &me["display_name"], &json!("ann"))?;
    equal("the number of posts", &me["post_count"], &json!(OTHER_POSTS + 1))?;
    equal("the number of followers", &me["follower_count"], &json!(1))
}

fn posts(blegram: &Blegram, token: &str) -> Result<()> {
    let posts = items(blegram.get("/api/v1/users/@ann/posts?limit=100", token)?)?;
    let texts: Vec<&str> = posts.iter().filter_map(|post| post["text"].as_str()).collect();
    let others: Vec<String> = (1..=OTHER_POSTS).rev().map(|n| format!("글 {n}")).collect();
    let expected: Vec<&str> = others.iter().map(String::as_str).chain([POST]).collect();
    equal("the texts of the posts", &texts, &expected)?;
    let photos = posts.last().context("there are no posts")?;
    let media = photos["media"].as_array().context("the post has no images")?;
    let alts: Vec<&str> = media.iter().filter_map(|image| image["alt"].as_str()).collect();
    equal("the alt texts", &alts[..], &ALTS[..])?;
    let sizes: Vec<_> =
        media.iter().map(|image| (image["width"].as_u64(), image["height"].as_u64())).collect();
    equal("the sizes of the images", &sizes, &vec![(Some(64), Some(48)), (Some(48), Some(64))])?;
    let id = photos["id"].as_str().unwrap_or_default();
    let comments = items(blegram.get(&format!("/api/v1/posts/{id}/comments"), token)?)?;
    let comments: Vec<_> = comments
        .iter()
        .map(|comment| (comment["author"]["username"].as_str(), comment["text"].as_str()))
        .collect();
    equal("the comments", &comments, &vec![(Some("bob"), Some(COMMENT))])
}

fn messages(blegram: &Blegram, token: &str) -> Result<()> {
    let conversations = items(blegram.get("/api/v1/conversations", token)?)?;
    equal("the number of conversations", &conversations.len(), &1)?;
    let id = conversations[0]["id"].as_str().unwrap_or_default();
    let messages = items(blegram.get(&format!("/api/v1/conversations/{id}/messages"), token)?)?;
    let messages: Vec<_> = messages
        .iter()
        .map(|message| (message["sender"]["username"].as_str(), message["text"].as_str()))
        .collect();
    equal("the messages", &messages, &vec![(Some("ann"), Some(MESSAGE))])
}

fn items(mut page: Value) -> Result<Vec<Value>> {
    match page["items"].take() {
        Value::Array(items) => Ok(items),
        other => anyhow::bail!("not a page: {other}"),
    }
}

fn equal<T: PartialEq + Debug + ?Sized>(what: &str, actual: &T, expected: &T) -> Result<()> {
    ensure!(actual == expected, "{what}: {actual:?}, expected {expected:?}");
    Ok(())
}
