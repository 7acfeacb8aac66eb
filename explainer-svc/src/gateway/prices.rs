//! What models cost: data with a date. A model that is not in it has no price, which is not the same as costing
//! nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::call::{Money, Usage};

/// The prices that come with the program.
pub const SHIPPED: &str = include_str!("prices.yaml");

/// Dollars for a million tokens, at most: a mistake in the unit is found.
const DEAREST: f64 = 10_000.0;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPrices {
    as_of: String,
    models: BTreeMap<String, RawPrice>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPrice {
    input: f64,
    cached_input: Option<f64>,
    output: f64,
}

/// Prices of one model: billionths of a dollar for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    input: u64,
    cached_input: u64,
    output: u64,
}

/// Prices of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// From when they are.
    pub as_of: jiff::civil::Date,
    models: BTreeMap<String, Price>,
}

impl Prices {
    /// Reads a file of prices.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let raw: RawPrices = super::config::parsed(text)?;
        let as_of = raw
            .as_of
            .parse()
            .map_err(|_| "asOf: expected a date, for example 2026-11-01".to_owned())?;
        let mut models = BTreeMap::new();
        for (name, price) in raw.models {
            let RawPrice {
                input,
                cached_input,
                output,
            } = price;
            let read = |field: &str, dollars: f64| {
                billionths(dollars)
                    .ok_or_else(|| format!("models.{name}.{field}: expected dollars from 0 to {DEAREST}"))
            };
            let price = Price {
                input: read("input", input)?,
                // Where a provider's cache is not named, what comes from it costs as much as what does not.
                cached_input: read("cachedInput", cached_input.unwrap_or(input))?,
                output: read("output", output)?,
            };
            models.insert(name, price);
        }
        Ok(Self { as_of, models })
    }

    /// Of one model of a provider. `provider/model` is more exact than `model`.
    pub fn of(&self, provider: &str, model: &str) -> Option<Price> {
        let exact = self.models.get(&format!("{provider}/{model}"));
        exact.or_else(|| self.models.get(model)).copied()
    }
}

impl Price {
    /// Of what a call took, rounded up.
    pub fn cost(&self, usage: &Usage) -> Money {
        let cached = usage.cached.min(usage.input);
        let parts = [
            (usage.input - cached, self.input),
            (cached, self.cached_input),
            (usage.output, self.output),
        ];
        let millionths: u128 = parts
            .iter()
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(*price))
            .sum();
        // The database has signed numbers.
        let most = u128::from(i64::MAX.unsigned_abs());
        Money(u64::try_from(millionths.div_ceil(1_000_000).min(most)).unwrap_or(u64::MAX))
    }
}

/// Of an amount in dollars that a person wrote.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded on both sides before"
)]
pub(super) fn billionths(dollars: f64) -> Option<u64> {
    (0.0..=DEAREST * 1e5)
        .contains(&dollars)
        .then(|| (dollars * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64, cached: u64, output: u64) -> Usage {
        Usage {
            input,
            cached,
            output,
            estimated: false,
        }
    }

    #[test]
    fn the_prices_that_come_along_are_read() {
        let prices = Prices::parse(SHIPPED).unwrap();
        let price = prices.of("openai", "gpt-4o-mini").unwrap();
        // 1,000 tokens at 0.15, of which 400 at 0.075, and 100 at 0.6 dollars a million.
        assert_eq!(price.cost(&usage(1000, 400, 100)), Money(90_000 + 30_000 + 60_000));
        assert_eq!(prices.of("openai", "gpt-99"), None, "no price is not the price 0");
    }

    #[test]
    fn a_provider_may_have_its_own_price_and_fractions_are_rounded_up() {
        let text = "asOf: 2026-01-02\nmodels:\n  m: {input: 1, output: 0.0000001}\n  local/m: {input: 0, output: 0}\n";
        let prices = Prices::parse(text).unwrap();
        assert_eq!(prices.of("local", "m").unwrap().cost(&usage(9, 0, 9)), Money(0));
        assert_eq!(prices.of("x", "m").unwrap().cost(&usage(0, 0, 1)), Money(1));
        let without_cache = prices.of("x", "m").unwrap().cost(&usage(2, 2, 0));
        assert_eq!(without_cache, Money(2_000));
    }

    #[test]
    fn wrong_files_are_refused_with_the_place() {
        for (text, place) in [
            (
                "asOf: 2026-01-02\nmodels: {m: {input: -1, output: 0}}",
                "models.m.input",
            ),
            ("asOf: 2026-01-02\nmodels: {m: {input: .nan, output: 0}}", "non-finite"),
            ("asOf: soon\nmodels: {}", "asOf"),
            (
                "asOf: 2026-01-02\nmodels: {m: {input: 1, output: 1, outptu: 1}}",
                "outptu",
            ),
        ] {
            let problem = Prices::parse(text).unwrap_err();
            assert!(problem.contains(place), "{problem}");
        }
    }
}
