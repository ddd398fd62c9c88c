//! The words that make a saga's fingerprint: code of the same words can carry it on.

use syn::ext::IdentExt;

use super::{
    model::{Call, Model, Step, Takes, Undo},
    resolve::Taken,
};
use crate::tokens::show;

/// The words, in order.
pub(crate) fn words(model: &Model) -> Vec<String> {
    let mut words = vec![format!("input {}", show(&model.input))];
    for step in &model.steps {
        words.extend(step_words(model, step));
    }
    words.push(format!("output {}", name(model, model.output)));
    words
}

fn step_words(model: &Model, step: &Step) -> Vec<String> {
    let mut words = vec![format!("step {}", step.ident.unraw())];
    words.extend(data(model, &step.call));
    words.push(format!("returns {}", show(&step.output)));
    words.extend(step.after.iter().map(|before| format!("after {}", name(model, *before))));
    if let Some(when) = &step.when {
        words.push(format!("when {}", when.function.unraw()));
        words.extend(data(model, when));
    }
    if let Undo::By { call, takes, .. } = &step.undo {
        let given = match takes {
            Takes::Output => "output",
            Takes::Maybe => "maybe",
            Takes::Nothing => "nothing",
        };
        words.push(format!("undone by {} with {given}", call.function.unraw()));
        words.extend(data(model, call));
    }
    words
}

/// The data that a method takes.
fn data(model: &Model, call: &Call) -> Vec<String> {
    let word = |taken: &Taken| match taken {
        Taken::Input => Some(format!("takes {} of input", show(&model.input))),
        Taken::Output(step) => {
            let ty = show(&model.steps[*step].output);
            Some(format!("takes {ty} of {}", name(model, *step)))
        }
        Taken::Maybe(step) => {
            let ty = show(&model.steps[*step].output);
            Some(format!("may take {ty} of {}", name(model, *step)))
        }
        Taken::Error(_) | Taken::Extractor { .. } => None,
    };
    call.taken.iter().filter_map(word).collect()
}

fn name(model: &Model, step: usize) -> String {
    model.steps[step].ident.unraw().to_string()
}
