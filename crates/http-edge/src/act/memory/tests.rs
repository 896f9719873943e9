//! Who is known, and what becomes of it.

use super::*;
use seawall_model::time::{MILLISECOND_NS, SECOND_NS};

const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
const PAGE_REFERRER: &[u8] = b"https://shop.example/item/7?x=1";

fn at(s: f64) -> Timestamp {
    START.plus_ns((s * 1e3) as i64 * MILLISECOND_NS)
}

fn memory() -> Memory {
    Memory::new(1 << 20, 30, 99, START)
}

fn page(n: u32) -> Request<'static> {
    let mut request = Request::new(IpAddr::from((0x0A00_0000 + n).to_be_bytes()));
    request.user_agent = b"Mozilla/5.0";
    request.accept = b"text/html,*/*";
    request.path = b"/item/7";
    request
}

fn part(n: u32) -> Request<'static> {
    Request { path: b"/static/app.css", referrer: PAGE_REFERRER, accept: b"text/css", ..page(n) }
}

fn take(memory: &Memory, request: &Request<'_>, now: f64) -> Standing {
    let sighting = memory.sight(request, Clearance::None, at(now));
    memory.admit(&sighting, at(now));
    memory.answered(&sighting, at(now + 0.05));
    sighting.standing
}

/// Visits of other people, so that the memory knows what pages are made of.
fn with_visitors() -> Memory {
    let memory = memory();
    for n in 0..40 {
        take(&memory, &page(1_000_000 + n), 0.5);
        take(&memory, &part(1_000_000 + n), 0.7);
        take(&memory, &part(1_000_000 + n), 0.7);
    }
    memory
}

#[test]
fn a_visitor_from_before_the_trouble_is_known_and_a_first_comer_is_not() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    assert_eq!(take(&memory, &page(1_000_003), 101.0), Standing::Known);
    assert_eq!(take(&memory, &page(5), 101.0), Standing::Unknown);
}

#[test]
fn a_visit_that_fetches_its_parts_goes_on() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    assert_eq!(take(&memory, &page(5), 101.0), Standing::Unknown);
    assert_eq!(take(&memory, &part(5), 101.3), Standing::Visiting);
    assert_eq!(take(&memory, &page(5), 109.0), Standing::Visiting);
}

#[test]
fn parts_of_no_page_show_nothing() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    assert_eq!(take(&memory, &part(5), 101.0), Standing::Unknown);
    take(&memory, &page(6), 101.0);
    let elsewhere = Request { referrer: b"https://shop.example/other", ..part(6) };
    assert_eq!(take(&memory, &elsewhere, 101.3), Standing::Unknown);
    let late = memory.sight(&part(6), Clearance::None, at(130.0));
    assert_eq!(late.standing, Standing::Unknown);
}

#[test]
fn walking_pages_without_their_parts_is_suspect() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    for n in 0..3 {
        assert_eq!(take(&memory, &page(5), 101.0 + 4.0 * f64::from(n)), Standing::Unknown);
    }
    assert_eq!(take(&memory, &page(5), 120.0), Standing::Suspect);
}

#[test]
fn a_site_without_assets_has_no_such_suspects() {
    let memory = memory();
    for n in 0..60 {
        take(&memory, &page(n), 1.0);
    }
    memory.trouble(at(100.0));
    for n in 0..6 {
        assert_eq!(take(&memory, &page(500), 101.0 + 9.0 * f64::from(n)), Standing::Unknown);
    }
}

#[test]
fn pages_faster_than_people_read_are_suspect_until_they_slow_down() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    let mut last = Standing::Known;
    for n in 0..14 {
        last = take(&memory, &page(1_000_003), 101.0 + 0.01 * f64::from(n));
    }
    assert_eq!(last, Standing::Suspect);
    take(&memory, &part(1_000_003), 139.0);
    assert_eq!(take(&memory, &page(1_000_003), 140.0), Standing::Known);
}

/// Broke: people in the first page of a visit were challenged as strangers, because the trouble had begun
/// within five seconds of it.
#[test]
fn whoever_has_just_taken_a_page_with_its_parts_is_known_and_an_early_mimic_is_not() {
    let visit = |n: u32, pages_at: f64, parts_at: f64| {
        let memory = with_visitors();
        take(&memory, &page(n), pages_at);
        (0..3).for_each(|_| _ = take(&memory, &part(n), parts_at));
        memory.trouble(at(100.0));
        take(&memory, &page(n), 101.0)
    };
    assert_eq!(visit(5, 98.0, 98.4), Standing::Known);
    assert_eq!(visit(6, 100.1, 100.2), Standing::Visiting, "it came with the trouble, before it was noticed");
    let walker = with_visitors();
    (0..2).for_each(|_| _ = take(&walker, &page(7), 98.0));
    walker.trouble(at(100.0));
    assert_eq!(take(&walker, &page(7), 101.0), Standing::Unknown, "pages and no parts");
}

#[test]
fn what_the_flood_got_before_it_was_noticed_makes_nobody_known() {
    let memory = with_visitors();
    take(&memory, &page(5), 99.5);
    memory.trouble(at(99.0));
    assert_eq!(take(&memory, &page(5), 101.0), Standing::Unknown);
    memory.calm();
    memory.trouble(at(115.0));
    assert_eq!(take(&memory, &page(5), 116.0), Standing::Unknown);
}

#[test]
fn a_program_that_called_in_calm_times_is_known() {
    let memory = memory();
    let call = Request { path: b"/api/stock", accept: b"application/json", ..page(7) };
    for n in 0..12 {
        take(&memory, &call, 5.0 * f64::from(n));
    }
    memory.trouble(at(100.0));
    assert_eq!(take(&memory, &call, 101.0), Standing::Known);
}

#[test]
fn a_session_that_the_site_gave_is_known_from_another_address() {
    let memory = with_visitors();
    memory.cookie_set(b"session=abc123", at(2.0));
    let with = |cookie: &'static [u8]| Request { cookie, path: b"/item/7", ..page(77) };
    let sighting = memory.sight(&with(b"session=abc123"), Clearance::None, at(3.0));
    memory.admit(&sighting, at(3.0));
    memory.trouble(at(100.0));
    assert_eq!(memory.sight(&with(b"session=guess"), Clearance::None, at(101.0)).standing, Standing::Unknown);
}

#[test]
fn a_ticket_and_a_pass_raise_the_unknown() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    let standing = |clearance| memory.sight(&page(5), clearance, at(101.0)).standing;
    assert_eq!(standing(Clearance::Ticket(4)), Standing::Returned);
    assert_eq!(standing(Clearance::SatOut(4)), Standing::Patient);
    assert_eq!(standing(Clearance::Worked(4)), Standing::Cleared);
}

#[test]
fn one_pass_in_many_hands_is_paced_as_one() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    let mut suspects = 0;
    for n in 0..40 {
        let sighting = memory.sight(&page(n), Clearance::Worked(4), at(101.0));
        memory.admit(&sighting, at(101.0));
        suspects += u32::from(sighting.standing == Standing::Suspect);
    }
    assert!(suspects >= 27, "{suspects}");
}

#[test]
fn a_flood_of_strangers_does_not_wash_out_the_known() {
    let memory = Memory::new(1 << 16, 30, 3, START);
    for n in 0..200 {
        take(&memory, &page(n), 1.0);
        take(&memory, &part(n), 1.2);
    }
    memory.trouble(at(100.0));
    for n in 0..60_000 {
        take(&memory, &page(10_000 + n), 101.0);
    }
    let known = (0..200)
        .filter(|n| memory.sight(&page(*n), Clearance::None, at(102.0)).standing == Standing::Known)
        .count();
    assert!(known >= 198, "{known}");
}

#[test]
fn clients_are_forgotten_when_the_policy_says() {
    let memory = Memory::new(1 << 16, 1, 3, START);
    take(&memory, &page(1), 1.0);
    take(&memory, &part(1), 1.2);
    let after = START.plus_ns(2 * 86_400 * SECOND_NS);
    memory.trouble(after);
    assert_eq!(memory.sight(&page(1), Clearance::None, after).standing, Standing::Unknown);
}

#[test]
fn entries_survive_packing() {
    for n in 0..5_000_u64 {
        let bits = hash::mix(n) & ((1 << 57) - 1);
        assert_eq!(Entry::unpacked(bits).packed(), bits);
    }
}

/// Broke: programs that had visited for half a minute stayed known for as long as their attack lasted, went
/// before everybody else and were never challenged.
#[test]
fn a_known_client_that_looks_at_its_pages_no_more_is_not_known_any_more() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    let standings: Vec<_> =
        (0..6).map(|n| take(&memory, &page(1_000_003), 101.0 + 4.0 * f64::from(n))).collect();
    assert_eq!(standings[..4], [Standing::Known; 4]);
    assert_eq!(standings[4..], [Standing::Unknown; 2]);
    // Whoever looks is.
    for n in 0..6 {
        let now = 101.0 + 4.0 * f64::from(n);
        assert_eq!(take(&memory, &page(1_000_004), now), Standing::Known);
        take(&memory, &part(1_000_004), now + 0.3);
    }
    // It may have been a person after all.
    take(&memory, &part(1_000_003), 123.0);
    assert_eq!(take(&memory, &page(1_000_003), 130.0), Standing::Known);
}

/// Text browsers, and readers whose browser has kept the parts, are who they were.
#[test]
fn a_known_client_that_never_fetched_parts_stays_known() {
    let memory = with_visitors();
    for s in 0..10 {
        take(&memory, &page(7), 1.0 + 8.0 * f64::from(s));
    }
    memory.trouble(at(100.0));
    for s in 0..10 {
        assert_eq!(take(&memory, &page(7), 101.0 + 8.0 * f64::from(s)), Standing::Known);
    }
}

/// Broke: what a measure refused did not count for a client's pace, so that whoever asked fifty times a
/// second was known for as long as he was refused, and his refusals were called harm.
#[test]
fn what_is_refused_counts_for_the_pace() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    for _ in 0..12 {
        let sighting = memory.sight(&page(1_000_003), Clearance::None, at(101.0));
        assert_eq!(sighting.standing, Standing::Known);
        memory.refused(&sighting, at(101.0));
    }
    assert_eq!(memory.sight(&page(1_000_003), Clearance::None, at(101.0)).standing, Standing::Suspect);
}

#[test]
fn who_looks_at_pages_in_trouble_is_seen_to_until_he_only_asks() {
    let memory = with_visitors();
    memory.trouble(at(100.0));
    let is_looking = |now| memory.sight(&page(1_000_003), Clearance::None, at(now)).is_looking;
    assert!(!is_looking(100.5), "what it did in calm says nothing");
    take(&memory, &page(1_000_003), 101.0);
    take(&memory, &part(1_000_003), 101.3);
    assert!(is_looking(105.0));
    for s in 0..3 {
        assert!(is_looking(106.0 + f64::from(s)), "a person tries again");
        let sighting = memory.sight(&page(1_000_003), Clearance::None, at(106.0 + f64::from(s)));
        memory.refused(&sighting, at(106.0 + f64::from(s)));
    }
    assert!(!is_looking(110.0));
}

/// A visit in calm times that makes its client known.
fn settle(memory: &Memory, (client, agent): (IpAddr, &str), clearance: Clearance, now: f64) {
    for request in [page(0), part(0), part(0)] {
        let request = Request { client, user_agent: agent.as_bytes(), ..request };
        let sighting = memory.sight(&request, clearance, at(now));
        memory.admit(&sighting, at(now));
        memory.answered(&sighting, at(now));
    }
}

/// How many of these are known in the trouble that follows.
fn still_known(memory: &Memory, clients: &[(IpAddr, String)]) -> usize {
    memory.trouble(at(100.0));
    let is_known = |client: IpAddr, agent: &str| {
        let request = Request { client, user_agent: agent.as_bytes(), ..page(0) };
        memory.sight(&request, Clearance::None, at(101.0)).standing == Standing::Known
    };
    let known = clients.iter().filter(|(client, agent)| is_known(*client, agent)).count();
    memory.calm();
    known
}

/// Broke: the bucket was chosen by address and user agent together, and one address with ever other user
/// agents, or ever other tickets, took the place of everybody whom the table knew.
#[test]
fn one_address_with_ever_other_agents_or_tokens_drives_out_its_neighbours_at_most() {
    let memory = with_visitors();
    let people: Vec<_> = (0..2_000)
        .map(|n: u32| (IpAddr::from((0x1400_0000 + n * 997).to_be_bytes()), "b".to_owned()))
        .collect();
    people.iter().for_each(|(client, agent)| settle(&memory, (*client, agent), Clearance::None, 60.0));
    let before = still_known(&memory, &people);
    assert!(before > 1_950, "{before} of 2000 found room");
    let greedy = ["198.51.100.7", "2001:db8::1"].map(|address| address.parse::<IpAddr>().unwrap());
    for n in 0..100_000 {
        settle(&memory, (greedy[n % 2], &format!("agent {n}")), Clearance::None, 70.0);
        settle(&memory, (greedy[n % 2], "one"), Clearance::Ticket(n as u64), 70.0);
    }
    let after = still_known(&memory, &people);
    // Two networks of 1,024 buckets among 16,384.
    assert!(after * 100 > before * 85, "{after} of {before}");
}

/// Those behind one address, and those of one network, have room enough.
#[test]
fn an_office_behind_one_address_and_a_network_of_homes_find_room() {
    let memory = with_visitors();
    let office = (0..200).map(|n| ([203, 0, 113, 9].into(), format!("office browser {n}")));
    let homes = (0..800).map(|n: u32| ([203, 0, 112, n as u8].into(), format!("home browser {}", n / 256)));
    let clients: Vec<(IpAddr, String)> = office.chain(homes).collect();
    clients.iter().for_each(|(client, agent)| settle(&memory, (*client, agent), Clearance::None, 60.0));
    let (office, homes) = (still_known(&memory, &clients[..200]), still_known(&memory, &clients[200..]));
    assert!(office >= 190 && homes >= 780, "{office} of 200 and {homes} of 800");
}
