//! `xtask-s3 FOLDER PORT KEY_ID SECRET`: serves the folders in FOLDER as buckets over the S3 protocol, on loopback, to
//! whoever signs with that key. Other signatures are refused, and so is none, but for files of public areas: those that have
//! a folder `public` in their name, as the policy in docs/images.md opens them.

use std::{env, net::Ipv4Addr};

use anyhow::{Context, anyhow};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    s3_error,
    service::S3ServiceBuilder,
};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, task::JoinSet};

/// Lets everybody fetch what is in a public area.
struct PublicAreas;

#[async_trait::async_trait]
impl S3Access for PublicAreas {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let key = context.s3_path().as_object().map(|(_, key)| key);
        let is_public = key.is_some_and(|key| key.split('/').any(|part| part == "public"));
        if context.credentials().is_some() || is_public && context.s3_op().name() == "GetObject" {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied, "a signature is needed"))
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [folder, port, key_id, secret] = arguments.as_slice() else {
        return Err(anyhow!("usage: xtask-s3 FOLDER PORT KEY_ID SECRET"));
    };
    let files = FileSystem::new(folder).map_err(|error| anyhow!("{folder}: {error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(key_id.clone(), secret.clone()));
    service.set_access(PublicAreas);
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
