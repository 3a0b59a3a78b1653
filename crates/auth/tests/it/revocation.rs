//! Validity of sessions behind open connections.

use std::{collections::HashMap, sync::Arc, time::Duration};

use blegram_auth::{Auth, Device, Ended, Secret};
use blegram_domain::{Clock, FixedClock, SessionId, Timestamp, UserId, Username, session::Kind};
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;

use crate::{PASSWORD, both_databases, cheap, clock, log_in, sign_up, sign_up_from, token};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Site {
    database: TestDatabase,
    clock: Arc<FixedClock>,
    auth: Auth,
}

impl Site {
    async fn new(backend: Backend) -> Self {
        let (database, clock) = (TestDatabase::new(backend).await, clock());
        let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
        Self { database, clock, auth }
    }

    async fn sign_up(&self, name: &str) -> (UserId, SessionId) {
        let token = token(sign_up(&self.auth, name).await.unwrap());
        let viewer = self.auth.authenticate(token.expose()).await.unwrap().unwrap();
        (viewer.user, viewer.session)
    }

    async fn check(&self, sessions: &[SessionId]) -> Vec<(SessionId, Ended)> {
        self.auth.check_sessions(sessions).await.unwrap()
    }

    async fn last_seen(&self, user: UserId) -> Option<Timestamp> {
        self.auth.list_last_seen(&[user]).await.unwrap().remove(&user)
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn authenticated_credential_reports_its_expiry(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let start = site.clock.now();
    let browser = token(sign_up(&site.auth, "ann").await.unwrap());
    let device = Device { kind: Kind::Native, ..Device::default() };
    let Secret::Native(app) = sign_up_from(&site.auth, "bob", device).await.unwrap().secret else {
        panic!("expected a native session")
    };
    for _ in 0..2 {
        let ann = site.auth.authenticate(browser.expose()).await.unwrap().unwrap();
        assert_eq!(ann.expires_at, start + 30 * DAY);
        let bob = site.auth.authenticate_bearer(app.access_token.expose()).await.unwrap().unwrap();
        assert_eq!(bob.expires_at, start + 10 * MINUTE);
        site.clock.advance(5 * MINUTE);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn session_check_finds_ended_sessions(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, active) = site.sign_up("ann").await;
    let second = token(log_in(&site.auth, "ann", PASSWORD).await.unwrap());
    let second = site.auth.authenticate(second.expose()).await.unwrap().unwrap().session;
    let (_, suspended) = site.sign_up("bob").await;
    let (_, suspended_later) = site.sign_up("cho").await;
    let (_, deleted) = site.sign_up("dan").await;
    let unknown = SessionId::generate(site.clock.now());
    let all = [active, second, suspended, suspended_later, deleted, unknown];
    assert_eq!(site.check(&all).await, [(unknown, Ended::Revoked)]);
    assert_eq!(site.check(&[]).await, []);

    site.auth.revoke_session(ann, second).await.unwrap();
    site.auth.suspend(&Username::parse("cho").unwrap(), true).await.unwrap();
    // As in the middle of a manual suspension or deletion.
    site.database.execute("UPDATE users SET status = 'suspended' WHERE username = 'bob'").await;
    site.database.execute("UPDATE users SET status = 'deleted' WHERE username = 'dan'").await;
    let ended = [
        (second, Ended::Revoked),
        (suspended, Ended::Suspended),
        (suspended_later, Ended::Revoked),
        (deleted, Ended::Revoked),
        (unknown, Ended::Revoked),
    ];
    assert_eq!(site.check(&all).await, ended);

    site.clock.advance(7 * DAY);
    assert_eq!(site.check(&[active]).await, [(active, Ended::Revoked)], "unused for seven days");
}

#[apply(both_databases)]
#[tokio::test]
async fn session_check_prevents_idling_out(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, checked) = site.sign_up("ann").await;
    let (bob, idle) = site.sign_up("bob").await;
    for _ in 0..5 {
        site.clock.advance(6 * DAY - MINUTE);
        assert_eq!(site.check(&[checked]).await, []);
        assert_eq!(site.last_seen(ann).await, Some(site.clock.now()));
    }
    assert_eq!(site.check(&[checked, idle]).await, [(idle, Ended::Revoked)]);
    let seen = site.auth.list_last_seen(&[ann, bob]).await.unwrap();
    let start = site.clock.now() - 5 * (6 * DAY - MINUTE);
    assert_eq!(seen, HashMap::from([(ann, site.clock.now()), (bob, start)]));
    assert!(!site.auth.delete_expired(site.clock.now()).await.unwrap());
    assert_eq!(site.last_seen(bob).await, None, "an ended session is not restored");

    site.clock.advance(5 * MINUTE);
    assert_eq!(site.check(&[checked]).await, [(checked, Ended::Revoked)], "a session ends after thirty days");
}

#[apply(both_databases)]
#[tokio::test]
async fn session_check_of_thousands_is_one_statement(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (_, ann) = site.sign_up("ann").await;
    let (_, bob) = site.sign_up("bob").await;
    let now = site.clock.now();
    let mut sessions: Vec<_> = (0..40_000).map(|_| SessionId::generate(now)).collect();
    sessions.extend([ann, bob]);
    let statements = async || {
        site.database.take_statements();
        assert_eq!(site.check(&sessions).await.len(), 40_000);
        site.database.take_statements().len()
    };
    assert_eq!(statements().await, 1);
    site.clock.advance(MINUTE);
    assert_eq!(statements().await, 2, "both uses are stored with one statement");
    assert_eq!(statements().await, 1, "uses are stored once a minute");
}

#[apply(both_databases)]
#[tokio::test]
async fn session_check_succeeds_while_the_writer_is_busy(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, session) = site.sign_up("ann").await;
    let start = site.clock.now();
    site.clock.advance(MINUTE);
    let writer = site.database.db().write().await.unwrap();
    blegram_persistence::sessions::lock(&writer, session).await.unwrap();
    assert_eq!(site.check(&[session]).await, []);
    assert_eq!(site.last_seen(ann).await, Some(start));
    // A commit, because nothing tells when the rollback of a dropped transaction is done.
    writer.commit().await.unwrap();
    assert_eq!(site.check(&[session]).await, []);
    assert_eq!(site.last_seen(ann).await, Some(site.clock.now()));
}
