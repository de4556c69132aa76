//! A thousand clients of one registrar that restarts.

use super::super::message::HeaderName;
use super::lone::Lone;
use super::*;

const CLIENTS: usize = 1_000;
/// The registrar is away for so long.
const AWAY: Duration = Duration::from_secs(40);

fn clients(transport: Transport) -> Vec<Lone> {
    let now = Instant::now();
    let client = |index: usize| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(index as u64).to_le_bytes());
        Lone { now, ..Lone::seeded(transport, seed) }
    };
    (0..CLIENTS).map(client).collect()
}

/// The most events in any second, and the time from the first to the last.
fn crowd(mut times: Vec<Duration>) -> (usize, Duration) {
    times.sort_unstable();
    let densest = (0..times.len())
        .map(|from| times[from..].iter().take_while(|&&at| at < times[from] + Duration::from_secs(1)).count());
    (densest.max().unwrap_or(0), times[times.len() - 1] - times[0])
}

#[test]
fn clients_that_registered_in_the_same_moment_do_not_refresh_in_one() {
    let mut times = Vec::new();
    for mut client in clients(Transport::Udp) {
        client.register(client.identity());
        client.grant(600, &[]);
        let at = client.ua.poll_timeout().unwrap();
        // The transaction's Timer K comes first.
        client.run(Duration::from_secs(10));
        let refresh = client.ua.poll_timeout().unwrap();
        assert!(at < refresh);
        times.push(refresh - (client.now - Duration::from_secs(10)));
    }
    let (densest, spread) = crowd(times);
    assert!(densest < 40, "{densest} in one second");
    assert!(spread > Duration::from_secs(50), "{spread:?}");
}

#[test]
fn registrar_that_was_away_is_not_stormed_when_it_is_back() {
    let mut returned = Vec::new();
    for mut client in clients(Transport::Udp) {
        let start = client.now;
        client.register(client.identity());
        client.grant(600, &[]);
        // Everybody notices in the same moment, as with one broken connection to a proxy.
        client.answer_refresh_with(503, start);
        loop {
            client.run_until_sent();
            if client.now - start >= AWAY {
                break;
            }
            client.answer(503, &[]);
        }
        returned.push(client.now - start);
        client.grant(600, &[]);
    }
    let (densest, spread) = crowd(returned.clone());
    assert!(densest <= CLIENTS / 10, "{densest} in one second");
    assert!(spread > Duration::from_secs(10), "{spread:?}");
    let latest = returned.iter().max().unwrap();
    assert!(*latest < AWAY + Duration::from_secs(60), "an agent is back soon: {latest:?}");
}

#[test]
fn overload_that_names_its_end_is_not_followed_by_another() {
    let mut times = Vec::new();
    for mut client in clients(Transport::Udp) {
        let start = client.now;
        client.register(client.identity());
        client.answer(503, &[(HeaderName::RetryAfter, "60")]);
        client.run_until_sent();
        times.push(client.now - start);
    }
    assert!(times.iter().all(|&at| at >= Duration::from_secs(60)), "nobody comes before");
    let (densest, _) = crowd(times);
    assert!(densest < CLIENTS / 3, "{densest} in one second");
}

impl Lone {
    /// Refreshes now, and is refused.
    fn answer_refresh_with(&mut self, status: u16, start: Instant) {
        let mut ids = self.events.iter().filter_map(|event| match event {
            Event::Registered { id, .. } => Some(*id),
            _ => None,
        });
        let id = ids.next().unwrap();
        self.now = start;
        self.ua.refresh_registration(self.now, id).unwrap();
        self.drain();
        self.answer(status, &[]);
    }
}
