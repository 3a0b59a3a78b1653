//! A thread pool for CPU-bound work such as hashing a password or decoding an image. On the threads that serve
//! requests, such work would delay every other request; without a limit, it would queue without bound. A pool has a
//! fixed number of threads of lower priority and a bounded queue.
//!
//! The queue is fair: work belongs to an owner, such as a user or a network, and a free thread takes the work of the owner
//! who has had the least time so far. One owner can have at most half of the queue, and the last third of it is reserved for
//! the work of known owners.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_cpu_pool::{CpuPool, Priority, Work};
//!
//! let pool = CpuPool::new("sum", Priority::Interactive, 2, 16)?;
//! assert_eq!(pool.run(Work::of("ann"), || (1..=100).sum::<u32>()).await?, 5050);
//! # Ok(())
//! # }
//! ```

mod queue;

use std::{
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use blegram_metrics::{Histogram, HistogramSnapshot};
/// The error of [`CpuPool::new`].
pub use rayon::ThreadPoolBuildError;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::oneshot;

use self::queue::Queue;

/// Why work was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue is full. There will probably be room again after this time.
    #[error("the work queue is full")]
    Full {
        /// How long the work that waits will probably take.
        retry_after: Duration,
    },
    /// The owner's share of the queue is full.
    #[error("the owner's share of the work queue is full")]
    ShareFull {
        /// How long the work that waits will probably take.
        retry_after: Duration,
    },
    /// The work panicked.
    #[error("the work panicked; see the log")]
    Panicked,
}

/// The scheduling priority of a pool's threads. Threads that serve requests always have a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A user waits for the result, such as the password hash of a login.
    Interactive,
    /// The work takes long anyway, such as resizing an image.
    Background,
}

impl Priority {
    /// How much the nice value of such threads exceeds the process's. Three steps halve a thread's weight: next to
    /// another busy process of normal priority on the same core, an interactive thread still gets two fifths of it
    /// (decisions 0030 and 0032).
    const fn niceness(self) -> i32 {
        match self {
            Self::Interactive => 2,
            Self::Background => 10,
        }
    }
}

/// How many threads to have by default: one fewer than there are processors, so that one is left to those that serve
/// requests whatever the priorities (decision 0032); at least one.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() - 1).max(1)
}

/// Whose work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work<K> {
    owner: K,
    is_known: bool,
}

impl<K> Work<K> {
    /// Work of `owner`, who is known.
    pub const fn of(owner: K) -> Self {
        Self { owner, is_known: true }
    }

    /// Whether its owner is known, such as from an earlier login. The last third of the queue is kept for such work.
    #[must_use]
    pub fn known(self, is_known: bool) -> Self {
        Self { is_known, ..self }
    }
}

/// A thread pool with a bounded, fair queue; cheap to clone.
pub struct CpuPool<K> {
    name: &'static str,
    queue: Arc<Mutex<Queue<K>>>,
    durations: Arc<Histogram>,
    threads: Arc<ThreadPool>,
}

/// What a pool does now, and what it has done since it was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The name of the pool.
    pub name: &'static str,
    /// Threads at work.
    pub busy: usize,
    /// All threads.
    pub threads: usize,
    /// Pieces of work that wait.
    pub queued: usize,
    /// Pieces of work that were rejected, because the queue or the owner's share of it was full.
    pub rejected: u64,
    /// How long the work took that has ended, without its wait.
    pub durations: HistogramSnapshot,
}

impl<K> std::fmt::Debug for CpuPool<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuPool").finish_non_exhaustive()
    }
}

impl<K> Clone for CpuPool<K> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            queue: Arc::clone(&self.queue),
            durations: Arc::clone(&self.durations),
            threads: Arc::clone(&self.threads),
        }
    }
}

impl<K: Hash + Eq + Clone + Send + 'static> CpuPool<K> {
    /// Creates a pool of `threads` (at least one) called `name`; `queue` further pieces of work may wait.
    ///
    /// # Errors
    /// If the system cannot create the threads.
    pub fn new(
        name: &'static str,
        priority: Priority,
        threads: usize,
        queue: usize,
    ) -> Result<Self, ThreadPoolBuildError> {
        let threads = threads.max(1);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |n| format!("{name}-{n}"))
            .start_handler(move |_| lower_priority(priority))
            // The caller gets an error, and the panic itself is already in the log.
            .panic_handler(|_| {})
            .build()?;
        let queue = Arc::new(Mutex::new(Queue::new(threads, queue)));
        Ok(Self { name, queue, durations: Arc::default(), threads: Arc::new(pool) })
    }

    /// What the pool does now.
    pub fn snapshot(&self) -> Snapshot {
        let (busy, queued, rejected) = lock(&self.queue).counts();
        let threads = self.threads.current_num_threads();
        Snapshot { name: self.name, busy, threads, queued, rejected, durations: self.durations.snapshot() }
    }

    /// Runs `work` when a thread is free and no other owner is to be served before.
    ///
    /// # Errors
    /// [`Error::Full`] and [`Error::ShareFull`] immediately; [`Error::Panicked`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: Work<K>,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        let (queue, owner) = (Arc::clone(&self.queue), work.owner.clone());
        let durations = Arc::clone(&self.durations);
        let job = Box::new(move || {
            let running = Running { queue: &queue, durations: &durations, owner, started: Instant::now() };
            let result = run();
            // Released before the caller gets the result and may submit more work.
            drop(running);
            // The caller may have stopped waiting.
            let _ = sender.send(result);
        });
        lock(&self.queue).push(work, job)?;
        let queue = Arc::clone(&self.queue);
        // One task per piece of work, but each runs what is to be served next.
        self.threads.spawn_fifo(move || {
            let next = lock(&queue).pop();
            if let Some(job) = next {
                job();
            }
        });
        receiver.await.map_err(|_| Error::Panicked)
    }
}

/// A thread at work. Dropping it, also by a panic, gives its place back.
struct Running<'a, K: Hash + Eq + Clone> {
    queue: &'a Mutex<Queue<K>>,
    durations: &'a Histogram,
    owner: K,
    started: Instant,
}

impl<K: Hash + Eq + Clone> Drop for Running<'_, K> {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.durations.record(took);
        lock(self.queue).end(&self.owner, took);
    }
}

/// Ignores poisoning: no panic can leave the queue inconsistent.
fn lock<K>(queue: &Mutex<Queue<K>>) -> MutexGuard<'_, Queue<K>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raises this thread's nice value above the process's. On Linux the nice value is per thread; elsewhere this would
/// slow down the whole process.
fn lower_priority(priority: Priority) {
    #[cfg(target_os = "linux")]
    // If the system denies it, the work runs at the process's priority.
    if let Ok(own) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, (own + priority.niceness()).min(LOWEST));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = priority.niceness();
}

/// The lowest priority that Linux has.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_beyond_the_queue_is_rejected() {
        let pool = CpuPool::new("test", Priority::Interactive, 1, 1).unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let first = pool.run(Work::of("ann"), move || blocked.recv().unwrap());
        let mut first = Box::pin(first);
        assert!(poll_is_pending(&mut first).await, "the first work runs");
        let mut second = Box::pin(pool.run(Work::of("bob"), || ()));
        assert!(poll_is_pending(&mut second).await, "the second work waits");
        assert!(matches!(pool.run(Work::of("cho"), || ()).await, Err(Error::Full { .. })));
        let Snapshot { name, busy, threads, queued, rejected, durations } = pool.snapshot();
        // The thread may not have begun yet.
        assert_eq!((name, threads, busy + queued, rejected, durations.count()), ("test", 1, 2, 1, 0));
        release.send(()).unwrap();
        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert_eq!(pool.run(Work::of("ann"), || 1).await, Ok(1));
        let Snapshot { busy, queued, rejected, durations, .. } = pool.snapshot();
        assert_eq!((busy, queued, rejected, durations.count()), (0, 0, 1, 3));
    }

    #[tokio::test]
    async fn panic_is_reported_and_frees_its_thread() {
        let pool = CpuPool::new("test", Priority::Interactive, 1, 0).unwrap();
        assert_eq!(
            pool.run(Work::of("ann"), || panic!("intended by the test")).await,
            Err::<(), _>(Error::Panicked)
        );
        assert_eq!(pool.run(Work::of("ann"), || 1).await, Ok(1));
    }

    /// At the lowest priority, a login would wait for every other process on the machine.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn thread_priority_is_lowered_less_for_interactive_work() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let own = nice();
        let mut found = Vec::new();
        for priority in [Priority::Interactive, Priority::Background] {
            let pool = CpuPool::new("test", priority, 1, 0).unwrap();
            found.push(pool.run(Work::of("ann"), nice).await.unwrap());
        }
        assert_eq!(found, [own + 2, own + 10].map(|nice| nice.min(LOWEST)));
    }

    /// Polls a future once and returns whether it is pending.
    async fn poll_is_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
