//! A connected AI account at work: calls with tokens that are good, and what is left of the grant.

use http::Method;

use super::{
    SampleAppError, SampleAppOptions,
    ai::{self, AnswerStream, Asked, Pace, Piece},
    broker::{Broker, BrokerError, Call},
    left,
    refusal::Refusal,
    visitors::{Passport, SharedVisitor},
};

pub(super) struct Accounts {
    pub(super) options: SampleAppOptions,
    pub(super) broker: Broker,
}

impl Accounts {
    pub(super) fn new(options: SampleAppOptions) -> Result<Self, SampleAppError> {
        let broker = Broker::new(&options)?;
        Ok(Self { options, broker })
    }

    /// Calls the AI; with refreshed tokens where the present ones are not good any more.
    pub(super) async fn ask(&self, visitor: &SharedVisitor, note: &str, pace: Pace) -> Result<AnswerStream, Refusal> {
        let (options, broker) = (&self.options, &self.broker);
        let passport = self.fresh_passport(visitor).await?;
        let mut asked = ai::ask(options, broker, &passport, note, pace).await;
        if let Ok(Asked::NotAuthenticated(refusal)) = &asked
            && !refusal.is_final()
        {
            let passport = self.refresh(visitor, &passport).await?;
            asked = ai::ask(options, broker, &passport, note, pace).await;
        }
        match asked.map_err(|error| unreachable(&error))? {
            Asked::Streams(answer) => Ok(answer),
            Asked::NotAuthenticated(refusal) | Asked::Refused(refusal) => Err(told(visitor, refusal).await),
        }
    }

    /// The next words of an answer; none at its end.
    pub(super) async fn next_words(
        &self,
        visitor: &SharedVisitor,
        answer: &mut AnswerStream,
    ) -> Result<Option<String>, Refusal> {
        match answer.next().await {
            Piece::Text(text) => Ok(Some(text)),
            Piece::End => Ok(None),
            Piece::Failed(refusal) => Err(told(visitor, refusal).await),
            // It did not say why, so ask whether the tokens still count.
            Piece::BrokenOff => {
                self.what_is_left(visitor).await?;
                Err(Refusal::new("The answer broke off. What had arrived is above."))
            }
        }
    }

    /// What the broker says is left of the grant, as sentences; nothing where nothing is connected.
    pub(super) async fn what_is_left(&self, visitor: &SharedVisitor) -> Result<Vec<String>, Refusal> {
        if visitor.lock().await.passport.is_none() {
            return Ok(Vec::new());
        }
        let passport = self.fresh_passport(visitor).await?;
        let token = Some(&passport.access_token);
        let answered = self.broker.json(Method::GET, "/passport/self", token, Call::default());
        let (status, headers, body) = answered.await.map_err(|error| unreachable(&error))?;
        if status.is_success() {
            return Ok(left::sentences(&body));
        }
        Err(told(visitor, Refusal::read(status, &headers, &body)).await)
    }

    /// Tokens that are good for a while.
    async fn fresh_passport(&self, visitor: &SharedVisitor) -> Result<Passport, Refusal> {
        let (passport, ended) = {
            let visitor = visitor.lock().await;
            (visitor.passport.clone(), visitor.ended.clone())
        };
        match passport {
            None => Err(ended.unwrap_or_else(|| Refusal::new("Jotter has no AI of its own. Connect yours first."))),
            Some(passport) if passport.is_fresh() => Ok(passport),
            Some(passport) => self.refresh(visitor, &passport).await,
        }
    }

    /// New tokens in place of `old`, unless somebody has already replaced them.
    async fn refresh(&self, visitor: &SharedVisitor, old: &Passport) -> Result<Passport, Refusal> {
        let mut visitor = visitor.lock().await;
        let present = visitor.passport.clone().ok_or_else(Refusal::disconnected)?;
        if present.access_token.expose() != old.access_token.expose() {
            return Ok(present);
        }
        match self.broker.refresh(&present).await {
            Ok(refreshed) => Ok(visitor.passport.insert(refreshed).clone()),
            Err(BrokerError::Refused(_)) => Err(visitor.disconnect(Refusal::disconnected())),
            Err(error) => Err(unreachable(&error)),
        }
    }
}

fn unreachable(error: &BrokerError) -> Refusal {
    Refusal::unreachable(&error.to_string())
}

/// The refusal, after dropping the tokens it made useless.
async fn told(visitor: &SharedVisitor, refusal: Refusal) -> Refusal {
    if refusal.is_disconnected {
        return visitor.lock().await.disconnect(refusal);
    }
    refusal
}
