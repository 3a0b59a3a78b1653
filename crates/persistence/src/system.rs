//! What keeps the site running.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`jobs`] | the durable job queue |
//! | [`idempotency_keys`] | idempotency keys and stored responses |
//! | [`audit_events`] | the audit log |
//! | [`clock_state`], [`newest`] | whether the clock is trusted, and where new ids start |
//! | [`nodes`] | the nodes that run |
//! | [`database_size`] | none: the size on the disk |
//! | [`recount`] | none: checks and repairs denormalised counts |
//! | [`remnants`] | none: what SQLite keeps of deleted rows |

pub mod audit_events;
pub mod clock_state;
pub mod database_size;
pub mod idempotency_keys;
pub mod jobs;
pub mod newest;
pub mod nodes;
pub mod recount;
pub mod remnants;
