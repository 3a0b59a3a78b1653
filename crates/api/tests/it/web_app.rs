//! The web app: who gets its document, how its files are served, and what stays as it is without it.

use std::{fs, os::unix::fs::symlink, path::Path};

use blegram_api::{InvalidWebApp, Site, WebApp, WebFiles};
use blegram_limits::{Quota, Quotas};
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use tempfile::TempDir;

use crate::{
    both_databases,
    world::{Answer, PASSWORD, Settings, TestApp, plenty},
};

pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
const PROGRAMS: [&str; 2] = ["application/json, text/plain, */*", "application/json"];

const INDEX: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>The app</title>\
    <meta name=\"blegram-base\" content=\"/\"><meta name=\"description\" content=\"The app's own words\">\
    <script type=\"module\" crossorigin src=\"/assets/index-3f2a.js\"></script></head><body></body></html>";
const SCRIPT: &str = "assets/index-3f2a.js";

/// Files as a bundler writes them, and some whose paths belong to the API.
pub(crate) fn files() -> WebFiles {
    let script: &'static [u8] = "console.log('안녕');\n".repeat(100).leak().as_bytes();
    let files: [(&str, &[u8]); 10] = [
        ("index.html", INDEX.as_bytes()),
        (SCRIPT, script),
        ("assets/small-1.css", b"p{}"),
        ("assets/photo-2.png", &[7; 4000]),
        ("sw.js", b"self.x = 1;"),
        ("manifest.webmanifest", b"{}"),
        ("favicon.svg", b"<svg/>"),
        (".well-known/assetlinks.json", b"[]"),
        (".vite/manifest.json", b"{}"),
        ("docs/index.html", b"not this"),
    ];
    WebFiles::Embedded(files.to_vec())
}

fn settings() -> Settings {
    Settings { web: Some(files()), ..Settings::default() }
}

async fn site() -> TestApp {
    TestApp::with(Backend::Sqlite, settings()).await
}

pub(crate) async fn fetch(t: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    t.stranger().send_bare(Method::GET, path, headers, Vec::new()).await
}

pub(crate) async fn browse(t: &TestApp, path: &str) -> Answer {
    fetch(t, path, &[("accept", BROWSER)]).await
}

#[track_caller]
pub(crate) fn assert_is_document(answer: &Answer, status: u16) {
    answer.assert_status(status);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.text().contains("<script type=\"module\" crossorigin src=\""), "{}", answer.text());
}

#[tokio::test]
async fn browsers_get_the_document_at_every_address_of_the_app() {
    let t = site().await;
    t.stranger().sign_up("ann").await.assert_status(201);
    for path in [
        "/",
        "/explore",
        "/search?q=%EC%A0%9C%EC%A3%BC",
        "/tags/%EC%A0%9C%EC%A3%BC",
        "/@ann",
        "/@ann/followers",
        "/posts/01a207d3-2e42-7580-8ed3-8115b4a694f2/likes",
        "/notifications",
        "/messages",
        "/messages/01a207d3-2e42-7580-8ed3-8115b4a694f2",
        "/bookmarks",
        "/liked",
        "/people",
        "/people/suggestions",
        "/follow-requests",
        "/settings",
        "/settings/password",
        "/login?redirect_to=%2Fsettings",
        "/signup",
        "/forgot-password",
        "/admin",
        "/admin/reports",
        "/new",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = t.stranger().send_bare(method, path, &[("accept", BROWSER)], Vec::new()).await;
            assert_is_document(&answer, 200);
            assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
            assert!(answer.header("vary").unwrap().contains("Accept,"), "{path}");
            let is_open = ["/", "/explore", "/@ann"].contains(&path);
            assert_eq!(answer.header("x-robots-tag"), (!is_open).then_some("noindex"), "{path}");
            assert_eq!(
                answer.text().contains("<meta name=\"robots\" content=\"noindex\">"),
                !is_open,
                "{path}"
            );
        }
        t.stranger().send(Method::PUT, path, &[("accept", BROWSER)], Vec::new()).await.assert_status(405);
    }
}

#[tokio::test]
async fn documents_run_no_inline_script_and_connect_to_the_site_only() {
    let t = site().await;
    for path in ["/", "/settings", "/nothing"] {
        let answer = browse(&t, path).await;
        let origin = "http://127.0.0.1:8080";
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data: {origin}; \
             connect-src 'self' ws://127.0.0.1:8080 {origin}; manifest-src 'self'; worker-src 'self'; \
             font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("content-security-policy"), Some(policy.as_str()));
        for (name, expected) in [
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(expected), "{path}");
        }
        let permissions = answer.header("permissions-policy").unwrap();
        for part in
            ["camera=()", "geolocation=()", "clipboard-write=(self)", "publickey-credentials-get=(self)"]
        {
            assert!(permissions.contains(part), "{permissions}");
        }
    }
}

#[tokio::test]
async fn programs_get_what_they_get_without_the_app() {
    let (with, without) = (site().await, TestApp::new(Backend::Sqlite).await);
    let user = "/api/v1/users/@nothing";
    for path in
        ["/", "/explore", "/settings", "/nothing", "/posts/1", "/@ann", "/login", "/docs", "/problems", user]
    {
        for accept in PROGRAMS {
            let [one, other] = [
                fetch(&with, path, &[("accept", accept)]).await,
                fetch(&without, path, &[("accept", accept)]).await,
            ];
            assert_eq!(one.status, other.status, "{path} {accept}");
            assert_eq!(one.header("content-type"), other.header("content-type"), "{path} {accept}");
        }
    }
    assert_eq!(fetch(&with, "/", &[("accept", PROGRAMS[0])]).await.json()["api"], "/api/v1");
    // Without a wish, what links do not lead to stays a problem.
    fetch(&with, "/explore", &[]).await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn unknown_addresses_are_answered_by_the_app_for_browsers_only() {
    let t = site().await;
    for path in ["/nothing", "/nothing/at/all", "/explore/more", "/index.php", "/login/nothing"] {
        let answer = browse(&t, path).await;
        assert_is_document(&answer, 404);
        assert_eq!(answer.header("x-robots-tag"), Some("noindex"));
        assert_eq!(answer.header("etag"), None);
        fetch(&t, path, &[]).await.assert_problem(404, "not-found");
        let post = t.stranger().send(Method::POST, path, &[("accept", BROWSER)], Vec::new()).await;
        post.assert_problem(404, "not-found");
    }
    for path in [
        "/api",
        "/api/v1/nothing",
        "/api/v1/posts/1",
        "/media/nothing",
        "/.well-known/nothing",
        "/docs/nothing",
    ] {
        browse(&t, path).await.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn address_with_a_slash_at_its_end_redirects_to_the_one_without() {
    let below = Settings { public_url: "https://example.org/forum", ..settings() };
    let (at_root, below) = (site().await, TestApp::with(Backend::Sqlite, below).await);
    for (path, expected) in [
        ("/explore/", "/explore"),
        ("/login/?redirect_to=%2F", "/login?redirect_to=%2F"),
        ("/verify-email/?token=a&lang=ko", "/verify-email?token=a&lang=ko"),
    ] {
        for accept in [BROWSER, "*/*"] {
            let answer = fetch(&at_root, path, &[("accept", accept)]).await;
            answer.assert_status(308);
            assert_eq!(answer.header("location"), Some(expected));
            let answer = fetch(&below, path, &[("accept", accept)]).await;
            assert_eq!(answer.header("location"), Some(format!("/forum{expected}").as_str()));
        }
    }
    assert_eq!(browse(&at_root, "//").await.header("location"), Some("/"));
    // A path with two slashes would lead to another host.
    for path in ["//evil.example/", "///evil.example/", "/nothing/"] {
        assert_is_document(&browse(&at_root, path).await, 404);
    }
    // The page of the server has the same, without an app.
    let without = TestApp::new(Backend::Sqlite).await;
    assert_eq!(browse(&without, "/login/").await.header("location"), Some("/login"));
    browse(&without, "/explore/").await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn assets_are_cached_for_ever_and_compressed() {
    let t = site().await;
    let path = format!("/{SCRIPT}");
    let plain = fetch(&t, &path, &[]).await;
    plain.assert_status(200);
    let mut tags = vec![plain.header("etag").unwrap().to_owned()];
    for coding in ["zstd", "br", "gzip"] {
        let answer = fetch(&t, &path, &[("accept-encoding", coding)]).await;
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert!(answer.sent_bytes < plain.sent_bytes / 5, "{coding}: {}", answer.sent_bytes);
        assert_eq!(answer.body, plain.body);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding, Origin"));
        let tag = answer.header("etag").unwrap();
        let again = [("accept-encoding", coding), ("if-none-match", tag)];
        fetch(&t, &path, &again).await.assert_status(304);
        tags.push(tag.to_owned());
    }
    // Each representation has a strong tag of its own.
    tags.sort();
    tags.dedup();
    assert!(tags.len() == 4 && tags.iter().all(|tag| tag.starts_with('"')), "{tags:?}");

    // What is small, or compressed in itself, is sent as it is.
    for path in ["/assets/small-1.css", "/assets/photo-2.png"] {
        let answer = fetch(&t, path, &[("accept-encoding", "br")]).await;
        answer.assert_status(200);
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
}

#[tokio::test]
async fn asset_of_an_older_build_is_missing_also_for_browsers() {
    let t = site().await;
    for path in
        ["/assets/index-0000.js", "/assets/", "/assets", "/assets/../index.html", "/assets/%2e%2e/index.html"]
    {
        browse(&t, path).await.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn other_files_are_revalidated_and_never_hide_the_api() {
    let t = site().await;
    for (path, content, kind) in [
        ("/sw.js", "self.x = 1;", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "{}", "application/manifest+json"),
        ("/favicon.svg", "<svg/>", "image/svg+xml"),
        ("/.well-known/assetlinks.json", "[]", "application/json"),
    ] {
        let answer = browse(&t, path).await;
        answer.assert_status(200);
        assert_eq!((answer.text().as_str(), answer.header("content-type")), (content, Some(kind)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        // A service worker connects by the policy of its own file.
        assert!(
            answer.header("content-security-policy").unwrap().contains("connect-src 'self' ws:"),
            "{path}"
        );
        let tag = answer.header("etag").unwrap();
        assert!(tag.starts_with('"'), "{path}: {tag}");
        fetch(&t, path, &[("if-none-match", tag)]).await.assert_status(304);
    }
    let docs = browse(&t, "/docs").await.text();
    assert!(docs.contains("swagger-ui") && !docs.contains("not this"), "{docs}");
    for path in ["/docs/index.html", "/.vite/manifest.json"] {
        assert!(browse(&t, path).await.status.is_client_error(), "{path}");
    }
}

#[tokio::test]
async fn site_below_a_path_has_it_in_every_address_of_the_document() {
    let mut settings = Settings { public_url: "https://example.org/forum", ..settings() };
    settings.media.site = settings.public_url.to_owned();
    let t = TestApp::with(Backend::Sqlite, settings).await;
    t.stranger().sign_up("ann").await.assert_status(201);
    let answer = browse(&t, "/@ann").await;
    let html = answer.text();
    for part in [
        "<meta name=\"blegram-base\" content=\"/forum/\">",
        "src=\"/forum/assets/index-3f2a.js\"",
        "<link rel=\"canonical\" href=\"https://example.org/forum/@ann\">",
        "<meta property=\"og:url\" content=\"https://example.org/forum/@ann\">",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("connect-src 'self' wss://example.org https://example.org;"), "{policy}");
    let robots = browse(&t, "/robots.txt").await.text();
    assert!(robots.contains("Disallow: /forum/api/\n") && !robots.contains("Disallow: /api"), "{robots}");
}

#[tokio::test]
async fn robots_may_read_public_pages_only() {
    let t = site().await;
    let answer = fetch(&t, "/robots.txt", &[]).await;
    answer.assert_status(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let robots = answer.text();
    let disallowed: Vec<&str> = robots.lines().filter_map(|line| line.strip_prefix("Disallow: ")).collect();
    assert!(robots.starts_with("User-agent: *\n"), "{robots}");
    let is_disallowed = |path: &str| disallowed.iter().any(|prefix| path.starts_with(prefix));
    for path in ["/api/v1/posts", "/settings", "/messages/1", "/notifications", "/login", "/admin"] {
        assert!(is_disallowed(path), "{path}");
    }
    for path in ["/", "/explore", "/posts/1", "/@ann", "/media/a.webp", "/assets/a.js", "/tags/a"] {
        assert!(!is_disallowed(path), "{path}");
    }
    let without = TestApp::new(Backend::Sqlite).await;
    fetch(&without, "/robots.txt", &[]).await.assert_problem(404, "not-found");
}

#[apply(both_databases)]
#[tokio::test]
async fn login_page_is_the_app_and_the_form_of_the_server_works(#[case] backend: Backend) {
    let t = TestApp::with(backend, settings()).await;
    t.stranger().sign_up("ann").await.assert_status(201);
    assert_is_document(&browse(&t, "/login").await, 200);
    // The pages that mails and logins lead to are those of the server.
    for path in [
        "/login/error?code=login-cancelled",
        "/login/done",
        "/verify-email?token=a",
        "/reset-password",
        "/signup/complete",
    ] {
        let page = browse(&t, path).await;
        assert!(!page.text().contains("<script"), "{path}: {}", page.text());
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
    }
    let fields = [("login", "ann"), ("password", PASSWORD)];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let ann = t.stranger();
    let page = ann.send(Method::POST, "/login", &[form_type, ("accept", BROWSER)], form.into_bytes()).await;
    page.assert_status(200);
    assert!(page.text().contains("href=\"/\">Go to blegram</a>"), "{}", page.text());
    ann.get("/api/v1/me").await.assert_status(200);
}

#[tokio::test]
async fn pages_after_a_step_lead_to_the_app_if_there_is_one() {
    let link = "href=\"/\">Go to blegram</a>";
    let (with, without) = (site().await, TestApp::new(Backend::Sqlite).await);
    assert!(browse(&with, "/login/done").await.text().contains(link));
    assert!(!browse(&without, "/login/done").await.text().contains(link));
    let korean = browse(&with, "/login/done?lang=ko").await.text();
    assert!(korean.contains("href=\"/\">blegram으로 가기</a>"), "{korean}");
}

#[tokio::test]
async fn without_an_app_browsers_get_the_pages_of_the_server() {
    let t = TestApp::new(Backend::Sqlite).await;
    assert!(browse(&t, "/login").await.text().contains("<form method=\"post\""));
    assert!(browse(&t, "/").await.text().contains("href=\"/docs\""));
    for path in ["/explore", "/posts/1", "/nothing", "/assets/a.js", "/index.html", "/manifest.webmanifest"] {
        browse(&t, path).await.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn previews_count_like_anonymous_reads() {
    let quotas = Quotas { global_per_address: Quota::new(2, 60), ..plenty() };
    let mut settings = settings();
    settings.auth.quotas = quotas;
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let crawler = t.stranger();
    for path in ["/@ann", "/posts/1"] {
        let answer = crawler.send_bare(Method::GET, path, &[("accept", BROWSER)], Vec::new()).await;
        assert_is_document(&answer, 404);
    }
    // The app loads all the same, and shows that it has to wait.
    let limited = crawler.send_bare(Method::GET, "/@ann", &[("accept", BROWSER)], Vec::new()).await;
    assert_is_document(&limited, 429);
    assert!(limited.header("retry-after").is_some() && limited.header("ratelimit").is_some());
    // Documents that read nothing are not counted.
    let home = crawler.send_bare(Method::GET, "/", &[("accept", BROWSER)], Vec::new()).await;
    assert_is_document(&home, 200);
}

/// A folder with an app, below a folder with a secret.
fn folder() -> (TempDir, WebFiles) {
    let temp = TempDir::new().unwrap();
    let root = temp.path().join("dist");
    fs::create_dir_all(root.join("assets")).unwrap();
    for (name, content) in [
        ("dist/index.html", INDEX),
        ("dist/assets/index-3f2a.js", "first"),
        ("dist/sw.js", "worker"),
        ("dist/robots.txt", "User-agent: own"),
        ("dist/.env", "SECRET"),
        ("secret.txt", "SECRET"),
    ] {
        fs::write(temp.path().join(name), content).unwrap();
    }
    symlink("../secret.txt", root.join("link.txt")).unwrap();
    symlink("../../secret.txt", root.join("assets/link.txt")).unwrap();
    symlink("index-3f2a.js", root.join("assets/inside.js")).unwrap();
    (temp, WebFiles::Folder(root))
}

async fn site_of(files: WebFiles) -> TestApp {
    TestApp::with(Backend::Sqlite, Settings { web: Some(files), ..Settings::default() }).await
}

#[tokio::test]
async fn folder_is_read_for_each_request() {
    let (temp, files) = folder();
    let root = temp.path().join("dist");
    let t = site_of(files).await;
    assert_is_document(&browse(&t, "/settings").await, 200);
    let first = browse(&t, "/assets/index-3f2a.js").await;
    assert_eq!(first.text(), "first");
    assert_eq!(first.header("cache-control"), Some("public, max-age=31536000, immutable"));
    for (path, content) in [("/sw.js", "worker"), ("/robots.txt", "User-agent: own")] {
        assert_eq!(browse(&t, path).await.text(), content);
    }

    fs::write(root.join("index.html"), INDEX.replace("3f2a", "9999")).unwrap();
    fs::write(root.join("assets/index-9999.js"), "second").unwrap();
    fs::remove_file(root.join("assets/index-3f2a.js")).unwrap();
    assert!(browse(&t, "/settings").await.text().contains("/assets/index-9999.js"));
    assert_eq!(browse(&t, "/assets/index-9999.js").await.text(), "second");
    browse(&t, "/assets/index-3f2a.js").await.assert_problem(404, "not-found");

    // A bundler empties the folder before it writes.
    fs::remove_file(root.join("index.html")).unwrap();
    browse(&t, "/settings").await.assert_problem(503, "unavailable");
    browse(&t, "/nothing").await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn nothing_outside_of_the_folder_is_served() {
    let (temp, files) = folder();
    fs::create_dir(temp.path().join("dist/assets/folder")).unwrap();
    let large = fs::File::create(temp.path().join("dist/assets/large.bin")).unwrap();
    large.set_len(16 * 1024 * 1024 + 1).unwrap();
    let t = site_of(files).await;
    for path in [
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/assets/%2fetc%2fpasswd",
        "/assets//etc/passwd",
        "/assets/../../../../../../../../etc/passwd",
        "/assets/link.txt",
        "/assets/folder",
        "/assets/large.bin",
        "/assets/a%00b",
        "/assets/%ff",
        "/assets/index-3f2a.js/",
        "/link.txt",
        "/.env",
        "/../secret.txt",
    ] {
        let answer = fetch(&t, path, &[]).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
        assert!(!answer.text().contains("SECRET") && !answer.text().contains("root:"), "{path}");
    }
    assert_eq!(browse(&t, "/assets/inside.js").await.text(), "first", "a link within the folder");
}

#[tokio::test]
async fn folder_without_an_app_is_an_error_at_the_start() {
    let t = TestApp::new(Backend::Sqlite).await;
    let site =
        Site { public_url: "http://127.0.0.1:8080".into(), origins: Vec::new(), trusted_proxies: Vec::new() };
    let open = |folder: &Path| WebApp::new(WebFiles::Folder(folder.to_owned()), &site, &t.media).unwrap_err();
    let temp = TempDir::new().unwrap();
    assert!(matches!(open(&temp.path().join("missing")), InvalidWebApp::Unreadable { .. }));
    assert!(matches!(open(temp.path()), InvalidWebApp::NoIndex));
    fs::write(temp.path().join("index.html"), "no head").unwrap();
    assert!(matches!(open(temp.path()), InvalidWebApp::NoHead));
}
