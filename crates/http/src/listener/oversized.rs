//! The response to a head that exceeds `max_head_bytes` before it is complete. hyper has not seen a request then, so it
//! cannot pass one to the service.

use std::convert::Infallible;

use http::{Request, Uri, Version};
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use super::{BoxBody, Limits, Rejections, ending, socket::Socket};
use crate::Rejection;

/// A request in place of the one that is not complete. hyper then writes the response as any other.
const SUBSTITUTE: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Sends the surface's response for 431 and returns the socket. `head` is the part of the head that was received.
pub(super) async fn answer(
    socket: Socket,
    head: &[u8],
    limits: &Limits,
    rejections: &Rejections,
) -> Option<Socket> {
    let path = path(head);
    let service = service_fn(|_: Request<Incoming>| {
        let rejection = Rejection::HeadersTooLarge { max_bytes: limits.max_head_bytes };
        let answer: Response<BoxBody> = ending(rejections.answer(rejection, &path), Version::HTTP_11);
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let stream = TokioIo::new(tokio::io::join(SUBSTITUTE, socket));
    // The end of the substitute is not the end of the connection.
    let exchange = http1::Builder::new().half_close(true).serve_connection(stream, service);
    let parts = exchange.without_shutdown().await.ok()?;
    Some(parts.io.into_inner().into_inner().1)
}

/// The path in the request line, if the line has been received as far as that.
fn path(head: &[u8]) -> String {
    let mut words = head.splitn(3, |byte| *byte == b' ').skip(1);
    let uri = match (words.next(), words.next()) {
        (Some(target), Some(_)) => Uri::try_from(target).ok(),
        _ => None,
    };
    uri.map_or_else(|| "/".to_owned(), |uri| uri.path().to_owned())
}
