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
    log_in_keeping(20, database, user, hash, at).await;
}

async fn log_in_keeping(keep: u64, database: &TestDatabase, user: UserId, hash: TokenHash, at: Timestamp) {
    let tx = database.db().write().await.unwrap();
    let session = Session {
        id: SessionId::generate(at),
        user,
        kind: Kind::Browser,
        device_name: None,
        user_agent: None,
        created_at: at,
        last_seen_at: at,
        expires_at: at + 30 * DAY,
    };
    sessions::insert(&tx, &session, Some(hash)).await.unwrap();
    let idle = IdleSince { browser: at - 7 * DAY, native: at - 30 * DAY };
    sessions::prune(&tx, user, keep, at, idle).await.unwrap();
    tx.commit().await.unwrap();
}

async fn is_there(database: &TestDatabase, hash: TokenHash) -> bool {
    sessions::find_by_token_hash(database.db(), &hash).await.unwrap().is_some()
}

#[apply(both_databases)]
#[tokio::test]
async fn the_oldest_session_makes_room_for_the_twenty_first(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let [ann, bob] = [insert_user(&database, "ann").await, insert_user(&database, "bob").await];
    log_in(&database, bob, [99; 32], now()).await;
    for n in 0..21 {
        log_in(&database, ann, [n; 32], now()).await;
    }
    assert!(!is_there(&database, [0; 32]).await);
    assert!(is_there(&database, [1; 32]).await && is_there(&database, [20; 32]).await);
    assert!(is_there(&database, [99; 32]).await, "sessions of other users are not affected");
}

#[apply(both_databases)]
#[tokio::test]
async fn sessions_that_are_over_make_room_first(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let ann = insert_user(&database, "ann").await;
    log_in_keeping(3, &database, ann, [1; 32], now()).await;
    log_in_keeping(3, &database, ann, [2; 32], now()).await;
    let used = sessions::find_by_token_hash(database.db(), &[1; 32]).await.unwrap().unwrap().session.id;
    let tx = database.db().write().await.unwrap();
    sessions::update_last_seen(&tx, used, now() + 7 * DAY).await.unwrap();
    tx.commit().await.unwrap();
    log_in_keeping(3, &database, ann, [3; 32], now() + 7 * DAY).await;
    assert!(is_there(&database, [2; 32]).await, "expired, but a login does not trust the clock");
    log_in_keeping(3, &database, ann, [4; 32], now() + 7 * DAY).await;
    assert!(!is_there(&database, [2; 32]).await, "idle for seven days");
    assert!(is_there(&database, [1; 32]).await, "older, but used");
    assert!(is_there(&database, [3; 32]).await && is_there(&database, [4; 32]).await);
}

#[apply(both_databases)]
#[tokio::test]
async fn a_use_is_never_written_backwards(#[case] backend: Backend) {
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
