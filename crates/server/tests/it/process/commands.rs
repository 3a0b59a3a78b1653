//! What the binary prints when it is asked: the doctor's report and the document.

use blegram_persistence::{
    Db, Settings,
    testing::{Backend, execute},
};
use rstest_reuse::apply;
use rustix::process::Signal;
use serde_json::Value;

use super::{both_databases, home::Home};

#[apply(both_databases)]
#[tokio::test]
async fn the_doctor_finds_a_healthy_site_well(#[case] backend: Backend) {
    let home = Home::on(backend, &[]).await;
    let before = home.run("doctor").end().await;
    before.assert_success();
    assert!(!home.path("data").exists(), "the doctor changes nothing");
    let _site = home.serve().await;
    let report = home.run("doctor").end().await;
    report.assert_success();
    for line in ["ok    database", "ok    schema         current", "Everything is well."] {
        assert!(report.stdout.contains(line), "{report:?}");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn the_doctor_tells_that_retention_pauses_and_how_it_goes_on(#[case] backend: Backend) {
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
    // As it is after a long time, or when the clock is far ahead.
    execute(&tx, "UPDATE clock_state SET checked_at = 1").await.unwrap();
    tx.commit().await.unwrap();
    db.close().await.unwrap();

    let report = home.run("doctor").end().await;
    assert_eq!(report.code, Some(1), "{report:?}");
    for words in ["retention pauses since", "the last check of the clock", "blegram sweep --clock-is-right"] {
        assert!(report.stdout.contains(words), "{words:?} is not in {report:?}");
    }
    home.run("sweep --clock-is-right").end().await.assert_success();
    home.run("doctor").end().await.assert_success();
}

#[tokio::test]
async fn storage_that_is_not_mounted_is_told_by_the_doctor_and_by_readiness() {
    let home = Home::new(&[]);
    let site = home.serve().await;
    assert_eq!(home.stranger().get("/readyz").await.status, 200);
    let media = home.path("data").join("media");
    std::fs::rename(&media, media.with_extension("away")).unwrap();
    std::fs::create_dir(&media).unwrap();
    let words = "is not the one that this site wrote to";
    let ready = home.stranger().get("/readyz").await;
    assert!(ready.status == 503 && ready.body.contains(words), "{ready:?}");
    let report = home.run("doctor").end().await;
    assert!(report.code == Some(1) && report.stdout.contains(words), "{report:?}");
    std::fs::remove_dir(&media).unwrap();
    std::fs::rename(media.with_extension("away"), &media).unwrap();
    assert_eq!(home.stranger().get("/readyz").await.status, 200);
    home.run("doctor").end().await.assert_success();
    drop(site);
}

#[tokio::test]
async fn the_document_is_the_same_from_the_command_and_from_the_site() {
    let home = Home::new(&[("BLEGRAM_SERVER__PUBLIC_URL", "https://blegram.example/")]);
    let json = home.run("openapi").end().await;
    let yaml = home.run("openapi --yaml").end().await;
    json.assert_success();
    yaml.assert_success();
    assert!(!home.path("data").exists(), "no site is needed");

    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["servers"][0]["url"], "https://blegram.example");
    assert_eq!(serde_yaml::from_str::<Value>(&yaml.stdout).unwrap(), document);
    let _site = home.serve().await;
    assert_eq!(home.stranger().get("/openapi.json").await.body, json.stdout);
    assert_eq!(home.stranger().get("/openapi.yaml").await.body, yaml.stdout);
}
