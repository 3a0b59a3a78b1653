//! Trending hashtags: those that more accounts use than on the day before.

use std::time::Duration;

use blegram_domain::{
    Hashtag, PostId, Timestamp,
    trend::{MIN_ACCOUNTS, Trend, score},
};
use sea_orm::FromQueryResult;

use crate::{Conn, Result, entity, sql};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The maximum number of trends.
const MAX: usize = 100;

#[derive(FromQueryResult)]
struct Row {
    hashtag: String,
    accounts: i64,
    before: i64,
    latest: i64,
    post_count: i64,
}

/// Lists the trends at `now`, the highest score first: from posts that everyone may see, of discoverable authors. Reads
/// the posts of two days.
pub async fn list(conn: &impl Conn, now: Timestamp) -> Result<Vec<Trend>> {
    let sql = format!(
        "SELECT post_hashtags.hashtag AS hashtag, \
           count(DISTINCT CASE WHEN posts.created_at >= $2 THEN posts.author_id END) AS accounts, \
           count(DISTINCT CASE WHEN posts.created_at < $2 THEN posts.author_id END) AS before, \
           max(posts.created_at) AS latest, max(hashtags.post_count) AS post_count \
         FROM posts JOIN post_hashtags ON post_hashtags.post_id = posts.id \
         JOIN hashtags ON hashtags.name = post_hashtags.hashtag JOIN users ON users.id = posts.author_id \
         WHERE posts.id >= $1 AND posts.created_at BETWEEN $3 AND $4 AND posts.visibility = 'public' AND posts.deleted_at IS NULL \
           AND users.status = 'active' AND users.discoverable AND NOT users.is_private \
         GROUP BY post_hashtags.hashtag \
         HAVING count(DISTINCT CASE WHEN posts.created_at >= $2 THEN posts.author_id END) >= {MIN_ACCOUNTS} \
         ORDER BY accounts DESC LIMIT 1000"
    );
    let (yesterday, before) = (now - DAY, now - DAY - DAY);
    // By id, which is indexed; and by creation time, because ids may be ahead of it where a clock was.
    let values = [
        PostId::first_of(before).as_uuid().into(),
        yesterday.as_micros().into(),
        before.as_micros().into(),
        now.as_micros().into(),
    ];
    let rows: Vec<Row> = sql::list_named(conn, sql, values).await?;
    let mut trends =
        rows.into_iter().filter_map(|row| trend(&row, now).transpose()).collect::<Result<Vec<_>>>()?;
    trends.sort_by(|one, other| {
        other.score.total_cmp(&one.score).then_with(|| one.hashtag.cmp(&other.hashtag))
    });
    trends.truncate(MAX);
    Ok(trends)
}

fn trend(row: &Row, now: Timestamp) -> Result<Option<Trend>> {
    let count = |value: i64| entity::count("post_hashtags", &row.hashtag, value);
    let (accounts, before) = (count(row.accounts)?, count(row.before)?);
    let latest = entity::timestamp("posts", &row.hashtag, row.latest)?;
    let trend = |score| Trend {
        hashtag: Hashtag::from_stored(row.hashtag.clone()),
        post_count: row.post_count.unsigned_abs(),
        account_count: accounts,
        score,
    };
    Ok(score(accounts, before, now.since(latest)).map(trend))
}
