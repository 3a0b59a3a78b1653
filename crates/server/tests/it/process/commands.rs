//! Commands that print: `blegram doctor` and `blegram openapi`.

use blegram_persistence::{
    Db, Settings,
    testing::{Backend, execute},
};
use rstest_reuse::apply;
use rustix::process::Signal;
use serde_json::Value;

use super::{
    both_databases,
    home::{Home, free_address},
};

#[apply(both_databases)]
#[tokio::test]
async fn doctor_succeeds_on_a_healthy_site(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let before = home.run("doctor").end().await;
    before.assert_success();
    assert!(!home.path("data").exists(), "the doctor changes nothing");
    let _site = home.serve().await;
    let report = home.run("doctor").end().await;
    report.assert_success();
    for line in ["ok    database", "ok    schema         current", "All checks passed."] {
        assert!(report.stdout.contains(line), "{report:?}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn paused_retention_deletes_nothing_until_the_clock_is_confirmed(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let site = home.serve().await;
    site.signal(Signal::TERM);
    site.end().await.assert_success();
    let url = match backend {
        Backend::Sqlite => format!("sqlite:{}", home.path("data/blegram.db").display()),
        Backend::Postgres => home.database_url().to_owned(),
    };
    let settings = Settings { url, max_connections: 1, statement_timeout: std::time::Duration::from_secs(5) };
    let db = Db::connect(&settings).await.unwrap();
    let tx = db.write().await.unwrap();
    // The state after a long downtime, or when the clock is far ahead.
    execute(&tx, "UPDATE clock_state SET checked_at = 1").await.unwrap();
    tx.commit().await.unwrap();
    db.close().await.unwrap();

    let report = home.run("doctor").end().await;
    assert_eq!(report.code, Some(1), "{report:?}");
    for words in
        ["retention has been paused since", "the last check of the clock", "blegram sweep --clock-is-right"]
    {
        assert!(report.stdout.contains(words), "{words:?} is not in {report:?}");
    }
    // Whether a file is an orphan depends on its age, which a wrong clock falsifies.
    let orphan = home.path("data/media/private/0123456789abcdef0123456789abcdef");
    std::fs::create_dir_all(&orphan).unwrap();
    let orphan = orphan.join("0123456789abcdef0123456789abcdef").join("large.webp");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&orphan).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let swept = home.run("sweep").end().await;
    swept.assert_success();
    assert!(
        swept.stdout.contains("would be deleted") && swept.stdout.contains("Nothing was deleted"),
        "{swept:?}"
    );
    assert!(orphan.exists());
    home.run("sweep --clock-is-right").end().await.assert_success();
    assert!(!orphan.exists());
    home.run("doctor").end().await.assert_success();
}

/// A site without its Redis is ready, and the doctor reports what is missing.
#[tokio::test]
async fn doctor_and_readiness_report_a_missing_redis() {
    let redis = format!("redis://:hunter2@{}", free_address());
    let home = Home::new(&[("BLEGRAM_REDIS__URL", &redis)]);
    let site = home.serve().await;
    let ready = home.stranger().get("/readyz").await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\ndegraded: true\n"));
    home.sign_up("ann").await;
    let report = home.run("doctor").end().await;
    assert!(report.stdout.contains("redis.url") && !report.stdout.contains("hunter2"), "{report:?}");
    assert_eq!(report.code, Some(1));
    site.signal(Signal::TERM);
    site.end().await.assert_success();
}

#[tokio::test]
async fn doctor_and_readiness_report_unmounted_storage() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    assert_eq!(home.stranger().get("/readyz").await.status, 200);
    let media = home.path("data").join("media");
    std::fs::rename(&media, media.with_extension("away")).unwrap();
    std::fs::create_dir(&media).unwrap();
    let words = "is not the one that this site wrote to";
    let ready = home.stranger().get("/readyz").await;
    assert_eq!((ready.status, &*ready.body), (503, "not ready: storage\n"));
    site.logs(words).await;
    // Once per change, not per probe.
    home.stranger().get("/readyz").await;
    home.stranger().get("/readyz").await;
    let report = home.run("doctor").end().await;
    assert!(report.code == Some(1) && report.stdout.contains(words), "{report:?}");
    std::fs::remove_dir(&media).unwrap();
    std::fs::rename(media.with_extension("away"), &media).unwrap();
    assert_eq!(home.stranger().get("/readyz").await.status, 200);
    home.run("doctor").end().await.assert_success();
    site.signal(Signal::TERM);
    let log = site.end().await.stderr;
    assert_eq!(log.matches("this node is not ready").count(), 1, "{log}");
    assert_eq!(log.matches("this node is ready again").count(), 1, "{log}");
}

#[tokio::test]
async fn openapi_command_prints_the_served_document() {
    let home = Home::new(&[("BLEGRAM_SERVER__PUBLIC_URL", "https://blegram.example/")]);
    let json = home.run("openapi").end().await;
    let yaml = home.run("openapi --yaml").end().await;
    json.assert_success();
    yaml.assert_success();
    assert!(!home.path("data").exists(), "no site is needed");

    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["servers"][0]["url"], "https://blegram.example");
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml.stdout).unwrap(), document);
    let _site = home.serve().await;
    assert_eq!(home.stranger().get("/openapi.json").await.body, json.stdout);
    assert_eq!(home.stranger().get("/openapi.yaml").await.body, yaml.stdout);

    let progenitor = home.run("openapi --for progenitor").end().await;
    progenitor.assert_success();
    let progenitor: Value = serde_json::from_str(&progenitor.stdout).unwrap();
    assert_eq!(progenitor["servers"], document["servers"]);
    assert!(document["paths"]["/api/v1/media"].is_object() && progenitor["paths"]["/api/v1/media"].is_null());
}
