//! An upstream that answers every call at once, in OpenAI's format, with its usage.

use std::{fmt::Write, io, net::SocketAddr, time::Duration};

use memchr::memmem;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::wire::{Wire, now_nanos};

/// Events of a stream, the last of which has the usage.
pub(crate) const EVENTS: usize = 52;
const PACE: Duration = Duration::from_millis(10);
/// Said by a prompt to have its answer paced.
pub(crate) const PACED: &str = "an event every 10 ms";

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const STREAM_END: &[u8] = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
const USAGE: &str = r#""usage":{"prompt_tokens":20,"completion_tokens":50,"total_tokens":70}"#;

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
    let whole = whole_answer();
    while let Some(body) = wire.read_request().await? {
        if memmem::find(&body, br#""stream":true"#).is_none() {
            wire.send(whole.as_bytes()).await?;
        } else if memmem::find(&body, PACED.as_bytes()).is_some() {
            paced(&mut wire).await?;
        } else {
            let mut burst = STREAM_HEAD.to_vec();
            (0..EVENTS).for_each(|number| burst.extend_from_slice(event(number).as_bytes()));
            burst.extend_from_slice(STREAM_END);
            wire.send(&burst).await?;
        }
    }
    Ok(())
}

async fn paced(wire: &mut Wire) -> io::Result<()> {
    wire.send(STREAM_HEAD).await?;
    let mut next = Instant::now();
    for number in 0..EVENTS {
        wire.send(event(number).as_bytes()).await?;
        next += PACE;
        sleep_until(next).await;
    }
    wire.send(STREAM_END).await
}

fn whole_answer() -> String {
    let body = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],{USAGE}}}"#,
        "word ".repeat(50)
    );
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// One event as a chunk. It says when it was sent, so that the other end knows how long it took.
fn event(number: usize) -> String {
    let sent = now_nanos();
    let (choices, usage) = if number + 1 == EVENTS {
        (String::new(), format!(",{USAGE}"))
    } else {
        let choice = r#"{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}"#;
        (choice.to_owned(), String::new())
    };
    let data = format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini\",\"sent\":{sent},\"choices\":[{choices}]{usage}}}\n\n"
    );
    let mut chunk = String::with_capacity(data.len() + 8);
    let _ = write!(chunk, "{:x}\r\n{data}\r\n", data.len());
    chunk
}
