//! Requests: floods of them, what hides among them, and what only looks like a flood.
//!
//! Sources of the traits: Jung, Krishnamurthy and Rabinovich, "Flash Crowds and Denial of Service
//! Attacks" (WWW 2002) for crowds against floods (new networks, requests per client, files asked
//! for); Little's law for overload against lost capacity; OWASP OAT-007/008 (credentials),
//! OAT-011 (scraping), OAT-014 (vulnerability scanning).

use super::{CauseRules, causes};
use crate::shape::Shape::{Above, AboveUnexpected, Below, Exceeds, Falls, Flat, Lacks, Rises, Shifts};

pub const TABLE: &[CauseRules] = causes! {
    HttpFlood prior -2.0
        needs [RequestCount Above(30.0, 60.0), DisguisedRequests Above(9.0, 14.0), MessageRate Above(8.0, 40.0)]
        needs [PageRate Above(3.0, 10.0), DisguisedRequests Above(9.0, 14.0), MessageRate Above(8.0, 40.0)]
        needs [PageRate Above(10.0, 40.0), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3), UserAgentRotation Above(0.1, 0.4), ReferrerRotation Above(0.2, 0.6), RandomTextShare Exceeds(0.1, 0.4), DisguisedRequests Above(9.0, 14.0), MessageRate Above(8.0, 40.0)]
        needs [PageRate Above(20.0, 70.0), ClientCount Above(100.0, 400.0), PeakRequestsPerClient Above(4.0, 15.0), BareBrowserRate Above(8.0, 25.0), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3), UserAgentRotation Above(0.1, 0.4), ReferrerRotation Above(0.2, 0.6), DurationMedian AboveUnexpected(1e6, 5e6), InvalidRequestShare Above(0.1, 0.4), DisguisedRequests Above(9.0, 14.0), MessageRate Above(8.0, 40.0)]
        needs [BatchShare Below(0.8, 0.4), MessageRate Above(8.0, 40.0)]
        needs [BatchExcess Below(0.9, 0.6), JudgedTime Above(0.0, 0.5), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.05, 0.2), MessageRate Above(8.0, 40.0)]
        needs [WorkerShare Below(0.8, 0.4), NewWorkerCount Above(10.0, 40.0), PageRate Above(200.0, 500.0), ServiceTimeRatio Above(2.0, 5.0), ServerErrorShare Exceeds(0.1, 0.3), MessageRate Above(8.0, 40.0)]
        needs [TopClientExcess Below(0.8, 0.5), JudgedTime Above(0.0, 0.5), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.05, 0.2), ClientErrorShare Exceeds(0.1, 0.4), RepeatedExcess Above(0.5, 0.8), RandomTextShare Exceeds(0.1, 0.4), PeakRequestsPerClient Above(60.0, 150.0), MachineClientShare Exceeds(0.15, 0.5), BareBrowserShare Exceeds(0.2, 0.5), UserAgentRotation Above(0.1, 0.4), DisguisedRequests Above(9.0, 14.0), ToolShare Exceeds(0.2, 0.6), InvalidRequestShare Above(0.1, 0.4), MessageRate Above(8.0, 40.0)]
        needs [RequestTimeoutShare Below(0.5, 0.2), MessageRate Above(8.0, 40.0)]
        needs [LoopShare Below(0.4, 0.2), JudgedTime Above(0.0, 0.5), MessageRate Above(8.0, 40.0)]
        needs [OwnLoadShare Below(0.6, 0.3), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3), MessageRate Above(8.0, 40.0)]
        needs [InvitedShare Below(0.4, 0.2), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3), MessageRate Above(8.0, 40.0)]
        needs [RequestCount Above(30.0, 60.0), DisguisedRequests Above(9.0, 14.0), PeakMessagesPerClient Above(3.0, 12.0), MessageRate Rises(1.5, 4.0), ConnectionRate Above(3.0, 20.0)]
        needs [MessageRate Above(8.0, 40.0), PageRate AboveUnexpected(150.0, 400.0), BareBrowserShare AboveUnexpected(0.4, 0.8), BareBrowserShare Exceeds(0.2, 0.5), FamiliarExcess Below(0.2, 0.03), MachineClientShare Above(0.1, 0.3), AssetlessClientShare Exceeds(0.1, 0.3), AssetlessClientShare AboveUnexpected(0.3, 0.7), AssetsPerPage Lacks(0.3, 1.5), PeakRequestsPerClient Above(6.0, 20.0), UserAgentRotation Above(0.1, 0.4), ReferrerRotation Above(0.2, 0.6), TopUserAgentShare Exceeds(0.15, 0.4), ToolShare Exceeds(0.1, 0.4), TopFingerprintShare Exceeds(0.1, 0.4), TopPathShare Exceeds(0.1, 0.4), TopPathShare AboveUnexpected(0.6, 0.95), RandomTextShare Exceeds(0.1, 0.4), InvalidRequestShare Above(0.1, 0.4), InvalidVersionShare Above(0.05, 0.2), PostShare Exceeds(0.1, 0.4)]
        needs [PageRate Rises(1.3, 2.5), PageRate AboveUnexpected(8.0, 60.0), PeakRequestsPerClient Above(8.0, 30.0), DisguisedRequests Above(9.0, 14.0), MessageRate Rises(2.0, 5.0), PeakMessagesPerClient Above(40.0, 160.0), UniformMessageShare AboveUnexpected(0.4, 0.8), UniformMessageShare Exceeds(0.15, 0.45)]
    {
        ReopenedShare Above(0.4, 0.8), -6.0 "visitors open again what they had open, a few each";
        MessageRate AboveUnexpected(15.0, 300.0), 3.0 "many messages a second to web services";
        MessageRate Rises(1.3, 3.0), 2.5 "more messages than before";
        MessageRate Rises(2.0, 10.0), 2.0 "far more messages than before";
        TlsHelloRate Rises(4.0, 14.0), 2.0 "far more clients begin TLS than before";
        PeakMessagesPerClient Above(40.0, 160.0), 2.5 "no page is made of so many parts";
        ConnectionsPerClient Above(30.0, 200.0), 1.0 "one client keeps coming back";
        UniformMessageShare AboveUnexpected(0.3, 0.7), 3.0 "they are all of one length, as one request sent again and again";
        UniformMessageShare Exceeds(0.15, 0.45), 4.0 "their lengths used to differ more";
        UniformMessageShare Below(0.2, 0.08), -3.0 "they are of all lengths, as the requests of browsers are";
        Http2AbuseRate Above(5.0, 50.0), -5.0 "streams are reset at once, which has a name of its own";
        PageRate Rises(2.0, 10.0), 2.5 "far more requests than before";
        PageRate AboveUnexpected(6.0, 150.0), 2.5 "many requests a second";
        PageRate AboveUnexpected(120.0, 300.0), 2.5 "few sites are asked so much";
        JudgedTime Above(240.0, 1500.0), -3.0 "it was like this all the time";
        BareBrowserShare AboveUnexpected(0.4, 0.9), 3.0 "its browsers fetch nothing that pages are made of, and come from nowhere";
        BareBrowserShare Exceeds(0.2, 0.6), 2.0 "its browsers fetch nothing that pages are made of, and come from nowhere";
        PeakRequestsPerClient AboveUnexpected(6.0, 40.0), 3.0 "no person asks for so many pages in one second";
        PeakRequestsPerClient Above(8.0, 50.0), 1.5 "no person asks for so many pages in one second";
        PeakRequestsPerClient Rises(2.0, 8.0), 1.5 "one client asks faster than any did before";
        MachineClientShare Exceeds(0.15, 0.7), 3.0 "its clients fetch pages and nothing that pages are made of";
        MachineClientShare AboveUnexpected(0.3, 0.9), 3.0 "its clients fetch pages and nothing that pages are made of";
        MachineClientShare Below(0.05, 0.0), -1.0 "no client behaves like a program";
        NewClientShare Above(0.6, 0.95), 1.5 "nearly all clients were never seen before";
        AssetlessClientShare Exceeds(0.15, 0.5), 2.5 "clients that used to fetch assets are outnumbered by ones that do not";
        AssetsPerPage Lacks(0.3, 1.5), 2.0 "pages are fetched without their assets";
        AssetsPerPage Flat(1.5), -3.0 "pages are fetched with their assets, as browsers do";
        AssetsPerPage Above(0.8, 2.5), -3.0 "clients fetch assets, as browsers do";
        BrowsingShare Above(0.75, 0.95), -2.5 "nearly all of it comes from clients that fetch the parts of pages too";
        TopUserAgentShare Exceeds(0.15, 0.5), 1.5 "one user agent dominates";
        UserAgentRotation Above(0.1, 0.5), 2.5 "clients change their user agent as they go";
        TopFingerprintShare Exceeds(0.15, 0.5), 1.5 "one program's fingerprint dominates";
        TopPathShare Exceeds(0.1, 0.5), 1.0 "one path draws the requests";
        TopPathShare AboveUnexpected(0.6, 0.95), 1.0 "nearly all ask for one path";
        ToolShare Exceeds(0.1, 0.5), 1.5 "load tools and libraries dominate";
        ServerErrorShare Exceeds(0.02, 0.2), 0.75 "the service fails under it";
        DurationP95 Rises(2.0, 8.0), 0.75 "answers slow down under it";
        ReferrerRotation Above(0.2, 0.6), 1.5 "referrers are drawn at random";
        InvalidVersionShare Above(0.05, 0.2), 1.0 "programs speak wrong HTTP";
        ReturningShare Above(0.35, 0.75), -4.0 "most of it comes from clients that were here before";
        CrawlerShare Above(0.4, 0.8), -5.0 "most say which crawler they are";
        CrawlerExcess Above(0.4, 0.8), -5.0 "what came on top says which crawler it is";
        NewWorkerCount Above(10.0, 60.0), 3.0 "many programs that were never here come at once";
        WatchExcess Above(0.5, 0.9), -4.0 "monitors look whether the service is up";
        WorkerShare Above(0.7, 0.95), -2.0 "programs use an interface, as programs do, and are served";
        LoginAttemptShare Above(0.2, 0.6), -3.0 "they try to log in";
        GuesserShare Above(0.3, 0.8), -3.0 "its clients do nothing but log in, and are refused";
        ProberShare Above(0.3, 0.7), -4.0 "they look for holes";
        SequentialWalkShare Above(0.3, 0.7), -4.0 "they take item after item of a range of numbers";
        TopReferrerShare Exceeds(0.2, 0.6), -1.5 "people come from one place that linked here";
        DistinctQueryShare Above(0.6, 0.9), -3.0 "random queries make it a flood past the cache";
        PagelessScriptShare Exceeds(0.3, 0.7), 2.0 "they call as the scripts of pages do, which they never loaded";
        EnteredShare Above(0.6, 0.9), -2.0 "who logs in gets in and goes on";
        InsideShare Above(0.4, 0.8), -5.0 "its clients log in and get in, so that they have accounts here";
        LostLoginRate Above(1.0, 5.0), -4.0 "they log in and do not go on";
        RequestTimeoutShare Above(0.1, 0.3), -5.0 "the requests are begun and never finished";
        RequestTimeoutShare Exceeds(0.04, 0.12), -3.0 "requests used to be finished";
        SlowConnectionShare Above(0.2, 0.6), -5.0 "the connections are slow, not many";
        DisguisedRequests Above(9.0, 40.0), 3.0 "one request is sent again and again under other names";
        OwnProgramExcess Above(0.4, 0.9), -5.0 "a program that always came here sends what came on top";
        OwnNetworkExcess Above(0.4, 0.9), -4.0 "machines of our own network send what came on top";
        NewAgentExcess Above(0.7, 1.0), 0.75 "what came on top has user agents never seen here";
        CopierShare Above(0.3, 0.7), -4.0 "its clients read page after page, each once";
        HiddenClientShare Exceeds(0.3, 0.8), -2.0 "many visitors stand behind one address";
        HiddenClientShare AboveUnexpected(0.3, 0.8), -2.0 "many visitors stand behind one address";
        TypingShare Above(0.2, 0.6), -2.0 "people type, and the page asks at every key";
        InvalidRequestShare Above(0.2, 0.7), 3.0 "it is no valid HTTP";
        ProbePathShare Above(0.04, 0.2), -4.0 "they ask for what only scanners ask for";
        LoopShare Above(0.15, 0.4), -6.0 "what used to be answered sends its clients elsewhere, so they ask again";
        PollShare Above(0.3, 0.7), -4.0 "pages that are open ask for news";
        FailingScriptShare Above(0.2, 0.6), -3.0 "pages that are open call again and again for what fails";
        SubscriberShare Above(0.3, 0.7), -5.0 "programs fetch what they subscribe to, each once";
        BatchExcess Above(0.5, 0.9), -5.0 "programs work through a list, or fetch what they subscribe to";
        CopyExcess Above(0.5, 0.85), -3.0 "page after page is read, each about once";
        EventShare Above(0.4, 0.8), -4.0 "services tell of events, and are heard";
        OrderedShare Above(0.2, 0.5), -4.0 "items are taken in the order of their numbers";
        TransferShare Above(0.3, 0.7), -4.0 "a few clients fetch large files, each once";
        PollRise Above(3.0, 10.0), -3.0 "pages that were open before ask far more often than they did";
    }
    CacheBusting prior -2.5
        needs [RequestCount Above(30.0, 60.0)]
        needs [OwnLoadShare Below(0.6, 0.3), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3)]
        needs [InvitedShare Below(0.4, 0.2), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3)]
        needs [PageRate Above(1.5, 8.0)]
        needs [BatchShare Below(0.8, 0.4)]
        needs [TypingShare Below(0.6, 0.3)]
        needs [DistinctQueryShare Above(0.3, 0.6), RandomTextShare Above(0.4, 0.7)]
        needs [PageRate Above(12.0, 40.0), PeakRequestsPerClient Above(8.0, 30.0), MachineClientShare Above(0.3, 0.6), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.1, 0.3)]
        needs [WorkerShare Below(0.8, 0.4), PageRate Above(120.0, 300.0), ServiceTimeRatio Above(2.0, 5.0), ServerErrorShare Exceeds(0.1, 0.3)]
        needs [MachineClientShare Above(0.05, 0.25), AssetlessClientShare Exceeds(0.1, 0.3), AssetlessClientShare AboveUnexpected(0.3, 0.7), PeakRequestsPerClient Above(8.0, 40.0), PageRate Above(60.0, 150.0), PastTheCacheShare Exceeds(0.2, 0.5)]
    {
        PageRate Rises(2.0, 10.0), 2.5 "far more requests than before";
        PageRate AboveUnexpected(6.0, 150.0), 2.5 "many requests a second";
        DistinctQueryShare Above(0.5, 0.9), 2.0 "hardly a query is sent twice, so no cache can answer";
        DistinctQueryShare Exceeds(0.2, 0.6), 1.5 "far more one-time queries than before";
        RandomTextShare Above(0.3, 0.8), 2.5 "paths or queries are drawn at random";
        RandomTextShare Exceeds(0.2, 0.6), 1.0 "random text was rare before";
        RandomTextShare Below(0.2, 0.05), -1.5 "nothing in them is drawn at random";
        SearchedExcess Above(0.5, 0.85), -3.0 "they search, and searches always differed";
        PeakRequestsPerClient Above(6.0, 40.0), 2.0 "no person asks for so many pages in one second";
        MachineClientShare Above(0.2, 0.8), 2.0 "its clients fetch pages and nothing that pages are made of";
        ReturningShare Above(0.35, 0.75), -3.0 "most of it comes from clients that were here before";
        SequentialWalkShare Above(0.3, 0.8), -4.0 "they take item after item of a range of numbers";
        ReopenedShare Above(0.4, 0.8), -6.0 "visitors open again what they had open, a few each";
        PastTheCacheShare Exceeds(0.2, 0.6), 2.5 "files are asked for under ever other queries, past every cache";
        CacheHitShare Lacks(0.1, 0.5), 2.0 "the cache stopped helping";
        RepeaterShare Above(0.3, 0.7), -5.0 "its clients ask for the same again and again, which caches hold";
        JudgedTime Above(240.0, 1500.0), -3.0 "it was like this all the time";
        NewClientShare Above(0.6, 0.95), 1.0 "nearly all clients were never seen before";
        UserAgentRotation Above(0.15, 0.6), 1.0 "clients change their user agent as they go";
        AssetsPerPage Above(1.5, 4.0), -2.5 "clients fetch assets, as browsers do";
        CrawlerShare Above(0.4, 0.8), -3.0 "most say which crawler they are";
        ProberShare Above(0.6, 0.95), -1.0 "they look for holes";
        OwnProgramExcess Above(0.4, 0.9), -3.0 "a program that always came here sends what came on top";
        InvalidRequestShare Above(0.2, 0.7), -4.0 "it is no valid HTTP, which no cache holds";
        ProbePathShare Above(0.04, 0.2), -4.0 "they ask for what only scanners ask for";
        LoopShare Above(0.15, 0.4), -5.0 "what used to be answered sends its clients elsewhere, so they ask again";
        BatchExcess Above(0.5, 0.9), -5.0 "programs work through a list, or fetch what they subscribe to";
    }
    ExpensiveEndpoint prior -2.5
        needs [RequestCount Above(25.0, 60.0)]
        needs [CostConcentration Above(0.4, 0.7)]
        needs [RequestTimeoutShare Below(0.5, 0.2)]
        needs [CostPathRise Above(1.3, 2.5), CostConcentration AboveUnexpected(0.7, 0.95)]
        needs [CostPathWeight Above(1.5, 4.0), DurationMedian AboveUnexpected(1e5, 4e5)]
        needs [DurationP95 Rises(1.2, 2.0), ServiceTimeRatio Above(1.2, 2.0), ServerErrorShare Exceeds(0.03, 0.15), DurationMedian AboveUnexpected(1e5, 4e5), CostPathWeight Above(3.0, 8.0)]
        needs [PageRate Rises(1.15, 1.6), PageRate AboveUnexpected(5.0, 40.0), MachineClientShare Above(0.2, 0.6), CostPathHold AboveUnexpected(2.0, 6.0)]
        needs [MachineClientShare Above(0.05, 0.25), AssetlessClientShare Exceeds(0.1, 0.3), AssetlessClientShare AboveUnexpected(0.3, 0.7), PeakRequestsPerClient Above(8.0, 40.0), CostPathHold Above(2.0, 6.0), BareBrowserShare Exceeds(0.1, 0.3)]
        needs [LoginAttemptShare Below(0.35, 0.1)]
        needs [BatchExcess Below(0.9, 0.6), ServiceTimeRatio Above(1.5, 4.0), ServerErrorShare Exceeds(0.05, 0.2)]
        needs [BatchShare Below(0.8, 0.4)]
        needs [WorkerShare Below(0.8, 0.4), PageRate Above(120.0, 300.0), ServiceTimeRatio Above(2.0, 5.0), ServerErrorShare Exceeds(0.1, 0.3)]
        needs [TypingShare Below(0.6, 0.3)]
    {
        JudgedTime Above(240.0, 1500.0), -3.0 "it was like this all the time";
        ReopenedShare Above(0.4, 0.8), -6.0 "visitors open again what they had open, a few each";
        CostPathRise Above(1.6, 5.0), 2.5 "the costliest path is asked for far more often";
        CostPathWeight Above(2.0, 8.0), 1.5 "it costs far more than other requests";
        RequestTimeoutShare Above(0.1, 0.3), -4.0 "requests are begun and never finished";
        RequestTimeoutShare Exceeds(0.04, 0.12), -3.0 "requests used to be finished";
        SlowConnectionShare Above(0.2, 0.6), -2.5 "the connections are slow, not many";
        RandomTextShare Above(0.4, 0.8), -2.0 "random text makes it a flood past the cache";
        AssetsPerPage Above(1.0, 2.5), -3.0 "clients fetch assets, as browsers do";
        CostPathRise Below(1.4, 1.0), -2.5 "the costly path is asked for as often as ever";
        CostConcentration Exceeds(0.15, 0.5), 2.0 "one costly path takes most of the working time";
        CostConcentration Above(0.5, 0.9), 0.75 "one costly path takes most of the working time";
        CostConcentration AboveUnexpected(0.7, 0.95), 1.5 "one costly path takes most of the working time";
        TopPathShare Exceeds(0.1, 0.4), 1.5 "the costly path draws the requests";
        DurationP95 Rises(2.0, 8.0), 1.5 "answers slow down";
        DurationP95 Below(8e4, 4e4), -2.5 "even the slowest answers come at once";
        ServerErrorShare Exceeds(0.02, 0.2), 0.75 "the service fails under it";
        MachineClientShare Above(0.2, 0.8), 2.0 "its clients behave like programs";
        AssetlessClientShare Exceeds(0.15, 0.5), 2.0 "its clients fetch nothing that pages are made of";
        NewClientShare Above(0.5, 0.9), 1.5 "nearly all clients were never seen before";
        PeakRequestsPerClient Above(3.0, 20.0), 1.0 "no person asks so often";
        CostPathHold Above(2.0, 8.0), 2.5 "one client waits for many of them at once, as no person does";
        PageRate Rises(1.2, 3.0), 1.5 "more requests than before";
        PageRate Rises(8.0, 30.0), -3.5 "the sheer number explains it";
        CostPathHold Above(8.0, 60.0), 1.5 "and each of them takes so long that it is not their number";
        AssetsPerPage Flat(1.5), -2.5 "pages are fetched with their assets, as browsers do";
        SlowReads Above(8.0, 40.0), -5.0 "answers are there, and their readers take them at a trickle";
        LostLoginRate Above(0.5, 3.0), -3.0 "they log in and do not go on";
        LoginAttemptShare Above(0.08, 0.25), -4.0 "they try to log in";
        ReturningShare Above(0.35, 0.75), -3.0 "most of it comes from clients that were here before";
        GuesserShare Above(0.1, 0.3), -6.0 "its clients try one thing after another and are refused";
        SequentialWalkShare Above(0.3, 0.8), -2.0 "they take item after item of a range of numbers";
        OwnProgramExcess Above(0.4, 0.9), -3.0 "a program that always came here sends what came on top";
        CopierShare Above(0.3, 0.8), -2.0 "its clients read page after page, each once";
        LoopShare Above(0.15, 0.4), -5.0 "what used to be answered sends its clients elsewhere, so they ask again";
        BatchExcess Above(0.5, 0.9), -5.0 "programs work through a list, or fetch what they subscribe to";
        CopyExcess Above(0.5, 0.85), -2.0 "page after page is read, each about once";
    }
    SlowHttp prior -2.0
        needs [SlowConnections Above(4.0, 25.0), RequestTimeoutShare Above(0.08, 0.3), RequestTimeoutShare Exceeds(0.02, 0.08)]
    {
        RequestTimeoutShare Exceeds(0.03, 0.12), 3.0 "requests used to be finished";
        SlowConnections Above(8.0, 100.0), 3.5 "connections are held open by requests that never end";
        SlowConnectionShare Above(0.1, 0.6), 2.0 "most connections are of that kind";
        RequestTimeoutShare Above(0.05, 0.3), 4.0 "requests are begun and never finished";
        SlowPerClient Above(3.0, 20.0), 2.0 "one client holds many of them";
        ConnectionsPerClient Above(8.0, 60.0), 1.0 "one client holds many";
        RequestsPerClient Above(8.0, 60.0), 1.5 "each of its clients tries again and again";
        PacketRate Below(2000.0, 100.0), 0.75 "few packets are needed for it";
        TopClientShare Above(0.3, 0.9), 1.0 "few clients do it";
        NewClientShare Above(0.5, 0.9), 1.0 "nearly all clients were never seen before";
        PeakRequestRate Above(5.0, 50.0), 0.75 "many give up in the same second";
    }
    SlowHttp prior -2.0
        needs [SlowReads Above(6.0, 30.0)]
        needs [SlowReadsPerClient Above(3.0, 10.0)]
    {
        SlowReads Above(8.0, 80.0), 4.5 "answers are held open by readers who take them at a trickle";
        SlowReadsPerClient Above(4.0, 25.0), 4.0 "one client holds many of them";
        NewClientShare Above(0.5, 0.9), 0.75 "nearly all clients were never seen before";
    }
    CredentialAbuse prior -2.0
        needs [LoginConnections Above(3.0, 9.0), AdminLoginRate Above(0.2, 1.0), FailedLogins Above(3.0, 12.0), GuesserRequests Above(4.0, 15.0), LoginAttemptShare Above(0.1, 0.4), LostLoginRate Above(0.5, 3.0)]
    {
        LoginConnections Above(3.5, 12.0), 4.0 "short connections to a service that asks for a password, again and again";
        AdminLoginRate Above(0.25, 2.5), 3.5 "short connections to terminals and desktops, far more than their users make";
        AdminLoginRate Rises(3.0, 12.0), 1.5 "there were far fewer before";
        AdminClientCount Above(4.0, 30.0), 1.5 "many addresses do nothing else";
        EmptyConnectionShare Above(0.3, 0.8), -3.0 "nothing is said on them";
        FailedLogins Above(4.0, 25.0), 3.5 "log-in after log-in fails";
        LoginGuesserShare Above(0.3, 0.8), 2.5 "those who fail hardly ever succeed";
        GuessedNames Above(3.0, 12.0), 1.0 "one address tries name after name";
        GuesserRequests Above(5.0, 30.0), 3.0 "log-in after log-in by clients that do nothing else";
        GuesserCount Above(0.0, 1.0), 1.0 "some clients do nothing but log in";
        GuesserShare Above(0.1, 0.6), 2.0 "most traffic is log-ins";
        LoginAttemptShare Above(0.2, 0.7), 2.0 "log-ins are most of the traffic";
        LoginAttemptShare Exceeds(0.05, 0.3), 1.5 "log-ins were rarer before";
        UnauthorisedShare Above(0.2, 0.8), 1.5 "they are refused";
        ConnectionsPerClient Above(4.0, 15.0), 1.5 "one client comes back again and again";
        TopClientShare Above(0.3, 0.8), 1.0 "few clients do it";
        RequestRate Above(200.0, 2000.0), -2.0 "guessing needs no such rate";
        ConnectionRate Above(200.0, 2000.0), -2.0 "guessing needs no such rate";
        PortFanOut Above(10.0, 40.0), -2.0 "port after port is tried";
        ProberShare Above(0.5, 0.9), -1.0 "they look for holes";
        RequestTimeoutShare Above(0.1, 0.3), -3.0 "requests are begun and never finished";
        RequestTimeoutShare Exceeds(0.04, 0.12), -2.0 "requests used to be finished";
        SlowConnections Above(8.0, 60.0), -3.0 "requests are begun and never finished";
        LoginFailureRate Above(0.2, 3.0), 1.5 "log-ins fail faster than people mistype";
        BrokenShare Above(0.15, 0.5), -4.0 "so does what used to succeed and is no log-in";
        LoginFailureRate Rises(3.0, 12.0), 1.5 "more log-ins fail than before";
        BarredShare Above(0.6, 0.85), -5.0 "nobody gets in any more, whoever used to";
        EnteredShare Above(0.6, 0.9), -5.0 "who logs in gets in and goes on";
        EnteredShare Below(0.15, 0.03), 2.0 "hardly anybody who logs in gets in and goes on";
        LostLoginRate Rises(3.0, 12.0), 2.5 "far more log in without going on than before";
        PagelessScriptShare Exceeds(0.3, 0.7), 2.0 "they call as the scripts of pages do, which they never loaded";
        OwnProgramExcess Above(0.4, 0.9), -3.0 "a program that always came here sends what came on top";
    }
    Scraping prior -2.0
        needs [RequestCount Above(30.0, 80.0)]
        needs [WalkerRequests Above(15.0, 60.0), CopierRequests Above(20.0, 60.0), MachineClientShare Above(0.3, 0.8), CopyExcess Above(0.4, 0.8), OrderedShare Above(0.1, 0.3)]
        needs [WalkerRequests Above(15.0, 60.0), CopierRequests Above(20.0, 60.0), MachineClientShare Above(0.3, 0.8), BareBrowserShare Above(0.3, 0.6), AssetlessClientShare Above(0.3, 0.6), OrderedShare Above(0.3, 0.7)]
        needs [BatchShare Below(0.8, 0.4)]
    {
        CopyExcess Above(0.5, 0.85), 3.5 "what came on top is page after page, each about once";
        NewClientShare Above(0.8, 0.98), 1.0 "nearly all clients were never seen before";
        OrderedShare Above(0.15, 0.5), 3.5 "items are taken in the order of their numbers, whoever asks";
        OwnNetworkExcess Above(0.4, 0.9), -8.0 "machines of our own network send what came on top";
        BareBrowserShare Exceeds(0.2, 0.6), 1.0 "its browsers fetch nothing that pages are made of, and come from nowhere";
        AssetlessClientShare Exceeds(0.15, 0.5), 1.0 "clients that used to fetch assets are outnumbered by ones that do not";
        LoopShare Above(0.15, 0.4), -5.0 "what used to be answered sends its clients elsewhere, so they ask again";
        WalkerRequests Above(20.0, 150.0), 3.5 "a client takes item after item of a range of numbers";
        WalkerCount Above(0.0, 1.0), 1.5 "some clients do nothing else";
        SequentialWalkShare Above(0.05, 0.5), 2.0 "much of the traffic is such walks";
        MachineClientShare Above(0.2, 0.8), 1.5 "its clients fetch pages and nothing that pages are made of";
        DistinctPathShare Above(0.4, 0.9), 1.5 "hardly a page is asked for twice";
        DistinctPathShare Exceeds(0.15, 0.5), 1.0 "pages are read that hardly anyone reads";
        TopUrlShare Above(0.3, 0.8), -3.0 "one page draws the requests; copying takes them all";
        DurationP95 Rises(6.0, 30.0), -2.5 "whoever copies a site lets it live";
        MovedShare Above(0.4, 0.8), -4.0 "answers send clients elsewhere, and nothing is copied";
        NotFoundShare Above(0.3, 0.8), -2.0 "what they ask for is not there";
        RandomTextShare Above(0.4, 0.8), -2.5 "paths or queries are drawn at random";
        PeakRequestsPerClient Above(20.0, 100.0), -4.0 "copying needs no such rate";
        PageRate Rises(10.0, 30.0), -5.0 "whoever copies a site leaves room for others";
        ServerErrorShare Exceeds(0.1, 0.4), -1.0 "whoever copies wants the answers";
        CrawlerShare Above(0.3, 0.7), -6.0 "most say which crawler they are";
        ProberShare Above(0.3, 0.8), -2.0 "they look for holes";
        CopierShare Above(0.1, 0.6), 3.0 "its clients read page after page, each once";
        CopierRequests Above(30.0, 200.0), 1.5 "its clients read page after page, each once";
        CopierShare Exceeds(0.1, 0.5), 1.0 "hardly anyone did so before";
        ProbePathShare Above(0.04, 0.2), -3.0 "they ask for what only scanners ask for";
    }
    ReleaseFault prior -2.5
        needs [ServerErrorShare Shifts(3.0, 6.0), ServerErrorShare AboveUnexpected(0.2, 0.6), ClientErrorShare Shifts(4.0, 8.0)]
    {
        CheckErrorShare Above(0.5, 0.9), -5.0 "only health checks fail, and visitors are served";
        LostPartsShare Exceeds(0.03, 0.12), 4.0 "parts of pages are missing that pages name, as of a release that is not whole";
        RequestRate Rises(2.5, 8.0), -2.0 "there are far more requests than before";
        ServerErrorShare Shifts(3.0, 8.0), 2.0 "requests fail that used to succeed";
        ServerErrorShare Exceeds(0.03, 0.25), 1.5 "many of them";
        ServerErrorShare AboveUnexpected(0.2, 0.7), 2.0 "many requests fail";
        ErrorPathConcentration Below(0.6, 0.25), 1.0 "they fail on many paths";
        PageRate Flat(1.5), 1.5 "no more requests than before";
        NewClientShare Below(0.7, 0.4), 1.0 "the clients are the ones that always come";
        AssetsPerPage Flat(1.6), 0.5 "browsers are browsers still";
        PageRate Rises(2.5, 8.0), -3.0 "there are far more requests than before";
        GatewayErrorShare Exceeds(0.1, 0.4), -1.5 "the proxy found no healthy server";
        UpstreamFailureShare Exceeds(0.1, 0.4), -1.5 "servers do not answer at all";
        ServerDownEvents Above(0.5, 2.0), -1.5 "a server is down";
        ServiceTimeRatio Above(3.0, 10.0), -1.0 "a slow supplier explains it";
        MachineClientShare Above(0.3, 0.8), -1.5 "most requests come from programs";
        BrokenShare Above(0.04, 0.25), 1.5 "what used to succeed fails";
        BrokenShare Below(0.03, 0.0), -1.5 "what used to succeed still does";
        BarredShare Above(0.6, 0.85), 3.0 "nobody gets in any more, whoever used to";
        BackendSkew Above(0.06, 0.3), -2.0 "one server fails and the others do not";
        QueueTime Above(2e5, 1e6), -2.0 "requests fail for want of a free server";
        ReopenedShare Above(0.4, 0.8), 4.0 "what was open broke off for all at once, as when servers are restarted";
        OwnProgramExcess Above(0.4, 0.9), -1.5 "a program of our own asks far more than it did";
    }
    Misconfiguration prior -3.0
        needs [RequestCount Above(5.0, 20.0)]
        needs [ServerErrorShare Shifts(3.0, 6.0), ClientErrorShare Shifts(3.0, 6.0), MovedShare Shifts(4.0, 8.0), ServerErrorShare AboveUnexpected(0.3, 0.8)]
    {
        CheckErrorShare Above(0.5, 0.9), -5.0 "only health checks fail, and visitors are served";
        ClientErrorShare Shifts(3.0, 8.0), 2.5 "requests are refused that used to succeed";
        ClientErrorShare Exceeds(0.05, 0.3), 1.0 "many of them";
        TopClientExcess Above(0.4, 0.7), -5.0 "one address sends what came on top";
        MovedShare Shifts(4.0, 9.0), 2.5 "requests are sent elsewhere that used to succeed";
        MovedShare Exceeds(0.05, 0.3), 1.0 "many of them";
        ServerErrorShare Shifts(3.0, 8.0), 1.0 "requests fail that used to succeed";
        ErrorPathConcentration Above(0.5, 0.95), 1.5 "all on one path";
        PageRate Flat(1.5), 1.5 "no more requests than before";
        NewClientShare Below(0.7, 0.4), 1.0 "the clients are the ones that always come";
        ServiceTimeRatio Below(1.3, 1.0), 1.0 "they fail at once";
        PageRate Rises(2.5, 8.0), -3.0 "there are far more requests than before";
        ProberShare Above(0.15, 0.5), -3.0 "scanners cause them";
        MachineClientShare Above(0.3, 0.8), -1.5 "most requests come from programs";
        ServerDownEvents Above(0.2, 1.0), -2.5 "a server is down";
        GatewayErrorShare Exceeds(0.05, 0.3), -3.0 "the proxy finds no server to answer";
        ClientAbortShare Exceeds(0.03, 0.15), -4.0 "clients went away, nobody refused them";
        LoginAttemptShare Above(0.2, 0.6), -1.5 "failed log-ins cause them";
        BrokenShare Above(0.04, 0.25), 2.0 "what used to succeed fails";
        LoopShare Above(0.15, 0.4), 5.0 "what used to be answered sends its clients elsewhere";
        BrokenShare Below(0.03, 0.0), -2.5 "what used to succeed still does";
        BarredShare Above(0.6, 0.85), 4.5 "nobody gets in any more, whoever used to";
        BackendSkew Above(0.06, 0.3), -2.0 "one server fails and the others do not";
        OwnProgramExcess Above(0.4, 0.9), -2.5 "a program of our own asks far more than it did";
    }
    SlowBackend prior -2.5
        needs [DurationMedian Rises(1.4, 2.5), ServiceTimeRatio Above(1.4, 2.5), UpstreamFailureShare Exceeds(0.05, 0.2), UpstreamFailureShare AboveUnexpected(0.15, 0.5), UpstreamFailureEvents Above(3.0, 20.0), DurationMedian AboveUnexpected(3e6, 1e7), GatewayErrorShare Exceeds(0.05, 0.2), FailedChecks Above(0.5, 1.5)]
        needs [DurationMedian Rises(1.4, 2.5), ServiceTimeRatio Above(1.4, 2.5), UpstreamFailureShare Shifts(2.0, 4.0), UpstreamFailureShare AboveUnexpected(0.15, 0.5), UpstreamFailureEvents Above(3.0, 20.0), DurationMedian AboveUnexpected(3e6, 1e7), GatewayErrorShare Shifts(2.0, 4.0), FailedChecks Above(0.5, 1.5)]
    {
        CheckErrorShare Above(0.5, 0.9), -5.0 "only health checks fail, and visitors are served";
        FailedChecks Above(0.5, 1.5), 5.0 "what the service needs is looked at, and does not answer as it used to";
        ServiceTimeRatio Above(1.5, 5.0), 3.0 "the same requests take longer than before";
        DurationMedian Rises(1.5, 5.0), 1.5 "answers take longer";
        DurationMedian AboveUnexpected(2e6, 1e7), 2.0 "answers take seconds";
        PageRate Flat(1.5), 2.5 "no more requests than before";
        PageRate Falls(0.8, 0.4), 1.0 "people wait instead of asking";
        PageRate Rises(2.0, 6.0), -3.5 "there are far more requests than before";
        NewClientShare Below(0.7, 0.4), 1.0 "the clients are the ones that always come";
        NewClientShare Above(0.8, 0.98), -1.5 "the clients are others than before";
        UpstreamFailureShare Exceeds(0.05, 0.4), 1.5 "servers do not answer in time, and used to";
        UpstreamFailureShare AboveUnexpected(0.05, 0.4), 1.5 "servers do not answer in time";
        GatewayErrorShare Exceeds(0.05, 0.4), 1.0 "the proxy gives up waiting";
        UpstreamFailureEvents Above(2.0, 20.0), 1.5 "the server's own log says that its supplier fails";
        AssetTimeRatio Above(1.6, 4.0), -4.0 "what needs no work is slow too, so the way is slow and not the service";
        LossStallShare Exceeds(0.08, 0.25), -4.0 "what needs no work is late by the wait for a lost packet, or not at all";
        WayExcess Above(0.5, 0.9), -5.0 "what takes longer is the way, and not the service";
        AssetAbortShare Exceeds(0.04, 0.2), -3.0 "clients give up on what needs no work too";
        MissingClients Above(3.0, 8.0), -2.0 "clients are missing that never got here";
        BackendTimeSkew Rises(3.0, 10.0), -2.5 "one server is slow and the others are not";
        AssetTimeRatio Below(1.6, 1.1), 1.0 "what needs no work is as fast as ever";
        BackendTroubleRate Above(0.02, 0.3), 2.5 "that is reported again and again";
        QueueTime Above(2e5, 1e6), 2.5 "requests queue for a server";
        QueueAlone Above(1e5, 1e6), -5.0 "the servers are as fast as ever: it is too few of them that are given work";
        CostPathRise Above(1.6, 5.0), -3.0 "the slow path is asked for far more often";
        DurationLead Above(0.5, 10.0), 1.5 "answers slowed first";
        CostConcentration Exceeds(0.2, 0.5), -0.75 "one path takes the time";
        MachineClientShare Above(0.3, 0.8), -2.0 "most requests come from programs";
        PeakRequestsPerClient Above(20.0, 100.0), -1.5 "no person asks for so many pages in one second";
        ServerDownEvents Above(0.2, 1.0), -3.0 "a server is down";
        BackendSkew Above(0.06, 0.3), -3.5 "one server fails and the others do not";
    }
    LoadBalancerFault prior -2.5
        needs [BackendTimeSkew Rises(3.0, 10.0), ServerDownEvents Above(0.2, 1.0), BackendSkew Above(0.05, 0.15), QueueAlone Above(1e5, 5e5), NoServerShare Exceeds(0.05, 0.2), NoServerShare AboveUnexpected(0.2, 0.5)]
    {
        CheckErrorShare Above(0.5, 0.9), -5.0 "only health checks fail, and visitors are served";
        ServerDownEvents Above(0.2, 2.0), 3.5 "the balancer says that servers are down";
        BackendSkew Above(0.06, 0.3), 4.0 "one server fails and the others do not";
        BackendTroubleRate Above(0.02, 0.3), 2.5 "that is reported again and again";
        UpstreamFailureEvents Above(2.0, 10.0), -2.0 "servers are reached and do not answer in time";
        NoServerShare Exceeds(0.05, 0.4), 5.0 "the balancer finds no server to answer, and used to";
        QueueAlone Above(1e5, 1e6), 5.0 "requests wait for a free server, and the servers are as fast as ever";
        NoServerShare AboveUnexpected(0.05, 0.4), 3.5 "the balancer finds no server to answer";
        PageRate Flat(1.6), 1.0 "no more requests than before";
        ServiceTimeRatio Below(1.3, 1.0), 1.0 "what is answered is answered as fast as ever";
        ServerDownEvents Above(0.2, 1.0), 1.0 "the balancer says that servers are down";
        ServiceTimeRatio Above(2.0, 6.0), -1.0 "everything is slow, not one server";
        DurationMedian AboveUnexpected(3e6, 1e7), -1.5 "answers take seconds";
        PageRate Rises(2.5, 8.0), -3.0 "there are far more requests than before";
        MachineClientShare Above(0.3, 0.8), -1.0 "most requests come from programs";
        BackendTimeSkew Rises(1.8, 8.0), 2.5 "one server is slow and the others are not";
        CostPathRise Above(5.0, 30.0), -3.0 "the costliest path is asked for far more often, and the servers fail under it";
    }
    NetworkFault prior -3.0
        needs [GoneNetworkShare Above(0.1, 0.25), HandshakeTime Rises(2.0, 5.0), MissingClients Above(2.5, 5.0), ResetShare Exceeds(0.1, 0.4), ResetShare AboveUnexpected(0.15, 0.4), OpeningsRepeatedShare Above(0.15, 0.5), RetransmissionShare Exceeds(0.02, 0.06), RetransmissionShare AboveUnexpected(0.1, 0.3), LossyClientShare Above(0.05, 0.2), ClientAbortShare Exceeds(0.05, 0.2), AssetAbortShare Exceeds(0.05, 0.2), AssetTimeRatio Above(1.6, 4.0), LossStallShare Exceeds(0.08, 0.25), WayExcess Above(0.5, 0.8)]
    {
        WayExcess Above(0.5, 0.9), 4.0 "what takes longer is the way, and not the service";
        SlowWayShare Above(0.75, 0.95), 3.0 "it is slow for nearly everybody, whoever they are";
        PageRate Falls(0.6, 0.15), 2.5 "requests stopped arriving";
        PacketRate Falls(0.6, 0.15), 2.0 "packets stopped arriving";
        LossyClientShare Above(0.05, 0.3), 3.0 "clients have to say again what they said";
        MissingClients Above(2.5, 8.0), 2.0 "clients of all kinds are missing, more than chance explains";
        GoneNetworkShare Above(0.08, 0.25), 4.0 "whole networks are silent, and the others come as ever";
        OpeningsRepeatedShare Above(0.1, 0.5), 3.0 "connections are tried again for want of an answer";
        HandshakeCompletion Lacks(0.3, 0.8), 2.5 "connections used to open";
        ResetShare AboveUnexpected(0.15, 0.5), 2.0 "connections break";
        ClientCount Falls(0.6, 0.2), 1.0 "clients disappeared";
        TwoWayShare Above(0.6, 0.95), 1.0 "conversations go on, and it is they that suffer";
        RetransmissionShare Above(0.04, 0.2), 4.0 "much has to be sent again";
        RetransmissionShare Exceeds(0.03, 0.1), 3.5 "hardly anything had to be sent again before";
        RetransmissionShare Rises(4.0, 16.0), 1.5 "many times as much as before";
        HandshakeTime Rises(1.8, 5.0), 2.0 "connections take longer to open than before";
        CertificateRefusedShare Above(0.3, 0.7), -6.0 "clients come as ever, and refuse our certificate";
        LogHoleShare Above(0.2, 0.6), -5.0 "the log has a hole, and is as ever beside it";
        FallOfFewKinds Above(0.5, 0.85), -5.0 "a few kinds of requests stopped, and the others come as ever";
        UnansweredUdpRate Above(80.0, 800.0), -3.0 "a flood fills the way";
        ReflectedRate Above(30.0, 300.0), -3.0 "a flood fills the way";
        StrayTcpRate Above(80.0, 800.0), -3.0 "a flood fills the way";
        IcmpRate Above(80.0, 800.0), -2.0 "a flood fills the way";
        SlowConnectionShare Above(0.1, 0.5), -3.0 "clients hold connections open";
        FanOutShare Above(0.3, 0.9), -2.0 "most of it is a scan";
        ResetShare Exceeds(0.1, 0.4), 1.5 "connections break";
        PageRate Falls(0.7, 0.3), 1.0 "requests stopped arriving";
        ClientAbortShare Exceeds(0.08, 0.3), 1.5 "clients go away unanswered";
        LingererShare Above(0.6, 0.95), -4.0 "those who were here go on, and only no others come, as where a log ends";
        AssetAbortShare Exceeds(0.04, 0.2), 3.5 "clients give up on what needs no work too";
        AssetTimeRatio Above(1.6, 4.0), 4.0 "what needs no work is slow too, so the way is slow and not the service";
        LossStallShare Exceeds(0.08, 0.25), 4.0 "answers come as ever, or late by the wait for a lost packet";
        CacheHitShare Lacks(0.15, 0.4), -5.0 "the cache has lost what it held, and fetches it anew";
        ServiceTimeRatio Below(1.4, 1.0), 1.0 "what arrives is answered as fast as ever";
        ServerErrorShare Exceeds(0.05, 0.3), -2.0 "the service itself fails";
        ServerDownEvents Above(0.5, 2.0), -2.0 "a server is down";
        PageRate Rises(1.5, 4.0), -3.0 "there are more requests than before";
        ConnectionRate Rises(2.5, 8.0), -3.0 "more connections are opened than before";
        HalfOpenRate Above(20.0, 200.0), -2.0 "connections are opened and left";
    }
    ClientFault prior -3.0
        needs [OwnClientShare Above(0.25, 0.6), ReturningShare Above(0.45, 0.8), OwnProgramExcess Above(0.3, 0.7), FailingScriptShare Above(0.2, 0.5), PollRise Above(3.0, 10.0)]
        needs [PageRate Rises(1.3, 3.0), PeakRequestsPerClient Above(4.0, 20.0)]
        needs [RequestCount Above(30.0, 120.0)]
        needs [RequestRate Above(3.0, 8.0)]
    {
        OwnClientShare Exceeds(0.15, 0.5), 1.5 "one program that always came here sends most of it";
        OwnClientShare AboveUnexpected(0.5, 0.9), 1.0 "one program sends most of it";
        TopPathShare Above(0.4, 0.9), 1.0 "it repeats one request";
        TopPathShare Exceeds(0.15, 0.5), 1.0 "it repeats one request";
        ReturningShare Above(0.3, 0.8), 3.0 "its clients were here before";
        ReturningShare Below(0.2, 0.02), -2.5 "its clients were never seen before";
        RequestsPerClient Rises(1.5, 5.0), 2.0 "each client sends more than it used to";
        ServerErrorShare Exceeds(0.05, 0.3), 1.0 "it repeats what failed";
        RandomTextShare Above(0.3, 0.8), -2.0 "paths or queries are drawn at random";
        UserAgentRotation Above(0.2, 0.6), -2.0 "clients change their user agent as they go";
        FailingScriptShare Above(0.2, 0.6), 4.0 "pages of ours call again and again for what fails";
        OwnProgramExcess Above(0.4, 0.9), 4.5 "a program that always came here sends what came on top";
        OwnProgramExcess Below(0.3, 0.05), -2.0 "what came on top is sent by others than the programs known here";
        OwnNetworkExcess Above(0.4, 0.9), 2.0 "machines of our own network send what came on top";
        RepeatedExcess Above(0.3, 0.8), 2.0 "what came on top repeats one request";
        RepeatedExcess Below(0.2, 0.05), -2.0 "what came on top repeats nothing";
        BatchShare Above(0.4, 0.8), -5.0 "it works through a list, which is no fault";
        BatchExcess Above(0.5, 0.9), -5.0 "programs do their work, which is no fault";
        AssetsPerPage Above(0.5, 1.5), -3.0 "people browse: they fetch what pages are made of";
        EventShare Above(0.4, 0.8), -6.0 "services tell of events, and are heard";
        WatchExcess Above(0.4, 0.8), -6.0 "monitors look whether the service is up";
        PollRise Above(3.0, 10.0), 5.0 "pages that are open ask far more often than they did";
    }
    FlashCrowd prior -2.0
        needs [PageRate Rises(1.4, 2.5), ClientRate Rises(1.4, 2.5)]
        needs [RequestCount Above(40.0, 150.0)]
        needs [ClientCount Above(12.0, 40.0), HiddenClientShare Above(0.7, 0.95)]
        needs [PageRate Above(1.2, 4.0)]
        needs [PageRate Rises(1.2, 1.6), RequestRate Rises(1.2, 1.6)]
        needs [ReferenceTime Above(5.0, 12.0)]
        needs [NewWorkerCount Below(40.0, 10.0), OwnProgramExcess Above(0.5, 0.9)]
    {
        PageRate Rises(1.5, 5.0), 2.0 "far more requests than before";
        PageRate Flat(1.2), -2.0 "no more is asked for than ever";
        ClientRate Rises(1.5, 5.0), 1.5 "from far more people than before";
        RequestRate Rises(1.8, 6.0), 1.0 "far more requests in all, what pages are made of included";
        SlowConnections Above(8.0, 100.0), -4.0 "connections are held open by requests that never end";
        PastTheCacheShare Exceeds(0.2, 0.6), -5.0 "files are asked for under ever other queries, past every cache";
        NoServerShare Exceeds(0.7, 0.95), -5.0 "no server answers at all, and who was there tries again";
        ReopenedShare Above(0.4, 0.8), 3.0 "visitors open again what they had open, a few each";
        TopClientExcess Above(0.5, 0.85), -5.0 "one address sends what came on top, and a crowd has many";
        OfficeExcess Above(0.6, 0.9), -3.0 "what came on top are visitors behind one address, as an office is";
        TransferShare Above(0.3, 0.7), -3.0 "a few clients fetch large files";
        WorkerShare Above(0.3, 0.7), -1.5 "programs ask, not people";
        NewWorkerCount Above(10.0, 60.0), -3.0 "many programs that were never here come at once";
        OrderedShare Above(0.2, 0.6), -4.0 "items are taken in the order of their numbers";
        AssetsPerPage Flat(1.5), 3.0 "they fetch pages with their assets, as browsers do";
        AssetsPerPage Above(1.0, 3.0), 1.0 "they fetch assets, as browsers do";
        AssetsPerPage Falls(0.25, 0.05), -3.0 "pages are fetched without their assets";
        AssetlessClientShare Exceeds(0.15, 0.5), -3.0 "they fetch nothing that pages are made of";
        TopReferrerShare Exceeds(0.08, 0.4), 2.5 "one place sends them here";
        RequestsPerClient Flat(1.8), 1.0 "each does what visitors always did";
        MachineClientShare Below(0.05, 0.0), 1.0 "nobody behaves like a program";
        DistinctQueryShare Exceeds(0.3, 0.7), -3.0 "far more one-time queries than before";
        MachineClientShare Above(0.1, 0.5), -3.0 "many behave like programs";
        PeakRequestsPerClient Above(10.0, 60.0), -2.0 "no person asks for so many pages in one second";
        TopUserAgentShare Exceeds(0.2, 0.5), -2.0 "one user agent dominates";
        TopUserAgentShare Flat(1.5), 0.75 "the mix of browsers is as ever";
        UserAgentRotation Above(0.2, 0.6), -2.0 "clients change their user agent as they go";
        RandomTextShare Exceeds(0.2, 0.6), -2.5 "paths or queries are drawn at random";
        ServiceTimeRatio Above(3.0, 10.0), -0.5 "a slow supplier may explain it";
        LoginAttemptShare Exceeds(0.15, 0.5), -2.0 "they try to log in";
        GuesserRequests Above(8.0, 40.0), -2.5 "log-in after log-in by clients that do nothing else";
        RequestsPerClient Rises(3.0, 10.0), -2.0 "each sends far more than visitors did";
        CrawlerShare Exceeds(0.15, 0.5), -2.5 "they say that they are crawlers";
        ReferrerRotation Above(0.25, 0.6), -2.0 "referrers are drawn at random";
        OwnProgramExcess Above(0.4, 0.9), 2.0 "they use the program that visitors always used";
        CopierShare Above(0.2, 0.7), -2.5 "they read page after page and nothing else";
        BatchShare Above(0.3, 0.8), -2.0 "one program works through a list";
        BatchExcess Above(0.5, 0.9), -4.0 "programs work through a list, or fetch what they subscribe to";
        BareBrowserShare Exceeds(0.2, 0.6), -2.0 "its browsers fetch nothing that pages are made of, and come from nowhere";
        PollShare Above(0.3, 0.7), 1.5 "the pages that they left open ask for news";
        PagelessScriptShare Exceeds(0.3, 0.7), -4.0 "they call as the scripts of pages do, which they never loaded";
        EnteredShare AboveUnexpected(0.6, 0.9), 2.0 "who logs in gets in and goes on";
        InvitedShare Above(0.1, 0.3), 3.0 "they follow links that were sent out";
        SubscriberShare Above(0.3, 0.7), 1.0 "programs fetch at once what they subscribe to";
        LoopShare Above(0.15, 0.4), -4.0 "what used to be answered sends its clients elsewhere, so they ask again";
        ServiceExcess Above(0.4, 0.8), -4.25 "services ask, with which nobody visits";
        EventShare Above(0.4, 0.8), 3.5 "services tell of events, and are heard";
        PollRise Above(3.0, 10.0), -5.0 "pages that are open ask far more often than they did";
        HiddenClientShare Exceeds(0.2, 0.6), 2.5 "many visitors stand behind one address";
        FailingScriptShare Above(0.2, 0.6), -5.0 "pages that are open call again and again for what fails";
    }
    Crawler prior -2.5
        needs [EventShare Below(0.6, 0.3)]
        needs [CrawlerShare Above(0.2, 0.5), CrawlerExcess Above(0.4, 0.8)]
        needs [RequestRate Above(0.3, 1.2)]
        needs [RequestCount Above(30.0, 80.0)]
    {
        CrawlerShare Exceeds(0.15, 0.5), 3.5 "most of it says which crawler it is";
        CrawlerShare AboveUnexpected(0.4, 0.8), 3.0 "most of it says which crawler it is";
        CrawlerExcess Above(0.4, 0.8), 3.5 "what came on top says which crawler it is";
        DistinctPathShare Above(0.2, 0.7), 1.5 "it reads page after page once";
        TopPathShare Below(0.4, 0.1), 1.0 "it reads many pages";
        RequestRate Below(120.0, 15.0), 1.0 "at a pace that crawlers keep";
        PageRate Rises(1.2, 1.8), 1.5 "more requests than before";
        PeakRequestsPerClient Above(60.0, 300.0), -3.0 "no crawler that means well is so fast";
        DistinctQueryShare Above(0.2, 0.7), 2.0 "it reads page after page once";
        TopPathShare Exceeds(0.15, 0.5), -1.5 "it repeats one page, which no crawler does";
        TopPathShare AboveUnexpected(0.5, 0.9), -1.5 "it repeats one page, which no crawler does";
        RandomTextShare Above(0.5, 0.9), -2.0 "paths or queries are drawn at random";
        ProberShare Above(0.3, 0.8), -2.0 "it looks for holes";
        ServerErrorShare Exceeds(0.1, 0.4), -1.0 "the service fails under it";
    }
};

#[cfg(test)]
mod tests;
