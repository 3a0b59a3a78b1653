//! Files that end too early or too late for their format, judged by whether their pixels are complete.

use blegram_domain::{UserId, media::VariantName};
use blegram_media::{Error, ImageRejection, testing::photo};
use image::{Rgb, RgbImage};

use crate::world::{StorageKind, World, assert_rejected};

/// Encoded by libjpeg: 70 by 50 pixels.
const JPEGS: [(&str, &[u8]); 6] = [
    ("progressive", include_bytes!("fixtures/progressive.jpg")),
    ("progressive with restarts", include_bytes!("fixtures/progressive-restarts.jpg")),
    ("progressive gray", include_bytes!("fixtures/progressive-gray.jpg")),
    ("baseline with restarts", include_bytes!("fixtures/baseline-restarts.jpg")),
    ("baseline gray", include_bytes!("fixtures/baseline-gray.jpg")),
    ("CMYK", include_bytes!("fixtures/cmyk.jpg")),
];

const END: &[u8] = b"\xff\xd9";

/// Trailers that vendors write after the pixels: Samsung a list of names and values, others a second image or arbitrary
/// data.
fn trailers() -> Vec<(&'static str, Vec<u8>)> {
    let mut samsung = b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1790000000000".to_vec();
    samsung.extend(b"\0\0\xa1\x0a\x13\0\0\0Panorama_Shot_Info\xff\x01\xff\xda\xff\xc0SEFHk\0\0\0SEFT");
    let marker_like = (0..=255).flat_map(|byte| [0xff, byte, byte]).collect();
    vec![
        ("nothing", Vec::new()),
        ("Samsung's trailer", samsung),
        ("another image", photo(16, 16)),
        ("zeros", vec![0; 999]),
        ("all markers", marker_like),
        ("text", b"trailing garbage".repeat(9)),
    ]
}

async fn large(w: &World, by: UserId, what: &str, file: &[u8]) -> Vec<u8> {
    let image = w.upload(by, file).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    w.fetch_variant(&image, VariantName::Large).await
}

#[tokio::test]
async fn jpeg_is_accepted_without_end_marker_and_with_trailers() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let own = photo(90, 60);
    for (name, file) in JPEGS.into_iter().chain([("a phone's", own.as_slice())]) {
        let pixels = file.strip_suffix(END).unwrap();
        let expected = large(&w, ann, name, file).await;
        for (trailer_name, trailer) in trailers() {
            for end in [END, b""] {
                let what = format!("{name}, end mark {}, {trailer_name}", !end.is_empty());
                let pixels = large(&w, ann, &what, &[pixels, end, &trailer].concat()).await;
                assert!(pixels == expected, "{what}: different pixels");
            }
        }
    }
}

/// A truncated file is detected at every byte, even with an end marker appended.
#[tokio::test]
async fn jpeg_truncated_anywhere_is_rejected() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    for (name, file) in JPEGS {
        let pixels = file.len() - END.len();
        for at in (4..pixels).rev().take(40).chain((4..pixels).step_by(17)) {
            let cut = w.upload(ann, &file[..at]).await;
            assert!(
                matches!(cut, Err(Error::Refused(ImageRejection::Broken))),
                "{name}: {at} of {pixels}: {cut:?}"
            );
            // Between two scans, a progressive image may end legitimately.
            if !name.starts_with("progressive") {
                assert_rejected(w.upload(ann, &[&file[..at], END].concat()).await, ImageRejection::Broken);
            }
        }
    }
    assert_eq!(w.database.count("media").await, 0);
}

/// An interrupted download stored in its full length, or a memory card that lost its last blocks.
#[tokio::test]
async fn truncated_files_padded_with_zeros_are_rejected() {
    use image::ImageFormat::{Gif, Png};
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let own = photo(640, 480);
    let [interlaced, deep] = interlaced_and_deep_pngs();
    let others = [encoded(Png), interlaced, deep, encoded(Gif)];
    let files = JPEGS.into_iter().chain([("a phone's", own.as_slice())]);
    for (name, file) in files.chain(others.iter().map(|file| ("PNG or GIF", file.as_slice()))) {
        for tenth in 2..=9 {
            let at = file.len() * tenth / 10;
            for zeros in [file.len() - at, 4096] {
                let filled = w.upload(ann, &[&file[..at], &vec![0; zeros]].concat()).await;
                let what = format!("{name}, cut at {at} of {}, {zeros} zeros: {filled:?}", file.len());
                assert!(matches!(filled, Err(Error::Refused(ImageRejection::Broken))), "{what}");
            }
        }
    }
    assert_eq!(w.database.count("media").await, 0);
}

/// An end marker in the middle of a scan, or half an image followed by another one.
#[tokio::test]
async fn end_marker_does_not_complete_a_truncated_jpeg() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    for (name, file) in JPEGS {
        // In the first third of the coded data: within its first scan, or its first scans.
        let scan = file.windows(2).position(|bytes| bytes == [0xff, 0xda]).unwrap();
        let half = &file[..scan + 30];
        for rest in [END, &photo(16, 16), b"\xff\xd9SEFT"] {
            let rejected = w.upload(ann, &[half, rest].concat()).await;
            assert!(matches!(rejected, Err(Error::Refused(ImageRejection::Broken))), "{name}: {rejected:?}");
        }
    }
}

fn encoded(format: image::ImageFormat) -> Vec<u8> {
    let noise = RgbImage::from_fn(64, 48, |x, y| Rgb([(x * 37) as u8, (y * 91) as u8, (x * y) as u8]));
    let mut file = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(noise).write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn interlaced_and_deep_pngs() -> [Vec<u8>; 2] {
    [include_bytes!("fixtures/interlaced.png").to_vec(), include_bytes!("fixtures/sixteen-bits.png").to_vec()]
}

/// A PNG without its last chunk, or with half of it; a GIF without its last byte; any data after the end.
#[tokio::test]
async fn other_formats_are_accepted_if_their_pixels_are_complete() {
    use image::ImageFormat::{Gif, Png, WebP};
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let [interlaced, deep] = interlaced_and_deep_pngs();
    for (name, file, spare) in [
        ("PNG", encoded(Png), 12),
        ("interlaced PNG", interlaced, 12),
        ("PNG of sixteen bits", deep, 12),
        ("GIF", encoded(Gif), 1),
        ("WebP", encoded(WebP), 0),
    ] {
        let expected = large(&w, ann, name, &file).await;
        for end in file.len() - spare..=file.len() {
            let what = format!("{name}, {end} of {}", file.len());
            assert!(large(&w, ann, &what, &file[..end]).await == expected, "{what}: different pixels");
        }
        for (trailer_name, trailer) in trailers() {
            let what = format!("{name} and {trailer_name}");
            assert!(large(&w, ann, &what, &[&file[..], &trailer].concat()).await == expected, "{what}");
        }
        for end in (16..file.len() * 9 / 10).step_by(29) {
            assert_rejected(w.upload(ann, &file[..end]).await, ImageRejection::Broken);
        }
    }
}

/// The checksums of a PNG's last data chunk and of its compressed stream may be missing together with its end.
#[tokio::test]
async fn png_is_accepted_without_its_checksums() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let file = encoded(image::ImageFormat::Png);
    let expected = large(&w, ann, "whole", &file).await;
    // The last chunk, the checksum of the chunk before it, and the checksum of the stream in that chunk.
    for spare in 13..=16 {
        let what = format!("{spare} bytes less");
        assert!(large(&w, ann, &what, &file[..file.len() - spare]).await == expected, "{what}");
    }
}
