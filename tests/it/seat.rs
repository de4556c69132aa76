//! A place to work at: the program without a window at a seat of the sound server.

use std::time::Duration;

use deskline_tests::headless::Headless;
use deskline_tests::kamailio::Kamailio;
use deskline_tests::pulse::Pulse;

/// Longer than anything takes on a busy machine, so that only what never comes is waited for that long.
pub const SOON: Duration = Duration::from_secs(15);

/// The account of the phone under test at every Kamailio of these tests.
pub const USER: &str = "4711001";
pub const PASSWORD: &str = "pass-of-4711001";
/// The other party's.
pub const PEER: &str = "4711002";
pub const PEER_PASSWORD: &str = "pass-of-4711002";

/// Both accounts.
pub const USERS: &[(&str, &str)] = &[(USER, PASSWORD), (PEER, PEER_PASSWORD)];

/// Starts the program at seat `a`, signed in at `kamailio` by `transport`, with one codec.
pub fn phone(pulse: &Pulse, kamailio: &Kamailio, transport: &str, codec: &str) -> Headless {
    let server = address(kamailio, transport);
    let args =
        ["--server", &server, "--user", USER, "--password", PASSWORD, "--transport", transport, "--codec", codec];
    let mut phone = Headless::start(&args, &pulse.environment("a").unwrap()).unwrap();
    phone.awaits("registered", SOON).unwrap();
    phone
}

/// Where `kamailio` listens for that transport.
pub fn address(kamailio: &Kamailio, transport: &str) -> String {
    kamailio.address_for(transport)
}
