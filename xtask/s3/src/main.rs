//! `xtask-s3 FOLDER PORT KEY_ID SECRET`: an S3-protocol server for tests, on loopback. Each folder in FOLDER is a
//! bucket.
//!
//! Requests need a signature with the given key; other signatures are rejected. Unsigned requests can only read objects
//! whose key has a folder `public`, like the bucket policy in docs/images.md.

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

/// Accepts signed requests, and unsigned reads of objects in a folder `public`.
struct PublicReadAccess;

#[async_trait::async_trait]
impl S3Access for PublicReadAccess {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let key = context.s3_path().as_object().map(|(_, key)| key);
        let is_public = key.is_some_and(|key| key.split('/').any(|part| part == "public"));
        if context.credentials().is_some() || is_public && context.s3_op().name() == "GetObject" {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied, "the request is not signed"))
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
    service.set_access(PublicReadAccess);
    let service = service.build();
    let port = port.parse().context("PORT is not a port number")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("binding the port")?;
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, _) = listener.accept().await.context("accepting a connection")?;
        let service = service.clone();
        connections.spawn(async move {
            // An error here means that the client disconnected.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
