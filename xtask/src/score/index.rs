//! The index of a corpus: one case a line, cells parted by tabs.

/// The first line of an index: the names of its columns.
pub const HEAD: &str = "case\tfiles\tflags\tclass\tcauses\tvectors\tnote";

/// One labelled input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// Relative to the folder of the corpus; at least one.
    pub files: Vec<String>,
    /// Options of `triage`, such as `--changes` and its file, relative to the folder too.
    pub flags: Vec<String>,
    /// Classes that are right; the first is the label proper. `any`: the program must only not crash.
    pub classes: Vec<String>,
    /// Causes that are right; empty: whichever.
    pub causes: Vec<String>,
    /// Vectors that a full answer names.
    pub vectors: Vec<String>,
    pub note: String,
}

/// Reads an index. Empty lines and lines that begin with `#` are left out.
///
/// # Errors
/// A text that names the line and what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Case>, String> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    match lines.next() {
        Some((_, HEAD)) => {}
        _ => return Err(format!("line 1: the head must be `{}`", HEAD.replace('\t', " "))),
    }
    lines.map(|(number, line)| case(line).map_err(|problem| format!("line {number}: {problem}"))).collect()
}

fn case(line: &str) -> Result<Case, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [name, files, flags, classes, causes, vectors, note] = cells.as_slice() else {
        return Err(format!("{} cells instead of 7", cells.len()));
    };
    let case = Case {
        name: (*name).to_owned(),
        files: words(files, ' '),
        flags: words(flags, ' '),
        classes: words(classes, ','),
        causes: words(causes, ','),
        vectors: words(vectors, ','),
        note: (*note).to_owned(),
    };
    if case.name.is_empty() || case.files.is_empty() || case.classes.is_empty() {
        return Err("a case needs a name, a file and a class".to_owned());
    }
    Ok(case)
}

fn words(cell: &str, separator: char) -> Vec<String> {
    cell.split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_case_and_empty_cells_stay_in_their_place() {
        let text =
            format!("{HEAD}\n# a remark\n\nflood\ta.pcap b.log\t\tattack\tsyn-flood,udp-flood\t\tshort\n");
        let cases = parse(&text).expect("a fine index");
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].files, ["a.pcap", "b.log"]);
        assert_eq!(cases[0].causes, ["syn-flood", "udp-flood"]);
        assert!(cases[0].flags.is_empty() && cases[0].vectors.is_empty());
        assert_eq!(cases[0].note, "short");
    }

    #[test]
    fn a_wrong_line_is_named_with_its_number() {
        assert!(parse("case\tfile\n").expect_err("a wrong head").contains("line 1"));
        let short = format!("{HEAD}\na\tb.log\n");
        assert_eq!(parse(&short).expect_err("too few cells"), "line 2: 2 cells instead of 7");
        let nameless = format!("{HEAD}\na\t\t\tattack\t\t\t\n");
        assert!(parse(&nameless).expect_err("no file").contains("needs a name, a file and a class"));
    }
}
