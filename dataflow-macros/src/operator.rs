//! `#[operator]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Field, Ident, ItemStruct, Result, Token, Type, parenthesized};

use crate::{core_path, docs};

/// `category, kind, Shape`.
pub struct Arguments {
    category: Ident,
    kind: Ident,
    shape: Ident,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let names = Punctuated::<Ident, Token![,]>::parse_terminated(input)?;
        let [category, kind, shape] = names
            .iter()
            .cloned()
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| Error::new(names.span(), "expected `#[operator(category, kind, Shape)]`, such as `#[operator(general_text, filter, Measure)]`"))?;
        if !["generate", "eval", "filter", "refine"].contains(&kind.to_string().as_str()) {
            return Err(Error::new(kind.span(), "the kind is one of `generate`, `eval`, `filter`, `refine`"));
        }
        if !["Measure", "Refine", "Columns", "AskModel", "MakeRows", "Dataset"].contains(&shape.to_string().as_str()) {
            return Err(Error::new(shape.span(), "the shape is one of `Measure`, `Refine`, `Columns`, `AskModel`, `MakeRows`, `Dataset`"));
        }
        Ok(Self { category, kind, shape })
    }
}

/// `#[prompts(allowed(A, B), variables(question))]`.
#[derive(Default)]
struct Prompts {
    allowed: Vec<Ident>,
    variables: Vec<Ident>,
    variables_of: Option<Ident>,
}

impl Prompts {
    fn parse(attribute: &Attribute) -> Result<Self> {
        let mut prompts = Self::default();
        attribute.parse_nested_meta(|meta| {
            let names = |meta: &syn::meta::ParseNestedMeta<'_>| -> Result<Vec<Ident>> {
                let content;
                parenthesized!(content in meta.input);
                Ok(Punctuated::<Ident, Token![,]>::parse_terminated(&content)?.into_iter().collect())
            };
            if meta.path.is_ident("allowed") {
                prompts.allowed = names(&meta)?;
            } else if meta.path.is_ident("variables") {
                prompts.variables = names(&meta)?;
            } else if meta.path.is_ident("variables_of") {
                prompts.variables_of = Some(meta.value()?.parse()?);
            } else {
                return Err(meta.error("expected `allowed(…)`, `variables(…)` or `variables_of = field`"));
            }
            Ok(())
        })?;
        Ok(prompts)
    }
}

pub fn expand(arguments: &Arguments, mut item: ItemStruct) -> Result<TokenStream> {
    let core = core_path();
    let private = quote!(#core::private);
    let name = item.ident.clone();
    let (en, zh) = docs::of_type(&item.attrs);
    let category = arguments.category.to_string();
    let kind = variant(&arguments.kind);
    let shape_trait = &arguments.shape;
    let shape = quote!(<#name as #core::shape::#shape_trait>);

    let mut fields = Vec::new();
    let mut keys = Vec::new();
    let mut prompt_uses = Vec::new();
    let mut prompt_infos = Vec::new();
    let mut no_fields = Punctuated::new();
    let members = match &mut item.fields {
        syn::Fields::Named(named) => &mut named.named,
        syn::Fields::Unit => &mut no_fields,
        syn::Fields::Unnamed(unnamed) => return Err(Error::new(unnamed.span(), "an operator's parameters have names")),
    };
    for field in members {
        let Some(ident) = field.ident.clone() else { continue };
        let text = ident.to_string();
        let (en, zh) = docs::of_field(&field.attrs);
        let path = path_use(field)?.map_or_else(|| quote!(None), |variant| quote!(Some(#core::operator::PathUse::#variant)));
        fields.push(quote!(#core::operator::FieldInfo { name: #text, docs: #core::docs::Docs { en: #en, zh: #zh }, path: #path }));
        if names_columns(&field.ty) {
            if !(text.starts_with("input_") || text.starts_with("output_")) {
                return Err(Error::new(ident.span(), "a field that names columns begins with `input_` or `output_`"));
            }
            keys.push(quote!(#core::key::KeyField::collect(&self.#ident, #text, &mut uses);));
        } else if let Some(at) = field.attrs.iter().position(|attribute| attribute.path().is_ident("keys")) {
            field.attrs.remove(at);
            keys.push(quote!(#core::key::KeyField::collect(&self.#ident, #text, &mut uses);));
        }
        let Some(at) = field.attrs.iter().position(|attribute| attribute.path().is_ident("prompts")) else { continue };
        let Prompts { allowed, variables, variables_of } = Prompts::parse(&field.attrs.remove(at))?;
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        let variables = variables.iter().map(ToString::to_string);
        let more = variables_of.map(|field| quote!(variables.extend(self.#field.keys().map(|name| name.to_string()));));
        prompt_infos.push(quote!((#text, &[#(#allowed),*])));
        prompt_uses.push(quote!({
            #[allow(unused_mut)]
            let mut variables: ::std::vec::Vec<::std::string::String> = vec![#(#variables.to_owned()),*];
            #more
            uses.push(#core::prompt::PromptUse { field: #text, template: &self.#ident, allowed: &[#(#allowed),*], variables });
        }));
    }

    let serde = format!("{private}::serde").replace(' ', "");
    let schemars = format!("{private}::schemars").replace(' ', "");
    let (serde_attribute, unit) = match item.fields {
        syn::Fields::Unit => (quote!(#[serde(crate = #serde)]), true),
        _ => (quote!(#[serde(crate = #serde, default, deny_unknown_fields)]), false),
    };
    let (parameters, build) = if unit {
        (quote!(#private::serde_json::json!({})), quote!({ let _ = parameters; #name }))
    } else {
        (quote!(#private::serde_json::to_value(self).unwrap_or_default()), quote!(#core::configuration::parameters::<#name>(parameters)?))
    };
    let info = quote! {
        #core::operator::OperatorInfo {
            name: stringify!(#name),
            category: #category,
            kind: #core::operator::Kind::#kind,
            shape: #shape::SHAPE,
            module: module_path!(),
            docs: #core::docs::Docs { en: #en, zh: #zh },
            fields: &[#(#fields),*],
            prompts: &[#(#prompt_infos),*],
            build: |parameters| Ok(::std::boxed::Box::new(#build)),
            schema: || #private::schemars::schema_for!(#name).to_value(),
        }
    };
    let kept = (shape_trait == "Dataset").then(|| {
        quote! {
            fn kept(&self) -> #core::Result<::std::option::Option<#core::operator::Kept>> {
                #shape::kept(self)
            }
        }
    });
    Ok(quote! {
        #[derive(Clone, Debug, #private::serde::Serialize, #private::serde::Deserialize, #private::schemars::JsonSchema)]
        #serde_attribute
        #[schemars(crate = #schemars)]
        #item

        impl #core::operator::Operator for #name {
            fn info(&self) -> &'static #core::operator::OperatorInfo {
                static INFO: #core::operator::OperatorInfo = #info;
                &INFO
            }
            fn keys(&self) -> ::std::vec::Vec<#core::key::KeyUse> {
                #[allow(unused_mut)]
                let mut uses = ::std::vec::Vec::new();
                #(#keys)*
                uses
            }
            fn prompts(&self) -> ::std::vec::Vec<#core::prompt::PromptUse<'_>> {
                #[allow(unused_mut)]
                let mut uses = ::std::vec::Vec::new();
                #(#prompt_uses)*
                uses
            }
            fn parameters(&self) -> #private::serde_json::Value {
                #parameters
            }
            fn problems(&self) -> ::std::vec::Vec<::std::string::String> {
                #shape::problems(self)
            }
            fn work(&self) -> #core::Result<#core::operator::Work> {
                #shape::into_work(::std::clone::Clone::clone(self))
            }
            fn at_most(&self) -> #core::operator::AtMost {
                #shape::bounds(self)
            }
            #kept
        }

        #private::inventory::submit! { #info }
    })
}

/// Whether a field's type is a key, or holds keys: `Input`, `Output`, `InOut`, alone or in `Option`, `Vec` or a map.
fn names_columns(field: &Type) -> bool {
    mentions(field, &["Input", "Output", "InOut"])
}

/// For a field that names a file or a folder: `#[path(writes)]`, `#[path(keeps)]`, `#[path(owns)]`, and else a file that is read; for a key whose cells name files, `#[path(named)]`;
/// for one that names what is built in or a file of JSON, `#[path(json)]`.
fn path_use(field: &mut Field) -> Result<Option<Ident>> {
    let is_path = mentions(&field.ty, &["PathBuf"]);
    let is_key = names_columns(&field.ty);
    let Some(at) = field.attrs.iter().position(|attribute| attribute.path().is_ident("path")) else {
        return Ok(is_path.then(|| Ident::new("Reads", Span::call_site())));
    };
    let attribute = field.attrs.remove(at);
    let word: Ident = attribute.parse_args()?;
    let word_text = word.to_string();
    if !(is_path && ["writes", "keeps", "owns"].contains(&word_text.as_str()) || is_key && word_text == "named" || !is_path && !is_key && word_text == "json") {
        let expected = "expected `#[path(writes)]`, `#[path(keeps)]` or `#[path(owns)]` on a `PathBuf`, `#[path(named)]` on a key, or `#[path(json)]` on another parameter";
        return Err(Error::new(attribute.span(), expected));
    }
    Ok(Some(variant(&word)))
}

fn mentions(field: &Type, types: &[&str]) -> bool {
    field.to_token_stream().into_iter().any(|token| types.contains(&token.to_string().as_str()))
}

fn variant(kind: &Ident) -> Ident {
    let text = kind.to_string();
    let (first, rest) = text.split_at(1);
    Ident::new(&format!("{}{rest}", first.to_uppercase()), kind.span())
}
