impl Account<'_> {
    /// Calls the AI; with a refreshed token where the present one is not good any more.
    pub(super) async fn ask(&self, visitor: &mut Visitor, note: &str, pace: Pace) -> Result<AnswerStream, Refusal> {
        let (options, broker) = (&self.0.options, &self.0.broker);
        let passport = self.fresh_passport(visitor).await?;
        let mut asked = ai::ask(options, broker, &passport, note, pace).await;
        if let Ok(Asked::NotAuthenticated(refusal)) = &asked
            && !refusal.is_final()
        {
            let passport = self.refresh(visitor).await?;
            asked = ai::ask(options, broker, &passport, note, pace).await;
        }
        match asked.map_err(|error| unreachable(&error))? {
            Asked::Streams(answer) => Ok(answer),
            Asked::NotAuthenticated(refusal) | Asked::Refused(refusal) => Err(forget_if_gone(visitor, refusal)),
        }
    }

    /// The next words of an answer; none at its end.
    async fn next_piece(&self, visitor: &SharedVisitor, answer: &mut AnswerStream) -> Result<Option<String>, Refusal> {
        match answer.next().await {
            Piece::Text(text) => Ok(Some(text)),
            Piece::End => Ok(None),
            Piece::Failed(refusal) => Err(forget_if_gone(&mut *visitor.lock().await, refusal)),
            // It did not say why, so ask whether the tokens still count.
            Piece::BrokenOff => {
                self.what_is_left(&mut *visitor.lock().await).await?;
                Err(Refusal::new("The answer broke off. What had arrived is above."))
            }
        }
    }

    async fn collect(&self, visitor: &SharedVisitor, answer: Result<AnswerStream, Refusal>) -> Found {
        let mut found = Found::default();
        let mut text = String::new();
        match answer {
            Ok(mut answer) => loop {
                match self.next_piece(visitor, &mut answer).await {
                    Ok(Some(piece)) => text.push_str(&piece),
                    Ok(None) => break,
                    Err(refusal) => {
                        found.refusal = Some(refusal);
                        break;
                    }
                }
            },
            Err(refusal) => found.refusal = Some(refusal),
        }
        found.answer = Some(text).filter(|text| !text.is_empty());
        if let Ok(left) = self.what_is_left(&mut *visitor.lock().await).await {
            found.left = left;
        }
        found
    }

    /// What the broker says is left of the grant, as sentences; nothing where nothing is connected.
    pub(super) async fn what_is_left(&self, visitor: &mut Visitor) -> Result<Vec<String>, Refusal> {
        if visitor.passport.is_none() {
            return Ok(Vec::new());
        }
        let passport = self.fresh_passport(visitor).await?;
        let token = Some(&passport.access_token);
        let answered = self
            .0
            .broker
            .json(Method::GET, "/passport/self", token, Call::default())
            .await;
        let (status, headers, body) = answered.map_err(|error| unreachable(&error))?;
        if status.is_success() {
            return Ok(left_of_grant::sentences(&body));
        }
        Err(forget_if_gone(visitor, Refusal::read(status, &headers, &body)))
    }

    /// Tokens that are good for a while.
    async fn fresh_passport(&self, visitor: &mut Visitor) -> Result<Passport, Refusal> {
        match &visitor.passport {
            None => Err(Refusal::new("Jotter has no AI of its own. Connect yours first.")),
            Some(passport) if passport.is_fresh() => Ok(passport.clone()),
            Some(_) => self.refresh(visitor).await,
        }
    }

    async fn refresh(&self, visitor: &mut Visitor) -> Result<Passport, Refusal> {
        let passport = visitor.passport.clone().ok_or_else(Refusal::disconnected)?;
        match self.0.broker.refresh(&passport).await {
            Ok(refreshed) => Ok(visitor.passport.insert(refreshed).clone()),
            Err(BrokerError::Refused(_)) => Err(forget_if_gone(visitor, Refusal::disconnected())),
            Err(error) => Err(unreachable(&error)),
        }
    }
}

fn unreachable(error: &BrokerError) -> Refusal {
    Refusal::unreachable(&error.to_string())
}

/// Drops tokens that are of no more use.
fn forget_if_gone(visitor: &mut Visitor, refusal: Refusal) -> Refusal {
    if refusal.is_disconnected {
        visitor.passport = None;
    }
    refusal
}

