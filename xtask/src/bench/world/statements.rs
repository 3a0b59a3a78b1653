//! The statements that make the world.

use std::ops::Range;

use super::{
    BUSY, BUSY_CONVERSATIONS, BUSY_FOLLOWS, COMMON_TAG, CONVERSATIONS, Dialect, FINGERPRINT,
    FOLLOWERS_OF_OTHERS, FOLLOWS_PER_USER, ILLUSTRATED, LIKES_PER_POST, MESSAGES, NAME,
    POSTS_PER_CONVERSATION, READER, STAR, START_MS, TEXTS, UPLOAD_MS, WRITER, WRITERS, World, kind,
};

/// What the expressions of the statements are made of.
struct Sql {
    world: World,
    dialect: Dialect,
}

impl Sql {
    fn post_ms(&self, n: &str) -> String {
        format!("({START_MS} + 86400000 + ({n}) * {})", self.world.step_ms())
    }

    fn user(&self, u: &str) -> String {
        self.dialect.id(&format!("({START_MS} + {u})"), kind::USER, u)
    }

    fn post(&self, n: &str) -> String {
        self.dialect.id(&self.post_ms(n), kind::POST, n)
    }

    /// The author of post `n`.
    fn author(&self, n: &str) -> String {
        let user = self.user(&format!("(({n}) * 7919 % {})", self.world.users));
        format!("CASE WHEN ({n}) % 100 = 0 THEN {} ELSE {user} END", account(READER))
    }

    fn has_images(&self, n: &str) -> String {
        let World { posts, .. } = self.world;
        format!(
            "(({n}) >= {} OR ({n}) % 8 = 0 AND ({n}) >= {})",
            posts.saturating_sub(ILLUSTRATED),
            self.world.detailed_from()
        )
    }

    fn has_comment(&self, n: &str) -> String {
        format!("(({n}) % 2 = 0 AND ({n}) >= {})", self.world.detailed_from())
    }
}

fn account(username: &str) -> String {
    format!("(SELECT id FROM users WHERE username = '{username}')")
}

/// The statements that make the world, one per line, for `blegram-floor batch`. `terms` are the search terms of [`super::texts`].
pub(crate) fn statements(world: World, dialect: Dialect, terms: &[String]) -> String {
    let sql = Sql { world, dialect };
    let tables = "posts post_hashtags post_likes comments follows notifications media messages conversation_events \
                  conversation_members conversations post_search user_search";
    let mut all = vec![format!("@drop-indexes {tables}")];
    if dialect == Dialect::Postgres {
        // No checks of foreign keys row by row.
        all.push("SET session_replication_role = replica".into());
        all.push("SET maintenance_work_mem = '512MB'".into());
    } else {
        all.push("BEGIN".into());
    }
    all.extend(sql.users(terms));
    all.extend(sql.posts(terms));
    all.extend(sql.follows());
    all.push(sql.likes());
    all.push(sql.comments());
    all.extend(sql.images());
    all.extend(sql.conversations());
    if dialect == Dialect::Sqlite {
        all.push("COMMIT".into());
    }
    all.push("@create-indexes".into());
    all.extend(sql.counts());
    all.push(sql.notifications());
    all.extend(match dialect {
        Dialect::Sqlite => vec!["PRAGMA wal_checkpoint(TRUNCATE)".to_owned()],
        Dialect::Postgres => vec!["VACUUM ANALYZE".to_owned(), "CHECKPOINT".to_owned()],
    });
    all.into_iter().map(|statement| statement + "\n").collect()
}

impl Sql {
    fn users(&self, terms: &[String]) -> Vec<String> {
        let Self { world, dialect } = self;
        let (series, id) = (dialect.series(0, world.users), self.user("n"));
        let key = self.avatar_key("n");
        let name_terms = terms.last().map_or("", String::as_str);
        let terms = format!(
            "'x' || {} || ' {name_terms} ' || {}",
            match dialect {
                Dialect::Sqlite => "lower(hex('user' || n))".to_owned(),
                Dialect::Postgres => "encode(convert_to('user' || n, 'UTF8'), 'hex')".to_owned(),
            },
            dialect.term("n")
        );
        let mut all = vec![format!(
            "INSERT INTO users (id, username, username_skeleton, display_name, role, status, is_private, discoverable, created_at, \
             avatar_key) SELECT {id}, 'user' || n, 'user' || n, '{NAME} ' || n, 'user', 'active', FALSE, TRUE, \
             ({START_MS} + n) * 1000, {key} FROM {series}"
        )];
        all.extend(self.search("user_search", "user_id", &id, &terms, &series, 0));
        all
    }

    /// Fills a search index; `row` is the number of the first row.
    fn search(&self, table: &str, key: &str, id: &str, terms: &str, series: &str, row: u64) -> Vec<String> {
        match self.dialect {
            Dialect::Sqlite => vec![
                format!("INSERT INTO {table} (row_no, {key}) SELECT 1000 + {row} + n, {id} FROM {series}"),
                format!(
                    "INSERT INTO {table}_terms (rowid, terms) SELECT 1000 + {row} + n, {terms} FROM {series}"
                ),
            ],
            Dialect::Postgres => vec![format!(
                "INSERT INTO {table} ({key}, terms) SELECT {id}, to_tsvector('simple', {terms}) FROM {series}"
            )],
        }
    }

    fn posts(&self, terms: &[String]) -> Vec<String> {
        let Self { world, dialect } = self;
        let series = dialect.series(0, world.posts);
        let (id, author, ms) = (self.post("n"), self.author("n"), self.post_ms("n"));
        let case = |of: &dyn Fn(usize) -> String| {
            let arms = (0..TEXTS.len()).map(|number| format!("WHEN {number} THEN {}", of(number)));
            format!("CASE n % {} {} END", TEXTS.len(), arms.collect::<Vec<_>>().join(" "))
        };
        let text = case(&|number| format!("'{} '", TEXTS[number].0));
        let tags = case(&|number| format!("'[\"{COMMON_TAG}\",\"{}\"]'", TEXTS[number].1));
        let post_terms = case(&|number| format!("'{} '", terms.get(number).map_or("", String::as_str)));
        let image = |number: u64| self.dialect.id_text(&ms, kind::MEDIA, &format!("(n * 2 + {number})"));
        let images = format!(
            "CASE WHEN {} THEN '[\"' || {} || '\",\"' || {} || '\"]' ELSE '[]' END",
            self.has_images("n"),
            image(0),
            image(1)
        );
        let mut all = vec![format!(
            "INSERT INTO posts (id, author_id, text, media, hashtags, mentions, visibility, like_count, comment_count, created_at) \
             SELECT {id}, {author}, {text} || n, {}, {}, {}, 'public', \
             CASE WHEN n >= {} THEN {LIKES_PER_POST} ELSE 0 END, CASE WHEN {} THEN 1 ELSE 0 END, {ms} * 1000 FROM {series}",
            dialect.json(&images),
            dialect.json(&tags),
            dialect.json("'[]'"),
            world.posts - world.liked(),
            self.has_comment("n"),
        )];
        // In the order of the primary key.
        all.push(format!(
            "INSERT INTO post_hashtags (hashtag, post_id) SELECT '{COMMON_TAG}', {id} FROM {series}"
        ));
        all.extend(TEXTS.iter().enumerate().map(|(number, (_, tag))| {
            let count = TEXTS.len();
            format!("INSERT INTO post_hashtags (hashtag, post_id) SELECT '{tag}', {id} FROM {series} WHERE n % {count} = {number}")
        }));
        all.push("INSERT INTO hashtags (name, post_count) SELECT hashtag, count(*) FROM post_hashtags GROUP BY hashtag".into());
        let terms = format!("{post_terms} || {}", dialect.term("n"));
        all.extend(self.search("post_search", "post_id", &id, &terms, &series, 0));
        all
    }

    fn follows(&self) -> Vec<String> {
        let Self { world, dialect } = self;
        let World { users, followers, .. } = *world;
        let (each, stride) = (world.follows_per_user(), world.follow_stride());
        let insert = |id: &str, follower: &str, followee: &str, count: u64| {
            format!(
                "INSERT INTO follows (id, follower_id, followee_id) SELECT {id}, {follower}, {followee} FROM {}",
                dialect.series(0, count)
            )
        };
        let id =
            |offset: u64| dialect.id(&format!("({START_MS} + n)"), kind::FOLLOW, &format!("(n + {offset})"));
        let between = insert(
            &id(0),
            &self.user(&format!("(n / {each})")),
            &self.user(&format!("((n / {each} + 1 + n % {each} * {stride}) % {users})")),
            users.min(FOLLOWERS_OF_OTHERS) * each,
        );
        // Not round numbers, whose posts are the reader's.
        let some = |count: u64| format!("((n * {} + 1) % {users})", (users / count).max(1));
        let (few, many) = (FOLLOWS_PER_USER.min(users), BUSY_FOLLOWS.min(users));
        vec![
            between,
            insert(&id(1 << 40), &account(READER), &self.user(&some(few)), few),
            insert(&id(2 << 40), &account(BUSY), &self.user(&some(many)), many),
            insert(&id(3 << 40), &self.user("n"), &account(STAR), followers.min(users)),
        ]
    }

    fn likes(&self) -> String {
        let Self { world, dialect } = self;
        let post = format!("({} + n / {LIKES_PER_POST})", world.posts - world.liked());
        let number = format!("n % {LIKES_PER_POST}");
        let id = dialect.id(&format!("({} + 1 + {number})", self.post_ms(&post)), kind::LIKE, "n");
        let user = self.user(&format!("(({post} * 7919 + {number} + 1) % {})", world.users));
        let series = dialect.series(0, (world.liked() * LIKES_PER_POST).max(1));
        format!(
            "INSERT INTO post_likes (id, user_id, post_id) SELECT {id}, {user}, {} FROM {series}",
            self.post(&post)
        )
    }

    fn comments(&self) -> String {
        let Self { world, dialect } = self;
        let ms = format!("({} + 500)", self.post_ms("n"));
        let series = dialect.series(world.detailed_from(), world.posts);
        format!(
            "INSERT INTO comments (id, post_id, author_id, text, mentions, created_at) \
             SELECT {}, {}, {}, '사진 잘 보았습니다 ' || n, {}, {ms} * 1000 FROM {series} WHERE {}",
            dialect.id(&ms, kind::COMMENT, "n"),
            self.post("n"),
            self.user(&format!("(n * 31 % {})", world.users)),
            dialect.json("'[]'"),
            self.has_comment("n"),
        )
    }

    fn avatar_key(&self, u: &str) -> String {
        let owner = self.dialect.digits(&self.user(u));
        format!("'public/' || {owner} || '/{:020x}' || {}", kind::AVATAR, self.hex12(u))
    }

    /// Twelve hexadecimal digits.
    fn hex12(&self, n: &str) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("printf('%012x', {n})"),
            Dialect::Postgres => format!("lpad(to_hex({n}), 12, '0')"),
        }
    }

    fn images(&self) -> Vec<String> {
        let Self { world, dialect } = self;
        let variants = r#"[{"name":"thumb","width":320,"height":320,"byte_size":21034},{"name":"small","width":720,"height":540,"byte_size":68211},{"name":"large","width":1440,"height":1080,"byte_size":204877}]"#;
        let columns = "INSERT INTO media (id, owner_id, key, is_public, is_linked, blurhash, alt, variants, post_id, is_avatar, \
                       created_at, version)";
        let variants = dialect.json(&format!("'{variants}'"));
        let image = |number: u64| {
            let n = format!("(n * 2 + {number})");
            let owner = self.author("n");
            format!(
                "{columns} SELECT {}, {owner}, 'public/' || {} || '/{:020x}' || {}, TRUE, TRUE, \
                 'LEHV6nWB2yk8pyo0adR*.7kCMdnj', '강가의 저녁', {variants}, {}, FALSE, {} * 1000, 0 FROM {} WHERE {}",
                dialect.id(&self.post_ms("n"), kind::MEDIA, &n),
                dialect.digits(&format!("({owner})")),
                kind::MEDIA,
                self.hex12(&n),
                self.post("n"),
                self.post_ms("n"),
                dialect.series(world.detailed_from(), world.posts),
                self.has_images("n"),
            )
        };
        let avatars = format!(
            "{columns} SELECT {}, {}, {}, TRUE, TRUE, 'LEHV6nWB2yk8pyo0adR*.7kCMdnj', NULL, {variants}, NULL, TRUE, \
             ({START_MS} + n) * 1000, 0 FROM {}",
            dialect.id(&format!("({START_MS} + n)"), kind::AVATAR, "n"),
            self.user("n"),
            self.avatar_key("n"),
            dialect.series(0, world.users),
        );
        let (owner, uploads) = (
            format!("(SELECT id FROM users WHERE username = '{WRITER}' || (n / 2 % {WRITERS}))"),
            dialect.series(0, world.prepared * 2),
        );
        let uploads = format!(
            "{columns} SELECT {}, {owner}, 'public/' || {} || '/{:020x}' || {}, TRUE, TRUE, 'LEHV6nWB2yk8pyo0adR*.7kCMdnj', \
             '강가의 저녁', {variants}, NULL, FALSE, {UPLOAD_MS} * 1000, 0 FROM {uploads}",
            dialect.id(&UPLOAD_MS.to_string(), kind::UPLOAD, "n"),
            dialect.digits(&owner),
            kind::UPLOAD,
            self.hex12("n"),
        );
        [avatars, image(0), image(1)].into_iter().chain((world.prepared > 0).then_some(uploads)).collect()
    }

    /// Direct conversations: of the account [`READER`], of the account [`BUSY`], and of others, the more the more posts there
    /// are.
    fn conversations(&self) -> Vec<String> {
        let World { users, posts, .. } = self.world;
        let (few, many) = (CONVERSATIONS.min(users), BUSY_CONVERSATIONS.min(users));
        // The accounts of the world are older than those that log in, so their ids are smaller.
        let mut all = self.direct(0..few, &|n| self.user(n), &|_| account(READER));
        let busy = few + many;
        all.extend(self.direct(few..busy, &|n| self.user(&format!("({n} - {few})")), &|_| account(BUSY)));
        // Each of the older half of the accounts with each of the other half, once.
        let half = users / 2;
        let others = busy + (posts / POSTS_PER_CONVERSATION).min(half * half);
        let older = |n: &str| self.user(&format!("(({n} - {busy}) % {half})"));
        let newer = |n: &str| self.user(&format!("({half} + ({n} - {busy}) / {half})"));
        all.extend(self.direct(busy..others, &older, &newer));
        if self.dialect == Dialect::Sqlite {
            all.push(format!("UPDATE change_counter SET last = {others} WHERE last < {others}"));
        }
        all
    }

    /// The direct conversations with these numbers, each with the same number of messages. `low` and `high` are the members of
    /// a conversation, by its number; the id of `low` is the smaller.
    fn direct(
        &self,
        numbers: Range<u64>,
        low: &dyn Fn(&str) -> String,
        high: &dyn Fn(&str) -> String,
    ) -> Vec<String> {
        let dialect = self.dialect;
        let ms = format!("({START_MS} + 86400000 + n * 1000)");
        let id = dialect.id(&ms, kind::CONVERSATION, "n");
        let conversations = dialect.series(numbers.start, numbers.end);
        // Message `n` belongs to conversation `n / MESSAGES`.
        let of = format!("(n / {MESSAGES})");
        let of_id = dialect.id(&format!("({START_MS} + 86400000 + {of} * 1000)"), kind::CONVERSATION, &of);
        let at = format!("({START_MS} + 86400000 + {of} * 1000 + 1 + n % {MESSAGES})");
        let message = dialect.id(&at, kind::MESSAGE, "n");
        let seq = format!("(n % {MESSAGES} + 1)");
        let messages = dialect.series(numbers.start * MESSAGES, numbers.end * MESSAGES);
        let last = dialect.id(
            &format!("({ms} + {MESSAGES})"),
            kind::MESSAGE,
            &format!("(n * {MESSAGES} + {})", MESSAGES - 1),
        );
        let change = dialect.change("n");
        let member = |user: &str| {
            format!(
                "INSERT INTO conversation_members (conversation_id, user_id, joined_at, read_no, is_muted, updated_at, changed_no) \
                 SELECT {id}, {user}, {ms} * 1000, {MESSAGES}, FALSE, {ms} * 1000, {change} FROM {conversations}"
            )
        };
        let [low_member, high_member] = [low("n"), high("n")];
        vec![
            format!(
                "INSERT INTO conversations (id, kind, pair_low, pair_high, last_seq, last_message_no, last_message_id, activity_id, \
                 created_at, updated_at, changed_no, begun_no, activity_no) SELECT {id}, 'direct', {low_member}, {high_member}, \
                 {MESSAGES}, {MESSAGES}, {last}, {last}, {ms} * 1000, {ms} * 1000, {change}, {change}, {change} \
                 FROM {conversations}"
            ),
            member(&low_member),
            member(&high_member),
            format!(
                "INSERT INTO messages (id, conversation_id, seq, message_no, sender_id, client_id, fingerprint, text, media, created_at) \
                 SELECT {message}, {of_id}, {seq}, {seq}, CASE WHEN n % 2 = 0 THEN {} ELSE {} END, {}, '{FINGERPRINT}', \
                 '내일 몇 시에 볼까요? ' || n, {}, {at} * 1000 FROM {messages}",
                high(&of),
                low(&of),
                dialect.id(&at, kind::CLIENT, "n"),
                dialect.json("'[]'"),
            ),
            format!(
                "INSERT INTO conversation_events (conversation_id, seq, kind, message_id, created_at, changed_no) \
                 SELECT {of_id}, {seq}, 'message.created', {message}, {at} * 1000, {} FROM {messages}",
                dialect.change(&of),
            ),
        ]
    }

    /// The counts that do not follow from a row's number.
    fn counts(&self) -> Vec<String> {
        let posts = "SELECT count(*) FROM posts WHERE author_id = users.id AND deleted_at IS NULL";
        let followers = "SELECT count(*) FROM follows WHERE followee_id = users.id";
        let following = "SELECT count(*) FROM follows WHERE follower_id = users.id";
        vec![
            format!("UPDATE users SET post_count = ({posts}), follower_count = ({followers}), following_count = ({following})"),
            "INSERT INTO media_usage (user_id, files, bytes) SELECT owner_id, count(*), CAST(sum(byte_size) AS bigint) FROM media \
             GROUP BY owner_id"
                .into(),
        ]
    }

    /// A notification of the account [`READER`] for each like of its posts.
    fn notifications(&self) -> String {
        format!(
            "INSERT INTO notifications (id, user_id, kind, actor_id, post_id, object_id, created_at) \
             SELECT l.id, p.author_id, 'post_like', l.user_id, p.id, p.id, p.created_at + 1000 \
             FROM posts p JOIN post_likes l ON l.post_id = p.id WHERE p.author_id = {} AND l.user_id <> p.author_id ORDER BY l.id",
            account(READER)
        )
    }
}
