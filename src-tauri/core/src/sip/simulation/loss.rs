//! Bad networks.

use super::*;

#[test]
fn calls_succeed_through_a_third_of_loss() {
    for seed in 0..300 {
        let mut world = World::new(seed, Transport::Udp, &[passive, answering]);
        world.weather = Weather { loss: 300, doubled: 100, delay: (ms(5), ms(400)) };
        let caller = world.call(0, 1);
        world.await_event(0, |event| matches!(event, Event::Answered { .. }).then_some(()));
        world.run(ms(3000));
        world.ends[0].ua.hang_up(world.now, caller).unwrap();
        world.run_out();
        assert_eq!(world.ended(0), [EndReason::Local], "seed {seed}");
        assert_eq!(world.ended(1).len(), 1, "seed {seed}");
        world.assert_empty();
    }
}
