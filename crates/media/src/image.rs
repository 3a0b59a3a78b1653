//! A file becomes pictures: what is refused, and what is made of the rest.
//!
//! What a file is, is decided by its first bytes. Its size in pixels is read from its header before anything is decoded,
//! and the decoder is held to it. What was decoded is drawn anew in three sizes: upright, in sRGB, and without anything
//! that the file said beside its pixels. Of moving images the first frame is kept (see the decision about it).

use std::{
    io::{self, BufRead, Cursor, Read, Seek, SeekFrom},
    time::Instant,
};

use ::image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage, metadata::Orientation,
};
use blegram_domain::{
    Media,
    media::{ImageType, Variant, VariantName},
};
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Why a file is not taken in. Its text is for the person who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// More than [`Media::MAX_BYTES`], or than was announced.
    #[error("the file has more than {0} bytes")]
    TooLarge(u64),
    /// Not the number of bytes that was announced.
    #[error("the file has another size than was announced")]
    WrongSize,
    /// Not the bytes that were announced.
    #[error("the file has another SHA-256 than was announced")]
    WrongHash,
    /// Neither JPEG, PNG, WebP nor GIF, whatever it is called.
    #[error("the file is no JPEG, PNG, WebP or GIF image")]
    Unsupported,
    /// Said to be another type than it is.
    #[error("the file is {is} and not {said}, as its sender says", is = .is.as_str(), said = .said)]
    WrongType {
        /// What it is.
        is: ImageType,
        /// What it was said to be.
        said: &'static str,
    },
    /// More than [`Media::MAX_PIXELS`], or a side of more than 20,000.
    #[error("the image has more than {max} pixels, or more than 20000 on a side", max = Media::MAX_PIXELS)]
    TooManyPixels,
    /// Cut off, or not what its format says.
    #[error("the image is damaged or incomplete")]
    Broken,
    /// Takes longer than any photo does.
    #[error("the image takes too long to decode")]
    TooSlow,
}

/// An image in one size, as a file.
#[derive(Debug, Clone)]
pub(crate) struct Drawn {
    pub(crate) variant: Variant,
    pub(crate) bytes: Vec<u8>,
}

/// What a file became.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// In the order of [`VariantName::ALL`].
    pub(crate) drawn: Vec<Drawn>,
    pub(crate) blurhash: String,
}

/// Makes the pictures of `file`. Gives up at `until`.
///
/// # Errors
/// Why it is not taken in.
pub(crate) fn draw(file: &[u8], until: Instant) -> Result<Picture, Refusal> {
    let kind =
        ImageType::sniff(file).ok_or(if file.is_empty() { Refusal::Empty } else { Refusal::Unsupported })?;
    let large = decode(file, kind, until)?;
    check(until)?;
    let small = fit(&large, VariantName::Small.max_side());
    let thumb = square(&large, VariantName::Thumb.max_side());
    let blurhash = blurhash(&small);
    let mut drawn = Vec::new();
    for (name, image) in
        [(VariantName::Thumb, &thumb), (VariantName::Small, &small), (VariantName::Large, &large)]
    {
        check(until)?;
        let bytes = encode(image)?;
        let variant =
            Variant { name, width: image.width(), height: image.height(), byte_size: bytes.len() as u64 };
        drawn.push(Drawn { variant, bytes });
    }
    Ok(Picture { drawn, blurhash })
}

fn check(until: Instant) -> Result<(), Refusal> {
    if Instant::now() < until { Ok(()) } else { Err(Refusal::TooSlow) }
}

/// What decoders may allocate: twice what the largest image takes with 8 bits a channel.
const MAX_ALLOCATION: u64 = 2 * 4 * Media::MAX_PIXELS;

/// The same of those whose limit is for what stands beside the pixels, such as a profile that is packed.
const MAX_ALLOCATION_BESIDE: u64 = 16 * 1024 * 1024;

/// The longest side. Scaling costs memory and time by how much smaller a side gets, whatever the other one is.
const MAX_SIDE: u32 = 20_000;

/// The largest profile that is looked at; real ones have some KiB.
const MAX_PROFILE_BYTES: usize = 4 * 1024 * 1024;

/// The image of a file in its largest size, upright and in sRGB.
fn decode(file: &[u8], kind: ImageType, until: Instant) -> Result<DynamicImage, Refusal> {
    if kind == ImageType::Jpeg && !is_complete_jpeg(file) {
        return Err(Refusal::Broken);
    }
    let format = match kind {
        ImageType::Jpeg => ImageFormat::Jpeg,
        ImageType::Png => ImageFormat::Png,
        ImageType::Webp => ImageFormat::WebP,
        ImageType::Gif => ImageFormat::Gif,
    };
    let mut reader = ImageReader::with_format(Timed { inner: Cursor::new(file), until }, format);
    let mut limits = Limits::default();
    let beside_pixels = kind == ImageType::Png;
    limits.max_alloc = Some(if beside_pixels { MAX_ALLOCATION_BESIDE } else { MAX_ALLOCATION });
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| refusal(&error, until))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > Media::MAX_PIXELS || width.max(height) > MAX_SIDE {
        return Err(Refusal::TooManyPixels);
    }
    if pixels == 0 {
        return Err(Refusal::Broken);
    }
    // What does not say how it is to be turned, or says it badly, is upright; what names no colours means sRGB.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or_default();
    let profile = profile.filter(|profile| profile.len() <= MAX_PROFILE_BYTES);
    let whole = DynamicImage::from_decoder(decoder).map_err(|error| refusal(&error, until))?;
    check(until)?;
    // Turning and colouring the small one is cheaper, and comes to the same.
    let mut large = fit(&eight_bits(whole), VariantName::Large.max_side());
    if let Some(profile) = profile {
        large = into_srgb(large, &profile);
    }
    large.apply_orientation(orientation);
    Ok(large)
}

fn refusal(error: &::image::ImageError, until: Instant) -> Refusal {
    match error {
        _ if Instant::now() >= until => Refusal::TooSlow,
        // Of a size that no decoder would allocate: more pixels than are taken, however they are stored.
        ::image::ImageError::Limits(_) => Refusal::TooManyPixels,
        _ => Refusal::Broken,
    }
}

/// Decoders read on past the end of a JPEG and make grey of what is missing; so whether it is all there is seen here:
/// after the headers comes the image, and after it the mark of the end (ITU T.81, B.1.1). What follows is not looked at:
/// cameras put things there.
fn is_complete_jpeg(file: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    let mut at = 2;
    let mut has_scan = false;
    while let (Some(0xff), Some(&mark)) = (file.get(at), file.get(at + 1)) {
        match mark {
            END => return has_scan,
            // Fill, and marks without content.
            0xff => at += 1,
            0x01 | 0xd0..=0xd7 => at += 2,
            _ => {
                let Some(&[high, low]) = file.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
                if mark == SCAN {
                    has_scan = true;
                    let data = file.get(at..).unwrap_or_default();
                    // In data, `ff` is escaped by `00` or marks a restart.
                    let next =
                        data.windows(2).position(|it| it[0] == 0xff && !matches!(it[1], 0 | 0xd0..=0xd7));
                    let Some(next) = next else { return false };
                    at += next;
                }
            }
        }
    }
    false
}

/// With 8 bits a channel, and an alpha channel only where there was one.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    if image.color().has_alpha() {
        DynamicImage::ImageRgba8(image.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    }
}

/// In colours that every browser means; phones take photos in others, which would look pale without their profile.
fn into_srgb(image: DynamicImage, profile: &[u8]) -> DynamicImage {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else { return image };
    if profile.color_space != DataColorSpace::Rgb {
        return image;
    }
    let layout = if image.color().has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let srgb = ColorProfile::new_srgb();
    let Ok(transform) = profile.create_transform_8bit(layout, &srgb, layout, TransformOptions::default())
    else {
        return image;
    };
    let mut bytes = vec![0; image.as_bytes().len()];
    match transform.transform(image.as_bytes(), &mut bytes) {
        Ok(()) => {
            from_bytes(bytes, image.width(), image.height(), image.color().has_alpha()).unwrap_or(image)
        }
        Err(_) => image,
    }
}

fn from_bytes(bytes: Vec<u8>, width: u32, height: u32, has_alpha: bool) -> Option<DynamicImage> {
    if has_alpha {
        RgbaImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(width, height, bytes).map(DynamicImage::ImageRgb8)
    }
}

/// The whole image, its longer side at most `max_side`.
fn fit(image: &DynamicImage, max_side: u32) -> DynamicImage {
    let longer = image.width().max(image.height());
    if longer <= max_side {
        return image.clone();
    }
    let scaled = |side: u32| {
        let side = u64::from(side) * u64::from(max_side) / u64::from(longer);
        u32::try_from(side).unwrap_or(max_side).max(1)
    };
    resize(image, scaled(image.width()), scaled(image.height()))
}

/// The middle of the image, its sides at most `max_side`.
fn square(image: &DynamicImage, max_side: u32) -> DynamicImage {
    let side = image.width().min(image.height());
    let (left, top) = ((image.width() - side) / 2, (image.height() - side) / 2);
    fit(&image.crop_imm(left, top, side, side), max_side)
}

fn resize(image: &DynamicImage, width: u32, height: u32) -> DynamicImage {
    let has_alpha = image.color().has_alpha();
    let pixels = if has_alpha { PixelType::U8x4 } else { PixelType::U8x3 };
    let resized = || {
        let from = ImageRef::new(image.width(), image.height(), image.as_bytes(), pixels).ok()?;
        let mut to = Image::new(width, height, pixels);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        Resizer::new().resize(&from, &mut to, &options).ok()?;
        from_bytes(to.into_vec(), width, height, has_alpha)
    };
    // Only buffers that do not fit their sizes fail, and these are made to fit.
    resized().unwrap_or_else(|| image.resize_exact(width, height, ::image::imageops::FilterType::Lanczos3))
}

/// Good enough not to be told from the original on a phone, at a quarter of the size of the JPEG.
const QUALITY: f32 = 80.0;

fn encode(image: &DynamicImage) -> Result<Vec<u8>, Refusal> {
    let (width, height) = (image.width(), image.height());
    let encoder = if image.color().has_alpha() {
        webp::Encoder::from_rgba(image.as_bytes(), width, height)
    } else {
        webp::Encoder::from_rgb(image.as_bytes(), width, height)
    };
    encoder.encode_simple(false, QUALITY).map(|file| file.to_vec()).map_err(|_| Refusal::Broken)
}

fn blurhash(image: &DynamicImage) -> String {
    // It keeps a handful of waves; more pixels would only cost time.
    let tiny = resize_tiny(image);
    let (across, down) = if tiny.width() >= tiny.height() { (4, 3) } else { (3, 4) };
    blurhash::encode(across, down, tiny.width(), tiny.height(), tiny.as_raw()).unwrap_or_default()
}

fn resize_tiny(image: &DynamicImage) -> RgbaImage {
    fit(image, 32).to_rgba8()
}

/// A reader that fails when its time is over: decoders read as they go, and cannot be stopped otherwise.
struct Timed<R> {
    inner: R,
    until: Instant,
}

impl<R> Timed<R> {
    fn check(&self) -> io::Result<()> {
        if Instant::now() < self.until { Ok(()) } else { Err(io::ErrorKind::TimedOut.into()) }
    }
}

impl<R: Read> Read for Timed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.read(buffer)
    }
}

impl<R: BufRead> BufRead for Timed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl<R: Seek> Seek for Timed<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_ends_with_its_time() {
        let mut file = Vec::new();
        RgbImage::new(64, 64).write_to(&mut Cursor::new(&mut file), ImageFormat::Png).unwrap();
        assert_eq!(draw(&file, Instant::now()).unwrap_err(), Refusal::TooSlow);
    }

    #[test]
    fn a_jpeg_is_complete_at_its_end() {
        let mut file = Vec::new();
        RgbImage::new(64, 64).write_to(&mut Cursor::new(&mut file), ImageFormat::Jpeg).unwrap();
        assert!(is_complete_jpeg(&file) && is_complete_jpeg(&[&file[..], b"trailer"].concat()));
        for at in [0, 2, 3, 20, file.len() / 2, file.len() - 2, file.len() - 1] {
            assert!(!is_complete_jpeg(&file[..at]), "{at} of {}", file.len());
        }
    }
}
