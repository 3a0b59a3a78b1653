use super::*;

#[test]
fn head_size_equals_the_bytes_on_the_wire() {
    let sent = "GET /posts?limit=2 HTTP/1.1\r\nhost: a\r\nx-b: cd\r\n\r\n";
    let request = Request::get("/posts?limit=2").header("host", "a").header("x-b", "cd").body(()).unwrap();
    assert_eq!(head_bytes(&request), sent.len());
}

#[test]
fn unhandled_error_is_sent_without_its_text() {
    let error = poem::Error::from_string("table users is locked", StatusCode::BAD_GATEWAY);
    let answer = plain_error(error);
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.into_body().is_empty());
}
