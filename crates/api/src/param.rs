//! Path and query parameters.
//!
//! poem-openapi accepts each parameter as text, and the parsers here validate it: an invalid path parameter is 404,
//! because it cannot name anything; invalid query parameters are 422, with all failures in one response. The types
//! still document the schema of the parsed value, such as a UUID.

use std::{borrow::Cow, str::FromStr};

use blegram_chat::SyncCursor;
use blegram_domain::{
    CommentId, ConversationId, FactorId, Hashtag, MediaId, MessageId, PostId, ProviderId, RecentSearchId,
    SessionId, UploadId, UserId, Username, Violation, audit, search::Query as SearchQuery,
};
use blegram_http::MaybeViewer;
use blegram_social::UserRef;
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef},
    types::{ParseError, ParseFromParameter, ParseResult, Type},
};

use crate::problem::{Code, Failure, Problem};

macro_rules! parameters {
    ($($(#[$doc:meta])* $name:ident: $schema:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(String);

        impl Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> ParseResult<Self> {
                Ok(Self(value.to_owned()))
            }
        }
    )*};
}

fn string(format: &'static str) -> MetaSchema {
    MetaSchema::new_with_format("string", format)
}

parameters! {
    /// The ID of a post.
    PostParam: string("uuid");
    /// The ID of a comment.
    CommentParam: string("uuid");
    /// A search text. Its maximum of 100 grapheme clusters is not in the schema: JSON Schema counts code points.
    SearchParam: MetaSchema {
        min_length: Some(1),
        example: Some("노을".into()),
        ..MetaSchema::new("string")
    };
    /// The ID of a conversation.
    ConversationParam: string("uuid");
    /// The ID of a message.
    MessageParam: string("uuid");
    /// The sequence number of a conversation event.
    AfterParam: MetaSchema {
        default: Some(0.into()),
        ..MetaSchema::new_with_format("integer", "int64")
    };
    /// The ID of an image.
    MediaParam: string("uuid");
    /// The ID of an upload.
    UploadParam: string("uuid");
    /// The ID of a recent search.
    RecentSearchParam: string("uuid");
    /// The ID of a login provider.
    ProviderParam: MetaSchema { example: Some("kakao".into()), ..MetaSchema::new("string") };
    /// The ID of a session.
    SessionParam: string("uuid");
    /// The ID of a second factor.
    FactorParam: string("uuid");
    /// A user: an ID, `@username`, or `me`.
    UserParam: MetaSchema { example: Some("@haneul".into()), ..MetaSchema::new("string") };
    /// A hashtag, with or without `#`.
    HashtagParam: MetaSchema { example: Some("제주".into()), ..MetaSchema::new("string") };
    /// A kind of the audit log.
    AuditKindParam: MetaSchema { example: Some("authn_login_success".into()), ..MetaSchema::new("string") };
    /// A user in a filter: an ID or `@username`.
    AuditUserParam: MetaSchema { example: Some("@haneul".into()), ..MetaSchema::new("string") };
    /// An opaque position in a list.
    CursorParam: MetaSchema::new("string");
}

impl PostParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<PostId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl CommentParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<CommentId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl ConversationParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<ConversationId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl MessageParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<MessageId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl AfterParam {
    /// The number, or 422.
    pub(crate) fn number(&self) -> Result<u64, Problem> {
        let failure = match integer(&self.0) {
            None => Failure::new("/after", "wrong-type", "must be an integer"),
            Some(number) => match u64::try_from(number) {
                Ok(number) => return Ok(number),
                Err(_) => Failure::new("/after", "out-of-range", "must be 0 or more"),
            },
        };
        Err(Problem::invalid(vec![failure]))
    }
}

impl CursorParam {
    /// The cursor of `sync`, or 400.
    pub(crate) fn sync(&self) -> Result<SyncCursor, Problem> {
        Ok(self.0.parse()?)
    }
}

impl AuditKindParam {
    /// The kind, or 422.
    pub(crate) fn kind(&self) -> Result<audit::Kind, Problem> {
        self.0.parse().map_err(|_| {
            let kinds: Vec<&str> = audit::Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            let text = format!("must be one of {}", kinds.join(", "));
            Problem::invalid(vec![Failure::new("/kind", "out-of-range", text)])
        })
    }
}

impl AuditUserParam {
    /// The user, or 422.
    pub(crate) fn user(&self) -> Result<UserRef, Problem> {
        named(&self.0).ok_or_else(|| {
            Problem::invalid(vec![Failure::new("/user", "invalid-characters", "must be an ID or @username")])
        })
    }
}

impl MediaParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<MediaId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl UploadParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<UploadId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl FactorParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<FactorId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl RecentSearchParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<RecentSearchId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

/// Up to 100 IDs: a repeated parameter, or one with commas.
#[derive(Debug)]
pub(crate) struct IdsParam(Vec<String>);

impl IdsParam {
    /// The largest number of IDs.
    const MAX: usize = 100;

    /// The IDs in their order, each once, or 422.
    pub(crate) fn ids<T: FromStr + PartialEq>(&self) -> Result<Vec<T>, Problem> {
        if self.0.is_empty() {
            return Err(Problem::invalid(vec![Failure::new("/ids", "required", "is required")]));
        }
        if self.0.len() > Self::MAX {
            let violation = Violation::TooMany { max: Self::MAX, what: "IDs" };
            return Err(Problem::invalid(vec![Failure::of("/ids", violation)]));
        }
        let (mut ids, mut failures) = (Vec::new(), Vec::new());
        for (index, text) in self.0.iter().enumerate() {
            match text.parse::<T>() {
                Ok(id) if ids.contains(&id) => {}
                Ok(id) => ids.push(id),
                Err(_) => {
                    failures.push(Failure::new(format!("/ids/{index}"), "wrong-type", "must be a UUID"));
                }
            }
        }
        if failures.is_empty() { Ok(ids) } else { Err(Problem::invalid(failures)) }
    }
}

impl Type for IdsParam {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "IdsParam".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Inline(Box::new(string("uuid"))))),
            min_items: Some(1),
            max_items: Some(Self::MAX),
            ..MetaSchema::new("array")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromParameter for IdsParam {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::parse_from_parameters([value])
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(values: I) -> ParseResult<Self> {
        let texts = |value: A| value.as_ref().split(',').map(str::to_owned).collect::<Vec<_>>();
        Ok(Self(values.into_iter().flat_map(texts).collect()))
    }
}

/// A required query parameter. poem-openapi parses it as optional, so that its absence is reported by the parsers here.
#[derive(Debug)]
pub(crate) struct Required<T>(Option<T>);

impl<T: Type> Type for Required<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<T: ParseFromParameter> ParseFromParameter for Required<T> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        T::parse_from_parameter(value).map(|value| Self(Some(value))).map_err(ParseError::propagate)
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(values: I) -> ParseResult<Self> {
        match values.into_iter().next() {
            Some(value) => Self::parse_from_parameter(value.as_ref()),
            None => Ok(Self(None)),
        }
    }
}

/// Parses the search text; a missing one is 422, like an invalid one.
pub(crate) fn query(text: &Required<SearchParam>) -> Result<SearchQuery, Problem> {
    let Some(SearchParam(text)) = &text.0 else {
        return Err(Problem::invalid(vec![Failure::new("/q", "required", "is required")]));
    };
    SearchQuery::parse(text).map_err(|violation| Problem::invalid(vec![Failure::of("/q", violation)]))
}

impl SessionParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<SessionId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl ProviderParam {
    /// The id, or 404.
    pub(crate) fn id(&self) -> Result<ProviderId, Problem> {
        self.0.parse().map_err(|_| Problem::not_found())
    }
}

impl HashtagParam {
    /// The normalised hashtag, or 404 for a text that cannot be a hashtag.
    pub(crate) fn hashtag(&self) -> Result<Hashtag, Problem> {
        let tag = self.0.strip_prefix(['#', '＃']).unwrap_or(&self.0);
        Hashtag::parse_name(tag).ok_or_else(Problem::not_found)
    }
}

impl UserParam {
    /// The cursor scope of this user's lists: the parameter, or the viewer's ID for `me`; 401 for `me` without a login.
    pub(crate) fn scope(&self, viewer: MaybeViewer) -> Result<String, Problem> {
        if self.0 != "me" {
            return Ok(self.0.clone());
        }
        viewer.id().map(|id| id.to_string()).ok_or_else(|| Problem::new(Code::Unauthenticated))
    }

    /// The user that it refers to: 401 for `me` without a login, 404 for a text that is neither an ID nor a username.
    pub(crate) fn user(&self, viewer: MaybeViewer) -> Result<UserRef, Problem> {
        if self.0 == "me" {
            return viewer.id().map(UserRef::Id).ok_or_else(|| Problem::new(Code::Unauthenticated));
        }
        named(&self.0).ok_or_else(Problem::not_found)
    }
}

fn named(text: &str) -> Option<UserRef> {
    match text.strip_prefix('@') {
        Some(username) => Username::parse(username).ok().map(UserRef::Username),
        None => text.parse::<UserId>().ok().map(UserRef::Id),
    }
}

/// Parses an integer of any size; a value outside 64 bits becomes the nearest one that fits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let bound = if text.starts_with('-') { i64::MIN } else { i64::MAX };
    is_integer.then(|| text.parse().unwrap_or(bound))
}
