//! CPU time and memory of processes, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

/// Clock ticks per second of `/proc/PID/stat`: 100 on every Linux that Rust runs on (`USER_HZ`).
const TICKS_PER_SECOND: u64 = 100;

/// Processes that are counted together; their children, present and past, are counted with them.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) roots: Vec<u32>,
}

/// Reads the CPU time of groups.
pub(crate) struct Meter {
    groups: Vec<Group>,
}

impl Meter {
    pub(crate) fn new(groups: Vec<Group>) -> Self {
        Self { groups }
    }

    /// The CPU time that each group has used so far.
    pub(crate) fn read(&self) -> anyhow::Result<Vec<(&'static str, Duration)>> {
        let processes = processes()?;
        Ok(self
            .groups
            .iter()
            .map(|group| (group.name, total(group, &processes)))
            .collect())
    }
}

struct Process {
    parent: u32,
    /// Ticks of the process and of its children that have ended.
    ticks: u64,
}

fn total(group: &Group, processes: &HashMap<u32, Process>) -> Duration {
    let in_group = |pid: u32| {
        let mut at = Some(pid);
        while let Some(pid) = at {
            if group.roots.contains(&pid) {
                return true;
            }
            at = processes
                .get(&pid)
                .map(|process| process.parent)
                .filter(|parent| *parent > 1);
        }
        false
    };
    let ticks: u64 = processes
        .iter()
        .filter(|(pid, _)| in_group(**pid))
        .map(|(_, process)| process.ticks)
        .sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

fn processes() -> anyhow::Result<HashMap<u32, Process>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc").context("the benchmark needs /proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process that has just ended is counted by its parent.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Some(process) = read_stat(&stat) {
            found.insert(pid, process);
        }
    }
    Ok(found)
}

/// Reads `/proc/PID/stat` (proc(5)): the name, in parentheses, may hold anything; fields are counted behind it.
fn read_stat(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Process {
        parent: field(4)? as u32,
        ticks: field(14)? + field(15)? + field(16)? + field(17)?,
    })
}

/// The most memory that a process ever had (`VmHWM`), bytes.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmHWM:")
}

/// The memory that a process has now (`VmRSS`), bytes.
pub(crate) fn resident_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, what: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Work of all processors of this machine since it was started, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processors {
    idle: u64,
    all: u64,
}

impl Processors {
    /// `None` where `/proc/stat` does not say it.
    pub(crate) fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Load by whatever process from then until now, percent.
    pub(crate) fn busy_since(self, then: Self) -> f64 {
        let all = self.all.saturating_sub(then.all).max(1) as f64;
        100.0 - self.idle.saturating_sub(then.idle) as f64 * 100.0 / all
    }

    /// Reads the first line of `/proc/stat` (proc(5)): user, nice, system, idle, waiting for disks, and so on; guests' time
    /// is counted in the first two already.
    fn read(stat: &str) -> Option<Self> {
        let ticks = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = ticks
            .split_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect();
        Some(Self {
            idle: ticks.get(3)? + ticks.get(4)?,
            all: ticks.iter().take(8).sum(),
        })
    }
}

/// Runnable processes, averaged over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The process that listens on a local TCP port.
pub(crate) fn listener_of(port: u16) -> anyhow::Result<u32> {
    let inodes = listening_inodes(port)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = |link: fs::DirEntry| {
            let target = fs::read_link(link.path()).unwrap_or_default();
            let target = target.to_string_lossy();
            inodes.iter().any(|inode| target == format!("socket:[{inode}]"))
        };
        if descriptors.flatten().any(holds) {
            return Ok(pid);
        }
    }
    Err(anyhow!(
        "no process of this machine listens on port {port}, or it may not be looked at"
    ))
}

/// The sockets in state LISTEN (0A) on a port, from `/proc/net/tcp` and `tcp6`.
fn listening_inodes(port: u16) -> anyhow::Result<Vec<String>> {
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(state), Some(inode)) = (fields.get(1), fields.get(3), fields.get(9)) else {
                continue;
            };
            if *state == "0A" && local.ends_with(&format!(":{port:04X}")) {
                inodes.push((*inode).to_owned());
            }
        }
    }
    Ok(inodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_name_holds() {
        let stat = "42 (a) b (c)) S 7 1 1 0 -1 0 0 0 0 0 11 22 33 44 20 0 1 0";
        let process = read_stat(stat).unwrap();
        assert_eq!((process.parent, process.ticks), (7, 110));
    }

    #[test]
    fn what_is_not_idle_is_busy() {
        let then = Processors::read("cpu  10 0 10 60 20 0 0 0 5 0\ncpu0 1 1").unwrap();
        let now = Processors::read("cpu  60 0 35 80 25 0 0 0 50 0\n").unwrap();
        assert_eq!(now.busy_since(then), 75.0);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(peak_memory(std::process::id()).unwrap() > 100_000);
    }

    #[test]
    fn this_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(listener_of(port).unwrap(), std::process::id());
    }
}
