//! A site behind nginx, as Debian packages it.

use std::{net::SocketAddr, path::PathBuf, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::{
    home::{Daemon, Home, free_address, program},
    people::{PASSWORD, Person, json_fields},
};
use crate::client::Client;

/// nginx in front of a site, with keep-alive connections to it.
struct Nginx {
    address: SocketAddr,
    _daemon: Daemon,
    _folder: TempDir,
}

impl Nginx {
    /// Serves the site at `address` below `location`, which it strips from each request.
    async fn start(address: SocketAddr, site: SocketAddr, location: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", path(kind).display()))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {pid}; error_log stderr warn;
            events {{ worker_connections 256; }}
            http {{
                access_log off;
                {temporary}
                map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
                upstream site {{ server {site}; keepalive 16; }}
                server {{
                    listen {address};
                    location {location} {{
                        proxy_pass http://site/;
                        proxy_http_version 1.1;
                        proxy_set_header Host $http_host;
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection $connection_upgrade;
                    }}
                }}
            }}",
            pid = path("pid").display()
        );
        std::fs::write(path("nginx.conf"), config).unwrap();
        let mut command = Command::new(program("BLEGRAM_TEST_NGINX"));
        command.arg("-e").arg("stderr").arg("-p").arg(folder.path()).arg("-c").arg(path("nginx.conf"));
        let daemon = Daemon::start(&mut command, address).await;
        Self { address, _daemon: daemon, _folder: folder }
    }
}

#[tokio::test]
async fn oversized_posts_do_not_break_other_writes() {
    let home = Home::new(&[]);
    let _site = home.serve().await;
    let nginx = Nginx::start(free_address(), home.address, "/").await;
    let ann = home.sign_up("ann").await.at_address(nginx.address);
    let mut clients = JoinSet::new();
    for (length, count, status) in [(70_000, 100, 413), (10, 100, 201)] {
        for client in 0..4 {
            let ann = ann.clone();
            clients.spawn(async move {
                for n in 0..count {
                    // A different text each time, so that no post is a repetition.
                    let answer = ann.write(&format!("{client} {n} {}", "b".repeat(length))).await;
                    assert_eq!(answer.status, status, "{n}: {answer:?}");
                }
            });
        }
    }
    clients.join_all().await;
}

/// The path of an absolute or path-absolute address at the proxy.
fn path_of<'a>(address: &'a str, origin: &str) -> &'a str {
    address.strip_prefix(origin).unwrap_or(address)
}

/// The values of an attribute in a page.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!(" {name}=\"");
    page.split(&open).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

async fn assert_leads_somewhere(person: &Person, address: &str, origin: &str) -> crate::client::Answer {
    let path = path_of(address, origin);
    assert!(path.starts_with("/forum/"), "{address} lacks the path of the public URL");
    let answer = person.get(path).await;
    assert_eq!(answer.status, 200, "{address}: {answer:?}");
    answer
}

/// An image of one pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

async fn upload(person: &Person, address: SocketAddr) -> Value {
    let body = [
        b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.gif\"\r\n\r\n".as_slice(),
        GIF,
        b"\r\n--b--\r\n",
    ]
    .concat();
    let fields =
        format!("content-type: multipart/form-data; boundary=b\r\ncontent-length: {}\r\n", body.len());
    let mut client = Client::connect(address).await.unwrap();
    client.send(person.head("POST /forum/api/v1/media", &fields)).await;
    client.send(body).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["items"][0].clone()
}

#[tokio::test]
async fn path_of_the_public_url_is_in_every_address() {
    let address = free_address();
    let origin = format!("http://{address}");
    let home = Home::new(&[("BLEGRAM_SERVER__PUBLIC_URL", &format!("{origin}/forum/"))]);
    let site = home.serve().await;
    site.prints("Stop with Ctrl-C").await;
    for line in ["/forum/api/v1\n", "/forum/docs\n"] {
        assert!(site.stdout().contains(&format!("{origin}{line}")), "{}", site.stdout());
    }
    let nginx = Nginx::start(address, home.address, "/forum/").await;
    let ann = home.sign_up("ann").await.at_address(nginx.address);

    let mut locations = Vec::new();
    for text in ["one", "two"] {
        let body = json!({ "text": text });
        let answer = ann.post("/forum/api/v1/posts", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        locations.push(answer.header("location").unwrap().to_owned());
    }
    let body = json!({ "text": "once" }).to_string();
    for _ in 0..2 {
        let fields = format!("idempotency-key: once\r\n{}", json_fields(&body));
        let answer = ann.send(&(ann.head("POST /forum/api/v1/posts", &fields) + &body)).await.unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
        locations.push(answer.header("location").unwrap().to_owned());
    }
    assert_eq!(locations[2], locations[3], "the replayed response");
    for location in &locations {
        assert_leads_somewhere(&ann, location, &origin).await;
    }
    let page = ann.get("/forum/api/v1/timelines/public?limit=1").await;
    let links = page.header("link").unwrap().split(", ");
    let links: Vec<&str> = links.filter_map(|link| link.split(['<', '>']).nth(1)).collect();
    assert_eq!(links.len(), 2, "{page:?}");
    for link in links {
        assert_leads_somewhere(&ann, link, &origin).await;
    }

    let oversized =
        ann.head("GET /forum/api/v1/instance", &format!("x: {}\r\n", "y".repeat(7_000)).repeat(3));
    let rejections = [
        ann.get("/forum/api/v1/posts/nothing").await,
        home.stranger().at_address(nginx.address).get("/forum/api/v1/me").await,
        ann.send(&oversized).await.unwrap(),
    ];
    for rejection in rejections {
        let problem = rejection.json();
        assert_leads_somewhere(&ann, problem["type"].as_str().unwrap(), &origin).await;
        assert!(problem["instance"].as_str().unwrap().starts_with("/forum/api/v1/"), "{problem}");
    }

    for docs in ["/forum/docs", "/forum/docs/"] {
        let page = ann.get(docs).await;
        assert_eq!(page.status, 200, "{page:?}");
        let [scripts, styles] = ["src", "href"].map(|name| attributes(&page.body, name));
        let files: Vec<_> = scripts.into_iter().chain(styles).collect();
        assert_eq!(files.len(), 5, "{}", page.body);
        for link in files {
            let file = assert_leads_somewhere(&ann, link, &origin).await;
            if link.contains("start.js") {
                assert!(file.body.contains("\"/forum\""), "{}", file.body);
            }
        }
    }
    for path in ["/forum/", "/forum/problems", "/forum/problems/invalid"] {
        let page = ann.get(path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let links = attributes(&page.body, "href");
        assert!(links.len() > 5, "{}", page.body);
        for link in links.into_iter().take(12) {
            assert_leads_somewhere(&ann, link.split('#').next().unwrap(), &origin).await;
        }
    }
    let document = assert_leads_somewhere(&ann, "/forum/openapi.json", &origin).await.json();
    assert_eq!(document["servers"], json!([{ "url": format!("{origin}/forum") }]));
    let description = document["info"]["description"].as_str().unwrap();
    assert!(
        description.contains("`/forum/problems/<code>`") && description.contains("`/forum/asyncapi.json`")
    );
    let document = assert_leads_somewhere(&ann, "/forum/asyncapi.json", &origin).await.json();
    let server = &document["servers"]["site"];
    assert_eq!(
        (server["host"].as_str().unwrap(), server["pathname"].as_str()),
        (&*address.to_string(), Some("/forum"))
    );
    let status = assert_leads_somewhere(&ann, "/forum/api/v1/gateway/status", &origin).await.json();
    assert_eq!(status["url"], format!("ws://{address}/forum/api/v1/gateway"));

    let image = upload(&ann, nginx.address).await;
    let url = image["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{origin}/forum/media/")), "{image}");
    assert_leads_somewhere(&ann, url, &origin).await;
    let announced = json!({ "content_type": "image/gif", "byte_size": GIF.len() });
    let created = ann.post("/forum/api/v1/media/uploads", &announced).await.json();
    let url = created["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{origin}/forum/media/incoming/")), "{created}");
    let mut client = Client::connect(nginx.address).await.unwrap();
    let line = format!("PUT {}", path_of(url, &origin));
    let fields = format!("content-type: image/gif\r\ncontent-length: {}\r\n", GIF.len());
    client.send(home.stranger().head(&line, &fields)).await;
    client.send(GIF).await;
    assert!(matches!(client.answer().await.status, 200 | 204), "the upload link leads to the storage");

    let login = json!({ "login": "ann", "password": PASSWORD, "client": "browser" });
    let answer = ann.post("/forum/api/v1/auth/login", &login).await;
    assert!(answer.header("set-cookie").unwrap().contains("Path=/;"), "{answer:?}");
    assert_eq!(home.stranger().get("/api/v1/instance").await.status, 200, "the server itself has no path");
    assert_eq!(home.stranger().get("/forum/api/v1/instance").await.status, 404);
}
