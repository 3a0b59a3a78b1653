//! Edge and gate, with a surface that is not the API.

use std::sync::atomic::Ordering;

use poem::http::Method;

use crate::notes::Notes;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn checks_run_in_order_and_the_surface_renders_their_rejections() {
    let notes = Notes::new().await;
    let rejected = |answer: crate::notes::Answer| (answer.status, answer.body);

    let answer = notes.send(Method::GET, "/poems", &[]).await;
    assert_eq!(rejected(answer), (404, "NotFound".to_owned()));

    let answer = notes.send(Method::DELETE, "/notes", &[]).await;
    assert_eq!(answer.header("allow"), Some("GET, POST, HEAD, OPTIONS"));
    assert_eq!(rejected(answer), (405, "MethodNotAllowed".to_owned()));

    let answer = notes.send_anonymously(Method::POST, "/notes", &[("content-length", "65537")]).await;
    assert_eq!(rejected(answer), (413, "BodyTooLarge".to_owned()));

    let answer = notes.send_anonymously(Method::POST, "/notes", &[]).await;
    assert_eq!(rejected(answer), (415, "UnsupportedMediaType".to_owned()));

    let answer = notes.send_anonymously(Method::GET, "/notes", &[("authorization", "Bearer x")]).await;
    assert_eq!(rejected(answer), (401, "InvalidToken".to_owned()));

    let dead_cookie = ("cookie", "auth-blegram=dead");
    let answer = notes.send_anonymously(Method::POST, "/notes", &[JSON, dead_cookie]).await;
    assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")));
    assert_eq!(rejected(answer), (401, "Unauthenticated".to_owned()));

    let other_site = [JSON, ("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")];
    let cookie = notes.cookie();
    let answer = notes.send_anonymously(Method::POST, "/notes", &[&other_site[..], &[cookie]].concat()).await;
    assert_eq!(rejected(answer), (403, "CrossSite".to_owned()));

    assert_eq!(notes.calls.load(Ordering::Relaxed), 0);
    assert_eq!(rejected(notes.send(Method::GET, "/notes", &[]).await), (200, "no notes".to_owned()));
}

#[tokio::test]
async fn authorization_that_is_not_understood_does_not_fall_back_to_the_cookie() {
    let notes = Notes::new().await;
    let (bearer, basic) = ("Bearer abc", "Basic YW5uOng=");
    let rejected: &[(&[&str], &str)] = &[
        (&["Bearer"], "InvalidToken"),
        (&["Bearer abc, Basic x"], "InvalidToken"),
        (&["Bearer\tabc"], "InvalidAuthorization"),
        (&["Basic x, Bearer abc"], "InvalidAuthorization"),
        (&["Digest username=ann"], "InvalidAuthorization"),
        (&[""], "InvalidAuthorization"),
        (&[basic, bearer], "InvalidAuthorization"),
        (&[bearer, basic], "InvalidAuthorization"),
        (&[basic, basic], "InvalidAuthorization"),
    ];
    for (values, rejection) in rejected {
        let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();
        let answer = notes.send(Method::GET, "/notes", &headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, *rejection), "{values:?}");
    }
    let answer = notes.send(Method::GET, "/notes", &[("authorization", basic)]).await;
    assert_eq!(answer.status, 200, "a proxy that asks for a password adds it");
}

#[tokio::test]
async fn responses_get_the_common_headers() {
    let notes = Notes::new().await;
    let answer = notes.send(Method::POST, "/notes", &[JSON, ("x-request-id", "abc")]).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), Some("/base/notes/1"));
    assert_eq!(answer.header("x-request-id"), Some("abc"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn panic_is_rendered_by_the_surface() {
    let notes = Notes::new().await;
    let answer = notes.send(Method::GET, "/crash", &[]).await;
    assert_eq!((answer.status, answer.body.contains("Internal")), (500, true), "{}", answer.body);
    assert!(answer.header("x-request-id").is_some());
}

#[tokio::test]
async fn idempotency_keys_store_final_responses_of_any_format() {
    let notes = Notes::new().await;
    for (key, status, body, is_stored) in
        [("a", 201, "created", true), ("b", 409, "no more paper", true), ("c", 503, "out of ink", false)]
    {
        let headers = [JSON, ("idempotency-key", key)];
        for is_replayed in [false, is_stored] {
            let answer = notes.send(Method::POST, "/notes", &headers).await;
            assert_eq!((answer.status, answer.body.as_str()), (status, body));
            assert_eq!(answer.header("idempotent-replayed").is_some(), is_replayed, "{key}");
        }
    }
    assert_eq!(notes.calls.load(Ordering::Relaxed), 4);
}
