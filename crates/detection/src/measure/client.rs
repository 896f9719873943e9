//! What a single client does, by its profile: whether it is a person's browser, a program, or many
//! visitors behind one address. Each test is about behaviour, so that it holds at any size of site.

use crate::feature::bits_as_count;
use crate::feature::classify::AgentKind;
use crate::feature::http::ClientProfile;
use std::net::IpAddr;

/// No person's browser: many pages and none of what pages are made of, faster than anyone reads.
pub(super) fn is_machine(p: &ClientProfile, seconds: f64) -> bool {
    let is_other = is_crawler(p) || is_shared(p) || is_page_script(p) || is_scanner(p);
    if is_other || is_batch(p) || is_worker(p) || is_transfer(p) {
        return false;
    }
    let asked = p.asked();
    let along = f64::from(p.requests) - asked;
    let own_s = p.last.since_s(p.first).max(1.0).min(seconds.max(1.0));
    asked >= 15.0 && along * 10.0 < asked && (p.peak_per_s >= 4.0 || asked / own_s >= 1.5)
}

/// Slower than this, in requests per second, a walk is indistinguishable from a faithful reader's.
const WALK_PER_S: f64 = 0.1;

/// A range may be shared by so many walkers, each of which takes its part.
const WALKERS_SHARING: f64 = 12.0;

/// Walks numbered items: most of a range of numbers, each about once, no assets.
pub(super) fn walks(p: &ClientProfile) -> bool {
    let range = p.number_high.saturating_sub(p.number_low) as f64 + 1.0;
    let own_s = p.last.since_s(p.first).max(1.0);
    p.numbered >= 20
        && !is_shared(p)
        && !is_transfer(p)
        && !fetches_parts(p)
        && !is_declared(p)
        && !p.is(AgentKind::Service)
        && p.feeds * 2 < p.requests
        && p.writes * 5 < p.requests
        && bits_as_count(p.paths | p.queries.rotate_left(17)) >= 0.5 * f64::from(p.requests.min(60))
        && f64::from(p.requests) >= WALK_PER_S * own_s
        && p.api * 2 < p.requests
        && p.assets * 10 < p.requests
        && p.numbered * 10 >= p.requests * 7
        && range <= WALKERS_SHARING * f64::from(p.numbered)
        && range >= 0.6 * f64::from(p.numbered)
}

/// Looks for holes, by its own word or by what it asks for: however fast, it wants the answers.
pub(super) fn is_scanner(p: &ClientProfile) -> bool {
    (p.probes >= 3 && u64::from(p.probes) * 4 >= u64::from(p.requests)) || (p.hostile_tool && p.requests >= 3)
}

/// Asks for what is not there, or only scanners know: many different paths, mostly failing.
pub(super) fn is_prober(p: &ClientProfile) -> bool {
    let different = bits_as_count(p.paths).min(f64::from(p.requests));
    let failing = f64::from(in_vain(p)) / f64::from(p.requests.max(1));
    if is_guesser(p) {
        return false;
    }
    is_scanner(p)
        || (p.requests >= 10
            // A browser whose pages are refused fetches their assets all the same.
            && p.assets * 3 < p.requests
            && failing > 0.7
            && different >= 8.0
            // Names that are made up find nothing: they are sent to be answered, not to learn.
            && p.made_up * 2 < in_vain(p)
            && different >= 0.5 * f64::from(p.requests).min(64.0))
}

/// Requests of a client that came to nothing. Who stores things asks first whether they are there, and is told
/// that they are not: that is an answer, but not where it is nearly all that there is.
fn in_vain(p: &ClientProfile) -> u32 {
    p.client_errors.max(p.not_found)
}

/// Tries to log in again and again.
pub(super) fn is_guesser(p: &ClientProfile) -> bool {
    if is_shared(p) || gets_in(p) {
        return false;
    }
    (p.logins >= 5 && p.logins * 2 >= p.no_assets())
        || tries_codes(p)
        || is_refused_writer(p)
        || (p.unauthorised >= 5
            && p.unauthorised * 10 >= p.requests * 8
            && bits_as_count(p.paths) < 4.0
            && p.probes == 0)
}

/// Asks one thing under ever other codes (a voucher, an order's number), in vain, at a pace at which answers
/// are read. Floods do not wait for theirs.
fn tries_codes(p: &ClientProfile) -> bool {
    const CODES_LEAST: f64 = 5.0;
    const READ_PER_S: f32 = 10.0;
    let by_query = bits_as_count(p.queries).min(f64::from(p.requests));
    // By a path only of an interface: names of pages are made up to be answered, not to learn.
    let by_path = p.made_up * 10 >= p.requests * 6 && p.api * 10 >= p.requests * 9;
    let codes = if by_path { distinct_paths(p) } else { by_query };
    let nobodys = p.is(AgentKind::Browser) || p.is(AgentKind::Tool) || p.is(AgentKind::Absent);
    nobodys
        && p.assets == 0
        && p.probes == 0
        && p.client_errors * 10 >= p.requests * 8
        && (by_path || bits_as_count(p.asked_paths) < 3.0)
        && codes >= CODES_LEAST.max(0.7 * f64::from(p.requests).min(48.0))
        && p.peak_per_s <= READ_PER_S
}

/// Sends one form again and again, nothing else, and is refused: a card, a password, a code is tried. A page
/// whose script fails was loaded at some time, and belongs to somebody who was served before.
fn is_refused_writer(p: &ClientProfile) -> bool {
    p.is(AgentKind::Browser)
        && p.assets == 0
        && p.writes >= 5
        && p.writes * 10 >= p.requests * 9
        && p.unauthorised * 10 >= p.writes * 6
        && bits_as_count(p.asked_paths) < 3.0
}

/// Logs in and goes on from there: to other pages, or with what pages are made of. Whoever guesses is
/// refused, or sees the same page again.
pub(super) fn enters(p: &ClientProfile) -> bool {
    let asked = p.no_assets();
    let goes_on = bits_as_count(p.asked_paths) >= 2.5 && asked >= 2 * p.logins;
    p.logins > 0 && p.unauthorised < p.logins && (goes_on || p.assets >= 2) || gets_in(p)
}

/// Logs in however often, and gets in each time: tokens are granted to it, or it is answered as those are that
/// get in and asks for what is behind the door. A program that keeps no session does so.
pub(super) fn gets_in(p: &ClientProfile) -> bool {
    let behind = p.no_assets().saturating_sub(p.doors);
    // The last one may not have gone on yet.
    let goes_on =
        behind + 1 >= p.logins && behind > 0 && (p.client_errors + p.server_errors) * 10 <= p.no_assets();
    let is_always = |answered: u32| answered * 10 >= p.logins * 9;
    let gets_in = is_always(p.tokens) || (is_always(p.let_in) && goes_on) || waits_for_token(p);
    p.logins > 0 && !p.hostile_tool && gets_in
}

/// Asks at rest whether it has been let in yet, and is in the end: a device without a keyboard, whose owner
/// enters its code elsewhere.
fn waits_for_token(p: &ClientProfile) -> bool {
    p.tokens > 0 && asks_at_rest(p)
}

/// Asks for tokens alone, as seldom as it is told to, and is told that it was too early, not that it was refused
/// (RFC 8628 sections 3.4 and 3.5), and never again once it was let in: who goes on tries what is others'.
fn asks_at_rest(p: &ClientProfile) -> bool {
    const ASKS_PER_S: f64 = 0.35;
    let at_rest = f64::from(p.logins.saturating_sub(1)) <= ASKS_PER_S * p.last.since_s(p.first);
    p.logins > 0
        && p.unauthorised == 0
        && p.logins >= p.no_assets()
        && p.client_errors + p.tokens >= p.logins
        // Many logs tell whole seconds, in which it may have been told twice.
        && p.granted.is_none_or(|granted| p.denied <= Some(granted))
        && at_rest
}

/// What tells clients that wait for a token: some may still wait beside those who got theirs, where it is not
/// only some who do.
pub(super) fn waiting<'a>(
    profiles: impl Iterator<Item = &'a ClientProfile>,
) -> impl Fn(&ClientProfile) -> bool {
    let (let_in, all) = profiles
        .filter(|p| asks_at_rest(p))
        .fold((0, 0), |(let_in, all), p| (let_in + u32::from(waits_for_token(p)), all + 1));
    let may_wait = let_in * 2 >= all;
    move |p| waits_for_token(p) || (may_wait && asks_at_rest(p))
}

/// Logs in, under no name of a program of somebody's own, and never goes on.
pub(super) fn loses_logins(p: &ClientProfile) -> bool {
    p.logins > 0 && !p.is(AgentKind::Application) && !p.is(AgentKind::Service) && !enters(p)
}

/// Asks for pages as people do, of whom parts of the pages are to be expected.
pub(super) fn looks_at_pages(p: &ClientProfile) -> bool {
    p.pages > 0 && !p.is(AgentKind::Crawler) && !p.is(AgentKind::Service) && (p.assets > 0 || !is_invited(p))
}

/// Got nothing but errors of the server, and asked as people who try again: a page that is not answered has
/// no parts to fetch.
pub(super) fn is_left_unserved(p: &ClientProfile) -> bool {
    const TRIES: f64 = 40.0;
    const TRIES_PER_S: f32 = 4.0;
    p.server_errors == p.requests && p.asked() <= TRIES && p.peak_per_s <= TRIES_PER_S
}

/// Looks at pages with their parts, and is served.
pub(super) fn is_served_visitor(p: &ClientProfile) -> bool {
    browses(p) && p.assets > 0 && (p.client_errors + p.server_errors) * 4 <= p.requests
}

/// Fetches the parts of the pages that it looks at.
pub(super) fn browses(p: &ClientProfile) -> bool {
    let asked = p.asked();
    p.pages > 0 && (f64::from(p.requests) - asked) * 5.0 >= asked
}

/// Follows a link that was sent out, and looks at little more: a reader of a letter, or what looks at the
/// links of letters before they are read. A link may carry its reader's own key: then its reader loads what
/// its page is made of, or all that it brings is the picture which tells that a letter was opened, which no
/// library or tool shows to anybody. Interfaces are for programs, and no letter leads to them.
pub(super) fn is_invited(p: &ClientProfile) -> bool {
    const LOOKS_AT: u32 = 8;
    let asked = p.no_assets();
    let is_scripted = p.is(AgentKind::Tool) || p.is(AgentKind::LoadTool);
    let by_key = p.keyed > 0 && p.api == 0 && (browses(p) || (has_little(p) && !is_scripted));
    let links = if by_key { p.invited.max(p.keyed) } else { p.invited };
    links > 0
        && asked <= LOOKS_AT
        && links * 3 >= asked
        && (p.client_errors + p.server_errors) * 2 <= p.requests
        && p.writes == 0
        && p.probes == 0
}

/// Was answered with hardly more than a head each time: nothing is there to be shown, or to be busied with.
fn has_little(p: &ClientProfile) -> bool {
    p.response_bytes > 0 && p.response_bytes <= LITTLE_BYTES * u64::from(p.requests)
}

/// An answer of so few bytes is a mark and no content; some logs count its head too.
pub(super) const LITTLE_BYTES: u64 = 600;

/// Many visitors behind one address (an office, a carrier, a proxy in front that hides them):
/// several user agents that each come back, on many pages, with assets where the site has any.
/// A program that changes its user agent repeats one request, or asks for what is not there.
pub(super) fn is_shared(p: &ClientProfile) -> bool {
    let agents = distinct_agents(p);
    let pages = distinct_paths(p);
    let served = p.client_errors * 4 < p.requests;
    let browses = p.assets * 2 >= p.pages.max(1) && !is_after_one_file(p);
    let comes_back = agents * 3.0 <= f64::from(p.requests) && pages >= 8.0 && !is_hurried(p, agents);
    // At a door all ask for the same few pages: they follow its links, and are let in.
    let let_in = p.logins >= 3 && p.unauthorised * 3 <= p.logins && enters(p);
    let at_a_door = let_in && p.referrers * 2 >= p.requests && agents * 2.0 <= f64::from(p.requests);
    agents >= 3.5 && served && p.probes * 10 < p.requests && (browses || comes_back || at_a_door)
}

/// Asks for one file under ever other queries, and for no page that it could be a part of.
fn is_after_one_file(p: &ClientProfile) -> bool {
    let requests = f64::from(p.requests);
    p.requests >= 3
        && p.assets == p.requests
        && p.referrers == 0
        && bits_as_count(p.paths) < 1.5
        && bits_as_count(p.queries) >= 0.7 * requests.min(48.0)
}

/// Each of many behind one address comes back from a page of ours every few seconds, asks for the same few things
/// and is served, as a class does that votes or plays along. One who changes names to hide does so to send more
/// than that, and those who do it slowly are many, as classes are not.
fn is_class(p: &ClientProfile) -> bool {
    const EACH_PER_S: f64 = 0.25;
    const STAY_LEAST_S: f64 = 20.0;
    const QUESTIONS: f64 = 30.0;
    let agents = distinct_agents(p);
    let stay_s = p.last.since_s(p.first);
    let requests = f64::from(p.requests);
    stay_s >= STAY_LEAST_S
        && (3.5..AGENTS_TOLD_APART).contains(&agents)
        && agents * 3.0 <= requests
        && requests <= EACH_PER_S * agents * stay_s
        && (p.client_errors + p.server_errors) * 10 <= p.requests
        && p.referrers * 10 >= p.requests * 9
        && bits_as_count(p.queries) < QUESTIONS
}

/// What tells classes, of which there are few at a time.
pub(super) fn classes<'a>(
    profiles: impl Iterator<Item = &'a ClientProfile>,
) -> impl Fn(&ClientProfile) -> bool {
    const CLASSES_MOST: usize = 3;
    let are_few = profiles.filter(|p| is_class(p)).count() <= CLASSES_MOST;
    move |p| are_few && is_class(p)
}

/// How many people there are is known up to this number only.
const AGENTS_TOLD_APART: f64 = 120.0;

/// Asks for more in a second than so many people would: a program is behind the address as well.
fn is_hurried(p: &ClientProfile, agents: f64) -> bool {
    const PAGES_PER_S: f64 = 2.0;
    agents < AGENTS_TOLD_APART && f64::from(p.peak_per_s) > PAGES_PER_S * agents
}

/// Many visitors behind one address at work in pages of ours, as an office or a class is: what they ask for
/// names the page that it is asked from.
pub(super) fn works_in_pages(p: &ClientProfile) -> bool {
    is_shared(p) && p.assets > 0 && p.referrers * 10 >= p.requests * 8
}

/// What stands in front of a site for its visitors, such as the node of a CDN whose log names no client: it
/// is there all the time, and fetches pages of all kinds with their assets.
pub(super) fn is_node(p: &ClientProfile, seconds: f64) -> bool {
    /// So much of the time, of no less than this.
    const STAYS: f64 = 0.5;
    const TIME_LEAST_S: f64 = 60.0;
    seconds >= TIME_LEAST_S
        && p.last.since_s(p.first) >= STAYS * seconds
        && (p.is(AgentKind::Absent) || is_shared(p))
        && p.pages > 0
        && p.assets >= p.no_assets()
        && p.client_errors * 4 < p.requests
}

/// Sends ever other user agents, which no browser does.
pub(super) fn is_disguised(p: &ClientProfile) -> bool {
    let agents = distinct_agents(p);
    let own = f64::from(p.no_assets());
    let brings_no_parts = p.assets * 4 < p.requests || is_after_one_file(p);
    agents >= 2.5 && !is_shared(p) && brings_no_parts && (agents >= 5.0 || agents * 2.0 >= own)
}

/// Repeats one request, each time under another user agent.
pub(super) fn is_one_under_many_names(p: &ClientProfile) -> bool {
    let agents = distinct_agents(p);
    agents >= 7.5 && agents * 2.0 >= f64::from(p.requests.min(64)) && distinct_paths(p) < 2.5
}

/// Reads page after page, each about once, and nothing that pages are made of.
pub(super) fn is_copier(p: &ClientProfile) -> bool {
    let asked = p.asked();
    let different = distinct_paths(p);
    !is_declared(p)
        && !p.is(AgentKind::Service)
        && p.feeds * 2 < p.requests
        && !is_shared(p)
        && !is_transfer(p)
        && !fetches_parts(p)
        // Who sends referrers follows links, as people do.
        && asked >= if p.referrers * 2 < p.requests { 30.0 } else { 60.0 }
        // A program that takes a site as a whole takes the parts of its pages too, and may come again.
        && (f64::from(p.assets) * 10.0 < asked || p.is(AgentKind::Tool))
        && different >= if p.is(AgentKind::Tool) { 0.5 } else { 0.7 } * asked.min(60.0)
        && p.client_errors * 5 < p.requests
        && p.api * 2 < p.requests
        && p.writes * 5 < p.requests
        && p.logins == 0
        && p.probes * 10 < p.requests
}

/// Fetches file after file, all large: a backup, a mirror of archives, a download of recordings. Whoever
/// copies what a site says takes pages, which are small; a flood takes one file again and again.
pub(super) fn is_transfer(p: &ClientProfile) -> bool {
    const LARGE_BYTES: u64 = 200_000;
    const FILES_LEAST: u32 = 5;
    // Some logs tell no sizes.
    let is_large = p.response_bytes >= LARGE_BYTES * u64::from(p.requests)
        || (p.response_bytes == 0 && p.archives * 10 >= p.requests * 8);
    p.requests >= FILES_LEAST
        && is_large
        && distinct_paths(p) >= 0.5 * f64::from(p.requests.min(60))
        && p.client_errors * 5 < p.requests
        && p.probes == 0
        && p.peak_per_s <= WORK_PER_S
}

/// Works through a list by an interface for programs, each entry about once, with success: an
/// import, a synchronisation, a batch.
pub(super) fn is_batch(p: &ClientProfile) -> bool {
    // Numbered parts of a list may stand in the query.
    let numbered = p.numbered * 10 >= p.requests * 7;
    let queries = if numbered { bits_as_count(p.queries).min(f64::from(p.requests)) } else { 0.0 };
    let different = distinct_paths(p).max(queries);
    !p.is(AgentKind::Browser)
        && !p.is(AgentKind::Crawler)
        && (p.api * 10 >= p.requests * 7 || p.writes * 3 >= p.requests)
        && p.requests >= 10
        && different >= 0.7 * f64::from(p.requests.min(60))
        && (p.client_errors + p.server_errors) * 20 <= p.requests
        && distinct_agents(p) < 2.5
        && p.peak_per_s <= WORK_PER_S
}

/// Faster than this, in requests per second, nobody's program calls an interface for long.
const WORK_PER_S: f32 = 300.0;

/// A declared program at work: it uses an interface for programs, or is one that asks by trade, and
/// is served. Programs made to load or to scan are none.
pub(super) fn is_worker(p: &ClientProfile) -> bool {
    let by_trade = p.is(AgentKind::Service);
    // Who asks for packages by name asks for some that are not there.
    let refused = if by_trade { 0 } else { p.client_errors.saturating_sub(p.unauthorised) };
    let by_interface = (p.api + p.feeds) * 10 >= p.requests * 4 || p.writes * 10 >= p.requests * 7;
    (by_trade || ((p.is(AgentKind::Tool) || p.is(AgentKind::Application)) && by_interface))
        && !p.hostile_tool
        && distinct_agents(p) < 2.5
        && (refused + p.server_errors) * 10 <= p.requests
        && p.unauthorised * 2 <= p.requests
        && p.peak_per_s <= WORK_PER_S
}

/// Feeds and calendars that one client fetches in one go, at most.
pub(super) const FETCHED_MOST: u32 = 6;

/// A declared program that fetches a feed or a calendar now and then, or one page for its preview under a
/// name of its own: together, on the hour or for a link that many share, such are a tower of requests.
/// `common` are the names that come from everywhere.
pub(super) fn is_subscriber(p: &ClientProfile, common: &[u64]) -> bool {
    /// Pages fetched by one in one go, at most.
    const PREVIEWED_MOST: u32 = 3;
    let has_name = p.is(AgentKind::Application) || p.is(AgentKind::Crawler);
    // Nobody shows what is written, a log-in, or a hole.
    let looks = p.writes == 0 && p.logins == 0 && p.probes == 0;
    let previews = has_name && looks && p.requests <= PREVIEWED_MOST && !is_under(p, common);
    let subscribes = (has_name || p.is(AgentKind::Tool) || p.is(AgentKind::Service))
        && p.requests <= FETCHED_MOST
        && p.feeds * 10 >= p.requests * 7;
    (previews || subscribes) && !p.hostile_tool && (p.client_errors + p.server_errors) * 2 <= p.requests
}

/// A service that tells of events (a webhook's sender): it says which service it is, does nothing but write,
/// and most that it writes is taken: where much is told at once, some has to be told again. `common` are the
/// names that come from everywhere.
pub(super) fn tells_events(p: &ClientProfile, common: &[u64]) -> bool {
    (p.is(AgentKind::Service) || p.is(AgentKind::Crawler))
        && !p.hostile_tool
        && !is_under(p, common)
        && p.writes * 10 >= p.requests * 9
        && (p.client_errors + p.server_errors + p.unanswered) * 5 <= p.requests
}

/// A page left open in a browser, whose script asks for news: the same few things again and again, each
/// naming the page that asks, after the parts of that page were fetched.
pub(super) fn is_poller(p: &ClientProfile) -> bool {
    /// Pages ask for news this often, in requests per second, if they begin with several calls at once.
    const ASKS_PER_S: f32 = 10.0;
    /// Whoever fetched so many parts of a page has loaded it.
    const PARTS_LEAST: u32 = 3;
    /// One question, or two: who asks for pages of all kinds in turn does not wait for news.
    const QUESTIONS: f64 = 3.5;
    /// Or so few that each is asked this often.
    const OFTEN: f64 = 10.0;
    p.is(AgentKind::Browser)
        && distinct_agents(p) < 2.5
        && p.referrers * 10 >= p.requests * 8
        && p.assets > 0
        && (bits_as_count(p.asked_paths) <= QUESTIONS || bits_as_count(p.asked_paths) * OFTEN <= p.asked())
        && f64::from(p.peak_per_s) <= f64::from(ASKS_PER_S) * times_loaded(p)
        && (is_repeater(p) || (p.assets >= PARTS_LEAST && keeps_its_question(p)))
        && p.client_errors * 5 < p.requests
}

/// How often a page was loaded with its parts: as many browsers of one kind may be behind one address, as in a
/// class room. Whoever floods asks for no parts.
fn times_loaded(p: &ClientProfile) -> f64 {
    let parts = distinct_paths(p) - bits_as_count(p.asked_paths);
    (f64::from(p.assets) / parts.max(1.0)).max(1.0)
}

/// Asks for one thing some times more: not yet again and again.
pub(super) fn keeps_its_question(p: &ClientProfile) -> bool {
    let different = distinct_paths(p).max(bits_as_count(p.queries));
    is_repeater(p) || (p.asked() >= 3.0 && different < MANY_DIFFERENT && 2.0 * different <= p.asked())
}

/// A crawler by its word, at a pace that crawlers keep.
pub(super) fn is_crawler(p: &ClientProfile) -> bool {
    const CRAWLER_PER_S: f32 = 40.0;
    is_declared(p) && p.peak_per_s <= CRAWLER_PER_S
}

/// Says that it is a crawler, or, in a log without names, asks for the rules that crawlers keep.
fn is_declared(p: &ClientProfile) -> bool {
    p.is(AgentKind::Crawler) || (p.is(AgentKind::Absent) && p.rules > 0)
}

/// A page in a browser whose script calls an interface, asks for news, or fetches the parts of what it
/// shows: each call names the page that it is made from.
pub(super) fn is_page_script(p: &ClientProfile) -> bool {
    calls_interface(p) || is_poller(p) || fetches_parts(p) || opens_sockets(p)
}

/// A page that opens its socket again, after a restart of what it spoke with: it tries until it can.
fn opens_sockets(p: &ClientProfile) -> bool {
    p.is(AgentKind::Browser)
        && p.switched > 0
        && distinct_agents(p) < 2.5
        && bits_as_count(p.asked_paths) < 2.5
        && (p.switched + p.server_errors) * 10 >= p.no_assets() * 8
}

/// A page whose script calls again and again for what fails.
pub(super) fn is_failing_script(p: &ClientProfile) -> bool {
    let asked = p.no_assets();
    is_page_script(p) && asked >= 8 && p.server_errors * 2 >= asked
}

/// A page that fetches many parts at a time, under names that say nothing, such as the tiles of a map, and
/// rests while its reader looks at them. Copiers and floods do not rest.
fn fetches_parts(p: &ClientProfile) -> bool {
    const AT_ONCE: f32 = 8.0;
    /// Its busiest second holds so many times what a second of its visit holds.
    const RESTS: f64 = 2.0;
    /// One look, after which nothing more is asked for.
    const LOOK_S: f64 = 6.0;
    const LOOK_PARTS: f64 = 150.0;
    let visit_s = p.last.since_s(p.first).max(1.0);
    let rests = f64::from(p.peak_per_s) >= RESTS * p.asked() / visit_s;
    p.is(AgentKind::Browser)
        && distinct_agents(p) < 2.5
        && p.referrers * 10 >= p.requests * 9
        && p.peak_per_s >= AT_ONCE
        && (rests || (visit_s <= LOOK_S && p.asked() <= LOOK_PARTS))
        && distinct_paths(p) >= 0.6 * p.asked().min(60.0)
        && p.client_errors * 5 < p.requests
        && p.writes == 0
}

/// The script of a page that this client never loaded, as far as was seen.
pub(super) fn is_pageless_script(p: &ClientProfile) -> bool {
    calls_interface(p) && p.pages == 0 && p.assets == 0 && p.switched == 0
}

fn calls_interface(p: &ClientProfile) -> bool {
    /// What a page calls at once, at most.
    const CALLS_AT_ONCE: f32 = 40.0;
    let asked = p.no_assets();
    p.is(AgentKind::Browser)
        && distinct_agents(p) < 2.5
        && p.api * 10 >= asked * 7
        // A WebSocket names the page it belongs to in another field (RFC 6455 4.1).
        && (p.referrers + p.switched) * 2 >= p.requests
        && p.peak_per_s <= CALLS_AT_ONCE
        && p.client_errors * 5 < p.requests
}

/// A browser, by its word, that fetches no assets and never names where it comes from.
pub(super) fn is_bare_browser(p: &ClientProfile) -> bool {
    // Of many behind one address, nearly all.
    let few = if is_shared(p) { p.requests / 20 } else { 0 };
    // Among those some are no browsers.
    let is_browser = p.is(AgentKind::Browser) || (is_shared(p) && p.pages * 10 >= p.requests * 9);
    is_browser && p.assets <= few && p.referrers <= few && p.pages > 0 && !is_invited(p)
}

/// Hashes of the names of crawlers that come from everywhere, sorted: whoever crawls has few
/// networks of its own, and such a name is only borrowed.
pub(super) fn borrowed_names<'a>(profiles: impl Iterator<Item = &'a ClientProfile>) -> Vec<u64> {
    common_names(profiles.filter(|p| p.is(AgentKind::Crawler)))
}

/// Hashes of the names that come from more networks than any one owner has, sorted.
pub(super) fn common_names<'a>(named: impl Iterator<Item = &'a ClientProfile>) -> Vec<u64> {
    let mut seen: Vec<(u64, u64)> =
        named.filter_map(|p| Some((p.agent_low, wide_network(p.client?)))).collect();
    seen.sort_unstable();
    seen.dedup();
    seen.chunk_by(|a, b| a.0 == b.0)
        .filter(|networks| networks.len() > CRAWLER_NETWORKS_MOST)
        .map(|networks| networks[0].0)
        .collect()
}

/// Whether a client sends under one of these names.
pub(super) fn is_under(p: &ClientProfile, names: &[u64]) -> bool {
    names.binary_search(&p.agent_low).is_ok()
}

/// Networks (/16, /32) that one crawler comes from, at most.
pub(super) const CRAWLER_NETWORKS_MOST: usize = 24;

/// The network of a size that one company may own.
pub(super) fn wide_network(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(v4) => u64::from(u32::from(v4) >> 16),
        IpAddr::V6(v6) => (u128::from(v6) >> 96) as u64,
    }
}

/// Whether most clients that send under an application's name send under a browser's too: an
/// application beside, or inside, the pages of a site.
pub(super) fn are_beside_people<'a>(profiles: impl Iterator<Item = &'a ClientProfile>) -> bool {
    let (mut beside, mut all) = (0, 0);
    for p in profiles.filter(|p| p.is(AgentKind::Application)) {
        all += 1;
        beside += u32::from((1.5..4.5).contains(&distinct_agents(p)));
    }
    beside * 2 > all
}

/// A bitmap that says so many is full, and they may be any number.
const MANY_DIFFERENT: f64 = 150.0;

/// Asks for the same few things again and again.
pub(super) fn is_repeater(p: &ClientProfile) -> bool {
    let different = distinct_paths(p) + bits_as_count(p.queries);
    p.asked() >= 8.0 && different < MANY_DIFFERENT && 4.0 * different <= p.asked()
}

fn distinct_agents(p: &ClientProfile) -> f64 {
    bits_as_count(p.agents).min(f64::from(p.requests))
}

fn distinct_paths(p: &ClientProfile) -> f64 {
    bits_as_count(p.paths).min(f64::from(p.requests))
}

#[cfg(test)]
mod tests;
