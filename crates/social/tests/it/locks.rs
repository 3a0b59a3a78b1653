//! Lock contention on PostgreSQL: a waiting transaction blocks no third one, and no two transactions deadlock.

use std::time::Duration;

use blegram_domain::{CommentText, PostId, PostText, UserId, Visibility, version::Precondition};
use blegram_persistence::{
    Db, Settings,
    testing::{Backend, TestDatabase},
    users,
};
use blegram_social::{Error, Social, UpdatePost, UpdateProfile, UserRef, WriteComment};
use tokio::task::JoinSet;

use crate::{social, text, user};

/// The timeout of each wait. It bounds failures, never passing tests, and is shorter than
/// `idle_in_transaction_session_timeout`, after which an idle transaction loses its locks.
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);

async fn connect(database: &TestDatabase) -> Db {
    let settings = Settings {
        url: database.url().to_owned(),
        max_connections: 8,
        statement_timeout: Duration::from_secs(60),
    };
    Db::connect(&settings).await.unwrap()
}

/// Waits until `count` transactions wait for a lock.
async fn wait_for_lock_waiters(database: &TestDatabase, count: usize) {
    let sql = "SELECT state AS line FROM pg_stat_activity \
               WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.lines(sql).await.len() < count {
        tokio::task::yield_now().await;
    }
}

/// Another transaction locks the row of ann, as a profile update does. Bob mentions her, and waits.
#[tokio::test]
async fn mention_that_waits_for_a_lock_does_not_delay_other_posts() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let [ann, bob, cat] =
        [user(&database, "ann").await, user(&database, "bob").await, user(&database, "cat").await];
    let social = social(&database);
    let other = connect(&database).await;
    let profile = other.write().await.unwrap();
    users::lock(&profile, ann).await.unwrap();

    let mut mentions = JoinSet::new();
    let mentioning = social.clone();
    mentions.spawn(async move { mentioning.create_post(bob, text("@ann #jeju")).await });
    tokio::time::timeout(WAIT_TIMEOUT, wait_for_lock_waiters(&database, 1)).await.unwrap();
    for words in ["plain", "#jeju", "@bob"] {
        let post = tokio::time::timeout(WAIT_TIMEOUT, social.create_post(cat, text(words))).await;
        post.expect("other posts must not wait for the one that waits for ann").unwrap();
    }
    assert!(mentions.try_join_next().is_none(), "the mention waits for the row of ann");
    profile.commit().await.unwrap();
    let mention = mentions.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(mention.mentions.len(), 1);
}

/// Pseudo-random numbers from a seed, so that failures are reproducible.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn words(&mut self) -> String {
        let words = ["#aa", "#bb", "#cc", "@ann", "@bob", "@cat", "@dan"];
        (0..4).map(|_| words[self.below(words.len())]).collect::<Vec<_>>().join(" ")
    }
}

/// Runs a random action. Rules reject most of them, which does not matter here.
async fn act(
    social: &Social,
    people: &[UserId],
    numbers: &mut Numbers,
    mine: &mut Vec<PostId>,
) -> Result<(), Error> {
    let actor = people[numbers.below(people.len())];
    let other = UserRef::Id(people[numbers.below(people.len())]);
    let post = mine.get(numbers.below(mine.len().max(1))).copied();
    match (numbers.below(17), post) {
        (0..=3, _) => mine.push(social.create_post(actor, text(&numbers.words())).await?.post.id),
        (4, Some(post)) => {
            let words = PostText::parse(&numbers.words()).unwrap();
            let edit = UpdatePost::new(Some(words), None, Some(Visibility::Public)).unwrap();
            let author = social.get_post(None, post).await?.author.id;
            social.update_post(author, post, edit, &Precondition::Any).await?;
        }
        (5, Some(post)) => {
            let author = social.get_post(None, post).await?.author.id;
            social.delete_post(author, post, &Precondition::Any).await?;
        }
        (6, Some(post)) => drop(social.like_post(actor, post).await?),
        (7, Some(post)) => {
            let words = WriteComment::new(CommentText::parse(&numbers.words()).unwrap()).unwrap();
            social.create_comment(actor, post, None, words).await?;
        }
        (8..=10, _) => {
            let is_private = Some(numbers.below(2) == 0);
            let update = UpdateProfile { is_private, ..UpdateProfile::default() };
            social.update_profile(actor, update, &Precondition::Any).await?;
        }
        (11 | 12, _) => drop(social.follow_user(actor, &other).await?),
        (13, _) => drop(social.unfollow_user(actor, &other).await?),
        (14, _) => drop(social.accept_follow_requests(actor).await?),
        (15, _) => drop(social.delete_unused_hashtags().await?),
        _ if numbers.below(4) == 0 => social.block_user(actor, &other).await?,
        _ => social.unblock_user(actor, &other).await?,
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_do_not_deadlock() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let mut people = Vec::new();
    for name in ["ann", "bob", "cat", "dan"] {
        people.push(user(&database, name).await);
    }
    let social = social(&database);
    let mut writers = JoinSet::new();
    for seed in 0..8 {
        let (social, people) = (social.clone(), people.clone());
        writers.spawn(async move {
            let (mut numbers, mut mine) = (Numbers(seed), Vec::new());
            for _ in 0..120 {
                if let Err(Error::Storage(error)) = act(&social, &people, &mut numbers, &mut mine).await {
                    panic!("{error:?}");
                }
            }
        });
    }
    writers.join_all().await;
    for count in social.recount(false).await.unwrap() {
        assert_eq!(count.wrong, 0, "{count:?}");
    }
    let unindexed = "SELECT name AS line FROM hashtags WHERE post_count > 0 AND name NOT IN (SELECT name FROM hashtag_search)";
    assert_eq!(database.lines(unindexed).await, [""; 0]);
    let missing = "SELECT DISTINCT hashtag AS line FROM post_hashtags JOIN posts ON posts.id = post_id \
                   JOIN users ON users.id = author_id \
                   WHERE NOT users.is_private AND hashtag NOT IN (SELECT name FROM hashtags)";
    assert_eq!(database.lines(missing).await, [""; 0]);
}
