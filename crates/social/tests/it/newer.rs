//! Paging lists towards newer items during concurrent writes: no item is lost or repeated.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use blegram_domain::{
    Clock, CommentText, FixedClock, Hashtag, Page, PageRequest, PostId, PostText, UserId, Visibility,
    page::{Limit, Scope},
};
use blegram_persistence::{
    Db, Settings, posts,
    testing::{Backend, TestDatabase},
    users,
};
use blegram_social::{CreatePost, Social, UserRef, WriteComment};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, now, social, text, user};

const WRITERS: usize = 8;
const EACH: usize = 12;

/// The id of a list item.
type Key = String;

/// Two nodes of one site, whose clocks differ by 40 seconds. SQLite has one process, and both share its handle.
async fn nodes(database: &TestDatabase) -> [Social; 2] {
    let behind = Arc::new(FixedClock::new(now() - Duration::from_secs(40))) as Arc<dyn Clock>;
    let db = if database.db().is_sqlite() { database.db().clone() } else { connect(database).await };
    [social(database), Social::new(db, behind)]
}

async fn connect(database: &TestDatabase) -> Db {
    let settings = Settings {
        url: database.url().to_owned(),
        max_connections: 8,
        statement_timeout: Duration::from_secs(30),
    };
    Db::connect(&settings).await.unwrap()
}

fn request(cursor: Option<blegram_domain::page::Cursor>, since: Option<PostId>) -> PageRequest {
    let scope = Scope::new("list", &[]);
    PageRequest::new(scope, Limit::parse(5).unwrap(), cursor, since.map(PostId::as_uuid))
}

/// Follows `prev_cursor`, starting from an empty list, until a page after `is_done` is empty.
async fn follow_prev(list: impl AsyncFn(PageRequest) -> Page<Key>, is_done: &AtomicBool) -> Vec<Key> {
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let was_done = is_done.load(Ordering::SeqCst);
        let page = list(request(cursor, None)).await;
        if cursor.is_none() {
            // The first page: the items that do not fit into it follow on older pages.
            let mut next = page.next;
            while let Some(below) = next {
                let page = list(request(Some(below), None)).await;
                seen.extend(page.items);
                next = page.next;
            }
        }
        if was_done && page.items.is_empty() {
            return seen;
        }
        seen.extend(page.items);
        cursor = page.prev.or(cursor);
        tokio::task::yield_now().await;
    }
}

/// Polls for items newer than the newest known one, with `since_id`.
async fn follow_since(list: impl AsyncFn(PageRequest) -> Page<Key>, is_done: &AtomicBool) -> Vec<Key> {
    let (mut seen, mut since): (Vec<Key>, Option<PostId>) = (Vec::new(), None);
    loop {
        let was_done = is_done.load(Ordering::SeqCst);
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = list(request(cursor, since)).await;
            found.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if was_done && found.is_empty() {
            return seen;
        }
        let newest = found.iter().map(|key| key.parse().unwrap()).max();
        since = newest.max(since);
        seen.extend(found);
        tokio::task::yield_now().await;
    }
}

/// How the test follows a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Prev,
    /// For lists in ascending order, which have no newer items before the first page.
    Since,
    Both,
}

/// Follows a list while concurrent writers call `write` with their number and a counter. The reader must see `expected`
/// distinct items.
#[expect(clippy::future_not_send, reason = "the future stays in its test")]
async fn watch<W: Future<Output = ()> + Send + 'static>(
    list: impl AsyncFn(PageRequest) -> Page<Key>,
    by: By,
    expected: usize,
    write: impl Fn(usize, usize) -> W + Clone + Send + 'static,
) {
    let is_done = AtomicBool::new(false);
    let writers = async {
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let write = write.clone();
            writers.spawn(async move {
                for time in 0..EACH {
                    write(writer, time).await;
                }
            });
        }
        writers.join_all().await;
        is_done.store(true, Ordering::SeqCst);
    };
    let prev = async { if by == By::Since { None } else { Some(follow_prev(&list, &is_done).await) } };
    let since = async { if by == By::Prev { None } else { Some(follow_since(&list, &is_done).await) } };
    let ((), by_prev, by_since) = tokio::join!(writers, prev, since);
    for seen in [by_prev, by_since].into_iter().flatten() {
        let different: HashSet<&Key> = seen.iter().collect();
        assert_eq!((seen.len(), different.len()), (expected, expected));
    }
}

async fn people<const N: usize>(database: &TestDatabase) -> [UserId; N] {
    let mut people = Vec::new();
    for n in 0..N {
        people.push(user(database, &format!("person{n}")).await);
    }
    people.try_into().unwrap()
}

fn tagged() -> CreatePost {
    text("오늘의 #제주")
}

#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn timelines_lose_no_post(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let nodes = nodes(&database).await;
    let authors: [UserId; WRITERS] = people(&database).await;
    let reader = user(&database, "reader").await;
    for author in authors {
        nodes[0].follow_user(reader, &UserRef::Id(author)).await.unwrap();
    }
    let write = {
        let nodes = nodes.clone();
        move |writer: usize, time: usize| {
            let (node, author) = (nodes[writer % 2].clone(), authors[writer]);
            async move {
                let created = if time % 4 == 3 {
                    let followers = PostText::parse("우리끼리").unwrap();
                    CreatePost::new(followers, Vec::new(), Visibility::Followers).unwrap()
                } else {
                    tagged()
                };
                node.create_post(author, created).await.unwrap();
            }
        }
    };
    let key = |view: blegram_social::PostView| view.post.id.to_string();
    let (all, public) = (WRITERS * EACH, WRITERS * EACH * 3 / 4);
    let home = async |page| nodes[0].home_timeline(reader, &page).await.unwrap().map(key);
    watch(home, By::Both, all, write.clone()).await;
    let before = database.count("posts").await;
    let tag = Hashtag::parse("제주").unwrap();
    let by_tag = async |page| nodes[1].hashtag_timeline(None, &tag, &page).await.unwrap().map(key);
    watch(by_tag, By::Both, before * 3 / 4 + public, write.clone()).await;
    let everything = async |page| nodes[0].public_timeline(None, &page).await.unwrap().map(key);
    watch(everything, By::Both, before * 6 / 4 + public, write).await;
}

#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn posts_of_a_user_lose_none(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let nodes = nodes(&database).await;
    let [author] = people(&database).await;
    let write = {
        let nodes = nodes.clone();
        move |writer: usize, _| {
            let node = nodes[writer % 2].clone();
            async move { drop(node.create_post(author, tagged()).await.unwrap()) }
        }
    };
    let key = |view: blegram_social::PostView| view.post.id.to_string();
    let of_author =
        async |page| nodes[0].user_posts(None, &UserRef::Id(author), &page).await.unwrap().map(key);
    watch(of_author, By::Both, WRITERS * EACH, write).await;
}

#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn comments_replies_and_notifications_lose_none(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let nodes = nodes(&database).await;
    let authors: [UserId; WRITERS] = people(&database).await;
    let author = user(&database, "author").await;
    let post = nodes[0].create_post(author, text("a post")).await.unwrap().post.id;
    let comment = || WriteComment::new(CommentText::parse("멋져요").unwrap()).unwrap();
    let top = nodes[0].create_comment(author, post, None, comment()).await.unwrap().comment.id;
    let write = |parent| {
        let nodes = nodes.clone();
        move |writer: usize, _| {
            let (node, author) = (nodes[writer % 2].clone(), authors[writer]);
            async move { drop(node.create_comment(author, post, parent, comment()).await.unwrap()) }
        }
    };
    let key = |view: blegram_social::CommentView| view.comment.id.to_string();
    let comments = async |page| nodes[1].post_comments(None, post, &page).await.unwrap().map(key);
    watch(comments, By::Since, WRITERS * EACH + 1, write(None)).await;
    let replies = async |page| nodes[0].replies(None, top, &page).await.unwrap().map(key);
    watch(replies, By::Since, WRITERS * EACH, write(Some(top))).await;
    let notified = async |page| {
        let page = nodes[0].notifications(author, &page).await.unwrap();
        page.map(|view| view.notification.id.to_string())
    };
    watch(notified, By::Both, 3 * WRITERS * EACH, write(None)).await;
}

/// Different users like different posts, so only the recipient is the same.
#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn notifications_of_different_posts_lose_none(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let nodes = nodes(&database).await;
    let people: [UserId; WRITERS * EACH] = people(&database).await;
    let author = user(&database, "author").await;
    let mut posts = Vec::new();
    while posts.len() < WRITERS * EACH {
        posts.push(nodes[0].create_post(author, text("a post")).await.unwrap().post.id);
    }
    let write = {
        let nodes = nodes.clone();
        move |writer: usize, time: usize| {
            let at = writer * EACH + time;
            let (node, person, post) = (nodes[writer % 2].clone(), people[at], posts[at]);
            async move { _ = node.like_post(person, post).await.unwrap() }
        }
    };
    let notified = async |page| {
        let page = nodes[0].notifications(author, &page).await.unwrap();
        page.map(|view| view.notification.id.to_string())
    };
    watch(notified, By::Both, WRITERS * EACH, write).await;
}

#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn likes_and_bookmarks_lose_none(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let nodes = nodes(&database).await;
    let people: [UserId; WRITERS * EACH] = people(&database).await;
    let author = people[0];
    let post = nodes[0].create_post(author, text("a post")).await.unwrap().post.id;
    let comment = WriteComment::new(CommentText::parse("멋져요").unwrap()).unwrap();
    let comment = nodes[0].create_comment(author, post, None, comment).await.unwrap().comment.id;
    let mut posts = vec![post];
    while posts.len() < WRITERS * EACH {
        posts.push(nodes[0].create_post(author, text("another")).await.unwrap().post.id);
    }
    let number = |writer: usize, time: usize| writer * EACH + time;
    let of_user = |view: blegram_social::UserView| view.user.summary.id.to_string();
    let of_post = |view: blegram_social::PostView| view.post.id.to_string();
    let by_all = |is_post: bool| {
        let nodes = nodes.clone();
        move |writer: usize, time: usize| {
            let (node, person) = (nodes[writer % 2].clone(), people[number(writer, time)]);
            async move {
                if is_post {
                    node.like_post(person, post).await.unwrap();
                } else {
                    node.like_comment(person, comment).await.unwrap();
                }
            }
        }
    };
    let likers = async |page| nodes[0].post_likers(None, post, &page).await.unwrap().map(of_user);
    watch(likers, By::Prev, WRITERS * EACH, by_all(true)).await;
    let likers = async |page| nodes[0].comment_likers(None, comment, &page).await.unwrap().map(of_user);
    watch(likers, By::Prev, WRITERS * EACH, by_all(false)).await;

    let reader = user(&database, "reader").await;
    let by_one = |is_like: bool| {
        let (nodes, posts) = (nodes.clone(), posts.clone());
        move |writer: usize, time: usize| {
            let (node, post) = (nodes[writer % 2].clone(), posts[number(writer, time)]);
            async move {
                if is_like {
                    node.like_post(reader, post).await.unwrap();
                } else {
                    node.bookmark_post(reader, post).await.unwrap();
                }
            }
        }
    };
    let liked = async |page| nodes[0].liked_posts(reader, &page).await.unwrap().map(of_post);
    watch(liked, By::Prev, WRITERS * EACH, by_one(true)).await;
    let bookmarks = async |page| nodes[1].bookmarks(reader, &page).await.unwrap().map(of_post);
    watch(bookmarks, By::Prev, WRITERS * EACH, by_one(false)).await;
}

#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn account_lists_lose_none(#[case] backend: Backend) {
    #[derive(Clone, Copy)]
    enum Act {
        IsFollowed,
        Follows,
        IsRequested,
        Blocks,
        Mutes,
    }
    let database = TestDatabase::new(backend).await;
    let nodes = nodes(&database).await;
    let people: [UserId; WRITERS * EACH] = people(&database).await;
    let [ann, bob, cho] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "cho").await];
    database.execute("UPDATE users SET is_private = true WHERE username = 'bob'").await;
    let write = |act| {
        let nodes = nodes.clone();
        move |writer: usize, time: usize| {
            let (node, person) = (nodes[writer % 2].clone(), people[writer * EACH + time]);
            async move {
                match act {
                    Act::IsFollowed => _ = node.follow_user(person, &UserRef::Id(ann)).await.unwrap(),
                    Act::Follows => _ = node.follow_user(ann, &UserRef::Id(person)).await.unwrap(),
                    Act::IsRequested => _ = node.follow_user(person, &UserRef::Id(bob)).await.unwrap(),
                    Act::Blocks => node.block_user(cho, &UserRef::Id(person)).await.unwrap(),
                    Act::Mutes => node.mute_user(ann, &UserRef::Id(person)).await.unwrap(),
                }
            }
        }
    };
    let key = |view: blegram_social::UserView| view.user.summary.id.to_string();
    let (all, of_ann) = (WRITERS * EACH, UserRef::Id(ann));
    let followers = async |page| nodes[0].followers(None, &of_ann, &page).await.unwrap().map(key);
    watch(followers, By::Prev, all, write(Act::IsFollowed)).await;
    let following = async |page| nodes[1].following(None, &of_ann, &page).await.unwrap().map(key);
    watch(following, By::Prev, all, write(Act::Follows)).await;
    let requests = async |page| nodes[0].follow_requests(bob, &page).await.unwrap().map(key);
    watch(requests, By::Prev, all, write(Act::IsRequested)).await;
    let mutes = async |page| nodes[0].mutes(ann, &page).await.unwrap().map(key);
    watch(mutes, By::Prev, all, write(Act::Mutes)).await;
    let blocks = async |page| nodes[0].blocks(cho, &page).await.unwrap().map(key);
    watch(blocks, By::Prev, all, write(Act::Blocks)).await;
}

/// Two writers of posts: the first has an id and is about to commit. The second one must wait, and gets a larger id.
#[expect(clippy::disallowed_methods, reason = "the test awaits the task")]
#[tokio::test]
async fn posts_become_visible_in_the_order_of_their_ids() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let social = social(&database);
    let [ann, bob] = people(&database).await;
    let tx = database.db().write().await.unwrap();
    posts::lock_list(&tx).await.unwrap();
    let other = {
        let social = social.clone();
        tokio::spawn(async move { social.create_post(bob, text("later")).await.unwrap().post.id })
    };
    let waits = "SELECT 'waits' AS line FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while database.lines(waits).await.is_empty() {
        assert!(!other.is_finished(), "a post with a larger id became visible before one with a smaller id");
        tokio::task::yield_now().await;
    }
    let author = users::find(&tx, ann).await.unwrap().unwrap().summary;
    let mut post = blegram_domain::Post {
        id: PostId::generate(now()),
        author: author.id,
        text: "early".to_owned(),
        media: Vec::new(),
        hashtags: Vec::new(),
        mentions: Vec::new(),
        visibility: Visibility::Public,
        like_count: 0,
        comment_count: 0,
        created_at: now(),
        edited_at: None,
        version: 0,
    };
    posts::insert(&tx, &mut post, now()).await.unwrap();
    tx.commit().await.unwrap();
    assert!(other.await.unwrap() > post.id);
}

/// A node whose clock is ahead has written the newest comment, notification and like.
#[apply(both_databases)]
#[tokio::test]
async fn ids_stay_ascending_when_a_node_clock_is_ahead(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let social = social(&database);
    let [ann, bob] = people(&database).await;
    let post = social.create_post(ann, text("a post")).await.unwrap().post.id;
    let comment = || WriteComment::new(CommentText::parse("멋져요").unwrap()).unwrap();
    social.create_comment(bob, post, None, comment()).await.unwrap();
    social.like_post(bob, post).await.unwrap();
    // A millisecond is 2^80 in a UUIDv7; the version bits stay unchanged.
    let shift = |table: &str, hours: u64| {
        let ahead = PostId::first_of(now() + Duration::from_secs(hours * 3600)).to_string();
        let ahead = ahead.get(..13).unwrap();
        match backend {
            Backend::Postgres => {
                format!("UPDATE {table} SET id = ('{ahead}' || substr(id::text, 14))::uuid")
            }
            Backend::Sqlite => {
                let bytes = ahead.replace('-', "");
                format!("UPDATE {table} SET id = unhex('{bytes}' || substr(hex(id), 13))")
            }
        }
    };
    // Each further ahead, in the order in which the actions below insert: this process reads the newest id of one list,
    // and must do so for the next one, too.
    for (table, hours) in [("comments", 1), ("notifications", 2), ("post_likes", 3)] {
        if table == "comments" {
            // Removes the rows that refer to the comment by its id.
            database.execute("DELETE FROM notifications WHERE comment_id IS NOT NULL").await;
        }
        database.execute(&shift(table, hours)).await;
    }
    // A process that started after that: on SQLite, only one process writes, and reads the newest ids once.
    let social = Social::new(connect(&database).await, Arc::new(FixedClock::new(now())));
    let other = social.create_post(ann, text("another")).await.unwrap().post.id;
    let cho = user(&database, "cho").await;
    social.create_comment(cho, post, None, comment()).await.unwrap();
    social.like_post(cho, post).await.unwrap();
    let page = || request(None, None);
    let comments = social.post_comments(None, post, &page()).await.unwrap().items;
    assert_eq!(comments.iter().map(|view| view.comment.author).collect::<Vec<_>>(), [Some(bob), Some(cho)]);
    let notified = social.notifications(ann, &page()).await.unwrap().items;
    assert_eq!(notified.iter().map(|view| view.actor.id).collect::<Vec<_>>(), [cho, cho, bob]);
    let likers = social.post_likers(None, post, &page()).await.unwrap().items;
    assert_eq!(likers.iter().map(|view| view.user.summary.id).collect::<Vec<_>>(), [cho, bob]);
    assert!(other > post);
}
