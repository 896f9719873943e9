//! What is doubtful about the times of an input, for the part of a report that says what is not
//! known.

use seawall_model::report::InputReport;
use seawall_sensor::read::{CLOCK_SET_BACK, NEWEST_FIRST, YEAR_NOT_LOGGED};

/// Fewer records than this may well bear one time.
const FEW_RECORDS: u64 = 100;
/// More than one record in so many with a doubtful time is more than a stray.
const STRAY_ONE_IN: u64 = 100;

/// A clause for each doubt.
pub fn clauses(inputs: &[InputReport]) -> Vec<String> {
    inputs.iter().flat_map(|input| [order(input), year(input)]).flatten().collect()
}

fn name(input: &InputReport) -> &str {
    if input.path == "-" { "standard input" } else { &input.path }
}

fn year(input: &InputReport) -> Option<String> {
    let is_missing = input.oddities.contains_key(YEAR_NOT_LOGGED);
    is_missing
        .then(|| format!("the year: {} does not tell it (in JSON, 1970 stands in its place)", name(input)))
}

fn order(input: &InputReport) -> Option<String> {
    let InputReport { records, out_of_order, time_jumps, .. } = input;
    let path = name(input);
    let doubtful = out_of_order.saturating_add(*time_jumps);
    if input.oddities.contains_key(NEWEST_FIRST) && doubtful > 0 {
        return Some(format!(
            "what came after what: {path} begins with its newest record; turn it round with tac, unpacked"
        ));
    }
    if *records >= FEW_RECORDS && input.first == input.last {
        return Some(format!("how fast it came: all {records} records of {path} bear the same time"));
    }
    if *records >= FEW_RECORDS && doubtful > records / STRAY_ONE_IN {
        return Some(format!(
            "when it was: the times of {path} jump ({doubtful} of {records} records do not fit their neighbours)"
        ));
    }
    let strays = time_jumps.saturating_sub(input.oddities.get(CLOCK_SET_BACK).copied().unwrap_or_default());
    let (noun, times) = if strays == 1 { ("record", "its time is") } else { ("records", "their times are") };
    (strays > 0).then(|| {
        format!(
            "when {strays} {noun} of {path} came: {times} impossible, left out of the course and counted with the neighbours"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_model::Timestamp;

    fn input(records: u64, last_s: i64, out_of_order: u64, newest_first: bool) -> InputReport {
        let mut input = InputReport { path: "a.log".into(), records, out_of_order, ..InputReport::default() };
        input.saw(Timestamp::from_seconds(0));
        input.saw(Timestamp::from_seconds(last_s));
        input.odd(NEWEST_FIRST, u64::from(newest_first));
        input
    }

    #[test]
    fn doubtful_times_are_told_and_a_few_late_records_are_not() {
        let told =
            |i: InputReport| clauses(&[i]).first().map(|c| c.split(':').next().unwrap_or("").to_owned());
        assert_eq!(told(input(5_000, 60, 0, false)), None);
        assert_eq!(told(input(5_000, 60, 3, false)), None);
        assert_eq!(told(input(5_000, 60, 300, false)), Some("when it was".into()));
        assert_eq!(told(input(5_000, 0, 0, false)), Some("how fast it came".into()));
        assert_eq!(told(input(5, 0, 0, false)), None);
        assert_eq!(told(input(5_000, 60, 9, true)), Some("what came after what".into()));
        assert_eq!(told(input(5_000, 60, 0, true)), None, "it could be turned round");
        let mut stray = input(5_000, 60, 0, false);
        stray.time_jumps = 2;
        assert_eq!(told(stray.clone()), Some("when 2 records of a.log came".into()));
        stray.odd(CLOCK_SET_BACK, 2);
        assert_eq!(told(stray), None, "a clock that was set back is no record's fault");
        let mut yearless = input(5, 60, 0, false);
        yearless.odd(YEAR_NOT_LOGGED, 1);
        assert_eq!(told(yearless), Some("the year".into()));
    }
}
