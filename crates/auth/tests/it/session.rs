use std::{sync::Arc, time::Duration};

use blegram_auth::{Auth, SiteKey};
use blegram_domain::Clock;
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;

use crate::{auth, both_databases, cheap, clock, sign_up, token};

#[apply(both_databases)]
#[tokio::test]
async fn session_use_is_stored_once_a_minute(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let clock = clock();
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let token = token(sign_up(&auth, "ann").await.unwrap());
    let statements = async || {
        database.take_statements();
        auth.authenticate(token.expose()).await.unwrap().unwrap();
        database.take_statements().len()
    };
    assert_eq!(statements().await, 1);
    assert_eq!(statements().await, 0, "a result is cached for a second");
    clock.advance(Duration::from_secs(59));
    assert_eq!(statements().await, 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(statements().await, 2);
    assert_eq!(statements().await, 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(statements().await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn authentication_does_not_wait_for_a_busy_writer(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let clock = clock();
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let token = token(sign_up(&auth, "ann").await.unwrap());
    clock.advance(Duration::from_secs(120));
    let _writer = database.db().write().await.unwrap();
    assert!(auth.authenticate(token.expose()).await.unwrap().is_some());
}

#[apply(both_databases)]
#[tokio::test]
async fn malformed_token_costs_no_statement(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let auth = auth(&database, cheap());
    database.take_statements();
    assert_eq!(auth.authenticate("nonsense").await.unwrap(), None);
    assert_eq!(database.take_statements().len(), 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn csrf_token_is_valid_for_one_session_and_one_key(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let with_key =
        |secret: &[u8]| auth(&database, blegram_auth::Config { site_key: SiteKey::new(secret), ..cheap() });
    let (one, restarted, other) = (with_key(b"one"), with_key(b"one"), with_key(b"other"));
    let mut sessions = Vec::new();
    for name in ["ann", "bob"] {
        let token = token(sign_up(&one, name).await.unwrap());
        sessions.push(one.authenticate(token.expose()).await.unwrap().unwrap().session);
    }
    let token = one.csrf_token(sessions[0]);
    assert!(one.is_csrf_token(sessions[0], &token) && restarted.is_csrf_token(sessions[0], &token));
    assert!(!one.is_csrf_token(sessions[1], &token) && !other.is_csrf_token(sessions[0], &token));
    for invalid in ["", "A", &token[1..], &format!("{token}A")] {
        assert!(!one.is_csrf_token(sessions[0], invalid), "{invalid}");
    }
}
