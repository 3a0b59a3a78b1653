//! Several nodes of one site: events of one reach the connections of another, by Redis.

use std::time::Duration;

use blegram_bus::{
    Connected, Envelope, Exchange, Key, RedisBus, RedisSettings,
    testing::{self, RedisServer},
};
use blegram_domain::Username;
use blegram_limits::{Quota, Quotas, Shared, SharedSettings};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    both_databases,
    socket::Socket,
    world::{Actor, PASSWORD, Settings, TestApp, TestBus, client_id, plenty},
};

/// The longest time that a test waits for a state of the bus.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Shorter than the interval in which a node looks for sessions that ended without an event.
const SOON: Duration = Duration::from_secs(5);

impl TestApp {
    /// The first node of a site with Redis.
    async fn with_redis(backend: Backend, redis: RedisSettings) -> Self {
        let t = Self::with(backend, Settings { bus: TestBus::Redis(redis), ..Settings::default() }).await;
        t.is_healthy().await;
        t
    }

    /// Another node, once it is connected to the bus.
    async fn joined_by_another(&self) -> Self {
        let node = self.another_node();
        node.is_healthy().await;
        node
    }

    /// Waits until the bus works.
    async fn is_healthy(&self) {
        self.reaches(false).await;
    }

    async fn reaches(&self, is_degraded: bool) {
        let mut health = self.realtime.bus().health();
        let reached = health.wait_for(|health| health.is_degraded() == is_degraded);
        timeout(TIMEOUT, reached).await.expect("the state is reached in time").unwrap();
    }

    /// A client of this node, logged in with the session of `actor`.
    fn also(&self, actor: &Actor<'_>) -> Actor<'_> {
        let client = self.stranger();
        client.set_cookie(actor.cookie());
        client
    }
}

/// Names of events without those that depend on how fast the nodes connect.
async fn names(socket: &mut Socket) -> Vec<String> {
    let mut names = socket.received().await;
    names.retain(|name| !["presence", "conversation.head", "degraded"].contains(&name.as_str()));
    names
}

#[apply(both_databases)]
#[tokio::test]
async fn events_of_conversations_reach_the_connections_of_other_nodes(#[case] backend: Backend) {
    let t = TestApp::with_redis(backend, testing::shared()).await;
    let elsewhere = t.joined_by_another().await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let (mut a, mut b) = (ann.connects().await, elsewhere.also(&bob).connects().await);
    let id = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&id, "hello").await;
    assert_eq!(b.receives("conversation.added").await["conversation"]["id"], id);
    let created = b.receives("message.created").await;
    assert_eq!((&created["seq"], &created["message"]["text"]), (&json!(1), &json!("hello")));
    a.receives("message.created").await;

    // The other way round: the node of bob publishes.
    b.gets("read", json!({ "conversation_id": id, "message_no": 1 })).await;
    assert_eq!(a.receives("conversation.read").await["read_no"], 1);
    a.gets("open", json!({ "conversations": [id] })).await;
    b.sends_command("typing", &json!({ "conversation_id": id })).await;
    a.receives("typing").await;
    let sent = elsewhere.also(&bob).sends_message(&id, "hi").await;
    assert_eq!(a.receives("message.created").await["message"]["id"], sent);

    let of_bob = elsewhere.also(&bob);
    of_bob.delete(&format!("/api/v1/conversations/{id}/messages/{sent}")).await.assert_status(204);
    assert_eq!(a.receives("message.deleted").await["seq"], 3);
}

#[apply(both_databases)]
#[tokio::test]
async fn posts_comments_and_notifications_reach_the_connections_of_other_nodes(#[case] backend: Backend) {
    let t = TestApp::with_redis(backend, testing::shared()).await;
    let elsewhere = t.joined_by_another().await;
    let [ann, bob, eve] = t.users(["ann", "bob", "eve"]).await;
    bob.put_empty("/api/v1/users/@ann/follow").await.assert_success();
    let (mut b, mut e) = (elsewhere.also(&bob).connects().await, elsewhere.also(&eve).connects().await);
    b.gets("subscribe", json!({ "topics": ["timeline:home"] })).await;
    e.gets("subscribe", json!({ "topics": ["timeline:public", "hashtag:jeju"] })).await;
    let post = ann.posts("to #jeju with @bob").await;
    assert_eq!(b.receives("post.created").await["post"]["id"], post);
    assert_eq!(b.receives("notification.created").await["notification"]["type"], "mention");
    let topics = [e.receives("post.created").await, e.receives("post.created").await];
    let mut topics = topics.map(|event| event["topic"].as_str().unwrap().to_owned());
    topics.sort();
    assert_eq!(topics, ["hashtag:jeju", "timeline:public"]);

    let topic = format!("post:{post}");
    e.gets("subscribe", json!({ "topics": [topic] })).await;
    let comment = bob.comments(&post, "when?").await;
    assert_eq!(e.receives("comment.created").await["comment"]["id"], comment);
    assert_eq!(e.receives("post.counts").await["comment_count"], 1);
    // The block is known to the other node at once, although it caches relationships for a second.
    ann.put_empty("/api/v1/users/@eve/block").await.assert_success();
    ann.delete(&format!("/api/v1/posts/{post}")).await.assert_status(204);
    assert_eq!(b.receives("post.deleted").await["post_id"], post);
    assert!(!names(&mut e).await.iter().any(|name| name == "post.deleted"));
}

/// The clock does not move, so nothing but the bus can end the cached session of the other node.
#[apply(both_databases)]
#[tokio::test]
async fn revoked_sessions_end_on_other_nodes_at_once(#[case] backend: Backend) {
    let t = TestApp::with_redis(backend, testing::shared()).await;
    let elsewhere = t.joined_by_another().await;
    let [ann] = t.users(["ann"]).await;
    let other = t.stranger();
    other.log_in("ann", PASSWORD).await.assert_status(200);
    let (ann_elsewhere, other_elsewhere) = (elsewhere.also(&ann), elsewhere.also(&other));
    let mut stays = ann_elsewhere.connects().await;
    let mut ends = other_elsewhere.connects().await;
    other_elsewhere.get("/api/v1/me").await.assert_status(200);
    let sessions = "/api/v1/auth/sessions";
    ann.delete(sessions).await.assert_status(204);
    assert_eq!(timeout(SOON, ends.closed()).await.expect("before the next check of the node"), 4500);
    other_elsewhere.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
    ann_elsewhere.get("/api/v1/me").await.assert_status(200);

    t.auth.suspend(&Username::parse("ann").unwrap(), true).await.unwrap();
    assert_eq!(timeout(SOON, stays.closed()).await.expect("before the next check of the node"), 4503);
    ann_elsewhere.get("/api/v1/me").await.assert_problem(401, "unauthenticated");
}

#[apply(both_databases)]
#[tokio::test]
async fn changed_role_is_known_to_other_nodes_at_once(#[case] backend: Backend) {
    let t = TestApp::with_redis(backend, testing::shared()).await;
    let elsewhere = t.joined_by_another().await;
    let [ann] = t.users(["ann"]).await;
    let ann_elsewhere = elsewhere.also(&ann);
    ann_elsewhere.get("/api/v1/admin/audit").await.assert_problem(403, "forbidden");
    let received = elsewhere.realtime.bus().counts().received;
    let name = Username::parse("ann").unwrap();
    t.auth.set_role(&name, blegram_domain::user::Role::Admin).await.unwrap();
    until(|| elsewhere.realtime.bus().counts().received > received).await;
    until_ok(&ann_elsewhere, "/api/v1/admin/audit").await;
}

/// Waits for what another task does soon.
async fn until(condition: impl Fn() -> bool + Send + Sync) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, waiting).await.expect("it happens in time");
}

async fn until_ok(actor: &Actor<'_>, path: &str) {
    let asking = async {
        while !actor.get(path).await.status.is_success() {
            // A response from caches alone would never let the timeout be noticed.
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, asking).await.expect("it succeeds in time");
}

/// Both nodes have connections of all members, and messages have several partitions.
#[apply(both_databases)]
#[tokio::test]
async fn two_nodes_deliver_nothing_twice(#[case] backend: Backend) {
    let t = TestApp::with_redis(backend, testing::shared()).await;
    let elsewhere = t.joined_by_another().await;
    let users = t.users(["ann", "bob", "eve", "joe", "kim"]).await;
    let id = users[0].starts_conversation(&["@bob", "@eve", "@joe", "@kim"], Some("us")).await;
    let mut sockets = Vec::new();
    for user in &users {
        sockets.push(user.connects().await);
        sockets.push(elsewhere.also(user).connects().await);
    }
    for n in 0..10 {
        let node = if n % 2 == 0 { &t } else { &elsewhere };
        let text = format!("message {n}");
        let sent = node.also(&users[n % 5]).sends(&id, client_id(), &text).await;
        let seq = sent.json()["seq"].as_u64().unwrap();
        for socket in &mut sockets {
            socket.learns_of(seq).await;
        }
    }
    let read = format!("/api/v1/conversations/{id}/read");
    users[1].put(&read, &json!({ "message_no": 10 })).await.assert_success();
    let post = users[2].posts("hello").await;
    users[3].put_empty(&format!("/api/v1/posts/{post}/like")).await.assert_status(200);
    for (n, socket) in sockets.iter_mut().enumerate() {
        assert_eq!(socket.receives("conversation.read").await["read_no"], 10);
        if n / 2 == 2 {
            socket.receives("notification.created").await;
        }
    }
    // Everything has arrived; what comes now would be a copy.
    let last = users[4].sends(&id, client_id(), "last").await.json()["seq"].as_u64().unwrap();
    for socket in &mut sockets {
        socket.learns_of(last).await;
        let names = names(socket).await;
        assert_eq!(names, [""; 0], "{names:?}");
    }
}

#[tokio::test]
async fn unknown_and_unreadable_events_are_ignored() {
    let redis = testing::shared();
    let t = TestApp::with_redis(Backend::Sqlite, redis.clone()).await;
    let newer = RedisBus::connect(&redis).unwrap();
    let Connected { bus, inbox: _inbox, work } = newer;
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(work);
    bus.health().wait_for(|health| !health.is_degraded()).await.unwrap();
    for (kind, payload) in
        [("chat.reacted", "{}"), ("future.event", "{}"), ("auth.suspended", "{\"Other\":{}}")]
    {
        bus.publish(Envelope::new(kind, vec![Key::All], payload));
    }
    until(|| t.realtime.bus().counts().ignored == 3).await;
    let [ann] = t.users(["ann"]).await;
    ann.connects().await;
}

#[tokio::test]
async fn nodes_of_one_process_need_no_redis() {
    let bus = TestBus::Exchange(Exchange::default());
    let t = TestApp::with(Backend::Sqlite, Settings { bus, ..Settings::default() }).await;
    let elsewhere = t.another_node();
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let mut b = elsewhere.also(&bob).connects().await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&id, "hello").await;
    assert_eq!(b.receives("message.created").await["seq"], 1);
}

/// While Redis is missing, requests are served, clients are informed, and heads arrive within two seconds.
#[apply(both_databases)]
#[tokio::test]
async fn site_works_without_redis_and_heals(#[case] backend: Backend) {
    let mut redis = RedisServer::start().await;
    let t = TestApp::with_redis(backend, redis.settings()).await;
    let elsewhere = t.joined_by_another().await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let bob_elsewhere = elsewhere.also(&bob);
    let (mut b, ready) = bob_elsewhere.connects_with_ready().await;
    assert_eq!(ready["degraded"], false);
    assert_eq!(bob_elsewhere.get("/readyz").await.text(), "ready\n");
    ann.sends_message(&id, "with Redis").await;
    assert_eq!(b.receives("message.created").await["seq"], 1);

    redis.stop();
    t.reaches(true).await;
    elsewhere.reaches(true).await;
    assert_eq!(b.receives("degraded").await["degraded"], true);
    let readyz = bob_elsewhere.get("/readyz").await;
    assert_eq!(readyz.assert_status(200).text(), "ready\ndegraded: true\n");
    let (_degraded, ready) = bob_elsewhere.connects_with_ready().await;
    assert_eq!(ready["degraded"], true);
    let start = Instant::now();
    ann.sends_message(&id, "without Redis").await;
    assert_eq!(b.receives("conversation.head").await["last_seq"], 2);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());

    redis.restart().await;
    t.is_healthy().await;
    elsewhere.is_healthy().await;
    assert_eq!(b.receives("degraded").await["degraded"], false);
    assert_eq!(bob_elsewhere.get("/readyz").await.text(), "ready\n");
    let (_healthy, ready) = bob_elsewhere.connects_with_ready().await;
    assert_eq!(ready["degraded"], false);
    ann.sends_message(&id, "with Redis again").await;
    assert_eq!(b.receives("message.created").await["seq"], 3);
}

/// Two nodes that count in `redis`; their work ends with the tasks.
async fn with_shared_limits(
    backend: Backend,
    redis: &RedisSettings,
    quotas: Quotas,
) -> (TestApp, TestApp, JoinSet<()>) {
    let (mut settings, mut tasks) = (Settings::default(), JoinSet::new());
    settings.auth.quotas = quotas;
    let mut shared = || {
        let shared = SharedSettings::new(redis.url.clone(), redis.site.clone(), b"key".to_vec().into());
        // Long enough for a busy machine.
        let (shared, work) = Shared::connect(&SharedSettings { timeout: SOON, ..shared }).unwrap();
        tasks.spawn(work);
        Some(shared)
    };
    settings.auth.shared_limits = shared();
    let t = TestApp::with(backend, settings).await;
    let elsewhere = t.another_node_with(|settings| settings.auth.shared_limits = shared());
    (t, elsewhere, tasks)
}

#[apply(both_databases)]
#[tokio::test]
async fn logins_are_limited_across_nodes_and_without_redis(#[case] backend: Backend) {
    let mut redis = RedisServer::start().await;
    let quotas = Quotas { login_per_address: Quota::new(4, 3_600), ..plenty() };
    let (t, elsewhere, _tasks) = with_shared_limits(backend, &redis.settings(), quotas).await;
    let guess = async |node: &TestApp, address: &str| {
        node.stranger().at(address).log_in("ann", "wrong").await.status.as_u16()
    };
    for node in [&t, &elsewhere, &t, &elsewhere] {
        assert_eq!(guess(node, "192.0.2.1").await, 401);
    }
    for node in [&t, &elsewhere] {
        assert_eq!(guess(node, "192.0.2.1").await, 429);
    }
    redis.stop();
    // Each node counts alone, and knows its own attempts.
    let statuses = [guess(&t, "192.0.2.1").await, guess(&t, "192.0.2.1").await, guess(&t, "192.0.2.1").await];
    assert_eq!(statuses, [401, 401, 429]);
    for status in [401, 401, 401, 401, 429] {
        assert_eq!(guess(&t, "198.51.100.1").await, status);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn commands_and_requests_of_a_user_count_together_on_all_nodes(#[case] backend: Backend) {
    // To start the conversation, and for three messages.
    let quotas = Quotas { messages_per_user: Quota::new(4, 3_600), ..plenty() };
    let (t, elsewhere, _tasks) = with_shared_limits(backend, &testing::shared(), quotas).await;
    let [ann, _bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    ann.sends_message(&id, "one").await;
    elsewhere.also(&ann).sends_message(&id, "two").await;
    let mut socket = elsewhere.also(&ann).connects().await;
    let message = |text: &str| json!({ "conversation_id": id, "client_id": client_id(), "text": text });
    socket.gets("message.send", message("three")).await;
    let rejected = socket.requests("message.send", message("four")).await;
    assert_eq!(rejected["err"]["code"], "rate-limited");
    let path = format!("/api/v1/conversations/{id}/messages");
    let body = json!({ "client_id": client_id(), "text": "five" });
    ann.post(&path, &body).await.assert_problem(429, "rate-limited");
}

/// An event that does not arrive is read once by the node, instead of by each client.
#[apply(both_databases)]
#[tokio::test]
async fn events_that_did_not_arrive_are_delivered_in_order(#[case] backend: Backend) {
    let t = TestApp::with_redis(backend, testing::shared()).await;
    let elsewhere = t.joined_by_another().await;
    // Its events reach no other node.
    let silent = t.another_node_with(|settings| settings.bus = TestBus::None);
    let [ann, bob] = t.users(["ann", "bob"]).await;
    let id = ann.starts_conversation(&["@bob"], None).await;
    let mut b = elsewhere.also(&bob).connects().await;
    ann.sends_message(&id, "one").await;
    assert_eq!(b.receives("message.created").await["seq"], 1);
    let two = silent.also(&ann).sends_message(&id, "two").await;
    silent.also(&ann).delete(&format!("/api/v1/conversations/{id}/messages/{two}")).await.assert_status(204);
    ann.sends_message(&id, "four").await;
    assert_eq!(b.receives("message.created").await["seq"], 2);
    assert_eq!(b.receives("message.deleted").await["seq"], 3);
    let four = b.receives("message.created").await;
    assert_eq!((&four["seq"], &four["message"]["text"]), (&json!(4), &json!("four")));
    assert_eq!(b.received().await.iter().filter(|name| *name == "conversation.head").count(), 0);
}

/// A site of which users go offline as soon as they disconnect, and the users of a dead node after three seconds.
async fn with_presence(backend: Backend, bus: TestBus) -> TestApp {
    let gateway = blegram_gateway::Config {
        presence_grace: Duration::ZERO,
        presence_lease: Duration::from_secs(3),
        ..blegram_gateway::Config::default()
    };
    TestApp::with(backend, Settings { bus, gateway, ..Settings::default() }).await
}

/// The presence of `user`, whom the connection watches from now on.
async fn presence(socket: &mut Socket, user: &Actor<'_>) -> bool {
    let user = user.get("/api/v1/me").await.json()["id"].clone();
    let answer = socket.gets("presence", json!({ "users": [user] })).await;
    answer["states"][0]["online"].as_bool().unwrap()
}

/// Waits for the event that a user is online or not. A connection may receive the same state twice.
async fn learns_of(socket: &mut Socket, is_online: bool) -> Value {
    loop {
        let event = socket.receives("presence").await;
        if event["online"] == is_online {
            return event;
        }
    }
}

/// Watches `user`, and waits until they are shown as online or not.
async fn sees(socket: &mut Socket, user: &Actor<'_>, is_online: bool) {
    if presence(socket, user).await != is_online {
        learns_of(socket, is_online).await;
    }
    assert_eq!(presence(socket, user).await, is_online);
}

#[rstest::rstest]
#[case::redis(TestBus::Redis(testing::shared()))]
#[case::exchange(TestBus::Exchange(Exchange::default()))]
#[tokio::test]
async fn presence_is_that_of_all_nodes(#[case] bus: TestBus) {
    let t = with_presence(Backend::Sqlite, bus).await;
    t.is_healthy().await;
    let (second, third) = (t.joined_by_another().await, t.joined_by_another().await);
    let [ann, bob] = t.users(["ann", "bob"]).await;
    ann.starts_conversation(&["@bob"], Some("us")).await;
    let mut b = second.also(&bob).connects().await;
    sees(&mut b, &ann, false).await;
    let here = ann.connects().await;
    learns_of(&mut b, true).await;

    // A node that begins to watch asks the others.
    let mut late = third.also(&bob).connects().await;
    sees(&mut late, &ann, true).await;

    // On another node as well: she is online until she has left both.
    let there = third.also(&ann).connects().await;
    let id = ann.get("/api/v1/me").await.json()["id"].as_str().unwrap().parse().unwrap();
    drop(here);
    let left_here = async {
        while t.realtime.hub().presence().is_online_here(id) {
            tokio::task::yield_now().await;
        }
    };
    timeout(TIMEOUT, left_here).await.expect("she goes offline on this node");
    assert!(presence(&mut b, &ann).await);
    drop(there);
    assert!(learns_of(&mut b, false).await["last_seen_at"].is_string());
    learns_of(&mut late, false).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn users_of_a_dead_node_go_offline(#[case] backend: Backend) {
    let t = with_presence(backend, TestBus::Redis(testing::shared())).await;
    t.is_healthy().await;
    let dying = t.joined_by_another().await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    ann.starts_conversation(&["@bob"], Some("us")).await;
    let _a = dying.also(&ann).connects().await;
    let mut b = bob.connects().await;
    sees(&mut b, &ann, true).await;
    drop(dying);
    learns_of(&mut b, false).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn presence_is_asked_for_again_after_an_outage(#[case] backend: Backend) {
    let mut redis = RedisServer::start().await;
    let t = with_presence(backend, TestBus::Redis(redis.settings())).await;
    t.is_healthy().await;
    let elsewhere = t.joined_by_another().await;
    let [ann, bob] = t.users(["ann", "bob"]).await;
    ann.starts_conversation(&["@bob"], Some("us")).await;
    let mut b = elsewhere.also(&bob).connects().await;
    sees(&mut b, &ann, false).await;
    redis.stop();
    elsewhere.reaches(true).await;
    t.reaches(true).await;
    let _a = ann.connects().await;
    redis.restart().await;
    learns_of(&mut b, true).await;
}
