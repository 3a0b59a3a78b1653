//! Three nodes that do not exist, to look at the view without a site: prints the command that displays them.
//!
//! ```sh
//! cargo run -p blegram-top --features testing --example fake_nodes
//! ```

use std::time::Instant;

use blegram_top::testing::{Answer, Exporter, FakeNode, metrics};

fn main() -> std::io::Result<()> {
    let node = FakeNode::default();
    let nodes = [
        node,
        FakeNode { name: "서울-노드-2", share: 0.5, ..node },
        FakeNode { name: "seoul-3", share: 0.25, ..node },
    ];
    let begin = Instant::now();
    let mut command = "blegram top".to_owned();
    for node in nodes {
        let text = move |_| Answer::Text(metrics(node, 273_600.0 + begin.elapsed().as_secs_f64()));
        command = format!("{command} --url {}", Exporter::start(text)?.address());
    }
    println!("{command}");
    println!("Ctrl-C ends them.");
    loop {
        std::thread::park();
    }
}
