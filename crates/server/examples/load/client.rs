//! Clients that send calls and keep the time.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc, time::Duration};

use memchr::memmem;
use tokio::{
    net::TcpStream,
    task::LocalSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    calls::{self, Body, Pace},
    report::Report,
    wire::{Wire, digits, now_nanos},
};

/// An answer that takes longer is a failure.
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) struct Load {
    pub(crate) pace: Pace,
    /// So many calls a second; as fast as the answers come where there is none.
    pub(crate) rate: Option<u32>,
    pub(crate) address: SocketAddr,
    pub(crate) path: String,
    pub(crate) tokens: Vec<String>,
    pub(crate) time: Duration,
    pub(crate) connections: usize,
}

/// What all connections share.
struct Shared {
    report: Report,
    /// Tokens not used yet, where each is used once.
    unused: Vec<String>,
    /// How many calls were sent, where there is a rate.
    sent: u32,
}

impl Load {
    pub(crate) async fn run(self) -> io::Result<Report> {
        let shared = Rc::new(RefCell::new(Shared {
            report: Report::default(),
            unused: if self.tokens.len() > 1 {
                self.tokens.clone()
            } else {
                Vec::new()
            },
            sent: 0,
        }));
        let (load, began) = (Rc::new(self), Instant::now());
        let tasks = LocalSet::new();
        for _ in 0..load.connections {
            let (load, shared) = (Rc::clone(&load), Rc::clone(&shared));
            tasks.spawn_local(async move {
                while !load.is_over(began, &shared) {
                    // A connection that breaks is counted, and replaced by a new one.
                    if load.connection(began, &shared).await.is_err() {
                        shared.borrow_mut().report.errors += 1;
                    }
                }
            });
        }
        tasks.await;
        let mut report = std::mem::take(&mut shared.borrow_mut().report);
        report.seconds = began.elapsed().as_secs_f64();
        Ok(report)
    }

    fn is_over(&self, began: Instant, shared: &RefCell<Shared>) -> bool {
        let is_used_up = self.tokens.len() > 1 && shared.borrow().unused.is_empty();
        is_used_up || began.elapsed() >= self.time
    }

    async fn connection(&self, began: Instant, shared: &RefCell<Shared>) -> io::Result<()> {
        let mut wire = Wire::new(TcpStream::connect(self.address).await?)?;
        let usual = self.request(self.tokens.first().map_or("none", String::as_str));
        while !self.is_over(began, shared) {
            let single = shared.borrow_mut().unused.pop().map(|token| self.request(&token));
            let request = single.as_deref().unwrap_or(&usual);
            let due = self.next_due(began, shared).await;
            let answered = timeout(LONGEST, self.call(&mut wire, request, due, shared)).await;
            answered.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        }
        Ok(())
    }

    /// When the next call is to begin: its latency counts from then, also if it is sent later.
    async fn next_due(&self, began: Instant, shared: &RefCell<Shared>) -> Instant {
        let Some(rate) = self.rate else {
            return Instant::now();
        };
        let number = shared.borrow().sent;
        shared.borrow_mut().sent += 1;
        let due = began + Duration::from_secs(1) * number / rate;
        sleep_until(due).await;
        due
    }

    async fn call(&self, wire: &mut Wire, request: &[u8], due: Instant, shared: &RefCell<Shared>) -> io::Result<()> {
        wire.send(request).await?;
        let (mut first, mut delays, mut events) = (None, Vec::new(), 0_u64);
        let status = wire.read_answer(|data| {
            first.get_or_insert_with(|| due.elapsed());
            let arrived = now_nanos();
            for place in memmem::find_iter(data, b"\"sent\":") {
                events += 1;
                if let Some(sent) = data.get(place + 7..).and_then(digits) {
                    delays.push(Duration::from_nanos(arrived.saturating_sub(sent)));
                }
            }
        });
        let status = status.await?;

        let report = &mut shared.borrow_mut().report;
        report.calls += 1;
        report.refused += u64::from(status != 200);
        report.events += events;
        report.latencies.push(due.elapsed());
        report.first_bytes.extend(first);
        if self.pace == Pace::Paced {
            report.event_delays.append(&mut delays);
        }
        Ok(())
    }

    pub(crate) fn request(&self, token: &str) -> Vec<u8> {
        let Body { kind, bytes } = calls::body(&self.path, self.pace);
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\naccept: application/json\r\nuser-agent: load\r\ncontent-length: {}\r\n\r\n",
            self.path,
            self.address,
            bytes.len()
        );
        [head.into_bytes(), bytes].concat()
    }
}
