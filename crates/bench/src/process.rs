//! Programs of the system, and what it says about a running server.

use std::fs;
use std::path::{Path, PathBuf};

/// Clock ticks a second in `/proc/PID/stat`: the kernel's ABI on Linux, whatever its own clock (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// The process and those that it started: nginx serves in a worker.
fn family(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_whitespace().map(|child| child.parse().unwrap());
    std::iter::once(pid).chain(children).collect()
}

/// Memory in bytes: `VmRSS`, or its greatest value so far with `VmHWM`.
pub fn memory(pid: u32, field: &str) -> u64 {
    let of_one = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    };
    family(pid).into_iter().map(of_one).sum()
}

/// Seconds of processor time used so far, in user space and in the kernel.
#[expect(clippy::cast_precision_loss, reason = "ticks of a few minutes")]
pub fn cpu_seconds(pid: u32) -> f64 {
    let of_one = |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The command's name, in parentheses, may hold anything; fields 14 and 15 count from the start.
        let after_name = stat.rsplit(')').next().unwrap();
        let times = after_name.split_whitespace().skip(11).take(2);
        times.map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>()
    };
    family(pid).into_iter().map(of_one).sum::<u64>() as f64 / TICKS_PER_SECOND
}

/// Bytes of a file, or of all files below a folder.
pub fn size_on_disk(path: &Path) -> u64 {
    if !path.is_dir() {
        return fs::metadata(path).unwrap().len();
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    // A link's target is counted where it is.
    let real = entries.filter(|entry| !entry.file_type().unwrap().is_symlink());
    real.map(|entry| size_on_disk(&entry.path())).sum()
}

/// Where a program is, on `PATH` or where Debian keeps what only root looks for.
pub fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed"))
}
