//! Lists the operations of the API from its OpenAPI document, which needs neither a database nor a server.
//!
//! `cargo run -p blegram-api --example operations [TAG]`

use std::error::Error;

use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let tag = std::env::args().nth(1);
    let document: Value = serde_json::from_str(&blegram_api::openapi("https://example.org"))?;
    let paths = document["paths"].as_object().ok_or("a document has paths")?;
    let mut count = 0;
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let has_tag = |tag: &String| {
                operation["tags"].as_array().is_some_and(|tags| tags.contains(&tag.as_str().into()))
            };
            if !tag.as_ref().is_none_or(has_tag) {
                continue;
            }
            count += 1;
            let (id, summary) =
                (&operation["operationId"], operation["summary"].as_str().unwrap_or_default());
            println!(
                "{:<7} {path:<50} {:<28} {summary}",
                method.to_uppercase(),
                id.as_str().unwrap_or_default()
            );
        }
    }
    println!("{count} operations");
    Ok(())
}
