use blegram_domain::{
    Hashtag, PageRequest,
    media::quota::{Amount, Usage},
    page::{Limit, Scope},
};
use blegram_migration::Schema;
use blegram_persistence::{
    Db, Settings, hashtags, media_usage, post_hashtags, posts,
    testing::{Backend, TestDatabase},
};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, insert_user};

#[apply(both_databases)]
#[tokio::test]
async fn migrations_can_be_reverted_and_applied_again(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let changes = schema.status().await.unwrap();
    assert!(changes.iter().all(|change| change.is_applied), "{changes:?}");

    for left in (0..changes.len()).rev() {
        schema.down(1).await.unwrap();
        let applied = schema.status().await.unwrap().iter().filter(|change| change.is_applied).count();
        assert_eq!(applied, left);
    }
    assert!(!schema.is_current().await.unwrap());

    schema.up().await.unwrap();
    assert!(schema.is_current().await.unwrap());
    insert_user(&database, "ann").await;
}

#[apply(both_databases)]
#[tokio::test]
async fn migrations_applied_twice_change_nothing(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    insert_user(&database, "ann").await;
    Schema::connect(database.url()).await.unwrap().up().await.unwrap();
    insert_user(&database, "bob").await;
}

#[apply(both_databases)]
#[tokio::test]
async fn open_applies_pending_migrations_and_connects(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let count = schema.status().await.unwrap().len();
    schema.down(count.try_into().unwrap()).await.unwrap();

    let settings = Settings::new(database.url());
    let opened = Db::open(&settings).await.unwrap();
    assert!(schema.is_current().await.unwrap());
    insert_user(&database, "ann").await;
    opened.close().await.unwrap();
    // Nothing is pending now.
    Db::open(&settings).await.unwrap().close().await.unwrap();
    assert_eq!(database.count("users").await, 1);
}

#[tokio::test]
async fn migrations_by_concurrent_nodes_take_turns() {
    let database = TestDatabase::new(Backend::Postgres).await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let count = schema.status().await.unwrap().len();
    schema.down(count.try_into().unwrap()).await.unwrap();

    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let url = database.url().to_owned();
        nodes.spawn(async move { Schema::connect(&url).await.unwrap().up().await });
    }
    for up in nodes.join_all().await {
        up.unwrap();
    }
    assert!(schema.is_current().await.unwrap());
}

#[apply(both_databases)]
#[tokio::test]
async fn post_hashtags_migration_indexes_existing_posts(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    let schema = Schema::connect(database.url()).await.unwrap();
    let changes = schema.status().await.unwrap();
    let later = changes.iter().rev().position(|change| change.name.ends_with("_post_hashtags")).unwrap();
    schema.down(u32::try_from(later + 1).unwrap()).await.unwrap();
    let id = |n: u8| match backend {
        Backend::Sqlite => format!("unhex(printf('%032x', {n}))"),
        Backend::Postgres => format!("lpad(to_hex({n}), 32, '0')::uuid"),
    };
    for (n, tags, visibility) in
        [(1, r#"["제주", "sea"]"#, "public"), (2, r#"["sea"]"#, "followers"), (3, "[]", "public")]
    {
        let author = "(SELECT id FROM users)";
        let sql = format!(
            "INSERT INTO posts (id, author_id, text, hashtags, mentions, visibility, created_at) \
             VALUES ({}, {author}, 'old', '{tags}', '[]', '{visibility}', 0)",
            id(n)
        );
        database.execute(&sql).await;
    }
    schema.up().await.unwrap();
    let page = PageRequest::new(Scope::new("list", &[]), Limit::default(), None, None);
    for (tag, count) in [("제주", 1), ("sea", 1), ("none", 0)] {
        let tag = Hashtag::parse(tag).unwrap();
        let found = post_hashtags::list_post_ids(database.db(), &tag, &page).await.unwrap();
        assert_eq!(found.keys().len(), count, "{tag}");
    }
    for (tag, count) in [("제주", 1), ("sea", 1), ("none", 0)] {
        let tag = Hashtag::parse(tag).unwrap();
        assert_eq!(hashtags::find_post_count(database.db(), &tag).await.unwrap(), count, "{tag}");
    }
    let tx = database.db().write().await.unwrap();
    let all = posts::Removed::Of(ann);
    assert_eq!(post_hashtags::delete_below(&tx, all, 1).await.unwrap(), 1);
    assert_eq!(post_hashtags::delete_below(&tx, all, 10).await.unwrap(), 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn media_usage_migration_counts_existing_images(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [insert_user(&database, "ann").await, insert_user(&database, "bob").await];
    let schema = Schema::connect(database.url()).await.unwrap();
    let changes = schema.status().await.unwrap();
    let later = changes.iter().rev().position(|change| change.name.ends_with("_media_usage")).unwrap();
    schema.down(u32::try_from(later + 1).unwrap()).await.unwrap();
    let variant = |name, bytes| format!(r#"{{"name":"{name}","width":1,"height":1,"byte_size":{bytes}}}"#);
    let variants = [variant("thumb", 1), variant("small", 20), variant("large", 300)].join(",");
    for (n, is_avatar, deleted_at) in [(1, "true", "NULL"), (2, "false", "NULL"), (3, "false", "7")] {
        let id = match backend {
            Backend::Sqlite => format!("unhex(printf('%032x', {n}))"),
            Backend::Postgres => format!("lpad(to_hex({n}), 32, '0')::uuid"),
        };
        let sql = format!(
            "INSERT INTO media (id, owner_id, key, is_public, is_linked, blurhash, variants, is_avatar, created_at, \
             version, deleted_at) VALUES ({id}, (SELECT id FROM users WHERE username = 'ann'), '{n}', false, false, '', \
             '[{variants}]', {is_avatar}, 0, 0, {deleted_at})"
        );
        database.execute(&sql).await;
    }
    schema.up().await.unwrap();
    let usage = media_usage::find(database.db(), ann).await.unwrap();
    let amount = |files, bytes| Amount { files, bytes };
    assert_eq!(usage, Usage { total: amount(2, 642), unattached: amount(1, 321) });
    assert_eq!(media_usage::find(database.db(), bob).await.unwrap(), Usage::default());
}
