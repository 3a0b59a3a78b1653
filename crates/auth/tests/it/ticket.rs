//! Single-use tickets for gateway connections.

use std::{sync::Arc, time::Duration};

use blegram_auth::{Auth, Authenticated, Error, ticket::LIFETIME};
use blegram_domain::{Clock, FixedClock, Timestamp, Username};
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{both_databases, cheap, clock, sign_up, token};

const PAGE: Option<&str> = Some("https://app.example");
const MICRO: Duration = Duration::from_micros(1);

struct Site {
    database: TestDatabase,
    clock: Arc<FixedClock>,
    auth: Auth,
    ann: Authenticated,
}

impl Site {
    async fn new(backend: Backend) -> Self {
        let (database, clock) = (TestDatabase::new(backend).await, clock());
        let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
        let token = token(sign_up(&auth, "ann").await.unwrap());
        let ann = auth.authenticate(token.expose()).await.unwrap().unwrap();
        Self { database, clock, auth, ann }
    }

    /// A ticket for ann's authenticated session.
    async fn ticket(&self, origin: Option<&str>) -> String {
        self.ticket_until(self.ann.expires_at, origin).await
    }

    async fn ticket_until(&self, expires_at: Timestamp, origin: Option<&str>) -> String {
        let authenticated = Authenticated { expires_at, ..self.ann };
        self.auth.create_ticket(&authenticated, origin).await.unwrap().0.expose().to_owned()
    }

    async fn redeem(&self, ticket: &str, origin: Option<&str>) -> Option<Authenticated> {
        self.auth.redeem_ticket(ticket, origin).await.unwrap()
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_is_redeemed_once_by_concurrent_requests(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ticket = site.ticket(PAGE).await;
    assert!(!site.database.dump().await.contains(&ticket), "the database does not contain the ticket itself");
    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let (auth, ticket) = (site.auth.clone(), ticket.clone());
        racers.spawn(async move { auth.redeem_ticket(&ticket, PAGE).await.unwrap() });
    }
    let accepted: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(accepted, [site.ann]);
    assert_eq!(site.redeem(&ticket, PAGE).await, None);
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_is_valid_only_for_the_origin_that_requested_it(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let other = Some("https://app.example.evil");
    for (requested, presented) in [(PAGE, other), (PAGE, None), (None, PAGE), (PAGE, Some("null"))] {
        let ticket = site.ticket(requested).await;
        assert_eq!(site.redeem(&ticket, presented).await, None, "{requested:?} {presented:?}");
        assert_eq!(site.redeem(&ticket, requested).await, None, "a failed attempt consumes it");
    }
    for origin in [PAGE, None] {
        let ticket = site.ticket(origin).await;
        assert_eq!(site.redeem(&ticket, origin).await, Some(site.ann), "{origin:?}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_expires_with_its_lifetime_and_its_credential(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let start = site.clock.now();
    assert_eq!(site.auth.create_ticket(&site.ann, None).await.unwrap().1, start + LIFETIME);
    let [in_time, late] = [site.ticket(PAGE).await, site.ticket(PAGE).await];
    let soon = start + Duration::from_secs(10);
    let [valid, expired] = [site.ticket_until(soon, PAGE).await, site.ticket_until(soon, PAGE).await];

    site.clock.advance(Duration::from_secs(10) - MICRO);
    assert_eq!(site.redeem(&valid, PAGE).await, Some(Authenticated { expires_at: soon, ..site.ann }));
    site.clock.advance(MICRO);
    assert_eq!(site.redeem(&expired, PAGE).await, None);
    site.clock.advance(Duration::from_secs(20) - MICRO);
    assert_eq!(site.redeem(&in_time, PAGE).await, Some(site.ann));
    site.clock.advance(MICRO);
    assert_eq!(site.redeem(&late, PAGE).await, None);
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_ends_with_its_session_and_account(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    for (status, is_accepted) in [("suspended", false), ("deleted", false), ("active", true)] {
        let ticket = site.ticket(PAGE).await;
        // The status changes before the sessions are deleted.
        site.database.execute(&format!("UPDATE users SET status = '{status}'")).await;
        assert_eq!(site.redeem(&ticket, PAGE).await.is_some(), is_accepted, "{status}");
    }
    let ticket = site.ticket(PAGE).await;
    site.database.execute("UPDATE sessions SET last_seen_at = 0").await;
    assert_eq!(site.redeem(&ticket, PAGE).await, None, "the session has idled out");

    let ticket = site.ticket(PAGE).await;
    site.auth.suspend(&Username::parse("ann").unwrap(), true).await.unwrap();
    assert_eq!(site.redeem(&ticket, PAGE).await, None);
    assert_eq!(site.database.count("gateway_tickets").await, 0, "the ticket was deleted with the session");
    let rejected = site.auth.create_ticket(&site.ann, PAGE).await;
    assert!(matches!(rejected, Err(Error::SessionEnded)), "{rejected:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_that_does_not_exist_costs_no_transaction(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let used = site.ticket(PAGE).await;
    site.redeem(&used, PAGE).await.unwrap();
    // Blocks all other writers.
    let _writer = site.database.db().write().await.unwrap();
    for (ticket, statements) in [("nonsense", 0), (&*used, 1)] {
        site.database.take_statements();
        assert_eq!(site.redeem(ticket, PAGE).await, None);
        assert_eq!(site.database.take_statements().len(), statements, "{ticket}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn ticket_is_deleted_when_expired(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.ticket(PAGE).await;
    site.clock.advance(MICRO);
    let unexpired = site.ticket(PAGE).await;
    site.clock.advance(LIFETIME - MICRO);
    assert!(!site.auth.delete_expired(site.clock.now()).await.unwrap());
    assert_eq!(site.database.count("gateway_tickets").await, 1);
    assert_eq!(site.redeem(&unexpired, PAGE).await, Some(site.ann));
}
