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
    /// 정규화한 해시태그(소문자, NFKC). `#`는 붙지 않습니다.
    name: String,
    /// Posts with it that everybody may see. Exact.
    /// 누구나 볼 수 있는 게시글의 정확한 수.
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
    /// The hashtag.
    /// 해시태그.
    hashtag: Hashtag,
    /// Accounts that used it within the last day.
    /// 최근 하루 동안 사용한 계정 수.
    account_count: u64,
    /// How unexpected that is. Only to compare by.
    /// 평소보다 얼마나 늘었는지 나타내는 점수. 비교에만 쓰세요.
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
    /// 최대 여섯 개.
    users: Vec<UserSummary>,
    /// At most six.
    /// 최대 여섯 개.
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
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The text that was searched for.
    /// 검색한 글.
    query: String,
    /// `users`, `hashtags` or `posts`. New kinds may come.
    /// 검색 대상. 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// When it was last searched for.
    /// 마지막으로 검색한 시각.
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
    /// The suggested account.
    /// 추천 계정.
    user: User,
    /// People whom you follow and who follow them.
    /// 내가 팔로우하는 사람 가운데 이 계정을 팔로우하는 사람 수.
    mutual_count: u64,
    /// Up to three of those.
    /// 그 가운데 최대 세 명.
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
    /// Whether the suggestion is dismissed now.
    /// 추천에서 제외되었는지 여부.
    pub(crate) dismissed: bool,
}

/// A page of hashtags.
#[derive(Debug, Object, Serialize)]
pub(crate) struct HashtagPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Hashtag>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where better ones are found.
    /// 순위가 더 높은 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// A page of trends.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TrendPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Trend>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where stronger ones are found.
    /// 순위가 더 높은 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// A page of what you looked for.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RecentSearchPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<RecentSearch>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer items are found.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// A page of people to follow.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SuggestedUserPage {
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<SuggestedUser>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where better ones are found.
    /// 순위가 더 높은 항목을 읽는 커서.
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
