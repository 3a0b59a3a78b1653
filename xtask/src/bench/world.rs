//! The world of the benchmark: accounts, posts, likes, follows, comments, images and conversations, the same in every run.
//!
//! SQL makes it, because ten million posts over the API would take days. Each row follows from its number: post `n` has its
//! id, its time, its author and its text from `n`, so that rows that refer to it need no look-up. [`statements()`] writes the
//! same statements for both databases. `blegram recount` must find no wrong count in it; the benchmark runs it.
//!
//! The accounts that the benchmark logs in with exist before, because the server creates them: [`READER`], who follows 50
//! accounts and wrote every hundredth post, [`BUSY`], who follows 5,000, [`STAR`], whom many follow, and the [`writer()`]s.

mod dialect;
mod statements;

pub(crate) use self::dialect::Dialect;
pub(crate) use self::statements::statements;
use crate::load::CONNECTIONS;

/// The account that reads, writes and likes.
pub(crate) const READER: &str = "reader";
/// The account that follows as many as 5,000.
pub(crate) const BUSY: &str = "busy.reader";
/// The account with many followers.
pub(crate) const STAR: &str = "popular.star";
/// How many accounts write. More than connections, so that no two requests at one time are of the same account: those would
/// wait for each other.
pub(crate) const WRITERS: u64 = 2 * CONNECTIONS as u64;

/// The hashtag that every post has.
pub(crate) const COMMON_TAG: &str = "일상";
/// A word that every post has.
pub(crate) const COMMON_WORD: &str = "사진";

/// What the posts say, each with its second hashtag. Their number follows.
const TEXTS: [(&str, &str); 8] = [
    ("한강에서 본 노을 사진 #일상 #서울", "서울"),
    ("제주 바다에서 걷는 아침 사진 #일상 #제주", "제주"),
    ("A quiet morning at the harbour, 사진 두 장 #일상 #morning", "morning"),
    ("새로 생긴 동네 카페의 창가 자리, 커피와 사진 #일상 #카페", "카페"),
    ("비 오는 날의 골목길 사진을 남겨 둡니다 #일상 #골목", "골목"),
    ("Street food after work, 떡볶이와 어묵 사진 #일상 #food", "food"),
    ("산 정상에서 만난 구름 사진, 다음에는 더 일찍 오르자 #일상 #등산", "등산"),
    ("고양이가 하루 종일 창밖을 보았다, 사진 몇 장 #일상 #고양이", "고양이"),
];

/// 1 June 2025, in milliseconds since 1970.
const START_MS: u64 = 1_748_736_000_000;
/// The posts are spread over about 115 days.
const SPAN_MS: u64 = 10_000_000_000;
const LIKES_PER_POST: u64 = 10;
const FOLLOWS_PER_USER: u64 = 50;
/// So many accounts follow others.
const FOLLOWERS_OF_OTHERS: u64 = 10_000;
/// How many the account [`BUSY`] follows.
const BUSY_FOLLOWS: u64 = 5_000;
/// The conversations of the account [`READER`].
const CONVERSATIONS: u64 = 100;
/// The conversations of the account [`BUSY`].
const BUSY_CONVERSATIONS: u64 = 1_000;
/// One conversation of two others for so many posts.
const POSTS_PER_CONVERSATION: u64 = 1_000;
const MESSAGES: u64 = 20;
/// The newest posts, which timelines show, all have two images.
const ILLUSTRATED: u64 = 2_000;
/// The size of the part of a world in which every second post has a comment and every eighth has images.
const DETAILED: u64 = 1_000_000;

/// The size of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct World {
    /// At least 100.
    pub(crate) users: u64,
    /// At least 2,000.
    pub(crate) posts: u64,
    /// Ten for each of the newest posts.
    pub(crate) likes: u64,
    /// The followers of the account [`STAR`]; at most the number of accounts.
    pub(crate) followers: u64,
    /// How many posts with two images the writers can create: the images are uploaded, and not attached to anything.
    pub(crate) prepared: u64,
}
/// The kinds of rows with ids of their own, by the digits in their ids.
mod kind {
    pub(super) const USER: u64 = 1;
    pub(super) const POST: u64 = 2;
    pub(super) const FOLLOW: u64 = 3;
    pub(super) const LIKE: u64 = 4;
    pub(super) const COMMENT: u64 = 5;
    pub(super) const MEDIA: u64 = 6;
    pub(super) const AVATAR: u64 = 7;
    pub(super) const CONVERSATION: u64 = 8;
    pub(super) const MESSAGE: u64 = 9;
    pub(super) const CLIENT: u64 = 10;
    pub(super) const UPLOAD: u64 = 11;
}

impl World {
    /// Milliseconds from one post to the next.
    fn step_ms(self) -> u64 {
        (SPAN_MS / self.posts).max(1)
    }

    /// How many of the newest posts have likes.
    fn liked(self) -> u64 {
        (self.likes / LIKES_PER_POST).min(self.posts)
    }

    /// The first post of the detailed part.
    fn detailed_from(self) -> u64 {
        self.posts.saturating_sub(DETAILED)
    }

    fn follows_per_user(self) -> u64 {
        FOLLOWS_PER_USER.min(self.users - 1)
    }

    /// The distance from one followed account to the next, so that none is followed twice.
    fn follow_stride(self) -> u64 {
        (self.users - 1) / self.follows_per_user()
    }
}

/// The texts whose search terms [`statements()`] needs, one per line, and at the end the name of an account.
pub(crate) fn texts() -> String {
    let texts = TEXTS.iter().map(|(text, _)| format!("{text}\n"));
    texts.chain([format!("{NAME}\n")]).collect()
}

/// The fingerprint of the messages: no client sends them again.
const FINGERPRINT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The display name of the accounts; their number follows.
const NAME: &str = "사진가";
/// The id of the newest post that has likes, comments and images.
pub(crate) fn newest_post(world: World) -> String {
    // The newest even one, and not one of the reader's own, so that a like notifies its author.
    let n = (0..world.posts).rev().find(|n| n % 2 == 0 && n % 100 != 0).unwrap_or(0);
    post_id(world, n)
}

/// The id of post `n`, as the statements make it.
pub(crate) fn post_id(world: World, n: u64) -> String {
    let ms = START_MS + 86_400_000 + n * world.step_ms();
    format!("{:08x}-{:04x}-7{:03x}-8000-{n:012x}", ms >> 16, ms & 0xffff, kind::POST)
}

/// The name of a writer.
pub(crate) fn writer(number: u64) -> String {
    format!("{WRITER}{number}")
}

/// The beginning of a writer's name; its number follows.
const WRITER: &str = "writer";

/// When the images that are not attached were uploaded, in milliseconds since 1970: in 2096, so that the server does not
/// delete them as old.
const UPLOAD_MS: u64 = 4_000_000_000_000;

/// The id of an image that [`writer()`] `number / 2 % WRITERS` uploaded, without the last twelve digits, which are `number`.
pub(crate) fn upload_id_prefix() -> String {
    format!("{:08x}-{:04x}-7{:03x}-8000-", UPLOAD_MS >> 16, UPLOAD_MS & 0xffff, kind::UPLOAD)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    const SMALL: World = World { users: 200, posts: 2_000, likes: 20_000, followers: 10_000, prepared: 100 };

    #[test]
    fn follows_of_an_account_are_distinct_and_not_itself() {
        for users in [100, 200, 999, 10_000, 1_000_000] {
            let world = World { users, ..SMALL };
            let (each, stride) = (world.follows_per_user(), world.follow_stride());
            for follower in [0, 1, users - 1] {
                let followed: HashSet<u64> = (0..each).map(|k| (follower + 1 + k * stride) % users).collect();
                assert_eq!(followed.len() as u64, each, "{users}");
                assert!(!followed.contains(&follower), "{users}");
            }
        }
    }

    #[test]
    fn likes_are_never_more_than_ten_per_post() {
        let liked = |likes| World { likes, ..SMALL }.liked();
        assert_eq!([liked(0), liked(100), liked(20_000), liked(5_000_000)], [0, 10, 2_000, 2_000]);
    }

    #[test]
    fn ids_are_version_7_and_ascend_with_the_number() {
        let world = World { posts: 10_000_000, ..SMALL };
        let ids: Vec<String> = [0, 1, 4_999_999, 9_999_999].map(|n| post_id(world, n)).into();
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(
            ids.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'7' && id.as_bytes()[19] == b'8')
        );
    }

    #[test]
    fn both_dialects_insert_the_same_rows_in_the_same_order() {
        let terms = vec!["x1".to_owned(); TEXTS.len() + 1];
        let tables = |dialect| -> Vec<String> {
            let sql = statements(SMALL, dialect, &terms);
            let inserts = sql.lines().filter_map(|line| line.strip_prefix("INSERT INTO "));
            let tables = inserts.filter_map(|insert| insert.split(' ').next());
            tables.filter(|table| !table.ends_with("_terms")).map(Into::into).collect()
        };
        assert_eq!(tables(Dialect::Sqlite), tables(Dialect::Postgres));
        let filled: BTreeSet<String> = tables(Dialect::Sqlite).into_iter().collect();
        let expected = "comments conversation_events conversation_members conversations follows hashtags media media_usage messages \
                        notifications post_hashtags post_likes post_search posts user_search users";
        assert_eq!(filled.iter().map(String::as_str).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn every_text_has_the_common_word_and_its_hashtags() {
        for (text, tag) in TEXTS {
            assert!(text.contains(COMMON_WORD) && text.contains(&format!("#{COMMON_TAG}")), "{text}");
            assert!(text.ends_with(&format!("#{tag}")), "{text}");
        }
    }
}
