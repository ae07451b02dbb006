//! `#[prompt]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemStruct;

use crate::{core_path, docs};

pub fn expand(item: &ItemStruct) -> TokenStream {
    let core = core_path();
    let serde = format!("{core}::private::serde").replace(' ', "");
    let (en, zh) = docs::of_type(&item.attrs);
    let name = &item.ident;
    // A unit struct is read from an object without members, as a struct with parameters is from its members.
    let (extra, build) = if matches!(item.fields, syn::Fields::Named(_)) {
        (quote!(#[serde(default, deny_unknown_fields)]), quote!(#core::private::serde_json::from_value::<#name>(parameters)?))
    } else {
        (
            quote!(),
            quote!({
                if parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
                    return Err(#core::private::serde::de::Error::custom(concat!("the prompt `", stringify!(#name), "` has no parameters")));
                }
                #name
            }),
        )
    };
    quote! {
        #[derive(Clone, Debug, #core::private::serde::Serialize, #core::private::serde::Deserialize)]
        #[serde(crate = #serde)]
        #extra
        #item

        impl #core::prompt::RegisteredPrompt for #name {
            fn info() -> &'static #core::prompt::PromptInfo {
                static INFO: #core::prompt::PromptInfo = #core::prompt::PromptInfo {
                    name: stringify!(#name),
                    module: module_path!(),
                    docs: #core::docs::Docs { en: #en, zh: #zh },
                    build: |parameters| Ok(::std::sync::Arc::new(#build)),
                };
                &INFO
            }
        }

        #core::private::inventory::submit! {
            #core::prompt::PromptInfo {
                name: stringify!(#name),
                module: module_path!(),
                docs: #core::docs::Docs { en: #en, zh: #zh },
                build: |parameters| Ok(::std::sync::Arc::new(#build)),
            }
        }
    }
}
