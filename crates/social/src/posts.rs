//! Creating, reading and deleting posts.

use std::collections::HashMap;

use blegram_domain::{
    Job, MediaId, Notice, NoticeKind, Post, PostId, PostText, Relation, UserId, UserSummary, Username,
    Violation, Visibility,
    analysis::{Analysis, Mention},
    post::Marks,
    version::Precondition,
};
use blegram_persistence::{
    Conn, Tx,
    hydration::{self, PostForActor},
    jobs, notifications, posts, relations, users,
};

use crate::{
    Error, Event, PostView, Result, Social,
    event::{notified, retracted},
    media,
    notifications::MAX_RETRACTED,
    view::{Muted, People},
};

/// A validated new post, with the mentions and hashtags of its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePost {
    text: PostText,
    analysis: Analysis,
    media: Vec<MediaId>,
    visibility: Visibility,
}

impl CreatePost {
    /// A post with `text` and images; each image may appear once.
    ///
    /// # Errors
    /// [`Violation::Blank`] without text and images; [`Violation::TooMany`] for too many hashtags or mentions.
    pub fn new(text: PostText, media: Vec<MediaId>, visibility: Visibility) -> Result<Self, Violation> {
        if text.as_str().is_empty() && media.is_empty() {
            return Err(Violation::Blank);
        }
        Ok(Self { analysis: Analysis::of(text.as_str())?, text, media, visibility })
    }
}

impl Social {
    /// Publishes a post of `actor`. A mention stays plain text if the name does not exist or a block separates the two
    /// users.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] if the actor's account is not active; [`Error::MediaNotFound`], [`Error::MediaInUse`].
    pub async fn create_post(&self, actor: UserId, input: CreatePost) -> Result<PostView> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let author = users::update_post_count(&tx, actor, 1).await?.filter(blegram_domain::User::is_visible);
        let author = author.ok_or(Error::UserNotFound)?.summary;
        let mentioned = find_mentioned(&tx, actor, &input.analysis.mentions).await?;
        let images = media::lock_unused(&tx, actor, &input.media).await?;
        let mut post = Post {
            // A placeholder until the post is inserted.
            id: PostId::generate(now),
            author: actor,
            text: input.text.into(),
            media: input.media,
            hashtags: input.analysis.hashtags,
            mentions: mentioned.iter().map(|user| user.id).collect(),
            visibility: input.visibility,
            like_count: 0,
            comment_count: 0,
            created_at: now,
            edited_at: None,
            version: 0,
        };
        let mut notices = mentions_of(&tx, &post, &author).await?;
        posts::count_new(&tx, &post, &author).await?;
        media::move_misplaced(&tx, &images, &post, &author, now).await?;
        notifications::lock(&tx, notices.iter().map(|notice| notice.recipient)).await?;
        // From here on, all other writers of posts wait for this commit. This transaction must not wait for anyone: the
        // rows that it refers to are already locked.
        posts::lock_list(&tx).await?;
        posts::insert(&tx, &mut post, now).await?;
        notices.iter_mut().for_each(|notice| notice.post = Some(post.id));
        media::use_in_post(&tx, &images, &post).await?;
        let added = notifications::insert_locked(&tx, &notices, now).await?;
        let view = PostView { post, author, media: images, mentions: mentioned, viewer: None };
        let created = Event::PostCreated(view.clone());
        self.commit(tx, [created].into_iter().chain(notified(added))).await?;
        Ok(PostView { viewer: Some(Marks::default()), ..view })
    }

    /// The post as `viewer` sees it.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the viewer may not see the post.
    pub async fn get_post(&self, viewer: Option<UserId>, id: PostId) -> Result<PostView> {
        self.view_posts(viewer, &[id], Muted::Included).await?.pop().ok_or(Error::PostNotFound)
    }

    /// The posts of `ids` that `viewer` may see, in that order, in one statement.
    ///
    /// # Errors
    /// Only those of the database: posts that do not exist or that the viewer may not see are left out.
    pub async fn get_posts(&self, viewer: Option<UserId>, ids: &[PostId]) -> Result<Vec<PostView>> {
        self.view_posts(viewer, ids, Muted::Included).await
    }

    /// Deletes a post of `actor` and updates all counts. A job removes the rows that depend on it.
    ///
    /// # Errors
    /// [`Error::PostNotFound`], also on a second call; [`Error::NotAuthor`] for a visible post of another author;
    /// [`Error::PreconditionFailed`].
    pub async fn delete_post(&self, actor: UserId, id: PostId, precondition: &Precondition) -> Result<()> {
        let now = self.clock.now();
        let (tx, post, author) = self.lock_own(actor, id, precondition, users::lock_to_count).await?;
        media::hide_with_post(&tx, &post, now).await?;
        posts::update_deleted(&tx, &post, &author, now).await?;
        jobs::insert(&tx, Job::PurgePost(id), now, now).await?;
        // A job deletes these notifications later; they are hidden from now on.
        let hidden = notifications::list_about_post(&tx, id, MAX_RETRACTED).await?;
        self.commit(tx, [Event::PostDeleted { post, author }].into_iter().chain(retracted(hidden))).await
    }

    /// Locks the account row of `actor` with a shared lock until the transaction ends.
    pub(crate) async fn lock_actor_shared(&self, tx: &Tx, actor: UserId) -> Result<UserSummary> {
        let user = users::lock_shared(tx, actor).await?.filter(blegram_domain::User::is_visible);
        Ok(user.ok_or(Error::UserNotFound)?.summary)
    }
}

/// A post that `viewer` may see, with its author.
pub(crate) async fn find_visible(
    conn: &impl Conn,
    viewer: Option<UserId>,
    id: PostId,
) -> Result<(Post, UserSummary)> {
    let found = hydration::find_post(conn, viewer, id).await?;
    let visible = found.filter(|(post, author, relation)| post.is_visible_to(viewer, author, *relation));
    let (post, author, _) = visible.ok_or(Error::PostNotFound)?;
    Ok((post, author))
}

/// A post that `actor` may see and acts on. Locks the relation, so that the author cannot block the actor until the
/// transaction ends, and both accounts, as [`lock_accounts_shared`] does.
///
/// # Errors
/// [`Error::PostNotFound`]; [`Error::UserNotFound`] if the actor's account is not active.
pub(crate) async fn lock_visible(tx: &Tx, actor: UserId, id: PostId) -> Result<PostForActor> {
    relations::lock_shared_with_author(tx, actor, id).await?;
    let found = hydration::find_post_and_lock_accounts(tx, actor, id).await?.ok_or(Error::PostNotFound)?;
    let (author, relation) = &found.author;
    if !found.actor.is_visible(Relation::default()) {
        return Err(Error::UserNotFound);
    }
    if !found.post.is_visible_to(Some(actor), author, *relation) {
        return Err(Error::PostNotFound);
    }
    Ok(found)
}

/// Resolves mentions to accounts: for each mention, the longest name that exists. Lists an account once, and leaves out
/// accounts across a block, which cannot appear until the transaction ends. Locks the account rows shared, so that
/// inserts that refer to them do not wait.
pub(crate) async fn find_mentioned(tx: &Tx, actor: UserId, mentions: &[Mention]) -> Result<Vec<UserSummary>> {
    let names: Vec<Username> = mentions.iter().flat_map(Mention::candidates).cloned().collect();
    let found = users::list_by_usernames(tx, &names).await?;
    let mut by_name: HashMap<_, _> = found.into_iter().map(|user| (user.username.clone(), user)).collect();
    let resolved = mentions
        .iter()
        .filter_map(|mention| mention.candidates().iter().find(|name| by_name.contains_key(name)));
    let resolved: Vec<Username> = resolved.cloned().collect();
    // Removes each name on its first use, so an account that is mentioned twice is listed once.
    let mut people: Vec<_> = resolved.iter().filter_map(|name| by_name.remove(name)).collect();
    let ids = || people.iter().map(|user| user.id);
    relations::lock_shared(tx, actor, ids()).await?;
    lock_accounts_shared(tx, ids()).await?;
    let relations = relations::find(tx, actor, ids()).await?;
    people.retain(|user| !relations.get(&user.id).is_some_and(|relation| relation.is_blocked()));
    Ok(people)
}

/// Locks the account rows that the following inserts refer to with a shared lock. Accounts come before hashtags and
/// lists in the lock order: a transaction that waits for a profile update must not hold locks that others need.
pub(crate) async fn lock_accounts_shared(tx: &Tx, people: impl IntoIterator<Item = UserId>) -> Result<()> {
    let people: Vec<UserId> = people.into_iter().collect();
    Ok(users::lock_rows_shared(tx, &people).await?)
}

/// The notifications for the users whom a post mentions and who may see it.
pub(crate) async fn mentions_of(tx: &Tx, post: &Post, author: &UserSummary) -> Result<Vec<Notice>> {
    let people = People::read(tx, Some(author.id), post.mentions.iter().copied()).await?;
    let may_see = |id: &UserId| {
        people.find(*id).is_some_and(|(_, relation)| {
            !relation.is_blocked() && (post.is_public(author) || relation.followed_by)
        })
    };
    let recipients = post.mentions.iter().filter(|id| may_see(id));
    Ok(recipients.map(|id| Notice::about_post(*id, NoticeKind::Mention, author.id, post.id)).collect())
}
