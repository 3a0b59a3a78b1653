//! Serves the whole API of blegram in a program of its own, with two more routes beside it: `/hello` for anyone, and
//! `/unread` for logged-in users.
//!
//! ```sh
//! cargo run -p blegram --example embed                        # http://127.0.0.1:8080, data in ./data
//! cargo run -p blegram --example embed -- 127.0.0.1:9000 ./site
//! ```
//!
//! Sign up on <http://127.0.0.1:8080/docs>, then open <http://127.0.0.1:8080/unread>. Ctrl-C ends it gracefully.

use blegram::{
    Config, Node,
    anyhow::Result,
    api::{App, problem::Problem},
    http::{Login, Rule, Viewer, router},
};
use poem::{EndpointExt, Route, get, handler, http::Method, web::Data};
use tokio::net::TcpListener;

/// What blegram checks before [`unread`] runs: a login, by cookie or token.
static UNREAD: Rule = Rule::read(Login::Required);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let data = arguments.next().unwrap_or_else(|| "./data".to_owned());
    let signal = blegram::shutdown_signal()?;
    let socket = TcpListener::bind(&address).await?;
    println!("http://{address}/hello, /unread, and blegram's own routes: /docs");
    serve(socket, &data, signal).await
}

/// Serves on `socket` until `signal` completes.
pub(crate) async fn serve(socket: TcpListener, data: &str, signal: impl Future<Output = ()>) -> Result<()> {
    let mut config = Config::from_toml(&format!("server.listen = '{}'", socket.local_addr()?))?;
    config.server.data_dir = data.into();
    let node = Node::open(config).await?;
    // Behind the layers of the API: its logins, rate limits, access log and errors.
    let operations = [router::Route::operation(Method::GET, "/unread", "getMyUnread", &UNREAD)];
    let guarded = node.guard(operations, get(unread).data(node.app().clone()))?;
    // Own routes come first; blegram answers everything else, unknown paths included.
    let routes = Route::new().at("/hello", get(hello)).at("/unread", guarded).nest("/", node.router());
    node.serve(socket, routes, signal).await
}

#[handler]
fn hello() -> &'static str {
    "Hello from the program around blegram.\n"
}

#[handler]
async fn unread(viewer: Viewer, app: Data<&App>) -> poem::Result<String> {
    let count = app.chat.unread_count(viewer.id()).await.map_err(Problem::from)?;
    Ok(format!("{count} conversations with unread messages\n"))
}
