//! An upstream that answers every call at once, or at the pace that its prompt asks for, with its usage.

use std::{fmt::Write, io, net::SocketAddr, time::Duration};

use memchr::memmem;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    answers::{EVENTS, event, stream_end, whole},
    calls::{Call, Pace},
    wire::Wire,
};

const PACE: Duration = Duration::from_millis(10);
const HELD_PACE: Duration = Duration::from_secs(1);
/// Nobody reads for longer.
const HELD_EVENTS: usize = 600;

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const STREAM_END: &str = "0\r\n\r\n";

pub(crate) async fn serve(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        connections.spawn(answer_all(stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer_all(stream: TcpStream) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    let mut last: Option<(Call, String)> = None;
    while let Some((path, body)) = wire.read_request().await? {
        let call = Call::at(&path);
        let says = |what: &str| memmem::find(&body, what.as_bytes()).is_some();
        if call == Call::Transcription || !says(r#""stream":true"#) {
            // Made once for each connection, which makes one kind of call.
            last = last.filter(|(before, _)| *before == call);
            let (_, answer) = last.get_or_insert_with(|| (call, whole(call)));
            wire.send(answer.as_bytes()).await?;
        } else if says(Pace::Paced.words()) {
            paced(&mut wire, call, PACE, 0..EVENTS).await?;
        } else if says(Pace::Held.words()) {
            let words = std::iter::once(0).chain(std::iter::repeat_n(1, HELD_EVENTS));
            paced(&mut wire, call, HELD_PACE, words).await?;
        } else {
            let mut burst = STREAM_HEAD.to_vec();
            (0..EVENTS).for_each(|number| burst.extend_from_slice(chunk(&event(call, number)).as_bytes()));
            burst.extend_from_slice(end(call).as_bytes());
            wire.send(&burst).await?;
        }
    }
    Ok(())
}

async fn paced(wire: &mut Wire, call: Call, pace: Duration, events: impl Iterator<Item = usize>) -> io::Result<()> {
    wire.send(STREAM_HEAD).await?;
    let mut next = Instant::now();
    for number in events {
        wire.send(chunk(&event(call, number)).as_bytes()).await?;
        next += pace;
        sleep_until(next).await;
    }
    wire.send(end(call).as_bytes()).await
}

fn end(call: Call) -> String {
    chunk(stream_end(call)) + STREAM_END
}

fn chunk(data: &str) -> String {
    let mut chunk = String::with_capacity(data.len() + 8);
    let _ = write!(chunk, "{:x}\r\n{data}\r\n", data.len());
    chunk
}
