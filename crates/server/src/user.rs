//! `blegram user`: manages accounts in the configured database. Works while the server is running.

use std::io::BufRead;

use anyhow::Context;
use blegram_auth::{Auth, CreateAccount, Error, NewPassword};
use blegram_domain::{DisplayName, EmailAddress, Username};

use crate::{
    cli::{PasswordSource, User},
    clock::{self, SiteClock},
    config::Config,
    migrate, wire,
};

/// Runs `blegram user …` and returns the text to print.
///
/// # Errors
/// When the database does not exist or its schema is out of date, when the account does not exist, when the username is
/// taken, or when a value is invalid.
pub async fn run(config: &Config, command: &User) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    let clock = SiteClock::of(&db).await.context("cannot read the database clock")?;
    clock::begin_ids(&db, &*clock).await.context("cannot read the newest ids")?;
    let auth = Auth::new(db.clone(), clock, wire::operator_config(config))?;
    let answer = run_command(&auth, command).await;
    db.close().await.context("cannot close the database")?;
    answer
}

async fn run_command(auth: &Auth, command: &User) -> anyhow::Result<String> {
    match command {
        User::Create { name, role, display_name, email, password } => {
            let username = username(name)?;
            let known = [Some(name), display_name.as_ref(), email.as_ref()];
            let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
            let (password, message) = read_password(*password, &known)?;
            let create = CreateAccount {
                display_name: display_name
                    .as_deref()
                    .map(DisplayName::parse)
                    .transpose()
                    .context("--display-name")?,
                email: email.as_deref().map(EmailAddress::parse).transpose().context("--email")?,
                role: (*role).into(),
                username,
                password,
            };
            let account = auth.create_account(create).await.map_err(|error| explain(error, name))?;
            Ok(format!("Created @{}.\n{message}", account.user.summary.username))
        }
        User::Suspend { name } => {
            let is_changed =
                auth.suspend(&username(name)?, true).await.map_err(|error| explain(error, name))?;
            Ok(report(
                is_changed,
                &format!("Suspended {name} and ended its sessions"),
                &format!("{name} is already suspended"),
            ))
        }
        User::Reinstate { name } => {
            let is_changed =
                auth.suspend(&username(name)?, false).await.map_err(|error| explain(error, name))?;
            Ok(report(is_changed, &format!("Reinstated {name}"), &format!("{name} is not suspended")))
        }
        User::SetRole { name, role } => {
            let is_changed = auth
                .set_role(&username(name)?, (*role).into())
                .await
                .map_err(|error| explain(error, name))?;
            let role = role.as_str();
            Ok(report(
                is_changed,
                &format!("{name} now has the role {role}"),
                &format!("{name} already has the role {role}"),
            ))
        }
        User::RemoveFactors { name } => {
            let is_changed =
                auth.remove_factors(&username(name)?).await.map_err(|error| explain(error, name))?;
            Ok(report(
                is_changed,
                &format!("Removed the second factors of {name}; its password alone logs in"),
                &format!("{name} has no second factor"),
            ))
        }
        User::ResetPassword { name, password } => {
            let (password, message) = read_password(*password, &[name])?;
            let username = username(name)?;
            auth.reset_password(&username, password).await.map_err(|error| explain(error, name))?;
            Ok(format!("Reset the password of {name} and ended its sessions.\n{message}"))
        }
    }
}

fn username(name: &str) -> anyhow::Result<Username> {
    Username::parse(name.trim_start_matches('@'))
        .map_err(|violation| anyhow::anyhow!("a username {violation}"))
}

fn report(is_changed: bool, changed: &str, unchanged: &str) -> String {
    if is_changed { format!("{changed}.\n") } else { format!("{unchanged}; nothing changed.\n") }
}

/// The password, and the text that prints it if it was generated.
fn read_password(source: PasswordSource, known: &[&str]) -> anyhow::Result<(NewPassword, String)> {
    if !source.password_stdin {
        let password = NewPassword::generate();
        let message = format!("Password: {}\nIt will not be shown again.\n", password.expose());
        return Ok((password, message));
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
    let text = line.trim_end_matches(['\r', '\n']);
    let password =
        NewPassword::parse(text, known).map_err(|violation| anyhow::anyhow!("the password {violation}"))?;
    Ok((password, String::new()))
}

fn explain(error: Error, name: &str) -> anyhow::Error {
    match error {
        Error::AccountNotFound => anyhow::anyhow!("account {name} not found"),
        Error::UsernameTaken => {
            anyhow::anyhow!(
                "{name} is taken: it, or a name that looks like it, is in use or was less than 90 days ago"
            )
        }
        other => other.into(),
    }
}
