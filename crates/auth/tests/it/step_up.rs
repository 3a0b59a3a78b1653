//! Reauthentication within a session, and what demands it.

use std::time::Duration;

use blegram_auth::{
    EnteredPassword, Error, Proof, Reauthenticate, Result, SessionToken, credentials::FRESH_LOGIN,
};
use blegram_domain::FactorId;
use blegram_persistence::testing::Backend;
use rstest_reuse::apply;

use crate::{
    PASSWORD, both_databases,
    second_factor::{MICRO, Owner, STEP, Site, recovery, totp},
};

async fn reauthenticate(
    site: &Site,
    owner: Owner,
    password: Option<&str>,
    proof: Option<Proof>,
) -> Result<Option<SessionToken>> {
    let password = password.map(|password| EnteredPassword::parse(password).unwrap());
    site.auth.reauthenticate(owner.user, owner.session, Reauthenticate { password, proof }).await
}

/// The errors of everything that demands a recent login.
async fn changes(site: &Site, owner: Owner) -> Vec<Option<Error>> {
    let factors = site.auth.list_factors(owner.user).await.unwrap().factors;
    let factor = factors.first().map_or_else(|| FactorId::generate(site.now()), |factor| factor.id);
    vec![
        site.auth.start_totp(owner.user, owner.session, None).await.err(),
        site.auth.start_passkey(owner.user, owner.session, None).await.err(),
        site.auth.create_recovery_codes(owner.user, owner.session).await.err(),
        site.auth.delete_factor(owner.user, owner.session, factor).await.err(),
    ]
}

impl Site {
    fn now(&self) -> blegram_domain::Timestamp {
        use blegram_domain::Clock;
        self.clock.now()
    }

    async fn with_domain(backend: Backend) -> Self {
        let issuer = "https://blegram.example".to_owned();
        Self::with(backend, blegram_auth::Config { issuer, ..crate::cheap() }).await
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn factor_changes_demand_a_recent_login(#[case] backend: Backend) {
    let site = Site::with_domain(backend).await;
    let (owner, app) = site.sign_up_with_app("ann").await;
    site.clock.advance(FRESH_LOGIN - STEP);
    let errors = changes(&site, owner).await;
    assert!(errors.iter().all(|error| matches!(error, Some(Error::ReauthenticationRequired))), "{errors:?}");
    assert_eq!(site.auth.list_factors(owner.user).await.unwrap().factors.len(), 1);

    reauthenticate(&site, owner, Some(PASSWORD), Some(totp(&app.code(&site)))).await.unwrap().unwrap();
    site.clock.advance(FRESH_LOGIN - MICRO);
    let errors = changes(&site, owner).await;
    assert!(errors.iter().all(Option::is_none), "{errors:?}");
}

#[apply(both_databases)]
#[tokio::test]
async fn reauthentication_demands_what_a_login_demands(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let owner = site.sign_up("ann").await;
    for password in [None, Some("wrong")] {
        let wrong = reauthenticate(&site, owner, password, None).await;
        assert!(matches!(wrong, Err(Error::WrongPassword)), "{wrong:?}");
    }
    reauthenticate(&site, owner, Some(PASSWORD), None).await.unwrap();

    let app = site.add_app(owner).await;
    site.clock.advance(Duration::from_secs(600));
    let missing = reauthenticate(&site, owner, Some(PASSWORD), None).await;
    assert!(matches!(missing, Err(Error::SecondFactorRequired)), "{missing:?}");
    let code = app.code(&site);
    for password in [None, Some("wrong")] {
        let wrong = reauthenticate(&site, owner, password, Some(totp(&code))).await;
        assert!(matches!(wrong, Err(Error::WrongPassword)), "{wrong:?}");
    }
    let wrong = reauthenticate(&site, owner, Some(PASSWORD), Some(totp("000000"))).await;
    assert!(matches!(wrong, Err(Error::WrongCode)), "{wrong:?}");
    let errors = changes(&site, owner).await;
    assert!(errors.iter().all(Option::is_some), "a failed attempt renews nothing: {errors:?}");

    reauthenticate(&site, owner, Some(PASSWORD), Some(totp(&code))).await.unwrap();
    let replayed = reauthenticate(&site, owner, Some(PASSWORD), Some(totp(&code))).await;
    assert!(matches!(replayed, Err(Error::WrongCode)), "{replayed:?}");
    let replayed = site.complete(&site.challenge("ann").await, totp(&code)).await;
    assert!(matches!(replayed, Err(Error::SecondFactorInvalid)), "{replayed:?}");
    let codes = site.auth.create_recovery_codes(owner.user, owner.session).await.unwrap();
    reauthenticate(&site, owner, Some(PASSWORD), Some(recovery(&codes[0].expose()))).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn reauthentication_renews_the_token_of_a_browser(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let owner = site.sign_up("ann").await;
    let new = reauthenticate(&site, owner, Some(PASSWORD), None).await.unwrap().unwrap();
    let newer = reauthenticate(&site, owner, Some(PASSWORD), None).await.unwrap().unwrap();
    assert_eq!(site.auth.authenticate(new.expose()).await.unwrap(), None);
    let viewer = site.auth.authenticate(newer.expose()).await.unwrap().unwrap();
    assert_eq!((viewer.user, viewer.session), (owner.user, owner.session));
    assert_eq!(site.database.count("sessions").await, 1);
}

#[apply(both_databases)]
#[tokio::test]
async fn reauthentication_without_a_password_demands_the_factor(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let owner = site.sign_up("ann").await;
    site.database.execute("UPDATE users SET password_hash = NULL").await;
    let impossible = reauthenticate(&site, owner, None, None).await;
    assert!(matches!(impossible, Err(Error::ReauthenticationRequired)), "{impossible:?}");
    let app = site.add_app(owner).await;
    site.clock.advance(STEP);
    let missing = reauthenticate(&site, owner, None, None).await;
    assert!(matches!(missing, Err(Error::SecondFactorRequired)), "{missing:?}");
    reauthenticate(&site, owner, None, Some(totp(&app.code(&site)))).await.unwrap();
}

#[apply(both_databases)]
#[tokio::test]
async fn reauthentication_attempts_are_limited(#[case] backend: Backend) {
    let site = Site::new(backend).await;
    let (owner, app) = site.sign_up_with_app("ann").await;
    // The confirmation of the app was the first of ten.
    for _ in 0..9 {
        let wrong = reauthenticate(&site, owner, Some(PASSWORD), Some(totp("000000"))).await;
        assert!(matches!(wrong, Err(Error::WrongCode)), "{wrong:?}");
    }
    let limited = reauthenticate(&site, owner, Some(PASSWORD), Some(totp(&app.code(&site)))).await;
    assert!(matches!(limited, Err(Error::RateLimited(_))), "{limited:?}");
}
