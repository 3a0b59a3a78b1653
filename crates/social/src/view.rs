//! Entities as a viewer sees them: hydrated with their authors, mentions and images, and filtered by what the viewer
//! may see. The number of statements does not depend on the number of entities.

use std::collections::{HashMap, HashSet};

use blegram_domain::{
    Comment, CommentId, Media, MediaId, Page, Post, PostId, Relation, User, UserId, UserSummary, post::Marks,
};
use blegram_persistence::{
    Conn,
    hydration::{self, HydratedPage, HydratedPost},
    likes, media, relations, users,
};
use serde::{Deserialize, Serialize};

use crate::{Result, Social};

/// A post with its author, images and mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostView {
    /// The post.
    pub post: Post,
    /// Its author.
    pub author: UserSummary,
    /// Its images, in order.
    pub media: Vec<Media>,
    /// The mentioned accounts, without inactive ones and those hidden from the viewer by a block.
    pub mentions: Vec<UserSummary>,
    /// Whether the viewer likes or bookmarked it; `None` for a logged-out viewer.
    pub viewer: Option<Marks>,
}

/// A comment with its author and mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommentView {
    /// The comment.
    pub comment: Comment,
    /// Its author; `None` for a tombstone.
    pub author: Option<UserSummary>,
    /// The mentioned accounts, without inactive ones and those hidden from the viewer by a block.
    pub mentions: Vec<UserSummary>,
    /// Whether the viewer likes it; `None` for a logged-out viewer.
    pub liked: Option<bool>,
}

/// A profile with the viewer's relation to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The profile.
    pub user: User,
    /// The viewer's relation to it; `None` for a logged-out viewer.
    pub viewer: Option<Relation>,
}

/// How a list treats authors whom the viewer mutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Muted {
    /// Includes their posts: the viewer asked for them.
    Included,
    /// Leaves their posts out, as timelines and post search do.
    Hidden,
}

/// Accounts with a viewer's relation to each.
pub(crate) struct People(HashMap<UserId, (UserSummary, Relation)>);

impl People {
    /// Reads the accounts and relations in one statement.
    pub(crate) async fn read(
        conn: &impl Conn,
        viewer: Option<UserId>,
        ids: impl IntoIterator<Item = UserId>,
    ) -> Result<Self> {
        let ids: Vec<UserId> = ids.into_iter().collect::<HashSet<_>>().into_iter().collect();
        Ok(Self(match viewer {
            Some(viewer) => relations::list_people(conn, viewer, &ids).await?,
            None => {
                let people = users::list_summaries(conn, &ids).await?;
                people.into_iter().map(|(id, user)| (id, (user, Relation::default()))).collect()
            }
        }))
    }

    pub(crate) fn find(&self, id: UserId) -> Option<(&UserSummary, Relation)> {
        self.0.get(&id).map(|(user, relation)| (user, *relation))
    }

    /// The account, if lists may show it to the viewer.
    pub(crate) fn find_visible_user(&self, id: UserId) -> Option<&UserSummary> {
        self.find(id).filter(|(user, relation)| user.is_visible(*relation)).map(|(user, _)| user)
    }

    pub(crate) fn list_visible_users(&self, ids: &[UserId]) -> Vec<UserSummary> {
        ids.iter().filter_map(|id| self.find_visible_user(*id)).cloned().collect()
    }
}

impl Social {
    /// The posts of `ids` with their people and images, in one statement, without those that `viewer` may not see.
    pub(crate) async fn view_posts(
        &self,
        viewer: Option<UserId>,
        ids: &[PostId],
        muted: Muted,
    ) -> Result<Vec<PostView>> {
        Ok(view_posts(viewer, hydration::list_posts(&self.db, viewer, ids).await?, muted))
    }

    /// Hydrates comments of posts that `viewer` may see, and leaves out comments that they may not see.
    pub(crate) async fn view_comments(
        &self,
        viewer: Option<UserId>,
        comments: Vec<Comment>,
    ) -> Result<Vec<CommentView>> {
        let people =
            comments.iter().flat_map(|comment| comment.mentions.iter().copied().chain(comment.author));
        let people = People::read(&self.db, viewer, people).await?;
        let is_visible = |comment: &Comment| {
            comment.exists() && comment.author.is_none_or(|author| people.find_visible_user(author).is_some())
        };
        let visible: Vec<Comment> = comments.into_iter().filter(is_visible).collect();
        let ids: Vec<CommentId> = visible.iter().map(|comment| comment.id).collect();
        let liked = match viewer {
            Some(viewer) => likes::list_liked_comments(&self.db, viewer, &ids).await?,
            None => HashSet::new(),
        };
        let view = |comment: Comment| CommentView {
            author: comment.author.and_then(|author| people.find_visible_user(author)).cloned(),
            mentions: people.list_visible_users(&comment.mentions),
            liked: viewer.map(|_| liked.contains(&comment.id)),
            comment,
        };
        Ok(visible.into_iter().map(view).collect())
    }

    /// The profiles of `ids` that lists may show to `viewer`, in two statements.
    pub(crate) async fn view_users(&self, viewer: Option<UserId>, ids: &[UserId]) -> Result<Vec<UserView>> {
        let users = users::list_by_ids(&self.db, ids).await?;
        let relations = match viewer {
            Some(viewer) => relations::find(&self.db, viewer, ids.iter().copied()).await?,
            None => HashMap::new(),
        };
        let view = |user: User| {
            let relation = relations.get(&user.summary.id).copied().unwrap_or_default();
            let is_visible = user.summary.is_visible(relation);
            is_visible.then(|| UserView { user, viewer: viewer.map(|_| relation) })
        };
        Ok(users.into_iter().filter_map(view).collect())
    }
}

/// A post as a logged-out viewer would see it, even if only others may see it.
pub(crate) async fn view_post_publicly(
    conn: &impl Conn,
    post: Post,
    author: UserSummary,
) -> Result<PostView> {
    let people = People::read(conn, None, post.mentions.iter().copied()).await?;
    let media = take_media(&mut list_media(conn, &post.media).await?, &post.media);
    Ok(PostView { mentions: people.list_visible_users(&post.mentions), author, media, viewer: None, post })
}

/// A comment, as [`view_post_publicly`] renders a post.
pub(crate) async fn view_comment_publicly(conn: &impl Conn, comment: Comment) -> Result<CommentView> {
    let people = comment.mentions.iter().copied().chain(comment.author);
    let people = People::read(conn, None, people).await?;
    Ok(CommentView {
        author: comment.author.and_then(|author| people.find_visible_user(author)).cloned(),
        mentions: people.list_visible_users(&comment.mentions),
        liked: None,
        comment,
    })
}

/// The posts of a page that `viewer` may see.
pub(crate) fn view_page(
    viewer: Option<UserId>,
    HydratedPage { page_keys, posts }: HydratedPage,
    muted: Muted,
) -> Page<PostView> {
    page_keys.into_page(view_posts(viewer, posts, muted))
}

fn view_posts(viewer: Option<UserId>, posts: Vec<HydratedPost>, muted: Muted) -> Vec<PostView> {
    posts.into_iter().filter(|post| sees(viewer, post, muted)).map(view_post).collect()
}

fn sees(viewer: Option<UserId>, hydrated: &HydratedPost, muted: Muted) -> bool {
    let HydratedPost { post, author: (author, relation), .. } = hydrated;
    let is_hidden = muted == Muted::Hidden && relation.muting;
    post.is_visible_to(viewer, author, *relation) && !is_hidden
}

fn view_post(hydrated: HydratedPost) -> PostView {
    let HydratedPost { post, author: (author, _), mentions, media, marks } = hydrated;
    let visible = mentions.into_iter().filter(|(user, relation)| user.is_visible(*relation));
    PostView { post, author, media, mentions: visible.map(|(user, _)| user).collect(), viewer: marks }
}

/// The images of several entities, in one statement; no statement without ids.
pub(crate) async fn list_media(
    conn: &impl Conn,
    ids: impl IntoIterator<Item = &MediaId>,
) -> Result<HashMap<MediaId, Media>> {
    let ids: Vec<MediaId> = ids.into_iter().copied().collect();
    Ok(media::list_by_ids(conn, &ids).await?)
}

/// The images of `ids`, in that order, without deleted ones.
pub(crate) fn take_media(images: &mut HashMap<MediaId, Media>, ids: &[MediaId]) -> Vec<Media> {
    ids.iter().filter_map(|id| images.remove(id)).collect()
}
