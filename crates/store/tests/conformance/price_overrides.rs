//! Price overrides: the last word on a model counts, and every change is noticed by the grants.

use aipassport_domain::{
    audit::Happened,
    fixtures::NOW,
    ids::{CredentialId, ProviderId, TenantId, UserId},
    money::Money,
    price_override::{OwnPrice, OwnRates, PriceOverride, PriceTerms},
};
use aipassport_store::ProviderCredential;

use crate::support::{World, event, on_both_engines};

fn said(provider: &str, model: Option<&str>, terms: PriceTerms) -> PriceOverride {
    PriceOverride {
        provider: ProviderId::new(provider),
        model: model.map(str::to_owned),
        price: OwnPrice {
            max_output_tokens: Some(4_096),
            ..OwnPrice::of(terms)
        },
    }
}

fn rates() -> PriceTerms {
    PriceTerms::PerMillion(OwnRates {
        input: Money::from_cents(10),
        output: Money::from_cents(40),
        cached_input: None,
    })
}

async fn set(world: &World, user: &str, price: &PriceOverride) {
    let set = event(Happened::PriceSet {
        provider: price.provider.clone(),
        model: price.model.clone(),
        price: price.price,
    });
    world.store.set_price(&UserId::new(user), price, &set).await.unwrap();
}

async fn prices(world: &World, user: &str) -> Vec<PriceOverride> {
    world.store.prices_of(&world.tenant, &UserId::new(user)).await.unwrap()
}

#[tokio::test]
async fn the_last_word_on_a_model_is_the_one_that_counts() {
    on_both_engines(async |world| {
        world.add_user("ana").await;
        let one = said("ollama", Some("llama3.2:3b"), rates());
        let every = said("ollama", None, PriceTerms::Free);
        let discount = said("openai", None, PriceTerms::DiscountPercent(15));

        set(&world, "user", &said("ollama", Some("llama3.2:3b"), PriceTerms::Free)).await;
        for price in [&discount, &one, &every] {
            set(&world, "user", price).await;
        }

        assert_eq!(prices(&world, "user").await, [every, one, discount]);
        assert_eq!(prices(&world, "ana").await, []);
        let (elsewhere, user) = (TenantId::new("elsewhere"), UserId::new("user"));
        assert_eq!(world.store.prices_of(&elsewhere, &user).await.unwrap(), []);
        assert_eq!(world.times("price_set").await, 4);
    })
    .await;
}

#[tokio::test]
async fn a_price_that_is_set_or_removed_raises_the_versions_of_its_users_grants() {
    on_both_engines(async |world| {
        let grant = world.granted("one").await;
        world.add_user("ana").await;
        let price = said("vllm", None, PriceTerms::Free);
        let removed = event(Happened::PriceRemoved {
            provider: price.provider.clone(),
            model: None,
        });
        let remove = async |model| {
            let user = UserId::new("user");
            let removing = world.store.remove_price(&user, &price.provider, model, &removed);
            removing.await.unwrap()
        };

        set(&world, "ana", &price).await;
        let approved_prices = async || world.store.approved_prices(&world.tenant, &grant.id).await.unwrap();
        assert_eq!(world.version(&grant.id).await, grant.version);
        assert!(approved_prices().await.is_some());
        set(&world, "user", &price).await;
        assert_eq!(world.version(&grant.id).await, grant.version + 1);
        // What is on record was before the user's word.
        assert_eq!(approved_prices().await, None);

        let live = world.store.live_grant(&world.tenant, &grant.id).await.unwrap().unwrap();
        assert_eq!(live.prices, std::slice::from_ref(&price));

        assert!(!remove(Some("another")).await);
        assert!(remove(None).await);
        assert!(!remove(None).await);
        assert_eq!(world.version(&grant.id).await, grant.version + 2);
        assert_eq!(world.times("price_removed").await, 1);
        assert_eq!(prices(&world, "ana").await, std::slice::from_ref(&price));
    })
    .await;
}

#[tokio::test]
async fn threat_137_what_was_said_of_one_host_does_not_make_the_next_one_free() {
    on_both_engines(async |world| {
        let add = async |id: &str, provider: &str, base_url: Option<&str>| {
            let credential = ProviderCredential {
                id: CredentialId::new(id),
                base_url: base_url.map(str::to_owned),
                ..world
                    .add_credential(&format!("the one before {id}"), "ana", provider, NOW)
                    .await
            };
            let credential = ProviderCredential {
                user_id: UserId::new("user"),
                ..credential
            };
            let added = event(Happened::CredentialAdded {
                credential_id: credential.id.clone(),
                provider: credential.provider.clone(),
                last_four: String::new(),
            });
            world.store.add_credential(&credential, &added).await.unwrap();
        };
        world.add_user("ana").await;
        let free = said("custom/lab", None, PriceTerms::Free);
        let discount = said("openai", None, PriceTerms::DiscountPercent(15));
        add("1", "custom/lab", Some("http://10.0.0.1:8000/v1")).await;
        set(&world, "user", &free).await;
        set(&world, "user", &discount).await;

        add("2", "custom/lab", Some("http://10.0.0.1:8000/v1")).await;
        add("3", "openai", None).await;
        assert_eq!(prices(&world, "user").await, [free, discount.clone()]);

        add("4", "custom/lab", Some("https://api.dear.example/v1")).await;
        assert_eq!(prices(&world, "user").await, [discount]);
    })
    .await;
}
