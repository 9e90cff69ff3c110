//! A soak: mixed traffic at a fixed rate while a seeded schedule of faults runs. `scripts/soak` starts it.
//!
//! Each answer is judged when it comes: what can be served is served, and nothing else is. Each second the tries of the
//! vault, the memory and the descriptors of the handler are judged. At the end everything is served again, from the
//! vault. The exit code is 1 when anything was not as it must be.
//!
//! * `traffic`: the requests, and what each must be answered; `world`: what is known about both sides;
//! * `faults`: what goes wrong, and when; `process`: the handler, restarted as the host does.
#![expect(clippy::print_stdout, reason = "a command line program speaks on its terminal")]

mod faults;
mod process;
mod traffic;
mod world;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval, sleep};

use faults::Schedule;
use process::Process;
use world::World;

/// Requests a second.
const RATE: u32 = 200;

/// How often the values in the vault change.
const ROTATION: Duration = Duration::from_secs(10);

/// How long everything may take to be as it was once no fault is left: the longest pause of the vault's probes and of the
/// token's tries, and a try of each.
const RECOVERY: Duration = Duration::from_secs(40);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(600), |text| text.parse())?;
    let seed = arguments
        .next()
        .map_or_else(|| Ok(fastrand::u64(..)), |text| text.parse())?;
    println!("{seconds} s, {RATE} requests/s; the same schedule again: scripts/soak {seconds} {seed}");

    let world = World::start().await?;
    let process = Process::start(&world).await?;
    let traffic = tokio::spawn(traffic::send(Arc::clone(&world), seed, Duration::from_secs(1) / RATE));
    let rotation = tokio::spawn(rotate(Arc::clone(&world)));
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut schedule = Schedule::new(seed, process, seconds);
    schedule.run(&world, end).await?;
    rotation.abort();
    sleep(RECOVERY).await;
    traffic::must_all_be_current(&world).await;
    traffic.abort();
    schedule.end(&world).await?;
    Ok(world.report())
}

/// Gives every secret a new version again and again.
async fn rotate(world: Arc<World>) {
    let mut ticks = interval(ROTATION);
    loop {
        ticks.tick().await;
        world.rotate();
    }
}
