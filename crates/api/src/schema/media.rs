use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use blegram_domain::{
    AltText, Media as Image, Violation,
    media::{ImageType, UpdateMedia as Update, Variant},
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
    id: Uuid,
    /// `image`. New kinds may come.
    kind: String,
    /// The type of the files.
    content_type: String,
    /// Of the file at `url`, in pixels: at most 1440 on the longer side.
    width: u32,
    height: u32,
    /// The size of the file at `url`.
    byte_size: u64,
    /// A blurred preview (blurha.sh).
    blurhash: String,
    /// What the image shows, for those who do not see it.
    alt: Option<String>,
    /// Of an image that everybody may see: for good. Of others: for an hour at least, for whoever has the link.
    url: String,
    variants: Vec<MediaVariant>,
    created_at: Time,
}

/// An image in one size.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MediaVariant {
    /// `thumb`: square, 320 pixels; `small` and `large`: whole, 720 and 1440 pixels on the longer side. Nothing is
    /// enlarged. New names may come.
    name: String,
    url: String,
    width: u32,
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
    items: Vec<Media>,
    /// Why the others were not; `pointer` is `/file/` and the place of the file, from 0.
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
        let files = "JPEG, PNG, WebP or GIF images, at most 10, each of at most 20 MiB and 40 megapixels.";
        let alts = "What each shows, in the order of the files, at most 1,000 characters; an empty one says nothing.";
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
    content_type: UploadType,
    /// How many bytes it has, exactly: 1 to 20,971,520.
    #[oai(validator(minimum(value = "1"), maximum(value = "20971520")))]
    byte_size: u64,
    /// The SHA-256 of its bytes in base64, if you want it to be checked.
    sha256: Option<String>,
}

impl Input for CreateUpload {
    type Parsed = blegram_media::CreateUpload;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let content_type = fields.text("content_type", |raw| {
            raw.parse::<ImageType>()
                .map_err(|_| Violation::OutOfRange("must be image/jpeg, image/png, image/webp or image/gif"))
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
    id: Uuid,
    /// `PUT`.
    method: String,
    /// Where to send the file: its bytes as the body, and nothing around them. No login is needed, nor wanted.
    url: String,
    /// The headers that must come with it, exactly; `Content-Length` beside them, as always.
    headers: BTreeMap<String, String>,
    /// Until when. Then complete it.
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
    alt: Option<String>,
}

impl Input for UpdateMedia {
    type Parsed = Update;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let alt = fields.patch_nullable("alt", AltText::parse);
        Some(Update { alt })
    }
}
