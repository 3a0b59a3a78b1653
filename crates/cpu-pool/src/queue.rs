//! The work that waits for a thread, and who is served next.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use crate::{Error, Work};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The pieces of work that wait.
pub(crate) struct Queue<K> {
    threads: usize,
    capacity: usize,
    lanes: HashMap<K, Lane>,
    waiting: usize,
    running: usize,
    /// How much time the owner had had who was served last: a new owner begins there, so that no owner collects a claim
    /// by waiting, nor is punished for earlier work.
    served: Duration,
    /// The moving average of how long work takes.
    usual: Duration,
    rejected: u64,
}

/// The work of one owner, who has some that waits or runs.
struct Lane {
    jobs: VecDeque<Job>,
    running: u32,
    /// The time that the work took. Running work counts with the usual time.
    served: Duration,
}

impl<K: Hash + Eq + Clone> Queue<K> {
    /// Adds work, unless the queue or the owner's share of it is full.
    pub(crate) fn push(&mut self, work: Work<K>, job: Job) -> Result<(), Error> {
        self.try_push(work, job).inspect_err(|_| self.rejected += 1)
    }

    fn try_push(&mut self, work: Work<K>, job: Job) -> Result<(), Error> {
        let Work { owner, is_known } = work;
        if self.running + self.waiting >= self.threads + self.bound(is_known) {
            return Err(Error::Full { retry_after: self.retry_after() });
        }
        let (served, retry_after) = (self.served, self.retry_after());
        let share = self.capacity.div_ceil(2);
        let lane = self.lanes.entry(owner).or_insert_with(|| Lane::new(served));
        if lane.jobs.len() + (lane.running as usize) >= self.threads + share {
            return Err(Error::ShareFull { retry_after });
        }
        lane.jobs.push_back(job);
        self.waiting += 1;
        Ok(())
    }

    /// Takes the next work of the owner who had the least.
    pub(crate) fn pop(&mut self) -> Option<Job> {
        let waiting = self.lanes.values_mut().filter(|lane| !lane.jobs.is_empty());
        let lane = waiting.min_by_key(|lane| lane.served)?;
        let job = lane.jobs.pop_front()?;
        self.served = lane.served;
        lane.served += self.usual;
        lane.running += 1;
        self.waiting -= 1;
        self.running += 1;
        Some(job)
    }

    /// Ends a piece of work of `owner` that took `took`.
    pub(crate) fn end(&mut self, owner: &K, took: Duration) {
        self.running -= 1;
        if let Some(lane) = self.lanes.get_mut(owner) {
            lane.served = lane.served.saturating_sub(self.usual) + took;
            lane.running -= 1;
            if lane.running == 0 && lane.jobs.is_empty() {
                self.lanes.remove(owner);
            }
        }
        self.usual = (7 * self.usual + took) / 8;
    }
}

impl Lane {
    const fn new(served: Duration) -> Self {
        Self { jobs: VecDeque::new(), running: 0, served }
    }
}

impl<K> Queue<K> {
    pub(crate) fn new(threads: usize, capacity: usize) -> Self {
        let (waiting, running) = (0, 0);
        let (served, usual) = (Duration::ZERO, Duration::ZERO);
        Self { threads, capacity, lanes: HashMap::new(), waiting, running, served, usual, rejected: 0 }
    }

    /// How much may wait: the last third is kept for known owners.
    const fn bound(&self, is_known: bool) -> usize {
        if is_known { self.capacity } else { self.capacity - self.capacity / 3 }
    }

    /// How many pieces of work run, wait, and were rejected.
    pub(crate) const fn counts(&self) -> (usize, usize, u64) {
        (self.running, self.waiting, self.rejected)
    }

    /// How long the work that waits will probably take.
    fn retry_after(&self) -> Duration {
        let waiting = u32::try_from(self.waiting).unwrap_or(u32::MAX);
        let threads = u32::try_from(self.threads).unwrap_or(u32::MAX);
        self.usual.saturating_mul(waiting) / threads
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A queue whose work sends its owner's name when it is served.
    struct Site {
        queue: Queue<&'static str>,
        sender: mpsc::Sender<&'static str>,
        served: mpsc::Receiver<&'static str>,
    }

    impl Site {
        fn new(threads: usize, capacity: usize) -> Self {
            let (sender, served) = mpsc::channel();
            Self { queue: Queue::new(threads, capacity), sender, served }
        }

        fn push(&mut self, work: Work<&'static str>) -> Result<(), Error> {
            let (sender, name) = (self.sender.clone(), work.owner);
            self.queue.push(work, Box::new(move || sender.send(name).unwrap()))
        }

        /// Serves one piece of work, which takes as long as `took` says for its owner.
        fn serve(&mut self, took: impl Fn(&str) -> u64) -> Option<&'static str> {
            self.queue.pop()?();
            let owner = self.served.recv().unwrap();
            self.queue.end(&owner, Duration::from_millis(took(owner)));
            Some(owner)
        }

        /// Serves everything, and returns the owners in order.
        fn serve_all(&mut self, took: impl Fn(&str) -> u64) -> String {
            std::iter::from_fn(|| self.serve(&took)).collect::<Vec<_>>().join(" ")
        }
    }

    #[test]
    fn owners_are_served_in_turn() {
        let mut site = Site::new(1, 100);
        for owner in ["a", "a", "a", "a", "b", "b", "c"] {
            site.push(Work::of(owner)).unwrap();
        }
        let order = site.serve_all(|_| 100);
        let first: std::collections::BTreeSet<&str> = order.split(' ').take(3).collect();
        assert_eq!(first.len(), 3, "{order}");
        assert!(order.ends_with("a a"), "{order}");
    }

    #[test]
    fn owner_of_slow_work_is_served_less_often() {
        let mut site = Site::new(1, 100);
        let took = |owner: &str| if owner == "a" { 1_000 } else { 100 };
        for _ in 0..3 {
            site.push(Work::of("a")).unwrap();
        }
        site.serve(took).unwrap();
        for _ in 0..10 {
            site.push(Work::of("b")).unwrap();
        }
        assert_eq!(site.serve_all(took), "b b b b b b b b b b a a");
    }

    #[test]
    fn owner_who_comes_back_is_neither_preferred_nor_punished() {
        let mut site = Site::new(1, 100);
        site.push(Work::of("a")).unwrap();
        site.serve_all(|_| 60_000);
        for owner in ["b", "b", "a", "a"] {
            site.push(Work::of(owner)).unwrap();
        }
        let order = site.serve_all(|_| 100);
        assert!(["a b", "b a"].contains(&&order[..3]) && ["a b", "b a"].contains(&&order[4..]), "{order}");
    }

    #[test]
    fn share_of_one_owner_is_half_the_queue() {
        let mut site = Site::new(1, 10);
        let pushed = (0..20).filter(|_| site.push(Work::of("a")).is_ok()).count();
        assert_eq!(pushed, 6, "one to run and five to wait");
        assert!(matches!(site.push(Work::of("a")), Err(Error::ShareFull { .. })));
        let _running = site.queue.pop().unwrap();
        assert!(site.push(Work::of("a")).is_err(), "running work counts, too");
        site.push(Work::of("b")).unwrap();
    }

    #[test]
    fn last_third_of_the_queue_is_reserved_for_known_owners() {
        let mut site = Site::new(1, 9);
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        let pushed = names.into_iter().filter(|name| site.push(Work::of(*name).known(false)).is_ok()).count();
        assert_eq!(pushed, 7, "one to run and six to wait");
        for name in ["k", "l", "m"] {
            site.push(Work::of(name)).unwrap();
        }
        assert!(matches!(site.push(Work::of("n")), Err(Error::Full { .. })));
    }

    #[test]
    fn retry_hint_is_the_time_that_the_waiting_work_takes() {
        let mut site = Site::new(2, 4);
        for _ in 0..100 {
            site.push(Work::of("a")).unwrap();
            site.serve_all(|_| 100);
        }
        while site.push(Work::of("a")).is_ok() || site.push(Work::of("b")).is_ok() {}
        let Err(Error::Full { retry_after }) = site.push(Work::of("c")) else {
            panic!("expected a full queue")
        };
        assert!(
            (Duration::from_millis(290)..=Duration::from_millis(300)).contains(&retry_after),
            "{retry_after:?}"
        );
        assert!(site.queue.lanes.len() == 2, "rejected work leaves nothing behind");
    }
}
