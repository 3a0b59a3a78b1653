//! Following, follow requests, blocking and muting.

use blegram_domain::{Job, Notice, NoticeKind, Timestamp, User, UserId};
use blegram_persistence::{
    Inserted, Tx, blocks, follow_requests, follows, jobs, mutes, notifications, relations, users,
};

use crate::{
    Error, Event, Result, Social, UserRef,
    event::{Notifications, notified, retracted},
    posts::lock_accounts_shared,
};

/// The actor's follow state towards an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowState {
    /// Whether the actor follows the account.
    pub following: bool,
    /// Whether the actor has requested to follow it.
    pub requested: bool,
    /// How many followers the account has.
    pub follower_count: u64,
}

/// The maximum number of requests that one transaction accepts when an account becomes public. A job accepts the rest.
const BATCH: u64 = 500;

/// The maximum number of notifications that one statement inserts.
const CHUNK: usize = 100;

impl Social {
    /// Follows an account, or requests to follow it if it is private, and notifies its owner. Idempotent.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`]; [`Error::Blocked`] if the actor blocks the account.
    pub async fn follow_user(&self, actor: UserId, user: &UserRef) -> Result<FollowState> {
        let now = self.clock.now();
        let target = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        // Locks both accounts, so that the target cannot change between private and public meanwhile.
        users::lock_counts(&tx, &[actor, target]).await?;
        relations::lock_shared(&tx, actor, [target]).await?;
        let account = find_both(&tx, actor, target).await?;
        let relation = relations::find_one(&tx, actor, target).await?;
        if !account.summary.is_header_visible(relation) {
            return Err(Error::UserNotFound);
        }
        if relation.blocking {
            return Err(Error::Blocked);
        }
        let (inserted, kind) = if relation.following {
            (Inserted::Existing, NoticeKind::Follow)
        } else if account.summary.is_private {
            let id = follow_requests::next_id(&tx, target, now).await?;
            (follow_requests::insert(&tx, id, actor, target).await?, NoticeKind::FollowRequest)
        } else {
            let id = follows::next_id(&tx, actor, target, now).await?;
            (follows::insert(&tx, id, actor, target).await?, NoticeKind::Follow)
        };
        let added = match inserted {
            Inserted::New => {
                notifications::insert(&tx, &[Notice::about_account(target, kind, actor)], now).await?
            }
            Inserted::Existing => Notifications::new(),
        };
        self.finish_follow(tx, actor, target, notified(added)).await
    }

    /// Unfollows an account, or withdraws the follow request, and retracts its owner's notification.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn unfollow_user(&self, actor: UserId, user: &UserRef) -> Result<FollowState> {
        let target = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        self.find_header(&tx, Some(actor), target).await?;
        let withdrawn = end_follow(&tx, actor, target).await?;
        self.finish_follow(tx, actor, target, retracted(withdrawn)).await
    }

    /// Removes a follower of `actor`, or their follow request, without a notification. Idempotent.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn remove_follower(&self, actor: UserId, user: &UserRef) -> Result<()> {
        let follower = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        let withdrawn = end_follow(&tx, follower, actor).await?;
        self.commit(tx, retracted(withdrawn)).await
    }

    /// Accepts a follow request to `actor` and notifies the requester. Returns the requester. Succeeds without a change
    /// if the requester already follows the actor.
    ///
    /// # Errors
    /// [`Error::UserNotFound`], also for a user who neither requested to follow nor follows; [`Error::Oneself`].
    pub async fn accept_follow_request(&self, actor: UserId, user: &UserRef) -> Result<UserId> {
        let now = self.clock.now();
        let requester = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        users::lock_counts(&tx, &[actor, requester]).await?;
        relations::lock_shared(&tx, actor, [requester]).await?;
        let accepted = accept(&tx, actor, requester, now).await?;
        if accepted.is_none() && !relations::find_one(&tx, actor, requester).await?.followed_by {
            return Err(Error::UserNotFound);
        }
        let Accepted { mut added, withdrawn, notices } = accepted.unwrap_or_default();
        added.extend(notifications::insert(&tx, &notices, now).await?);
        self.commit(tx, retracted(withdrawn).chain(notified(added))).await?;
        Ok(requester)
    }

    /// Rejects a follow request to `actor`, without a notification. Returns the requester, and whether they follow the
    /// actor regardless, because an earlier request was accepted.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn reject_follow_request(&self, actor: UserId, user: &UserRef) -> Result<(UserId, bool)> {
        let requester = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        follow_requests::delete(&tx, requester, actor).await?;
        let notice = Notice::about_account(actor, NoticeKind::FollowRequest, requester);
        let withdrawn = notifications::delete(&tx, &notice).await?;
        let is_follower = relations::find_one(&tx, actor, requester).await?.followed_by;
        self.commit(tx, retracted(withdrawn)).await?;
        Ok((requester, is_follower))
    }

    /// Blocks an account: neither user sees or reaches the other any more, except that the blocker still sees the
    /// other's profile header. Removes follows and requests between the two, and retracts their notifications about
    /// each other.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] if the account does not exist or is not active; an account that blocks the actor can be
    /// blocked, too. [`Error::Oneself`].
    pub async fn block_user(&self, actor: UserId, user: &UserRef) -> Result<()> {
        let target = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        users::lock_counts(&tx, &[actor, target]).await?;
        relations::lock_exclusive(&tx, actor, target).await?;
        find_both(&tx, actor, target).await?;
        let id = blocks::next_id(&tx, actor, self.clock.now()).await?;
        let inserted = blocks::insert(&tx, id, actor, target).await?;
        for (follower, followee) in [(actor, target), (target, actor)] {
            follows::delete(&tx, follower, followee).await?;
            follow_requests::delete(&tx, follower, followee).await?;
        }
        let withdrawn = notifications::delete_between(&tx, actor, target).await?;
        let blocked = (inserted == Inserted::New).then_some(Event::Blocked { by: actor, user: target });
        self.commit(tx, blocked.into_iter().chain(retracted(withdrawn))).await
    }

    /// Unblocks an account. Follows that the block removed are not restored.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn unblock_user(&self, actor: UserId, user: &UserRef) -> Result<()> {
        let target = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        relations::lock_exclusive(&tx, actor, target).await?;
        blocks::delete(&tx, actor, target).await?;
        Ok(tx.commit().await?)
    }

    /// Mutes an account: timelines, post search, suggestions and notifications leave it out. Its owner is not notified.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn mute_user(&self, actor: UserId, user: &UserRef) -> Result<()> {
        let target = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        self.find_header(&tx, Some(actor), target).await?;
        lock_accounts_shared(&tx, [actor, target]).await?;
        let id = mutes::next_id(&tx, actor, self.clock.now()).await?;
        mutes::insert(&tx, id, actor, target).await?;
        Ok(tx.commit().await?)
    }

    /// Unmutes an account.
    ///
    /// # Errors
    /// [`Error::UserNotFound`]; [`Error::Oneself`].
    pub async fn unmute_user(&self, actor: UserId, user: &UserRef) -> Result<()> {
        let target = self.find_target(actor, user).await?;
        let tx = self.db.write().await?;
        mutes::delete(&tx, actor, target).await?;
        Ok(tx.commit().await?)
    }

    /// Accepts a batch of the requests to follow an account that has become public. Returns whether more may be left.
    pub async fn accept_follow_requests(&self, user: UserId) -> Result<bool> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let requesters = follow_requests::list_oldest(&tx, user, BATCH).await?;
        let accounts: Vec<UserId> = requesters.iter().copied().chain([user]).collect();
        users::lock_counts(&tx, &accounts).await?;
        // If the account is private again by now, its requests stay pending.
        let is_public = users::find(&tx, user).await?.is_some_and(|user| user.summary.is_public());
        let (Accepted { added, withdrawn, .. }, is_more) = if is_public {
            accept_some(&tx, user, &requesters, now).await?
        } else {
            (Accepted::default(), false)
        };
        self.commit(tx, retracted(withdrawn).chain(notified(added))).await?;
        Ok(is_more)
    }

    async fn finish_follow(
        &self,
        tx: Tx,
        actor: UserId,
        target: UserId,
        events: impl Iterator<Item = Event>,
    ) -> Result<FollowState> {
        let relation = relations::find_one(&tx, actor, target).await?;
        let user = users::find(&tx, target).await?.ok_or(Error::UserNotFound)?;
        self.commit(tx, events).await?;
        let follower_count = user.follower_count;
        Ok(FollowState { following: relation.following, requested: relation.requested, follower_count })
    }

    /// Resolves `user` to an active account other than `actor`, without checking who may see it.
    async fn find_target(&self, actor: UserId, user: &UserRef) -> Result<UserId> {
        let found = self.find_user(user).await?.summary.id;
        if found == actor { Err(Error::Oneself) } else { Ok(found) }
    }

    /// The account, if `viewer` may see its header.
    pub(crate) async fn find_header(&self, tx: &Tx, viewer: Option<UserId>, id: UserId) -> Result<User> {
        let user = users::find(tx, id).await?.ok_or(Error::UserNotFound)?;
        let relation = match viewer {
            Some(viewer) => relations::find_one(tx, viewer, id).await?,
            None => blegram_domain::Relation::default(),
        };
        if user.summary.is_header_visible(relation) { Ok(user) } else { Err(Error::UserNotFound) }
    }
}

/// The account of `target`. Fails unless the actor's account is active. Both rows are locked.
async fn find_both(tx: &Tx, actor: UserId, target: UserId) -> Result<User> {
    users::find(tx, actor).await?.filter(User::is_visible).ok_or(Error::UserNotFound)?;
    users::find(tx, target).await?.ok_or(Error::UserNotFound)
}

/// The oldest follow requests to `user`, whose account is locked. Locks the requesters' counts, and skips those that
/// other transactions have locked (`SKIP LOCKED`).
pub(crate) async fn lock_requesters(tx: &Tx, user: UserId) -> Result<Vec<UserId>> {
    let requesters = follow_requests::list_oldest(tx, user, BATCH).await?;
    Ok(users::lock_free_counts(tx, &requesters).await?)
}

/// Accepts `requesters`. The caller has locked their counts and those of `user`. If more are left, enqueues a job.
pub(crate) async fn accept_or_enqueue(
    tx: &Tx,
    user: UserId,
    requesters: &[UserId],
    now: Timestamp,
) -> Result<Accepted> {
    let (accepted, is_more) = accept_some(tx, user, requesters, now).await?;
    if is_more {
        jobs::insert_again(tx, Job::AcceptFollowRequests(user), now).await?;
    }
    Ok(accepted)
}

/// The notifications that accepting requests added and removed.
#[derive(Debug, Default)]
pub(crate) struct Accepted {
    /// The new notifications of the accepted requesters.
    pub(crate) added: Notifications,
    /// The retracted notifications of their requests.
    pub(crate) withdrawn: Notifications,
    /// Notifications that are still to be inserted, as the last step.
    notices: Vec<Notice>,
}

/// Accepts `requesters`. Also returns whether more requests may be left.
async fn accept_some(
    tx: &Tx,
    user: UserId,
    requesters: &[UserId],
    now: Timestamp,
) -> Result<(Accepted, bool)> {
    follows::lock(tx, requesters, user).await?;
    let mut all = Accepted::default();
    for requester in requesters {
        let accepted = accept(tx, user, *requester, now).await?.unwrap_or_default();
        all.notices.extend(accepted.notices);
        all.withdrawn.extend(accepted.withdrawn);
    }
    // At the end, and all at once: every transaction locks notifications last.
    let notices = std::mem::take(&mut all.notices);
    notifications::lock(tx, notices.iter().map(|notice| notice.recipient)).await?;
    for some in notices.chunks(CHUNK) {
        all.added.extend(notifications::insert_locked(tx, some, now).await?);
    }
    let is_more = !follow_requests::list_oldest(tx, user, 1).await?.is_empty();
    Ok((all, is_more))
}

/// Accepts one request. Leaves it to the caller to insert the notification. `None` if there is no request.
async fn accept(tx: &Tx, user: UserId, requester: UserId, now: Timestamp) -> Result<Option<Accepted>> {
    if !follow_requests::delete(tx, requester, user).await? {
        return Ok(None);
    }
    let request = Notice::about_account(user, NoticeKind::FollowRequest, requester);
    let withdrawn = notifications::delete(tx, &request).await?;
    let notice = Notice::about_account(requester, NoticeKind::FollowAccepted, user);
    let id = follows::next_id(tx, requester, user, now).await?;
    let inserted = follows::insert(tx, id, requester, user).await?;
    let notices = (inserted == Inserted::New).then_some(notice).into_iter().collect();
    Ok(Some(Accepted { added: Notifications::new(), withdrawn, notices }))
}

/// Ends a follow or a request. Returns the retracted notifications.
async fn end_follow(tx: &Tx, follower: UserId, followee: UserId) -> Result<Notifications> {
    users::lock_counts(tx, &[follower, followee]).await?;
    follows::delete(tx, follower, followee).await?;
    follow_requests::delete(tx, follower, followee).await?;
    let mut withdrawn = Notifications::new();
    for notice in [
        Notice::about_account(followee, NoticeKind::Follow, follower),
        Notice::about_account(followee, NoticeKind::FollowRequest, follower),
        Notice::about_account(follower, NoticeKind::FollowAccepted, followee),
    ] {
        withdrawn.extend(notifications::delete(tx, &notice).await?);
    }
    Ok(withdrawn)
}
