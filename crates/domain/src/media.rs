//! Images: metadata, storage keys, variants, and the accepted file types.

pub mod quota;

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::quota::Amount;
use crate::{
    AltText, MediaId, MessageId, PostId, Timestamp, UploadId, UserId,
    stored::{serde_as_text, stored_enum},
};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        let [owner, secret] = [self.owner.as_uuid(), Uuid::from_u128(self.secret)].map(Uuid::simple);
        write!(f, "{}/{owner}/{secret}", area(self.is_public))
    }
}

serde_as_text!(MediaKey, to_string);

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
            let secret = Uuid::try_parse(parts.next()?).ok()?.as_u128();
            Some(Self { is_public, owner, secret })
        };
        // Only one spelling per key is valid.
        parse().filter(|key| key.to_string() == text).ok_or_else(|| ParseMediaKeyError(text.to_owned()))
    }
}

/// What an image is attached to. It has one use at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaUse {
    /// Attached to a post.
    Post(PostId),
    /// Attached to a message.
    Message(MessageId),
    /// The owner's profile picture.
    Avatar,
}

/// A stored image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

    /// What the image takes of its owner's quota.
    pub fn amount(&self) -> Amount {
        Amount { files: 1, bytes: self.variants.iter().map(|variant| variant.byte_size).sum() }
    }

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

    /// What the upload takes of its owner's quota until it is completed or deleted.
    pub const fn amount(&self) -> Amount {
        Amount { files: 1, bytes: self.byte_size }
    }

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
mod tests;
