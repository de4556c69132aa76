//! The snapshot, put together from the workbench, the settings, the devices and the centre.

use deskline_core::clock::Now;
use deskline_core::media::DeviceRole;
use deskline_core::workbench::{self, Workbench};
use deskline_ipc::snapshot::{
    AccountOptions, Capability, DemoNumber, DemoNumberKind, Device, DeviceUse, Devices, Notice,
    Settings as SettingsView, SignInForm, Snapshot,
};
use deskline_ipc::view;

use crate::audio::DeviceList;
use crate::demo::{self, DemoCentre};
use crate::settings::Settings;

/// All that a snapshot shows.
pub(crate) struct Sources<'a> {
    pub(crate) workbench: &'a Workbench,
    pub(crate) settings: &'a Settings,
    pub(crate) devices: &'a DeviceList,
    pub(crate) centre: Option<&'a dyn DemoCentre>,
    pub(crate) notices: &'a [Notice],
    pub(crate) version: &'a str,
    pub(crate) rev: u64,
    pub(crate) call_list_rev: u64,
}

impl Sources<'_> {
    pub(crate) fn snapshot(&self, now: Now) -> Snapshot {
        let workbench = self.workbench;
        let mut capabilities = vec![
            Capability::Hold,
            Capability::Dtmf,
            Capability::AfterCallWork,
            Capability::SeveralLines,
            Capability::Transfer,
            Capability::Consult,
            Capability::Message,
        ];
        if self.centre.is_some() {
            capabilities.push(Capability::DemoCentre);
        }
        Snapshot {
            rev: self.rev,
            version: self.version.to_owned(),
            capabilities,
            account: workbench.account().map(view::account),
            sign_in: self.sign_in_form(),
            registration: view::registration(workbench, now),
            lines: view::lines(workbench, now),
            agent: view::agent(workbench),
            calls: workbench.calls().iter().map(|call| view::call(workbench, call)).collect(),
            last_call: workbench.last_call().map(|call| view::call(workbench, call)),
            devices: Devices {
                inputs: devices(&self.devices.inputs),
                outputs: devices(&self.devices.outputs),
                microphone: self.device(DeviceRole::Microphone),
                speaker: self.device(DeviceRole::Speaker),
                ringer: self.device(DeviceRole::Ringer),
            },
            settings: SettingsView {
                language: self.settings.language,
                theme: self.settings.theme,
                after_call_work_seconds: self.settings.after_call_work.seconds,
            },
            notices: workbench.notices().iter().map(view::notice).chain(self.notices.iter().cloned()).collect(),
            call_list_rev: self.call_list_rev,
        }
    }

    /// The account that signed in last; without one, the demo's.
    fn sign_in_form(&self) -> SignInForm {
        let demo_numbers = self.centre.map(|centre| centre.numbers().into_iter().map(demo_number).collect());
        let demo_numbers: Vec<DemoNumber> = demo_numbers.unwrap_or_default();
        if let Some(last) = &self.settings.account {
            return SignInForm {
                server: server_field(last),
                user: last.user.clone(),
                display_name: last.display_name.clone().unwrap_or_default(),
                transport: last.transport,
                options: last.options.clone(),
                password_known: false,
                demo_numbers,
            };
        }
        match self.centre.map(DemoCentre::account) {
            Some(account) => SignInForm {
                server: account.server,
                user: account.user,
                display_name: account.display_name,
                transport: account.transport.into(),
                options: AccountOptions::default(),
                password_known: true,
                demo_numbers,
            },
            None => SignInForm::default(),
        }
    }

    fn device(&self, role: DeviceRole) -> DeviceUse {
        let trouble = self.workbench.notices().iter().find_map(|notice| match notice.code {
            workbench::NoticeCode::Device(its, trouble) if its == role => Some(trouble.into()),
            _ => None,
        });
        let (devices, volumes) = (&self.settings.devices, &self.settings.volumes);
        let (chosen, volume) = match role {
            DeviceRole::Microphone => (&devices.microphone, volumes.microphone),
            DeviceRole::Speaker => (&devices.speaker, volumes.speaker),
            DeviceRole::Ringer => (&devices.ringer, volumes.ringer),
        };
        DeviceUse { chosen: chosen.clone(), volume, trouble }
    }
}

/// Server and port as the sign-in view shows them.
fn server_field(account: &crate::settings::Account) -> String {
    let transport: Option<deskline_core::flow::Transport> = account.transport.into();
    let default = transport.map(deskline_core::flow::Transport::default_port);
    let host = if account.server.contains(':') { format!("[{}]", account.server) } else { account.server.clone() };
    match account.port.filter(|port| Some(*port) != default) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    }
}

fn devices(devices: &[crate::audio::Device]) -> Vec<Device> {
    devices.iter().map(|device| Device { id: device.id.clone(), name: device.name.clone() }).collect()
}

fn demo_number(number: demo::DemoNumber) -> DemoNumber {
    let kind = match number.kind {
        demo::DemoNumberKind::Agent => DemoNumberKind::Agent,
        demo::DemoNumberKind::Echo => DemoNumberKind::Echo,
        demo::DemoNumberKind::Busy => DemoNumberKind::Busy,
        demo::DemoNumberKind::NoAnswer => DemoNumberKind::NoAnswer,
        demo::DemoNumberKind::NotFound => DemoNumberKind::NotFound,
    };
    DemoNumber { number: number.number, kind }
}
