//! Editing posts, and the revision history of posts and comments.
//!
//! A post or comment has no stored revisions until its first edit, which stores the original text as well.

use blegram_domain::{
    Media, MediaId, Page, PageRequest, Post, PostId, PostText, Revision, RevisionId, Timestamp, User, UserId,
    UserSummary, Violation, Visibility, analysis::Analysis, version::Precondition,
};
use blegram_persistence::{
    Tx, notifications, posts,
    revisions::{self, RevisionSubject},
    users,
};

use crate::{
    Error, Event, PostView, Result, Social,
    event::{notified, retracted},
    media,
    posts::{find_mentioned, lock_accounts_shared, mentions_of},
    view::{Muted, view_post_publicly},
};

/// Changes to a post; `None` leaves a field unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdatePost {
    text: Option<(PostText, Analysis)>,
    media: Option<Vec<MediaId>>,
    visibility: Option<Visibility>,
}

impl UpdatePost {
    /// An edit of text, images (each may appear once) and visibility.
    ///
    /// # Errors
    /// [`Violation::TooMany`] for too many hashtags or mentions.
    pub fn new(
        text: Option<PostText>,
        media: Option<Vec<MediaId>>,
        visibility: Option<Visibility>,
    ) -> Result<Self, Violation> {
        let analysed = text.map(|text| Analysis::of(text.as_str()).map(|analysis| (text, analysis)));
        Ok(Self { text: analysed.transpose()?, media, visibility })
    }
}

/// A revision of a post, with its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRevision {
    /// The revision.
    pub revision: Revision,
    /// Those of its images that the post still has.
    pub media: Vec<Media>,
    /// Whether the post is public.
    pub is_public: bool,
}

impl Social {
    /// Edits a post of `actor`. Of concurrent edits with the same precondition, one succeeds. An edit without a change
    /// writes nothing. Images that the edit removes are deleted for good. Notifies newly mentioned users who may see
    /// the post, and retracts the notifications of users who are no longer mentioned.
    ///
    /// # Errors
    /// [`Error::PostNotFound`]; [`Error::NotAuthor`] for a visible post of another author;
    /// [`Error::PreconditionFailed`]; [`Error::PostBlank`]; [`Error::MediaNotFound`], [`Error::MediaInUse`].
    pub async fn update_post(
        &self,
        actor: UserId,
        id: PostId,
        input: UpdatePost,
        precondition: &Precondition,
    ) -> Result<PostView> {
        let now = self.clock.now();
        let (tx, post, author) = self.lock_own(actor, id, precondition, users::lock_shared).await?;
        let edited = edit(&tx, &post, input, now).await?;
        let mut events = Vec::new();
        if edited != post {
            // The lock order of every transaction: accounts, images, hashtags, lists.
            lock_accounts_shared(&tx, edited.mentions.iter().copied()).await?;
            replace_media(&tx, &post, &edited, &author, now).await?;
            posts::update(&tx, &post, &edited, &author).await?;
            let withdrawn =
                notifications::delete_mentions_except(&tx, actor, id.as_uuid(), &edited.mentions).await?;
            let added = notifications::insert(&tx, &mentions_of(&tx, &edited, &author).await?, now).await?;
            let view = view_post_publicly(&tx, edited.clone(), author).await?;
            events.push(Event::PostUpdated { post: view, before: post });
            events.extend(retracted(withdrawn).chain(notified(added)));
        }
        // Commits even without a change: the read below needs another connection, and this transaction still holds
        // locks.
        self.commit(tx, events).await?;
        self.view_posts(Some(actor), &[id], Muted::Included).await?.pop().ok_or(Error::PostNotFound)
    }

    /// The revisions of a post, newest first, including the current text, for viewers who may see the post.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the viewer may not see the post.
    pub async fn post_revisions(
        &self,
        viewer: Option<UserId>,
        id: PostId,
        page: &PageRequest,
    ) -> Result<Page<PostRevision>> {
        let PostView { post, author, media, .. } = self.get_post(viewer, id).await?;
        let page = if post.edited_at.is_none() {
            single_page(page, &original_post(&post))
        } else {
            self.revisions(RevisionSubject::Post(id), page).await?
        };
        let is_public = post.is_public(&author);
        Ok(page.map(|revision| PostRevision {
            media: media.iter().filter(|image| revision.media.contains(&image.id)).cloned().collect(),
            is_public,
            revision,
        }))
    }

    pub(crate) async fn revisions(&self, of: RevisionSubject, page: &PageRequest) -> Result<Page<Revision>> {
        let ids = revisions::list_ids(&self.db, of, page).await?;
        let revisions = revisions::list_by_ids(&self.db, &ids).await?;
        Ok(ids.into_page(revisions))
    }

    /// Locks a post of `actor` until the transaction ends, and the actor's account with `lock_author`. Returns the
    /// transaction, the post and its author.
    pub(crate) async fn lock_own(
        &self,
        actor: UserId,
        id: PostId,
        precondition: &Precondition,
        lock_author: impl AsyncFnOnce(&Tx, UserId) -> blegram_persistence::Result<Option<User>>,
    ) -> Result<(Tx, Post, UserSummary)> {
        let tx = self.db.write().await?;
        let post = posts::lock(&tx, id).await?.ok_or(Error::PostNotFound)?;
        if post.author != actor {
            // Drops the transaction first: on SQLite it occupies the only writer.
            drop(tx);
            self.get_post(Some(actor), id).await?;
            return Err(Error::NotAuthor);
        }
        if !precondition.is_met(post.version) {
            return Err(Error::PreconditionFailed);
        }
        let author = lock_author(&tx, actor).await?.ok_or(Error::PostNotFound)?.summary;
        Ok((tx, post, author))
    }
}

/// Attaches the images that an edit adds to a post, and deletes those that it removes.
async fn replace_media(
    tx: &Tx,
    post: &Post,
    edited: &Post,
    author: &UserSummary,
    now: Timestamp,
) -> Result<()> {
    let is_new = |id: &MediaId| !post.media.contains(id);
    let added: Vec<MediaId> = edited.media.iter().copied().filter(is_new).collect();
    let images = media::lock_unused(tx, post.author, &added).await.map_err(|error| match error {
        Error::MediaNotFound(indexes) => Error::MediaNotFound(indexes_of(&indexes, &added, &edited.media)),
        other => other,
    })?;
    media::use_in_post(tx, &images, edited).await?;
    media::move_misplaced(tx, &images, edited, author, now).await?;
    let removed: Vec<MediaId> = post.media.iter().copied().filter(|id| !edited.media.contains(id)).collect();
    blegram_persistence::media::remove(tx, &removed, now).await?;
    if !edited.media.is_empty() && post.is_public(author) != edited.is_public(author) {
        media::move_all(tx, &edited.media, now).await?;
    }
    Ok(())
}

/// Maps indexes into `some` to indexes into `all`.
fn indexes_of(indexes: &[usize], some: &[MediaId], all: &[MediaId]) -> Vec<usize> {
    indexes.iter().filter_map(|at| all.iter().position(|id| *id == some[*at])).collect()
}

async fn edit(tx: &Tx, post: &Post, input: UpdatePost, now: Timestamp) -> Result<Post> {
    let mut edited = post.clone();
    let (text, media) = (input.text.filter(|(text, _)| text.as_str() != post.text), input.media);
    if let Some((text, analysis)) = text {
        let mentioned = find_mentioned(tx, post.author, &analysis.mentions).await?;
        edited.text = text.into();
        edited.hashtags = analysis.hashtags;
        edited.mentions = mentioned.iter().map(|user| user.id).collect();
    }
    edited.media = media.unwrap_or(edited.media);
    if edited.text.is_empty() && edited.media.is_empty() {
        return Err(Error::PostBlank);
    }
    if edited != *post {
        edited.edited_at = Some(now);
        let original = post.edited_at.is_none().then(|| original_post(post));
        let revision = Revision {
            id: RevisionId::generate(now),
            text: edited.text.clone(),
            media: edited.media.clone(),
            created_at: now,
        };
        store_revisions(tx, RevisionSubject::Post(post.id), original, &revision).await?;
    }
    edited.visibility = input.visibility.unwrap_or(post.visibility);
    if edited != *post {
        edited.version += 1;
    }
    Ok(edited)
}

/// Stores the new revision, and with the first edit also the original.
pub(crate) async fn store_revisions(
    tx: &Tx,
    of: RevisionSubject,
    original: Option<Revision>,
    revision: &Revision,
) -> Result<()> {
    if let Some(original) = original {
        revisions::insert(tx, of, &original).await?;
    }
    Ok(revisions::insert(tx, of, revision).await?)
}

/// The page of the only revision of an unedited post or comment.
pub(crate) fn single_page(page: &PageRequest, revision: &Revision) -> Page<Revision> {
    let page_keys = page.select(blegram_domain::page::Order::Descending, [revision.id.as_uuid()]);
    let items = page_keys.keys().iter().map(|_| revision.clone()).collect();
    page_keys.into_page(items)
}

/// The first revision has the id of the post itself, so it sorts before every edit.
fn original_post(post: &Post) -> Revision {
    let id = RevisionId::from_uuid(post.id.as_uuid());
    Revision { id, text: post.text.clone(), media: post.media.clone(), created_at: post.created_at }
}
