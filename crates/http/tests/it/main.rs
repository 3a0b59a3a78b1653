//! Tests of the layers with a surface of their own: plain text instead of JSON.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, helpers included")]

mod layers;
mod notes;
