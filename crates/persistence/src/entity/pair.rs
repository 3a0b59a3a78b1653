//! Tables of pairs: the acting account, the target, and an id that is in the order of creation.

/// Defines the entity of a table of pairs.
macro_rules! pairs {
    ($table:literal, $first:ident, $second:ident) => {
        use sea_orm::entity::prelude::{
            ActiveModelBehavior, DeriveEntityModel, DerivePrimaryKey, DeriveRelation, EntityTrait, EnumIter,
            PrimaryKeyTrait, Uuid,
        };

        #[derive(Clone, Debug, DeriveEntityModel)]
        #[sea_orm(table_name = $table)]
        pub(crate) struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub id: Uuid,
            pub $first: Uuid,
            pub $second: Uuid,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub(crate) enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}

pub(crate) mod follow {
    pairs!("follows", follower_id, followee_id);
}

pub(crate) mod follow_request {
    pairs!("follow_requests", requester_id, target_id);
}

pub(crate) mod block {
    pairs!("blocks", blocker_id, blocked_id);
}

pub(crate) mod mute {
    pairs!("mutes", muter_id, muted_id);
}

pub(crate) mod post_like {
    pairs!("post_likes", user_id, post_id);
}

pub(crate) mod comment_like {
    pairs!("comment_likes", user_id, comment_id);
}

pub(crate) mod bookmark {
    pairs!("bookmarks", user_id, post_id);
}

pub(crate) mod dismissed_suggestion {
    pairs!("dismissed_suggestions", user_id, dismissed_id);
}
