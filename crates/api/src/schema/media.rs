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
    body::{Fields, Input},
    problem::Failure,
    schema::{FieldProblem, Time},
};

/// An image: upright, in sRGB, without metadata, in a few sizes. All files are WebP.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Media {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `image`. New kinds may come.
    /// 항상 `image`입니다. 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// The type of the files.
    /// 파일의 미디어 타입.
    content_type: String,
    /// Of the file at `url`, in pixels: at most 1440 on the longer side.
    /// `url` 파일의 너비(픽셀). 긴 변은 최대 1440픽셀입니다.
    width: u32,
    /// Height of the file at `url`, in pixels.
    /// `url` 파일의 높이(픽셀).
    height: u32,
    /// The size of the file at `url`.
    /// `url` 파일의 바이트 수.
    byte_size: u64,
    /// A blurred preview (blurha.sh).
    /// 흐린 미리보기(blurha.sh).
    blurhash: String,
    /// What the image shows, for those who do not see it.
    /// 이미지를 볼 수 없는 사람을 위한 설명.
    alt: Option<String>,
    /// Of an image that everybody may see: for good, from about a second after it became so. Of others, and until then:
    /// for an hour at least, for whoever has the link; it ends sooner when the image is deleted.
    /// 누구나 볼 수 있게 된 이미지의 주소는 약 1초 뒤부터 바뀌지 않습니다. 그 전의 주소와 그 밖의 주소는 링크를 가진 사람에게 적어도 한 시간 동안 열리며, 이미지를 지우면 더 일찍 닫힙니다.
    url: String,
    /// The same image in each size.
    /// 같은 이미지의 크기별 파일.
    variants: Vec<MediaVariant>,
    /// When it was uploaded.
    /// 업로드된 시각.
    created_at: Time,
}

/// An image in one size.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaVariant {
    /// `thumb`: square, 320 pixels; `small` and `large`: whole, 720 and 1440 pixels on the longer side. Nothing is
    /// enlarged. New names may come.
    /// `thumb`는 320픽셀 정사각형, `small`과 `large`는 긴 변이 720, 1440픽셀인 전체 이미지입니다. 원본보다 커지지는 않으며, 새로운 이름이 추가될 수 있습니다.
    name: String,
    /// Where the file is.
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
    /// `is_public` says whether everybody may see what shows it.
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

    /// As its owner sees it.
    pub(crate) fn of_owner(media: Image, links: &Links) -> Self {
        Self::new(media, false, links)
    }
}

/// What became of files.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaUpload {
    /// Those that were taken in, in the order in which they came.
    /// 받아들인 이미지. 보낸 순서대로입니다.
    items: Vec<Media>,
    /// Why the others were not; `pointer` is `/file/` and the place of the file, from 0.
    /// 받지 못한 파일과 그 이유. `pointer`는 `/file/`에 0부터 센 파일의 순서를 붙인 것입니다.
    problems: Vec<FieldProblem>,
}

impl MediaUpload {
    pub(crate) fn new(items: Vec<Media>, problems: Vec<Failure>) -> Self {
        let problem =
            |Failure { pointer, code, detail }| FieldProblem { pointer, code: String::from(code), detail };
        Self { items, problems: problems.into_iter().map(problem).collect() }
    }
}

/// Files to be taken in: a form, which is read by hand and so only described here.
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
        let list = |items: MetaSchema, description: &'static str| {
            let items = Some(Box::new(MetaSchemaRef::Inline(Box::new(items))));
            let max_items = Some(Image::MAX_PER_POST);
            let description = Some(description);
            MetaSchemaRef::Inline(Box::new(MetaSchema {
                items,
                max_items,
                description,
                ..MetaSchema::new("array")
            }))
        };
        let file = MetaSchema::new_with_format("string", "binary");
        let files = "JPEG, PNG, WebP or GIF images, at most 10, each of at most 20 MiB and 40 megapixels. The bytes decide what a \
                     file is; the Content-Type of its part does not count.\n\
                     각각 최대 20 MiB, 4천만 화소인 JPEG, PNG, WebP, GIF 이미지를 10개까지 보냅니다. 파일 형식은 내용으로 판단하며 \
                     파트의 Content-Type은 보지 않습니다.";
        let alts = "What each shows, in the order of the files, at most 1,000 characters; an empty one says nothing.\n\
                    파일 순서대로 쓴 이미지 설명, 각각 최대 1,000자. 설명이 없는 파일에는 빈 값을 보냅니다.";
        registry.create_schema::<Self, _>(Self::name().into_owned(), |_| MetaSchema {
            description: Some("Files to be taken in."),
            required: vec!["file"],
            properties: vec![("file", list(file, files)), ("alt", list(MetaSchema::new("string"), alts))],
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

/// What a file is.
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

/// A file that you want to put into storage.
#[derive(Debug, Object)]
pub(crate) struct CreateUpload {
    /// What it is.
    /// 파일 형식.
    content_type: UploadType,
    /// How many bytes it has, exactly: 1 to 20,971,520.
    /// 정확한 바이트 수, 1~20,971,520.
    #[oai(validator(minimum(value = "1"), maximum(value = "20971520")))]
    byte_size: u64,
    /// The SHA-256 of its bytes in base64, if you want it to be checked.
    /// 검증을 원하면 보내는 파일의 SHA-256(base64).
    sha256: Option<String>,
}

const IMAGE_TYPES: &str =
    "must be image/jpeg, image/png, image/webp or image/gif; convert HEIC and AVIF photos to JPEG";

impl Input for CreateUpload {
    type Parsed = blegram_media::CreateUpload;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let content_type = fields.text("content_type", |raw| {
            raw.parse::<ImageType>().map_err(|_| {
                Violation::OutOfRange(ForeignType::of_mime(raw).map_or(IMAGE_TYPES, ForeignType::advice))
            })
        });
        let byte_size = fields.integer("byte_size", 1..=Image::MAX_BYTES, "must be 1 to 20971520");
        let sha256 = fields.optional_text("sha256", |raw| {
            let hash = STANDARD.decode(raw).ok().and_then(|bytes| bytes.try_into().ok());
            hash.ok_or(Violation::InvalidCharacters("must be the 32 bytes of a SHA-256 in base64"))
        });
        Some(blegram_media::CreateUpload { content_type: content_type?, byte_size: byte_size?, sha256 })
    }
}

/// How to put a file into storage.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Upload {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `PUT`.
    /// 항상 `PUT`입니다.
    method: String,
    /// Where to send the file: its bytes as the body, and nothing around them. No login is needed, nor wanted.
    /// 파일을 보낼 주소. 파일의 바이트만 본문으로 보내며 로그인 정보는 보내지 마세요.
    url: String,
    /// The headers that must come with it, exactly; `Content-Length` beside them, as always.
    /// `Content-Length` 외에 그대로 함께 보내야 하는 헤더.
    headers: BTreeMap<String, String>,
    /// Until when. Then complete it.
    /// 이 시각까지 파일을 보낸 뒤 업로드를 완료하세요.
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

/// What you change about an image; what is absent stays.
#[derive(Debug, Object)]
pub(crate) struct UpdateMedia {
    /// What it shows, at most 1,000 characters; null for nothing that needs words.
    /// 이미지 설명, 최대 1,000자. 설명이 필요 없으면 null입니다.
    alt: Option<String>,
}

impl Input for UpdateMedia {
    type Parsed = Update;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let alt = fields.patch_nullable("alt", AltText::parse);
        Some(Update { alt })
    }
}
