//! Streams that are held open, many at once, so that somebody can look at what they take meanwhile.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::{Notify, Semaphore},
    task::LocalSet,
    time::{Instant, timeout},
};

use super::{client::Load, report::Report, wire::Wire};

/// So many are opened at a time: more than a listener lets wait would only be opened later.
const OPENED_AT_ONCE: usize = 64;
/// All have to be open by then.
const LONGEST: Duration = Duration::from_mins(2);

struct Shared {
    report: RefCell<Report>,
    places: Semaphore,
    all_open: Notify,
}

/// Opens as many streams as there are connections, says so in a line of its own, and keeps them open for
/// as long as the load is to last. The report counts the events that came, and as errors the streams that
/// did not open or ended by themselves.
pub(crate) async fn hold(load: Load) -> io::Result<Report> {
    let shared = Rc::new(Shared {
        report: RefCell::default(),
        places: Semaphore::new(OPENED_AT_ONCE),
        all_open: Notify::new(),
    });
    let (load, began) = (Rc::new(load), Instant::now());
    let tasks = LocalSet::new();
    for _ in 0..load.connections {
        let (load, shared) = (Rc::clone(&load), Rc::clone(&shared));
        tasks.spawn_local(async move {
            let ended = stream(&load, &shared).await;
            let report = &mut shared.report.borrow_mut();
            report.errors += 1;
            report.refused += u64::from(ended.is_ok_and(|status| status != 200));
            shared.all_open.notify_one();
        });
    }
    let held = tasks.run_until(async {
        timeout(LONGEST, shared.all_open.notified()).await?;
        let open = shared.report.borrow().calls;
        let seconds = began.elapsed().as_secs_f64();
        writeln!(
            io::stdout(),
            "{}",
            serde_json::json!({"open": open, "seconds": seconds})
        )?;
        tokio::time::sleep(load.time).await;
        io::Result::Ok(())
    });
    held.await?;
    let mut report = std::mem::take(&mut *shared.report.borrow_mut());
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// One stream, which only ends by itself where something is wrong. Gives its status then.
async fn stream(load: &Load, shared: &Shared) -> io::Result<u16> {
    let place = shared.places.acquire().await.map_err(io::Error::other)?;
    let mut place = Some(place);
    let mut wire = Wire::new(TcpStream::connect(load.address).await?)?;
    let token = load.tokens.first().map_or("none", String::as_str);
    wire.send(&load.request(token)).await?;
    wire.read_answer(|_| {
        let report = &mut shared.report.borrow_mut();
        report.events += 1;
        if place.take().is_some() {
            report.calls += 1;
            if report.calls == load.connections as u64 {
                shared.all_open.notify_one();
            }
        }
    })
    .await
}
