//! Posts, comments, timelines and images.

use uuid::Uuid;

use super::Client;
use crate::{
    error::Error,
    types::{Comment, CommentPage, CreateComment, CreatePost, Like, MediaUpload, Post, PostPage},
};

/// An image to upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its name, which is not stored.
    pub name: String,
    /// The content of the file. Its type is detected from it.
    pub bytes: Vec<u8>,
    /// The alt text.
    pub alt: Option<String>,
}

impl Client {
    /// Publishes a post.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_post(&self, post: &CreatePost) -> Result<Post, Error> {
        self.post("/posts").json(post).send().await
    }

    /// A post by its id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn post_by_id(&self, post: Uuid) -> Result<Post, Error> {
        self.get(format!("/posts/{post}")).send().await
    }

    /// Deletes a post of this account.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_post(&self, post: Uuid) -> Result<(), Error> {
        self.delete(format!("/posts/{post}")).send_unit().await
    }

    /// Likes a post.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn like_post(&self, post: Uuid) -> Result<Like, Error> {
        self.put(format!("/posts/{post}/like")).send().await
    }

    /// Withdraws the like of a post.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn unlike_post(&self, post: Uuid) -> Result<Like, Error> {
        self.delete(format!("/posts/{post}/like")).send().await
    }

    /// A page of a list of posts, such as `/timelines/home` or `/users/@ann/posts`: the newest, or that of the cursor of
    /// another page.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn posts(&self, list: &str, cursor: Option<&str>) -> Result<PostPage, Error> {
        self.get(list).query("cursor", cursor).send().await
    }

    /// Comments on a post.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn create_comment(&self, post: Uuid, comment: &CreateComment) -> Result<Comment, Error> {
        self.post(format!("/posts/{post}/comments")).json(comment).send().await
    }

    /// A page of the comments on a post.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn comments(&self, post: Uuid, cursor: Option<&str>) -> Result<CommentPage, Error> {
        self.get(format!("/posts/{post}/comments")).query("cursor", cursor).send().await
    }

    /// Uploads images, at most ten. The server may accept some of them and reject others.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn upload(&self, images: Vec<Upload>) -> Result<MediaUpload, Error> {
        self.post("/media").files(images).send().await
    }
}
