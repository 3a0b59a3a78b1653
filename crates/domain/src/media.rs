//! Images: what is kept of them, where their files are, and what is taken in.

use std::{fmt, str::FromStr, time::Duration};

use uuid::Uuid;

use crate::{AltText, MediaId, MessageId, PostId, Timestamp, UploadId, UserId, user::stored_enum};

stored_enum! {
    /// The types of files that are taken in. SVG is not among them: it is a program, not a picture.
    ImageType {
        /// JPEG.
        Jpeg = "image/jpeg",
        /// PNG, of which the first frame counts.
        Png = "image/png",
        /// WebP, of which the first frame counts.
        Webp = "image/webp",
        /// GIF, of which the first frame counts.
        Gif = "image/gif",
    }
}

impl ImageType {
    /// What a file is by its first bytes, whatever it is called or said to be (WHATWG MIME Sniffing, 6.1).
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

/// Types of files that people send as photos and that are not taken in, but are told from others, so that the refusal can
/// say what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForeignType {
    /// HEIC and other HEIF images: what iPhones and many Android phones make by default.
    Heif,
    /// AVIF.
    Avif,
    /// JPEG XL.
    JpegXl,
    /// TIFF, and the raw formats of cameras, most of which are TIFF: DNG (Apple `ProRAW`), CR2, CR3, NEF, ARW, ORF, RW2, RAF.
    TiffOrRaw,
    /// A video: MP4, MOV, 3GP, `WebM`, AVI.
    Video,
}

impl ForeignType {
    /// What a file is by its first bytes (ISO/IEC 14496-12, 23008-12, 18181-2; AVIF 1.1, TIFF 6.0).
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

    /// Of a file that begins with a box of brands: the main one, and those that it is compatible with.
    fn of_brands(head: &[u8]) -> Self {
        let size = head.first_chunk().map_or(0, |size| u64::from(u32::from_be_bytes(*size)));
        // A size of one stands for one of 64 bits behind the name of the box.
        let is_wide = size == 1;
        let wide =
            head.get(8..).and_then(|rest| rest.first_chunk()).map_or(0, |size| u64::from_be_bytes(*size));
        let (size, at) = if is_wide { (wide, 16) } else { (size, 8) };
        let size = usize::try_from(size).unwrap_or(usize::MAX).clamp(at + 4, 512).min(head.len());
        // Between the main one and the others stands a version.
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

    /// What a file of a MIME type is.
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

    /// What its sender can do, in English and in Korean.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Heif => {
                "the file is a HEIC (HEIF) photo, which is not taken here. On an iPhone, choose Settings › Camera › \
                 Formats › Most Compatible, or share the photo as JPEG; on Android, turn off HEIF (high efficiency) \
                 pictures in the camera's settings, or save a copy as JPEG. HEIC(HEIF) 사진은 받지 않습니다. iPhone에서는 \
                 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하거나 사진을 JPEG로 공유하세요. Android에서는 카메라 설정에서 \
                 HEIF(고효율) 사진을 끄거나 JPEG로 저장해 보내세요."
            }
            Self::Avif => {
                "the file is an AVIF image, which is not taken here. On an iPhone, share the photo as JPEG, and choose \
                 Settings › Camera › Formats › Most Compatible for new ones; on Android, choose JPEG in the camera's \
                 settings, or save a copy as JPEG. AVIF 이미지는 받지 않습니다. iPhone에서는 사진을 JPEG로 공유하고, 새로 찍을 \
                 사진은 설정 › 카메라 › 포맷에서 '높은 호환성'을 선택하세요. Android에서는 카메라 설정에서 JPEG를 선택하거나 \
                 JPEG로 저장해 보내세요."
            }
            Self::JpegXl => {
                "the file is a JPEG XL image, which is not taken here. Save it as JPEG, PNG or WebP. JPEG XL 이미지는 받지 \
                 않습니다. JPEG, PNG, WebP로 저장해 보내세요."
            }
            Self::TiffOrRaw => {
                "the file is a TIFF image or a raw photo (such as DNG), which is not taken here. Export it as JPEG; on \
                 an iPhone, turn off Apple `ProRAW`, or share the photo as JPEG; on Android, turn off RAW in the camera's \
                 settings. TIFF 이미지와 RAW(DNG 등) 사진은 받지 않습니다. JPEG로 내보내세요. iPhone에서는 Apple `ProRAW`를 끄거나 \
                 JPEG로 공유하고, Android에서는 카메라 설정에서 RAW 저장을 끄세요."
            }
            Self::Video => {
                "the file is a video, and only images are taken here. Send a JPEG, PNG, WebP or GIF. 동영상은 받지 않습니다. \
                 JPEG, PNG, WebP, GIF 이미지를 보내세요."
            }
        }
    }
}

stored_enum! {
    /// The sizes in which every image is kept.
    VariantName {
        /// The middle, square.
        Thumb = "thumb",
        /// Whole, for lists.
        Small = "small",
        /// Whole, for a screen: the image itself.
        Large = "large",
    }
}

impl VariantName {
    /// The longer side at most, in pixels; of [`VariantName::Thumb`] both. Nothing is enlarged.
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
    /// Which one.
    pub name: VariantName,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The size of its file.
    pub byte_size: u64,
}

/// Where the files of an image are: a name that nobody can guess, under that of its owner, in one of two areas. What is
/// in the public one is for whoever knows the name; the rest is for those who are given a signed link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaKey {
    is_public: bool,
    owner: UserId,
    secret: u128,
}

/// A text that is no [`MediaKey`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no key of an image")]
pub struct ParseMediaKeyError(String);

impl MediaKey {
    /// A key of an image of `owner`; `secret` is random.
    pub const fn new(is_public: bool, owner: UserId, secret: u128) -> Self {
        Self { is_public, owner, secret }
    }

    /// Whether the files are in the public area.
    pub const fn is_public(self) -> bool {
        self.is_public
    }

    /// The name of the file of one size. All files are WebP.
    pub fn file(self, variant: VariantName) -> String {
        format!("{self}/{}.webp", variant.as_str())
    }

    /// What the names of all files of `owner` in an area begin with.
    pub fn prefix(is_public: bool, owner: UserId) -> String {
        format!("{}/{}", area(is_public), owner.as_uuid().simple())
    }

    /// The key and the size that a file's name stands for.
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
        // One spelling per key.
        parse().filter(|key| key.to_string() == text).ok_or_else(|| ParseMediaKeyError(text.to_owned()))
    }
}

/// What an image is used for. It has one use at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaUse {
    /// It is in a post.
    Post(PostId),
    /// It is in a message.
    Message(MessageId),
    /// It is its owner's picture.
    Avatar,
}

/// An image as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// Sorts by time of uploading.
    pub id: MediaId,
    /// Who uploaded it.
    pub owner: UserId,
    /// Where its files are.
    pub key: MediaKey,
    /// Where they were before, if they moved; files that are still there go with the image.
    pub previous_key: Option<MediaKey>,
    /// A blurred preview (blurha.sh).
    pub blurhash: String,
    /// What it shows; see [`crate::AltText`].
    pub alt: Option<String>,
    /// Its sizes, in the order of [`VariantName::ALL`].
    pub variants: Vec<Variant>,
    /// What it is used for.
    pub used: Option<MediaUse>,
    /// When it was uploaded.
    pub created_at: Timestamp,
    /// How often its owner edited it.
    pub version: u64,
}

impl Media {
    /// The largest file that is taken in.
    pub const MAX_BYTES: u64 = 20 * 1024 * 1024;
    /// The largest number of pixels that is taken in.
    pub const MAX_PIXELS: u64 = 40_000_000;
    /// The largest number of images in a post, and of files in an upload.
    pub const MAX_PER_POST: usize = 10;
    /// What all files are after they were taken in.
    pub const CONTENT_TYPE: &'static str = "image/webp";
    /// How long an image may be used for nothing.
    pub const UNUSED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

    /// The image itself: its largest size.
    pub fn large(&self) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == VariantName::Large)
    }
}

/// What the owner of an image may change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateMedia {
    /// What it shows; `Some(None)` for nothing that needs words.
    pub alt: Option<Option<AltText>>,
}

/// A file that its sender puts into storage without this server in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Sorts by time of announcement.
    pub id: UploadId,
    /// Who sends it.
    pub owner: UserId,
    /// What it is said to be.
    pub content_type: ImageType,
    /// How many bytes it is said to have.
    pub byte_size: u64,
    /// What its bytes are said to hash to.
    pub sha256: Option<[u8; 32]>,
    /// When it was announced.
    pub created_at: Timestamp,
    /// What became of it.
    pub media: Option<MediaId>,
}

impl Upload {
    /// How long a file may take to arrive.
    pub const LIFETIME: Duration = Duration::from_secs(60 * 60);
    /// How long a file that arrived waits to be completed, counted from its announcement.
    pub const ABANDONED_AFTER: Duration = Duration::from_secs(2 * 60 * 60);
    /// How long it is known what became of it.
    pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

    /// How many announced files of an account may wait to be completed, and how many bytes they may have together: what
    /// arrived and was not completed stays in storage for [`Upload::ABANDONED_AFTER`].
    pub const MAX_PENDING: u64 = 100;
    /// See [`Upload::MAX_PENDING`].
    pub const MAX_PENDING_BYTES: u64 = 500 * 1024 * 1024;

    /// Until when the file may arrive.
    pub fn expires_at(&self) -> Timestamp {
        self.created_at + Self::LIFETIME
    }

    /// The name under which it arrives.
    pub fn file(id: UploadId) -> String {
        format!("{}{id}", Self::PREFIX)
    }

    /// What the names of all files that arrive begin with.
    pub const PREFIX: &'static str = "incoming/";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_their_first_bytes_say() {
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
    fn what_phones_and_cameras_make_is_told_by_its_first_bytes() {
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
    fn a_key_has_one_spelling_and_its_files_lead_back_to_it() {
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
