//! What figures have to come to: data, not code.

use serde::{Deserialize, Serialize};

use super::figures::Figures;

/// The thresholds that count when no file is named.
pub const SHIPPED: &str = include_str!("gate.yaml");

/// A figure's bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Threshold {
    /// Its name in the results.
    pub figure: String,
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// What could not be measured passes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// All of them have to hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    api_version: String,
    kind: String,
    /// In the file's order.
    pub thresholds: Vec<Threshold>,
}

impl Gate {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it: a misspelt figure would never be looked at.
    pub fn parse(text: &str) -> Result<Self, String> {
        let gate: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if (gate.api_version.as_str(), gate.kind.as_str()) != ("whynot.dev/v1", "EvaluationGate") {
            return Err("expected apiVersion whynot.dev/v1 and kind EvaluationGate".to_owned());
        }
        checked(&gate.thresholds)?;
        Ok(gate)
    }

    /// What does not hold, in words; nothing when all of it does.
    pub fn failures(&self, figures: &Figures) -> Vec<String> {
        failures(&self.thresholds, |name| figures.named(name))
    }
}

/// Whether thresholds bound something.
///
/// # Errors
/// What is wrong with them: a misspelt figure would never be looked at.
pub fn checked(thresholds: &[Threshold]) -> Result<(), String> {
    if thresholds.is_empty() {
        return Err("thresholds: expected one or more".to_owned());
    }
    for (index, threshold) in thresholds.iter().enumerate() {
        if !Figures::has(&threshold.figure) {
            return Err(format!(
                "thresholds[{index}].figure: there is no figure {:?}",
                threshold.figure
            ));
        }
        if threshold.min.is_none() && threshold.max.is_none() {
            return Err(format!("thresholds[{index}]: expected min or max"));
        }
    }
    Ok(())
}

/// What does not hold of figures by their names, in words.
pub fn failures(thresholds: &[Threshold], figure: impl Fn(&str) -> Option<f64>) -> Vec<String> {
    let each = thresholds.iter();
    each.filter_map(|threshold| threshold.failure(figure(&threshold.figure)))
        .collect()
}

impl Threshold {
    fn failure(&self, found: Option<f64>) -> Option<String> {
        let name = &self.figure;
        let Some(found) = found else {
            return (!self.optional).then(|| format!("{name} could not be measured"));
        };
        // Enough digits to tell it from the bound.
        let shown = (found * 1e4).round() / 1e4;
        let below = self.min.filter(|min| found < *min);
        let above = self.max.filter(|max| found > *max);
        below
            .map(|min| format!("{name} is {shown}, and {min} is the least"))
            .or_else(|| above.map(|max| format!("{name} is {shown}, and {max} is the most")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(thresholds: &str) -> Result<Gate, String> {
        Gate::parse(&format!(
            "apiVersion: whynot.dev/v1\nkind: EvaluationGate\nthresholds: {thresholds}\n"
        ))
    }

    #[test]
    fn the_shipped_one_is_read_and_lets_no_unverified_fix_through() {
        let gate = Gate::parse(SHIPPED).unwrap();
        let good = Figures {
            denials: 200,
            schema_valid: Some(1.0),
            grounded: Some(1.0),
            explained: Some(1.0),
            in_time: Some(1.0),
            reading_grade: Some(9.0),
            p99_ms: Some(900.0),
            ..Figures::default()
        };
        assert_eq!(gate.failures(&good), [""; 0]);
        let lies = Figures {
            fixes_unverified: 1,
            ..good.clone()
        };
        assert_eq!(gate.failures(&lies), ["fixesUnverified is 1, and 0 is the most"]);
        let silent = Figures {
            reading_grade: None,
            ..good
        };
        assert_eq!(gate.failures(&silent), ["readingGrade could not be measured"]);
    }

    #[test]
    fn bounds_are_part_of_what_passes() {
        let gate = gate("[{figure: grounded, min: 0.5}, {figure: p50Ms, max: 10, optional: true}]").unwrap();
        let at = |grounded, p50_ms| Figures {
            grounded: Some(grounded),
            p50_ms,
            ..Figures::default()
        };
        assert_eq!(gate.failures(&at(0.5, Some(10.0))), [""; 0]);
        assert_eq!(gate.failures(&at(0.49, Some(10.1))).len(), 2);
        assert_eq!(gate.failures(&at(0.5, None)), [""; 0]);
    }

    #[test]
    fn a_file_that_is_wrong_is_refused() {
        for (text, reason) in [
            ("[]", "one or more"),
            ("[{figure: groundedness, min: 1}]", "no figure \"groundedness\""),
            ("[{figure: grounded}]", "expected min or max"),
            ("[{figure: grounded, least: 1}]", "least"),
        ] {
            let problem = gate(text).unwrap_err();
            assert!(problem.contains(reason), "{problem}");
        }
        assert!(Gate::parse("apiVersion: v1\nkind: EvaluationGate\nthresholds: []").is_err());
    }
}
