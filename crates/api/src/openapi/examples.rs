//! Examples in Korean and English. A test validates each against its schema.

use std::sync::LazyLock;

use serde_json::Value;

static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).unwrap_or_default());

/// Examples of what `operation` takes.
pub(crate) fn request(operation: &str) -> Option<Value> {
    EXAMPLES[operation].get("request").cloned()
}

/// Examples of what `operation` answers when it does what was asked.
pub(crate) fn response(operation: &str) -> Option<Value> {
    EXAMPLES[operation].get("response").cloned()
}
