//! What a scrape asks the database: the job queue, the size, and the nodes that run.
//!
//! The questions are bounded, however often and by how many the metrics are scraped: they are asked at most every
//! [`INTERVAL`], by one scrape for all that come meanwhile, and given up after [`DEADLINE`]. A database that does not answer
//! leaves these series out; the others are in this process and stay.

use std::{sync::Arc, time::Duration};

use blegram_domain::{Clock, Timestamp};
use blegram_persistence::{
    Db, database_size,
    jobs::{self, KindSummary},
    nodes,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// The shortest time between two rounds of questions.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a scrape waits for the answers. Prometheus gives up after ten seconds by default.
const DEADLINE: Duration = Duration::from_secs(1);

/// What the database answered.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    /// When it was asked.
    pub(super) asked_at: Timestamp,
    /// The kinds of jobs of which there are any.
    pub(super) jobs: Vec<KindSummary>,
    pub(super) size_bytes: u64,
    pub(super) nodes: u64,
}

/// Asks the database, and caches its answers.
pub(super) struct Questions {
    db: Db,
    clock: Arc<dyn Clock>,
    /// When it was asked last, and what it answered, if it did. Locked while it is asked.
    latest: Mutex<Option<(Instant, Option<Arc<Answers>>)>>,
}

impl Questions {
    pub(super) fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock, latest: Mutex::default() }
    }

    /// The answers, at most [`INTERVAL`] old; `None` if the database does not answer.
    pub(super) async fn answers(&self) -> Option<Arc<Answers>> {
        let mut latest = self.latest.lock().await;
        if let Some((_, answers)) = latest.as_ref().filter(|(at, _)| at.elapsed() < INTERVAL) {
            return answers.clone();
        }
        let answers = match timeout(DEADLINE, self.ask()).await {
            Ok(Ok(answers)) => Some(Arc::new(answers)),
            Ok(Err(error)) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "no answer for a scrape of metrics"
                );
                None
            }
            Err(_) => {
                tracing::debug!("the database did not answer a scrape of metrics in time");
                None
            }
        };
        *latest = Some((Instant::now(), answers.clone()));
        answers
    }

    async fn ask(&self) -> blegram_persistence::Result<Answers> {
        let asked_at = self.clock.now();
        let jobs = jobs::summary_by_kind(&self.db, asked_at).await?;
        let size_bytes = database_size::find(&self.db).await?;
        // SQLite has one node, which saves no row.
        let nodes = if self.db.is_sqlite() { 1 } else { nodes::count(&self.db, asked_at).await? };
        Ok(Answers { asked_at, jobs, size_bytes, nodes })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use blegram_domain::{Job, SystemClock};
    use blegram_persistence::{
        Settings,
        testing::{Backend, TestDatabase},
    };
    use futures_util::future::join_all;

    use super::*;

    fn questions(db: &Db) -> Questions {
        Questions::new(db.clone(), Arc::new(SystemClock))
    }

    #[tokio::test]
    async fn concurrent_scrapes_ask_once() {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let statements = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&statements);
        let db = Db::connect(&Settings::new(database.url())).await.unwrap();
        let db = db.observed(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let tx = db.write().await.unwrap();
        let now = SystemClock.now();
        jobs::insert(&tx, Job::Retention, now, now).await.unwrap();
        tx.commit().await.unwrap();
        statements.store(0, Ordering::Relaxed);

        let questions = questions(&db);
        let answers = join_all((0..20).map(|_| questions.answers())).await;

        assert_eq!(statements.load(Ordering::Relaxed), 2, "one for the jobs, one for the size");
        let answers = answers[19].as_ref().unwrap();
        assert!(answers.size_bytes > 0 && answers.nodes == 1);
        let [jobs] = &answers.jobs[..] else { panic!("{answers:?}") };
        assert_eq!((jobs.kind.as_str(), jobs.waiting, jobs.due, jobs.failing), ("retention", 1, 1, 0));
        assert_eq!(jobs.due_since, Some(now));
    }

    /// A failure is cached like an answer: a database that is down must not be asked by every scrape.
    #[tokio::test]
    async fn database_that_does_not_answer_is_asked_once() {
        let database = TestDatabase::new(Backend::Sqlite).await;
        let db = Db::connect(&Settings::new(database.url())).await.unwrap();
        let questions = questions(&db);
        db.clone().close().await.unwrap();
        assert!(questions.answers().await.is_none());
        let waits = |db: &Db| db.snapshot().uses[0].waits.count();
        let before = waits(&db);
        assert!(questions.answers().await.is_none());
        assert_eq!(waits(&db), before);
    }
}
