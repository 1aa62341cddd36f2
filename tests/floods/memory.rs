//! How much memory a process has, and how many files.

/// What `/proc/PID/status` says under `name`, in bytes.
fn field(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    value.trim_start_matches(':').trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

/// What is resident now.
pub fn resident(pid: u32) -> u64 {
    field(pid, "VmRSS")
}

/// What is resident now and is no page of a file.
pub fn own(pid: u32) -> u64 {
    field(pid, "RssAnon")
}

/// The most that was resident since the last `forget_peak`.
pub fn peak(pid: u32) -> u64 {
    field(pid, "VmHWM")
}

/// Begins the peak anew.
pub fn forget_peak(pid: u32) {
    // proc(5): 5 resets the peak resident set size.
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

/// In MiB, for a person.
pub fn mib(bytes: u64) -> f64 {
    let kib = u32::try_from(bytes >> 10).unwrap();
    f64::from(kib) / 1024.0
}

/// How many connections the program has that listens at `socket`.
pub fn connections_at(socket: &std::path::Path) -> usize {
    const CONNECTED: &str = "03";
    let path = socket.to_str().unwrap();
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let fields = sockets.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields.get(5) == Some(&CONNECTED) && fields.get(7) == Some(&path)).count()
}

/// How many files and sockets are open.
pub fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
