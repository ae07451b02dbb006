//! Works on less at once before the machine runs out of memory.

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

/// From this share of the system's memory in use on, less is worked on at once; below the second, more again.
const MUCH: f64 = 0.85;
const LITTLE: f64 = 0.75;

/// As little as an eighth of what the file says.
const MOST_HALVINGS: u32 = 3;

/// What was found of the memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// Bytes of this process.
    pub process: u64,
    /// The share of the system's memory, or of that which this process may have, that is in use.
    pub used: f64,
}

/// Looks at the memory.
#[derive(Debug)]
pub(crate) struct Memory {
    system: System,
    process: Option<Pid>,
}

impl Memory {
    pub fn new() -> Self {
        Self { system: System::new_with_specifics(RefreshKind::nothing()), process: sysinfo::get_current_pid().ok() }
    }

    pub fn read(&mut self) -> Reading {
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let process = self.process.map_or(0, |pid| {
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing().with_memory());
            self.system.process(pid).map_or(0, sysinfo::Process::memory)
        });
        let share = |used: u64, total: u64| if total == 0 { 0.0 } else { used as f64 / total as f64 };
        let system = share(self.system.total_memory().saturating_sub(self.system.available_memory()), self.system.total_memory());
        // In a container the limit is not the machine's; what it counts as used has caches in it, so only the process itself is set against it.
        let own = self.system.cgroup_limits().map_or(0.0, |limits| share(process, limits.total_memory));
        Reading { process, used: system.max(own) }
    }
}

/// How often what is worked on at once is to be halved, after a look at the memory.
pub(crate) fn halvings(before: u32, reading: Reading, limit: u64) -> u32 {
    if reading.used > MUCH || reading.process > limit {
        (before + 1).min(MOST_HALVINGS)
    } else if reading.used < LITTLE && reading.process < limit / 5 * 4 {
        before.saturating_sub(1)
    } else {
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_worked_on_while_memory_is_short_and_more_once_there_is_much() {
        let limit = 1000;
        let mut now = 0;
        let mut seen = Vec::new();
        for (process, used) in
            [(100, 0.5), (100, 0.9), (100, 0.9), (100, 0.8), (1001, 0.5), (1001, 0.99), (900, 0.5), (100, 0.7), (100, 0.7), (100, 0.7), (100, 0.7)]
        {
            now = halvings(now, Reading { process, used }, limit);
            seen.push(now);
        }
        assert_eq!(seen, [0, 1, 2, 2, 3, 3, 3, 2, 1, 0, 0]);
    }

    #[test]
    fn the_memory_of_this_process_is_found() {
        let reading = Memory::new().read();
        assert!(reading.process > 100_000 && (0.0..=1.0).contains(&reading.used), "{reading:?}");
    }
}
