//! Examples of requests and responses in Korean and English, from `examples.json`, by operation ID. A test validates each
//! against its schema.

use std::sync::LazyLock;

use serde_json::Value;

static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// The examples of `operation`'s request body.
pub(crate) fn request(operation: &str) -> Option<Value> {
    EXAMPLES[operation].get("request").cloned()
}

/// The examples of `operation`'s successful response.
pub(crate) fn response(operation: &str) -> Option<Value> {
    EXAMPLES[operation].get("response").cloned()
}
