//! Limits logins by address, and the concurrent use of a resource by user.
//!
//! `cargo run -p blegram-limits --example limit`

use std::{error::Error, net::IpAddr, sync::Arc};

use blegram_domain::{Clock, SystemClock, UserId};
use blegram_limits::{Limiter, Policy, Quota, Quotas, Shares, SharesConfig};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Three at once, and one more every 20 seconds.
    let quotas = Quotas { login_per_address: Quota::new(3, 60), ..Quotas::default() };
    let limiter = Limiter::new(quotas, Arc::new(SystemClock));
    let address: IpAddr = "192.0.2.1".parse()?;
    for attempt in 1..=4 {
        match limiter.check_address(Policy::Login, address).await {
            Ok(status) => println!("login {attempt}: allowed, {} left", status.remaining),
            Err(limited) => println!("login {attempt}: {limited}"),
        }
    }
    let other: IpAddr = "192.0.2.2".parse()?;
    println!("another address: {}", limiter.check_address(Policy::Login, other).await.is_ok());

    let uploads = Shares::new(SharesConfig { all: 3, each: 2 });
    let (haneul, bada) = (UserId::generate(SystemClock.now()), UserId::generate(SystemClock.now()));
    let permits = [uploads.take_for_user(haneul), uploads.take_for_user(haneul)];
    println!("haneul uploads two files: {}", permits.iter().all(Result::is_ok));
    if let Err(full) = uploads.take_for_user(haneul) {
        println!("a third one: {full}");
    }
    println!("bada can still upload: {}", uploads.take_for_user(bada).is_ok());
    Ok(())
}
