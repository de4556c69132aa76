//! The headers of a message, in one buffer.

use std::fmt;

use super::HeaderName;

/// The headers of a message, in order.
///
/// All values stand in one text and are found by their places in it: a message that was read holds its head in one
/// piece, as it came, and no header has an allocation of its own. Values are read by name through
/// [`HeaderAccess`](super::HeaderAccess); [`Self::iter`] walks over all, also over those that have no [`HeaderName`].
///
/// `Debug` shows the names alone: what a message says is private.
#[derive(Default)]
pub struct Headers {
    /// Every value, and every name that is not a [`HeaderName`]. What was replaced or removed stays until
    /// [`Self::tidy`].
    text: String,
    fields: Vec<Field>,
    /// Bytes of `text` that values once stood in which were replaced or removed.
    waste: usize,
}

/// One header, borrowed from [`Headers`] or about to be pushed to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// `None` for a name that we do not know, as `X-…`.
    pub known: Option<HeaderName>,
    /// As RFC 3261 writes it where it is known (whatever the wire had), else as it stands on the wire.
    pub name: &'a str,
    /// As it stands behind the colon: one line, trimmed.
    pub value: &'a str,
}

/// Where a header stands in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub known: Option<HeaderName>,
    /// Empty where the name is known.
    pub name: Span,
    pub value: Span,
}

/// A piece of the text. Texts stay far below 4 GiB: those of messages below 256 KiB, others are ours.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }
}

impl<'a> Header<'a> {
    /// A header of any name; compact names of known headers are recognised.
    pub fn new(name: &'a str, value: &'a str) -> Self {
        match HeaderName::from_bytes(name.as_bytes()) {
            Some(known) => known.with(value),
            None => Self { known: None, name, value },
        }
    }

    /// Whether it has this name, whatever the case.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Headers {
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for that many headers with that many bytes of values.
    pub fn with_capacity(headers: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), fields: Vec::with_capacity(headers), waste: 0 }
    }

    /// The number of header lines.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Every header, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Header<'_>> + ExactSizeIterator + Clone {
        self.fields.iter().map(|field| self.header(field))
    }

    /// Appends a header.
    pub fn push(&mut self, header: Header<'_>) {
        let field = self.store(header);
        self.fields.push(field);
    }

    /// Appends a header of any name. ([`HeaderAccess::add`](super::HeaderAccess::add) is for the known ones.)
    pub fn add_named(&mut self, name: &str, value: impl AsRef<str>) {
        self.push(Header::new(name, value.as_ref()));
    }

    /// Keeps only the headers that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(Header<'_>) -> bool) {
        let Self { text, fields, waste } = self;
        fields.retain(|field| {
            let kept = keep(field.header(text));
            *waste += if kept { 0 } else { field.value.len() };
            kept
        });
        self.tidy();
    }

    /// The value of the first header of that name.
    pub(super) fn first(&self, name: HeaderName) -> Option<&str> {
        self.fields.iter().find(|field| field.known == Some(name)).map(|field| field.value.of(&self.text))
    }

    pub(super) fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |field| field.known == Some(name)).map(|field| field.value.of(&self.text))
    }

    pub(super) fn insert_first(&mut self, header: Header<'_>) {
        let field = self.store(header);
        self.fields.insert(0, field);
    }

    pub(super) fn position(&self, name: HeaderName) -> Option<usize> {
        self.fields.iter().position(|field| field.known == Some(name))
    }

    pub(super) fn remove_at(&mut self, index: usize) {
        if index < self.fields.len() {
            self.waste += self.fields.remove(index).value.len();
            self.tidy();
        }
    }

    pub(super) fn replace_value(&mut self, index: usize, value: &str) {
        let value = self.append(value);
        if let Some(field) = self.fields.get_mut(index) {
            self.waste += field.value.len();
            field.value = value;
            self.tidy();
        }
    }

    /// For the parser: a text, and where in it the headers stand.
    pub(crate) const fn from_text(text: String, fields: Vec<Field>) -> Self {
        Self { text, fields, waste: 0 }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn append(&mut self, piece: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(piece);
        Span::new(start, self.text.len())
    }

    fn header(&self, field: &Field) -> Header<'_> {
        field.header(&self.text)
    }

    fn store(&mut self, header: Header<'_>) -> Field {
        let name = if header.known.is_some() { Span::default() } else { self.append(header.name) };
        Field { known: header.known, name, value: self.append(header.value) }
    }

    /// Copies the text without its waste, once that is most of it: a header that is set again and again must not grow it.
    fn tidy(&mut self) {
        if self.waste > 1024 && self.waste > self.text.len() / 2 {
            *self = self.clone();
        }
    }
}

impl Field {
    fn header<'a>(&self, text: &'a str) -> Header<'a> {
        let name = match self.known {
            Some(known) => known.as_str(),
            None => self.name.of(text),
        };
        Header { known: self.known, name, value: self.value.of(text) }
    }
}

/// The copy holds the headers alone, without what else stood in the text.
impl Clone for Headers {
    fn clone(&self) -> Self {
        let bytes = self.fields.iter().map(|field| field.name.len() + field.value.len()).sum();
        let mut copy = Self::with_capacity(self.fields.len(), bytes);
        copy.extend(self.iter());
        copy
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Extend<Header<'a>> for Headers {
    fn extend<I: IntoIterator<Item = Header<'a>>>(&mut self, headers: I) {
        headers.into_iter().for_each(|header| self.push(header));
    }
}

impl<'a> FromIterator<Header<'a>> for Headers {
    fn from_iter<I: IntoIterator<Item = Header<'a>>>(headers: I) -> Self {
        let mut list = Self::default();
        list.extend(headers);
        list
    }
}

/// From names and values.
impl<N: AsRef<str>, V: AsRef<str>, const COUNT: usize> From<[(N, V); COUNT]> for Headers {
    fn from(headers: [(N, V); COUNT]) -> Self {
        let mut list = Self::default();
        for (name, value) in &headers {
            list.add_named(name.as_ref(), value);
        }
        list
    }
}
