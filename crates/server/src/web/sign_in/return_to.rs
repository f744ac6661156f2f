//! Where to go after signing in: a path of ours, whatever the address bar was made to say.

/// Where one goes who came from nowhere.
pub(in crate::web) const HOME: &str = "/apps";

/// `asked` if it is a path of this broker, else [`HOME`].
///
/// Security invariant: a browser must not leave for another host through this. What could be read
/// as one (`//host`, `/\host`, control characters that browsers drop, and their encodings) is not
/// a path (`security.md` 73).
pub(in crate::web) fn own_path(asked: &str) -> &str {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#';
    let path = asked.split('?').next().unwrap_or_default();
    let is_own = asked.len() <= 4_000
        && asked.starts_with('/')
        && !path.contains("//")
        && !path.contains("/.")
        && !path.contains('%')
        && asked.bytes().all(is_plain);
    if is_own { asked } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_73_only_a_path_of_ours_is_returned_to() {
        for own in [
            "/consent/0192",
            "/oauth/authorize?client_id=notes&redirect_uri=https%3A%2F%2Fnotes.example%2F",
            "/",
        ] {
            assert_eq!(own_path(own), own);
        }
        for other in [
            "",
            "https://evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/%2fevil.example",
            "/%5cevil.example",
            "/%09/evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a//evil.example",
            "/..//evil.example",
            "javascript:alert(1)",
            " /apps",
            "/аpps",
        ] {
            assert_eq!(own_path(other), HOME, "{other:?}");
        }
    }
}
