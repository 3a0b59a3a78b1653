//! Notices by mail, and the queue when the mail server does not accept mails.

use std::{net::Ipv4Addr, time::Duration};

use blegram_auth::{ChangePassword, Config, Device, EnteredPassword, Error, NewPassword, SendError};
use blegram_domain::{Username, session::Kind};
use blegram_limits::{Quota, Quotas};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{
    PASSWORD, both_databases, cheap, log_in_from,
    mailbox::{Site, address},
    token,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const NEW: &str = "another room, without a view";

fn at(last: u8, user_agent: &str) -> Device {
    Device {
        kind: Kind::Browser,
        address: Some(Ipv4Addr::new(192, 0, last, 7).into()),
        user_agent: Some(user_agent.to_owned()),
        ..Device::default()
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn password_changes_are_reported(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let session = token(site.verified("ann", "ann@example.com").await);
    let ann = site.auth.authenticate(session.expose()).await.unwrap().unwrap();
    let new = NewPassword::parse(NEW, &[]).unwrap();
    let change = ChangePassword { current: Some(EnteredPassword::parse(PASSWORD).unwrap()), new };
    site.auth.change_password(ann.user, ann.session, change).await.unwrap();
    assert!(site.mail().await.subject.ends_with("Your password was changed"));
    let username = Username::parse("ann").unwrap();
    site.auth.reset_password(&username, NewPassword::parse(PASSWORD, &[]).unwrap()).await.unwrap();
    assert!(site.mail().await.subject.ends_with("Your password was changed"));
}

#[apply(both_databases)]
#[tokio::test]
async fn address_that_is_not_verified_gets_no_notice(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("stranger@example.com")).await;
    site.mails().await;
    let username = Username::parse("ann").unwrap();
    site.auth.reset_password(&username, NewPassword::parse(NEW, &[]).unwrap()).await.unwrap();
    assert!(site.mails().await.is_empty());
}

#[apply(both_databases)]
#[tokio::test]
async fn login_from_a_new_device_is_reported(#[case] backend: Backend) {
    const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1";
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    let first = log_in_from(&site.auth, "ann", PASSWORD, at(1, SAFARI)).await.unwrap();
    let mail = site.mail().await;
    assert!(mail.subject.ends_with("New login to your account"), "{}", mail.subject);
    for part in ["Safari on iPhone", "192.0.1.0/24", "2026-09-21 "] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    assert!(!mail.text.contains("192.0.1.7"), "{}", mail.text);

    // The same network, or the same browser in another one.
    log_in_from(&site.auth, "ann", PASSWORD, at(1, "Firefox/1 Linux")).await.unwrap();
    let known = Some(first.device.unwrap().expose().to_owned());
    log_in_from(&site.auth, "ann", PASSWORD, Device { token: known, ..at(2, SAFARI) }).await.unwrap();
    assert!(site.mails().await.is_empty());
    // A failed login is none.
    log_in_from(&site.auth, "ann", "wrong", at(3, SAFARI)).await.unwrap_err();
    assert!(site.mails().await.is_empty());
    // What the client says about itself is not repeated.
    log_in_from(&site.auth, "ann", PASSWORD, at(4, "evil.example/1 <b> (Windows)")).await.unwrap();
    let mail = site.mail().await;
    assert!(!mail.text.contains("evil") && !mail.html.contains("evil"), "{mail:#?}");

    site.database.execute("UPDATE users SET login_notices = FALSE").await;
    log_in_from(&site.auth, "ann", PASSWORD, at(5, SAFARI)).await.unwrap();
    assert!(site.mails().await.is_empty(), "the owner does not want them");
}

#[apply(both_databases)]
#[tokio::test]
async fn limited_logins_are_reported_once_a_day(#[case] backend: Backend) {
    let quotas = Quotas { login_per_account: Quota::new(2, 3600), ..Quotas::default() };
    let site = Site::with(backend, Config { quotas, ..cheap() }).await;
    site.verified("ann", "ann@example.com").await;
    let attack = async || {
        let mut last = None;
        for n in 10..20 {
            last = Some(log_in_from(&site.auth, "ann", "wrong", at(n, "")).await.unwrap_err());
        }
        assert!(matches!(last, Some(Error::RateLimited(_))), "{last:?}");
    };
    attack().await;
    attack().await;
    assert!(site.mail().await.subject.ends_with("Logins to your account are limited"));
    site.clock.advance(DAY - Duration::from_secs(60));
    attack().await;
    assert!(site.mails().await.is_empty());
    site.clock.advance(Duration::from_secs(60));
    attack().await;
    assert_eq!(site.mails().await.len(), 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn notices_to_one_recipient_are_limited(#[case] backend: Backend) {
    let quotas = Quotas { mail_notices_per_recipient: Quota::new(2, 3600), ..Quotas::default() };
    let site = Site::with(backend, Config { quotas, ..cheap() }).await;
    site.verified("ann", "ann@example.com").await;
    for n in 0..4 {
        log_in_from(&site.auth, "ann", PASSWORD, at(n, "")).await.unwrap();
    }
    assert_eq!(site.mails().await.len(), 2);
}

#[apply(both_databases)]
#[tokio::test]
async fn mail_is_retried_until_it_is_given_up(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    let down = || SendError::Temporary("connection refused".to_owned());
    for _ in 0..3 {
        site.fail_next(down());
        let errors = site.run_jobs().await;
        assert!(matches!(&errors[..], [Error::Mail(cause)] if cause == "connection refused"), "{errors:?}");
        site.clock.advance(DAY);
    }
    assert_eq!(site.mails().await.len(), 1);
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));

    site.sign_up("bob", Some("bob@example.com")).await;
    site.clock.advance(5 * DAY + Duration::from_secs(1));
    assert!(site.mails().await.is_empty());
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn rejected_mail_is_not_retried(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.sign_up("ann", Some("ann@example.com")).await;
    site.fail_next(SendError::Rejected("550 no such user".to_owned()));
    assert!(site.mails().await.is_empty());
    assert_eq!((site.database.count("mails").await, site.database.count("jobs").await), (0, 0));
}

#[apply(both_databases)]
#[tokio::test]
async fn old_requests_for_unknown_addresses_are_deleted(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.auth.request_password_reset(address("stranger@example.com"), None).await.unwrap();
    site.auth.delete_expired(site.now() + 6 * DAY).await.unwrap();
    assert_eq!(site.database.count("mails").await, 1);
    site.auth.delete_expired(site.now() + 8 * DAY).await.unwrap();
    assert_eq!(site.database.count("mails").await, 0);
}

#[apply(both_databases)]
#[tokio::test]
async fn names_in_mails_are_escaped(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    site.verified("ann", "ann@example.com").await;
    let name = "<script>alert(1)</script>";
    site.database.execute(&format!("UPDATE users SET display_name = '{name}'")).await;
    site.auth.request_password_reset(address("ann@example.com"), None).await.unwrap();
    let mail = site.mail().await;
    assert_eq!(mail.to_name.as_deref(), Some(name));
    assert!(!mail.html.contains("<script"), "{}", mail.html);
    assert!(!mail.html.contains("src=") && !mail.html.contains("<img"), "no remote content: {}", mail.html);
}
