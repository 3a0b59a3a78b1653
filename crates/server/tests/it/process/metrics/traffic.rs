//! Traffic of every kind, so that every metric has a sample.

use blegram_client::{
    Client, Gateway, HttpBuilder, Limits, Options, Update, Upload,
    types::{CreateComment, CreatePost},
};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::super::{
    home::Home,
    people::{PASSWORD, Person},
};
use crate::client::in_time;

/// Sends one command over a new gateway connection, and waits for the reply.
pub(super) async fn command(home: &Home, person: &Person, op: &str) {
    let mut request = format!("ws://{}/api/v1/gateway", home.address).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("origin", home.site().parse().unwrap());
    headers.insert("cookie", person.cookie().parse().unwrap());
    headers.insert("sec-websocket-protocol", "blegram.v1+json".parse().unwrap());
    let stream = TcpStream::connect(home.address).await.unwrap();
    let (mut ws, _) = in_time(client_async(request, stream)).await.unwrap();
    let command = json!({ "id": 1, "op": op, "d": {} }).to_string();
    ws.send(Message::text(command)).await.unwrap();
    let reply = async {
        while let Some(Ok(message)) = ws.next().await {
            if message.to_text().is_ok_and(|text| text.contains("\"re\":1")) {
                return;
            }
        }
        panic!("the connection ended without a reply");
    };
    in_time(reply).await;
}

pub(super) fn client(home: &Home) -> Client {
    let site = format!("http://{}", home.address).parse().unwrap();
    Client::with(site, HttpBuilder::new().no_proxy(), Limits::default()).unwrap()
}

/// Uses every part of the site: accounts, posts, images, chat over the gateway, search, pages, files, probes, jobs, and what
/// is rejected.
pub(super) async fn use_everything(home: &Home) {
    let (ann, bob) = (client(home), client(home));
    ann.sign_up("ann", PASSWORD).await.unwrap();
    bob.sign_up("bob", PASSWORD).await.unwrap();
    let photo = Upload { name: "a.jpg".to_owned(), bytes: blegram_media::testing::photo(64, 48), alt: None };
    let photo = ann.upload(vec![photo]).await.unwrap().items.remove(0);
    let post = CreatePost {
        text: Some("hello #jeju @bob".to_owned()),
        media_ids: vec![photo.id],
        ..Default::default()
    };
    let post = ann.create_post(&post).await.unwrap();
    bob.like_post(post.id).await.unwrap();
    let comment = CreateComment { text: "nice".to_owned(), parent_id: None };
    bob.create_comment(post.id, &comment).await.unwrap();

    let options = Options { follow_all: true, ..Options::default() };
    let (gateway, mut updates) = Gateway::connect(bob.clone(), options).await.unwrap();
    in_time(async { while !matches!(updates.next().await, Some(Update::Connected(_))) {} }).await;
    let conversation = ann.open_direct("@bob").await.unwrap().id;
    gateway.follow(conversation).await.unwrap();
    gateway.send(conversation, "hello".to_owned()).await.unwrap();
    in_time(async { while !matches!(updates.next().await, Some(Update::Sent { .. })) {} }).await;

    let stranger = home.stranger();
    for path in ["/docs", "/openapi.json", "/healthz", "/readyz", "/api/v1/search/posts?q=hello", "/nothing"]
    {
        stranger.get(path).await;
    }
    let preflight = "access-control-request-method: POST\r\norigin: https://app.example\r\n";
    stranger.send(&stranger.bare_head("OPTIONS /api/v1/posts", preflight)).await.unwrap();
    let wrong = json!({ "login": "ann", "password": "wrong password", "client": "browser" });
    assert_eq!(stranger.post("/api/v1/auth/login", &wrong).await.status, 401);
    let cho = home.sign_up("cho").await;
    command(home, &cho, "sync").await;
    assert_eq!(cho.post("/api/v1/me/deletion", &json!({ "password": PASSWORD })).await.status, 204);
}
