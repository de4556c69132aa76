//! A phone that answers every call at once, as `sipp -sn uas` does: network and user agent without media and workbench, to
//! measure what signalling costs.
//!
//! `cargo run --release -p deskline-engine --example uas -- 127.0.0.1:5070`

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use deskline_core::flow::Transport;
use deskline_core::sip::message::{Headers, Response};
use deskline_core::sip::user_agent::{Config, Event, Limits, Output, UserAgent};
use deskline_engine::net::{Net, NetEvent};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
     m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address: SocketAddr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:5070".to_owned()).parse()?;
    // As in the program, the loop is a task: tokio wakes the outermost future by a system call each time.
    tokio::spawn(async move { serve(address).await.map_err(|error| error.to_string()) }).await??;
    Ok(())
}

async fn serve(address: SocketAddr) -> std::io::Result<()> {
    let (mut net, mut events) = Net::new();
    net.listen(Transport::Udp, address).await?;
    let config = Config { product: "Deskline".into(), ..Config::default() };
    let mut agent = UserAgent::new(config, [7; 32]);
    agent.set_limits(Limits { sessions: 200_000, transactions: 1_000_000 });
    loop {
        let wake = agent.poll_timeout().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            event = events.recv() => match event {
                Some(NetEvent::Message { flow, bytes }) => agent.handle_received(Instant::now(), &flow, &bytes),
                Some(NetEvent::Down { flow, .. }) => agent.handle_flow_closed(Instant::now(), flow),
                Some(_) => {}
                None => return Ok(()),
            },
            () = tokio::time::sleep_until(wake.into()) => agent.handle_timeout(Instant::now()),
        }
        while let Some(output) = agent.poll_output() {
            match output {
                Output::Transmit { destination, bytes } => net.send(destination, bytes),
                Output::Event(event) => handle(&mut agent, event),
            }
        }
    }
}

/// Rings and answers. What the caller has ended meanwhile is an error, and no fault.
fn handle(agent: &mut UserAgent, event: Event) {
    let now = Instant::now();
    match event {
        Event::Incoming { session, .. } => {
            let _ = agent.progress(now, session, 180, Vec::new());
            let _ = agent.answer(now, session, SDP.into(), Headers::default());
        }
        Event::Reoffered { session, .. } => drop(agent.accept_reoffer(now, session, SDP.into())),
        Event::Request { id, .. } => drop(agent.respond(now, id, Response::new(200))),
        _ => {}
    }
}
