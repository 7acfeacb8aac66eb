//! Whether a value fits a schema.

use serde_json::Value as Json;

use super::{Complaint, Schema, Type, step, type_name};

impl Schema {
    /// Collects what does not fit. Fields that the schema does not name are complained about when it is `structural`,
    /// which the schemas in `anyOf` and its like are not: they only narrow.
    pub(super) fn validate(&self, value: &Json, path: &[String], structural: bool, complaints: &mut Vec<Complaint>) {
        if value.is_null() && (self.nullable || self.sort.is_none()) {
            return;
        }
        if let Some(expected) = self.misfit(value) {
            let reason = format!("expected {expected}, this is {}", type_name(value));
            complaints.push((path.to_vec(), reason));
            return;
        }
        let mut wrong = |reason: String| complaints.push((path.to_vec(), reason));
        if let Some(choices) = &self.choices
            && !choices.contains(value)
        {
            let all: Vec<String> = choices.iter().map(ToString::to_string).collect();
            wrong(format!("{value} is none of {}", all.join(", ")));
        }
        match value {
            Json::Number(number) => self.number(number.as_f64().unwrap_or(f64::NAN), &mut wrong),
            Json::String(text) => self.string(text, &mut wrong),
            Json::Array(items) => self.array(items, path, structural, complaints),
            Json::Object(members) => self.object(members, path, structural, complaints),
            _ => {}
        }
        self.combinations(value, path, complaints);
    }

    fn misfit(&self, value: &Json) -> Option<&'static str> {
        let whole = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
        if self.int_or_string {
            return (!value.is_string() && !whole()).then_some("integer or string");
        }
        let (name, fits) = match self.sort? {
            Type::Object => ("object", value.is_object()),
            Type::Array => ("array", value.is_array()),
            Type::String => ("string", value.is_string()),
            Type::Integer => ("integer", whole()),
            Type::Number => ("number", value.is_number()),
            Type::Boolean => ("boolean", value.is_boolean()),
        };
        (!fits).then_some(name)
    }

    fn number(&self, number: f64, wrong: &mut impl FnMut(String)) {
        if let Some(minimum) = self.minimum
            && (number < minimum || (self.exclusive_minimum && number <= minimum))
        {
            let relation = if self.exclusive_minimum {
                "more than"
            } else {
                "at least"
            };
            wrong(format!("has to be {relation} {minimum}"));
        }
        if let Some(maximum) = self.maximum
            && (number > maximum || (self.exclusive_maximum && number >= maximum))
        {
            let relation = if self.exclusive_maximum { "less than" } else { "at most" };
            wrong(format!("has to be {relation} {maximum}"));
        }
        if let Some(unit) = self.multiple_of
            && (number / unit).fract() != 0.0
        {
            wrong(format!("has to be a multiple of {unit}"));
        }
    }

    fn string(&self, text: &str, wrong: &mut impl FnMut(String)) {
        size(
            text.chars().count(),
            self.min_length,
            self.max_length,
            "characters",
            wrong,
        );
        if let Some(pattern) = &self.pattern
            && !regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
        {
            wrong(format!("{text:?} does not match {pattern}"));
        }
    }

    fn array(&self, items: &[Json], path: &[String], structural: bool, complaints: &mut Vec<Complaint>) {
        let mut wrong = |reason: String| complaints.push((path.to_vec(), reason));
        size(items.len(), self.min_items, self.max_items, "items", &mut wrong);
        let repeated = |(place, item): (usize, &Json)| items.iter().take(place).any(|earlier| earlier == item);
        if self.unique_items && items.iter().enumerate().any(repeated) {
            wrong("the same item stands there twice".to_owned());
        }
        if let Some(schema) = &self.items {
            for (place, item) in items.iter().enumerate() {
                schema.validate(item, &step(path, &place.to_string()), structural, complaints);
            }
        }
    }

    fn object(
        &self,
        members: &serde_json::Map<String, Json>,
        path: &[String],
        structural: bool,
        complaints: &mut Vec<Complaint>,
    ) {
        let mut wrong = |reason: String| complaints.push((path.to_vec(), reason));
        size(
            members.len(),
            self.min_properties,
            self.max_properties,
            "fields",
            &mut wrong,
        );
        for name in self.required.iter().filter(|name| !members.contains_key(*name)) {
            complaints.push((
                step(path, name),
                "missing; the template's schema requires it".to_owned(),
            ));
        }
        for (name, value) in members {
            let place = step(path, name);
            if let Some(schema) = self.member(name) {
                schema.validate(value, &place, structural, complaints);
            } else if structural {
                let meta = self.embedded && ["apiVersion", "kind", "metadata"].contains(&name.as_str());
                match self.additional_properties {
                    _ if meta || self.preserve_unknown => {}
                    // `additionalProperties: true` keeps scalars only: what is in objects is pruned.
                    Some(_) if !holds_fields(value) => {}
                    _ => {
                        let known: Vec<&str> = self.properties.keys().map(String::as_str).collect();
                        let reason = format!("unknown; the template's schema has {}", known.join(", "));
                        let reason = if known.is_empty() {
                            "unknown; the template's schema has no fields there".to_owned()
                        } else {
                            reason
                        };
                        complaints.push((place, reason));
                    }
                }
            }
        }
    }

    fn combinations(&self, value: &Json, path: &[String], complaints: &mut Vec<Complaint>) {
        let complaints_of = |schema: &Self| {
            let mut inner = Vec::new();
            schema.validate(value, path, false, &mut inner);
            inner
        };
        let fitting = |schemas: &[Self]| schemas.iter().filter(|schema| complaints_of(schema).is_empty()).count();
        for schema in &self.all_of {
            complaints.extend(complaints_of(schema));
        }
        if !self.any_of.is_empty() && fitting(&self.any_of) == 0 {
            complaints.push((path.to_vec(), "fits none of the schema's `anyOf`".to_owned()));
        }
        if !self.one_of.is_empty() && fitting(&self.one_of) != 1 {
            complaints.push((
                path.to_vec(),
                "has to fit exactly one of the schema's `oneOf`".to_owned(),
            ));
        }
        if self.not.as_ref().is_some_and(|schema| complaints_of(schema).is_empty()) {
            complaints.push((path.to_vec(), "fits what the schema's `not` excludes".to_owned()));
        }
    }
}

fn holds_fields(value: &Json) -> bool {
    match value {
        Json::Object(members) => !members.is_empty(),
        Json::Array(items) => items.iter().any(holds_fields),
        _ => false,
    }
}

fn size(actual: usize, least: Option<usize>, most: Option<usize>, unit: &str, wrong: &mut impl FnMut(String)) {
    if let Some(least) = least.filter(|least| actual < *least) {
        wrong(format!("needs at least {least} {unit}"));
    }
    if let Some(most) = most.filter(|most| actual > *most) {
        wrong(format!("takes at most {most} {unit}"));
    }
}
