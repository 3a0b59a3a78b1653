//! Linking, unlinking, and notices of providers.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use blegram_auth::{
    Authenticated, ChangePassword, Device, Error, Event, FailedLogin, FinishLogin, FinishedLogin, LoggedIn,
    NewPassword,
    credentials::FRESH_LOGIN,
    provider::{Notice, NoticeReply, settings::Preset},
    testing::{FakeUser, Misbehavior},
    unlinking::GIVEN_UP_AFTER,
};
use blegram_domain::{Clock, Job, UserId, event::EventSink, job::ProviderJob, session::Kind};
use blegram_persistence::{jobs, testing::Backend};
use futures_util::future::join_all;
use rstest_reuse::apply;

use crate::{
    both_databases,
    external_login::{Site, ann, finish, id},
    sign_up, sign_up_from,
};

/// Records the events.
#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl EventSink<Event> for Recorder {
    fn publish(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

async fn session(site: &Site, logged_in: &LoggedIn) -> Authenticated {
    site.authenticate(logged_in).await.unwrap()
}

fn user(logged_in: &LoggedIn) -> UserId {
    logged_in.account.user.summary.id
}

/// Links `identity` in the browser that has `actor`'s session, or returns in the browser with `returning`'s session.
async fn link(
    site: &Site,
    actor: &Authenticated,
    identity: &FakeUser,
    returning: Option<Authenticated>,
) -> Result<FinishedLogin, FailedLogin> {
    let started = site.auth.link_identity(actor, &id(), None).await.unwrap();
    let query = site.provider.approve(&started.url, identity);
    site.auth.finish_login(FinishLogin { session: returning, ..finish(&query, &started) }).await
}

#[apply(both_databases)]
#[tokio::test]
async fn linked_identity_logs_in_to_the_account(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let actor = session(&site, &bob).await;
    let linked = link(&site, &actor, &ann(), Some(actor)).await.unwrap();
    assert!(matches!(linked, FinishedLogin::Linked { redirect_to: None }));
    let logged_in = site.logged_in(&ann()).await;
    assert_eq!(user(&logged_in), user(&bob));
    assert_eq!(site.database.count("users").await, 1);
    let second = site.auth.link_identity(&actor, &id(), None).await;
    assert!(matches!(second, Err(Error::IdentityInUse)), "one identity of each provider");
}

#[tokio::test]
async fn link_must_end_in_the_session_that_began_it() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let (bob, eve) = (sign_up(&site.auth, "bob").await.unwrap(), sign_up(&site.auth, "eve").await.unwrap());
    let (bobs, eves) = (session(&site, &bob).await, session(&site, &eve).await);
    // Eve sends Bob's browser to the provider, so that his identity would log in to her account.
    for returning in [None, Some(bobs)] {
        let failed = link(&site, &eves, &ann(), returning).await.unwrap_err();
        assert!(matches!(failed.error, Error::SessionEnded), "{:?}", failed.error);
    }
    let started = site.auth.link_identity(&eves, &id(), None).await.unwrap();
    site.auth.log_out(eves.session).await.unwrap();
    let query = site.provider.approve(&started.url, &ann());
    let ended = FinishLogin { session: Some(eves), ..finish(&query, &started) };
    site.auth.finish_login(ended).await.unwrap_err();
    assert_eq!(site.database.count("identities").await, 0);
}

#[tokio::test]
async fn link_requires_a_recent_login_in_a_browser() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let actor = session(&site, &bob).await;
    site.clock.advance(FRESH_LOGIN);
    let old = site.auth.link_identity(&actor, &id(), None).await;
    assert!(matches!(old, Err(Error::ReauthenticationRequired)));
    let device = Device { kind: Kind::Native, ..Device::default() };
    let app = sign_up_from(&site.auth, "app", device).await.unwrap();
    let app = session(&site, &app).await;
    assert!(matches!(site.auth.link_identity(&app, &id(), None).await, Err(Error::BrowserRequired)));
}

#[tokio::test]
async fn unlinking_requires_a_recent_login() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let actor = session(&site, &bob).await;
    link(&site, &actor, &ann(), Some(actor)).await.unwrap();
    site.clock.advance(FRESH_LOGIN);
    let late = site.auth.unlink_identity(&actor, &id()).await;
    assert!(matches!(late, Err(Error::ReauthenticationRequired)));
    assert_eq!(site.database.count("identities").await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn identity_belongs_to_one_account(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let owner = site.logged_in(&ann()).await;
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let actor = session(&site, &bob).await;
    let failed = link(&site, &actor, &ann(), Some(actor)).await.unwrap_err();
    assert!(matches!(failed.error, Error::IdentityInUse));
    assert_eq!(user(&site.logged_in(&ann()).await), user(&owner), "it is never moved");
    // Of two accounts that link one identity at the same time, one gets it.
    let mut links = Vec::new();
    for name in ["carol", "dave", "erin", "frank"] {
        let actor = session(&site, &sign_up(&site.auth, name).await.unwrap()).await;
        let started = site.auth.link_identity(&actor, &id(), None).await.unwrap();
        let query = site.provider.approve(&started.url, &FakeUser::new("shared", "x"));
        links.push(FinishLogin { session: Some(actor), ..finish(&query, &started) });
    }
    let finished = join_all(links.into_iter().map(|link| site.auth.finish_login(link))).await;
    assert_eq!(finished.iter().filter(|one| one.is_ok()).count(), 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn last_way_to_log_in_cannot_be_removed(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let ann = site.logged_in(&ann()).await;
    let actor = session(&site, &ann).await;
    let provider = id();
    let unlink = async |actor| site.auth.unlink_identity(&actor, &provider).await;
    assert!(matches!(unlink(actor).await, Err(Error::LastLoginMethod)));
    assert_eq!(site.database.count("identities").await, 1);
    // An account without a password sets one within ten minutes of the login.
    let new = || NewPassword::parse("a room with a view of the sea", &[]).unwrap();
    let change = || ChangePassword { current: None, new: new() };
    site.clock.advance(FRESH_LOGIN);
    let late = site.auth.change_password(actor.user, actor.session, change()).await;
    assert!(matches!(late, Err(Error::ReauthenticationRequired)));
    let again = session(&site, &site.logged_in(&crate::external_login::ann()).await).await;
    site.auth.change_password(again.user, again.session, change()).await.unwrap();
    unlink(again).await.unwrap();
    assert!(matches!(unlink(again).await, Err(Error::IdentityNotFound)));
}

#[tokio::test]
async fn unlinking_is_not_a_logout_and_a_logout_does_not_unlink() {
    let site = Site::new(Backend::Sqlite, Preset::Oidc).await;
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let actor = session(&site, &bob).await;
    link(&site, &actor, &ann(), Some(actor)).await.unwrap();
    let logged_in = site.logged_in(&ann()).await;
    site.auth.unlink_identity(&actor, &id()).await.unwrap();
    let active = session(&site, &logged_in).await;
    site.auth.log_out(active.session).await.unwrap();
    let actor = session(&site, &bob).await;
    link(&site, &actor, &ann(), Some(actor)).await.unwrap();
    site.auth.log_out(actor.session).await.unwrap();
    assert_eq!(user(&site.logged_in(&ann()).await), user(&bob));
}

#[apply(both_databases)]
#[tokio::test]
async fn identity_of_a_deleted_account_gets_a_new_one(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Oidc).await;
    let first = site.logged_in(&ann()).await;
    let actor = session(&site, &first).await;
    site.auth.delete_account(actor.user, actor.session, None).await.unwrap();
    assert_eq!(site.database.count("identities").await, 0);
    let FinishedLogin::SignUpPending(_) = site.log_in(&ann()).await.unwrap() else {
        panic!("the old name stays reserved");
    };
}

#[apply(both_databases)]
#[tokio::test]
async fn unlink_notice_removes_the_identity_and_ends_its_sessions(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Kakao).await;
    let recorder = Arc::new(Recorder::default());
    let auth = site.auth.clone().with_events(Arc::clone(&recorder) as Arc<dyn EventSink<Event>>);
    let site = Site { auth, ..site };
    let bob = sign_up(&site.auth, "bob").await.unwrap();
    let actor = session(&site, &bob).await;
    link(&site, &actor, &ann(), Some(actor)).await.unwrap();
    let external = session(&site, &site.logged_in(&ann()).await).await;
    let notice = |header: &str, user: &str| Notice {
        authorization: Some(header.into()),
        parameters: HashMap::from([("user_id".to_owned(), user.to_owned())]),
    };
    let forged = site.auth.receive_unlink_notice(&id(), &notice("KakaoAK guess", "subject-1")).await;
    assert!(matches!(forged, Err(Error::NoticeRejected)));
    let authentic = "KakaoAK the admin key";
    let unknown = site.auth.receive_unlink_notice(&id(), &notice(authentic, "unknown")).await.unwrap();
    assert_eq!(unknown.reply, NoticeReply::Ok, "the same response as for a known user");
    assert_eq!(site.database.count("identities").await, 1);
    site.auth.receive_unlink_notice(&id(), &notice(authentic, "subject-1")).await.unwrap();
    assert_eq!(site.database.count("identities").await, 0);
    assert!(recorder.0.lock().unwrap().contains(&Event::SessionEnded { session: external.session }));
    site.clock.advance(Duration::from_secs(2));
    assert!(site.authenticate(&bob).await.is_some(), "the session with the password continues");
    assert_eq!(site.database.count("sessions").await, 1);
}

#[tokio::test]
async fn provider_without_notices_has_no_address_for_them() {
    let site = Site::new(Backend::Sqlite, Preset::Google).await;
    let received = site.auth.receive_unlink_notice(&id(), &Notice::default()).await;
    assert!(matches!(received, Err(Error::ProviderNotFound)));
}

/// Runs the jobs that end links, each once, and returns the errors of those that have to be retried.
async fn run_unlinks(site: &Site) -> Vec<Error> {
    let (mut errors, now) = (Vec::new(), site.clock.now());
    loop {
        let tx = site.database.db().write().await.unwrap();
        let taken = jobs::take(&tx, ProviderJob::KINDS, now, now + Duration::from_secs(60)).await.unwrap();
        tx.commit().await.unwrap();
        let Some(job) = taken else { return errors };
        let Some(Job::UnlinkIdentity(id)) = Job::parse(&job.kind, &job.subject) else { panic!("{job:?}") };
        match site.auth.unlink_at_provider(id).await {
            Ok(()) => {
                let tx = site.database.db().write().await.unwrap();
                jobs::delete(&tx, &job).await.unwrap();
                tx.commit().await.unwrap();
            }
            Err(error) => errors.push(error),
        }
    }
}

async fn delete_account(site: &Site, identity: &FakeUser) {
    let actor = session(site, &site.logged_in(identity).await).await;
    site.auth.delete_account(actor.user, actor.session, None).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_account_is_unlinked_at_its_provider(#[case] backend: Backend) {
    for (preset, subject) in [(Preset::Kakao, "subject-1"), (Preset::Facebook, "1234567890")] {
        let site = Site::new(backend, preset).await;
        let identity = FakeUser::new(subject, "Ann Lee");
        site.provider.misbehave(Some(Misbehavior::UnlinkFails));
        // The provider is down, which the user does not notice.
        delete_account(&site, &identity).await;
        for _ in 0..3 {
            let errors = run_unlinks(&site).await;
            assert!(matches!(&errors[..], [Error::ProviderUnavailable(_)]), "{preset:?}: {errors:?}");
            site.clock.advance(Duration::from_secs(24 * 60 * 60));
        }
        site.provider.misbehave(None);
        assert!(run_unlinks(&site).await.is_empty());
        assert_eq!(site.provider.unlinked(), [subject], "{preset:?}");
        assert_eq!(site.database.count("provider_unlinks").await, 0);

        // A user who ended the link themselves. The first username is reserved.
        delete_account(&site, &FakeUser::new(subject, "Ann Second")).await;
        site.provider.misbehave(Some(Misbehavior::UnlinkOfNoUser));
        assert!(run_unlinks(&site).await.is_empty());
        assert_eq!(site.database.count("provider_unlinks").await, 0);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn end_of_a_link_is_given_up_after_a_month(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Kakao).await;
    site.provider.misbehave(Some(Misbehavior::UnlinkFails));
    delete_account(&site, &ann()).await;
    site.clock.advance(GIVEN_UP_AFTER);
    assert_eq!(run_unlinks(&site).await.len(), 1);
    site.clock.advance(Duration::from_secs(61));
    assert!(run_unlinks(&site).await.is_empty());
    assert_eq!((site.database.count("provider_unlinks").await, site.database.count("jobs").await), (0, 1));
}

/// Otherwise the provider's notice about the old link would end the new one.
#[apply(both_databases)]
#[tokio::test]
async fn user_who_returned_after_the_deletion_stays_linked(#[case] backend: Backend) {
    let site = Site::new(backend, Preset::Kakao).await;
    delete_account(&site, &ann()).await;
    // The first username is reserved.
    let returned = site.logged_in(&FakeUser::new("subject-1", "Ann Second")).await;
    assert!(run_unlinks(&site).await.is_empty());
    assert_eq!((site.provider.unlinked(), site.database.count("provider_unlinks").await), (Vec::new(), 0));
    assert!(site.authenticate(&returned).await.is_some());
}

/// The other providers demand a token of the user, and none is stored.
#[tokio::test]
async fn deletion_asks_only_providers_that_need_no_token_of_the_user() {
    for preset in [Preset::Naver, Preset::NaverOAuth2, Preset::Google, Preset::Apple, Preset::Oidc] {
        let site = Site::new(Backend::Sqlite, preset).await;
        delete_account(&site, &ann()).await;
        assert_eq!(site.database.count("provider_unlinks").await, 0, "{preset:?}");
    }
}
