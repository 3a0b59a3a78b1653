use std::{num::NonZeroU32, time::Duration};

use blegram_auth::{ChangePassword, Config, EnteredPassword, Error, NewPassword, PasswordCost};
use blegram_domain::Username;
use blegram_limits::{Quota, Quotas};
use blegram_persistence::{
    testing::{Backend, TestDatabase},
    users,
};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{CHEAP, PASSWORD, auth, both_databases, cheap, log_in, sign_up, token};

#[apply(both_databases)]
#[tokio::test]
async fn login_renews_a_hash_with_outdated_cost(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    sign_up(&auth(&database, cheap()), "ann").await.unwrap();
    let expensive =
        auth(&database, Config { password_cost: PasswordCost { iterations: 2, ..CHEAP }, ..cheap() });
    let hash = async || {
        let credentials = users::find_credentials(database.db(), &Username::parse("ann").unwrap()).await;
        credentials.unwrap().unwrap().password_hash.unwrap()
    };
    assert!(hash().await.contains("m=64,t=1,p=1"));
    assert!(matches!(log_in(&expensive, "ann", "wrong").await, Err(Error::InvalidCredentials)));
    assert!(hash().await.contains("m=64,t=1,p=1"));
    log_in(&expensive, "ann", PASSWORD).await.unwrap();
    assert!(hash().await.contains("m=64,t=2,p=1"));
    log_in(&expensive, "ann", PASSWORD).await.unwrap();
}

// An attacker who probes for usernames by response time finds the same work behind each. The test observes it by
// another effect: of two concurrent logins, the second finds the only thread busy with a hash that takes far longer
// than the rest.
#[apply(both_databases)]
#[tokio::test]
async fn login_with_unknown_username_hashes_the_password_too(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let password_cost = PasswordCost { memory_kib: 64 * 1024, iterations: 6, parallelism: 1 };
    let auth = auth(&database, Config { password_cost, hash_threads: 1, hash_queue: 0, ..cheap() });
    for login in ["nobody", "no such name!"] {
        let (one, other) = tokio::join!(log_in(&auth, login, "wrong"), log_in(&auth, login, "wrong"));
        let errors = [one.unwrap_err(), other.unwrap_err()];
        let count = |is: fn(&Error) -> bool| errors.iter().filter(|error| is(error)).count();
        assert_eq!(count(|error| matches!(error, Error::Overloaded(_))), 1, "{login}: {errors:?}");
        assert_eq!(count(|error| matches!(error, Error::InvalidCredentials)), 1, "{login}: {errors:?}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn sign_up_race_for_a_username_creates_one_account(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let auth = auth(&database, cheap());
    let mut racers = JoinSet::new();
    for _ in 0..10 {
        let auth = auth.clone();
        racers.spawn(async move { sign_up(&auth, "ann").await });
    }
    let mut won = 0;
    for result in racers.join_all().await {
        match result {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, Error::UsernameTaken), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!((database.count("users").await, database.count("sessions").await), (1, 1));
}

#[apply(both_databases)]
#[tokio::test]
async fn sign_up_dropped_midway_leaves_all_or_nothing(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let auth = auth(&database, cheap());
    for polls in 0..40 {
        let mut request = Box::pin(sign_up(&auth, "ann"));
        let mut finished = false;
        for _ in 0..polls {
            if futures_util::poll!(&mut request).is_ready() {
                finished = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(request);
        if finished {
            break;
        }
    }
    // Every connection can still run a transaction of its own.
    for n in 0..10 {
        sign_up(&auth, &format!("bob{n}")).await.unwrap();
    }
    let (users, sessions) = (database.count("users").await, database.count("sessions").await);
    assert!(users == sessions && (10..=11).contains(&users), "{users} users, {sessions} sessions");
}

#[apply(both_databases)]
#[tokio::test]
async fn password_change_ends_concurrent_logins_with_the_old_password(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let auth = auth(&database, Config { quotas: wide(), hash_queue: 1000, ..cheap() });
    for round in 0..10 {
        let name = format!("ann{round}");
        let ann = token(sign_up(&auth, &name).await.unwrap());
        let ann = auth.authenticate(ann.expose()).await.unwrap().unwrap();
        let mut racers = JoinSet::new();
        for _ in 0..8 {
            let (auth, name) = (auth.clone(), name.clone());
            racers.spawn(async move { log_in(&auth, &name, PASSWORD).await });
        }
        let new = NewPassword::parse("another room, without a view", &[]).unwrap();
        let change = ChangePassword { current: Some(EnteredPassword::parse(PASSWORD).unwrap()), new };
        let changed = tokio::join!(auth.change_password(ann.user, ann.session, change), racers.join_all());
        changed.0.unwrap();
        for logged_in in changed.1.into_iter().flatten() {
            let found = auth.authenticate(token(logged_in).expose()).await.unwrap();
            assert_eq!(found, None, "round {round}");
        }
    }
}

fn wide() -> Quotas {
    let wide = Quota { burst: NonZeroU32::new(1000).unwrap(), per: Duration::from_secs(1) };
    Quotas {
        login_per_account_and_address: wide,
        login_per_account: wide,
        login_per_address: wide,
        ..Quotas::default()
    }
}
