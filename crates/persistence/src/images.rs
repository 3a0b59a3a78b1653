//! Images and their storage.
//!
//! | Module | Rows of |
//! |---|---|
//! | [`media`] | images |
//! | [`uploads`] | pending uploads |
//! | [`storage_marker`] | the marker that identifies this site's image storage |

pub mod media;
pub mod storage_marker;
pub mod uploads;
