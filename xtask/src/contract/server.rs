//! A server that runs while it is needed.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Result, demo, program, root, shown};

/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that listens, ended when it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// The real command, serving the three APIs.
    pub(crate) fn sandbox() -> Result<Self> {
        let mut command = program(&demo::binary(), &["sandbox", "--listen", "127.0.0.1:0"]);
        let failed = |error: &str| format!("{} sandbox: {error}", demo::binary());
        let mut process = command.stdout(Stdio::piped()).spawn().map_err(|error| failed(&error.to_string()))?;
        let mut line = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(|error| failed(&error.to_string()))?;
        }
        let address = line.split("http://").nth(1).and_then(|url| url.split('/').next()?.trim().parse().ok());
        match address {
            Some(address) => Ok(Self { process, address }),
            None => {
                end(&mut process);
                Err(failed(&format!("no address in {line:?}")))
            }
        }
    }

    /// Prism, told by `command` what to do, on a free port. What it says of each call goes to this file.
    pub(crate) fn prism(mut command: Command, log: &str) -> Result<Self> {
        let failed = |command: &Command, error: &str| format!("{}: {error}", shown(command));
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let address = free.map_err(|error| failed(&command, &error.to_string()))?;
        command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
        let log = File::create(root().join(log)).map_err(|error| failed(&command, &format!("{log}: {error}")))?;
        command.stdout(log).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| failed(&command, &error.to_string()))?;
        let mut server = Self { process, address };
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let over = server.process.try_wait().ok().flatten().is_some() || begun.elapsed() > PATIENCE;
            if over {
                return Err(failed(&command, "it does not listen"));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.process);
    }
}

fn end(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}
