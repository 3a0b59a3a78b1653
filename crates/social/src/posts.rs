//! Writing, reading and deleting posts.

use std::collections::HashMap;

use blegram_domain::{
    Post, PostId, PostText, UserId, UserSummary, Username, Violation, Visibility,
    analysis::{Analysis, Mention},
    version::Precondition,
};
use blegram_persistence::{Tx, posts, users};

use crate::{Error, PostView, Result, Social};

/// A post to be: its text with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePost {
    text: PostText,
    analysis: Analysis,
    visibility: Visibility,
}

impl CreatePost {
    /// A post of `text`.
    ///
    /// # Errors
    /// [`Violation::Blank`] for no text, [`Violation::TooMany`] hashtags or mentions.
    pub fn new(text: PostText, visibility: Visibility) -> Result<Self, Violation> {
        if text.as_str().is_empty() {
            return Err(Violation::Blank);
        }
        Ok(Self { analysis: Analysis::of(text.as_str())?, text, visibility })
    }
}

impl Social {
    /// Publishes a post of `actor`. Mentions of nobody stay plain text.
    ///
    /// # Errors
    /// [`Error::UserNotFound`] when the actor's account is gone.
    pub async fn create_post(&self, actor: UserId, input: CreatePost) -> Result<PostView> {
        let now = self.clock.now();
        let tx = self.db.write().await?;
        let author = users::find(&tx, actor).await?.ok_or(Error::UserNotFound)?.summary;
        let mentioned = find_mentioned(&tx, &input.analysis.mentions).await?;
        let post = Post {
            id: PostId::generate(now),
            author: actor,
            text: input.text.into(),
            hashtags: input.analysis.hashtags,
            mentions: mentioned.iter().map(|user| user.id).collect(),
            visibility: input.visibility,
            like_count: 0,
            comment_count: 0,
            created_at: now,
            edited_at: None,
            version: 0,
        };
        posts::insert(&tx, &post).await?;
        tx.commit().await?;
        Ok(PostView::new(post, author, mentioned, Some(actor)))
    }

    /// The post as `viewer` sees it.
    ///
    /// # Errors
    /// [`Error::PostNotFound`] also when the viewer may not see it.
    pub async fn get_post(&self, viewer: Option<UserId>, id: PostId) -> Result<PostView> {
        let post = posts::find(&self.db, id).await?.ok_or(Error::PostNotFound)?;
        self.view_posts(viewer, vec![post]).await?.pop().ok_or(Error::PostNotFound)
    }

    /// Removes a post of `actor`, and its place in every count.
    ///
    /// # Errors
    /// [`Error::PostNotFound`], also the second time; [`Error::NotAuthor`] of a post that the actor sees;
    /// [`Error::PreconditionFailed`].
    pub async fn delete_post(&self, actor: UserId, id: PostId, precondition: &Precondition) -> Result<()> {
        let (tx, _post) = self.hold_own(actor, id, precondition).await?;
        posts::delete(&tx, id, actor).await?;
        Ok(tx.commit().await?)
    }
}

/// Whom the mentions mean: of each, the longest name that exists; everybody once.
pub(crate) async fn find_mentioned(tx: &Tx, mentions: &[Mention]) -> Result<Vec<UserSummary>> {
    let names: Vec<Username> = mentions.iter().flat_map(Mention::candidates).cloned().collect();
    let found = users::list_by_usernames(tx, &names).await?;
    let mut by_name: HashMap<_, _> = found.into_iter().map(|user| (user.username.clone(), user)).collect();
    let meant = mentions
        .iter()
        .filter_map(|mention| mention.candidates().iter().find(|name| by_name.contains_key(name)));
    let meant: Vec<Username> = meant.cloned().collect();
    // Taken out as they are met, so whoever is meant twice is listed once.
    Ok(meant.iter().filter_map(|name| by_name.remove(name)).collect())
}
