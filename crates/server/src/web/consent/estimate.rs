//! What an amount buys, in the person's terms, at today's prices.

use aipassport_domain::{authorization_details::AiAccess, money::Money};
use aipassport_providers::prices::{MostInput, Outputs, PricedModel};

use super::super::words;

/// A short question and its answer.
const INPUT_TOKENS: u64 = 300;
const OUTPUT_TOKENS: u64 = 300;

/// `$5.00 pays for about 900 short questions. One answer costs at most $0.12.`
pub(super) fn sentence(amount: Money, models: &[&PricedModel], access: &AiAccess) -> Option<String> {
    let costs = models
        .iter()
        .filter_map(|model| model.sample_cost(INPUT_TOKENS, OUTPUT_TOKENS));
    let (cheapest, dearest) = (costs.clone().min()?, costs.max()?);
    let questions = |cost: Money| amount.nanos().unsigned_abs().checked_div(cost.nanos().unsigned_abs());
    let (fewest, most) = (questions(dearest)?, questions(cheapest)?);
    let how_many = if most < fewest.saturating_mul(2) {
        format!("about {} short questions", words::about(fewest))
    } else {
        format!(
            "about {} to {} short questions, depending on the model",
            words::about(fewest),
            words::about(most)
        )
    };
    let paid = format!("{} pays for {how_many}.", words::Dollars(amount));
    Some(match dearest_answer(models, access) {
        Some(answer) => format!(
            "{paid} One answer costs at most {}.",
            words::Dollars(answer.min(amount))
        ),
        None => paid,
    })
}

/// The most that one answer can cost; `None` where a limit is not known, or where the provider's
/// own tools could add to it.
fn dearest_answer(models: &[&PricedModel], access: &AiAccess) -> Option<Money> {
    let features = access.features;
    if features.server_tools || features.web_search || features.code_execution {
        return None;
    }
    let of_model = |model: &&PricedModel| {
        let (input, output_rate) = model.ceiling(MostInput::text(model.context_tokens?), Outputs::TEXT)?;
        let longest = model.max_output_tokens?;
        let cap = access
            .limits
            .output_tokens_per_request
            .map_or(longest, |cap| cap.min(longest));
        let mut sum = aipassport_domain::money::CostSum::default();
        sum.add_money(input);
        sum.add(cap, output_rate);
        Some(sum.total())
    };
    let costs: Option<Vec<Money>> = models.iter().map(of_model).collect();
    costs?.into_iter().max()
}
