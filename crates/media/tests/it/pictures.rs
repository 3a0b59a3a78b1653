//! The images that uploaded files become.

use std::io::Cursor;

use blegram_domain::media::VariantName;
use blegram_media::testing::{SECRET, photo};
use image::{
    DynamicImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::{gif::GifEncoder, png::PngEncoder},
};
use rstest_reuse::apply;

use crate::{
    both_storages,
    world::{StorageKind, World},
};

pub(crate) fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

#[apply(both_storages)]
#[tokio::test]
async fn photo_is_rotated_resized_and_stripped_of_metadata(#[case] storage: StorageKind) {
    let w = World::new(storage).await;
    let ann = w.user("ann").await;
    let file = photo(2000, 1500);
    assert!(String::from_utf8_lossy(&file).contains(SECRET), "the photo contains private metadata");
    let media = w.upload(ann, &file).await.unwrap();

    let sizes: Vec<_> = media.variants.iter().map(|v| (v.name, v.width, v.height)).collect();
    let expected =
        [(VariantName::Thumb, 320, 320), (VariantName::Small, 540, 720), (VariantName::Large, 1080, 1440)];
    assert_eq!(sizes, expected);
    assert!(media.blurhash.len() > 6, "{}", media.blurhash);
    for variant in &media.variants {
        let file = w.fetch_variant(&media, variant.name).await;
        assert_eq!(file.len() as u64, variant.byte_size);
        let text = String::from_utf8_lossy(&file);
        assert!(!text.contains(SECRET) && !text.contains("Exif") && !text.contains("EXIF"));
        let image = image::load_from_memory_with_format(&file, ImageFormat::WebP).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (variant.width, variant.height));
        let [above, below] = [4, image.height() - 5].map(|y| image.get_pixel(image.width() / 2, y).0);
        assert!(above[0] > 150 && above[2] < 100, "red above: {above:?}");
        assert!(below[2] > 150 && below[0] < 100, "blue below: {below:?}");
    }
}

#[tokio::test]
async fn every_format_is_accepted_with_its_transparency() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let red = RgbImage::from_pixel(40, 30, Rgb([200, 0, 0]));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif] {
        let mut file = Cursor::new(Vec::new());
        DynamicImage::from(red.clone()).write_to(&mut file, format).unwrap();
        for announced in [None, format.to_mime_type().parse().ok()] {
            let media = w.upload_as(ann, file.get_ref(), announced).await.unwrap();
            // Images are never enlarged.
            let sides: Vec<_> = media.variants.iter().map(|v| (v.width, v.height)).collect();
            assert_eq!(sides, [(30, 30), (40, 30), (40, 30)]);
        }
    }
    let glass = RgbaImage::from_fn(40, 30, |x, _| Rgba([0, 200, 0, if x < 20 { 0 } else { 255 }]));
    let media = w.upload(ann, &png(glass)).await.unwrap();
    let image = w.fetch_variant(&media, VariantName::Large).await;
    let image = image::load_from_memory(&image).unwrap().to_rgba8();
    assert_eq!((image.get_pixel(5, 5)[3], image.get_pixel(35, 5)[3]), (0, 255));
}

#[tokio::test]
async fn animation_is_reduced_to_its_first_frame() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let mut file = Vec::new();
    {
        let mut encoder = GifEncoder::new(&mut file);
        for colour in [[255, 0, 0, 255], [0, 0, 255, 255]] {
            let frame = RgbaImage::from_pixel(50, 50, Rgba(colour));
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    let media = w.upload(ann, &file).await.unwrap();
    let image =
        image::load_from_memory(&w.fetch_variant(&media, VariantName::Large).await).unwrap().to_rgb8();
    let [red, _, blue] = image.get_pixel(25, 25).0;
    assert!(red > 200 && blue < 50);
}

/// Phones take photos in wider colour spaces, which look pale without their profile.
#[tokio::test]
async fn colour_profile_is_applied() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let plain = RgbImage::from_pixel(64, 64, Rgb([200, 60, 60]));
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(profile).unwrap();
    encoder.write_image(&plain, 64, 64, image::ExtendedColorType::Rgb8).unwrap();

    let colour = async |file: &[u8]| {
        let media = w.upload(ann, file).await.unwrap();
        let file = w.fetch_variant(&media, VariantName::Large).await;
        image::load_from_memory(&file).unwrap().to_rgb8().get_pixel(32, 32).0
    };
    let (with, without) = (colour(&file).await, colour(&png(plain)).await);
    assert!(with[0] > without[0] + 8 && with[1] + 4 < without[1], "{with:?} {without:?}");
}

#[tokio::test]
async fn trailing_data_is_removed() {
    let w = World::new(StorageKind::Folder).await;
    let ann = w.user("ann").await;
    let script = b"<script>alert(document.cookie)</script>";
    let plain = png(RgbImage::from_pixel(20, 20, Rgb([9, 9, 9])));
    for file in [photo(80, 60), plain] {
        let media = w.upload(ann, &[&file, script.as_slice()].concat()).await.unwrap();
        for name in VariantName::ALL {
            let file = w.fetch_variant(&media, *name).await;
            assert!(!file.windows(script.len()).any(|bytes| bytes == script));
        }
    }
}
