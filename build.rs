//! Generates the three clients: `openapi/*.yaml`, checked, lowered to what progenitor takes, generated, and finished
//! by a few changes that progenitor has no setting for. Into `OUT_DIR`, for each vendor: `<vendor>.rs`, the client and
//! its types; `<vendor>_operations.rs`, what the transport must know of each operation; and `<vendor>_mock.rs`, typed
//! httpmock helpers made from the truthful spec, for the tests.

use std::{collections::BTreeSet, env, fs, path::Path};

use openapiv3::OpenAPI;
use progenitor::{GenerationSettings, Generator, HooksMode};
use quote::{format_ident, quote};
use schemars::schema::{InstanceType, SchemaObject};
use syn::{Attribute, File, Item, ItemStruct, Meta, Token, Type, parse_quote, punctuated::Punctuated};

#[path = "openapi/lower.rs"]
#[allow(dead_code)]
mod lower;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=openapi");
    println!("cargo:rerun-if-changed=build.rs");
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let out = env::var("OUT_DIR")?;
    for vendor in lower::VENDORS {
        let path = Path::new(&root).join("openapi").join(format!("{vendor}.yaml"));
        let text = fs::read_to_string(&path)?;
        let spec = lower::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let wrong = lower::check(&spec);
        if !wrong.is_empty() {
            return Err(format!("{}:\n  {}", path.display(), wrong.join("\n  ")).into());
        }
        let texts = [("", client(vendor, &spec)?), ("_operations", operations(&spec)), ("_mock", mock(vendor, &spec)?)];
        for (kind, text) in texts {
            fs::write(Path::new(&out).join(format!("{vendor}{kind}.rs")), text)?;
        }
    }
    Ok(())
}

fn client(vendor: &str, spec: &OpenAPI) -> Result<String> {
    let lowered = lower::lower(spec.clone());
    let tokens = Generator::new(&settings(vendor, spec)).generate_tokens(&lowered)?;
    let mut file: File = syn::parse2(tokens)?;
    finish(&mut file)?;
    file.items.push(open_enums(&lowered));
    Ok(prettyplease::unparse(&file))
}

fn mock(vendor: &str, spec: &OpenAPI) -> Result<String> {
    let tokens = Generator::new(&settings(vendor, spec)).httpmock(spec, &format!("shipbatch::{vendor}::raw"))?;
    Ok(prettyplease::unparse(&syn::parse2(tokens)?))
}

fn settings(vendor: &str, spec: &OpenAPI) -> GenerationSettings {
    let mut settings = GenerationSettings::default();
    settings
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(::shipbatch::Transport))
        .with_map_type("::std::collections::BTreeMap")
        .with_derive("PartialEq")
        .with_conversion(format(InstanceType::String, "decimal"), "::rust_decimal::Decimal", [].into_iter())
        .with_conversion(format(InstanceType::Number, "decimal"), "::shipbatch::Number", [].into_iter())
        .with_conversion(format(InstanceType::String, "date-time"), "::jiff::Timestamp", [].into_iter())
        .with_conversion(format(InstanceType::String, "date"), "::jiff::civil::Date", [].into_iter());
    for name in lower::decimals(spec) {
        settings.with_replacement(name, "::rust_decimal::Decimal", [].into_iter());
    }
    settings.with_replacement("IdempotencyKey", "::shipbatch::IdempotencyKey", [].into_iter());
    for lower::OpenEnum { name, .. } in lower::open_enums(spec) {
        settings.with_replacement(name, format!("::shipbatch::{vendor}::raw::open::{name}"), [].into_iter());
    }
    settings
}

fn format(kind: InstanceType, format: &str) -> SchemaObject {
    SchemaObject { instance_type: Some(kind.into()), format: Some(format.to_owned()), ..SchemaObject::default() }
}

/// Changes that progenitor has no setting for:
/// * a required and nullable field that is missing reads as null (it is written as null either way);
/// * `Default` for each struct whose fields all have one, so that `..Default::default()` fills the optional fields;
/// * `JsonSchema` behind a feature.
fn finish(file: &mut File) -> Result<()> {
    let Some(items) = file.items.iter_mut().find_map(|item| match item {
        Item::Mod(module) if module.ident == "types" => module.content.as_mut().map(|(_, items)| items),
        _ => None,
    }) else {
        return Ok(());
    };
    let mut with_default: BTreeSet<String> = items.iter().filter_map(default_impl).collect();
    with_default.extend(structs(items).filter(|item| derives_default(item)).map(|item| item.ident.to_string()));
    let generated = with_default.clone();
    loop {
        let more: Vec<String> = structs(items)
            .filter(|item| !with_default.contains(&item.ident.to_string()))
            .filter(|item| {
                item.fields.iter().all(|field| field.ident.is_some() && has_default(&field.ty, &with_default))
            })
            .map(|item| item.ident.to_string())
            .collect();
        if more.is_empty() {
            break;
        }
        with_default.extend(more);
    }
    for item in items {
        match item {
            Item::Struct(item) => {
                let name = item.ident.to_string();
                for field in &mut item.fields {
                    field.attrs = field.attrs.drain(..).map(without_deserialize_with).collect::<syn::Result<_>>()?;
                }
                if with_default.contains(&name) && !generated.contains(&name) {
                    item.attrs.push(parse_quote!(#[derive(Default)]));
                }
                item.attrs.push(json_schema());
            }
            Item::Enum(item) => item.attrs.push(json_schema()),
            _ => {}
        }
    }
    Ok(())
}

fn json_schema() -> Attribute {
    parse_quote!(#[cfg_attr(feature = "schemars", derive(::schemars::JsonSchema))])
}

fn structs(items: &[Item]) -> impl Iterator<Item = &ItemStruct> {
    items.iter().filter_map(|item| if let Item::Struct(item) = item { Some(item) } else { None })
}

fn derives_default(item: &ItemStruct) -> bool {
    item.attrs.iter().any(|attribute| {
        matches!(&attribute.meta, Meta::List(list)
            if list.path.is_ident("derive") && list.tokens.to_string().contains("Default"))
    })
}

/// The name of the type that an item implements `Default` for.
fn default_impl(item: &Item) -> Option<String> {
    let Item::Impl(item) = item else { return None };
    let (path, Type::Path(target)) = (item.trait_.as_ref().map(|parts| &parts.0)?, item.self_ty.as_ref()) else {
        return None;
    };
    let named = path.segments.last().is_some_and(|segment| segment.ident == "Default");
    named.then(|| target.path.segments.last().map(|segment| segment.ident.to_string()))?
}

fn has_default(ty: &Type, structs: &BTreeSet<String>) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(name) = path.path.segments.last().map(|segment| segment.ident.to_string()) else { return false };
    let plain = ["Option", "Vec", "BTreeMap", "Map", "String", "bool", "i32", "i64", "Number", "Decimal"];
    plain.contains(&name.as_str()) || structs.contains(&name)
}

/// typify makes a required and nullable field insist on its key by a `deserialize_with`. Everything else stays.
fn without_deserialize_with(mut attribute: Attribute) -> syn::Result<Attribute> {
    if let Meta::List(list) = &mut attribute.meta
        && list.path.is_ident("serde")
    {
        let kept = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
        let kept = kept.into_iter().filter(|meta| !meta.path().is_ident("deserialize_with"));
        let kept: Punctuated<Meta, Token![,]> = kept.collect();
        list.tokens = quote!(#kept);
    }
    Ok(attribute)
}

/// `pub mod open`: the enums of answers, which keep a value that they don't know.
fn open_enums(spec: &OpenAPI) -> Item {
    let enums = lower::open_enums(spec).into_iter().map(|lower::OpenEnum { name, description, values }| {
        let name_ident = format_ident!("{name}");
        let text = format!("{}\n\nWith a place for values that the vendor adds later.", description.trim_end());
        let variants = values.iter().map(|value| {
            let variant = format_ident!("{}", pascal(value));
            quote!(#variant = #value)
        });
        quote!(crate::open_enum! { #[doc = #text] #name_ident { #(#variants,)* } })
    });
    parse_quote! {
        /// The enums of answers: open, so that a value which the vendor adds later is kept.
        pub mod open { #(#enums)* }
    }
}

/// `OPERATIONS`: what the transport must know of each operation.
fn operations(spec: &OpenAPI) -> String {
    let entries = lower::entries(spec);
    let rows = entries.iter().map(|entry| {
        let id = &entry.id;
        let replay = format_ident!("{}", pascal(lower::word(&entry.operation.extensions, "x-replay")));
        quote!(::shipbatch::Operation { id: #id, replay: ::shipbatch::Replay::#replay })
    });
    prettyplease::unparse(&parse_quote! {
        /// Each operation, and whether it may be sent twice.
        pub const OPERATIONS: &[::shipbatch::Operation] = &[#(#rows,)*];
    })
}

fn pascal(value: &str) -> String {
    value
        .split(['_', '-', ' '])
        .map(|part| {
            let mut letters = part.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}
