//! Redis with TLS and a password, as managed services have it.

use std::{net::SocketAddr, process::Command};

use blegram_persistence::testing::Backend;
use rustix::process::Signal;
use tempfile::TempDir;

use super::home::{Daemon, Home, free_address, program};
use crate::client::in_time;

const PASSWORD: &str = "redis-secret";

struct TlsRedis {
    address: SocketAddr,
    folder: TempDir,
    _daemon: Daemon,
}

impl TlsRedis {
    async fn start() -> Self {
        let (address, folder) = (free_address(), TempDir::new().unwrap());
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let files = [("cert.pem", key.cert.pem()), ("key.pem", key.signing_key.serialize_pem())];
        for (name, pem) in files {
            std::fs::write(folder.path().join(name), pem).unwrap();
        }
        let mut command = Command::new(program("BLEGRAM_TEST_REDIS_SERVER"));
        command.args(["--bind", "127.0.0.1", "--port", "0", "--tls-port", &address.port().to_string()]);
        command.args(["--tls-auth-clients", "no", "--requirepass", PASSWORD, "--save", ""]);
        for (option, name) in [("--tls-cert-file", "cert.pem"), ("--tls-key-file", "key.pem")] {
            command.arg(option).arg(folder.path().join(name));
        }
        let daemon = Daemon::start(&mut command, address).await;
        Self { address, folder, _daemon: daemon }
    }

    fn url(&self, password: &str) -> String {
        format!("rediss://:{password}@{}", self.address)
    }

    /// A site that trusts the certificate, as one of the system.
    async fn site(&self, password: &str) -> Home {
        let certificate = self.folder.path().join("cert.pem");
        self.untrusting_site(password).await.set("SSL_CERT_FILE", certificate.to_str().unwrap())
    }

    /// A site that does not.
    async fn untrusting_site(&self, password: &str) -> Home {
        Home::on(Backend::Sqlite, &[("BLEGRAM_REDIS__URL", &self.url(password))]).await
    }
}

#[tokio::test]
async fn redis_is_reached_over_tls_with_a_password() {
    let redis = TlsRedis::start().await;
    let home = redis.site(PASSWORD).await;
    let site = home.serve().await;
    in_time(async {
        while home.stranger().get("/readyz").await.body != "ready\n" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    home.sign_up("ann").await;
    site.signal(Signal::TERM);
    let ended = site.end().await;
    assert!(!ended.stderr.contains("Redis does not answer"), "{ended:?}");
}

/// A site must start without its Redis, and not trust any certificate.
#[tokio::test]
async fn site_with_an_untrusted_or_foreign_redis_is_degraded() {
    let redis = TlsRedis::start().await;
    for home in [redis.untrusting_site(PASSWORD).await, redis.site("wrong").await] {
        let site = home.serve().await;
        assert_eq!(home.stranger().get("/readyz").await.body, "ready\ndegraded: true\n");
        home.sign_up("ann").await;
        site.logs("Redis does not answer").await;
        site.signal(Signal::TERM);
        let ended = site.end().await;
        assert!(!ended.stderr.contains(PASSWORD) && !ended.stdout.contains(PASSWORD), "{ended:?}");
    }
}
