//! What kept connections take of a handler's memory.

use std::time::Duration;

use bench::process;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::rig::{Rig, ask, hit};

const CONNECTIONS: [u32; 6] = [1, 64, 256, 1024, 2048, 4096];

/// Resident memory in kB with so many connections, each of which was asked once; prints the table.
pub(crate) async fn measure(rig: &Rig) -> Vec<(f64, u64)> {
    println!("\n## Kept connections\n");
    println!("| connections, each asked once | resident memory | for each |\n| --- | --- | --- |");
    let (handler, port) = rig.serve(&[]).await;
    let mut open = Vec::new();
    let mut points: Vec<(f64, u64)> = Vec::new();
    for connections in CONNECTIONS {
        while open.len() < usize::try_from(connections).unwrap() {
            let mut stream = TcpStream::connect(("127.0.0.1", port.number())).await.unwrap();
            ask(&mut stream, &hit("maps-key", 1)).await;
            open.push(stream);
        }
        // The allocator and the log's writer come to rest.
        sleep(Duration::from_secs(2)).await;
        let resident = process::memory(handler.pid(), "VmRSS:");
        let each = points.first().map_or("–".to_owned(), |(_, first)| {
            format!("{} B", (resident.saturating_sub(*first)) / u64::from(connections - 1))
        });
        println!("| {connections} | {} kB | {each} |", resident / 1000);
        points.push((f64::from(connections), resident));
    }
    drop(open);
    handler.stop().await;
    points
        .into_iter()
        .map(|(connections, bytes)| (connections, bytes / 1000))
        .collect()
}
