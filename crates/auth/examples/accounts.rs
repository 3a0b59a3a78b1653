//! Accounts and sessions on an embedded database: sign-up, a wrong password, a login, and a request with its token.
//!
//! `cargo run -p blegram-auth --example accounts`

use std::{error::Error, sync::Arc};

use blegram_auth::{Auth, Config, Device, EnteredPassword, LogIn, Login, NewPassword, Secret, SignUp};
use blegram_domain::{SystemClock, Username, session::Kind};
use blegram_persistence::{Db, Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    // The default site key is valid until the process ends; a real site stores its own.
    let auth = Auth::new(db.clone(), Arc::new(SystemClock), Config::default())?;

    let device = Device { kind: Kind::Native, ..Device::default() };
    let sign_up = SignUp {
        username: Username::parse("haneul")?,
        password: NewPassword::parse("바다가 보이는 작은 방", &["haneul"])?,
        display_name: None,
        email: None,
        device: device.clone(),
    };
    let account = auth.sign_up(sign_up).await?.account;
    println!("signed up @{}", account.user.summary.username);

    let log_in = |password: &str| -> Result<_, Box<dyn Error>> {
        Ok(LogIn {
            login: "haneul".to_owned(),
            password: EnteredPassword::parse(password)?,
            device: device.clone(),
        })
    };
    match auth.log_in(log_in("1234")?).await {
        Err(error) => println!("rejected: {error}"),
        Ok(_) => return Err("a wrong password was accepted".into()),
    }
    let Login::Complete(logged_in) = auth.log_in(log_in("바다가 보이는 작은 방")?).await? else {
        return Err("the account has no second factor".into());
    };
    let Secret::Native(tokens) = logged_in.secret else { return Err("a native app gets tokens".into()) };
    let viewer = auth.authenticate_bearer(tokens.access_token.expose()).await?.ok_or("the token is valid")?;
    println!("authenticated user {}, session {}", viewer.user, viewer.session);

    auth.log_out(viewer.session).await?;
    let ended = auth.authenticate_bearer(tokens.access_token.expose()).await?.is_none();
    println!("after the logout the token is {}", if ended { "rejected" } else { "accepted" });
    db.close().await?;
    Ok(())
}
