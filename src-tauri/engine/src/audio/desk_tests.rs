use super::super::VirtualHost;
use super::super::virtual_host::{MICROPHONE, RINGER, SPEAKER};
use super::*;

use DeviceRole::{Microphone, Ringer, Speaker};

struct Room {
    host: Arc<VirtualHost>,
    desk: Desk,
    now: Instant,
}

impl Room {
    fn new() -> Self {
        let host = VirtualHost::new();
        let desk = Desk::new(host.clone(), Arc::new(|| {}));
        Self { host, desk, now: Instant::now() }
    }

    /// Lets time pass and returns what happened, the lists left out.
    fn wait(&mut self, milliseconds: u64) -> Vec<DeskEvent> {
        for _ in 0..milliseconds / 100 {
            self.now += Duration::from_millis(100);
            self.desk.tick(self.now);
        }
        let mut events = Vec::new();
        while let Some(event) = self.desk.poll_event() {
            if !matches!(event, DeskEvent::List(_)) {
                events.push(event);
            }
        }
        events
    }

    fn open(&self, role: DeviceRole) -> Option<&str> {
        self.desk.places[role as usize].open.as_ref().map(|(id, _)| id.as_str())
    }
}

#[test]
fn what_is_wanted_is_open_and_nothing_else() {
    let mut room = Room::new();
    assert_eq!(room.wait(3_000), []);
    assert_eq!(room.open(Microphone), None);
    room.desk.want(Microphone, true);
    room.desk.want(Speaker, true);
    assert_eq!(room.wait(100), []);
    assert_eq!((room.open(Microphone), room.open(Speaker), room.open(Ringer)), (Some(MICROPHONE), Some(SPEAKER), None));
    room.desk.want(Microphone, false);
    room.wait(100);
    assert_eq!(room.open(Microphone), None);
    assert!(room.desk.next_tick().is_some());
    room.desk.want(Speaker, false);
    room.wait(100);
    assert_eq!(room.desk.next_tick(), None, "nothing to watch for");
}

#[test]
fn the_chosen_device_goes_before_the_default() {
    let mut room = Room::new();
    room.desk.want(Speaker, true);
    room.wait(100);
    room.desk.choose(Speaker, Some(RINGER.to_owned()));
    assert_eq!(room.wait(100), []);
    assert_eq!(room.open(Speaker), Some(RINGER));
    room.desk.choose(Speaker, None);
    room.wait(100);
    assert_eq!(room.open(Speaker), Some(SPEAKER));
    room.desk.choose(Speaker, Some("no such device".to_owned()));
    assert_eq!(room.wait(100), []);
    assert_eq!(room.open(Speaker), Some(SPEAKER));
}

#[test]
fn an_unplugged_device_is_replaced_and_returned_to() {
    let mut room = Room::new();
    room.host.plug_input("headset", false);
    room.desk.choose(Microphone, Some("headset".to_owned()));
    room.desk.want(Microphone, true);
    room.wait(100);
    assert_eq!(room.open(Microphone), Some("headset"));
    room.host.unplug("headset");
    let events = room.wait(1_500);
    assert_eq!(events, [DeskEvent::Trouble(Microphone, DeviceTrouble::Missing), DeskEvent::Healed(Microphone)]);
    assert_eq!(room.open(Microphone), Some(MICROPHONE));
    room.host.plug_input("headset", false);
    assert_eq!(room.wait(1_500), []);
    assert_eq!(room.open(Microphone), Some("headset"));
}

#[test]
fn without_any_microphone_there_is_trouble_until_one_comes() {
    let mut room = Room::new();
    room.host.unplug(MICROPHONE);
    room.desk.want(Microphone, true);
    assert_eq!(room.wait(5_000), [DeskEvent::Trouble(Microphone, DeviceTrouble::Missing)], "told once");
    room.host.plug_input("usb", true);
    assert_eq!(room.wait(1_500), [DeskEvent::Healed(Microphone)]);
    assert_eq!(room.open(Microphone), Some("usb"));
}

#[test]
fn a_busy_device_is_tried_again() {
    let mut room = Room::new();
    room.host.trouble(MICROPHONE, Some(DeviceTrouble::Busy));
    room.desk.want(Microphone, true);
    assert_eq!(room.wait(10_000), [DeskEvent::Trouble(Microphone, DeviceTrouble::Busy)]);
    room.host.trouble(MICROPHONE, None);
    assert_eq!(room.wait(5_000), [DeskEvent::Healed(Microphone)]);
}

#[test]
fn a_stream_that_fails_in_use_moves_to_another_device() {
    let mut room = Room::new();
    room.desk.want(Speaker, true);
    room.wait(100);
    room.host.trouble(SPEAKER, Some(DeviceTrouble::Failed));
    let events = room.wait(500);
    assert_eq!(events, [DeskEvent::Trouble(Speaker, DeviceTrouble::Failed), DeskEvent::Healed(Speaker)]);
    assert_eq!(room.open(Speaker), Some(RINGER));
    room.host.trouble(SPEAKER, None);
    assert_eq!(room.wait(5_000), []);
    assert_eq!(room.open(Speaker), Some(SPEAKER), "the default is returned to");
}

#[test]
fn without_a_sound_system_everything_is_missing() {
    let mut room = Room::new();
    room.host.sound_system(Some(DeviceTrouble::Missing));
    room.desk.want(Microphone, true);
    room.desk.want(Speaker, true);
    let events = room.wait(3_000);
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events.contains(&DeskEvent::Trouble(Speaker, DeviceTrouble::Missing)));
    room.host.sound_system(None);
    assert_eq!(room.wait(1_500), [DeskEvent::Healed(Microphone), DeskEvent::Healed(Speaker)]);
}

#[test]
fn the_list_is_told_when_asked_and_when_it_changes() {
    let mut room = Room::new();
    let lists = |room: &mut Room, milliseconds: u64| {
        let mut lists = Vec::new();
        for _ in 0..milliseconds / 100 {
            room.now += Duration::from_millis(100);
            room.desk.tick(room.now);
            while let Some(event) = room.desk.poll_event() {
                if let DeskEvent::List(list) = event {
                    lists.push(list);
                }
            }
        }
        lists
    };
    assert_eq!(lists(&mut room, 1_000), []);
    room.desk.watch();
    let first = lists(&mut room, 10_000);
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].inputs.len(), first[0].outputs.len()), (1, 2));
    room.host.plug_output("hdmi", false);
    assert_eq!(lists(&mut room, 6_000).len(), 1);
    room.desk.choose(Ringer, Some(RINGER.to_owned()));
    let chosen = lists(&mut room, 6_000);
    assert_eq!(chosen.last().and_then(|list| list.chosen_ringer.clone()), Some(RINGER.to_owned()));
    room.desk.watch();
    assert_eq!(lists(&mut room, 100).len(), 1, "asked again, told again");
}

#[test]
fn trouble_of_one_call_is_over_when_the_device_works_in_the_next() {
    let mut room = Room::new();
    room.host.trouble(MICROPHONE, Some(DeviceTrouble::Busy));
    room.desk.want(Microphone, true);
    assert_eq!(room.wait(1_000), [DeskEvent::Trouble(Microphone, DeviceTrouble::Busy)]);
    room.desk.want(Microphone, false);
    room.wait(5_000);
    room.host.trouble(MICROPHONE, None);
    room.desk.want(Microphone, true);
    assert_eq!(room.wait(1_000), [DeskEvent::Healed(Microphone)]);
}
