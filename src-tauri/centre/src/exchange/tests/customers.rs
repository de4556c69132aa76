use std::time::Duration;

use deskline_core::media::rtp::{Header, Packet};
use deskline_core::media::{Codec, Direction, SAMPLE_RATE, levels};
use deskline_core::sdp::offer_answer;
use deskline_core::sip::message::HeaderAccess;
use deskline_core::sip::user_agent::EndReason;
use deskline_engine::media::codec::{Decoder, Encoder, MAX_BYTES, MAX_SAMPLES};

use super::world::World;
use crate::call::{CallEnd, CallId, CallState, CustomerScript, Opening};
use crate::exchange::RingError;
use crate::sound::{Sound, Tone};

/// An agent's phone in a call with a customer.
struct Talk {
    world: World,
    call: CallId,
    session: deskline_core::sip::SessionId,
    sequence: u16,
    tone: Sound,
    encoder: Encoder,
    to: std::net::SocketAddr,
}

impl Talk {
    fn new(script: CustomerScript) -> Self {
        let mut world = World::with_agent();
        let call = world.exchange.ring_customer(world.now, "1001", script).unwrap();
        world.settle();
        let (_, offer) = world.phones[0].incoming().expect("the phone rings");
        let (_, agreed) = offer_answer::answer(&world.phones[0].local, &offer).unwrap();
        assert_eq!(agreed.codec, Codec::Opus, "the customer's first choice");
        let session = world.answer(0);
        Self {
            world,
            call,
            session,
            sequence: 0,
            tone: Sound::Tone(Tone::new(600.0, 0.3)),
            encoder: Encoder::new(Codec::Opus).unwrap(),
            to: agreed.remote,
        }
    }

    /// The agent sends a tone of 600 Hz for that long.
    fn send_tone(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 20 {
            let mut frame = [0.0; 960];
            self.tone.fill(&mut frame);
            let mut payload = [0; MAX_BYTES];
            let length = self.encoder.encode(&frame, &mut payload).unwrap();
            let header = Header {
                marker: false,
                payload_type: 96,
                sequence: self.sequence,
                timestamp: u32::from(self.sequence) * 960,
                ssrc: 77,
            };
            self.sequence += 1;
            let mut packet = vec![0; 12 + length];
            header.write(&payload[..length], &mut packet).unwrap();
            self.world.send_rtp(0, self.to, &packet);
            self.world.pass(Duration::from_millis(20));
        }
    }

    /// What the agent has heard since it was asked last.
    fn heard(&mut self) -> Vec<f32> {
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        let mut out = [0.0; MAX_SAMPLES];
        let mut sound = Vec::new();
        for packet in self.world.phones[0].packets.drain(..) {
            let count = decoder.decode(Packet::parse(&packet).unwrap().payload, &mut out).unwrap();
            sound.extend(&out[..count]);
        }
        sound
    }

    fn state(&self) -> CallState {
        self.world.exchange.probe(self.world.now, self.call).unwrap().state
    }
}

fn brief(opening: Opening) -> CustomerScript {
    CustomerScript { opening, opening_for: Duration::from_secs(2), ..CustomerScript::default() }
}

#[test]
fn a_customer_shows_number_and_name_and_rings_until_patience_ends() {
    let mut world = World::with_agent();
    let script = CustomerScript { headers: [("X-Skill-Group", "vip")].into(), ..CustomerScript::default() };
    world.exchange.ring_customer(world.now, "1001", script).unwrap();
    world.settle();
    let request = world.phones[0].incoming_request().unwrap();
    let from = request.headers.from_header().unwrap();
    assert_eq!(from.uri.user_plain().as_deref(), Some("13800138000"));
    assert_eq!(from.display.as_deref(), Some("王女士"));
    assert_eq!(request.headers.named("X-Skill-Group"), Some("vip"));

    let (session, _) = world.phones[0].incoming().unwrap();
    world.phones[0].agent.progress(world.now, session, 180, Vec::new()).unwrap();
    world.settle();
    world.seconds(29);
    assert_eq!(world.phones[0].end_of(session), None);
    world.seconds(2);
    assert!(matches!(world.phones[0].end_of(session), Some(EndReason::Remote { .. })));
    assert_eq!(world.states().last(), Some(&CallState::Ended(CallEnd::NotAnswered)));
    world.assert_at_rest();
}

#[test]
fn a_customer_speaks_and_then_echoes() {
    let mut talk = Talk::new(brief(Opening::Speech));
    talk.world.seconds(2);
    let heard = talk.heard();
    assert!((1.9..2.1).contains(&(heard.len() as f32 / SAMPLE_RATE as f32)));
    assert!(levels::dbfs(levels::rms(&heard)) > -26.0);
    talk.send_tone(1_000);
    let heard = talk.heard();
    assert!(levels::tone_share(&heard[9_600..], SAMPLE_RATE, 600.0) > 0.9);
    let probe = talk.world.exchange.probe(talk.world.now, talk.call).unwrap();
    assert!(probe.tone_share(600.0, Duration::from_millis(500)) > 0.9);

    talk.world.hang_up(0, talk.session);
    assert_eq!(talk.world.states(), [CallState::Ringing, CallState::Talking, CallState::Ended(CallEnd::HungUpByPhone)]);
    let probe = talk.world.exchange.probe(talk.world.now, talk.call).expect("kept after the end");
    assert!(probe.tone_share(600.0, Duration::from_millis(300)) > 0.9);
    talk.world.assert_at_rest();
}

#[test]
fn a_held_customer_hears_the_music_and_says_nothing() {
    let mut talk = Talk::new(brief(Opening::Melody));
    talk.world.reoffer(0, talk.session, Direction::SendOnly);
    assert_eq!(talk.state(), CallState::Held);
    talk.world.phones[0].packets.clear();
    talk.send_tone(1_000);
    assert!(talk.world.phones[0].packets.is_empty());
    let probe = talk.world.exchange.probe(talk.world.now, talk.call).unwrap();
    assert!(probe.tone_share(600.0, Duration::from_millis(500)) > 0.9);
    talk.world.reoffer(0, talk.session, Direction::SendRecv);
    assert_eq!(talk.state(), CallState::Talking);
    talk.world.seconds(1);
    assert!(talk.world.phones[0].packets.len() >= 49);
}

#[test]
fn a_customer_hangs_up_by_script() {
    let script = CustomerScript { hang_up_after: Some(Duration::from_secs(7)), ..brief(Opening::None) };
    let mut talk = Talk::new(script);
    talk.world.seconds(6);
    assert_eq!(talk.world.phones[0].end_of(talk.session), None);
    talk.world.seconds(1);
    assert!(matches!(talk.world.phones[0].end_of(talk.session), Some(EndReason::Remote { .. })));
    assert_eq!(talk.world.states().last(), Some(&CallState::Ended(CallEnd::HungUpHere)));
    talk.world.assert_at_rest();
}

#[test]
fn a_call_can_be_ended_from_the_centre_in_every_state() {
    let mut talk = Talk::new(brief(Opening::None));
    talk.world.exchange.hang_up(talk.world.now, talk.call);
    talk.world.settle();
    assert!(matches!(talk.world.phones[0].end_of(talk.session), Some(EndReason::Remote { .. })));

    let world = &mut talk.world;
    let ringing = world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    let (session, _) = world.phones[0].incoming().unwrap();
    world.phones[0].agent.progress(world.now, session, 180, Vec::new()).unwrap();
    world.settle();
    world.exchange.hang_up(world.now, ringing);
    world.settle();
    assert!(matches!(world.phones[0].end_of(session), Some(EndReason::Remote { .. })));
    world.assert_at_rest();
}

#[test]
fn a_refusal_by_the_agent_ends_the_call() {
    let mut world = World::with_agent();
    world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    let (session, _) = world.phones[0].incoming().unwrap();
    world.phones[0].agent.reject(world.now, session, 486, Default::default()).unwrap();
    world.settle();
    assert_eq!(world.states().last(), Some(&CallState::Ended(CallEnd::Refused(486))));
    world.assert_at_rest();
}

#[test]
fn the_first_of_two_phones_to_answer_has_the_call() {
    let mut world = World::with_agent();
    let second = world.add_registered("1001");
    world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    let (ringing, _) = world.phones[0].incoming().unwrap();
    world.phones[0].agent.progress(world.now, ringing, 180, Vec::new()).unwrap();
    world.settle();
    let session = world.answer(second);
    assert!(matches!(world.phones[0].end_of(ringing), Some(EndReason::Remote { .. })));
    assert_eq!(world.states().last(), Some(&CallState::Talking));
    world.hang_up(second, session);
    world.assert_at_rest();
}

#[test]
fn a_customer_without_a_phone_to_call_is_an_error_and_so_is_a_machine_without_sockets() {
    let mut world = World::with_agent();
    let none = world.exchange.ring_customer(world.now, "1003", CustomerScript::default());
    assert_eq!(none, Err(RingError::NotRegistered));
    world.no_sockets = true;
    world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    assert_eq!(world.states().last(), Some(&CallState::Ended(CallEnd::Lost)));
    world.assert_at_rest();
}

#[test]
fn a_phone_that_does_not_react_loses_the_call() {
    let mut world = World::with_agent();
    world.phones[0].agent = deskline_core::sip::UserAgent::new(
        deskline_core::sip::user_agent::Config {
            product: String::new(),
            ..deskline_core::sip::user_agent::Config::default()
        },
        [9; 32],
    );
    world.exchange.handle_flow_closed(world.now, deskline_core::flow::FlowId(99));
    world.exchange.ring_customer(world.now, "1001", CustomerScript::default()).unwrap();
    world.settle();
    assert_eq!(world.exchange.calls().len(), 1);
    world.seconds(40);
    assert!(world.states().last().unwrap().is_over());
    world.assert_at_rest();
}

#[test]
fn a_phone_that_dies_in_a_call_is_noticed_by_its_silence() {
    let mut talk = Talk::new(brief(Opening::None));
    talk.send_tone(1_000);
    talk.world.seconds(50);
    assert_eq!(talk.state(), CallState::Talking);
    talk.world.seconds(20);
    assert_eq!(talk.state(), CallState::Ended(CallEnd::Lost));
    assert!(talk.world.phones[0].end_of(talk.session).is_some(), "BYE, in case somebody is there after all");
    talk.world.assert_at_rest();
}

#[test]
fn silence_on_hold_is_borne_longer() {
    let mut talk = Talk::new(brief(Opening::None));
    talk.world.reoffer(0, talk.session, Direction::Inactive);
    talk.world.seconds(500);
    assert_eq!(talk.state(), CallState::Held);
    talk.world.reoffer(0, talk.session, Direction::SendRecv);
    talk.world.seconds(50);
    assert_eq!(talk.state(), CallState::Talking, "the count begins anew");
    talk.world.seconds(20);
    assert!(talk.state().is_over());
}

#[test]
fn a_call_outlives_the_connection_of_its_phone() {
    let mut talk = Talk::new(brief(Opening::None));
    talk.world.break_flow(0);
    assert!(!talk.world.exchange.is_registered("1001"));
    talk.send_tone(1_000);
    assert_eq!(talk.state(), CallState::Talking);
    talk.world.register(0);
    talk.world.exchange.hang_up(talk.world.now, talk.call);
    talk.world.settle();
    assert!(matches!(talk.world.phones[0].end_of(talk.session), Some(EndReason::Remote { .. })), "BYE on the new flow");
    talk.world.assert_at_rest();
}

#[test]
fn what_is_printed_for_debugging_names_nobody() {
    let mut talk = Talk::new(brief(Opening::None));
    talk.world.exchange.desk.media.note_digit(talk.call, '9');
    talk.world.hang_up(0, talk.session);
    let probe = talk.world.exchange.probe(talk.world.now, talk.call).unwrap();
    assert_eq!(probe.digits, "9");
    let config = talk.world.exchange.config();
    let printed = format!("{:?} {probe:?} {:?} {:?}", talk.world.events, config.users, config.customers);
    for private in ["1001", "138", "Name of", "\"9", super::world::PASSWORD] {
        assert!(!printed.contains(private), "{private} in {printed}");
    }
}
