//! Deduplication of `notification.created`.
//!
//! [`Announced`] remembers which notifications were announced within the last hour, so that a user who likes and unlikes
//! a post repeatedly causes one announcement. Its memory is bounded; when it is full, the oldest entries go first.

use std::{collections::HashMap, time::Duration};

use blegram_domain::{CommentId, Notice, PostId, UserId};

/// Time within which the same notification is not announced again.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// Largest number of remembered notifications; each takes about 150 bytes.
const CAPACITY: usize = 100_000;

/// The identity of a notification, as in the database: recipient, kind, actor, post and comment.
type Key = (UserId, &'static str, UserId, Option<PostId>, Option<CommentId>);

/// The announced notifications, with the time of announcement by the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Announced(HashMap<Key, Duration>);

impl Announced {
    /// Records that `notice` is announced at `now`. Returns `false`, and records nothing, if it was announced within
    /// the hour before.
    pub(super) fn insert(&mut self, now: Duration, notice: &Notice) -> bool {
        let Notice { recipient, kind, actor, post, comment } = *notice;
        let key = (recipient, kind.as_str(), actor, post, comment);
        if self.0.get(&key).is_some_and(|at| now < *at + QUIET) {
            return false;
        }
        self.evict(now);
        self.0.insert(key, now);
        true
    }

    fn evict(&mut self, now: Duration) {
        let mut quiet = QUIET;
        while self.0.len() >= CAPACITY {
            // First remove entries that are older than an hour; if that is not enough, older than half an hour, and so
            // on.
            self.0.retain(|_, at| now < *at + quiet);
            quiet /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use blegram_domain::NoticeKind;
    use uuid::Uuid;

    use super::*;

    fn notice(n: u128) -> Notice {
        let user = |n| UserId::from_uuid(Uuid::from_u128(n));
        let post = PostId::from_uuid(Uuid::from_u128(n));
        Notice::about_post(user(1), NoticeKind::PostLike, user(2), post)
    }

    #[test]
    fn same_notification_is_announced_once_an_hour() {
        let mut announced = Announced::default();
        let at = |minutes: u64| Duration::from_secs(60 * minutes);
        for (minutes, is_announced) in
            [(0, true), (1, false), (59, false), (60, true), (61, false), (120, true)]
        {
            assert_eq!(announced.insert(at(minutes), &notice(1)), is_announced, "{minutes}");
        }
        assert!(announced.insert(at(120), &notice(2)));
        let other = Notice { kind: NoticeKind::Mention, ..notice(1) };
        assert!(announced.insert(at(120), &other));
        assert!(announced.insert(at(120), &Notice { actor: notice(1).recipient, ..notice(1) }));
    }

    #[test]
    fn memory_is_bounded_and_retains_the_newest_entry() {
        let mut announced = Announced::default();
        for n in 0..(2 * CAPACITY as u128) {
            let now = Duration::from_millis(u64::try_from(n).unwrap() / 100);
            assert!(announced.insert(now, &notice(n)));
            assert!(announced.0.len() <= CAPACITY);
        }
        let newest = 2 * CAPACITY as u128 - 1;
        assert!(!announced.insert(Duration::from_secs(3), &notice(newest)));
    }
}
