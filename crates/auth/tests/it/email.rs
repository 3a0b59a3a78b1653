//! Addresses: verification, changes, login, and what strangers learn.

use std::time::Duration;

use blegram_auth::{ChangeEmail, Config, Device, EnteredPassword, Error, LoggedIn, SendError};
use blegram_domain::{Account, Language, SessionId, UserId};
use blegram_limits::{Quota, Quotas};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{
    PASSWORD, both_databases, cheap, log_in,
    mailbox::{Site, address, token_in},
    token,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn ids(site: &Site, logged_in: LoggedIn) -> (UserId, SessionId) {
    let found = site.auth.authenticate(token(logged_in).expose()).await.unwrap().unwrap();
    (found.user, found.session)
}

async fn account(site: &Site, user: UserId) -> Account {
    site.auth.account(user).await.unwrap().unwrap()
}

async fn change(site: &Site, (user, session): (UserId, SessionId), email: &str) -> Result<(), Error> {
    let password = Some(EnteredPassword::parse(PASSWORD).unwrap());
    let change = ChangeEmail { address: address(email), password, language: Some(Language::English) };
    site.auth.change_email(user, session, change).await
}

#[apply(both_databases)]
#[tokio::test]
async fn sign_up_with_an_address_sends_a_verification_mail(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let device = Device { language: Some(Language::Korean), ..Device::default() };
    let ann = site.sign_up_from("ann", Some("Ann@Example.com"), device).await;
    let (user, _) = ids(&site, ann).await;
    let mail = site.mail().await;
    assert_eq!((mail.to.as_str(), mail.to_name.as_deref()), ("Ann@example.com", None));
    assert_eq!(mail.subject, "[blegram] 이메일 주소 확인");
    let token = token_in(&mail);
    let link = format!("https://site.example/verify-email?lang=ko&token={token}");
    assert!(mail.text.contains(&link) && mail.html.contains(&link.replace('&', "&amp;")), "{mail:#?}");
    // The address may belong to a stranger, who must not get a text that another person chose.
    assert!(!mail.text.contains("ann") && !mail.html.contains("ann"), "{mail:#?}");

    assert!(!account(&site, user).await.email_verified);
    assert!(matches!(log_in(&site.auth, "ann@example.com", PASSWORD).await, Err(Error::InvalidCredentials)));
    site.auth.verify_email(&token).await.unwrap();
    let verified = account(&site, user).await;
    assert_eq!((verified.email.as_deref(), verified.email_verified), (Some("Ann@example.com"), true));
    for login in ["Ann@example.com", "ann@EXAMPLE.com", " ANN@example.com "] {
        let again = log_in(&site.auth, login, PASSWORD).await.unwrap();
        assert_eq!(again.account.user.summary.id, user);
    }
    assert!(matches!(site.auth.verify_email(&token).await, Err(Error::EmailTokenInvalid)), "single use");
}

#[apply(both_databases)]
#[tokio::test]
async fn mail_without_a_known_language_is_in_both(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    let mail = site.mail().await;
    assert_eq!(mail.subject, "[blegram] 이메일 주소 확인 / Confirm your e-mail address");
    assert!(mail.text.contains("lang=ko&token=") && mail.text.contains("lang=en&token="), "{}", mail.text);
}

#[apply(both_databases)]
#[tokio::test]
async fn database_contains_no_usable_token(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    site.fail_next(SendError::Temporary("down".to_owned()));
    assert_eq!(site.run_jobs().await.len(), 1);
    // Queued, prepared, and not sent.
    let dump = site.database.dump().await;
    site.clock.advance(DAY / 24);
    let token = token_in(&site.mail().await);
    assert!(dump.contains("ann@example.com") && !dump.contains(&token[4..]), "{token}");
    assert!(!site.database.dump().await.contains(&token[4..]));
}

#[apply(both_databases)]
#[tokio::test]
async fn verification_expires_a_day_after_it_was_sent(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    site.clock.advance(3 * DAY);
    let late = token_in(&site.mail().await);
    site.clock.advance(DAY - Duration::from_secs(1));
    site.auth.verify_email(&late).await.unwrap();

    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    let token = token_in(&site.mail().await);
    site.clock.advance(DAY);
    assert!(matches!(site.auth.verify_email(&token).await, Err(Error::EmailTokenInvalid)));
    let retention = site.now() + DAY;
    site.auth.delete_expired(retention).await.unwrap();
    assert_eq!(site.database.count("email_tokens").await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn invalid_tokens_are_rejected(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    site.auth.request_password_reset(address("ann@example.com"), None).await.unwrap();
    let reset = token_in(&site.mail().await);
    for invalid in ["", "ble_", "nonsense", &format!("ble_{}", "A".repeat(43)), &reset] {
        assert!(matches!(site.auth.verify_email(invalid).await, Err(Error::EmailTokenInvalid)), "{invalid}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn verified_address_stays_until_the_new_one_is_verified(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = ids(&site, site.verified("ann", "ann@example.com").await).await;
    change(&site, ann, "new@example.com").await.unwrap();
    let mail = site.mail().await;
    assert_eq!(mail.to.as_str(), "new@example.com");
    assert_eq!(account(&site, ann.0).await.email.as_deref(), Some("ann@example.com"));
    log_in(&site.auth, "ann@example.com", PASSWORD).await.unwrap();
    site.mails().await;

    site.auth.verify_email(&token_in(&mail)).await.unwrap();
    assert_eq!(account(&site, ann.0).await.email.as_deref(), Some("new@example.com"));
    assert!(matches!(log_in(&site.auth, "ann@example.com", PASSWORD).await, Err(Error::InvalidCredentials)));
    let notice = site.mail().await;
    assert_eq!((notice.to.as_str(), notice.to_name.as_deref()), ("ann@example.com", Some("ann")));
    assert!(notice.subject.ends_with("Your e-mail address was changed"), "{}", notice.subject);
    assert!(!notice.text.contains("new@example.com"), "{}", notice.text);
}

#[apply(both_databases)]
#[tokio::test]
async fn newer_verification_replaces_the_older_one(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = ids(&site, site.sign_up("ann", Some("typo@example.com")).await).await;
    let old = token_in(&site.mail().await);
    change(&site, ann, "first@example.com").await.unwrap();
    change(&site, ann, "second@example.com").await.unwrap();
    // Only the newest is sent, and an address that is not verified is replaced at once.
    let mail = site.mail().await;
    assert_eq!(mail.to.as_str(), "second@example.com");
    assert_eq!(account(&site, ann.0).await.email.as_deref(), Some("second@example.com"));
    assert!(matches!(site.auth.verify_email(&old).await, Err(Error::EmailTokenInvalid)));
    site.auth.verify_email(&token_in(&mail)).await.unwrap();

    // The verified address cancels a pending change.
    change(&site, ann, "third@example.com").await.unwrap();
    let third = token_in(&site.mail().await);
    change(&site, ann, "second@example.com").await.unwrap();
    assert!(site.mails().await.is_empty());
    assert!(matches!(site.auth.verify_email(&third).await, Err(Error::EmailTokenInvalid)));
}

#[apply(both_databases)]
#[tokio::test]
async fn address_change_requires_the_password(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (user, session) = ids(&site, site.verified("ann", "ann@example.com").await).await;
    for password in [None, Some(EnteredPassword::parse("wrong").unwrap())] {
        let change = ChangeEmail { address: address("new@example.com"), password, language: None };
        let changed = site.auth.change_email(user, session, change).await;
        assert!(matches!(changed, Err(Error::WrongPassword)), "{changed:?}");
    }
    assert!(site.mails().await.is_empty());
}

// A stranger who enters an address learns nothing; the one who reads its mail learns that it is in use.
#[apply(both_databases)]
#[tokio::test]
async fn mailbox_belongs_to_the_account_that_verified_it_first(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = ids(&site, site.verified("ann", "ann@예시.한국").await).await;
    let bob = ids(&site, site.sign_up("bob", None).await).await;
    change(&site, bob, "ANN@xn--vv4b11d.xn--3e0b707e").await.unwrap();
    let token = token_in(&site.mail().await);
    assert!(matches!(site.auth.verify_email(&token).await, Err(Error::EmailTaken)));
    assert!(!account(&site, bob.0).await.email_verified && account(&site, ann.0).await.email_verified);
    // Free again once the other account has another address.
    change(&site, ann, "ann@example.com").await.unwrap();
    site.auth.verify_email(&token_in(&site.mail().await)).await.unwrap();
    site.mails().await;
    site.auth.verify_email(&token).await.unwrap();
    assert_eq!(log_in(&site.auth, "ann@예시.한국", PASSWORD).await.unwrap().account.user.summary.id, bob.0);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_verifications_of_one_mailbox_succeed_once(#[case] backend: Backend) {
    let wide = Quota::new(1_000, 60);
    let quotas = Quotas { mails_per_recipient: wide, ..Quotas::default() };
    let site = Site::with(backend, Config { quotas, ..cheap() }).await;
    let mut tokens = Vec::new();
    for n in 0..8 {
        site.sign_up(&format!("ann{n}"), Some("ann@example.com")).await;
        tokens.push(token_in(&site.mail().await));
    }
    let mut racers = JoinSet::new();
    for token in tokens {
        let auth = site.auth.clone();
        racers.spawn(async move { auth.verify_email(&token).await });
    }
    let mut verified = 0;
    for result in racers.join_all().await {
        match result {
            Ok(()) => verified += 1,
            Err(error) => assert!(matches!(error, Error::EmailTaken), "{error:?}"),
        }
    }
    assert_eq!(verified, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_uses_of_one_token_succeed_once(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    let token = token_in(&site.mail().await);
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let (auth, token) = (site.auth.clone(), token.clone());
        racers.spawn(async move { auth.verify_email(&token).await.is_ok() });
    }
    assert_eq!(racers.join_all().await.into_iter().filter(|is_ok| *is_ok).count(), 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn site_without_mail_sends_none_and_says_so(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let config = Config { sends_mail: false, ..cheap() };
    let silent = crate::auth(&site.database, config);
    let ann = crate::sign_up(&silent, "ann").await.unwrap();
    let ann = silent.authenticate(token(ann).expose()).await.unwrap().unwrap();
    let password = Some(EnteredPassword::parse(PASSWORD).unwrap());
    let change = ChangeEmail { address: address("ann@example.com"), password, language: None };
    assert!(matches!(silent.change_email(ann.user, ann.session, change).await, Err(Error::MailDisabled)));
    silent.request_password_reset(address("ann@example.com"), None).await.unwrap();
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn mails_to_one_recipient_are_limited(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let ann = ids(&site, site.sign_up("ann", None).await).await;
    for _ in 0..5 {
        change(&site, ann, "victim@example.com").await.unwrap();
    }
    assert!(matches!(change(&site, ann, "Victim@example.com").await, Err(Error::RateLimited(_))));
    // Whatever causes the mail, and whether an account has the address or not.
    let reset = site.auth.request_password_reset(address("victim@example.com"), None).await;
    assert!(matches!(reset, Err(Error::RateLimited(_))));
    change(&site, ann, "another@example.com").await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn deleted_account_leaves_no_mail_and_no_token(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (user, session) = ids(&site, site.verified("ann", "ann@example.com").await).await;
    site.auth.request_password_reset(address("ann@example.com"), None).await.unwrap();
    let token = token_in(&site.mail().await);
    change(&site, (user, session), "new@example.com").await.unwrap();
    let password = Some(EnteredPassword::parse(PASSWORD).unwrap());
    site.auth.delete_account(user, session, password).await.unwrap();
    assert_eq!((site.database.count("mails").await, site.database.count("email_tokens").await), (0, 0));
    assert!(site.mails().await.is_empty());
    let new = blegram_auth::NewPassword::parse("another room, without a view", &[]).unwrap();
    let reset = site.auth.complete_password_reset(&token, new).await;
    assert!(matches!(reset, Err(Error::EmailTokenInvalid)));
    // The mailbox is free for another account.
    site.verified("bob", "ann@example.com").await;
}
