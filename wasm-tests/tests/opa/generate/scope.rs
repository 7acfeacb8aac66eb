//! Which variables a place may use.

use super::Generator;

const NAMES: [&str; 10] = ["x", "y", "z", "i", "j", "k", "v", "w", "p", "q"];

/// The variables of one body.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Those that have a value, also of the bodies around it.
    pub(super) visible: Vec<String>,
    /// Those that this body declares.
    pub(super) declared: Vec<String>,
    /// A variable that has no value yet may stand here and get one.
    pub(super) open: bool,
}

impl Scope {
    pub(super) fn new(visible: Vec<String>) -> Self {
        Self {
            declared: visible.clone(),
            visible,
            open: true,
        }
    }

    /// Of a body inside of this one.
    pub(super) fn inner(&self) -> Self {
        Self {
            visible: self.visible.clone(),
            declared: Vec::new(),
            open: true,
        }
    }

    /// Of a place in which no variable gets a value.
    pub(super) fn closed(&self) -> Self {
        Self {
            open: false,
            ..self.clone()
        }
    }

    pub(super) fn bind(&mut self, name: &str) {
        if !self.visible.iter().any(|known| known == name) {
            self.visible.push(name.to_owned());
        }
    }
}

impl Generator {
    /// A name for a variable that is declared. Sometimes one of a body around this one.
    pub(super) fn declare(&mut self, scope: &mut Scope) -> String {
        let shadow = self.chance(5);
        let name = self.new_name(|name, mentioned| {
            !scope.declared.iter().any(|known| known == name)
                && (shadow || !mentioned.iter().any(|known| known == name))
        });
        scope.declared.push(name.clone());
        scope.bind(&name);
        name
    }

    /// A name for a variable that is not declared: mostly a new one, sometimes one that has a value, or will have.
    pub(super) fn loose(&mut self, scope: &mut Scope) -> String {
        if !scope.visible.is_empty() && self.chance(12) {
            let place = self.random.usize(0..scope.visible.len());
            return scope.visible[place].clone();
        }
        let again = self.chance(12);
        let name = self.new_name(|name, mentioned| again || !mentioned.iter().any(|known| known == name));
        scope.bind(&name);
        name
    }

    fn new_name(&mut self, fits: impl Fn(&str, &[String]) -> bool) -> String {
        let start = self.random.usize(0..NAMES.len());
        let plain = (0..NAMES.len()).map(|step| NAMES[(start + step) % NAMES.len()].to_owned());
        let numbered = (1..).map(|number| format!("x{number}"));
        let name = plain.chain(numbered).find(|name| fits(name, &self.mentioned)).unwrap();
        if !self.mentioned.contains(&name) {
            self.mentioned.push(name.clone());
        }
        name
    }
}
