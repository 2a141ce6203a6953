//! Processes, and what they used.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    },
    unistd::Pid,
};
use serde_json::{Value, json};

use crate::Result;

/// The core of servers, and that of clients.
pub(crate) const SERVER: usize = 0;
pub(crate) const CLIENT: usize = 1;

/// Keeps this process to one core, where there are two.
pub(crate) fn keep_to(core: usize) -> Result {
    if std::thread::available_parallelism()?.get() > 1 {
        let mut cores = CpuSet::new();
        cores.set(core)?;
        sched_setaffinity(Pid::from_raw(0), &cores)?;
    }
    Ok(())
}

/// A moment in the life of this process.
pub(crate) struct Moment {
    at: Instant,
    cpu: Duration,
}

impl Moment {
    pub(crate) fn now() -> Result<Self> {
        let used = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Self { at: Instant::now(), cpu: duration(used.user_time()) + duration(used.system_time()) })
    }

    /// Seconds and CPU seconds since then, and the peak of the memory of the process in megabytes.
    pub(crate) fn since(&self) -> Result<Value> {
        let now = Self::now()?;
        let peak = getrusage(UsageWho::RUSAGE_SELF)?.max_rss();
        Ok(json!({
            "seconds": (now.at - self.at).as_secs_f64(),
            "cpu": (now.cpu - self.cpu).as_secs_f64(),
            "megabytes": peak as f64 / 1024.0,
        }))
    }
}

fn duration(time: TimeVal) -> Duration {
    Duration::new(time.tv_sec().unsigned_abs(), time.tv_usec().unsigned_abs() as u32 * 1000)
}

/// Runs a program to its end: how it ended, the seconds, and the CPU seconds with those of all that it started.
pub(crate) fn children(command: &mut Command) -> Result<(ExitStatus, f64, f64)> {
    let used = || -> Result<Duration> {
        let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        Ok(duration(used.user_time()) + duration(used.system_time()))
    };
    let (begun, before) = (Instant::now(), used()?);
    let status = command.status()?;
    Ok((status, begun.elapsed().as_secs_f64(), (used()? - before).as_secs_f64()))
}

/// Starts this program as a client: see [`Client::figures`].
pub(crate) fn start(role: &[&str]) -> Result<Client> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("client").args(role).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(Client(command.spawn()?, role.join(" ")))
}

/// Runs this program as a client, and gives what it measured.
pub(crate) fn run(role: &[&str]) -> Result<Value> {
    start(role)?.figures()
}

/// A client that runs.
pub(crate) struct Client(Child, String);

impl Client {
    /// What it measured, when it is done.
    pub(crate) fn figures(self) -> Result<Value> {
        let output = self.0.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("client {}: {}", self.1, output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// A server in a process of its own. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    process: Child,
    ask: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("server").args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let (ask, lines) = (process.stdin.take(), process.stdout.take());
        let (ask, lines) = (ask.ok_or("no pipe")?, lines.ok_or("no pipe")?);
        let mut server = Self { url: String::new(), process, ask, lines: BufReader::new(lines) };
        server.url = server.line()?;
        Ok(server)
    }

    /// What it saw so far.
    pub(crate) fn log(&mut self) -> Result<Value> {
        self.ask.write_all(b"log\n")?;
        Ok(serde_json::from_str(&self.line()?)?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A figure that a client printed.
pub(crate) fn figure(figures: &Value, name: &str) -> Result<f64> {
    figures[name].as_f64().ok_or_else(|| format!("no {name} in {figures}").into())
}

/// The one in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
