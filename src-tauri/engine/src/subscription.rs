//! How events reach the front ends: edges in a queue each, snapshots and levels as the newest value.

use std::sync::Arc;

use deskline_ipc::{Event, Snapshot};
use tokio::sync::{mpsc, watch};

/// Levels in dBFS: microphone, speaker.
pub(crate) type Levels = (f32, f32);

/// The sending side, in the event loop.
pub(crate) struct Publisher {
    snapshot: watch::Sender<Arc<Snapshot>>,
    levels: watch::Sender<Levels>,
    edges: Vec<mpsc::UnboundedSender<Event>>,
}

/// What a front end awaits.
pub struct Subscription {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    levels: watch::Receiver<Levels>,
    edges: mpsc::UnboundedReceiver<Event>,
}

impl Publisher {
    pub(crate) fn new(first: Snapshot) -> (Self, watch::Receiver<Arc<Snapshot>>) {
        let (snapshot, current) = watch::channel(Arc::new(first));
        let (levels, _) = watch::channel((f32::MIN, f32::MIN));
        (Self { snapshot, levels, edges: Vec::new() }, current)
    }

    pub(crate) fn subscribe(&mut self) -> Subscription {
        let (sender, edges) = mpsc::unbounded_channel();
        self.edges.push(sender);
        Subscription { snapshot: self.snapshot.subscribe(), levels: self.levels.subscribe(), edges }
    }

    pub(crate) fn edge(&mut self, event: &Event) {
        self.edges.retain(|subscriber| subscriber.send(event.clone()).is_ok());
    }

    pub(crate) fn snapshot(&self, snapshot: Snapshot) {
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    pub(crate) fn levels(&self, levels: Levels) {
        self.levels.send_replace(levels);
    }
}

impl deskline_ipc::Subscription for Subscription {
    async fn next(&mut self) -> Option<Event> {
        tokio::select! {
            biased;
            event = self.edges.recv() => event,
            changed = self.snapshot.changed() => {
                changed.ok()?;
                let snapshot = Snapshot::clone(&self.snapshot.borrow_and_update());
                Some(Event::Snapshot { snapshot: Box::new(snapshot) })
            }
            changed = self.levels.changed() => {
                changed.ok()?;
                let (microphone, speaker) = *self.levels.borrow_and_update();
                Some(Event::Levels { microphone, speaker })
            }
        }
    }
}
