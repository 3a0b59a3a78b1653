//! Test helpers: a prefix in the bucket of `cargo xtask test`, and photos like those of phones.

use std::{
    env, process,
    sync::atomic::{AtomicU32, Ordering},
};

use ::image::{ImageEncoder, Rgb, RgbImage, codecs::jpeg::JpegEncoder};

use crate::S3;

/// A unique prefix in the bucket that `cargo xtask test` serves; its public area is readable by everyone.
///
/// # Panics
/// If that server is not configured: tests are never skipped.
#[expect(clippy::disallowed_methods, reason = "tests read the location of S3 from their environment")]
pub fn s3() -> S3 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let variable = |name: &str| {
        let name = format!("BLEGRAM_TEST_S3_{name}");
        env::var(&name).unwrap_or_else(|_| panic!("{name} is not set; use `cargo xtask test`"))
    };
    let endpoint: url::Url = variable("ENDPOINT").parse().expect("a valid URL");
    let bucket = variable("BUCKET");
    S3 {
        public_url: endpoint.join(&bucket).ok(),
        bucket,
        prefix: format!("test-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)),
        endpoint: Some(endpoint),
        region: "us-east-1".to_owned(),
        path_style: true,
        access_key_id: variable("KEY_ID").into(),
        secret_access_key: variable("SECRET").into(),
    }
}

/// Private metadata that a phone writes into a photo.
pub const SECRET: &str = "Ann's phone, at home";

/// A photo taken with a phone held upright: stored as `width` by `height` pixels, to be rotated clockwise by a quarter
/// turn, with the location where it was taken. Shown upright, it is red above and blue below.
///
/// # Panics
/// Never, for sizes that a JPEG supports.
pub fn photo(width: u32, height: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        // Some structure, as in real photos.
        let shade = u8::try_from((x * 7 + y * 13) % 40).unwrap_or_default();
        if x < width / 2 { Rgb([210 + shade, shade, shade]) } else { Rgb([shade, shade, 210 + shade]) }
    });
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 90);
    encoder.set_exif_metadata(exif()).expect("JPEG supports Exif metadata");
    encoder.encode_image(&image).expect("valid dimensions");
    file
}

/// Exif data with orientation 6, a maker and a latitude (Exif 3.0, 4.6).
fn exif() -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const ASCII: u16 = 2;
    const RATIONAL: u16 = 5;
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let mut bytes = Vec::new();
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        bytes
    };
    let maker = format!("{SECRET}\0");
    let length = u32::try_from(maker.len()).unwrap_or_default();
    // The header, three entries, and the data that they point to.
    let (gps, text) = (8 + 2 + 3 * 12 + 4, 8 + 2 + 3 * 12 + 4 + 2 + 2 * 12 + 4);
    let mut bytes = b"II*\0\x08\0\0\0\x03\0".to_vec();
    bytes.extend(entry(0x010f, ASCII, length, text));
    bytes.extend(entry(0x0112, SHORT, 1, 6));
    bytes.extend(entry(0x8825, LONG, 1, gps));
    bytes.extend([0; 4]);
    bytes.extend([2, 0]);
    bytes.extend(entry(0x0001, ASCII, 2, u32::from(b'N')));
    bytes.extend(entry(0x0002, RATIONAL, 3, text + length));
    bytes.extend([0; 4]);
    bytes.extend(maker.as_bytes());
    for part in [33_u32, 1, 29, 1, 59, 1] {
        bytes.extend(part.to_le_bytes());
    }
    bytes
}
