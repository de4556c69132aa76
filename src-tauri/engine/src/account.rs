//! From the sign-in form to the account, and from the account to what is remembered of it.

use std::time::Duration;

use deskline_core::account::{Account, KeepAlive, Malformed, Options, Proxy, Server, TlsOptions};
use deskline_core::pii::Pii;
use deskline_ipc::command::SignIn;
use deskline_ipc::{Error, ErrorCode};

use crate::settings;

/// Reads a sign-in form.
///
/// # Errors
/// `bad_account`, whose message names the field.
pub(crate) fn from_form(form: SignIn) -> Result<Account, Error> {
    read(form).map_err(|malformed| Error::new(ErrorCode::BadAccount, malformed.to_string()))
}

fn read(form: SignIn) -> Result<Account, Malformed> {
    let text = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let options = form.options;
    let mut server = Server::parse(&form.server, form.transport)?;
    let tls = options.tls;
    server.tls = TlsOptions::parse(
        tls.trust_file.as_deref(),
        tls.client_certificate.as_deref(),
        tls.client_key.as_deref(),
        &tls.pinned,
    )?;
    server.proxy = text(options.proxy).as_deref().map(Proxy::parse).transpose()?;
    server.keep_alive = match options.keep_alive {
        deskline_ipc::snapshot::KeepAlive::Crlf => KeepAlive::Crlf,
        deskline_ipc::snapshot::KeepAlive::Stun => KeepAlive::Stun,
    };
    let defaults = Options::default();
    let account = Account {
        server,
        user: Pii::new(form.user.trim().to_owned()),
        password: form.password.filter(|password| !password.is_empty()).map(Pii::new),
        display_name: text(form.display_name).map(Pii::new),
        domain: text(form.domain),
        auth_user: text(form.auth_user).map(Pii::new),
        colleagues: Vec::new(),
        options: Options {
            dtmf: options.dtmf.into(),
            auto_answer: options.auto_answer,
            call_limit: options.call_limit.unwrap_or(defaults.call_limit),
            transfer_accept: options.transfer_accept.unwrap_or(defaults.transfer_accept),
            session_timer: match options.session_timer {
                Some(0) => None,
                Some(seconds) => Some(Duration::from_secs(seconds.into())),
                None => defaults.session_timer,
            },
            strangers: options.strangers,
            gruu: options.gruu,
        },
    };
    account.check()?;
    account.options.check()?;
    Ok(account)
}

/// What is remembered of an account that signed in. No password, not even the proxy's.
pub(crate) fn remembered(account: &Account) -> settings::Account {
    settings::Account {
        server: account.server.host.clone(),
        port: account.server.port,
        transport: account.server.transport.into(),
        user: account.user.expose().clone(),
        display_name: account.display_name.as_ref().map(|name| name.expose().clone()),
        domain: account.domain.clone(),
        options: deskline_ipc::view::options(account),
    }
}
