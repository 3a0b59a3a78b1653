//! The topics to which a connection can subscribe.

use std::{fmt, str::FromStr};

use blegram_domain::{Hashtag, PostId, UserId};

/// A topic of posts and comments.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// The subscriber's own posts and those of the accounts they follow.
    Home,
    /// Public posts.
    Public,
    /// Public posts with a hashtag.
    Hashtag(Hashtag),
    /// The posts of a user.
    User(UserId),
    /// A post, its comments and its counts.
    Post(PostId),
}

/// The error for a text that is not a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a topic must be timeline:home, timeline:public, hashtag:<tag>, user:<id> or post:<id>")]
pub struct ParseTopicError;

impl FromStr for Topic {
    type Err = ParseTopicError;

    fn from_str(text: &str) -> Result<Self, ParseTopicError> {
        let (kind, value) = text.split_once(':').ok_or(ParseTopicError)?;
        match (kind, value) {
            ("timeline", "home") => Ok(Self::Home),
            ("timeline", "public") => Ok(Self::Public),
            ("hashtag", tag) => Hashtag::parse_name(tag).map(Self::Hashtag).ok_or(ParseTopicError),
            ("user", id) => id.parse().map(Self::User).map_err(|_| ParseTopicError),
            ("post", id) => id.parse().map(Self::Post).map_err(|_| ParseTopicError),
            _ => Err(ParseTopicError),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home => f.write_str("timeline:home"),
            Self::Public => f.write_str("timeline:public"),
            Self::Hashtag(tag) => write!(f, "hashtag:{}", tag.as_str()),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Post(id) => write!(f, "post:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_round_trip_as_text() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let texts = [
            "timeline:home",
            "timeline:public",
            "hashtag:제주",
            &format!("user:{id}"),
            &format!("post:{id}"),
        ];
        for text in texts {
            assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "timeline",
            "timeline:",
            "timeline:mine",
            "hashtag:",
            "hashtag:a-b",
            "hashtag:je\u{3164}ju",
            "user:ann",
            "post:1",
        ] {
            assert_eq!(text.parse::<Topic>(), Err(ParseTopicError), "{text}");
        }
    }
}
