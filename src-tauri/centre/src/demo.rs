//! The centre as the engine's demo: what the sign-in view is filled with, and the button that brings a call.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use deskline_core::flow::Transport;
use deskline_core::pii::Pii;
use deskline_engine::demo::{DemoAccount, DemoCentre, DemoNumber, DemoNumberKind};

use crate::call::CustomerScript;
use crate::centre::{Centre, StartError};
use crate::config::CentreConfig;
use crate::numbers::NumberKind;

/// How long after the first sign-in a customer calls by itself.
const FIRST_CALL_AFTER: Duration = Duration::from_secs(6);

/// Starts the demo's centre on loopback, at ports that the system chooses.
///
/// # Errors
/// When the system yields no randomness, or no socket.
pub async fn start() -> Result<Arc<dyn DemoCentre>, StartError> {
    let config = CentreConfig::demo().map_err(StartError::from)?;
    let centre = Centre::start(CentreConfig { first_call_after: Some(FIRST_CALL_AFTER), ..config }).await?;
    Ok(Arc::new(centre))
}

impl DemoCentre for Centre {
    /// The first agent, over UDP if the centre listens there.
    fn account(&self) -> DemoAccount {
        let listening = |wanted| self.address(wanted).map(|address| (wanted, address));
        let found = listening(Transport::Udp).or_else(|| self.addresses().first().copied());
        let (transport, server) = match found {
            Some((transport, address)) => (transport, address.to_string()),
            None => (Transport::Udp, String::new()),
        };
        let (user, display_name) = match self.agents().first() {
            Some(agent) => (agent.extension.clone(), agent.name.clone()),
            None => Default::default(),
        };
        DemoAccount { server, transport, user, display_name }
    }

    fn password(&self, user: &str) -> Option<Pii<String>> {
        self.agents().iter().find(|agent| agent.extension == user)?.password.clone()
    }

    /// Those of the kinds that the panel explains.
    fn numbers(&self) -> Vec<DemoNumber> {
        let known = self.demo_numbers().iter();
        known.filter_map(|known| Some(DemoNumber { number: known.number.clone(), kind: shown(known.kind)? })).collect()
    }

    fn ring(&self, user: &str) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        let user = user.to_owned();
        Box::pin(async move {
            let call = self.ring_customer(&user, CustomerScript::default()).await;
            call.map(drop).map_err(|error| error.to_string())
        })
    }
}

fn shown(kind: NumberKind) -> Option<DemoNumberKind> {
    match kind {
        NumberKind::Agent => Some(DemoNumberKind::Agent),
        NumberKind::Echo => Some(DemoNumberKind::Echo),
        NumberKind::Busy => Some(DemoNumberKind::Busy),
        NumberKind::NoAnswer => Some(DemoNumberKind::NoAnswer),
        NumberKind::NotFound => Some(DemoNumberKind::NotFound),
        NumberKind::Tone | NumberKind::Declined | NumberKind::OutOfService => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_demo_offers_an_account_its_password_and_numbers_of_every_kind() {
        let centre = Centre::start(CentreConfig::demo().unwrap()).await.unwrap();
        let account = centre.account();
        assert_eq!(account.user, crate::FIRST_AGENT);
        assert_eq!(account.server, centre.address(account.transport).unwrap().to_string());
        let password = centre.password(&account.user).unwrap();
        assert_eq!(password.expose().len(), 20);
        assert_ne!(Some(&password), centre.password("1002").as_ref(), "each its own");
        assert_eq!(centre.password("4711"), None);
        let numbers = centre.numbers();
        for (number, kind) in [
            ("1002", DemoNumberKind::Agent),
            ("9196", DemoNumberKind::Echo),
            ("9486", DemoNumberKind::Busy),
            ("9408", DemoNumberKind::NoAnswer),
            ("9404", DemoNumberKind::NotFound),
        ] {
            assert!(numbers.contains(&DemoNumber { number: number.into(), kind }), "{number}");
        }
        let nobody = centre.ring(&account.user).await;
        assert!(nobody.unwrap_err().contains("sign in"), "nobody is registered");
    }
}
