//! The answer to a request for a response, written: as one body, or as events.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    completion::ErrorMembers,
    json_bytes,
    response_events::{Delta, Event, Numbered},
    responses::Echo,
};
use crate::translate::{
    Stamp,
    told::{Counts, Failure, Finish, Gathered, Told, Writer},
};

/// Writes one answer.
pub(crate) struct Response {
    stamp: Stamp,
    echo: Echo,
    model: String,
    /// How many events there were.
    sequence: u64,
    /// The items that are complete.
    output: Vec<Item>,
    /// The one that is not.
    open: Option<Item>,
    finish: Option<Finish>,
    counts: Option<Counts>,
}

/// One item of the output.
#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item {
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<Part>,
    },
    FunctionCall {
        id: String,
        status: &'static str,
        call_id: String,
        name: String,
        arguments: String,
    },
}

#[derive(Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    OutputText {
        text: String,
        annotations: [(); 0],
        logprobs: [(); 0],
    },
    Refusal {
        refusal: String,
    },
}

const IN_PROGRESS: &str = "in_progress";
const COMPLETED: &str = "completed";
const INCOMPLETE: &str = "incomplete";

impl Response {
    pub(crate) fn new(stamp: Stamp, echo: Echo) -> Self {
        Self {
            stamp,
            echo,
            model: String::new(),
            sequence: 0,
            output: Vec::new(),
            open: None,
            finish: None,
            counts: None,
        }
    }

    /// Writes one event with its number.
    fn write(&mut self, event: &Event<'_>, events: &mut Vec<u8>) {
        let numbered = Numbered {
            event,
            sequence_number: self.sequence,
        };
        self.sequence += 1;
        events.extend_from_slice(format!("event: {}\n", event.name()).as_bytes());
        super::write_event(&numbered, events);
    }

    fn begin(&mut self, events: &mut Vec<u8>) {
        for named in [Event::created, Event::in_progress] {
            let response = self.value(IN_PROGRESS);
            self.write(&named(response), events);
        }
    }

    /// Writes more of a text or a refusal: in the open item if it is one, else in a new one.
    fn add_text(&mut self, text: &str, is_refusal: bool, events: &mut Vec<u8>) {
        let is_open = match &self.open {
            Some(Item::Message { content, .. }) => matches!(content.last(), Some(Part::Refusal { .. })) == is_refusal,
            _ => false,
        };
        if !is_open {
            self.close(events);
            self.open_message(is_refusal, events);
        }
        let output_index = self.output.len();
        let Some(Item::Message { id, content, .. }) = &mut self.open else {
            return;
        };
        let item_id = id.clone();
        match content.last_mut() {
            Some(Part::OutputText { text: before, .. } | Part::Refusal { refusal: before }) => before.push_str(text),
            None => return,
        }
        let delta = Delta {
            item_id: &item_id,
            output_index,
            content_index: Some(0),
            piece: text,
            logprobs: (!is_refusal).then_some([]),
        };
        let event = if is_refusal {
            Event::RefusalDelta(delta)
        } else {
            Event::TextDelta(delta)
        };
        self.write(&event, events);
    }

    fn open_message(&mut self, is_refusal: bool, events: &mut Vec<u8>) {
        let item_id = self.item_id("msg");
        let output_index = self.output.len();
        let mut item = Item::message(item_id.clone(), IN_PROGRESS, Vec::new());
        let added = Event::ItemAdded {
            output_index,
            item: &item,
        };
        self.write(&added, events);
        let part = if is_refusal {
            Part::Refusal { refusal: String::new() }
        } else {
            Part::text(String::new())
        };
        let added = Event::PartAdded {
            item_id: &item_id,
            output_index,
            content_index: 0,
            part: &part,
        };
        self.write(&added, events);
        if let Item::Message { content, .. } = &mut item {
            content.push(part);
        }
        self.open = Some(item);
    }

    fn open_call(&mut self, call_id: String, name: String, events: &mut Vec<u8>) {
        self.close(events);
        let item = Item::FunctionCall {
            id: self.item_id("fc"),
            status: IN_PROGRESS,
            call_id,
            name,
            arguments: String::new(),
        };
        let added = Event::ItemAdded {
            output_index: self.output.len(),
            item: &item,
        };
        self.write(&added, events);
        self.open = Some(item);
    }

    fn add_arguments(&mut self, text: &str, events: &mut Vec<u8>) {
        let output_index = self.output.len();
        let Some(Item::FunctionCall { id, arguments, .. }) = &mut self.open else {
            return;
        };
        arguments.push_str(text);
        let item_id = id.clone();
        let event = Event::ArgumentsDelta(Delta {
            item_id: &item_id,
            output_index,
            content_index: None,
            piece: text,
            logprobs: None,
        });
        self.write(&event, events);
    }

    /// Completes the open item.
    fn close(&mut self, events: &mut Vec<u8>) {
        // A function that takes nothing is called with an empty object.
        if matches!(&self.open, Some(Item::FunctionCall { arguments, .. }) if arguments.is_empty()) {
            self.add_arguments("{}", events);
        }
        let Some(mut item) = self.open.take() else { return };
        let output_index = self.output.len();
        match &mut item {
            Item::Message {
                id, status, content, ..
            } => {
                *status = COMPLETED;
                for (content_index, part) in content.iter().enumerate() {
                    let (item_id, place) = (id.as_str(), (output_index, content_index));
                    self.write(&Event::text_done(item_id, place, part), events);
                    let done = Event::PartDone {
                        item_id,
                        output_index,
                        content_index,
                        part,
                    };
                    self.write(&done, events);
                }
            }
            Item::FunctionCall {
                id,
                status,
                name,
                arguments,
                ..
            } => {
                *status = COMPLETED;
                let done = Event::ArgumentsDone {
                    item_id: id,
                    output_index,
                    name,
                    arguments,
                };
                self.write(&done, events);
            }
        }
        let done = Event::ItemDone {
            output_index,
            item: &item,
        };
        self.write(&done, events);
        self.output.push(item);
    }

    fn end(&mut self, events: &mut Vec<u8>) {
        let response = self.value(self.status());
        let event = match self.status() {
            INCOMPLETE => Event::Incomplete { response },
            _ => Event::Completed { response },
        };
        self.write(&event, events);
    }

    fn fail(&mut self, failure: &Failure<'_>, events: &mut Vec<u8>) {
        let event = Event::Error {
            code: failure.code,
            message: &failure.message,
            param: None,
            error: ErrorMembers::from(failure),
        };
        self.write(&event, events);
    }

    fn status(&self) -> &'static str {
        match self.finish {
            Some(Finish::Length | Finish::Filtered) => INCOMPLETE,
            _ => COMPLETED,
        }
    }

    fn item_id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.stamp.id, self.output.len())
    }

    fn value(&self, status: &'static str) -> Box<RawValue> {
        let is_over = status != IN_PROGRESS;
        let reason = match self.finish {
            Some(Finish::Length) if is_over => Some("max_output_tokens"),
            Some(Finish::Filtered) if is_over => Some("content_filter"),
            _ => None,
        };
        let value = Value {
            id: format!("resp_{}", self.stamp.id),
            object: "response",
            created_at: self.stamp.created,
            status,
            error: None,
            incomplete_details: reason.map(|reason| Details { reason }),
            model: &self.model,
            output: if is_over { &self.output } else { &[] },
            parallel_tool_calls: self.echo.parallel_tool_calls,
            previous_response_id: None,
            store: false,
            tool_choice: serde_json::from_str(&self.echo.tool_choice).unwrap_or(RawValue::NULL),
            tools: serde_json::from_str(&self.echo.tools).unwrap_or(RawValue::NULL),
            usage: self.counts.filter(|_| is_over).map(Usage::from),
        };
        serde_json::value::to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

impl Item {
    fn message(id: String, status: &'static str, content: Vec<Part>) -> Self {
        Self::Message {
            id,
            status,
            role: "assistant",
            content,
        }
    }
}

impl Part {
    fn text(text: String) -> Self {
        Self::OutputText {
            text,
            annotations: [],
            logprobs: [],
        }
    }
}

impl Writer for Response {
    fn event(&mut self, told: Told<'_>, events: &mut Vec<u8>) {
        match told {
            Told::Model(model) => {
                self.model = model.into_owned();
                self.begin(events);
            }
            Told::Text(text) => self.add_text(&text, false, events),
            Told::Refusal(refusal) => self.add_text(&refusal, true, events),
            Told::Call { id, name, .. } => self.open_call(id.into_owned(), name.into_owned(), events),
            Told::Arguments(text) if text.is_empty() => {}
            Told::Arguments(text) => self.add_arguments(&text, events),
            Told::Finish(finish) => {
                self.close(events);
                self.finish = Some(finish);
            }
            Told::Counts(counts) => self.counts = Some(counts.max(self.counts.unwrap_or_default())),
            Told::Failure(failure) => self.fail(&failure, events),
            Told::End => self.end(events),
        }
    }

    fn body(&mut self, answer: &Gathered) -> Bytes {
        self.model.clone_from(&answer.model);
        self.finish = answer.finish;
        self.counts = answer.counts;
        let mut content: Vec<Part> = answer.text.iter().cloned().map(Part::text).collect();
        content.extend(answer.refusal.iter().cloned().map(|refusal| Part::Refusal { refusal }));
        if !content.is_empty() {
            let message = Item::message(self.item_id("msg"), COMPLETED, content);
            self.output.push(message);
        }
        for call in &answer.calls {
            let arguments = if call.arguments.is_empty() {
                "{}"
            } else {
                &call.arguments
            };
            let item = Item::FunctionCall {
                id: self.item_id("fc"),
                status: COMPLETED,
                call_id: call.id.clone(),
                name: call.name.clone(),
                arguments: arguments.to_owned(),
            };
            self.output.push(item);
        }
        json_bytes(&self.value(self.status()))
    }
}

#[derive(Serialize)]
struct Value<'a> {
    id: String,
    object: &'static str,
    created_at: i64,
    status: &'static str,
    error: Option<()>,
    incomplete_details: Option<Details>,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: bool,
    /// Nothing is kept, so nothing came before.
    previous_response_id: Option<()>,
    store: bool,
    tool_choice: &'a RawValue,
    tools: &'a RawValue,
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Details {
    reason: &'static str,
}

#[derive(Serialize)]
struct Usage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        Self {
            input_tokens: counts.input,
            input_tokens_details: InputDetails {
                cached_tokens: counts.cached,
                cache_write_tokens: counts.cache_written,
            },
            output_tokens: counts.output,
            output_tokens_details: OutputDetails {
                reasoning_tokens: counts.reasoning,
            },
            total_tokens: counts.input.saturating_add(counts.output),
        }
    }
}
