//! What a handler becomes: itself, untouched, a wrapper that calls it, and an entry in the
//! registry.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

use super::{
    model::{Extractor, Model, Output},
    options::Listen,
    parse::{Block, Kind},
};
use crate::tokens::{Borrowed, local, show, span, without_self};

/// A function and its registration.
pub(crate) fn function(item: &TokenStream, model: &Model) -> TokenStream {
    let Model { library, conditions, .. } = model;
    let registration = registration(model);
    quote! {
        // A handler is async whether or not it has anything to wait for.
        #[allow(clippy::unused_async)]
        #item
        #(#conditions)*
        #[allow(dead_code, unused_qualifications, non_upper_case_globals, clippy::all, clippy::pedantic)]
        const _: () = {
            use #library::__private as __k;
            #registration
        };
    }
}

/// An `impl` block and the registrations of its handlers.
pub(crate) fn service(block: &Block, models: &[Model]) -> TokenStream {
    let Block { item, library, .. } = block;
    let registrations = models.iter().map(|model| {
        let registration = without_self(registration(model), &item.self_ty);
        let conditions = &model.conditions;
        quote!(#(#conditions)* const _: () = { #registration };)
    });
    quote! {
        #item
        #[allow(dead_code, unused_qualifications, non_upper_case_globals, clippy::all, clippy::pedantic)]
        const _: () = {
            use #library::__private as __k;
            #(#registrations)*
        };
    }
}

fn registration(model: &Model) -> TokenStream {
    let checks = checks(model);
    let wrapper = wrapper(model);
    let entry = entry(model);
    quote! {
        #checks
        #wrapper
        __k::inventory::submit! { #entry }
    }
}

/// Whether the argument is asked as a set: it is, where a handler listens by pattern.
fn is_set(model: &Model) -> bool {
    model.event.any || matches!(model.options.listen, Listen::Pattern(_) | Listen::Regex(_))
}

/// Constants that do not evaluate where a rule about two items is broken, at what broke it.
fn checks(model: &Model) -> TokenStream {
    let ty = &model.event.ty;
    let argument = show(ty);
    let function = model.function.to_string();
    let intake = intake(model);
    let listen = match &model.options.listen {
        _ if model.event.any => None,
        Listen::Event(event) => {
            let check = quote_spanned! {event.span()=>
                __k::check_event_name(#function, #event, #argument, #intake)
            };
            Some(quote!(const name_is_that_of_the_argument: () = #check;))
        }
        Listen::Pattern(pattern) => {
            let check = quote_spanned! {pattern.span()=>
                __k::check_pattern(#pattern, #argument, #intake.members)
            };
            Some(quote!(const pattern_fits_the_argument: () = #check;))
        }
        Listen::Argument if model.kind == Kind::OnDeadLetter => {
            let check = quote_spanned! {span(ty)=>
                __k::check_dead_letter(#function, #argument, #intake.members)
            };
            Some(quote!(const argument_is_a_dead_letter: () = #check;))
        }
        Listen::Argument | Listen::Regex(_) => None,
    };
    let ephemeral = model.options.ephemeral.map(|place| {
        let check = quote_spanned! {place=>
            __k::check_ephemeral(#function, #argument, #intake.ephemeral, #intake.open)
        };
        quote!(const events_are_ephemeral: () = #check;)
    });
    let durable = model.options.durable.iter().map(|(option, place)| {
        let check = quote_spanned! {*place=>
            __k::check_durable(#option, #argument, #intake.ephemeral)
        };
        quote!(const _: () = #check;)
    });
    quote!(#listen #ephemeral #(#durable)*)
}

/// What the argument can hold, as a constant of the type.
fn intake(model: &Model) -> TokenStream {
    let ty = &model.event.ty;
    if is_set(model) {
        quote_spanned!(span(ty)=> <#ty as __k::EventSet>::INTAKE)
    } else {
        quote_spanned!(span(ty)=> <#ty as __k::Receive>::INTAKE)
    }
}

/// One small function, which is all that knows the types.
fn wrapper(model: &Model) -> TokenStream {
    let delivery = local("delivery");
    let future = local("future");
    let (event, error) = (local("event"), local("error"));
    let receive = receive(model);
    let extract = model.extractors.iter().enumerate().map(|(index, extractor)| {
        let (argument, ty) = (local(&format!("argument_{index}")), &extractor.ty);
        let mutable = (extractor.borrowed == Borrowed::Mutably).then(|| quote!(mut));
        quote_spanned! {span(ty)=>
            let #mutable #argument =
                <#ty as __k::FromContext>::from_context(#delivery.context()).await?;
        }
    });
    let outcome = outcome(model);
    let place = model.function.span();
    // At the function's name, where rustc then reports a future that is not `Send`.
    let run = quote_spanned!(place=> __k::run(#future));
    let service = model.service.as_ref().map(|service| {
        let state = local("service");
        quote!(let #state = __k::service::<#service>(#delivery).await?;)
    });
    quote! {
        fn call<'a>(#delivery: __k::Delivery<'a>) -> __k::HandlerFuture<'a> {
            let #future = async move {
                // Spelled out, because `?` costs the compiler more.
                let #event = match #receive {
                    __k::Ok(#event) => #event,
                    __k::Err(#error) => return __k::Err(#error),
                };
                #service
                #(#extract)*
                #outcome
            };
            #run
        }
    }
}

/// Takes the event out of the delivery, in the form that the function wants.
fn receive(model: &Model) -> TokenStream {
    let ty = &model.event.ty;
    let delivery = local("delivery");
    let (enveloped, borrowed) = (model.event.enveloped, model.event.borrowed);
    if is_set(model) {
        let function = match (enveloped, borrowed) {
            (true, _) => quote!(set_envelope),
            (false, true) => quote!(set_borrow),
            (false, false) => quote!(set_own),
        };
        return quote_spanned! {span(ty)=>
            __k::#function(#delivery, <#ty as __k::EventSet>::decode_set)
        };
    }
    let function = match (enveloped, borrowed) {
        (true, _) => quote!(envelope),
        (false, true) => quote!(borrow),
        (false, false) => quote!(own),
    };
    quote_spanned!(span(ty)=> <#ty as __k::Receive>::#function(#delivery))
}

/// Calls the function and makes an outcome of what it returns.
fn outcome(model: &Model) -> TokenStream {
    let place = model.output_span();
    let call = call(model);
    match &model.output {
        Output::Nothing => quote!(__k::done(#call)),
        Output::Events(ty) => {
            let convert = quote_spanned!(place=> <#ty as __k::HandlerOutput>::into_drafts);
            quote!(__k::encoded(#convert(#call)))
        }
        Output::Result(ty) => {
            let convert = quote_spanned!(place=> <#ty as __k::HandlerResult>::into_outcome);
            quote!(#convert(#call))
        }
    }
}

fn call(model: &Model) -> TokenStream {
    let function = &model.function;
    let event = local("event");
    let event = if model.event.borrowed { quote!(&#event) } else { quote!(#event) };
    let arguments = model.extractors.iter().enumerate().map(|(index, extractor)| {
        let argument = local(&format!("argument_{index}"));
        match extractor.borrowed {
            Borrowed::No => quote!(#argument),
            Borrowed::Shared => quote!(&#argument),
            Borrowed::Mutably => quote!(&mut #argument),
        }
    });
    match &model.service {
        None => quote!(#function(#event, #(#arguments),*).await),
        Some(service) => {
            let state = local("service");
            quote!(<#service>::#function(&*#state, #event, #(#arguments),*).await)
        }
    }
}

fn entry(model: &Model) -> TokenStream {
    let Model { function, service, options, .. } = model;
    let name = function.to_string();
    let path = match service {
        Some(service) => format!("::{}::{name}", show(service)),
        None => format!("::{name}"),
    };
    let path = quote!(::core::concat!(::core::module_path!(), #path));
    // At the function's name, which is where the entry then says that it stands.
    let mut intake = intake(model);
    if let Some(listen) = listen(&options.listen) {
        intake.extend(quote!(.listening(#listen)));
    }
    let base = quote_spanned! {function.span()=>
        __k::HandlerEntry::new(::core::module_path!(), #path, #name, #intake, call)
    };
    let fields = [
        options.name.as_ref().map(|name| quote!(name: #name,)),
        options.ephemeral.map(|_| quote!(ephemeral: true,)),
        (model.kind == Kind::OnDeadLetter).then(|| quote!(on_dead_letter: true,)),
        options.expand().map(|options| quote!(options: #options,)),
        service.as_ref().map(|service| quote!(service: __k::Some(__k::Need::of::<#service>),)),
        needs(&model.extractors).map(|needs| quote!(needs: #needs,)),
        filter(model).map(|filter| quote!(filter: __k::Some(#filter),)),
    ];
    let fields: TokenStream = fields.into_iter().flatten().collect();
    if fields.is_empty() {
        return base;
    }
    quote!(__k::HandlerEntry { #fields ..#base })
}

fn listen(listen: &Listen) -> Option<TokenStream> {
    match listen {
        Listen::Argument => None,
        Listen::Event(event) => Some(quote!(__k::Listen::Event(#event))),
        Listen::Pattern(pattern) => Some(quote!(__k::Listen::Pattern(#pattern))),
        Listen::Regex(regex) => Some(quote!(__k::Listen::Regex(#regex))),
    }
}

fn needs(extractors: &[Extractor]) -> Option<TokenStream> {
    let needs = extractors
        .iter()
        .map(|Extractor { ty, .. }| quote_spanned!(span(ty)=> <#ty as __k::FromContext>::needs));
    (!extractors.is_empty()).then(|| quote!(|| __k::gather(&[#(#needs),*])))
}

fn filter(model: &Model) -> Option<TokenStream> {
    let filter = model.options.filter.as_ref()?;
    if model.event.any {
        return Some(filter.to_token_stream());
    }
    let (ty, event) = (&model.event.ty, local("event"));
    Some(quote_spanned! {span(filter)=>
        |#event| __k::Filter::<#ty, _>::passes(&#filter, #event)
    })
}
