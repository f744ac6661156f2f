//! Responses that are asked for again. The sandbox keeps none: it has one for every id that looks
//! like an id, and whose it is is not for it to know.

use http::Method;

use super::CREATED;
use crate::sandbox::provider::protocol::Task;

pub(super) fn read(method: &Method, path: &str) -> Option<Task> {
    let rest = path.strip_prefix("/v1/responses/")?;
    let (id, action) = rest.split_once('/').unwrap_or((rest, ""));
    let is_id = id
        .strip_prefix("resp_")
        .is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_id {
        return None;
    }
    let reply = match (method, action) {
        (&Method::GET, "") => response(id, "completed"),
        (&Method::POST, "cancel") => response(id, "cancelled"),
        (&Method::DELETE, "") => format!(r#"{{"id":"{id}","object":"response","deleted":true}}"#),
        (&Method::GET, "input_items") => {
            r#"{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}"#.to_owned()
        }
        _ => return None,
    };
    Some(Task::Reply(reply))
}

fn response(id: &str, status: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"response","created_at":{CREATED},"status":"{status}","error":null,"incomplete_details":null,"instructions":null,"metadata":{{}},"model":"gpt-4o-mini","output":[],"parallel_tool_calls":true,"temperature":1.0,"tool_choice":"auto","tools":[],"top_p":1.0,"usage":null}}"#
    )
}
