//! The samples of one scrape, and their text in both formats.

use std::{borrow::Cow, fmt};

use blegram_metrics::{BUCKETS, HistogramSnapshot};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, prometheus_text, text,
    },
    registry::Registry,
};

use super::families::Family;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus text, 0.0.4: what every program that reads metrics understands.
    Prometheus,
    /// OpenMetrics text, 1.0.0.
    OpenMetrics,
}

impl Format {
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The value of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// Of a counter.
    Count(u64),
    /// Of a counter of seconds.
    Seconds(f64),
    /// Of a gauge.
    Gauge(f64),
    Histogram(HistogramSnapshot),
    /// The labels are the value.
    Info,
}

#[derive(Debug)]
struct Sample {
    /// In the order of the family's labels.
    labels: Vec<Cow<'static, str>>,
    value: Value,
}

/// The samples of one scrape, grouped by family as both formats demand.
#[derive(Debug, Default)]
pub(super) struct Page(Vec<(Family, Vec<Sample>)>);

impl Page {
    /// Adds a sample with the values of the family's labels.
    pub(super) fn add<const N: usize>(
        &mut self,
        family: Family,
        labels: [Cow<'static, str>; N],
        value: Value,
    ) {
        debug_assert_eq!(family.labels.len(), N, "the labels of {}", family.name);
        let sample = Sample { labels: labels.into(), value };
        match self.0.iter_mut().rfind(|(other, _)| other.name == family.name) {
            Some((_, samples)) => samples.push(sample),
            None => self.0.push((family, vec![sample])),
        }
    }

    /// Adds the sample of a counter.
    pub(super) fn count<const N: usize>(&mut self, family: Family, labels: [&'static str; N], count: u64) {
        self.add(family, labels.map(Cow::Borrowed), Value::Count(count));
    }

    /// Adds the sample of a gauge.
    pub(super) fn gauge<const N: usize>(&mut self, family: Family, labels: [&'static str; N], number: f64) {
        self.add(family, labels.map(Cow::Borrowed), Value::Gauge(number));
    }

    /// Adds a histogram.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        family: Family,
        labels: [&'static str; N],
        histogram: HistogramSnapshot,
    ) {
        self.add(family, labels.map(Cow::Borrowed), Value::Histogram(histogram));
    }

    /// The text.
    ///
    /// # Errors
    /// Never: writing to a text does not fail.
    pub(super) fn render(self, format: Format) -> Result<String, fmt::Error> {
        // A registry per scrape: what it would store between two scrapes is in the crates that count.
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        match format {
            Format::Prometheus => prometheus_text::encode(&mut text, &registry)?,
            Format::OpenMetrics => text::encode(&mut text, &registry)?,
        }
        Ok(text)
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (family, samples) in &self.0 {
            let kind = family.kind.metric_type();
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for Sample { labels, value } in samples {
                let labels = Labels { names: family.labels, values: labels };
                match value {
                    Value::Info => metric.encode_info(&labels)?,
                    _ if labels.names.is_empty() => value.encode(&mut metric)?,
                    _ => value.encode(&mut metric.encode_family(&labels)?)?,
                }
            }
        }
        Ok(())
    }
}

impl Value {
    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => metric.encode_counter::<NoLabelSet, _, f64>(count, None),
            Self::Seconds(seconds) => metric.encode_counter::<NoLabelSet, _, f64>(seconds, None),
            Self::Gauge(number) => metric.encode_gauge(number),
            Self::Histogram(histogram) => {
                let bounds = BUCKETS.iter().map(std::time::Duration::as_secs_f64).chain([f64::INFINITY]);
                let buckets: Vec<(f64, u64)> = bounds.zip(histogram.buckets).collect();
                let sum = histogram.sum.as_secs_f64();
                metric.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
            }
            Self::Info => Ok(()),
        }
    }
}

struct Labels<'a> {
    names: &'a [&'static str],
    values: &'a [Cow<'static, str>],
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        let labels: Vec<(&str, &str)> =
            self.names.iter().copied().zip(self.values.iter().map(|value| &**value)).collect();
        labels.encode(encoder)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use blegram_metrics::Histogram;

    use super::*;
    use crate::metrics::families;

    fn page() -> Page {
        let mut page = Page::default();
        page.add(families::BUILD, ["0.1.0 \"new\"\n".into()], Value::Info);
        page.count(families::MEDIA_UPLOADS, ["stored"], 2);
        page.gauge(families::GATEWAY_SOCKETS, [], 3.0);
        page.count(families::MEDIA_UPLOADS, ["failed"], 0);
        page.add(families::PROCESS_CPU, [], Value::Seconds(1.25));
        let histogram = Histogram::default();
        for millis in [1, 1, 20_000] {
            histogram.record(Duration::from_millis(millis));
        }
        page.histogram(families::BUS_LAG, [], histogram.snapshot());
        page
    }

    #[test]
    fn samples_of_a_family_are_together() {
        let text = page().render(Format::Prometheus).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# HELP")).collect();
        let expected = [
            "# TYPE blegram_build_info gauge",
            r#"blegram_build_info{version="0.1.0 \"new\"\n"} 1"#,
            "# TYPE blegram_media_uploads_total counter",
            r#"blegram_media_uploads_total{outcome="stored"} 2"#,
            r#"blegram_media_uploads_total{outcome="failed"} 0"#,
            "# TYPE blegram_gateway_sockets gauge",
            "blegram_gateway_sockets 3.0",
        ];
        assert_eq!(lines[..expected.len()], expected, "{text}");
        for line in [
            "process_cpu_seconds_total 1.25",
            r#"blegram_bus_lag_seconds_bucket{le="0.0005"} 0"#,
            r#"blegram_bus_lag_seconds_bucket{le="0.001"} 2"#,
            r#"blegram_bus_lag_seconds_bucket{le="10"} 2"#,
            r#"blegram_bus_lag_seconds_bucket{le="+Inf"} 3"#,
            "blegram_bus_lag_seconds_sum 20.002",
            "blegram_bus_lag_seconds_count 3",
        ] {
            assert!(lines.contains(&line), "{line} is not in {text}");
        }
    }

    #[test]
    fn formats_differ_in_the_names_of_families_and_in_their_end() {
        let text = page().render(Format::OpenMetrics).unwrap();
        assert!(text.contains("# TYPE blegram_media_uploads counter\n"), "{text}");
        assert!(text.contains("# TYPE blegram_build info\n") && text.ends_with("# EOF\n"), "{text}");
        assert!(!page().render(Format::Prometheus).unwrap().contains("# EOF"));
    }
}
