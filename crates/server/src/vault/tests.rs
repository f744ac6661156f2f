use super::*;
use crate::random::{SeededRandom, SystemRandom};

const PLACE: Place<'_> = Place {
    table: "credentials",
    column: "sealed",
    row: "1",
};

fn vault() -> Vault {
    let random = SeededRandom::from_seed(1);
    let key = KeyEncryptionKey::from_bytes([7; KEY_LEN]);
    let wrapped = key.wrap_new_data_key(&TenantId::first(), &random).unwrap();
    key.open_vault(&TenantId::first(), &wrapped).unwrap()
}

#[test]
fn what_is_sealed_opens_in_its_place() {
    let sealed = vault().seal(PLACE, &Secret::new("sk-1"), &SystemRandom).unwrap();

    assert_eq!(vault().open(PLACE, &sealed).unwrap().expose(), "sk-1");
}

/// `security.md` 151: moved to another row, column or table, a sealed value does not open.
#[test]
fn threat_151_a_sealed_value_does_not_open_elsewhere() {
    let sealed = vault().seal(PLACE, &Secret::new("sk-1"), &SystemRandom).unwrap();

    for place in [
        Place { row: "2", ..PLACE },
        Place {
            column: "other",
            ..PLACE
        },
        Place {
            table: "other",
            ..PLACE
        },
    ] {
        assert!(vault().open(place, &sealed).is_err(), "{place:?}");
    }
    let other_key = KeyEncryptionKey::from_bytes([8; KEY_LEN]);
    let wrapped = KeyEncryptionKey::from_bytes([7; KEY_LEN])
        .wrap_new_data_key(&TenantId::first(), &SystemRandom)
        .unwrap();
    assert!(other_key.open_vault(&TenantId::first(), &wrapped).is_err());
}

/// `security.md` 152: a flipped bit anywhere is noticed.
#[test]
fn threat_152_a_flipped_bit_is_refused() {
    let sealed = vault().seal(PLACE, &Secret::new("sk-1"), &SystemRandom).unwrap();

    for position in 0..sealed.0.len() * 8 {
        let mut bytes = sealed.0.clone();
        bytes[position / 8] ^= 1 << (position % 8);
        assert!(vault().open(PLACE, &Sealed(bytes)).is_err(), "bit {position}");
    }
    for length in 0..sealed.0.len() {
        assert!(vault().open(PLACE, &Sealed(sealed.0[..length].to_vec())).is_err());
    }
}

/// `security.md` 162: two clients cannot tell that they serve the same user.
#[test]
fn threat_162_a_subject_differs_from_client_to_client() {
    let subject = |client: &str| vault().pairwise_subject(&UserId::new("ana"), &ClientId::new(client));

    assert_eq!(subject("notes"), subject("notes"));
    assert_ne!(subject("notes"), subject("other"));
}

/// `security.md` 158: a key file that others can read refuses to start.
#[test]
fn threat_158_a_key_file_with_wide_permissions_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");

    let made = KeyEncryptionKey::from_file(&path, &SystemRandom).unwrap();
    let read = KeyEncryptionKey::from_file(&path, &SystemRandom).unwrap();
    assert_eq!(made.0, read.0);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    for mode in [0o640, 0o604, 0o620, 0o666] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(KeyEncryptionKey::from_file(&path, &SystemRandom).is_err(), "{mode:o}");
    }
}

#[test]
fn an_authorization_code_is_always_the_same_for_its_request_and_no_other() {
    let vault = vault();
    let code = |id: &str| {
        vault
            .authorization_code(&AuthorizationRequestId::new(id))
            .expose()
            .to_owned()
    };

    assert_eq!(code("one"), code("one"));
    assert_ne!(code("one"), code("other"));
    assert_eq!(code("one").len(), 43);
}
