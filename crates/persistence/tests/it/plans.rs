//! Query plans on 20,000 posts: every query uses an index, without sorting or scanning a table.

use blegram_domain::{
    ClientId, Comment, CommentId, ConversationId, EmailAddress, Hashtag, Job, PageRequest, PostId, SessionId,
    UserId, Username, Visibility,
    page::{Limit, Scope},
};
use blegram_persistence::{
    bookmarks,
    changes::{self, ChangePosition},
    comments, conversations, emails, factors, follows, hydration, jobs,
    likes::{self, LikeTarget},
    login_challenges, media, media_usage, messages, notifications, passkey_ceremonies, post_hashtags, posts,
    recovery_codes, relations, sessions, suggestions,
    testing::{Backend, TestDatabase},
    timelines, users,
};
use rstest_reuse::apply;
use sea_orm::prelude::Uuid;

use crate::{both_databases, insert_user, new_post, now};

/// 2,000 users with 10 posts each, one in four of them for followers only, and up-to-date statistics (`ANALYZE`).
pub(crate) async fn crowd(backend: Backend) -> (TestDatabase, UserId) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let (series, id, json) = match backend {
        Backend::Sqlite => (
            "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {count})",
            "unhex(printf('%032x', {n}))",
            "'[]'",
        ),
        Backend::Postgres => (
            "WITH series(n) AS (SELECT generate_series(1, {count}))",
            "lpad(to_hex({n}), 32, '0')::uuid",
            "'[]'::jsonb",
        ),
    };
    let users = format!(
        "{} INSERT INTO users (id, username, username_skeleton, display_name, role, status, is_private, discoverable, created_at) \
         SELECT {}, 'user' || n, 'user' || n, 'user', 'user', 'active', false, true, 0 FROM series",
        series.replace("{count}", "2000"),
        id.replace("{n}", "n"),
    );
    let posts = format!(
        "{} INSERT INTO posts (id, author_id, text, hashtags, mentions, visibility, created_at) \
         SELECT {}, {}, 'text', {json}, {json}, CASE WHEN n % 4 = 0 THEN 'followers' ELSE 'public' END, 0 FROM series",
        series.replace("{count}", "20000"),
        id.replace("{n}", "n"),
        id.replace("{n}", "n % 2000 + 1"),
    );
    let sessions = format!(
        "{} INSERT INTO sessions (id, user_id, token_hash, created_at, last_seen_at, expires_at) \
         SELECT {}, {}, {}, 0, 0, 0 FROM series",
        series.replace("{count}", "20000"),
        id.replace("{n}", "n"),
        id.replace("{n}", "n % 2000 + 1"),
        if backend == Backend::Sqlite {
            "unhex(printf('%064x', n))"
        } else {
            "decode(lpad(to_hex(n), 64, '0'), 'hex')"
        },
    );
    let pairs = |table: &str, first: &str, second: &str, one: &str, other: &str, count: u32| {
        format!(
            "{} INSERT INTO {table} (id, {first}, {second}) SELECT {}, {one}, {other} FROM series",
            series.replace("{count}", &count.to_string()),
            id.replace("{n}", "n"),
        )
    };
    // The first user follows everyone, the others ten accounts each; every user likes and bookmarks ten posts.
    let (first, nth) = (id.replace("{n}", "1"), id.replace("{n}", "n"));
    let [some, others] = ["n % 1999 + 2", "n % 2000 + 1"].map(|n| id.replace("{n}", n));
    let by = format!("CASE WHEN n <= 2000 THEN {first} ELSE {some} END");
    let follows = pairs("follows", "follower_id", "followee_id", &by, &others, 20_000);
    let likes = pairs("post_likes", "user_id", "post_id", &others, &some, 20_000);
    let bookmarks = pairs("bookmarks", "user_id", "post_id", &others, &some, 20_000);
    let comments = format!(
        "{} INSERT INTO comments (id, post_id, parent_id, author_id, text, mentions, created_at) \
         SELECT {nth}, {}, CASE WHEN n % 2 = 0 THEN {} END, {first}, 'text', {json}, 0 FROM series",
        series.replace("{count}", "20000"),
        id.replace("{n}", "n % 100 + 1"),
        id.replace("{n}", "n - 1"),
    );
    let notifications = format!(
        "{} INSERT INTO notifications (id, user_id, kind, actor_id, post_id, object_id, created_at) \
         SELECT {nth}, {}, 'post_like', {first}, {nth}, {nth}, 0 FROM series",
        series.replace("{count}", "20000"),
        id.replace("{n}", "n % 2000 + 1"),
    );
    // One hashtag that every post has, and one that a few have.
    let tags = "INSERT INTO post_hashtags (hashtag, post_id) SELECT 'jeju', id FROM posts WHERE visibility = 'public'";
    let rare = "INSERT INTO post_hashtags (hashtag, post_id) SELECT 'rare', id FROM posts LIMIT 5";
    let relations = [&follows, &likes, &bookmarks, &comments, &notifications].map(String::as_str);
    for statement in [&*users, &posts, &sessions].into_iter().chain(relations).chain([tags, rare, "ANALYZE"])
    {
        database.execute(statement).await;
    }
    database.take_statements();
    (database, ann)
}

fn pages() -> Vec<PageRequest> {
    let scope = Scope::new("list", &[]);
    let some = PostId::generate(now()).as_uuid();
    let first = PageRequest::new(scope, Limit::default(), None, None);
    let since = PageRequest::new(scope, Limit::default(), None, Some(some));
    let mut pages = vec![first, since];
    let cursors = first.page_keys(vec![some; 21]).into_page::<()>(vec![]);
    for cursor in [cursors.next, cursors.prev] {
        pages.push(PageRequest::new(scope, Limit::default(), cursor, None));
    }
    pages
}

/// Asserts that `index` serves each statement since the last call.
async fn assert_plans(database: &TestDatabase, index: &str) {
    let statements = database.take_statements();
    assert!(!statements.is_empty());
    for statement in statements {
        // The table of images is empty here.
        let plan = database.plan(&statement).await.replace("Seq Scan on media", "");
        let is_good = plan.contains(index)
            && ![
                "SCAN posts\n",
                "SCAN post_hashtags",
                "SCAN follows",
                "SCAN comments",
                "Seq Scan",
                "Sort",
                "TEMP B-TREE",
            ]
            .iter()
            .any(|bad| plan.contains(bad));
        assert!(is_good, "{statement}\n{plan}");
    }
    // `EXPLAIN` statements are recorded, too.
    database.take_statements();
}

#[apply(both_databases)]
#[tokio::test]
async fn post_lists_use_an_index(#[case] backend: Backend) {
    let (database, ann) = crowd(backend).await;
    for page in pages() {
        timelines::list_public(database.db(), None, &page).await.unwrap();
        assert_plans(&database, "posts_public_id").await;
        posts::list_ids_of_author(database.db(), ann, None, &page).await.unwrap();
        assert_plans(&database, "posts_author_id_id").await;
        posts::list_ids_of_author(database.db(), ann, Some(Visibility::Public), &page).await.unwrap();
        assert_plans(&database, "posts_author_id_id").await;
        for tag in ["jeju", "rare", "none"] {
            let tag = Hashtag::parse(tag).unwrap();
            post_hashtags::list_post_ids(database.db(), &tag, &page).await.unwrap();
            let index = if backend == Backend::Sqlite { "post_hashtags" } else { "post_hashtags_pkey" };
            assert_plans(&database, index).await;
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn second_factor_lookups_use_an_index(#[case] backend: Backend) {
    let (database, ann) = crowd(backend).await;
    let hash = "(SELECT token_hash FROM sessions WHERE sessions.id = posts.id)";
    for statement in [
        format!(
            "INSERT INTO factors (id, user_id, kind, created_at, confirmed_at, credential_id) \
             SELECT id, author_id, 'passkey', 0, 0, {hash} FROM posts"
        ),
        format!("INSERT INTO recovery_codes (user_id, code_hash) SELECT author_id, {hash} FROM posts"),
        format!(
            "INSERT INTO login_challenges (token_hash, user_id, kind, attempts, expires_at) \
             SELECT {hash}, author_id, 'browser', 0, 0 FROM posts"
        ),
        format!(
            "INSERT INTO passkey_ceremonies (challenge, user_id, state, expires_at) \
             SELECT {hash}, author_id, {hash}, 0 FROM posts"
        ),
        "ANALYZE".to_owned(),
    ] {
        database.execute(&statement).await;
    }
    database.take_statements();
    // Not `list`: PostgreSQL sorts the few factors that an account may have.
    factors::list_kinds(database.db(), ann).await.unwrap();
    factors::find_totp(database.db(), ann).await.unwrap();
    assert_plans(&database, "factors_user_id").await;
    factors::find_passkey(database.db(), &[7; 32]).await.unwrap();
    assert_plans(&database, "factors_credential_id").await;
    recovery_codes::count_unused(database.db(), ann).await.unwrap();
    login_challenges::find(database.db(), &[7; 32]).await.unwrap();
    passkey_ceremonies::find(database.db(), &[7; 32]).await.unwrap();
    assert_plans(&database, if backend == Backend::Sqlite { "SEARCH" } else { "_pkey" }).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn lookups_use_an_index(#[case] backend: Backend) {
    let (database, ann) = crowd(backend).await;
    let name = Username::parse("ann").unwrap();
    users::find_by_username(database.db(), &name).await.unwrap();
    assert_plans(&database, "username").await;
    sessions::find_by_token_hash(database.db(), &[7; 32]).await.unwrap();
    assert_plans(&database, "token_hash").await;
    let session = SessionId::from_uuid(Uuid::from_u128(1));
    sessions::list(database.db(), &[session]).await.unwrap();
    let tx = database.db().write().await.unwrap();
    sessions::update_all_last_seen(&tx, &[session], now()).await.unwrap();
    tx.commit().await.unwrap();
    let by_id = if backend == Backend::Sqlite { "SEARCH sessions USING INDEX" } else { "sessions_pkey" };
    assert_plans(&database, by_id).await;
    sessions::list_last_seen(database.db(), &[ann]).await.unwrap();
    assert_plans(&database, "sessions_user_id_id").await;
    users::list_summaries(database.db(), &[ann]).await.unwrap();
    posts::find(database.db(), PostId::generate(now())).await.unwrap();
    assert_plans(&database, if backend == Backend::Sqlite { "SEARCH" } else { "_pkey" }).await;
    let key = EmailAddress::parse("ann@example.com").unwrap().key();
    emails::find_account(database.db(), &key).await.unwrap();
    emails::find_credentials(database.db(), &key).await.unwrap();
    assert_plans(&database, "users_email_key").await;
    jobs::find_next_run_at(database.db(), Job::KINDS).await.unwrap();
    // There are few jobs, so PostgreSQL may scan the table.
    if backend == Backend::Sqlite {
        assert_plans(&database, "jobs_run_at").await;
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn activity_lists_use_an_index(#[case] backend: Backend) {
    let (database, _) = crowd(backend).await;
    let db = database.db();
    let first = UserId::from_uuid(Uuid::from_u128(1));
    let (post, comment) = (PostId::from_uuid(Uuid::from_u128(1)), CommentId::from_uuid(Uuid::from_u128(1)));
    for page in pages() {
        follows::list_followers(db, first, &page).await.unwrap();
        assert_plans(&database, "follows_followee_id_id").await;
        follows::list_following(db, first, &page).await.unwrap();
        assert_plans(&database, "follows_follower_id_id").await;
        likes::list_likers(db, LikeTarget::Post(post), &page).await.unwrap();
        assert_plans(&database, "post_likes_post_id_id").await;
        likes::list_liked_posts(db, first, &page).await.unwrap();
        assert_plans(&database, "post_likes_user_id_id").await;
        bookmarks::list_posts(db, first, &page).await.unwrap();
        assert_plans(&database, "bookmarks_user_id_id").await;
        comments::list_ids_of_post(db, post, &page).await.unwrap();
        assert_plans(&database, "comments_post_id_").await;
        comments::list_ids_of_parent(db, comment, &page).await.unwrap();
        assert_plans(&database, "comments_parent_id_id").await;
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn posts_are_hydrated_by_indexes(#[case] backend: Backend) {
    let (database, ann) = crowd(backend).await;
    let ids: Vec<PostId> = (1..=20).map(|n| PostId::from_uuid(Uuid::from_u128(n))).collect();
    for viewer in [None, Some(ann)] {
        for ids in [&ids[..1], &ids] {
            let posts = hydration::list_posts(database.db(), viewer, ids).await.unwrap();
            assert_eq!(posts.len(), ids.len());
            let statements = database.take_statements();
            assert_eq!(statements.len(), 1);
            let plan = database.plan(&statements[0]).await;
            // The other tables are small here and may be scanned.
            let tables =
                ["posts", "users", "author", "mentioned", "media", "follows", "post_likes", "bookmarks"];
            for table in tables {
                assert!(!plan.contains(&format!("SCAN {table}")), "{plan}");
            }
            for table in ["posts", "users", "follows", "post_likes", "bookmarks"] {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{plan}");
            }
            database.take_statements();
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn notifications_use_the_index_of_their_recipient(#[case] backend: Backend) {
    let (database, _) = crowd(backend).await;
    let first = UserId::from_uuid(Uuid::from_u128(1));
    for page in pages() {
        notifications::list_ids(database.db(), first, &page).await.unwrap();
        for statement in database.take_statements() {
            let plan = database.plan(&statement).await;
            assert!(plan.contains("notifications_user_id_id"), "{plan}");
            // Subjects are looked up by id. The tables of blocks and mutes are small here and may be scanned.
            for bad in [
                "SCAN notifications",
                "SCAN posts",
                "Seq Scan on notifications",
                "Seq Scan on posts",
                "TEMP B-TREE",
            ] {
                assert!(!plan.contains(bad), "{statement}\n{plan}");
            }
        }
        database.take_statements();
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn relations_to_an_author_use_an_index_lookup_per_viewer(#[case] backend: Backend) {
    let (database, _) = crowd(backend).await;
    let ids: Vec<_> = (1..=2_000).map(|n| UserId::from_uuid(Uuid::from_u128(n))).collect();
    relations::list_toward(database.db(), ids[0], &ids).await.unwrap();
    let statements = database.take_statements();
    assert_eq!(statements.len(), 1);
    let plan = database.plan(&statements[0]).await;
    // The tables of blocks and mutes are empty here and may be scanned.
    for bad in ["SCAN follows", "Seq Scan on follows"] {
        assert!(!plan.contains(bad), "{plan}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn mutual_followers_use_the_index_of_each_followed_account(#[case] backend: Backend) {
    let (database, _) = crowd(backend).await;
    let ids: Vec<_> = (1..=50).map(|n| UserId::from_uuid(Uuid::from_u128(n))).collect();
    suggestions::list_mutuals(database.db(), ids[0], &ids).await.unwrap();
    let statements = database.take_statements();
    assert_eq!(statements.len(), 1);
    let plan = database.plan(&statements[0]).await;
    // Not the followers of each of the 50, who may be many.
    for bad in ["SCAN follows", "SCAN theirs", "Seq Scan on follows", "follows_followee_id"] {
        assert!(!plan.contains(bad), "{plan}");
    }
}

/// On PostgreSQL, an `INSERT` checks for newer rows.
#[tokio::test]
async fn newer_rows_are_found_by_index() {
    let (database, ann) = crowd(Backend::Postgres).await;
    let tx = database.db().write().await.unwrap();
    let post = PostId::from_uuid(Uuid::from_u128(7));
    posts::insert(&tx, &mut new_post(ann, "new"), now()).await.unwrap();
    likes::insert_post_like(&tx, ann, (post, ann), now()).await.unwrap();
    let parent = CommentId::from_uuid(Uuid::from_u128(7));
    for parent in [None, Some(parent)] {
        let mut comment = Comment {
            id: parent.unwrap_or(CommentId::generate(now())),
            post,
            parent,
            author: Some(ann),
            text: "new".to_owned(),
            mentions: Vec::new(),
            like_count: 0,
            reply_count: 0,
            created_at: now(),
            edited_at: None,
            deleted_at: None,
            version: 0,
        };
        comments::insert(&tx, &mut comment, now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let statements = database.take_statements();
    let checks: Vec<_> = statements.iter().filter(|statement| statement.contains("coalesce")).collect();
    assert_eq!(checks.len(), 4, "{statements:?}");
    for statement in checks {
        let plan = database.plan(statement).await;
        assert!(!plan.contains("Seq Scan") && !plan.contains("Sort"), "{statement}\n{plan}");
    }
}

/// One index lookup per author, for a user who follows 2,000 accounts and for one who follows none.
#[apply(both_databases)]
#[tokio::test]
async fn home_timeline_uses_the_index_of_each_author(#[case] backend: Backend) {
    let (database, quiet) = crowd(backend).await;
    let first = UserId::from_uuid(Uuid::from_u128(1));
    for reader in [first, quiet] {
        for page in pages() {
            timelines::list_home(database.db(), reader, &page).await.unwrap();
            for statement in database.take_statements() {
                let plan = database.plan(&statement).await;
                assert!(plan.contains("posts_author_id_id"), "{plan}");
                // Only the newest posts of each author are sorted: SQLite leaves an author once the page is full of
                // newer posts, PostgreSQL has a limit per author.
                for bad in ["SCAN posts\n", "Seq Scan on posts", "MULTI-INDEX OR"] {
                    assert!(!plan.contains(bad), "{statement}\n{plan}");
                }
            }
            database.take_statements();
        }
    }
}

/// A conversation with many messages, a user in many conversations, and images of many users.
#[apply(both_databases)]
#[tokio::test]
async fn conversations_and_images_use_an_index(#[case] backend: Backend) {
    let (database, ann) = crowd(backend).await;
    let series = match backend {
        Backend::Sqlite => {
            "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < 20000)"
        }
        Backend::Postgres => "WITH series(n) AS (SELECT generate_series(1, 20000))",
    };
    let (id, json) = match backend {
        Backend::Sqlite => ("unhex(printf('%032x', {n}))", "'[]'"),
        Backend::Postgres => ("lpad(to_hex({n}), 32, '0')::uuid", "'[]'::jsonb"),
    };
    let nth = |n: &str| id.replace("{n}", n);
    let fingerprint = "00".repeat(32);
    for statement in [
        format!(
            "{series} INSERT INTO conversations (id, kind, activity_id, created_at, updated_at, begun_no) \
             SELECT {0}, 'group', {0}, 0, 0, n FROM series",
            nth("n")
        ),
        format!(
            "{series} INSERT INTO conversation_members (conversation_id, user_id, joined_at, is_muted, updated_at) \
             SELECT {}, {}, 0, false, 0 FROM series",
            nth("n"),
            nth("n % 2000 + 1")
        ),
        format!(
            "{series} INSERT INTO messages (id, conversation_id, seq, message_no, sender_id, client_id, fingerprint, \
             text, media, created_at) SELECT {0}, {1}, n, n, {2}, {0}, '{fingerprint}', 'text', {json}, 0 FROM series",
            nth("n"),
            nth("n % 10 + 1"),
            nth("n % 2000 + 1")
        ),
        format!(
            "{series} INSERT INTO conversation_events (conversation_id, seq, kind, message_id, created_at, changed_no) \
             SELECT {}, n, 'message.created', {}, 0, n FROM series",
            nth("n % 10 + 1"),
            nth("n")
        ),
        format!(
            "{series} INSERT INTO media (id, owner_id, key, is_public, is_linked, blurhash, variants, post_id, is_avatar, \
             created_at, version) SELECT {0}, {1}, 'key' || n, true, false, '', {json}, CASE WHEN n % 2 = 0 THEN {0} END, false, n, 0 \
             FROM series",
            nth("n"),
            nth("n % 2000 + 1")
        ),
        "ANALYZE".to_owned(),
    ] {
        database.execute(&statement).await;
    }
    database.take_statements();
    let db = database.db();
    let some = ConversationId::from_uuid(Uuid::from_u128(2));
    let first: PageRequest<u64> = PageRequest::new(Scope::new("list", &[]), Limit::default(), None, None);
    messages::list(db, some, 0, &first).await.unwrap();
    assert_plans(&database, "messages_no").await;
    messages::list_by_client_ids(db, &[(ann, ClientId::from_uuid(Uuid::from_u128(7)))]).await.unwrap();
    assert_plans(&database, "messages_once").await;
    conversations::list_events(db, some, 19_000, 100).await.unwrap();
    let key = if backend == Backend::Sqlite { "conversation_events" } else { "conversation_events_pkey" };
    assert_plans(&database, key).await;
    media::list_of(db, media::MediaFilter::Post(PostId::from_uuid(Uuid::from_u128(30_000))), 50)
        .await
        .unwrap();
    assert_plans(&database, "media_post_id").await;
    media::list_unused(db, now(), 50).await.unwrap();
    assert_plans(&database, "media_unused").await;
    media_usage::find(db, ann).await.unwrap();
    let statements = database.take_statements();
    assert_eq!(statements.len(), 1);
    let plan = database.plan(&statements[0]).await;
    // The tables of usages and uploads are empty here and may be scanned.
    assert!(plan.contains("media_unattached") && !plan.contains("SCAN media\n"), "{plan}");
    database.take_statements();
    // Reads only recent events and new conversations. PostgreSQL may scan the members.
    let until = changes::position(db).await.unwrap();
    let since = ChangePosition { end: 1, ..until.clone() };
    database.take_statements();
    conversations::list_changed_heads(db, &[ann], (Some(&since), &until), None, 1_000).await.unwrap();
    for statement in database.take_statements() {
        let plan = database.plan(&statement).await;
        assert!(plan.contains("conversation_events_changed_no"), "{plan}");
        let scans = [
            "SCAN conversation",
            "SCAN c\n",
            "SCAN m",
            "Seq Scan on conversations",
            "Seq Scan on conversation_events",
        ];
        assert!(!scans.iter().any(|scan| plan.contains(scan)), "{plan}");
    }
    database.take_statements();
    conversations::list_sharing_conversation(db, ann, &[UserId::from_uuid(Uuid::from_u128(1))])
        .await
        .unwrap();
    assert_plans(&database, "conversation_members_user_id").await;
    conversations::list_changed(db, UserId::from_uuid(Uuid::from_u128(1)), Some(&since), None, 100)
        .await
        .unwrap();
    assert_plans(&database, "conversation_members_user_id").await;
    // Only the user's own conversations are sorted.
    let user = UserId::from_uuid(Uuid::from_u128(1));
    let first = PageRequest::new(Scope::new("list", &[]), Limit::default(), None, None);
    let (page_keys, _) = conversations::list_of(db, user, &first).await.unwrap();
    let cursors = page_keys.into_page::<()>(vec![]);
    let mut pages = vec![first];
    for cursor in [cursors.next, cursors.prev] {
        pages.push(PageRequest::new(Scope::new("list", &[]), Limit::default(), cursor, None));
    }
    for page in pages {
        database.take_statements();
        conversations::list_of(db, user, &page).await.unwrap();
        let statements = database.take_statements();
        // The first statement reads the current position.
        for statement in &statements[1..] {
            let plan = database.plan(statement).await;
            assert!(plan.contains("conversation_members_user_id"), "{plan}");
            for bad in [
                "SCAN conversations",
                "SCAN c",
                "Seq Scan on conversations",
                "Seq Scan on conversation_members",
            ] {
                assert!(!plan.contains(bad), "{statement}\n{plan}");
            }
        }
        database.take_statements();
    }
}
