//! Images and their storage.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`media`] | images |
//! | [`media_usage`] | how much each account stores |
//! | [`uploads`] | direct uploads |
//! | [`storage_marker`] | the marker that identifies this site's image storage |

pub mod media;
pub mod media_usage;
pub mod storage_marker;
pub mod uploads;
