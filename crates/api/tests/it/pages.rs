//! Pages and documents beside the API: Swagger UI, the OpenAPI and AsyncAPI documents, problem pages and probes.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use blegram_api::{NotReady, problem::Code};
use blegram_persistence::testing::Backend;
use poem::http::Method;
use rstest_reuse::apply;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    both_databases,
    world::{Answer, Settings, TestApp},
};

#[tokio::test]
async fn swagger_ui_loads_nothing_from_other_hosts() {
    let t = TestApp::new(Backend::Sqlite).await;
    let page = t.stranger().get("/docs").await;
    page.assert_status(200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(!policy.contains("http"), "{policy}");
    let html = page.text();
    assert!(!html.contains("http") && !html.contains("<style") && !html.contains("<script>"), "{html}");
    for file in ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js", "/docs/start.js"] {
        assert!(html.contains(file));
        let answer = t.stranger().get(file).await;
        answer.assert_status(200);
        assert!(answer.body.len() > 50, "{file} is empty");
        // The integrity hash is that of the file, and the policy allows scripts by their hashes only.
        let hash = format!("sha256-{}", STANDARD.encode(Sha256::digest(&answer.body)));
        assert!(html.contains(&format!("integrity=\"{hash}\"")), "{file}: {html}");
        let is_script = answer.header("content-type").unwrap().starts_with("text/javascript");
        assert_eq!(policy.contains(&format!("'{hash}'")), is_script, "{file}: {policy}");
    }
    let scripts = policy.split(';').find(|directive| directive.contains("script-src")).unwrap();
    assert_eq!(
        scripts.split_whitespace().filter(|source| source.starts_with("'sha256-")).count(),
        2,
        "{scripts}"
    );
    assert_eq!(scripts.split_whitespace().count(), 3, "{scripts}");
    assert!(t.stranger().get("/docs/swagger-ui-bundle.js").await.text().contains("SwaggerUIBundle"));
}

#[tokio::test]
async fn swagger_ui_is_compressed_for_clients_that_accept_gzip() {
    let t = TestApp::new(Backend::Sqlite).await;
    for file in ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"] {
        let plain = t.stranger().get(file).await;
        let accepted = [("accept-encoding", "gzip, deflate, br")];
        let compressed = t.stranger().send(Method::GET, file, &accepted, Vec::new()).await;
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(compressed.header("content-encoding"), Some("gzip"));
        assert_eq!(compressed.header("content-type"), plain.header("content-type"));
        assert!(compressed.sent_bytes < plain.sent_bytes / 3, "{file}");
        assert_eq!(compressed.body, plain.body, "{file}");
        for answer in [plain, compressed] {
            assert_eq!(answer.header("vary"), Some("Accept-Encoding, Origin"));
        }
    }
}

#[tokio::test]
async fn swagger_ui_names_the_licences_of_its_libraries() {
    let t = TestApp::new(Backend::Sqlite).await;
    let bundle = t.stranger().get("/docs/swagger-ui-bundle.js").await.text();
    let name = bundle.split_whitespace().find(|word| word.ends_with(".LICENSE.txt")).unwrap();
    let licences = t.stranger().get(&format!("/docs/{name}")).await;
    licences.assert_status(200);
    assert!(licences.text().contains("MIT License"));
}

#[tokio::test]
async fn swagger_ui_accepts_a_trailing_slash() {
    let t = TestApp::new(Backend::Sqlite).await;
    let page = t.stranger().get("/docs/").await;
    page.assert_status(200);
    assert_eq!(page.text(), t.stranger().get("/docs").await.text());
}

#[tokio::test]
async fn path_of_the_public_url_is_in_pages_and_documents() {
    // Characters that URLs allow, and that HTML and JavaScript escape.
    let public_url = "https://example.org/a&b'c";
    let t = TestApp::with(Backend::Sqlite, Settings { public_url, ..Settings::default() }).await;
    let html = t.stranger().get("/docs").await.text();
    for file in ["swagger-ui.css", "swagger-ui-bundle.js", "start.js"] {
        assert!(html.contains(&format!("=\"/a&amp;b'c/docs/{file}?")), "{html}");
    }
    let start = t.stranger().get("/docs/start.js").await.text();
    assert!(start.starts_with("const base = \"/a&b'c\";\n"), "{start}");
    assert!(start.contains("fetch(base + ") && start.contains("location.origin + base"), "{start}");

    let document = t.stranger().get("/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], public_url);
    assert!(document["paths"]["/api/v1/posts"].is_object(), "paths are below the server's URL");
    let gateway = &document["paths"]["/api/v1/gateway"]["get"];
    let text = gateway["description"].as_str().unwrap();
    assert!(text.contains("(/a&b'c/asyncapi.json)") && text.contains("'/a&b'c/api/v1/gateway'"), "{text}");
    let document = t.stranger().get("/asyncapi.json").await.json();
    assert_eq!(document["servers"]["site"]["host"], "example.org");
    assert_eq!(document["servers"]["site"]["pathname"], "/a&b'c");
    let code = &document["components"]["schemas"]["CommandError"]["properties"]["code"];
    assert!(code["description"].as_str().unwrap().contains("`/a&b'c/problems/<code>`"), "{code}");

    let page = t.stranger().get("/problems/upgrade-required").await.text();
    assert!(page.contains("is at /a&amp;b'c/asyncapi.json"), "{page}");
    assert!(page.contains("\"/a&amp;b'c/docs#/Gateway/connectGateway\""), "{page}");
    assert!(page.contains("\"/a&amp;b'c/favicon.svg\""), "{page}");
    let page = t.stranger().get("/problems/csrf-rejected").await.text();
    assert!(page.contains("GET /a&amp;b'c/api/v1/auth/csrf"), "{page}");
    let home = as_program(&t, "/").await.json();
    assert_eq!(home["openapi"], "/a&b'c/openapi.json");
    let problem = t.stranger().get("/api/v1/gateway").await.json();
    assert!(problem["type"].as_str().unwrap().starts_with("/a&b'c/problems/"), "{problem}");
    assert_eq!(problem["instance"], "/a&b'c/api/v1/gateway");
    // Also in responses that are stored for idempotent replays.
    let [ann] = t.users(["ann"]).await;
    for _ in 0..2 {
        let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
        let rejected = ann.send(Method::POST, "/api/v1/posts", &headers, b"{}".to_vec()).await;
        assert_eq!(rejected.json()["type"], "/a&b'c/problems/invalid", "{}", rejected.text());
        assert_eq!(rejected.json()["instance"], "/a&b'c/api/v1/posts");
    }
    // A handshake on a connection that cannot be upgraded returns the detail of the problem code.
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "blegram.v1+json"),
    ];
    let rejected = t.stranger().send(Method::GET, "/api/v1/gateway", &handshake, Vec::new()).await;
    rejected.assert_status(426);
    let detail = rejected.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("is at /a&b'c/asyncapi.json"), "{detail}");
}

/// Collects texts that name an address of this site at the root of the host. An address that follows a host is an
/// example.
fn addresses_at_the_root(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| addresses_at_the_root(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| addresses_at_the_root(field, found)),
        Value::String(text) => {
            for root in ["/api/", "/docs", "/problems", "/openapi.", "/asyncapi."] {
                let at_the_root = |at: usize| !text[..at].ends_with(char::is_alphanumeric);
                if text.match_indices(root).any(|(at, _)| at_the_root(at)) {
                    found.push(text.clone());
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn texts_name_no_address_without_the_path_of_the_public_url() {
    let settings = Settings { public_url: "https://example.org/forum", ..Settings::default() };
    let t = TestApp::with(Backend::Sqlite, settings).await;
    let mut found = Vec::new();
    addresses_at_the_root(&t.stranger().get("/openapi.json").await.json(), &mut found);
    addresses_at_the_root(&t.stranger().get("/asyncapi.json").await.json()["components"], &mut found);
    for code in Code::ALL {
        let page = t.stranger().get(&format!("/problems/{}", code.as_str())).await.text();
        addresses_at_the_root(&Value::from(page), &mut found);
    }
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn openapi_document_is_served_as_json_and_yaml() {
    let t = TestApp::new(Backend::Sqlite).await;
    let json = t.stranger().get("/openapi.json").await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert_eq!(json.text(), blegram_api::openapi("http://127.0.0.1:8080"));
    let yaml: serde_json::Value =
        serde_saphyr::from_str(&t.stranger().get("/openapi.yaml").await.text()).unwrap();
    assert_eq!(yaml, json.json());
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

async fn as_browser(t: &TestApp, path: &str) -> Answer {
    t.stranger().send(Method::GET, path, &[("accept", BROWSER)], Vec::new()).await
}

async fn as_program(t: &TestApp, path: &str) -> Answer {
    let accept = [("accept", "application/json, text/plain, */*")];
    t.stranger().send(Method::GET, path, &accept, Vec::new()).await
}

fn assert_is_html(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.header("vary").unwrap().starts_with("Accept, Accept-Encoding, Accept-Language"));
}

/// The text of a page, without markup.
fn prose(answer: &Answer) -> String {
    let text = answer.text().replace("<code>", "`").replace("</code>", "`");
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[tokio::test]
async fn home_is_a_page_that_leads_to_what_the_site_has() {
    let t = TestApp::new(Backend::Sqlite).await;
    for accept in [BROWSER, "*/*", ""] {
        let home = t.stranger().send(Method::GET, "/", &[("accept", accept)], Vec::new()).await;
        home.assert_status(200);
        assert_is_html(&home);
        for link in home.text().split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            t.stranger().get(link).await.assert_status(200);
        }
    }
    let links = as_program(&t, "/").await.json();
    for path in ["docs", "openapi", "asyncapi", "problems"] {
        t.stranger().get(links[path].as_str().unwrap()).await.assert_status(200);
    }
    t.stranger().post("/", &serde_json::json!({})).await.assert_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn problems_have_pages() {
    let t = TestApp::new(Backend::Sqlite).await;
    let index = as_browser(&t, "/problems").await;
    index.assert_status(200);
    let listed = as_program(&t, "/problems").await.json()["items"].as_array().unwrap().clone();
    assert_eq!(listed.len(), Code::ALL.len());
    for (code, item) in Code::ALL.iter().zip(listed) {
        let path = format!("/problems/{}", code.as_str());
        assert!(index.text().contains(&format!("\"{path}?")), "{path}");
        let page = as_browser(&t, &path).await;
        page.assert_status(200);
        assert_is_html(&page);
        let text = prose(&page);
        assert!(text.contains(code.english()) && text.contains(code.korean()), "{text}");
        let described = as_program(&t, &path).await;
        assert_eq!(described.header("vary"), page.header("vary"));
        assert_eq!(described.json(), item);
        assert_eq!((&item["code"], &item["detail"]["ko"]), (&code.as_str().into(), &code.korean().into()));
    }
}

#[tokio::test]
async fn problem_page_links_to_the_operations_that_return_it() {
    let t = TestApp::new(Backend::Sqlite).await;
    let page = as_browser(&t, "/problems/username-taken").await.text();
    for operation in ["Auth/signUp", "Users/changeUsername"] {
        assert!(page.contains(&format!("href=\"/docs#/{operation}\"")), "{operation}: {page}");
    }
    assert!(!page.contains("createPost"), "{page}");
    assert!(
        as_browser(&t, "/problems/second-factor-required").await.text().contains("/docs#/Second%20factor/")
    );
    assert!(as_browser(&t, "/problems/internal").await.text().contains("Every operation"));
    // Every operation that the document lists for a code, and no other.
    let document = t.stranger().get("/openapi.json").await.json();
    for code in Code::ALL {
        let described = as_program(&t, &format!("/problems/{}", code.as_str())).await.json();
        let mut described: Vec<_> = described["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect();
        described.sort_unstable();
        assert_eq!(described, documented(&document, code.as_str()), "{}", code.as_str());
    }
}

/// The ids of the operations for which `document` lists an example of `code`, sorted.
fn documented(document: &Value, code: &str) -> Vec<String> {
    let operations = document["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|path| path.as_object().unwrap().values());
    let returns = |operation: &&Value| {
        operation["responses"].as_object().is_some_and(|responses| {
            responses.values().any(|response| {
                let name = response["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
                let shared = name.map(|name| &document["components"]["responses"][name]);
                shared.is_some_and(|shared| {
                    let examples = &shared["content"]["application/problem+json"]["examples"];
                    examples.as_object().is_some_and(|examples| {
                        examples.values().any(|example| {
                            let name = example["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
                            document["components"]["examples"][name]["value"]["code"] == code
                        })
                    })
                })
            })
        })
    };
    let ids = operations.filter(returns).filter_map(|operation| operation["operationId"].as_str());
    let mut ids: Vec<String> = ids.map(Into::into).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn unknown_problem_is_a_page_for_browsers_only() {
    let t = TestApp::new(Backend::Sqlite).await;
    let page = as_browser(&t, "/problems/no-such-thing").await;
    page.assert_status(404);
    assert_is_html(&page);
    assert!(page.text().contains("/problems?lang=en"), "{}", page.text());
    as_program(&t, "/problems/no-such-thing").await.assert_problem(404, "not-found");
    t.stranger().get("/problems/no-such-thing").await.assert_problem(404, "not-found");
    // The API answers with problems, whatever the client accepts.
    as_browser(&t, "/api/v1/no-such-thing").await.assert_problem(404, "not-found");
    as_browser(&t, "/api/v1/me").await.assert_problem(401, "unauthenticated");
    as_browser(&t, "/no-such-thing").await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn pages_about_the_api_are_in_the_language_of_the_browser_unless_chosen() {
    let t = TestApp::new(Backend::Sqlite).await;
    for (path, header, expected) in [
        ("/", "ko-KR,ko;q=0.9", "ko"),
        ("/problems", "en", "en"),
        ("/problems/invalid", "ko", "ko"),
        ("/problems/invalid?lang=en", "ko", "en"),
    ] {
        let headers = [("accept", BROWSER), ("accept-language", header)];
        let page = t.stranger().send(Method::GET, path, &headers, Vec::new()).await.text();
        assert!(page.contains(&format!("<html lang=\"{expected}\">")), "{path} {header}: {page}");
    }
}

#[tokio::test]
async fn icons_are_served_and_named_by_every_page() {
    let t = TestApp::new(Backend::Sqlite).await;
    for (path, content_type) in
        [("/favicon.ico", "image/vnd.microsoft.icon"), ("/favicon.svg", "image/svg+xml")]
    {
        let icon = t.stranger().get(path).await;
        assert_eq!(icon.assert_status(200).header("content-type"), Some(content_type));
        assert!(icon.sent_bytes > 100);
        for page in ["/", "/docs", "/problems", "/problems/invalid", "/login"] {
            let page = t.stranger().get(page).await;
            assert!(page.text().contains(&format!("<link rel=\"icon\" href=\"{path}\"")), "{}", page.text());
            assert!(page.header("content-security-policy").unwrap().contains("img-src 'self'"));
        }
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn probes_distinguish_liveness_from_readiness(#[case] backend: Backend) {
    let readiness = Arc::new(|| Box::pin(std::future::ready(Err(NotReady::ShuttingDown))) as _);
    let t = TestApp::with(backend, Settings { readiness, ..Settings::default() }).await;
    t.stranger().get("/healthz").await.assert_status(200);
    let answer = t.stranger().get("/readyz").await;
    answer.assert_status(503);
    assert_eq!(answer.text(), "not ready: shutting down\n");
    t.database.db().clone().close().await.unwrap();
    t.stranger().get("/api/v1/timelines/public").await.assert_problem(503, "unavailable");
}

#[tokio::test]
async fn responses_have_cache_and_security_headers() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    for (path, cache) in [
        ("/api/v1/me", "no-store"),
        ("/api/v1/auth/csrf", "no-store"),
        ("/api/v1/timelines/public", "private, no-cache"),
        ("/api/v1/nothing", "no-cache"),
    ] {
        let answer = ann.get(path).await;
        assert_eq!(answer.header("cache-control"), Some(cache), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
        );
        assert_eq!(answer.header("vary"), Some("Accept-Encoding, Authorization, Cookie, Origin"));
        assert_eq!(answer.header("strict-transport-security"), None, "not over plain http");
    }
}
