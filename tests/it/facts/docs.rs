//! The documentation in generated code: of `Type`, `Type.field`, `method()` and `method(argument)`.

use std::collections::BTreeMap;

use syn::{
    Attribute, Expr, ExprLit, Field, Ident, ImplItem, Item, ItemStruct, Lit, LitStr, Macro, Meta, Token, Variant,
    parse::ParseStream, punctuated::Punctuated,
};

type Docs = BTreeMap<String, String>;

pub(super) fn of(generated: &str) -> Docs {
    let mut docs = Docs::new();
    collect(&syn::parse_file(generated).unwrap().items, &mut docs);
    docs
}

fn collect(items: &[Item], docs: &mut Docs) {
    for item in items {
        match item {
            Item::Mod(module) => collect(module.content.as_ref().map_or(&[], |(_, items)| items), docs),
            Item::Struct(item) => structure(item, docs),
            Item::Enum(item) => drop(docs.insert(item.ident.to_string(), text(&item.attrs))),
            Item::Macro(item) => docs.extend([open_enum(&item.mac)]),
            Item::Impl(item) if item.trait_.is_none() => {
                for item in &item.items {
                    if let ImplItem::Fn(method) = item {
                        call(&method.sig.ident.to_string(), &text(&method.attrs), docs);
                    }
                }
            }
            _ => {}
        }
    }
}

fn structure(item: &ItemStruct, docs: &mut Docs) {
    docs.insert(item.ident.to_string(), text(&item.attrs));
    for field in item.fields.iter().filter(|field| field.ident.is_some()) {
        docs.insert(format!("{}.{}", item.ident, wire_name(field)), text(&field.attrs));
    }
}

/// A method has a paragraph on each of its arguments.
fn call(name: &str, text: &str, docs: &mut Docs) {
    let (head, arguments) = text.split_once("\nArguments:\n").unwrap_or((text, ""));
    docs.insert(format!("{name}()"), head.to_owned());
    for argument in arguments.split("- `").skip(1) {
        let (argument, text) = argument.split_once("`: ").unwrap_or((argument, ""));
        docs.insert(format!("{name}({argument})"), text.to_owned());
    }
}

/// A call of `open_enum!`, by its arguments.
fn open_enum(call: &Macro) -> (String, String) {
    let arguments = |input: ParseStream<'_>| {
        let attributes = input.call(Attribute::parse_outer)?;
        let name: Ident = input.parse()?;
        let body;
        syn::braced!(body in input);
        body.call(Punctuated::<Variant, Token![,]>::parse_terminated)?;
        Ok((name.to_string(), text(&attributes)))
    };
    call.parse_body_with(arguments).unwrap()
}

/// The name that a field has on the wire.
fn wire_name(field: &Field) -> String {
    let mut name = field.ident.as_ref().unwrap().to_string();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let rename = |meta: syn::meta::ParseNestedMeta<'_>| {
            let value = meta.value().and_then(|value| value.parse::<LitStr>());
            if let (true, Ok(value)) = (meta.path.is_ident("rename"), value) {
                name = value.value();
            }
            Ok(())
        };
        attribute.parse_nested_meta(rename).unwrap();
    }
    name
}

fn text(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}
