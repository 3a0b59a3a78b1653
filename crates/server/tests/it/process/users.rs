//! `blegram user`: how operators manage accounts while the site runs.

use blegram_persistence::testing::Backend;
use rstest_reuse::apply;
use serde_json::json;

use super::{
    both_databases,
    home::{Ended, Home},
    people::PASSWORD,
};
use crate::client::{Answer, in_time};

async fn user(home: &Home, arguments: &str, input: &str) -> Ended {
    let arguments: Vec<&str> = ["user"].into_iter().chain(arguments.split(' ')).collect();
    home.run_with(&arguments, input).await
}

async fn log_in(home: &Home, name: &str, password: &str) -> Answer {
    let body = json!({ "login": name, "password": password, "client": "browser" });
    home.stranger().post("/api/v1/auth/login", &body).await
}

fn printed_password(ended: &Ended) -> String {
    let line = ended.stdout.lines().find_map(|line| line.strip_prefix("Password: "));
    line.unwrap_or_else(|| panic!("no password in {ended:?}")).to_owned()
}

#[apply(both_databases)]
#[tokio::test]
async fn user_create_works_with_closed_registration(#[case] backend: Backend) {
    let home = Home::on(backend, &[("BLEGRAM_ACCOUNTS__REGISTRATION", "closed")]).await;
    let _site = home.serve().await;
    let made = user(&home, "create admin --role admin --email ann@example.com", "").await;
    made.assert_success();
    let answer = log_in(&home, "admin", &printed_password(&made)).await;
    assert_eq!((answer.status, &answer.json()["account"]["role"]), (200, &json!("admin")));
    assert_eq!(answer.json()["account"]["email"], "ann@example.com");

    user(&home, "create bob --password-stdin", &format!("{PASSWORD}\n")).await.assert_success();
    assert_eq!(log_in(&home, "bob", PASSWORD).await.status, 200);
    user(&home, "create b0b", "").await.assert_failure(&["b0b is taken"]);
    user(&home, "create cho --password-stdin", "12345678\n")
        .await
        .assert_failure(&["the password must have"]);
    user(&home, "create x", "").await.assert_failure(&["a username must have at least 3 characters"]);
}

#[apply(both_databases)]
#[tokio::test]
async fn user_suspend_ends_sessions_within_a_second(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let _site = home.serve().await;
    let ann = home.sign_up("ann").await;
    assert_eq!(ann.get("/api/v1/me").await.status, 200);
    let out = user(&home, "suspend @ann", "").await;
    out.assert_success();
    assert!(out.stdout.contains("Suspended @ann"), "{out:?}");
    in_time(async {
        while ann.get("/api/v1/me").await.status != 401 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let rejected = log_in(&home, "ann", PASSWORD).await;
    assert_eq!((rejected.status, &rejected.json()["code"]), (403, &json!("account-suspended")));
    assert_eq!(home.stranger().get("/api/v1/users/@ann").await.status, 404);

    let again = user(&home, "suspend ann", "").await;
    again.assert_success();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    user(&home, "reinstate ann", "").await.assert_success();
    assert_eq!(log_in(&home, "ann", PASSWORD).await.status, 200);
    assert_eq!(ann.get("/api/v1/me").await.status, 401, "the old session stays revoked");
}

#[apply(both_databases)]
#[tokio::test]
async fn user_set_role_and_reset_password_change_the_account(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let _site = home.serve().await;
    home.sign_up("ann").await;
    user(&home, "set-role ann moderator", "").await.assert_success();
    let reset = user(&home, "reset-password ann", "").await;
    reset.assert_success();
    assert_eq!(log_in(&home, "ann", PASSWORD).await.status, 401);
    let answer = log_in(&home, "ann", &printed_password(&reset)).await;
    assert_eq!((answer.status, &answer.json()["account"]["role"]), (200, &json!("moderator")));
    assert!(!reset.stderr.contains(&printed_password(&reset)), "{reset:?}");
    assert!(reset.stderr.contains("authn_password_change"), "the audit event is logged: {reset:?}");
    let unchanged = user(&home, "remove-factors ann", "").await;
    unchanged.assert_success();
    assert_eq!(unchanged.stdout, "ann has no second factor; nothing changed.\n");
    for command in [
        "suspend nobody",
        "reinstate nobody",
        "set-role nobody admin",
        "reset-password nobody",
        "remove-factors nobody",
    ] {
        user(&home, command, "").await.assert_failure(&["account nobody not found"]);
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn user_set_role_admits_to_the_audit_log(#[case] backend: Backend) {
    const LOG: &str = "/api/v1/admin/audit?kind=authz_change";
    let home = Home::on(backend, &[]).await;
    let _site = home.serve().await;
    let ann = home.sign_up("ann").await;
    assert_eq!(ann.get(LOG).await.status, 403);
    for role in ["moderator", "admin"] {
        user(&home, &format!("set-role ann {role}"), "").await.assert_success();
    }
    in_time(async {
        while ann.get(LOG).await.status != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let log = ann.get(LOG).await.json();
    assert_eq!(log["items"].as_array().unwrap().len(), 2, "{log}");
    assert_eq!(
        (&log["items"][0]["actor"], &log["items"][0]["target"]["username"]),
        (&json!(null), &json!("ann"))
    );

    let printed = home.run_with(&["audit", "--user", "@ann"], "").await;
    printed.assert_success();
    let lines: Vec<&str> = printed.stdout.lines().collect();
    assert!(lines[0].contains("authz_change") && lines[0].ends_with("@ann by -"), "{printed:?}");
    assert!(lines[2].contains("user_created") && lines[2].ends_with("@ann from 127.0.0.1"), "{printed:?}");
    let json = home.run_with(&["audit", "--json", "--limit", "1"], "").await;
    let entry: serde_json::Value = serde_json::from_str(json.stdout.trim()).unwrap();
    assert_eq!((&entry["kind"], &entry["target"]), (&json!("authz_change"), &json!("ann")));
    home.run_with(&["audit", "--user", "nobody"], "").await.assert_failure(&["account nobody not found"]);

    user(&home, "set-role ann user", "").await.assert_success();
    in_time(async {
        while ann.get(LOG).await.status != 403 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn user_create_without_a_site_fails_and_creates_nothing() {
    let home = Home::new(&[]);
    let rejected = user(&home, "create ann", "").await;
    rejected.assert_failure(&["no database in", "blegram serve"]);
    assert!(!home.path("data").exists());
}
