//! A row of the statement of [`hydration`](super).

use blegram_domain::{Media, Post, Relation, UserSummary, post::Marks};
use sea_orm::prelude::Uuid;
use serde::Deserialize;

use super::{HydratedPost, PostForActor};
use crate::{
    Error, Result,
    entity::{
        flag,
        media::{self, MediaIds},
        post::{self, Hashtags, Mentions},
        user::Summary,
    },
};

/// A post with its author and its lists. The order of the fields is that of a JSON array, here and below.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) text: String,
    pub(super) media: MediaIds,
    pub(super) hashtags: Hashtags,
    pub(super) mentions: Mentions,
    pub(super) visibility: String,
    pub(super) like_count: i64,
    pub(super) comment_count: i64,
    pub(super) created_at: i64,
    pub(super) edited_at: Option<i64>,
    pub(super) version: i64,
    pub(super) author: Person,
    pub(super) marks: u8,
    /// `None` if it has none, as below.
    pub(super) images: Option<Vec<media::Model>>,
    /// The mentioned accounts.
    pub(super) people: Option<Vec<Person>>,
    /// Only if the statement reads it.
    pub(super) actor: Option<Person>,
}

/// An account, and the viewer's relation to it.
#[derive(Debug, Deserialize)]
pub(super) struct Person {
    pub(super) id: Uuid,
    pub(super) username: String,
    pub(super) display_name: String,
    pub(super) avatar_key: Option<String>,
    #[serde(deserialize_with = "flag")]
    pub(super) is_private: bool,
    pub(super) status: String,
    pub(super) relation: u8,
}

impl Row {
    pub(super) fn hydrated(self, has_viewer: bool) -> Result<HydratedPost> {
        let post = post::Model {
            id: self.id,
            author_id: self.author.id,
            text: self.text,
            media: self.media,
            hashtags: self.hashtags,
            mentions: self.mentions,
            visibility: self.visibility,
            like_count: self.like_count,
            comment_count: self.comment_count,
            created_at: self.created_at,
            edited_at: self.edited_at,
            version: self.version,
            deleted_at: None,
        };
        let post = Post::try_from(post)?;
        let post_id = Some(self.id);
        let images = self.images.into_iter().flatten();
        let images = images.map(|image| Media::try_from(media::Model { post_id, ..image }));
        let media = in_order(&post.media, images, |image| image.id)?;
        let people = self.people.into_iter().flatten().map(Person::summary);
        let mentions = in_order(&post.mentions, people, |(person, _)| person.id)?;
        let marks =
            has_viewer.then_some(Marks { liked: self.marks & 1 != 0, bookmarked: self.marks & 2 != 0 });
        Ok(HydratedPost { author: self.author.summary()?, post, mentions, media, marks })
    }

    pub(super) fn for_actor(mut self) -> Result<PostForActor> {
        let actor = self.actor.take().ok_or_else(|| Error::corrupt("posts", self.id, "no actor"))?;
        let HydratedPost { post, author, .. } = self.hydrated(false)?;
        Ok(PostForActor { post, author, actor: actor.summary()?.0 })
    }
}

impl Person {
    fn summary(self) -> Result<(UserSummary, Relation)> {
        let Self { id, username, display_name, avatar_key, is_private, status, relation } = self;
        let summary = Summary { id, username, display_name, avatar_key, is_private, status };
        let relation = Relation {
            following: relation & 1 != 0,
            blocking: relation & 8 != 0,
            blocked_by: relation & 16 != 0,
            muting: relation & 32 != 0,
            ..Relation::default()
        };
        Ok((summary.try_into()?, relation))
    }
}

/// The items of `ids`, in that order.
fn in_order<I: Eq + Copy, T>(
    ids: &[I],
    items: impl Iterator<Item = Result<T>>,
    id_of: impl Fn(&T) -> I,
) -> Result<Vec<T>> {
    let mut items = items.map(|item| item.map(Some)).collect::<Result<Vec<_>>>()?;
    let take = |id: &I| {
        items
            .iter_mut()
            .find(|item| item.as_ref().is_some_and(|item| id_of(item) == *id))
            .and_then(Option::take)
    };
    Ok(ids.iter().filter_map(take).collect())
}
