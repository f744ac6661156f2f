//! HTTP/1.1 on a socket, as much of it as a benchmark needs.

use std::{
    io,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const HEAD_END: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";

/// A connection and what has arrived on it.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(64 * 1024),
        })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads a request with a length, and gives its path and its body; `None` where the other end
    /// has closed the connection instead.
    pub(crate) async fn read_request(&mut self) -> io::Result<Option<(BytesMut, BytesMut)>> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let mut head = self.take_until(HEAD_END).await?;
        let length = number_after(&head, b"content-length: ").unwrap_or_default();
        while self.buffer.len() < length {
            self.fill_more().await?;
        }
        let mut spaces = memchr::memchr_iter(b' ', &head);
        let (from, to) = spaces
            .next()
            .zip(spaces.next())
            .ok_or_else(|| io::Error::other("no path"))?;
        head.truncate(to);
        head.advance(from + 1);
        Ok(Some((head, self.buffer.split_to(length))))
    }

    /// Reads an answer, hands its body to `seen` as it arrives, and gives its status.
    pub(crate) async fn read_answer(&mut self, mut seen: impl FnMut(&[u8])) -> io::Result<u16> {
        let head = self.take_until(HEAD_END).await?;
        let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
        let status = status
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| io::Error::other("no status"))?;
        if let Some(length) = number_after(&head, b"content-length: ") {
            self.pass(length, &mut seen).await?;
            return Ok(status);
        }
        loop {
            let line = self.take_until(LINE_END).await?;
            let digits = line[..]
                .split(|&byte| byte == b';' || byte == b'\r')
                .next()
                .unwrap_or_default();
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            let length = usize::from_str_radix(digits, 16).map_err(|_| io::Error::other("no chunk size"))?;
            self.pass(length, &mut seen).await?;
            self.take_until(LINE_END).await?;
            if length == 0 {
                return Ok(status);
            }
        }
    }

    async fn pass(&mut self, mut length: usize, seen: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.fill_more().await?;
            }
            let here = length.min(self.buffer.len());
            seen(self.buffer.get(..here).unwrap_or_default());
            self.buffer.advance(here);
            length -= here;
        }
        Ok(())
    }

    async fn take_until(&mut self, end: &[u8]) -> io::Result<BytesMut> {
        loop {
            if let Some(place) = memmem::find(&self.buffer, end) {
                return Ok(self.buffer.split_to(place + end.len()));
            }
            self.fill_more().await?;
        }
    }

    async fn fill_more(&mut self) -> io::Result<()> {
        if self.fill().await? {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(16 * 1024);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// The number that follows `name` in a head; header names are compared without regard to case.
fn number_after(head: &[u8], name: &[u8]) -> Option<usize> {
    let place = head
        .windows(name.len())
        .position(|here| here.eq_ignore_ascii_case(name))?;
    digits(head.get(place + name.len()..)?)?.try_into().ok()
}

/// The number that `bytes` begin with.
pub(crate) fn digits(bytes: &[u8]) -> Option<u64> {
    let end = bytes
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(bytes.len());
    std::str::from_utf8(bytes.get(..end)?).ok()?.parse().ok()
}

/// Nanoseconds on the clock that both ends share.
#[expect(
    clippy::disallowed_methods,
    reason = "two processes are compared, and there is nothing to hold still"
)]
pub(crate) fn now_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or_default()
}
