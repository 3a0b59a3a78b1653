use blegram_domain::trend;
use blegram_media::Links;
use blegram_social::{HashtagView, Suggestions};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    page::PageSchema,
    schema::{
        Render, Time, render_all,
        user::{User, UserSummary},
    },
};

/// A hashtag.
/// 해시태그.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Hashtag {
    /// Normalised name (lower case, NFKC), without `#`.
    /// 정규화한 해시태그(소문자, NFKC). `#`는 붙지 않습니다.
    name: String,
    /// Exact number of public posts with this hashtag.
    /// 이 해시태그가 있는 공개 게시글의 정확한 수.
    post_count: u64,
}

impl From<HashtagView> for Hashtag {
    fn from(HashtagView { hashtag, post_count }: HashtagView) -> Self {
        Self { name: hashtag.into(), post_count }
    }
}

/// A trending hashtag: more accounts use it than on the day before.
/// 인기 해시태그. 전날보다 많은 계정이 사용합니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Trend {
    /// The hashtag.
    /// 해시태그.
    hashtag: Hashtag,
    /// Number of accounts that used it within the last 24 hours.
    /// 최근 하루 동안 사용한 계정 수.
    account_count: u64,
    /// Score of the increase over the day before. Use it only to compare trends.
    /// 전날보다 얼마나 늘었는지 나타내는 점수. 비교에만 쓰세요.
    score: f64,
}

impl From<trend::Trend> for Trend {
    fn from(trend: trend::Trend) -> Self {
        let trend::Trend { hashtag, post_count, account_count, score } = trend;
        Self { hashtag: Hashtag { name: hashtag.into(), post_count }, account_count, score }
    }
}

/// Suggestions for a search field.
/// 검색창의 추천 결과.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SearchSuggestions {
    /// Matching users, at most six.
    /// 일치하는 사용자, 최대 여섯 명.
    users: Vec<UserSummary>,
    /// Matching hashtags, at most six.
    /// 일치하는 해시태그, 최대 여섯 개.
    hashtags: Vec<Hashtag>,
}

impl Render<Suggestions> for SearchSuggestions {
    fn render(Suggestions { users, hashtags }: Suggestions, links: &Links) -> Self {
        Self {
            users: users.into_iter().map(|view| UserSummary::render(view.user.summary, links)).collect(),
            hashtags: hashtags.into_iter().map(Into::into).collect(),
        }
    }
}

/// One of your recent searches.
/// 최근 검색.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RecentSearch {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The search text.
    /// 검색어.
    query: String,
    /// `users`, `hashtags` or `posts`. More kinds may be added.
    /// 검색 대상. 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// Time of the last search for this text.
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

/// A suggested account to follow.
/// 팔로우 추천 계정.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SuggestedUser {
    /// The suggested account.
    /// 추천 계정.
    user: User,
    /// Number of accounts you follow that follow the suggested account.
    /// 내가 팔로우하는 사람 가운데 이 계정을 팔로우하는 사람 수.
    mutual_count: u64,
    /// Up to three of these accounts.
    /// 그 가운데 최대 세 명.
    mutuals: Vec<UserSummary>,
}

impl Render<blegram_social::SuggestedUser> for SuggestedUser {
    fn render(suggested: blegram_social::SuggestedUser, links: &Links) -> Self {
        Self {
            user: User::render(suggested.user, links),
            mutual_count: suggested.mutual_count,
            mutuals: render_all(suggested.mutuals, links),
        }
    }
}

/// The dismissal of a suggestion; a dismissed account is not suggested again.
/// 추천 제외 상태. 제외한 계정은 다시 추천되지 않습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Dismissal {
    /// Whether the suggestion is dismissed now.
    /// 추천에서 제외되었는지 여부.
    pub(crate) dismissed: bool,
}

/// A page of hashtags.
/// 해시태그 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct HashtagPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Hashtag>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for items of higher rank.
    /// 순위가 더 높은 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// A page of trending hashtags.
/// 인기 해시태그 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TrendPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Trend>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for items of higher rank.
    /// 순위가 더 높은 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// A page of recent searches.
/// 최근 검색 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct RecentSearchPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<RecentSearch>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer items.
    /// 더 새로운 항목을 읽는 커서.
    prev_cursor: Option<String>,
}

/// A page of suggested accounts.
/// 추천 계정 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SuggestedUserPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<SuggestedUser>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for items of higher rank.
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
