//! Labels: real PDF pages, 4 by 6 inches, that name their order.

use lopdf::{
    Document, Object, Stream,
    content::{Content, Operation},
    dictionary,
};

/// The size of a parcel label in points, 72 to the inch: 4 by 6 inches.
const PAGE: [i64; 2] = [288, 432];

/// One PDF with a page for each label, its lines printed from the top.
pub(super) fn pdf(labels: &[Vec<String>]) -> Vec<u8> {
    let mut document = Document::with_version("1.5");
    let pages = document.new_object_id();
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica-Bold",
    });
    let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
    let mut kids = Vec::with_capacity(labels.len());
    for lines in labels {
        let mut operations = vec![
            Operation::new("BT", vec![]),
            Operation::new("Tf", vec!["F1".into(), 14.into()]),
            Operation::new("TL", vec![20.into()]),
            Operation::new("Td", vec![20.into(), (PAGE[1] - 40).into()]),
        ];
        for line in lines {
            operations.push(Operation::new("Tj", vec![Object::string_literal(line.as_str())]));
            operations.push(Operation::new("T*", vec![]));
        }
        operations.push(Operation::new("ET", vec![]));
        let content = Content { operations }.encode().unwrap_or_default();
        let content = document.add_object(Stream::new(dictionary! {}, content));
        kids.push(Object::from(document.add_object(dictionary! {
            "Type" => "Page", "Parent" => pages, "Contents" => content,
        })));
    }
    let count = i64::try_from(kids.len()).unwrap_or_default();
    document.objects.insert(
        pages,
        Object::Dictionary(dictionary! {
            "Type" => "Pages", "Kids" => kids, "Count" => count, "Resources" => resources,
            "MediaBox" => vec![0.into(), 0.into(), PAGE[0].into(), PAGE[1].into()],
        }),
    );
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    document.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    // A vector takes every byte: there is no failure to handle.
    let _ = document.save_to(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_has_a_page_with_its_text() {
        let bytes = pdf(&[vec!["ORDER 1".to_owned()], vec!["ORDER 2".to_owned(), "to Å (b)".to_owned()]]);
        let document = Document::load_mem(&bytes).unwrap();
        assert_eq!(document.get_pages().len(), 2);
        assert!(document.extract_text(&[2]).unwrap().contains("ORDER 2"));
    }
}
