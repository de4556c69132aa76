//! The tables of client and server transactions: how a message finds its transaction, and when each wants to be woken.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Instant;

use super::path::Path;
use super::usages::UsageId;
use super::{RegistrationId, SessionId};
use crate::flow::{Destination, Flow, FlowId, Transport};
use crate::sip::dialog::Dialog;
use crate::sip::message::{HeaderAccess, Headers, Method, Request, Response};
use crate::sip::transaction::agenda::{Agenda, Appointment};
use crate::sip::transaction::{ClientInvite, ClientNonInvite, Due, ServerInvite, ServerNonInvite, Timers};
use crate::sip::uri::host_addr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TransactionId(pub u64);

/// On whose behalf a request was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Register(RegistrationId),
    /// The INVITE that began a session.
    Invite(SessionId),
    Reinvite(SessionId),
    Info(SessionId),
    Prack(SessionId),
    Update(SessionId),
    Bye(SessionId),
    /// REFER and its reports, SUBSCRIBE, PUBLISH, MESSAGE.
    Usage(UsageId),
    /// Nobody waits for the answer: CANCEL, or the BYE to a surplus fork.
    Nothing,
}

/// How an answer finds its request (RFC 3261 §17.1.3): our branch, and the method because CANCEL shares the branch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ClientKey {
    pub branch: Box<str>,
    pub method: Method,
}

/// How a request finds the transaction that it repeats (RFC 3261 §17.2.3). An ACK looks for its INVITE.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ServerKey {
    pub branch: Box<str>,
    /// Host and port of the topmost Via, in lower case.
    pub sent_by: Box<str>,
    pub method: Method,
}

/// What two requests have in common that are one and came by two ways (RFC 3261 §8.2.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct MergeKey {
    pub call_id: Box<str>,
    pub from_tag: Box<str>,
    pub cseq: u32,
    pub method: Method,
}

#[derive(Debug)]
pub(super) enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

#[derive(Debug)]
pub(super) enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
}

/// An ACK to a 2xx, kept for as long as that 2xx may be repeated (RFC 3261 §13.2.2.4).
#[derive(Debug)]
pub(super) struct Acknowledgement {
    pub remote_tag: Box<str>,
    pub destination: Destination,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Client {
    key: ClientKey,
    pub machine: ClientMachine,
    /// The request as sent, Via included: the source of retransmissions, ACK, CANCEL, and the next try with credentials.
    pub request: Request,
    pub destination: Destination,
    /// Where it would go but for its size; elsewhere than `destination` only while it takes a stream for that reason.
    pub intended: Destination,
    pub path: Path,
    pub purpose: Purpose,
    /// For a re-INVITE the dialog that it belongs to, whose route set its ACK takes.
    pub dialog: Option<Box<Dialog>>,
    /// For an INVITE the highest number that it or a request in one of its early dialogs has used.
    pub highest_cseq: u32,
    /// How often credentials that this request carried have been refused.
    pub refusals: u8,
    /// One for every fork that answered 2xx.
    pub acknowledgements: Vec<Acknowledgement>,
    appointment: Appointment,
}

#[derive(Debug)]
pub(super) struct Server {
    key: ServerKey,
    merge: Option<MergeKey>,
    pub machine: ServerMachine,
    pub flow: Flow,
    /// Where its answers go.
    pub reply_to: Destination,
    /// The headers that every answer repeats; To with our tag.
    pub echo: Headers,
    /// The last answer, for repetitions of the request.
    pub last: Option<Vec<u8>>,
    /// The session whose INVITE this is, so that CANCEL finds it.
    pub session: Option<SessionId>,
    appointment: Appointment,
}

#[derive(Default)]
pub(super) struct Transactions {
    clients: BTreeMap<TransactionId, Client>,
    servers: BTreeMap<TransactionId, Server>,
    by_branch: HashMap<ClientKey, TransactionId>,
    by_via: HashMap<ServerKey, TransactionId>,
    by_content: HashMap<MergeKey, TransactionId>,
    agenda: Agenda<TransactionId>,
    last_id: u64,
}

impl Transactions {
    pub(super) fn len(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    pub(super) fn due(&self, now: Instant) -> Option<TransactionId> {
        self.agenda.due(now)
    }

    pub(super) fn find_client(&self, key: &ClientKey) -> Option<TransactionId> {
        self.by_branch.get(key).copied()
    }

    pub(super) fn find_server(&self, key: &ServerKey) -> Option<TransactionId> {
        self.by_via.get(key).copied()
    }

    pub(super) fn is_merged(&self, key: &MergeKey) -> bool {
        self.by_content.contains_key(key)
    }

    pub(super) fn client(&mut self, id: TransactionId) -> Option<&mut Client> {
        self.clients.get_mut(&id)
    }

    pub(super) fn server(&mut self, id: TransactionId) -> Option<&mut Server> {
        self.servers.get_mut(&id)
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_client(
        &mut self,
        now: Instant,
        timers: Timers,
        branch: &str,
        request: Request,
        destination: Destination,
        path: Path,
        purpose: Purpose,
    ) -> TransactionId {
        let reliable = path.transport_of(destination).is_reliable();
        let machine = match request.method {
            Method::Invite => ClientMachine::Invite(ClientInvite::new(now, timers, reliable)),
            _ => ClientMachine::NonInvite(ClientNonInvite::new(now, timers, reliable)),
        };
        let key = ClientKey { branch: branch.into(), method: request.method.clone() };
        let highest_cseq = request.headers.cseq().map_or(0, |cseq| cseq.seq);
        let id = self.next_id();
        self.by_branch.insert(key.clone(), id);
        self.clients.insert(
            id,
            Client {
                key,
                machine,
                request,
                destination,
                intended: destination,
                path,
                purpose,
                dialog: None,
                highest_cseq,
                refusals: 0,
                acknowledgements: Vec::new(),
                appointment: Appointment::default(),
            },
        );
        self.rearm(now, id);
        id
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_server(
        &mut self,
        now: Instant,
        timers: Timers,
        key: ServerKey,
        merge: Option<MergeKey>,
        flow: Flow,
        echo: Headers,
    ) -> TransactionId {
        let reliable = flow.transport.is_reliable();
        let machine = match key.method {
            Method::Invite => ServerMachine::Invite(ServerInvite::new(timers, reliable)),
            _ => ServerMachine::NonInvite(ServerNonInvite::new(now, timers, reliable)),
        };
        let reply_to = reply_to(&flow, &echo);
        let id = self.next_id();
        self.by_via.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.by_content.insert(merge.clone(), id);
        }
        self.servers.insert(
            id,
            Server {
                key,
                merge,
                machine,
                flow,
                reply_to,
                echo,
                last: None,
                session: None,
                appointment: Appointment::default(),
            },
        );
        self.rearm(now, id);
        id
    }

    /// The transaction begins again where it was meant to go in the first place, with that way's timers.
    pub(super) fn take_intended_way(&mut self, now: Instant, timers: Timers, id: TransactionId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.destination = client.intended;
            let reliable = client.path.transport_of(client.destination).is_reliable();
            client.machine = match client.key.method {
                Method::Invite => ClientMachine::Invite(ClientInvite::new(now, timers, reliable)),
                _ => ClientMachine::NonInvite(ClientNonInvite::new(now, timers, reliable)),
            };
        }
        self.rearm(now, id);
    }

    /// The client transactions whose request went to an address.
    pub(super) fn sent_to(&self, destination: Destination) -> Vec<TransactionId> {
        let sent = self.clients.iter().filter(|(_, client)| client.destination == destination);
        sent.map(|(&id, _)| id).collect()
    }

    /// Puts the transaction's next deadline into the agenda. To be called after every change of its machine. A machine
    /// whose last timer has no length (streams) ends here at once.
    pub(super) fn rearm(&mut self, now: Instant, id: TransactionId) {
        if let Some(client) = self.clients.get_mut(&id) {
            let next = client.next_timeout();
            if next.is_some_and(|at| at <= now) && client.has_ended() {
                self.remove(id);
            } else {
                self.agenda.set(id, &mut client.appointment, next);
            }
        } else if let Some(server) = self.servers.get_mut(&id) {
            let next = server.next_timeout();
            if next.is_some_and(|at| at <= now) && server.has_ended() {
                self.remove(id);
            } else {
                self.agenda.set(id, &mut server.appointment, next);
            }
        }
    }

    /// Wakes the machine whose time has come.
    pub(super) fn handle_timeout(&mut self, now: Instant, id: TransactionId) -> Due {
        let due = if let Some(client) = self.clients.get_mut(&id) {
            match &mut client.machine {
                ClientMachine::Invite(machine) => machine.handle_timeout(now),
                ClientMachine::NonInvite(machine) => machine.handle_timeout(now),
            }
        } else if let Some(server) = self.servers.get_mut(&id) {
            match &mut server.machine {
                ServerMachine::Invite(machine) => machine.handle_timeout(now),
                ServerMachine::NonInvite(machine) => machine.handle_timeout(now),
            }
        } else {
            // The agenda speaks of a transaction that is gone; removal strikes it, so this cannot repeat.
            self.agenda.strike_first();
            return Due::Nothing;
        };
        self.rearm(now, id);
        due
    }

    /// Nobody waits for the answer to this INVITE any more: it must not be able to stay for ever.
    pub(super) fn abandon(&mut self, now: Instant, id: TransactionId) {
        if let Some(client) = self.clients.get_mut(&id)
            && let ClientMachine::Invite(machine) = &mut client.machine
        {
            machine.abandon(now);
        }
        self.rearm(now, id);
    }

    pub(super) fn remove(&mut self, id: TransactionId) -> Option<Client> {
        if let Some(client) = self.clients.remove(&id) {
            self.by_branch.remove(&client.key);
            self.agenda.strike(id, client.appointment);
            return Some(client);
        }
        if let Some(server) = self.servers.remove(&id) {
            self.by_via.remove(&server.key);
            if let Some(merge) = &server.merge {
                self.by_content.remove(merge);
            }
            self.agenda.strike(id, server.appointment);
        }
        None
    }

    /// The transactions that live on a flow: clients, servers.
    pub(super) fn on_flow(&self, flow: FlowId) -> (Vec<TransactionId>, Vec<TransactionId>) {
        let clients =
            self.clients.iter().filter(|(_, client)| client.destination == Destination::Flow(flow)).map(|(&id, _)| id);
        let servers = self.servers.iter().filter(|(_, server)| server.flow.id == flow).map(|(&id, _)| id);
        (clients.collect(), servers.collect())
    }

    /// Whether also every index is empty.
    #[cfg(test)]
    pub(super) fn holds_nothing(&self) -> bool {
        self.len() == 0
            && self.by_branch.is_empty()
            && self.by_via.is_empty()
            && self.by_content.is_empty()
            && self.agenda.is_empty()
    }

    /// Whether tables, indexes and agenda agree: every transaction is found, and woken when it wants to be.
    #[cfg(test)]
    pub(super) fn assert_sound(&self) {
        assert_eq!(self.by_branch.len(), self.clients.len(), "branches");
        assert_eq!(self.by_via.len(), self.servers.len(), "Vias");
        assert_eq!(self.by_content.len(), self.servers.values().filter(|server| server.merge.is_some()).count());
        let mut waiting = 0;
        for (id, client) in &self.clients {
            assert_eq!(self.by_branch.get(&client.key), Some(id));
            let next = client.next_timeout();
            assert!(self.agenda.holds(*id, client.appointment, next), "{id:?} {:?} {next:?}", client.machine);
            waiting += usize::from(next.is_some());
        }
        for (id, server) in &self.servers {
            assert_eq!(self.by_via.get(&server.key), Some(id));
            let next = server.next_timeout();
            assert!(self.agenda.holds(*id, server.appointment, next), "{id:?} {:?} {next:?}", server.machine);
            waiting += usize::from(next.is_some());
        }
        assert_eq!(self.agenda.len(), waiting, "somebody is woken who is gone");
    }

    fn next_id(&mut self) -> TransactionId {
        self.last_id += 1;
        TransactionId(self.last_id)
    }
}

/// Where the answers to a request go that came by `flow` with these headers (RFC 3261 §18.2.2, RFC 3581 §4): back the way
/// it came. Over UDP a peer that asks for nothing else and is not behind a NAT, whose Via names the very address that we
/// see, is answered at the port that it names: there are some that send from another one than they listen at.
///
/// The address is always that of the sender. `maddr` and a foreign sent-by are not followed: whoever writes them could
/// have us send to anybody.
pub(super) fn reply_to(flow: &Flow, headers: &Headers) -> Destination {
    let symmetric = Destination::Flow(flow.id);
    if flow.transport != Transport::Udp {
        return symmetric;
    }
    let Ok(via) = headers.via() else { return symmetric };
    let port = via.port.unwrap_or(flow.transport.default_port());
    let is_direct = host_addr(&via.host).is_some_and(|host| host.to_canonical() == flow.remote.ip().to_canonical());
    if via.rport().is_none() && is_direct && port != flow.remote.port() && port != 0 {
        Destination::Address(Transport::Udp, SocketAddr::new(flow.remote.ip(), port))
    } else {
        symmetric
    }
}

impl Client {
    /// The dialog that a 2xx to this INVITE makes or, for a re-INVITE, belongs to.
    pub(super) fn dialog_of_answer(&self, response: &Response) -> Option<Dialog> {
        match &self.dialog {
            None => Dialog::from_response(&self.request, response).ok(),
            Some(dialog) => {
                let mut dialog = Dialog::clone(dialog);
                dialog.refresh_target(&response.headers);
                Some(dialog)
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.next_timeout(),
            ClientMachine::NonInvite(machine) => machine.next_timeout(),
        }
    }

    /// No final answer has come yet.
    pub(super) fn awaits_answer(&self) -> bool {
        use crate::sip::transaction::{client_invite, client_non_invite};
        match &self.machine {
            ClientMachine::Invite(machine) => {
                matches!(
                    machine.state(),
                    client_invite::State::Calling { .. } | client_invite::State::Proceeding { .. }
                )
            }
            ClientMachine::NonInvite(machine) => matches!(
                machine.state(),
                client_non_invite::State::Trying { .. } | client_non_invite::State::Proceeding { .. }
            ),
        }
    }

    /// Nothing is awaited any more but repetitions.
    fn has_ended(&self) -> bool {
        use crate::sip::transaction::{client_invite, client_non_invite};
        match &self.machine {
            ClientMachine::Invite(machine) => matches!(machine.state(), client_invite::State::Completed { .. }),
            ClientMachine::NonInvite(machine) => matches!(machine.state(), client_non_invite::State::Completed { .. }),
        }
    }
}

impl Server {
    /// Whether an answer to it may make a dialog, and then repeats Record-Route.
    pub(super) const fn creates_dialog(&self) -> bool {
        self.key.method.creates_dialog()
    }

    fn next_timeout(&self) -> Option<Instant> {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.next_timeout(),
            ServerMachine::NonInvite(machine) => machine.next_timeout(),
        }
    }

    fn has_ended(&self) -> bool {
        use crate::sip::transaction::{server_invite, server_non_invite};
        match &self.machine {
            ServerMachine::Invite(machine) => matches!(machine.state(), server_invite::State::Confirmed { .. }),
            ServerMachine::NonInvite(machine) => matches!(machine.state(), server_non_invite::State::Completed { .. }),
        }
    }
}
