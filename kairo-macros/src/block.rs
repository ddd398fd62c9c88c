//! The `impl` block that `#[aggregate]` or `#[saga]` goes on.

use proc_macro2::{Span, TokenStream};
use syn::{Error, Item, ItemFn, ItemImpl};

use crate::{
    mistakes::Mistakes,
    tokens::{last_segment, show},
};

/// What such a block is, in the words of its messages.
pub(crate) struct Block {
    /// The attribute on it: `saga`.
    pub(crate) name: &'static str,
    /// One of them: `a saga`.
    pub(crate) one: &'static str,
    /// The attribute on its methods: `step`.
    pub(crate) method: &'static str,
    /// Why it is of one concrete type.
    pub(crate) concrete: &'static str,
}

impl Block {
    /// Reads a block.
    pub(crate) fn read(&self, mistakes: &mut Mistakes, item: &TokenStream) -> Option<ItemImpl> {
        match syn::parse2(item.clone()) {
            Ok(item) => Some(item),
            Err(error) => {
                mistakes.push(self.misplaced(item, error));
                None
            }
        }
    }

    /// A syntax error, or an item of another kind.
    fn misplaced(&self, item: &TokenStream, error: Error) -> Error {
        if syn::parse2::<Item>(item.clone()).is_err() {
            return error;
        }
        let Self { name, method, .. } = self;
        let message = format!(
            "`#[{name}]` goes on the `impl` block with the `#[{method}]` methods: move it to one"
        );
        Error::new(error.span(), message)
    }

    /// Checks the block as a whole, and says whether it is as it must be.
    pub(crate) fn check(&self, mistakes: &mut Mistakes, item: &ItemImpl) -> bool {
        let before = mistakes.count();
        let Self { name, one, method, concrete } = self;
        if let Some((path, _)) = &item.trait_ {
            let shown = show(&item.self_ty);
            mistakes.on(
                path,
                format!(
                    "`#[{name}]` goes on a block of the type's own: move the `#[{method}]` methods \
                     to `impl {shown} {{ .. }}`"
                ),
            );
        }
        let parameters = &item.generics.params;
        if !parameters.is_empty() {
            mistakes.on(parameters, format!("{one} cannot be generic: {concrete}"));
        }
        if last_segment(&item.self_ty).is_none() {
            let message = format!("{one} is a type with a name: use a struct of your own");
            mistakes.on(&item.self_ty, message);
        }
        mistakes.count() == before
    }

    /// What is said to an attribute of methods that no block has taken.
    pub(crate) fn stray(&self, attribute: &str, item: &TokenStream) -> Error {
        let name = self.name;
        let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
            let message = format!(
                "`#[{attribute}]` goes on a method of an `impl` block with \
                 `#[{name}(\"its-name\")]` on it: move it to one"
            );
            return Error::new(Span::call_site(), message);
        };
        let ident = &function.sig.ident;
        let fix = if function.sig.receiver().is_some() {
            format!("put `#[{name}(\"its-name\")]` on the `impl` block around it")
        } else {
            format!("move it to an `impl` block with `#[{name}(\"its-name\")]` on it")
        };
        Error::new(ident.span(), format!("`{ident}` is in no {name}: {fix}"))
    }
}
