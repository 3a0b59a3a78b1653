//! Which subscribers receive the events about an author's posts and comments.
//!
//! An [`Audience`] holds the relationships of a topic's subscribers to the author. [`Feed`] loads them from the database
//! and caches them for a second.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use blegram_domain::{Comment, Post, Relation, UserId, UserSummary};
use blegram_gateway::Topic;
use blegram_social::Result;
use tokio::time::Instant;

use super::Feed;

/// Time for which the relationships of subscribers to an author are cached.
const CACHE_LIFETIME: Duration = Duration::from_secs(1);

/// Largest number of cached authors; the cache is cleared when it is full.
const MAX_AUTHORS: usize = 1000;

/// A cache entry: the relationships of `viewers` to an author, loaded at `since`. `author` is `None` if the account is
/// missing or not active.
pub(super) struct CachedRelations {
    since: Instant,
    author: Option<UserSummary>,
    viewers: HashSet<UserId>,
    relations: Arc<HashMap<UserId, Relation>>,
}

impl Feed {
    /// The audiences of a comment: by the post's author and, if that is another user, by the comment's author.
    pub(super) async fn audiences(
        &mut self,
        comment: &Comment,
        post: &Post,
    ) -> Result<Option<(Audience, Option<Audience>)>> {
        let topics = [Topic::Post(post.id)];
        let Some(of_post) = self.audience(post.author, &topics).await? else { return Ok(None) };
        let of_comment = match comment.author {
            Some(author) if author != post.author => {
                let Some(of_comment) = self.audience(author, &topics).await? else { return Ok(None) };
                Some(of_comment)
            }
            _ => None,
        };
        Ok(Some((of_post, of_comment)))
    }

    /// The subscribers of `topics` on this node with their relationships to `author`; `None` if there are none, or if
    /// the author's account is not active.
    pub(super) async fn audience(&mut self, author: UserId, topics: &[Topic]) -> Result<Option<Audience>> {
        let hub = self.app.realtime.hub();
        let viewers: HashSet<UserId> =
            topics.iter().flat_map(|topic| hub.fanout().subscribers(topic)).collect();
        if viewers.is_empty() {
            return Ok(None);
        }
        let now = Instant::now();
        self.cache.retain(|_, entry| now < entry.since + CACHE_LIFETIME);
        let is_cached = self.cache.get(&author).is_some_and(|entry| viewers.is_subset(&entry.viewers));
        if !is_cached {
            let users: Vec<UserId> = viewers.iter().copied().collect();
            let relations = self.app.social.relations(author, &users).await?;
            let (author_summary, relations) =
                relations.map_or((None, HashMap::new()), |found| (Some(found.author), found.relations));
            if self.cache.len() >= MAX_AUTHORS {
                self.cache.clear();
            }
            let entry = CachedRelations {
                since: now,
                author: author_summary,
                viewers,
                relations: Arc::new(relations),
            };
            self.cache.insert(author, entry);
        }
        let entry = self.cache.get(&author);
        Ok(entry.and_then(|entry| {
            let author = entry.author.clone()?;
            Some(Audience { author, relations: Arc::clone(&entry.relations) })
        }))
    }
}

/// An author, and the relationships of the subscribers to them. A user without an entry has no relationship.
pub(super) struct Audience {
    author: UserSummary,
    relations: Arc<HashMap<UserId, Relation>>,
}

impl Audience {
    fn relation(&self, user: UserId) -> Relation {
        self.relations.get(&user).copied().unwrap_or_default()
    }

    /// Whether events about the author's content are sent to `user`: neither blocks the other, and `user` does not mute
    /// the author.
    pub(super) fn includes(&self, user: UserId) -> bool {
        let relation = self.relation(user);
        self.author.is_visible(relation) && !relation.muting
    }

    /// Whether events about `post` are sent to `user` as a subscriber of `topic`, in which the post is listed.
    pub(super) fn receives(&self, user: UserId, post: &Post, topic: &Topic) -> bool {
        let is_listed = match topic {
            Topic::Home => self.relation(user).following || user == post.author,
            Topic::Public | Topic::Hashtag(_) => post.is_public(&self.author),
            Topic::User(_) | Topic::Post(_) => true,
        };
        is_listed && self.may_see(user, post) && self.includes(user)
    }

    fn may_see(&self, user: UserId, post: &Post) -> bool {
        post.is_visible_to(Some(user), &self.author, self.relation(user))
    }

    /// Ends the subscriptions to a user or post topic of subscribers who may no longer see it. Other topics are never
    /// revoked.
    pub(super) fn revoke(&self, hub: &blegram_gateway::Hub, topic: &Topic, post: &Post) {
        match topic {
            Topic::Post(_) => hub.fanout().revoke_topic(topic, |user| !self.may_see(user, post)),
            Topic::User(author) => hub.fanout().revoke_topic(topic, |user| {
                let relation = self.relation(user);
                let is_open = self.author.check_lists_visible(relation, user == *author).is_ok();
                !(self.author.is_header_visible(relation) && is_open)
            }),
            Topic::Home | Topic::Public | Topic::Hashtag(_) => {}
        }
    }
}
