//! Notices by mail, and the queue when the mail server does not accept mails.

use std::{net::Ipv4Addr, time::Duration};

use blegram_auth::{
    ChangePassword, Config, Device, EnteredPassword, Error, NewPassword, PasskeyResponse, SendError,
};
use blegram_domain::{DeviceName, FactorId, Username, session::Kind};
use blegram_limits::{Quota, Quotas};
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{
    PASSWORD,
    authenticator::Authenticator,
    both_databases, cheap, log_in_from,
    mailbox::{Site, address},
    second_factor::{App, code},
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
async fn changes_of_second_factors_are_reported(#[case] backend: Backend) {
    const ORIGIN: &str = "https://blegram.example";
    let site = Site::with(backend, Config { issuer: ORIGIN.to_owned(), ..cheap() }).await;
    let session = token(site.verified("ann", "ann@example.com").await);
    let ann = site.auth.authenticate(session.expose()).await.unwrap().unwrap();
    // The owner cannot switch these notices off.
    site.database.execute("UPDATE users SET login_notices = FALSE").await;
    let reported = async |korean: &str, english: &str, texts: [&str; 2]| {
        let mail = site.mail().await;
        assert_eq!(mail.to.as_str(), "ann@example.com");
        assert_eq!(mail.subject, format!("[blegram] {korean} / {english}"));
        for part in texts.into_iter().chain(["@ann", "/reset-password?lang=ko", "/reset-password?lang=en"]) {
            let html = mail.html.replace("&amp;", "&");
            assert!(mail.text.contains(part) && html.contains(part), "{part}: {mail:#?}");
        }
        assert!(!mail.text.contains("phone"), "a thief must not choose what the owner reads: {}", mail.text);
    };

    let name = || Some(DeviceName::parse("phone").unwrap());
    let setup = site.auth.start_totp(ann.user, ann.session, name()).await.unwrap();
    assert!(site.mails().await.is_empty(), "a setup that is not complete changes nothing");
    let totp = App::new(&setup).code_at(site.now());
    let wrong = site.auth.confirm_totp(ann.user, setup.id, &code("000000")).await;
    assert!(wrong.is_err() && site.mails().await.is_empty());
    let app = site.auth.confirm_totp(ann.user, setup.id, &code(&totp)).await.unwrap();
    let (added, removed) = ("2단계 인증 수단이 추가되었습니다", "2단계 인증 수단이 삭제되었습니다");
    reported(added, "A second factor was added", ["인증 앱", "an authenticator app"]).await;

    let setup = site.auth.start_passkey(ann.user, ann.session, name()).await.unwrap();
    let created = Authenticator::new(ORIGIN, "blegram.example").create(&setup.options);
    let response = PasskeyResponse::new(created.to_string());
    let passkey = site.auth.finish_passkey(ann.user, setup.id, &response).await.unwrap();
    reported(added, "A second factor was added", ["패스키", "a passkey"]).await;

    site.auth.create_recovery_codes(ann.user, ann.session).await.unwrap();
    let texts = ["이전 복구 코드는 더 이상", "Earlier ones are no longer valid"];
    reported("복구 코드를 새로 만들었습니다", "New recovery codes were created", texts).await;

    let foreign = site.auth.delete_factor(ann.user, ann.session, FactorId::generate(site.now())).await;
    assert!(foreign.is_err() && site.mails().await.is_empty());
    site.auth.delete_factor(ann.user, ann.session, passkey.id).await.unwrap();
    reported(removed, "A second factor was removed", ["패스키", "a passkey"]).await;
    site.auth.delete_factor(ann.user, ann.session, app.id).await.unwrap();
    reported(removed, "A second factor was removed", ["인증 앱", "an authenticator app"]).await;
}

#[apply(both_databases)]
#[tokio::test]
async fn removal_of_second_factors_by_an_operator_is_reported(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let session = token(site.verified("ann", "ann@example.com").await);
    let ann = site.auth.authenticate(session.expose()).await.unwrap().unwrap();
    let username = Username::parse("ann").unwrap();
    let setup = site.auth.start_totp(ann.user, ann.session, None).await.unwrap();
    site.auth.remove_factors(&username).await.unwrap();
    assert!(site.mails().await.is_empty(), "a setup that is not complete protects nothing");

    let again = site.auth.start_totp(ann.user, ann.session, None).await.unwrap();
    assert_ne!(setup.id, again.id);
    let totp = App::new(&again).code_at(site.now());
    site.auth.confirm_totp(ann.user, again.id, &code(&totp)).await.unwrap();
    site.mail().await;
    assert!(site.auth.remove_factors(&username).await.unwrap());
    let mail = site.mail().await;
    assert!(mail.subject.ends_with("Your second factors were removed"), "{}", mail.subject);
    assert!(mail.text.contains("사이트 운영자가 @ann") && mail.html.contains("An operator of the site"));
    assert!(!site.auth.remove_factors(&username).await.unwrap());
    assert!(site.mails().await.is_empty());
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
