//! Decodes an uploaded file, or rejects it, and encodes its variants.
//!
//! The first bytes decide the type. The size in pixels is read from the header before anything is decoded, and limits
//! the decoder. The decoded image is encoded in three sizes: upright, in sRGB, and without any metadata. Of an
//! animation, only the first frame is kept (see the decision about it).

mod jpeg;

use std::{
    borrow::Cow,
    io::{self, BufRead, Cursor, Read, Seek, SeekFrom},
    time::{Duration, Instant},
};

use ::image::{
    ColorType, DynamicImage, GrayAlphaImage, GrayImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    RgbImage, RgbaImage, metadata::Orientation,
};
use blegram_domain::{
    Media,
    media::{ForeignType, ImageType, Variant, VariantName},
};
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Why a file is rejected. The text is for the person who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ImageRejection {
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// More than [`Media::MAX_BYTES`], or more than announced.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// Fewer bytes than announced.
    #[error("the size of the file differs from the announced size")]
    WrongSize,
    /// Another hash than announced.
    #[error("the SHA-256 of the file differs from the announced one")]
    WrongHash,
    /// Neither JPEG, PNG, WebP nor GIF, whatever its name.
    #[error("{}", .0.map_or(UNSUPPORTED, ForeignType::advice))]
    Unsupported(Option<ForeignType>),
    /// Declared as another type than it has.
    #[error("the file is {is}, but was declared as {declared}", is = .is.as_str(), declared = .declared)]
    WrongType {
        /// The actual type.
        is: ImageType,
        /// The declared type.
        declared: &'static str,
    },
    /// More than [`Media::MAX_PIXELS`], or a side of more than 20,000.
    #[error("the image has more than {max} pixels, or a side of more than 20000", max = Media::MAX_PIXELS)]
    TooManyPixels,
    /// Truncated, or invalid for its format.
    #[error("the image is damaged or incomplete")]
    Broken,
    /// Takes longer to decode than any photo.
    #[error("the image takes too long to decode")]
    TooSlow,
}

const UNSUPPORTED: &str = "the file is not a JPEG, PNG, WebP or GIF image";

/// An encoded image in one size.
#[derive(Debug, Clone)]
pub(crate) struct Rendition {
    pub(crate) variant: Variant,
    pub(crate) bytes: Vec<u8>,
}

/// The encoded variants of an uploaded image.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// In the order of [`VariantName::ALL`].
    pub(crate) renditions: Vec<Rendition>,
    pub(crate) blurhash: String,
    /// How long decoding took.
    pub(crate) decoding: Duration,
    /// How long resizing and encoding took.
    pub(crate) encoding: Duration,
}

/// Decodes `file` and encodes its variants. Gives up at `until`.
///
/// # Errors
/// Why the file is rejected.
pub(crate) fn render(file: &[u8], until: Instant) -> Result<Picture, ImageRejection> {
    let kind = sniff(file)?;
    let begun = Instant::now();
    let large = decode(file, kind, until)?;
    let decoded = Instant::now();
    check(until)?;
    let small = fit(&large, VariantName::Small.max_side());
    let thumb = square(&large, VariantName::Thumb.max_side());
    let blurhash = blurhash(&small);
    let mut renditions = Vec::new();
    for (name, image) in
        [(VariantName::Thumb, &thumb), (VariantName::Small, &small), (VariantName::Large, &large)]
    {
        check(until)?;
        let bytes = encode(image)?;
        let variant =
            Variant { name, width: image.width(), height: image.height(), byte_size: bytes.len() as u64 };
        renditions.push(Rendition { variant, bytes });
    }
    Ok(Picture { renditions, blurhash, decoding: decoded - begun, encoding: decoded.elapsed() })
}

/// The largest file that can be cheap to process.
pub(crate) const LIGHT_BYTES: u64 = 1024 * 1024;

/// The most pixels of an image that is cheap to process.
const LIGHT_PIXELS: u64 = 2_000_000;

/// The most scans of a JPEG that is cheap to process: what encoders make.
const LIGHT_SCANS: usize = 12;

/// How long reading a header may take.
const HEADER_DEADLINE: Duration = Duration::from_secs(1);

/// Whether an image is certainly cheap to process, by its header: a fraction of a second, where the most expensive ones
/// take many.
pub(crate) fn is_light(file: &[u8]) -> bool {
    let Ok(kind) = sniff(file) else { return true };
    let is_smooth = kind != ImageType::Jpeg || jpeg::count_scans(file) <= LIGHT_SCANS;
    let header = open(file, kind, Instant::now() + HEADER_DEADLINE);
    is_smooth
        && header.is_ok_and(|decoder| {
            let (width, height) = decoder.dimensions();
            u64::from(width) * u64::from(height) <= LIGHT_PIXELS
        })
}

/// Detects the type of a file.
pub(crate) fn sniff(file: &[u8]) -> Result<ImageType, ImageRejection> {
    if file.is_empty() {
        return Err(ImageRejection::Empty);
    }
    ImageType::sniff(file).ok_or_else(|| ImageRejection::Unsupported(ForeignType::sniff(file)))
}

fn check(until: Instant) -> Result<(), ImageRejection> {
    if Instant::now() < until { Ok(()) } else { Err(ImageRejection::TooSlow) }
}

/// The allocation limit of decoders: twice the size of the largest image with 8 bits per channel.
const MAX_ALLOCATION: u64 = 2 * 4 * Media::MAX_PIXELS;

/// The same for decoders whose limit applies to other data than pixels, such as a compressed profile.
const MAX_ALLOCATION_BESIDE: u64 = 16 * 1024 * 1024;

/// The longest accepted side. The memory and time for scaling grow with how much a side shrinks, whatever the other one
/// is.
const MAX_SIDE: u32 = 20_000;

/// This many zeros at the end of a truncated file are padding, not encoded data.
const FILLER: usize = 8;

/// The largest profile that is applied; real ones have a few KiB.
const MAX_PROFILE_BYTES: usize = 4 * 1024 * 1024;

/// A decoder of `file` that has read its header.
fn open(file: &[u8], kind: ImageType, until: Instant) -> ::image::ImageResult<impl ImageDecoder> {
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
    reader.into_decoder()
}

/// Decodes a file to its largest size, upright and in sRGB.
fn decode(file: &[u8], kind: ImageType, until: Instant) -> Result<DynamicImage, ImageRejection> {
    let file = &*if kind == ImageType::Jpeg { complete_jpeg(file, until)? } else { Cow::Borrowed(file) };
    let mut decoder = open(file, kind, until).map_err(|error| rejection(&error, until))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > Media::MAX_PIXELS || width.max(height) > MAX_SIDE {
        return Err(ImageRejection::TooManyPixels);
    }
    if pixels == 0 {
        return Err(ImageRejection::Broken);
    }
    // Without a valid orientation, the image is upright; without a profile, its colours are sRGB.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().unwrap_or_default();
    let profile = profile.filter(|profile| profile.len() <= MAX_PROFILE_BYTES);
    let decode_again = || {
        // For JPEG, completeness is already known; the WebP decoder only writes complete images.
        let is_useful = matches!(kind, ImageType::Png | ImageType::Gif)
            // If a file was truncated and padded, the rest of the pixels may have been decoded from zeros.
            && !file.ends_with(&[0; FILLER])
            && Instant::now() < until;
        let decoder = open(file, kind, until).ok().filter(|_| is_useful)?;
        let mut samples = vec![u8::MAX; usize::try_from(decoder.total_bytes()).ok()?];
        // It fails like the first time.
        let _ = decoder.read_image(&mut samples);
        Some(samples)
    };
    let whole = read(decoder, decode_again).map_err(|error| rejection(&error, until))?;
    check(until)?;
    // Rotating and converting the scaled image is cheaper, with the same result.
    let mut large = fit(&eight_bits(whole), VariantName::Large.max_side());
    if let Some(profile) = profile {
        large = into_srgb(large, &profile);
    }
    large.apply_orientation(orientation);
    Ok(large)
}

fn rejection(error: &::image::ImageError, until: Instant) -> ImageRejection {
    match error {
        _ if Instant::now() >= until => ImageRejection::TooSlow,
        // A size that no decoder may allocate: more pixels than accepted, however they are stored.
        ::image::ImageError::Limits(_) => ImageRejection::TooManyPixels,
        _ => ImageRejection::Broken,
    }
}

/// A JPEG up to the end of its pixels, with an end marker after them: a decoder would read a camera's trailer as more
/// data.
fn complete_jpeg(file: &[u8], until: Instant) -> Result<Cow<'_, [u8]>, ImageRejection> {
    const END: [u8; 2] = [0xff, 0xd9];
    let Some(end) = jpeg::end_of_pixels(file, until)? else { return Ok(Cow::Borrowed(file)) };
    let (pixels, rest) = file.split_at_checked(end).ok_or(ImageRejection::Broken)?;
    Ok(if rest.starts_with(&END) { Cow::Borrowed(file) } else { Cow::Owned([pixels, &END].concat()) })
}

/// The samples of an image, eight bits each.
///
/// A file may be truncated for its format (without PNG's `IEND`, the last byte of a GIF, or a checksum) but have all
/// its pixels, and browsers show it. The decoder then fails, but has written the pixels that it had: if two buffers
/// with different initial values end up equal, every pixel was written.
fn read(
    decoder: impl ImageDecoder,
    decode_again: impl Fn() -> Option<Vec<u8>>,
) -> ::image::ImageResult<DynamicImage> {
    let ((width, height), color) = (decoder.dimensions(), decoder.color_type());
    let bytes = usize::try_from(decoder.total_bytes()).map_err(|_| too_large())?;
    let mut samples = vec![0; bytes];
    let sixteen = match decoder.read_image(&mut samples) {
        Ok(()) => u16::from_ne_bytes,
        Err(error) => match decode_again() {
            // The failed decoder has not yet converted the samples to native byte order.
            Some(other) if other == samples => u16::from_be_bytes,
            _ => return Err(error),
        },
    };
    let narrow = |samples: Vec<u8>| -> Vec<u8> {
        let pairs = samples.chunks_exact(2).map(|pair| u32::from(sixteen([pair[0], pair[1]])));
        pairs.map(|sample| u8::try_from((sample + 128) / 257).unwrap_or(u8::MAX)).collect()
    };
    let image = match color {
        ColorType::L8 => GrayImage::from_raw(width, height, samples).map(DynamicImage::ImageLuma8),
        ColorType::La8 => GrayAlphaImage::from_raw(width, height, samples).map(DynamicImage::ImageLumaA8),
        ColorType::Rgb8 => RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
        ColorType::Rgba8 => RgbaImage::from_raw(width, height, samples).map(DynamicImage::ImageRgba8),
        ColorType::L16 => GrayImage::from_raw(width, height, narrow(samples)).map(DynamicImage::ImageLuma8),
        ColorType::La16 => {
            GrayAlphaImage::from_raw(width, height, narrow(samples)).map(DynamicImage::ImageLumaA8)
        }
        ColorType::Rgb16 => RgbImage::from_raw(width, height, narrow(samples)).map(DynamicImage::ImageRgb8),
        ColorType::Rgba16 => {
            RgbaImage::from_raw(width, height, narrow(samples)).map(DynamicImage::ImageRgba8)
        }
        _ => None,
    };
    image.ok_or_else(too_large)
}

fn too_large() -> ::image::ImageError {
    use ::image::error::{ImageError, LimitError, LimitErrorKind};
    ImageError::Limits(LimitError::from_kind(LimitErrorKind::InsufficientMemory))
}

/// Converts to 8 bits per channel, with an alpha channel only if there was one.
fn eight_bits(image: DynamicImage) -> DynamicImage {
    if image.color().has_alpha() {
        DynamicImage::ImageRgba8(image.into_rgba8())
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    }
}

/// Converts to sRGB, which every browser assumes. Phones take photos in wider colour spaces, which look pale without
/// their profile.
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

/// Scales the whole image so that its longer side is at most `max_side`.
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

/// Crops the centre square of the image, and scales its sides to at most `max_side`.
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
    // Resizing only fails for buffers of the wrong size, and these have the right size.
    resized().unwrap_or_else(|| image.resize_exact(width, height, ::image::imageops::FilterType::Lanczos3))
}

/// Indistinguishable from the original on a phone, at a quarter of the JPEG's size.
const QUALITY: f32 = 80.0;

fn encode(image: &DynamicImage) -> Result<Vec<u8>, ImageRejection> {
    let (width, height) = (image.width(), image.height());
    let encoder = if image.color().has_alpha() {
        webp::Encoder::from_rgba(image.as_bytes(), width, height)
    } else {
        webp::Encoder::from_rgb(image.as_bytes(), width, height)
    };
    encoder.encode_simple(false, QUALITY).map(|file| file.to_vec()).map_err(|_| ImageRejection::Broken)
}

fn blurhash(image: &DynamicImage) -> String {
    // A blurhash encodes only a few frequencies; more pixels would only take more time.
    let tiny = resize_tiny(image);
    let (across, down) = if tiny.width() >= tiny.height() { (4, 3) } else { (3, 4) };
    blurhash::encode(across, down, tiny.width(), tiny.height(), tiny.as_raw()).unwrap_or_default()
}

fn resize_tiny(image: &DynamicImage) -> RgbaImage {
    fit(image, 32).to_rgba8()
}

/// A reader that fails after its deadline: decoders read as they go, and cannot be stopped in another way.
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
    fn decoder_stops_at_its_deadline() {
        let mut file = Vec::new();
        RgbImage::new(64, 64).write_to(&mut Cursor::new(&mut file), ImageFormat::Png).unwrap();
        assert_eq!(render(&file, Instant::now()).unwrap_err(), ImageRejection::TooSlow);
    }
}
