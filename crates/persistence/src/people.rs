//! Relationships between accounts.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`follows`], [`follow_requests`] | follows, and those that wait for approval |
//! | [`blocks`], [`mutes`] | blocks and mutes |
//! | [`relations`] | all of these between two accounts at once, and the locks on them |
//! | [`suggestions`] | suggested accounts, and dismissed suggestions |

pub mod blocks;
pub mod follow_requests;
pub mod follows;
pub mod mutes;
pub mod relations;
pub mod suggestions;
