//! What an app says about itself, made safe to show beside our own words, and what to be wary of.
//!
//! Names and purposes are a stranger's text on a page about money: they may try to look like
//! somebody else's, like our badges, or to run out of their place (`security.md` 67, 68).

use aipassport_domain::client::{Client, Registration};
use url::Url;

use crate::web::parts::{AppFace, Badge};

const LONGEST_NAME: usize = 60;
const LONGEST_PURPOSE: usize = 140;
/// More marks than this on one letter run into the lines above and below.
const MOST_MARKS: usize = 2;

/// Names that people trust with their AI keys, and the addresses that may bear them.
const WELL_KNOWN: [(&str, &str); 12] = [
    ("AIPassport", ""),
    ("OpenAI", "openai.com"),
    ("ChatGPT", "openai.com"),
    ("Anthropic", "anthropic.com"),
    ("Claude", "claude.ai"),
    ("Google", "google.com"),
    ("Gemini", "google.com"),
    ("Microsoft", "microsoft.com"),
    ("Copilot", "microsoft.com"),
    ("Mistral", "mistral.ai"),
    ("Cohere", "cohere.com"),
    ("GitHub", "github.com"),
];

pub(in crate::web) fn name(text: &str) -> String {
    let name = clean(text, LONGEST_NAME);
    if name.is_empty() {
        "An app without a name".to_owned()
    } else {
        name
    }
}

pub(in crate::web) fn purpose(text: &str) -> Option<String> {
    Some(clean(text, LONGEST_PURPOSE)).filter(|purpose| !purpose.is_empty())
}

/// Who asks: name, address and how far both can be believed.
pub(in crate::web) fn face(client: &Client) -> AppFace {
    if client.registration == Registration::Tool {
        return AppFace {
            address: "a key you made".to_owned(),
            ..face_of(&client.name, "", Badge::OWN)
        };
    }
    let badge = match host(&client.address) {
        _ if client.is_loopback_only() || is_this_computer(&client.address) => Badge::LOCAL,
        Some(host) if client.registration == Registration::Registered && answers_go_to(client, &host) => Badge::CHECKED,
        _ => Badge::UNVERIFIED,
    };
    face_of(&client.name, &client.address, badge)
}

pub(in crate::web) fn face_of(own_name: &str, own_address: &str, badge: Badge) -> AppFace {
    let name = name(own_name);
    AppFace {
        initial: name
            .chars()
            .find(|letter| letter.is_alphanumeric())
            .map_or_else(|| "?".to_owned(), |letter| letter.to_uppercase().to_string()),
        address: address(own_address),
        name,
        badge,
    }
}

/// The host alone, in the ASCII form that DNS knows, so that letters that look alike show.
pub(in crate::web) fn address(own_address: &str) -> String {
    if is_this_computer(own_address) {
        return "this computer".to_owned();
    }
    host(own_address).unwrap_or_else(|| {
        let plain = clean(own_address, LONGEST_NAME);
        if plain.is_empty() {
            "no address".to_owned()
        } else {
            plain
        }
    })
}

fn host(address: &str) -> Option<String> {
    Url::parse(address).ok()?.host_str().map(str::to_owned)
}

pub(in crate::web) fn is_this_computer(address: &str) -> bool {
    host(address).is_some_and(|host| host == "localhost" || host == "127.0.0.1" || host == "[::1]")
}

/// Whether every answer goes to `host` over HTTPS: then whoever holds that name has to be in it.
fn answers_go_to(client: &Client, host: &str) -> bool {
    let goes_there =
        |uri: &String| Url::parse(uri).is_ok_and(|uri| uri.scheme() == "https" && uri.host_str() == Some(host));
    !client.redirect_uris.is_empty() && client.redirect_uris.iter().all(goes_there)
}

/// What a careful friend would say about this name and address. `others` are the tenant's other
/// apps; one that only named itself could take any of their names, and spoils none of them.
pub(in crate::web) fn warnings(client: &Client, others: &[Client]) -> Vec<String> {
    let mut warnings = Vec::new();
    let shown = name(&client.name);
    let skeleton = skeleton(&shown);
    let host = host(&client.address).unwrap_or_default();

    let borrowed = WELL_KNOWN
        .iter()
        .find(|(known, home)| skeleton.contains(&self::skeleton(known)) && !is_under(&host, home));
    if let Some((known, _)) = borrowed {
        warnings.push(format!(
            "The name looks like “{known}”, but the address is not {known}’s."
        ));
    }
    let twin = others.iter().any(|other| {
        other.registration == Registration::Registered
            && other.id != client.id
            && other.address != client.address
            && self::skeleton(&name(&other.name)) == skeleton
    });
    if twin {
        warnings.push("Another app here has a name that looks the same.".to_owned());
    }
    if is_mixed_script(&shown) {
        warnings.push("The name mixes letters of different alphabets, so it can look like another one.".to_owned());
    }
    if host.split('.').any(|label| label.starts_with("xn--")) {
        warnings.push("The address has letters outside the English alphabet; it is shown as DNS knows it.".to_owned());
    }
    warnings
}

fn is_under(host: &str, home: &str) -> bool {
    !home.is_empty() && (host == home || host.strip_suffix(home).is_some_and(|sub| sub.ends_with('.')))
}

/// One line of visible text, at most `longest` characters.
pub(in crate::web) fn clean(text: &str, longest: usize) -> String {
    let mut marks = 0;
    let mut cleaned = String::new();
    // Longer text than anything we show is not even looked at.
    for character in text.chars().take(longest * 8) {
        let character = if character.is_whitespace() { ' ' } else { character };
        if is_invisible(character) || mimics_a_badge(character) {
            continue;
        }
        marks = if is_combining(character) { marks + 1 } else { 0 };
        if marks > MOST_MARKS || (character == ' ' && cleaned.ends_with(' ')) {
            continue;
        }
        cleaned.push(character);
    }
    let trimmed = cleaned.trim();
    if trimmed.chars().count() <= longest {
        return trimmed.to_owned();
    }
    let cut: String = trimmed.chars().take(longest.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Controls, direction overrides, zero-width and otherwise blank characters.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

/// Check marks, locks, shields, seals and stars, which could pass for a badge of ours.
fn mimics_a_badge(character: char) -> bool {
    matches!(
        character,
        '✓' | '✔'
            | '✅'
            | '☑'
            | '☒'
            | '🗸'
            | '🗹'
            | '√'
            | '🔒'
            | '🔏'
            | '🔐'
            | '🛡'
            | '🏅'
            | '🎖'
            | '⭐'
            | '★'
            | '🌟'
            | '💯'
            | '🆗'
            | '🔵'
            | '🟢'
            | '●'
            | '◉'
            | '✪'
            | '🛂'
    )
}

fn is_combining(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}'
        | '\u{6d6}'..='\u{6ed}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{302a}'..='\u{302f}' | '\u{a66f}'..='\u{a672}' | '\u{fe20}'..='\u{fe2f}')
}

/// What a name looks like at a glance: names with equal skeletons can be taken for each other.
fn skeleton(name: &str) -> String {
    let letters: String = name.chars().filter_map(look).collect();
    letters.replace("rn", "m").replace("vv", "w")
}

/// The plain letter that this one looks like; `None` for what the eye skips.
fn look(character: char) -> Option<char> {
    let folded = match character {
        '0' | 'О' | 'о' | 'Ο' | 'ο' | 'ö' | 'Ö' | 'ó' | 'ø' => 'o',
        '1' | 'I' | 'l' | '|' | 'і' | 'І' | 'ӏ' | 'Ӏ' | 'Ι' | 'ι' | 'í' | 'ı' | 'i' | '!' => 'l',
        'А' | 'а' | 'Α' | 'α' | 'ä' | 'á' | 'à' | '@' => 'a',
        'Е' | 'е' | 'Ε' | 'ε' | 'é' | 'è' | 'ё' | '3' => 'e',
        'Р' | 'р' | 'Ρ' | 'ρ' => 'p',
        'С' | 'с' | 'ϲ' | 'ç' => 'c',
        'Х' | 'х' | 'Χ' | 'χ' => 'x',
        'У' | 'у' | 'Υ' | 'γ' => 'y',
        'Ѕ' | 'ѕ' | '5' | '$' => 's',
        'Ј' | 'ј' => 'j',
        'Н' | 'Η' | 'һ' => 'h',
        'Т' | 'т' | 'Τ' | 'τ' => 't',
        'М' | 'Μ' | 'м' => 'm',
        'В' | 'Β' => 'b',
        'К' | 'Κ' | 'к' | 'κ' => 'k',
        'Ν' | 'ν' | 'п' => 'n',
        'ԁ' => 'd',
        'ɡ' | 'ց' => 'g',
        // Full-width forms.
        '\u{ff01}'..='\u{ff5e}' => return look(char::from_u32(u32::from(character) - 0xfee0)?),
        other if other.is_alphanumeric() => other.to_lowercase().next()?,
        _ => return None,
    };
    Some(folded)
}

fn is_mixed_script(name: &str) -> bool {
    name.split(|character: char| !character.is_alphabetic()).any(|word| {
        let is_latin = |letter: char| matches!(letter, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}');
        let is_alike =
            |letter: char| matches!(letter, '\u{370}'..='\u{58f}' | '\u{13a0}'..='\u{13ff}' | '\u{ff21}'..='\u{ff5a}');
        word.chars().any(is_latin) && word.chars().any(is_alike)
    })
}

#[cfg(test)]
mod tests {
    use aipassport_domain::{fixtures, ids::ClientId};

    use super::*;

    fn named(name: &str, address: &str) -> Client {
        Client {
            name: name.to_owned(),
            address: address.to_owned(),
            ..fixtures::client()
        }
    }

    /// `security.md` 67: what could hide, overflow or pass for our own marks is gone.
    #[test]
    fn threat_67_an_apps_words_stay_in_their_place() {
        assert_eq!(name("Not\u{202e}es\u{200b} \n  ✅"), "Notes");
        assert_eq!(name("\u{2800}\u{3164}"), "An app without a name");
        assert_eq!(
            name(&format!("Z{}", "\u{300}".repeat(500))).chars().count(),
            1 + MOST_MARKS
        );
        assert_eq!(
            purpose(&"long ".repeat(3_000)).unwrap().chars().count(),
            LONGEST_PURPOSE
        );
        assert_eq!(purpose(" \u{feff}"), None);
    }

    /// `security.md` 68: a name that can be taken for another is pointed out.
    #[test]
    fn threat_68_a_name_that_looks_like_another_is_pointed_out() {
        for alike in [
            "OpenAI",
            "OpenAl",
            "0penAI",
            "Ореn AI",
            "Open\u{200b}AI",
            "ＯｐｅｎＡＩ",
            "AIPassp0rt",
            "AlPassport Support",
        ] {
            assert!(
                !warnings(&named(alike, "https://notes.example"), &[]).is_empty(),
                "{alike}"
            );
        }
        assert_eq!(warnings(&named("OpenAI", "https://platform.openai.com"), &[]), [""; 0]);
        assert!(!warnings(&named("OpenAI", "https://evilopenai.com"), &[]).is_empty());
        assert_eq!(warnings(&named("Notes", "https://notes.example"), &[]), [""; 0]);

        let twin = Client {
            id: ClientId::new("twin"),
            ..named("N0tes", "https://other.example")
        };
        let unverified = Client {
            registration: Registration::Unverified,
            ..twin.clone()
        };
        assert_eq!(warnings(&named("Notes", "https://notes.example"), &[twin]).len(), 1);
        assert_eq!(
            warnings(&named("Notes", "https://notes.example"), &[unverified]),
            [""; 0]
        );
        assert_eq!(warnings(&named("Notеs", "https://notes.example"), &[]).len(), 1);
        assert_eq!(warnings(&named("Notes", "https://nоtes.example"), &[]).len(), 1);
    }

    /// `security.md` 69: an app on this computer cannot be verified, whatever it says.
    #[test]
    fn threat_69_an_app_on_this_computer_is_never_called_checked() {
        let mut client = named("Notes", "https://notes.example");
        client.redirect_uris = vec!["http://127.0.0.1/callback".to_owned()];
        assert_eq!(face(&client).badge, Badge::LOCAL);

        client.redirect_uris = vec!["https://notes.example/callback".to_owned()];
        assert_eq!(face(&client).badge, Badge::CHECKED);
        client.registration = Registration::Unverified;
        assert_eq!(face(&client).badge, Badge::UNVERIFIED);
        client.registration = Registration::Registered;
        client
            .redirect_uris
            .push("https://elsewhere.example/callback".to_owned());
        assert_eq!(face(&client).badge, Badge::UNVERIFIED);
    }
}
