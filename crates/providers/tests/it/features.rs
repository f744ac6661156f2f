//! Which features of a grant a request makes use of.

use aipassport_domain::policy::CallCost;
use serde_json::json;

use crate::support::{CHAT, MESSAGES, RESPONSES, features, read, with};

#[test]
fn threat_112_each_feature_of_chat_completions_is_seen() {
    let cases: &[(&str, &[&str])] = &[
        (r#""tools":[]"#, &[]),
        (r#""tools":null,"stream":null,"store":null"#, &[]),
        (r#""tools":[{"type":"function","function":{"name":"f"}}]"#, &["tools"]),
        (r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#, &["tools"]),
        (r#""functions":[{"name":"f"}]"#, &["tools"]),
        (r#""stream":true"#, &["streaming"]),
        (r#""store":true"#, &["stored_state"]),
        (r#""web_search_options":{}"#, &["web_search"]),
        (r#""tools":[{"type":"new_thing"}]"#, &["server_tools"]),
    ];
    for (members, expected) in cases {
        assert_eq!(features(CHAT, members), *expected, "{members}");
    }
}

#[test]
fn threat_112_each_feature_of_responses_is_seen() {
    let cases: &[(&str, &[&str])] = &[
        (r#""tools":[{"type":"function","name":"f"}]"#, &["tools"]),
        (
            r#""tools":[{"type":"namespace","tools":[{"type":"function","name":"f"}]}]"#,
            &["tools"],
        ),
        (
            r#""tools":[{"type":"namespace","tools":[{"type":"mcp"}]}]"#,
            &["tools", "server_tools"],
        ),
        (r#""tools":[{"type":"web_search"}]"#, &["web_search"]),
        (r#""tools":[{"type":"web_search_preview_2025_03_11"}]"#, &["web_search"]),
        (
            r#""tools":[{"type":"code_interpreter","container":{"type":"auto"}}]"#,
            &["code_execution"],
        ),
        (r#""tools":[{"type":"shell"}]"#, &["code_execution"]),
        (
            r#""tools":[{"type":"shell","environment":{"type":"local"}}]"#,
            &["tools"],
        ),
        (
            r#""tools":[{"type":"mcp","server_url":"https://x"}]"#,
            &["server_tools"],
        ),
        (
            r#""tools":[{"type":"file_search","vector_store_ids":[]}]"#,
            &["server_tools"],
        ),
        (r#""tools":[{"type":"image_generation"}]"#, &["server_tools"]),
        (r#""store":true"#, &["stored_state"]),
        (r#""store":false"#, &[]),
        (r#""background":true"#, &["stored_state"]),
        (r#""previous_response_id":"resp_1""#, &["stored_state"]),
        (r#""conversation":{"id":"conv_1"}"#, &["stored_state"]),
        (r#""prompt":{"id":"pmpt_1"}"#, &["stored_state"]),
    ];
    for (members, expected) in cases {
        assert_eq!(features(RESPONSES, members), *expected, "{members}");
    }
}

#[test]
fn threat_112_each_feature_of_messages_is_seen() {
    let cases: &[(&str, &[&str])] = &[
        (r#""tools":[{"name":"f","input_schema":{}}]"#, &["tools"]),
        (r#""tools":[{"type":"custom","name":"f"}]"#, &["tools"]),
        (
            r#""tools":[{"type":"bash_20250124"},{"type":"memory_20250818"}]"#,
            &["tools"],
        ),
        (
            r#""tools":[{"type":"web_search_20260318","max_uses":1}]"#,
            &["web_search"],
        ),
        (r#""tools":[{"type":"web_fetch_20260318"}]"#, &["server_tools"]),
        (r#""tools":[{"type":"code_execution_20260521"}]"#, &["code_execution"]),
        (
            r#""tools":[{"type":"advisor_20260301","model":"x"}]"#,
            &["server_tools"],
        ),
        (r#""mcp_servers":[{"type":"url","url":"https://x"}]"#, &["server_tools"]),
        (r#""mcp_servers":[]"#, &[]),
        (r#""container":"container_1""#, &["stored_state"]),
        (r#""thread":{"type":"create"}"#, &["stored_state"]),
        (
            r#""system":[{"type":"document","source":{"type":"file","file_id":"f"}}]"#,
            &["stored_state"],
        ),
    ];
    for (members, expected) in cases {
        assert_eq!(features(MESSAGES, members), *expected, "{members}");
    }
}

#[test]
fn threat_112_tools_and_files_inside_the_input_are_found() {
    for (path, input, expected) in [
        (
            RESPONSES,
            json!([{"type": "additional_tools", "role": "developer", "tools": [{"type": "code_interpreter"}]}]),
            "code_execution",
        ),
        (
            RESPONSES,
            json!([{"type": "item_reference", "id": "msg_1"}]),
            "stored_state",
        ),
        (RESPONSES, json!([{"id": "msg_1"}]), "stored_state"),
        (
            RESPONSES,
            json!([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]),
            "stored_state",
        ),
        (
            RESPONSES,
            json!([{"type": "function_call_output", "output": [{"type": "input_image", "file_id": "f"}]}]),
            "stored_state",
        ),
        (
            CHAT,
            json!([{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]),
            "stored_state",
        ),
        (
            MESSAGES,
            json!([{"role": "system", "content": [{"type": "tool_addition", "tool":
                {"type": "tool_definition", "definition": {"type": "code_execution_20260521"}}}]}]),
            "code_execution",
        ),
        (
            MESSAGES,
            json!([{"role": "user", "content": [{"type": "tool_result", "content":
                [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}]),
            "stored_state",
        ),
        (
            MESSAGES,
            json!([{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]),
            "stored_state",
        ),
    ] {
        let member = if path == RESPONSES { "input" } else { "messages" };
        let body = json!({"model": "x", "max_tokens": 9, member: input}).to_string();
        let features = read(path, &body).unwrap().call.features.named();
        assert!(features.contains(&(expected, true)), "{body}");
    }
}

#[test]
fn threat_112_a_tool_that_the_provider_bills_without_a_bound_is_refused_after_its_feature() {
    for (path, members) in [
        (CHAT, r#""web_search_options":{}"#),
        (RESPONSES, r#""tools":[{"type":"web_search"}]"#),
        (RESPONSES, r#""tools":[{"type":"image_generation"}]"#),
        (RESPONSES, r#""prompt":{"id":"pmpt_1"}"#),
        (MESSAGES, r#""tools":[{"type":"web_search_20260318"}]"#),
        (MESSAGES, r#""tools":[{"type":"code_execution_20260521"}]"#),
        (MESSAGES, r#""mcp_servers":[{"type":"url","url":"https://x"}]"#),
    ] {
        let cost = with(path, members).unwrap().call.cost;
        assert!(matches!(cost, CallCost::Unbounded(_)), "{members}: {cost:?}");
    }
}
