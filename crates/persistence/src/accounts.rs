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
//! | [`emails`] | the addresses of accounts |
//! | [`mails`] | mails that wait to be sent |
//! | [`email_tokens`] | single-use tokens that were sent in mails |
//! | [`factors`] | authenticator apps and passkeys |
//! | [`recovery_codes`] | codes that replace a lost second factor |
//! | [`login_challenges`] | logins whose second step is missing |
//! | [`passkey_ceremonies`] | registrations of passkeys and logins with them, in progress |
//! | [`identities`] | accounts of users at other login providers |
//! | [`login_transactions`] | logins with them that have begun |
//! | [`pending_sign_ups`] | first logins with them that wait for a username |
//! | [`login_codes`] | single-use codes of native apps after such logins |
//! | [`avatar_imports`] | profile pictures to import from them |
//! | [`provider_unlinks`] | links of deleted accounts to end at them |

pub mod avatar_imports;
pub mod email_tokens;
pub mod emails;
pub mod factors;
pub mod gateway_tickets;
pub mod identities;
pub mod login_challenges;
pub mod login_codes;
pub mod login_transactions;
pub mod mails;
pub mod passkey_ceremonies;
pub mod pending_sign_ups;
pub mod provider_unlinks;
pub mod recovery_codes;
pub mod refresh_tokens;
pub mod reserved_usernames;
pub mod sessions;
pub mod signing_keys;
pub mod users;
