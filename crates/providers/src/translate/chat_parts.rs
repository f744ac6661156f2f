//! What the chat formats of those who followed OpenAI have in common: the parts of a message, and the
//! calls of tools in it.

use serde::Serialize;

use super::asked::{Image, Part, ToolCall};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ContentPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
pub(super) struct ImageUrl {
    url: String,
}

#[derive(Serialize)]
pub(super) struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> From<&'a Part<'a>> for ContentPart<'a> {
    fn from(part: &'a Part<'a>) -> Self {
        match part {
            Part::Text(text) => Self::Text { text },
            Part::Image(image) => Self::ImageUrl {
                image_url: ImageUrl {
                    url: match image {
                        Image::Address(url) => url.clone().into_owned(),
                        Image::Data { media_type, base64 } => format!("data:{media_type};base64,{base64}"),
                    },
                },
            },
        }
    }
}

impl<'a> From<&'a ToolCall<'a>> for Call<'a> {
    fn from(call: &'a ToolCall<'a>) -> Self {
        Self {
            id: &call.id,
            kind: "function",
            function: Function {
                name: &call.name,
                arguments: &call.arguments,
            },
        }
    }
}
