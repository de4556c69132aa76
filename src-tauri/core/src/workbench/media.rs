//! RTP sockets: one is always open in advance, so that a click becomes an INVITE without a detour.

use std::net::{IpAddr, SocketAddr};

use super::{NoticeCode, Output, Workbench};
use crate::call::{self, EndCause};
use crate::clock::Now;
use crate::flow::Flow;
use crate::media::{self as core_media, Command, MediaId};

/// The sockets that the media plane holds for us beyond those of calls.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    next: u64,
    spare: Spare,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Spare {
    #[default]
    None,
    Opening {
        id: MediaId,
        local: IpAddr,
    },
    Open {
        id: MediaId,
        address: SocketAddr,
    },
    /// It could not be opened; the next call tries anew.
    Failed {
        local: IpAddr,
    },
}

/// What a call gets.
pub(super) enum Socket {
    Open(MediaId, SocketAddr),
    /// It will come by [`core_media::Event::Opened`].
    Awaited,
}

impl Workbench {
    /// Opens the spare socket on the interface of that flow.
    pub(super) fn prepare_media(&mut self, flow: Flow) {
        self.release_media();
        self.open_spare(flow.local.ip());
    }

    pub(super) fn release_media(&mut self) {
        if let Spare::Open { id, .. } | Spare::Opening { id, .. } = std::mem::take(&mut self.media.spare) {
            self.ask_media(Command::Close { id });
        }
    }

    /// Takes the spare socket for a call on that interface and opens the next spare. One that stands elsewhere, for
    /// another line, gives way.
    pub(super) fn take_socket(&mut self, wanted: IpAddr) -> Socket {
        match self.media.spare {
            Spare::Open { id, address } if address.ip() == wanted => {
                self.open_spare(wanted);
                Socket::Open(id, address)
            }
            Spare::Opening { local, .. } if local == wanted => Socket::Awaited,
            Spare::Open { .. } | Spare::Opening { .. } | Spare::Failed { .. } | Spare::None => {
                self.release_media();
                self.open_spare(wanted);
                Socket::Awaited
            }
        }
    }

    /// Where the spare socket stands, or is to stand.
    pub(super) fn spare_address(&self) -> Option<IpAddr> {
        match self.media.spare {
            Spare::Open { address, .. } => Some(address.ip()),
            Spare::Opening { local, .. } | Spare::Failed { local } => Some(local),
            Spare::None => None,
        }
    }

    pub(super) fn next_media_id(&mut self) -> MediaId {
        self.media.next += 1;
        MediaId(self.media.next)
    }

    fn open_spare(&mut self, local: IpAddr) {
        let id = self.next_media_id();
        self.media.spare = Spare::Opening { id, local };
        self.ask_media(Command::Open { id, local });
    }

    pub(super) fn ask_media(&mut self, command: Command) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(super) fn media_event(&mut self, now: Now, event: core_media::Event) {
        match event {
            core_media::Event::Opened { id, address } => {
                if matches!(self.media.spare, Spare::Opening { id: ours, .. } if ours == id) {
                    self.media.spare = Spare::Open { id, address };
                    self.socket_opened(now);
                } else {
                    self.media_moved(now, id, Some(address));
                }
            }
            core_media::Event::OpenFailed { id, .. } => {
                if let Spare::Opening { id: ours, local } = self.media.spare
                    && ours == id
                {
                    self.media.spare = Spare::Failed { local };
                    self.socket_failed(now);
                } else if self.media_moved(now, id, None) {
                    // The old socket has to do.
                } else if let Some(call) = self.of_media(id).map(|call| call.id) {
                    // The socket was there, but no stream can be made on it.
                    self.give_up(now, call, EndCause::MediaFailed);
                }
            }
            core_media::Event::FirstPacket { .. } => {}
            core_media::Event::DtmfReceived { id, digit } => {
                if let Some(call) = self.of_media(id).map(|call| call.id) {
                    self.edge(super::Edge::Dtmf(call, digit));
                }
            }
            core_media::Event::DeviceTrouble { role, trouble } => {
                self.heal_device(role);
                self.notify(now, NoticeCode::Device(role, trouble));
            }
            core_media::Event::DeviceHealed { role } => self.heal_device(role),
        }
    }

    fn heal_device(&mut self, role: core_media::DeviceRole) {
        self.heal(|code| matches!(code, NoticeCode::Device(its, _) if its == role));
    }

    fn of_media(&self, id: MediaId) -> Option<&call::Call> {
        self.calls.iter().find(|call| call.media.as_ref().is_some_and(|media| media.id == id))
    }

    /// A call that waits for a socket gets it.
    fn socket_opened(&mut self, now: Now) {
        if let Some(id) = self.calls.iter().find(|call| call.waits_for_socket()).map(|call| call.id) {
            self.proceed(now, id);
        }
    }

    fn socket_failed(&mut self, now: Now) {
        let waiting: Vec<_> = self.calls.iter().filter(|call| call.waits_for_socket()).map(|call| call.id).collect();
        for id in waiting {
            self.give_up(now, id, EndCause::MediaFailed);
        }
    }
}
