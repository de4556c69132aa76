//! Dialogs (RFC 3261 §12): the tags, route set, sequence numbers and remote target that two user agents share.

use super::message::{CSeq, Contacts, HeaderAccess, HeaderName, Headers, Malformed, Method, Request, Response};
use super::uri::{NameAddr, Uri};

#[derive(Debug, Clone, PartialEq)]
pub struct Dialog {
    pub call_id: Box<str>,
    /// Our address with our tag: From of what we send.
    pub local: NameAddr,
    /// The peer's address with its tag: To of what we send. The tag is absent for a peer of RFC 2543.
    pub remote: NameAddr,
    pub local_cseq: u32,
    /// The highest number the peer has used so far.
    pub remote_cseq: Option<u32>,
    /// In the order of our requests.
    pub route_set: Vec<NameAddr>,
    pub remote_target: Uri,
}

/// How a request of the peer stands to the sequence so far (RFC 3261 §12.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    InOrder,
    /// Lower than one seen before: answered 500.
    OutOfOrder,
}

impl Dialog {
    /// The dialog that a response to our request makes (§12.1.2).
    pub fn from_response(request: &Request, response: &Response) -> Result<Self, Malformed> {
        let mut route_set = response.headers.record_routes()?;
        route_set.reverse();
        Ok(Self {
            call_id: request.headers.call_id().ok_or(Malformed("Call-ID is missing"))?.into(),
            local: request.headers.from_header()?,
            remote: response.headers.to_header()?,
            local_cseq: request.headers.cseq()?.seq,
            remote_cseq: None,
            route_set,
            // A 2xx must have a Contact (§12.1.1); a peer that forgets it is reached where the INVITE went.
            remote_target: response.headers.contact().map_or_else(|| request.uri.clone(), |contact| contact.uri),
        })
    }

    /// The dialog that a request makes at its receiver, who tags it `local_tag` (§12.1.1).
    pub fn from_request(request: &Request, local_tag: &str) -> Result<Self, Malformed> {
        let remote = request.headers.from_header()?;
        let contact = match request.headers.contacts()? {
            Contacts::List(list) => list.into_iter().next(),
            Contacts::Any => None,
        };
        Ok(Self {
            call_id: request.headers.call_id().ok_or(Malformed("Call-ID is missing"))?.into(),
            local: request.headers.to_header()?.with_tag(local_tag),
            // A peer of RFC 2543, which tags nothing either, is reached by its From.
            remote_target: match contact {
                Some(contact) => contact.uri,
                None if remote.tag().is_none() => remote.uri.clone(),
                None => return Err(Malformed("Contact is missing")),
            },
            remote,
            local_cseq: 0,
            remote_cseq: Some(request.headers.cseq()?.seq),
            route_set: request.headers.record_routes()?,
        })
    }

    /// The peer's tag; empty for a peer of RFC 2543.
    pub fn remote_tag(&self) -> &str {
        self.remote.tag().unwrap_or("")
    }

    /// A request of this dialog (§12.2.1.1) without Via, Contact and body. ACK and CANCEL repeat the number of their
    /// INVITE and are not made here.
    pub fn request(&mut self, method: Method) -> Request {
        self.local_cseq += 1;
        let cseq = self.local_cseq;
        self.numbered_request(method, cseq)
    }

    /// As [`Self::request`], with a given number: the ACK to a 2xx (§13.2.2.4).
    pub fn numbered_request(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.routing();
        let mut headers = Headers::default();
        for route in routes {
            headers.add(HeaderName::Route, route.to_string());
        }
        headers.add(HeaderName::From, self.local.to_string());
        headers.add(HeaderName::To, self.remote.to_string());
        headers.add(HeaderName::CallId, &*self.call_id);
        headers.add(HeaderName::CSeq, CSeq { seq: cseq, method: method.clone() }.to_string());
        Request { headers, ..Request::new(method, uri) }
    }

    /// The URI of the next hop: the topmost route, else the remote target.
    pub fn next_hop(&self) -> &Uri {
        self.route_set.first().map_or(&self.remote_target, |route| &route.uri)
    }

    /// Takes note of a request of the peer.
    pub fn observe(&mut self, cseq: u32) -> Sequence {
        if self.remote_cseq.is_some_and(|highest| cseq < highest) {
            return Sequence::OutOfOrder;
        }
        self.remote_cseq = Some(cseq);
        Sequence::InOrder
    }

    /// A target refresh (§12.2: re-INVITE, UPDATE and their 2xx) may move the peer.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Some(contact) = headers.contact() {
            self.remote_target = contact.uri;
        }
    }

    /// Request-URI and Route (§12.2.1.1): a strict router in front takes the place of the Request-URI.
    fn routing(&self) -> (Uri, Vec<NameAddr>) {
        match self.route_set.split_first() {
            None => (self.remote_target.clone(), Vec::new()),
            Some((first, _)) if first.uri.is_loose_route() => (self.remote_target.clone(), self.route_set.clone()),
            Some((strict, rest)) => {
                let mut routes = rest.to_vec();
                routes.push(NameAddr::new(self.remote_target.clone()));
                (strict.uri.clone().without_headers(), routes)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn response(record_routes: &[&str]) -> Response {
        let mut response = Response::new(200);
        for route in record_routes {
            response.headers.add(HeaderName::RecordRoute, *route);
        }
        response.headers.add(HeaderName::To, "<sip:b@x>;tag=2");
        response.headers.add(HeaderName::Contact, "<sip:b@10.0.0.2:5070;transport=tcp>");
        response
    }

    fn invite() -> Request {
        let mut request = Request::new(Method::Invite, "sip:b@x".parse().unwrap());
        request.headers.add(HeaderName::From, "<sip:a@x>;tag=1");
        request.headers.add(HeaderName::To, "<sip:b@x>");
        request.headers.add(HeaderName::CallId, "c");
        request.headers.add(HeaderName::CSeq, "7 INVITE");
        request
    }

    fn routes(request: &Request) -> Vec<String> {
        request.headers.items(HeaderName::Route).map(str::to_owned).collect()
    }

    #[test]
    fn client_reverses_the_record_routes() {
        let response = response(&["<sip:p2;lr>, <sip:p1;lr>", "<sip:p0;lr>"]);
        let mut dialog = Dialog::from_response(&invite(), &response).unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(routes(&bye), ["<sip:p0;lr>", "<sip:p1;lr>", "<sip:p2;lr>"]);
        assert_eq!(bye.uri.to_string(), "sip:b@10.0.0.2:5070;transport=tcp");
        assert_eq!(bye.headers.cseq().unwrap().seq, 8);
    }

    #[test]
    fn strict_router_takes_the_place_of_the_request_uri() {
        let mut dialog = Dialog::from_response(&invite(), &response(&["<sip:p1;lr>", "<sip:p0>"])).unwrap();
        let bye = dialog.request(Method::Bye);
        assert_eq!(bye.uri.to_string(), "sip:p0");
        assert_eq!(routes(&bye), ["<sip:p1;lr>", "<sip:b@10.0.0.2:5070;transport=tcp>"]);
    }

    #[test]
    fn server_keeps_the_order_of_the_record_routes() {
        let mut request = invite();
        request.headers.add(HeaderName::RecordRoute, "<sip:p0;lr>, <sip:p1;lr>");
        request.headers.add(HeaderName::Contact, "<sip:a@10.0.0.1>");
        let mut dialog = Dialog::from_request(&request, "9").unwrap();
        assert_eq!(routes(&dialog.request(Method::Bye)), ["<sip:p0;lr>", "<sip:p1;lr>"]);
        assert_eq!(dialog.local.tag(), Some("9"));
        assert_eq!(dialog.observe(6), Sequence::OutOfOrder);
        assert_eq!(dialog.observe(8), Sequence::InOrder);
    }

    #[test]
    fn request_without_contact_makes_no_dialog() {
        assert!(Dialog::from_request(&invite(), "9").is_err());
    }
}
