//! The realtime gateway: handshakes and connection limits, commands, subscriptions and events.

use std::{collections::BTreeSet, time::Duration};

use blegram_domain::Clock;
use blegram_limits::Quota;
use blegram_persistence::testing::Backend;
use futures_util::{SinkExt, future::join_all};
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame, FrameHeader,
        coding::{Data, OpCode},
    },
};

use tokio_util::task::TaskTracker;

use crate::{
    both_databases,
    contract::FRAMES,
    socket::PROTOCOL,
    world::{PASSWORD, Settings, TestApp, client_id},
};

const COMMITTED: &str = include_str!("../../../../docs/asyncapi.json");

const OWN: (&str, &str) = ("origin", "http://127.0.0.1:8080");

#[test]
fn committed_asyncapi_document_is_up_to_date() {
    let served = blegram_api::asyncapi("http://127.0.0.1:8080");
    assert!(COMMITTED == served, "docs/asyncapi.json is not up to date: run `cargo xtask gen`");
}

#[tokio::test]
async fn served_asyncapi_document_describes_every_frame() {
    let t = TestApp::new(Backend::Sqlite).await;
    let served = t.stranger().get("/asyncapi.json").await;
    served.assert_status(200);
    assert_eq!(served.json()["asyncapi"], "3.0.0");
    for (name, message) in served.json()["components"]["messages"].as_object().unwrap() {
        FRAMES.assert_resolves(name, &message["payload"]);
    }
}

#[test]
fn frames_have_titles_summaries_and_valid_examples() {
    let document: Value = serde_json::from_str(&blegram_api::asyncapi("https://blegram.example")).unwrap();
    let mut titles = BTreeSet::new();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let title = message["payload"]["title"].as_str().unwrap();
        if ["ping", "pong"].contains(&name.as_str()) || name.starts_with("reply.") {
            let text = message["description"].as_str().unwrap_or_default();
            assert!(text.contains(|c| ('가'..='힣').contains(&c)), "{name} is not described: {text}");
        }
        assert!(titles.insert(title), "{name}: {title} is used twice");
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert!(!schemas.contains_key(title), "{name}: {title} is a schema");
        let summary = message["summary"].as_str().unwrap_or_else(|| panic!("{name} has no summary"));
        assert!(summary.chars().any(|c| ('가'..='힣').contains(&c)), "{name} is not described in Korean");
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            FRAMES.check(name, &example["payload"]);
        }
    }
}

#[test]
fn security_schemes_are_described() {
    let document: Value = serde_json::from_str(&blegram_api::asyncapi("https://blegram.example")).unwrap();
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    let named: Vec<Value> = schemes
        .keys()
        .map(|name| json!({ "$ref": format!("#/components/securitySchemes/{name}") }))
        .collect();
    assert_eq!(document["servers"]["site"]["security"], json!(named));
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer", "cookie", "ticket"]);
}

#[tokio::test]
async fn cookie_handshake_needs_a_trusted_origin() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    let table = [
        (vec![PROTOCOL, OWN], Ok(())),
        (vec![PROTOCOL, ("origin", "https://app.example")], Ok(())),
        (vec![PROTOCOL, ("origin", "https://evil.example")], Err(403)),
        (vec![PROTOCOL, ("origin", "null")], Err(403)),
        (vec![PROTOCOL, ("origin", "http://127.0.0.1:8080.evil.example")], Err(403)),
        (vec![PROTOCOL], Err(403)),
        (vec![OWN], Err(400)),
        (vec![OWN, ("sec-websocket-protocol", "chat")], Err(400)),
    ];
    for (headers, expected) in table {
        let outcome = ann.tries_to_connect(&headers).await.map(|_| ());
        assert_eq!(outcome, expected, "{headers:?}");
    }
    assert_eq!(t.stranger().tries_to_connect(&[PROTOCOL, OWN]).await.err(), Some(401));
    ann.get("/api/v1/gateway").await.assert_problem(426, "upgrade-required");
}

#[tokio::test]
async fn gateway_status_matches_the_handshake() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    let status = ann.get("/api/v1/gateway/status").await;
    status.assert_status(200);
    assert_eq!(status.json()["url"], "ws://127.0.0.1:8080/api/v1/gateway");
    let from = async |headers: &[(&str, &str)]| {
        ann.send_bare(poem::http::Method::GET, "/api/v1/gateway/status", headers, Vec::new()).await.status
    };
    assert_eq!(from(&[("origin", "https://app.example")]).await, 200);
    assert_eq!(from(&[("origin", "https://evil.example")]).await, 403);
    assert_eq!(from(&[("sec-fetch-site", "cross-site")]).await, 403);
    t.stranger().get("/api/v1/gateway/status").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_opens_one_connection_from_its_origin(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let ticket = async || {
        let made = ann.send(poem::http::Method::POST, "/api/v1/gateway/tickets", &[OWN], Vec::new()).await;
        made.assert_status(201);
        format!("blegram.v1+json, blegram.ticket.{}", made.json()["ticket"].as_str().unwrap())
    };
    let stranger = t.stranger();
    let good = ticket().await;
    let mut socket = stranger.tries_to_connect(&[("sec-websocket-protocol", &good), OWN]).await.unwrap();
    socket.receives("ready").await;
    assert_eq!(stranger.tries_to_connect(&[("sec-websocket-protocol", &good), OWN]).await.err(), Some(401));
    let elsewhere = ticket().await;
    let other = ("origin", "https://app.example");
    let rejected = stranger.tries_to_connect(&[("sec-websocket-protocol", &elsewhere), other]).await;
    assert_eq!(rejected.err(), Some(401));
    let late = ticket().await;
    t.clock.advance(Duration::from_secs(31));
    assert_eq!(stranger.tries_to_connect(&[("sec-websocket-protocol", &late), OWN]).await.err(), Some(401));
}

#[apply(both_databases)]
#[tokio::test]
async fn messages_are_delivered_once_and_in_order(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let (mut a, mut b, mut phone) = (ann.connects().await, bob.connects().await, ann.connects().await);
    b.gets("open", json!({ "conversations": [id] })).await;

    let name = client_id();
    let message = json!({ "conversation_id": id, "client_id": name, "text": "hello" });
    let sent = a.gets("message.send", message.clone()).await;
    assert_eq!(
        (&sent["seq"], &sent["message_no"], &sent["duplicate"]),
        (&json!(1), &json!(1), &json!(false))
    );
    assert_eq!(b.receives("conversation.added").await["conversation"]["id"], json!(id));
    let event = b.receives("message.created").await;
    assert_eq!((&event["seq"], &event["message"]["text"]), (&json!(1), &json!("hello")));
    assert_eq!(
        phone.receives("message.created").await,
        event,
        "on every device, the sender's other ones included"
    );

    let again = a.gets("message.send", message).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(1), &json!(true)));
    let other = json!({ "conversation_id": id, "client_id": name, "text": "other" });
    assert_eq!(a.requests("message.send", other).await["err"]["code"], "client-id-reused");

    let edit = json!({ "conversation_id": id, "message_id": sent["id"], "text": "hello!" });
    assert_eq!(a.gets("message.edit", edit).await["message"]["text"], "hello!");
    assert_eq!(b.receives("message.edited").await["seq"], 2);
    a.gets("message.delete", json!({ "conversation_id": id, "message_id": sent["id"] })).await;
    assert_eq!(b.receives("message.deleted").await["message"]["text"], json!(null));

    a.sends_command("typing", &json!({ "conversation_id": id })).await;
    assert_eq!(b.receives("typing").await["conversation_id"], json!(id));

    let read = b.gets("read", json!({ "conversation_id": id, "message_no": 9 })).await;
    assert_eq!(read, json!({ "read_no": 1, "unread_count": 0 }));
    assert_eq!(a.receives("conversation.read").await["read_no"], 1);
    b.sends(&json!({ "pong": 0, "recv": { id.clone(): 3 } }).to_string()).await;
    assert_eq!(a.receives("conversation.delivered").await["delivered_seq"], 3);

    let history = b.gets("history", json!({ "conversation_id": id, "after": 0, "limit": 2 })).await;
    assert_eq!((history["events"].as_array().unwrap().len(), &history["more"]), (2, &json!(true)));
    let synced = b.gets("sync", json!({})).await;
    assert_eq!(synced["heads"][0]["last_seq"], 3);
    let left = b.received().await;
    assert!(!left.iter().any(|name| name.starts_with("message.")), "delivered twice: {left:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn removed_member_receives_no_more_events(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, eve] = t.users(["ann", "bob", "eve"]).await;
    let (mut b, mut e) = (bob.connects().await, eve.connects().await);
    let id = ann.starts_conversation(&["@bob", "@eve"], Some("us")).await;
    assert_eq!(e.receives("conversation.added").await["conversation"]["title"], "us");
    ann.delete(&format!("/api/v1/conversations/{id}/members/@eve")).await.assert_status(204);
    assert_eq!(e.receives("conversation.removed").await["reason"], "removed");
    ann.sends_message(&id, "now that she is gone").await;
    b.receives("message.created").await;
    assert_eq!(e.received().await, [""; 0]);
    let rejected = e.requests("history", json!({ "conversation_id": id, "after": 0 })).await;
    assert_eq!(rejected["err"]["code"], "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn post_events_reach_subscribers_who_may_see_the_post(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, eve, mia, joe] = t.users(["ann", "bob", "eve", "mia", "joe"]).await;
    for (path, actor) in [("follow", &bob), ("mute", &mia)] {
        actor.put_empty(&format!("/api/v1/users/@ann/{path}")).await.assert_status(200);
    }
    ann.put_empty("/api/v1/users/@joe/block").await.assert_status(200);
    let everything = json!({ "topics": ["timeline:home", "timeline:public", "hashtag:sea"] });
    let mut sockets = Vec::new();
    for actor in [&bob, &eve, &mia, &joe] {
        let mut socket = actor.connects().await;
        let outcome = socket.gets("subscribe", everything.clone()).await;
        assert_eq!(outcome["topics"]["hashtag:sea"], "ok");
        sockets.push(socket);
    }
    let [b, e, m, j] = &mut sockets[..] else { unreachable!() };

    let id = ann.posts("the #sea").await;
    for topic in ["timeline:home", "timeline:public", "hashtag:sea"] {
        let event = b.receives("post.created").await;
        assert_eq!((&event["topic"], &event["post"]["id"]), (&json!(topic), &json!(id)));
        assert!(event["post"]["viewer"].is_null());
    }
    assert_eq!(e.receives("post.created").await["topic"], "timeline:public");
    assert_eq!(e.receives("post.created").await["topic"], "hashtag:sea");

    let topic = format!("post:{id}");
    b.gets("subscribe", json!({ "topics": [topic] })).await;
    let comment = eve.comments(&id, "indeed").await;
    let event = b.receives("comment.created").await;
    assert_eq!((&event["topic"], &event["comment"]["id"]), (&json!(topic), &json!(comment)));
    assert_eq!(b.receives("post.counts").await["comment_count"], 1);
    eve.delete(&format!("/api/v1/comments/{comment}")).await.assert_status(204);
    assert_eq!(b.receives("comment.deleted").await["comment_id"], json!(comment));

    // Restricting a post to followers deletes it for every other subscriber.
    let narrow = json!({ "visibility": "followers" });
    ann.patch(&format!("/api/v1/posts/{id}"), &[], &narrow).await.assert_status(200);
    assert_eq!(b.receives("post.updated").await["topic"], "timeline:home");
    assert_eq!(e.receives("post.deleted").await["post_id"], json!(id));
    let hidden = json!({ "text": "for some", "visibility": "followers" });
    ann.post("/api/v1/posts", &hidden).await.assert_status(201);
    assert_eq!(b.receives("post.created").await["post"]["text"], "for some");
    ann.delete(&format!("/api/v1/posts/{id}")).await.assert_status(204);
    b.receives("topic.revoked").await;

    // A public post as a marker: earlier events, if any were sent, arrive before it.
    eve.posts("last").await;
    for socket in [&mut *m, &mut *j] {
        assert_eq!(
            socket.receives("post.created").await["post"]["text"],
            "last",
            "nothing earlier: one muted the author, the other is blocked"
        );
    }
    // No event for the followers-only post; her own post is in her home timeline, too.
    for topic in ["timeline:home", "timeline:public"] {
        let event = e.receives("post.created").await;
        assert_eq!((&event["topic"], &event["post"]["text"]), (&json!(topic), &json!("last")));
    }
}

#[tokio::test]
async fn subscriptions_are_limited_and_checked_for_visibility() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob, eve] = t.users(["ann", "bob", "eve"]).await;
    let me = ann.patch("/api/v1/me", &[], &json!({ "is_private": true })).await;
    let user = format!("user:{}", me.json()["id"].as_str().unwrap());
    let post = format!("post:{}", ann.posts("mine").await);
    bob.put_empty("/api/v1/users/@ann/follow").await;
    ann.put_empty("/api/v1/me/follow-requests/@bob").await;
    let missing_user = format!("user:{}", client_id());
    let topics = json!({ "topics": [user, post, missing_user, "timeline:everything"] });
    let mut e = eve.connects().await;
    let outcome = e.gets("subscribe", topics).await["topics"].clone();
    assert_eq!(outcome[&user], "forbidden");
    assert_eq!(outcome[&post], "not-found");
    assert_eq!(outcome[&missing_user], "not-found");
    assert_eq!(outcome["timeline:everything"], "invalid");
    let many: Vec<String> = (0..64).map(|n| format!("hashtag:t{n}")).collect();
    e.gets("subscribe", json!({ "topics": many })).await;
    let outcome = e.gets("subscribe", json!({ "topics": ["timeline:public"] })).await;
    assert_eq!(outcome["topics"]["timeline:public"], "limit");
    e.gets("unsubscribe", json!({ "topics": ["hashtag:t1"] })).await;
    let outcome = e.gets("subscribe", json!({ "topics": ["timeline:public"] })).await;
    assert_eq!(outcome["topics"]["timeline:public"], "ok");
}

#[tokio::test]
async fn busy_topic_sends_counts_instead_of_posts() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut b = bob.connects().await;
    b.gets("subscribe", json!({ "topics": ["timeline:public"] })).await;
    // Concurrently: one after the other, a busy machine might create too few posts in a second for them to be counted.
    let texts: Vec<String> = (0..30).map(|n| format!("post {n}")).collect();
    let ids = join_all(texts.iter().map(|text| ann.posts(text))).await;
    let last = ids.into_iter().max().unwrap();
    let (mut count, mut newest) = (0, String::new());
    while newest != last {
        let head = b.receives("timeline.head").await;
        newest = head["newest_id"].as_str().unwrap().to_owned();
        count += head["count"].as_u64().unwrap();
    }
    count += b.received().await.iter().filter(|name| *name == "post.created").count() as u64;
    assert_eq!(count, 30, "each post is delivered or counted");
}

#[apply(both_databases)]
#[tokio::test]
async fn notifications_are_pushed_and_their_read_position_is_shared(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut a = ann.connects().await;
    let id = ann.posts("like me").await;
    bob.put_empty(&format!("/api/v1/posts/{id}/like")).await.assert_status(200);
    let event = a.receives("notification.created").await["notification"].clone();
    assert_eq!((&event["type"], &event["post"]["id"]), (&json!("post_like"), &json!(id)));
    ann.put("/api/v1/notifications/read", &json!({ "up_to": event["id"] })).await.assert_status(200);
    assert_eq!(a.receives("notification.state").await["unread_count"], 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn withdrawn_notifications_are_deleted_and_not_pushed_again(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut a = ann.connects().await;
    let like = format!("/api/v1/posts/{}/like", ann.posts("like me").await);
    bob.put_empty(&like).await.assert_status(200);
    let created = a.receives("notification.created").await["notification"]["id"].clone();
    bob.delete(&like).await.assert_status(200);
    let deleted = a.receives("notification.deleted").await;
    assert_eq!(deleted, json!({ "id": created, "unread_count": 0 }));
    assert_eq!(ann.notifications().await, [""; 0]);

    // The same notification again is listed and unread, but not pushed.
    for _ in 0..50 {
        bob.put_empty(&like).await.assert_status(200);
        assert_eq!(a.receives("notification.state").await["unread_count"], 1);
        let listed = ann.get("/api/v1/notifications").await.items("id");
        bob.delete(&like).await.assert_status(200);
        assert_eq!(a.receives("notification.deleted").await, json!({ "id": listed[0], "unread_count": 0 }));
    }
    assert_eq!(a.received().await, [""; 0]);
    // Another action of the same user is pushed.
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    assert_eq!(a.receives("notification.created").await["notification"]["type"], "follow");
    t.clock.advance(Duration::from_secs(60 * 60));
    bob.put_empty(&like).await.assert_status(200);
    let again = a.receives("notification.created").await["notification"]["id"].clone();
    assert_ne!(again, created);
    assert_eq!(ann.notifications().await, ["post_like", "follow"]);
}

#[tokio::test]
async fn repeated_notifications_are_pushed_an_hour_apart_despite_clock_steps() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut a = ann.connects().await;
    let like = format!("/api/v1/posts/{}/like", ann.posts("like me").await);
    bob.put_empty(&like).await.assert_status(200);
    a.receives("notification.created").await;
    let start = t.clock.now();
    let hour = Duration::from_secs(60 * 60);
    for step in [start + 2 * hour, start] {
        t.clock.step_wall(step);
        bob.delete(&like).await.assert_status(200);
        a.receives("notification.deleted").await;
        bob.put_empty(&like).await.assert_status(200);
        assert_eq!(a.receives("notification.state").await["unread_count"], 1);
        assert_eq!(a.received().await, [""; 0], "{step}");
    }
}

/// Nodes that cannot reach each other learn about new events from the database.
#[apply(both_databases)]
#[tokio::test]
async fn messages_of_another_node_arrive_as_heads(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&id, "here").await;
    let mut b = bob.connects().await;
    b.gets("open", json!({ "conversations": [] })).await;
    let elsewhere = t.another_node();
    let remote_ann = elsewhere.stranger();
    remote_ann.log_in("ann", PASSWORD).await.assert_status(200);
    remote_ann.sends_message(&id, "there").await;
    loop {
        let head = b.receives("conversation.head").await;
        assert_eq!(head["conversation_id"], id);
        if head["last_seq"] == 2 {
            break;
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn notifications_about_deleted_content_are_deleted(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut a = ann.connects().await;
    let post = ann.posts("talk to me").await;
    let comment = bob.comments(&post, "hello").await;
    a.receives("notification.created").await;
    bob.delete(&format!("/api/v1/comments/{comment}")).await.assert_status(204);
    assert_eq!(a.receives("notification.deleted").await["unread_count"], 0);

    let mention = bob.posts("hello @ann").await;
    a.receives("notification.created").await;
    bob.delete(&format!("/api/v1/posts/{mention}")).await.assert_status(204);
    assert_eq!(a.receives("notification.deleted").await["unread_count"], 0);

    // When many are deleted at once, only the unread count is sent.
    for n in 0..21 {
        bob.comments(&post, &format!("comment {n}")).await;
        a.receives("notification.created").await;
    }
    ann.delete(&format!("/api/v1/posts/{post}")).await.assert_status(204);
    assert_eq!(a.receives("notification.state").await["unread_count"], 0);
    assert_eq!(a.received().await, [""; 0]);
}

#[apply(both_databases)]
#[tokio::test]
async fn rejoined_members_receive_heads_instead_of_edits_of_older_messages(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _bob, eve] = t.users(["ann", "bob", "eve"]).await;
    let id = ann.starts_conversation(&["@bob", "@eve"], Some("us")).await;
    let members = format!("/api/v1/conversations/{id}/members");
    let before = ann.sends_message(&id, "before").await;
    let own = eve.sends_message(&id, "of eve, before").await;
    ann.delete(&format!("{members}/@eve")).await.assert_status(204);
    let mut e = eve.connects().await;
    ann.post(&members, &json!({ "members": ["@eve"] })).await.assert_status(200);
    let joined = e.receives("member.joined").await["seq"].as_u64().unwrap();

    let message = format!("/api/v1/conversations/{id}/messages/{before}");
    ann.patch(&message, &[], &json!({ "text": "edited" })).await.assert_status(200);
    let head = e.receives("conversation.head").await;
    assert_eq!((&head["conversation_id"], &head["last_seq"]), (&json!(id), &json!(joined + 1)));
    ann.delete(&message).await.assert_status(204);
    assert_eq!(e.receives("conversation.head").await["last_seq"], joined + 2);
    ann.sends_message(&id, "after").await;
    assert_eq!(e.receives("message.created").await["seq"], joined + 3);
    let names = e.received().await;
    assert!(!names.iter().any(|name| name == "message.edited" || name == "message.deleted"), "{names:?}");

    let expected = [
        (json!("conversation.skipped"), json!(joined + 1)),
        (json!("conversation.skipped"), json!(joined + 2)),
        (json!("message.created"), json!(joined + 3)),
    ];
    let pull = json!({ "conversation_id": id, "after": joined });
    let by_socket = e.gets("history", pull).await;
    let path = format!("/api/v1/conversations/{id}/events?after={joined}");
    for history in [by_socket, eve.get(&path).await.json()] {
        let events = history["events"].as_array().unwrap();
        let seen: Vec<_> =
            events.iter().map(|event| (event["ev"].clone(), event["d"]["seq"].clone())).collect();
        assert_eq!(seen, expected);
        assert!(events[0]["d"]["message"].is_null() && !history.to_string().contains(&before));
        assert_eq!(history["head_seq"], joined + 3);
    }
    assert_eq!(e.gets("sync", json!({})).await["heads"][0]["last_seq"], joined + 3);
    let listed = eve.get(&format!("/api/v1/conversations/{id}/messages")).await.items("text");
    assert_eq!(listed, [json!("after")]);

    // She can no longer change her own message from before.
    let edit = json!({ "conversation_id": id, "message_id": own, "text": "mine" });
    assert_eq!(e.requests("message.edit", edit).await["err"]["code"], "not-found");
    let own = format!("/api/v1/conversations/{id}/messages/{own}");
    eve.patch(&own, &[], &json!({ "text": "mine" })).await.assert_problem(404, "not-found");
    let quoting =
        json!({ "conversation_id": id, "client_id": client_id(), "text": "this", "reply_to": before });
    assert_eq!(e.requests("message.send", quoting).await["err"]["errors"][0]["pointer"], "/reply_to");
}

#[tokio::test]
async fn failed_handshakes_are_limited_per_network_and_lock_out_no_user() {
    let mut settings = Settings::default();
    settings.auth.quotas.handshake_failures_per_address = Quota::new(6, 3600);
    settings.gateway.handshakes_per_second = std::num::NonZeroU32::new(20).unwrap();
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann] = t.users(["ann"]).await;
    let ann = ann.at("2001:db8::1");
    let ticket = format!("blegram.v1+json, blegram.ticket.blt_{}", "A".repeat(43));
    let bad = [
        (vec![PROTOCOL, OWN], 401),
        (vec![PROTOCOL, ("authorization", "Bearer x")], 401),
        (vec![("sec-websocket-protocol", ticket.as_str()), OWN], 401),
        (vec![PROTOCOL, ("cookie", "auth-blegram=x"), OWN], 401),
        (vec![PROTOCOL, ("origin", "https://evil.example")], 403),
        (vec![OWN], 400),
    ];
    for (n, (headers, expected)) in bad.iter().enumerate() {
        let stranger = t.stranger().at(&format!("2001:db8::{}", n + 2));
        assert_eq!(stranger.tries_to_connect(headers).await.err(), Some(*expected), "{headers:?}");
    }
    for (headers, _) in &bad {
        let stranger = t.stranger().at("2001:db8::ffff:1");
        assert_eq!(stranger.tries_to_connect(headers).await.err(), Some(429), "{headers:?}");
    }
    let elsewhere = t.stranger().at("2001:db8:0:1::1");
    assert_eq!(elsewhere.tries_to_connect(&bad[0].0).await.err(), Some(401), "another network");

    // The failures used up neither the node's handshake budget nor that of her network.
    let mut sockets = Vec::new();
    for _ in 0..15 {
        for (headers, _) in &bad {
            t.stranger().at("2001:db8::2").tries_to_connect(headers).await.unwrap_err();
        }
        sockets.push(ann.connects().await);
    }
}

#[tokio::test]
async fn head_request_is_counted_like_get_and_opens_no_connection() {
    let mut settings = Settings::default();
    settings.auth.quotas.handshake_failures_per_address = Quota::new(2, 3600);
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann] = t.users(["ann"]).await;
    let handshake = [
        PROTOCOL,
        OWN,
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let stranger = t.stranger().at("2001:db8:1::1");
    for (actor, expected) in [(&ann, 426), (&stranger, 426), (&stranger, 426), (&stranger, 429)] {
        let answer = actor.send(Method::HEAD, "/api/v1/gateway", &handshake, Vec::new()).await;
        answer.assert_status(expected);
    }
}

#[tokio::test]
async fn handshake_limit_of_a_user_does_not_affect_other_users() {
    let mut settings = Settings::default();
    settings.auth.quotas.connections_per_user = Quota::new(3, 3600);
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    for _ in 0..3 {
        drop(ann.connects().await);
    }
    assert_eq!(ann.tries_to_connect(&[PROTOCOL, OWN]).await.err(), Some(429));
    bob.connects().await;
}

#[tokio::test]
async fn credential_expiry_is_announced_once() {
    let mut settings = Settings::default();
    settings.auth.access_token_lifetime = Duration::from_secs(60);
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let ann = t.stranger();
    let account = json!({ "username": "ann", "password": PASSWORD, "client": "native" });
    let signed_up = ann.post("/api/v1/auth/signup", &account).await.json();
    let token = signed_up["tokens"]["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let connect = async || ann.tries_to_connect(&[PROTOCOL, ("authorization", &bearer)]).await.unwrap();

    // No warning before four fifths of the lifetime have passed.
    t.clock.advance(Duration::from_secs(40));
    let mut a = connect().await;
    assert_eq!(a.received().await, ["ready"]);
    drop(a);
    t.clock.advance(Duration::from_secs(10));
    let mut a = connect().await;
    let left = a.receives("auth.expiring").await["expires_in_ms"].as_u64().unwrap();
    assert!((1..=10_000).contains(&left), "{left}");
    let ticket = async || {
        let headers = [("authorization", bearer.as_str())];
        let made = ann.send_bare(poem::http::Method::POST, "/api/v1/gateway/tickets", &headers, Vec::new());
        made.await.json()["ticket"].clone()
    };
    for _ in 0..5 {
        a.gets("auth", json!({ "access_token": token })).await;
        a.gets("auth", json!({ "ticket": ticket().await })).await;
    }
    assert_eq!(a.received().await, ["ready"], "the same credential, whether as token or as ticket");

    // A ticket has the lifetime of the credential that requested it.
    let by_ticket = format!("blegram.v1+json, blegram.ticket.{}", ticket().await.as_str().unwrap());
    let mut b = t.stranger().tries_to_connect(&[("sec-websocket-protocol", &by_ticket)]).await.unwrap();
    assert_eq!(b.received().await, ["ready", "auth.expiring"]);

    // A client that refreshes at each warning does not loop: the new token is not about to expire.
    let refresh =
        json!({ "grant_type": "refresh_token", "refresh_token": signed_up["tokens"]["refresh_token"] });
    let fresh = ann.post("/api/v1/auth/token", &refresh).await.json();
    a.gets("auth", json!({ "access_token": fresh["access_token"] })).await;
    assert_eq!(a.received().await, [""; 0]);
}

#[tokio::test]
async fn presence_is_visible_only_to_users_with_a_shared_conversation() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob, eve] = t.users(["ann", "bob", "eve"]).await;
    let ids: Vec<String> = [ann.get("/api/v1/me").await.json(), bob.get("/api/v1/me").await.json()]
        .iter()
        .map(|me| me["id"].as_str().unwrap().to_owned())
        .collect();
    ann.starts_conversation(&["@bob"], Some("us")).await;
    let (mut b, mut e) = (bob.connects().await, eve.connects().await);
    let watch = json!({ "users": [ids[0]] });
    assert_eq!(b.gets("presence", watch.clone()).await["states"][0]["online"], false);
    assert_eq!(e.gets("presence", watch.clone()).await["states"][0]["online"], false);
    let _a = ann.connects().await;
    assert_eq!(b.receives("presence").await["online"], true);
    assert_eq!(b.gets("presence", watch.clone()).await["states"][0]["online"], true);
    assert_eq!(e.gets("presence", watch).await["states"][0]["online"], false);
    assert_eq!(e.received().await, [""; 0]);
}

#[apply(both_databases)]
#[tokio::test]
async fn ending_a_session_closes_its_connections(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann] = t.users(["ann"]).await;
    let phone = t.stranger();
    phone.log_in("ann", PASSWORD).await.assert_status(200);
    let (mut a, mut p) = (ann.connects().await, phone.connects().await);
    ann.delete("/api/v1/auth/sessions").await.assert_status(204);
    assert_eq!(p.closed().await, 4500);
    a.gets("sync", json!({})).await;
    ann.post("/api/v1/auth/logout", &json!({})).await;
    assert_eq!(a.closed().await, 4500);
}

#[tokio::test]
async fn connections_per_user_are_limited() {
    let mut settings = Settings::default();
    settings.gateway.connections_per_user = 2;
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann] = t.users(["ann"]).await;
    let (mut first, _second) = (ann.connects().await, ann.connects().await);
    let mut third = ann.tries_to_connect(&[PROTOCOL, OWN]).await.ok().unwrap();
    assert_eq!(third.closed().await, 4504);
    first.gets("sync", json!({})).await;
    let newer = ("sec-websocket-protocol", "blegram.v9+json");
    assert_eq!(ann.tries_to_connect(&[newer, OWN]).await.ok().unwrap().closed().await, 4502);
}

#[tokio::test]
async fn connections_per_address_are_limited() {
    let mut settings = Settings::default();
    settings.gateway.connections_per_address = 1;
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann] = t.users(["ann"]).await;
    let _one = ann.connects().await;
    assert_eq!(ann.tries_to_connect(&[PROTOCOL, OWN]).await.err(), Some(429));
    let status = ann.get("/api/v1/gateway/status").await;
    status.assert_problem(429, "rate-limited");
    assert!(status.header("retry-after").is_some());
}

#[tokio::test]
async fn connections_are_counted_per_ipv6_network() {
    let mut settings = Settings::default();
    settings.gateway.connections_per_address = 1;
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann, bob, cho] = t.users(["ann", "bob", "cho"]).await;
    let [ann, bob, cho] = [ann.at("2001:db8::1"), bob.at("2001:db8::ffff:2"), cho.at("2001:db8:0:1::1")];
    let _one = ann.connects().await;
    assert_eq!(bob.tries_to_connect(&[PROTOCOL, OWN]).await.err(), Some(429), "the same network");
    cho.connects().await;
}

#[tokio::test]
async fn invalid_frames_close_only_their_own_connection() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut other = bob.connects().await;
    let deep = format!(r#"{{"id":1,"op":"sync","d":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let table = [
        (Message::binary(vec![1, 2, 3]), 4501),
        (Message::text("hello"), 4501),
        (Message::text(r#"{"id":1}"#), 4501),
        (Message::text(deep), 4501),
        (Message::text(format!("{{{}}}", " ".repeat(16 * 1024))), 1009),
        (raw(OpCode::Data(Data::Text), vec![0xc3, 0x28]), 1007),
        (raw(OpCode::Data(Data::Reserved(5)), vec![]), 1002),
    ];
    for (message, expected) in table {
        let mut socket = ann.connects().await;
        socket.ws.send(message.clone()).await.unwrap();
        assert_eq!(
            socket.closed().await,
            expected,
            "{}",
            message.to_string().chars().take(40).collect::<String>()
        );
    }
    let mut flooding = ann.connects().await;
    for _ in 0..60 {
        flooding.sends(r#"{"id":1,"op":"open","d":{"conversations":[]}}"#).await;
    }
    assert_eq!(flooding.closed().await, 4005);
    other.gets("sync", json!({})).await;
}

/// A raw frame, masked.
fn raw(opcode: OpCode, payload: Vec<u8>) -> Message {
    let header = FrameHeader { opcode, mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
    Message::Frame(Frame::from_payload(header, payload.into()))
}

#[tokio::test]
async fn command_errors_match_the_problems_of_the_api() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let mut a = ann.connects().await;
    let rejected =
        a.requests("message.send", json!({ "conversation_id": id, "more": 1 })).await["err"].clone();
    assert_eq!(rejected["code"], "invalid");
    let pointers: Vec<_> =
        rejected["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/client_id", "/text", "/more"]);
    let nowhere = json!({ "conversation_id": client_id(), "client_id": client_id(), "text": "hi" });
    assert_eq!(a.requests("message.send", nowhere).await["err"]["code"], "not-found");
    bob.put_empty("/api/v1/users/@ann/block").await.assert_status(200);
    let blocked = json!({ "conversation_id": id, "client_id": client_id(), "text": "hi" });
    assert_eq!(a.requests("message.send", blocked).await["err"]["code"], "forbidden");
    assert_eq!(a.requests("auth", json!({ "access_token": "x" })).await["err"]["code"], "unauthenticated");
}

#[tokio::test]
async fn messages_share_one_rate_limit_with_the_api() {
    let mut settings = Settings::default();
    settings.auth.quotas.messages_per_user = Quota::new(2, 60);
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = bob.starts_conversation(&["@ann"], None).await;
    let mut socket = ann.connects().await;
    let message = || json!({ "conversation_id": id, "client_id": client_id(), "text": "hi" });
    ann.sends_message(&id, "hello").await;
    socket.gets("message.send", message()).await;
    let rejected = socket.requests("message.send", message()).await["err"].clone();
    assert_eq!((&rejected["code"], &rejected["retry_after_ms"]), (&json!("rate-limited"), &json!(30_000)));
    ann.sends(&id, client_id(), "hello").await.assert_problem(429, "rate-limited");
    socket.gets("sync", json!({})).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn blocks_stop_edits_and_typing_in_a_direct_conversation(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let message = bob.sends_message(&id, "hello").await;
    let mut a = ann.connects().await;
    let mut b = bob.connects().await;
    a.gets("open", json!({ "conversations": [id] })).await;
    ann.put_empty("/api/v1/users/@bob/block").await.assert_status(200);

    let edit = json!({ "conversation_id": id, "message_id": message, "text": "and another thing" });
    let rejected = b.requests("message.edit", edit).await["err"]["code"].clone();
    let sent = json!({ "conversation_id": id, "client_id": client_id(), "text": "hi" });
    assert_eq!(rejected, b.requests("message.send", sent).await["err"]["code"]);
    b.sends_command("typing", &json!({ "conversation_id": id })).await;
    let path = format!("/api/v1/conversations/{id}/messages/{message}");
    bob.patch(&path, &[], &json!({ "text": "and another thing" })).await.assert_status(403);
    let sent = bob.sends(&id, client_id(), "hi").await;
    assert_eq!((sent.status, &sent.json()["code"]), (poem::http::StatusCode::FORBIDDEN, &rejected));

    b.gets("read", json!({ "conversation_id": id, "message_no": 1 })).await;
    b.gets("message.delete", json!({ "conversation_id": id, "message_id": message })).await;
    assert_eq!(a.receives("message.deleted").await["seq"], 2);
    assert_eq!(a.received().await, [""; 0], "no other event of bob's");
}

#[tokio::test]
async fn credential_is_renewed_by_its_own_user_only() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let ticket = async |actor: &crate::world::Actor<'_>| {
        let made = actor.send(poem::http::Method::POST, "/api/v1/gateway/tickets", &[OWN], Vec::new()).await;
        made.json()["ticket"].clone()
    };
    let mut a = ann.connects().await;
    let theirs = json!({ "ticket": ticket(&bob).await });
    assert_eq!(a.requests("auth", theirs).await["err"]["code"], "forbidden");
    let own = json!({ "ticket": ticket(&ann).await });
    assert!(a.gets("auth", own).await["auth_expires_in_ms"].as_u64().unwrap() > 1_000_000);
}

#[tokio::test]
async fn clients_are_warned_of_credential_expiry_and_node_shutdown() {
    let hour = Duration::from_secs(3600);
    let mut settings = Settings::default();
    (settings.gateway.drain.shortest, settings.gateway.drain.longest) = (hour, hour);
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let ann = t.stranger();
    let account = json!({ "username": "ann", "password": PASSWORD, "client": "native" });
    let signed_up = ann.post("/api/v1/auth/signup", &account).await.json();
    let bearer = format!("Bearer {}", signed_up["tokens"]["access_token"].as_str().unwrap());
    t.clock.advance(Duration::from_secs(9 * 60));
    let mut a = ann.tries_to_connect(&[PROTOCOL, ("authorization", &bearer)]).await.unwrap();
    let left = a.receives("auth.expiring").await["expires_in_ms"].as_u64().unwrap();
    assert!((1..=60_000).contains(&left), "{left}");

    let hub = t.realtime.hub().clone();
    let drained = TaskTracker::new().spawn(async move { hub.drain().await });
    let after = a.receives("reconnect").await["after_ms"].as_u64().unwrap();
    assert!(after <= 3_600_000, "{after}");
    assert_eq!(ann.tries_to_connect(&[PROTOCOL, ("authorization", &bearer)]).await.unwrap_err(), 503);
    // The drain does not wait for closed connections.
    drop(a);
    drained.await.unwrap();
}

#[tokio::test]
async fn slow_client_receives_a_head_instead_of_messages() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let mut b = bob.connects().await;
    // Three times the capacity of a connection's outbox.
    const LINES: u64 = 120;
    for _ in 0..LINES {
        ann.sends_message(&id, &"가".repeat(2000)).await;
    }
    let head = b.receives("conversation.head").await;
    assert_eq!(head["conversation_id"], json!(id));
    let delivered = b.received().await.iter().filter(|name| *name == "message.created").count() as u64;
    assert!(delivered < LINES, "{delivered}");
    let synced = b.gets("sync", json!({})).await;
    assert_eq!(synced["heads"][0]["last_seq"], LINES);
}
