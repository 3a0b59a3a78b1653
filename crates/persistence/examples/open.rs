//! Opens an embedded database, migrates it, writes in a transaction, and reads.
//!
//! `cargo run -p blegram-persistence --features migrations --example open [FILE]`

use std::{error::Error, path::PathBuf};

use blegram_domain::{Clock, DisplayName, SystemClock, UserId, Username, user::Role};
use blegram_persistence::{
    Db, Settings,
    users::{self, NewUser},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = std::env::args().nth(1).map_or_else(|| folder.path().join("blegram.db"), PathBuf::from);

    // One call: creates the file, applies the migrations, connects.
    let db = Db::open(&Settings::sqlite(&file)).await?;
    println!("opened {}", file.display());

    let username = Username::parse("haneul")?;
    if users::find_by_username(&db, &username).await?.is_none() {
        let now = SystemClock.now();
        let user = NewUser {
            id: UserId::generate(now),
            username: username.clone(),
            display_name: DisplayName::parse("하늘")?,
            email: None,
            password_hash: None,
            role: Role::User,
            created_at: now,
        };
        // Only a transaction can write; dropping it rolls it back.
        let tx = db.write().await?;
        users::insert(&tx, user).await?;
        tx.commit().await?;
        println!("inserted @{username}");
    }
    let user = users::find_by_username(&db, &username).await?.ok_or("the user exists")?;
    println!("found @{}, {}, created at {}", username, user.summary.display_name, user.created_at);
    db.close().await?;
    Ok(())
}
