//! The calls there are, told apart by their path, and what clients send for each.

/// Bytes of the sound that is uploaded: half a minute.
const SOUND: usize = 1_000_000;
/// Of WAVE, 16,000 samples of two bytes a second.
const SOUND_HEAD: &[u8] =
    b"RIFF\x64\x42\x0f\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\x40\x42\x0f\0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Chat,
    /// A chat in Anthropic's format.
    Messages,
    Embeddings,
    Transcription,
}

/// How the answer is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Whole,
    /// A stream, all of it at once.
    Burst,
    /// A stream with an event every 10 ms.
    Paced,
    /// A stream with an event every second, for as long as somebody reads it.
    Held,
}

/// A body and its type.
pub(crate) struct Body {
    pub(crate) kind: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Call {
    pub(crate) fn at(path: &[u8]) -> Self {
        match path {
            path if path.ends_with(b"/messages") => Self::Messages,
            path if path.ends_with(b"/embeddings") => Self::Embeddings,
            path if path.ends_with(b"/transcriptions") => Self::Transcription,
            _ => Self::Chat,
        }
    }
}

impl Pace {
    /// Said by a prompt; the upstream does as it is told.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Whole | Self::Burst => "at once",
            Self::Paced => "an event every 10 ms",
            Self::Held => "an event every second",
        }
    }
}

/// What a client sends to `path`.
pub(crate) fn body(path: &str, pace: Pace) -> Body {
    let stream = if pace == Pace::Whole { "" } else { r#","stream":true"# };
    let (system, prompt) = ("Answer in one sentence.", format!("Say something, {}.", pace.words()));
    // Where the path does not name the provider, the model does.
    let chat_model = if path.starts_with("/v1/") {
        "anthropic/claude-haiku-4-5"
    } else {
        "gpt-4o-mini"
    };
    let json = match Call::at(path.as_bytes()) {
        Call::Chat => format!(
            r#"{{"model":"{chat_model}","messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{prompt}"}}],"max_tokens":100{stream}}}"#
        ),
        Call::Messages => format!(
            r#"{{"model":"claude-haiku-4-5","system":"{system}","messages":[{{"role":"user","content":"{prompt}"}}],"max_tokens":100{stream}}}"#
        ),
        Call::Embeddings => {
            format!(r#"{{"model":"text-embedding-3-small","input":"{prompt}","encoding_format":"float"}}"#)
        }
        Call::Transcription => return sound(),
    };
    Body {
        kind: "application/json",
        bytes: json.into_bytes(),
    }
}

/// As OpenAI's SDKs write it: the model first.
fn sound() -> Body {
    let head = "--load\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o-mini-transcribe\r\n\
                --load\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n";
    let samples = vec![0; SOUND];
    Body {
        kind: "multipart/form-data; boundary=load",
        bytes: [head.as_bytes(), SOUND_HEAD, &samples, b"\r\n--load--\r\n"].concat(),
    }
}
