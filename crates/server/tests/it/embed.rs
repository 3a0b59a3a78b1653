//! blegram inside another program: the example `embed`, a site below a path, and a program with a server of its own.

use std::path::Path;

use blegram::{Config, Node, data_folder::DataFolder};
use blegram_client::{
    ChangeKind, Client, Gateway, Options, Update, Updates, Upload,
    types::{CreatePost, Post},
};
use blegram_verifier::Verifier;
use image::{ImageFormat, RgbImage};
use poem::{Endpoint, Route, get, handler, listener::TcpAcceptor};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};
use uuid::Uuid;

use crate::client::in_time;

#[path = "../../examples/embed.rs"]
#[expect(dead_code, reason = "the program's own main")]
mod example;

const PASSWORD: &str = "노을이 지는 제주 바다";

/// A site in this process.
struct Running {
    url: String,
    stop: oneshot::Sender<()>,
    serving: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// Binds a free port and serves with `serve`, which gets the socket, the URL and the signal to stop.
    async fn start<F>(serve: impl FnOnce(TcpListener, String, oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let (stop, signal) = oneshot::channel();
        let mut serving = JoinSet::new();
        serving.spawn(serve(socket, url.clone(), signal));
        Self { url, stop, serving }
    }

    async fn stop(mut self) {
        self.stop.send(()).unwrap();
        in_time(self.serving.join_next()).await.unwrap().unwrap().unwrap();
    }
}

async fn stopped(signal: oneshot::Receiver<()>) {
    let _ = signal.await;
}

/// The status and the body of a GET, with the access token of `client` if there is one.
async fn load(url: &str, client: Option<&Client>) -> (u16, String) {
    let mut request = reqwest::Client::new().get(url);
    if let Some(client) = client {
        request = request.bearer_auth(client.access_token().unwrap().secret);
    }
    let response = in_time(request.send()).await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Signs up two users, of whom one posts, opens the gateway, and receives a message of the other. The connection stays open
/// until both of its parts are dropped.
async fn use_community(site: &str) -> (Client, (Gateway, Updates), Post) {
    let [ann, bob] = ["ann", "bob"].map(|_| Client::new(site.parse().unwrap()).unwrap());
    ann.sign_up("ann", PASSWORD).await.unwrap();
    bob.sign_up("bob", PASSWORD).await.unwrap();
    let text = Some("embedded #제주".to_owned());
    let post = CreatePost { text, media_ids: Vec::new(), visibility: None };
    let post = ann.create_post(&post).await.unwrap();
    let options = Options { follow_all: true, ..Options::default() };
    let (gateway, mut updates) = Gateway::connect(ann.clone(), options).await.unwrap();
    in_time(async { while !matches!(updates.next().await, Some(Update::Connected(_))) {} }).await;
    let conversation = bob.open_direct("@ann").await.unwrap();
    let message = blegram_client::types::SendMessage {
        client_id: Uuid::from_u128(7),
        text: Some("hello".to_owned()),
        media_ids: Vec::new(),
        reply_to: None,
    };
    bob.send_message(conversation.id, &message).await.unwrap();
    let received = async {
        loop {
            match updates.next().await.expect("the gateway is connected") {
                Update::Applied(change) => {
                    let ChangeKind::Created(message) = change.kind else { continue };
                    return message.text;
                }
                Update::Loaded { page, .. } if !page.messages.is_empty() => {
                    return page.messages[0].text.clone();
                }
                _ => {}
            }
        }
    };
    assert_eq!(in_time(received).await.as_deref(), Some("hello"));
    (ann, (gateway, updates), post)
}

async fn posts(data: &Path) -> Vec<String> {
    let node = Node::embedded(data).await.unwrap();
    let first = blegram::domain::PageRequest::new(
        blegram::domain::page::Scope::new("getPublicTimeline", &[]),
        blegram::domain::page::Limit::default(),
        None,
        None,
    );
    let page = node.app().social.public_timeline(None, &first).await.unwrap();
    node.close().await.unwrap();
    page.items.iter().map(|view| view.post.text.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_site_serves_own_routes_beside_the_api_and_ends_gracefully() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_str().unwrap().to_owned();
    let site =
        Running::start(
            |socket, _, signal| async move { example::serve(socket, &data, stopped(signal)).await },
        )
        .await;
    let (ann, gateway, _) = use_community(&site.url).await;
    let own = |path: &str| format!("{}{path}", site.url);
    assert_eq!(
        load(&own("/hello"), None).await,
        (200, "Hello from the program around blegram.\n".to_owned())
    );
    let unread = (200, "1 conversations with unread messages\n".to_owned());
    assert_eq!(load(&own("/unread"), Some(&ann)).await, unread);
    let (status, problem) = load(&own("/unread"), None).await;
    assert!(status == 401 && problem.contains("/problems/unauthenticated"), "{status} {problem}");
    let (status, problem) = load(&own("/nothing"), None).await;
    assert!(status == 404 && problem.contains("/problems/not-found"), "{status} {problem}");
    assert_eq!(load(&own("/docs"), None).await.0, 200);
    let verifier = Verifier::new(&site.url).unwrap();
    let claims = verifier.verify(&ann.access_token().unwrap().secret).await.unwrap();
    assert_eq!(claims.user.as_uuid(), ann.me().await.unwrap().id);
    assert!(DataFolder::open(folder.path()).is_err(), "a node locks its data directory");
    site.stop().await;
    drop(gateway);
    // Unlocked, and complete.
    assert_eq!(posts(folder.path()).await, ["embedded #제주"]);
}

/// The path of the public URL, with poem's `nest`, which removes it from each request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_site_below_a_path_generates_urls_with_it() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_owned();
    let site = Running::start(|socket, url, signal| async move {
        let mut config = Config::from_toml(&format!("server.public_url = '{url}/forum'"))?;
        config.server.data_dir = data;
        let node = Node::open(config).await?;
        let routes = Route::new().at("/hello", get(hello)).nest("/forum", node.router());
        node.serve(socket, routes, stopped(signal)).await
    })
    .await;
    let (ann, gateway, _) = use_community(&format!("{}/forum", site.url)).await;
    assert_eq!(load(&format!("{}/hello", site.url), None).await, (200, "hello".to_owned()));
    assert_eq!(load(&format!("{}/api/v1/instance", site.url), None).await.0, 404);
    let (status, page) = load(&format!("{}/forum/docs", site.url), None).await;
    assert!(status == 200 && page.contains("/forum/"), "{page}");
    let list = reqwest::get(format!("{}/forum/api/v1/timelines/public?limit=1", site.url)).await.unwrap();
    let link = list.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.starts_with("</forum/api/v1/timelines/public?"), "{link}");
    let image = ann.upload(vec![photo()]).await.unwrap().items.remove(0);
    let post = ann.create_post(&CreatePost { text: None, media_ids: vec![image.id], visibility: None }).await;
    let address = &post.unwrap().media[0].url;
    assert!(address.contains("/forum/media/"), "{address}");
    assert_eq!(load(&full(&site.url, address), None).await.0, 200);
    site.stop().await;
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_site_runs_beside_another_server() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().to_owned();
    let site = Running::start(|socket, _, signal| async move {
        let mut config = Config::from_toml(&format!("server.listen = '{}'", socket.local_addr()?))?;
        config.server.data_dir = data;
        let node = Node::open(config).await?;
        let router = node.router();
        node.run(|token| serve_with_poem(socket, router, token), stopped(signal)).await??;
        Ok(())
    })
    .await;
    let (_, gateway, _) = use_community(&site.url).await;
    site.stop().await;
    drop(gateway);
    assert_eq!(posts(folder.path()).await, ["embedded #제주"]);
}

/// A site that serves metrics, and their URL.
async fn measured(data: &Path) -> (Running, String) {
    let (data, (sender, address)) = (data.to_owned(), oneshot::channel());
    let site = Running::start(|socket, url, signal| async move {
        let settings = format!("metrics.listen = '127.0.0.1:0'\nserver.public_url = '{url}'");
        let mut config = Config::from_toml(&settings)?;
        config.server.data_dir = data;
        let node = Node::open(config).await?;
        sender.send(node.metrics_address().unwrap()).unwrap();
        let router = node.router();
        node.serve(socket, router, stopped(signal)).await
    })
    .await;
    (site, format!("http://{}/metrics", in_time(address).await.unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_process_count_apart() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (one, its_metrics) = measured(folders[0].path()).await;
    let (other, other_metrics) = measured(folders[1].path()).await;
    let (_, gateway, _) = use_community(&one.url).await;
    let signed_up = "blegram_http_requests_total{operation=\"signUp\",status=\"201\"} 2\n";
    let (status, page) = load(&its_metrics, None).await;
    assert!(
        status == 200 && page.contains(signed_up) && page.contains("blegram_gateway_sockets 1.0\n"),
        "{page}"
    );
    let (status, page) = load(&other_metrics, None).await;
    assert!(
        status == 200 && !page.contains("signUp") && page.contains("blegram_gateway_sockets 0.0\n"),
        "{page}"
    );
    assert!(page.contains("blegram_cpu_pool_tasks_total{pool=\"hash\"} 0\n"), "{page}");
    drop(gateway);
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn node_ends_when_its_server_does() {
    let folder = TempDir::new().unwrap();
    let node = Node::embedded(folder.path()).await.unwrap();
    let ended = node.run(async |_| "cannot listen", std::future::pending());
    assert_eq!(in_time(ended).await.unwrap(), "cannot listen");
    DataFolder::open(folder.path()).unwrap();
}

async fn serve_with_poem(
    socket: TcpListener,
    router: impl Endpoint + 'static,
    token: blegram::CancellationToken,
) -> std::io::Result<()> {
    let acceptor = TcpAcceptor::from_tokio(socket)?;
    let stop = async move { token.cancelled().await };
    poem::Server::new_with_acceptor(acceptor).run_with_graceful_shutdown(router, stop, None).await
}

#[handler]
fn hello() -> &'static str {
    "hello"
}

/// A URL of a response, which may be relative to the host.
fn full(host: &str, address: &str) -> String {
    if address.starts_with('/') { format!("{host}{address}") } else { address.to_owned() }
}

fn photo() -> Upload {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::new(8, 8).write_to(&mut bytes, ImageFormat::Png).unwrap();
    Upload { name: "a.png".to_owned(), bytes: bytes.into_inner(), alt: Some("바다".to_owned()) }
}
