//! [`Pii`]: a wrapper for what must never reach a log: numbers, names, addresses, passwords.

use std::fmt;

/// A private value. `Debug` and `Display` print a mask; the value itself is reached only by [`Pii::expose`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Call it only where the value leaves for the wire, the store or the agent's own eyes.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹private›")
    }
}

impl<T> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("‹private›")
    }
}

#[cfg(test)]
mod tests {
    use super::Pii;

    #[test]
    fn formatting_never_shows_the_value() {
        let number = Pii::new("13800138000");
        assert!(!format!("{number} {number:?} {:#?}", Some(&number)).contains("138"));
        assert_eq!(*number.expose(), "13800138000");
    }
}
