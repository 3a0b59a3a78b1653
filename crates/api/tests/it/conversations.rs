//! Conversations over HTTP: direct ones and groups, members, messages, sync and reports.

use std::{collections::BTreeSet, time::Duration};

use blegram_persistence::testing::Backend;
use futures_util::future::join_all;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::{
    both_databases,
    world::{Actor, PASSWORD, TestApp, client_id},
};

fn path(conversation: &str, rest: &str) -> String {
    format!("/api/v1/conversations/{conversation}{rest}")
}

impl Actor<'_> {
    async fn messages(&self, conversation: &str) -> Vec<Value> {
        self.get(&path(conversation, "/messages")).await.items("text")
    }

    async fn events(&self, conversation: &str, after: u64) -> Value {
        self.get(&path(conversation, &format!("/events?after={after}"))).await.json()
    }

    async fn conversations(&self) -> Vec<Value> {
        self.get("/api/v1/conversations").await.items("id")
    }
}

fn kinds(changes: &Value) -> Vec<&str> {
    changes["events"].as_array().unwrap().iter().map(|event| event["ev"].as_str().unwrap()).collect()
}

#[apply(both_databases)]
#[tokio::test]
async fn direct_conversation_is_unique_and_listed_from_its_first_message(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let created = ann.post("/api/v1/conversations", &json!({ "members": ["@bob", "@ann", "@bob"] })).await;
    created.assert_status(201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), Some(&*path(&id, "")));
    assert_eq!((ann.conversations().await, bob.conversations().await), (vec![json!(id)], vec![]));
    let again = bob.post("/api/v1/conversations", &json!({ "members": ["@ann"] })).await;
    again.assert_status(200);
    assert_eq!(again.json()["id"], id);

    ann.sends_message(&id, "hello").await;
    let seen = bob.get(&path(&id, "")).await.json();
    assert_eq!(
        (&seen["kind"], &seen["unread_count"], &seen["last_message"]["text"]),
        (&json!("direct"), &json!(1), &json!("hello"))
    );
    assert_eq!(bob.get("/api/v1/notifications/unread-count").await.json()["messages"], 1);
    let read = bob.put(&path(&id, "/read"), &json!({ "message_no": 99 })).await.json();
    assert_eq!(read, json!({ "read_no": 1, "unread_count": 0 }));
    let back = bob.put(&path(&id, "/read"), &json!({ "message_no": 0 })).await.json();
    assert_eq!(back["read_no"], 1, "the read position never moves back");
    let states = ann.get(&path(&id, "")).await.json()["read_states"].clone();
    assert!(states.as_array().unwrap().iter().all(|state| state["read_no"] == 1));
}

#[apply(both_databases)]
#[tokio::test]
async fn message_with_the_same_client_id_is_created_once(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let name = client_id();
    // More requests than database connections: none may wait for another connection while it locks the conversation.
    let all = join_all((0..24).map(|_| ann.sends(&id, name, "hello"))).await;
    let created = all.iter().filter(|answer| answer.status == 201).count();
    let ids: BTreeSet<String> = all.iter().map(|answer| answer.json()["id"].to_string()).collect();
    assert_eq!((created, ids.len()), (1, 1));
    t.clock.advance(Duration::from_secs(40 * 24 * 60 * 60));
    ann.log_in("ann", crate::world::PASSWORD).await.assert_status(200);
    ann.sends(&id, name, "hello").await.assert_status(200);
    ann.sends(&id, name, "another").await.assert_problem(422, "client-id-reused");
    let other = ann.starts_conversation(&["@bob"], Some("us")).await;
    ann.sends(&other, name, "hello").await.assert_problem(422, "client-id-reused");
    assert_eq!(ann.messages(&id).await, ["hello"]);
    assert_eq!(ann.messages(&other).await, Vec::<Value>::new());
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_messages_get_consecutive_numbers(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let texts: Vec<String> = (0..12).map(|n| format!("number {n}")).collect();
    let sent = texts.iter().enumerate().map(|(n, text)| {
        let who = if n % 2 == 0 { &ann } else { &bob };
        who.sends(&id, client_id(), text)
    });
    join_all(sent).await.iter().for_each(|answer| {
        answer.assert_status(201);
    });
    let changes = ann.events(&id, 0).await;
    let seqs: Vec<u64> = changes["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["d"]["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=12).collect::<Vec<u64>>());
    let numbers = bob.get(&path(&id, "/messages?limit=100")).await.items("message_no");
    assert_eq!(numbers, (1..=12).rev().map(|n| json!(n)).collect::<Vec<_>>());
    // Page by page, the same.
    let mut walked = Vec::new();
    let mut next = path(&id, "/messages?limit=5");
    loop {
        let page = bob.get(&next).await.json();
        walked.extend(page["items"].as_array().unwrap().iter().map(|message| message["message_no"].clone()));
        assert_eq!(page["last_seq"], 12);
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = path(&id, &format!("/messages?limit=5&cursor={cursor}"));
    }
    assert_eq!(walked, numbers);
}

#[apply(both_databases)]
#[tokio::test]
async fn messages_are_edited_and_deleted_by_their_senders_only(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let image = ann.uploads_picture().await;
    let body = json!({ "client_id": client_id(), "media_ids": [image] });
    let sent = ann.post(&path(&id, "/messages"), &body).await;
    sent.assert_status(201);
    let message = sent.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(bob.get(&path(&id, "/messages")).await.json()["items"][0]["media"][0]["id"], image);
    ann.post("/api/v1/posts", &json!({ "media_ids": [image] })).await.assert_problem(409, "media-in-use");

    let at = path(&id, &format!("/messages/{message}"));
    bob.patch(&at, &[], &json!({ "text": "mine" })).await.assert_problem(403, "forbidden");
    bob.delete(&at).await.assert_problem(403, "forbidden");
    let answer = json!({ "client_id": client_id(), "text": "nice", "reply_to": message });
    bob.post(&path(&id, "/messages"), &answer).await.assert_status(201);
    for _ in 0..2 {
        assert_eq!(ann.patch(&at, &[], &json!({ "text": "the sea" })).await.json()["text"], "the sea");
    }
    ann.delete(&at).await.assert_status(204);
    ann.delete(&at).await.assert_problem(404, "not-found");
    let changes = bob.events(&id, 0).await;
    assert_eq!(kinds(&changes), ["message.created", "message.created", "message.edited", "message.deleted"]);
    // An event contains the message in its current state.
    let first = &changes["events"][0]["d"]["message"];
    assert_eq!(
        (&first["text"], &first["media"], &first["is_deleted"]),
        (&Value::Null, &json!([]), &json!(true))
    );
    ann.get(&format!("/api/v1/media/{image}")).await.assert_problem(404, "not-found");

    let other = ann.starts_conversation(&["@bob"], Some("us")).await;
    let foreign = json!({ "client_id": client_id(), "text": "x", "reply_to": message });
    ann.post(&path(&other, "/messages"), &foreign).await.assert_invalid(&[("/reply_to", "not-found")]);
    let nothing = json!({ "client_id": client_id(), "text": "  " });
    ann.post(&path(&id, "/messages"), &nothing).await.assert_invalid(&[("/text", "blank")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn group_members_join_leave_and_are_removed(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul, dana] = t.users(["ann", "bob", "chul", "dana"]).await;
    let id = ann.starts_conversation(&["@bob"], Some("us")).await;
    assert_eq!(bob.conversations().await, [json!(id)], "a group is listed immediately");
    ann.sends_message(&id, "before").await;
    let added = bob.post(&path(&id, "/members"), &json!({ "members": ["@chul", "@ann"] })).await;
    added.assert_status(200);
    assert_eq!(chul.messages(&id).await, Vec::<Value>::new(), "a new member does not see earlier messages");
    assert_eq!(chul.events(&id, 0).await["reset"], true);
    ann.sends_message(&id, "welcome").await;
    assert_eq!(chul.messages(&id).await, ["welcome"]);
    assert_eq!(chul.get(&path(&id, "")).await.json()["unread_count"], 1);

    chul.delete(&path(&id, "/members/@bob")).await.assert_problem(403, "forbidden");
    dana.get(&path(&id, "")).await.assert_problem(404, "not-found");
    dana.delete(&path(&id, "/members/me")).await.assert_problem(404, "not-found");
    ann.delete(&path(&id, "/members/@dana")).await.assert_problem(404, "not-found");
    ann.delete(&path(&id, "/members/@chul")).await.assert_status(204);
    for answer in [
        chul.get(&path(&id, "")).await,
        chul.get(&path(&id, "/events")).await,
        chul.sends(&id, client_id(), "x").await,
    ] {
        answer.assert_problem(404, "not-found");
    }
    let synced = chul.get("/api/v1/sync").await.json();
    assert_eq!((&synced["removed"], &synced["heads"]), (&json!([id]), &json!([])));

    // When the owner leaves, the longest-standing member becomes the owner.
    ann.delete(&path(&id, "/members/me")).await.assert_status(204);
    let left = bob.get(&path(&id, "")).await.json();
    assert_eq!(left["owner_id"], bob.get("/api/v1/me").await.json()["id"]);
    assert_eq!(left["members"].as_array().unwrap().len(), 1);
    let history = bob.events(&id, 0).await;
    assert_eq!(
        kinds(&history),
        [
            "message.created",
            "member.joined",
            "message.created",
            "member.left",
            "member.left",
            "conversation.updated"
        ]
    );
    let titled = bob.patch(&path(&id, ""), &[], &json!({ "title": null })).await.json();
    assert_eq!((&titled["title"], &titled["last_seq"]), (&Value::Null, &json!(7)));
    // Requests that change nothing, more at once than there are database connections.
    let (same, again) = (json!({ "title": null }), json!({ "members": ["@bob", "@ann"] }));
    bob.post(&path(&id, "/members"), &again).await.assert_status(200);
    let (here, members) = (path(&id, ""), path(&id, "/members"));
    for answer in join_all((0..24).map(|_| bob.patch(&here, &[], &same))).await {
        answer.assert_status(200);
    }
    for answer in join_all((0..24).map(|_| bob.post(&members, &again))).await {
        answer.assert_status(200);
    }
    for who in [&ann, &bob] {
        who.delete(&path(&id, "/members/me")).await.assert_status(204);
    }
    assert_eq!(bob.conversations().await, Vec::<Value>::new());
}

#[apply(both_databases)]
#[tokio::test]
async fn leaving_a_direct_conversation_hides_it_until_the_next_message(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&id, "old").await;
    bob.delete(&path(&id, "/members/me")).await.assert_status(204);
    assert_eq!((bob.conversations().await, ann.conversations().await), (vec![], vec![json!(id)]));
    assert_eq!(bob.get("/api/v1/sync").await.json()["heads"], json!([]));
    bob.get(&path(&id, "")).await.assert_status(200);
    assert_eq!(bob.messages(&id).await, Vec::<Value>::new());
    ann.sends_message(&id, "new").await;
    assert_eq!((bob.conversations().await, bob.messages(&id).await), (vec![json!(id)], vec![json!("new")]));
    assert_eq!(ann.messages(&id).await, ["new", "old"]);
    for (method, rest, body) in [
        (Method::PATCH, "", json!({ "title": "us" })),
        (Method::POST, "/members", json!({ "members": ["@bob"] })),
        (Method::DELETE, "/members/@bob", json!({})),
    ] {
        let headers = [("content-type", "application/json")];
        let answer = ann.send(method, &path(&id, rest), &headers, body.to_string().into_bytes()).await;
        answer.assert_problem(409, "not-a-group");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn starting_a_conversation_checks_blocks_settings_and_members(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let begin = async |who: &Actor<'_>, body: Value| who.post("/api/v1/conversations", &body).await;
    let direct = ann.starts_conversation(&["@bob"], None).await;
    bob.put_empty("/api/v1/users/@ann/block").await.assert_status(200);
    bob.sends(&direct, client_id(), "x").await.assert_problem(403, "blocked");
    ann.sends(&direct, client_id(), "x").await.assert_problem(403, "forbidden");
    begin(&ann, json!({ "members": ["@chul", "@bob"] })).await.assert_invalid(&[("/members/1", "not-found")]);
    bob.delete("/api/v1/users/@ann/block").await.assert_status(200);
    ann.sends_message(&direct, "again").await;

    chul.patch("/api/v1/me", &[], &json!({ "messages_from": "followed" })).await.assert_status(200);
    begin(&ann, json!({ "members": ["@chul"] })).await.assert_invalid(&[("/members/0", "not-found")]);
    chul.put_empty("/api/v1/users/@ann/follow").await.assert_status(200);
    begin(&ann, json!({ "members": ["@chul"] })).await.assert_status(201);
    let me = chul.patch("/api/v1/me", &[], &json!({ "messages_from": "nobody" })).await.json();
    assert_eq!(me["messages_from"], "nobody");
    begin(&ann, json!({ "members": ["@chul"], "title": "us" }))
        .await
        .assert_invalid(&[("/members/0", "not-found")]);
    begin(&ann, json!({ "members": ["@chul"] })).await.assert_status(200);

    begin(&ann, json!({ "members": ["@ann"] })).await.assert_invalid(&[("/members", "self")]);
    begin(&ann, json!({ "members": ["me"] })).await.assert_invalid(&[("/members", "self")]);
    begin(&ann, json!({ "members": ["me", "@ann"], "title": "us" }))
        .await
        .assert_invalid(&[("/members", "self")]);
    begin(&ann, json!({ "members": [] })).await.assert_invalid(&[("/members", "self")]);
    begin(&ann, json!({})).await.assert_invalid(&[("/members", "required")]);
    begin(&ann, json!({ "members": null, "title": "us" })).await.assert_invalid(&[("/members", "required")]);
    begin(&ann, json!({ "members": ["me", "@nobody"] })).await.assert_invalid(&[("/members/1", "not-found")]);
    begin(&ann, json!({ "members": ["me", "@bob"] })).await.assert_status(200);
    let group = ann.starts_conversation(&["@bob", "me"], Some("us")).await;
    let add = async |body: Value| ann.post(&path(&group, "/members"), &body).await;
    add(json!({ "members": ["me"] })).await.assert_invalid(&[("/members", "self")]);
    add(json!({})).await.assert_invalid(&[("/members", "required")]);
    begin(&ann, json!({ "members": ["@nobody"] })).await.assert_invalid(&[("/members/0", "not-found")]);
    begin(&ann, json!({ "members": vec!["@bob"; 64] })).await.assert_invalid(&[("/members", "too-many")]);
    bob.patch("/api/v1/me", &[], &json!({ "messages_from": "x" }))
        .await
        .assert_invalid(&[("/messages_from", "out-of-range")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn sync_returns_the_conversations_changed_since_the_cursor(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let [one, two] = [
        ann.starts_conversation(&["@bob"], None).await,
        ann.starts_conversation(&["@bob"], Some("us")).await,
    ];
    ann.sends_message(&one, "1").await;
    ann.sends_message(&two, "2").await;
    let all = bob.get("/api/v1/sync").await.json();
    assert_eq!((all["heads"].as_array().unwrap().len(), &all["unread"]), (2, &json!(2)));
    t.clock.advance(Duration::from_secs(60));
    let later = |cursor: &Value| format!("/api/v1/sync?cursor={}", cursor.as_str().unwrap());
    bob.get(&later(&all["cursor"])).await.assert_status(200);
    let quiet = bob.get(&later(&all["cursor"])).await.json();
    t.clock.advance(Duration::from_secs(60));
    ann.sends_message(&two, "3").await;
    let changed = bob.get(&later(&quiet["cursor"])).await.json();
    let heads: Vec<_> =
        changed["heads"].as_array().unwrap().iter().map(|head| &head["conversation_id"]).collect();
    assert_eq!((heads, &changed["unread"]), (vec![&json!(two)], &json!(3)));
    bob.put_empty(&path(&two, "/mute")).await.assert_status(200);
    assert_eq!(bob.get("/api/v1/notifications/unread-count").await.json()["messages"], 1);
    bob.delete(&path(&two, "/mute")).await.assert_status(200);
    bob.get("/api/v1/sync?cursor=nonsense").await.assert_problem(400, "cursor-invalid");
    // A cursor of the previous version, and one of another database.
    for begin in [format!("65f1a2b3c4d5e.{two}"), "AQEBAQEBAQEBAQUA".to_owned()] {
        let all = bob.get(&format!("/api/v1/sync?cursor={begin}")).await.json();
        assert_eq!(all["heads"].as_array().unwrap().len(), 2, "{begin}");
    }
    bob.get(&path(&two, "/events?after=-1")).await.assert_invalid(&[("/after", "out-of-range")]);
    assert_eq!(bob.events(&two, 99).await["reset"], true);
    assert_eq!(
        bob.events(&two, 2).await,
        json!({ "events": [], "head_seq": 2, "more": false, "reset": false })
    );
}

#[apply(both_databases)]
#[tokio::test]
async fn listing_conversations_takes_a_constant_number_of_statements(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, _, _] = t.users(["ann", "bob", "chul"]).await;
    let statements = async || {
        t.database.take_statements();
        ann.get("/api/v1/conversations").await.assert_status(200);
        t.database.take_statements().len()
    };
    let id = ann.starts_conversation(&["@bob"], Some("first")).await;
    ann.sends_message(&id, "x").await;
    let one = statements().await;
    for n in 0..5 {
        let id = ann.starts_conversation(&["@bob", "@chul"], Some(&format!("us {n}"))).await;
        ann.sends_message(&id, "x").await;
    }
    assert_eq!(statements().await, one);
}

/// The three errors of a direct conversation that accepts no messages: for the caller's own block, which they can end;
/// for the other side's block or suspension, which they cannot; and for a deleted account, which is final.
#[apply(both_databases)]
#[tokio::test]
async fn direct_message_errors_distinguish_own_block_and_deleted_account(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let direct = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&direct, "hello").await;
    let rejection = async |who: &Actor<'_>| -> (Value, Value) {
        let answer = who.sends(&direct, client_id(), "x").await;
        let mut socket = who.connects().await;
        let send = json!({ "conversation_id": direct, "client_id": client_id(), "text": "x" });
        let socket = socket.requests("message.send", send).await["err"].clone();
        let problem = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &problem["code"], &problem["detail"]),
            (403, &socket["code"], &socket["detail"])
        );
        (problem["code"].clone(), problem["detail"].clone())
    };
    let cannot_write = (json!("forbidden"), json!("You cannot send messages to this account."));
    bob.put_empty("/api/v1/users/@ann/block").await.assert_status(200);
    assert_eq!(rejection(&bob).await.0, "blocked");
    assert_eq!(rejection(&ann).await, cannot_write);
    // Each side sees an error for its own block; ending the block reveals nothing new about the other side.
    ann.put_empty("/api/v1/users/@bob/block").await.assert_status(200);
    assert_eq!((rejection(&ann).await.0, rejection(&bob).await.0), (json!("blocked"), json!("blocked")));
    ann.delete("/api/v1/users/@bob/block").await.assert_status(200);
    assert_eq!(rejection(&ann).await, cannot_write);
    bob.delete("/api/v1/users/@ann/block").await.assert_status(200);
    ann.sends_message(&direct, "again").await;
    // A suspension looks the same, so that it is not revealed.
    t.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'bob'").await;
    assert_eq!(rejection(&ann).await, cannot_write);
    t.database.execute("UPDATE users SET status = 'active' WHERE username = 'bob'").await;

    // For a deleted account, also while the caller blocks it: unblocking would not help.
    let deleted = json!("The account was deleted. Old messages remain, but you cannot send new ones.");
    ann.put_empty("/api/v1/users/@bob/block").await.assert_status(200);
    bob.post("/api/v1/me/deletion", &json!({ "password": PASSWORD })).await.assert_status(204);
    assert_eq!(rejection(&ann).await, (json!("forbidden"), deleted.clone()));
    // The state after the purge job: none of the account's memberships is left.
    let others =
        "DELETE FROM conversation_members WHERE user_id NOT IN (SELECT id FROM users WHERE username = 'ann')";
    t.database.execute(others).await;
    assert_eq!(rejection(&ann).await, (json!("forbidden"), deleted));
    // New actions do not find the account.
    ann.put_empty("/api/v1/users/@bob/follow").await.assert_problem(404, "not-found");
    let begin = json!({ "members": ["@bob"] });
    ann.post("/api/v1/conversations", &begin).await.assert_invalid(&[("/members/0", "not-found")]);
}

#[apply(both_databases)]
#[tokio::test]
async fn message_reports_are_for_members_and_store_the_text(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob, chul] = t.users(["ann", "bob", "chul"]).await;
    let group = ann.starts_conversation(&["@bob"], Some("us")).await;
    let insult = bob.sends_message(&group, "an insult").await;
    let report = |message: &str| json!({ "message_id": message, "reason": "harassment" });
    let first = ann.post("/api/v1/reports", &report(&insult)).await;
    first.assert_status(201);
    let stored_texts = async || t.database.lines("SELECT text AS line FROM reports ORDER BY id").await;
    assert_eq!(stored_texts().await, ["an insult"]);
    // The reporter's own message, callers who are not members, and messages that do not exist.
    bob.post("/api/v1/reports", &report(&insult)).await.assert_invalid(&[("", "self")]);
    chul.post("/api/v1/reports", &report(&insult)).await.assert_problem(404, "not-found");
    t.stranger().post("/api/v1/reports", &report(&insult)).await.assert_problem(401, "unauthenticated");
    ann.post("/api/v1/reports", &report(&client_id().to_string())).await.assert_problem(404, "not-found");
    ann.post("/api/v1/reports", &report("nonsense")).await.assert_invalid(&[("/message_id", "not-found")]);
    let two = json!({ "message_id": insult, "user_id": client_id(), "reason": "spam" });
    ann.post("/api/v1/reports", &two).await.assert_invalid(&[("", "out-of-range")]);
    // A member who joined later does not see the message, and one who left no longer does.
    ann.post(&path(&group, "/members"), &json!({ "members": ["@chul"] })).await.assert_status(200);
    chul.post("/api/v1/reports", &report(&insult)).await.assert_problem(404, "not-found");
    let later = bob.sends_message(&group, "another").await;
    chul.post("/api/v1/reports", &report(&later)).await.assert_status(201);
    let last = bob.sends_message(&group, "the last").await;
    chul.delete(&path(&group, "/members/me")).await.assert_status(204);
    chul.post("/api/v1/reports", &report(&last)).await.assert_problem(404, "not-found");

    // Reporting the same text again returns the same report; an edited text gets a new one. Edits and deletions do not
    // change stored reports.
    let again = async || ann.post("/api/v1/reports", &report(&insult)).await.assert_status(201).json();
    assert_eq!(again().await, first.json());
    let message = path(&group, &format!("/messages/{insult}"));
    bob.patch(&message, &[], &json!({ "text": "a threat" })).await.assert_status(200);
    let second = again().await;
    assert_ne!(second, first.json());
    assert_eq!(again().await, second);
    bob.delete(&message).await.assert_status(204);
    ann.post("/api/v1/reports", &report(&insult)).await.assert_problem(404, "not-found");
    bob.post("/api/v1/me/deletion", &json!({ "password": PASSWORD })).await.assert_status(204);
    assert_eq!(stored_texts().await, ["an insult", "another", "a threat"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn reports_store_the_text_of_edited_and_deleted_content(#[case] backend: Backend) {
    let t = TestApp::new(backend).await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let post = bob.posts("a bad post").await;
    let comment = bob.comments(&post, "a bad comment").await;
    bob.patch("/api/v1/me", &[], &json!({ "bio": "a bad profile" })).await.assert_status(200);
    let user = bob.get("/api/v1/me").await.json()["id"].clone();
    let report_all = async || {
        for (kind, id) in
            [("post_id", json!(post)), ("comment_id", json!(comment)), ("user_id", user.clone())]
        {
            ann.post("/api/v1/reports", &json!({ kind: id, "reason": "other" })).await.assert_status(201);
        }
    };
    report_all().await;
    bob.patch("/api/v1/me", &[], &json!({ "bio": "good" })).await.assert_status(200);
    for thing in [format!("/api/v1/posts/{post}"), format!("/api/v1/comments/{comment}")] {
        bob.patch(&thing, &[], &json!({ "text": "good" })).await.assert_status(200);
    }
    // The edited texts get new reports, once.
    report_all().await;
    report_all().await;
    bob.delete(&format!("/api/v1/posts/{post}")).await.assert_status(204);
    bob.post("/api/v1/me/deletion", &json!({ "password": PASSWORD })).await.assert_status(204);
    let stored_texts = t.database.lines("SELECT text AS line FROM reports ORDER BY id").await;
    assert_eq!(
        stored_texts,
        ["a bad post", "a bad comment", "bob\na bad profile", "good", "good", "bob\ngood"]
    );
}
