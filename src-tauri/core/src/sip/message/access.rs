//! Reading and writing the headers of a message.

use std::fmt;
use std::str::FromStr;

use super::grammar::{CommaList, ParamScan, is_token, is_ws, split_at_byte, split_commas, top_level, trim};
use super::{HeaderName, Headers, Malformed, Method, Via};
use crate::sip::uri::{NameAddr, split_name_addrs};

/// `CSeq: 314159 INVITE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CSeq {
    pub seq: u32,
    pub method: Method,
}

impl FromStr for CSeq {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (seq, method) = scan_cseq(text)?;
        Ok(Self { seq, method: method.parse()? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

/// The number and the method of a CSeq value. The number stays below 2³¹ (RFC 3261 §8.1.1.5).
pub(crate) fn scan_cseq(text: &str) -> Result<(u32, &str), Malformed> {
    let (seq, method) = split_at_byte(trim(text), is_ws).ok_or(Malformed("CSeq has no method"))?;
    let seq = parse_number(seq).ok_or(Malformed("CSeq is not a number"))?;
    if seq > 0x7fff_ffff {
        return Err(Malformed("CSeq is beyond 2^31"));
    }
    Ok((seq, trim(method)))
}

/// A number of digits only that fits 32 bits.
pub(crate) fn parse_number(text: &str) -> Option<u32> {
    let sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// The Contact headers of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contacts {
    /// `Contact: *` (removes every binding, RFC 3261 §10.2.2).
    Any,
    /// In order; empty when there is none.
    List(Vec<NameAddr>),
}

/// Reading and writing headers by name.
///
/// The typed readers return `Err` both when the header is absent and when it is malformed. A message made by
/// [`wire::parse`](crate::sip::wire::parse) always has a sound topmost Via, From, To, Call-ID and CSeq.
#[allow(clippy::wrong_self_convention)] // From and To are the names of headers here
pub trait HeaderAccess {
    /// The value of the first header of that name.
    fn value(&self, name: HeaderName) -> Option<&str>;
    /// The values of every header line of that name, in order.
    fn values(&self, name: HeaderName) -> impl Iterator<Item = &str>;
    /// The elements of a header that is a comma list, over all its lines, in order. (Not for the authentication headers
    /// and dates, whose commas mean something else.)
    fn items(&self, name: HeaderName) -> impl Iterator<Item = &str>;
    /// The value of the first header of that name: for headers that [`HeaderName`] does not know, as `X-…`.
    fn named(&self, name: &str) -> Option<&str>;
    /// Whether a header of tokens (Supported, Require, Allow …) holds `token`, whatever its case.
    fn has_item(&self, name: HeaderName, token: &str) -> bool {
        self.items(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// Replaces the first header of that name and removes the others; appends it when there is none.
    fn set(&mut self, name: HeaderName, value: impl AsRef<str>);
    /// Appends a header, behind those of the same name.
    fn add(&mut self, name: HeaderName, value: impl AsRef<str>);
    /// Puts a header in front of all others: a Via, a Record-Route.
    fn add_first(&mut self, name: HeaderName, value: impl AsRef<str>);
    fn remove(&mut self, name: HeaderName);
    /// Replaces the topmost Via, leaving those behind it.
    fn replace_top_via(&mut self, via: &Via);
    /// Removes the topmost Via, as a proxy does before it forwards a response; whether there was one.
    fn remove_top_via(&mut self) -> bool;

    /// The topmost Via.
    fn via(&self) -> Result<Via, Malformed> {
        self.items(HeaderName::Via).next().ok_or(Malformed("Via is missing"))?.parse()
    }
    fn vias(&self) -> Result<Vec<Via>, Malformed> {
        self.items(HeaderName::Via).map(str::parse).collect()
    }
    fn from_header(&self) -> Result<NameAddr, Malformed> {
        self.value(HeaderName::From).ok_or(Malformed("From is missing"))?.parse()
    }
    fn to_header(&self) -> Result<NameAddr, Malformed> {
        self.value(HeaderName::To).ok_or(Malformed("To is missing"))?.parse()
    }
    /// The tag of From, without building the whole address.
    fn from_tag(&self) -> Option<&str> {
        self.value(HeaderName::From).and_then(tag_of)
    }
    fn to_tag(&self) -> Option<&str> {
        self.value(HeaderName::To).and_then(tag_of)
    }
    fn call_id(&self) -> Option<&str> {
        self.value(HeaderName::CallId)
    }
    fn cseq(&self) -> Result<CSeq, Malformed> {
        self.value(HeaderName::CSeq).ok_or(Malformed("CSeq is missing"))?.parse()
    }
    fn max_forwards(&self) -> Option<u32> {
        self.value(HeaderName::MaxForwards).and_then(parse_number)
    }
    fn contacts(&self) -> Result<Contacts, Malformed> {
        let mut list = Vec::new();
        for item in self.items(HeaderName::Contact) {
            if item == "*" {
                return Ok(Contacts::Any);
            }
            list.push(item.parse()?);
        }
        Ok(Contacts::List(list))
    }
    /// The first Contact that is an address.
    fn contact(&self) -> Option<NameAddr> {
        self.items(HeaderName::Contact).find_map(|item| item.parse().ok())
    }
    /// Seconds. Beyond 32 bits counts as the greatest, another malformed value as absent.
    fn expires(&self) -> Option<u32> {
        self.value(HeaderName::Expires).and_then(delta_seconds)
    }
    fn min_expires(&self) -> Option<u32> {
        self.value(HeaderName::MinExpires).and_then(delta_seconds)
    }
    /// Seconds; the comment and parameters behind them are passed over.
    fn retry_after(&self) -> Option<u32> {
        let value = self.value(HeaderName::RetryAfter)?;
        delta_seconds(&value[..value.find([';', '(', ' ', '\t']).unwrap_or(value.len())])
    }
    fn routes(&self) -> Result<Vec<NameAddr>, Malformed> {
        name_addrs(self.values(HeaderName::Route))
    }
    fn record_routes(&self) -> Result<Vec<NameAddr>, Malformed> {
        name_addrs(self.values(HeaderName::RecordRoute))
    }
    /// The type of the body without parameters: `application/sdp`.
    fn content_type(&self) -> Option<&str> {
        self.value(HeaderName::ContentType).map(|value| trim(&value[..value.find(';').unwrap_or(value.len())]))
    }
    /// Whether the body is of that type, whatever its case and parameters.
    fn is_content_type(&self, wanted: &str) -> bool {
        self.content_type().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    }
    /// `cause` of a Reason header of that protocol (`SIP`, `Q.850`; RFC 3326).
    fn reason_cause(&self, protocol: &str) -> Option<u16> {
        self.items(HeaderName::Reason).find_map(|item| {
            let (name, params) = item.split_at(item.find(';').unwrap_or(item.len()));
            if !trim(name).eq_ignore_ascii_case(protocol) {
                return None;
            }
            ParamScan::new(params).find("cause").and_then(|cause| cause.parse().ok())
        })
    }
}

impl HeaderAccess for Headers {
    fn value(&self, name: HeaderName) -> Option<&str> {
        self.first(name)
    }

    fn values(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.all(name)
    }

    fn items(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(|value| -> CommaList<'_> { split_commas(value) })
    }

    fn named(&self, name: &str) -> Option<&str> {
        match HeaderName::from_bytes(name.as_bytes()) {
            Some(known) => self.first(known),
            None => self.iter().find(|header| header.is_named(name)).map(|header| header.value),
        }
    }

    fn set(&mut self, name: HeaderName, value: impl AsRef<str>) {
        let Some(first) = self.position(name) else { return self.add(name, value) };
        self.replace_value(first, value.as_ref());
        let mut found = false;
        self.retain(|header| header.known != Some(name) || !std::mem::replace(&mut found, true));
    }

    fn add(&mut self, name: HeaderName, value: impl AsRef<str>) {
        self.push(name.with(value.as_ref()));
    }

    fn add_first(&mut self, name: HeaderName, value: impl AsRef<str>) {
        self.insert_first(name.with(value.as_ref()));
    }

    fn remove(&mut self, name: HeaderName) {
        self.retain(|header| header.known != Some(name));
    }

    fn replace_top_via(&mut self, via: &Via) {
        let Some(index) = self.position(HeaderName::Via) else {
            return self.add_first(HeaderName::Via, via.to_string());
        };
        let line = self.first(HeaderName::Via).unwrap_or_default();
        let behind = top_level(line, b',').map_or("", |comma| &line[comma..]);
        let text = format!("{via}{behind}");
        self.replace_value(index, &text);
    }

    fn remove_top_via(&mut self) -> bool {
        let Some(index) = self.position(HeaderName::Via) else { return false };
        let line = self.first(HeaderName::Via).unwrap_or_default();
        match top_level(line, b',').map(|comma| trim(&line[comma + 1..]).to_owned()) {
            Some(behind) if !behind.is_empty() => self.replace_value(index, &behind),
            _ => self.remove_at(index),
        }
        true
    }
}

fn name_addrs<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<NameAddr>, Malformed> {
    let mut list = Vec::new();
    for value in values {
        list.append(&mut split_name_addrs(value)?);
    }
    Ok(list)
}

fn delta_seconds(text: &str) -> Option<u32> {
    let text = trim(text);
    let sound = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().unwrap_or(u32::MAX))
}

/// The tag of a From or To value.
fn tag_of(value: &str) -> Option<&str> {
    let tag = ParamScan::new(&value[top_level(value, b';')?..]).find("tag")?;
    (is_token(tag) || !tag.is_empty()).then_some(tag)
}
