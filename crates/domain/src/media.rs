//! Images: metadata, storage keys, variants, and the accepted file types.

use std::{fmt, str::FromStr, time::Duration};

use uuid::Uuid;

use crate::{AltText, MediaId, MessageId, PostId, Timestamp, UploadId, UserId, user::stored_enum};

stored_enum! {
    /// The accepted file types. SVG is not among them, because it can contain scripts.
    ImageType {
        /// JPEG.
        Jpeg = "image/jpeg",
        /// PNG; of an animation, the first frame.
        Png = "image/png",
        /// WebP; of an animation, the first frame.
        Webp = "image/webp",
        /// GIF; of an animation, the first frame.
        Gif = "image/gif",
    }
}

impl ImageType {
    /// Detects the type from a file's first bytes, whatever its name or declared type is (WHATWG MIME Sniffing, 6.1).
    pub fn sniff(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Self::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', b'V', b'P', ..] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            _ => None,
        }
    }
}

/// File types that users send as photos and that are not supported. They are detected so that the error can say what to
/// do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeignType {
    /// HEIC and other HEIF images, the default format of iPhones and many Android phones.
    Heif,
    /// AVIF.
    Avif,
    /// JPEG XL.
    JpegXl,
    /// TIFF, and camera raw formats, most of which are based on TIFF: DNG (Apple `ProRAW`), CR2, CR3, NEF, ARW, ORF,
    /// RW2, RAF.
    TiffOrRaw,
    /// A video: MP4, MOV, 3GP, `WebM`, AVI.
    Video,
}

impl ForeignType {
    /// Detects the type from a file's first bytes (ISO/IEC 14496-12, 23008-12, 18181-2; AVIF 1.1, TIFF 6.0).
    pub fn sniff(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', 0x0d, 0x0a, 0x87, 0x0a, ..] => {
                Some(Self::JpegXl)
            }
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Self::of_brands(head)),
            [b'I', b'I', b'*' | b'+', 0, ..]
            | [b'M', b'M', 0, b'*' | b'+', ..]
            | [b'I', b'I', b'R', b'O' | b'S', ..]
            | [b'I', b'I', b'U', 0, ..] => Some(Self::TiffOrRaw),
            [0x1a, 0x45, 0xdf, 0xa3, ..]
            | [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..]
            | [_, _, _, _, b'm', b'o', b'o', b'v' | b'f', ..]
            | [_, _, _, _, b'm', b'd', b'a', b't', ..]
            | [_, _, _, _, b'w', b'i', b'd', b'e', ..] => Some(Self::Video),
            _ if head.starts_with(b"FUJIFILMCCD-RAW") => Some(Self::TiffOrRaw),
            _ => None,
        }
    }

    /// Detects the type from the brands in the `ftyp` box: the major brand and the compatible ones.
    fn of_brands(head: &[u8]) -> Self {
        let size = head.first_chunk().map_or(0, |size| u64::from(u32::from_be_bytes(*size)));
        // A size of 1 means that the size is a 64-bit number after the name of the box.
        let is_wide = size == 1;
        let wide =
            head.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |size| u64::from_be_bytes(*size));
        let (size, at) = if is_wide { (wide, 16) } else { (size, 8) };
        let size = usize::try_from(size).unwrap_or(usize::MAX).clamp(at + 4, 512).min(head.len());
        // A version number stands between the major brand and the compatible ones.
        let main = head.get(at..at + 4).unwrap_or_default();
        let others = head.get(at + 8..size).unwrap_or_default().chunks_exact(4);
        let brands = || std::iter::once(main).chain(others.clone());
        let is = |names: &[&[u8]]| brands().any(|brand| names.contains(&brand));
        if main == b"crx " {
            Self::TiffOrRaw
        } else if is(&[b"avif", b"avis"]) {
            Self::Avif
        } else if is(&[
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1",
        ]) {
            Self::Heif
        } else {
            Self::Video
        }
    }

    /// The type of a MIME type.
    pub fn of_mime(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        match name.as_str() {
            "image/heic" | "image/heif" | "image/heic-sequence" | "image/heif-sequence" => Some(Self::Heif),
            "image/avif" => Some(Self::Avif),
            "image/jxl" => Some(Self::JpegXl),
            "image/tiff" | "image/x-adobe-dng" | "image/dng" => Some(Self::TiffOrRaw),
            _ if name.starts_with("video/") => Some(Self::Video),
            _ => None,
        }
    }

    /// What the sender can do instead, in English and Korean.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Heif => {
                "the file is a HEIC (HEIF) photo, which is not supported. On an iPhone, choose Settings › Camera › \
                 Formats › Most Compatible, or share the photo as JPEG; on Android, turn off HEIF (high efficiency) \
                 pictures in the camera's settings, or save a copy as JPEG. HEIC(HEIF) 사진은 받지 않습니다. iPhone에서는 \
                 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하거나 사진을 JPEG로 공유하세요. Android에서는 카메라 설정에서 \
                 HEIF(고효율) 사진을 끄거나 JPEG로 저장해 보내세요."
            }
            Self::Avif => {
                "the file is an AVIF image, which is not supported. On an iPhone, share the photo as JPEG, and choose \
                 Settings › Camera › Formats › Most Compatible for new ones; on Android, choose JPEG in the camera's \
                 settings, or save a copy as JPEG. AVIF 이미지는 받지 않습니다. iPhone에서는 사진을 JPEG로 공유하고, 새로 찍을 \
                 사진은 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하세요. Android에서는 카메라 설정에서 JPEG를 선택하거나 \
                 JPEG로 저장해 보내세요."
            }
            Self::JpegXl => {
                "the file is a JPEG XL image, which is not supported. Save it as JPEG, PNG or WebP. JPEG XL 이미지는 받지 \
                 않습니다. JPEG, PNG, WebP로 저장해 보내세요."
            }
            Self::TiffOrRaw => {
                "the file is a TIFF image or a raw photo (such as DNG), which is not supported. Export it as JPEG; on \
                 an iPhone, turn off Apple `ProRAW`, or share the photo as JPEG; on Android, turn off RAW in the camera's \
                 settings. TIFF 이미지와 RAW(DNG 등) 사진은 받지 않습니다. JPEG로 내보내세요. iPhone에서는 Apple `ProRAW`를 끄거나 \
                 JPEG로 공유하고, Android에서는 카메라 설정에서 RAW 저장을 끄세요."
            }
            Self::Video => {
                "the file is a video, and only images are supported. Send a JPEG, PNG, WebP or GIF. 동영상은 받지 않습니다. \
                 JPEG, PNG, WebP, GIF 이미지를 보내세요."
            }
        }
    }
}

stored_enum! {
    /// The sizes in which every image is stored.
    VariantName {
        /// The centre of the image, cropped to a square.
        Thumb = "thumb",
        /// The whole image, for lists.
        Small = "small",
        /// The whole image, for full-screen display; its largest version.
        Large = "large",
    }
}

impl VariantName {
    /// The maximum length of the longer side in pixels; for [`VariantName::Thumb`], of both sides. Images are never
    /// enlarged.
    pub const fn max_side(self) -> u32 {
        match self {
            Self::Thumb => 320,
            Self::Small => 720,
            Self::Large => 1440,
        }
    }
}

/// An image in one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The size's name.
    pub name: VariantName,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The file size in bytes.
    pub byte_size: u64,
}

/// The storage key of an image's files: an unguessable name below the owner's, in one of two areas. Files in the public
/// area are readable by anyone who knows the name; files in the private area need a signed link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaKey {
    is_public: bool,
    owner: UserId,
    secret: u128,
}

/// A text that is not a [`MediaKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an image key")]
pub struct ParseMediaKeyError(String);

impl MediaKey {
    /// A key for an image of `owner`; `secret` must be random.
    pub const fn new(is_public: bool, owner: UserId, secret: u128) -> Self {
        Self { is_public, owner, secret }
    }

    /// Whether the files are in the public area.
    pub const fn is_public(self) -> bool {
        self.is_public
    }

    /// The file name of one size. All files are WebP.
    pub fn file(self, variant: VariantName) -> String {
        format!("{self}/{}.webp", variant.as_str())
    }

    /// The common prefix of all file names of `owner` in an area.
    pub fn prefix(is_public: bool, owner: UserId) -> String {
        format!("{}/{}", area(is_public), owner.as_uuid().simple())
    }

    /// Parses a file name into its key and size.
    pub fn parse_file(name: &str) -> Option<(Self, VariantName)> {
        let (key, file) = name.rsplit_once('/')?;
        Some((key.parse().ok()?, file.strip_suffix(".webp")?.parse().ok()?))
    }
}

const fn area(is_public: bool) -> &'static str {
    if is_public { "public" } else { "private" }
}

impl fmt::Display for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:032x}", Self::prefix(self.is_public, self.owner), self.secret)
    }
}

impl FromStr for MediaKey {
    type Err = ParseMediaKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let mut parts = text.split('/');
            let is_public = match parts.next()? {
                "public" => true,
                "private" => false,
                _ => return None,
            };
            let owner = UserId::from_uuid(Uuid::try_parse(parts.next()?).ok()?);
            let secret = u128::from_str_radix(parts.next()?, 16).ok()?;
            Some(Self { is_public, owner, secret })
        };
        // Only one spelling per key is valid.
        parse().filter(|key| key.to_string() == text).ok_or_else(|| ParseMediaKeyError(text.to_owned()))
    }
}

/// What an image is attached to. It has one use at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaUse {
    /// Attached to a post.
    Post(PostId),
    /// Attached to a message.
    Message(MessageId),
    /// The owner's profile picture.
    Avatar,
}

/// A stored image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Sorts by time of upload.
    pub id: MediaId,
    /// The account that uploaded it.
    pub owner: UserId,
    /// The storage key of its files.
    pub key: MediaKey,
    /// The storage key before the files moved, if they did; files that remain there are deleted with the image.
    pub previous_key: Option<MediaKey>,
    /// A blurred preview (blurha.sh).
    pub blurhash: String,
    /// The alternative text; see [`crate::AltText`].
    pub alt: Option<String>,
    /// The stored sizes, in the order of [`VariantName::ALL`].
    pub variants: Vec<Variant>,
    /// What it is attached to.
    pub used: Option<MediaUse>,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// Number of edits by the owner.
    pub version: u64,
}

impl Media {
    /// The largest accepted file, in bytes.
    pub const MAX_BYTES: u64 = 20 * 1024 * 1024;
    /// The largest accepted number of pixels.
    pub const MAX_PIXELS: u64 = 40_000_000;
    /// The largest number of images in a post, and of files in an upload.
    pub const MAX_PER_POST: usize = 10;
    /// The content type of all stored files.
    pub const CONTENT_TYPE: &'static str = "image/webp";
    /// How long an image may stay unused before it is deleted.
    pub const UNUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

    /// The largest size of the image.
    pub fn large(&self) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == VariantName::Large)
    }
}

/// Changes to an image by its owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMedia {
    /// The new alternative text; `Some(None)` removes it.
    pub alt: Option<Option<AltText>>,
}

/// An announced direct upload: the client puts the file into storage itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Sorts by time of announcement.
    pub id: UploadId,
    /// The account that uploads.
    pub owner: UserId,
    /// The declared type.
    pub content_type: ImageType,
    /// The declared size in bytes.
    pub byte_size: u64,
    /// The declared SHA-256 hash.
    pub sha256: Option<[u8; 32]>,
    /// When it was announced.
    pub created_at: Timestamp,
    /// The image that the upload became; `None` until it is completed.
    pub media: Option<MediaId>,
}

impl Upload {
    /// How long the client may take to upload the file.
    pub const LIFETIME: Duration = Duration::from_secs(60 * 60);
    /// How long an uploaded file may wait for completion, counted from the announcement.
    pub const ABANDONED_AFTER: Duration = Duration::from_secs(2 * 60 * 60);
    /// How long the record of an upload is kept.
    pub const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

    /// The largest number of announced uploads per account that wait for completion; [`Upload::MAX_PENDING_BYTES`]
    /// limits their total size. Uploaded files that are never completed stay in storage for
    /// [`Upload::ABANDONED_AFTER`].
    pub const MAX_PENDING: u64 = 100;
    /// The largest total size of an account's pending uploads; see [`Upload::MAX_PENDING`].
    pub const MAX_PENDING_BYTES: u64 = 500 * 1024 * 1024;

    /// When the permission to upload the file expires.
    pub fn expires_at(&self) -> Timestamp {
        self.created_at + Self::LIFETIME
    }

    /// The storage name of the uploaded file.
    pub fn file(id: UploadId) -> String {
        format!("{}{id}", Self::PREFIX)
    }

    /// The common prefix of all uploaded files.
    pub const PREFIX: &'static str = "incoming/";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_type_is_detected_from_the_first_bytes() {
        let table: [(&[u8], Option<ImageType>); 9] = [
            (b"\xff\xd8\xff\xe0rest", Some(ImageType::Jpeg)),
            (b"\x89PNG\r\n\x1a\nrest", Some(ImageType::Png)),
            (b"RIFF\0\0\0\0WEBPVP8 rest", Some(ImageType::Webp)),
            (b"GIF89arest", Some(ImageType::Gif)),
            (b"GIF88a", None),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"<svg xmlns=", None),
            (b"<!doctype html>", None),
            (b"", None),
        ];
        for (head, expected) in table {
            assert_eq!(ImageType::sniff(head), expected, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn foreign_type_is_detected_from_the_first_bytes() {
        use ForeignType::{Avif, Heif, JpegXl, TiffOrRaw, Video};
        let brands = |main: &[u8; 4], others: &[&[u8; 4]]| {
            let others = others.iter().map(|brand| brand.as_slice()).collect::<Vec<_>>().concat();
            let size = u32::try_from(16 + others.len()).unwrap();
            [&size.to_be_bytes(), b"ftyp".as_slice(), main, &[0; 4], &others, b"\0\0\0\x08mdatavif"].concat()
        };
        let table: Vec<(Vec<u8>, Option<ForeignType>)> = vec![
            (brands(b"heic", &[b"mif1", b"heic"]), Some(Heif)),
            (brands(b"mif1", &[b"heic", b"miaf"]), Some(Heif)),
            (brands(b"heix", &[]), Some(Heif)),
            (brands(b"hevc", &[b"msf1"]), Some(Heif)),
            (brands(b"msf1", &[]), Some(Heif)),
            (brands(b"mif1", &[]), Some(Heif)),
            (brands(b"avif", &[b"mif1", b"miaf"]), Some(Avif)),
            (brands(b"mif1", &[b"miaf", b"avif"]), Some(Avif)),
            (brands(b"avis", &[b"msf1", b"iso8"]), Some(Avif)),
            (brands(b"crx ", &[b"isom"]), Some(TiffOrRaw)),
            (brands(b"isom", &[b"iso2", b"avc1", b"mp41"]), Some(Video)),
            (brands(b"qt  ", &[]), Some(Video)),
            (b"\0\0\0\x14ftyp".to_vec(), Some(Video)),
            (b"\0\0\0\x01ftyp".to_vec(), Some(Video)),
            (b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x20heic\0\0\0\0mif1heic".to_vec(), Some(Heif)),
            (b"\0\0\0\x01ftyp\0\0\0\0\0\0\0\x1cmif1\0\0\0\0avif".to_vec(), Some(Avif)),
            (b"\0\0\0\x01ftyp\xff\xff\xff\xff\xff\xff\xff\xffqt  \0\0\0\0qt  ".to_vec(), Some(Video)),
            (b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(), Some(JpegXl)),
            (b"\xff\x0a".to_vec(), Some(JpegXl)),
            (b"II*\0\x08\0\0\0".to_vec(), Some(TiffOrRaw)),
            (b"MM\0*\0\0\0\x08".to_vec(), Some(TiffOrRaw)),
            (b"FUJIFILMCCD-RAW 0201".to_vec(), Some(TiffOrRaw)),
            (b"\x1a\x45\xdf\xa3".to_vec(), Some(Video)),
            (b"RIFF\0\0\0\0AVI LIST".to_vec(), Some(Video)),
            (b"RIFF\0\0\0\0WEBPVP8 ".to_vec(), None),
            (b"\xff\xd8\xff\xe0".to_vec(), None),
            (b"<svg xmlns=".to_vec(), None),
            (b"".to_vec(), None),
        ];
        for (head, expected) in table {
            assert_eq!(ForeignType::sniff(&head), expected, "{}", String::from_utf8_lossy(&head));
            assert!(expected.is_none() || ImageType::sniff(&head).is_none());
        }
    }

    #[test]
    fn media_key_has_one_spelling_and_is_parsed_from_its_file_names() {
        let now = Timestamp::from_micros(1_790_000_000_000_000).unwrap();
        let owner = UserId::generate(now);
        for is_public in [true, false] {
            let key = MediaKey::new(is_public, owner, 0xabc);
            assert_eq!(key.to_string().parse(), Ok(key));
            assert_eq!(key.to_string().to_uppercase().parse::<MediaKey>().ok(), None);
            for name in VariantName::ALL {
                assert_eq!(MediaKey::parse_file(&key.file(*name)), Some((key, *name)));
            }
        }
        let key = MediaKey::new(true, owner, 1).to_string();
        for other in [
            "",
            "public/x/1",
            &key[1..],
            &format!("{key}/"),
            &format!("{key}/../x"),
            &key.replacen("public", "secret", 1),
        ] {
            assert_eq!(other.parse::<MediaKey>().ok(), None, "{other}");
        }
        for other in [format!("{key}/large.png"), format!("{key}/huge.webp"), format!("{key}.webp")] {
            assert_eq!(MediaKey::parse_file(&other), None, "{other}");
        }
    }
}
