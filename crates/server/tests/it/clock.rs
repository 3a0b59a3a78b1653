//! A clock that is wrong for a while: retention pauses, ids stay above stored ones, and the site's clock follows the
//! database.

use std::{sync::Arc, time::Duration};

use blegram::{
    clock::{self, Retention, SiteClock, begin_ids},
    jobs::Runner,
};
use blegram_chat::Chat;
use blegram_domain::{
    ClientId, Clock, FixedClock, MessageText, PageRequest, PostId, SystemClock, Timestamp, UserId, UserRef,
    Username,
    conversation::SendMessage,
    id::{self, AnyId},
    page::{Limit, Scope},
    version::Precondition,
};
use blegram_persistence::{
    clock_state,
    testing::{Backend, TestDatabase},
};
use rstest_reuse::apply;
use tokio_util::sync::CancellationToken;

use crate::{both_databases, jobs::Site};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The tables whose rows are deleted by age.
const AGING: [&str; 7] = [
    "sessions",
    "refresh_tokens",
    "idempotency_keys",
    "reserved_usernames",
    "notifications",
    "conversation_events",
    "media",
];

/// Inserts at least one row into each table of [`AGING`].
async fn fill(site: &Site) -> UserId {
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let [ann, bob] = [ann, bob].map(|login| login.account.user.summary.id);
    site.auth.change_username(ann, Username::parse("lee").unwrap(), &Precondition::Any).await.unwrap();
    let key = blegram_auth::idempotency::Keyed { user: ann, method: "POST", path: "/", key: "k", body: b"" };
    site.auth.idempotency().begin(key).await.unwrap();
    site.image(ann).await;
    site.social.follow_user(bob, &UserRef::Id(ann)).await.unwrap();
    let chat = Chat::new(site.database.db().clone(), Arc::clone(&site.clock) as Arc<dyn Clock>);
    let (direct, _) = chat.create_conversation(ann, &[UserRef::Id(bob)], None).await.unwrap();
    let hello = SendMessage::new(
        ClientId::generate(site.clock.now()),
        MessageText::parse("hello").unwrap(),
        Vec::new(),
        None,
    );
    chat.send_message(ann, direct.conversation.id, hello.unwrap()).await.unwrap();
    // The age of a notification is that of its id, and other tests of this process may have moved the id generator
    // ahead.
    set(site, "UPDATE notifications SET id", last_of(site.clock.now())).await;
    ann
}

/// The largest UUIDv7 of an instant: its first twelve hexadecimal digits are the time.
fn last_of(instant: Timestamp) -> AnyId {
    let first = PostId::first_of(instant).to_string();
    format!("{}-7fff-bfff-ffffffffffff", &first[..13]).parse().unwrap()
}

async fn counts(site: &Site) -> Vec<usize> {
    let mut counts = Vec::new();
    for table in AGING {
        counts.push(site.database.count(table).await);
    }
    counts
}

async fn is_paused(site: &Site) -> bool {
    clock_state::find(site.database.db()).await.unwrap().pause.is_some()
}

async fn run(runner: &Runner) {
    while runner.run_due().await.unwrap() > 0 {}
}

#[apply(both_databases)]
#[tokio::test]
async fn retention_deletes_nothing_while_the_clock_is_ahead(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    fill(&site).await;
    let (start, before) = (site.clock.now(), counts(&site).await);
    assert!(before.iter().all(|count| *count > 0), "{before:?}");
    let runner = site.runner();
    runner.schedule().await.unwrap();
    run(&runner).await;
    assert_eq!((counts(&site).await, is_paused(&site).await), (before.clone(), false));

    site.clock.step_wall(start + 200 * DAY);
    for _ in 0..23 {
        run(&runner).await;
        assert_eq!((counts(&site).await, is_paused(&site).await), (before.clone(), true));
        site.clock.advance(HOUR);
    }
    // Another process starts, and finds a row of the wrong time, which must not confirm that time.
    site.sign_up("cho").await;
    let (runner, before) = (site.runner(), counts(&site).await);
    runner.schedule().await.unwrap();
    run(&runner).await;
    assert_eq!((counts(&site).await, is_paused(&site).await), (before.clone(), true));
    // The clock is set back. No row is old any more, but the clock is not trusted yet.
    site.clock.step_wall(start + 23 * HOUR);
    runner.retention().check_once().await.unwrap();
    run(&runner).await;
    assert_eq!((counts(&site).await, is_paused(&site).await), (before.clone(), true));
    for _ in 0..24 {
        site.clock.advance(HOUR);
        run(&runner).await;
    }
    assert!(!is_paused(&site).await);
    let after = counts(&site).await;
    assert_eq!(after[2], before[2] - 1, "the idempotency key is a day old: {after:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn retention_resumes_after_a_steady_day(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    fill(&site).await;
    let runner = site.runner();
    runner.schedule().await.unwrap();
    site.clock.step_wall(site.clock.now() + 200 * DAY);
    for _ in 0..24 {
        run(&runner).await;
        assert!(is_paused(&site).await);
        site.clock.advance(HOUR);
    }
    run(&runner).await;
    assert!(!is_paused(&site).await);
    // Every row is older than its retention period.
    assert_eq!(counts(&site).await, [0; 7]);
}

#[apply(both_databases)]
#[tokio::test]
async fn retention_resumes_when_an_operator_confirms_the_clock(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    fill(&site).await;
    let (db, start) = (site.database.db(), site.clock.now());
    // The site was idle for 200 days. A start cannot distinguish that from a clock that is ahead.
    let idle = Arc::new(FixedClock::new(start + 200 * DAY));
    let runner = site.runner_by(Arc::clone(&idle) as Arc<dyn Clock>);
    runner.schedule().await.unwrap();
    run(&runner).await;
    assert!(is_paused(&site).await && counts(&site).await.iter().all(|count| *count > 0));
    let pause = clock::find_pause(db, &*idle).await.unwrap().unwrap();
    assert!(clock::describe(&pause).contains("the newest row is dated 2026-09-21"), "{pause:?}");
    assert_eq!(
        clock::find_pause(db, &*site.clock).await.unwrap(),
        Some(pause),
        "the doctor reports the same pause"
    );

    // A confirmation of another clock does not count for this one.
    clock::confirm(db, &*site.clock).await.unwrap();
    run(&runner).await;
    assert!(is_paused(&site).await && counts(&site).await.iter().all(|count| *count > 0));
    clock::confirm(db, &*idle).await.unwrap();
    run(&runner).await;
    assert_eq!((counts(&site).await, is_paused(&site).await), (vec![0; 7], false));
    assert_eq!(clock::find_pause(db, &*idle).await.unwrap(), None);
}

#[apply(both_databases)]
#[tokio::test]
async fn retention_runs_immediately_on_a_new_site(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let retention = Retention::new(site.database.db().clone(), Arc::clone(&site.clock) as Arc<dyn Clock>);
    assert_eq!(retention.check().await.unwrap(), Some(site.clock.now()));
}

#[apply(both_databases)]
#[tokio::test]
async fn retention_of_one_node_is_not_resumed_by_another(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    fill(&site).await;
    let node = |clock: &Arc<FixedClock>| {
        Retention::new(site.database.db().clone(), Arc::clone(clock) as Arc<dyn Clock>)
    };
    let other = Arc::new(FixedClock::new(site.clock.now()));
    let (wrong, right) = (node(&other), node(&site.clock));
    for node in [&wrong, &right] {
        assert!(node.check().await.unwrap().is_some());
    }
    other.step_wall(other.now() + 200 * DAY);
    assert_eq!(wrong.check().await.unwrap(), None);
    site.clock.advance(HOUR);
    assert_eq!(right.check().await.unwrap(), Some(site.clock.now()));
    assert!(is_paused(&site).await, "the doctor can report the pause");
}

#[apply(both_databases)]
#[tokio::test]
async fn jobs_of_a_clock_that_was_ahead_run_without_waiting_for_it(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = site.sign_up("ann").await.account.user.summary.id;
    let post = site.post(ann, "taken back").await.post.id;
    let (runner, start) = (site.runner(), site.clock.now());
    runner.schedule().await.unwrap();
    site.clock.step_wall(start + DAY);
    site.social.delete_post(ann, post, &Precondition::Any).await.unwrap();
    site.clock.step_wall(start);
    runner.retention().check_once().await.unwrap();
    run(&runner).await;
    assert_eq!(site.database.count("posts").await, 0);
}

/// An id that another process generated with a clock that is 200 days ahead.
fn ahead(site: &Site) -> AnyId {
    // Later than every id that this process has generated.
    let created_at = id::instant_of(PostId::generate(site.clock.now()).as_uuid()).unwrap();
    last_of(created_at + 200 * DAY)
}

async fn set(site: &Site, what: &str, id: AnyId) {
    let bare = id.to_string();
    let id = if site.database.db().is_sqlite() {
        format!("X'{}'", bare.replace('-', ""))
    } else {
        format!("'{bare}'")
    };
    site.database.execute(&format!("{what} = {id}")).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn ids_start_above_the_newest_stored_one(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let [ann, bob] = [ann, bob].map(|login| login.account.user.summary.id);
    site.post(ann, "of a clock that was ahead").await;
    let ahead = ahead(&site);
    if !site.database.db().is_sqlite() {
        // Its rows in the search index refer to it.
        site.database.execute("DELETE FROM post_search").await;
    }
    set(&site, "UPDATE posts SET id", ahead).await;
    begin_ids(site.database.db(), &*site.clock).await.unwrap();
    let new = site.post(ann, "new").await.post.id;
    let scope = || Scope::new("getPublicTimeline", &[]);
    let first = PageRequest::new(scope(), Limit::default(), None, None);
    let texts = |page: blegram_domain::Page<blegram_social::PostView>| -> Vec<String> {
        page.items.into_iter().map(|view| view.post.text).collect()
    };
    let page = site.social.public_timeline(Some(bob), &first).await.unwrap();
    assert_eq!(texts(page), ["new", "of a clock that was ahead"]);
    let since = PageRequest::new(scope(), Limit::default(), None, Some(ahead.as_uuid()));
    let page = site.social.public_timeline(Some(bob), &since).await.unwrap();
    assert_eq!(texts(page), ["new"]);
    assert!(new.as_uuid() > ahead.as_uuid());
}

/// Another node's clock may be ahead while both run.
#[tokio::test]
async fn ids_stay_above_those_of_other_nodes() {
    let site = Site::new(Backend::Postgres).await;
    let ann = site.sign_up("ann").await.account.user.summary.id;
    site.post(ann, "of another node").await;
    site.database.execute("DELETE FROM post_search").await;
    let ahead = ahead(&site);
    set(&site, "UPDATE posts SET id", ahead).await;
    let (clock, shutdown) = (SiteClock::new(Arc::clone(&site.clock) as _), CancellationToken::new());
    let followed = async {
        while PostId::generate(site.clock.now()).as_uuid() < ahead.as_uuid() {
            tokio::task::yield_now().await;
        }
        shutdown.cancel();
    };
    let both = async { tokio::join!(clock::follow(&clock, site.database.db(), &shutdown), followed) };
    crate::client::in_time(both).await;
}

/// An idle site that is restarted now and then has no newer row, only the time of the last check.
#[apply(both_databases)]
#[tokio::test]
async fn retention_of_an_idle_site_relies_on_the_last_check(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    fill(&site).await;
    for _ in 0..3 {
        site.runner().retention().check().await.unwrap();
        assert!(!is_paused(&site).await);
        site.clock.advance(6 * DAY);
    }
    site.clock.advance(2 * DAY);
    site.runner().retention().check().await.unwrap();
    assert!(is_paused(&site).await, "after eight days, the time is uncertain");
}

#[apply(both_databases)]
#[tokio::test]
async fn new_notifications_are_unread_after_a_clock_was_ahead(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let [ann, bob] = [site.sign_up("ann").await, site.sign_up("bob").await];
    let [ann, bob] = [ann, bob].map(|login| login.account.user.summary.id);
    // The notifications that she read then were withdrawn since; only her read position is left.
    set(&site, "UPDATE users SET notifications_read", ahead(&site)).await;
    begin_ids(site.database.db(), &*site.clock).await.unwrap();
    site.social.follow_user(bob, &UserRef::Id(ann)).await.unwrap();
    let page = PageRequest::new(Scope::new("listNotifications", &[]), Limit::default(), None, None);
    let notifications = site.social.notifications(ann, &page).await.unwrap().items;
    assert_eq!(notifications.iter().map(|view| view.is_read).collect::<Vec<_>>(), [false]);
    let mark = site.social.mark_notifications_read(ann, notifications[0].notification.id).await.unwrap();
    assert_eq!(mark.unread_count, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn site_clock_follows_the_database_if_they_differ(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let real = SystemClock.now();
    let second = Duration::from_secs(1);
    for wrong in [real + 40 * second, real - 40 * second, real + 200 * DAY, real - 200 * DAY] {
        let machine = Arc::new(FixedClock::new(wrong));
        let clock = SiteClock::new(Arc::clone(&machine) as Arc<dyn Clock>);
        clock.follow(database.db()).await.unwrap();
        match backend {
            Backend::Sqlite => assert_eq!(clock.now(), wrong, "SQLite has no clock of its own"),
            Backend::Postgres => assert!(clock.now().is_near(real, 30 * second), "{} {real}", clock.now()),
        }
        // The machine's clock is set between two comparisons with the database. Access tokens expire by the site's
        // clock.
        let before = clock.now();
        machine.step_wall(wrong + 60 * 60 * second);
        machine.advance(second);
        match backend {
            Backend::Sqlite => assert!(clock.now() > before + 60 * 60 * second),
            Backend::Postgres => assert_eq!(clock.now(), before + second),
        }
        // After the correction, the site's clock is the machine's again, to the microsecond.
        let corrected = SystemClock.now();
        machine.step_wall(corrected);
        clock.follow(database.db()).await.unwrap();
        if SystemClock.now().is_near(corrected, second) {
            assert_eq!(clock.now(), corrected);
        }
    }
}
