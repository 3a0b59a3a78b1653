//! Conversations.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`conversations`] | conversations, their members and their events |
//! | [`messages`] | messages |

pub mod conversations;
pub mod messages;
