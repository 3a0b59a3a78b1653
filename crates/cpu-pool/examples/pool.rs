//! Runs CPU-bound work on threads of lower priority, with a bounded, fair queue.
//!
//! `cargo run -p blegram-cpu-pool --example pool`

use std::{error::Error, time::Duration};

use blegram_cpu_pool::{CpuPool, Priority, Work};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // One thread, and four more pieces of work may wait, of which one owner has at most half.
    let pool = CpuPool::new("example", Priority::Interactive, 1, 4)?;
    let busy =
        |owner: &'static str| pool.run(Work::of(owner), || std::thread::sleep(Duration::from_millis(50)));

    let flood = tokio::join!(busy("ann"), busy("ann"), busy("ann"), busy("ann"), busy("bob"));
    for (owner, outcome) in
        ["ann", "ann", "ann", "ann", "bob"].iter().zip([flood.0, flood.1, flood.2, flood.3, flood.4])
    {
        match outcome {
            Ok(()) => println!("{owner}: done"),
            Err(error) => println!("{owner}: {error}"),
        }
    }
    println!("the sum is {}", pool.run(Work::of("ann"), || (1..=100).sum::<u32>()).await?);
    Ok(())
}
