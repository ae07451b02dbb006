//! The attributes of operators and prompts: they read fields and doc comments, and emit declarations.
//!
//! They add no field, rename no type and hide no control flow; whatever they emit can be written by hand.

mod docs;
mod operator;
mod prompt;

use proc_macro::TokenStream;
use proc_macro2::Span;
use quote::quote;
use syn::{Ident, parse_macro_input};

/// Declares a struct to be an operator: `#[operator(category, kind, Shape)]`.
///
/// `kind` is `generate`, `eval`, `filter` or `refine`; `Shape` is the trait of `dataflow_core::shape` that the struct implements.
/// The struct gets `Clone`, `Debug`, `Serialize`, `Deserialize` (what is left out has its default, unknown fields are refused),
/// `JsonSchema` and `Operator`, and is registered under its name. It has to have `Default`.
///
/// The struct's doc comment has an English part and, after a line `# 中文`, a Chinese one. A field's doc comment has its Chinese
/// part after `中文：`. A field that holds a prompt says which it allows and which variables it gives:
/// `#[prompts(allowed(A, B), variables(question))]`, or `variables_of = field` for the names in a map of keys.
/// A field whose value names columns without being a key, such as an SQL expression, is marked `#[keys]`, and its type implements `KeyField`.
#[proc_macro_attribute]
pub fn operator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = parse_macro_input!(arguments as operator::Arguments);
    let item = parse_macro_input!(item as syn::ItemStruct);
    operator::expand(&arguments, item).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Declares a struct to be a prompt, registered under its name.
///
/// The struct gets `Clone`, `Debug`, `Serialize`, `Deserialize` and `RegisteredPrompt`; it has to have `Default`, and implements
/// `dataflow_core::prompt::Prompt`. Its doc comment has an English part and, after a line `# 中文`, a Chinese one.
#[proc_macro_attribute]
pub fn prompt(_arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as syn::ItemStruct);
    prompt::expand(&item).into()
}

/// The path of the core crate, as the crate at hand can name it: through `dataflow`, or directly.
fn core_path() -> proc_macro2::TokenStream {
    use proc_macro_crate::{FoundCrate, crate_name};
    let ident = |name: &str| Ident::new(name, Span::call_site());
    match (crate_name("dataflow-core"), crate_name("dataflow")) {
        (Ok(FoundCrate::Name(name)), _) => {
            let name = ident(&name);
            quote!(::#name)
        }
        (_, Ok(FoundCrate::Name(name))) => {
            let name = ident(&name);
            quote!(::#name::core)
        }
        _ => quote!(::dataflow_core),
    }
}
