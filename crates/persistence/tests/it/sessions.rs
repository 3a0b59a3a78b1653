use std::time::Duration;

use blegram_domain::{Session, SessionId, Timestamp, UserId, session::Kind};
use blegram_persistence::{
    sessions::{self, IdleSince, TokenHash},
    testing::{Backend, TestDatabase},
};
use rstest_reuse::apply;

use crate::{both_databases, insert_user, now};

const DAY: Duration = Duration::from_secs(86_400);

async fn log_in(database: &TestDatabase, user: UserId, hash: TokenHash, at: Timestamp) {
    log_in_with_limit(20, database, user, hash, at).await;
}

async fn log_in_with_limit(
    max_sessions: u64,
    database: &TestDatabase,
    user: UserId,
    hash: TokenHash,
    at: Timestamp,
) {
    let tx = database.db().write().await.unwrap();
    let session = Session {
        id: SessionId::generate(at),
        user,
        kind: Kind::Browser,
        device_name: None,
        user_agent: None,
        address: None,
        provider: None,
        created_at: at,
        last_seen_at: at,
        expires_at: at + 30 * DAY,
    };
    sessions::insert(&tx, &session, Some(hash), None, None).await.unwrap();
    let idle = IdleSince { browser: at - 7 * DAY, native: at - 30 * DAY };
    sessions::prune(&tx, user, max_sessions, at, idle).await.unwrap();
    tx.commit().await.unwrap();
}

async fn exists(database: &TestDatabase, hash: TokenHash) -> bool {
    sessions::find_by_token_hash(database.db(), &hash).await.unwrap().is_some()
}

#[apply(both_databases)]
#[tokio::test]
async fn oldest_session_is_deleted_above_the_limit(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [insert_user(&database, "ann").await, insert_user(&database, "bob").await];
    log_in(&database, bob, [99; 32], now()).await;
    for n in 0..21 {
        log_in(&database, ann, [n; 32], now()).await;
    }
    assert!(!exists(&database, [0; 32]).await);
    assert!(exists(&database, [1; 32]).await && exists(&database, [20; 32]).await);
    assert!(exists(&database, [99; 32]).await, "sessions of other users are not affected");
}

#[apply(both_databases)]
#[tokio::test]
async fn expired_sessions_are_deleted_before_used_ones(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    log_in_with_limit(3, &database, ann, [1; 32], now()).await;
    log_in_with_limit(3, &database, ann, [2; 32], now()).await;
    let used = sessions::find_by_token_hash(database.db(), &[1; 32]).await.unwrap().unwrap().session.id;
    let tx = database.db().write().await.unwrap();
    sessions::update_last_seen(&tx, used, now() + 7 * DAY).await.unwrap();
    tx.commit().await.unwrap();
    log_in_with_limit(3, &database, ann, [3; 32], now() + 7 * DAY).await;
    assert!(exists(&database, [2; 32]).await, "expired, but a login does not trust the clock");
    log_in_with_limit(3, &database, ann, [4; 32], now() + 7 * DAY).await;
    assert!(!exists(&database, [2; 32]).await, "idle for seven days");
    assert!(exists(&database, [1; 32]).await, "older, but used");
    assert!(exists(&database, [3; 32]).await && exists(&database, [4; 32]).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn last_use_never_moves_back(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    log_in(&database, ann, [1; 32], now()).await;
    let session = sessions::find_by_token_hash(database.db(), &[1; 32]).await.unwrap().unwrap().session;
    let second = Duration::from_secs(1);
    let ahead = now() + DAY;
    for at in [ahead, ahead - second, now() - DAY] {
        for is_one in [true, false] {
            let tx = database.db().write().await.unwrap();
            if is_one {
                sessions::update_last_seen(&tx, session.id, at).await.unwrap();
            } else {
                sessions::update_all_last_seen(&tx, &[session.id], at).await.unwrap();
            }
            tx.commit().await.unwrap();
            let found = sessions::find_by_token_hash(database.db(), &[1; 32]).await.unwrap().unwrap();
            assert_eq!(found.session.last_seen_at, ahead);
        }
    }
}
