//! What accounts publish, how it is listed and found, and the notifications and reports about it.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`posts`] | posts |
//! | [`hydration`] | posts with their people and images |
//! | [`comments`] | comments, replies and tombstones |
//! | [`revisions`] | earlier texts of posts and comments |
//! | [`post_hashtags`], [`hashtags`] | which posts have a hashtag, and how many |
//! | [`likes`], [`bookmarks`] | likes and bookmarks |
//! | [`timelines`], [`trends`] | the home and the public timeline, and trending hashtags |
//! | [`search`], [`recent_searches`] | the search index, and each user's recent searches |
//! | [`notifications`] | notifications and read marks |
//! | [`reports`] | reports to moderators |

pub mod bookmarks;
pub mod comments;
pub mod hashtags;
pub mod hydration;
pub mod likes;
pub mod notifications;
pub mod post_hashtags;
pub mod posts;
pub mod recent_searches;
pub mod reports;
pub mod revisions;
pub mod search;
pub mod timelines;
pub mod trends;
