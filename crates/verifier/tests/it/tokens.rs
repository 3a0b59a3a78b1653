//! Which tokens are accepted, and why others are not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_domain::Clock;
use blegram_verifier::{Error, Verifier};

use crate::site::{MINUTE, Site};

#[tokio::test]
async fn token_of_the_site_is_accepted_with_its_claims() {
    let site = Site::new().await;
    let claims = site.verifier().verify(&site.token().await).await.unwrap();
    assert_eq!(claims.user, site.user);
    assert_eq!((claims.issued_at, claims.expires_at), (site.clock.now(), site.clock.now() + 10 * MINUTE));
}

#[tokio::test]
async fn token_is_rejected_when_it_has_expired_or_is_of_the_future() {
    let site = Site::new().await;
    let (verifier, token) = (site.verifier(), site.token().await);
    let issued_at = site.clock.now();
    site.clock.advance(10 * MINUTE);
    assert_eq!(verifier.verify(&token).await, Err(Error::Expired { at: site.clock.now() }));
    site.clock.step_wall(issued_at - MINUTE);
    assert!(verifier.verify(&token).await.is_ok());
    site.clock.step_wall(issued_at - 2 * MINUTE);
    assert_eq!(verifier.verify(&token).await, Err(Error::NotYetValid { from: issued_at }));
}

#[tokio::test]
async fn token_of_another_issuer_is_rejected_by_name() {
    // The keys are right: a site behind a proxy whose public URL differs from the one that the service was given.
    let site = Site::named(Some("https://example.org")).await;
    let token = site.token().await;
    let error = site.verifier().verify(&token).await.unwrap_err();
    let (expected, found) = (site.url.clone(), "https://example.org".to_owned());
    assert_eq!(error, Error::Issuer { expected, found });
    let keys = format!("{}/.well-known/jwks.json", site.url);
    let verifier = Verifier::new("https://example.org/").unwrap().with_keys_from(&keys).unwrap();
    assert!(verifier.with_clock(site.clock.clone()).verify(&token).await.is_ok());
}

#[tokio::test]
async fn changed_token_is_rejected() {
    let site = Site::new().await;
    let (verifier, token) = (site.verifier(), site.token().await);
    let parts: Vec<&str> = token.split('.').collect();
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let later = URL_SAFE_NO_PAD.encode(payload.replace("\"exp\":1", "\"exp\":2"));
    let mut signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
    signature[40] ^= 1;
    let signature = URL_SAFE_NO_PAD.encode(signature);
    assert_ne!(later, parts[1]);
    for (header, payload, signature) in
        [(parts[0], &*later, parts[2]), (parts[0], parts[1], &*signature), (parts[0], parts[1], "")]
    {
        let changed = format!("{header}.{payload}.{signature}");
        assert_eq!(verifier.verify(&changed).await, Err(Error::Signature), "{changed}");
    }
    // The key of another site with the id of a key of this one.
    let other = Site::named(Some(&site.url)).await.token().await;
    let foreign = format!("{}.{}", parts[0], other.split_once('.').unwrap().1);
    assert_eq!(verifier.verify(&foreign).await, Err(Error::Signature));
}

#[tokio::test]
async fn what_is_no_access_token_costs_no_request() {
    let site = Site::new().await;
    let verifier = site.verifier();
    let rest = "e30.AAAA";
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let id_token = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","typ":"JWT","kid":"k"}"#);
    let long = "a".repeat(10_000);
    for (token, expected) in [
        (String::new(), Error::Malformed),
        ("bls_session".to_owned(), Error::Malformed),
        (long, Error::Malformed),
        (format!("{none}.{rest}"), Error::Malformed),
        (format!("{id_token}.{rest}"), Error::Type { found: Some("JWT".to_owned()) }),
    ] {
        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error, expected);
        assert!(error.is_rejection());
    }
    assert_eq!(site.requests(), 0);
}
