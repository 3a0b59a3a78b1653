//! When the keys are loaded.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use blegram_verifier::{Error, Verifier};

use crate::site::{Answer, DAY, MINUTE, Site};

async fn rejects_unknown_key(verifier: &Verifier, id: &str) {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{id}"}}"#));
    let error = verifier.verify(&format!("{header}.e30.AAAA")).await.unwrap_err();
    assert_eq!(error, Error::UnknownKey { id: Some(id.to_owned()) });
}

#[tokio::test]
async fn keys_are_cached_for_the_time_of_the_response() {
    let site = Site::new().await;
    let (verifier, token) = (site.verifier(), site.token().await);
    for _ in 0..10 {
        verifier.clone().verify(&token).await.unwrap();
    }
    assert_eq!(site.requests(), 1);
    site.clock.advance(5 * MINUTE - Duration::from_secs(1));
    verifier.verify(&token).await.unwrap();
    assert_eq!(site.requests(), 1);
    site.clock.advance(Duration::from_secs(1));
    verifier.verify(&token).await.unwrap();
    assert_eq!(site.requests(), 2);
}

#[tokio::test]
async fn keys_are_cached_for_a_minute_to_an_hour_at_any_max_age() {
    for (cache, fresh) in [("no-store", MINUTE), ("max-age=99999999", 60 * MINUTE), ("public", 5 * MINUTE)] {
        let site = Site::new().await;
        site.answer(Answer::Keys(cache));
        let (verifier, token) = (site.verifier(), site.token().await);
        verifier.verify(&token).await.unwrap();
        site.clock.advance(fresh - Duration::from_secs(1));
        let _ = verifier.verify(&token).await;
        assert_eq!(site.requests(), 1, "{cache}");
        site.clock.advance(Duration::from_secs(1));
        let _ = verifier.verify(&token).await;
        assert_eq!(site.requests(), 2, "{cache}");
    }
}

#[tokio::test]
async fn one_request_is_sent_for_tokens_that_arrive_together() {
    let site = Site::new().await;
    let (verifier, token) = (site.verifier(), site.token().await);
    let (a, b, c) = tokio::join!(verifier.verify(&token), verifier.verify(&token), verifier.verify(&token));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(site.requests(), 1);
}

#[tokio::test]
async fn rotated_key_is_accepted_at_once_and_the_previous_one_still() {
    let site = Site::new().await;
    site.answer(Answer::Keys("max-age=3600"));
    let verifier = site.verifier();
    let old = site.token().await;
    verifier.verify(&old).await.unwrap();
    // The next key is due after thirty days, and signs an hour later.
    site.clock.advance(31 * DAY);
    site.rotate_keys().await;
    site.clock.advance(56 * MINUTE);
    let old = site.token().await;
    verifier.verify(&old).await.unwrap();
    let loaded = site.requests();
    site.clock.advance(5 * MINUTE);
    let new = site.token().await;
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(header(&old), header(&new), "another key");
    verifier.verify(&new).await.unwrap();
    verifier.verify(&old).await.unwrap();
    // The new key was in the set that was loaded before it signed.
    assert_eq!(site.requests(), loaded);
}

#[tokio::test]
async fn unknown_keys_are_looked_up_once_in_ten_seconds() {
    let site = Site::new().await;
    let (verifier, token) = (site.verifier(), site.token().await);
    verifier.verify(&token).await.unwrap();
    site.clock.advance(Duration::from_secs(10));
    for id in ["a", "b", "c"] {
        rejects_unknown_key(&verifier, id).await;
    }
    assert_eq!(site.requests(), 2);
    // A known key needs no request meanwhile.
    verifier.verify(&token).await.unwrap();
    site.clock.advance(Duration::from_secs(10));
    rejects_unknown_key(&verifier, "d").await;
    assert_eq!(site.requests(), 3);
}

#[tokio::test]
async fn key_that_appears_before_the_cache_expires_is_found() {
    let site = Site::new().await;
    let token = site.token().await;
    let other = Site::named(Some(&site.url)).await;
    let verifier = Verifier::new(&site.url).unwrap().with_clock(site.clock.clone());
    site.answer(Answer::Other("200 OK", other.key_set().await));
    assert!(verifier.verify(&other.token().await).await.is_ok());
    site.answer(Answer::Keys("max-age=300"));
    site.clock.advance(Duration::from_secs(10));
    assert!(verifier.verify(&token).await.is_ok());
    assert_eq!(site.requests(), 2);
}

#[tokio::test]
async fn known_keys_are_used_for_an_hour_while_the_site_does_not_answer() {
    let site = Site::new().await;
    let verifier = site.verifier();
    verifier.verify(&site.token().await).await.unwrap();
    for (status, body) in [
        ("503 Service Unavailable", String::new()),
        ("200 OK", "<html>".to_owned()),
        ("200 OK", r#"{"keys":[]}"#.to_owned()),
        ("200 OK", "x".repeat(100_000)),
        ("302 Found", String::new()),
    ] {
        site.answer(Answer::Other(status, body));
        site.clock.advance(6 * MINUTE);
        let before = site.requests();
        assert!(verifier.verify(&site.token().await).await.is_ok(), "{status}");
        // Then no request for ten seconds: a site that is down is not asked for each token.
        assert!(verifier.verify(&site.token().await).await.is_ok());
        assert_eq!(site.requests(), before + 1, "{status}");
    }
    site.clock.advance(60 * MINUTE);
    let error = verifier.verify(&site.token().await).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)) && !error.is_rejection(), "{error:?}");
    site.answer(Answer::Keys("max-age=300"));
    site.clock.advance(Duration::from_secs(10));
    assert!(verifier.verify(&site.token().await).await.is_ok());
}

#[tokio::test]
async fn site_that_never_answered_is_unavailable() {
    let site = Site::new().await;
    // Complete, but larger than any key set.
    let padded = format!("{}{}", site.key_set().await, " ".repeat(64 * 1024));
    for (status, body) in [("500 Internal Server Error", String::new()), ("200 OK", padded)] {
        site.answer(Answer::Other(status, body));
        let (verifier, token, before) = (site.verifier(), site.token().await, site.requests());
        for _ in 0..3 {
            assert!(matches!(verifier.verify(&token).await, Err(Error::Unavailable(_))), "{status}");
        }
        assert_eq!(site.requests(), before + 1);
    }
}
