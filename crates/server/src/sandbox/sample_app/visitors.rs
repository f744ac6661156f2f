//! Who is on the page: their note, and the tokens that stand for their AI account.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aipassport_domain::secret::Secret;
use http::{HeaderMap, HeaderValue, header};

use super::{
    random::{NoRandomness, secret_text},
    refusal::Refusal,
};

const COOKIE: &str = "jotter_visitor";
const MOST_VISITORS: usize = 1000;
const FIRST_NOTE: &str = "Monday. Sowed the late radishes; the heron is back at the river.\n\
Paint for the kitchen was 31.40, bread 3.20, and the second-hand lamp 12.\n\
Anna's train is on Thursday at 17:52, the last one, so no long lunch.\n\
Call the plumber before the frost. Ask the council about the broken lantern.\n\
Grandmother's soup: less salt, more patience.";

pub(super) type SharedVisitor = Arc<tokio::sync::Mutex<Visitor>>;

/// One browser. Locked while its tokens are exchanged or refreshed, so that a refresh token is
/// never used twice.
pub(super) struct Visitor {
    pub(super) note: String,
    pub(super) pending: Option<PendingConnection>,
    pub(super) passport: Option<Passport>,
    /// Why the last tokens are gone, until others are there.
    pub(super) ended: Option<Refusal>,
    /// What to say when the page is shown next.
    pub(super) notice: Option<String>,
}

impl Visitor {
    /// Drops tokens that are of no more use, and remembers why.
    pub(super) fn disconnect(&mut self, why: Refusal) -> Refusal {
        self.passport = None;
        self.ended.insert(why).clone()
    }
}

/// A trip to the broker that has not come back yet.
pub(super) struct PendingConnection {
    pub(super) state: String,
    pub(super) code_verifier: Secret,
}

/// The tokens. They stay on this server: the browser never sees them.
#[derive(Clone)]
pub(super) struct Passport {
    pub(super) access_token: Secret,
    pub(super) refresh_token: Option<Secret>,
    pub(super) expires_at: Instant,
}

impl Passport {
    pub(super) fn is_fresh(&self) -> bool {
        Instant::now() < self.expires_at
    }
}

#[derive(Default)]
pub(super) struct Visitors(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_cookie: HashMap<String, SharedVisitor>,
    /// Oldest first.
    order: VecDeque<String>,
}

impl Visitors {
    /// The visitor of a request, and the cookie to set if it is a new one.
    pub(super) fn of(&self, headers: &HeaderMap) -> Result<(SharedVisitor, Option<HeaderValue>), NoRandomness> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(visitor) = cookie(headers).and_then(|cookie| known.by_cookie.get(cookie)) {
            return Ok((visitor.clone(), None));
        }
        let id = secret_text()?;
        let visitor = SharedVisitor::new(Visitor::new().into());
        known.by_cookie.insert(id.clone(), visitor.clone());
        known.order.push_back(id.clone());
        if known.order.len() > MOST_VISITORS
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_cookie.remove(&oldest);
        }
        let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax");
        Ok((visitor, HeaderValue::try_from(cookie).ok()))
    }
}

impl Visitor {
    fn new() -> Self {
        Self {
            note: FIRST_NOTE.to_owned(),
            pending: None,
            passport: None,
            ended: None,
            notice: None,
        }
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}
