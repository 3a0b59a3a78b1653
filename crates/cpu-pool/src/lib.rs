//! A thread pool for CPU-bound work such as hashing a password or decoding an image. On the threads that serve
//! requests, such work would delay every other request; without a limit, it would queue without bound. A pool has a
//! fixed number of threads of lower priority and a bounded queue.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_cpu_pool::{Priority, CpuPool};
//!
//! let pool = CpuPool::new("sum", Priority::Interactive, 2, 16)?;
//! assert_eq!(pool.run(|| (1..=100).sum::<u32>()).await?, 5050);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot};

/// Why work was not completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The queue is full.
    #[error("the work queue is full")]
    Full,
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
    /// another busy process of normal priority on the same core, an interactive thread still gets a third of it
    /// (decision 0030).
    const fn niceness(self) -> i32 {
        match self {
            Self::Interactive => 3,
            Self::Background => 10,
        }
    }
}

/// How many threads to have by default: one fewer than there are processors, so that one is left to those that serve
/// requests whatever the priorities (decision 0032); at least one.
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get() - 1).max(1)
}

/// A thread pool with a bounded queue; cheap to clone.
#[derive(Clone)]
pub struct CpuPool {
    /// One permit per running or queued piece of work.
    permits: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
}

impl CpuPool {
    /// Creates a pool of `threads` (at least one) called `name`; `queue` further pieces of work may wait.
    ///
    /// # Errors
    /// If the system cannot create the threads.
    pub fn new(
        name: &'static str,
        priority: Priority,
        threads: usize,
        queue: usize,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = threads.max(1);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |n| format!("{name}-{n}"))
            .start_handler(move |_| lower_priority(priority))
            // The caller gets an error, and the panic itself is already in the log.
            .panic_handler(|_| {})
            .build()?;
        Ok(Self { permits: Arc::new(Semaphore::new(threads + queue)), threads: Arc::new(pool) })
    }

    /// Runs `work` when a thread is free, in FIFO order.
    ///
    /// # Errors
    /// [`Error::Full`] immediately; [`Error::Panicked`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| Error::Full)?;
        let (sender, receiver) = oneshot::channel();
        self.threads.spawn_fifo(move || {
            let result = work();
            // The work owns the permit, not the caller, who may be dropped while it runs. It is released before the
            // caller gets the result and may submit more work.
            drop(permit);
            // The caller may have stopped waiting.
            let _ = sender.send(result);
        });
        receiver.await.map_err(|_| Error::Panicked)
    }
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
        let first = pool.run(move || blocked.recv().unwrap());
        let mut first = Box::pin(first);
        assert!(poll_is_pending(&mut first).await, "the first work runs");
        let mut second = Box::pin(pool.run(|| ()));
        assert!(poll_is_pending(&mut second).await, "the second work waits");
        assert_eq!(pool.run(|| ()).await, Err(Error::Full));
        release.send(()).unwrap();
        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn panic_is_reported_and_frees_its_thread() {
        let pool = CpuPool::new("test", Priority::Interactive, 1, 0).unwrap();
        assert_eq!(pool.run(|| panic!("intended by the test")).await, Err::<(), _>(Error::Panicked));
        assert_eq!(pool.run(|| 1).await, Ok(1));
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
            found.push(pool.run(nice).await.unwrap());
        }
        assert_eq!(found, [own + 3, own + 10].map(|nice| nice.min(LOWEST)));
    }

    /// Polls a future once and returns whether it is pending.
    async fn poll_is_pending<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
