//! A server of finite capacity: a pool of servers with workers each (G/G/c, first come first
//! served), a cache, a queue limit and a time-out. Overload makes answers slow, then fail.

use super::fault::{Fault, Scope, Trouble};
use super::site::Work;
use crate::rng::Rng;
use seawall_model::observation::{CacheResult, Ending};

/// The fixed part.
#[derive(Clone, Debug)]
pub struct ServerModel {
    pub servers: u32,
    pub workers_per_server: u32,
    /// Median time of each kind of work.
    pub work_us: [f64; Work::COUNT],
    /// Spread of work (sigma of the logarithm).
    pub spread: f64,
    /// Requests that would wait longer are refused at once.
    pub queue_limit_us: f64,
    /// Waiting and work that take longer end in a gateway error.
    pub timeout_us: f64,
    /// Pages are served from cache for so long after a miss; 0: no cache.
    pub cache_s: f64,
    /// Static files need no worker.
    pub static_aside: bool,
    /// Clients' line speed.
    pub bytes_per_us: f64,
    pub refusal_status: u16,
}

impl ServerModel {
    /// A server that carries `dynamic_per_s` requests for pages at a utilisation of `load`.
    pub fn sized(rng: &mut Rng, dynamic_per_s: f64, load: f64) -> Self {
        let page_us = rng.log_uniform(3_000.0, 250_000.0);
        let mut work_us = [0.0; Work::COUNT];
        work_us[Work::Static as usize] = rng.log_uniform(100.0, 3_000.0);
        work_us[Work::Page as usize] = page_us;
        work_us[Work::Api as usize] = page_us * rng.uniform(0.2, 1.0);
        work_us[Work::Search as usize] = page_us * rng.uniform(1.5, 6.0);
        work_us[Work::Login as usize] = page_us * rng.uniform(1.0, 4.0);
        work_us[Work::Report as usize] = page_us * rng.uniform(8.0, 40.0);
        work_us[Work::Download as usize] = rng.log_uniform(300.0, 5_000.0);
        let servers = *rng.pick(&[1, 1, 2, 2, 3, 4, 6]);
        let needed = dynamic_per_s * page_us / 1e6 / load;
        let workers_per_server = (needed / f64::from(servers)).ceil().clamp(2.0, 64.0) as u32;
        Self {
            servers,
            workers_per_server,
            work_us,
            spread: rng.uniform(0.3, 0.9),
            queue_limit_us: rng.log_uniform(2e6, 3e7),
            timeout_us: *rng.pick(&[1e7, 3e7, 3e7, 6e7]),
            cache_s: if rng.chance(0.35) { rng.log_uniform(10.0, 600.0) } else { 0.0 },
            static_aside: rng.chance(0.8),
            bytes_per_us: rng.log_uniform(0.5, 20.0),
            refusal_status: *rng.pick(&[503, 503, 503, 502, 500]),
        }
    }
}

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub work: Work,
    pub page: u32,
    /// May come from the cache, under the page's number.
    pub cacheable: bool,
    pub bytes: f64,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// 0: fine, the caller knows the status of success.
    pub failure: u16,
    pub wait_us: f64,
    pub work_us: f64,
    pub transfer_us: f64,
    pub server: u32,
    pub ending: Ending,
    pub cache: CacheResult,
}

impl Served {
    #[must_use]
    pub fn total_us(&self) -> f64 {
        self.wait_us + self.work_us + self.transfer_us
    }
}

/// The moving part.
#[derive(Debug)]
pub struct Server<'a> {
    model: &'a ServerModel,
    faults: &'a [Fault],
    /// When each worker is free, by server.
    free_at_us: Vec<f64>,
    /// When each page's cached copy ends.
    cached_until_us: Vec<f64>,
    turn: u32,
    /// Ends of the requests in progress, roughly: an exponentially fading count.
    open: f64,
    open_at_us: f64,
}

impl<'a> Server<'a> {
    #[must_use]
    pub fn new(model: &'a ServerModel, faults: &'a [Fault], pages: usize) -> Self {
        Self {
            model,
            faults,
            free_at_us: vec![f64::MIN; (model.servers * model.workers_per_server) as usize],
            cached_until_us: vec![f64::MIN; pages],
            turn: 0,
            open: 0.0,
            open_at_us: 0.0,
        }
    }

    /// Serves a job that arrives at `now_us`.
    pub fn serve(&mut self, now_us: f64, job: Job, rng: &mut Rng) -> Served {
        let model = self.model;
        let mut served = Served {
            failure: 0,
            wait_us: 0.0,
            work_us: 0.0,
            transfer_us: job.bytes / model.bytes_per_us + 200.0,
            server: 0,
            ending: Ending::Normal,
            cache: CacheResult::Miss,
        };
        if self.is_in_cache(now_us, job) {
            served.cache = CacheResult::Hit;
            served.work_us = 150.0;
            return served;
        }
        self.turn = (self.turn + 1) % model.servers;
        served.server = self.turn;
        let mut slowness = 1.0;
        for fault in self.faults.iter().filter(|f| f.is_active(now_us / 1e6)) {
            if !touches(fault.scope, job, served.server) {
                continue;
            }
            match fault.trouble {
                Trouble::Slow { factor, rise_s } => {
                    let risen = ((now_us / 1e6 - fault.from_s) / rise_s.max(0.001)).min(1.0);
                    slowness *= 1.0 + (factor - 1.0) * risen;
                }
                trouble => {
                    if let Some(failed) = self.fails(trouble, served, rng) {
                        return failed;
                    }
                    if let Trouble::Lossy { factor, .. } = trouble {
                        served.transfer_us = (served.transfer_us + 30_000.0) * factor;
                    }
                }
            }
        }
        self.work(now_us, job, slowness, served, rng)
    }

    /// Requests in progress, about.
    pub fn open_connections(&mut self, now_us: f64, duration_us: f64) -> u32 {
        let faded = (now_us - self.open_at_us).max(0.0) / 1e6;
        self.open = self.open / (1.0 + faded) + (duration_us / 1e6).min(1.0);
        self.open_at_us = now_us;
        self.open as u32 + 1
    }

    fn is_in_cache(&mut self, now_us: f64, job: Job) -> bool {
        if self.model.cache_s == 0.0 || !job.cacheable {
            return false;
        }
        if job.work == Work::Static {
            return true;
        }
        let Some(until) = self.cached_until_us.get_mut(job.page as usize) else { return false };
        if *until > now_us {
            return true;
        }
        *until = now_us + self.model.cache_s * 1e6;
        false
    }

    fn fails(&self, trouble: Trouble, mut served: Served, rng: &mut Rng) -> Option<Served> {
        match trouble {
            Trouble::Fails { status, share } if rng.chance(share) => {
                served.failure = status;
                served.work_us = rng.log_normal(2_000.0, 0.8);
                served.transfer_us = 300.0;
                Some(served)
            }
            Trouble::Dead { refuses } => {
                served.failure = if refuses { 503 } else { 504 };
                served.ending = if refuses { Ending::UpstreamFailed } else { Ending::UpstreamTimedOut };
                served.work_us =
                    if refuses { rng.log_normal(3_000_000.0, 0.1) } else { self.model.timeout_us };
                if refuses && rng.chance(0.5) {
                    served.failure = 502;
                    served.work_us = 800.0;
                }
                Some(served)
            }
            Trouble::Lossy { gives_up, .. } if rng.chance(gives_up) => {
                served.failure = 499;
                served.ending = Ending::ClientAborted;
                served.work_us = rng.log_uniform(1e6, 2e7);
                Some(served)
            }
            _ => None,
        }
    }

    fn work(&mut self, now_us: f64, job: Job, slowness: f64, mut served: Served, rng: &mut Rng) -> Served {
        let model = self.model;
        let need_us = rng.log_normal(model.work_us[job.work as usize], model.spread) * slowness;
        served.work_us = need_us;
        if matches!(job.work, Work::Static | Work::Download) && model.static_aside {
            return served;
        }
        let first = (served.server * model.workers_per_server) as usize;
        let workers = &mut self.free_at_us[first..first + model.workers_per_server as usize];
        let mut best = 0;
        for i in 1..workers.len() {
            if workers[i] < workers[best] {
                best = i;
            }
        }
        served.wait_us = (workers[best] - now_us).max(0.0);
        if served.wait_us > model.queue_limit_us {
            served.failure = model.refusal_status;
            served.ending = Ending::QueueTimedOut;
            served.wait_us = 0.0;
            served.work_us = rng.log_normal(1_000.0, 0.5);
            served.transfer_us = 300.0;
            return served;
        }
        workers[best] = now_us + served.wait_us + need_us.min(model.timeout_us);
        if served.wait_us + need_us > model.timeout_us {
            served.failure = 504;
            served.ending = Ending::UpstreamTimedOut;
            served.work_us = model.timeout_us - served.wait_us.min(model.timeout_us);
            served.transfer_us = 300.0;
        }
        served
    }
}

fn touches(scope: Scope, job: Job, server: u32) -> bool {
    match scope {
        Scope::Everything => true,
        Scope::Dynamic => !matches!(job.work, Work::Static | Work::Download),
        Scope::Work(work) => job.work == work,
        Scope::Pages { every, remainder } => {
            !matches!(job.work, Work::Static | Work::Download) && job.page % every == remainder
        }
        Scope::Server(which) => server == which && !matches!(job.work, Work::Static),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ServerModel {
        ServerModel {
            servers: 1,
            workers_per_server: 2,
            work_us: [100_000.0; Work::COUNT],
            spread: 0.0,
            queue_limit_us: 1_000_000.0,
            timeout_us: 10_000_000.0,
            cache_s: 0.0,
            static_aside: true,
            bytes_per_us: 1.0,
            refusal_status: 503,
        }
    }

    const PAGE: Job = Job { work: Work::Page, page: 0, cacheable: true, bytes: 0.0 };

    #[test]
    fn load_beyond_the_workers_waits_and_then_is_refused() {
        let model = model();
        let mut server = Server::new(&model, &[], 1);
        let mut rng = Rng::new(1);
        // two workers of a tenth of a second: the third request at once waits one service time
        let waits: Vec<u32> = (0..4).map(|_| server.serve(0.0, PAGE, &mut rng).wait_us as u32).collect();
        assert_eq!(waits, [0, 0, 100_000, 100_000]);
        let failures: Vec<u16> = (0..40).map(|_| server.serve(0.0, PAGE, &mut rng).failure).collect();
        assert_eq!(failures.iter().filter(|f| **f == 503).count(), 22, "{failures:?}");
        assert_eq!(server.serve(5e6, PAGE, &mut rng).wait_us, 0.0);
    }

    #[test]
    fn a_cache_answers_the_second_time() {
        let model = ServerModel { cache_s: 10.0, ..model() };
        let mut server = Server::new(&model, &[], 1);
        let mut rng = Rng::new(1);
        assert_eq!(server.serve(0.0, PAGE, &mut rng).cache, CacheResult::Miss);
        assert_eq!(server.serve(1.0, PAGE, &mut rng).cache, CacheResult::Hit);
        assert_eq!(server.serve(2.0, Job { cacheable: false, ..PAGE }, &mut rng).cache, CacheResult::Miss);
        assert_eq!(server.serve(11e6, PAGE, &mut rng).cache, CacheResult::Miss);
    }

    #[test]
    fn faults_hold_while_they_last() {
        let dead = Fault {
            from_s: 1.0,
            to_s: 2.0,
            scope: Scope::Dynamic,
            trouble: Trouble::Fails { status: 500, share: 1.0 },
        };
        let model = model();
        let faults = [dead];
        let mut server = Server::new(&model, &faults, 1);
        let mut rng = Rng::new(1);
        let failures = [0.5e6, 1.5e6, 2.5e6].map(|at| server.serve(at, PAGE, &mut rng).failure);
        assert_eq!(failures, [0, 500, 0]);
    }
}
