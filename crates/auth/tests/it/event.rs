//! The events published when sessions end.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use blegram_auth::{
    ChangePassword, Device, EnteredPassword, Error, Event, LoggedIn, NewPassword, Result, Secret,
};
use blegram_domain::{SessionId, UserId, Username, event::EventSink, session::Kind, user::Role};
use blegram_persistence::testing::{Backend, TestDatabase};
use rstest_reuse::apply;

use crate::{PASSWORD, auth, both_databases, cheap, log_in, log_in_from, sign_up, sign_up_from};

const OTHER: &str = "large room without a view";

#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl EventSink<Event> for Recorder {
    fn publish(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

struct Site {
    database: TestDatabase,
    auth: blegram_auth::Auth,
    events: Arc<Recorder>,
}

impl Site {
    async fn new(backend: Backend) -> Self {
        let (database, events) = (TestDatabase::new(backend).await, Arc::new(Recorder::default()));
        let auth = auth(&database, cheap()).with_events(Arc::clone(&events) as Arc<dyn EventSink<Event>>);
        Self { database, auth, events }
    }

    /// The events published since the last call.
    fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn session(&self, logged_in: &LoggedIn) -> SessionId {
        let found = match &logged_in.secret {
            Secret::Browser(token) => self.auth.authenticate(token.expose()).await,
            Secret::Native(tokens) => self.auth.authenticate_bearer(tokens.access_token.expose()).await,
        };
        found.unwrap().unwrap().session
    }

    async fn ann(&self) -> (UserId, SessionId) {
        let ann = sign_up(&self.auth, "ann").await.unwrap();
        (ann.account.user.summary.id, self.session(&ann).await)
    }
}

fn current_password(password: &str) -> Option<EnteredPassword> {
    Some(EnteredPassword::parse(password).unwrap())
}

fn change(current: &str) -> ChangePassword {
    ChangePassword { current: current_password(current), new: NewPassword::parse(OTHER, &[]).unwrap() }
}

fn name(name: &str) -> Username {
    Username::parse(name).unwrap()
}

#[apply(both_databases)]
#[tokio::test]
async fn ended_sessions_are_published(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, session) = site.ann().await;
    assert_eq!(site.take_events(), []);

    let second = site.session(&log_in(&site.auth, "ann", PASSWORD).await.unwrap()).await;
    assert_eq!(site.take_events(), [], "a login ends no other session");
    let device = Device { replaces: Some(second), ..Device::default() };
    let third = site.session(&log_in_from(&site.auth, "ann", PASSWORD, device).await.unwrap()).await;
    assert_eq!(site.take_events(), [Event::SessionEnded { session: second }]);

    site.auth.revoke_session(ann, third).await.unwrap();
    assert_eq!(site.take_events(), [Event::SessionEnded { session: third }]);
    site.auth.revoke_other_sessions(ann, session).await.unwrap();
    assert_eq!(site.take_events(), [Event::SessionsEnded { user: ann, except: Some(session) }]);
    site.auth.change_password(ann, session, change(PASSWORD)).await.unwrap();
    assert_eq!(site.take_events(), [Event::SessionsEnded { user: ann, except: Some(session) }]);
    site.auth.log_out(session).await.unwrap();
    assert_eq!(site.take_events(), [Event::SessionEnded { session }]);

    let last = site.session(&log_in(&site.auth, "ann", OTHER).await.unwrap()).await;
    site.auth.delete_account(ann, last, current_password(OTHER)).await.unwrap();
    assert_eq!(site.take_events(), [Event::SessionsEnded { user: ann, except: None }]);
}

#[apply(both_databases)]
#[tokio::test]
async fn operator_changes_of_sessions_are_published(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (user, _) = site.ann().await;
    assert!(site.auth.suspend(&name("ann"), true).await.unwrap());
    assert_eq!(site.take_events(), [Event::Suspended { user }]);
    assert!(!site.auth.suspend(&name("ann"), true).await.unwrap());
    assert!(site.auth.suspend(&name("ann"), false).await.unwrap());
    assert!(site.auth.set_role(&name("ann"), Role::Moderator).await.unwrap());
    // The role is in the cached sessions of every node.
    assert_eq!(site.take_events(), [Event::RoleChanged { user }]);
    site.auth.reset_password(&name("ann"), NewPassword::parse(OTHER, &[]).unwrap()).await.unwrap();
    assert_eq!(site.take_events(), [Event::SessionsEnded { user, except: None }]);
}

#[apply(both_databases)]
#[tokio::test]
async fn login_beyond_the_session_limit_publishes_the_ended_session(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (_, oldest) = site.ann().await;
    // Each from another address, so that the login limit does not apply.
    let log_in = async |n| {
        let device = Device { address: Some(Ipv4Addr::new(192, 0, 2, n).into()), ..Device::default() };
        log_in_from(&site.auth, "ann", PASSWORD, device).await.unwrap();
    };
    for n in 1..20 {
        log_in(n).await;
    }
    assert_eq!(site.take_events(), []);
    log_in(20).await;
    assert_eq!(site.take_events(), [Event::SessionEnded { session: oldest }]);
}

#[apply(both_databases)]
#[tokio::test]
async fn replayed_refresh_token_publishes_the_ended_session(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let device = Device { kind: Kind::Native, ..Device::default() };
    let ann = sign_up_from(&site.auth, "ann", device).await.unwrap();
    let session = site.session(&ann).await;
    let Secret::Native(stolen) = ann.secret else { panic!("expected a native session") };
    let next = site.auth.refresh(stolen.refresh_token.expose(), None).await.unwrap();
    site.auth.refresh(next.refresh_token.expose(), None).await.unwrap();
    assert_eq!(site.take_events(), []);
    let replay = site.auth.refresh(stolen.refresh_token.expose(), None).await;
    assert!(matches!(replay, Err(Error::InvalidGrant)), "{replay:?}");
    assert_eq!(site.take_events(), [Event::SessionEnded { session }]);
}

#[apply(both_databases)]
#[tokio::test]
async fn rejected_requests_publish_nothing(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (ann, session) = site.ann().await;
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let (bob, bobs_session) = (bob.account.user.summary.id, site.session(&bob).await);
    let rejected: [Result<()>; 7] = [
        site.auth.revoke_session(bob, session).await,
        site.auth.change_password(ann, session, change("wrong")).await.map(drop),
        site.auth.delete_account(ann, session, current_password("wrong")).await,
        site.auth.suspend(&name("nobody"), true).await.map(drop),
        site.auth.reset_password(&name("nobody"), NewPassword::parse(OTHER, &[]).unwrap()).await,
        log_in_from(&site.auth, "ann", "wrong", Device { replaces: Some(bobs_session), ..Device::default() })
            .await
            .map(drop),
        site.auth.refresh("blr_nonsense", None).await.map(drop),
    ];
    assert!(rejected.iter().all(Result::is_err), "{rejected:?}");
    assert_eq!(site.take_events(), []);
    assert_eq!(site.database.count("sessions").await, 2);
}
