//! `blegram audit`: prints the audit log of the configured database. Works while the server is running.

use std::fmt::Write;

use anyhow::Context;
use blegram_auth::{AuditEventView, Auth};
use blegram_domain::{
    PageRequest, UserId, UserRef, UserSummary, Username,
    page::{Limit, Scope},
};
use serde_json::json;

use crate::{cli::Audit, clock::SiteClock, config::Config, migrate, wire};

/// Runs `blegram audit` and returns the text to print: one line for each entry, newest first.
///
/// # Errors
/// When the database does not exist or its schema is out of date, or when a filter is invalid.
pub async fn run(config: &Config, command: &Audit) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    let clock = SiteClock::of(&db).await.context("cannot read the database clock")?;
    let auth = Auth::new(db.clone(), clock, wire::operator_config(config))?;
    let answer = print(&auth, command).await;
    db.close().await.context("cannot close the database")?;
    answer
}

async fn print(auth: &Auth, command: &Audit) -> anyhow::Result<String> {
    let user = command.user.as_deref().map(user_ref).transpose()?;
    let filter = auth.audit_filter(command.kind, user.as_ref()).await.map_err(|error| match error {
        blegram_auth::Error::AccountNotFound => {
            anyhow::anyhow!("account {} not found", command.user.as_deref().unwrap_or_default())
        }
        other => other.into(),
    })?;
    let scope = Scope::new("audit", &[]);
    let (mut text, mut left, mut cursor) = (String::new(), command.limit, None);
    while left > 0 {
        let limit = Limit::parse(i64::from(left.min(u32::from(Limit::MAX))))
            .map_err(|violation| anyhow::anyhow!("--limit {violation}"))?;
        let page = PageRequest::new(scope, limit, cursor, None);
        let page = auth.list_audit_events(&filter, &page).await?;
        left -= u32::try_from(page.items.len()).unwrap_or(left).min(left);
        for event in &page.items {
            let line = if command.json { json_line(event) } else { line(event) };
            writeln!(text, "{line}")?;
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(text)
}

fn user_ref(text: &str) -> anyhow::Result<UserRef> {
    if let Ok(id) = text.parse::<UserId>() {
        return Ok(UserRef::Id(id));
    }
    let username = Username::parse(text.trim_start_matches('@'));
    username.map(UserRef::Username).map_err(|violation| anyhow::anyhow!("--user: a username {violation}"))
}

fn line(view: &AuditEventView) -> String {
    let AuditEventView { event, actor, target } = view;
    let target = name(event.target, target.as_ref());
    let by = match (event.actor, event.target) {
        (Some(actor), Some(target)) if actor == target => String::new(),
        (None, _) => " by -".to_owned(),
        (Some(_), _) => format!(" by {}", name(event.actor, actor.as_ref())),
    };
    let from = event.address.map(|address| format!(" from {address}")).unwrap_or_default();
    format!("{}  {:<22} {target}{by}{from}", event.at, event.kind.as_str())
}

/// The username, or the id of a deleted account.
fn name(id: Option<UserId>, summary: Option<&UserSummary>) -> String {
    match (summary, id) {
        (Some(summary), _) => format!("@{}", summary.username),
        (None, Some(id)) => id.to_string(),
        (None, None) => "-".to_owned(),
    }
}

fn json_line(view: &AuditEventView) -> String {
    let AuditEventView { event, actor, target } = view;
    let username = |summary: &Option<UserSummary>| summary.as_ref().map(|user| user.username.to_string());
    json!({
        "id": event.id.to_string(),
        "at": event.at.to_string(),
        "kind": event.kind.as_str(),
        "actor_id": event.actor.map(|id| id.to_string()),
        "actor": username(actor),
        "target_id": event.target.map(|id| id.to_string()),
        "target": username(target),
        "address": event.address.map(|address| address.to_string()),
    })
    .to_string()
}
