//! The web app of the binary: embedded, from a folder, and off.

use std::fs;

use rustix::process::Signal;

use super::home::{Home, Process};
use crate::client::{Answer, Client};

const WEB: &str = "BLEGRAM_SERVER__WEB";

async fn browse(client: &mut Client, path: &str) -> Answer {
    client
        .send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html,*/*;q=0.8\r\n\r\n"))
        .await;
    client.answer().await
}

/// The addresses on this site in the attributes of a document.
fn addresses(html: &str) -> Vec<&str> {
    let attributes = ["src=\"", "href=\""].into_iter().flat_map(|name| html.split(name).skip(1));
    attributes.filter_map(|rest| rest.split('"').next()).filter(|value| value.starts_with('/')).collect()
}

async fn banner(site: &Process) -> String {
    site.prints("Stop with Ctrl-C").await;
    site.stdout()
}

#[tokio::test]
async fn embedded_app_is_complete() {
    let home = Home::new(&[]);
    let _site = home.serve().await;
    let mut client = home.connect().await;
    let document = browse(&mut client, "/").await;
    assert_eq!((document.status, document.header("cache-control")), (200, Some("no-cache")), "{document:?}");
    let found = addresses(&document.body);
    assert!(found.iter().any(|address| address.ends_with(".js")), "{document:?}");
    for address in found {
        let answer = client.get(address).await;
        assert_eq!(answer.status, 200, "{address}");
        let is_asset = address.starts_with("/assets/");
        let is_immutable = answer.header("cache-control").is_some_and(|value| value.contains("immutable"));
        assert_eq!(is_immutable, is_asset, "{address}");
    }
    let manifest = client.get("/manifest.webmanifest").await.json();
    for icon in manifest["icons"].as_array().unwrap() {
        let source = icon["src"].as_str().unwrap().trim_start_matches("./").trim_start_matches('/');
        assert_eq!(client.get(&format!("/{source}")).await.status, 200, "{icon}");
    }
    assert_eq!(browse(&mut client, "/settings").await.body, browse(&mut client, "/new").await.body);
}

#[tokio::test]
async fn app_of_a_folder_is_served_and_checked_at_the_start() {
    let home = Home::new(&[(WEB, "own")]);
    home.run("serve").end().await.assert_failure(&["server.web", "own"]);
    fs::create_dir(home.path("own")).unwrap();
    home.run("serve").end().await.assert_failure(&["server.web", "there is no index.html"]);
    let report = home.run("doctor").end().await;
    assert!(report.stdout.contains("FAIL  web app        own has no index.html"), "{report:?}");

    fs::write(home.path("own/index.html"), "<html><head></head><body>My own</body></html>").unwrap();
    let report = home.run("doctor").end().await;
    assert!(report.stdout.contains("ok    web app        own\n"), "{report:?}");
    let _site = home.serve().await;
    let mut client = home.connect().await;
    let document = browse(&mut client, "/explore").await;
    assert!(document.status == 200 && document.body.contains("My own"), "{document:?}");
}

#[tokio::test]
async fn app_that_is_off_leaves_the_pages_of_the_server() {
    let home = Home::new(&[(WEB, "off")]);
    let site = home.serve().await;
    let banner = banner(&site).await;
    assert!(!banner.contains("Open "), "{banner}");
    let mut client = home.connect().await;
    browse(&mut client, "/explore").await.assert_problem(404, "not-found");
    let login = browse(&mut client, "/login").await;
    assert!(login.status == 200 && login.body.contains("<form"), "{login:?}");
}

#[tokio::test]
async fn banner_names_the_port_that_the_system_chose() {
    let home = Home::new(&[]).set("BLEGRAM_SERVER__LISTEN", "127.0.0.1:0");
    let site = home.run("serve");
    let banner = banner(&site).await;
    let url = banner.split("Open        http://").nth(1).unwrap().lines().next().unwrap();
    assert!(banner.contains(&format!("API         http://{url}/api/v1\n")), "{banner}");
    let mut client = Client::connect(url.parse().unwrap()).await.unwrap();
    let document = client.get("/openapi.json").await;
    assert_eq!(document.json()["servers"][0]["url"], format!("http://{url}"));
    site.signal(Signal::TERM);
    site.end().await.assert_success();
}
