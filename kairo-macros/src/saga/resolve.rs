//! What each argument of a saga's method is given: the input, the output of a step, or something of
//! the run.
//!
//! Types are compared as they are written.

use proc_macro2::Ident;
use syn::{Type, ext::IdentExt};

use super::arguments::{Argument, Form};
use crate::{
    mistakes::Mistakes,
    names,
    returns::is_unit,
    tokens::{Borrowed, last_segment, show, type_argument},
};

/// Extractors of the library, which are easily taken for data.
const EXTRACTORS: &[&str] = &["State", "Context", "Attempt", "Publisher", "IdempotencyKey"];

/// What an argument is given.
#[derive(Clone)]
pub(crate) enum Taken {
    /// The saga's input.
    Input,
    /// The output of a step.
    Output(usize),
    /// The output of a step, if it has one.
    Maybe(usize),
    /// Why the saga has failed.
    Error(Type),
    /// Something of the run.
    Extractor { ty: Type, mutable: bool },
}

impl Taken {
    /// The step whose output it is.
    pub(crate) const fn step(&self) -> Option<usize> {
        match self {
            Self::Output(step) | Self::Maybe(step) => Some(*step),
            Self::Input | Self::Error(_) | Self::Extractor { .. } => None,
        }
    }
}

/// A step, as far as others may take its output.
pub(crate) struct Source {
    pub(crate) step: Ident,
    pub(crate) output: Type,
    /// Whether it has a `when`, and may therefore not run.
    pub(crate) conditional: bool,
}

/// The step of a name; where there is none, that is a mistake.
pub(crate) fn named(mistakes: &mut Mistakes, steps: &[Source], name: &Ident) -> Option<usize> {
    let found = steps.iter().position(|source| source.step == *name);
    if found.is_none() {
        let known: Vec<_> = steps.iter().map(|it| it.step.unraw().to_string()).collect();
        let hint = names::hint(&name.to_string(), known.iter().map(String::as_str));
        mistakes.at(name.span(), format!("the saga has no step `{name}`: {hint}"));
    }
    found
}

/// Who asks.
pub(crate) struct Scope<'a> {
    /// As messages call it: "step `charge`".
    pub(crate) who: String,
    pub(crate) input: &'a Type,
    pub(crate) steps: &'a [Source],
    pub(crate) place: Place,
}

/// Where in the saga somebody asks.
pub(crate) enum Place {
    /// Before the step of this index.
    Before(usize),
    /// In the condition of the step of this index, which waits for nothing.
    Condition(usize),
    /// While this step is undone, and these have happened for certain.
    Undo { of: usize, certain: Vec<usize> },
    /// At the end, where this step has given the saga's output.
    Completed(usize),
    /// At the end of a saga that has failed somewhere.
    Failed,
}

/// Resolves the arguments; those with mistakes are left out.
pub(crate) fn all(
    mistakes: &mut Mistakes,
    scope: &Scope<'_>,
    arguments: &[Argument],
) -> Vec<Taken> {
    arguments.iter().filter_map(|argument| scope.resolve(mistakes, argument)).collect()
}

/// What is wrong, and where it stands.
enum Wrong {
    /// The argument itself.
    Argument(String),
    /// The name in its `#[from(..)]`.
    From(Ident, String),
}

/// The input, or a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Input,
    Step(usize),
}

impl Scope<'_> {
    fn resolve(&self, mistakes: &mut Mistakes, argument: &Argument) -> Option<Taken> {
        match self.taken(argument) {
            Ok(taken) => return Some(taken),
            Err(Wrong::Argument(message)) => mistakes.on(&argument.written, message),
            Err(Wrong::From(from, message)) => mistakes.at(from.span(), message),
        }
        None
    }

    fn taken(&self, argument: &Argument) -> Result<Taken, Wrong> {
        if let Form::Extractor(borrowed) = argument.form {
            self.check_by_value(argument)?;
            let mutable = borrowed == Borrowed::Mutably;
            return Ok(Taken::Extractor { ty: argument.ty.clone(), mutable });
        }
        if self.is_failure(argument) {
            return Ok(Taken::Error(argument.ty.clone()));
        }
        let maybe = argument.form == Form::Maybe;
        match self.find(argument)? {
            From::Input if maybe => {
                let shown = show(&argument.ty);
                Err(Wrong::Argument(format!("the saga's input is always there: write `&{shown}`")))
            }
            From::Input => Ok(Taken::Input),
            From::Step(step) => match self.wrong_form(step, argument) {
                Some(message) => Err(Wrong::Argument(message)),
                None if maybe => Ok(Taken::Maybe(step)),
                None => Ok(Taken::Output(step)),
            },
        }
    }

    /// What is taken by value comes from the run.
    fn check_by_value(&self, argument: &Argument) -> Result<(), Wrong> {
        let who = &self.who;
        let inner = type_argument(&argument.ty, "Option").unwrap_or(&argument.ty);
        let shown = show(inner);
        let mut data = self.steps.iter().map(|step| &step.output).chain([self.input]);
        if data.any(|known| !is_unit(known) && show(known) == shown) {
            let optional = show(&argument.ty) != shown;
            let right = if optional { format!("Option<&{shown}>") } else { format!("&{shown}") };
            return Err(Wrong::Argument(format!(
                "{who} borrows what the saga has stored, because another attempt may need it again: \
                 write `{right}`"
            )));
        }
        if let Some(from) = &argument.from {
            let message = format!(
                "what is taken by value comes from the run, not from `{from}`: remove `#[from(..)]`, \
                 or write `&{shown}`"
            );
            return Err(Wrong::From(from.clone(), message));
        }
        if matches!(self.place, Place::Condition(_)) {
            return Err(Wrong::Argument(format!(
                "{who} waits for nothing, so it takes only the input and outputs of earlier steps: \
                 remove this, or write `&{shown}`"
            )));
        }
        Ok(())
    }

    /// Whether it is the error that `#[on_error]` is given.
    fn is_failure(&self, argument: &Argument) -> bool {
        matches!(self.place, Place::Failed)
            && argument.form == Form::Data
            && last_segment(&argument.ty).is_some_and(|last| last.ident == "SagaFailure")
    }

    fn is_visible(&self, step: usize) -> bool {
        match self.place {
            Place::Before(index) | Place::Condition(index) => step < index,
            Place::Undo { of, .. } => step <= of,
            Place::Completed(_) | Place::Failed => true,
        }
    }

    fn find(&self, argument: &Argument) -> Result<From, Wrong> {
        match &argument.from {
            Some(from) => self.by_name(argument, from),
            None => self.by_type(argument).map_err(Wrong::Argument),
        }
    }

    fn by_name(&self, argument: &Argument, from: &Ident) -> Result<From, Wrong> {
        let (found, ty, what) = if from == "input" {
            (From::Input, self.input, "the saga's input is".to_owned())
        } else {
            let step = self.steps.iter().position(|step| step.step == *from);
            let visible = step.filter(|step| self.is_visible(*step));
            let unknown = || Wrong::From(from.clone(), self.unknown(from, step.is_some()));
            let step = visible.ok_or_else(unknown)?;
            (From::Step(step), &self.steps[step].output, format!("`{from}` returns"))
        };
        let (wanted, shown) = (show(&argument.ty), show(ty));
        if shown == wanted {
            return Ok(found);
        }
        let message = format!("{what} a `{shown}`, not a `{wanted}`: write `&{shown}`");
        Err(Wrong::Argument(message))
    }

    fn unknown(&self, from: &Ident, is_later: bool) -> String {
        if is_later {
            let who = &self.who;
            return format!("`{from}` has not run before {who}: use an earlier step");
        }
        let steps = self.steps.iter().enumerate().filter(|(step, _)| self.is_visible(*step));
        let mut known: Vec<_> = steps.map(|(_, step)| step.step.unraw().to_string()).collect();
        known.push("input".to_owned());
        let hint = names::hint(&from.to_string(), known.iter().map(String::as_str));
        format!("the saga has no step `{from}`: {hint}")
    }

    fn by_type(&self, argument: &Argument) -> Result<From, String> {
        let wanted = show(&argument.ty);
        let returns = |step: usize| show(&self.steps[step].output) == wanted;
        // Its own step's output is what a compensation undoes, and the saga's what has completed.
        if let Place::Undo { of: own, .. } | Place::Completed(own) = self.place
            && returns(own)
        {
            return Ok(From::Step(own));
        }
        let steps = (0..self.steps.len()).filter(|step| self.is_visible(*step) && returns(*step));
        let input = (show(self.input) == wanted).then_some(From::Input);
        let found: Vec<_> = input.into_iter().chain(steps.map(From::Step)).collect();
        match found.as_slice() {
            [] => Err(self.missing(argument)),
            [one] => Ok(*one),
            [first, second, ..] => Err(self.ambiguous(&wanted, *first, *second)),
        }
    }

    fn ambiguous(&self, wanted: &str, first: From, second: From) -> String {
        let name = |from| match from {
            From::Input => "input".to_owned(),
            From::Step(step) => self.steps[step].step.unraw().to_string(),
        };
        let what = |from| match from {
            From::Input => "the saga's input".to_owned(),
            From::Step(_) => format!("what `{}` returns", name(from)),
        };
        format!(
            "{} takes a `{wanted}`, which is both {} and {}: write `#[from({})]` or `#[from({})]` \
             in front of the argument",
            self.who,
            what(first),
            what(second),
            name(first),
            name(second),
        )
    }

    /// Nobody before returns the type.
    fn missing(&self, argument: &Argument) -> String {
        let (who, wanted) = (&self.who, show(&argument.ty));
        if last_segment(&argument.ty)
            .is_some_and(|last| EXTRACTORS.iter().any(|it| last.ident == it))
        {
            return format!(
                "what {who} takes by reference is data; `{wanted}` comes from the run: write it \
                 without the `&`"
            );
        }
        if let Place::Before(index) | Place::Condition(index) = self.place
            && let Some(later) =
                self.steps[index + 1..].iter().find(|step| show(&step.output) == wanted)
        {
            let later = &later.step;
            return format!(
                "{who} takes a `{wanted}`, which `{later}` returns only later: move `{later}` above \
                 it, or use what is there by then"
            );
        }
        let what = match self.place {
            Place::Undo { of, .. } => {
                format!("neither `{}` nor a step before it returns", self.steps[of].step)
            }
            Place::Before(_) | Place::Condition(_) => "no earlier step returns".to_owned(),
            Place::Completed(_) | Place::Failed => "no step returns".to_owned(),
        };
        let known = self.known();
        if known.is_empty() {
            return format!(
                "{who} takes a `{wanted}`, which {what}: remove it, or write `input = {wanted}` in \
                 `#[saga(..)]`"
            );
        }
        let known = known.join(" or ");
        format!("{who} takes a `{wanted}`, which {what}: use {known}")
    }

    /// The data that is there by then.
    fn known(&self) -> Vec<String> {
        let steps = self.steps.iter().enumerate().filter(|(step, _)| self.is_visible(*step));
        let outputs = steps.map(|(_, source)| (&source.output, format!("of `{}`", source.step)));
        [(self.input, "of the saga's input".to_owned())]
            .into_iter()
            .chain(outputs)
            .filter(|(ty, _)| !is_unit(ty))
            .map(|(ty, whose)| format!("the `{}` {whose}", show(ty)))
            .collect()
    }

    /// What is wrong with the form of an argument that is a step's output.
    fn wrong_form(&self, step: usize, argument: &Argument) -> Option<String> {
        let (who, shown) = (&self.who, show(&argument.ty));
        let Source { step: name, conditional, .. } = &self.steps[step];
        match (&self.place, argument.form) {
            (Place::Undo { of, .. }, _) if *of == step => None,
            (Place::Undo { of, certain }, _) if !certain.contains(&step) => {
                let own = &self.steps[*of].step;
                Some(format!(
                    "{who} takes what `{name}` returns, but `{name}` need not have run before \
                     `{own}`: add `{name}` to the `after(..)` of `{own}`"
                ))
            }
            (Place::Failed, Form::Data) => {
                Some(format!("the saga may have failed before `{name}`: write `Option<&{shown}>`"))
            }
            (Place::Failed, _) => None,
            (_, Form::Data) if *conditional => {
                Some(format!("`{name}` has a `when`, so it may not run: write `Option<&{shown}>`"))
            }
            (_, Form::Maybe) if !*conditional => {
                Some(format!("`{name}` has always run before {who}: write `&{shown}`"))
            }
            _ => None,
        }
    }
}
