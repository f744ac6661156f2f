//! Tools offered in a request, and the arguments the sandbox calls them with.

use serde_json::{Map, Value, json};

use super::switches::AnswerSwitches;

const MOST_ARGUMENTS: usize = 16;

/// A function the caller offers.
#[derive(Clone, Debug)]
pub(super) struct OfferedTool {
    pub(super) name: String,
    /// The JSON Schema of its arguments.
    pub(super) parameters: Value,
}

/// What the caller says about calling tools, whatever its provider's words for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tools {
    pub(super) offered: Vec<OfferedTool>,
    pub(super) choice: ToolChoice,
    /// Whether the last message brings a tool's result: then it is time to answer.
    pub(super) has_result: bool,
    /// Whether the prompt says so in plain words.
    pub(super) is_asked_for: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ToolChoice {
    #[default]
    Auto,
    None,
    Any,
    Named(String),
}

/// A call of a tool, as the answer carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToolCall {
    pub(super) name: String,
    /// A JSON object, in ASCII; cut short where the output cap cut it.
    pub(super) arguments: String,
}

impl Tools {
    /// The calls to answer with; none where text is the answer.
    pub(super) fn calls(&self, switches: &AnswerSwitches) -> Vec<ToolCall> {
        let chosen = match (&switches.tool, &self.choice) {
            (Some(name), _) if name == "none" => None,
            _ if self.has_result => None,
            (Some(name), _) if !name.is_empty() => self.named(name),
            (None, ToolChoice::Named(name)) => self.named(name),
            (Some(_), _) | (None, ToolChoice::Any) => self.offered.first(),
            (None, ToolChoice::Auto) if self.is_asked_for || switches.tools.is_some() => self.offered.first(),
            (None, _) => None,
        };
        let Some(chosen) = chosen else {
            return Vec::new();
        };
        let count = usize::try_from(switches.tools.unwrap_or(1)).unwrap_or(1);
        let others = self.offered.iter().filter(|tool| tool.name != chosen.name);
        std::iter::once(chosen)
            .chain(others)
            .cycle()
            .take(count)
            .map(OfferedTool::call)
            .collect()
    }

    fn named(&self, name: &str) -> Option<&OfferedTool> {
        self.offered.iter().find(|tool| tool.name == name)
    }
}

impl OfferedTool {
    fn call(&self) -> ToolCall {
        let properties = self.parameters.get("properties").and_then(Value::as_object);
        let arguments: Map<String, Value> = properties
            .into_iter()
            .flatten()
            .take(MOST_ARGUMENTS)
            .map(|(name, schema)| (name.clone(), example(schema)))
            .collect();
        let arguments = Value::Object(arguments).to_string();
        ToolCall {
            name: self.name.clone(),
            // Arguments are streamed in pieces of a few bytes, which must not split characters.
            arguments: if arguments.is_ascii() {
                arguments
            } else {
                "{}".to_owned()
            },
        }
    }
}

fn example(schema: &Value) -> Value {
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    let kind = schema.get("type");
    let kind = kind
        .and_then(|kind| kind.get(0).or(Some(kind)))
        .and_then(Value::as_str)
        .unwrap_or("string");
    match kind.to_ascii_lowercase().as_str() {
        "integer" | "number" => json!(7),
        "boolean" => json!(true),
        "array" => json!([]),
        "object" => json!({}),
        "null" => Value::Null,
        _ => json!("Lisbon"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Tools {
        let offer = |name: &str| OfferedTool {
            name: name.to_owned(),
            parameters: json!({"properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"]}}}),
        };
        Tools {
            offered: vec![offer("weather"), offer("tides")],
            ..Tools::default()
        }
    }

    #[test]
    fn a_tool_is_called_when_a_switch_or_the_caller_says_so() {
        let asks = |tool: Option<&str>| AnswerSwitches {
            tool: tool.map(str::to_owned),
            ..AnswerSwitches::default()
        };
        let forced = Tools {
            choice: ToolChoice::Named("tides".to_owned()),
            ..tools()
        };

        assert_eq!(tools().calls(&asks(None)), []);
        assert_eq!(tools().calls(&asks(Some(""))).len(), 1);
        assert_eq!(forced.calls(&asks(Some("none"))), []);
        assert_eq!(
            forced.calls(&asks(None)),
            [ToolCall {
                name: "tides".to_owned(),
                arguments: r#"{"city":"Lisbon","days":7}"#.to_owned(),
            }]
        );
    }

    #[test]
    fn a_tools_result_is_answered_with_text() {
        let after_result = Tools {
            has_result: true,
            choice: ToolChoice::Any,
            ..tools()
        };

        assert_eq!(after_result.calls(&AnswerSwitches::default()), []);
    }
}
