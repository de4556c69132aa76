//! When who wants to be woken: one ordered set for all timers of the user agent, so that neither a message nor a
//! time-out ever walks through transactions that it does not concern.

use std::collections::BTreeSet;
use std::time::Instant;

/// What is due when. Every owner stands in it at most once, with the earliest of its timers.
#[derive(Debug)]
pub struct Agenda<K> {
    entries: BTreeSet<(Instant, K)>,
}

/// The place an owner holds in the agenda; kept beside the owner and passed back with every change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appointment(Option<Instant>);

impl<K: Ord + Copy> Agenda<K> {
    pub const fn new() -> Self {
        Self { entries: BTreeSet::new() }
    }

    /// Moves `owner` to the time `at`, or out of the agenda.
    pub fn set(&mut self, owner: K, appointment: &mut Appointment, at: Option<Instant>) {
        if appointment.0 == at {
            return;
        }
        if let Some(old) = appointment.0 {
            self.entries.remove(&(old, owner));
        }
        if let Some(new) = at {
            self.entries.insert((new, owner));
        }
        appointment.0 = at;
    }

    /// The earliest time anybody waits for.
    pub fn next(&self) -> Option<Instant> {
        self.entries.first().map(|&(at, _)| at)
    }

    /// The first owner whose time has come. It stays in the agenda until [`Self::set`] moves it.
    pub fn due(&self, now: Instant) -> Option<K> {
        self.entries.first().filter(|&&(at, _)| at <= now).map(|&(_, owner)| owner)
    }

    /// Takes out an entry whose owner is gone.
    pub fn strike(&mut self, owner: K, appointment: Appointment) {
        if let Some(at) = appointment.0 {
            self.entries.remove(&(at, owner));
        }
    }

    /// Takes out the first entry, whoever owns it.
    pub fn strike_first(&mut self) {
        self.entries.pop_first();
    }

    /// Whether an owner stands in it at that time, and nowhere where it should not.
    #[cfg(test)]
    pub fn holds(&self, owner: K, appointment: Appointment, at: Option<Instant>) -> bool {
        appointment.0 == at && at.is_none_or(|at| self.entries.contains(&(at, owner)))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Ord + Copy> Default for Agenda<K> {
    fn default() -> Self {
        Self::new()
    }
}
