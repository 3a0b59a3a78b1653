//! The signing keys of access tokens, as several nodes see them.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_auth::{Auth, Config, Device, Secret, SiteKey, Tokens};
use blegram_domain::{Clock, FixedClock, session::Kind};
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, cheap, clock, sign_up_from};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Site {
    database: TestDatabase,
    clock: Arc<FixedClock>,
}

impl Site {
    async fn new(backend: Backend) -> Self {
        Self { database: TestDatabase::new(backend).await, clock: clock() }
    }

    fn node(&self, secret: &[u8]) -> Auth {
        let config = Config { site_key: SiteKey::new(secret), ..cheap() };
        Auth::new(self.database.db().clone(), Arc::clone(&self.clock) as Arc<dyn Clock>, config).unwrap()
    }
}

async fn tokens(auth: &Auth, name: &str) -> Tokens {
    let device = Device { kind: Kind::Native, ..Device::default() };
    match sign_up_from(auth, name, device).await.unwrap().secret {
        Secret::Native(tokens) => tokens,
        Secret::Browser(_) => panic!("expected a native session"),
    }
}

async fn ids(auth: &Auth) -> Vec<String> {
    auth.public_keys().await.unwrap().into_iter().map(|key| key.id).collect()
}

#[apply(both_databases)]
#[tokio::test]
async fn signing_key_is_generated_once_by_concurrent_nodes(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let mut nodes = JoinSet::new();
    for _ in 0..8 {
        let node = site.node(b"ours");
        nodes.spawn(async move { ids(&node).await });
    }
    let seen = nodes.join_all().await;
    assert!(seen.iter().all(|ids| ids.len() == 1 && *ids == seen[0]), "{seen:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn signing_key_is_published_before_and_after_it_signs(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (one, other) = (site.node(b"ours"), site.node(b"ours"));
    let old = ids(&one).await;
    site.clock.advance(30 * DAY - Duration::from_secs(1));
    one.rotate_signing_keys().await.unwrap();
    assert_eq!(ids(&one).await, old, "no new key before its time");

    site.clock.advance(Duration::from_secs(1));
    let before = tokens(&one, "ann").await;
    for node in [&one, &other] {
        node.rotate_signing_keys().await.unwrap();
    }
    let both = ids(&other).await;
    assert_eq!((both.len(), &both[1..]), (2, &old[..]), "one of the nodes generated a key");
    let kid =
        |tokens: &Tokens| jsonwebtoken::decode_header(tokens.access_token.expose()).unwrap().kid.unwrap();
    assert_eq!(kid(&tokens(&other, "bob").await), old[0], "the old key signs for another hour");
    for node in [&one, &other] {
        assert!(node.authenticate_bearer(before.access_token.expose()).await.unwrap().is_some());
    }

    site.clock.advance(HOUR);
    let after = tokens(&other, "cho").await;
    assert_eq!(kid(&after), both[0]);
    assert!(one.authenticate_bearer(after.access_token.expose()).await.unwrap().is_some());

    site.clock.advance(DAY - Duration::from_secs(1));
    one.delete_expired(site.clock.now()).await.unwrap();
    assert_eq!(ids(&one).await.len(), 2);
    site.clock.advance(Duration::from_secs(1));
    one.delete_expired(site.clock.now()).await.unwrap();
    assert_eq!(ids(&one).await, both[..1]);
}

#[apply(both_databases)]
#[tokio::test]
async fn node_with_another_site_key_generates_its_own_signing_key(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ours, stranger) = (site.node(b"ours"), site.node(b"theirs"));
    let first = tokens(&ours, "ann").await;
    let second = tokens(&stranger, "bob").await;
    assert_eq!(ids(&stranger).await.len(), 2, "it generated its own key");
    // Every node can read the public keys.
    assert!(stranger.authenticate_bearer(first.access_token.expose()).await.unwrap().is_some());
    site.clock.advance(Duration::from_secs(1));
    assert!(ours.authenticate_bearer(second.access_token.expose()).await.unwrap().is_some());
}

#[apply(both_databases)]
#[tokio::test]
async fn access_token_of_another_issuer_is_rejected(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ours = site.node(b"ours");
    let config =
        Config { issuer: "https://other.example".to_owned(), site_key: SiteKey::new(b"ours"), ..cheap() };
    let clock = Arc::clone(&site.clock) as Arc<dyn Clock>;
    let theirs = Auth::new(site.database.db().clone(), clock, config).unwrap();
    let tokens = tokens(&theirs, "ann").await;
    assert!(theirs.authenticate_bearer(tokens.access_token.expose()).await.unwrap().is_some());
    assert!(ours.authenticate_bearer(tokens.access_token.expose()).await.unwrap().is_none());
}

#[apply(both_databases)]
#[tokio::test]
async fn unknown_key_ids_cost_at_most_one_statement(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let auth = site.node(b"ours");
    let tokens = tokens(&auth, "ann").await;
    let (_, rest) = tokens.access_token.expose().split_once('.').unwrap();
    site.database.take_statements();
    for n in 0..20 {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"invented-{n}"}}"#);
        let header = URL_SAFE_NO_PAD.encode(header);
        assert!(auth.authenticate_bearer(&format!("{header}.{rest}")).await.unwrap().is_none());
    }
    assert!(site.database.take_statements().len() <= 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn verified_access_token_costs_one_statement_per_second(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let auth = site.node(b"ours");
    let tokens = tokens(&auth, "ann").await;
    let statements = async || {
        site.database.take_statements();
        auth.authenticate_bearer(tokens.access_token.expose()).await.unwrap().unwrap();
        site.database.take_statements().len()
    };
    assert_eq!(statements().await, 3, "find the session; store its use; store the tokens' first use");
    assert_eq!(statements().await, 0);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(statements().await, 1);
}
