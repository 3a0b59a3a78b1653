//! Comments on posts, and replies to comments. Threads have one level: a reply to a reply joins the same thread.

use blegram_domain::{
    Comment, CommentId, CommentText, Job, Notice, NoticeKind, Page, PageRequest, Post, PostId, Revision,
    RevisionId, Timestamp, UserId, UserSummary, Violation, analysis::Analysis, page::PageKeys, user::Role,
    version::Precondition,
};
use blegram_persistence::{
    Conn, Tx, comments, hydration::PostForActor, jobs, notifications, posts, relations,
    revisions::RevisionSubject, users,
};

use crate::{
    CommentView, Error, Event, Result, Social,
    event::{Notifications, notified, retracted},
    notifications::MAX_RETRACTED,
    posts::{find_mentioned, find_visible, lock_accounts_shared, lock_visible},
    revisions::{single_page, store_revisions},
    view::{People, view_comment_publicly},
};

/// A validated comment text with its mentions and hashtags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteComment {
    text: CommentText,
    analysis: Analysis,
}

impl WriteComment {
    /// Parses the mentions and hashtags of `text`.
    ///
    /// # Errors
    /// [`Violation::TooMany`] for too many mentions or hashtags.
    pub fn new(text: CommentText) -> Result<Self, Violation> {
        Ok(Self { analysis: Analysis::of(text.as_str())?, text })
    }
}

impl Social {
    /// Adds a comment to a post that `actor` may see, or a reply to one of its comments. A reply to a reply joins its
    /// thread.
    ///
    /// A comment sends each recipient one notification at most: a reply takes precedence over a mention, and a mention
    /// over a comment.
    ///
    /// # Errors
    /// [`Error::PostNotFound`], [`Error::ParentNotFound`] also if the actor may not see it. A deleted comment accepts
    /// no replies. [`Error::UserNotFound`] if the actor's account is not active.
    pub async fn create_comment(
        &self,
        actor: UserId,
        post: PostId,
        parent: Option<CommentId>,
        input: WriteComment,
    ) -> Result<CommentView> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let PostForActor { post, author: (post_author, _), actor: author } =
            lock_visible(&tx, actor, post).await?;
        let parent = match parent {
            Some(id) => Some(lock_parent(&tx, actor, post.id, id).await?),
            None => None,
        };
        let mentioned = find_mentioned(&tx, actor, &input.analysis.mentions).await?;
        let parent_author = parent.as_ref().and_then(|parent| parent.author);
        lock_accounts_shared(&tx, parent_author).await?;
        let thread = parent.as_ref().map(Comment::thread);
        let missing = if parent.is_some() { Error::ParentNotFound } else { Error::PostNotFound };
        let mentions: Vec<UserId> = mentioned.iter().map(|user| user.id).collect();
        let recipients = mentions.iter().copied().chain(parent_author).chain([post.author]);
        let counted = comments::count_new(&tx, (post.id, thread), actor, recipients).await?;
        let post = counted.ok_or(missing)?;
        let mut comment = Comment {
            // A placeholder until the comment is inserted.
            id: CommentId::generate(now),
            post: post.id,
            parent: thread,
            author: Some(actor),
            text: input.text.into(),
            mentions,
            like_count: 0,
            reply_count: 0,
            created_at: now,
            edited_at: None,
            deleted_at: None,
            version: 0,
        };
        comments::insert(&tx, &mut comment, now).await?;
        let mut notices = Vec::new();
        let replied_to = parent.and_then(|parent| parent.author);
        let replied_to = replied_to.map(|author| (author, NoticeKind::Reply));
        let mentions = mention_recipients(&tx, &comment, &post_author, post.is_public(&post_author)).await?;
        let mentions = mentions.into_iter().map(|user| (user, NoticeKind::Mention));
        for (recipient, kind) in
            replied_to.into_iter().chain(mentions).chain([(post.author, NoticeKind::Comment)])
        {
            if !notices.iter().any(|notice: &Notice| notice.recipient == recipient) {
                notices.push(Notice::about_comment(recipient, kind, actor, (post.id, comment.id)));
            }
        }
        let added = notifications::insert_locked(&tx, &notices, now).await?;
        let view = CommentView { comment, author: Some(author), mentions: mentioned, liked: None };
        let counts = Event::counts(&post);
        let created = Event::CommentCreated { comment: view.clone(), post, post_author };
        self.commit(tx, [created, counts].into_iter().chain(notified(added))).await?;
        Ok(CommentView { liked: Some(false), ..view })
    }

    /// The comment as `viewer` sees it; a deleted one with replies is a tombstone.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the viewer may not see the comment or its post.
    pub async fn get_comment(&self, viewer: Option<UserId>, id: CommentId) -> Result<CommentView> {
        let comment = find_visible_comment(&self.db, viewer, id).await?;
        self.view_comments(viewer, vec![comment]).await?.pop().ok_or(Error::CommentNotFound)
    }

    /// The top-level comments of a post, oldest first.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also if the viewer may not see the post.
    pub async fn post_comments(
        &self,
        viewer: Option<UserId>,
        post: PostId,
        page: &PageRequest,
    ) -> Result<Page<CommentView>> {
        find_visible(&self.db, viewer, post).await?;
        let ids = comments::list_ids_of_post(&self.db, post, page).await?;
        self.page_of_comments(viewer, ids).await
    }

    /// The replies in the thread of a top-level comment, oldest first. A reply has no replies of its own.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also if the viewer may not see the comment.
    pub async fn replies(
        &self,
        viewer: Option<UserId>,
        parent: CommentId,
        page: &PageRequest,
    ) -> Result<Page<CommentView>> {
        find_visible_comment(&self.db, viewer, parent).await?;
        let ids = comments::list_ids_of_parent(&self.db, parent, page).await?;
        self.page_of_comments(viewer, ids).await
    }

    async fn page_of_comments(
        &self,
        viewer: Option<UserId>,
        page_keys: PageKeys,
    ) -> Result<Page<CommentView>> {
        let ids: Vec<CommentId> = page_keys.keys().iter().copied().map(CommentId::from_uuid).collect();
        let comments = comments::list_by_ids(&self.db, &ids).await?;
        let views = self.view_comments(viewer, comments).await?;
        Ok(page_keys.into_page(views))
    }

    /// Edits a comment of `actor`. Of concurrent edits with the same precondition, one succeeds. An edit without a
    /// change writes nothing.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`]; [`Error::NotAuthor`] for a visible comment of another author;
    /// [`Error::PreconditionFailed`].
    pub async fn update_comment(
        &self,
        actor: UserId,
        id: CommentId,
        input: WriteComment,
        precondition: &Precondition,
    ) -> Result<CommentView> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let seen = find_visible_comment(&tx, Some(actor), id).await?;
        let comment = lock_comment(&tx, &seen, precondition).await?;
        if comment.author != Some(actor) {
            return Err(Error::NotAuthor);
        }
        let mut edited = comment.clone();
        let mut events = Vec::new();
        if input.text.as_str() != comment.text {
            let mentioned = find_mentioned(&tx, actor, &input.analysis.mentions).await?;
            edited.text = input.text.into();
            edited.mentions = mentioned.iter().map(|user| user.id).collect();
            edited.edited_at = Some(now);
            edited.version += 1;
            let original = comment.edited_at.is_none().then(|| original_comment(&comment));
            let revision = Revision {
                id: RevisionId::generate(now),
                text: edited.text.clone(),
                media: Vec::new(),
                created_at: now,
            };
            store_revisions(&tx, RevisionSubject::Comment(id), original, &revision).await?;
            comments::update(&tx, &edited).await?;
            let (post, post_author) = find_visible(&tx, Some(actor), edited.post).await?;
            let withdrawn =
                notifications::delete_mentions_except(&tx, actor, id.as_uuid(), &edited.mentions).await?;
            let added = notify_edited(&tx, (&post, &post_author), &comment, &edited, now).await?;
            let view = view_comment_publicly(&tx, edited.clone()).await?;
            events.push(Event::CommentUpdated { comment: view, post, post_author });
            events.extend(retracted(withdrawn).chain(notified(added)));
        }
        // Commits even without a change: the read below needs another connection, and this transaction still holds
        // locks.
        self.commit(tx, events).await?;
        self.view_comments(Some(actor), vec![edited]).await?.pop().ok_or(Error::CommentNotFound)
    }

    /// Deletes a comment of `actor`, or any comment on a post of theirs, even if they may no longer see it (across a
    /// block, or because the post's audience changed). A comment with replies stays as a tombstone until its last reply
    /// is removed. A job removes the rows that depend on the comment.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`], also on a second call; [`Error::NotAuthor`]; [`Error::PreconditionFailed`].
    pub async fn delete_comment(
        &self,
        actor: UserId,
        id: CommentId,
        precondition: &Precondition,
    ) -> Result<()> {
        let tx = self.db.write().await?;
        let found = comments::find(&tx, id).await?.ok_or(Error::CommentNotFound)?;
        let post = posts::find(&tx, found.post).await?.ok_or(Error::CommentNotFound)?;
        let is_theirs = found.author == Some(actor) || post.author == actor;
        if !is_theirs {
            find_visible_comment(&tx, Some(actor), id).await?;
        }
        let comment = lock_comment(&tx, &found, precondition).await?;
        if !is_theirs {
            return Err(Error::NotAuthor);
        }
        self.delete_locked_comment(&tx, &comment).await?;
        let hidden = notifications::list_about_comment(&tx, comment.id, MAX_RETRACTED).await?;
        // Reads the post again, because its comment count has changed.
        let post = posts::find(&tx, post.id).await?.ok_or(Error::CommentNotFound)?;
        let post_author = users::find(&tx, post.author).await?.ok_or(Error::CommentNotFound)?.summary;
        let counts = Event::counts(&post);
        let deleted = Event::CommentDeleted { comment, post, post_author };
        self.commit(tx, [deleted, counts].into_iter().chain(retracted(hidden))).await
    }

    pub(crate) async fn delete_locked_comment(&self, tx: &Tx, comment: &Comment) -> Result<()> {
        let now = self.clock.now();
        comments::update_deleted(tx, comment, now).await?;
        jobs::insert(tx, Job::PurgeComment(comment.id), now, now).await?;
        Ok(())
    }

    /// The revisions of a comment, newest first, including the current text. Only its author and moderators may read
    /// them: people edit comments to retract what they wrote.
    ///
    /// # Errors
    /// [`Error::CommentNotFound`] also for a deleted comment and for one that the actor may not see;
    /// [`Error::NotModerator`].
    pub async fn comment_revisions(
        &self,
        actor: UserId,
        role: Role,
        id: CommentId,
        page: &PageRequest,
    ) -> Result<Page<Revision>> {
        // Moderators see every comment that they moderate, also those of authors who block them.
        let comment = match role.moderates() {
            true => comments::find(&self.db, id).await?.ok_or(Error::CommentNotFound)?,
            false => find_visible_comment(&self.db, Some(actor), id).await?,
        };
        if comment.is_deleted() {
            return Err(Error::CommentNotFound);
        }
        if comment.author != Some(actor) && !role.moderates() {
            return Err(Error::NotModerator);
        }
        if comment.edited_at.is_none() {
            return Ok(single_page(page, &original_comment(&comment)));
        }
        self.revisions(RevisionSubject::Comment(id), page).await
    }
}

/// Locks a comment that the caller has found, and its post, until the transaction ends. Fails if the comment is deleted
/// or the precondition does not hold.
async fn lock_comment(tx: &Tx, found: &Comment, precondition: &Precondition) -> Result<Comment> {
    // The post before the comment, as everywhere: counts are updated in this order.
    posts::lock(tx, found.post).await?.ok_or(Error::CommentNotFound)?;
    let comment = comments::lock(tx, found.id).await?.filter(|comment| !comment.is_deleted());
    let comment = comment.ok_or(Error::CommentNotFound)?;
    if !precondition.is_met(comment.version) {
        return Err(Error::PreconditionFailed);
    }
    Ok(comment)
}

/// A comment that `viewer` may see, tombstones included.
pub(crate) async fn find_visible_comment(
    conn: &impl Conn,
    viewer: Option<UserId>,
    id: CommentId,
) -> Result<Comment> {
    let comment = comments::find(conn, id).await?.filter(Comment::exists).ok_or(Error::CommentNotFound)?;
    let post = posts::find(conn, comment.post).await?.ok_or(Error::CommentNotFound)?;
    let people = People::read(conn, viewer, [post.author].into_iter().chain(comment.author)).await?;
    let (author, relation) = people.find(post.author).ok_or(Error::CommentNotFound)?;
    let sees_post = post.is_visible_to(viewer, author, relation);
    let sees_author = comment.author.is_none_or(|author| people.find_visible_user(author).is_some());
    if sees_post && sees_author { Ok(comment) } else { Err(Error::CommentNotFound) }
}

/// A comment that `actor` may see and acts on. Locks the relations, so that neither its author nor the post's author
/// can block the actor until the transaction ends.
pub(crate) async fn lock_visible_comment(tx: &Tx, actor: UserId, id: CommentId) -> Result<Comment> {
    let comment = find_visible_comment(tx, Some(actor), id).await?;
    let post = posts::find(tx, comment.post).await?.ok_or(Error::CommentNotFound)?;
    relations::lock_shared(tx, actor, comment.author.into_iter().chain([post.author])).await?;
    find_visible_comment(tx, Some(actor), id).await
}

/// A comment of `post` that accepts replies.
async fn lock_parent(tx: &Tx, actor: UserId, post: PostId, id: CommentId) -> Result<Comment> {
    let parent = lock_visible_comment(tx, actor, id).await.map_err(|error| match error {
        Error::CommentNotFound => Error::ParentNotFound,
        other => other,
    })?;
    let accepts_replies = parent.post == post && !parent.is_deleted();
    if accepts_replies { Ok(parent) } else { Err(Error::ParentNotFound) }
}

/// The users whom a comment mentions and who may see the post.
async fn mention_recipients(
    tx: &Tx,
    comment: &Comment,
    post_author: &UserSummary,
    is_public: bool,
) -> Result<Vec<UserId>> {
    if comment.mentions.is_empty() {
        return Ok(Vec::new());
    }
    let relations = relations::find(tx, post_author.id, comment.mentions.iter().copied()).await?;
    let may_see = |id: &&UserId| {
        let relation = relations.get(id).copied().unwrap_or_default();
        **id == post_author.id || !relation.is_blocked() && (is_public || relation.followed_by)
    };
    Ok(comment.mentions.iter().filter(may_see).copied().collect())
}

/// Notifies the users whom an edit newly mentions, unless the comment has already notified them. Returns the new
/// notifications.
async fn notify_edited(
    tx: &Tx,
    (post, post_author): (&Post, &UserSummary),
    before: &Comment,
    edited: &Comment,
    now: Timestamp,
) -> Result<Notifications> {
    let Some(actor) = edited.author else { return Ok(Notifications::new()) };
    let recipients = mention_recipients(tx, edited, post_author, post.is_public(post_author)).await?;
    let already_notified = notifications::list_notified(tx, actor, edited.id.as_uuid()).await?;
    let is_new = |user: &UserId| !before.mentions.contains(user) && !already_notified.contains(user);
    let about = (edited.post, edited.id);
    let notices = recipients.into_iter().filter(is_new);
    let notices = notices.map(|user| Notice::about_comment(user, NoticeKind::Mention, actor, about));
    Ok(notifications::insert(tx, &notices.collect::<Vec<_>>(), now).await?)
}

/// The first revision has the id of the comment itself, so it sorts before every edit.
fn original_comment(comment: &Comment) -> Revision {
    let id = RevisionId::from_uuid(comment.id.as_uuid());
    Revision { id, text: comment.text.clone(), media: Vec::new(), created_at: comment.created_at }
}
