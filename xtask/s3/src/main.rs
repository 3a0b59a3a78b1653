//! `xtask-s3 FOLDER PORT KEY_ID SECRET`: serves the folders in FOLDER as buckets over the S3 protocol, on loopback, to
//! whoever signs with that key. Other signatures, and none, are refused.

use std::{env, net::Ipv4Addr};

use anyhow::{Context, anyhow};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, task::JoinSet};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, port, key_id, secret] = arguments.as_slice() else {
        return Err(anyhow!("usage: xtask-s3 FOLDER PORT KEY_ID SECRET"));
    };
    let files = FileSystem::new(folder).map_err(|error| anyhow!("{folder}: {error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(key_id.clone(), secret.clone()));
    let service = service.build();
    let port = port.parse().context("the port is no number")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("the port is taken")?;
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, _) = listener.accept().await.context("accepting")?;
        let service = service.clone();
        connections.spawn(async move {
            // A client that leaves is no failure of the server's.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
