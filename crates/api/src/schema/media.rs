use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use blegram_domain::{
    AltText, Media as Image, Violation,
    media::{ForeignType, ImageType, UpdateMedia as Update, Variant},
};
use blegram_media::{Announced, Links};
use poem_openapi::{
    Enum, Object,
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::request,
    problem::Failure,
    schema::{FieldProblem, Time},
};

/// A processed image in several sizes: upright, in sRGB, without metadata. All files are WebP.
/// 여러 크기로 변환한 이미지. 방향이 바로잡혀 있고 sRGB이며 메타데이터가 없습니다. 모든 파일은 `WebP` 형식입니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Media {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Always `image`. More kinds may be added.
    /// 항상 `image`입니다. 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// Media type of the files.
    /// 파일의 미디어 타입.
    content_type: String,
    /// Width of the file at `url`, in pixels. The longer side has at most 1440 pixels.
    /// `url` 파일의 너비(픽셀). 긴 변은 최대 1440픽셀입니다.
    width: u32,
    /// Height of the file at `url`, in pixels.
    /// `url` 파일의 높이(픽셀).
    height: u32,
    /// Size of the file at `url`, in bytes.
    /// `url` 파일의 바이트 수.
    byte_size: u64,
    /// The `BlurHash` of the image (blurha.sh), for a blurred preview.
    /// 흐린 미리보기를 만드는 BlurHash(blurha.sh).
    blurhash: String,
    /// Alt text: a description for people who cannot see the image; null if there is none.
    /// 대체 텍스트. 이미지를 볼 수 없는 사람을 위한 설명이며, 없으면 null입니다.
    alt: Option<String>,
    /// URL of the image. The URL of a public image is permanent, starting about one second after the image becomes
    /// public. Until then, and for all other images, the URL works for at least one hour for anyone who has it, and
    /// stops working earlier if the image is deleted.
    /// 이미지의 주소. 공개 이미지의 주소는 공개되고 약 1초 뒤부터 바뀌지 않습니다. 그 전의 주소와 비공개 이미지의 주소는 주소를 아는 사람이라면 적어도 한 시간 동안 열 수 있으며, 이미지를 삭제하면 더
    /// 일찍 만료됩니다.
    url: String,
    /// The image in each size.
    /// 같은 이미지의 크기별 파일.
    variants: Vec<MediaVariant>,
    /// Upload time.
    /// 업로드한 시각.
    created_at: Time,
}

/// An image in one size.
/// 한 가지 크기의 이미지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaVariant {
    /// `thumb` (square, 320 pixels), `small` or `large` (the whole image, 720 and 1440 pixels on the longer side).
    /// Images are never enlarged. More names may be added.
    /// `thumb`는 320픽셀 정사각형, `small`과 `large`는 긴 변이 각각 720, 1440픽셀인 전체 이미지입니다. 원본보다 커지지는 않으며, 새로운 이름이 추가될 수 있습니다.
    name: String,
    /// URL of the file.
    /// 파일의 주소.
    url: String,
    /// Width in pixels.
    /// 너비(픽셀).
    width: u32,
    /// Height in pixels.
    /// 높이(픽셀).
    height: u32,
}

impl Media {
    /// Renders `media`. `is_public` tells whether everyone may see the content that uses the image; if not, its URLs
    /// are signed and expire.
    pub(crate) fn new(media: Image, is_public: bool, links: &Links) -> Self {
        let url = |variant: &Variant| links.url(media.key, variant.name, is_public);
        let variant = |variant: &Variant| MediaVariant {
            name: variant.name.as_str().to_owned(),
            url: url(variant),
            width: variant.width,
            height: variant.height,
        };
        let large = media.large();
        Self {
            id: media.id.as_uuid(),
            kind: "image".to_owned(),
            content_type: Image::CONTENT_TYPE.to_owned(),
            width: large.map_or(0, |large| large.width),
            height: large.map_or(0, |large| large.height),
            byte_size: large.map_or(0, |large| large.byte_size),
            url: large.map(url).unwrap_or_default(),
            variants: media.variants.iter().map(variant).collect(),
            created_at: media.created_at.into(),
            blurhash: media.blurhash,
            alt: media.alt,
        }
    }

    /// The image for its owner, with signed URLs.
    pub(crate) fn of_owner(media: Image, links: &Links) -> Self {
        Self::new(media, false, links)
    }
}

/// The result of an upload.
/// 업로드 결과.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaUpload {
    /// The accepted images, in upload order.
    /// 업로드된 이미지. 보낸 순서대로입니다.
    items: Vec<Media>,
    /// The rejected files and why; `pointer` is `/file/` followed by the index of the file, starting at 0.
    /// 거부된 파일과 그 이유. `pointer`는 `/file/` 뒤에 0부터 센 파일의 순번을 붙인 값입니다.
    problems: Vec<FieldProblem>,
}

impl MediaUpload {
    pub(crate) fn new(items: Vec<Media>, problems: Vec<Failure>) -> Self {
        let problem =
            |Failure { pointer, code, detail }| FieldProblem { pointer, code: String::from(code), detail };
        Self { items, problems: problems.into_iter().map(problem).collect() }
    }
}

/// The upload form. [`crate::form`] parses it; this type only documents it.
#[derive(Debug)]
pub(crate) struct UploadMedia;

impl Type for UploadMedia {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "UploadMedia".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    fn register(registry: &mut Registry) {
        let list = |items: MetaSchema, min_items: Option<usize>, description: &'static str| {
            let items = Some(Box::new(MetaSchemaRef::Inline(Box::new(items))));
            let max_items = Some(Image::MAX_PER_POST);
            let description = Some(description);
            MetaSchemaRef::Inline(Box::new(MetaSchema {
                items,
                min_items,
                max_items,
                description,
                ..MetaSchema::new("array")
            }))
        };
        let file = MetaSchema::new_with_format("string", "binary");
        let files = "JPEG, PNG, WebP or GIF images, at most 10, each of at most 20 MiB and 40 megapixels. The type of a file is \
                     detected from its content; the Content-Type of its part is ignored.\n\
                     JPEG, PNG, WebP, GIF 이미지, 최대 10개. 각각 최대 20 MiB, 4천만 픽셀입니다. 파일 형식은 내용으로 판단하며 \
                     파트의 Content-Type은 무시합니다.";
        let alts = "Alt texts in the order of the files, at most 1,000 characters each; send an empty value for a file without one.\n\
                    파일 순서대로 보내는 대체 텍스트, 각각 최대 1,000자. 대체 텍스트가 없는 파일에는 빈 값을 보내세요.";
        registry.create_schema::<Self, _>(Self::name().into_owned(), |_| MetaSchema {
            description: Some("Images to upload.\n업로드할 이미지."),
            required: vec!["file"],
            properties: vec![
                ("file", list(file, Some(1), files)),
                ("alt", list(MetaSchema::new("string"), None, alts)),
            ],
            ..MetaSchema::new("object")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

/// The type of an image file.
/// 이미지 파일의 형식.
#[derive(Debug, Enum)]
pub(crate) enum UploadType {
    #[oai(rename = "image/jpeg")]
    Jpeg,
    #[oai(rename = "image/png")]
    Png,
    #[oai(rename = "image/webp")]
    Webp,
    #[oai(rename = "image/gif")]
    Gif,
}

request! {
    /// A file to upload directly to storage.
    /// 저장소에 직접 업로드할 파일.
    pub(crate) struct CreateUpload {
        /// Media type of the file.
        /// 파일의 미디어 타입.
        content_type: UploadType = text(parse_type),
        /// Exact size of the file in bytes, 1 to 20,971,520.
        /// 파일의 정확한 바이트 수, 1~20,971,520.
        #[oai(validator(minimum(value = "1"), maximum(value = "20971520")))]
        byte_size: u64 = integer(1..=Image::MAX_BYTES, "must be 1 to 20971520"),
        /// SHA-256 of the file in base64; if set, the upload is verified against it.
        /// 파일의 SHA-256(base64). 보내면 업로드한 파일과 비교해 검증합니다.
        sha256: Option<String> = text(parse_sha256),
    }

    fn parse(fields) -> Option<blegram_media::CreateUpload> {
        Some(blegram_media::CreateUpload { content_type: content_type?, byte_size: byte_size?, sha256 })
    }
}

const IMAGE_TYPES: &str =
    "must be image/jpeg, image/png, image/webp or image/gif; convert HEIC and AVIF photos to JPEG";

fn parse_type(raw: &str) -> Result<ImageType, Violation> {
    raw.parse().map_err(|_| {
        Violation::OutOfRange(ForeignType::of_mime(raw).map_or(IMAGE_TYPES, ForeignType::advice))
    })
}

fn parse_sha256(raw: &str) -> Result<[u8; 32], Violation> {
    let hash = STANDARD.decode(raw).ok().and_then(|bytes| bytes.try_into().ok());
    hash.ok_or(Violation::InvalidCharacters("must be the 32 bytes of a SHA-256 in base64"))
}

/// How to upload the file to storage.
/// 파일을 저장소에 업로드하는 방법.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Upload {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// Always `PUT`.
    /// 항상 `PUT`입니다.
    method: String,
    /// URL to send the file to, with exactly the bytes of the file as the body. Do not send login credentials.
    /// 파일을 보낼 주소. 파일의 바이트만 본문으로 보내고, 로그인 정보는 보내지 마세요.
    url: String,
    /// Headers to send unchanged with the request, in addition to `Content-Length`.
    /// 요청에 그대로 넣어야 하는 헤더. `Content-Length`는 별도로 보냅니다.
    headers: BTreeMap<String, String>,
    /// Deadline for sending the file. Complete the upload afterwards.
    /// 파일을 보낼 수 있는 기한. 파일을 보낸 뒤 업로드를 완료하세요.
    expires_at: Time,
}

impl From<Announced> for Upload {
    fn from(Announced { upload, url, headers }: Announced) -> Self {
        Self {
            id: upload.id.as_uuid(),
            method: "PUT".to_owned(),
            url,
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            expires_at: upload.expires_at().into(),
        }
    }
}

request! {
    /// A change of an image. Absent fields stay unchanged.
    /// 이미지 수정. 보내지 않은 필드는 그대로 유지됩니다.
    pub(crate) struct UpdateMedia {
        /// Alt text, at most 1,000 characters; null for a decorative image that needs none.
        /// 대체 텍스트, 최대 1,000자. 대체 텍스트가 필요 없는 장식용 이미지는 null로 보내세요.
        alt: Option<String> | nullable = patch_nullable(AltText::parse),
    }

    fn parse(fields) -> Option<Update> {
        Some(Update { alt })
    }
}
