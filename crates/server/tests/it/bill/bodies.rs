//! What is sent for a question, in each format.

use serde_json::{Value, json};

use super::{operations::Content, question::Question};
use crate::support::http::{Part, form};

/// A picture of one pixel.
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

/// `body` with the member, where there is one.
fn set(body: &mut Value, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body[member] = value.into();
    }
}

/// The schema of a tool's one argument.
fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

fn function() -> Value {
    json!([{"type": "function", "function": {"name": "weather", "parameters": schema()}}])
}

/// Usage at the end of a stream, in OpenAI's format.
fn set_asked_usage(body: &mut Value, question: &Question) {
    let asks = question.is_stream && question.asks_usage;
    set(body, "stream_options", asks.then(|| json!({"include_usage": true})));
}

pub(super) fn chat_completion(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream, "n": question.choices,
    });
    set(&mut body, "max_completion_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    set(&mut body, "service_tier", question.service);
    set_asked_usage(&mut body, question);
    body.into()
}

pub(super) fn response(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "input": question.prompt, "stream": question.is_stream, "store": false,
    });
    set(&mut body, "max_output_tokens", question.output_cap);
    set(&mut body, "service_tier", question.service);
    let tool = || json!([{"type": "function", "name": "weather", "parameters": schema()}]);
    set(&mut body, "tools", question.offers_tool.then(tool));
    body.into()
}

pub(super) fn message(question: &Question) -> Content {
    const THINKING: u64 = 1_024;
    let mut text = json!({"type": "text", "text": question.prompt});
    let kept = question
        .cache_lifetime
        .map(|ttl| json!({"type": "ephemeral", "ttl": ttl}));
    set(&mut text, "cache_control", kept);
    let cap = question.output_cap.unwrap_or(4_096);
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": [text]}],
        "stream": question.is_stream, "max_tokens": if question.thinks { cap + THINKING } else { cap },
    });
    let thinking = || json!({"type": "enabled", "budget_tokens": THINKING});
    set(&mut body, "thinking", question.thinks.then(thinking));
    let tool = || json!([{"name": "weather", "input_schema": schema()}]);
    set(&mut body, "tools", question.offers_tool.then(tool));
    body.into()
}

pub(super) fn content(question: &Question) -> Content {
    let mut config = json!({});
    set(&mut config, "maxOutputTokens", question.output_cap);
    if question.model.ends_with("-tts") {
        config["responseModalities"] = json!(["AUDIO"]);
    }
    set(
        &mut config,
        "candidateCount",
        (question.choices > 1).then_some(question.choices),
    );
    let thinking = || json!({"thinkingBudget": 512, "includeThoughts": question.asks_usage});
    set(&mut config, "thinkingConfig", question.thinks.then(thinking));
    let mut body = json!({
        "contents": [{"role": "user", "parts": [{"text": question.prompt}]}], "generationConfig": config,
    });
    let tool = || json!([{"functionDeclarations": [{"name": "weather", "parameters": schema()}]}]);
    set(&mut body, "tools", question.offers_tool.then(tool));
    body.into()
}

fn embedded(question: &Question) -> Value {
    json!({"content": {"parts": [{"text": question.prompt}]}, "outputDimensionality": 8})
}

pub(super) fn embedded_content(question: &Question) -> Content {
    embedded(question).into()
}

pub(super) fn embedded_contents(question: &Question) -> Content {
    let requests = (0..question.pieces).map(|_| {
        let mut request = embedded(question);
        request["model"] = format!("models/{}", question.model).into();
        request
    });
    json!({"requests": requests.collect::<Vec<_>>()}).into()
}

pub(super) fn mistral_completion(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream, "n": question.choices,
    });
    set(&mut body, "max_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    body.into()
}

pub(super) fn middle(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "prompt": question.prompt, "suffix": "}", "stream": question.is_stream,
    });
    set(&mut body, "max_tokens", question.output_cap);
    body.into()
}

pub(super) fn texts(question: &Question) -> Content {
    json!({"model": question.model, "input": question.texts()}).into()
}

pub(super) fn document(question: &Question) -> Content {
    let address = format!("https://papers.example/paper.pdf?pages={}", question.pieces);
    let mut body = json!({
        "model": question.model, "document": {"type": "document_url", "document_url": address},
        "document_annotation_prompt": question.prompt,
    });
    set(&mut body, "pages", question.asks_usage.then(|| json!([0, 1])));
    let annotation = || json!({"type": "json_schema", "json_schema": {"name": "paper", "schema": schema()}});
    set(
        &mut body,
        "document_annotation_format",
        question.offers_tool.then(annotation),
    );
    body.into()
}

pub(super) fn cohere_chat(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream,
    });
    set(&mut body, "max_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    body.into()
}

pub(super) fn cohere_chat_v1(question: &Question) -> Content {
    let mut body = json!({"model": question.model, "message": question.prompt, "stream": question.is_stream});
    set(&mut body, "max_tokens", question.output_cap);
    let tool = || {
        let city = json!({"description": "Where", "type": "str", "required": true});
        json!([{"name": "weather", "description": "The weather", "parameter_definitions": {"city": city}}])
    };
    set(&mut body, "tools", question.offers_tool.then(tool));
    body.into()
}

pub(super) fn cohere_inputs(question: &Question) -> Content {
    let mut parts = vec![json!({"type": "text", "text": question.prompt})];
    if question.offers_tool {
        parts.push(json!({"type": "image_url", "image_url": {"url": PICTURE}}));
    }
    let inputs = vec![json!({"content": parts}); usize::try_from(question.pieces).unwrap()];
    json!({
        "model": question.model, "inputs": inputs, "input_type": "search_document", "embedding_types": ["float"],
    })
    .into()
}

pub(super) fn cohere_texts(question: &Question) -> Content {
    json!({"model": question.model, "texts": question.texts(), "input_type": "search_document"}).into()
}

pub(super) fn documents(question: &Question) -> Content {
    let documents = vec!["A document of a few words."; usize::try_from(question.pieces * 40).unwrap()];
    json!({"model": question.model, "query": question.prompt, "documents": documents}).into()
}

pub(super) fn image(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "prompt": question.prompt, "stream": question.is_stream,
        "size": if question.thinks { "1536x1024" } else { "1024x1024" },
    });
    set(&mut body, "quality", question.asks_usage.then(|| quality(question)));
    // A stream is of one.
    set(&mut body, "n", (!question.is_stream).then_some(question.pieces.min(3)));
    set(
        &mut body,
        "partial_images",
        (question.is_stream && question.offers_tool).then_some(2),
    );
    body.into()
}

fn quality(question: &Question) -> &'static str {
    let qualities = ["low", "medium", "high"];
    qualities[usize::try_from(question.pieces).unwrap() % qualities.len()]
}

pub(super) fn image_edit(question: &Question) -> Content {
    let mut parts = vec![
        Part::Field("model", &question.model),
        Part::Field("prompt", &question.prompt),
        Part::Field("quality", quality(question)),
        Part::Field("size", "1024x1024"),
    ];
    parts.extend((0..question.pieces).map(|_| Part::File("image[]", PNG)));
    if question.is_stream {
        parts.push(Part::Field("stream", "true"));
    }
    Content::Form(form(&parts))
}

pub(super) fn speech(question: &Question) -> Content {
    let mut body = json!({"model": question.model, "voice": "alloy", "input": question.prompt});
    set(&mut body, "stream_format", question.is_stream.then_some("sse"));
    set(&mut body, "response_format", question.asks_usage.then_some("pcm"));
    body.into()
}

/// A sound of so many seconds and a half, with whatever is to be heard in it.
pub(super) fn transcript(question: &Question) -> Content {
    let sound = wave(question.pieces * 32_000 + 16_000);
    let mut parts = vec![
        Part::File("file", &sound),
        Part::Field("model", &question.model),
        Part::Field("prompt", &question.prompt),
    ];
    if question.is_stream {
        parts.push(Part::Field("stream", "true"));
    } else if question.offers_tool {
        let is_whisper = question.model == "whisper-1";
        parts.push(Part::Field(
            "response_format",
            if is_whisper { "verbose_json" } else { "json" },
        ));
    } else if question.asks_usage {
        parts.push(Part::Field("response_format", "text"));
    }
    Content::Form(form(&parts))
}

/// Silence: 16,000 samples a second of two bytes.
fn wave(bytes: u64) -> Vec<u8> {
    let length = u32::try_from(bytes).unwrap();
    let mut sound = b"RIFF".to_vec();
    sound.extend((length + 36).to_le_bytes());
    sound.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    sound.extend(length.to_le_bytes());
    sound.resize(sound.len() + usize::try_from(bytes).unwrap(), 0);
    sound
}

pub(super) fn open_chat(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream, "n": question.choices,
    });
    set(&mut body, "max_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    set_asked_usage(&mut body, question);
    body.into()
}

pub(super) fn open_completion(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "prompt": question.prompt, "stream": question.is_stream, "n": question.choices,
    });
    set(&mut body, "max_tokens", question.output_cap);
    set_asked_usage(&mut body, question);
    body.into()
}

pub(super) fn ollama_chat(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream,
    });
    let options = question.output_cap.map(|cap| json!({"num_predict": cap}));
    set(&mut body, "options", options);
    set(&mut body, "tools", question.offers_tool.then(function));
    body.into()
}

pub(super) fn ollama_text(question: &Question) -> Content {
    let mut body = json!({"model": question.model, "prompt": question.prompt, "stream": question.is_stream});
    let options = question.output_cap.map(|cap| json!({"num_predict": cap}));
    set(&mut body, "options", options);
    body.into()
}

pub(super) fn ollama_prompt(question: &Question) -> Content {
    json!({"model": question.model, "prompt": question.prompt}).into()
}

pub(super) fn translated_chat(question: &Question) -> Content {
    let mut body = json!({
        "model": question.model, "messages": [{"role": "user", "content": question.prompt}],
        "stream": question.is_stream,
    });
    set(&mut body, "max_completion_tokens", question.output_cap);
    set(&mut body, "tools", question.offers_tool.then(function));
    set_asked_usage(&mut body, question);
    body.into()
}
