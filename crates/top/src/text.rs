//! The lines of a page, for the terminal and for plain text: toned texts, labelled rows and tables that fit a width.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What a text stands for; the view makes a colour of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Label,
    Heading,
    Warn,
    Bad,
}

/// A text on one line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) tone: Tone,
}

/// Texts beside each other.
pub(crate) type Line = Vec<Text>;

impl Text {
    pub(crate) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }

    pub(crate) fn warn_if(self, is_unusual: bool) -> Self {
        if is_unusual && self.tone == Tone::Plain { Self { tone: Tone::Warn, ..self } } else { self }
    }

    pub(crate) fn bad_if(self, is_wrong: bool) -> Self {
        if is_wrong { Self { tone: Tone::Bad, ..self } } else { self }
    }
}

impl<T: Into<String>> From<T> for Text {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// A label with figures beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    /// In the order of their importance: what does not fit is left out from the end.
    pub(crate) parts: Vec<Line>,
}

const LABEL_WIDTH: usize = 10;

impl Row {
    pub(crate) fn new(label: &'static str) -> Self {
        Self { label, parts: Vec::new() }
    }

    /// The same, if the value is known.
    pub(crate) fn with_known(
        self,
        name: &str,
        value: Option<f64>,
        text: impl FnOnce(f64) -> Text,
        unit: &str,
    ) -> Self {
        match value {
            Some(value) => self.with(name, text(value), unit),
            None => self,
        }
    }

    /// Adds `name value unit`.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Text>, unit: &str) -> Self {
        let label = |text: String| Text::new(Tone::Label, text);
        let mut part = Line::new();
        if !name.is_empty() {
            part.push(label(format!("{name} ")));
        }
        part.push(value.into());
        if !unit.is_empty() {
            part.push(label(unit.to_owned()));
        }
        self.parts.push(part);
        self
    }

    /// Adds `, value unit` to the part before, with which it is left out.
    pub(crate) fn and(mut self, value: impl Into<Text>, unit: &str) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.extend([Text::new(Tone::Label, ", "), value.into(), Text::new(Tone::Label, unit)]);
        }
        self
    }

    pub(crate) fn line(&self, limit: usize) -> Line {
        let mut line = vec![Text::new(Tone::Heading, pad(self.label, LABEL_WIDTH))];
        let mut used = LABEL_WIDTH;
        for (index, part) in self.parts.iter().enumerate() {
            let gap = if index == 0 { " " } else { "   " };
            let needed = gap.len() + width_of(part);
            if used + needed > limit {
                break;
            }
            used += needed;
            line.push(gap.into());
            line.extend(part.iter().cloned());
        }
        line
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) is_number: bool,
    /// 0 is always there; the highest is left out first when the table is too wide.
    pub(crate) rank: u8,
}

/// A column of texts.
pub(crate) const fn words(name: &'static str, rank: u8) -> Column {
    Column { name, is_number: false, rank }
}

/// A column of numbers, aligned to the right.
pub(crate) const fn number(name: &'static str, rank: u8) -> Column {
    Column { name, is_number: true, rank }
}

/// Rows of cells below the names of their columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Text>>,
    /// The column by which the rows are sorted, if the user can choose it.
    pub(crate) sorted_by: Option<&'static str>,
}

const COLUMN_GAP: usize = 2;
/// The first column, of names, becomes no narrower.
const MIN_NAME_WIDTH: usize = 16;

impl Table {
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), ..Self::default() }
    }

    /// The heading, and a line for each row, at most `limit` cells wide.
    pub(crate) fn lines(&self, limit: usize) -> (Line, Vec<Line>) {
        let columns = self.columns_within(limit);
        let heading = columns.iter().map(|(index, width)| {
            let text = pad_to(&self.heading_of(*index), *width, self.columns[*index].is_number);
            Text::new(Tone::Heading, text)
        });
        let row = |cells: &Vec<Text>| {
            let cell = |(index, width): &(usize, usize)| {
                let Text { text, tone } = &cells[*index];
                Text::new(*tone, pad_to(text, *width, self.columns[*index].is_number))
            };
            spaced(columns.iter().map(cell).collect())
        };
        (spaced(heading.collect()), self.rows.iter().map(row).collect())
    }

    fn heading_of(&self, index: usize) -> String {
        let name = self.columns[index].name;
        if self.sorted_by == Some(name) { format!("{name}▼") } else { name.to_owned() }
    }

    /// The columns that fit, with their widths.
    fn columns_within(&self, limit: usize) -> Vec<(usize, usize)> {
        let width = |index: usize| {
            let cells = self.rows.iter().map(|cells| cells[index].text.width());
            cells.chain([self.heading_of(index).width()]).max().unwrap_or_default()
        };
        let mut columns: Vec<_> = (0..self.columns.len()).map(|index| (index, width(index))).collect();
        loop {
            let total: usize = columns.iter().map(|(_, width)| width + COLUMN_GAP).sum();
            let excess = (total.saturating_sub(COLUMN_GAP)).saturating_sub(limit);
            let Some((_, name)) = columns.first_mut().filter(|_| excess > 0) else { return columns };
            let spare = name.saturating_sub(MIN_NAME_WIDTH);
            let last =
                columns.iter().rposition(|(index, _)| self.columns[*index].rank == self.highest(&columns));
            match last {
                _ if spare >= excess => {
                    columns[0].1 -= excess;
                    return columns;
                }
                Some(last) if self.columns[columns[last].0].rank > 0 => drop(columns.remove(last)),
                // Nothing more can be left out.
                _ => {
                    columns[0].1 = columns[0].1.saturating_sub(excess).max(1);
                    return columns;
                }
            }
        }
    }

    fn highest(&self, columns: &[(usize, usize)]) -> u8 {
        columns.iter().map(|(index, _)| self.columns[*index].rank).max().unwrap_or_default()
    }
}

fn spaced(cells: Vec<Text>) -> Line {
    let mut line = Line::new();
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            line.push(" ".repeat(COLUMN_GAP).into());
        }
        line.push(cell);
    }
    line
}

pub(crate) fn width_of(line: &[Text]) -> usize {
    line.iter().map(|text| text.text.width()).sum()
}

/// The text in this width, counted as a terminal does: Hangul has two cells. A longer one ends in `…`.
fn pad_to(text: &str, width: usize, is_number: bool) -> String {
    let text = cut(text, width);
    let space = " ".repeat(width.saturating_sub(text.width()));
    if is_number { format!("{space}{text}") } else { format!("{text}{space}") }
}

fn pad(text: &str, width: usize) -> String {
    pad_to(text, width, false)
}

pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for grapheme in text.graphemes(true) {
        if short.width() + grapheme.width() + 1 > width {
            break;
        }
        short.push_str(grapheme);
    }
    if width > 0 { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(line: &[Text]) -> String {
        line.iter().map(|text| text.text.as_str()).collect()
    }

    fn table(names: &[&str]) -> Table {
        let mut table = Table::new([words("name", 0), number("/s", 0), number("p99", 2), number("p50", 1)]);
        table.rows =
            names.iter().map(|name| [*name, "1,234", "8.4 ms", "0.5 ms"].map(Text::from).into()).collect();
        table
    }

    #[test]
    fn wide_characters_do_not_shift_columns() {
        let (heading, rows) = table(&["seoul-1", "서울-노드", "🇰🇷 e\u{301}"]).lines(80);
        assert_eq!(plain(&heading), "name          /s     p99     p50");
        let rows: Vec<_> = rows.iter().map(|row| plain(row)).collect();
        assert_eq!(rows[0], "seoul-1    1,234  8.4 ms  0.5 ms");
        assert_eq!(rows[1], "서울-노드  1,234  8.4 ms  0.5 ms");
        assert!(rows.iter().all(|row| row.width() == 32), "{rows:#?}");
    }

    #[test]
    fn narrow_table_leaves_out_columns_by_rank() {
        let at = |limit| {
            plain(&table(&["seoul-1"]).lines(limit).0).split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(80), "name /s p99 p50");
        assert_eq!(at(28), "name /s p50");
        assert_eq!(at(20), "name /s");
    }

    #[test]
    fn long_names_are_cut_before_columns_are_left_out() {
        let (_, rows) = table(&["서울-데이터센터-노드-1"]).lines(40);
        assert_eq!(plain(&rows[0]), "서울-데이터센터-…  1,234  8.4 ms  0.5 ms");
    }

    #[test]
    fn sorted_column_is_marked() {
        let sorted = Table { sorted_by: Some("p99"), ..table(&["a"]) };
        assert!(plain(&sorted.lines(80).0).contains("p99▼"));
    }

    #[test]
    fn row_leaves_out_what_does_not_fit() {
        let row =
            Row::new("Requests").with("", "1,234", "/s").with("p99", "23 ms", "").with("in flight", "12", "");
        assert_eq!(plain(&row.line(80)), "Requests   1,234/s   p99 23 ms   in flight 12");
        assert_eq!(plain(&row.line(32)), "Requests   1,234/s   p99 23 ms");
        assert_eq!(plain(&row.line(5)), "Requests  ");
    }

    proptest! {
        #[test]
        fn table_has_the_same_width_in_every_line(names in prop::collection::vec("[a-z가-힣🌅\u{301}]{0,20}", 0..6), limit in 1_usize..100) {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let (heading, rows) = table(&names).lines(limit);
            let width = width_of(&heading);
            prop_assert!(limit < 20 || width <= limit);
            prop_assert!(rows.iter().all(|row| width_of(row) == width), "{:?}", rows);
        }
    }
}
