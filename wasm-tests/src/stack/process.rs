//! Processes that outlive the one that starts them, and are ended by nobody's mistake.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process, named so that no other can be mistaken for it: a number is used again, a number with a start time is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pid: i32,
    /// Field 22 of `/proc/<pid>/stat`: clock ticks since boot.
    started: u64,
}

impl Running {
    /// The process id.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it is this process that has the number, and it has not ended. One that only waits for its parent to read
    /// its exit code has ended.
    pub fn is_alive(&self) -> bool {
        matches!(stat(self.pid), Some((state, started)) if started == self.started && state != 'Z' && state != 'X')
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait(Duration::from_secs(5))
    }

    /// Asks it to end, and ends it when it has not after `grace`.
    pub fn stop(&self, grace: Duration) -> Result<()> {
        self.signal(Signal::TERM)?;
        if self.wait(grace).is_err() {
            self.kill()?;
        }
        Ok(())
    }

    fn wait(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.is_alive() {
            if Instant::now() > deadline {
                bail!("process {} does not end", self.pid);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// By descriptor, opened before the start time is compared: between the comparison and the signal the number cannot
    /// pass to another process.
    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(self.pid).context("no process id")?;
        let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else {
            return Ok(());
        };
        if self.is_alive() {
            pidfd_send_signal(&descriptor, signal).with_context(|| format!("signalling process {}", self.pid))?;
        }
        Ok(())
    }
}

/// A process that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Owned {
    running: Running,
    grace: Duration,
}

impl Owned {
    /// `grace` is how long it may take to end by itself.
    pub(super) fn new(running: Running, grace: Duration) -> Self {
        Self { running, grace }
    }

    pub(super) fn running(&self) -> &Running {
        &self.running
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.running.stop(self.grace);
    }
}

/// Starts a command in a session of its own, with no parent that could end: Envoy ends when its parent does, and a
/// terminal's Ctrl-C is for the foreground. Its output is appended to `<run_dir>/<name>.log`.
pub(super) fn spawn(command: &Command, name: &str, run_dir: &Path) -> Result<Running> {
    let program = Path::new(command.get_program());
    if !program.exists() {
        bail!("{} is missing", program.display());
    }
    let pid_file = run_dir.join(format!("{name}.pid"));
    let _ = fs::remove_file(&pid_file);
    let log = File::options()
        .create(true)
        .append(true)
        .open(run_dir.join(format!("{name}.log")))?;
    // `setsid --fork` returns at once and leaves its child to the first process; the shell only writes down its own
    // number, which `exec` hands on to the program.
    let mut launcher = Command::new("setsid");
    launcher
        .args([
            "--fork",
            "sh",
            "-c",
            r#"echo $$ >"$1.new" && mv "$1.new" "$1" && shift && exec "$@""#,
            "sh",
        ])
        .arg(&pid_file)
        .arg(program)
        .args(command.get_args())
        .current_dir(run_dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => launcher.env(key, value),
            None => launcher.env_remove(key),
        };
    }
    let status = launcher.status().context("running `setsid` (package util-linux)")?;
    if !status.success() {
        bail!("`setsid` failed: {status}");
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Ok(text) = fs::read_to_string(&pid_file) {
            let pid = text
                .trim()
                .parse()
                .with_context(|| format!("{} holds {text:?}", pid_file.display()))?;
            let _ = fs::remove_file(&pid_file);
            // A program that fails at once may be gone already: the wait for its readiness says so, with its log.
            let started = stat(pid).map_or(0, |(_, started)| started);
            return Ok(Running { pid, started });
        }
        if Instant::now() > deadline {
            bail!("{name} did not start: {} was not written", pid_file.display());
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// State and start time of a process. The second field of the line is its name, in parentheses, and may hold anything.
fn stat(pid: i32) -> Option<(char, u64)> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = line.get(line.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_the_same_number_and_another_start_is_not_touched() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = i32::try_from(child.id()).expect("a pid");
        let (_, started) = stat(pid).expect("its stat");
        let stranger = Running {
            pid,
            started: started + 1,
        };
        stranger.stop(Duration::from_millis(50)).expect("nothing to stop");
        let same = Running { pid, started };
        assert!(
            !stranger.is_alive() && same.is_alive(),
            "the process must have been left alone"
        );
        same.stop(Duration::from_secs(5)).expect("stopped");
        assert!(!same.is_alive(), "one that nobody has waited for counts as ended");
        child.wait().expect("reaped");
    }

    #[test]
    fn a_started_process_has_a_session_of_its_own_and_writes_its_log() {
        let dir = std::env::temp_dir().join(format!("whynot-process-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo started; exec sleep 60"]);
        let running = spawn(&command, "sleeper", &dir).expect("started");
        assert!(running.is_alive());
        let line = fs::read_to_string(format!("/proc/{}/stat", running.pid)).expect("its stat");
        let session: i32 = line[line.rfind(')').expect("a name") + 1..]
            .split_whitespace()
            .nth(3)
            .expect("a session")
            .parse()
            .expect("a number");
        assert_eq!(
            session, running.pid,
            "a session leader gets no signals from our terminal"
        );
        let deadline = Instant::now() + Duration::from_secs(5);
        while !fs::read_to_string(dir.join("sleeper.log"))
            .expect("a log")
            .contains("started")
            && Instant::now() < deadline
        {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(fs::read_to_string(dir.join("sleeper.log")).expect("a log"), "started\n");
        running.stop(Duration::from_secs(5)).expect("stopped");
        assert!(!running.is_alive());
        fs::remove_dir_all(dir).expect("removed");
    }
}
