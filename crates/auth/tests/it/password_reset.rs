//! Password resets by mail.

use std::time::Duration;

use blegram_auth::{ChangeEmail, EnteredPassword, Error, NewPassword};
use blegram_domain::Language;
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{
    PASSWORD, both_databases, log_in,
    mailbox::{Site, address, token_in},
    token,
};

const MINUTE: Duration = Duration::from_secs(60);
const NEW: &str = "another room, without a view";

fn new_password(text: &str) -> NewPassword {
    NewPassword::parse(text, &[]).unwrap()
}

async fn request(site: &Site, email: &str) {
    site.auth.request_password_reset(address(email), Some(Language::English)).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn reset_replaces_the_password_and_ends_all_sessions(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let session = token(site.verified("ann", "ann@example.com").await);
    request(&site, "ANN@example.com").await;
    let mail = site.mail().await;
    // To the address that the owner verified, not to the one that was typed.
    assert_eq!((mail.to.as_str(), mail.to_name.as_deref()), ("ann@example.com", Some("ann")));
    assert!(mail.text.contains("@ann"), "{}", mail.text);

    let token = token_in(&mail);
    site.auth.complete_password_reset(&token, new_password(NEW)).await.unwrap();
    assert_eq!(site.auth.authenticate(session.expose()).await.unwrap(), None);
    assert!(matches!(log_in(&site.auth, "ann", PASSWORD).await, Err(Error::InvalidCredentials)));
    let notice = site.mail().await;
    assert!(notice.subject.ends_with("Your password was reset"), "{}", notice.subject);
    log_in(&site.auth, "ann", NEW).await.unwrap();
    let again = site.auth.complete_password_reset(&token, new_password(PASSWORD)).await;
    assert!(matches!(again, Err(Error::EmailTokenInvalid)), "single use: {again:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn reset_token_expires_after_half_an_hour(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    request(&site, "ann@example.com").await;
    let token = token_in(&site.mail().await);
    site.clock.advance(30 * MINUTE);
    let late = site.auth.complete_password_reset(&token, new_password(NEW)).await;
    assert!(matches!(late, Err(Error::EmailTokenInvalid)));
    log_in(&site.auth, "ann", PASSWORD).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn weak_password_does_not_use_the_token_up(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    // Easy to guess only for those who know the username.
    site.verified("zxqvplmrtw", "ann@example.com").await;
    request(&site, "ann@example.com").await;
    let token = token_in(&site.mail().await);
    let weak = site.auth.complete_password_reset(&token, new_password("zxqvplmrtw")).await;
    assert!(matches!(weak, Err(Error::WeakPassword(_))), "{weak:?}");
    site.auth.complete_password_reset(&token, new_password(NEW)).await.unwrap();
}

// The requests have to be alike in their effects on the database: what differs would take another time.
#[apply(both_databases)]
#[tokio::test]
async fn request_does_the_same_work_for_any_address(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    site.sign_up("bob", Some("bob@example.com")).await;
    site.mails().await;
    let mut statements = Vec::new();
    for email in ["ann@example.com", "bob@example.com", "stranger@example.com"] {
        site.database.take_statements();
        request(&site, email).await;
        statements.push(site.database.take_statements());
    }
    assert!(
        !statements[0].is_empty() && statements.windows(2).all(|pair| pair[0] == pair[1]),
        "{statements:#?}"
    );
    // Only the verified address receives mail.
    let subjects = site.subjects().await;
    assert_eq!(subjects, [("ann@example.com".to_owned(), "[blegram] Reset your password".to_owned())]);
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn newer_request_replaces_the_older_one(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    request(&site, "ann@example.com").await;
    let old = token_in(&site.mail().await);
    request(&site, "ann@example.com").await;
    let new = token_in(&site.mail().await);
    let reset = site.auth.complete_password_reset(&old, new_password(NEW)).await;
    assert!(matches!(reset, Err(Error::EmailTokenInvalid)));
    site.auth.complete_password_reset(&new, new_password(NEW)).await.unwrap();
}

// The server may have accepted a mail although its answer was lost: then the job repeats a mail whose link was used.
#[apply(both_databases)]
#[tokio::test]
async fn repeated_mail_does_not_revive_a_used_token(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    request(&site, "ann@example.com").await;
    site.lose_next_answer();
    assert_eq!(site.run_jobs().await.len(), 1);
    let token = token_in(&site.take_mails()[0]);
    site.auth.complete_password_reset(&token, new_password(NEW)).await.unwrap();
    site.clock.advance(2 * MINUTE);
    let later = site.mail().await;
    assert!(later.subject.ends_with("Your password was reset"), "{}", later.subject);
    let again = site.auth.complete_password_reset(&token, new_password(PASSWORD)).await;
    assert!(matches!(again, Err(Error::EmailTokenInvalid)));
}

#[apply(both_databases)]
#[tokio::test]
async fn reset_cancels_a_pending_change_of_the_address(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let session = token(site.verified("ann", "ann@example.com").await);
    let ann = site.auth.authenticate(session.expose()).await.unwrap().unwrap();
    let password = Some(EnteredPassword::parse(PASSWORD).unwrap());
    let change = ChangeEmail { address: address("thief@example.com"), password, language: None };
    site.auth.change_email(ann.user, ann.session, change).await.unwrap();
    let thief = token_in(&site.mail().await);
    request(&site, "ann@example.com").await;
    let owner = token_in(&site.mail().await);
    site.auth.complete_password_reset(&owner, new_password(NEW)).await.unwrap();
    assert!(matches!(site.auth.verify_email(&thief).await, Err(Error::EmailTokenInvalid)));
}

#[apply(both_databases)]
#[tokio::test]
async fn address_change_cancels_a_reset_to_the_old_address(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let session = token(site.verified("ann", "old@example.com").await);
    let ann = site.auth.authenticate(session.expose()).await.unwrap().unwrap();
    request(&site, "old@example.com").await;
    let old = token_in(&site.mail().await);
    let password = Some(EnteredPassword::parse(PASSWORD).unwrap());
    let change = ChangeEmail { address: address("new@example.com"), password, language: None };
    site.auth.change_email(ann.user, ann.session, change).await.unwrap();
    site.auth.verify_email(&token_in(&site.mail().await)).await.unwrap();
    let reset = site.auth.complete_password_reset(&old, new_password(NEW)).await;
    assert!(matches!(reset, Err(Error::EmailTokenInvalid)));
}
