//! Stores an image: validated, rotated upright, stripped of metadata, in several sizes; and serves it by a signed link.
//!
//! `cargo run -p blegram-media --example store_image [FILE]`

use std::{error::Error, io::Cursor, sync::Arc};

use blegram_domain::{
    AltText, Clock, DisplayName, Media as Image, SystemClock, UserId, Username, user::Role,
};
use blegram_media::{Config, Location, Media, Source};
use blegram_persistence::{
    Db, Settings,
    users::{self, NewUser},
};
use futures_util::stream;
use image::{ImageFormat, Rgb, RgbImage};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    let haneul = insert_user(&db, "haneul").await?;
    let config = Config { location: Location::Folder(folder.path().join("media")), ..Config::default() };
    let media = Media::new(db.clone(), Arc::new(SystemClock), config)?;

    let file = std::env::args().nth(1).map_or_else(sunset, |path| Ok(std::fs::read(path)?))?;
    println!("received {} bytes", file.len());
    let alt = AltText::parse("해 질 녘의 바다")?;
    let image = media.upload(haneul, source(file).await?, Some(alt)).await?;
    println!("stored image {}, preview {}", image.id, image.blurhash);
    for variant in &image.variants {
        let url = media.links().url(image.key, variant.name, false);
        println!(
            "{:>9}  {}×{}, {} bytes, {url}",
            variant.name.as_str(),
            variant.width,
            variant.height,
            variant.byte_size
        );
    }

    match media.upload(haneul, source(b"<svg/>".to_vec()).await?, None).await {
        Err(blegram_media::Error::Refused(reason)) => println!("rejected: {reason}"),
        outcome => return Err(format!("not rejected: {outcome:?}").into()),
    }
    db.close().await?;
    Ok(())
}

/// A file that arrives in pieces, as from a request body.
async fn source(file: Vec<u8>) -> Result<Source, blegram_media::Error> {
    let pieces = stream::iter([Ok::<_, std::io::Error>(file.into())]);
    Source::read(pieces, Image::MAX_BYTES, None).await
}

fn sunset() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut file = Cursor::new(Vec::new());
    let shade =
        |_, y: u32| Rgb([255 - u8::try_from(y / 4).unwrap_or(0), 120, u8::try_from(y / 4).unwrap_or(255)]);
    RgbImage::from_fn(1200, 800, shade).write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// `blegram-auth` has accounts with passwords and sessions; this user can only act here.
async fn insert_user(db: &Db, name: &str) -> Result<UserId, Box<dyn Error>> {
    let now = SystemClock.now();
    let user = NewUser {
        id: UserId::generate(now),
        username: Username::parse(name)?,
        display_name: DisplayName::parse(name)?,
        email: None,
        password_hash: None,
        role: Role::User,
        created_at: now,
    };
    let (id, tx) = (user.id, db.write().await?);
    users::insert(&tx, user).await?;
    tx.commit().await?;
    Ok(id)
}
