//! Inputs of every packing, merged, damaged, odd in time: what is read, and what is said.

use super::common::{Everything, Folder, read, read_with};
use flate2::Compression;
use flate2::write::GzEncoder;
use seawall_sensor::flow::Limits;
use seawall_sensor::{Options, ReadError};
use std::io::Write;

/// A line of a log at so many seconds after 10 October 2023, 08:00.
fn line(second: u32) -> String {
    format!(
        "192.0.2.{} - - [10/Oct/2023:{:02}:{:02}:{:02} +0000] \"GET /{second} HTTP/1.1\" 200 5 \"-\" \"x\"\n",
        second % 200,
        8 + second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn log(seconds: impl Iterator<Item = u32>) -> String {
    seconds.map(line).collect()
}

/// A capture of UDP datagrams at the times given, in microseconds since 1 January 2023.
fn capture(times: &[i64]) -> Vec<u8> {
    let mut out = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
    for (n, time) in times.iter().enumerate() {
        let time = 1_672_531_200_000_000 + time;
        out.extend(((time / 1_000_000) as u32).to_le_bytes());
        out.extend(((time % 1_000_000) as u32).to_le_bytes());
        out.extend([29, 0, 0, 0, 29, 0, 0, 0]);
        out.extend([0x45, 0, 0, 29, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, (n % 250) as u8, 198, 51, 100, 1]);
        out.extend([0, 99, 0, 98, 0, 9, 0, 0, 7]);
    }
    out
}

fn one(path: String) -> Everything {
    let everything = read(std::slice::from_ref(&path), 1).unwrap();
    for threads in [2, 3] {
        assert!(everything == read(std::slice::from_ref(&path), threads).unwrap(), "{threads} threads");
    }
    for pair in everything.ticks.windows(2) {
        assert!(pair[0].0 < pair[1].0, "ticks out of order");
    }
    everything
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack<'p> = &'p dyn Fn(&[u8]) -> Vec<u8>;

/// Broke: a log whose first line is longer than what recognition looks at was not recognised.
#[test]
fn a_first_line_of_any_length_hides_no_format() {
    let folder = Folder::new("long-line");
    let text = format!("{}\n{}", "x".repeat(70_000), log(0..50));
    assert_eq!(one(folder.write("plain.log", text.as_bytes())).reports[0].records, 50);
    assert_eq!(one(folder.write("packed.log.gz", &gzip(text.as_bytes()))).reports[0].records, 50);
}

#[test]
fn packed_inputs_are_read_as_streams_and_joined_ones_to_the_end() {
    let folder = Folder::new("packed");
    let text = log(0..3_000);
    let (first, second) = text.as_bytes().split_at(text.len() / 2);
    let xz = |bytes: &[u8]| {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bz = |bytes: &[u8]| {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let lz4 = |bytes: &[u8]| {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd =
        |bytes: &[u8]| ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest);
    let cases: [(&str, Pack<'_>); 5] =
        [("gzip", &gzip), ("xz", &xz), ("bzip2", &bz), ("lz4", &lz4), ("zstd", &zstd)];
    for (name, pack) in cases {
        let joined = [pack(first), pack(second)].concat();
        let everything = one(folder.write(name, &joined));
        assert_eq!(everything.total.requests, 3_000, "{name}");
        assert!(
            everything.reports[0].kind.ends_with(&format!("in {name}")),
            "{:?}",
            everything.reports[0].kind
        );
        assert_eq!(everything.reports[0].cut_short, None, "{name}");
        let twice = one(folder.write("twice", &gzip(&joined)));
        assert_eq!(twice.total.requests, 3_000, "{name} in gzip");
        // Cut in the middle: what was read stays, and the report says why it ended.
        let cut = read(&[folder.write("cut", &joined[..joined.len() * 2 / 3])], 1).unwrap();
        assert!(cut.total.requests < 3_000, "{name}");
        assert!(cut.reports[0].cut_short.is_some(), "{name}: {:?}", cut.reports[0]);
    }
    let thrice = gzip(&gzip(&gzip(text.as_bytes())));
    let error = read(&[folder.write("thrice", &thrice)], 1).unwrap_err();
    assert!(matches!(error, ReadError::PackedTooDeep { .. }));
}

#[test]
fn inputs_are_merged_by_time_whatever_their_order() {
    let folder = Folder::new("merged");
    let even = folder.write("even", log((0..4_000).step_by(2)).as_bytes());
    let odd = folder.write("odd", log((1..4_000).step_by(2)).as_bytes());
    let late = folder.write("late", log(4_000..6_000).as_bytes());
    let whole = one(folder.write("whole", log(0..6_000).as_bytes()));
    let merged = read(&[late, even, odd], 1).unwrap();
    let count = |everything: &Everything| {
        everything.ticks.iter().map(|(start, _, tally)| (*start, tally.requests)).collect::<Vec<_>>()
    };
    assert!(count(&merged) == count(&whole));
    assert!(merged.reports.iter().all(|report| report.out_of_order == 0));
}

/// A login that a syslog without years tells of.
fn login(stamp: &str) -> String {
    format!("{stamp} web sshd[1]: Failed password for root from 198.51.100.7 port 22 ssh2\n")
}

#[test]
fn stamps_without_a_year_lie_beside_the_other_inputs() {
    let folder = Folder::new("year");
    let logins = folder.write("auth", login("Oct 10 08:00:05").as_bytes());
    let requests = folder.write("access", log(0..10).as_bytes());
    let span = |e: &Everything| (e.ticks[0].0.civil().year, e.ticks.len());
    let both = read(&[logins.clone(), requests], 1).unwrap();
    assert_eq!(span(&both), (2023, 10));
    assert!(both.reports.iter().all(|report| report.oddities.is_empty()));
    let alone = one(logins);
    assert_eq!((span(&alone), alone.reports[0].oddities.get("year-not-logged")), ((1970, 1), Some(&1)));
}

#[test]
fn stamps_before_the_first_full_date_of_a_log_take_its_year() {
    let folder = Folder::new("year-later");
    let text = "Oct 10 07:59:59 lb haproxy[1]: Server web/a is DOWN, reason: Layer4 timeout.\n\
        Oct 10 08:00:00 lb haproxy[1]: 192.0.2.1:5 [10/Oct/2023:08:00:00.001] web web/b \
        0/0/0/1/1 200 214 - - ---- 1/1/0/0/0 0/0 \"GET / HTTP/1.1\"\n";
    let everything = one(folder.write("haproxy", text.as_bytes()));
    assert_eq!((everything.ticks[0].0.civil().year, everything.ticks.len()), (2023, 2));
}

#[test]
fn a_log_in_utf_16_is_the_same_log() {
    let folder = Folder::new("utf-16");
    let text = format!("\u{FEFF}{}# naïve \u{1F30A}\n", log(0..30_000));
    let plain = one(folder.write("plain", text.as_bytes()));
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (name, bytes) in [("little", &little), ("big", &big)] {
        let wide = one(folder.write(name, bytes));
        assert!(wide.total == plain.total, "{name}");
        assert_eq!((wide.reports[0].malformed, wide.reports[0].kind.contains("utf-16")), (0, true));
    }
    let cut = one(folder.write("cut", &little[..little.len() / 2 + 1]));
    assert!(cut.total.requests > 14_000);
}

#[test]
fn the_number_of_threads_changes_nothing_in_a_long_log() {
    let folder = Folder::new("long");
    let dense: String = (0..60_000).map(|n| line(n / 100)).collect();
    let everything = one(folder.write("dense", dense.as_bytes()));
    assert_eq!(everything.total.requests, 60_000);
    assert_eq!(everything.ticks.len(), 600);
    let sparse = one(folder.write("sparse", log((0..40_000).map(|n| n % 36_000)).as_bytes()));
    assert_eq!(sparse.total.requests, 40_000);
}

#[test]
fn lines_not_understood_are_counted_and_quoted() {
    let folder = Folder::new("malformed");
    let mut text = log(0..50);
    text.push_str("what is \x1b[31mthis\n");
    text.push_str(&log(50..60));
    let everything = one(folder.write("log", text.as_bytes()));
    let report = &everything.reports[0];
    assert_eq!((report.records, report.malformed), (60, 1));
    assert_eq!(report.malformed_samples, ["what is \\u{1b}[31mthis"]);
}

#[test]
fn endless_lines_and_bombs_take_no_memory() {
    let folder = Folder::new("endless");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(log(0..100).as_bytes()).unwrap();
    for _ in 0..40 {
        encoder.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    encoder.write_all(format!("\n{}", log(100..200)).as_bytes()).unwrap();
    let everything = one(folder.write("bomb.gz", &encoder.finish().unwrap()));
    let report = &everything.reports[0];
    assert_eq!((report.records, report.malformed), (200, 1));
    assert_eq!(report.oddities.get("line-too-long"), Some(&1));
    assert_eq!(report.malformed_samples[0].len(), 200);
}

#[test]
fn errors_say_which_file_and_what_to_do() {
    let folder = Folder::new("errors");
    let said = |path: String| read(&[path], 1).unwrap_err().to_string();
    let missing = said(folder.0.join("missing").to_string_lossy().into_owned());
    assert!(missing.ends_with("missing: no such file: check the name"), "{missing}");
    let directory = said(folder.0.to_string_lossy().into_owned());
    assert!(directory.contains("is a directory"), "{directory}");
    let binary = said(folder.write("binary", &[0, 1, 2, 0x7F, b'E', b'L', b'F']));
    assert!(binary.contains("not recognised: begins with '\\u{0}\\u{1}\\u{2}\\u{7f}ELF'"), "{binary}");
    let undated =
        r#"[INFO] 198.51.100.7:36413 - 21583 "A IN example.com. udp 43 false 512" NOERROR qr,rd 136 0.0001s"#;
    let undated = said(folder.write("coredns.log", format!("{undated}\n{undated}\n").as_bytes()));
    assert!(undated.contains("its lines have no date"), "{undated}");
    let broken = said(folder.write("broken.xz", b"\xFD7zXZ\x00no"));
    assert!(broken.contains("begins as xz but cannot be unpacked"), "{broken}");
    let log = folder.write("log", log(0..9).as_bytes());
    let again = folder.0.join(".").join("log").to_string_lossy().into_owned();
    let twice = read(&[log, again], 1).unwrap_err().to_string();
    assert!(twice.ends_with("log: named twice, which would count it double: name it once"), "{twice}");
    assert!(read(&[], 1).unwrap_err().to_string().starts_with("no input"));
    let empty = read(&[folder.write("empty", b"")], 1).unwrap();
    assert_eq!((empty.reports[0].records, empty.reports[0].kind.as_str()), (0, "empty"));
}

/// Frame headers that ask for a window of 2 GB, and for a dictionary of 4 GB.
#[test]
fn packers_that_ask_for_gigabytes_are_refused_with_what_to_do() {
    let folder = Folder::new("window");
    let zstd = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0xA8, 0x01, 0x00, 0x00];
    let mut xz = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    xz.dict_size(1 << 30);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&xz);
    let stream = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32);
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream.unwrap());
    encoder.write_all(log(0..99).as_bytes()).unwrap();
    for (name, packed) in [("zstd", zstd.to_vec()), ("xz", encoder.finish().unwrap())] {
        let said = read(&[folder.write(name, &packed)], 1).unwrap_err().to_string();
        let expected = format!(": unpacking this {name} would take more memory than Seawall gives it");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_long_log_with_its_newest_record_first_is_the_same_turned_round() {
    let folder = Folder::new("newest-first");
    let text = log(0..20_000);
    let newest_first: String = text.lines().rev().map(|line| format!("{line}\n")).collect();
    let (whole, turned) =
        (one(folder.write("a", text.as_bytes())), one(folder.write("b", newest_first.as_bytes())));
    let times = |e: &Everything| e.ticks.iter().map(|(t, _, c)| (*t, c.requests)).collect::<Vec<_>>();
    assert!(times(&whole) == times(&turned));
    assert_eq!(turned.reports[0].oddities.get("newest-first"), Some(&1));
    assert_eq!((turned.reports[0].time_jumps, turned.reports[0].out_of_order), (0, 0));
    // What cannot be turned round is told.
    let packed = read(&[folder.write("c.gz", &gzip(newest_first.as_bytes()))], 1).unwrap();
    assert_eq!(packed.total.requests, 20_000);
    assert_eq!(packed.reports[0].oddities.get("newest-first"), Some(&1));
}

#[test]
fn captures_odd_in_time_stay_sensible() {
    let folder = Folder::new("time");
    let second = 1_000_000;
    let steady: Vec<i64> = (0..1_000).map(|n| n * 10_000).collect();
    let plain = one(folder.write("steady", &capture(&steady)));
    assert_eq!((plain.total.packets, plain.ticks.len()), (1_000, 100));

    let mut stray = steady.clone();
    stray[500] = 400 * 86_400 * second;
    stray[700] = -400 * 86_400 * second;
    let everything = one(folder.write("stray", &capture(&stray)));
    assert_eq!((everything.total.packets, everything.ticks.len()), (1_000, 100));
    assert_eq!((everything.reports[0].time_jumps, everything.reports[0].out_of_order), (2, 0));

    let same = one(folder.write("same", &capture(&[0; 1_000])));
    assert_eq!((same.total.packets, same.ticks.len()), (1_000, 1));

    let backwards: Vec<i64> = steady.iter().rev().copied().collect();
    let everything = one(folder.write("backwards", &capture(&backwards)));
    assert_eq!(everything.total.packets, 1_000);

    // A clock set back by an hour: time goes on, at the same rate.
    let set_back: Vec<i64> =
        steady.iter().map(|&t| if t < 5 * second { t } else { t - 3_600 * second }).collect();
    let everything = one(folder.write("set-back", &capture(&set_back)));
    assert_eq!(everything.reports[0].time_jumps, 1);
    assert!((99..=101).contains(&everything.ticks.len()), "{}", everything.ticks.len());

    // A pause of a month is a pause.
    let pause: Vec<i64> =
        steady.iter().map(|&t| if t < 5 * second { t } else { t + 30 * 86_400 * second }).collect();
    let everything = one(folder.write("pause", &capture(&pause)));
    assert_eq!((everything.ticks.len(), everything.reports[0].time_jumps), (100, 0));
}

#[test]
fn logs_odd_in_time_stay_sensible() {
    let folder = Folder::new("log-time");
    // A line from the year 2099 in the middle of a day is counted, and does not stop the rest.
    let mut text = log(0..5_000);
    let stray = line(2_500).replace("2023", "2099");
    text.insert_str(text.len() / 2 / line(2_500).len() * line(2_500).len(), "");
    let middle = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    text.insert_str(middle, &stray);
    let everything = one(folder.write("stray", text.as_bytes()));
    assert_eq!(everything.total.requests, 5_001);
    assert_eq!((everything.ticks.len(), everything.reports[0].time_jumps), (5_000, 1));

    let span = |e: &Everything| e.reports[0].last.unwrap().since_s(e.reports[0].first.unwrap());
    assert_eq!(span(&everything), 4_999.0, "no input lasts until 2099");

    // The same at either end, under a stamp of the epoch, and in a log too short for shares.
    for (records, at, stamp) in
        [(5_000, 0, "1970"), (5_000, 5_000, "2038"), (5_000, 2_500, "1970"), (40, 20, "2038")]
    {
        let mut lines: Vec<String> = log(0..records).lines().map(str::to_owned).collect();
        lines.insert(at, line(0).trim_end().replace("2023", stamp));
        let everything = one(folder.write("stray", (lines.join("\n") + "\n").as_bytes()));
        assert_eq!(everything.total.requests, u64::from(records) + 1);
        let report = &everything.reports[0];
        let told = (everything.ticks.len(), report.time_jumps, report.out_of_order, span(&everything));
        assert_eq!(told, (records as usize, 1, 0, f64::from(records) - 1.0), "{records} {at} {stamp}");
    }

    // Lines late by less than the lag are in their own tick; later ones are counted.
    let mut seconds: Vec<u32> = (0..20_000).collect();
    seconds[1_000] = 970;
    let everything = one(folder.write("late", log(seconds.into_iter()).as_bytes()));
    assert_eq!((everything.total.requests, everything.reports[0].out_of_order), (20_000, 0));
}

#[test]
fn damaged_captures_are_read_as_far_as_they_go() {
    let folder = Folder::new("damage");
    let whole = capture(&[0, 10, 20, 30, 40]);
    let flow = Limits { pairs: 1_024, half_open: 256, connections: 256, queries: 256, held_bytes: 65_536 };
    let options = Options { flow, ..Options::default() };
    for length in 0..whole.len() {
        match read_with(&[folder.write("cut", &whole[..length])], &options) {
            Ok(everything) => {
                let report = &everything.reports[0];
                assert!(report.records <= 5);
                let cut_in_record = length >= 24 && !(length - 24).is_multiple_of(45);
                assert_eq!(report.malformed, u64::from(cut_in_record), "cut at {length}");
            }
            Err(error) => assert!(length < 24, "cut at {length}: {error}"),
        }
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match read_with(&[folder.write("flip", &flipped)], &options) {
            Ok(everything) => assert!(everything.total.packets <= 6, "bit {bit}"),
            Err(error) => assert!(bit < 32, "bit {bit}: {error}"),
        }
    }
}

#[test]
fn a_format_given_by_the_user_is_preferred() {
    let folder = Folder::new("format");
    let Ok(format) = seawall_wire::log::Format::from_nginx("$remote_addr|$time_iso8601|$status|$request")
    else {
        panic!("a plain format is accepted");
    };
    let text: String = (0..100)
        .map(|n| format!("192.0.2.1|2023-10-10T08:00:{:02}+00:00|200|GET /{n} HTTP/1.1\n", n % 60))
        .collect();
    let options = Options { formats: vec![format], ..Options::default() };
    let everything = read_with(&[folder.write("log", text.as_bytes())], &options).unwrap();
    assert_eq!(everything.total.requests, 100);
}

/// What Unbound tells of one question: the client's query, its own one to the name server, and both
/// answers. What it asked itself is no query to it.
#[test]
fn dnstap_is_read_packed_or_not_and_up_to_where_it_was_cut() {
    let real = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/dnstap/unbound");
    let bytes = std::fs::read(real).expect("part of the repository");
    let folder = Folder::new("dnstap");
    let whole = one(folder.write("tap", &bytes));
    assert_eq!((whole.reports[0].kind.as_str(), whole.reports[0].malformed), ("dnstap", 0));
    let own = whole.reports[0].oddities.get("asked-by-the-server-itself").copied().unwrap_or(0);
    assert_eq!(whole.total.dns + own, 4);
    assert!(
        whole
            .total
            .samples
            .iter()
            .any(|(_, s)| s.contains("is_response: true") && s.contains("response_us: Some"))
    );
    assert_eq!(one(folder.write("tap.gz", &gzip(&bytes))).total, whole.total);
    let cut = one(folder.write("cut", &bytes[..bytes.len() - 20]));
    assert_eq!((cut.total.dns + own, cut.reports[0].malformed), (3, 1));
}
