//! What remains of the audit log. The API's tests cover what it says.

use std::{sync::Arc, time::Duration};

use blegram_auth::{AuditEventView, Auth, EnteredPassword, audit, audit::Kind, with_client_address};
use blegram_domain::{
    Clock, PageRequest, UserRef,
    audit::Filter,
    page::{Limit, Scope},
};
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;

use crate::{PASSWORD, both_databases, cheap, clock, log_in, sign_up, token};

async fn list(auth: &Auth, filter: &Filter) -> Vec<AuditEventView> {
    let page = PageRequest::new(Scope::new("audit", &[]), Limit::default(), None, None);
    auth.list_audit_events(filter, &page).await.unwrap().items
}

#[apply(both_databases)]
#[tokio::test]
async fn entries_outlive_the_account_without_its_address(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let auth = crate::auth(&database, cheap());
    let address = "192.0.2.7".parse().unwrap();
    let ann = with_client_address(address, sign_up(&auth, "ann")).await.unwrap();
    let user = ann.account.user.summary.id;
    let filter = auth.audit_filter(None, Some(&UserRef::Id(user))).await.unwrap();
    assert_eq!(list(&auth, &filter).await[0].event.address, Some(address));

    let session = auth.authenticate(token(ann).expose()).await.unwrap().unwrap().session;
    let password = EnteredPassword::parse(PASSWORD).unwrap();
    auth.delete_account(user, session, Some(password)).await.unwrap();
    while auth.purge_account(user).await.unwrap() {}
    let entries = list(&auth, &filter).await;
    let kinds: Vec<Kind> = entries.iter().map(|entry| entry.event.kind).collect();
    assert_eq!(kinds, [Kind::UserDeleted, Kind::UserCreated]);
    for entry in entries {
        assert_eq!((entry.event.address, entry.actor, entry.target), (None, None, None));
        assert_eq!(entry.event.target, Some(user), "the id remains");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn entries_are_deleted_after_their_retention(#[case] backend: Backend) {
    let database = TestDatabase::new(backend).await;
    let clock = clock();
    let auth = Auth::new(database.db().clone(), Arc::clone(&clock) as Arc<dyn Clock>, cheap()).unwrap();
    sign_up(&auth, "ann").await.unwrap();
    clock.advance(audit::RETENTION);
    auth.delete_expired(clock.now()).await.unwrap();
    assert_eq!(list(&auth, &Filter::default()).await.len(), 1, "not yet");
    log_in(&auth, "ann", PASSWORD).await.unwrap();
    clock.advance(Duration::from_micros(1));
    auth.delete_expired(clock.now()).await.unwrap();
    let kinds: Vec<Kind> = list(&auth, &Filter::default()).await.iter().map(|e| e.event.kind).collect();
    assert_eq!(kinds, [Kind::LoginSuccess]);
}
