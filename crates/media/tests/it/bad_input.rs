//! Files that are rejected, each for its own reason, and leave nothing behind.

use std::time::Duration;

use blegram_domain::{
    Media as Image,
    media::{ForeignType, ImageType},
};
use blegram_media::{Config, Error, ImageRejection, Location, Media, MediaSnapshot, testing::photo};
use image::{Rgb, RgbImage};

use crate::{
    pictures::png,
    world::{StorageKind, World, assert_rejected, source},
};

/// The start of a PNG whose header declares this size.
fn png_of(width: u32, height: u32) -> Vec<u8> {
    let mut file = png(RgbImage::from_pixel(1, 1, Rgb([0, 0, 0])));
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    // The checksum of the header chunk.
    let sum = crc(&file[12..29]);
    file[29..33].copy_from_slice(&sum.to_be_bytes());
    file
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

fn gif_of(width: u16, height: u16) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([0, 0, 0, b',', 0, 0, 0, 0]);
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([0, 2, 1, 0x44, 0, b';']);
    file
}

fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let mut file = photo(16, 16);
    let frame = file.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

/// A lossless WebP that ends after its header, which declares this size.
fn webp_of(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"RIFF\x12\0\0\0WEBPVP8L\x05\0\0\0\x2f".to_vec();
    file.extend(((width - 1) | (height - 1) << 14).to_le_bytes());
    file.push(0);
    file
}

fn cut(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() * 2 / 3);
    file
}

fn encoded(format: image::ImageFormat) -> Vec<u8> {
    let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 37) as u8, (y * 91) as u8, (x * y) as u8]));
    let mut file = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(noise).write_to(&mut file, format).unwrap();
    file.into_inner()
}

#[tokio::test]
async fn invalid_images_are_rejected_and_leave_nothing() {
    use image::ImageFormat::{Gif, Png, WebP};
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let announced_as = |declared: ImageType, is| {
        (Some(declared), ImageRejection::WrongType { is, declared: declared.as_str() })
    };
    let (jpeg, png) =
        (announced_as(ImageType::Jpeg, ImageType::Png), announced_as(ImageType::Png, ImageType::Gif));
    let table: Vec<(&str, Vec<u8>, Option<ImageType>, ImageRejection)> = vec![
        ("nothing", vec![], None, ImageRejection::Empty),
        (
            "SVG",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(),
            None,
            ImageRejection::Unsupported(None),
        ),
        (
            "HTML",
            b"<!doctype html><script>".to_vec(),
            Some(ImageType::Png),
            ImageRejection::Unsupported(None),
        ),
        (
            "HEIC",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\0".to_vec(),
            Some(ImageType::Jpeg),
            ImageRejection::Unsupported(Some(ForeignType::Heif)),
        ),
        ("PNG announced as JPEG", png_of(1, 1), jpeg.0, jpeg.1),
        ("GIF announced as PNG", gif_of(1, 1), png.0, png.1),
        ("a large PNG", png_of(50_000, 50_000), None, ImageRejection::TooManyPixels),
        ("a PNG just too large", png_of(40_000, 1_001), None, ImageRejection::TooManyPixels),
        ("a large GIF", gif_of(50_000, 50_000), None, ImageRejection::TooManyPixels),
        ("a large JPEG", jpeg_of(50_000, 50_000), None, ImageRejection::TooManyPixels),
        ("a large WebP", webp_of(16_000, 16_000), None, ImageRejection::TooManyPixels),
        ("a cut JPEG", cut(photo(640, 480)), None, ImageRejection::Broken),
        ("a cut PNG", cut(encoded(Png)), None, ImageRejection::Broken),
        ("a cut GIF", cut(encoded(Gif)), None, ImageRejection::Broken),
        ("a cut WebP", cut(encoded(WebP)), None, ImageRejection::Broken),
        ("a JPEG's first bytes", b"\xff\xd8\xff\xe0".to_vec(), None, ImageRejection::Broken),
        ("a GIF's first bytes", b"GIF89a".to_vec(), None, ImageRejection::Broken),
        ("a PNG's first bytes", b"\x89PNG\r\n\x1a\n".to_vec(), None, ImageRejection::Broken),
    ];
    for (what, file, declared, expected) in table {
        match w.upload_as(ann, &file, declared).await {
            Err(Error::Refused(rejection)) => assert_eq!(rejection, expected, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(w.database.count("media").await, 0);
    assert_eq!(w.files().await, Vec::<String>::new());
}

/// Decompression bombs declare their size in the header, or are small.
#[tokio::test]
async fn decompression_bombs_are_limited_by_their_pixels() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let flat = png(image::GrayImage::new(6_000, 6_000));
    assert!(flat.len() < 200_000, "36 million pixels in {} bytes", flat.len());
    assert!(w.upload(ann, &flat).await.is_ok());
    assert_rejected(
        w.upload(ann, &png(image::GrayImage::new(7_000, 6_000))).await,
        ImageRejection::TooManyPixels,
    );
}

#[tokio::test]
async fn oversized_file_is_not_read_to_its_end() {
    let mut sent = 0;
    let endless = futures_util::stream::repeat_with(|| {
        sent += 1024 * 1024;
        Ok::<_, std::io::Error>(vec![0; 1024 * 1024].into())
    });
    let source = blegram_media::Source::read(endless, Image::MAX_BYTES, None).await;
    assert!(matches!(source, Err(Error::Refused(ImageRejection::TooLarge(Image::MAX_BYTES)))));
    assert_eq!(sent, Image::MAX_BYTES + 1024 * 1024);
}

/// Scaling costs depend on how much a side shrinks: a single line of pixels would take gigabytes.
#[tokio::test]
async fn image_side_has_a_maximum_length() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    for (width, height) in [(20_001, 1), (1, 20_001), (40_000_000, 1)] {
        assert_rejected(w.upload(ann, &png_of(width, height)).await, ImageRejection::TooManyPixels);
    }
    assert!(w.upload(ann, &png(image::GrayImage::new(20_000, 3))).await.is_ok());
}

#[tokio::test]
async fn upload_that_waited_too_long_is_overloaded() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let config = Config { location: Location::Memory, deadline: Duration::ZERO, ..Config::default() };
    let hurried = Media::new(w.database.db().clone(), w.clock.clone(), config).unwrap();
    for file in [photo(64, 48), encoded(image::ImageFormat::Png)] {
        let rejected = hurried.upload(ann, source(&file, None).await.unwrap(), None).await;
        assert!(matches!(rejected, Err(Error::Overloaded)));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Any input is either accepted as an image or rejected; nothing else happens.
    #[test]
    fn damaged_files_are_accepted_or_rejected(at in 0_usize..2000, byte: u8, format in 0..4_usize) {
        let formats = [image::ImageFormat::Jpeg, image::ImageFormat::Png, image::ImageFormat::Gif, image::ImageFormat::WebP];
        let mut file = encoded(formats[format]);
        let at = at % file.len();
        file[at] = byte;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let result = DAMAGED.get_or_init(|| async {
                let w = World::over(std::sync::Arc::new(object_store::memory::InMemory::new())).await;
                let ann = w.user("ann").await;
                (w, ann)
            }).await;
            let (w, ann) = result;
            match w.upload(*ann, &file).await {
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        });
    }
}

static DAMAGED: tokio::sync::OnceCell<(World, blegram_domain::UserId)> = tokio::sync::OnceCell::const_new();

#[tokio::test]
async fn uploads_are_counted_by_outcome_and_timed_by_step() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    w.upload(ann, &photo(64, 48)).await.unwrap();
    w.upload(ann, &cut(photo(640, 480))).await.unwrap_err();
    w.upload(ann, b"<svg").await.unwrap_err();
    let MediaSnapshot { uploads, steps, pools } = w.media.snapshot();
    let uploads: Vec<_> = uploads.iter().map(|(outcome, count)| (outcome.as_str(), *count)).collect();
    assert_eq!(uploads, [("stored", 1), ("rejected", 2), ("limited", 0), ("failed", 0)]);
    let steps: Vec<_> = steps.iter().map(|(step, durations)| (step.as_str(), durations.count())).collect();
    assert_eq!(steps, [("decode", 1), ("variants", 1), ("store", 1)]);
    let pools: Vec<_> = pools.iter().map(|pool| (pool.name, pool.durations.count(), pool.busy)).collect();
    assert_eq!(pools, [("image", 0, 0), ("image-light", 3, 0)]);
}
