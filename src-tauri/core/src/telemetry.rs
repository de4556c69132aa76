//! The events of the tracking table (sip-call-ring's document), as they arise. Kept and delivered by the engine.

use crate::pii::Pii;

/// What stands in place of the extension's password, always and everywhere.
pub const PASSWORD_MASK: &str = "******";

/// One tracking event: exactly the parameters of its row, without `from`, time, session and sequence, which every event carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: &'static str,
    pub params: Vec<(&'static str, Value)>,
}

#[derive(Clone, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    /// A telephone number: masked before it is kept.
    Phone(Pii<String>),
}

/// Texts hold extensions and digits.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(_) | Self::Phone(_) => f.write_str("‹private›"),
        }
    }
}

impl Event {
    pub fn new(name: &'static str) -> Self {
        Self { name, params: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: Value) -> Self {
        self.params.push((name, value));
        self
    }

    #[must_use]
    pub fn text(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(name, Value::Text(value.into()))
    }
}

impl Value {
    /// The value as it is kept: of a telephone number the middle four digits are hidden.
    pub fn masked(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Phone(number) => mask_number(number.expose()),
        }
    }
}

/// Hides the middle four digits: `13800138000` → `138****8000`. Numbers of fewer than seven digits, extensions among
/// them, stay as they are.
pub fn mask_number(number: &str) -> String {
    let digits = number.chars().filter(char::is_ascii_digit).count();
    if digits < 7 {
        return number.to_owned();
    }
    let first = (digits - 4) / 2;
    let mut seen = 0;
    number
        .chars()
        .map(|c| {
            if !c.is_ascii_digit() {
                return c;
            }
            seen += 1;
            if seen > first && seen <= first + 4 { '*' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_four_digits_are_hidden() {
        assert_eq!(mask_number("13800138000"), "138****8000");
        assert_eq!(mask_number("+86 138 0013 8000"), "+86 13* ***3 8000");
        assert_eq!(mask_number("1001"), "1001");
    }
}
