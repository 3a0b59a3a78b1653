//! Accounts, and what authenticates them.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`users`] | accounts, profiles, credentials |
//! | [`reserved_usernames`] | former usernames, reserved for a while |
//! | [`sessions`] | sessions of browsers and native apps |
//! | [`refresh_tokens`] | refresh tokens of native apps |
//! | [`signing_keys`] | keys that sign access tokens |
//! | [`gateway_tickets`] | single-use tickets that open realtime connections |

pub mod gateway_tickets;
pub mod refresh_tokens;
pub mod reserved_usernames;
pub mod sessions;
pub mod signing_keys;
pub mod users;
