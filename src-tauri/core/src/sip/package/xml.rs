//! A walk over the elements of a document. No entity but the five of XML itself is resolved, no DTD is read.

use std::borrow::Cow;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::sip::message::Malformed;

/// Elements inside one another, and texts, at most: the documents that we read need six and a few hundred octets.
const DEEPEST: usize = 32;
const LONGEST_TEXT: usize = 4_096;
const MOST_ATTRIBUTES: usize = 32;

/// An element that begins, with its attributes; names without prefixes.
pub(super) struct Element {
    pub name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let mut attributes = start.attributes();
        // Looking for doubled names takes quadratic time.
        let attributes = attributes.with_checks(false).filter_map(Result::ok).take(MOST_ATTRIBUTES);
        let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map(Cow::into_owned).unwrap_or_default();
            (attribute.key.local_name().as_ref().to_owned(), value)
        };
        Self { name: start.local_name().as_ref().to_owned(), attributes: attributes.map(attribute).collect() }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the walk comes by. `path` holds the names of the elements around, the innermost last.
pub(super) enum Step<'a> {
    /// An element has begun; it is not part of `path` yet.
    Begins(&'a Element),
    /// An element has ended, with the text that stood in it.
    Ends(&'a str, &'a str),
}

/// Walks over a document whose outermost element is `root`.
pub(super) fn walk(body: &[u8], root: &str, mut visit: impl FnMut(&[String], Step<'_>)) -> Result<(), Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed("the document is not UTF-8"))?;
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let mut found = false;
    loop {
        let event = reader.read_event().map_err(|_| Malformed("the document is not well-formed"))?;
        match event {
            Event::Start(start) => {
                let element = Element::of(&start);
                check(&path, &element, root)?;
                found = true;
                visit(&path, Step::Begins(&element));
                path.push(element.name);
                texts.push(String::new());
            }
            Event::Empty(start) => {
                let element = Element::of(&start);
                check(&path, &element, root)?;
                found = true;
                visit(&path, Step::Begins(&element));
                visit(&path, Step::Ends(&element.name, ""));
            }
            Event::End(_) => {
                let (Some(name), Some(text)) = (path.pop(), texts.pop()) else {
                    return Err(Malformed("an element ends that never began"));
                };
                visit(&path, Step::Ends(&name, text.trim()));
            }
            Event::Text(more) => append(&mut texts, &more.xml10_content()),
            Event::CData(more) => append(&mut texts, &more.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(c)) => append(&mut texts, c.encode_utf8(&mut [0; 4])),
                _ => append(&mut texts, resolve_xml_entity(&reference).unwrap_or_default()),
            },
            Event::Eof if path.is_empty() && found => return Ok(()),
            Event::Eof => return Err(Malformed("the document is not complete")),
            Event::DocType(_) => return Err(Malformed("the document declares its own entities")),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

fn check(path: &[String], element: &Element, root: &str) -> Result<(), Malformed> {
    if path.is_empty() && element.name != root {
        return Err(Malformed("the document is of another kind"));
    }
    if path.len() >= DEEPEST { Err(Malformed("the document is nested too deeply")) } else { Ok(()) }
}

fn append(texts: &mut [String], more: &str) {
    if let Some(text) = texts.last_mut()
        && text.len() + more.len() <= LONGEST_TEXT
    {
        text.push_str(more);
    }
}
