//! Editing posts, and the texts that they had.

use blegram_domain::{
    Page, PageRequest, Post, PostId, PostRevision, PostText, RevisionId, Timestamp, UserId, Violation,
    Visibility, analysis::Analysis, version::Precondition,
};
use blegram_persistence::{Tx, post_revisions, posts};

use crate::{Error, PostView, Result, Social, posts::find_mentioned};

/// What becomes of a post; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdatePost {
    text: Option<(PostText, Analysis)>,
    visibility: Option<Visibility>,
}

impl UpdatePost {
    /// An edit to `text` and `visibility`.
    ///
    /// # Errors
    /// [`Violation::Blank`] for no text, [`Violation::TooMany`] hashtags or mentions.
    pub fn new(text: Option<PostText>, visibility: Option<Visibility>) -> Result<Self, Violation> {
        if text.as_ref().is_some_and(|text| text.as_str().is_empty()) {
            return Err(Violation::Blank);
        }
        let analysed = text.map(|text| Analysis::of(text.as_str()).map(|analysis| (text, analysis)));
        Ok(Self { text: analysed.transpose()?, visibility })
    }
}

impl Social {
    /// Edits a post of `actor`. Of simultaneous edits with one precondition, one happens; an edit that changes nothing
    /// is none.
    ///
    /// # Errors
    /// [`Error::PostNotFound`]; [`Error::NotAuthor`] of a post that the actor sees; [`Error::PreconditionFailed`].
    pub async fn update_post(
        &self,
        actor: UserId,
        id: PostId,
        input: UpdatePost,
        precondition: &Precondition,
    ) -> Result<PostView> {
        let now = self.clock.now();
        let (tx, post) = self.hold_own(actor, id, precondition).await?;
        let edited = edit(&tx, &post, input, now).await?;
        if edited != post {
            posts::update(&tx, &edited).await?;
            tx.commit().await?;
        }
        self.view_posts(Some(actor), vec![edited]).await?.pop().ok_or(Error::PostNotFound)
    }

    /// The texts that a post had, the newest first, the present one included, for whoever sees the post.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also when the viewer may not see it.
    pub async fn post_revisions(
        &self,
        viewer: Option<UserId>,
        id: PostId,
        page: &PageRequest,
    ) -> Result<Page<PostRevision>> {
        let post = self.get_post(viewer, id).await?.post;
        if post.edited_at.is_none() {
            let only = page.select([id.as_uuid()]);
            let items = only.ids().iter().map(|_| original(&post)).collect();
            return Ok(only.into_page(items));
        }
        let ids = post_revisions::list_ids(&self.db, id, page).await?;
        let revisions = post_revisions::list_by_ids(&self.db, &ids).await?;
        Ok(ids.into_page(revisions))
    }

    /// A post of `actor` that nobody else changes until the transaction ends.
    pub(crate) async fn hold_own(
        &self,
        actor: UserId,
        id: PostId,
        precondition: &Precondition,
    ) -> Result<(Tx, Post)> {
        let tx = self.db.write().await?;
        let post = posts::hold(&tx, id).await?.ok_or(Error::PostNotFound)?;
        if post.author != actor {
            // Dropping the transaction first: the connection that it holds may be the only writer.
            drop(tx);
            self.get_post(Some(actor), id).await?;
            return Err(Error::NotAuthor);
        }
        if !precondition.holds(post.version) {
            return Err(Error::PreconditionFailed);
        }
        Ok((tx, post))
    }
}

async fn edit(tx: &Tx, post: &Post, input: UpdatePost, now: Timestamp) -> Result<Post> {
    let mut edited = post.clone();
    if let Some((text, analysis)) = input.text.filter(|(text, _)| text.as_str() != post.text) {
        let mentioned = find_mentioned(tx, &analysis.mentions).await?;
        edited.text = text.into();
        edited.hashtags = analysis.hashtags;
        edited.mentions = mentioned.iter().map(|user| user.id).collect();
        edited.edited_at = Some(now);
        keep_texts(tx, post, &edited, now).await?;
    }
    edited.visibility = input.visibility.unwrap_or(post.visibility);
    if edited != *post {
        edited.version += 1;
    }
    Ok(edited)
}

/// Keeps the new text, and with the first edit the original.
async fn keep_texts(tx: &Tx, post: &Post, edited: &Post, now: Timestamp) -> Result<()> {
    if post.edited_at.is_none() {
        post_revisions::insert(tx, post.id, &original(post)).await?;
    }
    let revision = PostRevision { id: RevisionId::generate(now), text: edited.text.clone(), created_at: now };
    Ok(post_revisions::insert(tx, post.id, &revision).await?)
}

/// The first text has the post's own id: it is older than every edit.
fn original(post: &Post) -> PostRevision {
    let id = RevisionId::from_uuid(post.id.as_uuid());
    PostRevision { id, text: post.text.clone(), created_at: post.created_at }
}
