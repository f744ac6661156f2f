//! What the upstream answers, in its providers' formats.

use super::{calls::Call, wire::now_nanos};

/// Events of a stream, the last of which has the usage.
pub(crate) const EVENTS: usize = 52;
/// As many numbers as OpenAI's smaller model gives.
const DIMENSIONS: usize = 1_536;

const USAGE: &str = r#""usage":{"prompt_tokens":20,"completion_tokens":50,"total_tokens":70}"#;

/// A whole answer with its head.
pub(crate) fn whole(call: Call) -> String {
    let text = "word ".repeat(50);
    let body = match call {
        Call::Chat => format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4o-mini","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],{USAGE}}}"#
        ),
        Call::Messages => format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":20,"output_tokens":50}}}}"#
        ),
        Call::Embeddings => format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[{}0.5]}}],"model":"text-embedding-3-small","usage":{{"prompt_tokens":8,"total_tokens":8}}}}"#,
            "-0.012345678,".repeat(DIMENSIONS - 1)
        ),
        Call::Transcription => format!(
            r#"{{"text":"{text}","usage":{{"type":"tokens","input_tokens":313,"input_token_details":{{"text_tokens":0,"audio_tokens":313}},"output_tokens":50,"total_tokens":363}}}}"#
        ),
    };
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// One piece of a stream. It says when it was sent, so that the other end knows how long it took.
pub(crate) fn event(call: Call, number: usize) -> String {
    let sent = now_nanos();
    let is_last = number + 1 == EVENTS;
    if call != Call::Messages {
        let (choices, usage) = if is_last {
            ("", format!(",{USAGE}"))
        } else {
            let choice = r#"{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}"#;
            (choice, String::new())
        };
        return format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini\",\"sent\":{sent},\"choices\":[{choices}]{usage}}}\n\n"
        );
    }
    let typed = |kind: &str, members: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{members}}}\n\n");
    if number == 0 {
        let message = r#""message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":20,"output_tokens":1}}"#;
        let block = r#""index":0,"content_block":{"type":"text","text":""}"#;
        typed("message_start", message) + &typed("content_block_start", block)
    } else if is_last {
        let delta = r#""delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":50}"#;
        typed("content_block_stop", r#""index":0"#) + &typed("message_delta", delta)
    } else {
        let delta = format!(r#""sent":{sent},"index":0,"delta":{{"type":"text_delta","text":" word"}}"#);
        typed("content_block_delta", &delta)
    }
}

/// What stands behind the last.
pub(crate) fn stream_end(call: Call) -> &'static str {
    match call {
        Call::Messages => "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        _ => "data: [DONE]\n\n",
    }
}
