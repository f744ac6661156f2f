//! Answers no server library would send: written to the connection by hand.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use http::{Response, StatusCode, header};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::net::TcpStream;

use super::{
    stream::ReplyBody,
    switches::{ByteSwitches, OddBody, OddHeaders},
};

const MOST_HEADER_BYTES: usize = 64 * 1024 * 1024;
const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </sandbox>; rel=preload\r\n\r\n";
const TAIL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ngarbage";

/// Writes `response` and what is wrong with it. The connection is to be dropped after it.
pub(super) async fn send(wire: &TcpStream, response: Response<ReplyBody>, switches: &ByteSwitches) -> io::Result<()> {
    for _ in 0..switches.early {
        write_all(wire, EARLY_HINTS).await?;
    }
    let (head, mut body) = response.into_parts();
    let length = body.size_hint().exact();
    let is_cut = body.is_cut();
    let status = if switches.body == Some(OddBody::NoContent) {
        StatusCode::NO_CONTENT
    } else {
        head.status
    };

    let mut out = BytesMut::new();
    out.put_slice(format!("HTTP/1.1 {status}\r\n").as_bytes());
    for (name, value) in &head.headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    if switches.headers == Some(OddHeaders::Endless) {
        return write_endless_headers(wire, out).await;
    }
    let framing = match length {
        // A cut body says the length it would have had, so that the cut is seen.
        Some(length) => format!("{}: {}\r\n\r\n", header::CONTENT_LENGTH, length + u64::from(is_cut)),
        None => format!("{}: chunked\r\n\r\n", header::TRANSFER_ENCODING),
    };
    out.put_slice(framing.as_bytes());
    write_all(wire, &out).await?;

    let mut count = 0;
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let is_broken = switches.breaks_chunking && count > 0;
        write_all(wire, &framed(&data, length.is_none(), is_broken)).await?;
        count += 1;
    }
    if length.is_none() && !body.is_cut() {
        write_all(wire, b"0\r\n\r\n").await?;
    }
    if switches.has_tail {
        write_all(wire, TAIL).await?;
    }
    if switches.resets {
        wire.set_zero_linger()?;
    }
    Ok(())
}

fn framed(data: &Bytes, is_chunked: bool, is_broken: bool) -> Bytes {
    if !is_chunked {
        return data.clone();
    }
    let mut out = BytesMut::with_capacity(data.len() + 16);
    if is_broken {
        out.put_slice(b"zz\r\n");
    } else {
        out.put_slice(format!("{:x}\r\n", data.len()).as_bytes());
    }
    out.put_slice(data);
    out.put_slice(b"\r\n");
    out.freeze()
}

async fn write_endless_headers(wire: &TcpStream, head: BytesMut) -> io::Result<()> {
    write_all(wire, &head).await?;
    let line = format!("x-sandbox-filler: {}\r\n", "x".repeat(1000));
    for _ in 0..MOST_HEADER_BYTES / line.len() {
        write_all(wire, line.as_bytes()).await?;
    }
    Ok(())
}

async fn write_all(wire: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        wire.writable().await?;
        match wire.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
