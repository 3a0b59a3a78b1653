//! The scenario with progenitor. xtask/clients/README.md lists its steps.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::num::NonZeroU64;
use std::time::Duration;

use progenitor_client::ResponseValue;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::multipart::{Form, Part};
use uuid::Uuid;

use blegram::{Client, Error, types};

mod blegram {
    progenitor::generate_api!(spec = "openapi.json", interface = Builder);

    // Written by `cargo xtask clients`: calls every operation of the document.
    include!("operations.rs");
}

const PASSWORD: &str = "plum tractor 92 sings";
const ALTS: [&str; 2] = ["해 질 녘의 바다", "눈 덮인 산"];
const POST: &str = "바다와 산 #노을";
const COMMENT: &str = "사진이 멋져요!";
const MESSAGE: &str = "주말에 산에 갈까요?";

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn http(token: Option<&str>) -> reqwest::Client {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    reqwest::Client::builder().default_headers(headers).build().unwrap()
}

fn client(token: Option<&str>) -> Client {
    Client::new_with_client(&env("BLEGRAM_ORIGIN"), http(token))
}

async fn sign_up(username: &str, display_name: Option<&str>) -> String {
    let mut body =
        types::SignUp::builder().username(username).password(PASSWORD).client(types::ClientKind::Native);
    if let Some(name) = display_name {
        body = body.display_name(name.to_owned());
    }
    let result = client(None).sign_up().body(body).send().await.unwrap().into_inner();
    result.tokens.expect("a native app gets tokens").access_token
}

/// The status and the problem of a failure.
fn problem<T: Debug>(result: Result<T, Error<types::Problem>>) -> ResponseValue<types::Problem> {
    match result {
        Err(Error::ErrorResponse(problem)) => problem,
        other => panic!("expected a problem: {other:?}"),
    }
}

/// Uploads: `blegram openapi --for progenitor` leaves them out, so they are sent by hand.
async fn upload(token: &str) -> types::MediaUpload {
    let mut form = Form::new();
    for (name, alt) in ["sea.png", "mountain.png"].into_iter().zip(ALTS) {
        let content = std::fs::read(format!("{}/{name}", env("PHOTOS"))).unwrap();
        form = form.part("file", Part::bytes(content).file_name(name)).text("alt", alt);
    }
    let request = http(Some(token)).post(format!("{}/api/v1/media", env("BLEGRAM_ORIGIN"))).multipart(form);
    request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let token = sign_up("ann", Some("앤")).await;
    let ann = client(Some(&token));
    let bob = client(Some(&sign_up("bob", None).await));
    let anonymous = client(None);

    let uploaded = upload(&token).await.items;
    assert_eq!(uploaded.iter().map(|media| media.alt.as_deref()).collect::<Vec<_>>(), ALTS.map(Some));
    assert_eq!(
        uploaded.iter().map(|media| (media.width, media.height)).collect::<Vec<_>>(),
        [(64, 48), (48, 64)]
    );

    let media_ids: Vec<Uuid> = uploaded.iter().map(|media| media.id).collect();
    let key = Uuid::new_v4().to_string();
    let create = || {
        let body = types::CreatePost::builder().text(POST.to_owned()).media_ids(media_ids.clone());
        ann.create_post().idempotency_key(key.as_str()).body(body).send()
    };
    let post = create().await.unwrap().into_inner();
    assert_eq!(create().await.unwrap().id, post.id);
    assert_eq!(post.hashtags, ["노을"]);
    let mut ids = vec![post.id];
    for n in 1..=24 {
        let body = types::CreatePost::builder().text(format!("글 {n}"));
        ids.push(ann.create_post().body(body).send().await.unwrap().id);
    }

    assert!(bob.follow_user().user("@ann").send().await.unwrap().following);
    let body = types::CreateComment::builder().text(COMMENT);
    let comment = bob.create_comment().post(post.id).body(body).send().await.unwrap().into_inner();
    assert_eq!(comment.post_id, post.id);
    assert_eq!(comment.author.unwrap().username, "bob");

    let (mut sizes, mut listed, mut cursor) = (Vec::new(), Vec::new(), None);
    loop {
        let mut request = anonymous.list_user_posts().user("@ann").limit(NonZeroU64::new(10).unwrap());
        if let Some(cursor) = cursor.take() {
            request = request.cursor::<String>(cursor);
        }
        let page = request.send().await.unwrap().into_inner();
        sizes.push(page.items.len());
        listed.extend(page.items.iter().map(|post| post.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [10, 10, 5]);
    listed.reverse();
    assert_eq!(listed, ids);

    let found = bob.search_posts().q("노을").send().await.unwrap().into_inner();
    assert_eq!(found.items.iter().map(|post| post.id).collect::<Vec<_>>(), [post.id]);

    let body = types::CreateConversation::builder().members(vec!["@bob".to_owned()]);
    let conversation = ann.create_conversation().body(body).send().await.unwrap().id;
    let client_id = Uuid::now_v7();
    let send = || {
        let body = types::SendMessage::builder().client_id(client_id).text(MESSAGE.to_owned());
        ann.send_message().conversation(conversation).body(body).send()
    };
    let sent = send().await.unwrap().id;
    assert_eq!(send().await.unwrap().id, sent);
    let received = bob.list_messages().conversation(conversation).send().await.unwrap().into_inner().items;
    assert_eq!(received.len(), 1);
    assert_eq!((received[0].client_id, received[0].text.as_deref()), (client_id, Some(MESSAGE)));

    let body =
        types::SignUp::builder().username("a b c").password("password1234").client(types::ClientKind::Native);
    let invalid = problem(anonymous.sign_up().body(body.display_name("가".repeat(31))).send().await);
    assert_eq!((invalid.status(), &*invalid.code), (StatusCode::UNPROCESSABLE_ENTITY, "invalid"));
    let pointers: BTreeSet<&str> = invalid.errors.iter().flatten().map(|error| &*error.pointer).collect();
    assert_eq!(pointers, BTreeSet::from(["/display_name", "/password", "/username"]));

    let mut limited = None;
    for _ in 0..10 {
        let result = ann.create_gateway_ticket().send().await;
        if result.is_err() {
            limited = Some(problem(result));
            break;
        }
    }
    let limited = limited.expect("tickets are limited");
    assert_eq!((limited.status(), &*limited.code), (StatusCode::TOO_MANY_REQUESTS, "rate-limited"));
    let seconds: u64 = limited.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 0);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert!(!ann.create_gateway_ticket().send().await.unwrap().ticket.is_empty());

    let body = types::UpdateMe::builder().bio("안녕하세요".to_owned());
    let updated = ann.update_me().body(body).send().await.unwrap().into_inner();
    assert_eq!((&*updated.bio, &*updated.display_name), ("안녕하세요", "앤"));

    // The types leave out a field that is `None`, so null is sent by hand.
    let body = serde_json::json!({ "bio": null, "display_name": null });
    let request = http(Some(&token)).patch(format!("{}/api/v1/me", env("BLEGRAM_ORIGIN"))).json(&body);
    let cleared: types::Account =
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    assert_eq!((&*cleared.bio, &*cleared.display_name), ("", "ann"));

    let last = ids[24];
    assert_eq!(ann.delete_post().post(last).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let missing = problem(ann.get_post().post(last).send().await);
    assert_eq!((missing.status(), &*missing.code), (StatusCode::NOT_FOUND, "not-found"));
}
