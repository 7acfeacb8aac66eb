//! Why a rule says what it says, and what would have to be otherwise.
//!
//! The plan of a program is run once more, with values that know where they come from: a field of the input, a text of the
//! rule, a parameter, or a function of others. What made a rule true has to fail for it to say no more; what made a negated
//! expression true has to succeed. Both become a [`Goal`]: a tree of wants, each of one field of the input.
//!
//! ```text
//! run      what succeeds, with its values        goals    failure wanted         succeed  success wanted
//! about    which step is the objection           wants    a test of one value    calls    functions, and back through them
//! members  what is in a collection, in or out    compare  sizes
//! worlds   what rules see under `with`
//! ```
//!
//! Nothing here decides anything: whether a change helps is found out by evaluating the policies again. So what is not known
//! may be guessed, or left out.

mod about;
mod calls;
mod combined;
mod compare;
mod elsewhere;
mod goals;
mod leaves;
mod made;
mod members;
mod parsed;
mod reads;
mod run;
mod succeed;
mod tests_of_values;
mod texts;
mod wants;
mod worlds;

use std::rc::Rc;

pub use self::reads::{Reads, reads};
use self::worlds::{World, WorldId};
use super::builtins::{Builtin, Host};
use super::plan::{Collect, RuleId, Step};
use super::program::{Location, Program};
use super::value::Value;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seg {
    /// A name, or a position.
    Key(Value),
    /// A member that is not there yet.
    New(u32),
}

/// A path below `input`.
pub type Place = Vec<Seg>;

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// There, and not `false`.
    True,
    /// There.
    Defined,
    /// Equal to one of these values; the first is the one that the policy names first.
    Among(Vec<Value>),
    /// A text that begins with one of these.
    Prefix(Vec<Value>),
    /// A text that ends with one of these.
    Suffix(Vec<Value>),
    /// A text with one of these in it.
    Contains(Vec<Value>),
    /// A text that fits one of these patterns.
    Regex(Vec<Value>),
    /// A text that fits one of these globs.
    Glob(Vec<Value>),
    /// A list with this member in it.
    Has(Value),
    /// A list or a map with at least so many members, a text with at least so many characters.
    AtLeast(usize),
    /// With at most so many.
    AtMost(usize),
    /// Of this type, as Rego names it.
    Type(&'static str),
    /// One of these values was found to help; the nearest comes first.
    Try(Vec<Value>),
    /// The name of a new member.
    Named(Box<Test>),
    /// A part of a text: cut at a separator, the part at a place is tested.
    Part {
        /// What stands between parts.
        separator: String,
        /// Which part; none is the last.
        place: Option<usize>,
        /// What the part has to be.
        test: Box<Test>,
    },
}

/// Something that should hold for one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Want {
    /// Where.
    pub place: Place,
    /// What.
    pub test: Test,
    /// Whether the test should hold, or fail.
    pub wanted: bool,
    /// Where the values in the test come from.
    pub source: Source,
    /// How far the guess is from what the policy says: a detour through a value that is not compared itself.
    pub detour: u32,
}

/// Where a value that a field is compared with comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// It stands in the rule.
    Rule,
    /// Parameters, and data of a bundle.
    Parameter,
    /// Another field of the same object.
    Object,
    /// Another object of the cluster.
    Inventory,
    /// The object before the update.
    Old,
    /// The request: who, what operation, which namespace.
    Request,
}

/// What decides, where no field of the object does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Blame(u8);

impl Blame {
    const RULE: Self = Self(1);
    const PARAMETER: Self = Self(2);
    const INVENTORY: Self = Self(4);
    const OLD: Self = Self(8);
    const REQUEST: Self = Self(16);
    /// It could not be followed.
    const UNKNOWN: Self = Self(32);

    fn of(source: Source) -> Self {
        match source {
            Source::Rule => Self::RULE,
            Source::Parameter => Self::PARAMETER,
            Source::Inventory => Self::INVENTORY,
            Source::Old => Self::OLD,
            Source::Request => Self::REQUEST,
            Source::Object => Self::UNKNOWN,
        }
    }

    /// The object before an update.
    pub fn before() -> Self {
        Self::OLD
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Other objects of the cluster have a part in it.
    pub fn inventory(self) -> bool {
        self.0 & Self::INVENTORY.0 != 0
    }

    /// The object before the update has a part in it.
    pub fn old(self) -> bool {
        self.0 & Self::OLD.0 != 0
    }

    /// The request itself has a part in it.
    pub fn request(self) -> bool {
        self.0 & Self::REQUEST.0 != 0
    }

    /// It could not be followed, or only the rule itself decides.
    pub fn is_unknown(self) -> bool {
        self.0 & !(Self::UNKNOWN.0 | Self::RULE.0) == 0
    }

    /// Parameters have a part in it.
    pub fn parameter(self) -> bool {
        self.0 & Self::PARAMETER.0 != 0
    }
}

/// What has to be so.
#[derive(Debug, Clone, PartialEq)]
pub enum Goal {
    /// It is so already.
    Done,
    /// No field of the object can make it so.
    Never(Blame),
    /// One field.
    Want(Want),
    /// All of these.
    All(Vec<Goal>),
    /// One of these.
    Any(Vec<Goal>),
}

impl Goal {
    fn all(goals: Vec<Self>) -> Self {
        let mut parts = Vec::new();
        for goal in goals {
            match goal {
                Self::Done => {}
                Self::Never(_) => return goal,
                Self::All(more) => parts.extend(more),
                other => parts.push(other),
            }
        }
        match parts.len() {
            0 => Self::Done,
            1 => parts.remove(0),
            _ => Self::All(parts),
        }
    }

    fn any(goals: Vec<Self>) -> Self {
        let mut parts: Vec<Self> = Vec::new();
        let mut blame = Blame::default();
        for goal in goals {
            match goal {
                Self::Done => return Self::Done,
                Self::Never(more) => blame = blame.and(more),
                Self::Any(more) => parts.extend(more),
                other if parts.contains(&other) => {}
                other => parts.push(other),
            }
        }
        match parts.len() {
            0 => Self::Never(blame),
            1 => parts.remove(0),
            _ => Self::Any(parts),
        }
    }

    /// The same, further from what the policy says.
    fn detour(self, cost: u32) -> Self {
        self.each(&|want: &mut Want| want.detour += cost)
    }

    /// Looks at each want.
    pub fn visit(&self, look: &mut dyn FnMut(&Want)) {
        match self {
            Self::Want(want) => look(want),
            Self::All(goals) | Self::Any(goals) => goals.iter().for_each(|goal| goal.visit(look)),
            Self::Done | Self::Never(_) => {}
        }
    }

    /// With each want changed.
    #[must_use]
    pub fn each(self, change: &dyn Fn(&mut Want)) -> Self {
        match self {
            Self::Want(mut want) => {
                change(&mut want);
                Self::Want(want)
            }
            Self::All(goals) => Self::All(goals.into_iter().map(|goal| goal.each(change)).collect()),
            Self::Any(goals) => Self::Any(goals.into_iter().map(|goal| goal.each(change)).collect()),
            other => other,
        }
    }
}

/// A value that knows where it comes from; without one it is a field that is missing, or a function of one.
#[derive(Debug, Clone)]
struct Traced<'p> {
    value: Option<Value>,
    from: Rc<Origin<'p>>,
}

#[derive(Debug)]
enum Origin<'p> {
    /// It stands in the rule.
    Written,
    /// Below `input`.
    Input(Place),
    /// Below `data`.
    Data(Source),
    /// Below a member of other objects that a field of this one names.
    Looked {
        of: Traced<'p>,
        key: Traced<'p>,
        path: Vec<Value>,
    },
    /// The name of a member of the input, or its position.
    Key {
        of: Place,
        key: Seg,
    },
    /// The result of a function.
    Call {
        builtin: &'static Builtin,
        args: Vec<Traced<'p>>,
    },
    /// A member of the result of a function.
    Part {
        of: Traced<'p>,
        key: Value,
    },
    /// A list that is written out; also a set.
    List(Vec<Traced<'p>>),
    Object(Vec<(Traced<'p>, Traced<'p>)>),
    /// What a comprehension, or rules of one name, made of several rows.
    Made(Rc<Made<'p>>),
    /// The one value of a rule or a function.
    Rule(Rc<Made<'p>>),
    /// A member of what was made, and the rows that made it.
    Member {
        item: Traced<'p>,
        of: Rc<Made<'p>>,
        rows: Vec<usize>,
    },
    /// None of these is there, and any of them would be taken.
    Either(Vec<Traced<'p>>),
    /// An object with another value for one of its names, as `with` puts it there.
    Overlaid {
        under: Traced<'p>,
        name: Value,
        over: Traced<'p>,
    },
    Unknown,
}

/// What bodies made.
#[derive(Debug)]
struct Made<'p> {
    by: Maker<'p>,
    rows: Vec<Row<'p>>,
}

#[derive(Debug)]
enum Maker<'p> {
    /// A comprehension, and what was known before it.
    Collect {
        sort: &'p Collect,
        steps: &'p [Step],
        env: Env<'p>,
        world: WorldId,
    },
    /// A rule, and what it was called with.
    Rule {
        id: RuleId,
        args: Vec<Traced<'p>>,
        world: WorldId,
    },
}

/// One success of a body.
#[derive(Debug, Clone)]
struct Row<'p> {
    steps: &'p [Step],
    env: Env<'p>,
    key: Option<Traced<'p>>,
    value: Traced<'p>,
    world: WorldId,
}

/// The values of a rule's variables.
type Env<'p> = Vec<Option<Traced<'p>>>;

/// Where in `input` the object is, and what else is there.
#[derive(Debug, Clone)]
pub struct Roots {
    /// The names that lead to the object.
    pub object: Vec<&'static str>,
    /// To the object before.
    pub old: Vec<&'static str>,
}

/// How many steps are taken to find out what would help.
const FUEL: u32 = 60_000;

/// To change what only says when a rule applies.
pub const CONDITION: u32 = 6;

/// To take a field away so that nothing can be asked of it: a want that goes so far is hardly ever what is meant.
pub const ESCAPE: u32 = 20;

/// How deep rules, functions and negations are followed.
const MAX_DEPTH: u32 = 60;

/// How many successes of one body are looked at.
const MAX_ROWS: usize = 256;

struct Tracer<'p, 'h> {
    program: &'p Program,
    input: Value,
    data: Value,
    /// What rules see: outside of `with`, and in each of them.
    worlds: Vec<World<'p>>,
    world: WorldId,
    roots: &'h Roots,
    host: &'h mut Host,
    fuel: u32,
    depth: u32,
    next: u32,
    /// The places of `input` that are read, when somebody asks.
    seen: Option<Vec<Place>>,
}

/// What would make a rule say nothing more: a set of violations empty but for what is not asked about, or `response.allowed` of
/// an answer true.
pub fn silence(
    program: &Program,
    locations: &[&Location],
    input: &Value,
    data: &Value,
    roots: &Roots,
    asks: &dyn Fn(&Value) -> bool,
    host: &mut Host,
) -> Goal {
    let mut tracer = Tracer::new(program, input, data, roots, host);
    let mut goals = Vec::new();
    for location in locations {
        let Some(value) = location.rule.and_then(|rule| tracer.rule(rule)) else {
            continue;
        };
        goals.push(tracer.silent(&value, asks));
    }
    Goal::all(goals)
}

impl<'p, 'h> Tracer<'p, 'h> {
    fn new(program: &'p Program, input: &Value, data: &Value, roots: &'h Roots, host: &'h mut Host) -> Self {
        Self {
            program,
            input: input.clone(),
            data: data.clone(),
            worlds: vec![World::plain(input.clone())],
            world: 0,
            roots,
            host,
            fuel: FUEL,
            depth: 0,
            next: 0,
            seen: None,
        }
    }
}

impl<'p> Traced<'p> {
    fn new(value: Value, from: Origin<'p>) -> Self {
        Self {
            value: Some(value),
            from: Rc::new(from),
        }
    }

    fn missing(from: Origin<'p>) -> Self {
        Self {
            value: None,
            from: Rc::new(from),
        }
    }

    fn written(value: Value) -> Self {
        Self::new(value, Origin::Written)
    }

    fn text(&self) -> Option<&str> {
        self.value.as_ref().and_then(Value::as_str)
    }
}
