//! Things as a viewer sees them.

use std::collections::{HashMap, HashSet};

use blegram_domain::{Post, User, UserId, UserSummary, user::Status};
use blegram_persistence::users;

use crate::{Result, Social};

/// A post with the people in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostView {
    /// The post.
    pub post: Post,
    /// Who wrote it.
    pub author: UserSummary,
    /// Whom it mentions, without those who are gone.
    pub mentions: Vec<UserSummary>,
    /// How the viewer stands to it; `None` for somebody not logged in.
    pub viewer: Option<PostViewer>,
}

/// How a viewer stands to a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PostViewer {
    /// Whether they like it.
    pub liked: bool,
    /// Whether they bookmarked it.
    pub bookmarked: bool,
}

/// A profile with how the viewer stands to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The profile.
    pub user: User,
    /// How the viewer stands to it; `None` for somebody not logged in.
    pub viewer: Option<UserViewer>,
}

/// How a viewer stands to another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserViewer {
    /// Whether they follow it.
    pub following: bool,
    /// Whether it follows them.
    pub followed_by: bool,
    /// Whether they asked to follow it.
    pub requested: bool,
    /// Whether they block it.
    pub blocking: bool,
    /// Whether they mute it.
    pub muting: bool,
}

impl PostView {
    pub(crate) fn new(
        post: Post,
        author: UserSummary,
        mentions: Vec<UserSummary>,
        viewer: Option<UserId>,
    ) -> Self {
        Self { post, author, mentions, viewer: viewer.map(|_| PostViewer::default()) }
    }
}

impl UserView {
    pub(crate) fn new(user: User, viewer: Option<UserId>) -> Self {
        Self { user, viewer: viewer.map(|_| UserViewer::default()) }
    }
}

impl Social {
    /// Hydrates `posts` with the people in them, in one statement, and leaves out what `viewer` may not
    /// see.
    pub(crate) async fn view_posts(&self, viewer: Option<UserId>, posts: Vec<Post>) -> Result<Vec<PostView>> {
        let people = self.people_of(&posts).await?;
        Ok(posts.into_iter().filter_map(|post| view_post(viewer, post, &people)).collect())
    }

    async fn people_of(&self, posts: &[Post]) -> Result<HashMap<UserId, UserSummary>> {
        let ids: HashSet<UserId> =
            posts.iter().flat_map(|post| post.mentions.iter().copied().chain([post.author])).collect();
        Ok(users::list_summaries(&self.db, &ids.into_iter().collect::<Vec<_>>()).await?)
    }
}

fn view_post(viewer: Option<UserId>, post: Post, people: &HashMap<UserId, UserSummary>) -> Option<PostView> {
    let author = people.get(&post.author).filter(|author| post.is_visible_to(viewer, author))?;
    let mentioned = post.mentions.iter().filter_map(|id| people.get(id));
    let mentions = mentioned.filter(|user| user.status == Status::Active).cloned().collect();
    let author = author.clone();
    Some(PostView::new(post, author, mentions, viewer))
}
