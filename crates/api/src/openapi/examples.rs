//! Examples of requests and responses in Korean and English, from the JSON files in `routes/`, by operation ID. A test validates each
//! against its schema.

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::routes;

static EXAMPLES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let of_noun = |text: &&str| serde_json::from_str::<Map<String, Value>>(text).expect("a JSON object");
    routes::EXAMPLES.iter().flat_map(of_noun).collect()
});

/// The examples of `operation`'s request body.
pub(crate) fn request(operation: &str) -> Option<Value> {
    EXAMPLES.get(operation)?.get("request").cloned()
}

/// The examples of `operation`'s response with 202.
pub(crate) fn accepted(operation: &str) -> Option<Value> {
    EXAMPLES.get(operation)?.get("accepted").cloned()
}

/// The examples of `operation`'s successful response.
pub(crate) fn response(operation: &str) -> Option<Value> {
    EXAMPLES.get(operation)?.get("response").cloned()
}
