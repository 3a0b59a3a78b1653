use blegram_domain::trend;
use blegram_media::Links;
use blegram_social::{HashtagView, Suggestions};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    page::PageSchema,
    schema::{
        Linked, Time, all_linked,
        user::{User, UserSummary},
    },
};

/// A hashtag.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Hashtag {
    /// Folded (lower case, NFKC), without `#`.
    name: String,
    /// Posts with it that everybody may see. Exact.
    post_count: u64,
}

impl From<HashtagView> for Hashtag {
    fn from(HashtagView { hashtag, post_count }: HashtagView) -> Self {
        Self { name: hashtag.into(), post_count }
    }
}

/// A hashtag that more people use than the day before.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Trend {
    hashtag: Hashtag,
    /// Accounts that used it within the last day.
    account_count: u64,
    /// How unexpected that is. Only to compare by.
    score: f64,
}

impl From<trend::Trend> for Trend {
    fn from(trend: trend::Trend) -> Self {
        let trend::Trend { hashtag, post_count, account_count, score } = trend;
        Self { hashtag: Hashtag { name: hashtag.into(), post_count }, account_count, score }
    }
}

/// What a search field offers.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SearchSuggestions {
    /// At most six.
    users: Vec<UserSummary>,
    /// At most six.
    hashtags: Vec<Hashtag>,
}

impl Linked<Suggestions> for SearchSuggestions {
    fn linked(Suggestions { users, hashtags }: Suggestions, links: &Links) -> Self {
        Self {
            users: users.into_iter().map(|view| UserSummary::linked(view.user.summary, links)).collect(),
            hashtags: hashtags.into_iter().map(Into::into).collect(),
        }
    }
}

/// Something that you looked for.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RecentSearch {
    id: Uuid,
    query: String,
    /// `users`, `hashtags` or `posts`. New kinds may come.
    kind: String,
    searched_at: Time,
}

impl From<blegram_domain::search::RecentSearch> for RecentSearch {
    fn from(search: blegram_domain::search::RecentSearch) -> Self {
        Self {
            id: search.id.as_uuid(),
            query: search.query,
            kind: search.kind.as_str().to_owned(),
            searched_at: search.searched_at.into(),
        }
    }
}

/// Somebody to follow.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SuggestedUser {
    user: User,
    /// People whom you follow and who follow them.
    mutual_count: u64,
    /// Up to three of those.
    mutuals: Vec<UserSummary>,
}

impl Linked<blegram_social::SuggestedUser> for SuggestedUser {
    fn linked(suggested: blegram_social::SuggestedUser, links: &Links) -> Self {
        Self {
            user: User::linked(suggested.user, links),
            mutual_count: suggested.mutual_count,
            mutuals: all_linked(suggested.mutuals, links),
        }
    }
}

/// That a suggestion will not come again.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Dismissal {
    pub(crate) dismissed: bool,
}

/// A page of hashtags.
#[derive(Debug, Object, Serialize)]
pub(crate) struct HashtagPage {
    items: Vec<Hashtag>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where better ones are found.
    prev_cursor: Option<String>,
}

/// A page of trends.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TrendPage {
    items: Vec<Trend>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where stronger ones are found.
    prev_cursor: Option<String>,
}

/// A page of what you looked for.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RecentSearchPage {
    items: Vec<RecentSearch>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer items are found.
    prev_cursor: Option<String>,
}

/// A page of people to follow.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SuggestedUserPage {
    items: Vec<SuggestedUser>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where better ones are found.
    prev_cursor: Option<String>,
}

impl PageSchema for HashtagPage {
    type Item = Hashtag;

    fn new(items: Vec<Hashtag>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl PageSchema for TrendPage {
    type Item = Trend;

    fn new(items: Vec<Trend>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl PageSchema for RecentSearchPage {
    type Item = RecentSearch;

    fn new(items: Vec<RecentSearch>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

impl PageSchema for SuggestedUserPage {
    type Item = SuggestedUser;

    fn new(items: Vec<SuggestedUser>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}
