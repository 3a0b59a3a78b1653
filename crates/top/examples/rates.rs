//! Two scrapes of a node, ten seconds apart, become rates and quantiles. Without a server: the texts are here.

use std::time::Duration;

use blegram_top::{Figures, Readings, Samples, Scrape};

const BEFORE: &str = r#"
blegram_http_requests_total{operation="getPost",status="200"} 1000
blegram_http_requests_total{operation="getPost",status="503"} 2
blegram_http_request_duration_seconds_bucket{operation="getPost",le="0.01"} 900
blegram_http_request_duration_seconds_bucket{operation="getPost",le="0.1"} 1000
blegram_http_request_duration_seconds_bucket{operation="getPost",le="+Inf"} 1002
blegram_http_request_duration_seconds_count{operation="getPost"} 1002
blegram_http_request_duration_seconds_sum{operation="getPost"} 12.5
"#;

const NOW: &str = r#"
blegram_http_requests_total{operation="getPost",status="200"} 1500
blegram_http_requests_total{operation="getPost",status="503"} 7
blegram_http_request_duration_seconds_bucket{operation="getPost",le="0.01"} 1350
blegram_http_request_duration_seconds_bucket{operation="getPost",le="0.1"} 1500
blegram_http_request_duration_seconds_bucket{operation="getPost",le="+Inf"} 1507
blegram_http_request_duration_seconds_count{operation="getPost"} 1507
blegram_http_request_duration_seconds_sum{operation="getPost"} 18.5
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let before = Scrape { at: Duration::from_secs(0), samples: Samples::parse(BEFORE)? };
    let now = Scrape { at: Duration::from_secs(10), samples: Samples::parse(NOW)? };
    let figures = Figures::of(&Readings::between(Some(&before), &now));
    for (name, operation) in &figures.operations {
        let (all, errors) = (operation.statuses.all, operation.statuses.server_errors);
        println!("{name}: {all:.1} requests/s, {errors:.1} of them failed");
        let p95 = operation.latency.as_ref().and_then(|latency| latency.p95);
        println!("{name}: 95 % took at most {:.0} ms", p95.ok_or("no requests")?.seconds * 1000.0);
    }
    Ok(())
}
