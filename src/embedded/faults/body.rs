//! Bodies that break off.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};

use super::uptime::Connection;

/// A body of which so many bytes arrive.
pub fn cut(body: Body, at_byte: usize) -> Body {
    let state = (body.into_data_stream(), at_byte, false);
    Body::from_stream(stream::unfold(state, |(mut body, left, over)| async move {
        if over {
            return None;
        }
        if left > 0
            && let Some(Ok(mut chunk)) = body.next().await
        {
            chunk.truncate(left);
            let left = left - chunk.len();
            return Some((Ok(chunk), (body, left, false)));
        }
        Some((Err(broken()), (body, 0, true)))
    }))
}

/// A body that breaks off with its connection.
pub fn until(
    body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    connection: Connection,
) -> Body {
    let state = (Box::pin(body), connection, false);
    Body::from_stream(stream::unfold(
        state,
        |(mut body, mut connection, over)| async move {
            if over {
                return None;
            }
            tokio::select! {
                biased;
                () = connection.ended() => Some((Err(broken()), (body, connection, true))),
                chunk = body.next() => chunk.map(|chunk| (chunk, (body, connection, false))),
            }
        },
    ))
}

/// What a client reads on a connection that is gone.
pub fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}
