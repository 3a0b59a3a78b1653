//! Rate limits and shares: what one user, one address or one network may take of what belongs to all.
//!
//! | Module | Contents |
//! |---|---|
//! | [`network`] | the networks of an address: that of one subscriber, and the wider one around it |
//! | [`policy`] | the table of rate limits, with their default quotas |
//! | [`limiter`] | counts attempts against the quotas |
//! | [`shared`] | counters in Redis that all nodes share |
//! | [`shares`] | concurrent use of a resource: a bound for all, for one user and for one network |
//!
//! To add a rate limit: add a row to the table in `policy.rs` and a setting of the same name to the configuration; the
//! row of an operation then names the policy, or a use-case checks it.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! use std::sync::Arc;
//! use blegram_domain::SystemClock;
//! use blegram_limits::{Limiter, Policy, Quota, Quotas};
//!
//! let quotas = Quotas { login_per_address: Quota::new(2, 60), ..Quotas::default() };
//! let limiter = Limiter::new(quotas, Arc::new(SystemClock));
//! let address = "192.0.2.1".parse().unwrap();
//! assert_eq!(limiter.check_address(Policy::Login, address).await?.remaining, 1);
//! assert_eq!(limiter.check_address(Policy::Login, address).await?.remaining, 0);
//! assert!(limiter.check_address(Policy::Login, address).await.is_err());
//! # Ok::<(), blegram_limits::RateLimited>(())
//! # }).unwrap();
//! ```

mod account_name;
mod gcra;
pub mod limiter;
pub mod network;
pub mod policy;
pub mod shared;
pub mod shares;

pub use account_name::AccountName;
pub use limiter::{Demand, Limiter, RateLimitStatus, RateLimited, Subject};
pub use network::Network;
pub use policy::{Policy, Quota, Quotas};
/// The types of the secrets in [`SharedSettings`].
pub use secrecy::{SecretSlice, SecretString};
pub use shared::{Shared, SharedSettings, SharedWork};
pub use shares::{Full, Permit, Shares, SharesConfig};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
