//! Settings that change what limits mean.

use crate::support::TestBroker;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_chooses_the_clock_that_limits_follow() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let mut browser = broker.browser_of(&user).await;

    let wrong = browser
        .fill("/settings", "/settings/time-zone", &[("time_zone", "Europe/Nowhere")])
        .await;
    let right = browser
        .fill("/settings", "/settings/time-zone", &[("time_zone", "Europe/Berlin")])
        .await;

    assert_eq!(wrong.status, 422);
    assert_eq!(right.status, 303, "{}", right.text());
    let page = browser.page("/settings?done=time-zone").await;
    assert!(page.contains(r#"<option value="Europe/Berlin" selected>"#));
    assert!(
        browser
            .page("/activity")
            .await
            .contains("You set the clock of your limits to Europe/Berlin.")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_chooses_it_too() {
    let broker = TestBroker::start().await;
    let user = broker.user("ana").await;
    let authorization = format!("Bearer {}", user.bearer);
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/json"),
    ];
    let put = |body: &'static str| {
        let request = broker.request("PUT", "/api/time-zone", &headers, body.into());
        broker.send(request)
    };

    let wrong = put(r#"{"time_zone":"Nowhere"}"#).await;
    let right = put(r#"{"time_zone":"asia/tokyo"}"#).await;

    assert_eq!((wrong.status, right.status), (400, 200));
    let shown = broker.get("/api/time-zone", &headers[..1]).await;
    assert_eq!(shown.json()["time_zone"], "Asia/Tokyo");
}
