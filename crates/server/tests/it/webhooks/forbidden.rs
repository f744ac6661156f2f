//! Where no message goes (`security.md`, 6.6).

use super::messages;
use crate::support::{
    TestBroker,
    provider::{Step, TestProvider},
};

const NOT_REACHED: &str = "its address is not one that may be reached";

#[tokio::test(flavor = "multi_thread")]
async fn threat_85_a_redirect_of_a_webhook_is_not_followed() {
    let (receiver, inside) = (TestProvider::start().await, TestProvider::start().await);
    let broker = TestBroker::telling(&receiver).await;
    let user = broker.user("ana").await;
    let webhook = broker.webhook(&user, &receiver.base_url()).await;

    for status in [301, 302, 303, 307, 308] {
        let redirect = format!(
            "HTTP/1.1 {status} X\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n",
            inside.base_url()
        );
        receiver.then([Step::Send(redirect.into_bytes())]);
        let failure = broker.failure_of_test(&user, &webhook).await;
        assert_eq!(failure, Some(format!("it answered {status}")));
    }

    assert_eq!(messages(&receiver).len(), 5);
    assert_eq!(inside.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_83_no_message_goes_to_an_address_inside() {
    let broker = TestBroker::start().await;

    for (number, address) in [
        "https://127.0.0.1",
        "https://10.0.0.1/hooks",
        "https://169.254.169.254/latest",
        "https://100.64.0.1",
        "https://192.168.1.1:8443",
        "https://0.0.0.0",
        "https://[::1]",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b::a00:1]",
        "https://[fd00::1]",
        "http://127.0.0.1:9",
    ]
    .into_iter()
    .enumerate()
    {
        let user = broker.user(&format!("user {number}")).await;
        let webhook = broker.webhook(&user, address).await;
        let failure = broker.failure_of_test(&user, &webhook).await;
        assert_eq!(failure.as_deref(), Some(NOT_REACHED), "{address}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_84_no_message_goes_to_a_name_that_leads_inside() {
    let inside = TestProvider::start().await;
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let address = format!("https://localhost:{}", inside.address.port());
    let webhook = broker.webhook(&user, &address).await;

    let failure = broker.failure_of_test(&user, &webhook).await;

    assert_eq!(failure.as_deref(), Some(NOT_REACHED));
    assert_eq!(inside.connections(), 0);
}

/// A call to an allowed provider reaches the paths of its capabilities; a message would reach any.
#[tokio::test(flavor = "multi_thread")]
async fn threat_83_what_providers_may_have_is_not_what_webhooks_may() {
    let inside = TestProvider::start().await;
    let broker = TestBroker::before(&inside).await;
    let user = broker.user("ana").await;
    let webhook = broker
        .webhook(&user, &format!("{}/api/delete", inside.base_url()))
        .await;

    let failure = broker.failure_of_test(&user, &webhook).await;

    assert_eq!(failure.as_deref(), Some(NOT_REACHED));
    assert_eq!(inside.connections(), 0);
}
