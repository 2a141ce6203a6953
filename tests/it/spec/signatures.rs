//! The public face of generated code: its functions, structs and enums, with paths cut to their last segment.

use std::sync::LazyLock;

use quote::ToTokens;
use regex::Regex;
use syn::{
    Attribute, Fields, Ident, ImplItem, ImplItemFn, Item, ItemEnum, ItemImpl, ItemStruct, Macro, ReturnType, Token,
    Variant, Visibility, parse::ParseStream, punctuated::Punctuated,
};

/// A longer signature has one line for each of its parts.
const WIDTH: usize = 120;
/// What every wire type derives says nothing about any of them.
const ALWAYS_DERIVED: [&str; 5] = ["Clone", "Debug", "Deserialize", "PartialEq", "Serialize"];

pub(super) fn list(generated: &str) -> String {
    blocks("", &syn::parse_file(generated).unwrap().items).join("\n")
}

fn blocks(path: &str, items: &[Item]) -> Vec<String> {
    items.iter().flat_map(|item| block(path, item)).collect()
}

fn block(path: &str, item: &Item) -> Vec<String> {
    match item {
        Item::Mod(module) => {
            let items = module.content.as_ref().map_or(&[][..], |(_, items)| items);
            blocks(&format!("{path}{}::", module.ident), items)
        }
        Item::Struct(item) if public(&item.vis) => vec![structure(path, item)],
        Item::Enum(item) if public(&item.vis) => vec![enumeration(path, item)],
        Item::Macro(item) => vec![open_enum(path, &item.mac)],
        Item::Impl(item) if item.trait_.is_none() => methods(item),
        _ => Vec::new(),
    }
}

fn structure(path: &str, item: &ItemStruct) -> String {
    let head = format!("pub struct {path}{}{}", item.ident, derived(&item.attrs));
    let fields = item.fields.iter().filter(|field| public(&field.vis));
    match &item.fields {
        Fields::Named(_) => {
            let fields = fields.map(|field| format!("    {}: {}\n", field.ident.to_token_stream(), plain(&field.ty)));
            format!("{head}\n{}", fields.collect::<String>())
        }
        _ => {
            let fields: Vec<String> = fields.map(|field| plain(&field.ty)).collect();
            format!("{head} ({})\n", if fields.is_empty() { "private".to_owned() } else { fields.join(", ") })
        }
    }
}

fn enumeration(path: &str, item: &ItemEnum) -> String {
    let bare = |variant: &Variant| plain(Variant { attrs: Vec::new(), ..variant.clone() });
    let variants: Vec<String> = item.variants.iter().map(bare).collect();
    fitted(&format!("pub enum {path}{}{} {{ ", item.ident, derived(&item.attrs)), &variants, " }")
}

/// A call of `open_enum!`, by its arguments.
fn open_enum(path: &str, call: &Macro) -> String {
    let arguments = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        let name: Ident = input.parse()?;
        let body;
        syn::braced!(body in input);
        Ok((name, Punctuated::<Variant, Token![,]>::parse_terminated(&body)?))
    };
    let (name, variants) = call.parse_body_with(arguments).unwrap();
    let variants: Vec<String> = variants.iter().map(plain).collect();
    fitted(&format!("pub open enum {path}{name} {{ "), &variants, " }")
}

fn methods(item: &ItemImpl) -> Vec<String> {
    let methods = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) if public(&method.vis) => Some(method),
        _ => None,
    });
    methods.map(|method| signature(&plain(&item.self_ty), method)).collect()
}

fn signature(owner: &str, method: &ImplItemFn) -> String {
    let signature = &method.sig;
    let keyword = if signature.asyncness.is_some() { "async fn" } else { "fn" };
    let inputs: Vec<String> = signature.inputs.iter().map(plain).collect();
    let output = match &signature.output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, ty) => format!(" -> {}", plain(ty)),
    };
    fitted(&format!("pub {keyword} {owner}::{}(", signature.ident), &inputs, &format!("){output}"))
}

fn fitted(head: &str, parts: &[String], tail: &str) -> String {
    let line = format!("{head}{}{tail}", parts.join(", "));
    if line.len() <= WIDTH {
        return line + "\n";
    }
    let parts: String = parts.iter().map(|part| format!("    {part},\n")).collect();
    format!("{}\n{parts}{}\n", head.trim_end(), tail.trim_start())
}

/// What a type derives beyond what all do.
fn derived(attributes: &[Attribute]) -> String {
    let mut names = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let last = |meta: syn::meta::ParseNestedMeta<'_>| {
            names.extend(meta.path.segments.last().map(|segment| segment.ident.to_string()));
            Ok(())
        };
        attribute.parse_nested_meta(last).unwrap();
    }
    names.retain(|name| !ALWAYS_DERIVED.contains(&name.as_str()));
    names.sort_unstable();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(" + ")) }
}

fn public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Tokens as rustfmt would space them, without lifetimes of borrowed arguments and without paths.
fn plain(tokens: impl ToTokens) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rules = [
            (r"(:: )?\b([a-z_][a-z0-9_]* :: )+", ""),
            (r"\s*([<>()\[\]])\s*", "$1"),
            (r"\s*,\s*", ", "),
            (r", ([>)\]])", "$1"),
            (r" : ", ": "),
            (r"& ('a )?", "&"),
        ];
        rules.map(|(pattern, with)| (Regex::new(pattern).unwrap(), with)).into()
    });
    let text = tokens.to_token_stream().to_string();
    RULES.iter().fold(text, |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}
