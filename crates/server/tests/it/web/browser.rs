//! A person at a browser: follows forms as they are on the page, and carries the cookie.

use aipassport_domain::{audit::Happened, secret::Secret};

use super::html;
use crate::support::{TestBroker, TestUser, http::Answer};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Browser<'a> {
    pub(crate) broker: &'a TestBroker,
    /// `name=value`, once there is one.
    pub(crate) cookie: String,
}

impl TestBroker {
    /// A browser in which nobody is signed in.
    pub(crate) fn new_browser(&self) -> Browser<'_> {
        Browser {
            broker: self,
            cookie: String::new(),
        }
    }

    /// A browser in which `user` has signed in just now.
    pub(crate) async fn browser_of(&self, user: &TestUser) -> Browser<'_> {
        Browser {
            broker: self,
            cookie: self.browser(user).await,
        }
    }

    /// A user who signs in with [`PASSWORD`].
    pub(crate) async fn user_with_password(&self, name: &str) -> TestUser {
        let user = self.user(name).await;
        let app = &self.app;
        let hashed = app
            .passwords
            .hash(Secret::new(PASSWORD), app.random.clone())
            .await
            .unwrap();
        let event = self.event(Some(&user.id), Happened::PasswordChanged);
        app.store.set_password(&user.id, &hashed, &event).await.unwrap();
        user
    }
}

impl Browser<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.broker.get(path, &[("cookie", &self.cookie)]).await
    }

    /// A page that has to be there, and to be as every page must be.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let page = answer.text();
        assert_eq!(html::faults(&page), Vec::<String>::new(), "{path}");
        page
    }

    /// Posts a form as a page of ours would, and keeps the cookie that comes back.
    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        let origin = self.broker.url("");
        let headers = [
            ("origin", origin.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("cookie", &self.cookie),
        ];
        let answer = self.broker.post_form(path, &headers, form).await;
        if let Some(cookie) = answer.headers.get("set-cookie") {
            let cookie = cookie.to_str().unwrap().split(';').next().unwrap();
            cookie.clone_into(&mut self.cookie);
        }
        answer
    }

    /// Opens a page and sends its form to `action`, with `entered` in place of what was there.
    pub(crate) async fn fill(&mut self, page: &str, action: &str, entered: &[(&str, &str)]) -> Answer {
        let page = self.get(page).await.text();
        self.fill_in(&page, action, entered).await
    }

    /// The same with a page that was opened before.
    pub(crate) async fn fill_in(&mut self, page: &str, action: &str, entered: &[(&str, &str)]) -> Answer {
        let mut fields = html::form(page, action);
        fields.retain(|(name, _)| !entered.iter().any(|(other, _)| other == name));
        let mut form: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        form.extend(entered);
        self.post(action, &form).await
    }

    pub(crate) async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        self.fill("/login", "/login", &[("name", name), ("password", password)])
            .await
    }
}
