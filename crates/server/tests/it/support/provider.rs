//! An AI provider that does what a test tells it to, byte for byte: well-behaved answers, and every
//! other kind.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// One thing the provider does on a connection, after it has read a request.
#[derive(Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Waits until the test lets it go on.
    Wait(Arc<Semaphore>),
    /// Says nothing more until the broker hangs up.
    Hang,
    Close,
    /// Panics the task, so that the connection is reset rather than closed.
    Reset,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The request line and the headers, as sent.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) struct TestProvider {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    scripts: Mutex<VecDeque<Vec<Step>>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    hang_ups: AtomicUsize,
}

impl TestProvider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What to do with the next request for which nothing is scripted yet.
    pub(crate) fn then(&self, steps: impl IntoIterator<Item = Step>) {
        self.state
            .scripts
            .lock()
            .unwrap()
            .push_back(steps.into_iter().collect());
    }

    /// Answers the next request with JSON.
    pub(crate) fn then_json(&self, status: u16, body: &Value) {
        self.then([Step::Send(json_answer(status, body))]);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(crate) fn only_request(&self) -> Received {
        let [only] = <[Received; 1]>::try_from(self.received()).unwrap();
        only
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How often the broker hung up while an answer was under way.
    pub(crate) fn hang_ups(&self) -> usize {
        self.state.hang_ups.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    stream.set_nodelay(true).unwrap();
    let mut unread = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut unread).await {
        state.received.lock().unwrap().push(request);
        let script = state.scripts.lock().unwrap().pop_front();
        let script = script.unwrap_or_else(|| vec![Step::Send(json_answer(200, &completion(3, 2)))]);
        for step in script {
            match step {
                Step::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        state.hang_ups.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
                Step::Wait(gate) => {
                    tokio::select! {
                        permit = gate.acquire() => permit.unwrap().forget(),
                        () = hung_up(&mut stream) => {
                            state.hang_ups.fetch_add(1, Ordering::SeqCst);
                            return;
                        }
                    }
                }
                Step::Hang => {
                    hung_up(&mut stream).await;
                    state.hang_ups.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Step::Close => return,
                Step::Reset => {
                    stream.set_zero_linger().unwrap();
                    return;
                }
            }
        }
    }
}

async fn hung_up(stream: &mut TcpStream) {
    let mut byte = [0];
    while matches!(stream.read(&mut byte).await, Ok(1)) {}
}

async fn read_request(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(unread.drain(..end).collect()).unwrap();
    let mut request = Received { head, body: Vec::new() };
    let length: usize = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while unread.len() < length {
        if stream.read_buf(unread).await.ok()? == 0 {
            return None;
        }
    }
    request.body = unread.drain(..length).collect();
    Some(request)
}

pub(crate) fn json_answer(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of a stream of events, sent in chunks.
pub(crate) fn stream_head() -> Step {
    Step::Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

pub(crate) fn chunk(text: &str) -> Step {
    Step::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes())
}

pub(crate) fn last_chunk() -> Step {
    Step::Send(b"0\r\n\r\n".to_vec())
}

/// One event of an `OpenAI` chat stream with a piece of text.
pub(crate) fn delta(text: &str) -> Step {
    let event = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
    });
    chunk(&format!("data: {event}\n\n"))
}

/// The usage and the end of an `OpenAI` chat stream.
pub(crate) fn usage_and_done(input_tokens: u64, output_tokens: u64) -> Step {
    let event = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini",
        "choices": [],
        "usage": {
            "prompt_tokens": input_tokens, "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
    });
    chunk(&format!("data: {event}\n\ndata: [DONE]\n\n"))
}

/// An `OpenAI` chat completion with this usage.
pub(crate) fn completion(input_tokens: u64, output_tokens: u64) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "Hello there"},
        }],
        "usage": {
            "prompt_tokens": input_tokens, "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
    })
}
