//! Searches of posts, users and hashtags by full text, in the index that `search_index` writes.

use blegram_domain::{
    Hashtag, PageRequest, PostId, UserId,
    page::{Order, PageKeys, Ranked, Window},
    search::{Phrase, Query},
};
use sea_orm::{DbBackend, TryGetableMany, prelude::Uuid};

use crate::{
    Conn, Result, Tx, keyset, posts,
    search_index::{
        HASHTAGS, Index, MAX_CANDIDATES, POSTS, USERS, index_missing_hashtags, index_post, index_user,
    },
    sql::{self, Values},
    users,
};

/// The full-text query expression: all phrases must match.
fn expression(backend: DbBackend, phrases: &[Phrase]) -> String {
    let (between, and) = if backend == DbBackend::Postgres { (" <-> ", " & ") } else { (" ", " AND ") };
    let phrase = |phrase: &Phrase| {
        let terms = phrase.terms.join(between);
        match (backend, phrase.is_prefix) {
            (DbBackend::Postgres, true) => format!("{terms}:*"),
            (DbBackend::Postgres, false) => format!("({terms})"),
            (_, true) => format!("\"{terms}\"*"),
            (_, false) => format!("\"{terms}\""),
        }
    };
    phrases.iter().map(phrase).collect::<Vec<_>>().join(and)
}

/// Lists the ids of public posts by discoverable authors that match `query`, the newest first.
pub async fn list_post_ids(conn: &impl Conn, query: &Query, page: &PageRequest) -> Result<PageKeys> {
    let phrases = query.phrases();
    if phrases.is_empty() {
        return Ok(page.page_keys(Vec::new()));
    }
    let backend = sql::backend(conn);
    let window = page.window(Order::Descending);
    let expression = expression(backend, &phrases);
    let mut values = Values::from([expression.clone().into()]);
    let from = match backend {
        DbBackend::Postgres if is_common(conn, expression).await? => common(&window, &mut values),
        DbBackend::Postgres => rare(backend, &POSTS.candidates(backend)),
        _ => rare(backend, &newest_candidates(&window, &mut values)),
    };
    let bounds = keyset::bounds("posts.id", &window, &mut values);
    let (order, rows) = (keyset::direction(&window), values.bind(sql::signed(window.rows)));
    let sql = format!(
        "{from} WHERE posts.visibility = 'public' AND posts.deleted_at IS NULL AND users.discoverable{bounds} \
         ORDER BY posts.id {order} LIMIT {rows}"
    );
    Ok(page.page_keys(sql::list(conn, sql, values).await?))
}

/// Joins the posts of `candidates`. PostgreSQL may mistake a rare word for a common one, and walk all posts in the order
/// of the page to find it. So there the candidates are a separate (materialised) query, and each is looked up: `OFFSET 0`
/// keeps the planner from joining the posts in another way.
fn rare(backend: DbBackend, candidates: &str) -> String {
    let (materialized, posts) = match backend {
        DbBackend::Postgres => (
            "MATERIALIZED",
            "CROSS JOIN LATERAL (SELECT id, author_id, visibility, deleted_at FROM posts \
             WHERE id = found.post_id OFFSET 0) AS posts",
        ),
        _ => ("", "JOIN posts ON posts.id = found.post_id"),
    };
    format!(
        "WITH found AS {materialized} ({candidates}) SELECT posts.id FROM found {posts} \
         JOIN users ON users.id = posts.author_id"
    )
}

/// Up to [`MAX_CANDIDATES`] posts with a common word. Walks the posts from the cursor on and tests each for the word,
/// because matches are frequent. `OFFSET 0` keeps PostgreSQL from collecting all matches instead. The authors are
/// joined after that limit: otherwise the posts of an undiscoverable author would be walked without end.
fn common(window: &Window, values: &mut Values) -> String {
    let bounds = keyset::bounds("posts.id", window, values);
    let order = keyset::direction(window);
    format!(
        "SELECT posts.id FROM (SELECT posts.id, posts.author_id, posts.visibility, posts.deleted_at FROM posts \
         CROSS JOIN LATERAL (SELECT 1 FROM post_search WHERE post_search.post_id = posts.id \
           AND terms @@ to_tsquery('simple', $1) OFFSET 0) AS found \
         WHERE posts.visibility = 'public' AND posts.deleted_at IS NULL{bounds} \
         ORDER BY posts.id {order} LIMIT {MAX_CANDIDATES}) AS posts \
         CROSS JOIN LATERAL (SELECT users.discoverable FROM users WHERE users.id = posts.author_id OFFSET 0) AS users"
    )
}

/// Whether at least [`MAX_CANDIDATES`] posts match `expression`.
async fn is_common(conn: &impl Conn, expression: String) -> Result<bool> {
    let sql = format!(
        "SELECT count(*) AS count FROM ({} OFFSET 0) AS found",
        POSTS.candidates(DbBackend::Postgres)
    );
    let count: Option<i64> = sql::find(conn, sql, [expression.into()]).await?;
    Ok(count.is_some_and(|count| usize::try_from(count).unwrap_or(usize::MAX) >= MAX_CANDIDATES))
}

/// On SQLite, row numbers of posts grow with their ids, except for posts that were written at the same time. So matches
/// are read in the order of row numbers from the cursor on, and only as many as the page needs.
fn newest_candidates(window: &Window, values: &mut Values) -> String {
    /// The maximum distance between the two orders.
    const SLACK: usize = 1_000;
    let number = |sign: &str, extreme: &str, at: &str| {
        format!(
            "(SELECT {extreme}(row_no) FROM (SELECT row_no FROM post_search WHERE post_id {sign} {at} \
                 ORDER BY post_id {} LIMIT 1))",
            if sign == "<=" { "DESC" } else { "ASC" }
        )
    };
    let mut conditions = String::new();
    if let Some(low) = window.after.or(window.from).filter(|_| window.ascending) {
        let row_no = number("<=", "max", &values.bind(low));
        conditions = format!(" AND rowid >= coalesce({row_no}, 0) - {SLACK}");
    } else if let Some(high) = window.before.or(window.to) {
        let row_no = number("<=", "max", &values.bind(high));
        conditions = format!(" AND rowid <= coalesce({row_no}, 0) + {SLACK}");
    }
    let order = keyset::direction(window);
    format!(
        "SELECT post_id FROM post_search WHERE row_no IN (SELECT rowid FROM post_search_terms \
         WHERE post_search_terms MATCH $1{conditions} ORDER BY rowid {order} LIMIT {MAX_CANDIDATES})"
    )
}

/// A page of names, with the user or hashtag of each.
pub type Names<T> = (PageKeys<Ranked>, Vec<T>);

/// Lists discoverable accounts: an exact match of the username first, then usernames that start with `query`, then
/// other matches of the names; each group ordered by username.
pub async fn list_users(
    conn: &impl Conn,
    query: &Query,
    page: &PageRequest<Ranked>,
) -> Result<Names<UserId>> {
    let Some(found) = NameSearch::new(conn, &USERS, query) else {
        return Ok((page.page_keys(Vec::new()), Vec::new()));
    };
    let collate = found.collate;
    let inner = format!(
        "SELECT users.id AS id, CAST(CASE WHEN username = $2 THEN 0 WHEN username{collate} >= $2 AND username{collate} < $3 THEN 1 \
         ELSE 2 END AS BIGINT) AS rank, username AS name FROM users WHERE users.status = 'active' AND users.discoverable AND users.id IN \
         (SELECT id FROM (SELECT id FROM users WHERE username{collate} >= $2 AND username{collate} < $3 \
          ORDER BY username{collate} LIMIT {MAX_CANDIDATES}) AS begin UNION ALL SELECT user_id FROM ({}) AS found)",
        found.candidates
    );
    let rows: Vec<(Uuid, i64, String)> = found.list(conn, &inner, page).await?;
    let ranked = |(_, rank, name): &(Uuid, i64, String)| Ranked { rank: *rank, name: name.clone() };
    let page_keys = page.page_keys(rows.iter().map(ranked).collect());
    let target = |key: &Ranked| {
        rows.iter().find(|(_, _, name)| *name == key.name).map(|(id, ..)| UserId::from_uuid(*id))
    };
    let users = page_keys.keys().iter().filter_map(target).collect();
    Ok((page_keys, users))
}

/// Lists hashtags in use that start with or match `query`, the most used first, each with its post count.
pub async fn list_hashtags(
    conn: &impl Conn,
    query: &Query,
    page: &PageRequest<Ranked>,
) -> Result<Names<(Hashtag, u64)>> {
    let Some(found) = NameSearch::new(conn, &HASHTAGS, query) else {
        return Ok((page.page_keys(Vec::new()), Vec::new()));
    };
    let collate = found.collate;
    let inner = format!(
        "SELECT -post_count AS rank, name FROM hashtags WHERE post_count > 0 AND name IN \
         (SELECT name FROM (SELECT name FROM hashtags WHERE name{collate} >= $2 AND name{collate} < $3 \
          ORDER BY name{collate} LIMIT {MAX_CANDIDATES}) AS begin UNION ALL SELECT name FROM ({}) AS found)",
        found.candidates
    );
    let rows: Vec<(i64, String)> = found.list(conn, &inner, page).await?;
    let page_keys = page.page_keys(rows.into_iter().map(|(rank, name)| Ranked { rank, name }).collect());
    let tag = |key: &Ranked| (Hashtag::from_stored(key.name.clone()), key.rank.unsigned_abs());
    let tags = page_keys.keys().iter().map(tag).collect();
    Ok((page_keys, tags))
}

/// The common parts of name searches: `$1` is the full-text expression, `$2` and `$3` are the range of names with the
/// prefix.
struct NameSearch {
    collate: &'static str,
    candidates: String,
    values: Values,
}

impl NameSearch {
    /// `None` if the query cannot match anything.
    fn new(conn: &impl Conn, index: &Index, query: &Query) -> Option<Self> {
        let (backend, phrases) = (sql::backend(conn), query.open_phrases());
        let name = query.name();
        if phrases.is_empty() || name.is_empty() {
            return None;
        }
        let end = format!("{name}{}", char::MAX);
        let values = Values::from([expression(backend, &phrases).into(), name.to_owned().into(), end.into()]);
        let collate = if backend == DbBackend::Postgres { " COLLATE \"C\"" } else { "" };
        Some(Self { collate, candidates: index.candidates(backend), values })
    }

    /// Reads the page of `inner`, which selects `rank` and `name`.
    async fn list<T: TryGetableMany>(
        self,
        conn: &impl Conn,
        inner: &str,
        page: &PageRequest<Ranked>,
    ) -> Result<Vec<T>> {
        let Self { collate, mut values, .. } = self;
        let window = page.window(Order::Ascending);
        let order = keyset::direction(&window);
        let bounds = [(">", window.after), (">=", window.from), ("<", window.before), ("<=", window.to)];
        let mut conditions = String::from("true");
        for (sign, bound) in bounds {
            let Some(Ranked { rank, name }) = bound else { continue };
            let (rank, name) = (values.bind(rank), values.bind(name));
            conditions.push_str(&format!(" AND (rank, name{collate}) {sign} ({rank}, {name})"));
        }
        let rows = values.bind(sql::signed(window.rows));
        let sql = format!(
            "SELECT * FROM ({inner}) AS ranked WHERE {conditions} ORDER BY rank {order}, name{collate} {order} LIMIT {rows}"
        );
        sql::list(conn, sql, values).await
    }
}

/// Adds up to `max` posts, accounts and hashtags each to the search index that are missing there, and returns how many.
pub async fn index_missing(tx: &Tx, max: u64) -> Result<u64> {
    // On SQLite, every post has had a row number since the index exists; an indexed post also has a row in `docsize`.
    let terms = if sql::is_postgres(tx) {
        ""
    } else {
        "JOIN post_search_terms_docsize AS terms ON terms.id = row_no"
    };
    let posts = format!(
        "SELECT id FROM posts WHERE visibility = 'public' AND deleted_at IS NULL \
         AND NOT EXISTS (SELECT 1 FROM post_search {terms} WHERE post_id = posts.id) ORDER BY id LIMIT {max}"
    );
    let mut count = 0;
    for id in sql::list(tx, posts, []).await? {
        if let Some(post) = posts::find(tx, PostId::from_uuid(id)).await? {
            index_post(tx, &post).await?;
            count += 1;
        }
    }
    let users = format!(
        "SELECT id FROM users WHERE status <> 'deleted' \
         AND NOT EXISTS (SELECT 1 FROM user_search WHERE user_id = users.id) LIMIT {max}"
    );
    for id in sql::list(tx, users, []).await? {
        if let Some(user) = users::find(tx, UserId::from_uuid(id)).await? {
            index_user(tx, &user).await?;
            count += 1;
        }
    }
    Ok(count + index_missing_hashtags(tx, max).await?)
}
