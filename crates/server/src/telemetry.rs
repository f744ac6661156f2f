//! Logs: one line for each thing worth knowing, to standard error; never a secret or a prompt.

use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    fmt::{self, MakeWriter},
    prelude::*,
    registry::LookupSpan,
};

use crate::{config::LogFormat, plain_text::escaped};

/// Sends logs to standard error. `filter` is in the syntax of `RUST_LOG`.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("log filter: {error}"))?;
    tracing_subscriber::registry()
        .with(filter)
        .with(lines(format, io::stderr))
        .try_init()
        .map_err(|error| error.to_string())
}

fn lines<S, W>(format: LogFormat, writer: W) -> Box<dyn tracing_subscriber::Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // No colours: an escape character is then always somebody else's.
    let lines = fmt::layer().with_ansi(false).with_writer(OneLine(writer));
    match format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// Writes each record on one line, whatever it says: a line break in an error of somebody else's
/// would begin a record that never was (`security.md` 174).
struct OneLine<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole record, as the formatter writes it.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let line = escaped(text.strip_suffix('\n').unwrap_or(&text));
        self.0.write_all(format!("{line}\n").as_bytes())?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of a hostile text, in each way our code logs text.
    fn logged(format: LogFormat, hostile: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let lines = lines(format, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            let error = io::Error::other(hostile.to_owned());
            tracing::error!(error = &error as &dyn std::error::Error, "a page failed");
            tracing::error!(%error, cause = ?error, "upstream failed");
            tracing::info!(model = hostile, provider = %hostile, "call");
            tracing::warn!("{hostile}");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn threat_174_a_record_is_one_line_whatever_it_says() {
        let hostile =
            "gpt\r\n2026-01-01 INFO ready\u{1b}[2K\u{9b}1m\u{7}\u{8}\u{202e}\u{2028}\"} {\"level\":\"ERROR\"}\0\t";

        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(format, hostile);

            assert_eq!(text.lines().count(), 4, "{text}");
            let is_treacherous =
                |character: char| hostile.contains(character) && escaped(&character.to_string()).len() > 2;
            assert!(!text.trim_end().replace('\n', "").contains(is_treacherous), "{text}");
            if format == LogFormat::Json {
                let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
                assert!(records.iter().any(|record| record["model"] == hostile), "{text}");
            }
        }
    }
}
