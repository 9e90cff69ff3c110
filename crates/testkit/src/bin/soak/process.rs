//! The handler: started, read, ended and started again as the host does.

use std::error::Error;
use std::io::{PipeReader, Read, pipe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use testkit::handler::{Launch, becomes_ready};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::world::World;

/// What the end may take: 5 s to drain, 1 s for the log, and room for a busy machine.
const END: Duration = Duration::from_secs(8);
/// From when on memory and descriptors are those of a handler that has met everything.
const WARM: Duration = Duration::from_secs(10);
/// What memory may grow by: the log's queue is 8 MiB.
const GROWTH_KIB: u64 = 16 * 1024;
/// Descriptors: 200 requests/s for the longest answer of 2 s, and what the process needs.
const MOST_DESCRIPTORS: usize = 600;

pub(crate) struct Process {
    child: Child,
    begun: Instant,
    streams: Vec<JoinHandle<String>>,
    is_paused: Arc<AtomicBool>,
    warm_kib: Option<u64>,
    most_kib: u64,
    most_descriptors: usize,
}

impl Process {
    pub(crate) async fn start(world: &World) -> Result<Self, Box<dyn Error>> {
        let ((stdout, to_stdout), (stderr, to_stderr)) = (pipe()?, pipe()?);
        let is_paused = Arc::new(AtomicBool::new(false));
        let child = {
            let mut command = Launch::new(world.environment()).command();
            command.stdout(to_stdout).stderr(to_stderr).spawn()?
        };
        let streams = [stdout, stderr]
            .map(|stream| read(stream, Arc::clone(&is_paused)))
            .into();
        if !becomes_ready(world.port.number()).await {
            return Err("the handler does not become ready".into());
        }
        world.begin_generation();
        Ok(Self {
            child,
            begun: Instant::now(),
            streams,
            is_paused,
            warm_kib: None,
            most_kib: 0,
            most_descriptors: 0,
        })
    }

    pub(crate) fn stop_reading(&self) {
        self.is_paused.store(true, Ordering::Relaxed);
    }

    pub(crate) fn read_on(&self) {
        self.is_paused.store(false, Ordering::Relaxed);
    }

    /// Ends it with SIGTERM, and starts the next one at once.
    pub(crate) async fn restart(&mut self, world: &World) -> Result<(), Box<dyn Error>> {
        self.terminate(world).await?;
        *self = Self::start(world).await?;
        Ok(())
    }

    pub(crate) async fn end(mut self, world: &World) -> Result<(), Box<dyn Error>> {
        self.terminate(world).await
    }

    async fn terminate(&mut self, world: &World) -> Result<(), Box<dyn Error>> {
        self.read_on();
        world.end_generation();
        let pid = self.child.id().ok_or("it has ended by itself")?.to_string();
        let begun = Instant::now();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        let status = timeout(END, self.child.wait())
            .await
            .map_err(|_| "SIGTERM does not end it")??;
        if status.code() != Some(143) {
            world.violation(format!("SIGTERM: {status}"));
        }
        let mut dropped = 0;
        for stream in self.streams.drain(..) {
            let text = stream.join().map_err(|_| "a reader has panicked")?;
            dropped += sum(&text, "log_lines_dropped=");
            for line in text.lines().filter(|line| line.contains("panicked")) {
                world.violation(line.to_owned());
            }
        }
        world.note(format!(
            "a handler of {:.0?}: {} KiB when warm, {} KiB at most, {} descriptors at most, {dropped} lines dropped, ended in {:.1?}",
            self.begun.elapsed(),
            self.warm_kib.unwrap_or(self.most_kib),
            self.most_kib,
            self.most_descriptors,
            begun.elapsed(),
        ));
        Ok(())
    }

    /// Judges memory and descriptors.
    pub(crate) fn must_be_flat(&mut self, world: &World) {
        let Some(pid) = self.child.id() else {
            return world.violation("the handler has ended by itself".to_owned());
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = sum(&status, "VmRSS:");
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.most_kib = self.most_kib.max(kib);
        self.most_descriptors = self.most_descriptors.max(descriptors);
        if self.begun.elapsed() > WARM {
            let warm = *self.warm_kib.get_or_insert(kib);
            if kib > warm + GROWTH_KIB {
                world.violation(format!("{kib} KiB, and {warm} KiB when it was warm"));
            }
        }
        if descriptors > MOST_DESCRIPTORS {
            world.violation(format!("{descriptors} descriptors"));
        }
    }
}

/// Reads a stream to its end, but for pauses.
fn read(mut stream: PipeReader, is_paused: Arc<AtomicBool>) -> JoinHandle<String> {
    thread::spawn(move || {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        loop {
            while is_paused.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
            }
            match stream.read(&mut chunk) {
                Ok(count @ 1..) => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                _ => return String::from_utf8_lossy(&bytes).into_owned(),
            }
        }
    })
}

/// The sum of the numbers that stand behind this label.
fn sum(text: &str, label: &str) -> u64 {
    let numbers = text.split(label).skip(1);
    numbers
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}
