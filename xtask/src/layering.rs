//! Checks the dependencies between crates against the table of the architecture, as part of `cargo xtask check`.
//!
//! Checks direct normal, build and optional dependencies; dev-dependencies are not restricted.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::output;
use crate::workspace::cargo;

/// The allowed and forbidden dependencies of one crate.
struct Row {
    package: &'static str,
    /// Workspace packages that it may depend on.
    ours: &'static [&'static str],
    /// Workspace packages that it may depend on behind a feature only.
    optional: &'static [&'static str],
    /// Groups of external packages that it may not depend on.
    never: &'static [&'static [&'static str]],
}

/// The formats of one surface; `blegram-http` serves several.
const OPENAPI: &[&str] = &["poem-openapi", "serde_json"];
const WEB: &[&str] = &["poem", "poem-openapi"];
const SQL: &[&str] = &["sea-orm", "sea-orm-migration", "sea-query", "sqlx", "rusqlite"];
const IO: &[&str] =
    &["tokio", "tokio-util", "tokio-tungstenite", "hyper", "hyper-util", "reqwest", "redis", "object_store"];
/// The bus and the limits use it; an interface never does.
const REDIS: &[&str] = &["redis"];
/// Opaque error types, which callers cannot match on: for binaries, not for libraries.
const OPAQUE: &[&str] = &["anyhow", "eyre", "color-eyre"];

const DOMAIN: &str = "blegram-domain";
const PERSISTENCE: &str = "blegram-persistence";
const SOCIAL: &str = "blegram-social";
const AUTH: &str = "blegram-auth";
const CHAT: &str = "blegram-chat";
const MEDIA: &str = "blegram-media";
const GATEWAY: &str = "blegram-gateway";
const API: &str = "blegram-api";
const BUS: &str = "blegram-bus";
const HTTP: &str = "blegram-http";
const CPU_POOL: &str = "blegram-cpu-pool";
const LIMITS: &str = "blegram-limits";
const MIGRATION: &str = "blegram-migration";
/// For other machines than the server's: it shares no crate with the server.
const CLIENT: &str = "blegram-client";
const PLANTED: &str = "blegram-planted";
/// For the machines of operators, like the client.
const TOP: &str = "blegram-top";
/// For services of others, which must not need a database for it.
const VERIFIER: &str = "blegram-verifier";
/// Counters without names or formats: any crate may count.
const METRICS: &str = "blegram-metrics";

#[rustfmt::skip]
const ALL_CRATES: &[&str] =
    &[DOMAIN, PERSISTENCE, SOCIAL, AUTH, CHAT, MEDIA, GATEWAY, BUS, LIMITS, CPU_POOL, HTTP, API, MIGRATION, PLANTED, VERIFIER, METRICS, TOP];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    Row { package: DOMAIN,       ours: &[],                                                      optional: &[],          never: &[IO, SQL, WEB, OPAQUE] },
    Row { package: PERSISTENCE,  ours: &[DOMAIN, METRICS],                                       optional: &[MIGRATION], never: &[WEB, OPAQUE] },
    Row { package: SOCIAL,       ours: &[DOMAIN, PERSISTENCE],                                   optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: AUTH,         ours: &[DOMAIN, PERSISTENCE, LIMITS, CPU_POOL, VERIFIER],       optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: CHAT,         ours: &[DOMAIN, PERSISTENCE, PLANTED],                          optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: MEDIA,        ours: &[DOMAIN, PERSISTENCE, LIMITS, CPU_POOL, METRICS],        optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: GATEWAY,      ours: &[DOMAIN, LIMITS, PLANTED, METRICS],                      optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: BUS,          ours: &[DOMAIN, PLANTED, METRICS],                              optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: HTTP,         ours: &[DOMAIN, AUTH, LIMITS, METRICS],                         optional: &[],          never: &[SQL, OPENAPI, OPAQUE] },
    Row { package: API,          ours: &[DOMAIN, SOCIAL, AUTH, CHAT, MEDIA, GATEWAY, BUS, LIMITS, HTTP, PLANTED, METRICS], optional: &[], never: &[SQL, REDIS, OPAQUE] },
    Row { package: LIMITS,       ours: &[DOMAIN, METRICS],                                       optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: CPU_POOL,     ours: &[METRICS],                                               optional: &[],          never: &[SQL, WEB, OPAQUE] },
    Row { package: METRICS,      ours: &[],                                                      optional: &[],          never: &[IO, SQL, WEB, OPAQUE] },
    Row { package: PLANTED,      ours: &[],                                                      optional: &[],          never: &[IO, SQL, WEB, OPAQUE] },
    Row { package: MIGRATION,    ours: &[],                                                      optional: &[],          never: &[WEB, OPAQUE] },
    Row { package: VERIFIER,     ours: &[DOMAIN],                                                optional: &[],          never: &[SQL, WEB, REDIS, OPAQUE] },
    Row { package: "blegram",    ours: ALL_CRATES,                                               optional: &[],          never: &[] },
    Row { package: CLIENT,       ours: &[],                                                      optional: &[],          never: &[SQL, WEB, REDIS, OPAQUE] },
    Row { package: TOP,          ours: &[],                                                      optional: &[],          never: &[SQL, WEB, REDIS, OPAQUE] },
    Row { package: "blegram-example-chat", ours: &[CLIENT],                                      optional: &[],          never: &[SQL] },
    Row { package: "blegram-floor", ours: &[DOMAIN],                                            optional: &[],          never: &[WEB] },
    Row { package: "xtask",      ours: &[],                                                      optional: &[],          never: &[] },
    Row { package: "xtask-client-types", ours: &[],                                              optional: &[],          never: &[] },
    Row { package: "xtask-gateway-load", ours: &[],                                              optional: &[],          never: &[] },
    Row { package: "xtask-torture", ours: &[CLIENT],                                             optional: &[],          never: &[] },
    Row { package: "xtask-s3",   ours: &[],                                                      optional: &[],          never: &[] },
];

/// A direct dependency that is not a dev-dependency.
#[derive(Clone, Copy)]
struct Dependency<'a> {
    package: &'a str,
    is_optional: bool,
}

/// Checks all crates of the workspace.
///
/// # Errors
/// With a list of all dependencies that the table does not allow.
pub(crate) fn check() -> Result<()> {
    let text =
        output(&mut cargo("metadata --no-deps --format-version 1")).context("cargo metadata failed")?;
    let violations = workspace_violations(&serde_json::from_str(&text).context("reading cargo metadata")?);
    ensure!(violations.is_empty(), "dependencies violate the layering:\n  {}", violations.join("\n  "));
    Ok(())
}

fn workspace_violations(metadata: &Value) -> Vec<String> {
    let packages: Vec<_> = items(metadata, "packages").collect();
    let members: Vec<_> = packages.iter().map(|package| text(package, "name")).collect();
    let of = |package: &&Value| violations(text(package, "name"), &dependencies(package), &members);
    packages.iter().flat_map(of).collect()
}

fn dependencies(package: &Value) -> Vec<Dependency<'_>> {
    let built = items(package, "dependencies").filter(|dependency| dependency["kind"] != "dev");
    built
        .map(|dependency| Dependency {
            package: text(dependency, "name"),
            is_optional: dependency["optional"] == true,
        })
        .collect()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The violations of one crate; `members` are the names of all packages of the workspace.
fn violations(package: &str, dependencies: &[Dependency<'_>], members: &[&str]) -> Vec<String> {
    let Some(row) = TABLE.iter().find(|row| row.package == package) else {
        return vec![format!("{package} has no row in the table of xtask/src/layering.rs")];
    };
    dependencies.iter().filter_map(|dependency| violation(row, *dependency, members)).collect()
}

fn violation(row: &Row, dependency: Dependency<'_>, members: &[&str]) -> Option<String> {
    let Dependency { package, is_optional } = dependency;
    let is_ours = members.contains(&package) || ALL_CRATES.contains(&package);
    if is_ours && row.optional.contains(&package) {
        return (!is_optional)
            .then(|| format!("{} may depend on {package} behind a feature only", row.package));
    }
    let allowed = if is_ours {
        row.ours.contains(&package)
    } else {
        !row.never.iter().any(|group| group.contains(&package))
    };
    (!allowed).then(|| format!("{} may not depend on {package}", row.package))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_rejected(package: &str, dependency: &str) -> bool {
        let dependency = Dependency { package: dependency, is_optional: false };
        !violations(package, &[dependency], &["blegram", "blegram-client", "xtask"]).is_empty()
    }

    #[test]
    fn workspace_follows_the_layering_table() {
        check().unwrap();
    }

    #[test]
    fn forbidden_dependencies_are_reported() {
        let cases = [
            (
                DOMAIN,
                "tokio sea-orm poem poem-openapi hyper reqwest anyhow blegram-persistence blegram-social xtask",
            ),
            (
                PERSISTENCE,
                "blegram-social blegram-auth blegram-api poem poem-openapi anyhow blegram-migration",
            ),
            (
                SOCIAL,
                "blegram-auth blegram-chat blegram-media blegram-api poem poem-openapi sea-orm sea-orm-migration",
            ),
            (
                AUTH,
                "blegram-social blegram-chat blegram-media blegram-gateway poem poem-openapi sea-orm anyhow",
            ),
            (
                CHAT,
                "blegram-social blegram-auth blegram-media blegram-gateway poem poem-openapi sea-orm anyhow",
            ),
            (
                MEDIA,
                "blegram-social blegram-auth blegram-chat blegram-gateway poem poem-openapi sea-orm anyhow",
            ),
            (
                GATEWAY,
                "blegram-persistence blegram-social blegram-auth blegram-chat blegram-media blegram-api poem sea-orm anyhow",
            ),
            (
                BUS,
                "blegram-persistence blegram-social blegram-auth blegram-chat blegram-media blegram-gateway blegram-api poem sea-orm anyhow",
            ),
            (
                HTTP,
                "blegram-persistence blegram-social blegram-chat blegram-media blegram-gateway blegram-api poem-openapi serde_json sea-orm anyhow",
            ),
            (API, "blegram-persistence blegram-migration blegram sea-orm sqlx redis anyhow"),
            (VERIFIER, "blegram-auth blegram-persistence blegram-http blegram sea-orm poem redis anyhow"),
            (MIGRATION, "blegram-domain blegram-persistence blegram poem anyhow"),
            (CLIENT, "blegram-domain blegram-gateway blegram-api blegram poem sea-orm redis anyhow"),
            ("blegram", "xtask"),
            ("xtask", "blegram-domain blegram"),
        ];
        for (package, dependencies) in cases {
            for dependency in dependencies.split(' ') {
                assert!(is_rejected(package, dependency), "{package} → {dependency}");
            }
        }
    }

    #[test]
    fn documented_dependencies_are_allowed() {
        let cases = [
            (DOMAIN, "chrono serde uuid"),
            (PERSISTENCE, "blegram-domain sea-orm tokio"),
            (SOCIAL, "blegram-domain blegram-persistence thiserror tokio"),
            (GATEWAY, "blegram-domain tokio"),
            (BUS, "blegram-domain tokio redis"),
            (HTTP, "blegram-domain blegram-auth poem hyper tokio"),
            (
                API,
                "blegram-domain blegram-social blegram-auth blegram-gateway blegram-http poem poem-openapi",
            ),
            ("blegram", "blegram-api blegram-migration anyhow poem tokio"),
            (VERIFIER, "blegram-domain reqwest jsonwebtoken tokio"),
            (CLIENT, "reqwest tokio tokio-tungstenite thiserror"),
            ("xtask", "anyhow clap"),
        ];
        for (package, dependencies) in cases {
            for dependency in dependencies.split(' ') {
                assert!(!is_rejected(package, dependency), "{package} → {dependency}");
            }
        }
    }

    #[test]
    fn persistence_may_depend_on_migrations_behind_a_feature() {
        let dependency = Dependency { package: MIGRATION, is_optional: true };
        assert!(violations(PERSISTENCE, &[dependency], &[]).is_empty());
    }

    #[test]
    fn dev_dependencies_are_ignored_and_all_others_checked() {
        let metadata = serde_json::json!({"packages": [{"name": DOMAIN, "dependencies": [
            {"name": "tokio", "kind": null, "optional": true},
            {"name": "poem", "kind": "build", "optional": false},
            {"name": "sea-orm", "kind": null, "rename": "orm", "optional": false, "target": "cfg(unix)"},
            {"name": "reqwest", "kind": "dev", "optional": false},
        ]}]});
        assert_eq!(workspace_violations(&metadata).len(), 3);
    }

    #[test]
    fn package_without_a_row_is_rejected() {
        assert!(is_rejected("blegram-new", "serde"));
        assert_eq!(violations("blegram-new", &[], &[]).len(), 1);
    }
}
