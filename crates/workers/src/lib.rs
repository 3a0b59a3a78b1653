//! Threads for work that keeps a core busy for long: hashing a password, decoding an image. On the threads that serve
//! requests it would make every other request wait; without a bound it would pile up.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use blegram_workers::{Priority, Workers};
//!
//! let workers = Workers::new("sum", Priority::Interactive, 2, 16)?;
//! assert_eq!(workers.run(|| (1..=100).sum::<u32>()).await?, 5050);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot};

/// Why work was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// As much waits already as may wait.
    #[error("too much work waits already")]
    Full,
    /// It panicked.
    #[error("it panicked; the log has more")]
    Panicked,
}

/// Which threads go first when there are fewer cores than work. Those that serve requests always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// A person waits for the result and nothing else: the hash of a password at login.
    Interactive,
    /// It takes long anyway: the sizes of an image.
    Background,
}

impl Priority {
    /// How much nicer such threads are than the process. The weight of a thread halves with every three: beside another
    /// busy process of usual priority on the same core, an interactive one still has a third of it (decision 0030).
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

/// A few threads, and how much may wait for them; cheap to clone.
#[derive(Clone)]
pub struct Workers {
    /// Admits the work that runs and that waits.
    admission: Arc<Semaphore>,
    threads: Arc<ThreadPool>,
}

impl Workers {
    /// So many `threads`, at least one, called `name`; `queue` more pieces of work may wait for them.
    ///
    /// # Errors
    /// When the system has no threads to give.
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
            .start_handler(move |_| yield_to_others(priority))
            // The caller is told; and the panic itself is in the log by then.
            .panic_handler(|_| {})
            .build()?;
        Ok(Self { admission: Arc::new(Semaphore::new(threads + queue)), threads: Arc::new(pool) })
    }

    /// Does `work` when a thread is free, the oldest first.
    ///
    /// # Errors
    /// [`Error::Full`] at once; [`Error::Panicked`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let admitted = Arc::clone(&self.admission).try_acquire_owned().map_err(|_| Error::Full)?;
        let (sender, receiver) = oneshot::channel();
        self.threads.spawn_fifo(move || {
            let result = work();
            // Held by the work and not by the caller, who may go away while it runs; and given back before the caller
            // hears of it, who may come again at once.
            drop(admitted);
            // Nobody may be waiting any more.
            let _ = sender.send(result);
        });
        receiver.await.map_err(|_| Error::Panicked)
    }
}

/// Makes this thread nicer than the process was started. Linux keeps this by thread; elsewhere it would slow the whole
/// process.
fn yield_to_others(priority: Priority) {
    #[cfg(target_os = "linux")]
    // Where it is refused, the work is as hungry as everything else.
    if let Ok(own) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, (own + priority.niceness()).min(LOWEST));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = priority.niceness();
}

/// The lowest priority there is.
#[cfg(target_os = "linux")]
const LOWEST: i32 = 19;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_may_not_wait_is_refused() {
        let workers = Workers::new("test", Priority::Interactive, 1, 1).unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let first = workers.run(move || blocked.recv().unwrap());
        let mut first = Box::pin(first);
        assert!(futures_poll_once(&mut first).await, "it runs");
        let mut second = Box::pin(workers.run(|| ()));
        assert!(futures_poll_once(&mut second).await, "it waits");
        assert_eq!(workers.run(|| ()).await, Err(Error::Full));
        release.send(()).unwrap();
        assert_eq!((first.await, second.await), (Ok(()), Ok(())));
        assert_eq!(workers.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn a_panic_is_told_and_costs_no_place() {
        let workers = Workers::new("test", Priority::Interactive, 1, 0).unwrap();
        assert_eq!(workers.run(|| panic!("as the test wants it")).await, Err::<(), _>(Error::Panicked));
        assert_eq!(workers.run(|| 1).await, Ok(1));
    }

    /// At the lowest priority, a login would wait for every other process of the machine.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn priorities_are_modest_and_hashes_go_before_images() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let own = nice();
        let mut found = Vec::new();
        for priority in [Priority::Interactive, Priority::Background] {
            let workers = Workers::new("test", priority, 1, 0).unwrap();
            found.push(workers.run(nice).await.unwrap());
        }
        assert_eq!(found, [own + 3, own + 10].map(|nice| nice.min(LOWEST)));
    }

    /// Begins a future; says whether it is pending.
    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> bool {
        std::future::poll_fn(|cx| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
        })
        .await
    }
}
