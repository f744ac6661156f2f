//! Keys: a user's secrets at providers. They go in and never come out.

use std::collections::BTreeSet;

use aipassport_domain::{
    audit::{Happened, KeyCheck},
    grant::Grant,
    ids::{CredentialId, ProviderId},
    price_override::PriceOverride,
    secret::Secret,
};
use aipassport_providers::adapter;
use aipassport_store::{KeyChecked, ProviderCredential, User};
use askama::Template;
use axum::{
    extract::{Path, RawQuery, State},
    response::Response,
};
use http::StatusCode;

use super::{
    app_words,
    consent::Choosable,
    error::PageError,
    form::{Fields, SignedForm, Visitor},
    page::{Frame, Section, page, see_other},
    parts::FieldError,
    prices::{self, PriceRow},
    return_to::own_path,
    sign_in,
    words::{self, WallClock},
};
use crate::{
    app::App,
    browser_session::SignedIn,
    entries::{NewCredential, checked, new_credential, new_price},
};

#[derive(Template)]
#[template(path = "keys.html")]
pub(super) struct KeysPage {
    pub(super) frame: Frame,
    pub(super) errors: Vec<FieldError>,
    pub(super) keys: Vec<KeyRow>,
    pub(super) providers: Vec<Choosable>,
    /// What a server of one's own can be, and what was entered of one.
    pub(super) servers: Vec<Choosable>,
    pub(super) server_name: String,
    pub(super) server_base_url: String,
    pub(super) prices: Vec<PriceRow>,
    /// Of what a price can be said.
    pub(super) priced: Vec<Choosable>,
    pub(super) has_price_error: bool,
    /// Where to go on once a key is added.
    pub(super) return_to: Option<String>,
    /// The provider does not accept what was entered: it may be kept all the same.
    pub(super) may_save_anyway: bool,
}

pub(super) struct KeyRow {
    pub(super) id: String,
    pub(super) provider_name: String,
    /// Empty where there is no key.
    pub(super) last_four: String,
    pub(super) added: String,
    pub(super) last_used: String,
    pub(super) base_url: Option<String>,
    pub(super) refused: Option<String>,
    /// What became of asking the provider about it.
    pub(super) check: Option<String>,
    pub(super) used_by: String,
    /// What removing it does.
    pub(super) consequence: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    Visitor(signed_in): Visitor,
) -> Result<Response, PageError> {
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let notice = match query.raw("done") {
        "added" => Some("The key was added."),
        "checked" => Some("The provider was asked about the key."),
        "removed" => Some("The key was removed. Its sealed copy is gone, too."),
        "priced" => Some("The price holds from the next call on."),
        "unpriced" => Some("The price was forgotten."),
        _ => None,
    };
    let said = Said {
        notice,
        ..Said::default()
    };
    keys_page(&app, &signed_in, &Fields::default(), said).await
}

pub(super) async fn add(State(app): State<App>, form: SignedForm) -> Result<Response, PageError> {
    let SignedForm { signed_in, fields, .. } = form;
    let ((credential, added), price) = match entered(&app, &signed_in, &fields) {
        Ok(entered) => entered,
        Err(error) => return keys_page(&app, &signed_in, &fields, Said::wrong(error)).await,
    };
    let is_kept_anyway = fields.has("save_anyway", "yes");
    let upstreams = &app.config.upstreams;
    let user = &signed_in.user;
    match checked(app.making(), &app.gateway, upstreams, credential, is_kept_anyway).await {
        Ok(credential) => {
            let event = sign_in::event(&app, user, added);
            app.store.add_credential(&credential, &event).await?;
            if let Some((price, set)) = price {
                let event = sign_in::event(&app, user, set);
                app.store.set_price(&user.id, &price, &event).await?;
            }
            let return_to = match fields.raw("return_to") {
                "" => "/keys?done=added",
                asked => own_path(asked),
            };
            Ok(see_other(return_to))
        }
        Err(not_accepted) => {
            let words = format!("{not_accepted}. Copy it again from there.");
            let said = Said {
                may_save_anyway: true,
                ..Said::wrong(FieldError::new(field(&fields, "key"), words))
            };
            keys_page(&app, &signed_in, &fields, said).await
        }
    }
}

/// What was entered, and what is to be told of it.
type Entered<T> = (T, Happened);

/// The key or the server that was entered, and what it costs where that was said. Nothing is added
/// where any of it is wrong.
fn entered(
    app: &App,
    signed_in: &SignedIn,
    fields: &Fields,
) -> Result<(Entered<ProviderCredential>, Option<Entered<PriceOverride>>), FieldError> {
    let provider = match fields.text("provider") {
        "custom" => format!("custom/{}", fields.text("name")),
        provider => provider.to_owned(),
    };
    let new = NewCredential {
        provider: provider.clone(),
        key: Secret::new(fields.text("key")),
        base_url: is_server(fields).then(|| fields.text("base_url").to_owned()),
    };
    if let Some(error) = wrong_provider(&provider, &new.key) {
        return Err(error);
    }
    let price = prices::entered(fields, "server", provider, None)?;
    let price = price.map(new_price).transpose();
    let price = price.map_err(|refused| FieldError::new("server-cost", refused.text))?;
    let credential = new_credential(app.making(), &signed_in.user.id, new)
        .map_err(|refused| FieldError::new(field(fields, refused.field), refused.text))?;
    Ok((credential, price))
}

/// Of the two forms of the page, the one for servers of one's own.
fn is_server(fields: &Fields) -> bool {
    fields.has("server", "yes")
}

/// The id of a field of the form that was sent.
fn field(fields: &Fields, name: &str) -> String {
    let form = if is_server(fields) { "server-" } else { "" };
    format!("{form}{name}")
}

/// Asks the provider about a key that is kept.
pub(super) async fn check(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let user = form.signed_in.user;
    let credential = own_key(&app, &user, &CredentialId::new(id)).await?;
    let result = app
        .gateway
        .check_key(&app.config.upstreams, &app.vault, &credential)
        .await;
    let checked = Happened::CredentialChecked {
        credential_id: credential.id.clone(),
        provider: credential.provider,
        result,
    };
    app.store
        .record_key_check(&credential.id, result, &sign_in::event(&app, &user, checked))
        .await?;
    Ok(see_other("/keys?done=checked"))
}

pub(super) async fn remove(
    State(app): State<App>,
    Path(id): Path<String>,
    form: SignedForm,
) -> Result<Response, PageError> {
    let user = form.signed_in.user;
    let id = CredentialId::new(id);
    let credential = own_key(&app, &user, &id).await?;
    let removed = Happened::CredentialRemoved {
        credential_id: id.clone(),
        provider: credential.provider,
    };
    app.store
        .remove_credential(&id, &sign_in::event(&app, &user, removed))
        .await?;
    Ok(see_other("/keys?done=removed"))
}

async fn own_key(app: &App, user: &User, id: &CredentialId) -> Result<ProviderCredential, PageError> {
    let found = app.store.credential(&app.tenant_id, id).await?;
    found.filter(|key| key.user_id == user.id).ok_or(PageError::NotFound)
}

/// A key that another provider made: it would only be refused later, at the first call.
fn wrong_provider(provider: &str, key: &Secret) -> Option<FieldError> {
    let is_anthropics = key.expose().starts_with("sk-ant-");
    let words = match provider {
        "openai" if is_anthropics => "This looks like an Anthropic key: choose Anthropic above.",
        "anthropic" if !is_anthropics && key.expose().starts_with("sk-") => {
            "This looks like an OpenAI key: an Anthropic key begins with sk-ant-."
        }
        _ => return None,
    };
    Some(FieldError::new("key", words))
}

/// What the page says of what was just done or entered.
#[derive(Default)]
pub(super) struct Said {
    notice: Option<&'static str>,
    errors: Vec<FieldError>,
    may_save_anyway: bool,
}

impl Said {
    pub(super) fn wrong(error: FieldError) -> Self {
        Self {
            errors: vec![error],
            ..Self::default()
        }
    }
}

pub(super) async fn keys_page(
    app: &App,
    signed_in: &SignedIn,
    entered: &Fields,
    said: Said,
) -> Result<Response, PageError> {
    let user = &signed_in.user;
    let keys = app.store.credentials_of(&app.tenant_id, &user.id).await?;
    let grants = app.store.grants_of(&app.tenant_id, &user.id).await?;
    let clock = WallClock::new(app.clock.now(), &user.time_zone);
    let live: Vec<&Grant> = grants
        .iter()
        .filter(|grant| grant.check_active(app.clock.now()).is_ok())
        .collect();
    // The newest key of a provider comes first, and is the one in use.
    let is_in_use =
        |place: usize, key: &ProviderCredential| !keys.iter().take(place).any(|newer| newer.provider == key.provider);
    let rows = keys
        .iter()
        .enumerate()
        .map(|(place, key)| row(key, is_in_use(place, key), &live, &clock))
        .collect();
    let choosable = |id: &str, words: String| Choosable {
        value: id.to_owned(),
        words,
        is_selected: entered.has("provider", id),
    };
    let named = |is_self_hosted| {
        let all = adapter::all().iter();
        all.filter(move |adapter| adapter.is_self_hosted() == is_self_hosted)
            .map(|adapter| choosable(adapter.id(), adapter.name().to_owned()))
    };
    let customs: BTreeSet<&ProviderId> = keys
        .iter()
        .map(|key| &key.provider)
        .filter(|provider| ProviderId::custom_name(provider.as_str()).is_some())
        .collect();
    let customs = customs
        .into_iter()
        .map(|id| choosable(id.as_str(), words::provider(id)));
    let other = choosable(adapter::custom().id(), "Another that speaks OpenAI’s format".to_owned());
    let prices = app.store.prices_of(&app.tenant_id, &user.id).await?;
    let status = if said.errors.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let keys_page = KeysPage {
        frame: Frame::inside(app, signed_in, Section::Keys).with_notice(said.notice),
        has_price_error: said.errors.iter().any(|error| error.field.starts_with("price-")),
        errors: said.errors,
        may_save_anyway: said.may_save_anyway,
        keys: rows,
        providers: named(false).collect(),
        servers: named(true).chain([other]).collect(),
        server_name: entered.text("name").to_owned(),
        server_base_url: entered.text("base_url").to_owned(),
        prices: prices.iter().map(prices::row).collect(),
        priced: named(false).chain(named(true)).chain(customs).collect(),
        return_to: Some(entered.raw("return_to").to_owned()).filter(|path| !path.is_empty()),
    };
    page(status, &keys_page.frame, &keys_page)
}

fn row(key: &ProviderCredential, is_in_use: bool, live: &[&Grant], clock: &WallClock) -> KeyRow {
    let provider_name = words::provider(&key.provider);
    let users: Vec<String> = live
        .iter()
        .filter(|grant| is_in_use && grant.access_to(&key.provider).is_some())
        .map(|grant| app_words::name(&grant.client_name))
        .collect();
    let used_by = match users.as_slice() {
        [] if is_in_use => "No app uses it now.".to_owned(),
        [] => "Replaced by a newer one.".to_owned(),
        users => format!("Used by {}", users.join(", ")),
    };
    let apps = u64::try_from(users.len()).unwrap_or(u64::MAX);
    KeyRow {
        id: key.id.to_string(),
        last_four: key.last_four.clone(),
        added: format!("added {}", clock.ago(key.created_at)),
        last_used: key
            .last_used_at
            .map_or_else(|| "not used yet".to_owned(), |at| format!("used {}", clock.ago(at))),
        base_url: key.base_url.clone(),
        refused: key
            .refused_at
            .map(|at| format!("Refused by {provider_name}, {}: make a new one there.", clock.ago(at))),
        check: check_words(key, &provider_name, clock),
        used_by,
        consequence: (apps > 0).then(|| format!("{} will stop working", words::counted(apps, "app"))),
        provider_name,
    }
}

/// What the provider said when it was asked. That it refused has a line of its own, as long as it does.
fn check_words(key: &ProviderCredential, provider_name: &str, clock: &WallClock) -> Option<String> {
    let Some(KeyChecked { at, result }) = key.checked else {
        return Some("Not checked yet.".to_owned()).filter(|_| key.last_used_at.is_none());
    };
    let at = clock.ago(at);
    match result {
        KeyCheck::Works => Some(format!("{provider_name} accepts it, checked {at}.")),
        KeyCheck::Refused => None,
        KeyCheck::Unclear => Some(format!(
            "Not checked: {provider_name} did not say whether it accepts it, {at}."
        )),
        KeyCheck::NotReached => Some(format!("Not checked: {provider_name} could not be reached, {at}.")),
    }
    .filter(|_| key.refused_at.is_none() || result != KeyCheck::Works)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_another_provider_is_noticed() {
        let is_wrong = |provider, key: &str| wrong_provider(provider, &Secret::new(key)).is_some();

        assert!(is_wrong("openai", "sk-ant-1") && is_wrong("anthropic", "sk-proj-1"));
        assert!(!is_wrong("openai", "sk-proj-1") && !is_wrong("anthropic", "sk-ant-1"));
        assert!(!is_wrong("anthropic", "made-up-key"));
    }
}
