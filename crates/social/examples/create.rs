//! Measures how many posts per second 32 concurrent writers create, on PostgreSQL and on SQLite.
//!
//! Run it with `cargo xtask services -- cargo run --release -p blegram-social --example create [SECONDS [WRITERS]]`.
//! `xtask services` starts PostgreSQL with `fsync` and `synchronous_commit` off; set `BLEGRAM_TEST_POSTGRES_URL` to
//! measure another server. SQLite waits for the disk.

#![expect(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use blegram_domain::{Clock, DisplayName, PostText, SystemClock, UserId, Username, Visibility, user::Role};
use blegram_persistence::{
    Db, Settings,
    testing::{Backend, TestDatabase},
    users::{self, NewUser},
};
use blegram_social::{CreatePost, Social};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (seconds, writers) = (number(10), number(32));
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::new(backend).await;
        let settings = Settings {
            url: database.url().to_owned(),
            max_connections: writers,
            statement_timeout: Duration::from_secs(30),
        };
        let db = Db::connect(&settings).await.unwrap();
        let authors = people(&db, writers).await;
        let social = Social::new(db, Arc::new(SystemClock));
        let texts = [("plain", "바다가 보이는 카페"), ("two hashtags", "바다가 보이는 카페 #제주 #노을")];
        for (kind, text) in texts {
            // The first, one-second run warms up; the second one is the measurement.
            for duration in [Duration::from_secs(1), Duration::from_secs(seconds.into())] {
                let mut took = run(&social, &authors, text, duration).await;
                took.sort_unstable();
                let rate = took.len() as f64 / duration.as_secs_f64();
                let percentile = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1e3;
                let [median, slow] = [50, 99].map(percentile);
                println!(
                    "{backend:?}, {kind}: {rate:.0} posts per second; median {median:.1} ms, 99 % within {slow:.1} ms"
                );
            }
        }
    }
}

async fn run(social: &Social, authors: &[UserId], text: &'static str, duration: Duration) -> Vec<Duration> {
    let until = Instant::now() + duration;
    let mut writers = JoinSet::new();
    for author in authors.iter().copied() {
        let social = social.clone();
        writers.spawn(async move {
            let mut took = Vec::new();
            while Instant::now() < until {
                let text = PostText::parse(text).unwrap();
                let post = CreatePost::new(text, Vec::new(), Visibility::Public).unwrap();
                let start = Instant::now();
                social.create_post(author, post).await.unwrap();
                took.push(start.elapsed());
            }
            took
        });
    }
    writers.join_all().await.concat()
}

async fn people(db: &Db, count: u32) -> Vec<UserId> {
    let tx = db.write().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        let id = UserId::generate(SystemClock.now());
        let user = NewUser {
            id,
            username: Username::parse(&format!("author_{n}")).unwrap(),
            display_name: DisplayName::parse("author").unwrap(),
            email: None,
            password_hash: None,
            role: Role::User,
            created_at: SystemClock.now(),
        };
        users::insert(&tx, user).await.unwrap();
        ids.push(id);
    }
    tx.commit().await.unwrap();
    ids
}
