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
        let of = Authenticated { expires_at, ..self.ann };
        self.auth.create_ticket(&of, origin).await.unwrap().0.expose().to_owned()
    }

    async fn redeem(&self, ticket: &str, origin: Option<&str>) -> Option<Authenticated> {
        self.auth.redeem_ticket(ticket, origin).await.unwrap()
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn of_many_who_show_a_ticket_at_once_one_is_let_in(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ticket = site.ticket(PAGE).await;
    assert!(!site.database.dump().await.contains(&ticket), "the database does not contain the ticket itself");
    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let (auth, ticket) = (site.auth.clone(), ticket.clone());
        racers.spawn(async move { auth.redeem_ticket(&ticket, PAGE).await.unwrap() });
    }
    let let_in: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
    assert_eq!(let_in, [site.ann]);
    assert_eq!(site.redeem(&ticket, PAGE).await, None);
}

#[apply(both_databases)]
#[tokio::test]
async fn a_ticket_is_good_for_the_page_that_asked(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let other = Some("https://app.example.evil");
    for (asked, shown) in [(PAGE, other), (PAGE, None), (None, PAGE), (PAGE, Some("null"))] {
        let ticket = site.ticket(asked).await;
        assert_eq!(site.redeem(&ticket, shown).await, None, "{asked:?} {shown:?}");
        assert_eq!(site.redeem(&ticket, asked).await, None, "a failed attempt consumes it");
    }
    for origin in [PAGE, None] {
        let ticket = site.ticket(origin).await;
        assert_eq!(site.redeem(&ticket, origin).await, Some(site.ann), "{origin:?}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn a_ticket_ends_with_its_time_and_with_what_it_was_asked_for_with(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let begin = site.clock.now();
    assert_eq!(site.auth.create_ticket(&site.ann, None).await.unwrap().1, begin + LIFETIME);
    let [in_time, late] = [site.ticket(PAGE).await, site.ticket(PAGE).await];
    let soon = begin + Duration::from_secs(10);
    let [still, over] = [site.ticket_until(soon, PAGE).await, site.ticket_until(soon, PAGE).await];

    site.clock.advance(Duration::from_secs(10) - MICRO);
    assert_eq!(site.redeem(&still, PAGE).await, Some(Authenticated { expires_at: soon, ..site.ann }));
    site.clock.advance(MICRO);
    assert_eq!(site.redeem(&over, PAGE).await, None);
    site.clock.advance(Duration::from_secs(20) - MICRO);
    assert_eq!(site.redeem(&in_time, PAGE).await, Some(site.ann));
    site.clock.advance(MICRO);
    assert_eq!(site.redeem(&late, PAGE).await, None);
}

#[apply(both_databases)]
#[tokio::test]
async fn a_ticket_ends_with_the_login_and_with_the_account(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    for (status, is_let_in) in [("suspended", false), ("deleted", false), ("active", true)] {
        let ticket = site.ticket(PAGE).await;
        // The status changes before the sessions are deleted.
        site.database.execute(&format!("UPDATE users SET status = '{status}'")).await;
        assert_eq!(site.redeem(&ticket, PAGE).await.is_some(), is_let_in, "{status}");
    }
    let ticket = site.ticket(PAGE).await;
    site.database.execute("UPDATE sessions SET last_seen_at = 0").await;
    assert_eq!(site.redeem(&ticket, PAGE).await, None, "the session has idled out");

    let ticket = site.ticket(PAGE).await;
    site.auth.suspend(&Username::parse("ann").unwrap(), true).await.unwrap();
    assert_eq!(site.redeem(&ticket, PAGE).await, None);
    assert_eq!(site.database.count("gateway_tickets").await, 0, "the ticket was deleted with the session");
    let refused = site.auth.create_ticket(&site.ann, PAGE).await;
    assert!(matches!(refused, Err(Error::SessionEnded)), "{refused:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn tickets_that_are_made_up_cost_no_transaction(#[case] backend: Backend) {
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
async fn tickets_that_nobody_used_are_forgotten(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.ticket(PAGE).await;
    site.clock.advance(MICRO);
    let kept = site.ticket(PAGE).await;
    site.clock.advance(LIFETIME - MICRO);
    assert!(!site.auth.delete_expired(site.clock.now()).await.unwrap());
    assert_eq!(site.database.count("gateway_tickets").await, 1);
    assert_eq!(site.redeem(&kept, PAGE).await, Some(site.ann));
}
