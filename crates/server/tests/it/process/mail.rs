//! Mail of the real binary: written to files in development, refused settings, and links that a person follows.

use std::{path::Path, time::Duration};

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use super::{
    both_databases,
    home::Home,
    people::{PASSWORD, Person},
};
use crate::client::{Answer, in_time};

/// The first mail in `folder`, once it is there.
async fn wait_for_mail(folder: &Path) -> String {
    loop {
        let files = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
        let mut mails = files.filter(|file| file.extension().is_some_and(|extension| extension == "eml"));
        if let Some(mail) = mails.next() {
            return std::fs::read_to_string(mail).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The token of the link in a mail, whatever its encoding.
fn token_in(mail: &str) -> String {
    // Quoted-printable breaks lines with `=`, and encodes it.
    let text = mail.replace("=\r\n", "").replace("=3D", "=");
    let rest = text.split("token=").nth(1).unwrap_or_else(|| panic!("{mail}"));
    rest.split(|c: char| c.is_whitespace() || c == '"').next().unwrap().to_owned()
}

async fn submit(person: &Person, path: &str, body: &str) -> Answer {
    let fields =
        format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", body.len());
    person.send(&(person.head(&format!("POST {path}"), &fields) + body)).await.unwrap()
}

#[apply(both_databases)]
#[tokio::test]
async fn link_in_a_mail_verifies_the_address(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let _site = home.serve().await;
    let body =
        json!({ "username": "ann", "password": PASSWORD, "email": "ann@example.com", "client": "browser" });
    let answer = home.stranger().post("/api/v1/auth/signup", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let mail = in_time(wait_for_mail(&home.path("data/mail"))).await;
    let token = token_in(&mail);
    let page = home.stranger().get(&format!("/verify-email?lang=en&token={token}")).await;
    assert!(page.status == 200 && page.body.contains(&token), "{page:?}");
    let done = submit(&home.stranger(), "/verify-email?lang=en", &format!("token={token}")).await;
    assert_eq!(done.status, 200, "{done:?}");
    let login = submit(
        &home.stranger(),
        "/login",
        &format!("login=ann%40example.com&password={}", PASSWORD.replace(' ', "+")),
    )
    .await;
    assert!(login.status == 200 && login.header("set-cookie").is_some(), "{login:?}");
}

#[tokio::test]
async fn site_without_mail_says_so_at_the_start() {
    let home = Home::new(&[
        ("BLEGRAM_PROFILE", "production"),
        ("BLEGRAM_SERVER__PUBLIC_URL", "https://b.example"),
        ("BLEGRAM_ACCOUNTS__PASSWORD_MEMORY_KIB", "19456"),
        ("BLEGRAM_ACCOUNTS__PASSWORD_ITERATIONS", "2"),
    ]);
    let site = home.serve().await;
    let instance = home.stranger().get("/api/v1/instance").await.json();
    assert_eq!(instance["features"]["mail"], false);
    site.signal(rustix::process::Signal::TERM);
    let ended = site.end().await;
    assert!(ended.stderr.contains("mail is off"), "{}", ended.stderr);
}
