//! When two URIs mean the same resource (RFC 3261 §19.1.4, RFC 3966 §4).

use super::{Uri, host_addr, unescape};

impl Uri {
    /// Whether both URIs are equivalent. (`==` compares their spelling.) The relation is not transitive: parameters that
    /// only one of the two carries are mostly ignored.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        if self == other {
            // Also where a parameter stands twice with two values.
            return true;
        }
        if !self.scheme.eq_ignore_ascii_case(&other.scheme) {
            return false;
        }
        match &*self.scheme {
            "sip" | "sips" => self.is_equivalent_sip(other),
            "tel" => self.is_equivalent_tel(other),
            _ => false,
        }
    }

    fn is_equivalent_sip(&self, other: &Self) -> bool {
        let plain = |part: &Option<Box<str>>| part.as_deref().map(unescape);
        plain(&self.user) == plain(&other.user)
            && plain(&self.password) == plain(&other.password)
            && same_host(&self.host, &other.host)
            && self.port == other.port
            && ["user", "ttl", "method", "maddr", "transport"]
                .iter()
                .all(|name| same_value(self.param(name), other.param(name)))
            && self.params.iter().all(|(name, value)| match other.param(name) {
                None => true,
                theirs => same_value(Some(value.as_deref().unwrap_or("")), theirs),
            })
            && same_headers(self.headers.as_deref(), other.headers.as_deref())
    }

    fn is_equivalent_tel(&self, other: &Self) -> bool {
        let digits = |uri: &Self| -> String {
            let number = uri.user.as_deref().unwrap_or("");
            number.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).map(|c| c.to_ascii_lowercase()).collect()
        };
        digits(self) == digits(other)
            && self.params.len() == other.params.len()
            && self
                .params
                .iter()
                .all(|(name, value)| same_value(Some(value.as_deref().unwrap_or("")), other.param(name)))
    }
}

fn same_host(ours: &str, theirs: &str) -> bool {
    ours.eq_ignore_ascii_case(theirs) || host_addr(ours).is_some_and(|address| host_addr(theirs) == Some(address))
}

fn same_value(ours: Option<&str>, theirs: Option<&str>) -> bool {
    match (ours, theirs) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => unescape(ours).eq_ignore_ascii_case(&unescape(theirs)),
        _ => false,
    }
}

fn same_headers(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let sorted = |headers: Option<&str>| {
        let mut pairs: Vec<(String, String)> = headers
            .unwrap_or("")
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (unescape(name).to_ascii_lowercase(), unescape(value))
            })
            .collect();
        pairs.sort();
        pairs
    };
    sorted(ours) == sorted(theirs)
}
