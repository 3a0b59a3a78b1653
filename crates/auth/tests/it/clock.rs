//! Steps of the wall clock while the site runs.

use std::{sync::Arc, time::Duration};

use blegram_auth::{
    Auth, Device,
    idempotency::{ClaimOutcome, Keyed},
};
use blegram_domain::Clock;
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;

use crate::{both_databases, cheap, clock, log_in_from, sign_up, token};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[apply(both_databases)]
#[tokio::test]
async fn clock_steps_do_not_change_the_login_limit(#[case] backend: Backend) {
    let (database, clock) = (TestDatabase::new(backend).await, clock());
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    sign_up(&auth, "ann").await.unwrap();
    let start = clock.now();
    let wait = async || loop {
        match log_in_from(&auth, "ann", "not the password", Device::default()).await {
            Err(blegram_auth::Error::RateLimited(limited)) => break limited.0.reset,
            other => assert!(matches!(other, Err(blegram_auth::Error::InvalidCredentials)), "{other:?}"),
        }
    };
    let before = wait().await;
    for to in [start + HOUR, start, start - HOUR, start] {
        clock.step_wall(to);
        assert_eq!(wait().await, before);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn clock_steps_do_not_extend_the_session_cache(#[case] backend: Backend) {
    let (database, clock) = (TestDatabase::new(backend).await, clock());
    let node = || Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let (auth, other) = (node(), node());
    let token = token(sign_up(&auth, "ann").await.unwrap());
    let authenticated = auth.authenticate(token.expose()).await.unwrap().unwrap();
    other.log_out(authenticated.session).await.unwrap();
    // One second passes while the wall clock is set back by half a second.
    clock.step_wall(clock.now() - Duration::from_millis(500));
    clock.advance(Duration::from_secs(1));
    assert!(auth.authenticate(token.expose()).await.unwrap().is_none());
}

#[apply(both_databases)]
#[tokio::test]
async fn clock_that_is_behind_ends_no_session(#[case] backend: Backend) {
    let (database, clock) = (TestDatabase::new(backend).await, clock());
    let auth = || Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let token = token(sign_up(&auth(), "ann").await.unwrap());
    let start = clock.now();
    for now in [start + HOUR, start - 200 * DAY, start + 2 * HOUR] {
        clock.step_wall(now);
        // As after a restart, with an empty cache.
        assert!(auth().authenticate(token.expose()).await.unwrap().is_some(), "{now}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn clock_that_was_ahead_does_not_delay_the_next_signing_key(#[case] backend: Backend) {
    let (database, clock) = (TestDatabase::new(backend).await, clock());
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let start = clock.now();
    auth.rotate_signing_keys().await.unwrap();
    clock.step_wall(start + 200 * DAY);
    auth.rotate_signing_keys().await.unwrap();
    clock.step_wall(start);
    assert_eq!(auth.public_keys().await.unwrap().len(), 2, "one key was generated while the clock was ahead");
    clock.advance(30 * DAY);
    auth.rotate_signing_keys().await.unwrap();
    assert_eq!(auth.public_keys().await.unwrap().len(), 3);
}

#[apply(both_databases)]
#[tokio::test]
async fn clock_that_was_ahead_does_not_block_an_idempotency_key(#[case] backend: Backend) {
    let (database, clock) = (TestDatabase::new(backend).await, clock());
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    let user = sign_up(&auth, "ann").await.unwrap().account.user.summary.id;
    let keyed = Keyed { user, method: "POST", path: "/api/v1/posts", key: "one", body: b"{}" };
    let start = clock.now();
    clock.step_wall(start + HOUR);
    // As a crashed node leaves it.
    assert!(matches!(auth.idempotency().begin(keyed).await.unwrap(), ClaimOutcome::New(_)));
    assert_eq!(auth.idempotency().begin(keyed).await.unwrap(), ClaimOutcome::InProgress);
    clock.step_wall(start);
    assert!(matches!(auth.idempotency().begin(keyed).await.unwrap(), ClaimOutcome::New(_)));
    assert_eq!(auth.idempotency().begin(keyed).await.unwrap(), ClaimOutcome::InProgress);
}
