//! The tracking events of a call.

use super::*;

#[test]
fn tracking_events_of_a_call_carry_their_parameters() {
    let mut bench = Bench::ready();
    bench.far_calls();
    bench.command(Command::Answer(None)).unwrap();
    bench.command(mute(true)).unwrap();
    bench.command(mute(false)).unwrap();
    bench.command(Command::Dtmf { call: None, digits: Pii::new("5#".into()) }).unwrap();
    bench.command(hang_up()).unwrap();
    let names: Vec<_> = bench.telemetry.iter().map(|event| event.name).collect();
    assert_eq!(
        names,
        [
            "sip_call_init",
            "sip_call_register",
            "sip_call_set_idle",
            "sip_call_play_audio",
            "sip_call_answer",
            "sip_call_stop_audio",
            "sip_call_mute",
            "sip_call_unmute",
            "sip_call_send_dtmf",
            "sip_call_send_dtmf",
            "sip_call_hangup",
        ]
    );
    let params = |name: &str| {
        let event = bench.telemetry.iter().find(|event| event.name == name).unwrap();
        event.params.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(params("sip_call_init"), ["extNo", "extPwd", "content"]);
    assert_eq!(params("sip_call_answer"), ["extNo", "otherLegNumber", "direction", "callId"]);
    assert_eq!(params("sip_call_send_dtmf"), ["extNo", "otherLegNumber", "direction", "callId", "tone"]);
    let masked = bench.telemetry.iter().flat_map(|event| &event.params).map(|(_, value)| value.masked());
    assert!(masked.into_iter().all(|text| !text.contains("13800138000")));
}

#[test]
fn nothing_private_shows_in_debug_output() {
    let mut bench = Bench::ready();
    bench.far_calls();
    let ringing = format!("{:?}", bench.desk.calls());
    bench.command(Command::Answer(None)).unwrap();
    bench.command(Command::Dtmf { call: None, digits: Pii::new("*741#".into()) }).unwrap();
    bench.command(hang_up()).unwrap();
    bench.command(dial("13912345678")).unwrap();
    let shown = format!(
        "{ringing} {:?} {:?} {:?} {:?} {:?} {:?}",
        bench.desk.calls(),
        bench.records,
        bench.telemetry,
        bench.media,
        bench.edges,
        Command::SignIn(Box::new(Bench::account())),
    );
    for secret in ["13800138000", "13912345678", "王女士", "\"1001", "\"1003", "*741#", "118, 61"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
