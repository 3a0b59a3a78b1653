//! The documents: their operations, and linters for them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::generators::Operations;
use super::tools::Tools;
use crate::process::run;
use crate::workspace::root;

/// The methods of HTTP that OpenAPI knows.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The IDs of the operations of a document.
pub(super) fn operations(document: &Path) -> Result<Operations> {
    let text = fs::read_to_string(document).with_context(|| format!("reading {}", document.display()))?;
    let document: Value = serde_json::from_str(&text).context("parsing the document")?;
    let paths = document["paths"].as_object().context("the document has no paths")?;
    let methods = paths.values().filter_map(Value::as_object).flatten();
    methods
        .filter(|(method, _)| METHODS.contains(&method.as_str()))
        .map(|(method, operation)| {
            let id = operation["operationId"].as_str();
            id.map(str::to_owned).with_context(|| format!("an operation ({method}) has no ID"))
        })
        .collect()
}

/// Runs Redocly, Spectral, and the parser and a generator of AsyncAPI. Any finding is a failure.
pub(super) fn lint(tools: &Tools) -> Result<()> {
    println!("xtask: linters …");
    let docs = root().join("docs");
    let mut redocly = tools.npm("redocly");
    redocly.args(["lint", "openapi.json", "--config", "redocly.yaml", "--format=stylish"]);
    run(redocly.current_dir(&docs).env("REDOCLY_TELEMETRY", "off"))?;
    let mut spectral = tools.npm("spectral");
    spectral.args(["lint", "openapi.json", "asyncapi.json", "--ruleset", "spectral.yaml"]);
    run(spectral.args(["--fail-severity", "hint"]).current_dir(&docs))?;
    let mut gateway = Command::new("node");
    gateway.arg("gateway.mjs").arg(docs.join("asyncapi.json")).arg("gateway.ts");
    run(gateway.current_dir(tools.node_folder()))?;
    run(tools.npm("tsc").current_dir(tools.node_folder()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_operations_of_the_committed_document_are_found() {
        let path = root().join("docs/openapi.json");
        let operations = operations(&path).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(operations.len(), text.matches("\"operationId\": ").count());
        assert!(operations.contains("signUp") && operations.contains("connectGateway"));
    }
}
